"""The columns of a cell in one super-block, grouped by channels, as the forward pass reads them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .space import Ints
from .tables import Floats, Table


class Level:
    """The columns of a cell in one super-block, in groups of equal channels.

    ``starts, group``: first column of each group, and the group of each column. ``ci``: channels of those before (stems).
    ``first, stop``: which of those may enter a group; ``twin``: the one of them with the same channels, where that is a case
    of its own, else -1. The forward pass adds ``into``, the worth of what comes before; ``costs``, the priced counts;
    ``enter``, the best with which a column is entered, its first block's counts paid; ``own``, its worth at its better depth
    beside that; ``step``, that of one more block; ``value``, the best path that ends in a group.
    """

    into: Floats
    costs: list[Floats]
    enter: Floats
    own: Floats
    step: Floats
    value: Floats

    def __init__(self, table: Table, columns: Ints, incoming: Ints, places: Ints) -> None:
        self.table, self.columns, s = table, columns, table.block
        self.rows = table.rows if len(columns) == len(s.c) else table.rows[:, columns]
        place = s.place[columns]
        self.starts = np.flatnonzero(np.concatenate([[True], place[1:] != place[:-1]]))
        self.group = np.repeat(np.arange(len(self.starts)), np.diff(self.starts, append=len(columns)))
        self.places, self.channels = place[self.starts], s.c[columns[self.starts]]
        self.log_c = self.rows[0, self.starts]
        self.ci, self.in_places = incoming.astype(np.float64), places
        self.first, self.stop = np.searchsorted(places, s.first[self.places]), np.searchsorted(places, s.stop[self.places])
        at = np.minimum(np.searchsorted(incoming, self.channels), len(incoming) - 1)
        same = (incoming[at] == self.channels) & (self.first <= at) & (at < self.stop)
        self.twin = np.where(same & table.special, at, -1)

    def twins(self) -> Ints:
        """Columns that ``ci = C`` may enter, where that case is one of its own."""
        may = self.twin[self.group] >= 0
        if self.table.twin_fits is not None:
            may &= self.table.twin_fits[self.columns]
        return np.flatnonzero(may)

    def pair_times(self, at: Ints, entering: Ints | None = None) -> Any:
        """What the latency adds for columns and all groups before, or for each column and one of them."""
        total: Any = 0.0
        for of_column, times in self.table.pairs:
            row = of_column[self.columns[at]]
            total = total + (times[row][:, self.in_places] if entering is None else times[row, self.in_places[entering]])
        return total
