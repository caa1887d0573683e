"""Linear expressions: formulas of a linear model as they are written on paper.

``2 * x + y <= 3 * z`` is a :class:`Constraint`. Expressions know bounds, by interval arithmetic from those of their variables.
The order of the terms is the order in which they are written, left of the relation first, so equal formulas give equal models.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

Terms = list[tuple[int, float]]
"""Pairs of a variable's number and its coefficient; a variable may occur more than once."""


class Expression:
    """``sum coefficient * variable + constant``, between ``low`` and ``high``.

    Attributes
    ----------
    terms:
        Variables by number, with their coefficients.
    constant:
        A number, which a constraint has on its right-hand side.
    low, high:
        Bounds of the value.
    """

    __slots__ = ("constant", "high", "low", "terms")
    __hash__ = None  # type: ignore[assignment]
    __array_ufunc__ = None
    """Numbers of numpy leave the operators to this class."""

    def __init__(self, terms: Terms, low: float, high: float, constant: float = 0.0) -> None:
        self.terms, self.low, self.high, self.constant = terms, low, high, constant

    @property
    def variable(self) -> int:
        """Number of the variable, of an expression that is one."""
        ((number, _),) = self.terms
        return number

    @property
    def is_fixed(self) -> bool:
        """Whether the bounds leave a single value."""
        return self.low == self.high

    def within(self, low: float, high: float) -> Expression:
        """The same with bounds that are known otherwise."""
        return Expression(self.terms, low, high, self.constant)

    def __add__(self, other: Expression | float) -> Expression:
        if isinstance(other, Expression):
            low, high = self.low + other.low, self.high + other.high
            return Expression(self.terms + other.terms, low, high, self.constant + other.constant)
        return Expression(self.terms, self.low + other, self.high + other, self.constant + other)

    __radd__ = __add__

    def __neg__(self) -> Expression:
        return self * -1.0

    def __sub__(self, other: Expression | float) -> Expression:
        return self + -other

    def __rsub__(self, other: float) -> Expression:
        return -self + other

    def __mul__(self, factor: float) -> Expression:
        factor = float(factor)
        low, high = sorted((self.low * factor, self.high * factor))
        return Expression([(v, c * factor) for v, c in self.terms], low, high, self.constant * factor)

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Expression:
        low, high = sorted((self.low / divisor, self.high / divisor))
        return Expression([(v, c / divisor) for v, c in self.terms], low, high, self.constant / divisor)

    def __le__(self, other: Expression | float) -> Constraint:
        return _constraint(self, other, -math.inf, 0.0)

    def __ge__(self, other: Expression | float) -> Constraint:
        return _constraint(self, other, 0.0, math.inf)

    def __eq__(self, other: Expression | float) -> Constraint:  # type: ignore[override]
        return _constraint(self, other, 0.0, 0.0)


class Constraint(NamedTuple):
    """``low <= terms <= high``."""

    terms: Terms
    low: float
    high: float


def _constraint(left: Expression, right: Expression | float, low: float, high: float) -> Constraint:
    """``low <= left - right <= high``, with the constants moved to the outside."""
    if not isinstance(right, Expression):
        shift = right - left.constant
        return Constraint(left.terms, low + shift, high + shift)
    shift = right.constant - left.constant
    return Constraint(left.terms + [(v, -c) for v, c in right.terms], low + shift, high + shift)


def linear_sum(expressions: Iterable[Expression]) -> Expression:
    """The sum of any number of expressions; 0 for none."""
    terms: Terms = []
    low = high = constant = 0.0
    for e in expressions:
        terms.extend(e.terms)
        low, high, constant = low + e.low, high + e.high, constant + e.constant
    return Expression(terms, low, high, constant)


def dot(coefficients: Iterable[float], expressions: Iterable[Expression]) -> Expression:
    """``sum coefficient * expression``, with each variable once."""
    collected: dict[int, float] = {}
    low = high = 0.0
    for coefficient, e in zip(coefficients, expressions, strict=True):
        factor = float(coefficient)
        for v, c in e.terms:
            collected[v] = collected.get(v, 0.0) + factor * c
        one, other = e.low * factor, e.high * factor
        low, high = low + (other if other < one else one), high + (other if other > one else one)
    return Expression([(v, c) for v, c in collected.items() if c], low, high)
