"""Folders of designs and frontiers as runs write them, for the tests of the page."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from networks import published

from mipdesign.certificate.certificate import Certificate
from mipdesign.designs.design import Design
from mipdesign.problem.problem import Problem
from mipdesign.search.incumbents import relative_gap
from mipdesign.search.outcome import Progress

SMALL = Path(__file__).parents[1] / "data" / "small.yaml"


def trace(objective: float, points: int = 40) -> tuple[Progress, ...]:
    """A run whose incumbent rises and whose bound falls to the optimum."""
    rows = [Progress(0.1, "incumbent", None, math.inf, None, 0, 0)]
    for i in range(1, points + 1):
        incumbent = objective * (1 - 0.04 * max(0.0, 1 - 2 * i / points) ** 2)
        bound = math.inf if i < points // 4 else objective * (1 + 0.06 * (1 - i / points) ** 2)
        gap = None if math.isinf(bound) else relative_gap(bound, incumbent)
        rows.append(Progress(0.25 * i, "done" if i == points else "presolve", incumbent, bound, gap, points - i, 7 * i))
    return tuple(rows)


def design_of(problem: Problem, status: str = "optimal", **changes: Any) -> Design:
    """A design with the published r18 as its network; its certificate states counts and proves nothing."""
    architecture = None if status in ("infeasible", "unknown") else published("deepmad-r18")
    objective = None if architecture is None else problem.evaluator(architecture).evaluation.objective
    bound = {"optimal": objective, "infeasible": -math.inf, "unknown": math.inf}.get(status, 1.02 * (objective or 0.0))
    sections: dict[str, Any] = {
        "problem": problem.to_dict(),
        "claim": {"status": status, "objective": objective, "bound": None, "gap_limit": 1e-6},
        "contenders": [{}] if architecture is not None else [],
        "tree": [["", "split"], ["0", "excluded"], ["1", "listed"]],
        "cells": [],
        "open": [] if status in ("optimal", "infeasible") else [["1", None, [], "prices"]],
    }
    fields: dict[str, Any] = {
        "problem": problem,
        "status": status,
        "architecture": architecture,
        "bound": bound,
        "certificate": Certificate({**sections, "sha256": {name: "ab" * 32 for name in sections}}),
        "wall_seconds": 10.1,
        "peak_rss_mb": 990.0,
        "seed": 3,
        "trace": () if objective is None else trace(objective),
        "versions": {"python": "3.11.7", "mipdesign": "0.1.0"},
        "interrupted": True,  # then no picture is drawn, which takes a second
    }
    return Design(**fields | changes)


def written(folder: Path, design: Design, **files: Any) -> Path:
    """A design's folder, with further files by their names."""
    design.save(folder)
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def frontier(count: int = 16) -> dict[str, Any]:
    """A frontier of the published r18's objective over FLOPs: its first point is infeasible, its last one dominated."""
    network = published("deepmad-r18").to_dict()
    points: list[dict[str, Any]] = []
    for i in range(count):
        limit = 4e8 + 1.2e8 * i
        objective = 20000.0 + 16000.0 * math.log(limit / 4e8)
        found = {
            "limits": {"budgets.flops": limit},
            "status": "optimal",
            "objective": objective if i < count - 1 else points[-1]["objective"],
            "bound": objective,
            "gap": 0.0,
            "architecture": network,
            "budgets": {"flops": {"value": 0.998 * limit, "limit": limit}, "params": {"value": 11688480, "limit": 11690000.0}},
            "dominated": i == count - 1,
            "prices": {"flops": {"per_unit": 16000.0 / limit}, "params": {"per_unit": 1.1e-3}},
            "proof": f"points/{str(i).zfill(len(str(count - 1)))}",
        }
        none = {"status": "infeasible", "objective": None, "bound": None, "gap": None, "architecture": None}
        points.append(found if i else found | none | {"budgets": {}, "prices": {}, "dominated": False})
    return {
        "format": "mipdesign-frontier-1",
        "name": "deepmad-r18",
        "convention": "reference",
        "problem": Problem.preset("deepmad-r18").to_dict(),
        "seed": 0,
        "versions": {"python": "3.11.7", "mipdesign": "0.1.0"},
        "sweeps": [{"key": "budgets.flops", "values": [point["limits"]["budgets.flops"] for point in points]}],
        "points": points,
    }


NETWORK = published("deepmad-r18").to_dict()
EXPLANATION: dict[str, Any] = {
    "format": "mipdesign-explanation-1",
    "objective": 36538.339,
    "budgets": [
        {
            "name": "flops",
            "limit": 1.82e9,
            "value": 1811925920,
            "slack": 8074080,
            "binds": True,
            "price": 9.42e-6,
            "unit": 1e6,
            "unit_name": "MFLOPs",
            "relaxed": {
                "limit": 1.911e9,
                "objective": 37120.1,
                "value": 1.9e9,
                "architecture": NETWORK,
                "changes": ["stage 3: channels 672 -> 704", "stage 4: depth 12 -> 13"],
                "predicted": 37395.6,
            },
            "outside": {
                "limit": 2.5e9,
                "objective": 41200.5,
                "value": 2.4e9,
                "architecture": NETWORK,
                "changes": ["stage 2: depth 14 -> 21"],
            },
        },
        {
            "name": "params",
            "limit": 11690000.0,
            "value": 11689600,
            "slack": 400,
            "binds": False,
            "price": None,
            "unit": 1e6,
            "unit_name": "million parameters",
            "relaxed": {
                "limit": 11806900,
                "objective": 36538.339,
                "value": 11689600,
                "architecture": NETWORK,
                "changes": [],
                "predicted": None,
            },
            "outside": None,
        },
    ],
}
"""As ``explain`` writes it."""
VALIDATION: dict[str, Any] = {
    "checks": [
        {
            "name": name,
            "expected": expected,
            "measured": measured,
            "tolerance": tolerance,
            "standard_error": error,
            "passed": passed,
        }
        for name, expected, measured, tolerance, error, passed in (
            ("params_total", 12650600, 12650600, 0.0, 0.0, True),
            ("shape.stem", [32, 112, 112], [32, 112, 112], 0.0, 0.0, True),
            ("log_variance", 736.5, 741.25, 1.5, 0.375, False),
        )
    ],
    "draws": 16,
    "map_size": 8,
    "sigmas": 4.0,
    "seed": 0,
    "behaviour": None,
    "standings": [],
    "passed": False,
}
"""As ``validate`` writes it."""
