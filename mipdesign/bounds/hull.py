"""Upper hulls of points in the plane, compiled: they answer which of many lines is highest, for many slopes in turn."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..compiled import compiled
from ..lattice.arrays import Floats, Ints


class Hull(NamedTuple):
    """Room for an upper hull: which points are on it, and their coordinates."""

    at: Ints
    x: Floats
    y: Floats


@compiled
def hull_for(points: int) -> Hull:
    return Hull(np.empty(points, np.int64), np.empty(points), np.empty(points))


@compiled
def extend(hull: Hull, size: int, x: Floats, y: Floats, first: int, stop: int) -> int:
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
def sort_points(x: Floats, y: Floats, n: int) -> None:
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
def climb(hull: Hull, size: int, k: int, price: float) -> int:
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
