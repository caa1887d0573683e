"""The depth penalty in the bounds, compiled: its value at a spread of the depths, its conjugate, the least spread of a cell.

``-beta Q(d) <= max_d' (gamma d' - beta Q(d')) - gamma d`` for any gradient ``gamma``, as ``beta Q`` is convex in the depths.
"""

from __future__ import annotations

import numpy as np

from ..compiled import compiled
from ..lattice.arrays import Arrays, Floats
from .chain import Chain

LARGEST_EXPONENT = 300.0
"""Of a penalty in a bound: its products with other terms are to remain doubles."""


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
def least_spread(arrays: Arrays, chain: Chain) -> float:
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


@compiled
def conjugate(arrays: Arrays, least: float, most: float, gradient: Floats, depths: Floats) -> tuple[float, float]:
    """Largest ``gamma d - beta Q(d)`` over spreads from ``least`` to ``most``, and its share ``-beta Q``.

    ``depths`` receives the maximiser, of mean 0.
    """
    n = len(arrays.penalised)
    if n == 0:
        return 0.0, 0.0
    centred = gradient - gradient.mean()
    size = np.sqrt((centred * centred).sum())
    spread = min(max(_spread_with_slope(arrays, size), least), most)
    cost = penalty_at(arrays, spread)
    for k in range(n):
        depths[k] = centred[k] * (spread / size) if size > 0 else 0.0
    return size * spread - cost, -cost
