"""What frames and bits multiply the width of a layer by in the entropy: the layer's term is the logarithm of the product.

Each factor has a value in floating point and one to the digits of the decimal context.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from decimal import Decimal, getcontext, localcontext
from functools import lru_cache

GUARD = 10
"""Digits beyond those asked for."""


class Factor(ABC):
    """A positive number, exactly known."""

    @property
    @abstractmethod
    def value(self) -> float:
        """The number in floating point."""

    @abstractmethod
    def exact(self) -> Decimal:
        """The number to the digits of the context."""


@dataclass(frozen=True)
class KernelLength(Factor):
    """The frames that a kernel spans: a layer has so many inputs more."""

    frames: int

    @property
    def value(self) -> float:
        return float(self.frames)

    def exact(self) -> Decimal:
        return Decimal(self.frames)


@dataclass(frozen=True)
class MapShape(Factor):
    """``w = -ln(1 - cos t)`` with ``t`` the angle between ``(f, r, r)`` of a map and ``(kt, k, k)`` of a kernel: kernels of the
    proportions of the map count more (E3D, the score ``stentr`` of the released tool).

    With ``n = (f^2 + 2 r^2)(kt^2 + 2 k^2)``, ``1 - cos t = 2 (f k - r kt)^2 / n / (1 + cos t)``, without cancellation and exact
    in its zero.
    """

    frames: int
    resolution: int
    kernel_t: int
    kernel: int

    @property
    def infinite(self) -> bool:
        """Whether map and kernel have the same proportions."""
        return self.frames * self.kernel == self.resolution * self.kernel_t

    @property
    def _parts(self) -> tuple[int, int, int]:
        """``(f kt + 2 r k, n, 2 (f k - r kt)^2)``."""
        f, r, kt, k = self.frames, self.resolution, self.kernel_t, self.kernel
        return f * kt + 2 * r * k, (f * f + 2 * r * r) * (kt * kt + 2 * k * k), 2 * (f * k - r * kt) ** 2

    @property
    def value(self) -> float:
        product, n, twice = self._parts
        cosine = product / math.sqrt(n)
        return -math.log1p(-cosine) if cosine < 0.5 else -math.log(twice / n / (1 + cosine))

    def exact(self) -> Decimal:
        product, n, twice = self._parts
        with localcontext() as context:
            context.prec += GUARD
            cosine = product / Decimal(n).sqrt()
            found = -(Decimal(twice) / n / (1 + cosine)).ln()
        return +found


@dataclass(frozen=True)
class Quantisation(Factor):
    """What bits do to a layer: ``(T(sigma_a, a) T(sigma_w, w) / sigma_a)^2`` (QE-Score of the released tool).

    ``T(sigma, b)`` is the deviation of a centred normal variable of deviation ``sigma`` after it is clipped to ``2^(b-1)`` on
    both sides and rounded to integers.
    """

    sigma_activations: float
    sigma_weights: float
    activation_bits: int
    weight_bits: int

    @property
    def value(self) -> float:
        of_activations = quantised_variance(self.sigma_activations, self.activation_bits)
        return of_activations * quantised_variance(self.sigma_weights, self.weight_bits) / self.sigma_activations**2

    def exact(self) -> Decimal:
        digits = getcontext().prec + GUARD
        with localcontext() as context:
            context.prec = digits
            found = exact_quantised_variance(self.sigma_activations, self.activation_bits, digits)
            found *= exact_quantised_variance(self.sigma_weights, self.weight_bits, digits)
            found /= Decimal(repr(self.sigma_activations)) ** 2
        return +found


@lru_cache(maxsize=1024)
def quantised_variance(sigma: float, bits: int) -> float:
    """``T^2 = sum_(m <= M) (2m - 1) erfc((m - 1/2) / (sigma sqrt 2))`` with ``M = 2^(bits - 1)``."""
    terms = []
    for m in range(1, 2 ** (bits - 1) + 1):
        tail = math.erfc((m - 0.5) / (sigma * math.sqrt(2)))
        if tail == 0.0:
            break
        terms.append((2 * m - 1) * tail)
    return math.fsum(terms)


@lru_cache(maxsize=1024)
def exact_quantised_variance(sigma: float, bits: int, digits: int) -> Decimal:
    """:func:`quantised_variance` to so many digits, relative to it."""
    twice_variance = 2 * Decimal(repr(sigma)) ** 2
    least = (float(twice_variance) * 4) ** -1  # the first term is near its exponential, which the others may not lose
    with localcontext() as context:
        context.prec = digits + GUARD + math.ceil(least / math.log(10))
        pi, most = _pi(), context.prec * Decimal(10).ln()
        found = Decimal(0)
        for m in range(1, 2 ** (bits - 1) + 1):
            square = (m - Decimal("0.5")) ** 2 / twice_variance
            if square > most:
                break
            found += (2 * m - 1) * _erfc_of_root(square, pi)
    return found


def _erfc_of_root(square: Decimal, pi: Decimal) -> Decimal:
    """``erfc(sqrt(square))`` to the digits of the context after the point: ``erf z = 2 z e^(-z^2) / sqrt(pi)`` times
    ``sum_n (2 z^2)^n / (2n + 1)!!``, of which all terms are positive.
    """
    term = total = Decimal(1)
    n, least = 0, Decimal(10) ** -(getcontext().prec + 2)
    while term > total * least:
        n += 1
        term *= 2 * square / (2 * n + 1)
        total += term
    return 1 - 2 * (square / pi).sqrt() * (-square).exp() * total


def _pi() -> Decimal:
    """The number pi to the digits of the context, as ``16 arctan(1/5) - 4 arctan(1/239)`` (Machin 1706)."""

    def arctan_of_inverse(x: int) -> Decimal:
        power = total = Decimal(1) / x
        n = 1
        while power:
            power = -power / (x * x)
            n += 2
            if total + power / n == total:
                break
            total += power / n
        return total

    with localcontext() as context:
        context.prec += GUARD
        found = 16 * arctan_of_inverse(5) - 4 * arctan_of_inverse(239)
    return +found
