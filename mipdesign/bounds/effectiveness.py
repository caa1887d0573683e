"""The effectiveness in the bounds, compiled: ``rho <= rho0`` reads ``sum log w >= phi(n)``; a priced one is the least ``rho0``.

``-mu phi(n) <= max_m (pi m - mu phi(m)) - pi n`` for any ``pi``, as ``phi(n) = n log n - n log rho0`` is convex.
"""

from __future__ import annotations

import numpy as np

from ..compiled import compiled
from ..lattice.arrays import Arrays, Floats
from .ranges import Ranges


@compiled
def least_log_widths(n: float, rho: float) -> float:
    """``n log n - n log rho``: the least ``sum log w`` of a prefix of ``n`` layers."""
    return float(n * np.log(n / rho))


@compiled
def dearest_layers(arrays: Arrays, ranges: Ranges, multipliers: Floats, k: int, rho: float) -> float:
    """``n`` within the cell that maximises ``pi n - mu phi(n)`` for constraint ``k``; an error matters to second order."""
    nb, nr = len(arrays.limits), len(arrays.rho_stages)
    mu, pi, j = multipliers[nb + k], multipliers[nb + nr + k], arrays.rho_stages[k]
    free = rho * np.exp(min(pi / max(mu, 1e-300), 700.0) - 1.0)
    return float(min(max(free, ranges.n_low[j]), ranges.n_high[j]))


@compiled
def _gain(arrays: Arrays, ranges: Ranges, multipliers: Floats, price: float, rho: float) -> tuple[float, float]:
    """``sum_k max_n (pi n - mu phi(n)) - price * rho``, and its slope in ``rho``, which falls."""
    nb, nr = len(arrays.limits), len(arrays.rho_stages)
    value, slope = -price * rho, -price
    for k in range(nr):
        n = dearest_layers(arrays, ranges, multipliers, k, rho)
        value += multipliers[nb + nr + k] * n - multipliers[nb + k] * least_log_widths(n, rho)
        slope += multipliers[nb + k] * n / rho
    return value, slope


@compiled
def dearest_rho(arrays: Arrays, ranges: Ranges, multipliers: Floats, price: float) -> tuple[float, float]:
    """The effectiveness within the cell that maximises the concave :func:`_gain`, and a bound of its maximum."""
    low, high = ranges.rho_low, ranges.rho_high
    value, slope = _gain(arrays, ranges, multipliers, price, high)
    if low == high or slope >= 0:
        return high, value
    value, slope = _gain(arrays, ranges, multipliers, price, low)
    if slope <= 0:
        return low, value
    for _ in range(60):
        middle = np.sqrt(low * high)
        if not low < middle < high:
            break
        value_there, slope_there = _gain(arrays, ranges, multipliers, price, middle)
        if slope_there > 0:
            low, value, slope = middle, value_there, slope_there
        else:
            high = middle
    return low, value + slope * (high - low)
