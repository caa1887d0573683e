"""Scores that tell few networks apart: the first of the equals is found without keeping them all, or the run says why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mipdesign import Problem, design
from mipdesign.certificate.certificate import Certificate
from mipdesign.certificate.verification import claims
from mipdesign.checker import HOLDS
from mipdesign.engine.driver import solve_here
from mipdesign.lattice.cell import Cell
from mipdesign.search import incumbents, pool
from mipdesign.search.branching import position_of
from mipdesign.search.coverage import build_tables
from mipdesign.search.incumbents import OPTIMAL_GAP, design_order
from mipdesign.search.listing import ListSearch, Wanted
from mipdesign.search.outcome import Outcome

SMALL = Path(__file__).parents[1] / "data" / "small.yaml"


def unscored(flops: float) -> Problem:
    """A problem in which all networks have the objective 0."""
    data = Problem.load(SMALL).to_dict()
    for stage in data["stages"]:
        stage["kernels"] = [3]
    return Problem.from_dict(data | {"objective": {"alpha": [0, 0, 0], "beta": 0.0}, "budgets": {"flops": flops}})


def is_proved(problem: Problem, outcome: Outcome) -> bool:
    """Whether the checker accepts a certificate, and the code of the search does, too."""
    certificate = Certificate.of(problem, build_tables(problem), outcome, OPTIMAL_GAP)
    return all(claim.outcome == HOLDS for quick in (False, True) for claim in claims(certificate, quick=quick))


def test_the_first_of_many_equals_is_found_without_keeping_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incumbents, "MOST_EQUALS", 20)
    problem = unscored(4e5)
    tables = build_tables(problem)
    outcome = solve_here(tables)
    assert outcome.status == "optimal" and outcome.best is not None and len(outcome.candidates) == 20
    every = Cell.whole(tables).networks(tables)
    rows, _ = pool.feasible(tables, np.column_stack([every.stem, *every.columns, *every.depths]))
    networks = [tables.architecture(position_of(row)) for row in rows.tolist()]
    in_order = sorted(networks, key=lambda network: design_order(problem, network))
    assert [tables.architecture(found.position) for found in outcome.candidates] == in_order[:20]
    assert is_proved(problem, outcome)
    monkeypatch.setattr(pool, "MOST_SPARE", 5)
    listed = ListSearch(tables, Wanted(best=7), outcome.best).run()
    assert listed is not None and listed.bound is None
    assert [tables.architecture(position_of(row)) for row in listed.rows.tolist()] == in_order[:7]


def test_more_equals_than_can_be_compared_end_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incumbents, "MOST_COMPARED", 50)
    problem = unscored(4e5)
    outcome = solve_here(build_tables(problem))
    assert outcome.status == "feasible" and outcome.best is not None and outcome.bound == pytest.approx(0.0)
    assert outcome.incidents and "as good as the best" in outcome.incidents[0]
    assert is_proved(problem, outcome)


def test_a_time_limit_ends_a_run_among_equals() -> None:
    found = design(unscored(4e6), workers=1, time_limit=0.5)
    assert found.status in ("feasible", "unknown") and all(claim.passed for claim in found.checks())
