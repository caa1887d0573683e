r"""Which breakpoints a function of a lattice gets, and what the approximation costs.

``lattice`` takes every lattice point, and is exact there. The others take some of them. Between two of them, ``a < b``, a
secant of the logarithm is at most::

    e(b / a) = log((r - 1) / log r) + log r / (r - 1) - 1,   r = b / a

below the logarithm, attained where the derivative is that of the secant (the classical interpolation error, de Boor, A
Practical Guide to Splines, 1978, chapter II; its quadratic bound is ``(b - a)^2 / (8 a^2)``). A secant of the square is at most
``(b - a)^2 / 4`` above it, in the middle. So there are three approximations: the *inner* one by secants, which keeps logarithms
low and squares high and lets an optimum only fall; the *outer* one (``-outer``), which moves all breakpoints by the largest
error to the other side, and lets an optimum only rise; and the *touching* one (``-touching``), which lets it rise as well and
is exact at the breakpoints. Concave stays concave, convex convex in all of them.

The touching one bends once more between ``a`` and ``b``: where the secant through ``a`` and the next lattice point crosses that
through ``b`` and the lattice point before it. No lattice point of a concave function is above a secant of two neighbours, so
the lower one of these two is above all lattice points in between, and on the function at both ends: the outer approximation by
tangents (Kelley, SIAM J. 8(4), 1960), with secants of the lattice, which are tighter. For a convex function, such as the
square, it is the upper one of both, below all lattice points.
"""

from __future__ import annotations

import itertools
import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self, get_args

import numpy as np

from mipdesign.errors import SpecError
from mipdesign.lattice.arrays import Floats
from mipdesign.mip.formulation import Claim

from ..parts import Part

Approximation = Literal["inner", "outer", "touching"]
"""By secants; moved to the other side by the largest error; on the other side and exact at the breakpoints."""
APART = 0.01
"""Bends of the logarithm and of the square that are nearer than this share of the segment become one."""
Function = Callable[[Floats], Floats]
"""A function of numbers, entry by entry."""


def log_error(a: float, b: float) -> float:
    """Largest distance of the logarithm from its secant between two points."""
    if b <= a:
        return 0.0
    r = b / a
    return math.log((r - 1.0) / math.log(r)) + math.log(r) / (r - 1.0) - 1.0


def square_error(a: float, b: float) -> float:
    """Largest distance of the square from its secant between two points."""
    return (b - a) ** 2 / 4.0


@dataclass(frozen=True)
class Breakpoints(Part):
    """Breakpoints of the functions ``log`` and square on a lattice, and the values that they have there.

    Attributes
    ----------
    parameter:
        What follows the id in the part's name: how many segments, or which tolerance.
    approximation:
        On which side it is, and how.
    """

    parameter: float = 0.0
    approximation: Approximation = "inner"
    form: ClassVar[str] = "N"
    """What a parameter is called."""

    @property
    def claim(self) -> Claim:  # type: ignore[override]
        """Inner approximations let an optimum fall, outer and touching ones let it rise."""
        return "lower" if self.approximation == "inner" else "upper"

    @classmethod
    def with_parameter(cls, parameter: str) -> Self:
        approximation: Approximation = next((a for a in get_args(Approximation)[1:] if f"-{a}" in parameter), "inner")
        number, _, rest = parameter.partition(f"-{approximation}") if approximation != "inner" else (parameter, "", "")
        try:
            value = cls.checked(float(number))
        except ValueError:
            problem = f"{parameter!r} is not a parameter of {cls.id!r}"
            remedy = f"write {cls.id}-{cls.form}, {cls.id}-{cls.form}-outer or {cls.id}-{cls.form}-touching"
            raise SpecError("formulation", problem, remedy) from None
        if rest:
            raise SpecError("formulation", f"{rest!r} after '-{approximation}'", "end there")
        return cls(value, approximation)

    @staticmethod
    def checked(value: float) -> float:
        """The parameter.

        Raises
        ------
        ValueError
            If it is not in range.
        """
        if value < 1 or value != int(value) or value > 1e6:
            raise ValueError
        return value

    @abstractmethod
    def indices(self, values: Sequence[int]) -> list[int]:
        """Which of the increasing values are breakpoints; the first and the last always are."""

    def points(self, values: Sequence[int], square: bool = True) -> Floats:
        """Where what stands for the logarithm and, if it is wanted, the square bends, increasing, with both ends."""
        places = self.indices(values)
        ends = np.array(values, dtype=np.float64)[places]
        if self.approximation != "touching":
            return ends
        inside = [x for i, j in itertools.pairwise(places) for x in _bends(values, i, j, square)]
        return np.array(sorted([*ends, *inside]))

    def logs(self, values: Sequence[int], square: bool = True) -> Floats:
        """What stands for the logarithm at :meth:`points`."""
        logs: Floats
        if self.approximation == "touching":
            logs = self._touching(values, np.log, 1.0, self.points(values, square))
        else:
            logs = np.log(self.points(values)) + (self.approximation == "outer") * self.log_error(values)
        return logs

    def squares(self, values: Sequence[int]) -> Floats:
        """What stands for the square at :meth:`points`."""
        squares: Floats
        if self.approximation == "touching":
            squares = self._touching(values, np.square, -1.0, self.points(values))
        else:
            squares = np.square(self.points(values)) - (self.approximation == "outer") * self.square_error(values)
        return squares

    def log_error(self, values: Sequence[int]) -> float:
        """Proven bound of the distance between the logarithm and what stands for it, over the lattice."""
        if self.approximation == "touching":
            return self._largest_gap(values, np.log, self.logs(values))
        return max(self._errors(values, log_error), default=0.0)

    def square_error(self, values: Sequence[int]) -> float:
        """Proven bound of the distance between the square and what stands for it, over the lattice."""
        if self.approximation == "touching":
            return self._largest_gap(values, np.square, self.squares(values))
        return max(self._errors(values, square_error), default=0.0)

    def _touching(self, values: Sequence[int], function: Function, sign: float, points: Floats) -> Floats:
        """A concave function (``sign = 1``) or a convex one (-1) at its breakpoints, and between them what keeps to its side.

        Two bends of a segment both lie on the envelope of its two secants. A single one that is not where they cross is moved
        away from the function, so that the segments which meet there are beyond both secants.
        """
        result = function(points)
        for i, j in itertools.pairwise(self.indices(values)):
            inside = np.flatnonzero((points > values[i]) & (points < values[j]))
            if len(inside):
                left, right = (_secant(values, k, function)(points[inside]) for k in (i, j - 1))
                crossing = _crossing(values, i, j, function)
                bends = len(inside) > 1 or points[inside[0]] == crossing
                result[inside] = sign * ((np.minimum if bends else np.maximum)(sign * left, sign * right))
        return result

    def _largest_gap(self, values: Sequence[int], function: Function, at_points: Floats) -> float:
        """Largest distance over the lattice."""
        lattice = np.asarray(values, dtype=np.float64)
        return float(abs(np.interp(lattice, self.points(values), at_points) - function(lattice)).max())

    def _errors(self, values: Sequence[int], error: Callable[[float, float], float]) -> list[float]:
        """Error of each segment; one without lattice points in between has none."""
        pairs = itertools.pairwise(self.indices(values))
        return [error(values[i], values[j]) if j > i + 1 else 0.0 for i, j in pairs]


def _secant(values: Sequence[int], j: int, function: Function) -> Function:
    """The line through a function at a lattice point and the next one."""
    a, b = function(np.array(values[j : j + 2], dtype=np.float64))
    slope = (b - a) / (values[j + 1] - values[j])
    return lambda x: a + slope * (x - values[j])


def _crossing(values: Sequence[int], i: int, j: int, function: Function) -> float:
    """Where the secant after one lattice point crosses that before another; they are at least two steps apart."""
    left, right = _secant(values, i, function), _secant(values, j - 1, function)
    low, high = np.array(values[i + 1], dtype=np.float64), np.array(values[j - 1], dtype=np.float64)
    above, below = float(right(low) - left(low)), float(right(high) - left(high))
    return float(low) if above == below else float(np.clip(low + (high - low) * above / (above - below), low, high))


def _bends(values: Sequence[int], i: int, j: int, square: bool) -> list[float]:
    """Where the touching approximations of logarithm and square bend within a segment."""
    if j < i + 2:
        return []
    of_log = _crossing(values, i, j, np.log)
    if not square:
        return [of_log]
    of_square = _crossing(values, i, j, np.square)
    apart = abs(of_square - of_log) > APART * (values[j] - values[i])
    return [of_log, of_square] if apart or not _may_bend_at(of_log, values, i, j) else [of_log]


def _may_bend_at(x: float, values: Sequence[int], i: int, j: int) -> bool:
    """Whether what stands for the square stays convex at both ends of a segment if it bends there alone.

    The bend is on the lower one of the two secants. No slope changes to the wrong side at an end if it is above the square's
    tangents at both: slopes before an end are at most the tangent's then, and those after it at least.
    """
    bend = min(float(_secant(values, k, np.square)(np.array([x]))[0]) for k in (i, j - 1))
    return all(bend >= end * (2 * x - end) for end in (values[i], values[j]))


def nearest(values: Sequence[int], wanted: Floats) -> list[int]:
    """Indices of the values nearest to some numbers, each once."""
    distances = np.abs(np.asarray(values)[:, None] - wanted[None, :])
    return sorted({int(j) for j in distances.argmin(axis=0)})
