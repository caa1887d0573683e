"""What formulations say at the edges of what they can write, each held against enumeration."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contracts import check_cell
from mipdesign.benchmarks.corpus.small import best_by_enumeration, every_network, listing, random_table, small_problem
from mipdesign.formulations import branch_price, penalty

from mipdesign.errors import SpecError
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.tables import Tables
from mipdesign.mip.formulation import formulation_named
from mipdesign.mip.refinement import solve
from mipdesign.mip.solver import SolveOptions, solver_named
from mipdesign.problem.problem import Problem
from mipdesign.search.coverage import build_tables

SMALL = Path(__file__).parents[1] / "data" / "small.yaml"
CLOSE, DEEP, WITH_HEAD = 0, 3, 11
"""Seeds of small problems: whose operations are of many sizes, whose super-blocks have several depths, one with a head."""


def with_changes(seed: int, **changes: Any) -> Problem:
    """A small problem with other fields."""
    return Problem.from_dict(small_problem(seed).to_dict() | changes)


def solved(formulation: str, tables: Tables) -> Any:
    """SCIP's answer to the model of the whole space."""
    form = formulation_named(formulation).build(tables, Cell.whole(tables))
    return solve(solver_named("scip"), form, SolveOptions(time_limit=60))


def row_names(formulation: str, tables: Tables) -> set[str]:
    """Names of rows up to their numbers."""
    linear = formulation_named(formulation).build(tables, Cell.whole(tables)).linear
    assert linear is not None
    return {row.name.rstrip("_0123456789") for row in linear.rows}


@pytest.mark.parametrize("formulation", ["lattice", "columns", "branch-price", "native", "logspace", "compact", "adaptive"])
def test_a_cell_whose_penalties_are_all_beyond_the_doubles_is_infeasible(formulation: str) -> None:
    n = len(Problem.load(SMALL).stages)
    depths = [f"stages.{i}.depth=[1, 60]" for i in range(n)]
    penalty = f"objective={{beta: 10, penalty: {{form: exp_var, stages: {list(range(1, n + 1))}}}}}"
    tables = build_tables(Problem.load(SMALL, [*depths, penalty, "budgets={}"]))
    whole = Cell.whole(tables)
    uneven = np.array([60 if i % 2 else 1 for i in range(n)])  # the variance is 870, and exp(870) is 1e377
    cell = Cell(whole.stem, whole.columns, uneven, uneven)
    answer = solve(solver_named("scip"), formulation_named(formulation).build(tables, cell), SolveOptions(time_limit=60))
    assert answer.status == "infeasible"


def test_too_many_columns_to_price_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branch_price, "MAX_COLUMNS", 10)
    tables = build_tables(Problem.load(SMALL))
    with pytest.raises(SpecError, match=r"'branch-price' would have to price \d+ columns for this cell; split it below 10"):
        formulation_named("branch-price").build(tables, Cell.whole(tables))


@pytest.mark.parametrize("formulation", ["lattice", "columns"])
@pytest.mark.parametrize("bytes_", [57_036, 104_976])
def test_limits_on_single_operations_are_kept(bytes_: int, formulation: str) -> None:
    """Limits of which further blocks, incoming channels and blocks whose channels stay the same all fall foul."""
    problem = with_changes(CLOSE, budgets={"activation_memory": bytes_})
    free, best = best_by_enumeration(with_changes(CLOSE, budgets={})), best_by_enumeration(problem)
    assert free is not None and best is not None and best < free
    tables = build_tables(problem)
    assert row_names(formulation, tables) >= {"rest", "incoming", "twin"}
    check_cell(tables, Cell.whole(tables), formulation)


@pytest.mark.parametrize("formulation", ["lattice", "columns"])
def test_a_latency_behind_a_stem_of_one_width_is_exact(formulation: str) -> None:
    """The first super-block has no pairs of channels to tell apart, the second one has, and its rows are kept by networks."""
    stem = {"stem": {"channels": [8]}}
    networks = list(every_network(with_changes(CLOSE, budgets={}, **stem)))
    table = random_table(with_changes(CLOSE, budgets={}, **stem), np.random.default_rng(0))
    timed = with_changes(CLOSE, budgets={"latency": {"max": 1e9, "table": table}}, **stem)
    limit = float(np.quantile([timed.evaluator(network).figure("latency") for network in networks], 0.3))
    problem = timed.with_limits({"latency": limit})
    tables = build_tables(problem)
    assert [len(s.pairs) > 0 for s in tables.stages] == [True] * len(tables.stages) and len(tables.stem_c) == 1
    check_cell(tables, Cell.whole(tables), formulation)
    form = formulation_named(formulation).build(tables, Cell.whole(tables))
    assert form.linear is not None and "latency" in row_names(formulation, tables)
    for position, _ in listing(tables, Cell.whole(tables)).networks[:5]:
        assert form.linear.violation(form.start(position)) < 1e-9


@pytest.mark.parametrize("formulation", ["lattice", "columns", "native", "compact"])
def test_a_tie_of_families_and_depths_is_kept(formulation: str) -> None:
    """Super-blocks that have the same family anyway are tied by their depths alone."""
    free = with_changes(DEEP, budgets={}, objective={"beta": 0.0})
    tied = with_changes(DEEP, budgets={}, objective={"beta": 0.0}, ties=[{"stages": [1, 2], "same": ["block", "depth"]}])
    most, best = best_by_enumeration(free), best_by_enumeration(tied)
    assert most is not None and best is not None and best < most
    answer = solved(formulation, build_tables(tied))
    assert answer.objective == pytest.approx(float(best), rel=1e-6)


@pytest.mark.parametrize("formulation", ["lattice", "columns", "native", "logspace", "compact"])
def test_a_stem_that_is_a_stage_may_break_the_effectiveness_alone(formulation: str) -> None:
    """A 3 x 3 stem on three channels has 1/27, which no choice behind it mends."""
    problem = Problem.load(SMALL, ["budgets={effectiveness: 0.03}"])
    assert build_tables(problem).ends[0] < 0 and problem.scoring.convention.prefix_effectiveness
    assert solved(formulation, build_tables(problem)).status == "infeasible"


@pytest.mark.parametrize("formulation", ["native", "logspace"])
def test_start_values_of_a_network_with_a_head_are_a_solution(formulation: str) -> None:
    tables = build_tables(small_problem(WITH_HEAD))
    form = formulation_named(formulation).build(tables, Cell.whole(tables))
    position, objective = listing(tables, Cell.whole(tables)).networks[0]
    start = form.start(position)
    solution = form.start_solution(form.scip, start)
    assert tables.has_head and form.model.checkSol(solution, printreason=False, original=True)
    worth = sum(weight * start[f"H{stage}"] for stage, weight in enumerate(tables.problem.scoring.weights))
    assert worth == pytest.approx(float(objective), rel=1e-9)


@pytest.mark.parametrize("form", ["exp_std", "exp_var"])
def test_start_values_of_a_penalty_that_is_a_cone_are_those_of_the_network(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(penalty, "PENALTY_VECTORS", 0)
    objective = {"beta": 1.0, "penalty": {"form": form, "stages": [1, 2]}}
    tables = build_tables(with_changes(DEEP, budgets={}, objective=objective))
    model = formulation_named("lattice").build(tables, Cell.whole(tables))
    variances = set()
    for position, _ in listing(tables, Cell.whole(tables)).networks[::20]:
        start, variance = model.start(position), float(np.var(position.depths[:2]))
        variances.add(variance)
        assert start["exponent"] == pytest.approx(math.sqrt(variance) if form == "exp_std" else variance)
        assert model.model.checkSol(model.start_solution(model.scip, start), printreason=False, original=True)
    assert len(variances) > 1
