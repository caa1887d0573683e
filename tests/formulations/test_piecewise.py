"""Encodings of piecewise-linear functions against the function itself, with SCIP as the judge of what a model admits."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from contracts import ANY, Written, extremes
from hypothesis import given
from hypothesis import strategies as st
from mipdesign.formulations.encodings.encoding import Encoding
from mipdesign.formulations.model_builder import ModelBuilder
from mipdesign.formulations.parts import part_named, registered_parts
from scale import examples, few, of

from mipdesign.errors import SpecError
from mipdesign.lattice.position import Position
from mipdesign.mip.expressions import Expression, dot
from mipdesign.mip.linear import LinearModel
from mipdesign.mip.start_values import start_values

ENCODINGS: list[Encoding] = [part for part in registered_parts("encodings") if isinstance(part, Encoding)]
GRAPHS = [encoding for encoding in ENCODINGS if encoding.is_graph]
BINARIES = {"sos2": 0, "cc": -1, "dcc": -1, "mc": -1, "inc": -1, "log": -2, "dlog": -2, "zzb": -2, "zzi": 0}
"""Binaries of ``n`` segments: -1 stands for one per segment, -2 for the logarithm."""

by_id = pytest.mark.parametrize("encoding", GRAPHS, ids=lambda e: e.id)


def envelope(points: Sequence[float], values: Sequence[float], x: float) -> float:
    """Concave envelope of a piecewise-linear function: the best mean of two breakpoints around ``x``."""
    pairs = itertools.product(range(len(points)), repeat=2)
    return max(
        values[i] if i == j else values[i] + (values[j] - values[i]) * (x - points[i]) / (points[j] - points[i])
        for i, j in pairs
        if points[i] <= x <= points[j] and (i != j or points[i] == x)
    )


@st.composite
def functions(draw: st.DrawFn) -> tuple[list[float], list[float]]:
    """Increasing breakpoints (1 to 10) and values; gaps, negative arguments and equal values occur."""
    points = sorted(draw(st.sets(st.integers(-20, 60), min_size=1, max_size=10)))
    values = draw(st.lists(st.integers(-5, 5), min_size=len(points), max_size=len(points)))
    return [float(x) for x in points], [float(y) for y in values]


@by_id
@given(function=functions(), seed=st.integers(0, 1000))
@examples(25)
def test_admits_the_graph_and_nothing_else(encoding: Encoding, function: tuple[list[float], list[float]], seed: int) -> None:
    points, values = function
    written = Written(encoding, points, values)
    rng = np.random.default_rng(seed)
    for x in [points[rng.integers(len(points))], *rng.uniform(points[0], points[-1], 2)]:
        expected = float(np.interp(x, points, values))
        assert written.extremes(float(x)) == pytest.approx((expected, expected), abs=1e-6)
    assert written.extremes(None) == pytest.approx((min(values), max(values)), abs=1e-6)
    assert written.extremes(points[0] - 1.0) is None and written.extremes(points[-1] + 1.0) is None


@by_id
@pytest.mark.parametrize("n", few(range(1, 18), 4))
def test_every_number_of_segments(encoding: Encoding, n: int) -> None:
    """Regression of others: no binaries for a single segment, codes that are wrong for one pattern only."""
    rng = np.random.default_rng(n)
    points = np.cumsum(rng.integers(1, 9, n + 1)).astype(float).tolist()
    values = rng.integers(-9, 9, n + 1).astype(float).tolist()
    written = Written(encoding, points, values)
    for x in rng.permutation(points + [(a + 2 * b) / 3 for a, b in itertools.pairwise(points)])[:6]:
        expected = float(np.interp(x, points, values))
        assert written.extremes(float(x)) == pytest.approx((expected, expected), abs=1e-6)
    binaries = {0: 0, -1: n - (encoding.id == "inc") if n > 1 else 0, -2: math.ceil(math.log2(n))}[BINARIES[encoding.id]]
    assert written.linear.kinds.count("B") == binaries
    assert len(written.linear.rows) == rows_of(encoding.id, n)
    assert written.linear.kinds.count("I") == (math.ceil(math.log2(n)) if encoding.id == "zzi" else 0)


EDGES: dict[str, tuple[list[float], list[float]]] = {
    "one point": ([3.0], [7.0]),
    "two points": ([3.0, 11.0], [7.0, -1.0]),
    "two points of equal value": ([3.0, 11.0], [7.0, 7.0]),
    "equal values throughout": ([1.0, 2.0, 4.0, 5.0], [2.0] * 4),
    "equal values in the middle": ([1.0, 2.0, 4.0, 5.0, 8.0], [0.0, 3.0, 3.0, 3.0, 0.0]),
    "collinear": ([0.0, 1.0, 2.0, 3.0], [0.0, 2.0, 4.0, 6.0]),
    "logarithm from 1": ([1.0, 2.0, 3.0, 4.0], [math.log(x) for x in (1, 2, 3, 4)]),
    "logarithm at 1 alone": ([1.0], [0.0]),
    "logarithm on a lattice with gaps": ([1.0, 2.0, 64.0, 72.0, 2048.0], [math.log(x) for x in (1, 2, 64, 72, 2048)]),
}
"""Breakpoints and values at which encodings have been wrong elsewhere; all but two of them are concave."""


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda e: e.id)
def test_edges(encoding: Encoding, edge: str) -> None:
    """At every breakpoint and between any two the function, and no more; one side of it by encodings that keep one."""
    points, values = EDGES[edge]
    written = Written(encoding, points, values)
    for x in [*points, *((a + b) / 2 for a, b in itertools.pairwise(points))]:
        expected, found = float(np.interp(x, points, values)), written.extremes(x)
        assert found is not None and found[1] == pytest.approx(expected, abs=1e-6)
        assert found[0] == pytest.approx(expected if encoding.is_graph else min(values), abs=1e-6)
    assert written.extremes(points[0] - 0.5) is None and written.extremes(points[-1] + 0.5) is None
    if encoding.is_graph:
        assert written.linear.kinds.count("B") == 0 or len(points) > 2


def rows_of(encoding_id: str, n: int) -> int:
    """Rows of ``n`` segments as ``docs/formulations.md`` states them, without the one that sets the argument."""
    m = math.ceil(math.log2(n))
    rows = {"sos2": 1, "cc": n + 3, "dcc": n + 1, "mc": 2 * n + 1, "inc": 2 * n - 2, "log": 2 * m + 1, "dlog": m + 1}
    one_segment_less = n == 1 and encoding_id in ("cc", "dcc", "mc")
    return rows.get(encoding_id, 2 * m + 1) - one_segment_less


@by_id
@given(function=functions(), share=st.floats(0, 1))
@examples(40)
def test_its_values_satisfy_its_rows(encoding: Encoding, function: tuple[list[float], list[float]], share: float) -> None:
    points, values = function
    written = Written(encoding, points, values)
    for x in [*points, points[0] + share * (points[-1] - points[0])]:
        written.piece.of = Expression([], x, x, x)
        start = dict(enumerate(start_values(written.linear.rules, Position(0, (), ())).values()))
        assert sum(c * start[v] for v, c in written.argument.terms) == pytest.approx(x, abs=1e-9)
        assert sum(c * start[v] for v, c in written.y.terms) == pytest.approx(np.interp(x, points, values), abs=1e-9)
        check_rows(written.linear, start)


def check_rows(linear: LinearModel, start: dict[int, float]) -> None:
    """All bounds, rows, integralities and ordered sets hold."""
    for v, value in start.items():
        assert linear.lower[v] - 1e-9 <= value <= linear.upper[v] + 1e-9
        assert linear.kinds[v] == "C" or value == round(value)
    for row in linear.rows:
        assert row.low - 1e-9 <= sum(c * start[v] for v, c in row.terms.items()) <= row.high + 1e-9, row.name
    for ordered in linear.sos2:
        positive = [j for j, v in enumerate(ordered) if start[v] > 1e-12]
        assert len(positive) <= 2 and positive[-1] - positive[0] <= 1


@by_id
def test_weights_are_a_unit_vector_at_a_breakpoint(encoding: Encoding) -> None:
    """What products and columns rely on: at a breakpoint nothing but its own weight is positive."""
    points = [1.0, 2.0, 4.0, 5.0, 9.0, 10.0]
    for at, x in enumerate(points):
        linear = ModelBuilder()
        piece = encoding.encode(linear, "f", points, ANY)
        for j, weight in enumerate(piece.weights):
            expected = float(j == at)
            assert extremes(linear, piece.argument(), x, weight) == pytest.approx((expected, expected), abs=1e-6)


@by_id
@given(function=functions(), share=st.floats(0, 1).map(lambda share: round(share, 6)))  # SCIP's tolerance is 1e-9
@examples(20)
def test_relaxation_is_the_concave_envelope(
    encoding: Encoding, function: tuple[list[float], list[float]], share: float
) -> None:
    """Sharpness: all encodings have it (Vielma et al. 2010, theorem 2), CC as well."""
    points, values = function
    x = points[0] + share * (points[-1] - points[0])
    found = Written(encoding, points, values, relaxed=True).extremes(x)
    assert found is not None
    assert found[1] == pytest.approx(envelope(points, values, x), abs=1e-6)


@by_id
def test_only_cc_is_not_locally_ideal(encoding: Encoding) -> None:
    """Vertices of the relaxation, found by random objectives, have integral binaries for all but CC (Vielma et al. 2010)."""
    rng, fractional = np.random.default_rng(0), 0
    for n in (3, 5, 6, 8):
        for _ in range(of(12, 6)):
            linear = ModelBuilder()
            encoding.encode(linear, "f", [float(x) for x in range(n + 1)], ANY)
            integers = [name for name, kind in zip(linear.names, linear.kinds, strict=True) if kind != "C"]
            linear.kinds, linear.sos2 = ["C"] * len(linear.kinds), []
            linear.maximize(dot(rng.normal(size=len(linear.names) - 1), map(linear.named, linear.names[1:])))
            model, variables = linear.to_scip(1.0)
            model.setParam("presolving/maxrounds", 0)
            model.optimize()
            fractional += any(abs(model.getVal(variables[name]) % 1.0 - 0.5) < 0.499 for name in integers)
    assert (fractional > 0) == (encoding.id == "cc")


def test_chords_bound_a_concave_function_from_above_and_a_convex_one_from_below() -> None:
    chords = part_named("encodings", "chords")
    assert isinstance(chords, Encoding)
    points = [1.0, 2.0, 3.0, 5.0, 8.0]
    logs, squares = [math.log(x) for x in points], [x * x for x in points]
    for x in [1.0, 1.5, 3.0, 6.5, 8.0]:
        assert Written(chords, points, logs).extremes(x) == pytest.approx((0.0, np.interp(x, points, logs)), abs=1e-6)
        linear = ModelBuilder()
        piece = chords.encode(linear, "f", points, ANY)
        y = piece.value(squares, "at least")
        found = extremes(linear, piece.argument(), x, y)
        assert found == pytest.approx((np.interp(x, points, squares), 64.0), abs=1e-6)
    assert Written(chords, [3.0], [7.0]).extremes(3.0) == pytest.approx((7.0, 7.0))
    with pytest.raises(SpecError, match="concave"):
        Written(chords, points, squares)


@pytest.mark.parametrize(
    "points", [[2.0, 1.0], [1.0, 3.0, 2.0], [1.0, 1.0], [1.0, 1.0, 2.0], [1.0, math.nan], [1.0, math.inf], []]
)
@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda e: e.id)
def test_breakpoints_have_to_increase(encoding: Encoding, points: list[float]) -> None:
    with pytest.raises(SpecError, match=r"breakpoints: .*'f'"):
        encoding.encode(ModelBuilder(), "f", points, ANY)


def test_parts_are_registered_under_their_ids() -> None:
    for part in registered_parts("encodings"):
        assert isinstance(part_named("encodings", part.id), type(part))
        assert part.title and part.reference
    with pytest.raises(SpecError, match=r"formulation: encodings: 'spline' is not registered; use one of: cc, .*zzi"):
        part_named("encodings", "spline")
    with pytest.raises(SpecError, match="'log' takes no parameter"):
        part_named("encodings", "log-3")
