"""What statuses and verdicts are called where people read them."""

from __future__ import annotations

STATUS_WORDS = {
    "optimal": "proven: no network of the space that keeps the budgets is better",
    "feasible": "within all budgets, but not proven best",
    "infeasible": "proven: no network of the space keeps all budgets",
    "unknown": "stopped before any network within the budgets was found",
}
BADGES = {"optimal": "proven optimal", "feasible": "not proven", "infeasible": "proven infeasible", "unknown": "no design"}
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
        "training was not optimised, and is not proven."
    )
