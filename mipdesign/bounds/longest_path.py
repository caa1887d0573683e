"""Longest paths through a chain of super-blocks, compiled: the inner loops of the bounds.

A path picks, for every super-block, a column and a depth; what it is worth is a sum over super-blocks of a value of the column
and depth, of a term that is affine in the incoming channels with a slope that depends on the column, and of a term in the
channels at its end. For each channel count the best incoming channels are a maximum of ``value(ci) - ci * price(column)``
over a window of ``ci``: the upper hull of the points ``(ci, value)`` answers it for all columns at once, so that a pass costs
little more than reading the columns.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..compiled import compiled
from ..lattice.arrays import BLOCK_LOG, IDENTITY_FITS, LAYERS, LOG_CHANNELS, REST_FITS, Arrays, Floats, Ints
from ..lattice.counts import (
    add_super_block,
    fixed_parts,
    identity_parts,
    log_widths,
    may_enter,
    pair_count,
    rest_parts,
    slope_parts,
)
from .chain import Chain, incoming_of
from .hull import climb, extend, hull_for


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
def pair_price(arrays: Arrays, weights: ArcWeights) -> float:
    """Price of the paired budget; 0 where there is none."""
    return float(weights.budget[arrays.paired]) if arrays.paired >= 0 else 0.0


@compiled
def _weigh_columns(chain: Chain, weights: ArcWeights, i: int, own: Floats, per_block: Floats, slope: Floats) -> None:
    """What each column of a super-block is worth at its better depth, what one more block is, and the price of an incoming
    channel. Loops over columns only, for the compiler to take several at once.
    """
    nb, first, stop = len(weights.budget), chain.at[i], chain.at[i + 1]
    g_log, low, high = weights.log[i], float(chain.low[i]), float(chain.high[i])
    per_layer, per_step = weights.layer[i], weights.block[i]
    for p in range(first, stop):
        own[p] = slope[p] = per_block[p] = 0.0
    every_fixed, every_slope = fixed_parts(chain.table, nb), slope_parts(chain.table, nb)
    every_rest = rest_parts(chain.table, nb)
    for b in range(nb):
        price = weights.budget[b]
        fixed, per_channel, rest = every_fixed[b], every_slope[b], every_rest[b]
        for p in range(first, stop):
            own[p] += price * fixed[p]
        for p in range(first, stop):
            slope[p] += price * per_channel[p]
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
def forward(arrays: Arrays, chain: Chain, weights: ArcWeights) -> ForwardPass:
    """Best paths to every column and channel count."""
    nb, m, n = len(weights.budget), len(chain.at) - 1, len(chain.rows)
    own, per_block, best = np.empty(n), np.empty(n), np.full(n, -np.inf)
    before = np.full(n, -1)
    value, column = np.full(len(chain.channels), -np.inf), np.full(len(chain.channels), -1)
    widest = len(chain.stem)
    for i in range(m):
        widest = max(widest, chain.groups[i + 1] - chain.groups[i])
    hull, slope = hull_for(widest), np.empty(n)
    incoming, places, into = chain.stem, chain.stem_places, weights.stem + weights.log[0] * chain.stem_logs
    per_pair, identities = pair_price(arrays, weights), identity_parts(chain.table, nb)
    for i in range(m):
        _weigh_columns(chain, weights, i, own, per_block, slope)
        has_identity, limited = arrays.has_identity[i], chain.limited[i] or per_pair > 0
        size, begun, reached, equal = 0, 0, 0, 0  # the hull holds the incoming channels from `begun` to before `reached`
        first_place = 0  # of the group before: its columns' slopes begin alike
        for g in range(chain.groups[i], chain.groups[i + 1]):
            c, first, stop = chain.channels[g], chain.first[g], chain.stop[g]
            while equal < stop and incoming[equal] < c:
                equal += 1
            identity = equal if has_identity and first <= equal < stop and incoming[equal] == c else -1
            if begun != first or (identity >= 0 and identity < reached):
                size, begun, reached = 0, first, first
            if identity < 0:
                size = extend(hull, size, incoming, into, reached, stop)
                reached = max(reached, stop)
            else:  # it is entered otherwise than the rest
                size = extend(hull, size, incoming, into, reached, identity)
                reached = identity
                if identity < stop - 1:
                    size, begun = extend(hull, size, incoming, into, identity + 1, stop), -1
            place, top = max(0, min(first_place, size - 1)), -np.inf
            for p in range(chain.starts[g], chain.starts[g + 1]):
                if limited:
                    row = chain.table[:, p]
                    for k in range(first, stop):
                        if k != identity and may_enter(row, incoming[k]):
                            entered = into[k] - slope[p] * incoming[k]
                            if per_pair > 0:
                                entered -= per_pair * pair_count(arrays, row, places[k])
                            if entered > best[p]:
                                best[p], before[p] = entered, k
                elif size:
                    place = climb(hull, size, place, slope[p])
                    before[p] = hull.at[place]
                    best[p] = hull.y[place] - slope[p] * hull.x[place]
                    if p == chain.starts[g]:
                        first_place = place
                if identity >= 0 and chain.table[IDENTITY_FITS, p] > 0:
                    extra = 0.0
                    for b in range(nb):
                        extra += weights.budget[b] * identities[b, p]
                    entered = into[identity] - slope[p] * c - extra
                    if per_pair > 0:
                        entered -= per_pair * pair_count(arrays, chain.table[:, p], places[identity])
                    if entered > best[p]:
                        best[p], before[p] = entered, identity
                if best[p] + own[p] > top:
                    top, column[g] = best[p] + own[p], p
            value[g] = top + weights.end[i] * chain.logs[g] + weights.constant[i]
            if i == m - 1:
                value[g] += weights.per_channel * c
        if i + 1 < m:
            incoming, incoming_logs, places = incoming_of(chain, i + 1)
            into = value[chain.groups[i] : chain.groups[i + 1]] + weights.log[i + 1] * incoming_logs
    return ForwardPass(own, per_block, best, before, value, column)


@compiled
def trace(arrays: Arrays, chain: Chain, done: ForwardPass) -> tuple[float, int, Ints, Ints, Floats, Floats]:
    """The best path: its weights, stem, columns and depths, its counts and ``sum log w`` of each super-block."""
    m, nb = len(chain.at) - 1, len(arrays.limits)
    g = chain.groups[m - 1] + int(np.argmax(done.value[chain.groups[m - 1] :]))
    most = done.value[g]
    columns, depths = np.empty(m, np.int64), np.empty(m, np.int64)
    counts, logs = np.zeros(nb), np.empty(m)
    k = 0
    for i in range(m - 1, -1, -1):
        p = done.column[g]
        k = done.before[p]
        incoming, incoming_logs, incoming_places = incoming_of(chain, i)
        row = chain.table[:, p]
        columns[i] = p
        depths[i] = chain.high[i] if done.per_block[p] > 0 else chain.low[i]
        add_super_block(row, incoming[k], depths[i], counts)
        if arrays.paired >= 0:
            counts[arrays.paired] += pair_count(arrays, row, incoming_places[k])
        logs[i] = log_widths(row, incoming_logs[k], depths[i])
        if i:
            g = chain.groups[i - 1] + k
    return most, k, columns, depths, counts, logs
