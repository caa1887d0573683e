"""Distinct values of many columns, which sorting finds far more slowly than a table does."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import Ints

SPARSE = 16
"""Most numbers up to the largest value for each column, beyond which they are sorted."""


def among(values: NDArray[Any], columns: Ints) -> NDArray[Any]:
    """Values at increasing columns, without a copy where these are all."""
    found: NDArray[Any] = values if len(columns) == len(values) else values[columns]
    return found


def distinct(values: Ints) -> Ints:
    """The values that occur, none of them negative, in increasing order."""
    top = int(values.max(initial=0))
    if top > SPARSE * len(values):
        return np.unique(values)
    occurs = np.zeros(top + 1, dtype=np.bool_)
    occurs[values] = True
    return np.flatnonzero(occurs)


def places(values: Ints, among: Ints) -> Ints:
    """Where values stand among increasing ones, which hold them all."""
    top = int(among.max(initial=0))
    if top > SPARSE * len(values):
        return np.searchsorted(among, values)
    place = np.zeros(top + 1, dtype=np.int64)
    place[among] = np.arange(len(among))
    found: Ints = place[values]
    return found
