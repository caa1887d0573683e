"""Published networks of other scores beside the optimum within their own figures.

``python -m mipdesign.benchmarks published`` prints the tables of ``benchmarks/results/scores.md``: the presets with an additive
score, and for each published network the optimum of the least wider space that holds it, at its flops and layers.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

from mipdesign import design
from mipdesign.networks.architecture import Architecture, single
from mipdesign.numerals import plain_number
from mipdesign.problem.problem import Problem, preset_names

from .measure import run_design, table

NETWORKS = Path(__file__).parents[2] / "tests" / "data" / "published_more.json"
PRESETS = {
    "maedet-s": "maedet-s",
    "maedet-m": "maedet-m",
    "maedet-l": "maedet-l",
    "zennas-r18-like": "zennas-r50",
    "zennas-r50-like": "zennas-r50",
    "zennas-r152-like": "zennas-r50",
    "damoyolo-L20": "damoyolo-tiny",
    "damoyolo-L25": "damoyolo-small",
    "damoyolo-L35": "damoyolo-medium",
    "damoyolo-L45": "damoyolo-medium",
    "e3d-s": "e3d-s",
    "e3d-m": "e3d-m",
    "e3d-l": "e3d-l",
}
"""Published networks, and the preset whose space is theirs, or nearly."""


def widened(preset: str, network: Architecture) -> Problem:
    """The problem of a preset within the figures of a network, its space made as much wider as the network asks for."""
    data = Problem.preset(preset).to_dict()
    templates, before = data["stages"], network.stem.channels
    data["stages"], strides = [], [stage.stride for stage in network.stages]
    for i, stage in enumerate(network.stages):
        space = copy.deepcopy(templates[min(i, len(templates) - 1)]) | {"stride": strides[i]}
        c, b = stage.channels, single(stage.bottleneck)
        step = math.gcd(8, c, b)
        channels, growth, ratio = space["channels"], space["growth"], space["bottleneck_ratio"]
        space["channels"] = {"min": min(channels["min"], c), "max": max(channels["max"], c), "step": step}
        space["bottleneck"] |= {"step": step}
        space["depth"] = {"min": 1, "max": max(*space["depth"], stage.depth) if isinstance(space["depth"], list) else
                          max(space["depth"]["max"], stage.depth)}  # fmt: skip
        space["growth"] = {"min": plain_number(min(Fraction(growth["min"]), Fraction(c, before)))}
        if "max" in growth:
            space["growth"]["max"] = plain_number(max(Fraction(growth["max"]), Fraction(c, before)))
        if "listed" not in ratio:
            space["bottleneck_ratio"]["min"] = plain_number(min(Fraction(repr(ratio["min"])), Fraction(b, c)))
            space["bottleneck_ratio"]["max"] = plain_number(max(Fraction(repr(ratio["max"])), Fraction(b, c)))
        data["stages"].append(space)
        before = c
    stems = data["stem"]["channels"]
    stems = stems if isinstance(stems, list) else list(range(stems["min"], stems["max"] + 1, stems["step"]))
    data["stem"]["channels"] = sorted({*stems, network.stem.channels})
    data["budgets"] = {}
    figures = Problem.from_dict(data).evaluator(network)
    data["budgets"] = {name: figures.figure(name) for name in ("flops", "layers")}
    return Problem.from_dict(data)


def published_rows() -> list[tuple[Any, ...]]:
    """Each published network beside the optimum within its figures."""
    found, rows = {case["name"]: case["network"] for case in json.loads(NETWORKS.read_text())["networks"]}, []
    for name, preset in PRESETS.items():
        network = Architecture.from_dict(found[name])
        problem = widened(preset, network)
        if problem.violations(network):
            raise SystemExit(f"{name} breaks {problem.violations(network)}")
        score, result = problem.evaluator(network).evaluation.objective, design(problem)
        best = result.evaluation.objective if result.evaluation else math.nan
        inside = "yes" if not Problem.preset(preset).outside_space(network) else "no"
        more = f"{100 * (best / score - 1):.2f} %"
        rows.append((name, preset, inside, f"{score:.3f}", result.status, f"{best:.3f}", more))
        print(table((), rows[-1:]).splitlines()[-1], flush=True)
    return rows


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    rows = []
    for preset in preset_names():
        if Problem.preset(preset).scoring.additive:
            run = run_design(preset, ["--workers", str(arguments.workers)])
            result = run.result
            rows.append(
                (
                    preset,
                    result["status"],
                    f"{result['objective']:.3f}",
                    result["gap"],
                    run.seconds,
                    round(result["peak_rss_mb"]),
                )
            )
    print(table(("preset", "status", "objective", "gap", "seconds", "memory, MB"), rows) + "\n")
    header = ("published network", "preset", "in its space", "score", "status", "optimum within its figures", "more by")
    print(table(header, published_rows()))


if __name__ == "__main__":
    main()
