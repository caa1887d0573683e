"""Formulations and the solver loop against listings of every network of small problems."""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
import re
import threading
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import programs
import pytest
from contracts import R18, around, check_cell, check_result, sample, some_cell
from hypothesis import given
from hypothesis import strategies as st
from mipdesign.benchmarks.corpus.small import FAMILIES, listing, positions, small_problem
from mipdesign.formulations import penalty
from mipdesign.formulations.scaling import PenaltyScale, least_variance, most_variance
from scale import few

from mipdesign.errors import SpecError
from mipdesign.lattice.batch import evaluate_batch
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import Tables
from mipdesign.mip import closing
from mipdesign.mip.closing import ATTEMPTS, ScipSettings, solve_cell
from mipdesign.mip.formulation import Formulation, FormulationModel, formulation_ids, formulation_named
from mipdesign.mip.model_files import export_cip
from mipdesign.mip.scip_setup import NLP_HEURISTICS
from mipdesign.networks.objective import depth_variance
from mipdesign.problem.problem import Problem
from mipdesign.search.coverage import build_tables

SEEDS = range(40)
LINEAR = ("columns", "lattice")
NONLINEAR = ("logspace", "native")
EXACT = (*LINEAR, *NONLINEAR)
EVERY = {"columns": 2, "lattice": 1, "logspace": 4, "native": 1}
"""Of how many seeds a formulation gets one: the newer ones went through all of them once."""
CASES = [(formulation, seed) for formulation in EXACT for seed in SEEDS[:: EVERY[formulation]]]
OTHERS = [(block, seed) for block in (*FAMILIES[1:], None) for seed in range(6)]


@pytest.mark.parametrize(("formulation", "seed"), few(CASES, 22))
def test_finds_exactly_the_networks_of_the_listing(seed: int, formulation: str) -> None:
    tables = build_tables(small_problem(seed))
    check_cell(tables, Cell.whole(tables), formulation)


@pytest.mark.parametrize("formulation", LINEAR)
@pytest.mark.parametrize(("block", "seed"), few(OTHERS, 6))
def test_linear_formulations_are_exact_for_every_family(block: str | None, seed: int, formulation: str) -> None:
    tables = build_tables(small_problem(seed, block))
    check_cell(tables, Cell.whole(tables), formulation)


@pytest.mark.parametrize(("formulation", "seed"), few([case for case in CASES if case[1] < 15], 8))
def test_respects_the_cell(seed: int, formulation: str) -> None:
    tables = build_tables(small_problem(seed))
    check_cell(tables, some_cell(tables, seed), formulation)


@pytest.mark.parametrize("seed", few(range(12), 3))
def test_many_depth_vectors_are_exact_too(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(penalty, "PENALTY_VECTORS", 0)
    tables = build_tables(small_problem(seed))
    check_cell(tables, Cell.whole(tables), "lattice")


@pytest.mark.parametrize("formulation", EXACT)
@pytest.mark.parametrize("seed", few([0, 4, 5], 1))
def test_every_budget_and_lower_limits_are_kept(seed: int, formulation: str) -> None:
    """Regression: ``native`` took a lower limit for an upper one, and bytes and activations for MACs."""
    data = small_problem(seed).to_dict() | {"budgets": {}}
    tables = build_tables(Problem.from_dict(data))
    networks = positions(Cell.whole(tables).networks(tables))
    some = [tables.problem.evaluator(tables.architecture(p)) for p in networks[:: max(1, len(networks) // 200)]]

    def quantile(name: str, level: float) -> int:
        return int(np.quantile([evaluator.figure(name) for evaluator in some], level))

    budgets = {
        "params": {"min": quantile("params_total", 0.3)},
        "weights_bytes": {"max": 4 * quantile("params_total", 0.8), "bytes": 4},
        "activations": quantile("activations", 0.7),
    }
    tables = build_tables(Problem.from_dict(data | {"budgets": budgets}))
    assert listing(tables, Cell.whole(tables)).networks
    check_cell(tables, Cell.whole(tables), formulation)


def test_the_problems_cover_what_matters() -> None:
    problems = [small_problem(seed) for seed in SEEDS]
    tables = [build_tables(p) for p in problems]
    feasible = sum(bool(listing(t, Cell.whole(t)).networks) for t in tables)
    assert len(problems) / 4 < feasible < len(problems) * 9 / 10
    assert {p.convention for p in problems} == {"paper", "reference"}
    assert {p.scoring.penalty_form for p in problems} == {"exp_std", "exp_var", "none"}
    assert {len(p.stages) for p in problems} == {2, 3, 4}
    assert any(p.head for p in problems) and any("effectiveness" in p.budgets.limits() for p in problems)
    gaps = [np.diff(s.depths) for t in tables for s in t.stages]
    assert any(len(set(gap.tolist())) > 1 for gap in gaps)
    assert any(s.growth[1] is not None for t in tables for s in t.stages)


# ------------------------------------------------------------------ the model


@pytest.mark.parametrize("formulation", EXACT)
@pytest.mark.parametrize("seed", few(range(10), 2))
def test_every_network_is_a_solution_iff_it_is_feasible(seed: int, formulation: str) -> None:
    tables = build_tables(small_problem(seed))
    form = formulation_named(formulation).build(tables, Cell.whole(tables))
    closing.apply_settings(form.model, ScipSettings(), form.parameters)
    for position in sample(tables, seed, 60):
        architecture = tables.architecture(position)
        objective = tables.problem.evaluator(architecture).evaluation.objective
        if objective <= form.floor or position.columns not in reachable_columns(form, position):
            continue
        values = form.start(position)
        assert form.position(values) == position
        solution = form.model.createSol()
        for name, value in values.items():
            form.model.setSolVal(solution, form.variables[name], value)
        assert form.model.getSolObjVal(solution) * form.objective_scale == pytest.approx(objective, rel=1e-9, abs=1e-6)
        feasible = form.model.checkSol(solution, printreason=False, original=True)
        assert feasible == (not tables.problem.violations(architecture))


def reachable_columns(form: FormulationModel, position: Position) -> set[tuple[int, ...]]:
    """The network's columns if the model has them: choices on no chain of channels are left out of it."""
    try:
        form.indicators(position)
    except ValueError:
        assert form.tables.problem.violations(form.tables.architecture(position))
        return set()
    return {position.columns}


def test_excluding_a_network_takes_it_and_no_other() -> None:
    tables = build_tables(small_problem(0))
    expected = listing(tables, Cell.whole(tables))
    first = expected.networks[0][0]
    cutoff = float(expected.networks[3][1]) * (1 - 1e-9)
    form = formulation_named("lattice").build(tables, Cell.whole(tables))
    form.exclude(first)
    search = closing._Search(form, cutoff, ScipSettings(equal_margin=1e30), None)
    assert search.run(time.monotonic()) == ("closed", "")
    assert {found.position for found in search.found} == expected.reaching(cutoff) - {first}
    with pytest.raises(ValueError, match="not in the model"):
        form.exclude(first._replace(depths=tuple(99 for _ in first.depths)))


@pytest.mark.parametrize("formulation", EXACT)
def test_branching_goes_by_depth_then_width_then_channels(formulation: str) -> None:
    tables = build_tables(small_problem(4))
    form = formulation_named(formulation).build(tables, Cell.whole(tables))
    by_letter = {letter: {p for name, p in form.priorities.items() if name.startswith(letter)} for letter in "LbkC"}
    ordered = [by_letter[letter] for letter in "LbkC" if by_letter[letter]]
    assert len(ordered) > 2
    assert all(min(first) > max(second) for first, second in itertools.pairwise(ordered))


def test_model_text_is_the_same_in_every_process(tmp_path: Path) -> None:
    tables = build_tables(small_problem(1))
    here = export_cip(tables, Cell.whole(tables), tmp_path / "model.cip")
    assert (tmp_path / "model.cip").read_text().startswith("STATISTICS")
    assert solve_cell(tables, Cell.whole(tables), -math.inf).model_hash == here
    there = programs.run("model_text", cwd=tmp_path, env=os.environ | {"PYTHONHASHSEED": "7"}, check=True)
    assert there.stdout.strip() == here
    assert export_cip(tables, some_cell(tables, 3), tmp_path / "part.cip") != here


def test_statistics_count_the_model() -> None:
    tables = build_tables(small_problem(0))
    result = solve_cell(tables, Cell.whole(tables), -math.inf)
    size = result.statistics
    assert size.binaries + size.integers < size.variables < 20 * Cell.whole(tables).n_columns * len(tables.stages)
    assert size.nonzeros > size.constraints > len(tables.stages)


# ------------------------------------------------------------------- registry


def test_registry() -> None:
    assert set(EXACT) <= set(formulation_ids())
    for formulation_id in formulation_ids():
        formulation = formulation_named(formulation_id)
        assert isinstance(formulation, Formulation)
        assert formulation.id == formulation_id
        assert formulation.claim in ("exact", "upper", "lower")
        assert formulation.title and formulation.reference


def test_unknown_formulation_names_the_known_ones() -> None:
    with pytest.raises(SpecError, match=r"'zigzag' is not registered; use one of: .*lattice.*native"):
        formulation_named("zigzag")


def test_the_package_imports_no_formulation() -> None:
    programs.run("imports_without", "mipdesign.formulations", "mipdesign.mip.closing", check=True)


def test_lattice_refuses_a_cell_that_is_far_too_large() -> None:
    tables = build_tables(Problem.preset("deepmad-r18"))
    with pytest.raises(SpecError, match=r"'lattice' needs \d+ binaries.*split it"):
        formulation_named("lattice").build(tables, Cell.whole(tables))


def test_columns_says_that_it_needs_a_weight_per_vector_of_depths(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = build_tables(small_problem(4))
    assert len(tables.penalised) > 1
    monkeypatch.setattr(penalty, "PENALTY_VECTORS", 1)
    assert formulation_named("columns").unsupported(tables) == "more than 1 vectors of penalised depths"
    with pytest.raises(SpecError, match=r"'columns' does not support more than 1 vectors.*use 'lattice'"):
        formulation_named("columns").build(tables, Cell.whole(tables))


def test_columns_has_a_binary_per_column_and_per_depth_and_no_row_that_could_be_tighter() -> None:
    n_rows = 0
    for seed in range(30):
        tables = build_tables(small_problem(seed, None))
        cell = Cell.whole(tables)
        networks = cell.networks(tables)
        if cell.n_points(tables) > 300 or not (chained := evaluate_batch(tables, networks).chained).any():
            continue
        form = formulation_named("columns").build(tables, cell)
        linear = form.linear
        assert linear is not None
        most = len(cell.stem) + sum(len(c) + len(cell.depths(tables, i)) for i, c in enumerate(cell.columns))
        assert linear.kinds.count("B") <= most
        starts = np.array([list(form.start(position).values()) for position in positions(networks.take(chained))])
        for row in linear.rows:
            if row.high and re.match(r"[RPTH].*_is_\d+$", row.name):
                *_, switch = row.terms
                size = max(abs(c) * abs(starts[:, v]).max() for v, c in row.terms.items())
                slack = row.high - starts[:, list(row.terms)] @ np.array(list(row.terms.values()))
                assert slack.min() >= -1e-9 * size
                assert slack[starts[:, switch] == 0].min() <= 1e-9 * size
                n_rows += 1
    assert n_rows > 50


# ------------------------------------------------------------------ the solver


@pytest.mark.parametrize("attempt", range(len(ATTEMPTS) + 1))
@pytest.mark.parametrize("formulation", EXACT)
def test_crash_cures_are_applied_whatever_the_settings(attempt: int, formulation: str) -> None:
    """Regression: METIS in MUMPS, called by Ipopt in SCIP's NLP heuristics, corrupts the heap (PySCIPOpt 1234)."""
    tables = build_tables(small_problem(2))
    form = formulation_named(formulation).build(tables, Cell.whole(tables))
    closing.apply_settings(form.model, ScipSettings(attempt=attempt, memory_limit=500), form.parameters)
    options = Path(form.model.getParam("nlpi/ipopt/optfile"))
    assert options.read_text().split() == ["mumps_pivot_order", "0"]
    assert [form.model.getParam(f"heuristics/{name}/freq") for name in NLP_HEURISTICS] == [-1] * len(NLP_HEURISTICS)


@pytest.mark.parametrize("attempt", range(len(ATTEMPTS) + 1))
def test_every_rung_of_the_ladder_gives_the_same_networks(attempt: int) -> None:
    tables = build_tables(small_problem(6, "inverted"))
    expected = listing(tables, Cell.whole(tables))
    cutoff = float(expected.networks[4][1]) * (1 - 1e-9)
    result = solve_cell(tables, Cell.whole(tables), cutoff, settings=ScipSettings(attempt=attempt, seed=5, equal_margin=1e30))
    check_result(tables, result, expected)


def test_an_infeasible_answer_is_rejected_and_never_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lax(Formulation):
        """The lattice formulation with its budgets loosened by a tenth: its solver's answers break the budgets."""

        id, title, claim, reference = "lax", "loosened budgets", "upper", "none"

        def build(self, tables: Tables, cell: Cell) -> FormulationModel:
            loose = dataclasses.replace(tables, limits=tables.limits + tables.limits // 10, rho=None)
            return dataclasses.replace(formulation_named("lattice").build(loose, cell), tables=tables)

    monkeypatch.setattr(closing, "formulation_named", lambda _: Lax())
    n_rejected = 0
    for seed in range(8):
        tables = build_tables(small_problem(seed))
        expected = listing(tables, Cell.whole(tables))
        if not expected.networks or len(expected.networks) < 20:
            continue
        result = solve_cell(tables, Cell.whole(tables), float(expected.networks[0][1]) - 1e-3, "lax")
        check_result(tables, result, expected)
        for rejected in result.rejected:
            assert rejected.reasons == tuple(tables.problem.violations(tables.architecture(rejected.position)))
            assert rejected.reasons == tuple(tables.problem.violations(tables.architecture(rejected.position)))
        n_rejected += len(result.rejected)
    assert n_rejected > 5


def test_a_refuted_claim_does_not_lose_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A solver that overstates an objective is told so, and the feasible network is kept with its true objective."""
    tables = build_tables(small_problem(0))
    expected = listing(tables, Cell.whole(tables))
    position, objective = expected.networks[0]
    form = formulation_named("lattice").build(tables, Cell.whole(tables))
    search = closing._Search(form, -math.inf, ScipSettings(), None)
    search.judge(position, float(objective) * 1.5)
    assert [found.position for found in search.found] == [rejected.position for rejected in search.rejected] == [position]
    assert search.rejected[0].reasons[0].startswith("objective ")


def test_a_network_that_comes_back_although_it_was_cut_off_ends_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a time limit nothing else would."""
    tables = build_tables(small_problem(0))
    monkeypatch.setattr(FormulationModel, "exclude", lambda self, position: None)
    result = solve_cell(tables, Cell.whole(tables), -math.inf)
    assert (result.status, result.message, result.rounds) == ("failed", "SCIP reports networks that were cut off", 2)
    best = listing(tables, Cell.whole(tables)).networks[0]
    assert result.networks[0].position == best[0] and result.bound >= float(best[1])


def test_a_start_is_checked_and_recorded() -> None:
    tables = build_tables(small_problem(0))
    expected = listing(tables, Cell.whole(tables))
    best, objective = expected.networks[0]
    result = solve_cell(tables, Cell.whole(tables), float(objective) - 1.0, start=best)
    assert result.networks[0].position == best
    assert result.rounds == 1
    assert result.bound == pytest.approx(float(objective), rel=1e-12)
    infeasible = next(p for p in sample(tables, 0, 1000) if tables.problem.violations(tables.architecture(p)))
    rejected = solve_cell(tables, Cell.whole(tables), float(objective) + 1.0, start=infeasible).rejected
    assert [r.position for r in rejected] == [infeasible]


def test_realistic_cell() -> None:
    """4e11 networks around a design of deepmad-r18: closed in few nodes, and other threads get their turn meanwhile."""
    tables = build_tables(Problem.preset("deepmad-r18"))
    cell = around(tables, R18, 0.1, 8, 1)
    objective = tables.problem.evaluator(R18).evaluation.objective
    bounds: list[float] = []
    ticks = []
    stop = threading.Event()

    def tick() -> None:
        while not stop.wait(0.002):
            ticks.append(time.monotonic())

    thread = threading.Thread(target=tick)
    thread.start()
    result = solve_cell(tables, cell, objective - 0.5, on_progress=lambda bound, incumbent: bounds.append(bound))
    stop.set()
    thread.join()
    assert result.status == "closed"
    assert tables.position(R18) in {found.position for found in result.networks}
    assert result.bound >= objective
    assert result.bound == pytest.approx(max(found.objective for found in result.networks), rel=1e-12)
    assert bounds and min(bounds) >= objective * (1 - 1e-9)
    assert len(ticks) > 10, "SCIP held the GIL"
    assert result.nodes < 1000


def test_limits_leave_a_valid_bound() -> None:
    tables = build_tables(Problem.preset("deepmad-r18"))
    cell = around(tables, R18, 0.15, 8, 2)
    objective = tables.problem.evaluator(R18).evaluation.objective
    at_once = solve_cell(tables, cell, 0.0, settings=ScipSettings(time_limit=0.0))
    assert (at_once.status, at_once.bound, at_once.networks) == ("limit", math.inf, ())
    soon = solve_cell(tables, cell, 0.0, settings=ScipSettings(time_limit=1.0))
    assert soon.status == "limit"
    assert soon.bound >= objective
    for found in soon.networks:
        assert not tables.problem.violations(tables.architecture(found.position))


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    tables = build_tables(small_problem(4))
    for formulation in EXACT:
        solve_cell(tables, Cell.whole(tables), -math.inf, formulation)
    assert capfd.readouterr() == ("", "")


# --------------------------------------------------------------------- scaling

CHOICES = st.lists(st.lists(st.integers(1, 20), min_size=1, max_size=4), min_size=1, max_size=4)


@given(CHOICES)
def test_variance_bounds(choices: list[list[int]]) -> None:
    variances = [depth_variance(depths) for depths in itertools.product(*choices)]
    assert least_variance(choices) == min(variances)
    assert most_variance(choices) >= max(variances)


def test_penalties_beyond_the_range_set_a_floor() -> None:
    assert PenaltyScale.of(1000.0, "exp_std", 10.0, [[1, 2], [1, 2]]).floor == -math.inf
    far = PenaltyScale.of(1000.0, "exp_var", 10.0, [[1, 40], [1, 40]])
    assert -1e7 < far.floor < -1e5
    assert far.limit > 1000.0 and far.magnitude == 1000.0
    assert PenaltyScale.of(1000.0, "exp_var", 10.0, [[1], [64]]).floor < -1e5
    assert least_variance([[1], [4]]) == Fraction(9, 4)
