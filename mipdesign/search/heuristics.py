"""Incumbents: simulated annealing with restarts, each followed by a descent over pairs of moves; compiled.

Heuristics only supply cutoffs. The answer of a design run does not depend on them, nor on their seed.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..compiled import compiled
from ..lattice.arrays import Arrays, Floats, Ints
from ..lattice.batch import evaluate_one
from ..lattice.position import Candidate, Position
from ..lattice.tables import Tables

FIRST_STEPS, MOST_STEPS = 20_000, 400_000
"""Annealing steps of the first restart, and of the longest; each restart takes half as many again."""
HOT, COLD = 0.03, 2e-5
"""First and last temperature, relative to the objective."""
STRICTNESS = 4.0
"""Price of exceeding one budget by its whole limit, relative to the objective."""
DESCENT_ROUNDS, POLISH_ROUNDS = 100, 20
"""Most moves of a descent: after annealing, and from a network that a bound pointed at. A round takes one to two ms."""
STARTS = 1000
"""Random starts of which the first one on the lattice is taken: with ties few of them are."""
SAMPLES = 20_000
"""Moves of three and four coordinates that a descent samples before it ends."""
CHANNELS, FAMILY, WIDTH, KERNEL, DEPTH = 0, 1, 2, 3, 4
"""Order of a super-block's coordinates."""


class Moves(NamedTuple):
    """The lattice as integer coordinates: a network is a vector ``(stem, then C, family, b, k, L of each super-block)`` of
    indices.

    Attributes
    ----------
    sizes:
        Number of values of each coordinate, shape ``(1 + 5 super_blocks,)``.
    columns, column_at:
        Column at each ``(C, family, b, k)``, or -1, flattened; and where each super-block's begin.
    depths, depth_at:
        Depth values, and where each super-block's begin.
    channels, entering, channel_at:
        Channel values, the least and the largest number of channels that each may follow, and where each super-block's begin.
    leader:
        The coordinate whose value each coordinate has: its own, or that of the first super-block it is tied to.
    single:
        Moves of one coordinate: coordinate and step, shape ``(moves, 2)``.
    """

    sizes: Ints
    columns: Ints
    column_at: Ints
    depths: Ints
    depth_at: Ints
    channels: Ints
    entering: Ints
    channel_at: Ints
    leader: Ints
    single: Ints


REACH = {CHANNELS: (1, 2, 3, 5, 8), FAMILY: (1,), WIDTH: (1, 2, 3), KERNEL: (1,), DEPTH: (1, 2)}
"""Steps along each coordinate of a super-block that a descent tries."""
COORDINATES = len(REACH)


TIED = {"channels": CHANNELS, "block": FAMILY, "bottleneck": WIDTH, "kernel": KERNEL, "depth": DEPTH}
"""Coordinate of each axis of a tie."""


def _axes(tables: Tables) -> list[list[Ints]]:
    """Values of channels, families, widths, kernels and depths of each super-block; tied ones have only what all have, in the
    same order.
    """
    return tables.once("axes", lambda: _find_axes(tables))


def _find_axes(tables: Tables) -> list[list[Ints]]:
    axes = [[np.unique(s.c), np.arange(len(s.blocks)), np.unique(s.b), np.unique(s.k), s.depths] for s in tables.stages]
    for tie in tables.problem.tied:
        kind, stages = TIED[tie.axis], [tables.stages[i] for i in tie.stages]
        if kind == FAMILY:
            names = sorted(set.intersection(*(set(s.blocks) for s in stages)))
            for i, s in zip(tie.stages, stages, strict=True):
                axes[i][kind] = np.array([s.blocks.index(name) for name in names])
        else:
            common = functools.reduce(np.intersect1d, (axes[i][kind] for i in tie.stages))
            for i in tie.stages:
                axes[i][kind] = common
    return axes


def _places(axis: Ints, values: Ints) -> Ints:
    """Where values stand on an axis, -1 for those that do not."""
    order = np.argsort(axis)
    at = np.clip(np.searchsorted(axis, values, sorter=order), 0, len(axis) - 1)
    return np.where(axis[order[at]] == values, order[at], -1)


def moves_of(tables: Tables) -> Moves:
    """Coordinates and moves of a space."""
    return tables.once("moves", lambda: _find_moves(tables))


def _find_moves(tables: Tables) -> Moves:
    sizes, columns, depths, channels, entering, single = [len(tables.stem_c)], [], [], [], [], [(0, 1), (0, -1)]
    all_axes = _axes(tables)
    leader = np.arange(1 + COORDINATES * len(all_axes))
    for tie in tables.problem.tied:
        of_stages = [1 + COORDINATES * i + TIED[tie.axis] for i in tie.stages]
        leader[of_stages] = of_stages[0]
    for i, (s, axes) in enumerate(zip(tables.stages, all_axes, strict=True)):
        at = np.full([len(axis) for axis in axes[:DEPTH]], -1)
        places = np.array([_places(axis, values) for axis, values in zip(axes, (s.c, s.f, s.b, s.k), strict=False)])
        there = np.flatnonzero((places >= 0).all(axis=0))
        at[tuple(places[:, there])] = there
        sizes += [*at.shape, len(axes[DEPTH])]
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
            if (kind == DEPTH or len(axes[kind]) > 1) and leader[first + kind] == first + kind
        ]

    def starts(parts: list[Ints]) -> Ints:
        return np.cumsum([0] + [len(part) for part in parts[:-1]])

    return Moves(
        sizes=np.array(sizes),
        columns=np.concatenate(columns),
        column_at=starts(columns),
        depths=np.concatenate(depths),
        depth_at=starts(depths),
        channels=np.concatenate(channels),
        entering=np.concatenate(entering),
        channel_at=starts(channels),
        leader=leader,
        single=np.array(single),
    )


class Scratch(NamedTuple):
    """Working space of one evaluation: columns, depths, counts, and ``sum log w`` and layers of each prefix."""

    columns: Ints
    depths: Ints
    counts: Floats
    logs: Floats
    layers: Ints


@compiled
def _scratch(m: int, budgets: int, stages: int) -> Scratch:
    return Scratch(
        np.empty(m, np.int64), np.empty(m, np.int64), np.empty(budgets), np.empty(stages), np.empty(stages, np.int64)
    )


@compiled
def _place(moves: Moves, vector: Ints, scratch: Scratch) -> bool:
    """Writes columns and depths of a vector; whether it is on the lattice."""
    for d in range(len(vector)):
        value = vector[moves.leader[d]]
        if value < 0 or value >= moves.sizes[d]:
            return False
    for i in range(len(scratch.columns)):
        first, at = 1 + COORDINATES * i, 0
        for d in range(first, first + DEPTH):
            at = at * moves.sizes[d] + vector[moves.leader[d]]
        scratch.columns[i] = moves.columns[moves.column_at[i] + at]
        if scratch.columns[i] < 0:
            return False
        scratch.depths[i] = moves.depths[moves.depth_at[i] + vector[moves.leader[first + DEPTH]]]
    return True


@compiled
def _merit(arrays: Arrays, moves: Moves, vector: Ints, scale: float, scratch: Scratch) -> tuple[float, float]:
    """Objective less the price of every excess, and the excess; ``-inf`` off the lattice or where the chain breaks."""
    if not _place(moves, vector, scratch):
        return -np.inf, np.inf
    objective, linked = evaluate_one(
        arrays, vector[0], scratch.columns, scratch.depths, scratch.counts, scratch.logs, scratch.layers
    )
    if not linked:
        return -np.inf, np.inf
    excess = 0.0
    for b in range(len(arrays.limits)):
        excess += max(0.0, (scratch.counts[b] - arrays.limits[b]) / max(abs(arrays.limits[b]), 1.0))
    worst = 0.0
    for j in arrays.rho_stages:
        n = scratch.layers[j]
        worst = max(worst, n / (np.exp(scratch.logs[j] / n) * arrays.rho) - 1.0)
    excess += worst
    return objective - STRICTNESS * scale * excess, excess


@compiled
def _descend(arrays: Arrays, moves: Moves, vector: Ints, scale: float, rounds: int, samples: int) -> tuple[Ints, float, float]:
    """Best vector reached in so many rounds by moves of one and two coordinates, and by sampled ones of three and four."""
    n, single = len(vector), moves.single
    scratch = _scratch((n - 1) // COORDINATES, len(arrays.limits), len(arrays.weights))
    current, trial = vector.copy(), vector.copy()
    merit, excess = _merit(arrays, moves, current, scale, scratch)
    least = 1e-9 * scale
    for _ in range(rounds):
        best_first, best_second, best = -1, -1, merit + least
        for f in range(len(single)):
            trial[single[f, 0]] += single[f, 1]
            for s in range(f, len(single)):
                if s > f:
                    trial[single[s, 0]] += single[s, 1]
                value, _ = _merit(arrays, moves, trial, scale, scratch)
                if value > best:
                    best_first, best_second, best = f, s, value
                if s > f:
                    trial[single[s, 0]] -= single[s, 1]
            trial[single[f, 0]] -= single[f, 1]
        if best_first < 0:
            better = False
            for _ in range(samples):
                trial[:] = current
                for _ in range(np.random.randint(3, 5)):
                    q = np.random.randint(0, len(single))
                    trial[single[q, 0]] += single[q, 1]
                value, _ = _merit(arrays, moves, trial, scale, scratch)
                if value > merit + least:
                    better = True
                    break
            if not better:
                break
            current[:] = trial
        else:
            current[single[best_first, 0]] += single[best_first, 1]
            if best_second > best_first:
                current[single[best_second, 0]] += single[best_second, 1]
            trial[:] = current
        merit, excess = _merit(arrays, moves, current, scale, scratch)
    return current, merit, excess


@compiled
def _start(arrays: Arrays, moves: Moves, m: int) -> Ints:
    """A random vector of small depths whose channels follow one another, and whose widths the lattice has."""
    vector = np.zeros(1 + COORDINATES * m, np.int64)
    vector[0] = np.random.randint(0, moves.sizes[0])
    before = arrays.stem_c[vector[0]]
    for i in range(m):
        at = 1 + COORDINATES * i
        channels = moves.channels[moves.channel_at[i] : moves.channel_at[i] + moves.sizes[at]]
        entering = moves.entering[moves.channel_at[i] : moves.channel_at[i] + moves.sizes[at]]
        first = 0
        while first < len(channels) - 1 and before > entering[first, 1]:
            first += 1
        stop = first + 1
        while stop < len(channels) and before >= entering[stop, 0]:
            stop += 1
        vector[at] = first + np.random.randint(0, max(1, (stop - first) // 2))
        before = channels[vector[at]]
        vector[at + DEPTH] = np.random.randint(0, min(3, moves.sizes[at + DEPTH]))
        n = moves.sizes[at + FAMILY] * moves.sizes[at + WIDTH] * moves.sizes[at + KERNEL]
        start = np.random.randint(0, n)
        for k in range(n):
            place = (start + k) % n
            if moves.columns[moves.column_at[i] + vector[at] * n + place] >= 0:
                vector[at + KERNEL] = place % moves.sizes[at + KERNEL]
                place //= moves.sizes[at + KERNEL]
                vector[at + WIDTH], vector[at + FAMILY] = place % moves.sizes[at + WIDTH], place // moves.sizes[at + WIDTH]
                break
    return vector


@compiled
def _anneal(arrays: Arrays, moves: Moves, steps: int, seed: int, scale: float) -> tuple[Ints, float]:
    """Best vector of an annealing run that keeps all budgets, and its objective (``-inf`` if there was none)."""
    np.random.seed(seed)
    m = len(moves.column_at)
    scratch = _scratch(m, len(arrays.limits), len(arrays.weights))
    merit = -np.inf
    for _ in range(STARTS):
        current = _start(arrays, moves, m)
        merit, _ = _merit(arrays, moves, current, scale, scratch)
        if merit > -np.inf:
            break
    trial, best, best_value = current.copy(), current.copy(), -np.inf
    for step in range(steps):
        temperature = scale * HOT * (COLD / HOT) ** (step / steps)
        trial[:] = current
        if np.random.random() < 0.2:  # channels of neighbours together: the chain rule ties them
            first = np.random.randint(0, m)
            last = np.random.randint(first, m)
            shift = np.random.randint(1, 9) * (1 if np.random.random() < 0.5 else -1)
            for i in range(first, last + 1):
                trial[1 + COORDINATES * i] += shift
        else:
            for _ in range(np.random.randint(1, 4)):
                q = np.random.randint(0, len(moves.single))
                trial[moves.single[q, 0]] += moves.single[q, 1]
        value, excess = _merit(arrays, moves, trial, scale, scratch)
        if value == -np.inf:
            continue
        if value >= merit or np.random.random() < np.exp((value - merit) / temperature):
            current[:] = trial
            merit = value
            if excess <= 0.0 and value > best_value:
                best_value = value
                best[:] = trial
            objective = value + STRICTNESS * scale * excess
            if objective > scale:  # prices grow with what they have to outweigh
                scale = objective
                merit = objective - STRICTNESS * scale * excess
    return best, best_value


def _candidate(tables: Tables, moves: Moves, vector: Ints, objective: float) -> Candidate:
    m = len(tables.stages)
    scratch = _scratch(m, 0, 0)
    _place(moves, vector, scratch)
    return Candidate(Position(int(vector[0]), tuple(scratch.columns.tolist()), tuple(scratch.depths.tolist())), objective)


def polish(tables: Tables, start: Position) -> Candidate | None:
    """Best network reached from ``start``, which may exceed budgets; ``None`` if no feasible network is reached."""
    moves, parts = moves_of(tables), [np.array([start.stem])]
    for s, axes, j, depth in zip(tables.stages, _axes(tables), start.columns, start.depths, strict=True):
        values = (s.c[j], s.f[j], s.b[j], s.k[j], depth)
        parts.append(np.array([_places(axis, np.array(value)) for axis, value in zip(axes, values, strict=True)]))
    vector = np.concatenate(parts)
    if (vector < 0).any():
        return None
    arrays = tables.arrays
    scratch = _scratch(len(tables.stages), len(arrays.limits), tables.n_stages)
    objective = _merit(arrays, moves, vector, 0.0, scratch)[0]
    vector, merit, excess = _descend(arrays, moves, vector, max(1.0, abs(objective)), POLISH_ROUNDS, SAMPLES // 10)
    return _candidate(tables, moves, vector, merit) if excess <= 0.0 else None


def incumbent(tables: Tables, seed: int, seconds: float, found: Callable[[Candidate], None], stop: Callable[[], bool]) -> None:
    """Good incumbents within ``seconds``: annealing and descent, restarted with more steps each time."""
    deadline = time.monotonic() + seconds
    moves, arrays = moves_of(tables), tables.arrays
    steps, best, scale, restart = FIRST_STEPS, -np.inf, 1000.0, 0
    while not stop():
        vector, value = _anneal(arrays, moves, steps, 1000 * seed + restart, scale)
        if value > best:
            best = value
            found(_candidate(tables, moves, vector, value))
        if np.isfinite(value) and value >= best - 0.02 * abs(best):
            vector, value, excess = _descend(arrays, moves, vector, max(1.0, abs(value)), DESCENT_ROUNDS, SAMPLES)
            if excess <= 0.0 and value > best:
                best = value
                found(_candidate(tables, moves, vector, value))
        if time.monotonic() > deadline:
            return
        if np.isfinite(best):
            scale = max(1.0, abs(best))
        steps, restart = min(MOST_STEPS, steps * 3 // 2), restart + 1
