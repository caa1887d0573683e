"""The conformance suite on the package's own formulations and solvers; what it says of ones that do wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from mipdesign.benchmarks import __main__ as benchmarks
from mipdesign.benchmarks.experiments.conformance import (
    DEVIATIONS,
    Deviation,
    explanation,
    findings,
    known_deviations,
    report,
    unexplained,
)
from mipdesign.benchmarks.experiments.conformance_checks import CHECKS, Finding, Trial
from scale import few, of

from mipdesign.mip.solver import solver_ids
from mipdesign.registry import installed

PLUGINS = Path(__file__).parents[1] / "plugins"
OPEN = ("scip", "scip-nocuts", "highs", "cvxpy-highs", "cpsat", "cvxpy-scip", "cvxpy-glpk_mi", "cvxpy-scipy", "cvxpy-cbc")
"""Solvers that need no licence: the test command installs them. Every other one is run by default."""
FORMULATIONS = (
    "adaptive",
    "branch-price",
    "columns",
    "compact",
    "compact:log:uniform-2:onehot",
    "compact:zzi:uniform-2-outer:mccormick",
    "logspace",
    "native",
)
COUNT = of(8, 3)


@pytest.mark.parametrize("solver", few(OPEN, 4))
def test_solvers_conform(solver: str) -> None:
    found = findings(["lattice"], [solver], range(COUNT))
    assert len(found) == COUNT * len(CHECKS)
    assert unexplained(found) == []


def test_formulations_conform() -> None:
    """In one process, since it is one solver."""
    chosen = FORMULATIONS[:: of(1, 2)]
    found = findings(chosen, ["scip"], range(COUNT))
    assert len(found) == len(chosen) * COUNT * len(CHECKS)
    assert unexplained(found) == []


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Solvers of another package that do wrong, in this process and its children."""
    monkeypatch.syspath_prepend(str(PLUGINS))
    monkeypatch.setenv("PYTHONPATH", str(PLUGINS))
    installed.cache_clear()
    yield
    installed.cache_clear()


@pytest.mark.parametrize(
    ("solver", "check", "said"),
    few(
        [
            ("fake-second", "optimum", "missed: says optimal"),
            ("fake-overstating", "optimum", "refuted: says"),
            ("fake-infeasible", "optimum", "missed: says infeasible"),
            ("fake-broken", "optimum", "RuntimeError: out of ideas"),
            ("fake-crash", "optimum", "its process ended with -6: .*invalid pointer"),
            ("fake-honest", "excluded", "the answer is the network that was cut off"),
        ][::-1],
        4,
    ),
)
def test_what_a_solver_does_wrong_is_found(fakes: None, solver: str, check: str, said: str) -> None:
    """The last one answers by its own listing, which knows nothing of networks that were cut off."""
    (wrong,) = unexplained(findings(["lattice"], [solver], [1], checks=[check]))
    assert wrong.startswith(f"lattice, {solver} 0.1.0, {check}, problem 1: ")
    assert re.search(said, wrong)


def test_the_command_takes_plugins_and_its_exit_code_says_whether_they_conform(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["conformance", "--count", "2", "--workers", "1", "--check", "optimum", "--check", "described"]
    own = ["--plugin", str(PLUGINS / "own_solver.py"), "--plugin", str(PLUGINS / "own_encoding.py")]
    assert benchmarks.main([*command, *own, "--solver", "milp", "--formulation", "compact:own:lattice:unary"]) == 0
    said = capsys.readouterr().out
    assert "compact:own:lattice:unary with milp" in said and ": conforms" in said
    assert benchmarks.main([*command, "--plugin", str(PLUGINS / "liar.py"), "--solver", "liar"]) == 1
    said = capsys.readouterr().out
    assert "does not conform" in said and "FAILS: lattice, liar" in said


@pytest.mark.parametrize(
    "option", [["--count", "0"], ["--solver", "excel"], ["--formulation", "zigzag"], ["--plugin", "no.py"]]
)
def test_an_option_that_cannot_be_used_is_one_line(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmarks.main(["conformance", "--workers", "1", *option]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_deviations_are_of_known_solvers_and_checks() -> None:
    assert DEVIATIONS.is_file()
    for deviation in known_deviations():
        assert deviation.solver in solver_ids() or deviation.solver == "discopt"
        assert set(deviation.checks) <= set(CHECKS)
        assert bool(deviation.checks) == bool(deviation.problems)


def test_a_deviation_explains_its_version_only() -> None:
    known = Deviation(solver="s", versions=["1"], checks=["optimum"], problems={"lat*": [2]}, what="w", reference="r")
    finding = Finding(Trial("lattice", "s", "optimum", 2), "1 (x)", "1", "fails", "missed")
    assert known.explains(finding)
    others = [replace(finding, package_version="2"), replace(finding, trial=finding.trial._replace(seed=3))]
    others += [replace(finding, trial=finding.trial._replace(**{name: "other"})) for name in ("formulation", "solver", "check")]
    assert not any(known.explains(other) for other in others)
    assert explanation(finding) is None
    assert "FAILS: lattice, s 1 (x), optimum, problem 2: missed" in report([finding])
