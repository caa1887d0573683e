"""This solver beside what one would do without it: the plain formulation in SCIP, and an evolutionary search.

``python -m mipdesign.benchmarks comparison [--time-limit S] [--evaluations N]``. SCIP gets the ``native`` formulation of the
whole space and the time limit; the evolutionary search gets so many evaluations of the batch evaluator. Neither gets a start.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from mipdesign import Problem
from mipdesign.lattice.arrays import Floats, Ints
from mipdesign.lattice.batch import Batch, BatchEvaluation, evaluate_batch
from mipdesign.lattice.stage_tables import StageTables
from mipdesign.lattice.tables import Tables
from mipdesign.search.coverage import build_tables

from .measure import run_design, table

POPULATION, CHILDREN = 256, 4096


def evolve(tables: Tables, evaluations: int, seed: int) -> float:
    """Best objective of a plain evolutionary search: the fittest feasible networks survive, children change one super-block."""
    rng = np.random.default_rng(seed)
    parents = _first_generation(tables, rng)
    fitness = _fitness(evaluate_batch(tables, parents))
    done = POPULATION
    while done < evaluations:
        n = min(CHILDREN, evaluations - done)
        children = _mutated(tables, parents.take(rng.integers(0, len(parents), n)), rng)
        done += n
        both = Batch(
            np.concatenate([parents.stem, children.stem]),
            np.concatenate([parents.columns, children.columns], axis=1),
            np.concatenate([parents.depths, children.depths], axis=1),
        )
        fitness = np.concatenate([fitness, _fitness(evaluate_batch(tables, children))])
        best = np.argsort(-fitness, kind="stable")[:POPULATION]
        parents, fitness = both.take(best), fitness[best]
    return float(fitness[0])


def _fitness(evaluation: BatchEvaluation) -> Floats:
    """The objective; infeasible networks come after all feasible ones, ordered by what they exceed."""
    exceeding = -1e9 * (1.0 + evaluation.excess.sum(axis=0))
    return np.where(evaluation.feasible, evaluation.objective, np.where(evaluation.chained, exceeding, -np.inf))


def _first_generation(tables: Tables, rng: np.random.Generator) -> Batch:
    """The smallest network of the space, mutated."""
    m, n = len(tables.stages), POPULATION
    smallest = Batch(
        np.zeros(n, np.int64), np.zeros((m, n), np.int64), np.repeat([[int(s.depths[0])] for s in tables.stages], n, axis=1)
    )
    return _mutated(tables, smallest, rng)


def _mutated(tables: Tables, batch: Batch, rng: np.random.Generator) -> Batch:
    """Each network with another stem, or with new channels, width, kernel and depth near the old ones in one super-block."""
    n, m = len(batch), len(tables.stages)
    columns, depths, stem = batch.columns.copy(), batch.depths.copy(), batch.stem.copy()
    where = rng.integers(-1, m, n)
    stem[where < 0] = rng.integers(0, len(tables.stem_c), int((where < 0).sum()))
    for i, s in enumerate(tables.stages):
        mine = np.flatnonzero(where == i)
        columns[i, mine] = _near(s, columns[i, mine], rng)
        at = np.searchsorted(s.depths, depths[i, mine]) + rng.integers(-2, 3, len(mine))
        depths[i, mine] = s.depths[np.clip(at, 0, len(s.depths) - 1)]
    return Batch(stem, columns, depths)


def _near(s: StageTables, columns: Ints, rng: np.random.Generator) -> Ints:
    """Columns whose channels and width are within a factor of two of the old ones, kernel at random."""
    c = s.c[columns] * np.exp(rng.uniform(-0.7, 0.7, len(columns)))
    b = s.b[columns] * np.exp(rng.uniform(-0.7, 0.7, len(columns)))
    channels = s.c[np.clip(np.searchsorted(s.c, c), 0, len(s.c) - 1)]
    first, last = np.searchsorted(s.c, channels), np.searchsorted(s.c, channels, side="right")
    found = np.empty(len(columns), np.int64)
    for k, (low, high, width) in enumerate(zip(first, last, b, strict=True)):
        at = low + int(np.searchsorted(s.b[low:high], width))
        found[k] = min(max(at + int(rng.integers(-2, 3)), low), high - 1)
    return found


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--time-limit", type=float, default=60.0)
    parser.add_argument("--evaluations", type=int, default=500_000)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    header = ("preset", "method", "objective", "bound", "gap", "seconds")
    rows: list[tuple[object, ...]] = []
    limit = ["--time-limit", str(arguments.time_limit)]
    for preset in ("deepmad-r18", "deepmad-r34", "deepmad-r50"):
        for name, options in (("mipdesign", []), ("SCIP, native", ["--no-presolve", "--formulation", "native"])):
            run = run_design(preset, [*limit, *options])
            r = run.result
            rows.append((preset, name, r["objective"], r["bound"], r["gap"], run.seconds))
        tables = build_tables(Problem.preset(preset))
        for seed in range(arguments.seeds):
            began = time.monotonic()
            rows.append((preset, f"evolution, seed {seed}", evolve(tables, arguments.evaluations, seed), None, None))
            rows[-1] += (time.monotonic() - began,)
        print(table(header, rows[-2 - arguments.seeds :]), flush=True)
    print("\n" + table(header, rows))


if __name__ == "__main__":
    main()
