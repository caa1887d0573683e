"""Metrics of studies against examples worked by hand, and properties."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mipdesign.benchmarks.studies.metrics import (
    dual_integral,
    gap_integral,
    penalised_average,
    performance_profile,
    performance_ratios,
    primal_integral,
    relative_distance,
    root_gap,
    shifted_geometric_mean,
    virtual_best,
)

TIMES = st.lists(st.floats(0, 1e4), min_size=1, max_size=20)
MAYBE = st.one_of(st.just(math.inf), st.floats(1e-3, 1e4))
MATRICES = st.integers(1, 6).flatmap(
    lambda n: st.dictionaries(st.text(min_size=1, max_size=3), st.lists(MAYBE, min_size=n, max_size=n), min_size=1, max_size=5)
)
POINTS = st.lists(st.tuples(st.floats(0, 100), st.one_of(st.none(), st.floats(-1e6, 1e6))), max_size=8)


def test_shifted_geometric_mean_by_hand() -> None:
    assert shifted_geometric_mean([0.0, 30.0]) == pytest.approx(10.0)  # sqrt(10 * 40) - 10
    assert shifted_geometric_mean([2.0, 8.0], 0.0) == pytest.approx(4.0)
    assert shifted_geometric_mean([]) is None


@given(TIMES, st.floats(0.1, 100))
def test_shifted_geometric_mean_lies_between_least_and_mean(times: list[float], shift: float) -> None:
    mean = shifted_geometric_mean(times, shift)
    assert mean is not None
    assert min(times) - 1e-6 * (1 + max(times)) <= mean <= math.fsum(times) / len(times) + 1e-6 * (1 + max(times))


def test_par10_by_hand() -> None:
    assert penalised_average([1.0, math.inf, 5.0], [10.0, 10.0, 20.0]) == pytest.approx((1 + 100 + 5) / 3)
    assert penalised_average([], []) is None


def test_performance_profile_by_hand() -> None:
    """Three instances: one is the best on two of them, two solves all, at worst four times as slow."""
    times = {"one": [1.0, 2.0, math.inf], "two": [4.0, 3.0, 5.0]}
    assert virtual_best(times) == [1.0, 2.0, 5.0]
    ratios = performance_ratios(times)
    assert ratios == {"one": [1.0, 1.0, math.inf], "two": [4.0, 1.5, 1.0]}
    assert performance_profile(ratios["one"]) == [(1.0, pytest.approx(2 / 3))]
    assert performance_profile(ratios["two"]) == [(1.0, pytest.approx(1 / 3)), (1.5, pytest.approx(2 / 3)), (4.0, 1.0)]


def test_a_profile_where_nobody_solves_anything_is_zero() -> None:
    assert performance_profile(performance_ratios({"one": [math.inf, math.inf]})["one"]) == [(1.0, 0.0)]


@given(MATRICES)
def test_profiles_rise_to_the_share_solved(times: dict[str, list[float]]) -> None:
    ratios = performance_ratios(times)
    n = len(virtual_best(times))
    for name, row in times.items():
        steps = performance_profile(ratios[name])
        shares = [share for _, share in steps]
        assert shares == sorted(shares)
        assert shares[-1] == pytest.approx(sum(map(math.isfinite, row)) / n)
    solved = sum(map(math.isfinite, virtual_best(times)))
    assert sum(performance_profile(row)[0][1] for row in ratios.values()) >= solved / n - 1e-9, "somebody is the best"


def test_relative_distance_by_hand() -> None:
    assert relative_distance(90.0, 100.0) == pytest.approx(0.1)
    assert relative_distance(200.0, 100.0) == pytest.approx(0.5)
    assert relative_distance(-1.0, 100.0) == 1.0
    assert relative_distance(None, 100.0) == 1.0
    assert relative_distance(math.inf, 100.0) == 1.0
    assert relative_distance(0.0, 0.0) == 0.0


def test_integrals_by_hand() -> None:
    """No incumbent for 2 s, then half of the optimum for 3 s, then the optimum; the bound is twice the optimum for 4 s."""
    trace = [(0.0, None, 200.0), (2.0, 50.0, 200.0), (4.0, 50.0, 100.0), (5.0, 100.0, 100.0)]
    assert primal_integral(trace, 100.0, 10.0) == pytest.approx(2 + 3 * 0.5)
    assert dual_integral(trace, 100.0, 10.0) == pytest.approx(4 * 0.5)
    assert primal_integral(trace, 100.0, 3.0) == pytest.approx(2 + 0.5)
    assert primal_integral([], 100.0, 10.0) == 10.0


@given(POINTS, st.floats(-1e6, 1e6), st.floats(0.1, 200))
def test_an_integral_lies_between_zero_and_the_time(points: list[tuple[float, float | None]], best: float, end: float) -> None:
    value = gap_integral(points, best, end)
    assert -1e-9 <= value <= end * (1 + 1e-9)
    assert gap_integral(list(reversed(sorted(points, key=lambda p: p[0]))), best, end) == pytest.approx(
        gap_integral(sorted(points, key=lambda p: p[0]), best, end)
    ) or len({p[0] for p in points}) < len(points)


def test_root_gap_by_hand() -> None:
    assert root_gap(110.0, 100.0) == pytest.approx(0.1)
    assert root_gap(-90.0, -100.0) == pytest.approx(0.1)
    assert root_gap(99.9999999, 100.0) == 0.0
    assert root_gap(None, 100.0) is None
    assert root_gap(math.inf, 100.0) is None
    assert root_gap(1.0, 0.0) is None
