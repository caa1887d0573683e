"""Networks per second and core of the batch evaluator.

``python -m mipdesign.benchmarks evaluator [--networks N] [--runs N]`` evaluates random networks of each preset, several times,
in batches of several sizes; one process, one thread.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from mipdesign import Problem
from mipdesign.lattice.batch import Batch, evaluate_batch
from mipdesign.lattice.tables import Tables
from mipdesign.search.coverage import build_tables

from .measure import middle, table


def random_networks(tables: Tables, n: int, seed: int = 0) -> Batch:
    """Networks drawn uniformly from the product of the lattices; the chain rule is left to the evaluator."""
    rng = np.random.default_rng(seed)
    columns = np.array([rng.integers(0, len(s.c), n) for s in tables.stages])
    depths = np.array([s.depths[rng.integers(0, len(s.depths), n)] for s in tables.stages])
    return Batch(rng.integers(0, len(tables.stem_c), n), columns, depths)


def networks_per_second(tables: Tables, batch: int, networks: int) -> float:
    """Speed in batches of one size."""
    parts = [random_networks(tables, batch, seed) for seed in range(max(1, networks // batch))]
    evaluate_batch(tables, parts[0])
    began = time.perf_counter()
    for part in parts:
        evaluate_batch(tables, part)
    return len(parts) * batch / (time.perf_counter() - began)


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    sizes, rows = (256, 4096, 65536), []
    for preset in ("deepmad-r18", "deepmad-r34", "deepmad-r50"):
        tables = build_tables(Problem.preset(preset))
        speeds = [
            middle(networks_per_second(tables, size, arguments.networks) for _ in range(arguments.runs)) or 0.0
            for size in sizes
        ]
        rows.append((preset, *(f"{speed / 1e6:.2f}" for speed in speeds)))
    print(table(("preset", *(f"batches of {size}, million/s" for size in sizes)), rows))


if __name__ == "__main__":
    main()
