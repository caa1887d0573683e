"""Branch-and-price against listings of every network, and its relaxation against that of the full lattice formulation."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from contracts import R18, around, check_cell, some_cell
from mipdesign.benchmarks.corpus.small import FAMILIES, listing, small_problem
from mipdesign.formulations import penalty
from mipdesign.formulations.branch_price import PricedModel
from scale import few, of

from mipdesign.cli import main as cli
from mipdesign.errors import SpecError
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import Tables
from mipdesign.mip.capabilities import Capability
from mipdesign.mip.closing import ScipSettings, apply_settings, solve_cell
from mipdesign.mip.formulation import FormulationModel, formulation_named
from mipdesign.mip.model_files import export_cip
from mipdesign.mip.solver import SolveOptions, refusal, solver_ids, solver_named
from mipdesign.problem.problem import Problem
from mipdesign.search.coverage import build_tables

SEEDS = range(30)
OTHERS = [(block, seed) for block in (*FAMILIES[1:], None) for seed in range(4)]


def priced(tables: Tables, cell: Cell | None = None) -> PricedModel:
    form = formulation_named("branch-price").build(tables, cell or Cell.whole(tables))
    assert isinstance(form, PricedModel)
    return form


def known(model: object) -> int:
    """Points that a SCIP model has."""
    return sum(int(part.known.sum()) for part in model.data.parts)  # type: ignore[attr-defined]


def root_bound(form: FormulationModel) -> float | None:
    """The value of a linear relaxation by SCIP without presolve, propagation and cuts; ``None`` if it is infeasible."""
    model = form.model
    apply_settings(model, ScipSettings(attempt=1), form.parameters)
    for name in ("presolving/maxrounds", "propagating/maxrounds", "propagating/maxroundsroot"):
        model.setParam(name, 0)
    model.setParam("limits/nodes", 1)
    model.optimizeNogil()
    bound = model.getDualbound()
    return None if str(model.getStatus()) == "infeasible" else bound * form.objective_scale


# ------------------------------------------------------------------------------------------------------------- exactness


@pytest.mark.parametrize("seed", few(SEEDS, 6))
def test_finds_exactly_the_networks_of_the_listing(seed: int) -> None:
    tables = build_tables(small_problem(seed))
    check_cell(tables, Cell.whole(tables), "branch-price")


@pytest.mark.parametrize(("block", "seed"), few(OTHERS, 5))
def test_every_family(block: str | None, seed: int) -> None:
    tables = build_tables(small_problem(seed, block))
    check_cell(tables, Cell.whole(tables), "branch-price")


@pytest.mark.parametrize("seed", few(range(6), 2))
def test_respects_the_cell(seed: int) -> None:
    tables = build_tables(small_problem(seed))
    check_cell(tables, some_cell(tables, seed), "branch-price")


@pytest.mark.parametrize("seed", few(range(5), 2))
def test_prices_into_a_nonlinear_model_too(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(penalty, "PENALTY_VECTORS", 0)
    tables = build_tables(small_problem(seed))
    check_cell(tables, Cell.whole(tables), "branch-price")


@pytest.mark.parametrize("seed", few(SEEDS, 6))
def test_the_solver_finds_the_enumerated_optimum(seed: int) -> None:
    """Infeasible ones among them: there every node ends with a proof that no point repairs."""
    tables = build_tables(small_problem(seed))
    networks = listing(tables, Cell.whole(tables)).networks
    form = priced(tables)
    answer = solver_named("scip").solve(form, SolveOptions())
    assert answer.status == ("optimal" if networks else "infeasible")
    if not networks:
        assert answer.values is None and answer.bound == -math.inf
        return
    assert answer.objective == pytest.approx(float(networks[0][1]), rel=1e-6)
    assert answer.bound == pytest.approx(float(networks[0][1]), rel=1e-6)
    assert answer.values is not None
    assert not tables.problem.violations(tables.architecture(form.position(answer.values)))


def test_farkas_pricing_repairs_a_start_without_any_feasible_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """With no first points at all, every relaxation starts infeasible."""
    monkeypatch.setattr("mipdesign.formulations.pricing.PricedPoints.covering", lambda self: [])
    for seed in range(of(8, 3)):
        tables = build_tables(small_problem(seed))
        check_cell(tables, Cell.whole(tables), "branch-price")


# ------------------------------------------------------------------------------------------------------------ relaxation


@pytest.mark.parametrize("seed", few(range(16), 4))
def test_the_relaxation_is_worth_that_of_the_lattice_formulation(seed: int) -> None:
    tables = build_tables(small_problem(seed))
    full = formulation_named("lattice").build(tables, Cell.whole(tables))
    assert full.linear is not None
    full.linear.kinds = ["C"] * len(full.linear.kinds)
    expected, found = root_bound(full), root_bound(priced(tables))
    assert (found is None) == (expected is None)
    if expected is not None:
        assert found == pytest.approx(expected, rel=1e-6)


def test_most_points_are_never_in_the_model() -> None:
    tables = build_tables(Problem.preset("deepmad-r18"))
    cell = around(tables, R18, 0.3, 16, 2)
    points = sum(len(columns) * len(cell.depths(tables, i)) for i, columns in enumerate(cell.columns))
    full = formulation_named("lattice").build(tables, cell)
    assert full.linear is not None
    full.linear.kinds = ["C"] * len(full.linear.kinds)
    form = priced(tables, cell)
    model = form.model
    assert root_bound(form) == pytest.approx(root_bound(full), rel=1e-6)
    assert known(model) < points / 3


def test_reduced_costs_are_those_of_the_coefficients() -> None:
    """The two ways to look at a point agree: all worths of a super-block at once, and the column of one point."""
    rng = np.random.default_rng(0)
    for seed in range(6):
        for part in priced(build_tables(small_problem(seed))).priced:
            prices = rng.normal(size=len(part.rows))
            alpha, beta, gamma = part.worth(prices)
            for d, depth in enumerate(part.points.depths):
                for j in range(len(part.points.columns)):
                    column = sum(prices[r] * coefficient for r, coefficient in part.coefficients(j, d))
                    assert alpha[j] + depth * beta[j] + gamma[d] == pytest.approx(column, rel=1e-9, abs=1e-9)


# ------------------------------------------------------------------------------------------------------------- the model


def test_networks_are_read_off_the_marginals() -> None:
    for seed in (0, 4, 7):
        tables = build_tables(small_problem(seed))
        form = priced(tables)
        for position, _ in listing(tables, Cell.whole(tables)).networks[:30]:
            values = form.start(position)
            assert form.position(values) == position
            assert {values[name] for name in form.indicators(position)} == {1.0}
            solution = form.start_solution(form.scip, values)
            assert form.model.checkSol(solution, printreason=False, original=True)
        with pytest.raises(ValueError, match="not in the model"):
            form.exclude(Position(0, tuple(-1 for _ in tables.stages), position.depths))


def test_a_start_changes_nothing_and_an_excluded_network_is_gone() -> None:
    tables = build_tables(small_problem(0))
    networks = listing(tables, Cell.whole(tables)).networks
    form = priced(tables)
    start = form.start(networks[3][0])
    first = solver_named("scip").solve(form, SolveOptions(start=start))
    form.exclude(networks[0][0])
    second = solver_named("scip").solve(form, SolveOptions(start=start))
    assert first.objective == pytest.approx(float(networks[0][1]), rel=1e-6)
    assert second.objective == pytest.approx(float(networks[1][1]), rel=1e-6)


def test_the_hash_speaks_of_the_points_that_are_not_there_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mipdesign.formulations.pricing.PricedPoints.covering", lambda self: [])
    tables = build_tables(small_problem(0))
    names = [priced(tables, cell).model.getProbName() for cell in (None, None, some_cell(tables, 3))]
    assert names[0] == names[1] != names[2]
    hashes = {solve_cell(tables, Cell.whole(tables), -math.inf, "branch-price").model_hash for _ in range(2)}
    assert len(hashes) == 1


@pytest.mark.parametrize("solver_id", [i for i in solver_ids() if Capability.PRICING not in solver_named(i).capabilities])
def test_no_other_solver_takes_it(solver_id: str) -> None:
    form = priced(build_tables(small_problem(1)))
    assert Capability.PRICING in form.requires
    assert "columns that a pricer adds" in str(refusal(solver_named(solver_id), form))
    with pytest.raises(SpecError, match="columns that a pricer adds"):
        solver_named(solver_id).solve(form, SolveOptions())
    assert refusal(solver_named("scip"), form) is None


def test_no_file_carries_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problem = small_problem(1)
    (tmp_path / "small.yaml").write_text(problem.dumps())
    for ending in ("cip", "mps", "nl"):
        out = tmp_path / f"model.{ending}"
        assert cli.main(["model", str(tmp_path / "small.yaml"), "--out", str(out), "--formulation", "branch-price"]) == 2
        assert "cannot carry columns that a pricer adds; no format can" in capsys.readouterr().err
        assert not out.exists()
    tables = build_tables(problem)
    with pytest.raises(SpecError, match="cannot carry columns that a pricer adds"):
        export_cip(tables, Cell.whole(tables), tmp_path / "model.cip", "branch-price")
