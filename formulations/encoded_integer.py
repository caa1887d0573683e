"""Integers on a lattice: a variable for the index, and the number and functions of it piecewise linear in the index."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from mipdesign.lattice.arrays import Floats
from mipdesign.lattice.position import Position
from mipdesign.mip.expressions import Expression, dot, linear_sum
from mipdesign.mip.start_values import ValueRule

from .breakpoints.breakpoints import Breakpoints
from .encodings.encoding import Encoding, Side
from .encodings.incremental import Incremental
from .model_builder import ModelBuilder


@dataclass
class EncodedInteger:
    """A number of the network that lies on a lattice, and functions of it.

    Attributes
    ----------
    model, name:
        Where it is written, and the prefix of its names.
    values:
        The lattice, increasing.
    index:
        Index of the number in the lattice.
    number:
        The number itself.
    weights:
        For each lattice point an expression that is 1 there and 0 elsewhere, where the index is integral; empty where the
        encoding gives none.
    logs, squares:
        What stands for the logarithm and the square at each lattice point, shape ``(values,)``.
    log, square:
        The same as expressions; the square only where it is wanted.
    functions:
        Further functions, which are exact at every lattice point.
    exact_at:
        Values at which all functions are exact, if they are anywhere.
    breakpoints, breakpoint_weights, breakpoint_logs:
        Where the number is between breakpoints: these, their weights, and what stands for the logarithm there. Empty where
        there are weights at every lattice point, or none at all.
    """

    model: ModelBuilder
    name: str
    values: tuple[int, ...]
    index: Expression
    number: Expression
    weights: Sequence[Expression]
    priority: int
    logs: Floats
    squares: Floats
    exact_at: frozenset[int]
    log: Expression = field(init=False)
    square: Expression | None = None
    functions: tuple[Expression, ...] = ()
    breakpoints: tuple[float, ...] = ()
    breakpoint_weights: Sequence[Expression] = ()
    breakpoint_logs: Floats = field(default_factory=lambda: np.zeros(0))
    _cached: dict[str, list[Expression]] = field(default_factory=dict)

    def function(self, values: Sequence[float] | Floats) -> Expression:
        """A function of the lattice points as an expression, exact at each of them."""
        low, high = float(min(values)), float(max(values))
        if low == high:
            return self.model.constant(low)
        return dot(values, self.one_hot()).within(low, high)

    def cached(self, key: str, write: Callable[[], list[Expression]]) -> list[Expression]:
        """Expressions that are written once."""
        if key not in self._cached:
            self._cached[key] = write()
        return self._cached[key]

    def one_hot(self) -> list[Expression]:
        """For each lattice point, what is 1 there: the weights, or binaries where there are none."""
        return list(self.weights) or self.cached("hot", self._binaries)

    def _binaries(self) -> list[Expression]:
        model, n = self.model, len(self.values)
        z = [model.variable(f"{self.name}_is{j}", "B", priority=self.priority, value=self.is_index({j})) for j in range(n)]
        model.add(f"{self.name}_hot", linear_sum(z) == 1.0)
        model.add(f"{self.name}_at", dot(range(n), z) == self.index)
        return z

    def is_index(self, indices: set[int]) -> ValueRule:
        """Whether the index is one of these."""
        return lambda network: float(round(network.of(self.index)) in indices)


def encode_integer(
    model: ModelBuilder,
    name: str,
    values: Sequence[int],
    read: Callable[[Position], int],
    priority: int,
    encoding: Encoding,
    breakpoints: Breakpoints,
    functions: Sequence[Sequence[int]] = (),
    square: bool = False,
    weighted: bool = False,
) -> EncodedInteger:
    """An integer on a lattice.

    The number and the ``functions`` are piecewise linear in its index, with breakpoints where their step changes; steps that
    never change need no binary. Where there is a breakpoint at every lattice point, one encoding holds everything.

    Parameters
    ----------
    read:
        The number in a network.
    functions:
        Functions with integer values that have to be exact, each of shape ``(values,)``.
    square:
        Whether the square is wanted.
    weighted:
        Whether weights are needed at every lattice point.
    """
    n, lattice = len(values), tuple(int(v) for v in values)
    chosen = breakpoints.indices(lattice)
    points, at_points = breakpoints.points(lattice, square), breakpoints.logs(lattice, square)
    x = EncodedInteger(
        model=model,
        name=name,
        values=lattice,
        index=model.constant(0.0),
        number=model.constant(lattice[0]),
        weights=[model.one],
        priority=priority,
        logs=np.interp(lattice, points, at_points),
        squares=np.interp(lattice, breakpoints.points(lattice), breakpoints.squares(lattice)),
        exact_at=frozenset(lattice[j] for j in chosen),
    )
    if n == 1:
        x.log, x.square, x.functions = x.function(x.logs), x.function(x.squares), tuple(x.function(f) for f in functions)
        return x
    x.index = model.variable(
        f"{name}_place", "I", 0.0, n - 1.0, priority + 1, lambda network: float(lattice.index(read(network.position)))
    )
    every = weighted or (encoding.is_graph and len(chosen) == n)
    at = list(range(n)) if every else _bends([lattice, *functions])
    of_index = (encoding if encoding.is_graph else Incremental()).encode(model, name, at, x.index, priority)
    of_index.link()

    def exact(f: Sequence[int]) -> Expression:
        return dot([float(f[j]) for j in at], of_index.weights).within(float(min(f)), float(max(f)))

    x.number, x.weights = model.equal_to(f"{name}_number", exact(lattice)), of_index.weights if every else ()
    x.functions = tuple(exact(f) for f in functions)
    if every:
        x.log, x.square = x.function(x.logs), x.function(x.squares) if square else None
        return x
    of_number = encoding.encode(model, f"{name}_f", points.tolist(), x.number, priority)

    def approximate(at_each: Iterable[float], side: Side) -> Expression:
        ends = [float(f) for f in at_each]
        return of_number.value(ends, side).within(ends[0], ends[-1])

    x.log = approximate(at_points, "at most")
    x.square = approximate(breakpoints.squares(lattice), "at least") if square else None
    of_number.link()
    if encoding.is_graph:
        x.breakpoints, x.breakpoint_weights = tuple(points.tolist()), of_number.weights
        x.breakpoint_logs = at_points
    return x


def _bends(functions: Sequence[Sequence[int]]) -> list[int]:
    """First and last index, and those where the step of some function changes."""
    n = len(functions[0])
    return [0] + [j for j in range(1, n - 1) if any(f[j + 1] - f[j] != f[j] - f[j - 1] for f in functions)] + [n - 1]
