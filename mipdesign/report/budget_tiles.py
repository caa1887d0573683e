"""Budgets as a page shows them first: limits, and how much of them the network uses; those that bind before the others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..figures.formatting import number, quantity
from ..networks.budget_names import LOWER
from ..problem.budgets import Budget
from .tables import named, share_text, share_used

TIGHT = 0.99
"""Share of a limit from which on it is called used up."""
LABELS = {
    "flops": "FLOPs",
    "macs": "MACs",
    "params": "parameters",
    "params_backbone": "parameters of the backbone",
    "params_total": "all parameters",
    "weights_bytes": "weights, bytes",
}
"""What budgets are called whose names are abbreviations."""


@dataclass(frozen=True)
class Tile:
    """One limit, and what the network has of it.

    Attributes
    ----------
    share:
        How close the value is to its limit, the figure that tiles are ordered by: 1 is at it, more is beyond it.
    limit, left:
        The limit and what is left of it, in words.
    state:
        ``exceeded``, ``tight`` or ``kept``.
    """

    label: str
    value: str
    share: float
    limit: str
    left: str
    state: str

    @property
    def percent(self) -> str:
        """The share as tables have it."""
        return share_text(self.share)

    @property
    def filled(self) -> str:
        """Part of its bar that is filled, per cent."""
        return f"{100 * min(self.share, 1.0):.1f}"


def budget_label(name: str, quantised: bool) -> str:
    """What a budget is called, with its unit; parts of a name after a dot say which one of several it is."""
    name, _, which = name.removeprefix(LOWER).partition(".")
    figure, _, unit = named(name, quantised).partition(", ")
    label = LABELS.get(figure, figure.replace("_", " ")) + (f" {which.replace('_', ' ')}" if which else "")
    return f"{label}, {unit}" if unit else label


def budget_tile(budget: Budget, quantised: bool) -> Tile:
    """The tile of one limit."""
    share, is_lower = share_used(budget), budget.name.startswith(LOWER)
    left = rough(abs(budget.slack))
    words = f"{left} above" if is_lower else f"{left} left"
    if not budget.holds:
        words = f"{left} too few" if is_lower else f"{left} too many"
    elif budget.slack == 0:
        words = "nothing left"
    return Tile(
        budget_label(budget.name, quantised),
        short(budget.value),
        share,
        f"at {'least' if is_lower else 'most'} {short(budget.limit)}",
        words,
        "exceeded" if not budget.holds else "tight" if share >= TIGHT else "kept",
    )


def short(value: float) -> str:
    """A value of a budget in few characters."""
    return quantity(value) if abs(value) >= 1000 else number(value)


def rough(value: float) -> str:
    """What is left of a budget, to three digits where it is no whole number."""
    return short(value) if value == int(value) else quantity(float(f"{value:.3g}"))


def budget_tiles(budgets: Iterable[Budget], quantised: bool) -> tuple[Tile, ...]:
    """A tile for each limit, those that the network is closest to first."""
    return tuple(budget_tile(budget, quantised) for budget in sorted(budgets, key=lambda b: (b.holds, -share_used(b))))
