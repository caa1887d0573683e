"""Upper hulls of points in the plane."""

from __future__ import annotations

import math


def upper_hull(x: list[float], y: list[float]) -> list[int]:
    """Places of the points on the upper hull (Andrew 1979); ``x`` increases, points at -inf are left out."""
    hull: list[int] = []
    for k, y_k in enumerate(y):
        if y_k > -math.inf:
            while len(hull) > 1:
                i, j = hull[-2:]
                if (y[j] - y[i]) * (x[k] - x[j]) > (y_k - y[j]) * (x[j] - x[i]):
                    break
                hull.pop()
            hull.append(k)
    return hull
