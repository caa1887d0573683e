"""Predicted against measured latency: a table of this machine, designs under several latency budgets, their modules timed.

``python -m mipdesign.benchmarks latency [--problem NAME] [--table FILE.csv] [--designs N] [--points N] [--seconds S]`` measures
the table first (a file that is there already is completed), designs one network without the budget and the others below its
latency, and prints a row each. One thread, batch 1, this machine's CPU; nothing else should run.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import mean

import numpy as np

from mipdesign import Problem, design, profile
from mipdesign.networks.latency import LatencyModel, LatencyTable
from mipdesign.nn.profiling import time_network

from .measure import table


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problem", default="deepmad-r18")
    parser.add_argument("--table", type=Path)
    parser.add_argument("--designs", type=int, default=10)
    parser.add_argument("--points", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=0.05)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.table or Path(folder) / "table.csv"
        profile(Problem.preset(arguments.problem), path, points=arguments.points, seconds=arguments.seconds)
        rows, errors = compare(arguments.problem, path, arguments.designs)
    print(table(("limit, ms", "status", "objective", "seconds", "predicted, ms", "measured, ms", "error, %"), rows))
    print(f"mean error {mean(errors):+.1f} %, mean absolute error {mean(map(abs, errors)):.1f} %")


def compare(name: str, path: Path, designs: int) -> tuple[list[tuple[object, ...]], list[float]]:
    """One row per design, and the relative errors of the predictions in percent."""
    model = LatencyModel(LatencyTable.load(path))
    rows: list[tuple[object, ...]] = []
    errors: list[float] = []
    free = 0.0
    for share in np.geomspace(1.0, 0.1, designs):
        limits = [f"budgets.latency.max={free * share:.0f}", f"budgets.latency.table={path}"] if rows else []
        found = design(Problem.preset(name, limits))
        if found.architecture is None:
            rows.append((free * share / 1e3, found.status, None, found.wall_seconds, None, None, None))
            continue
        predicted = model.total(found.architecture.operations()) / 1e3
        free = free or predicted
        measured = time_network(found.architecture)
        errors.append(100 * (predicted / measured - 1))
        limit = free * share / 1e3 if rows else None
        rows.append((limit, found.status, found.objective, found.wall_seconds, predicted / 1e3, measured / 1e3, errors[-1]))
    return rows, errors


if __name__ == "__main__":
    main()
