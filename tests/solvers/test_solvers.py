"""Solvers against enumeration, each in a process of its own, for not all of them can be imported into one."""

from __future__ import annotations

import itertools
import math
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import programs
import pytest
from agreement import verdicts
from hypothesis import given
from hypothesis import strategies as st
from mipdesign.benchmarks.corpus.small import listing, positions, small_problem
from scale import examples, few, of

from mipdesign.cli import main as cli
from mipdesign.errors import MissingExtraError, SpecError
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.tables import Tables
from mipdesign.mip import model_files, solver
from mipdesign.mip.capabilities import Capability
from mipdesign.mip.expressions import dot, linear_sum
from mipdesign.mip.formulation import FormulationModel, formulation_named
from mipdesign.mip.linear import LinearModel
from mipdesign.mip.model_files import FORMATS, MINIMISED, caution, objective_of_file, read_model, write_model
from mipdesign.mip.scip_setup import NLP_HEURISTICS, set_up
from mipdesign.mip.solver import SolveOptions, Solver, refusal, root_bound, solver_ids, solver_named
from mipdesign.search.coverage import build_tables
from mipdesign.solvers.scip import Scip

ROOT = Path(__file__).parents[2]
COUNT = of(20, 6)
OPEN = ("scip", "scip-nocuts", "highs", "cpsat", "cvxpy-scip", "cvxpy-highs", "cvxpy-scipy", "cvxpy-glpk_mi", "cvxpy-cbc")
"""Solvers that need no licence: the test command installs them."""
APART = [tuple(solver_id for solver_id in OPEN if solver_id != "cpsat"), ("cpsat",)]
"""Those that can be imported into one process."""


def whole(seed: int, formulation: str = "lattice") -> tuple[Tables, FormulationModel]:
    """Tables and model of a small problem."""
    tables = build_tables(small_problem(seed))
    return tables, formulation_named(formulation).build(tables, Cell.whole(tables))


def convex_combination(values: list[float], most: float) -> FormulationModel:
    """A model with one ordered set: the most valuable neighbours, with weights of at most 1 that sum to ``most``."""
    linear = LinearModel()
    variables = [linear.variable(f"x{j}") for j in range(len(values))]
    linear.add("sum", linear_sum(variables) <= most)
    linear.maximize(dot(values, variables))
    linear.add_sos2(variables)
    tables = build_tables(small_problem(0))
    return FormulationModel(tables, Cell.whole(tables), 1.0, 1.0, -math.inf, {}, (), {}, parameters={}, linear=linear)


# ---------------------------------------------------------------------------------------------------------- every solver


@pytest.mark.parametrize("solver_id", few(["highs", "cvxpy-cbc"], 1))
def test_big_m_rows_are_within_the_tolerances_of_solvers(solver_id: str) -> None:
    assert verdicts(solver_id, "columns", range(COUNT)) == {"agree": list(range(COUNT))}


@pytest.mark.parametrize("group", APART)
def test_a_limit_is_called_one_and_no_bound_or_solution_is_made_up(group: tuple[str, ...]) -> None:
    """Regression: zeros of HiGHS and a relaxation of CBC through cvxpy, a bound of 0 from CP-SAT; see ``docs/solvers.md``."""
    for solver_id, (status, broken, bound, at_root, objective) in programs.said("limited", *group).items():
        assert status == "limit", solver_id
        assert broken is None or broken <= 1e-5, solver_id
        assert bound is None or bound >= objective * (1 - 1e-9), solver_id
        assert at_root is None, solver_id


@pytest.mark.parametrize("group", APART)
def test_a_start_changes_nothing_and_an_excluded_network_is_gone(group: tuple[str, ...]) -> None:
    starting = [solver_id for solver_id in group if Capability.START in solver_named(solver_id).capabilities]
    for solver_id, answers in programs.said("started", *starting).items():
        status, objective, bound, second_status, second_objective, best, second = answers
        assert (status, second_status) == ("optimal", "optimal"), solver_id
        assert objective == pytest.approx(best, rel=1e-6) and bound == pytest.approx(best, rel=1e-6), solver_id
        assert second_objective == pytest.approx(second, rel=1e-6), solver_id


def test_cpsat_proves_what_its_presolve_got_wrong() -> None:
    """Regression: or-tools issue 5293, coefficients added in 32 bits."""
    assert verdicts("cpsat", "lattice", [28]) == {"agree": [28]}


@pytest.mark.parametrize("formulation", few(["lattice", "compact:log:lattice:onehot"], 1))
def test_a_coarse_grid_of_cpsat_gives_a_network_that_holds_and_a_bound_that_is_valid(formulation: str) -> None:
    fine, coarse = programs.said("coarse_grid", formulation, "22", "8")
    status, objective, bound, violation, best = fine
    assert status == "optimal" and violation <= 1e-6
    assert objective == pytest.approx(best, rel=1e-6) and bound >= best * (1 - 1e-12)
    status, _, bound, violation, best = coarse
    assert status == "failed" and bound >= best * (1 - 1e-12)


def test_scip_takes_nonlinear_models_and_solves_one_twice() -> None:
    tables, form = whole(1, "native")
    expected = float(listing(tables, Cell.whole(tables)).networks[0][1])
    for _ in range(2):
        answer = solver_named("scip").solve(form, SolveOptions())
        assert answer.status == "optimal"
        assert answer.objective == pytest.approx(expected, rel=1e-6)


def test_the_crash_cures_are_applied() -> None:
    _, form = whole(1)
    taken = form.take_scip()
    set_up(taken[0], Scip().parameters(form, SolveOptions(seed=3, memory_limit_mb=500)))
    assert Path(taken[0].getParam("nlpi/ipopt/optfile")).read_text().split() == ["mumps_pivot_order", "0"]
    assert {taken[0].getParam(f"heuristics/{name}/freq") for name in NLP_HEURISTICS} == {-1}
    through_cvxpy = solver_named("cvxpy-scip").options(SolveOptions())["scip_params"]  # type: ignore[attr-defined]
    assert through_cvxpy["nlpi/ipopt/optfile"] == taken[0].getParam("nlpi/ipopt/optfile")
    assert {through_cvxpy[f"heuristics/{name}/freq"] for name in NLP_HEURISTICS} == {-1}


@given(st.lists(st.floats(0, 10), min_size=2, max_size=7), st.floats(0.1, 2))
@examples(30)
def test_ordered_sets_against_all_pairs_of_neighbours(values: list[float], most: float) -> None:
    form = convex_combination(values, most)
    answer = solver_named("scip").solve(form, SolveOptions())
    pairs = itertools.pairwise(values)
    expected = max(max(pair) * min(1, most) + min(pair) * max(0, most - 1) for pair in pairs)
    assert answer.status == "optimal" and answer.values is not None
    assert answer.objective == pytest.approx(expected, abs=1e-6)
    assert form.linear is not None and form.linear.violation(answer.values) <= 1e-6


# ---------------------------------------------------------------------------------------------- capabilities and refusals


def test_what_a_model_needs() -> None:
    assert whole(1)[1].requires == frozenset()
    assert whole(1, "native")[1].requires == {Capability.NONLINEAR}
    assert convex_combination([1.0, 2.0], 1.0).requires == {Capability.SOS2}


@pytest.mark.parametrize("solver_id", [i for i in solver_ids() if Capability.NONLINEAR not in solver_named(i).capabilities])
def test_a_model_that_needs_more_is_refused_with_the_reason(solver_id: str) -> None:
    chosen = solver_named(solver_id)
    for form, need in (
        (whole(1, "native")[1], "nonlinear constraints"),
        (convex_combination([1.0, 2.0], 1.0), "special ordered"),
    ):
        assert need in str(refusal(chosen, form))
        with pytest.raises(SpecError, match=rf"the model needs {need}.*which '{solver_id}' does not have; use 'scip'"):
            chosen.solve(form, SolveOptions())
        assert refusal(solver_named("scip"), form) is None


def test_cpsat_refuses_what_has_no_grid() -> None:
    _, form = whole(1)
    assert form.linear is not None and refusal(solver_named("cpsat"), form) is None
    form.linear.variable("free", lower=-math.inf)
    assert refusal(solver_named("cpsat"), form) == "the model has a variable without bounds, which CP-SAT cannot put on a grid"


@pytest.mark.parametrize("solver_id", [i for i in solver_ids() if solver_named(i).extra])
def test_a_solver_that_is_not_installed_names_its_extra(solver_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr(solver, "version", nothing)
    chosen = solver_named(solver_id)
    with pytest.raises(MissingExtraError, match=rf"'{solver_id}' needs the package '.*mipdesign\[{chosen.extra}\]'"):
        chosen.solve(whole(1)[1], SolveOptions())
    assert chosen.extra in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def test_registry() -> None:
    assert len(solver_ids()) >= 8
    for solver_id in solver_ids():
        chosen = solver_named(solver_id)
        assert isinstance(chosen, Solver)
        assert chosen.id == solver_id
        assert chosen.title and chosen.package
    with pytest.raises(SpecError, match=r"'excel' is not registered; use one of: .*highs.*scip"):
        solver_named("excel")


def test_root_bound_is_said_only_where_the_root_was_finished() -> None:
    assert root_bound("optimal", 1, 5.0, 7.0) == 5.0
    assert root_bound("limit", 1, 5.0, 7.0) is None
    assert root_bound("limit", 9, 5.0, 7.0) == 7.0


# --------------------------------------------------------------------------------------------------------- linear models


@pytest.mark.parametrize("seed", few(range(10), 3))
def test_networks_break_the_model_as_they_break_the_budgets(seed: int) -> None:
    tables, form = whole(seed)
    assert form.linear is not None
    rng = np.random.default_rng(seed)
    batch = Cell.whole(tables).networks(tables)
    for position in positions(batch.take(rng.choice(len(batch), 20))):
        try:
            form.indicators(position)
        except ValueError:
            continue
        broken = form.linear.violation(form.start(position)) > 1e-9
        assert broken == bool(tables.problem.violations(tables.architecture(position)))


# ----------------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("formulation", ["lattice", "native"])
def test_a_file_reads_back_with_the_same_optimum(formulation: str, ending: str, tmp_path: Path) -> None:
    tables, form = whole(1, formulation)
    expected = float(listing(tables, Cell.whole(tables)).networks[0][1])
    path = tmp_path / f"model{ending}"
    if not form.requires <= FORMATS[ending]:
        with pytest.raises(SpecError, match=r"cannot carry nonlinear constraints; end it with one of: .cip, .nl"):
            write_model(form, path)
        assert not path.exists()
        return
    write_model(form, path)
    model = read_model(path)
    model.optimize()
    assert model.getStatus() == "optimal"
    sign = -1 if ending in MINIMISED else 1
    assert sign * model.getObjVal() * form.objective_scale == pytest.approx(expected, rel=1e-6)
    model.freeProb()


@pytest.mark.parametrize("ending", [".mps", ".lp"])
@pytest.mark.parametrize(("reader", "package"), [("highs", "highspy"), ("cbc", "cylp")])
def test_every_reader_finds_the_same_optimum(reader: str, package: str, ending: str, tmp_path: Path) -> None:
    """Regression: CBC ignores the sense in MPS files, and took the worst network of all for the best."""
    pytest.importorskip(package)
    tables, form = whole(1)
    expected = float(listing(tables, Cell.whole(tables)).networks[0][1])
    path = tmp_path / f"model{ending}"
    write_model(form, path)
    sign = -1 if ending in MINIMISED else 1
    assert sign * programs.said("optimum_of_file", reader, path) * form.objective_scale == pytest.approx(expected, rel=1e-6)
    assert form.model.getObjectiveSense() == "maximize"


def test_an_mps_file_states_no_sense_and_says_what_it_minimises(tmp_path: Path) -> None:
    form = whole(1)[1]
    write_model(form, tmp_path / "model.mps")
    first, *lines = (tmp_path / "model.mps").read_text().splitlines()
    assert (
        first == f"* The negative of the objective is minimised: the network's is {-form.objective_scale!r} times the model's"
    )
    assert not any(line.startswith("OBJSENSE") for line in lines)
    assert objective_of_file(form, Path("model.mps.gz")).startswith("to be minimised")
    assert objective_of_file(form, Path("model.lp")).startswith("to be maximised")


@pytest.mark.parametrize("ending", [".mps", ".lp"])
def test_what_readers_do_with_ordered_sets_is_said(ending: str, tmp_path: Path) -> None:
    """The caution is what HiGHS and cylp do as installed: the one refuses, the other loses them."""
    pytest.importorskip("highspy")
    pytest.importorskip("cylp")
    form, path = convex_combination([3.0, 0.0, 3.5], 2.0), tmp_path / f"model{ending}"
    write_model(form, path)
    assert programs.said("optimum_of_file", "highs", path) is None
    assert abs(programs.said("optimum_of_file", "cbc", path)) == pytest.approx(6.5)  # 3.5 with the set
    said = caution(form, path)
    assert said is not None and "cylp leaves them out" in said and "HiGHS" in said and "compact:log:" in said
    assert caution(form, path.with_suffix(".cip")) is None
    assert caution(whole(1)[1], path) is None


@pytest.mark.parametrize("ending", FORMATS)
def test_ordered_sets_are_kept_or_refused(ending: str, tmp_path: Path) -> None:
    """Regression: SCIP leaves them out of ``.nl`` without a word."""
    form = convex_combination([3.0, 1.0, 3.5], 2.0)
    path = tmp_path / f"model{ending}"
    if ending == ".nl":
        with pytest.raises(SpecError, match=r"a .nl file cannot carry special ordered sets of type 2"):
            write_model(form, path)
        return
    write_model(form, path)
    model = read_model(path)
    model.optimize()
    assert abs(model.getObjVal()) == pytest.approx(4.5)


def test_a_file_that_reads_back_as_another_model_is_not_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(model_files, "FORMATS", {".nl": frozenset({Capability.SOS2})})
    with pytest.raises(SpecError, match=r"reads back as another model.*SOS2"):
        write_model(convex_combination([3.0, 1.0, 3.5], 2.0), tmp_path / "model.nl")
    assert list(tmp_path.iterdir()) == []


def test_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["solvers"]) == 0
    listed = capsys.readouterr().out
    assert all(re.search(rf"^{solver_id} ", listed, re.MULTILINE) for solver_id in solver_ids())
    (tmp_path / "small.yaml").write_text(small_problem(1).dumps())
    arguments = ["model", str(tmp_path / "small.yaml"), "--out"]
    assert cli.main([*arguments, str(tmp_path / "model.mps.gz")]) == 0
    said = capsys.readouterr().out
    assert "28 variables (17 binary, 1 integer)" in said and "to be minimised" in said and "caution" not in said
    assert cli.main([*arguments, str(tmp_path / "sets.lp"), "--formulation", "compact:sos2:lattice:onehot"]) == 0
    assert "caution: special ordered sets" in capsys.readouterr().out
    assert cli.main([*arguments, str(tmp_path / "model.xls")]) == 2
    assert cli.main([*arguments, str(tmp_path / "nowhere" / "model.lp")]) == 2
    assert cli.main([*arguments, str(tmp_path / "model.lp"), "--formulation", "native"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 3 and all(line.startswith("error: --out: ") for line in errors)


# --------------------------------------------------------------------------------------------------------------- plug-in


@pytest.mark.long
def test_a_solver_of_ones_own_is_one_file_outside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of the docs, installed as a package of its own would be."""
    text = (ROOT / "docs" / "solvers.md").read_text()
    example = re.search(r'```python title="enumeration.py"\n("""A solver by enumeration.*?)```', text, re.DOTALL)
    assert example is not None
    assert len(example[1].splitlines()) <= 60
    (tmp_path / "enumeration.py").write_text(example[1])
    entry_points = re.search(r"```toml\n\[project.entry-points.\"(.*?)\"\]\n(.*?) = \"(.*?)\"\n```", text)
    assert entry_points is not None
    group, name, target = entry_points.groups()
    programs.install(tmp_path, group, **{name: target})
    monkeypatch.setenv("PYTHONPATH", programs.path_with(tmp_path))
    said, refused = programs.said("solver_of_ones_own")
    assert len(said) >= 3 and {status for status, _, _ in said} == {"optimal", "infeasible"}
    for status, objective, expected in said:
        assert (status == "infeasible") == (expected is None)
        assert expected is None or objective == pytest.approx(expected, rel=1e-6)
    assert refused == "the model has more than 5000 choices of the integers"
    listed = subprocess.run([sys.executable, "-m", "mipdesign", "solvers"], capture_output=True, text=True, check=True).stdout
    assert "enumeration    every choice of the integers" in listed
