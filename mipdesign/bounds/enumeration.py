"""Enumeration: all networks of a cell whose own bound reaches a cutoff, by a backward search along the chain; compiled."""

from __future__ import annotations

import numpy as np

from ..compiled import compiled
from ..lattice.arrays import Arrays, Floats, Ints
from ..lattice.counts import (
    entering_count,
    may_enter,
    may_have_depth,
    own_count,
    pair_count,
    rest_parts,
    super_block_count,
    tail_count,
)
from .chain import Chain, incoming_of
from .longest_path import ArcWeights, ForwardPass, pair_price


@compiled
def _least_counts(arrays: Arrays, chain: Chain, stems: Ints) -> tuple[Floats, Floats]:
    """Least counts with which a path reaches each stem, and each channel group; one row each."""
    m, nb = len(chain.at) - 1, len(arrays.tail_fixed)
    start, least = np.empty((len(stems), nb)), np.full((len(chain.channels), nb), np.inf)
    rests = rest_parts(chain.table, nb)
    for k in range(len(stems)):
        for b in range(nb):
            start[k, b] = arrays.stem_counts[b, stems[k]]
    for i in range(m):
        incoming, _, places = incoming_of(chain, i)
        before = start if i == 0 else least[chain.groups[i - 1] : chain.groups[i]]
        for g in range(chain.groups[i], chain.groups[i + 1]):
            for p in range(chain.starts[g], chain.starts[g + 1]):
                row = chain.table[:, p]
                for b in range(nb):
                    own = own_count(row, nb, b, chain.low[i] if rests[b, p] > 0 else chain.high[i])
                    for k in range(chain.first[g], chain.stop[g]):
                        if not may_enter(row, incoming[k]):
                            continue
                        value = before[k, b] + own + entering_count(row, nb, b, incoming[k])
                        if b == arrays.paired:
                            value += pair_count(arrays, row, places[k])
                        least[g, b] = min(least[g, b], value)
    return start, least


@compiled
def list_paths(
    arrays: Arrays,
    chain: Chain,
    weights: ArcWeights,
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
        beyond[i] = weights.per_channel * c + weights.end[i] * chain.logs[last] + weights.constant[i]
        for b in range(nb):
            counts[i, b] = tail_count(arrays, b, c)
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
                ci, value = chain.channels[into], done.value[into] + weights.log[i] * chain.logs[into]
            else:
                into, place = k, chain.stem_places[k]
                ci, value = chain.stem[k], weights.stem[k] + weights.log[0] * chain.stem_logs[k]
            row = chain.table[:, p]
            if not (may_enter(row, ci) and may_have_depth(row, depths[depth[i]])):
                continue
            pair = pair_count(arrays, row, place) if arrays.paired >= 0 else 0.0
            price = pair * pair_price(arrays, weights)
            for b in range(nb):
                price += weights.budget[b] * entering_count(row, nb, b, ci)
            if not here + value - price >= least:
                continue
            fits = True
            for b in range(nb):
                used = counts[i, b] + super_block_count(row, nb, b, ci, depths[depth[i]])
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
                    here
                    - price
                    + weights.log[i + 1] * chain.logs[into]
                    + weights.end[i] * chain.logs[into]
                    + weights.constant[i]
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
