"""The dual function of a cell and its minimisation, compiled; :mod:`mipdesign.bounds.relaxation` says what it bounds and why.

A vector of multipliers holds those of the budgets, then ``mu`` and ``pi`` of each effectiveness constraint, then the gradient
of the penalty.
"""

from __future__ import annotations

import numpy as np

from ..compiled import compiled
from ..lattice.arrays import CHANNELS, HAS_SE, LAYERS, LOG_CHANNELS, Arrays, Floats, Ints
from ..lattice.batch import effectiveness_cost, penalty
from ..lattice.counts import tail_count
from .chain import Chain
from .depth_penalty import conjugate
from .effectiveness import dearest_layers, dearest_rho, least_log_widths
from .level_bundle import project_to_level
from .longest_path import ArcWeights, ForwardPass, forward, trace
from .ranges import Ranges, prefix_sums

ERROR = 1e-11
"""Relative rounding allowance of a bound: about a hundred times the error of its few hundred additions."""
OVERSHOOT = 1.0
"""How far below the cutoff the level method aims, relative to how far above it the bound stands."""


@compiled
def arc_weights(
    arrays: Arrays, chain: Chain, ranges: Ranges, multipliers: Floats, weight: float
) -> tuple[ArcWeights, float, float]:
    """What the parts of a network are worth at given multipliers, the constant beside them, and the rounding allowance."""
    stages, m = arrays.prefix.shape
    nb, nr, n = len(arrays.limits), len(arrays.rho_stages), len(arrays.penalised)
    budget, gradient = multipliers[:nb].copy(), multipliers[nb + 2 * nr :]
    shift = (ranges.floor * ranges.x_high).sum()
    conj, _ = conjugate(arrays, ranges.flat, ranges.spread, gradient, np.empty(n))
    spent = (budget * arrays.limits).sum()
    constant = weight * (conj - shift) + spent
    scale = weight * (abs(conj) + abs(shift) + (arrays.weights * ranges.x_high * ranges.s_high).sum())
    scale += (budget * np.abs(arrays.limits)).sum()
    block = np.zeros(m)
    for k in range(n):
        i = arrays.penalised[k]
        block[i] = -weight * (gradient[k] - gradient.mean())
        scale += abs(block[i]) * chain.high[i]
    per_stage, layer_price = weight * arrays.weights * ranges.x_high, np.zeros(stages)
    rho, gain = dearest_rho(arrays, ranges, multipliers, weight * arrays.rho_price)
    if nr:
        constant += gain
        scale += weight * arrays.rho_price * ranges.rho_high
    for k in range(nr):
        j, mu, pi = arrays.rho_stages[k], multipliers[nb + k], multipliers[nb + nr + k]
        need = least_log_widths(dearest_layers(arrays, ranges, multipliers, k, rho), rho)
        per_stage[j] += mu
        layer_price[j] += pi
        scale += (abs(pi) + mu) * ranges.n_high[j] + mu * (abs(need) + ranges.s_high[j])
    log, layer = np.zeros(m), np.zeros(m)
    for j in range(stages):
        for i in range(m):
            log[i] += arrays.prefix[j, i] * per_stage[j]
            layer[i] -= arrays.prefix[j, i] * layer_price[j]
    constant += per_stage.sum() * arrays.stem_log - layer_price.sum()
    end, offset, stem = np.zeros(m), np.zeros(m), np.zeros(len(ranges.stems))
    for k in range(len(stem)):
        for b in range(nb):
            stem[k] -= budget[b] * arrays.stem_counts[b, ranges.stems[k]]
    for j in range(stages):
        i, rate = arrays.ends[j], weight * ranges.floor[j]
        if j == stages - 1 and arrays.head_log >= 0:
            constant += rate * ranges.x_high[j]  # x is a constant: its product is exact
        elif i < 0:
            stem += rate * (ranges.areas[j] + chain.stem_logs)
        else:
            end[i] = rate
            offset[i] = rate * ranges.areas[j]
    if arrays.head_log >= 0:
        end[m - 1] += per_stage[stages - 1]
        constant -= layer_price[stages - 1]
    offset[m - 1] -= (budget * arrays.tail_fixed).sum()
    weights = ArcWeights(budget, log, block, layer, end, offset, -(budget * arrays.tail_slope).sum(), stem)
    return weights, constant, ERROR * scale


@compiled
def evaluate(
    arrays: Arrays, chain: Chain, ranges: Ranges, multipliers: Floats, weight: float, path: Floats
) -> tuple[float, float, float, ArcWeights, ForwardPass]:
    """The bound at given multipliers: its value, rounding allowance and constant, the arc weights, and the forward pass.

    ``path`` receives a network that attains it, as a row of :attr:`mipdesign.bounds.paths.Paths.table`.
    """
    weights, constant, error = arc_weights(arrays, chain, ranges, multipliers, weight)
    done = forward(arrays, chain, weights)
    value, k, places, depths, counts, logs = trace(arrays, chain, done)
    stages, m = arrays.prefix.shape
    last = chain.table[:, places[m - 1]]
    stem, nb, after = ranges.stems[k], len(arrays.limits), 1 + 2 * m
    path[0] = stem
    layers_of = np.empty(m)
    for i in range(m):
        path[1 + i], path[1 + m + i] = chain.rows[places[i]] - arrays.offsets[i], depths[i]
        layers_of[i] = chain.table[LAYERS, places[i]] * depths[i]
    for b in range(nb):
        path[after + b] = counts[b] + arrays.stem_counts[b, stem] + tail_count(arrays, b, last[CHANNELS])
    after += nb
    log_widths = prefix_sums(arrays, logs, arrays.stem_log, last[LOG_CHANNELS])
    layers = prefix_sums(arrays, layers_of, 1.0, 1.0)
    objective = -penalty(arrays, depths)
    for j in range(stages):
        i = arrays.ends[j]
        end_log = chain.stem_logs[k] if i < 0 else chain.table[LOG_CHANNELS, places[i]]
        if j == stages - 1 and arrays.head_log >= 0:
            end_log = arrays.head_log
        seen = False
        for q in range(i + 1 if arrays.forgets else 0):
            seen |= chain.table[HAS_SE, places[q]] > 0
        x = end_log + (0.0 if seen else arrays.log_areas[j])
        path[after + j], path[after + stages + j], path[after + 2 * stages + j] = log_widths[j], layers[j], x
        objective += arrays.weights[j] * x * log_widths[j]
    path[-1] = objective - effectiveness_cost(arrays, log_widths, layers)
    return value + constant, error, constant, weights, done


@compiled
def slack(arrays: Arrays, ranges: Ranges, multipliers: Floats, weight: float, path: Floats, slope: Floats) -> float:
    """The share of the bound that is not proportional to multipliers, at a network that attains it; ``slope`` receives the
    subgradient in the price vector.
    """
    nb, nr, n = len(arrays.limits), len(arrays.rho_stages), len(arrays.penalised)
    stages, m = arrays.prefix.shape
    logs, depths = 1 + 2 * m + nb, np.empty(n)
    for b in range(nb):
        slope[b] = arrays.limits[b] - path[1 + 2 * m + b]
    rho, _ = dearest_rho(arrays, ranges, multipliers, weight * arrays.rho_price)
    for k in range(nr):
        j, layers = arrays.rho_stages[k], dearest_layers(arrays, ranges, multipliers, k, rho)
        slope[nb + k] = path[logs + j] - least_log_widths(layers, rho)
        slope[nb + nr + k] = layers - path[logs + stages + j]
    _, rest = conjugate(arrays, ranges.flat, ranges.spread, multipliers[nb + 2 * nr :], depths)
    mean = 0.0
    for i in arrays.penalised:
        mean += path[1 + m + i] / n
    for k in range(n):
        slope[nb + 2 * nr + k] = weight * (depths[k] - (path[1 + m + arrays.penalised[k]] - mean))
    for j in range(stages):
        rest += arrays.weights[j] * ranges.x_high[j] * path[logs + j]
        rest += ranges.floor[j] * (path[logs + 2 * stages + j] - ranges.x_high[j])
    if nr and arrays.rho_price > 0:
        rest -= arrays.rho_price * rho
    return weight * rest


@compiled
def _has(sorted_values: Ints, value: int) -> bool:
    low, high = 0, len(sorted_values)
    while low < high:
        middle = (low + high) // 2
        if sorted_values[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low < len(sorted_values) and sorted_values[low] == value


@compiled
def _holds(arrays: Arrays, chain: Chain, ranges: Ranges, path: Floats) -> bool:
    """Whether a network lies in the cell."""
    m = len(chain.low)
    if not _has(ranges.stems, int(path[0])):
        return False
    for i in range(m):
        if path[1 + m + i] < chain.low[i] or path[1 + m + i] > chain.high[i]:
            return False
        if not _has(chain.rows[chain.at[i] : chain.at[i + 1]], arrays.offsets[i] + int(path[1 + i])):
            return False
    return True


@compiled
def minimise(
    arrays: Arrays,
    chain: Chain,
    ranges: Ranges,
    start: Floats,
    weight: float,
    cutoff: float,
    known: Floats,
    max_evaluations: int,
    tolerance: float,
) -> tuple[float, float, int, Floats, Floats, Floats, int]:
    """Lowers the bound of a cell by a level method (Lemarechal, Nemirovskii, Nesterov 1995) on its convex dual function.

    Returns
    -------
    tuple
        The least bound and its rounding allowance; the place of its network in the paths; its multipliers; all paths, those of
        ``known`` that lie in the cell first; their weights in the last model; evaluations.
    """
    nb, nr, dims = len(arrays.limits), len(arrays.rho_stages), len(start)
    unit, signed = np.empty(dims), np.zeros(dims, np.bool_)
    for k in range(nb):
        unit[k], signed[k] = abs(arrays.limits[k]), True
    for k in range(nr):
        unit[nb + k], unit[nb + nr + k] = ranges.s_high[arrays.rho_stages[k]], ranges.n_high[arrays.rho_stages[k]]
        signed[nb + k] = True
    for k in range(len(arrays.penalised)):
        i = arrays.penalised[k]
        unit[nb + 2 * nr + k] = chain.high[i] - chain.low[i]
    for d in range(dims):
        unit[d] = 1.0 / max(unit[d], 1.0)
    size, floor = max(1.0, abs(cutoff)), -np.inf
    room = len(known) + max_evaluations
    paths, slopes, intercepts, above = np.empty((room, known.shape[1])), np.empty((room, dims)), np.empty(room), np.empty(room)
    n = 0
    for q in range(len(known)):
        if _holds(arrays, chain, ranges, known[q]):
            paths[n] = known[q]
            intercepts[n] = slack(arrays, ranges, start, weight, paths[n], slopes[n])
            slopes[n] *= unit
            n += 1
    multipliers, best_multipliers, centre = start.copy(), start.copy(), start / unit
    best, error, best_at, evaluations = np.inf, 0.0, n, 0
    weights, active = np.zeros(room), np.zeros(0, np.int64)
    while evaluations < max_evaluations:
        value, allowance, _, _, _ = evaluate(arrays, chain, ranges, multipliers, weight, paths[n])
        evaluations += 1
        slack(arrays, ranges, multipliers, weight, paths[n], slopes[n])
        intercepts[n] = value
        for d in range(dims):
            intercepts[n] -= slopes[n, d] * multipliers[d]
        slopes[n] *= unit
        if value < best:
            best, error, best_at = value, allowance, n
            best_multipliers[:] = multipliers
            centre = multipliers / unit
        n += 1
        excess = best - cutoff
        good_enough = max(1e-5 * size, tolerance * excess)
        floor = max(floor, cutoff - OVERSHOOT * excess)
        if evaluations == max_evaluations or dims == 0 or best + error < cutoff or best - floor < good_enough:
            break
        for q in range(n):
            above[q] = intercepts[q]
            for d in range(dims):
                above[q] += slopes[q, d] * centre[d]
        found = False
        for _ in range(6):
            level = floor + 0.3 * (best - floor)
            found, step, duals, active = project_to_level(above[:n] - level, slopes[:n], centre, signed, size, active)
            total = duals.sum()
            if total > 0:
                weights[:] = 0.0
                weights[:n] = duals / total
            if found:
                highest = -np.inf
                for q in range(n):
                    there = above[q]
                    for d in range(dims):
                        there += slopes[q, d] * step[d]
                    highest = max(highest, there)
                if highest < level + 0.1 * (best - level):
                    for d in range(dims):
                        multipliers[d] = (centre[d] + step[d]) * unit[d]
                        if signed[d]:
                            multipliers[d] = max(0.0, multipliers[d])
                    break
            found, floor = False, level
            if best - floor < good_enough:
                break
        if not found:
            break
    return best, error, best_at, best_multipliers, paths[:n].copy(), weights[:n].copy(), evaluations
