"""The whole problem as one nonlinear model: its optima, its feasible points, and what it says it lacks."""

from __future__ import annotations

import numpy as np
import pytest
from contracts import check_cell, some_cell
from hypothesis import given
from hypothesis import strategies as st
from mipdesign.benchmarks.corpus.small import FAMILIES, positions, small_problem, varied_problem
from scale import examples, few

from mipdesign.errors import SpecError
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import Tables
from mipdesign.mip.design_model import DesignModel
from mipdesign.mip.formulation import formulation_named
from mipdesign.mip.start_values import start_values
from mipdesign.problem.problem import Problem
from mipdesign.search.coverage import build_tables

VARIANTS = ["minlp", "minlp:native", "minlp:log", "minlp:inc", "minlp:zzi"]
CASES = [(variant, block, seed) for variant in VARIANTS for block in (*FAMILIES, None) for seed in range(4)]


@pytest.mark.parametrize(("variant", "block", "seed"), few(CASES, 10))
def test_finds_exactly_the_networks_of_the_listing(variant: str, block: str | None, seed: int) -> None:
    tables = build_tables(small_problem(seed, block))
    check_cell(tables, Cell.whole(tables), variant)


@pytest.mark.parametrize("seed", few(range(12), 3))
def test_cells_are_written_as_well_as_spaces(seed: int) -> None:
    tables = build_tables(small_problem(seed))
    check_cell(tables, some_cell(tables, np.random.default_rng(seed)), "minlp")


def accepts(model: DesignModel, position: Position, objective: float | None = None) -> bool:
    """Whether SCIP's own constraints hold for a network."""
    solution = model.model.createSol()
    for name, value in start_values(model.rules, position).items():
        told = value if objective is None or name != "objective" else objective
        model.model.setSolVal(solution, model.variables[name], told)
    return bool(model.model.checkSol(solution, printreason=False, original=True))


def barely_violated(tables: Tables, position: Position) -> bool:
    """Whether the effectiveness alone is above its limit, and by less than SCIP's tolerance."""
    over = [budget for budget in tables.problem.usage(tables.architecture(position)) if not budget.holds]
    return [budget.name for budget in over] == ["effectiveness"] and over[0].value < (1 + 1e-5) * over[0].limit


def judged(tables: Tables, position: Position) -> tuple[bool, float]:
    """Whether a network keeps all budgets, and its objective, by the exact evaluator."""
    architecture = tables.architecture(position)
    evaluator = tables.problem.evaluator(architecture)
    return not tables.problem.violations(architecture, evaluator), evaluator.evaluation.objective


@given(seed=st.integers(0, 10_000), varied=st.booleans(), variant=st.sampled_from(VARIANTS))
@examples(100)
def test_scip_accepts_what_the_exact_evaluator_accepts(seed: int, varied: bool, variant: str) -> None:
    """And nothing else, where the model lacks no term; an objective that is too high neither."""
    problem = varied_problem(seed % 300) if varied else small_problem(seed)
    tables = build_tables(problem)
    model = formulation_named(variant).whole(tables)
    cell = Cell.whole(tables)
    if cell.tied(tables) is None:
        return
    batch = cell.networks(tables) if cell.n_points(tables) < 200_000 else None
    if batch is None:
        return
    chosen = np.random.default_rng(seed).integers(0, len(batch), 6)
    for position in positions(batch.take(chosen)):
        feasible, objective = judged(tables, position)
        if feasible:
            assert accepts(model, position)
        elif not model.lacking and not barely_violated(tables, position):
            assert not accepts(model, position)
        if not model.lacking:
            assert not accepts(model, position, objective + 1e-3 * max(1.0, abs(objective)))


def test_terms_without_a_closed_form_are_named() -> None:
    problem = small_problem(7)
    data = problem.to_dict()
    data["objective"]["effectiveness_price"] = 10.0
    tables = build_tables(Problem.from_dict(data))
    assert formulation_named("minlp").whole(tables).lacking == ("a price of the effectiveness",)
    with pytest.raises(SpecError, match="a price of the effectiveness"):
        formulation_named("minlp").build(tables, Cell.whole(tables))


@pytest.mark.parametrize(("name", "fault"), [("chords", "one side"), ("binary", "not registered")])
def test_encodings_that_are_no_graph_are_refused(name: str, fault: str) -> None:
    with pytest.raises(SpecError, match=fault):
        formulation_named(f"minlp:{name}")


def test_other_formulations_are_of_cells_only() -> None:
    with pytest.raises(SpecError, match="one of cells"):
        formulation_named("lattice").whole(build_tables(small_problem(7)))


def test_depth_penalties_beyond_the_numbers_of_a_solver_count_as_the_largest_one() -> None:
    """Ninety blocks beside one: ``exp(Var)`` is far beyond 1e20, and the network is in the model all the same."""
    stage = {"stride": 2, "channels": [8], "bottleneck": [8], "kernels": [3], "depth": {"min": 1, "max": 90}}
    data = {
        "name": "deep",
        "convention": "paper",
        "input": {"resolution": 64},
        "stem": {"channels": [8]},
        "stages": [stage] * 2,
    }
    tables = build_tables(Problem.from_dict(data | {"budgets": {"layers": 500}}))
    model = formulation_named("minlp").whole(tables)
    for depths in ((1, 90), (5, 5), (40, 90)):
        position = Position(0, (0, 0), depths)
        values = start_values(model.rules, position)
        assert accepts(model, position) and abs(values["objective"]) < 1e17
