"""Longest paths through a chain of super-blocks, compiled: the inner loops of the bounds.

A path picks, for every super-block, a column and a depth; what it is worth is a sum over super-blocks of a value of the column
and depth, of a term that is affine in the incoming channels with a slope that depends on the column, and of a term in the
channels at its end. For each channel count the best incoming channels are a maximum of ``value(ci) - ci * price(column)``
over a window of ``ci``: the upper hull of the points ``(ci, value)`` answers it for all columns at once. Backwards the
columns' lines ``a - price * ci`` are hulled in the same way, so that one pass costs little more than reading the columns.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..compiled import compiled
from ..lattice.tables import (
    BLOCK_LOG,
    CHANNELS,
    COUNTS,
    LAYERS,
    LOG_CHANNELS,
    MOST_INCOMING,
    OTHER_PAIR,
    PAIR,
    PLACE,
    REST_FITS,
    TWIN_FITS,
    Arrays,
    Bools,
    Floats,
    Ints,
)

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


class ArcWeights(NamedTuple):
    """What the parts of a path are worth.

    Attributes
    ----------
    budget:
        Price per unit of each count.
    log:
        Worth of one nat of ``log w`` in each super-block.
    block, layer:
        Worth of one block and of one layer of each super-block, their logarithms and counts aside.
    end:
        Worth of one nat of ``log C`` at the end of each super-block.
    constant:
        Worth of having channels at the end of each super-block, whatever their number.
    per_channel:
        Worth of one channel at the end of the last super-block.
    stem:
        Worth of each stem.
    """

    budget: Floats
    log: Floats
    block: Floats
    layer: Floats
    end: Floats
    constant: Floats
    per_channel: float
    stem: Floats


class ForwardPass(NamedTuple):
    """Outcome of a forward pass.

    Attributes
    ----------
    own, per_block, best:
        Of each column: its worth at its better depth, that of one more block, and the best with which it is entered.
    before:
        Incoming channels that attain ``best`` (-1 where there are none).
    value, column:
        Of each group: the best path that ends there, and its column.
    """

    own: Floats
    per_block: Floats
    best: Floats
    before: Ints
    value: Floats
    column: Ints


@compiled
def may_enter(row: Floats, ci: float) -> bool:
    """Whether a column keeps the limits on single operations with ``ci`` incoming channels."""
    return bool(row[TWIN_FITS] > 0 if ci == row[CHANNELS] else ci <= row[MOST_INCOMING])


@compiled
def pair_count(arrays: Arrays, row: Floats, place: int) -> float:
    """What the paired budget counts for a column and the incoming channels at a place."""
    return float(arrays.pairs[int(row[PAIR]) + place] + arrays.pairs[int(row[OTHER_PAIR]) + place])


@compiled
def pair_price(arrays: Arrays, worth: ArcWeights) -> float:
    """Price of the paired budget; 0 where there is none."""
    return float(worth.budget[arrays.paired]) if arrays.paired >= 0 else 0.0


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
            limited[i] |= table[MOST_INCOMING, p] < widest or table[TWIN_FITS, p] == 0 or table[REST_FITS, p] == 0
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


class Hull(NamedTuple):
    """Room for an upper hull: which points are on it, and their coordinates."""

    at: Ints
    x: Floats
    y: Floats


@compiled
def _hull_for(points: int) -> Hull:
    return Hull(np.empty(points, np.int64), np.empty(points), np.empty(points))


@compiled
def _extend(hull: Hull, size: int, x: Floats, y: Floats, first: int, stop: int) -> int:
    """Adds the points from ``first`` to before ``stop`` to an upper hull of so many points, ``x`` non-decreasing; points at
    ``-inf`` are left out. Its size then.
    """
    for k in range(first, stop):
        if y[k] == -np.inf:
            continue
        if size and hull.x[size - 1] == x[k]:
            if hull.y[size - 1] >= y[k]:
                continue
            size -= 1
        while size > 1:
            p, q = size - 2, size - 1
            if (hull.y[q] - hull.y[p]) * (x[k] - hull.x[q]) > (y[k] - hull.y[q]) * (hull.x[q] - hull.x[p]):
                break
            size -= 1
        hull.at[size], hull.x[size], hull.y[size] = k, x[k], y[k]
        size += 1
    return size


@compiled
def _sort(x: Floats, y: Floats, n: int) -> None:
    """Sorts the first ``n`` points by ``x`` (Shell 1959)."""
    gap = 1
    while gap < n // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for k in range(gap, n):
            at, x_k, y_k = k, x[k], y[k]
            while at >= gap and x[at - gap] > x_k:
                x[at], y[at] = x[at - gap], y[at - gap]
                at -= gap
            x[at], y[at] = x_k, y_k
        gap //= 3


@compiled
def _climb(hull: Hull, size: int, k: int, price: float) -> int:
    """Place on the hull where ``y - price * x`` is largest, searched from place ``k``."""
    x, y = hull.x, hull.y
    here = y[k] - price * x[k]
    while k + 1 < size:
        there = y[k + 1] - price * x[k + 1]
        if there < here:
            break
        here = there
        k += 1
    while k > 0:
        there = y[k - 1] - price * x[k - 1]
        if there <= here:
            break
        here = there
        k -= 1
    return k


@compiled
def _worths(chain: Chain, worth: ArcWeights, i: int, own: Floats, per_block: Floats, slope: Floats) -> None:
    """What each column of a super-block is worth at its better depth, what one more block is, and the price of an incoming
    channel. Loops over columns only, for the compiler to take several at once.
    """
    nb, first, stop = len(worth.budget), chain.at[i], chain.at[i + 1]
    g_log, low, high = worth.log[i], float(chain.low[i]), float(chain.high[i])
    per_layer, per_step = worth.layer[i], worth.block[i]
    for p in range(first, stop):
        own[p] = slope[p] = per_block[p] = 0.0
    for b in range(nb):
        price = worth.budget[b]
        fixed, of_channel, rest = chain.table[COUNTS + b], chain.table[COUNTS + nb + b], chain.table[COUNTS + 3 * nb + b]
        for p in range(first, stop):
            own[p] += price * fixed[p]
        for p in range(first, stop):
            slope[p] += price * of_channel[p]
        for p in range(first, stop):
            per_block[p] += price * rest[p]
    log_channels, logs, layers = chain.table[LOG_CHANNELS], chain.table[BLOCK_LOG], chain.table[LAYERS]
    for p in range(first, stop):
        per_block[p] = g_log * (log_channels[p] + logs[p]) - per_block[p] + (per_step + layers[p] * per_layer)
    if chain.limited[i]:
        for p in range(first, stop):
            if chain.table[REST_FITS, p] == 0:  # a single block at most
                per_block[p] = 0.0
                own[p] = np.inf if low > 1 else own[p]
    for p in range(first, stop):
        step = per_block[p]
        own[p] = g_log * logs[p] - own[p] + (per_step + layers[p] * per_layer) + ((high if step > 0 else low) - 1.0) * step


@compiled
def forward(arrays: Arrays, chain: Chain, worth: ArcWeights) -> ForwardPass:
    """Best paths to every column and channel count."""
    nb, m, n = len(worth.budget), len(chain.at) - 1, len(chain.rows)
    own, per_block, best = np.empty(n), np.empty(n), np.full(n, -np.inf)
    before = np.full(n, -1)
    value, column = np.full(len(chain.channels), -np.inf), np.full(len(chain.channels), -1)
    widest = len(chain.stem)
    for i in range(m):
        widest = max(widest, chain.groups[i + 1] - chain.groups[i])
    hull, slope = _hull_for(widest), np.empty(n)
    incoming, places, into = chain.stem, chain.stem_places, worth.stem + worth.log[0] * chain.stem_logs
    per_pair = pair_price(arrays, worth)
    for i in range(m):
        _worths(chain, worth, i, own, per_block, slope)
        same, limited = arrays.has_same[i], chain.limited[i] or per_pair > 0
        size, begun, reached, equal = 0, 0, 0, 0  # the hull holds the incoming channels from `begun` to before `reached`
        first_place = 0  # of the group before: its columns' slopes begin alike
        for g in range(chain.groups[i], chain.groups[i + 1]):
            c, first, stop = chain.channels[g], chain.first[g], chain.stop[g]
            while equal < stop and incoming[equal] < c:
                equal += 1
            twin = equal if same and first <= equal < stop and incoming[equal] == c else -1
            if begun != first or (twin >= 0 and twin < reached):
                size, begun, reached = 0, first, first
            if twin < 0:
                size = _extend(hull, size, incoming, into, reached, stop)
                reached = max(reached, stop)
            else:  # it is entered otherwise than the rest
                size = _extend(hull, size, incoming, into, reached, twin)
                reached = twin
                if twin < stop - 1:
                    size, begun = _extend(hull, size, incoming, into, twin + 1, stop), -1
            place, top = max(0, min(first_place, size - 1)), -np.inf
            for p in range(chain.starts[g], chain.starts[g + 1]):
                if limited:
                    row = chain.table[:, p]
                    for k in range(first, stop):
                        if k != twin and may_enter(row, incoming[k]):
                            entered = into[k] - slope[p] * incoming[k]
                            if per_pair > 0:
                                entered -= per_pair * pair_count(arrays, row, places[k])
                            if entered > best[p]:
                                best[p], before[p] = entered, k
                elif size:
                    place = _climb(hull, size, place, slope[p])
                    before[p] = hull.at[place]
                    best[p] = hull.y[place] - slope[p] * hull.x[place]
                    if p == chain.starts[g]:
                        first_place = place
                if twin >= 0 and chain.table[TWIN_FITS, p] > 0:
                    extra = 0.0
                    for b in range(nb):
                        extra += worth.budget[b] * chain.table[COUNTS + 2 * nb + b, p]
                    entered = into[twin] - slope[p] * c - extra
                    if per_pair > 0:
                        entered -= per_pair * pair_count(arrays, chain.table[:, p], places[twin])
                    if entered > best[p]:
                        best[p], before[p] = entered, twin
                if best[p] + own[p] > top:
                    top, column[g] = best[p] + own[p], p
            value[g] = top + worth.end[i] * chain.logs[g] + worth.constant[i]
            if i == m - 1:
                value[g] += worth.per_channel * c
        incoming = chain.channels[chain.groups[i] : chain.groups[i + 1]]
        places = chain.places[chain.groups[i] : chain.groups[i + 1]]
        if i + 1 < m:
            into = (
                value[chain.groups[i] : chain.groups[i + 1]]
                + worth.log[i + 1] * chain.logs[chain.groups[i] : chain.groups[i + 1]]
            )
    return ForwardPass(own, per_block, best, before, value, column)


@compiled
def trace(arrays: Arrays, chain: Chain, done: ForwardPass) -> tuple[float, int, Ints, Ints, Floats, Floats]:
    """The best path: its worth, stem, columns and depths, its counts and ``sum log w`` of each super-block."""
    m, nb = len(chain.at) - 1, len(arrays.limits)
    g = chain.groups[m - 1] + int(np.argmax(done.value[chain.groups[m - 1] :]))
    most = done.value[g]
    columns, depths = np.empty(m, np.int64), np.empty(m, np.int64)
    counts, logs = np.zeros(nb), np.empty(m)
    k = 0
    for i in range(m - 1, -1, -1):
        p = done.column[g]
        k = done.before[p]
        if i:
            into = chain.groups[i - 1] + k
            ci, log_ci, place = chain.channels[into], chain.logs[into], chain.places[into]
        else:
            ci, log_ci, place = chain.stem[k], chain.stem_logs[k], chain.stem_places[k]
        row = chain.table[:, p]
        columns[i] = p
        depths[i] = chain.high[i] if done.per_block[p] > 0 else chain.low[i]
        more = depths[i] - 1
        for b in range(nb):
            counts[b] += row[COUNTS + b] + ci * row[COUNTS + nb + b] + more * row[COUNTS + 3 * nb + b]
            if ci == chain.channels[g]:
                counts[b] += row[COUNTS + 2 * nb + b]
        if arrays.paired >= 0:
            counts[arrays.paired] += pair_count(arrays, row, place)
        logs[i] = log_ci + row[BLOCK_LOG] + more * (row[LOG_CHANNELS] + row[BLOCK_LOG])
        if i:
            g = chain.groups[i - 1] + k
    return most, k, columns, depths, counts, logs


@compiled
def keep(
    arrays: Arrays, chain: Chain, worth: ArcWeights, done: ForwardPass, least: float
) -> tuple[bool, Floats, Bools, Ints, Ints]:
    """Columns, stems and depths on some path that is worth at least ``least``, and whether there are any; of each column, how
    much more than that its best path is worth, -1 for those that are not kept.
    """
    nb, m, n = len(worth.budget), len(chain.at) - 1, len(chain.rows)
    spares, kept_stem = np.full(n, -1.0), np.zeros(len(chain.stem), np.bool_)
    low, high = chain.low.copy(), chain.high.copy()
    onward = worth.per_channel * chain.channels[chain.groups[m - 1] :]
    widest = 0
    for g in range(len(chain.channels)):
        widest = max(widest, chain.starts[g + 1] - chain.starts[g])
    slope, line, hull = np.empty(widest), np.empty(widest), _hull_for(widest)
    per_pair = pair_price(arrays, worth)
    for i in range(m - 1, -1, -1):
        if i:
            incoming = chain.channels[chain.groups[i - 1] : chain.groups[i]]
            incoming_logs = chain.logs[chain.groups[i - 1] : chain.groups[i]]
            places = chain.places[chain.groups[i - 1] : chain.groups[i]]
        else:
            incoming, incoming_logs, places = chain.stem, chain.stem_logs, chain.stem_places
        back = np.full(len(incoming), -np.inf)
        least_depth, most_depth = float(chain.high[i]), float(chain.low[i])
        found = False
        for g in range(chain.groups[i], chain.groups[i + 1]):
            beyond = onward[g - chain.groups[i]] + worth.end[i] * chain.logs[g] + worth.constant[i]
            c, size = chain.channels[g], 0
            for p in range(chain.starts[g], chain.starts[g + 1]):
                spare = done.best[p] + done.own[p] + beyond - least
                if not spare >= 0:
                    continue
                found = True
                spares[p] = spare
                step = done.per_block[p]
                reach = float(chain.high[i] - chain.low[i])
                if abs(step) * reach > spare:
                    reach = np.floor(spare / abs(step) + 1e-9)
                if step > 0:
                    least_depth, most_depth = min(least_depth, chain.high[i] - reach), float(chain.high[i])
                else:
                    least_depth, most_depth = float(chain.low[i]), max(most_depth, chain.low[i] + reach)
                row, price, extra = chain.table[:, p], 0.0, 0.0
                for b in range(nb):
                    price += worth.budget[b] * row[COUNTS + nb + b]
                    extra += worth.budget[b] * row[COUNTS + 2 * nb + b]
                if per_pair > 0 or chain.limited[i]:
                    for k in range(chain.first[g], chain.stop[g]):
                        if may_enter(row, incoming[k]) and not (arrays.has_same[i] and incoming[k] == c):
                            passed = done.own[p] + beyond - incoming[k] * price
                            if per_pair > 0:
                                passed -= per_pair * pair_count(arrays, row, places[k])
                            back[k] = max(back[k], passed)
                else:
                    slope[size], line[size] = price, done.own[p] + beyond
                    size += 1
                if arrays.has_same[i] and row[TWIN_FITS] > 0:
                    for k in range(chain.first[g], chain.stop[g]):
                        if incoming[k] == c:
                            passed = done.own[p] + beyond - c * price - extra
                            if per_pair > 0:
                                passed -= per_pair * pair_count(arrays, row, places[k])
                            back[k] = max(back[k], passed)
            if not size:
                continue
            rising = True
            for q in range(1, size):
                rising &= slope[q] >= slope[q - 1]
            if not rising:
                _sort(slope, line, size)
            size = _extend(hull, 0, slope, line, 0, size)
            place = size - 1
            for k in range(chain.first[g], chain.stop[g]):
                if not (arrays.has_same[i] and incoming[k] == c):
                    place = _climb(hull, size, place, incoming[k])
                    back[k] = max(back[k], hull.y[place] - incoming[k] * hull.x[place])
        if not found:
            return False, spares, kept_stem, low, high
        low[i], high[i] = int(least_depth), int(most_depth)
        onward = back + worth.log[i] * incoming_logs
    for k in range(len(chain.stem)):
        kept_stem[k] = worth.stem[k] + onward[k] >= least
    return bool(kept_stem.any()), spares, kept_stem, low, high


@compiled
def _least_counts(arrays: Arrays, chain: Chain, stems: Ints) -> tuple[Floats, Floats]:
    """Least counts with which a path reaches each stem, and each channel group; one row each."""
    m, nb = len(chain.at) - 1, len(arrays.tail_fixed)
    start, least = np.empty((len(stems), nb)), np.full((len(chain.channels), nb), np.inf)
    for k in range(len(stems)):
        for b in range(nb):
            start[k, b] = arrays.stem_counts[b, stems[k]]
    for i in range(m):
        incoming = chain.stem if i == 0 else chain.channels[chain.groups[i - 1] : chain.groups[i]]
        before = start if i == 0 else least[chain.groups[i - 1] : chain.groups[i]]
        places = chain.stem_places if i == 0 else chain.places[chain.groups[i - 1] : chain.groups[i]]
        for g in range(chain.groups[i], chain.groups[i + 1]):
            for p in range(chain.starts[g], chain.starts[g + 1]):
                row = chain.table[:, p]
                for b in range(nb):
                    rest = row[COUNTS + 3 * nb + b]
                    own = row[COUNTS + b] + ((chain.low[i] if rest > 0 else chain.high[i]) - 1) * rest
                    slope, extra = row[COUNTS + nb + b], row[COUNTS + 2 * nb + b]
                    for k in range(chain.first[g], chain.stop[g]):
                        if not may_enter(row, incoming[k]):
                            continue
                        value = before[k, b] + own + incoming[k] * slope
                        if incoming[k] == chain.channels[g]:
                            value += extra
                        if b == arrays.paired:
                            value += pair_count(arrays, row, places[k])
                        least[g, b] = min(least[g, b], value)
    return start, least


@compiled
def list_paths(
    arrays: Arrays,
    chain: Chain,
    worth: ArcWeights,
    done: ForwardPass,
    stems: Ints,
    depths: Ints,
    depth_at: Ints,
    least: float,
    max_steps: int,
    max_found: int,
) -> tuple[int, int, Ints]:
    """All networks that keep the additive budgets and whose path is worth at least ``least``.

    A search from the last super-block to the first; what the forward pass found bounds what is still to come, and so do the
    least counts.

    Parameters
    ----------
    stems:
        Index of each stem of the chain in the tables.
    depths, depth_at:
        Depths of super-block ``i`` are ``depths[depth_at[i] : depth_at[i + 1]]``.
    max_steps, max_found:
        Steps after which the search gives up, and the most networks that it may find.

    Returns
    -------
    tuple
        Steps taken (more than ``max_steps`` if it gave up), number of networks, and one row for each: stem, columns, depths.
    """
    m, nb = len(chain.at) - 1, len(arrays.limits)
    start, least_counts = _least_counts(arrays, chain, stems)
    found = np.empty((max_found, 1 + 2 * m), np.int64)
    n_found, steps = 0, 0
    group, row_at, depth, source = np.empty(m, np.int64), np.empty(m, np.int64), np.empty(m, np.int64), np.empty(m, np.int64)
    beyond, counts = np.empty(m), np.empty((m, nb))
    for last in range(chain.groups[m - 1], chain.groups[m]):
        i = m - 1
        group[i] = last
        c = chain.channels[last]
        beyond[i] = worth.per_channel * c + worth.end[i] * chain.logs[last] + worth.constant[i]
        for b in range(nb):
            counts[i, b] = arrays.tail_fixed[b] + c * arrays.tail_slope[b]
        row_at[i], depth[i], source[i] = chain.starts[last], depth_at[i], chain.first[last] - 1
        while i < m:
            g, p = group[i], row_at[i]
            if p == chain.starts[g + 1]:
                i += 1
                continue
            if depth[i] == depth_at[i] and source[i] < chain.first[g]:
                steps += 1
                if not beyond[i] + done.best[p] + done.own[p] >= least:
                    row_at[i] += 1
                    continue
            better = chain.high[i] if done.per_block[p] > 0 else chain.low[i]
            here = beyond[i] + done.own[p] + (depths[depth[i]] - better) * done.per_block[p]
            source[i] += 1
            if source[i] == chain.stop[g] or not here + done.best[p] >= least:
                source[i] = chain.first[g] - 1
                depth[i] += 1
                if depth[i] == depth_at[i + 1]:
                    depth[i] = depth_at[i]
                    row_at[i] += 1
                continue
            steps += 1
            if steps > max_steps:
                return steps, n_found, found[:n_found]
            k = source[i]
            if i:
                into = chain.groups[i - 1] + k
                place = chain.places[into]
                ci, value = chain.channels[into], done.value[into] + worth.log[i] * chain.logs[into]
            else:
                into, place = k, chain.stem_places[k]
                ci, value = chain.stem[k], worth.stem[k] + worth.log[0] * chain.stem_logs[k]
            row = chain.table[:, p]
            if not may_enter(row, ci) or (row[REST_FITS] == 0 and depths[depth[i]] > 1):
                continue
            twin = 1.0 if ci == chain.channels[g] else 0.0
            pair = pair_count(arrays, row, place) if arrays.paired >= 0 else 0.0
            price = pair * pair_price(arrays, worth)
            for b in range(nb):
                price += worth.budget[b] * (ci * row[COUNTS + nb + b] + twin * row[COUNTS + 2 * nb + b])
            if not here + value - price >= least:
                continue
            fits = True
            for b in range(nb):
                used = counts[i, b] + row[COUNTS + b] + ci * row[COUNTS + nb + b] + twin * row[COUNTS + 2 * nb + b]
                used += (depths[depth[i]] - 1) * row[COUNTS + 3 * nb + b]
                if b == arrays.paired:
                    used += pair
                fits &= used + (least_counts[into, b] if i else start[k, b]) <= arrays.limits[b]
                if i:
                    counts[i - 1, b] = used
            if not fits:
                continue
            if i:
                i -= 1
                group[i] = into
                beyond[i] = (
                    here - price + worth.log[i + 1] * chain.logs[into] + worth.end[i] * chain.logs[into] + worth.constant[i]
                )
                row_at[i], depth[i], source[i] = chain.starts[into], depth_at[i], chain.first[into] - 1
                continue
            if n_found == max_found:
                return max_steps + 1, n_found, found
            found[n_found, 0] = stems[k]
            for j in range(m):
                found[n_found, 1 + j] = chain.rows[row_at[j]] - arrays.offsets[j]
                found[n_found, 1 + m + j] = depths[depth[j]]
            n_found += 1
    return steps, n_found, found[:n_found]
