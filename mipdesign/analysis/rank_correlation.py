"""How well a score orders networks: Kendall's tau, with intervals from networks drawn anew (bootstrap; Efron, 1979)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CONFIDENCE, DRAWS = 0.95, 2000
"""Of all intervals; resamples of a bootstrap."""


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval; an undefined one is ``nan``."""

    value: float
    lower: float
    upper: float
    p: float = math.nan

    def __str__(self) -> str:
        return "-" if math.isnan(self.value) else f"{self.value:+.2f} ({self.lower:+.2f} to {self.upper:+.2f})"


def tau(x: Sequence[float] | Floats, y: Sequence[float] | Floats) -> float:
    """Kendall's tau-b; ``nan`` where all values of a side are equal."""
    from scipy.stats import kendalltau

    return float(kendalltau(x, y).statistic) if len(x) > 1 else math.nan


def pooled_tau(strata: Sequence[tuple[Floats, Floats]], seed: int = 0) -> Estimate:
    """Mean of Kendall's tau over strata, weighted by their pairs, with a bootstrap interval: networks are drawn anew within
    each stratum.
    """
    rng = np.random.default_rng(seed)
    pairs = np.array([len(x) * (len(x) - 1) / 2 for x, _ in strata])

    def mean(taus: Sequence[float]) -> float:
        weights = pairs[~np.isnan(taus)]
        return float(np.nansum(pairs * taus) / weights.sum()) if weights.any() else math.nan

    signs = [(_signs(x), _signs(y)) for x, y in strata]
    return _bootstrap(
        mean([tau(x, y) for x, y in strata]),
        lambda: mean([_tau_of(x, y, rng.integers(0, len(x), len(x))) for x, y in signs]),
    )


def _signs(values: Floats) -> Floats:
    """Whether each value exceeds each other."""
    return np.sign(values[:, None] - values[None, :])


def _tau_of(x: Floats, y: Floats, chosen: NDArray[np.int64]) -> float:
    """Kendall's tau-b of a resample, from the signs of all differences: as :func:`tau`, without sorting anew."""
    x, y = (signs[np.ix_(chosen, chosen)] for signs in (x, y))
    scale = math.sqrt(int(np.count_nonzero(x)) * int(np.count_nonzero(y)))  # one root: two could lead beyond 1
    return float((x * y).sum()) / scale if scale else math.nan


def _bootstrap(value: float, resampled: Callable[[], float]) -> Estimate:
    draws = np.array([resampled() for _ in range(DRAWS)])
    draws = draws[~np.isnan(draws)]
    if math.isnan(value) or not len(draws):
        return Estimate(math.nan, math.nan, math.nan)
    lower, upper = np.quantile(draws, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(value, float(lower), float(upper))
