"""A cell: the part of a search space that a bound speaks of and that branching splits."""

from __future__ import annotations

import ctypes
import hashlib
import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..native.library import function, integers
from .arrays import Ints
from .batch import Batch
from .distinct import distinct
from .position import Position
from .tables import Tables

_tied = function("cell_tied", "p", "ppp")
_sizes = function("cell_sizes", "", "ppp")
_read = function("cell_read", "", "pppppp")
_free = function("cell_free", "", "p")


class View(ctypes.Structure):
    """``CellView`` of ``native/cell.h``."""

    needed: tuple[object, ...]
    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("columns", "n_columns", "stems", "low", "high")),
        ("n_stems", ctypes.c_int64),
    ]


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
            around = s.widths[max(0, at - steps) : at + steps + 1] if s.presence[j] else s.widths
            width = (s.b >= around[0]) & (s.b <= around[-1]) | (s.presence == 0)
            kept.append(np.flatnonzero((s.c <= s.c[j] * ratio) & (s.c * ratio >= s.c[j]) & width))
            possible = s.depths[abs(s.depths - depth) <= blocks]
            low.append(possible[0])
            high.append(possible[-1])
        return cls(np.arange(len(tables.stem_c)), tuple(kept), np.array(low), np.array(high))

    def tied(self, tables: Tables) -> Cell | None:
        """The part of it that the ties of the problem leave: only values that all tied super-blocks have; ``None`` if empty.

        Where all of them have a single value, the ties hold. Blocks of a super-block are tied by their state, and by their
        order where they may be exchanged.
        """
        if not len(tables.arrays.ties) and not tables.arrays.has_blocks and not tables.arrays.tail_bits:
            return self
        view, failed = self.view(), ctypes.c_bool()
        tied = _tied(tables.arrays.address, ctypes.addressof(view), ctypes.addressof(failed))
        return Cell.taken(tables, tied, failed.value)

    def view(self) -> View:
        """What the core reads, as long as it lives."""
        sizes = np.array([len(c) for c in self.columns])
        columns = (ctypes.c_void_p * len(self.columns))(*map(integers, self.columns))
        stem, low, high = self.stem, self.low, self.high
        view = View(ctypes.addressof(columns), integers(sizes), integers(stem), integers(low), integers(high), len(stem))
        view.needed = columns, sizes, self
        return view

    @classmethod
    def read(cls, tables: Tables, address: int) -> Cell:
        """A cell of the core."""
        m, problem = len(tables.stages), tables.arrays.address
        sizes, low, high = np.empty(1 + m, dtype=np.int64), np.empty(m, dtype=np.int64), np.empty(m, dtype=np.int64)
        _sizes(problem, address, integers(sizes))
        stems, *numbers = sizes.tolist()
        stem, every = np.empty(stems, dtype=np.int64), np.empty(sum(numbers), dtype=np.int64)
        _read(problem, address, integers(stem), integers(every), integers(low), integers(high))
        at = itertools.accumulate(numbers, initial=0)
        return cls(stem, tuple(every[first:stop] for first, stop in itertools.pairwise(at)), low, high)

    @classmethod
    def taken(cls, tables: Tables, address: int | None, failed: bool) -> Cell | None:
        """A cell that the core has made, if it has, and which it gives up then.

        Raises
        ------
        MemoryError
            If it failed for lack of memory.
        """
        if failed:
            raise MemoryError("there is no memory for a cell")
        if address is None:
            return None
        try:
            return cls.read(tables, address)
        finally:
            _free(address)

    def depths(self, tables: Tables, i: int) -> Ints:
        """Depths of super-block ``i`` that are allowed."""
        d = tables.stages[i].depths
        allowed: Ints = d[(d >= self.low[i]) & (d <= self.high[i])]
        return allowed

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
