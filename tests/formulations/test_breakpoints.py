"""Approximations of the logarithm and the square: on their side, and within their proven errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from mipdesign.formulations.breakpoints.breakpoints import Breakpoints, log_error, square_error
from mipdesign.formulations.parts import part_named, registered_parts

from mipdesign.errors import SpecError

NAMES = ["lattice"] + [
    name + side
    for name in ("uniform-1", "uniform-4", "geometric-3", "error-1e-3", "error-0.2")
    for side in ("", "-outer", "-touching")
]
LATTICES = st.sets(st.integers(1, 2048), min_size=1, max_size=40).map(sorted)


def named(name: str) -> Breakpoints:
    part = part_named("breakpoints", name)
    assert isinstance(part, Breakpoints)
    return part


@pytest.mark.parametrize("name", NAMES)
@given(values=LATTICES)
def test_side_and_error(name: str, values: list[int]) -> None:
    part = named(name)
    places = part.indices(values)
    assert places[0] == 0 and places[-1] == len(values) - 1 and places == sorted(set(places))
    points = part.points(values)
    logs = np.interp(values, points, part.logs(values)) - np.log(values)
    squares = np.interp(values, points, part.squares(values)) - np.square(values)
    sign = {"exact": 0.0, "upper": 1.0, "lower": -1.0}[part.claim]
    rounding = 1e-9 * max(values) ** 2
    assert (sign * logs >= -1e-12).all() and (-sign * squares >= -rounding).all()
    assert abs(logs).max() <= part.log_error(values) + 1e-12
    assert abs(squares).max() <= part.square_error(values) + rounding
    if name.startswith("error") and part.approximation != "touching":
        assert part.log_error(values) <= part.parameter
    if name == "lattice":
        assert part.log_error(values) == part.square_error(values) == 0.0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("values", [[1], [7], [1, 2], [1, 2048], [1, 2, 3], [8, 16, 512, 520], [1, 2, 64, 72, 2048]])
def test_edges(name: str, values: list[int]) -> None:
    """A single value, one segment, the logarithm at 1, gaps: breakpoints are values of the lattice, each once, in its order;
    what has no lattice point in between has no error, and neither side moves then.
    """
    part = named(name)
    places = part.indices(values)
    assert places == sorted(set(places)) and {0, len(values) - 1} <= set(places) <= set(range(len(values)))
    assert np.isfinite(part.logs(values)).all() and len(part.logs(values)) == len(part.squares(values)) == len(
        part.points(values)
    )
    if len(values) <= 2:
        assert part.log_error(values) == part.square_error(values) == 0.0
        assert part.logs(values) == pytest.approx(np.log(values)) and part.squares(values) == pytest.approx(np.square(values))


@given(a=st.floats(1, 1000), ratio=st.floats(1.001, 1000))
def test_errors_of_a_segment_are_attained(a: float, ratio: float) -> None:
    b = a * ratio
    x = np.linspace(a, b, 20001)
    secant = np.interp(x, [a, b], [math.log(a), math.log(b)])
    assert (np.log(x) - secant).max() == pytest.approx(log_error(a, b), rel=1e-3, abs=1e-12)
    assert log_error(a, b) <= (b - a) ** 2 / (8 * a * a) * (1 + 1e-6) + 1e-12
    chord = np.interp(x, [a, b], [a * a, b * b])
    assert (chord - x * x).max() == pytest.approx(square_error(a, b), rel=1e-6, abs=1e-7 * b * b)


@given(values=LATTICES, tolerance=st.floats(1e-4, 0.5))
def test_no_fewer_breakpoints_keep_the_tolerance(values: list[int], tolerance: float) -> None:
    """The greedy choice against the shortest path over all segments that keep the tolerance."""
    assume(len(values) > 1)
    fewest = [0] + [10**6] * (len(values) - 1)
    for j in range(1, len(values)):
        for i in range(j):
            if j == i + 1 or log_error(values[i], values[j]) <= tolerance:
                fewest[j] = min(fewest[j], fewest[i] + 1)
    assert len(named(f"error-{tolerance!r}").indices(values)) == fewest[-1] + 1


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("-touching")])
@given(values=LATTICES)
@example(values=[1, 88, 213, 258, 1845])  # one bend for both functions would be too low for the square
def test_touching_ones_are_exact_at_their_breakpoints(name: str, values: list[int]) -> None:
    part = named(name)
    places, alone = part.indices(values), part.points(values, square=False)
    at = np.array([values[j] for j in places], dtype=float)
    assert set(at) <= set(alone) <= set(part.points(values)) and len(alone) <= 2 * len(places) - 1
    np.testing.assert_allclose(np.interp(at, part.points(values), part.logs(values)), np.log(at), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(np.interp(at, part.points(values), part.squares(values)), at * at, rtol=1e-12)
    np.testing.assert_allclose(np.interp(at, alone, part.logs(values, square=False)), np.log(at), rtol=1e-12, atol=1e-12)
    for points, logs in ((alone, part.logs(values, square=False)), (part.points(values), part.logs(values))):
        assert (np.interp(values, points, logs) >= np.log(values) - 1e-12).all()
        assert (np.diff(logs) >= 0).all() and (np.diff(np.diff(logs) / np.diff(points)) <= 1e-9).all()
    squares = part.squares(values)
    assert (np.diff(np.diff(squares) / np.diff(part.points(values))) >= -1e-6).all()


@given(values=st.sets(st.integers(1, 2048), min_size=3, max_size=40).map(sorted))
def test_touching_is_the_lower_one_of_two_secants(values: list[int]) -> None:
    """Of one segment: the lower one of the secants at its two ends, at every lattice point."""
    part = named("uniform-1-touching")
    points, logs = part.points(values, square=False), np.log(values)
    first = logs[0] + (logs[1] - logs[0]) / (values[1] - values[0]) * (np.array(values) - values[0])
    last = logs[-1] + (logs[-1] - logs[-2]) / (values[-1] - values[-2]) * (np.array(values) - values[-1])
    found = np.interp(values, points, part.logs(values, square=False))
    np.testing.assert_allclose(found, np.minimum(first, last), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("uniform", "write uniform-N"),
        ("uniform-0", "write uniform-N"),
        ("geometric-2.5", "write geometric-N"),
        ("error--1", "write error-EPS"),
        ("error-nan", "write error-EPS"),
        ("uniform-3-outerly", "'ly' after '-outer'"),
        ("uniform-3-inner", "write uniform-N"),
        ("geometric-3-touchingly", "'ly' after '-touching'"),
        ("lattice-3", "takes no parameter"),
        ("cubic-3", "use one of: error, geometric, lattice, uniform"),
    ],
)
def test_malformed_names_are_refused(name: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        named(name)


def test_parts_are_registered_under_their_ids() -> None:
    assert {part.id for part in registered_parts("breakpoints")} == {"lattice", "uniform", "geometric", "error"}
    assert all(part.title and part.reference for part in registered_parts("breakpoints"))
