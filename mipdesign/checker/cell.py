"""Cells: the parts of a space that a tree speaks of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .elements import ABSENT
from .reading import integer, sequence, word
from .super_block import Ints
from .tables import Tables

KINDS = ("stem", "depth", "channels", "family", "width", "kernel", "bits")


@dataclass(frozen=True)
class Split:
    """Networks whose ``kind`` of super-block ``index`` (from 0; -1 for the stem) is at most ``threshold`` go to half 0."""

    kind: str
    index: int
    threshold: int


def read_split(value: Any, where: str, m: int) -> Split:
    """Reads the split of a record."""
    kind, index, threshold = sequence(value, where, 3, 3)
    kind = word(kind, f"{where}.0", KINDS)
    least, most = (-1, -1) if kind == "stem" else (0, m - 1)
    return Split(kind, integer(index, f"{where}.1", least, most), integer(threshold, f"{where}.2", 0))


@dataclass(frozen=True, eq=False)
class Cell:
    """Places of stems, columns of every super-block (increasing), and its least and largest depth."""

    stem: Ints
    columns: tuple[Ints, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]

    @classmethod
    def whole(cls, tables: Tables) -> Cell:
        """The whole space."""
        blocks = [table.block for table in tables.stages]
        columns = tuple(np.arange(len(s.c)) for s in blocks)
        return cls(
            np.flatnonzero(tables.stem_fits), columns, tuple(s.depths[0] for s in blocks), tuple(s.depths[-1] for s in blocks)
        )

    @property
    def empty(self) -> bool:
        """Whether a part of it has no choice left."""
        return (
            not len(self.stem)
            or not all(map(len, self.columns))
            or any(a > b for a, b in zip(self.low, self.high, strict=True))
        )

    @property
    def size(self) -> int:
        """How many columns it has."""
        return sum(map(len, self.columns))

    def depths(self, tables: Tables, i: int) -> list[int]:
        """Depths of a super-block."""
        return [d for d in tables.stages[i].block.depths if self.low[i] <= d <= self.high[i]]

    def with_depths(self, i: int, depths: list[int]) -> Cell:
        """The part with some depths of a super-block, given in increasing order; empty where there are none."""
        low, high = (depths[0], depths[-1]) if depths else (1, 0)
        lows, highs = (*self.low[:i], low, *self.low[i + 1 :]), (*self.high[:i], high, *self.high[i + 1 :])
        return replace(self, low=lows, high=highs)

    def with_columns(self, i: int, kept: NDArray[Any]) -> Cell:
        """The part with some columns of a super-block."""
        return replace(self, columns=(*self.columns[:i], self.columns[i][kept], *self.columns[i + 1 :]))

    def half(self, tables: Tables, split: Split, upper: bool) -> Cell:
        """One half of it; empty where nothing is left."""
        i, t = split.index, split.threshold
        if split.kind == "depth" and not tables.stages[i].block.is_block:
            return self.with_depths(i, [d for d in self.depths(tables, i) if (d > t) == upper])
        if split.kind == "stem":
            return replace(self, stem=self.stem[(np.array(tables.space.stem)[self.stem] > t) == upper])
        s = tables.stages[i].block
        values = {"channels": s.c, "family": s.f, "width": s.b, "kernel": s.k, "depth": s.presence, "bits": s.bits}[split.kind]
        return self.with_columns(i, (values[self.columns[i]] > t) == upper)

    def tied(self, tables: Tables) -> Cell:
        """The part that the ties leave: values that all tied super-blocks have."""
        cell, before, ties = self, None, tables.space.tied
        blocks = [i for i, table in enumerate(tables.stages) if table.block.continues]
        while cell._sizes != before and not cell.empty and (ties or blocks):
            before = cell._sizes  # a part of a cell is the same where it has as many choices
            for i in blocks:
                cell = cell._joined(tables, i)
            for axis, stages in ties:
                if axis == "depth":
                    shared = sorted(set.intersection(*(set(cell.depths(tables, i)) for i in stages)))
                    for i in stages:
                        cell = cell.with_depths(i, shared)
                    continue
                values = [values_of(tables, axis, i)[cell.columns[i]] for i in stages]
                common = reduce(np.intersect1d, values)
                for i, of_columns in zip(stages, values, strict=True):
                    cell = cell.with_columns(i, np.isin(of_columns, common))
        return cell

    def _joined(self, tables: Tables, i: int) -> Cell:
        """The part in which a block that continues another one has a state of it, and one at least as high in rank."""
        (s, here), (t, there) = ((tables.stages[at].block, self.columns[at]) for at in (i - 1, i))
        before, after = np.isin(s.place[here], t.place[there]), np.isin(t.place[there], s.place[here])
        if s.rank is not None and t.rank is not None and before.any():
            before &= s.rank[here] <= t.rank[there][after].max()
            after &= before.any() and t.rank[there] >= np.min(s.rank[here], where=before, initial=ABSENT)
        return self if before.all() and after.all() else self.with_columns(i - 1, before).with_columns(i, after)

    @property
    def _sizes(self) -> tuple[Any, ...]:
        return len(self.stem), tuple(map(len, self.columns)), self.low, self.high


def values_of(tables: Tables, axis: str, i: int) -> NDArray[Any]:
    """What the columns of a super-block have as ``block``, ``channels``, ``bottleneck`` or ``kernel``."""
    s = tables.stages[i].block
    if axis == "presence":
        return s.presence
    if axis == "block":
        return np.array(s.families)[s.f]
    return {"channels": s.c, "bottleneck": s.b, "kernel": s.k}[axis]
