"""A frontier against as many separate runs, and against itself after kills.

``python -m mipdesign.benchmarks frontier [--problem NAME] [--sweep KEY=VALUES] [--kills N]`` solves a frontier by one command,
then every point by a ``design`` of its own, and prints both times and whether all objectives and networks are equal. With
``--kills`` it is solved once more, killed with SIGKILL so many times at equal distances of its time, and compared byte by byte.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import yaml

from mipdesign.analysis.frontier import grid
from mipdesign.analysis.frontier_file import FRONTIER
from mipdesign.analysis.sweep import Sweep
from mipdesign.problem.problem import Problem

from .measure import command, run_design, table


def main() -> None:
    """Runs, prints and judges."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problem", default="deepmad-r18")
    parser.add_argument("--sweep", action="append", default=None)
    parser.add_argument("--kills", type=int, default=0)
    arguments = parser.parse_args()
    sweeps = arguments.sweep or ["budgets.flops=0.5e9:4e9:16"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asked = ["pareto", arguments.problem, *(word for sweep in sweeps for word in ("--sweep", sweep))]
        seconds = command([*asked, "--out", str(folder / "frontier")]).seconds
        points = json.loads((folder / "frontier" / FRONTIER).read_text())["points"]
        print(f"frontier of {len(points)} points: {seconds:.1f} s", flush=True)
        if arguments.kills:
            kill(asked, folder / "killed", seconds, arguments.kills)
            same = (folder / "frontier" / FRONTIER).read_bytes() == (folder / "killed" / FRONTIER).read_bytes()
            print(f"killed {arguments.kills} times and resumed: {'the same file' if same else 'ANOTHER FILE'}", flush=True)
        rows = separate(Problem.named(arguments.problem), [Sweep.parse(sweep) for sweep in sweeps], points, folder)
    print(table(("limits", "status", "objective", "seconds alone", "equal"), rows))
    alone = sum(float(str(row[3])) for row in rows)
    print(f"{len(rows)} separate runs: {alone:.1f} s; the frontier took {seconds / alone:.3f} of it")
    if not all(row[4] for row in rows) or (arguments.kills and not same):
        raise SystemExit("not equal")


def kill(asked: list[str], folder: Path, seconds: float, kills: int) -> None:
    """Solves a frontier that is killed again and again."""
    for _ in range(kills):
        command([*asked, "--out", str(folder)], kill_after=seconds / (kills + 1))
    command([*asked, "--out", str(folder)])


def separate(problem: Problem, sweeps: list[Sweep], points: list[dict[str, object]], folder: Path) -> list[tuple[object, ...]]:
    """One row per point: its separate run, and whether it has the same status, objective and network."""
    rows: list[tuple[object, ...]] = []
    spec = folder / "point.yaml"
    for (limits, each), point in zip(grid(problem, sweeps), points, strict=True):
        spec.write_text(yaml.safe_dump(each.to_dict()))
        run = run_design(str(spec), [])
        equal = all(run.result[key] == point[key] for key in ("status", "objective", "architecture"))
        text = ", ".join(f"{name} {limit:.4g}" for name, limit in limits.items())
        rows.append((text, run.result["status"], run.result["objective"], round(run.seconds, 2), equal))
    return rows


if __name__ == "__main__":
    main()
