"""Student's distribution: how many standard errors are allowed where the standard error is an estimate itself."""

from __future__ import annotations

import math

import numpy as np

DEFAULT_FREEDOM = 15
"""Degrees of freedom of one layer with the default number of draws."""
MOST_SIGMAS = 1e12
"""Where the search for an allowance ends."""


def allowance(sigmas: float, freedom: float) -> float:
    """Standard errors that are exceeded as seldom as ``sigmas`` of them are with 15 degrees of freedom, and never fewer."""
    if freedom >= DEFAULT_FREEDOM:
        return sigmas
    level, low, high = survival(sigmas, DEFAULT_FREEDOM), sigmas, 2 * sigmas
    while survival(high, freedom) > level and high < MOST_SIGMAS:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if survival(middle, freedom) > level else (low, middle)
    return high


def survival(t: float, freedom: float) -> float:
    """How often a variable of Student's distribution exceeds ``t > 0``.

    With ``x = sqrt(freedom) tan(a)`` its density is proportional to ``cos(a) ** (freedom - 1)``, which Gauss' quadrature takes.
    """
    nodes, weights = np.polynomial.legendre.leggauss(100)

    def integral(width: float) -> float:
        return width / 2 * float(weights @ np.sin(width / 2 * (1 - nodes)) ** (freedom - 1))

    return integral(math.atan2(math.sqrt(freedom), t)) / (2 * integral(math.pi / 2))
