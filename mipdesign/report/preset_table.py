"""The table of the presets; what it needs is imported in no time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

from ..figures.formatting import limit, scientific
from ..figures.tables import Table, columns
from ..problem.listing import Summary


def presets_table(summaries: Iterable[Summary]) -> Table:
    """The problems that ship with the package."""
    rows = tuple(
        (each.name, str(each.resolution), ", ".join(each.blocks), scientific(each.networks), limits_text(each.budgets))
        for each in summaries
    )
    headings = ("name", "input", "blocks", "networks", "budgets")
    return Table("Presets", columns(*headings, left=("name", "blocks", "budgets")), rows)


def limits_text(limits: Mapping[str, float] | Mapping[str, Fraction]) -> str:
    """Limits by name, in one line."""
    return ", ".join(f"{name} {limit(name, value)}" for name, value in limits.items()) or "none"
