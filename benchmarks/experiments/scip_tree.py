"""What each part of SCIP's tree is worth, on whole presets: relaxator, branching, propagation, encoding; and its picture.

``python -m mipdesign.benchmarks scip_tree [--problem NAME ...] [--options TEXT ...] [--seeds N] [--seconds S]`` prints a row
per problem and options: the bound at the root and at the end, relative to the best network that any run found, SCIP's nodes and
its time, each the median of the seeds. Options are those of ``--engine-option``, joined by commas; ``-`` is for the defaults.

``--picture FILE`` draws the first problem's tree with the defaults: its bound over SCIP's nodes, and the incumbents.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from statistics import median
from typing import Any

from mipdesign.designs.run import design
from mipdesign.figures.charts import COLOURS, Chart, Series, image, new_figure, plot
from mipdesign.files import write_whole
from mipdesign.problem.problem import Problem

from .measure import run_design, table

PICTURE = (700.0, 360.0)
"""Pixels."""
PRESETS = ("deepmad-r18", "deepmad-r34", "deepmad-r50")
WAYS = (
    "-",
    "propagation=on",
    "encoding=native",
    "encoding=inc",
    "relaxator=both",
    "branching=scip",
    "relaxator=lp",
    "relaxator=lp,encoding=native",
    "relaxator=lp,encoding=log",
)
HEADER = ("problem", "options", "proved", "root gap, %", "gap, %", "nodes", "SCIP, s", "wall, s")


def solved(problem: str, way: str, seed: int, seconds: float) -> dict[str, Any]:
    """One run as a whole process, on one worker."""
    options = [part for text in way.split(",") if text != "-" for part in ("--engine-option", text)]
    run = run_design(problem, ["--workers", "1", "--seed", str(seed), "--time-limit", str(seconds), *options])
    scip = run.result["scip"] or {"root_bound": None, "nodes": math.nan, "seconds": math.nan}  # it had to be killed
    return {
        "objective": run.result["objective"],
        "bound": run.result["bound"],
        "root": scip["root_bound"],
        "nodes": scip["nodes"],
        "scip": scip["seconds"],
        "wall": run.seconds,
        "optimal": run.result["status"] == "optimal",
    }


def row(problem: str, way: str, runs: list[dict[str, Any]], best: float) -> tuple[object, ...]:
    """The medians of some runs; a gap is a bound's distance from the best network known."""

    def gap(name: str) -> str:
        values = [100 * (run[name] - best) / abs(best) for run in runs if run[name] is not None]
        return f"{max(0.0, median(values)):.3f}" if values else "-"

    proved = f"{sum(run['optimal'] for run in runs)} of {len(runs)}"
    nodes, scip, wall = (median(run[name] for run in runs) for name in ("nodes", "scip", "wall"))
    return problem, way, proved, gap("root"), gap("bound"), f"{nodes:.0f}", f"{scip:.2f}", f"{wall:.1f}"


def picture(name: str, path: Path) -> None:
    """Draws the bound of a tree over its nodes, and its incumbents."""
    found = design(Problem.named(name), workers=1)
    assert found.objective is not None and found.scip is not None
    best, points = found.objective, [p for p in found.trace if p.phase in ("tree", "done")]
    bounds = tuple((float(p.closed_nodes), p.bound) for p in points if p.bound < 1.2 * best)
    rises = [p for before, p in zip([None, *points], points, strict=False) if before is None or p.incumbent != before.incumbent]
    incumbents = tuple((float(p.closed_nodes), p.incumbent) for p in rises if p.incumbent is not None)
    last = float(points[-1].closed_nodes)
    values = [z for _, z in (*incumbents, *bounds)]
    margin = 0.05 * (max(values) - min(values))
    chart = Chart(
        name="tree",
        title=f"SCIP's tree for {name}",
        description="bound and incumbents over the nodes of the tree",
        across="nodes",
        upwards="objective",
        x_range=(0.0, last),
        y_range=(min(values) - margin, max(values) + margin),
        series=(
            Series("bound of the open nodes", "step", "bound", bounds),
            Series("incumbent", "step", "incumbent", (*incumbents, (last, best))),
            Series("a better network", "ring", "incumbent", incumbents),
        ),
    )
    figure = new_figure(*PICTURE)
    axes = figure.subplots()
    plot(axes, chart, COLOURS, PICTURE[0])
    axes.set_title(f"{name}: {found.scip['nodes']} nodes of SCIP's tree", fontsize="medium")
    axes.set_xlabel(chart.across)
    axes.set_ylabel(chart.upwards)
    axes.legend(loc="upper right", frameon=False, fontsize="small")
    write_whole(path, image(figure, "svg"))


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problem", nargs="+", default=list(PRESETS))
    parser.add_argument("--options", nargs="+", default=list(WAYS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--picture", type=Path, help="draws the first problem's tree, and nothing else")
    arguments = parser.parse_args()
    if arguments.picture is not None:
        picture(arguments.problem[0], arguments.picture)
        return
    rows: list[tuple[object, ...]] = []
    for problem in arguments.problem:
        runs = {}
        for way in arguments.options:
            runs[way] = [solved(problem, way, seed, arguments.seconds) for seed in range(arguments.seeds)]
            best = max(run["objective"] for found in runs.values() for run in found if run["objective"] is not None)
            print(table(HEADER, [row(problem, way, runs[way], best)]).splitlines()[-1], flush=True)
        rows += [row(problem, way, found, best) for way, found in runs.items()]
    print("\n" + table(HEADER, rows))


if __name__ == "__main__":
    main()
