"""A cell as a chain of super-blocks: its columns in groups of equal channels, and which groups may follow which; compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..compiled import compiled
from ..lattice.arrays import (
    BLOCK_LOG,
    CHANNELS,
    IDENTITY_FITS,
    LOG_CHANNELS,
    MOST_INCOMING,
    PLACE,
    REST_FITS,
    Arrays,
    Bools,
    Floats,
    Ints,
)
from ..lattice.counts import may_enter

GATHERED = 1024
"""Rows that are transposed at a time."""


class Chain(NamedTuple):
    """A cell as a chain: which rows of the tables its columns are, and which channels may follow which.

    Attributes
    ----------
    rows, at:
        Row of each column; those of super-block ``i`` are ``at[i] : at[i + 1]``.
    table:
        Those rows, transposed: passes read a few numbers of all columns again and again.
    limited:
        Super-blocks some columns of which may not be entered with all channels, or only once.
    groups, starts:
        Channel counts of super-block ``i`` are the groups ``groups[i] : groups[i + 1]``; group ``g`` consists of the columns
        ``starts[g] : starts[g + 1]``.
    channels, logs, places:
        ``C`` and ``log C`` of each group, and the place of ``C`` among the channels of its super-block.
    first, stop:
        The window of incoming channels of each group: stems for super-block 0, else groups of the super-block before.
    stem, stem_logs, stem_places:
        Stem channels, their logarithms, and their places among all.
    low, high:
        Range of each depth.
    """

    rows: Ints
    at: Ints
    table: Floats
    limited: Bools
    groups: Ints
    starts: Ints
    channels: Floats
    logs: Floats
    places: Ints
    first: Ints
    stop: Ints
    stem: Floats
    stem_logs: Floats
    stem_places: Ints
    low: Ints
    high: Ints


@compiled
def gather(every: Floats, rows: Ints) -> Floats:
    """:attr:`Chain.table`: some of every row, transposed."""
    n = len(rows)
    table = np.empty((every.shape[1], n))
    for first in range(0, n, GATHERED):
        stop = min(n, first + GATHERED)
        for part in range(len(table)):
            for p in range(first, stop):
                table[part, p] = every[rows[p], part]
    return table


@compiled
def find_limited(table: Floats, at: Ints, stem: Floats) -> Bools:
    """:attr:`Chain.limited`."""
    limited, widest = np.zeros(len(at) - 1, np.bool_), stem[-1]
    for i in range(len(limited)):
        for p in range(at[i], at[i + 1]):
            limited[i] |= table[MOST_INCOMING, p] < widest or table[IDENTITY_FITS, p] == 0 or table[REST_FITS, p] == 0
        widest = table[CHANNELS, at[i + 1] - 1]
    return limited


@compiled
def build_groups(
    entering: Ints, entering_at: Ints, table: Floats, at: Ints, stem: Floats
) -> tuple[bool, Ints, Ints, Floats, Floats, Ints, Ints]:
    """Whether any path exists; the channel groups of each super-block, and their windows of incoming channels."""
    m, columns = len(at) - 1, table.shape[1]
    groups = np.zeros(m + 1, np.int64)
    starts = np.empty(columns + 1, np.int64)
    n = 0
    for i in range(m):
        for p in range(at[i], at[i + 1]):
            if p == at[i] or table[CHANNELS, p] != table[CHANNELS, p - 1]:
                starts[n] = p
                n += 1
        groups[i + 1] = n
    starts[n] = columns
    channels, logs = np.empty(n), np.empty(n)
    first, stop = np.zeros(n, np.int64), np.zeros(n, np.int64)
    reached = np.zeros(n, np.bool_)
    incoming = stem
    alive = np.ones(len(stem), np.bool_)
    for i in range(m):
        a, b = 0, 0
        any_reached = False
        for g in range(groups[i], groups[i + 1]):
            c = table[CHANNELS, starts[g]]
            channels[g], logs[g] = c, table[LOG_CHANNELS, starts[g]]
            least, most = entering[entering_at[i] + int(table[PLACE, starts[g]])]
            while b < len(incoming) and incoming[b] <= most:
                b += 1
            while a < len(incoming) and incoming[a] < least:
                a += 1
            first[g], stop[g] = a, b
            for p in range(starts[g], starts[g + 1]):
                for k in range(a, b):
                    if alive[k] and may_enter(table[:, p], incoming[k]):
                        reached[g] = True
                        break
                if reached[g]:
                    break
            any_reached |= reached[g]
        if not any_reached:
            return False, groups, starts[: n + 1], channels, logs, first, stop
        incoming = channels[groups[i] : groups[i + 1]]
        alive = reached[groups[i] : groups[i + 1]]
    return True, groups, starts[: n + 1], channels, logs, first, stop


@compiled
def incoming_of(chain: Chain, i: int) -> tuple[Floats, Floats, Ints]:
    """Channels that may enter a super-block, their logarithms, and their places among all."""
    if i == 0:
        return chain.stem, chain.stem_logs, chain.stem_places
    before, stop = chain.groups[i - 1], chain.groups[i]
    return chain.channels[before:stop], chain.logs[before:stop], chain.places[before:stop]


@compiled
def log_ranges(arrays: Arrays, chain: Chain) -> tuple[Floats, Floats]:
    """Least and largest ``sum log w`` of each super-block, incoming channels and depths within the cell."""
    m = len(chain.at) - 1
    least, most = np.full(m, np.inf), np.full(m, -np.inf)
    for i in range(m):
        for p in range(chain.at[i], chain.at[i + 1]):
            t = chain.table[BLOCK_LOG, p]
            step = chain.table[LOG_CHANNELS, p] + t
            least[i] = min(least[i], t + (chain.low[i] - 1) * step)
            most[i] = max(most[i], t + (chain.high[i] - 1) * step)
        if i == 0:
            least[i] += chain.stem_logs[0]
            most[i] += chain.stem_logs[-1]
        else:
            least[i] += chain.logs[chain.groups[i - 1]]
            most[i] += chain.logs[chain.groups[i] - 1]
    return least, most
