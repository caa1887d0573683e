"""Predicted against measured latency in two modes, and what a table of the other mode costs.

``python -m mipdesign.benchmarks latency [--problem NAME|SPEC.yaml] [--set KEY=VALUE] [--modes A B] [--tables FILE.csv
FILE.csv] [--designs N] [--least SHARE] [--pairs N] [--points N] [--seconds S]`` measures a table in each mode first (a file
that is there already is completed). Then it designs networks below shares of the latency of one that has no such limit, half
of them by each table, and measures every network in both modes: a row each, with both predictions. One thread, batch 1, this
machine's CPU; nothing else should run.

The second table answers whether the optimum under the table of a mode is faster in that mode. Beside an optimum under the first
table stands the network that the second one says is fastest of all with at least that objective; both are measured twice.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

import numpy as np

from mipdesign import Architecture, Design, Problem, design, profile
from mipdesign.networks.latency import LatencyModel, LatencyTable
from mipdesign.nn.profiling import time_network

from .measure import table

BISECTIONS = 6
"""Halvings of the interval in which the least limit lies that still allows an objective."""


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problem", default="deepmad-r18")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--modes", nargs=2, default=["eager", "onnxruntime"])
    parser.add_argument("--tables", nargs=2, type=Path)
    parser.add_argument("--designs", type=int, default=10)
    parser.add_argument("--least", type=float, default=0.1)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--points", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=0.05)
    arguments = parser.parse_args()
    problem = Problem.named(arguments.problem, arguments.set)
    with tempfile.TemporaryDirectory() as folder:
        paths = arguments.tables or [Path(folder) / f"{mode}.csv" for mode in arguments.modes]
        for path, mode in zip(paths, arguments.modes, strict=True):
            profile(problem, path, points=arguments.points, seconds=arguments.seconds, mode=mode)
        study = Study(problem, arguments.modes, paths)
        study.predictions(arguments.designs, arguments.least)
        study.exchange(arguments.pairs, arguments.least)


class Study:
    """Two modes of one problem on this machine.

    Attributes
    ----------
    free:
        Milliseconds by each table of the network that has no latency limit.
    """

    def __init__(self, problem: Problem, modes: Sequence[str], paths: Sequence[Path]) -> None:
        self.problem, self.modes, self.paths = problem, modes, paths
        self.models = [LatencyModel(LatencyTable.load(path)) for path in paths]
        self.unlimited = self.designed()
        self.free = [self.predicted(self.unlimited.architecture, m) for m in range(len(modes))]

    def designed(self, m: int = 0, limit: float | None = None) -> Design:
        """The optimum below so many milliseconds by the table of a mode."""
        if limit is None:
            return design(self.problem)
        return design(self.problem.with_(budgets={"latency": {"max": f"{1000 * limit:.1f} us", "table": str(self.paths[m])}}))

    def predicted(self, network: Architecture | None, m: int) -> float:
        """Milliseconds by the table of a mode."""
        assert network is not None
        return self.models[m].total(network.operations()) / 1e6

    def predictions(self, designs: int, least: float) -> None:
        """Prints a row per design, down to a share of the unlimited one's latency, and the mean errors."""
        rows: list[tuple[object, ...]] = []
        errors: list[list[float]] = [[] for _ in self.modes]
        for n, share in enumerate(np.geomspace(1.0, least, designs)):
            m = n % len(self.modes)
            found = self.designed(m, self.free[m] * share) if n else self.unlimited
            row: list[object] = [
                self.modes[m] if n else "-",
                self.free[m] * share if n else None,
                found.status,
                found.objective,
            ]
            if found.architecture is not None:
                for of_mode, mode in enumerate(self.modes):
                    predicted = self.predicted(found.architecture, of_mode)
                    measured = time_network(found.architecture, mode=mode) / 1e3
                    errors[of_mode].append(100 * (predicted / measured - 1))
                    row += [predicted, measured, errors[of_mode][-1]]
            rows.append((*row, *[None] * (4 + 3 * len(self.modes) - len(row))))
            print(rows[-1], flush=True)
        heads = ["by the table of", "limit, ms", "status", "objective"]
        for mode in self.modes:
            heads += [f"{mode}: predicted, ms", "measured, ms", "error, %"]
        print(table(tuple(heads), rows))
        for mode, of_its in zip(self.modes, errors, strict=True):
            print(f"{mode}: mean error {mean(of_its):+.1f} %, mean absolute error {mean(abs(e) for e in of_its):.1f} %")

    def exchange(self, pairs: int, least: float) -> None:
        """Prints optima under the first table, and beside each the network that is fastest by the second table of all with at
        least that objective: milliseconds of both in both modes.
        """
        rows: list[tuple[object, ...]] = []
        for share in np.geomspace(0.8, 1.2 * least, pairs):
            first = self.designed(0, self.free[0] * share)
            if first.architecture is None or first.objective is None:
                print(f"{share:.3g}: {first.status}")
                continue
            second = self.fastest(first)
            times = [time_network(d.architecture, mode=mode) / 1e3 for mode in self.modes for d in (first, second)
                     if d.architecture is not None]  # fmt: skip
            assert second.objective is not None
            rows.append((share, first.objective, second.objective, *times, 100 * (times[3] / times[2] - 1)))
            print(rows[-1], flush=True)
        one, two = self.modes
        pair = [f"{mode}, ms: by {by}" for mode in self.modes for by in (one, two)]
        print(table(("share", f"objective by {one}", f"by {two}", *pair, "change, %"), rows))

    def fastest(self, rival: Design) -> Design:
        """The optimum under the least limit of the second table that still allows the objective of another design."""
        assert rival.objective is not None
        low, high, best = 0.0, self.predicted(rival.architecture, 1) + 1e-3, rival
        for _ in range(BISECTIONS):
            limit = (low + high) / 2
            found = self.designed(1, limit)
            if found.objective is not None and found.objective >= rival.objective:
                high, best = min(limit, self.predicted(found.architecture, 1)), found
            else:
                low = limit
        return best


if __name__ == "__main__":
    main()
