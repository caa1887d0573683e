"""The plug-ins on models that others hand in, and what they refuse."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mipdesign.benchmarks.corpus.small import best_by_enumeration, varied_problem
from pyscipopt import Model

from mipdesign.errors import SpecError
from mipdesign.mip.formulation import formulation_named
from mipdesign.problem.problem import Problem
from mipdesign.scip_plugins import install
from mipdesign.scip_plugins.relaxator import LagrangianRelaxator
from mipdesign.search.coverage import build_tables

ROOT = Path(__file__).parents[2]
SMALL = str(ROOT / "tests" / "data" / "small.yaml")


def read(problem: Problem, folder: Path, formulation: str = "minlp") -> Model:
    """A model of a problem from a ``.cip`` file."""
    formulation_named(formulation).whole(build_tables(problem)).model.writeProblem(str(folder / "model.cip"), verbose=False)
    model = Model()
    model.hideOutput()
    model.readProblem(str(folder / "model.cip"))
    return model


@pytest.mark.parametrize("formulation", ["minlp", "minlp:log", "minlp:native"])
def test_a_model_from_a_file_is_solved(formulation: str, tmp_path: Path) -> None:
    problem = varied_problem(3)
    model = read(problem, tmp_path, formulation)
    tree = install(model, problem, formulation=formulation)
    model.optimizeNogil()
    assert tree.error is None
    best = tree.incumbents.ordered()
    exact = None if not best else problem.evaluator(tree.tables.architecture(best[0].position)).exact_objective()
    assert exact == best_by_enumeration(problem)


def test_the_example_for_readers_of_scip(tmp_path: Path) -> None:
    script = ROOT / "examples" / "scip_plugins.py"
    assert len(script.read_text().splitlines()) <= 40
    read(Problem.load(SMALL), tmp_path)
    run = subprocess.run(
        [sys.executable, str(script), SMALL, str(tmp_path / "model.cip")], capture_output=True, text=True, check=True
    )
    assert "objective 2268.353406" in run.stdout and "lagrangian" in run.stdout


def test_models_of_other_problems_are_refused(tmp_path: Path) -> None:
    problem = Problem.load(SMALL)
    model = read(problem, tmp_path)
    with pytest.raises(SpecError, match="is not between"):
        install(model, Problem.load(SMALL, ["stages.0.depth=[1, 2, 3, 4, 5]"]))
    with pytest.raises(SpecError, match="of 'minlp:inc'"):
        install(model, problem, formulation="minlp:inc")
    with pytest.raises(SpecError, match="has no variable"):
        install(Model(), problem)


def test_an_exception_in_a_plug_in_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SCIP would call it an unspecified error."""

    def fails(self: LagrangianRelaxator) -> dict[str, Any]:
        raise ZeroDivisionError("here")

    monkeypatch.setattr(LagrangianRelaxator, "_bound", fails)
    problem = Problem.load(SMALL)
    model = read(problem, tmp_path)
    tree = install(model, problem)
    model.optimizeNogil()
    assert isinstance(tree.error, ZeroDivisionError) and model.getStatus() == "userinterrupt"


def test_a_model_with_constraints_of_its_own_is_refused(tmp_path: Path) -> None:
    """The relaxator knows nothing of them: here the budget of parameters is half of the problem's."""
    model = read(Problem.load(SMALL, ["budgets.params=3e4"]), tmp_path)
    tree = install(model, Problem.load(SMALL))
    model.optimizeNogil()
    assert isinstance(tree.error, SpecError) and "SCIP's check rejects a network" in str(tree.error)
