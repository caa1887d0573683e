"""What a specification says of the objective."""

from __future__ import annotations

import pytest

from mipdesign import Problem, SpecError, design

SMALL = "tests/data/small.yaml"


def test_score_brings_its_defaults() -> None:
    problem = Problem.load(SMALL, ["objective={score: madnas}"])
    scoring = problem.scoring
    assert (scoring.score, scoring.additive, scoring.beta, scoring.exponents) == ("madnas", True, 0.0, (1.0, 0.0))
    assert scoring.alpha == (0.0,) * (len(scoring.alpha) - 1) + (1.0,)
    assert Problem.from_dict(problem.to_dict()) == problem


def test_the_usual_score_is_not_written() -> None:
    plain, stated = Problem.load(SMALL, ["objective={}"]), Problem.load(SMALL, ["objective={score: deepmad}"])
    assert plain.digest == stated.digest
    assert plain.to_dict()["objective"] == {"beta": 10.0}


@pytest.mark.parametrize(
    ("setting", "field"),
    [("score=zennas", "score"), ("score=3", "score"), ("channels_exponent=-1", "channels_exponent")],
)
def test_what_is_no_objective_is_refused(setting: str, field: str) -> None:
    with pytest.raises(SpecError, match=rf"objective\.{field}") as caught:
        Problem.load(SMALL, [f"objective.{setting}"])
    assert caught.value.field == f"objective.{field}"


@pytest.mark.parametrize("setting", ["score=madnas", "resolution_exponent=2"])
def test_every_score_is_designed_for(setting: str) -> None:
    found = design(Problem.load(SMALL, [f"objective.{setting}"]), workers=1)
    assert found.status == "optimal" and not found.incidents
