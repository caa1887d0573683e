"""Block families of one's own at the edges of what counts as polynomials can say: written right, or refused in words."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from mipdesign.benchmarks.corpus.small import listing, small_problem
from mipdesign.benchmarks.experiments.variant_outcomes import outcome
from mipdesign.formulations.breakpoints.breakpoints import log_error
from mipdesign.formulations.encodings.encoding import Location
from mipdesign.formulations.model_builder import ModelBuilder
from mipdesign.formulations.parts import registered_parts
from mipdesign.formulations.polynomials import BlockPolynomials, ColumnValues, Monomial, NotPolynomialError, Polynomial
from scale import few

from mipdesign.lattice.cell import Cell
from mipdesign.lattice.tables import Tables
from mipdesign.mip.expressions import Expression
from mipdesign.mip.formulation import formulation_named
from mipdesign.networks.blocks import FAMILIES, Bottleneck, OperationChain, with_identity
from mipdesign.problem.problem import Problem
from mipdesign.search.coverage import build_tables

FORMULATIONS = ("native", "compact", "compact:log:lattice:unary")


class Own(Bottleneck):
    """A bottleneck with something in the middle, in :meth:`middle`."""

    name = "own"

    def operations(self, ci: Any, c: Any, b: Any, k: Any, s: int, r: Any, *, first: bool) -> Any:
        main = OperationChain(ci, r)
        self.middle(main, ci, c, b, first)
        main.conv("last", c, kernel=k, stride=s)
        return with_identity(main, ci, c, s)

    def middle(self, main: OperationChain, ci: Any, c: Any, b: Any, first: bool) -> None:
        main.conv("conv1", b)


class Falling(Own):
    """Its counts fall with the square of the width."""

    def middle(self, main: OperationChain, ci: Any, c: Any, b: Any, first: bool) -> None:
        main.conv("conv1", b)
        main.conv("conv2", 1000 - b)
        main.conv("conv3", 8)


class Cubic(Own):
    """Channels times the square of the width."""

    def middle(self, main: OperationChain, ci: Any, c: Any, b: Any, first: bool) -> None:
        main.conv("conv1", b)
        main.conv("conv2", b * c)
        main.conv("conv3", 8)


class Steep(Own):
    """Incoming channels times the square of the width, in the first block of a super-block."""

    def middle(self, main: OperationChain, ci: Any, c: Any, b: Any, first: bool) -> None:
        main.conv("conv1", b * b if first else b)
        main.conv("conv2", 8)


class Twin(Own):
    """More operations where the channels stay the same, and these depend on the width."""

    def middle(self, main: OperationChain, ci: Any, c: Any, b: Any, first: bool) -> None:
        main.conv("conv1", b)
        main.conv("conv2", b, present=ci == c)


class Fixed(Own):
    """An operation that depends on nothing."""

    def middle(self, main: OperationChain, ci: Any, c: Any, b: Any, first: bool) -> None:
        main.conv("conv1", b)
        main.conv("conv2", 8)
        main.conv("conv3", 8)


class Rounding(Own):
    """Incoming channels times a width that is rounded, in the first block of a super-block."""

    def middle(self, main: OperationChain, ci: Any, c: Any, b: Any, first: bool) -> None:
        main.conv("conv0", (b + 2) // 4 if first else 8)
        main.conv("conv1", b)


class Summed(Own):
    """Widths whose product is no monomial."""

    def widths(self, ci: Any, c: Any, b: Any, k: Any) -> tuple[Any, ...]:
        return ci, b + c, b


def tables_of(family: Bottleneck, monkeypatch: pytest.MonkeyPatch) -> Tables:
    """Tables of a problem whose blocks are of that family alone, with widths that roundings tell apart."""
    monkeypatch.setitem(FAMILIES, "own", family)
    data = small_problem(3).to_dict()
    for stage in data["stages"]:
        stage |= {"block": ["own"], "bottleneck": [6, 8, 10]}
    free = Problem.from_dict(data | {"budgets": {}})
    tables = build_tables(free)
    return build_tables(
        free.with_limits({"flops": float(median(tables, "macs")), "params": float(median(tables, "params_total"))})
    )


def median(tables: Tables, figure: str) -> int:
    """Of the networks of a space."""
    cell = Cell.whole(tables)
    networks = [tables.architecture(position) for position, _ in listing(tables, cell).networks]
    return int(np.median([tables.problem.evaluator(network).counts[figure] for network in networks]))


@pytest.mark.parametrize(
    ("family", "formulation"), [*few(itertools.product((Fixed, Rounding, Falling), FORMULATIONS), 5), (Fixed, "logspace")]
)
def test_what_is_polynomial_is_exact(family: type[Own], formulation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = tables_of(family(), monkeypatch)
    expected = listing(tables, Cell.whole(tables))
    assert expected.networks and formulation_named(formulation).unsupported(tables) is None
    found = outcome(formulation, tables, expected)
    assert found.agrees, found


@pytest.mark.parametrize(
    ("family", "formulation", "said"),
    [
        (Falling, "compact:chords:lattice:onehot", "counts that fall with a square, by bounds that keep one side"),
        (Cubic, "compact", "counts of a degree above two in channels and width"),
        (Steep, "compact", "counts that grow with the incoming channels times a square"),
        (Twin, "compact", "counts where the channels stay the same that depend on width or kernel"),
    ],
)
def test_what_is_not_written_is_said(family: type[Own], formulation: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert formulation_named(formulation).unsupported(tables_of(family(), monkeypatch)) == f"super-block 1: {said}"


def test_widths_that_are_no_monomial_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = tables_of(Summed(), monkeypatch)
    with pytest.raises(NotPolynomialError, match="widths of 'own' of another form than C, b and k to some power"):
        BlockPolynomials.of(tables, 0, np.arange(len(tables.stages[0].c)))


def test_polynomials_beyond_64_bits_are_exact() -> None:
    c, b, k = np.array([3, 10**6]), np.array([5, 10**6]), np.array([1, 63])
    columns = ColumnValues(c, b, k, np.array([1, 1]))
    denominator, values = Polynomial({Monomial(2, 2, 2): 1, Monomial(1, 0, 0): 7}).scaled(columns)  # type: ignore[dict-item]
    assert (denominator, values.tolist()) == (1, [3**2 * 5**2 + 21, 10**24 * 63**2 + 7 * 10**6])


def test_a_segment_without_length_has_no_error() -> None:
    assert log_error(5.0, 5.0) == log_error(5.0, 4.0) == 0.0 < log_error(4.0, 5.0)


@pytest.mark.parametrize("encoding", registered_parts("encodings"), ids=lambda encoding: encoding.id)
def test_a_single_breakpoint_is_where_everything_lies(encoding: Any) -> None:
    model = ModelBuilder()
    piece = encoding.encode(model, "f", [3.0], Expression([], 0.0, 0.0))
    assert piece.locate(3.0) == piece.locate(7.0) == Location(0, 0.0)
    piece.link()
    assert model.rows == []
