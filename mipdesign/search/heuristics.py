"""Incumbents: simulated annealing with restarts, each followed by a descent over pairs of moves; compiled.

Heuristics only supply cutoffs. The answer of a design run does not depend on them, nor on their seed.
"""

from __future__ import annotations

import ctypes
import functools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..lattice.arrays import Ints
from ..native.library import function, integers
from ..lattice.position import Candidate, Position
from ..lattice.tables import StageTables, Tables

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


@dataclass(frozen=True, eq=False)
class Moves:
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

    @cached_property
    def structure(self) -> _Structure:
        """What the core reads, as long as this lives."""
        return _Structure(*(integers(getattr(self, name)) for name in POINTERS), len(self.single))


POINTERS = "sizes columns column_at depths depth_at channels entering channel_at leader single".split()

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


def _ranks(s: StageTables) -> Ints:
    """Place of each column among those with the same channels, family and kernel, from the smallest width on."""
    order = np.lexsort((s.b, s.k, s.f, s.c))
    keys = np.array([s.c, s.f, s.k])[:, order]
    new = np.concatenate([[True], (keys[:, 1:] != keys[:, :-1]).any(axis=0)])
    first = np.flatnonzero(new)[np.cumsum(new) - 1]
    ranks = np.empty_like(order)
    ranks[order] = np.arange(len(order)) - first
    return ranks


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
        widths = s.b
        if leader[1 + COORDINATES * i + WIDTH] == 1 + COORDINATES * i + WIDTH and "RANK" in os.environ and not any(tie.axis == "bottleneck" for tie in tables.problem.tied):
            widths = _ranks(s)
            axes[WIDTH] = np.arange(widths.max() + 1)
        at = np.full([len(axis) for axis in axes[:DEPTH]], -1)
        places = np.array([_places(axis, values) for axis, values in zip(axes, (s.c, s.f, widths, s.k), strict=False)])
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


class _Structure(ctypes.Structure):
    """``Moves`` of ``native/heuristics.h``."""

    _fields_ = [*((name, ctypes.c_void_p) for name in POINTERS), ("n_single", ctypes.c_int64)]


def _candidate(tables: Tables, vector: Ints, objective: float) -> Candidate:
    moves, columns, depths = moves_of(tables), [], []
    vector = vector[moves.leader]
    for i in range(len(tables.stages)):
        first = 1 + COORDINATES * i
        at = 0
        for d in range(first, first + DEPTH):
            at = at * moves.sizes[d] + vector[d]
        columns.append(int(moves.columns[moves.column_at[i] + at]))
        depths.append(int(moves.depths[moves.depth_at[i] + vector[first + DEPTH]]))
    return Candidate(Position(int(vector[0]), tuple(columns), tuple(depths)), objective)


import os
FIRST_STEPS = int(os.environ.get("FIRST", FIRST_STEPS)); MOST_STEPS = int(os.environ.get("MOST", MOST_STEPS)); GROWTH=float(os.environ.get("GROWTH","1.5"))
from ..native.library import CORE
for name in ("HOT", "COLD", "GROUP"):
    if name in os.environ: ctypes.c_double.in_dll(CORE, name).value = float(os.environ[name])
_restart = function("restart", "d", "ppiidp")

def polish(tables: Tables, start: Position) -> Candidate | None: ...

def incumbent(tables: Tables, seed: int, seconds: float, found: Callable[[Candidate], None], stop: Callable[[], bool]) -> None:
    """Good incumbents within ``seconds``: annealing and descent, restarted with more steps each time."""
    deadline = time.monotonic() + seconds
    moves, arrays = moves_of(tables), tables.arrays
    steps, best, scale, restart = FIRST_STEPS, -np.inf, 1000.0, 0
    vector = np.zeros(len(moves.sizes), dtype=np.int64)
    while not stop():
        value = _restart(ctypes.addressof(arrays.structure), ctypes.addressof(moves.structure), 1000 * seed + restart, int(steps), scale, integers(vector))
        if DEBUG: print(restart, int(steps), f"{value:.3f}", round(time.monotonic() - deadline + seconds, 4))
        if value > best:
            best = value
            found(_candidate(tables, vector, value))
        if time.monotonic() > deadline:
            return
        if np.isfinite(best):
            scale = max(1.0, abs(best))
        steps, restart = min(MOST_STEPS, steps * GROWTH), restart + 1
DEBUG = "DEBUG" in os.environ
