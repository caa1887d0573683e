r"""What encodings of a piecewise-linear function of one variable have in common.

Every encoding but :class:`~mipdesign.formulations.encodings.chords.Chords` expresses the same thing in variables of its own:
weights ``w_0 .. w_n`` of the breakpoints ``x_0 < ... < x_n``, of which at most two neighbours are positive, with

    sum_j w_j = 1,  w >= 0                                 (8)
    x = sum_j x_j w_j,  f(x) = sum_j f(x_j) w_j            (9)

for any number of functions on the same breakpoints. A weight is a linear expression: in
:class:`~mipdesign.formulations.encodings.incremental.Incremental` it is the difference of two neighbouring fillings, for
example. ``docs/formulations.md`` compares the encodings; the numbers of equations are those of that page.
"""

from __future__ import annotations

import itertools
import math
from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from mipdesign.errors import SpecError
from mipdesign.mip.expressions import Constraint, Expression, dot, linear_sum
from mipdesign.mip.linear import Kind
from mipdesign.mip.start_values import Assignment

from ..model_builder import ModelBuilder
from ..parts import Part

Side = Literal["at most", "at least"]
"""Where a one-sided encoding keeps its value: at most the function (for what is maximised), or at least."""


class Location(NamedTuple):
    """Where a value of the argument lies: the number of its segment, and how far along the segment it is, from 0 to 1."""

    segment: int
    share: float


@dataclass
class Piecewise:
    """An argument between the first and the last of some breakpoints, with the variables and constraints of its encoding.

    Attributes
    ----------
    model:
        What it is written into.
    name:
        Prefix of the names in the model.
    points:
        The breakpoints, increasing.
    of:
        The expression that the argument is.
    priority:
        Branching priority of its integer variables.
    weights:
        The weight of each breakpoint.
    """

    model: ModelBuilder
    name: str
    points: Sequence[float]
    of: Expression
    priority: int = 0
    weights: Sequence[Expression] = ()

    @property
    def n_segments(self) -> int:
        """Number of segments; 0 for a single point."""
        return len(self.points) - 1

    def variable(
        self, suffix: object, value: Callable[[Location], float], kind: Kind = "C", lower: float = 0.0, upper: float = 1.0
    ) -> Expression:
        """Adds a variable.

        Parameters
        ----------
        value:
            Its value where the argument lies.
        """
        priority = self.priority if kind != "C" else 0
        rule = lambda network: value(network.once(self, self._location))  # noqa: E731
        return self.model.variable(f"{self.name}_{suffix}", kind, lower, upper, priority, rule)

    def _location(self, network: Assignment) -> Location:
        """Where the argument lies in a network."""
        return self.locate(network.of(self.of))

    def add(self, suffix: object, constraint: Constraint) -> None:
        """Adds a constraint."""
        self.model.add(f"{self.name}_{suffix}", constraint)

    def link(self) -> None:
        """Says that the argument is the expression; after all variables that are wanted from it."""
        if self.n_segments:
            self.model.add(f"arg_{self.name}", self.argument() == self.of)  # (9)

    def convex_weights(self) -> list[Expression]:
        """Weights that are variables and sum to 1."""

        def weight(j: int) -> Callable[[Location], float]:
            return lambda at: 1.0 - at.share if at.segment == j else at.share if at.segment == j - 1 else 0.0

        weights = [self.variable(f"w{j}", weight(j)) for j in range(len(self.points))]
        self.add("one", linear_sum(weights) == 1.0)  # (8)
        return weights

    def segments(self) -> list[Expression]:
        """A binary per segment, of which one is 1; a single segment needs none."""
        if self.n_segments == 1:
            return [self.model.one]

        def is_in(s: int) -> Callable[[Location], float]:
            return lambda at: float(at.segment == s)

        chosen = [self.variable(f"z{s}", is_in(s), "B") for s in range(self.n_segments)]
        self.add("choice", linear_sum(chosen) == 1.0)
        return chosen

    def bits(self, codes: Sequence[int]) -> list[Callable[[Location], float]]:
        """For each bit of the codes of the segments, its value."""

        def bit(k: int) -> Callable[[Location], float]:
            return lambda at: float(codes[at.segment] >> k & 1)

        return [bit(k) for k in range(n_bits(self.n_segments))]

    def argument(self) -> Expression:
        """The argument as a linear expression."""
        return dot(self.points, self.weights)

    def value(self, values: Sequence[float], side: Side) -> Expression:
        """A function of the argument as a linear expression.

        Parameters
        ----------
        values:
            Its values at the breakpoints.
        side:
            Which side is enough; an encoding of the graph keeps both.
        """
        return dot(values, self.weights)

    def locate(self, x: float) -> Location:
        """Where a value of the argument lies."""
        if not self.n_segments:
            return Location(0, 0.0)
        segment = min(max(bisect_right(self.points, x) - 1, 0), self.n_segments - 1)
        low, high = self.points[segment : segment + 2]
        return Location(segment, (x - low) / (high - low))


class Encoding(Part):
    """A way to write a piecewise-linear function.

    Attributes
    ----------
    is_graph:
        Whether the pairs of argument and value that it admits are the function's graph; if not, it is one side of it.
    """

    claim = "exact"
    is_graph = True

    def encode(
        self, model: ModelBuilder, name: str, points: Sequence[float], argument: Expression, priority: int = 0
    ) -> Piecewise:
        """Writes an argument between the first breakpoint and the last one; :meth:`Piecewise.link` completes it.

        Raises
        ------
        SpecError
            If the breakpoints are not finite or do not increase: sorting them here would part them from the values that belong
            to them.
        """
        if not all(map(math.isfinite, points)):
            raise SpecError("breakpoints", f"{[*points]} of {name!r} are not finite", "give finite breakpoints")
        for j, (before, after) in enumerate(itertools.pairwise(points)):
            if not before < after:
                problem = f"{after} after {before} at place {j + 1} of {name!r}"
                raise SpecError("breakpoints", problem, "give increasing breakpoints, each once")
        if not points:
            raise SpecError("breakpoints", f"none for {name!r}", "give at least one")
        if len(points) == 1:
            return Piecewise(model, name, points, argument, weights=[model.one])
        f = self.empty(model, name, points, argument, priority)
        f.weights = self.weights(f)
        return f

    def empty(self, model: ModelBuilder, name: str, points: Sequence[float], argument: Expression, priority: int) -> Piecewise:
        """The argument without variables and constraints yet."""
        return Piecewise(model, name, points, argument, priority)

    @abstractmethod
    def weights(self, f: Piecewise) -> Sequence[Expression]:
        """Adds variables and constraints for one segment or more, and returns the weights of the breakpoints."""


def end_weights(f: Piecewise) -> list[tuple[Expression, Expression]]:
    """Two weights per segment, of its left end and of its right end."""

    def left(s: int) -> Callable[[Location], float]:
        return lambda at: 1.0 - at.share if at.segment == s else 0.0

    def right(s: int) -> Callable[[Location], float]:
        return lambda at: at.share if at.segment == s else 0.0

    return [(f.variable(f"l{s}", left(s)), f.variable(f"r{s}", right(s))) for s in range(f.n_segments)]


def of_end_weights(ends: Sequence[tuple[Expression, Expression]]) -> list[Expression]:
    """``w_j = r_j + l_{j+1}``: weights of the breakpoints, from those of the ends of the segments."""
    left, right = [pair[0] for pair in ends], [pair[1] for pair in ends]
    inner = [r + l_next for r, l_next in zip(right[:-1], left[1:], strict=True)]
    return [left[0], *inner, right[-1]]


def n_bits(n: int) -> int:
    """Bits that tell ``n`` things apart: 0 for one."""
    return (n - 1).bit_length()
