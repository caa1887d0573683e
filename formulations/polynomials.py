r"""Counts of a super-block as polynomials in ``C, b, k``, read off its block family.

A block's count is ``fixed + C_{i-1} slope + [C_{i-1} = C_i] identity``, and that of each further block ``rest``, equation (3)
of ``docs/formulations.md``. :func:`count_polynomials` evaluates the operations of the family on a grid of integers and
interpolates in exact fractions: three values of each of ``C, b, k`` tell every polynomial of degree two in each of them. The
result has to reproduce the tables of all columns in integers, so a family of one's own is covered as soon as its counts are of
this form, and nothing is taken on trust where they are not.

Roundings, such as those of squeeze widths, leave a remainder that depends on the width alone. It becomes a table by width,
which the formulations write with one-hot binaries.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mipdesign.lattice.additive_budgets import AdditiveBudget
from mipdesign.lattice.arrays import Floats, Ints, counts_of_rows
from mipdesign.lattice.distinct import among, distinct, places
from mipdesign.lattice.stage_tables import StageTables
from mipdesign.lattice.tables import Tables
from mipdesign.networks.blocks import FAMILIES, BlockFamily
from mipdesign.networks.operation import kernel_of

NODES = ((96, 192, 288), (96, 192, 288), (1, 3, 5))
"""Where ``C, b, k`` are evaluated: multiples that no rounding of widths changes."""
SAFE = 2.0**62
"""Integers below it are exact in 64 bits."""
Exact = NDArray[np.object_]
"""Fractions and integers without limit."""


class NotPolynomialError(Exception):
    """What is not a polynomial, and not a function of the width alone beside one."""


class Monomial(NamedTuple):
    """``C^c b^b k^k``."""

    c: int
    b: int
    k: int

    @property
    def letters(self) -> str:
        """Its name: ``kkbb`` for ``k^2 b^2``, ``1`` for the constant."""
        return "k" * self.k + "b" * self.b + "C" * self.c or "1"

    @property
    def has_square(self) -> bool:
        """Whether it has a square of channels or width."""
        return max(self.c, self.b) > 1

    def of(self, c: Any, b: Any, k: Any) -> Any:
        """Its value, with the arithmetic of the arguments."""
        factors = [x for x, power in zip((c, b, k), self, strict=True) for _ in range(power)]
        return functools.reduce(operator.mul, factors) if factors else c**0


ONE = Monomial(0, 0, 0)


@dataclass(frozen=True)
class ColumnValues:
    """``C, b, k`` of some columns, and what the polynomials of several counts have in common there.

    ``k`` is a kernel's height and width; where it spans ``kt`` frames, ``k^2`` of a polynomial stands for ``kt k^2``.
    """

    c: Ints
    b: Ints
    k: Ints
    kt: Ints
    _monomials: dict[Monomial, Ints] = field(default_factory=dict)

    @classmethod
    def of(cls, s: StageTables, columns: Ints) -> ColumnValues:
        """Those of increasing columns of a super-block."""
        kt, k = kernel_of(among(s.k, columns))
        return cls(among(s.c, columns), among(s.b, columns), k, kt)

    @cached_property
    def spans_frames(self) -> bool:
        """Whether some kernels span frames."""
        return bool((self.kt > 1).any())

    def largest(self, m: Monomial) -> float:
        """A value that a monomial does not exceed."""
        kt = float(self.kt.max(initial=1)) if m.k else 1.0
        return kt * float(m.of(*(float(values.max(initial=0)) for values in (self.c, self.b, self.k))))

    def exact(self, m: Monomial) -> Exact:
        """The values of a monomial without limit."""
        values: Exact = m.of(*(values.astype(object) for values in (self.c, self.b, self.k)))
        return values * self.kt.astype(object) if m.k else values

    @cached_property
    def widths(self) -> Ints:
        """The widths that occur, increasing."""
        return distinct(self.b)

    @cached_property
    def width_places(self) -> Ints:
        """Where each column's width stands among them."""
        return places(self.b, self.widths)

    def monomial(self, m: Monomial) -> Ints:
        """The values of a monomial, in 64 bits."""
        if m not in self._monomials:
            values = m.of(self.c, self.b, self.k)
            self._monomials[m] = values * self.kt if m.k and self.spans_frames else values
        return self._monomials[m]


@dataclass(frozen=True)
class Polynomial:
    """``sum coefficient * monomial``, and a function of the width.

    Attributes
    ----------
    coefficients:
        By monomial, large powers first; none is 0.
    of_width:
        What is added for each width; empty if nothing is.
    """

    coefficients: Mapping[Monomial, Fraction] = field(default_factory=dict)
    of_width: Mapping[int, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.coefficients or self.of_width)

    def scaled(self, at: ColumnValues) -> tuple[int, Ints | Exact]:
        """A denominator, and it times the values at some columns."""
        denominator = math.lcm(*(x.denominator for x in self.coefficients.values()))
        terms = [(monomial, int(x * denominator)) for monomial, x in self.coefficients.items()]
        kind = object if sum(abs(x) * at.largest(monomial) for monomial, x in terms) >= SAFE else np.int64
        total: Ints | Exact = np.zeros(len(at.c), dtype=kind)
        for monomial, x in terms:
            total += x * (at.monomial(monomial) if kind is np.int64 else at.exact(monomial))
        if self.of_width:
            of_width = [denominator * self.of_width[width] for width in at.widths.tolist()]
            total += np.array(of_width, dtype=kind)[at.width_places]
        return denominator, total


@dataclass(frozen=True)
class CountPolynomials:
    """The polynomials of one count of a super-block; its first block, each incoming channel, what arises only where the
    channels stay the same, and a further block.
    """

    fixed: Polynomial
    slope: Polynomial
    identity: Polynomial
    rest: Polynomial

    def __iter__(self) -> Iterator[Polynomial]:
        return iter((self.fixed, self.slope, self.identity, self.rest))

    def expanded(self) -> dict[str, Fraction]:
        """``fixed + i slope + (L - 1) rest`` by monomial, whose letters are those of its factors; tables of widths aside."""
        total: dict[str, Fraction] = {}
        for before, part, sign in (("", self.fixed, 1), ("i", self.slope, 1), ("", self.rest, -1), ("L", self.rest, 1)):
            for m, x in part.coefficients.items():
                letters = before + m.letters.removeprefix("1")
                total[letters] = total.get(letters, Fraction(0)) + sign * x
        return {letters: x for letters, x in total.items() if x}


@dataclass(frozen=True)
class WidthMonomial:
    """The log-width sum of one block, its incoming channels aside: ``log factor + c log C + b log b + k log k``."""

    factor: Fraction
    c: int
    b: int
    k: int

    @property
    def constant(self) -> float:
        """``log factor``."""
        return float(np.log(float(self.factor)))

    def of_logarithms(self, c: Any, b: Any, k: Any) -> Any:
        """The sum without its constant, from the logarithms of channels, width and kernel in any arithmetic."""
        return sum((power * log for power, log in ((self.c, c), (self.b, b), (self.k, k)) if power), start=0.0)


@dataclass(frozen=True)
class BlockPolynomials:
    """What a super-block counts, by budget, and what one block of it adds to the log-width sum."""

    counts: Sequence[CountPolynomials]
    log_width: WidthMonomial

    @classmethod
    def of(cls, tables: Tables, index: int, columns: Ints) -> BlockPolynomials:
        """Those of some columns of a super-block.

        Raises
        ------
        NotPolynomialError
            If they are of another form.
        """
        values = ColumnValues.of(tables.stages[index], columns)
        counts = [count_polynomials(tables, index, row, columns, values) for row in range(len(tables.counts))]
        return cls(counts, width_monomial(tables, index, columns, values))

    @property
    def written(self) -> list[Polynomial]:
        """All but those of what arises only where the channels stay the same."""
        return [p for count in self.counts for p in (count.fixed, count.slope, count.rest)]

    @property
    def has_negative_square(self) -> bool:
        """Whether a count falls with the square of channels or width."""
        return any(x < 0 and m.has_square for p in self.written for m, x in p.coefficients.items())

    def has_square_of(self, letter: str) -> bool:
        """Whether any count has the square of ``c`` or ``b``."""
        return any(getattr(m, letter) > 1 for p in self.written for m in p.coefficients)


def count_polynomials(tables: Tables, index: int, row: int, columns: Ints, values: ColumnValues) -> CountPolynomials:
    """The polynomials of a count of a super-block.

    Parameters
    ----------
    index, row:
        Numbers of the super-block and of the budget.
    columns, values:
        Where they have to be right: columns of one family.

    Raises
    ------
    NotPolynomialError
        If the counts of these columns are of another form.
    """
    s = tables.stages[index]
    element, space = s.element, s.element.space
    figure = AdditiveBudget.of(tables.counts[row], tables.problem)
    family = FAMILIES[s.blocks[s.f[columns[0]]]]
    what, parts = f"'{family.name}' counts {figure.name}", []
    frames, none = tables.problem.input.frames or 1, Polynomial({})
    polynomials = _interpolated(family, figure, frames, space.stride, *space.maps(figure.map_factor))
    if values.spans_frames and any(m.k == 1 for polynomial in polynomials for m in polynomial.coefficients):
        raise NotPolynomialError(f"counts that are no polynomials: {what} with kernels that span frames")
    if element.continues:
        polynomials = CountPolynomials(polynomials.rest, none, none, none)
    elif element.is_block:
        polynomials = CountPolynomials(polynomials.fixed, polynomials.slope, polynomials.identity, none)
    for counts, polynomial in zip(counts_of_rows(s.rows), polynomials, strict=True):
        parts.append(_checked(polynomial, among(counts[row], columns).astype(np.int64), values, what))
    return CountPolynomials(*parts)


def width_monomial(tables: Tables, index: int, columns: Ints, values: ColumnValues) -> WidthMonomial:
    """The log-width sum of a block of a super-block.

    Raises
    ------
    NotPolynomialError
        If the product of the widths of these columns is not a monomial.
    """
    s = tables.stages[index]
    family = FAMILIES[s.blocks[s.f[columns[0]]]]

    kind = object if among(s.t, columns).max(initial=0.0) >= math.log(SAFE) else np.int64

    def product(c: Ints, b: Ints, k: Ints) -> Any:
        total: Any = 1
        for width in family.widths(np.ones_like(c), c, b, k):
            total = total * np.asarray(width).astype(kind)
        return total

    base = (96, 96, 3)
    doubled = [[2 * x if n == axis else x for n, x in enumerate(base)] for axis in range(3)]
    here, *there = product(*(np.array(axis) for axis in zip(base, *doubled, strict=True))).tolist()
    powers = [max(0, round(math.log2(value / here))) for value in there]
    factor = Fraction(here) / Monomial(*powers).of(*base)
    c, b, k = values.c, values.b, values.k
    expected = factor.numerator * Monomial(*powers).of(c.astype(kind), b.astype(kind), k.astype(kind))
    if (factor.denominator * product(c, b, k) != expected).any():
        raise NotPolynomialError(f"widths of '{family.name}' of another form than C, b and k to some power")
    return WidthMonomial(factor, *powers)


def _checked(polynomial: Polynomial, counted: Ints, at: ColumnValues, what: str) -> Polynomial:
    """A polynomial that has the counts of all columns, with a table of widths where it lacks something."""
    denominator, found = polynomial.scaled(at)
    if (denominator * counted == found).all():
        return polynomial
    others = Polynomial({m: x for m, x in polynomial.coefficients.items() if m.c or m.k})
    denominator, found = others.scaled(at)
    lacking = denominator * counted - found
    of_width = np.zeros(len(at.widths), dtype=lacking.dtype)
    of_width[at.width_places] = lacking
    if (of_width[at.width_places] != lacking).any() or (of_width % denominator).any():
        raise NotPolynomialError(f"counts that are no polynomials: {what} in another form")
    return Polynomial(others.coefficients, dict(zip(at.widths.tolist(), (of_width // denominator).tolist(), strict=True)))


@lru_cache(maxsize=1000)
def _interpolated(
    family: BlockFamily, figure: AdditiveBudget, frames: int, stride: int, entering: int, inside: int
) -> CountPolynomials:
    """The polynomials of the parts of a count, through their values at :data:`NODES`."""
    c, b, k = (grid.reshape(-1) for grid in np.meshgrid(*(np.array(nodes) for nodes in NODES), indexing="ij"))

    def count(ci: Ints, s: int, r: int, first: bool) -> Ints:
        total = figure.of_block(family.layers, 1)
        for op in family.placed(ci, c, b, k, s, r, first=first, frames=frames):
            total = total + figure.of_operation(op)
        return np.broadcast_to(np.asarray(total, dtype=np.int64), c.shape)

    # No channels are negative, so nothing is taken to be where ``ci = C``.
    one, two = (count(np.full_like(c, -n), stride, entering, True) for n in (1, 2))
    slope = one - two
    fixed = one + slope
    identity = count(c, stride, entering, True) - fixed - slope * c
    rest = count(c, 1, inside, False)
    return CountPolynomials(*(_through(values) for values in (fixed, slope, identity, rest)))


def _through(values: Ints) -> Polynomial:
    """The polynomial of degree two in each of ``C, b, k`` with some values at :data:`NODES`."""
    coefficients, denominator = values.astype(object).reshape([len(nodes) for nodes in NODES]), 1
    for axis, nodes in enumerate(NODES):
        # Axis by axis, values become coefficients; the result comes first, so after three turns the axes are in order again.
        of_axis, basis = _basis(nodes)
        coefficients = np.moveaxis(np.tensordot(basis, coefficients, axes=(1, axis)), 0, axis)
        denominator *= of_axis
    found = {Monomial(*powers): Fraction(x, denominator) for powers, x in np.ndenumerate(coefficients) if x}
    return Polynomial({m: found[m] for m in sorted(found, key=lambda m: (-m.b, -m.k, -m.c))})


@lru_cache
def _basis(nodes: tuple[int, ...]) -> tuple[int, Exact]:
    """A denominator, and it times the coefficients of Lagrange's polynomials: integers, entry ``(power, node)``."""
    basis = np.zeros((len(nodes), len(nodes)), dtype=object)
    for at, node in enumerate(nodes):
        polynomial = [Fraction(1)]
        for other in nodes:
            if other != node:
                shifted = [Fraction(0), *polynomial]
                polynomial = [
                    (a - other * b) / (node - other) for a, b in zip(shifted, [*polynomial, Fraction(0)], strict=True)
                ]
        basis[:, at] = polynomial
    denominator = math.lcm(*(x.denominator for x in basis.flat))
    return denominator, np.array([[int(x * denominator) for x in row] for row in basis], dtype=object)


def floats(polynomial: Polynomial, values: Callable[[Monomial], Floats], widths: Ints) -> Floats:
    """Values of a polynomial in floating point.

    Parameters
    ----------
    values:
        What stands for a monomial at each column.
    widths:
        The width of each column.
    """
    total = np.array([float(polynomial.of_width.get(int(width), 0)) for width in widths])
    for monomial, x in polynomial.coefficients.items():
        total = total + float(x) * values(monomial)
    return total
