"""Time to proven optimality along each axis of the ``deepmad-r18`` problem, as a table and a picture.

``python -m mipdesign.benchmarks scaling [--axes flops,rho] [--runs N] [--time-limit S] [--out DIR]``. One axis is varied at a
time; the others stay at r18's values, except that the axis ``budgets`` moves FLOPs and parameters together.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import yaml
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mipdesign import Problem

from ..corpus.families import with_step, with_super_blocks
from .measure import Run, middle, run_design, table

R18_FLOPS, R18_PARAMS = 1.82e9, 11.69e6

FAMILIES = ["bottleneck", "basic", "mixed"]
"""Of which the axis ``families`` takes the first ones, to choose from in every super-block."""

AXES: dict[str, list[float]] = {
    "flops": [0.2e9, 0.5e9, 1e9, 2e9, 4e9, 8e9, 16e9],
    "params": [1e6, 3e6, 10e6, 30e6, 100e6],
    "budgets": [0.1, 0.3, 1, 2, 4, 8.5],
    "rho": [0.1, 0.2, 0.3, 0.5, 1.0, 2.0],
    "super-blocks": [3, 4, 5, 6, 7, 8, 9, 10],
    "step": [16, 8, 4, 2],
    "resolution": [32, 64, 128, 224, 384, 512],
    "families": [1, 2, 3],
}


def problem_at(axis: str, value: float) -> dict[str, Any]:
    """Specification of one point of an axis."""
    data = Problem.preset("deepmad-r18").to_dict()
    data["name"] = f"r18-{axis}-{value:g}"
    if axis in ("flops", "params"):
        data["budgets"][axis] = value
    elif axis == "budgets":
        data["budgets"] |= {"flops": value * R18_FLOPS, "params": value * R18_PARAMS}
    elif axis == "rho":
        data["budgets"]["effectiveness"] = value
    elif axis == "super-blocks":
        data = with_super_blocks(data, int(value))
    elif axis == "step":
        data = with_step(data, int(value))
    elif axis == "families":
        data["stages"] = [stage | {"block": FAMILIES[: int(value)]} for stage in data["stages"]]
    else:
        data["input"]["resolution"] = int(value)
        for stage in data["stages"]:  # small maps have no room for others
            stage["kernels"] = [1, 3, 5]
    return data


def draw(results: dict[str, list[tuple[float, float, bool]]], path: Path) -> None:
    """One panel per axis: seconds over the value, open marks where the proof did not close."""
    figure = Figure(figsize=(12, 6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 4).ravel()
    for panel, (axis, points) in zip(panels, results.items(), strict=False):
        values, seconds, closed = zip(*points, strict=True)
        panel.plot(values, seconds, color="tab:blue", lw=1)
        for value, second, done in zip(values, seconds, closed, strict=True):
            panel.plot(value, second, "o", color="tab:blue", mfc="tab:blue" if done else "white")
        panel.set(xlabel=axis, ylabel="seconds", yscale="log", xscale="linear" if axis == "super-blocks" else "log")
        panel.grid(alpha=0.3)
    for panel in panels[len(results) :]:
        panel.set_visible(False)
    figure.suptitle("Time to proven optimality (open mark: not closed within the limit)")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Runs, prints and draws."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--axes", default=",".join(AXES))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--time-limit", type=float, default=300.0)
    parser.add_argument("--out", type=Path, default=Path("build/scaling"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    header = ("axis", "value", "status", "objective", "gap", "seconds", "memory, MB")
    rows: list[tuple[object, ...]] = []
    results: dict[str, list[tuple[float, float, bool]]] = {}
    for axis in arguments.axes.split(","):
        for value in AXES[axis]:
            spec = arguments.out / "problem.yaml"
            spec.write_text(yaml.safe_dump(problem_at(axis, value)))
            options = ["--workers", str(arguments.workers), "--time-limit", str(arguments.time_limit)]
            runs: list[Run] = [run_design(str(spec), [*options, "--seed", str(seed)]) for seed in range(arguments.runs)]
            seconds = middle(run.seconds for run in runs)
            assert seconds is not None
            last = runs[-1].result
            memory = round(max(run.result["peak_rss_mb"] for run in runs))
            rows.append((axis, f"{value:g}", last["status"], last["objective"], last["gap"], seconds, memory))
            results.setdefault(axis, []).append((value, seconds, last["status"] in ("optimal", "infeasible")))
            print(table(header, rows[-1:]).splitlines()[-1], flush=True)
            (arguments.out / "scaling.json").write_text(json.dumps(rows))
    draw(results, arguments.out / "scaling.png")
    print("\n" + table(header, rows))


if __name__ == "__main__":
    main()
