"""What a cell leaves open: ranges of the sums that its networks have, which the bound's overestimators need; compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..compiled import compiled
from ..lattice.arrays import HAS_SE, LAYERS, Arrays, Floats, Ints
from .chain import Chain, log_ranges
from .depth_penalty import least_spread, penalty_at


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
def prefix_sums(arrays: Arrays, per_super_block: Floats, stem: float, head: float) -> Floats:
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


@compiled
def ranges_of(arrays: Arrays, chain: Chain, stems: Ints, cutoff: float) -> Ranges:
    """Ranges of a cell, for networks whose objective is at least ``cutoff``."""
    stages, m = arrays.prefix.shape
    least, most = log_ranges(arrays, chain)
    s_low = prefix_sums(arrays, least, arrays.stem_log, chain.logs[chain.groups[m - 1]])
    s_high = prefix_sums(arrays, most, arrays.stem_log, chain.logs[-1])
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
        flat = least_spread(arrays, chain)
        low, high = np.inf, -np.inf
        for i in arrays.penalised:
            low, high = min(low, chain.low[i]), max(high, chain.high[i])
        spread = 0.5 * (high - low) * np.sqrt(n) * (1.0 + 1e-12)
    least_layers, most_layers = _layer_ranges(arrays, chain)
    n_low, n_high = prefix_sums(arrays, least_layers, 1.0, 1.0), prefix_sums(arrays, most_layers, 1.0, 1.0)
    rho_low, rho_high = _rho_range(arrays, s_low, s_high, n_low, n_high)
    floor = arrays.weights * s_low
    if np.isfinite(cutoff):
        needed = cutoff + penalty_at(arrays, flat) + (arrays.rho_price * rho_low if arrays.rho_price > 0 else 0.0)
        floor[-1] = max(floor[-1], arrays.weights[-1] * _least_entropy_sum(arrays.weights * x_high, s_high, needed))
    return Ranges(stems, s_low, s_high, n_low, n_high, floor, x_high, areas, flat, spread, rho_low, rho_high)
