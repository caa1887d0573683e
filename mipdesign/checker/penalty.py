"""The depth penalty of a cell, priced: its least value less what the prices of the depths give."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from .rounding import LARGEST_EXPONENT, UNIT


class Penalty:
    """``beta Q`` of depths ``d`` between ``lows`` and ``highs``, where ``Q = exp(s / sqrt n)`` or ``exp(s^2 / n)`` and
    ``s = |d - mean d|``.
    """

    def __init__(self, squared: bool, beta: float, lows: Sequence[int], highs: Sequence[int]) -> None:
        self.squared, self.n = squared, len(lows)
        self.flat = self.spread = self.least = self.most = 0.0
        if not lows:
            return
        self.log_beta = math.log(beta)
        self.spread = 0.5 * (max(highs) - min(lows)) * math.sqrt(self.n) * (1 + 1e-12)  # Popoviciu 1935
        self.most = float(sum(highs))
        middle = (sum(lows) + sum(highs)) / (2 * self.n)
        for _ in range(40):  # towards the flattest point of the box
            depths = [min(max(middle, a), b) for a, b in zip(lows, highs, strict=True)]
            before, middle = middle, sum(depths) / self.n
            if middle == before:
                break
        size = math.hypot(*(d - middle for d in depths))
        if size > 1e-9:  # s >= v d for every unit vector v of mean 0
            v = [(d - middle) / size for d in depths]
            least = sum(min(x * a, x * b) for x, a, b in zip(v, lows, highs, strict=True))
            rounding = 64 * UNIT * sum(abs(x) * b for x, b in zip(v, highs, strict=True)) + self._off_mean(v)
            self.flat = max(0.0, least - rounding)
        self.least = self._at(self.flat) * (1 - 1e-12)

    def _off_mean(self, row: Sequence[float]) -> float:
        """What ``row d`` may exceed ``|row| s`` by because the mean of ``row`` is 0 only up to rounding."""
        return abs(math.fsum(row)) / self.n * self.most * (1 + 64 * UNIT)

    def _log(self, s: float) -> float:
        """``log(beta Q)``."""
        return self.log_beta + (s * s / self.n if self.squared else s / math.sqrt(self.n))

    def _at(self, s: float) -> float:
        """``beta Q``, or less where the exponential is cut off."""
        return math.exp(min(self._log(s), LARGEST_EXPONENT))

    def _touching(self, size: float) -> float:
        """Where the slope of ``beta Q`` is ``size``, within the spreads of the cell."""
        goal, root = math.log(size) - self.log_beta + 0.5 * math.log(self.n), math.sqrt(self.n)
        if not self.squared:
            return min(max(root * goal, self.flat), self.spread)
        low, high = 1e-300, 1000.0  # log(2 y exp(y^2)) = goal
        for _ in range(100):
            y = 0.5 * (low + high)
            low, high = (y, high) if math.log(2 * y) + y * y < goal else (low, y)
        return min(max(root * low, self.flat), self.spread)

    def priced(self, gamma: Sequence[float]) -> tuple[list[float], float]:
        """``gamma`` less its mean, and a bound of ``|gamma| s - beta Q(s)`` over the spreads of the cell."""
        if not self.n:
            return [], 0.0
        mean = sum(g / self.n for g in gamma)
        gradient = [g - mean for g in gamma]
        size, off = math.hypot(*gradient), self._off_mean(gradient)
        if size == 0:
            return gradient, -self.least
        s = self._touching(size)
        cost, per_cost = self._at(s), 2 * s / self.n if self.squared else 1 / math.sqrt(self.n)
        if self._log(s) > LARGEST_EXPONENT:
            if s == self.flat and size / per_cost < cost * (1 - 1e-9):  # beta Q rises faster than |gamma| s from there on
                return gradient, off + size * self.flat - cost * (1 - 1e-9)
            return gradient, off + size * self.spread
        best = max(size * end - cost - cost * per_cost * (end - s) for end in (self.flat, self.spread))
        rounding = 64 * UNIT * (2 + abs(self.log_beta) + self._log(s) - self.log_beta)
        return gradient, off + best + rounding * (size * self.spread + cost + cost * per_cost * self.spread)


@lru_cache(maxsize=10_000)
def penalty_of(squared: bool, beta: float, lows: tuple[int, ...], highs: tuple[int, ...]) -> Penalty:
    """The penalty of depths; most cells share theirs with others."""
    return Penalty(squared, beta, lows, highs)
