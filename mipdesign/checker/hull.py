"""Upper hulls of points in the plane, and the largest value of runs of rows."""

from __future__ import annotations

import math

import numpy as np

from .space import Ints
from .tables import Floats


def largest_of_runs(values: Floats, rows: Ints, first: Ints, stop: Ints) -> Floats:
    """The largest of some ranges, given from the begin of their rows; -inf where there is none."""
    best: Floats = np.maximum.reduceat(values, np.column_stack([rows + first, rows + stop]).ravel())[::2]
    best[first >= stop] = -np.inf
    return best


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
