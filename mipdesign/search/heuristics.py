"""Incumbents: simulated annealing with restarts, each followed by a descent over pairs of moves (``native/heuristics.h``).

Annealing prices what exceeds a limit, and each price follows how often its limit is exceeded (strategic oscillation, Glover
1977): steep fixed prices would forbid every step but those that keep all budgets at once.

Heuristics only supply cutoffs. The answer of a design run does not depend on them, nor on their seed.
"""

from __future__ import annotations

import ctypes
import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from ..lattice.arrays import Ints
from ..lattice.distinct import distinct
from ..lattice.position import Candidate, Position
from ..lattice.stage_tables import StageTables
from ..lattice.tables import Tables
from ..native.library import function, integers

FIRST_STEPS, MOST_STEPS = 20_000, 400_000
"""Annealing steps of the first restart, and of the longest; each restart takes half as many again. One takes 0.15 us."""
HOT, WARM = 0.03, 2e-3
"""First temperature of annealing, relative to the objective: from a random start, and from a good network."""
RANDOM_STARTS = 5
"""Restarts before the first one from the best network."""
DESCENT_ROUNDS, POLISH_ROUNDS = 1000, 100
"""Most moves of a descent: after annealing, and from a network that a bound pointed at."""
AGAIN, SAME = 4, 1e-9
"""How often random starts lead to the best network before the search ends, and how near to its objective that is."""
CHANNELS, FAMILY, WIDTH, KERNEL, BITS, DEPTH = 0, 1, 2, 3, 4, 5
"""Order of a super-block's coordinates."""


@dataclass(frozen=True, eq=False)
class Moves:
    """The lattice as integer coordinates: a network is a vector ``(stem, then C, family, b, k, bits, L of each element)`` of
    indices.

    Attributes
    ----------
    sizes:
        Number of values of each coordinate, shape ``(1 + 6 elements,)``.
    columns, column_at:
        First column at each ``(C, family, b, k)``, or -1, flattened; and where each super-block's begin. Those with other bits
        follow.
    absent, absent_at:
        For blocks that may be absent, whose depth is 0 or 1, the column where one is, at each ``(C, family, b, k)``; and where
        each element's begin.
    depths, depth_at:
        Depth values, and where each super-block's begin.
    channels, entering, channel_at:
        Channel values, the least and the largest number of channels that each may follow, and where each super-block's begin.
    leader:
        The coordinate whose value each coordinate has: its own, or that of the first super-block it is tied to.
    touched:
        Parts of a network that each leader changes, as bits: the stem is the first, then come the super-blocks. The channels
        change what comes after them as well.
    single:
        Moves of one coordinate: coordinate and step, shape ``(moves, 2)``.
    """

    sizes: Ints
    columns: Ints
    column_at: Ints
    absent: Ints
    absent_at: Ints
    depths: Ints
    depth_at: Ints
    channels: Ints
    entering: Ints
    channel_at: Ints
    leader: Ints
    touched: Ints
    single: Ints

    @cached_property
    def structure(self) -> MovesStructure:
        """What the core reads, as long as this lives."""
        return MovesStructure(*(integers(getattr(self, field.name)) for field in fields(self)), len(self.single))


class MovesStructure(ctypes.Structure):
    """``Moves`` of ``native/heuristics.h``."""

    _fields_ = [*((field.name, ctypes.c_void_p) for field in fields(Moves)), ("n_single", ctypes.c_int64)]


REACH = {CHANNELS: (1, 2, 3, 5, 8), FAMILY: (1,), WIDTH: (1, 2, 3), KERNEL: (1,), BITS: (1, 2, 4), DEPTH: (1, 2)}
"""Steps along each coordinate of a super-block that a descent tries."""
COORDINATES = len(REACH)


TIED = {"channels": CHANNELS, "block": FAMILY, "bottleneck": WIDTH, "kernel": KERNEL, "depth": DEPTH, "presence": DEPTH}
"""Coordinate of each axis of a tie."""


def _axes(tables: Tables) -> list[list[Ints]]:
    """Values of channels, families, widths, kernels and depths of each super-block; tied ones have only what all have, in the
    same order.
    """
    return tables.once("axes", lambda: _find_axes(tables))


def _find_axes(tables: Tables) -> list[list[Ints]]:
    axes = [_axes_of(s) for s in tables.stages]
    for tie in tables.ties:
        kind, stages = TIED[tie.axis], [tables.stages[i] for i in tie.stages]
        if kind == FAMILY:
            names = sorted(set.intersection(*(set(s.blocks) for s in stages)))
            for i, s in zip(tie.stages, stages, strict=True):
                axes[i][kind] = np.array([s.blocks.index(name) for name in names])
        else:
            common = functools.reduce(np.intersect1d, (axes[i][kind] for i in tie.stages))
            for i in tie.stages:
                axes[i][kind] = common
    for i, s in enumerate(tables.stages):
        for kind in _shared(s):
            axes[i][kind] = axes[i - 1][kind]
    return axes


def _axes_of(s: StageTables) -> list[Ints]:
    """Values of one element; a block that may be absent has a depth of 0 or 1."""
    there = np.flatnonzero(s.presence)
    depths = np.array([0, 1]) if s.element.optional else s.depths
    widths, kernels, bits = (distinct(values[there]) for values in (s.b, s.k, s.p))
    return [distinct(s.c), np.arange(len(s.blocks)), widths, kernels, bits, depths]


def _shared(s: StageTables) -> tuple[int, ...]:
    """Coordinates that an element has in common with the one before, which it continues."""
    if not s.element.continues:
        return ()
    return (CHANNELS, FAMILY, WIDTH, KERNEL) if s.element.space.uniform else (CHANNELS, FAMILY)


def _places(axis: Ints, values: Ints) -> Ints:
    """Where values stand on an axis, -1 for those that do not."""
    order = np.argsort(axis)
    at = np.clip(np.searchsorted(axis, values, sorter=order), 0, len(axis) - 1)
    return np.where(axis[order[at]] == values, order[at], -1)


def moves_of(tables: Tables) -> Moves:
    """Coordinates and moves of a space."""
    return tables.once("moves", lambda: _ready(_find_moves(tables)))


def _ready(moves: Moves) -> Moves:
    """Moves with the structure that the core reads, which threads must not make each for itself."""
    _ = moves.structure
    return moves


def _columns_at(s: StageTables, axes: list[Ints]) -> tuple[Ints, Ints]:
    """First column of an element at each place of its axes, or -1; the same for a block that is absent."""
    at = np.full([len(axis) for axis in axes[:BITS]], -1)
    places = np.array([_places(axis, values) for axis, values in zip(axes, (s.c, s.f, s.b, s.k), strict=False)])
    there = np.flatnonzero((places >= 0).all(axis=0) & (s.presence > 0) & (s.p == 0))
    at[tuple(places[:, there])] = there
    without = np.full(at.shape if s.element.optional else (0,) * BITS, -1)
    gone = np.flatnonzero((places[:WIDTH] >= 0).all(axis=0) & (s.presence == 0))
    if s.element.space.uniform and len(gone):
        of_state = np.zeros(s.states[-1] + 1, dtype=np.int64)
        of_state[s.states[gone]] = gone
        without[tuple(places[:, there])] = of_state[s.states[there]]
    elif len(gone):
        without[tuple(places[:WIDTH, gone])] = gone[:, None, None]
    return at, without


def _find_moves(tables: Tables) -> Moves:
    sizes, columns, depths, channels, entering, single = [len(tables.stem_c)], [], [], [], [], [(0, 1), (0, -1)]
    absent: list[Ints] = []
    all_axes = _axes(tables)
    leader = np.arange(1 + COORDINATES * len(all_axes))
    for i, s in enumerate(tables.stages):
        for kind in _shared(s):
            leader[1 + COORDINATES * i + kind] = leader[1 + COORDINATES * (i - 1) + kind]
    for tie in tables.ties:
        of_stages = [1 + COORDINATES * i + TIED[tie.axis] for i in tie.stages]
        leader[np.isin(leader, leader[of_stages])] = leader[of_stages].min()
    touched, end = np.zeros_like(leader), len(all_axes)
    for d, leading in enumerate(leader.tolist()):
        part, enters_next = -(-d // COORDINATES), d == 0 or (d - 1) % COORDINATES == CHANNELS
        touched[leading] |= (1 << part) | (1 << (part + 1) if enters_next and part < end else 0)
    known: dict[tuple[object, ...], tuple[Ints, Ints]] = {}  # super-blocks with the same columns share their arrays
    for i, (s, axes) in enumerate(zip(tables.stages, all_axes, strict=True)):
        key = id(s.c), s.element.has_columns, *(axis.tobytes() for axis in axes[:BITS])
        at, without = known[key] = known[key] if key in known else _columns_at(s, axes)
        absent.append(without.ravel())
        sizes += [*at.shape, len(axes[BITS]), len(axes[DEPTH])]
        columns.append(at.ravel())
        depths.append(axes[DEPTH])
        channels.append(axes[CHANNELS])
        entering.append(s.entering[np.searchsorted(s.channels, axes[CHANNELS])])
        first = 1 + COORDINATES * i
        single += [
            (first + kind, sign * step)
            for kind, steps in REACH.items()
            for step in steps
            for sign in (1, -1)
            if (step < len(axes[kind]) if s.element.is_block else kind == DEPTH or len(axes[kind]) > 1)
            and leader[first + kind] == first + kind
        ]

    def starts(parts: list[Ints]) -> Ints:
        return np.cumsum([0] + [len(part) for part in parts[:-1]])

    return Moves(
        sizes=np.array(sizes),
        columns=np.concatenate(columns),
        column_at=starts(columns),
        absent=np.concatenate(absent),
        absent_at=starts(absent),
        depths=np.concatenate(depths),
        depth_at=starts(depths),
        channels=np.concatenate(channels),
        entering=np.concatenate(entering),
        channel_at=starts(channels),
        leader=leader,
        touched=touched,
        single=np.array(single),
    )


_anneal = function("anneal", "d", "ppiiddbp")
_descend = function("descend", "d", "ppip")


def candidate_at(tables: Tables, vector: Ints, objective: float) -> Candidate:
    """The network of a vector."""
    moves, columns, depths = moves_of(tables), [], []
    place = vector[moves.leader].tolist()
    for i, (column_at, depth_at) in enumerate(zip(moves.column_at, moves.depth_at, strict=True)):
        at, first = 0, 1 + COORDINATES * i
        for d in range(first, first + BITS):
            at = at * int(moves.sizes[d]) + place[d]
        depth, column = (
            int(moves.depths[depth_at + place[first + DEPTH]]),
            int(moves.columns[column_at + at]) + place[first + BITS],
        )
        if depth == 0:
            depth, column = 1, int(moves.absent[moves.absent_at[i] + at])
        columns.append(column)
        depths.append(depth)
    return Candidate(tables.canonical(Position(place[0], tuple(columns), tuple(depths))), objective)


def annealed(tables: Tables, seed: int, steps: int, scale: float, start: Ints | None = None) -> tuple[Ints, float]:
    """Best vector of an annealing run that keeps all budgets, and its objective (``-inf`` if there was none).

    Parameters
    ----------
    scale:
        What the objective is about, from below.
    start:
        Where it begins, at a lower temperature; at random if ``None``.
    """
    best = np.zeros(len(moves_of(tables).sizes), dtype=np.int64) if start is None else start.copy()
    hot = HOT if start is None else WARM
    value = _anneal(*_problem(tables), seed, steps, hot, scale, start is None, integers(best))
    if math.isnan(value):
        raise MemoryError
    return best, value


def descended(tables: Tables, start: Ints, rounds: int) -> tuple[Ints, float]:
    """Vector reached from another one, which may exceed budgets, and its objective (``-inf`` if it exceeds budgets still)."""
    vector = start.copy()
    value = _descend(*_problem(tables), rounds, integers(vector))
    if math.isnan(value):
        raise MemoryError
    return vector, value


def _problem(tables: Tables) -> tuple[int, int]:
    return tables.arrays.address, ctypes.addressof(moves_of(tables).structure)


def _vector(tables: Tables, network: Position) -> Ints | None:
    """Coordinates of a network; ``None`` if the ties leave it none."""
    parts = [np.array([network.stem])]
    for s, axes, j, depth in zip(tables.stages, _axes(tables), network.columns, network.depths, strict=True):
        q = s.stand_in[j]
        values = (s.c[j], s.f[j], s.b[q], s.k[q], s.p[q], depth * s.presence[j])
        parts.append(np.array([_places(axis, np.array(value)) for axis, value in zip(axes, values, strict=True)]))
    vector = np.concatenate(parts)
    return None if (vector < 0).any() else vector


def polish(tables: Tables, start: Position) -> Candidate | None:
    """Best network reached from ``start``, which may exceed budgets; ``None`` if no feasible network is reached."""
    vector = _vector(tables, start)
    if vector is None:
        return None
    vector, value = descended(tables, vector, POLISH_ROUNDS)
    return candidate_at(tables, vector, value) if value > -math.inf else None


def warmed(tables: Tables, start: Candidate, seed: int, restarts: int) -> Candidate:
    """Best network that annealing and descent reach from one that keeps all budgets; a restart takes some milliseconds."""
    best, vector, steps = start, _vector(tables, start.position), FIRST_STEPS
    for restart in range(restarts):
        other, value = annealed(tables, 1000 * seed + restart, steps, max(1.0, abs(best.objective)), vector)
        if value > -math.inf:
            descent, better = descended(tables, other, DESCENT_ROUNDS)
            other, value = (descent, better) if better > value else (other, value)
        if value > best.objective:
            best, vector = candidate_at(tables, other, value), other
        steps = steps * 3 // 2
    return best


def incumbent(tables: Tables, seed: int, seconds: float, found: Callable[[Candidate], None], stop: Callable[[], bool]) -> None:
    """Good incumbents within ``seconds`` of processor time: annealing and descent, restarted with more steps each time.

    After :data:`RANDOM_STARTS` restarts every other one begins at the best network. The search ends sooner where nothing new
    comes: random starts have led to the best network :data:`AGAIN` times.
    """
    deadline, steps, restart, again = time.thread_time() + seconds, FIRST_STEPS, 0, 0
    best, scale = -math.inf, 1000.0
    elite: Ints | None = None
    while not stop():
        start = elite if restart >= RANDOM_STARTS and restart % 2 else None
        vector, value = annealed(tables, 1000 * seed + restart, steps, scale, start)
        if value > -math.inf:
            other, better = descended(tables, vector, DESCENT_ROUNDS)
            if better > value:
                vector, value = other, better
            if math.isclose(value, best, rel_tol=SAME):
                again += start is None
            elif value > best:
                again = 1
            if value > best:
                best, elite, scale = value, vector, max(1.0, abs(value))
                found(candidate_at(tables, vector, value))
        if time.thread_time() > deadline or again >= AGAIN:
            return
        steps, restart = min(MOST_STEPS, steps * 3 // 2), restart + 1
