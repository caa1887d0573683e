"""Answers of a solver held against enumeration, from processes of its own."""

from __future__ import annotations

from collections.abc import Iterable

from mipdesign.benchmarks.experiments.variant_outcomes import Outcome, Task
from mipdesign.benchmarks.experiments.variant_trials import run


def verdicts(solver_id: str, formulation_id: str, seeds: Iterable[int]) -> dict[str, list[int]]:
    """Seeds by what the benchmark says of them, from processes of the solver's own."""
    found: dict[str, list[int]] = {}

    def tell(outcome: Outcome) -> None:
        found.setdefault(outcome.verdict, []).append(outcome.seed)

    run([Task(formulation_id, solver_id, seed) for seed in seeds], 1, 300.0, tell)
    return found
