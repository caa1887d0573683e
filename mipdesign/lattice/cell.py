"""A cell: the part of a search space that a bound speaks of and that branching splits."""

from __future__ import annotations

import ctypes
import functools
import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..native.library import doubles, function, integers
from .arrays import ANY_BITS, Floats, Ints
from .batch import Batch
from .distinct import distinct
from .position import Position
from .stage_tables import StageTables
from .tables import Tables


def axis_values(stage: StageTables, axis: str) -> NDArray[Any]:
    """What the columns of an element have as their ``block``, ``channels``, ``bottleneck``, ``kernel`` or ``presence``."""
    if axis == "block":
        return np.array(stage.blocks)[stage.f]
    if axis == "presence":
        return stage.presence
    return {"channels": stage.c, "bottleneck": stage.b, "kernel": stage.k}[axis]


_extents = function("cell_extents", "", "ppppp")


@dataclass(frozen=True, eq=False)
class Cell:
    """Allowed choices of every part of the network; a product set, up to the chain rule of the channels.

    Attributes
    ----------
    stem:
        Indices into ``tables.stem_c``, increasing.
    columns:
        For each super-block the allowed column indices, increasing.
    low, high:
        For each super-block the smallest and largest depth, both on its depth lattice.
    """

    stem: Ints
    columns: tuple[Ints, ...]
    low: Ints
    high: Ints

    @classmethod
    def whole(cls, tables: Tables) -> Cell:
        """The whole space."""
        return cls(
            np.arange(len(tables.stem_c)),
            tuple(np.arange(len(s.c)) for s in tables.stages),
            np.array([s.depths[0] for s in tables.stages]),
            np.array([s.depths[-1] for s in tables.stages]),
        )

    @classmethod
    def thinned(cls, tables: Tables, step: int) -> Cell:
        """The whole space with every ``step``-th channel count of each super-block, the largest among them."""
        whole = cls.whole(tables)
        kept = (np.flatnonzero(np.isin(s.c, distinct(s.c)[::-step])) for s in tables.stages)
        return cls(whole.stem, tuple(kept), whole.low, whole.high)

    @classmethod
    def near(cls, tables: Tables, centre: Position, ratio: float, steps: int, blocks: int) -> Cell:
        """Networks near another one: any stem and kernel, channels within a ``ratio``, widths within ``steps`` values of their
        lattice, depths within ``blocks``.
        """
        kept, low, high = [], [], []
        for s, j, depth in zip(tables.stages, centre.columns, centre.depths, strict=True):
            at = int(np.searchsorted(s.widths, s.b[j]))
            around = s.widths[max(0, at - steps) : at + steps + 1] if s.b[j] else s.widths
            absent = s.b == 0
            close = (s.c <= s.c[j] * ratio) & (s.c * ratio >= s.c[j]) & (s.b >= around[0]) & (s.b <= around[-1])
            kept.append(np.flatnonzero(close | (absent & (s.c <= s.c[j] * ratio) & (s.c * ratio >= s.c[j]))))
            possible = s.depths[abs(s.depths - depth) <= blocks]
            low.append(possible[0])
            high.append(possible[-1])
        return cls(np.arange(len(tables.stem_c)), tuple(kept), np.array(low), np.array(high))

    def tied(self, tables: Tables) -> Cell | None:
        """The part of it that the ties of the problem leave: only values that all tied super-blocks have; ``None`` if empty.

        Where all of them have a single value, the ties hold. Blocks of a super-block are tied by their state, and by their
        order where they may be exchanged.
        """
        cell, ties, joined = self, tables.ties, [i for i, s in enumerate(tables.stages) if s.element.continues]
        held = bool(tables.tail_bits)
        while ties or joined or held:
            before = cell
            for i in range(1, len(cell.columns) if held else 0):
                columns = list(cell.columns)
                columns[i - 1], columns[i] = _readable(tables, i, columns[i - 1], columns[i])
                cell = Cell(cell.stem, tuple(columns), cell.low, cell.high)
            if not all(map(len, cell.columns)):
                return None
            for i in joined:
                columns = list(cell.columns)
                columns[i - 1], columns[i] = _joined(tables, i, columns[i - 1], columns[i])
                if not len(columns[i]):
                    return None
                cell = Cell(cell.stem, tuple(columns), cell.low, cell.high)
            for tie in ties:
                columns, low, high, stages = list(cell.columns), cell.low.copy(), cell.high.copy(), list(tie.stages)
                if tie.axis == "depth":
                    shared = functools.reduce(np.intersect1d, (cell.depths(tables, i) for i in stages))
                    if len(shared):
                        low[stages], high[stages] = shared[0], shared[-1]
                else:
                    values = [axis_values(tables.stages[i], tie.axis)[columns[i]] for i in stages]
                    shared = functools.reduce(np.intersect1d, values)
                    for i, of_columns in zip(stages, values, strict=True):
                        columns[i] = columns[i][np.isin(of_columns, shared)]
                if not len(shared):
                    return None
                cell = Cell(cell.stem, tuple(columns), low, high)
            if cell.n_columns == before.n_columns and (cell.high - cell.low == before.high - before.low).all():
                break
        return cell

    def depths(self, tables: Tables, i: int) -> Ints:
        """Depths of super-block ``i`` that are allowed."""
        d = tables.stages[i].depths
        allowed: Ints = d[(d >= self.low[i]) & (d <= self.high[i])]
        return allowed

    def extents(self, tables: Tables) -> tuple[Floats, Floats]:
        """Of channels, widths and kernels of every super-block: least and largest value, and the largest one that is at or
        below their geometric middle and less than the largest (the least where all are equal), shape ``(super_blocks, 3, 3)``;
        and the largest ``t`` of each super-block.
        """
        out, longest = np.empty((len(self.columns), 3, 3)), np.empty(len(self.columns))
        addresses, sizes = self.addresses
        _extents(tables.arrays.address, ctypes.addressof(addresses), integers(sizes), doubles(out), doubles(longest))
        return out, longest

    @cached_property
    def addresses(self) -> tuple[ctypes.Array[ctypes.c_void_p], Ints]:
        """Where the columns of each super-block are for the core, and how many."""
        return (ctypes.c_void_p * len(self.columns))(*map(integers, self.columns)), np.array([len(c) for c in self.columns])

    @property
    def n_columns(self) -> int:
        """Columns of all super-blocks together."""
        return sum(len(c) for c in self.columns)

    def n_points(self, tables: Tables) -> int:
        """Networks in the cell, the chain rule aside."""
        count = len(self.stem)
        for i, columns in enumerate(self.columns):
            count *= len(columns) * len(self.depths(tables, i))
        return count

    def contains(self, position: Position) -> bool:
        """Whether a network lies in the cell."""
        parts = zip((position.stem, *position.columns), (self.stem, *self.columns), strict=True)
        inside = all((at := int(allowed.searchsorted(j))) < len(allowed) and allowed[at] == j for j, allowed in parts)
        return inside and bool((self.low <= position.depths).all() and (self.high >= position.depths).all())

    def networks(self, tables: Tables) -> Batch:
        """All networks of the cell, the chain rule aside; the cell must be small."""
        axes = [self.stem, *self.columns, *(self.depths(tables, i) for i in range(len(self.columns)))]
        grid = [g.ravel() for g in np.meshgrid(*axes, indexing="ij")]
        m = len(self.columns)
        return Batch(grid[0], np.array(grid[1 : 1 + m]), np.array(grid[1 + m :]))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the cell's content."""
        h = hashlib.sha256()
        for part in (self.stem, *self.columns, self.low, self.high):
            h.update(len(part).to_bytes(8, "little"))
            h.update(np.ascontiguousarray(part, dtype="<i8").tobytes())
        return h.hexdigest()


def _joined(tables: Tables, i: int, before: Ints, columns: Ints) -> tuple[Ints, Ints]:
    """Columns of an element that continues another one, and of that one before it: those in states that both have, and no lower
    in rank than it where they are ordered.
    """
    one, other = tables.stages[i - 1], tables.stages[i]
    states, others = one.states[before], other.states[columns]
    kept, also = np.isin(states, others), np.isin(others, states)
    if tables.is_ordered(i) and kept.any():
        ranks, other_ranks = one.ranks[before], other.ranks[columns]
        kept &= ranks <= other_ranks[also].max()
        also &= other_ranks >= ranks[kept].min(initial=np.inf)
    return before[kept], columns[also]


def _readable(tables: Tables, i: int, before: Ints, columns: Ints) -> tuple[Ints, Ints]:
    """Columns of an element that read with no more bits than some column of the one before allows, and those of that one that
    allow what some read with.
    """
    one, other = tables.stages[i - 1], tables.stages[i]
    allowed, read = one.next_bits[before], other.activations[columns]
    return before[allowed >= read.min(initial=ANY_BITS)], columns[read <= allowed.max(initial=0)]
