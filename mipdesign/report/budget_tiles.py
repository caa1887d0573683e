"""Budgets as a page shows them first: limits, and how much of them the network uses; those that bind before the others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..figures.formatting import amount
from ..networks.budget_names import LOWER, kind_of_budget
from ..problem.budgets import Budget
from .tables import share_text, share_used

TIGHT = 0.99
"""Share of a limit from which on it is called used up."""
LABELS = {
    "flops": "FLOPs",
    "macs": "MACs",
    "params": "parameters",
    "params_backbone": "parameters of the backbone",
    "params_total": "all parameters",
    "weights_bytes": "weights",
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


def budget_label(name: str) -> str:
    """What a budget is called; parts of a name after a dot say which one of several it is."""
    figure, _, which = name.removeprefix(LOWER).partition(".")
    return LABELS.get(figure, figure.replace("_", " ")) + (f" {which.replace('_', ' ')}" if which else "")


def budget_tile(budget: Budget, quantised: bool) -> Tile:
    """The tile of one limit."""
    share, is_lower = share_used(budget), budget.name.startswith(LOWER)
    slack = abs(budget.slack)
    left = in_unit(budget.name, slack if slack == int(slack) else float(f"{slack:.3g}"), budget.limit, quantised)
    words = f"{left} above" if is_lower else f"{left} left"
    if not budget.holds:
        words = f"{left} too few" if is_lower else f"{left} too many"
    elif budget.slack == 0:
        words = "nothing left"
    return Tile(
        budget_label(budget.name),
        in_unit(budget.name, budget.value, budget.limit, quantised),
        share,
        f"at {'least' if is_lower else 'most'} {in_unit(budget.name, budget.limit, budget.limit, quantised)}",
        words,
        "exceeded" if not budget.holds else "tight" if share >= TIGHT else "kept",
    )


def in_unit(budget: str, value: float, limit: float, quantised: bool) -> str:
    """What is counted, in few characters and in the unit of the limit; model sizes are bytes where networks are quantised."""
    kind = "weights_bytes" if quantised and kind_of_budget(budget) == "model_size" else budget
    return amount(kind, value, limit)


def budget_tiles(budgets: Iterable[Budget], quantised: bool) -> tuple[Tile, ...]:
    """A tile for each limit, those that the network is closest to first."""
    return tuple(budget_tile(budget, quantised) for budget in sorted(budgets, key=lambda b: (b.holds, -share_used(b))))
