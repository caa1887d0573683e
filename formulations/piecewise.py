r"""Piecewise-linear functions of one variable as pieces of a linear model, one class per encoding.

Every encoding but :class:`Chords` expresses the same thing in variables of its own: weights ``w_0 .. w_n`` of the breakpoints
``x_0 < ... < x_n`` that are not negative, sum to 1, and of which at most two neighbours are positive. Then ``x = sum x_j w_j``
and ``f(x) = sum f(x_j) w_j`` for any number of functions on the same breakpoints. A weight is a linear expression: in
:class:`Incremental` it is the difference of two neighbouring fillings, for example.

``docs/formulations.md`` compares the encodings.
"""

from __future__ import annotations

import itertools
import math
from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from mipdesign.errors import SpecError
from mipdesign.mip.linear import Kind, LinearModel, Terms

from .parts import Part

Side = Literal["at most", "at least"]
"""Where a one-sided piece keeps its value: at most the function (for what is maximised), or at least."""


class Place(NamedTuple):
    """A point on the axis: the number of its segment, and how far along the segment it is, from 0 to 1."""

    segment: int
    share: float


Rule = Callable[[Place], float]
"""The value of a variable at a point."""


@dataclass
class Piece:
    """Variables and constraints of one argument on sorted breakpoints.

    Attributes
    ----------
    linear:
        The model that it is written into.
    name:
        Prefix of the names in the model.
    points:
        The breakpoints, increasing.
    one:
        A variable that is 1: stands for constants.
    priority:
        Branching priority of its integer variables.
    rules:
        The value of each of its variables at a point, in the order in which they were added.
    weights:
        The weight of each breakpoint.
    """

    linear: LinearModel
    name: str
    points: Sequence[float]
    one: int
    priority: int = 0
    rules: dict[int, Rule] = field(default_factory=dict)
    weights: Sequence[Terms] = ()

    @property
    def n_segments(self) -> int:
        """Number of segments; 0 for a single point."""
        return len(self.points) - 1

    def variable(self, suffix: object, rule: Rule, kind: Kind = "C", lower: float = 0.0, upper: float = 1.0) -> int:
        """Adds a variable."""
        v = self.linear.variable(f"{self.name}_{suffix}", kind, lower, upper, self.priority if kind != "C" else 0)
        self.rules[v] = rule
        return v

    def row(self, suffix: object, terms: Iterable[tuple[int, float]], low: float = -math.inf, high: float = math.inf) -> None:
        """Adds a constraint."""
        self.linear.row(f"{self.name}_{suffix}", terms, low, high)

    def convex_weights(self) -> list[Terms]:
        """Weights that are variables and sum to 1."""
        weights = [[(self.variable(f"w{j}", _weight(j)), 1.0)] for j in range(len(self.points))]
        self.row("one", itertools.chain.from_iterable(weights), 1.0, 1.0)
        return weights

    def argument(self) -> Terms:
        """The argument as a linear expression."""
        return _combined(self.points, self.weights)

    def value(self, values: Sequence[float], side: Side) -> Terms:
        """A function of the argument as a linear expression.

        Parameters
        ----------
        values:
            Its values at the breakpoints.
        side:
            Which side is enough; a piece that is an equation keeps both.
        """
        return _combined(values, self.weights)

    def place(self, x: float) -> Place:
        """Where a value of the argument lies."""
        if not self.n_segments:
            return Place(0, 0.0)
        segment = min(max(bisect_right(self.points, x) - 1, 0), self.n_segments - 1)
        low, high = self.points[segment : segment + 2]
        return Place(segment, (x - low) / (high - low))

    def start(self, x: float) -> dict[int, float]:
        """Values of all its variables for a value of the argument."""
        place = self.place(x)
        return {v: rule(place) for v, rule in self.rules.items()}


class Encoding(Part):
    """A way to write a piecewise-linear function.

    Attributes
    ----------
    is_graph:
        Whether the pairs of argument and value that it admits are the function's graph; if not, it is one side of it.
    """

    claim = "exact"
    is_graph = True

    def encode(self, linear: LinearModel, name: str, points: Sequence[float], one: int, priority: int = 0) -> Piece:
        """Writes an argument between the first breakpoint and the last one.

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
        piece = self.piece(linear, name, points, one, priority)
        piece.weights = [[(one, 1.0)]] if len(points) == 1 else self.weights(piece)
        return piece

    def piece(self, linear: LinearModel, name: str, points: Sequence[float], one: int, priority: int) -> Piece:
        """The empty piece."""
        return Piece(linear, name, points, one, priority)

    @abstractmethod
    def weights(self, piece: Piece) -> Sequence[Terms]:
        """Adds variables and constraints for one segment or more, and returns the weights of the breakpoints."""


# ------------------------------------------------------------------- encodings


class SpecialOrderedSet(Encoding):
    """At most two neighbouring weights are positive: a set that the solver branches on."""

    id = "sos2"
    title = "special ordered set of type 2"
    reference = "Beale, Tomlin, Proc. 5th Int. Conf. Operational Research, 1970 (J. Lawrence, ed.), 447-454"

    def weights(self, piece: Piece) -> Sequence[Terms]:
        weights = piece.convex_weights()
        if piece.n_segments > 1:
            piece.linear.sos2.append(tuple(weight[0][0] for weight in weights))
        return weights


class ConvexCombination(Encoding):
    """A binary per segment, and a weight may be positive only next to the chosen one."""

    id = "cc"
    title = "convex combination, aggregated"
    reference = "Dantzig, Econometrica 28(1), 1960; Vielma, Ahmed, Nemhauser, Operations Research 58(2), 2010, section 3"

    def weights(self, piece: Piece) -> Sequence[Terms]:
        weights, chosen = piece.convex_weights(), _segments(piece)
        for j, weight in enumerate(weights):
            beside = [(v, -c) for terms in chosen[max(j - 1, 0) : j + 1] for v, c in terms]
            piece.row(f"beside{j}", weight + beside, high=0.0)
        return weights


class DisaggregatedConvexCombination(Encoding):
    """Each segment has two weights of its own, which sum to its binary."""

    id = "dcc"
    title = "convex combination, disaggregated"
    reference = "Meyer, Discrete Mathematics 16, 1976; Vielma, Ahmed, Nemhauser, Operations Research 58(2), 2010, section 3"

    def weights(self, piece: Piece) -> Sequence[Terms]:
        pairs = _pairs(piece)
        for s, (pair, segment) in enumerate(zip(pairs, _segments(piece), strict=True)):
            piece.row(f"both{s}", [(pair[0], 1.0), (pair[1], 1.0)] + _negative(segment), 0.0, 0.0)
        return _of_pairs(pairs)


class MultipleChoice(Encoding):
    """Each segment has a copy of the argument, which is 0 unless the segment is chosen."""

    id = "mc"
    title = "multiple choice"
    reference = (
        "Balakrishnan, Graves, Networks 19(2), 1989; Vielma, Ahmed, Nemhauser, Operations Research 58(2), 2010, section 3"
    )

    def weights(self, piece: Piece) -> Sequence[Terms]:
        weights: list[Terms] = [[] for _ in piece.points]
        for s, segment in enumerate(_segments(piece)):
            low, high = piece.points[s : s + 2]

            def copy(p: Place, s: int = s, low: float = low, high: float = high) -> float:
                return low + p.share * (high - low) if p.segment == s else 0.0

            x = piece.variable(f"x{s}", copy, lower=min(low, 0.0), upper=max(high, 0.0))
            piece.row(f"low{s}", [(x, 1.0)] + [(v, -low * c) for v, c in segment], low=0.0)
            piece.row(f"high{s}", [(x, 1.0)] + [(v, -high * c) for v, c in segment], high=0.0)
            length = high - low
            weights[s] += [(v, c * high / length) for v, c in segment] + [(x, -1.0 / length)]
            weights[s + 1] += [(x, 1.0 / length)] + [(v, -c * low / length) for v, c in segment]
        return weights


class Incremental(Encoding):
    """Segments fill up one after the other: one may begin only when the one before it is full."""

    id = "inc"
    title = "incremental (delta)"
    reference = "Markowitz, Manne, Econometrica 25(1), 1957; Padberg, Operations Research Letters 27(1), 2000"

    def weights(self, piece: Piece) -> Sequence[Terms]:
        n = piece.n_segments

        def filled(s: int) -> Rule:
            return lambda p: 1.0 if p.segment > s else p.share if p.segment == s else 0.0

        fill = [piece.variable(f"d{s}", filled(s)) for s in range(n)]
        for s in range(n - 1):
            full = piece.variable(f"y{s}", lambda p, s=s: float(p.segment > s), "B")  # type: ignore[misc]
            piece.row(f"full{s}", [(full, 1.0), (fill[s], -1.0)], high=0.0)
            piece.row(f"next{s}", [(fill[s + 1], 1.0), (full, -1.0)], high=0.0)
        bounds = [[(piece.one, 1.0)]] + [[(v, 1.0)] for v in fill] + [[]]
        return [a + _negative(b) for a, b in itertools.pairwise(bounds)]


class Logarithmic(Encoding):
    """Segments have the codes of a Gray code, and each bit switches off the weights whose segments all have the other bit."""

    id = "log"
    title = "logarithmic (Gray code)"
    reference = "Vielma, Nemhauser, Mathematical Programming 128, 2011"

    def weights(self, piece: Piece) -> Sequence[Terms]:
        weights, n = piece.convex_weights(), piece.n_segments
        codes = [s ^ (s >> 1) for s in range(n)]
        for k in range(_n_bits(n)):
            bit = piece.variable(f"y{k}", lambda p, k=k: float(codes[p.segment] >> k & 1), "B")  # type: ignore[misc]
            beside = [{code >> k & 1 for code in codes[max(j - 1, 0) : j + 1]} for j in range(n + 1)]
            on = [term for weight, bits in zip(weights, beside, strict=True) if bits == {1} for term in weight]
            off = [term for weight, bits in zip(weights, beside, strict=True) if bits == {0} for term in weight]
            piece.row(f"on{k}", on + [(bit, -1.0)], high=0.0)
            piece.row(f"off{k}", off + [(bit, 1.0)], high=1.0)
        return weights


class DisaggregatedLogarithmic(Encoding):
    """Each segment has two weights of its own; the bits of the chosen segment's number are sums of weights."""

    id = "dlog"
    title = "logarithmic, disaggregated"
    reference = (
        "Vielma, Nemhauser, Mathematical Programming 128, 2011; Vielma, Ahmed, Nemhauser, Operations Research 58(2), 2010"
    )

    def weights(self, piece: Piece) -> Sequence[Terms]:
        pairs, n = _pairs(piece), piece.n_segments
        piece.row("one", [(v, 1.0) for pair in pairs for v in pair], 1.0, 1.0)
        for k in range(_n_bits(n)):
            bit = piece.variable(f"y{k}", lambda p, k=k: float(p.segment >> k & 1), "B")  # type: ignore[misc]
            inside = [(v, 1.0) for s, pair in enumerate(pairs) if s >> k & 1 for v in pair]
            piece.row(f"bit{k}", inside + [(bit, -1.0)], 0.0, 0.0)
        return _of_pairs(pairs)


class ZigZagInteger(Encoding):
    """Segments have the codes of a zig-zag curve, whose coordinates are general integers between sums of weights."""

    id = "zzi"
    title = "zig-zag with general integers"
    reference = "Huchette, Vielma, Operations Research 71(5), 2023 (arXiv 1708.00050, 2017), ZZI"

    def weights(self, piece: Piece) -> Sequence[Terms]:
        weights, codes = piece.convex_weights(), _zig_zag(piece.n_segments)
        for k in range(_n_bits(piece.n_segments)):
            coordinate = self._coordinate(piece, codes, k)
            ends = [codes[0], *codes, codes[-1]]
            before = [(v, c * ends[j][k]) for j, weight in enumerate(weights) for v, c in weight]
            after = [(v, c * ends[j + 1][k]) for j, weight in enumerate(weights) for v, c in weight]
            piece.row(f"before{k}", before + _negative(coordinate), high=0.0)
            piece.row(f"after{k}", coordinate + _negative(after), high=0.0)
        return weights

    def _coordinate(self, piece: Piece, codes: Sequence[tuple[int, ...]], k: int) -> Terms:
        most = max(code[k] for code in codes)
        return [(piece.variable(f"y{k}", lambda p: float(codes[p.segment][k]), "I", 0.0, float(most)), 1.0)]


class ZigZagBinary(ZigZagInteger):
    """The zig-zag curve with its coordinates written in the bits of the chosen segment's number."""

    id = "zzb"
    title = "zig-zag with binaries"
    reference = "Huchette, Vielma, Operations Research 71(5), 2023 (arXiv 1708.00050, 2017), ZZB"

    def weights(self, piece: Piece) -> Sequence[Terms]:
        for k in range(_n_bits(piece.n_segments)):
            piece.variable(f"y{k}", lambda p, k=k: float(p.segment >> k & 1), "B")  # type: ignore[misc]
        return super().weights(piece)

    def _coordinate(self, piece: Piece, codes: Sequence[tuple[int, ...]], k: int) -> Terms:
        bits = [v for v in piece.rules if piece.linear.kinds[v] == "B"]
        return [(bits[k], 1.0)] + [(bit, float(2**at)) for at, bit in enumerate(bits[k + 1 :])]


@dataclass
class _ChordPiece(Piece):
    """An argument that is a variable, and functions between which and their secants lies nothing."""

    x: int = -1

    def argument(self) -> Terms:
        return [(self.x, 1.0)]

    def value(self, values: Sequence[float], side: Side) -> Terms:
        """A variable on one side of the secants.

        Raises
        ------
        SpecError
            If the secants are not the envelope: of a function that is not concave ("at most") or not convex ("at least").
        """
        slopes = [
            (b - a) / (high - low)
            for (low, high), (a, b) in zip(itertools.pairwise(self.points), itertools.pairwise(values), strict=True)
        ]
        sign, tolerance = (1.0 if side == "at most" else -1.0), 1e-12 * max(map(abs, slopes), default=0.0)
        if any(sign * (after - before) > tolerance for before, after in itertools.pairwise(slopes)):
            shape = "concave" if side == "at most" else "convex"
            raise SpecError("formulation", f"secants bound a function from one side only where it is {shape}", "use 'inc'")
        number = len(self.rules)

        def value(p: Place) -> float:
            return values[p.segment] + p.share * (values[p.segment + 1] - values[p.segment])

        y = self.variable(f"f{number}", value, lower=min(values), upper=max(values))
        for s, slope in enumerate(slopes):
            bound = values[s] - slope * self.points[s]
            terms = [(y, 1.0), (self.x, -slope)]
            if side == "at most":
                self.row(f"f{number}_{s}", terms, high=bound)
            else:
                self.row(f"f{number}_{s}", terms, low=bound)
        return [(y, 1.0)]


class Chords(Encoding):
    """The secants between neighbouring breakpoints as bounds, without binaries: for concave functions that are maximised, and
    convex ones that are minimised.
    """

    id = "chords"
    title = "secants as bounds, no binaries; where the function is concave and wanted large, or convex and wanted small"
    reference = "Epigraph of a convex piecewise-linear function: Boyd, Vandenberghe, Convex Optimization, 2004, section 4.3.1"
    is_graph = False

    def encode(self, linear: LinearModel, name: str, points: Sequence[float], one: int, priority: int = 0) -> Piece:
        piece = super().encode(linear, name, points, one, priority)
        return piece if len(points) > 1 else Piece(linear, name, points, one, weights=piece.weights)

    def piece(self, linear: LinearModel, name: str, points: Sequence[float], one: int, priority: int) -> Piece:
        return _ChordPiece(linear, name, points, one, priority)

    def weights(self, piece: Piece) -> Sequence[Terms]:
        """The argument; there are no weights."""
        assert isinstance(piece, _ChordPiece)
        points = piece.points

        def argument(p: Place) -> float:
            return points[p.segment] + p.share * (points[p.segment + 1] - points[p.segment])

        piece.x = piece.variable("x", argument, lower=points[0], upper=points[-1])
        return ()


# --------------------------------------------------------------------- helpers


def _weight(j: int) -> Rule:
    """Weight of a breakpoint."""
    return lambda p: 1.0 - p.share if p.segment == j else p.share if p.segment == j - 1 else 0.0


def _combined(values: Iterable[float], weights: Sequence[Terms]) -> Terms:
    collected: dict[int, float] = {}
    for value, weight in zip(values, weights, strict=True):
        for v, c in weight:
            collected[v] = collected.get(v, 0.0) + value * c
    return [(v, c) for v, c in collected.items() if c]


def _negative(terms: Mapping[int, float] | Terms) -> Terms:
    return [(v, -c) for v, c in (terms.items() if isinstance(terms, Mapping) else terms)]


def _segments(piece: Piece) -> list[Terms]:
    """A binary per segment, of which one is 1; a single segment needs none."""
    if piece.n_segments == 1:
        return [[(piece.one, 1.0)]]
    chosen = [piece.variable(f"z{s}", lambda p, s=s: float(p.segment == s), "B") for s in range(piece.n_segments)]  # type: ignore[misc]
    piece.row("choice", [(v, 1.0) for v in chosen], 1.0, 1.0)
    return [[(v, 1.0)] for v in chosen]


def _pairs(piece: Piece) -> list[tuple[int, int]]:
    """Two weights per segment, of its left end and of its right end."""

    def left(s: int) -> Rule:
        return lambda p: 1.0 - p.share if p.segment == s else 0.0

    def right(s: int) -> Rule:
        return lambda p: p.share if p.segment == s else 0.0

    return [(piece.variable(f"l{s}", left(s)), piece.variable(f"r{s}", right(s))) for s in range(piece.n_segments)]


def _of_pairs(pairs: Sequence[tuple[int, int]]) -> list[Terms]:
    """Weights of the breakpoints, from those of the segments."""
    weights: list[Terms] = [[] for _ in range(len(pairs) + 1)]
    for s, (left, right) in enumerate(pairs):
        weights[s].append((left, 1.0))
        weights[s + 1].append((right, 1.0))
    return weights


def _n_bits(n: int) -> int:
    """Bits that tell ``n`` things apart: 0 for one."""
    return (n - 1).bit_length()


def _zig_zag(n: int) -> list[tuple[int, ...]]:
    """The first ``n`` points of the zig-zag curve (Huchette, Vielma, section 4): each half repeats the one before, shifted."""
    codes: list[tuple[int, ...]] = [()]
    for _ in range(_n_bits(n)):
        last = codes[-1]
        shifted = [(*(a + b for a, b in zip(code, last, strict=True)), 1) for code in codes]
        codes = [(*code, 0) for code in codes] + shifted
    return codes[:n]
