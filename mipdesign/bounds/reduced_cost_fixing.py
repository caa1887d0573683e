"""Reduced-cost fixing: which columns, stems and depths are on a path that reaches a cutoff, by a backward pass; compiled.

Where the forward pass hulls points ``(ci, value)``, the backward pass hulls the columns' lines ``a - price * ci``.
"""

from __future__ import annotations

import numpy as np

from ..compiled import compiled
from ..lattice.arrays import IDENTITY_FITS, Arrays, Bools, Floats, Ints
from ..lattice.counts import identity_parts, may_enter, pair_count, slope_parts
from .chain import Chain, incoming_of
from .hull import climb, extend, hull_for, sort_points
from .longest_path import ArcWeights, ForwardPass, pair_price


@compiled
def fix_by_reduced_cost(
    arrays: Arrays, chain: Chain, weights: ArcWeights, done: ForwardPass, least: float
) -> tuple[bool, Floats, Bools, Ints, Ints]:
    """Columns, stems and depths on some path that is worth at least ``least``, and whether there are any; of each column, how
    much more than that its best path is worth, -1 for those that are not kept.
    """
    nb, m, n = len(weights.budget), len(chain.at) - 1, len(chain.rows)
    spares, kept_stem = np.full(n, -1.0), np.zeros(len(chain.stem), np.bool_)
    low, high = chain.low.copy(), chain.high.copy()
    onward = weights.per_channel * chain.channels[chain.groups[m - 1] :]
    widest = 0
    for g in range(len(chain.channels)):
        widest = max(widest, chain.starts[g + 1] - chain.starts[g])
    slope, line, hull = np.empty(widest), np.empty(widest), hull_for(widest)
    per_pair = pair_price(arrays, weights)
    slopes, identities = slope_parts(chain.table, nb), identity_parts(chain.table, nb)
    for i in range(m - 1, -1, -1):
        incoming, incoming_logs, places = incoming_of(chain, i)
        back = np.full(len(incoming), -np.inf)
        least_depth, most_depth = float(chain.high[i]), float(chain.low[i])
        found = False
        for g in range(chain.groups[i], chain.groups[i + 1]):
            beyond = onward[g - chain.groups[i]] + weights.end[i] * chain.logs[g] + weights.constant[i]
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
                    price += weights.budget[b] * slopes[b, p]
                    extra += weights.budget[b] * identities[b, p]
                if per_pair > 0 or chain.limited[i]:
                    for k in range(chain.first[g], chain.stop[g]):
                        if may_enter(row, incoming[k]) and not (arrays.has_identity[i] and incoming[k] == c):
                            passed = done.own[p] + beyond - incoming[k] * price
                            if per_pair > 0:
                                passed -= per_pair * pair_count(arrays, row, places[k])
                            back[k] = max(back[k], passed)
                else:
                    slope[size], line[size] = price, done.own[p] + beyond
                    size += 1
                if arrays.has_identity[i] and row[IDENTITY_FITS] > 0:
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
                sort_points(slope, line, size)
            size = extend(hull, 0, slope, line, 0, size)
            place = size - 1
            for k in range(chain.first[g], chain.stop[g]):
                if not (arrays.has_identity[i] and incoming[k] == c):
                    place = climb(hull, size, place, incoming[k])
                    back[k] = max(back[k], hull.y[place] - incoming[k] * hull.x[place])
        if not found:
            return False, spares, kept_stem, low, high
        low[i], high[i] = int(least_depth), int(most_depth)
        onward = back + weights.log[i] * incoming_logs
    for k in range(len(chain.stem)):
        kept_stem[k] = weights.stem[k] + onward[k] >= least
    return bool(kept_stem.any()), spares, kept_stem, low, high
