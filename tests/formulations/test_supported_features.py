"""What formulations support beyond counts and effectiveness: ties, families, latency, single operations."""

from __future__ import annotations

import itertools
import re
from functools import cache
from typing import Any

import numpy as np
import pytest
from mipdesign.benchmarks.corpus.small import (
    EVERY_FAMILY,
    best_by_enumeration,
    bits_problem,
    every_network,
    problem_data,
    scored_problem,
    small_problem,
    unequal_problem,
    varied_problem,
    video_problem,
)
from mipdesign.benchmarks.corpus.valued import valued_problem
from scale import few, of

from mipdesign.errors import SpecError
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.tables import Tables
from mipdesign.mip.formulation import Feature, features, formulation_named
from mipdesign.mip.refinement import solve
from mipdesign.mip.solver import SolveOptions, solver_named
from mipdesign.problem.problem import Problem
from mipdesign.search.coverage import build_tables

FORMULATIONS = (
    "lattice",
    "columns",
    "branch-price",
    "native",
    "logspace",
    "compact",
    "compact:chords:lattice:unary",
    "adaptive",
)
MOST = 6000
"""Most networks that the exact evaluator goes through."""


def rescored_problem(seed: int) -> Problem:
    """A problem of one family with another score."""
    rng = np.random.default_rng(seed)
    every = (small_problem(100 * seed + n, EVERY_FAMILY[seed % len(EVERY_FAMILY)]) for n in itertools.count())
    data: dict[str, Any] = next(problem for problem in every if problem.size() <= MOST // 10).model_dump(mode="json")
    objective = {"score": str(rng.choice(["madnas", "madnas", "deepmad"])), "beta": float(rng.choice([0.0, 1.0]))}
    objective["channels_exponent"] = float(rng.choice([0.0, 0.5, 2.0]))
    return Problem.from_dict(data | {"objective": objective})


def uneven_problem(seed: int) -> Problem:
    """A problem of one family some of whose super-blocks have blocks that may differ, beside others."""
    rng = np.random.default_rng([seed, 4000])
    while True:
        data = problem_data(rng, EVERY_FAMILY[seed % len(EVERY_FAMILY)])
        data["stages"] = data["stages"][: int(rng.integers(2, 4))]
        for stage in data["stages"]:
            for axis in ("channels", "bottleneck", "kernels"):
                most = min(3 if axis == "channels" else 2, len(stage[axis]))
                stage[axis] = sorted(rng.choice(stage[axis], most, replace=False).tolist())
            stage["depth"] = sorted(rng.choice([1, 2, 3, 4], int(rng.integers(1, 4)), replace=False).tolist())
            stage["uniform"] = bool(rng.random() < 0.4)
        if rng.random() < 0.4:
            tied = (rng.choice(len(data["stages"]), 2, replace=False) + 1).tolist()
            data["ties"] = [{"stages": tied, "same": [str(rng.choice(["channels", "depth"]))]}]
        try:
            problem = Problem.from_dict(data)
        except ValueError:
            continue
        if 1 < problem.size() <= MOST // 4 and not all(stage["uniform"] for stage in data["stages"]):
            break
    budgets, evaluators = {}, [problem.evaluator(network) for network in every_network(problem)]
    for name in ("flops", "params", "activations") if evaluators else ():
        figures = sorted(evaluator.figure(name) for evaluator in evaluators)
        if rng.random() < 0.5:
            budgets[name] = {"max": figures[int(rng.integers(len(figures) // 4, len(figures)))]}
    return Problem.from_dict(data | {"budgets": budgets})


PROBLEMS = {
    "varied": varied_problem,
    "rescored": rescored_problem,
    "scored": scored_problem,
    "video": video_problem,
    "valued": valued_problem,
    "bits": bits_problem,
    "unequal": unequal_problem,
    "uneven": uneven_problem,
}
"""What problems may have beyond one family and the product of DeepMAD."""


def tied_problem(seed: int) -> Problem | None:
    """A problem of one family with a tie, if its super-blocks have anything in common."""
    rng = np.random.default_rng(seed)
    data: dict[str, Any] = small_problem(seed, EVERY_FAMILY[seed % len(EVERY_FAMILY)]).model_dump(mode="json")
    n = len(data["stages"])
    tied = sorted((rng.choice(n, min(n, int(rng.integers(2, 4))), replace=False) + 1).tolist())
    axes = rng.choice(["channels", "bottleneck", "kernel", "depth"], int(rng.integers(1, 3)), replace=False).tolist()
    try:
        problem = Problem.from_dict(data | {"ties": [{"stages": tied, "same": axes}]})
    except ValueError:
        return None
    return problem if problem.size() <= MOST else None


@cache
def optimum(problem_of: str, seed: int) -> tuple[Tables, float | None]:
    """The tables of a problem, and its optimum."""
    problem = tied_problem(seed) if problem_of == "tied" else PROBLEMS[problem_of](seed)
    assert problem is not None
    best = best_by_enumeration(problem)
    return build_tables(problem), None if best is None else float(best)


def check(formulation: str, tables: Tables, best: float | None) -> None:
    form = formulation_named(formulation).build(tables, Cell.whole(tables))
    answer = solve(solver_named("scip"), form, SolveOptions(time_limit=60))
    if best is None or best <= form.floor:
        assert best is not None or answer.status == "infeasible"
        return
    assert answer.objective == pytest.approx(best, rel=1e-6, abs=1e-6)
    assert answer.values is not None
    network = tables.architecture(form.position(answer.values))
    assert not tables.problem.outside_space(network) and not tables.problem.violations(network)


@cache
def tied() -> list[int]:
    """Seeds of problems with ties."""
    return list(itertools.islice((seed for seed in itertools.count() if tied_problem(seed) is not None), 8))


@cache
def varied() -> list[int]:
    """Seeds of problems that need more than one feature."""
    several = (seed for seed in itertools.count() if len(features(build_tables(varied_problem(seed)))) > 1)
    return list(itertools.islice(several, 16))


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("case", few(range(8), 3))
def test_ties_are_kept(case: int, formulation: str) -> None:
    tables, best = optimum("tied", tied()[case])
    assert features(tables) == [Feature.TIES]
    assert formulation_named(formulation).unsupported(tables) is None
    check(formulation, tables, best)


@pytest.mark.parametrize("case", few([1, 0, 2, 3, 12, 14], 3))
def test_choices_between_families_latencies_and_limits(case: int) -> None:
    """The cases that ``lattice`` supports; ``columns`` takes some of them."""
    tables, best = optimum("varied", varied()[case])
    assert formulation_named("lattice").unsupported(tables) is None
    for formulation in ("lattice", "columns"):
        if formulation_named(formulation).unsupported(tables) is None:
            check(formulation, tables, best)


@pytest.mark.parametrize("formulation", [*FORMULATIONS, "minlp", "minlp:native"])
@pytest.mark.parametrize("problem_of", PROBLEMS)
def test_every_problem_is_solved_or_refused(problem_of: str, formulation: str) -> None:
    """By every formulation: equal to enumeration, or refused with what it does not support."""
    form = formulation_named(formulation)
    for seed in range(of(12, 3)):
        tables, best = optimum(problem_of, seed)
        reason = form.unsupported(tables)
        if reason is None:
            check(formulation, tables, best)
            continue
        with pytest.raises(SpecError, match=re.escape(f"{form.id!r} does not support {reason}")):
            form.build(tables, Cell.whole(tables))


def test_the_sample_has_all_that_lattice_supports() -> None:
    lattice = formulation_named("lattice")
    solved = [
        build_tables(make(seed)) for name, make in PROBLEMS.items() for seed in (varied() if name == "varied" else range(12))
    ]
    has = {feature for tables in solved if lattice.unsupported(tables) is None for feature in features(tables)}
    assert has == lattice.supports


def test_what_is_not_supported_is_refused() -> None:
    for seed in varied():
        tables, _ = optimum("varied", seed)
        for formulation in ("native", "columns", "compact"):
            reason = formulation_named(formulation).unsupported(tables)
            if reason is not None:
                with pytest.raises(SpecError, match=rf"'{formulation}' does not support {reason}; use 'lattice'"):
                    formulation_named(formulation).build(tables, Cell.whole(tables))
