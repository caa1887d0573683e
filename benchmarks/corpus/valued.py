"""Random small problems with tables of values: full ones, ones with gaps, sums of rows; alone, or beside an entropy; and scores
fitted to random networks.
"""

from __future__ import annotations

import itertools
import math
from functools import cache
from typing import Any

import numpy as np

from mipdesign import SpecError
from mipdesign.analysis.fitting import FEATURES, Results, fit_score
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import Tables
from mipdesign.networks.values import FIELDS, HEADER
from mipdesign.problem.problem import Problem
from mipdesign.search.coverage import build_tables

from .small import varied_problem


@cache
def valued_problem(seed: int) -> Problem:
    """A varied problem with a table of values, negative ones among them."""
    return with_values(varied_problem(seed), np.random.default_rng([seed, 4000]))


def with_values(problem: Problem, rng: np.random.Generator) -> Problem:
    """A problem with a random table of values in its objective."""
    data = problem.to_dict()
    table: dict[str, Any] = {"missing": str(rng.choice(["refuse", "exclude", "zero"]))}
    if rng.random() < 0.5:
        table["weight"] = [-1, 0.125, "12.5", 1000][rng.integers(4)]
    if rng.random() < 0.4:
        table["several"] = "add"
        rows = [row for row in _sums(problem, rng) if table["missing"] != "exclude" or rng.random() < 0.8]
        if table["missing"] == "refuse":
            rows.append((*[""] * len(FIELDS), _value(rng)))
    else:
        share = 1.0 if table["missing"] == "refuse" else 0.7
        rows = [(*fields, _value(rng)) for fields in _choices(problem) if rng.random() < share]
    if not rows:
        rows = [("1", "", "", "", "", "", "1")]
    table["rows"] = [",".join(HEADER), *(",".join(map(str, row)) for row in rows)]
    objective = data["objective"]
    if rng.random() < 0.5:
        kept = ("beta", "penalty", "effectiveness_price")
        objective = {name: objective[name] for name in kept if name in objective} | {"score": "table"}
    elif rng.random() < 0.4:
        objective = objective | {"score": "madnas"}
    return Problem.from_dict(data | {"objective": objective | {"table": table}})


@cache
def fitted_problem(seed: int) -> Problem:
    """A varied problem with a score fitted to networks whose accuracies are of a random model, and noise."""
    rng, problem = np.random.default_rng([seed, 5000]), varied_problem(seed)
    tables, features = build_tables(problem), list(FEATURES)
    while True:
        networks = tuple(tables.architecture(_any_position(tables, rng)) for _ in range(20))
        slopes = rng.normal(size=(len(problem.stages), 2))
        of_stages = [[(math.log(s.channels), s.depth) for s in network.stages] for network in networks]
        accuracies = 0.9 + 0.01 * (np.array(of_stages) * slopes).sum(axis=(1, 2)) + rng.normal(0.0, 0.005, len(networks))
        chosen = rng.choice(features, int(rng.integers(1, len(features) + 1)), replace=False).tolist()
        try:
            return fit_score(problem, Results(networks, accuracies), chosen, per_stage=bool(rng.random() < 0.5)).problem
        except SpecError as error:
            if "the same" not in error.problem:  # of the features that were chosen
                raise


def _any_position(tables: Tables, rng: np.random.Generator) -> Position:
    """Parts of the space put together at random, whether they go together or not."""
    columns = tuple(int(rng.integers(len(stage.c))) for stage in tables.stages)
    depths = tuple(int(rng.choice(stage.depths)) for stage in tables.stages)
    return Position(int(rng.integers(len(tables.stem_c))), columns, depths)


def _value(rng: np.random.Generator) -> str:
    """A decimal between -20 and 20; few of them, so that some networks are equal."""
    return str(rng.choice(["0", "-7.5", "3e0", ".25", "-0.1", "12.123456789012345678", f"{rng.uniform(-20, 20):.3f}"]))


def _choices(problem: Problem) -> list[tuple[int | str, ...]]:
    """All super-blocks of a space."""
    found: list[tuple[int | str, ...]] = []
    for i, space in enumerate(problem.space):
        for choice in space.choices:
            for at, c in enumerate(space.channels):
                for b, k, depth in itertools.product(choice.widths[at], choice.kernels, space.depths):
                    if (c, b, k) not in choice.excluded:
                        found.append((i + 1, choice.block, c, b, k, depth))
    return found


def _sums(problem: Problem, rng: np.random.Generator) -> list[tuple[int | str, ...]]:
    """Rows each about some of the fields of the super-blocks of a space."""
    every, rows = _choices(problem), dict[tuple[int | str, ...], str]()
    for _ in range(int(rng.integers(1, 4))):
        used = rng.random(len(FIELDS)) < 0.5
        for fields in every:
            rows.setdefault(tuple(f if use else "" for f, use in zip(fields, used, strict=True)), _value(rng))
    return [(*fields, value) for fields, value in rows.items()]
