"""The dual function of a cell and its minimisation, compiled; :mod:`mipdesign.bounds.relaxation` says what it bounds and why.

A price vector holds the prices of the budgets, then ``mu`` and ``pi`` of each effectiveness constraint, then the gradient of
the penalty.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..compiled import compiled
from ..lattice.batch import effectiveness_cost, keeps_ties, penalty
from ..lattice.tables import CHANNELS, HAS_SE, LAYERS, LOG_CHANNELS, Arrays, Bools, Floats, Ints, Position
from .level_bundle import project_to_level
from .longest_path import ArcWeights, Chain, ForwardPass, forward, log_ranges, trace

ERROR = 1e-11
"""Relative rounding allowance of a bound: about a hundred times the error of its few hundred additions."""
OVERSHOOT = 1.0
"""How far below the cutoff the level method aims, relative to how far above it the bound stands."""
LARGEST_EXPONENT = 300.0
"""Of a penalty in a bound: its products with other terms are to remain doubles."""


class Ranges(NamedTuple):
    """What a cell leaves open.

    Attributes
    ----------
    stems:
        Index of each stem in the tables.
    s_low, s_high, n_low, n_high:
        Range of each prefix's ``sum log w`` and of its layers.
    floor:
        ``S_l`` of the McCormick overestimator of each stage, times ``alpha`` and the convention's factor: least ``sum log w``
        of a network that reaches the cutoff.
    x_high, areas:
        Largest ``x_j = log(r^2 C_j)`` and ``log r^2`` of each stage, as the convention sees it.
    flat, spread:
        Least and largest ``|d - mean d|`` of the penalised depths.
    rho_low, rho_high:
        Range of the effectiveness where it is priced; its limit, twice, where it is only limited.
    """

    stems: Ints
    s_low: Floats
    s_high: Floats
    n_low: Floats
    n_high: Floats
    floor: Floats
    x_high: Floats
    areas: Floats
    flat: float
    spread: float
    rho_low: float
    rho_high: float


@dataclass(frozen=True)
class Paths:
    """Networks that attained bounds, with the figures that subgradients need.

    Attributes
    ----------
    table:
        One row per network: stem; columns and depths of the super-blocks; counts; ``sum log w``, layers and ``x_j`` of each
        stage; the true objective.
    super_blocks, budgets, stages:
        How many of each there are.
    """

    table: Floats
    super_blocks: int
    budgets: int
    stages: int

    @classmethod
    def none(cls, arrays: Arrays, room: int = 0) -> Paths:
        """Room for some networks."""
        stages, m = arrays.prefix.shape
        nb = len(arrays.limits)
        return cls(np.empty((room, 2 + 2 * m + nb + 3 * stages)), m, nb, stages)

    def __len__(self) -> int:
        return len(self.table)

    def take(self, index: Ints | Bools | slice) -> Paths:
        """The networks at ``index``."""
        return replace(self, table=self.table[index])

    def _part(self, first: int, n: int) -> Floats:
        return self.table[:, first : first + n]

    def with_more(self, others: Paths) -> Paths:
        """These networks, then others."""
        return replace(self, table=np.concatenate([self.table, others.table]))

    @property
    def columns(self) -> Ints:
        """Columns, shape ``(networks, super_blocks)``."""
        return self._part(1, self.super_blocks).astype(np.int64)

    @property
    def depths(self) -> Ints:
        """Depths, shape ``(networks, super_blocks)``."""
        return self._part(1 + self.super_blocks, self.super_blocks).astype(np.int64)

    @property
    def counts(self) -> Floats:
        """Counts of the additive budgets, shape ``(networks, budgets)``."""
        return self._part(1 + 2 * self.super_blocks, self.budgets)

    @property
    def log_widths(self) -> Floats:
        """``sum log w`` of each prefix, shape ``(networks, stages)``."""
        return self._part(1 + 2 * self.super_blocks + self.budgets, self.stages)

    @property
    def layers(self) -> Floats:
        """Layers of each prefix, shape ``(networks, stages)``."""
        return self._part(1 + 2 * self.super_blocks + self.budgets + self.stages, self.stages)

    def tied(self, arrays: Arrays) -> Bools:
        """Which networks keep the ties, shape ``(networks,)``."""
        return _tied(arrays, self.columns, self.depths)

    @property
    def objective(self) -> Floats:
        """Objective, shape ``(networks,)``."""
        return self.table[:, -1]

    def position(self, k: int) -> Position:
        """Network ``k`` as table positions."""
        m = self.super_blocks
        numbers = self.table[k, : 1 + 2 * m].astype(np.int64).tolist()
        return Position(numbers[0], tuple(numbers[1 : 1 + m]), tuple(numbers[1 + m :]))


@compiled
def _tied(arrays: Arrays, columns: Ints, depths: Ints) -> Bools:
    kept = np.empty(len(columns), np.bool_)
    for k in range(len(columns)):
        kept[k] = keeps_ties(arrays, columns[k], depths[k])
    return kept


# ---------------------------------------------------------------------- penalty


@compiled
def penalty_at(arrays: Arrays, spread: float) -> float:
    """``beta Q`` where the penalised depths have ``|d - mean d|`` = ``spread``.

    It is cut off at :data:`LARGEST_EXPONENT`: a bound may take it for less.
    """
    n = len(arrays.penalised)
    if n == 0:
        return 0.0
    exponent = spread * spread / n if arrays.squared else spread / np.sqrt(n)
    if exponent > LARGEST_EXPONENT or np.log(arrays.beta) + exponent > LARGEST_EXPONENT:
        return float(np.exp(min(np.log(arrays.beta) + exponent, LARGEST_EXPONENT)))
    return float(arrays.beta * np.exp(exponent))


@compiled
def _spread_with_slope(arrays: Arrays, slope: float) -> float:
    """Where ``beta Q`` has a slope; an error matters to second order only."""
    root = np.sqrt(len(arrays.penalised))
    if slope <= 0.0:
        return 0.0
    if not arrays.squared:
        return float(root * (np.log(slope * root) - np.log(arrays.beta))) if slope * root > arrays.beta else 0.0
    log_target = np.log(slope * root / 2.0) - np.log(arrays.beta)  # y exp(y^2) = target with y = spread / root
    if log_target > 200.0:  # the target may be no double; log y + y^2 is what it is compared with
        y = np.sqrt(log_target)
        for _ in range(30):
            y -= (np.log(y) + y * y - log_target) / (1.0 / y + 2.0 * y)
        return float(y * root)
    target = slope * root / (2.0 * arrays.beta)
    y = np.sqrt(np.log1p(target)) if target > 1.0 else target
    for _ in range(30):
        grown = np.exp(y * y)
        y = max(0.0, y - (y * grown - target) / (grown * (1.0 + 2.0 * y * y)))
    return float(y * root)


@compiled
def conjugate(arrays: Arrays, ranges: Ranges, gradient: Floats, depths: Floats) -> tuple[float, float]:
    """Largest ``gamma d - beta Q(d)`` over the spreads that the cell allows, and its share ``-beta Q``.

    ``depths`` receives the maximiser, of mean 0.
    """
    n = len(arrays.penalised)
    if n == 0:
        return 0.0, 0.0
    centred = gradient - gradient.mean()
    size = np.sqrt((centred * centred).sum())
    spread = min(max(_spread_with_slope(arrays, size), ranges.flat), ranges.spread)
    cost = penalty_at(arrays, spread)
    for k in range(n):
        depths[k] = centred[k] * (spread / size) if size > 0 else 0.0
    return size * spread - cost, -cost


@compiled
def _least_spread(arrays: Arrays, chain: Chain) -> float:
    """A lower bound of ``|d - mean d|`` over a cell, from the supporting plane at the flattest point found."""
    n = len(arrays.penalised)
    depths, common = np.empty(n), 0.0
    for i in arrays.penalised:
        common += (chain.low[i] + chain.high[i]) / (2.0 * n)
    for _ in range(30):
        mean = 0.0
        for k in range(n):
            i = arrays.penalised[k]
            depths[k] = min(max(common, chain.low[i]), chain.high[i])
            mean += depths[k] / n
        common = mean
    size = 0.0
    for k in range(n):
        size += (depths[k] - common) ** 2
    size = np.sqrt(size)
    if size <= 1e-9:
        return 0.0
    least = size
    for k in range(n):
        i, direction = arrays.penalised[k], (depths[k] - common) / size
        least += min(direction * (chain.low[i] - depths[k]), direction * (chain.high[i] - depths[k]))
    return float(max(0.0, least * (1.0 - 1e-12)))


# ---------------------------------------------------------------------- effectiveness


@compiled
def _phi(n: float, rho: float) -> float:
    """``n log n - n log rho``: the least ``sum log w`` of a prefix of ``n`` layers."""
    return float(n * np.log(n / rho))


@compiled
def _dearest_layers(arrays: Arrays, ranges: Ranges, prices: Floats, k: int, rho: float) -> float:
    """``n`` within the cell that maximises ``pi n - mu phi(n)`` for constraint ``k``; an error matters to second order."""
    nb, nr = len(arrays.limits), len(arrays.rho_stages)
    mu, pi, j = prices[nb + k], prices[nb + nr + k], arrays.rho_stages[k]
    free = rho * np.exp(min(pi / max(mu, 1e-300), 700.0) - 1.0)
    return float(min(max(free, ranges.n_low[j]), ranges.n_high[j]))


@compiled
def _gain(arrays: Arrays, ranges: Ranges, prices: Floats, price: float, rho: float) -> tuple[float, float]:
    """``sum_k max_n (pi n - mu phi(n)) - price * rho``, and its slope in ``rho``, which falls."""
    nb, nr = len(arrays.limits), len(arrays.rho_stages)
    value, slope = -price * rho, -price
    for k in range(nr):
        n = _dearest_layers(arrays, ranges, prices, k, rho)
        value += prices[nb + nr + k] * n - prices[nb + k] * _phi(n, rho)
        slope += prices[nb + k] * n / rho
    return value, slope


@compiled
def _dearest_rho(arrays: Arrays, ranges: Ranges, prices: Floats, price: float) -> tuple[float, float]:
    """The effectiveness within the cell that maximises the concave :func:`_gain`, and a bound of its maximum."""
    low, high = ranges.rho_low, ranges.rho_high
    value, slope = _gain(arrays, ranges, prices, price, high)
    if low == high or slope >= 0:
        return high, value
    value, slope = _gain(arrays, ranges, prices, price, low)
    if slope <= 0:
        return low, value
    for _ in range(60):
        middle = np.sqrt(low * high)
        if not low < middle < high:
            break
        value_there, slope_there = _gain(arrays, ranges, prices, price, middle)
        if slope_there > 0:
            low, value, slope = middle, value_there, slope_there
        else:
            high = middle
    return low, value + slope * (high - low)


@compiled
def _rho_range(arrays: Arrays, s_low: Floats, s_high: Floats, n_low: Floats, n_high: Floats) -> tuple[float, float]:
    """Range of ``max_j n_j exp(-S_j / n_j)``, which grows with ``n`` and falls with ``S``."""
    if arrays.rho_price == 0:
        return arrays.rho, arrays.rho
    low, high = 0.0, 0.0
    for j in arrays.rho_stages:
        low = max(low, n_low[j] * np.exp(-s_high[j] / n_low[j]))
        high = max(high, n_high[j] * np.exp(-s_low[j] / n_high[j]))
    high = min(high * (1.0 + 1e-9), arrays.rho)
    return min(low * (1.0 - 1e-9), high), high


# ---------------------------------------------------------------------- ranges


@compiled
def _layer_ranges(arrays: Arrays, chain: Chain) -> tuple[Floats, Floats]:
    """Least and largest number of layers of each super-block."""
    m = len(chain.low)
    least, most = np.full(m, np.inf), np.zeros(m)
    for i in range(m):
        for p in range(chain.at[i], chain.at[i + 1]):
            layers = chain.table[LAYERS, p]
            least[i], most[i] = min(least[i], layers * chain.low[i]), max(most[i], layers * chain.high[i])
    return least, most


@compiled
def _prefix_sums(arrays: Arrays, per_super_block: Floats, stem: float, head: float) -> Floats:
    """Sums of each stage's prefix: what the stem has, what each super-block has, and what a head would have."""
    stages, m = arrays.prefix.shape
    sums = np.full(stages, stem)
    for j in range(stages):
        for i in range(m):
            sums[j] += arrays.prefix[j, i] * per_super_block[i]
    if arrays.head_log >= 0:
        sums[stages - 1] += head
    return sums


@compiled
def _log_areas(arrays: Arrays, chain: Chain) -> Floats:
    """Largest ``log r^2`` of each stage: 0 where every network of the cell has an SE block before its end and that counts."""
    areas = arrays.log_areas.copy()
    if arrays.forgets:
        certain = False
        for i in range(len(chain.low)):
            without = False
            for p in range(chain.at[i], chain.at[i + 1]):
                without |= chain.table[HAS_SE, p] == 0
            certain |= not without
            for j in range(len(areas)):
                if certain and arrays.ends[j] >= i:
                    areas[j] = 0.0
    return areas


@compiled
def ranges_of(arrays: Arrays, chain: Chain, stems: Ints, cutoff: float) -> Ranges:
    """Ranges of a cell, for networks whose objective is at least ``cutoff``."""
    stages, m = arrays.prefix.shape
    least, most = log_ranges(arrays, chain)
    s_low = _prefix_sums(arrays, least, arrays.stem_log, chain.logs[chain.groups[m - 1]])
    s_high = _prefix_sums(arrays, most, arrays.stem_log, chain.logs[-1])
    x_high = np.empty(stages)
    for j in range(stages):
        end = arrays.ends[j]
        x_high[j] = chain.stem_logs[-1] if end < 0 else chain.logs[chain.groups[end + 1] - 1]
    if arrays.head_log >= 0:
        x_high[stages - 1] = arrays.head_log
    areas = _log_areas(arrays, chain)
    x_high += areas
    flat, spread, n = 0.0, 0.0, len(arrays.penalised)
    if n:
        flat = _least_spread(arrays, chain)
        low, high = np.inf, -np.inf
        for i in arrays.penalised:
            low, high = min(low, chain.low[i]), max(high, chain.high[i])
        spread = 0.5 * (high - low) * np.sqrt(n) * (1.0 + 1e-12)
    least_layers, most_layers = _layer_ranges(arrays, chain)
    n_low, n_high = _prefix_sums(arrays, least_layers, 1.0, 1.0), _prefix_sums(arrays, most_layers, 1.0, 1.0)
    rho_low, rho_high = _rho_range(arrays, s_low, s_high, n_low, n_high)
    floor = arrays.weights * s_low
    if np.isfinite(cutoff):
        needed = cutoff + penalty_at(arrays, flat) + (arrays.rho_price * rho_low if arrays.rho_price > 0 else 0.0)
        floor[-1] = max(floor[-1], arrays.weights[-1] * _least_entropy_sum(arrays.weights * x_high, s_high, needed))
    return Ranges(stems, s_low, s_high, n_low, n_high, floor, x_high, areas, flat, spread, rho_low, rho_high)


@compiled
def _least_entropy_sum(rates: Floats, most: Floats, needed: float) -> float:
    """Least ``S_J`` of a network that scores ``needed`` before its penalty: as ``S_j <= S_J``, it scores at most
    ``sum_j rate_j min(max S_j, S_J)``, which grows with ``S_J``.
    """
    least, n = 0.0, len(most)
    for _ in range(n):  # the least value of `most` above `least` at which enough is reached
        s = np.inf
        for j in range(n):
            if most[j] > least:
                s = min(s, most[j])
        if s == np.inf:
            break
        reached, below, above = 0.0, 0.0, 0.0
        for j in range(n):
            reached += rates[j] * min(most[j], s)
            if most[j] <= least:
                below += rates[j] * most[j]
            else:
                above += rates[j]
        if reached >= needed:
            least = (needed - below) / max(above, 1e-300)
            break
        least = s
    return float(min(max(least * (1.0 - 1e-9), 0.0), most[-1]))


# ---------------------------------------------------------------------- bound


@compiled
def price(arrays: Arrays, chain: Chain, ranges: Ranges, prices: Floats, weight: float) -> tuple[ArcWeights, float, float]:
    """What the parts of a network are worth at given prices, the constant beside them, and the rounding allowance."""
    stages, m = arrays.prefix.shape
    nb, nr, n = len(arrays.limits), len(arrays.rho_stages), len(arrays.penalised)
    budget, gradient = prices[:nb].copy(), prices[nb + 2 * nr :]
    shift = (ranges.floor * ranges.x_high).sum()
    conj, _ = conjugate(arrays, ranges, gradient, np.empty(n))
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
    rho, gain = _dearest_rho(arrays, ranges, prices, weight * arrays.rho_price)
    if nr:
        constant += gain
        scale += weight * arrays.rho_price * ranges.rho_high
    for k in range(nr):
        j, mu, pi = arrays.rho_stages[k], prices[nb + k], prices[nb + nr + k]
        need = _phi(_dearest_layers(arrays, ranges, prices, k, rho), rho)
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
    worth = ArcWeights(budget, log, block, layer, end, offset, -(budget * arrays.tail_slope).sum(), stem)
    return worth, constant, ERROR * scale


@compiled
def evaluate(
    arrays: Arrays, chain: Chain, ranges: Ranges, prices: Floats, weight: float, path: Floats
) -> tuple[float, float, float, ArcWeights, ForwardPass]:
    """The bound at given prices: its value, rounding allowance and constant, and the pass that gave it. ``path`` receives its
    network, as a row of :attr:`Paths.table`.
    """
    worth, constant, error = price(arrays, chain, ranges, prices, weight)
    done = forward(arrays, chain, worth)
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
        path[after + b] = counts[b] + arrays.stem_counts[b, stem] + arrays.tail_fixed[b] + last[CHANNELS] * arrays.tail_slope[b]
    after += nb
    log_widths = _prefix_sums(arrays, logs, arrays.stem_log, last[LOG_CHANNELS])
    layers = _prefix_sums(arrays, layers_of, 1.0, 1.0)
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
    return value + constant, error, constant, worth, done


@compiled
def slack(arrays: Arrays, ranges: Ranges, prices: Floats, weight: float, path: Floats, slope: Floats) -> float:
    """The share of the bound that is not proportional to prices, at a network that attains it; ``slope`` receives the
    subgradient in the price vector.
    """
    nb, nr, n = len(arrays.limits), len(arrays.rho_stages), len(arrays.penalised)
    stages, m = arrays.prefix.shape
    logs, depths = 1 + 2 * m + nb, np.empty(n)
    for b in range(nb):
        slope[b] = arrays.limits[b] - path[1 + 2 * m + b]
    rho, _ = _dearest_rho(arrays, ranges, prices, weight * arrays.rho_price)
    for k in range(nr):
        j, layers = arrays.rho_stages[k], _dearest_layers(arrays, ranges, prices, k, rho)
        slope[nb + k] = path[logs + j] - _phi(layers, rho)
        slope[nb + nr + k] = layers - path[logs + stages + j]
    _, rest = conjugate(arrays, ranges, prices[nb + 2 * nr :], depths)
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
        The least bound and its rounding allowance; the place of its network in the paths; its prices; all paths, those of
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
    prices, best_prices, centre = start.copy(), start.copy(), start / unit
    best, error, best_at, evaluations = np.inf, 0.0, n, 0
    weights, active = np.zeros(room), np.zeros(0, np.int64)
    while evaluations < max_evaluations:
        value, allowance, _, _, _ = evaluate(arrays, chain, ranges, prices, weight, paths[n])
        evaluations += 1
        slack(arrays, ranges, prices, weight, paths[n], slopes[n])
        intercepts[n] = value
        for d in range(dims):
            intercepts[n] -= slopes[n, d] * prices[d]
        slopes[n] *= unit
        if value < best:
            best, error, best_at = value, allowance, n
            best_prices[:] = prices
            centre = prices / unit
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
                        prices[d] = (centre[d] + step[d]) * unit[d]
                        if signed[d]:
                            prices[d] = max(0.0, prices[d])
                    break
            found, floor = False, level
            if best - floor < good_enough:
                break
        if not found:
            break
    return best, error, best_at, best_prices, paths[:n].copy(), weights[:n].copy(), evaluations
