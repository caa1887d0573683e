"""The part of a page that shows several designs beside each other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..designs.design import Design
from ..figures.formatting import number, percent, points
from ..figures.tables import Table, columns
from .folders import DesignFolder
from .reproduction import leaves
from .sections import Section, View, network_figure
from .tables import FIGURES, SIZES
from .words import BADGES

MOST_DIFFERENCES = 24
"""Fields in which problems differ that are all shown."""


def comparison_view(folders: Sequence[DesignFolder]) -> View:
    """Several designs beside each other."""
    designs, names = [folder.design for folder in folders], unique_names(folders)
    networks = [design.architecture for design in designs if design.architecture is not None]
    figures = tuple(
        network_figure(design.architecture, f"both-{i}", networks, name)
        for i, (design, name) in enumerate(zip(designs, names, strict=True))
        if design.architecture is not None
    )
    tables = [Table("Figures side by side", columns("figure", *names, left=("figure",)), tuple(comparison_rows(designs)))]
    different = differences([{} if d.architecture is None else d.architecture.to_dict() for d in designs])
    fields = columns("field", *names, left=("field",))
    tables += [Table("Where the networks differ", fields, tuple(different))] if different else []
    asked = differences([{k: v for k, v in design.problem.to_dict().items() if k != "name"} for design in designs])
    lines = [] if different else ["The networks are the same."]
    if len(asked) > MOST_DIFFERENCES:
        lines.append(f"The problems differ in {len(asked)} fields; those of the super-blocks are left out below.")
        asked = [row for row in asked if not row[0].startswith(("stages.", "stem."))]
    tables += [Table("Where the problems differ", fields, tuple(asked))] if asked else []
    if len({design.problem.convention for design in designs}) > 1:
        lines.append(
            "Objectives, FLOPs and parameters of different conventions are not comparable: each counts by its own rules."
        )
    drawn = Section("both-networks", "Networks to one scale", figures=figures)
    beside = Section("both-figures", "Side by side", tuple(lines), tables=tuple(tables))
    proven = sum(design.status in ("optimal", "infeasible") for design in designs)
    return View(
        id="both",
        title="Comparison",
        name="Comparison",
        kind=", ".join(names),
        badge=f"{proven} of {len(designs)} proven",
        status="optimal" if proven == len(designs) else "feasible",
        summary="",
        facts=tuple((name, points(d.objective), BADGES[d.status]) for name, d in zip(names, designs, strict=True)),
        sections=(drawn, beside),
    )


def unique_names(folders: Sequence[DesignFolder]) -> list[str]:
    """Names of designs; those of their folders where they are the same, with numbers where these are the same too."""
    names = [folder.design.problem.name for folder in folders]
    names = [name if names.count(name) == 1 else folder.label for name, folder in zip(names, folders, strict=True)]
    return [n if names.count(n) == 1 else f"{n} #{i}" for i, n in enumerate(names, 1)]


def comparison_rows(designs: Sequence[Design]) -> Iterator[tuple[str, ...]]:
    """Outcome and figures, one design per column."""
    yield "status", *(BADGES[design.status] for design in designs)
    yield "convention", *(design.problem.convention for design in designs)
    yield "objective", *(points(design.objective) for design in designs)
    yield "bound", *(points(design.bound) for design in designs)
    yield "gap", *(percent(design.gap) for design in designs)
    for name in (*FIGURES, *SIZES, "weighted_entropy", "penalty"):
        values = [None if design.evaluation is None else getattr(design.evaluation, name) for design in designs]
        text = points if name in ("weighted_entropy", "penalty") else number
        if any(value is not None for value in values):
            yield name, *("-" if value is None else text(value) for value in values)
    yield "seconds", *(f"{design.wall_seconds:,.1f}" for design in designs)
    yield "peak memory, MB", *(f"{design.peak_rss_mb:,.0f}" for design in designs)


def differences(data: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Fields in which nested plain data are not all alike, with each one's value."""
    flat = [dict(leaves(item)) for item in data]
    keys = dict.fromkeys(key for item in flat for key in item)
    rows = [(key, [any_text(item.get(key)) for item in flat]) for key in keys]
    return [(key, *values) for key, values in rows if len(set(values)) > 1]


def any_text(value: Any) -> str:
    """A value of a specification or of an architecture; a list with a cross between its items."""
    if isinstance(value, (list, tuple)):
        return " × ".join(map(any_text, value))
    return number(value) if isinstance(value, (int, float)) and math.isfinite(value) else "-" if value is None else str(value)
