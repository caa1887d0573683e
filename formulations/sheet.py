"""A linear model under construction that knows the value of each of its variables in a network, and integers on a lattice.

Values are found in the order in which the variables are added: the rule of a variable reads those before it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from mipdesign.lattice.arrays import Floats
from mipdesign.lattice.position import Position
from mipdesign.mip.linear import Kind, LinearModel, Terms

from .breakpoints import Breakpoints
from .piecewise import Encoding, Incremental, Piece, Side


@dataclass
class Point:
    """A network, and the values of the variables that are known so far."""

    position: Position
    values: list[float]

    def of(self, terms: Terms) -> float:
        """Value of a linear expression."""
        return math.fsum(c * self.values[v] for v, c in terms)


Rule = Callable[[Point], float]
"""The value of a variable in a network."""


@dataclass(frozen=True)
class Bounded:
    """A linear expression between two bounds."""

    terms: Terms
    low: float
    high: float

    def times(self, factor: float) -> Bounded:
        """A multiple of it."""
        low, high = sorted((self.low * factor, self.high * factor))
        return Bounded([(v, c * factor) for v, c in self.terms], low, high)

    def plus(self, other: Bounded) -> Bounded:
        """The sum of two."""
        return Bounded(self.terms + other.terms, self.low + other.low, self.high + other.high)


class Sheet:
    """Variables, constraints and rules."""

    def __init__(self) -> None:
        self.linear = LinearModel()
        self.rules: list[Rule] = []
        self.one = self.variable("one", lambda _: 1.0, lower=1.0)

    def variable(
        self, name: str, rule: Rule, kind: Kind = "C", lower: float = 0.0, upper: float = 1.0, priority: int = 0
    ) -> int:
        """Adds a variable."""
        self.rules.append(rule)
        return self.linear.variable(name, kind, lower, upper, priority)

    def row(self, name: str, terms: Iterable[tuple[int, float]], low: float = -math.inf, high: float = math.inf) -> None:
        """Adds a constraint."""
        self.linear.row(name, terms, low, high)

    def constant(self, value: float) -> Bounded:
        """A number as an expression."""
        return Bounded([(self.one, value)], value, value)

    def named(self, name: str, value: Bounded) -> Bounded:
        """A variable that equals an expression."""
        if value.low == value.high:
            return self.constant(value.low)
        v = self.variable(name, lambda p: p.of(value.terms), lower=value.low, upper=value.high)
        self.row(f"is_{name}", value.terms + [(v, -1.0)], 0.0, 0.0)
        return Bounded([(v, 1.0)], value.low, value.high)

    def encoded(
        self,
        encoding: Encoding,
        name: str,
        points: Sequence[float],
        argument: Terms,
        priority: int,
        write: Callable[[Piece], None],
    ) -> Piece:
        """A piece whose argument is an expression.

        Parameters
        ----------
        write:
            Takes the values that are wanted from the piece, so that all its variables are known.
        """
        piece = encoding.encode(self.linear, name, points, self.one, priority)
        write(piece)
        for v, rule in piece.rules.items():
            assert v == len(self.rules)
            self.rules.append(lambda p, rule=rule: rule(piece.place(p.of(argument))))  # type: ignore[misc]
        if len(points) > 1:
            self.row(f"arg_{name}", piece.argument() + [(v, -c) for v, c in argument], 0.0, 0.0)
        return piece

    def values(self, position: Position) -> list[float]:
        """Values of all variables for a network."""
        point = Point(position, [])
        for rule in self.rules:
            point.values.append(rule(point))
        return point.values


@dataclass
class Axis:
    """A number of the network that lies on a lattice: an integer variable for its place there, and functions of it.

    Attributes
    ----------
    sheet, name:
        Where it is written, and the prefix of its names.
    values:
        The lattice, increasing.
    place:
        Place of the number in the lattice.
    number:
        The number itself.
    weights:
        For each lattice point an expression that is 1 there and 0 elsewhere, where the place is integral; empty where the
        encoding gives none.
    knots, knot_weights:
        Where the number is between breakpoints: these, and their weights. Empty where there are weights at every lattice point,
        or none at all.
    """

    sheet: Sheet
    name: str
    values: tuple[int, ...]
    place: Bounded
    number: Bounded
    weights: Sequence[Terms]
    priority: int
    knots: tuple[float, ...] = ()
    knot_weights: Sequence[Terms] = ()
    _cached: dict[str, list[Terms]] = field(default_factory=dict)

    def function(self, values: Sequence[float] | Floats) -> Bounded:
        """A function of the lattice points as an expression; the axis must have weights or a function that is constant."""
        low, high = float(min(values)), float(max(values))
        if low == high:
            return self.sheet.constant(low)
        return Bounded(_dot(values, self.weights), low, high)

    def cached(self, key: str, write: Callable[[], list[Terms]]) -> list[Terms]:
        """Expressions that are written once."""
        if key not in self._cached:
            self._cached[key] = write()
        return self._cached[key]

    def hot(self) -> list[Terms]:
        """For each lattice point, what is 1 there: the weights, or binaries where there are none."""
        return list(self.weights) or self.cached("hot", self._binaries)

    def _binaries(self) -> list[Terms]:
        sheet, n = self.sheet, len(self.values)
        hot = [[(sheet.variable(f"{self.name}_z{j}", self.is_place({j}), "B", priority=self.priority), 1.0)] for j in range(n)]
        sheet.row(f"{self.name}_hot", itertools.chain.from_iterable(hot), 1.0, 1.0)
        sheet.row(f"{self.name}_at", _dot(range(n), hot) + [(v, -c) for v, c in self.place.terms], 0.0, 0.0)
        return hot

    def is_place(self, places: set[int]) -> Rule:
        """Whether the place is one of these."""
        return lambda p: float(round(p.of(self.place.terms)) in places)


@dataclass(frozen=True)
class Functions:
    """An axis with what the formulation asks of it.

    Attributes
    ----------
    axis:
        The number.
    logs, squares:
        What stands for the logarithm and the square at each lattice point, shape ``(values,)``.
    knot_logs:
        What stands for the logarithm at the knots of the axis.
    places:
        Lattice points at which all functions are exact, if they are anywhere.
    log, square:
        The same as expressions; the square only where it is wanted.
    exact:
        Further functions that are exact at every lattice point.
    """

    axis: Axis
    logs: Floats
    squares: Floats
    log: Bounded
    square: Bounded | None
    exact: tuple[Bounded, ...]
    places: Sequence[int]
    knot_logs: Floats


def write_axis(
    sheet: Sheet,
    name: str,
    values: Sequence[int],
    read: Callable[[Position], int],
    priority: int,
    encoding: Encoding,
    breakpoints: Breakpoints,
    exact: Sequence[Sequence[int]] = (),
    square: bool = False,
    weighted: bool = False,
) -> Functions:
    """An integer on a lattice.

    The number and the ``exact`` functions are piecewise linear in its place, with breakpoints where their step changes; steps
    that never change need no binary. Where the functions have a breakpoint at every lattice point, one piece holds them all.

    Parameters
    ----------
    read:
        The number in a network.
    exact:
        Functions with integer values, each of shape ``(values,)``.
    square:
        Whether the square is wanted.
    weighted:
        Whether weights are needed at every lattice point.
    """
    n, lattice = len(values), tuple(int(v) for v in values)
    places = breakpoints.places(lattice)
    points, knot_logs = breakpoints.points(lattice, square), breakpoints.logs(lattice, square)
    logs = np.interp(lattice, points, knot_logs)
    squares = np.interp(lattice, breakpoints.points(lattice), breakpoints.squares(lattice))
    where = {value: j for j, value in enumerate(lattice)}
    if n == 1:
        axis = Axis(sheet, name, lattice, sheet.constant(0.0), sheet.constant(lattice[0]), [[(sheet.one, 1.0)]], priority)
    else:
        v = sheet.variable(f"{name}_place", lambda p: float(where[read(p.position)]), "I", 0.0, n - 1.0, priority + 1)
        place = Bounded([(v, 1.0)], 0.0, n - 1.0)
        graph = encoding if encoding.is_graph else Incremental()
        everywhere = weighted or (encoding.is_graph and len(places) == n)
        knots = list(range(n)) if everywhere else _knots([lattice, *exact])
        piece = sheet.encoded(graph, name, knots, place.terms, priority, lambda piece: None)
        number = Bounded(_dot([lattice[j] for j in knots], piece.weights), lattice[0], lattice[-1])
        number = sheet.named(f"{name}_number", number)
        axis = Axis(sheet, name, lattice, place, number, piece.weights if everywhere else (), priority)
        functions = tuple(
            Bounded(_dot([float(f[j]) for j in knots], piece.weights), float(min(f)), float(max(f))) for f in exact
        )
    if axis.weights:
        one_piece = tuple(axis.function(f) for f in exact) if n == 1 else functions
        return Functions(axis, logs, squares, axis.function(logs), axis.function(squares), one_piece, places, knot_logs)
    found: list[Bounded] = []

    def write(piece: Piece) -> None:
        sides: list[tuple[Floats, Side]] = [(knot_logs, "at most")]
        sides += [(breakpoints.squares(lattice), "at least")] * square
        found.extend(Bounded(piece.value([float(x) for x in f], side), float(f[0]), float(f[-1])) for f, side in sides)

    functions_piece = sheet.encoded(encoding, f"{name}_f", points.tolist(), axis.number.terms, priority, write)
    if encoding.is_graph:
        axis.knots, axis.knot_weights = tuple(points.tolist()), functions_piece.weights
    return Functions(axis, logs, squares, found[0], found[1] if square else None, functions, places, knot_logs)


def _knots(functions: Sequence[Sequence[int]]) -> list[int]:
    """First and last place, and those where the step of some function changes."""
    n = len(functions[0])
    return [0] + [j for j in range(1, n - 1) if any(f[j + 1] - f[j] != f[j] - f[j - 1] for f in functions)] + [n - 1]


def _dot(values: Iterable[float], weights: Sequence[Terms]) -> Terms:
    collected: dict[int, float] = {}
    for value, weight in zip(values, weights, strict=True):
        for v, c in weight:
            collected[v] = collected.get(v, 0.0) + float(value) * c
    return [(v, c) for v, c in collected.items() if c]
