"""What statuses and verdicts are called where people read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import counted
from ..numerals import exact
from ..units import decimal_text

STATUS_WORDS = {
    "optimal": "proven: no network of the space that keeps the budgets is better",
    "feasible": "within all budgets, but not proven best",
    "infeasible": "proven: no network of the space keeps all budgets",
    "unknown": "stopped before any network within the budgets was found",
}
BADGES = {"optimal": "proven optimal", "feasible": "not proven", "infeasible": "proven infeasible", "unknown": "no design"}
RHO_NOTE = (
    "a larger ρ0 admits more networks, so that the objective cannot fall, whatever it does to training: objectives of "
    "different ρ0 say nothing of which network is more accurate"
)
"""Of a frontier along the limit of the effectiveness."""
VERDICTS = {
    "split": "split in two",
    "excluded": "no network in it reaches the cutoff, by its bound",
    "listed": "few networks: all of them evaluated",
    "solver": "closed by SCIP",
}
"""What became of a node of the certificate's tree."""


def meaning(score: str) -> str:
    """What is optimal, in a sentence."""
    return (
        f"What is optimal is the objective, a score of the untrained network ('{score}'): how accurate a network is after "
        "training was not optimised, and is not proven. Scores under different limits are no forecast of it either."
    )


def sentence(words: str) -> str:
    words = words.removeprefix("proven: ")
    return f"{words[0].upper()}{words[1:]}."


def list_parts(listed: Mapping[str, Any]) -> list[str]:
    """Which networks a list has, or is to have, by its ``within``, ``best`` and ``different``."""
    which = [] if listed["within"] is None else [f"within {decimal_text(100 * exact(listed['within']))} % of the optimum"]
    which += [] if listed["best"] is None else [f"the best {listed['best']}"]
    return which + ([] if listed["different"] is None else [f"that differ by {_difference(listed['different'])}"])


def _difference(rule: str) -> str:
    """What differs by a rule, ``channels:1/10`` or ``decisions:2``."""
    kind, _, by = rule.partition(":")
    return counted(int(by), "decision") if kind == "decisions" else f"{decimal_text(100 * exact(by))} % of a channel count"
