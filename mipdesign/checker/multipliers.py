"""The multipliers of a bound, as a certificate states them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .reading import RefusedError, number, sequence
from .tables import Floats, Tables


@dataclass(frozen=True)
class Prices:
    """The multipliers of a bound, in the order of a certificate: ``weight`` is 1, or 0 where the objective is left out."""

    weight: float
    limits: Floats
    mu: tuple[float, ...]
    pi: tuple[float, ...]
    gamma: tuple[float, ...]


def read_prices(value: Any, where: str, tables: Tables) -> Prices:
    """Reads the prices of a record."""
    n, k, d = len(tables.limits), len(tables.space.rho_stages), len(tables.space.penalised)
    row = [number(x, f"{where}.{i}") for i, x in enumerate(sequence(value, where, 1 + n + 2 * k + d, 1 + n + 2 * k + d))]
    prices = Prices(row[0], np.array(row[1 : 1 + n]), *(tuple(row[at:stop]) for at, stop in (
        (1 + n, 1 + n + k), (1 + n + k, 1 + n + 2 * k), (1 + n + 2 * k, len(row)))))  # fmt: skip
    if prices.weight not in (0.0, 1.0) or min([0.0, *prices.limits, *prices.mu]) < 0:
        raise RefusedError(f"{where} has a weight other than 0 and 1, or a negative price of a limit")
    return prices


def power_of_two(prices: Prices) -> float:
    """What prices are multiplied with, exactly, where they are too large for products with counts to be doubles."""
    largest = max([0.0, *prices.limits, *prices.mu, *map(abs, prices.pi)])
    return 2.0 ** -max(0, math.frexp(largest)[1] - 600)
