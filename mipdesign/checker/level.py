"""The columns of cells in one element of the chain, grouped by states, as the forward pass reads them.

A state is a number of channels, or, within a super-block whose blocks may differ, what these have in common.

Cells are bounded many at a time, because most are small: their columns, and their groups, stand one cell after another in the
same arrays, with the cell that each belongs to, its *owner*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .super_block import Ints
from .tables import Bools, Floats, Table

SPAN = 2**23
"""More than there are places in a lattice."""


@dataclass(frozen=True)
class Groups:
    """Channels, or states, that cells have at one point of the chain: their places in the lattice, increasing within a cell;
    ``begin`` is the first one of every cell.
    """

    places: Ints
    channels: Ints
    owner: Ints
    begin: Ints

    @classmethod
    def of_stems(cls, stems: Sequence[Ints], lattice: Sequence[int]) -> Groups:
        """Those of the stems."""
        places, begin, owner = joined(stems)
        return cls(places, np.array(lattice, dtype=np.int64)[places], owner, begin)

    @property
    def last(self) -> Ints:
        """The last one of every cell."""
        return np.append(self.begin[1:], len(self.places)) - 1

    def find(self, owner: Ints, places: Ints) -> Ints:
        """Where some places of cells stand, or would."""
        found: Ints = np.searchsorted(self.owner * SPAN + self.places, owner * SPAN + places)
        return found


def joined(parts: Sequence[Ints]) -> tuple[Ints, Ints, Ints]:
    """What cells have, one after another; where each one's begins, and the owner of every item."""
    sizes = np.array([len(part) for part in parts])
    return np.concatenate(parts), np.cumsum(sizes) - sizes, np.repeat(np.arange(len(parts)), sizes)


def heads(*keys: Any) -> Ints:
    """Where in some rows, of at least one item, a run of items begins that have the same of every key."""
    new = np.ones(len(keys[0]), dtype=bool)
    new[1:] = keys[0][1:] != keys[0][:-1]
    for key in keys[1:]:
        new[1:] |= key[1:] != key[:-1]
    return new.nonzero()[0]


class Level:
    """The columns of cells in one element of the chain, in groups of equal states.

    ``owner, begin``: the cell of every column, and the first column of every cell. ``starts, group``: first column of each
    group, and the group of each column. ``before, ci``: channels of those before (stems), and as floats. ``first, stop``: which
    of those may enter a group; ``twin``: the one of them with the same channels, where that is a case of its own, else -1.
    ``doors, shut``: the same as a matrix, those before of every group in a column of its own, and which entries do not count.
    ``outward, joined``: the groups that enter what comes behind, and the first of those that are one of them; ``out_starts,
    out_log_c``: the first column and ``log C`` of each.

    The forward pass adds ``into``, the worth of what comes before; ``costs``, the priced counts; ``enter``, the best with which
    a column is entered, its first block's counts paid; ``own``, its worth at its best depth beside that, ``by_depth`` that at
    each of them where there is a table of values; ``step``, that of one more block; ``value``, the best path that ends in a
    group.
    """

    joined: Ints | None
    into: Floats
    costs: list[Floats]
    enter: Floats
    own: Floats
    by_depth: Floats
    step: Floats
    value: Floats

    def __init__(self, table: Table, columns: Sequence[Ints], before: Groups) -> None:
        self.table, self.before, s = table, before, table.block
        self.columns, self.begin, self.owner = joined(columns)
        whole = len(columns) == 1 and len(self.columns) == len(s.c)
        self.rows = table.rows if whole else table.rows.take(self.columns, axis=1)
        place = s.place[self.columns]
        self.starts = heads(self.owner, place)
        self.group = np.repeat(np.arange(len(self.starts)), np.diff(self.starts, append=len(place)))
        places, owner = place[self.starts], self.owner[self.starts]
        self.groups = Groups(places, s.c[self.columns[self.starts]], owner, self.group[self.begin])
        self.log_c = self.rows[0, self.starts]
        self.outward, self.joined = self.groups, None
        self.out_starts, self.out_log_c = self.starts, self.log_c
        if s.last and s.channel_place is not None:  # what comes behind asks for channels only
            of_state = s.channel_place[places]
            self.joined = heads(owner, of_state)
            begin = self.joined.searchsorted(self.groups.begin)
            at = self.joined
            self.outward = Groups(of_state[at], self.groups.channels[at], owner[at], begin)
            self.out_starts, self.out_log_c = self.starts[at], self.log_c[at]
        self.ci = before.channels.astype(np.float64)
        self.first, self.stop = before.find(owner, s.first[places]), before.find(owner, s.stop[places])
        at = np.minimum(before.find(owner, table.same[places]), len(self.ci) - 1)
        same = (before.channels[at] == self.groups.channels) & (self.first <= at) & (at < self.stop)
        self.twin = np.where(same & table.special, at, -1)
        self.width = np.maximum(self.stop - self.first, 1)
        doors = self.first + np.arange(self.width.max())[:, None]
        self.shut: Bools = (doors >= self.stop) | (doors == self.twin)
        self.doors = np.minimum(doors, len(self.ci) - 1)

    def behind(self, values: Floats) -> Floats:
        """The largest of some values of the groups in each of those that enter what comes behind."""
        best: Floats = values if self.joined is None else np.maximum.reduceat(values, self.joined)
        return best

    def within(self, values: Floats) -> Floats:
        """Of every group, the value of the one that it is in what comes behind."""
        return values if self.joined is None else np.repeat(values, np.diff(self.joined, append=len(self.log_c)))

    def of(self, per_cell: Any, at: Any = None) -> Any:
        """A number of every cell for columns: of all (or something that numpy takes for that), or of some."""
        if at is None:
            return per_cell if len(per_cell) == 1 else per_cell[self.owner]
        return per_cell[self.owner[at]]

    @property
    def correction(self) -> Any:
        """What the layer term of each column's blocks has beside the logarithms of their widths."""
        return 0.0 if self.table.correction is None else self.table.correction[self.columns]

    @property
    def present(self) -> Any:
        """Whether each column's block is there."""
        there = self.table.block.present
        return np.ones(len(self.columns), dtype=bool) if there is None else there[self.columns]

    def most(self, rows: Any) -> Floats:
        """The largest of a number of columns, cell by cell."""
        found: Floats = np.maximum.reduceat(rows, self.begin)
        return found

    def least(self, rows: Any) -> Floats:
        """The least of a number of columns, cell by cell."""
        found: Floats = np.minimum.reduceat(rows, self.begin)
        return found

    def twins(self) -> Ints:
        """Columns that ``ci = C`` may enter, where that case is one of its own."""
        may = self.twin[self.group] >= 0
        if self.table.twin_fits is not None:
            may &= self.table.twin_fits[self.columns]
        return may.nonzero()[0]

    def pair_times(self, latency: int, at: Ints, entering: Ints) -> Any:
        """What a latency adds for columns, each entered by one of the groups before; or by a column of them."""
        columns, places = self.columns[at], self.before.places[entering]
        total: Any = 0.0
        for of_column, times in self.table.pairs[latency]:
            row = of_column[columns]
            total = total + times[row, places]
        return total
