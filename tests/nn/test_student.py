"""The allowance of sampled checks keeps its level where draws are few."""

import math

import pytest

from mipdesign.nn.student import DEFAULT_FREEDOM, allowance, survival
from mipdesign.nn.validation import Estimate, whole


@pytest.mark.parametrize("t", [0.5, 4.0, 600.0])
def test_student_distribution_has_its_closed_forms(t: float) -> None:
    assert survival(t, 1) == pytest.approx(math.atan2(1, t) / math.pi, rel=1e-9)
    assert survival(t, 2) == pytest.approx((1 - t / math.sqrt(2 + t * t)) / 2, rel=1e-6)


@pytest.mark.parametrize("freedom", [1, 2.5, 3, 7])
def test_fewer_draws_are_allowed_more_at_the_same_level(freedom: float) -> None:
    allowed = allowance(4.0, freedom)
    assert allowed > 4.0
    assert survival(allowed, freedom) == pytest.approx(survival(4.0, DEFAULT_FREEDOM), rel=1e-6)


def test_the_default_and_more_draws_are_as_stated() -> None:
    assert allowance(4.0, 15) == allowance(4.0, 100) == allowance(4.0, math.inf) == 4.0


def test_degrees_of_freedom_of_a_sum() -> None:
    assert whole([Estimate(1.0, 1.0, 1)] * 3) == Estimate(3.0, math.sqrt(3), pytest.approx(3))
    assert whole([Estimate(1.0, 0.0, 1)]).freedom == math.inf
