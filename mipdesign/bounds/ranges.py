"""What a cell leaves open: ranges of the sums that its networks have, which the bound's overestimators need."""

from __future__ import annotations

from typing import NamedTuple

from ..lattice.arrays import Floats


class Ranges(NamedTuple):
    """What a cell leaves open; ``native/ranges.h`` works it out.

    Attributes
    ----------
    s_low, s_high, n_low, n_high:
        Range of each prefix's layer terms ``S_j`` and of its layers.
    floor:
        ``S_l`` of the McCormick overestimator of each stage, times ``alpha`` and the convention's factor: least ``S_j`` of a
        network that reaches the cutoff. 0 where the score has no products.
    x_high, areas:
        Largest ``x_j = log(r^2 C_j)`` and ``log r^2`` of each stage, as the convention sees it.
    w_low, w_high:
        Range of each prefix's ``sum log w``, which is ``S_j`` where layer terms are log widths.
    flat, spread:
        Least and largest ``|d - mean d|`` of the penalised depths.
    rho_low, rho_high:
        Range of the effectiveness where it is priced; its limit, twice, where it is only limited.
    """

    s_low: Floats
    s_high: Floats
    n_low: Floats
    n_high: Floats
    floor: Floats
    x_high: Floats
    areas: Floats
    w_low: Floats
    w_high: Floats
    flat: float
    spread: float
    rho_low: float
    rho_high: float
