"""Random design problems that are small enough to list every network, and the listing: an oracle without a search."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from mipdesign.batch import Batch, evaluate_batch
from mipdesign.cell import Cell
from mipdesign.lattice import Position, Tables, build_tables
from mipdesign.problem import Problem

MAX_NETWORKS = 12_000
FAMILIES = ("bottleneck", "basic", "mixed", "inverted", "inverted_se")


def problem_data(rng: np.random.Generator, block: str | None) -> dict[str, Any]:
    """A specification without budgets. ``block=None`` mixes the families."""

    def some(values: list[int], most: int) -> list[int]:
        count = int(rng.integers(1, min(most, len(values)) + 1))
        return sorted(int(v) for v in rng.choice(values, count, replace=False))

    stages = []
    for _ in range(int(rng.integers(2, 5))):
        low = [0.5, 1.0, 1.0, 1.5][rng.integers(4)]
        growth = {"min": low} | ({} if rng.random() < 0.4 else {"max": low * [1.5, 2.0, 4.0][rng.integers(3)]})
        stages.append(
            {
                "block": block or FAMILIES[rng.integers(len(FAMILIES))],
                "stride": int(rng.integers(1, 3)),
                "channels": some([4, 6, 8, 12, 16, 24, 32], 4),
                "growth": growth,
                "bottleneck": some([2, 4, 8, 12, 24], 3),
                "bottleneck_ratio": {"min": 0.25, "max": [1.0, 6.0][rng.integers(2)], "to_rounding": ["min"]},
                "kernels": some([1, 3, 5], 2),
                "depth": some([1, 2, 3, 5, 8], 3),
            }
        )
    objective: dict[str, Any] = {"beta": float([0.0, 1.0, 10.0][rng.integers(3)])}
    if rng.random() < 0.5:
        penalised = some(list(range(1, len(stages) + 1)), len(stages))
        objective["penalty"] = {"form": ["exp_std", "exp_var", "none"][rng.integers(3)], "stages": penalised}
    return {
        "name": "small",
        "convention": ["paper", "reference"][rng.integers(2)],
        "input": {"resolution": int(rng.integers(40, 80))},
        "stem": {"channels": some([4, 8, 12], 3), "stride": int(rng.integers(1, 3))},
        "stages": stages,
        "head": None if rng.random() < 0.7 else {"channels": 20},
        "classes": 10,
        "objective": objective,
    }


def small_problem(seed: int, block: str | None = "bottleneck") -> Problem:
    """A problem with budgets anywhere between infeasible and slack, deterministic in its seed."""
    rng = np.random.default_rng([seed, FAMILIES.index(block) if block else len(FAMILIES)])
    while True:
        data = problem_data(rng, block)
        try:
            tables = build_tables(Problem.from_dict(data | {"budgets": {"flops": 1, "params": 1, "effectiveness": 1.0}}))
        except ValueError:
            continue
        if Cell.whole(tables).n_points(tables) <= MAX_NETWORKS:
            break
    evaluation = evaluate_batch(tables, Cell.whole(tables).networks(tables))
    level = [0.0, 0.05, 0.3, 0.6, 1.0][rng.integers(5)]
    values = dict(zip(tables.counts, evaluation.counts, strict=True)) | {"effectiveness": evaluation.effectiveness}
    budgets = {}
    for name, figures in values.items():
        if rng.random() < 0.8:
            limit = np.quantile(figures[evaluation.chained], min(1.0, level * rng.uniform(0.7, 1.5)))
            budgets[name] = float(limit) if name == "effectiveness" else int(limit) - (level == 0.0)
    return Problem.from_dict(data | {"budgets": {k: v for k, v in budgets.items() if v > 0}})


@dataclass(frozen=True)
class Listing:
    """Every feasible network of a cell by exact arithmetic, best first."""

    networks: tuple[tuple[Position, Decimal], ...]

    def reaching(self, cutoff: float) -> set[Position]:
        """Networks whose exact objective is at least the cutoff."""
        return {position for position, objective in self.networks if objective >= Decimal(cutoff)}


def listing(tables: Tables, cell: Cell, near: float = 1e-6) -> Listing:
    """Lists a cell by the batch evaluator; the exact evaluator judges networks at the effectiveness limit and near the optimum.

    Networks further than ``near`` (relative) below the best keep the floating-point objective, which is exact to 1e-12.
    """
    batch = cell.networks(tables)
    evaluation = evaluate_batch(tables, batch)
    ratio = np.zeros(len(batch)) if tables.rho is None else evaluation.effectiveness / float(tables.rho)
    possible = evaluation.chained & (evaluation.counts <= tables.limits[:, None]).all(axis=0) & (ratio <= 1 + 1e-9)
    objectives, doubtful = evaluation.objective[possible], ratio[possible] >= 1 - 1e-9
    close = objectives >= objectives.max(initial=-np.inf) - near * np.abs(objectives).max(initial=0.0)
    networks = []
    for position, objective, exactly in zip(positions(batch.take(possible)), objectives, close | doubtful, strict=True):
        if not exactly:
            networks.append((position, Decimal(float(objective))))
            continue
        architecture = tables.architecture(position)
        if not tables.problem.violations(architecture):
            networks.append((position, tables.problem.evaluator(architecture).exact_objective()))
    return Listing(tuple(sorted(networks, key=lambda item: -item[1])))


def positions(batch: Batch) -> list[Position]:
    """The networks of a batch."""
    columns, depths = batch.columns.T.tolist(), batch.depths.T.tolist()
    return [Position(s, tuple(c), tuple(d)) for s, c, d in zip(batch.stem.tolist(), columns, depths, strict=True)]
