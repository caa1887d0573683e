"""Certificates: accepted as written, refused after any change, and refused where a claim is false though the digests are
right; what a solver closed is on trust until it is solved again.
"""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from haste import kept
from mipdesign.benchmarks.corpus.small import listing, small_problem
from scale import few

from mipdesign import Problem, SpecError, design
from mipdesign.certificate.certificate import Certificate
from mipdesign.certificate.verification import claims
from mipdesign.checker import HOLDS, SECTIONS, TRUST, digest, verdict
from mipdesign.designs.certificate_file import CERTIFICATE
from mipdesign.designs.result import RESULT
from mipdesign.designs.verification import verify_folder
from mipdesign.lattice.cell import Cell
from mipdesign.search.coverage import build_tables

SPEC = ["budgets.flops=1e8", "budgets.params=5e5", "stages.1.depth={min: 1, max: 6}", "stages.2.depth={min: 1, max: 6}"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose certificate has a tree."""
    path = tmp_path_factory.mktemp("design")
    result = design(Problem.preset("deepmad-r18", SPEC))
    assert result.status == "optimal"
    counts = result.certificate.summary()
    assert counts["split"] > 3
    result.save(path)
    return path


@pytest.fixture(scope="module")
def solved_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose certificate rests on a cell that SCIP closed."""
    path = tmp_path_factory.mktemp("solved")
    result = design(small_problem(7), engine=kept(), presolve=False)
    assert result.status == "optimal" and result.certificate.summary()["cells"] == 1
    result.save(path)
    return path


@pytest.mark.parametrize("quick", [False, True])
def test_certificate_holds_as_written(folder: Path, quick: bool) -> None:
    found = list(verify_folder(folder, quick=quick))
    assert {claim.outcome for claim in found} == {HOLDS}
    assert verdict(found) == "proved"


@pytest.mark.parametrize("quick", [False, True])
def test_what_scip_closed_is_on_trust_until_it_is_solved_again(solved_folder: Path, quick: bool) -> None:
    trusted = list(verify_folder(solved_folder, quick=quick))
    assert [claim.claim for claim in trusted if not claim.passed] == ["1 cell closed by a solver"]
    assert {claim.outcome for claim in trusted} == {HOLDS, TRUST}
    assert verdict(trusted) == "proved up to 1 cell closed by a solver"
    assert verdict(list(verify_folder(solved_folder, resolve=True, quick=quick))) == "proved"


@pytest.mark.parametrize("name", [RESULT, CERTIFICATE])
def test_any_changed_digit_is_noticed(folder: Path, tmp_path: Path, name: str) -> None:
    text = (folder / name).read_text()
    rng = random.Random(0)
    for other in (RESULT, CERTIFICATE):
        (tmp_path / other).write_text((folder / other).read_text())
    for place in rng.sample([m.start() for m in re.finditer(r"\d", text)], 40):
        digit = str((int(text[place]) + rng.randint(1, 9)) % 10)
        (tmp_path / name).write_text(text[:place] + digit + text[place + 1 :])
        try:
            assert next((claim for claim in verify_folder(tmp_path) if not claim.passed), None) is not None
        except SpecError:  # no longer JSON, or no longer a number that JSON allows
            continue


def forge(data: dict[str, Any], change: Callable[[dict[str, Any]], None], **options: bool) -> list[str]:
    """Claims that fail after a change by somebody who also corrects the digests."""
    forged = copy.deepcopy(data)
    change(forged)
    forged["sha256"] = {section: digest(forged[section]) for section in SECTIONS}
    found = claims(Certificate(forged), **options)
    return [f"{claim.claim}: {claim.detail}" for claim in found if claim.outcome not in (HOLDS, TRUST)]


def _first(data: dict[str, Any], verdict: str) -> list[Any]:
    row: list[Any] = next(row for row in data["tree"] if row[1] == verdict)
    return row


def _drop_node(data: dict[str, Any]) -> None:
    data["tree"].remove(_first(data, "excluded"))


def _zero_prices(data: dict[str, Any]) -> None:
    row = _first(data, "excluded")
    row[3] = [1.0] + [0.0] * (len(row[3]) - 1)


def _negative_price(data: dict[str, Any]) -> None:
    _first(data, "excluded")[3][1] = -1e-3


def _raised_cutoff(data: dict[str, Any]) -> None:
    _first(data, "excluded")[2] = 1.01 * data["claim"]["objective"]


def _split_called_excluded(data: dict[str, Any]) -> None:
    row = _first(data, "split")
    row[1], row[4] = "excluded", None


def _better_objective(data: dict[str, Any]) -> None:
    data["claim"]["objective"] *= 1.001


def _lower_bound(data: dict[str, Any]) -> None:
    data["claim"]["bound"] *= 0.999


def _over_budget(data: dict[str, Any]) -> None:
    data["contenders"][0]["architecture"]["stages"][1]["depth"] += 5


def _looser_problem(data: dict[str, Any]) -> None:
    data["problem"]["budgets"]["flops"] *= 1.5


def _much_looser_problem(data: dict[str, Any]) -> None:
    budgets = data["problem"]["budgets"]
    budgets |= {name: 100 * limit for name, limit in budgets.items()}


def _other_solver(data: dict[str, Any]) -> None:
    data["cells"][0]["solver"] = "SCIP 0.0"


def _missing_cell(data: dict[str, Any]) -> None:
    del data["cells"][0]


@pytest.mark.parametrize("quick", few([False, True], 1))
@pytest.mark.parametrize(
    "change",
    [
        _drop_node,
        _zero_prices,
        _negative_price,
        _raised_cutoff,
        _split_called_excluded,
        _better_objective,
        _lower_bound,
        _over_budget,
        _looser_problem,
    ],
)
def test_false_claims_are_found_behind_correct_digests(
    folder: Path, change: Callable[[dict[str, Any]], None], quick: bool
) -> None:
    data = json.loads((folder / CERTIFICATE).read_text())
    assert forge(data, change, quick=quick)


@pytest.mark.parametrize("change", [_other_solver, _missing_cell, _much_looser_problem, _lower_bound])
def test_false_claims_about_solved_cells_are_found(solved_folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    data = json.loads((solved_folder / CERTIFICATE).read_text())
    assert forge(data, lambda data: None) == []
    assert forge(data, change, resolve=change is _much_looser_problem)


def test_solving_again_finds_a_network_that_was_left_out(solved_folder: Path) -> None:
    """The optimum replaced by a worse network, everything else consistent: only a new proof can tell."""
    problem = small_problem(7)
    data = json.loads((solved_folder / CERTIFICATE).read_text())
    tables = build_tables(problem)
    worse = next(
        p for p, z in reversed(listing(tables, Cell.whole(tables)).networks) if float(z) < data["claim"]["objective"] * 0.9
    )
    architecture = tables.architecture(worse)
    evaluator = problem.evaluator(architecture)
    data["contenders"] = [{"architecture": architecture.to_dict(), "objective": str(evaluator.exact_objective())}]
    data["claim"] |= {"objective": evaluator.evaluation.objective, "bound": evaluator.evaluation.objective}
    data["tree"][0][2] = evaluator.evaluation.objective * 0.999
    data["sha256"] = {section: digest(data[section]) for section in SECTIONS}
    assert verdict(list(claims(Certificate(data)))) == "proved up to 1 cell closed by a solver"
    assert forge(data, lambda data: None, resolve=True)
    assert forge(data, lambda data: None, resolve=True, quick=True)


def test_worse_network_cannot_be_passed_off_as_the_optimum() -> None:
    """A certificate of the true tree with the optimum's name replaced by that of another feasible network."""
    result = design(small_problem(7), engine=kept())
    other = design(small_problem(7), engine=kept(), gap=0.5)
    data = copy.deepcopy(result.certificate.data)
    worse = other.certificate.data["contenders"]
    if worse[0] != data["contenders"][0]:
        data["contenders"], data["claim"]["objective"] = worse, other.objective
        data["claim"]["bound"] = other.objective
        assert forge(data, lambda data: None)


def test_infeasibility_is_certified() -> None:
    result = design(Problem.preset("deepmad-r18", ["budgets.flops=1e6"]), engine=kept())
    assert result.status == "infeasible" and result.architecture is None
    assert all(check.passed for check in result.checks())
    assert forge(result.certificate.data, lambda data: data["problem"]["budgets"].update(flops=1e9))
