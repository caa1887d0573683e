r"""Which breakpoints a function of a lattice gets, and what the approximation costs.

``lattice`` takes every lattice point, and is exact there. The others take some of them. Between two of them, ``a < b``, a
secant of the logarithm is at most::

    e(b / a) = log((r - 1) / log r) + log r / (r - 1) - 1,   r = b / a

below the logarithm, attained where the derivative is that of the secant (the classical interpolation error, de Boor, A
Practical Guide to Splines, 1978, chapter II; its quadratic bound is ``(b - a)^2 / (8 a^2)``). A secant of the square is at most
``(b - a)^2 / 4`` above it, in the middle. So there are two approximations: the *inner* one by secants, which keeps logarithms
low and squares high and lets an optimum only fall; and the *outer* one (``-outer``), which moves all breakpoints by the largest
error to the other side, and lets an optimum only rise. Concave stays concave, convex convex.
"""

from __future__ import annotations

import itertools
import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from mipdesign.errors import SpecError
from mipdesign.formulation import Claim
from mipdesign.lattice import Floats

from .parts import Part


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
    outer:
        Whether the approximation is the outer one.
    """

    parameter: float = 0.0
    outer: bool = False
    form: ClassVar[str] = "N"
    """What a parameter is called."""

    @property
    def claim(self) -> Claim:  # type: ignore[override]
        """Inner approximations let an optimum fall, outer ones let it rise."""
        return "upper" if self.outer else "lower"

    @classmethod
    def with_parameter(cls, parameter: str) -> Self:
        number, _, side = parameter.partition("-outer")
        try:
            value = cls.checked(float(number))
        except ValueError:
            problem = f"{parameter!r} is not a parameter of {cls.id!r}"
            remedy = f"write {cls.id}-{cls.form}, or {cls.id}-{cls.form}-outer"
            raise SpecError("formulation", problem, remedy) from None
        if side:
            raise SpecError("formulation", f"{side!r} after '-outer'", "end there")
        return cls(value, parameter.endswith("-outer"))

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
    def places(self, values: Sequence[int]) -> list[int]:
        """Which of the increasing values are breakpoints; the first and the last always are."""

    def logs(self, values: Sequence[int]) -> Floats:
        """What stands for the logarithm at the breakpoints of a lattice."""
        points = np.array(values, dtype=np.float64)[self.places(values)]
        logs: Floats = np.log(points) + self.outer * self.log_error(values)
        return logs

    def squares(self, values: Sequence[int]) -> Floats:
        """What stands for the square at the breakpoints of a lattice."""
        points = np.array(values, dtype=np.float64)[self.places(values)]
        squares: Floats = np.square(points) - self.outer * self.square_error(values)
        return squares

    def log_error(self, values: Sequence[int]) -> float:
        """Proven bound of the distance between the logarithm and what stands for it, over the lattice."""
        return max(self._errors(values, log_error), default=0.0)

    def square_error(self, values: Sequence[int]) -> float:
        """Proven bound of the distance between the square and what stands for it, over the lattice."""
        return max(self._errors(values, square_error), default=0.0)

    def _errors(self, values: Sequence[int], error: Callable[[float, float], float]) -> list[float]:
        """Error of each segment; one without lattice points in between has none."""
        pairs = itertools.pairwise(self.places(values))
        return [error(values[i], values[j]) if j > i + 1 else 0.0 for i, j in pairs]


class LatticeBreakpoints(Breakpoints):
    """Every lattice point: nothing is approximated."""

    id = "lattice"
    title = "every lattice point: exact"
    reference = "A function of a finite set is its own interpolant; docs/formulations.md"
    claim = "exact"

    @classmethod
    def with_parameter(cls, parameter: str) -> Self:
        if parameter:
            raise SpecError("formulation", f"'lattice' takes no parameter, not {parameter!r}", "write 'lattice'")
        return cls()

    def places(self, values: Sequence[int]) -> list[int]:
        return list(range(len(values)))


class UniformBreakpoints(Breakpoints):
    """At most ``N`` segments of about equal length: the error of the first one is the largest."""

    id = "uniform"
    title = "-N: at most N segments of equal length; -outer for an upper bound"
    reference = "Interpolation error (b - a)^2 / 8 max |f''|: de Boor, A Practical Guide to Splines, 1978, chapter II"

    def places(self, values: Sequence[int]) -> list[int]:
        return _nearest(values, np.linspace(values[0], values[-1], int(self.parameter) + 1))


class GeometricBreakpoints(Breakpoints):
    """At most ``N`` segments of about equal ratio, which equalises the error of the logarithm."""

    id = "geometric"
    title = "-N: at most N segments of equal ratio; -outer for an upper bound"
    reference = "Equal errors of equal ratios, e(b / a): docs/formulations.md; de Boor, A Practical Guide to Splines, 1978"

    def places(self, values: Sequence[int]) -> list[int]:
        return _nearest(values, np.geomspace(values[0], values[-1], int(self.parameter) + 1))


class ErrorBreakpoints(Breakpoints):
    """As few as keep the logarithm at the lattice within a tolerance: each as far as it may be from the one before."""

    id = "error"
    title = "-EPS: as few breakpoints as keep the logarithm within EPS; -outer for an upper bound"
    reference = "Longest admissible segments: Rebennack, Kallrath, J. Optimization Theory and Applications 167(2), 2015"
    form = "EPS"

    @staticmethod
    def checked(value: float) -> float:
        if not 0 < value < math.inf:
            raise ValueError
        return value

    def places(self, values: Sequence[int]) -> list[int]:
        chosen = [0]
        while chosen[-1] < len(values) - 1:
            at = chosen[-1]
            # Neighbours of the lattice have nothing between them.
            reach = (j for j in range(len(values) - 1, at, -1) if log_error(values[at], values[j]) <= self.parameter)
            chosen.append(max(at + 1, next(reach, 0)))
        return chosen


def _nearest(values: Sequence[int], wanted: Floats) -> list[int]:
    """Places of the values nearest to some numbers, each once."""
    distances = np.abs(np.asarray(values)[:, None] - wanted[None, :])
    return sorted({int(j) for j in distances.argmin(axis=0)})
