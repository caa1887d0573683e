"""What a specification says of the objective, and what a layer and the map at the end of a stage are worth in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache
from typing import Any

from .reading import RefusedError, integer, mapping, number, sequence, word
from .values import Values

SCORES = {"deepmad": (False, 10, (1, 1)), "madnas": (True, 0, (1, 0)), "stentr": (True, 0, (1, 0)), "table": (False, 0, (1, 1))}
"""Whether a score is a sum, its weight of the depth penalty, and the exponents of channels and of the map's area."""

EXPONENTS = ("channels_exponent", "resolution_exponent")


@dataclass(frozen=True)
class Scoring:
    """``sum_j alpha_j H_j``, where ``H_j = x_j u_j`` or, of an additive score, ``x_j + u_j``.

    ``x_j = a1 ln C_j + a2 ln r_j^2`` of the map at the end of stage ``j``, with ``exponents`` ``a1, a2``; ``u_j`` is ``factor``
    times the layer terms up to there, each twice the half logarithm of the released tool. With a ``log_base`` all logarithms
    have that base. ``sigmas``: deviations of activations and weights before they are quantised.
    """

    additive: bool
    spatiotemporal: bool
    factor: Fraction
    alpha: tuple[Fraction, ...]
    exponents: tuple[Fraction, Fraction]
    log_base: int | None
    sigmas: tuple[Fraction, Fraction]

    @property
    def logarithms(self) -> int:
        """How many logarithms are multiplied."""
        return 1 if self.additive else 2

    @property
    def unit(self) -> float:
        """What one of so many natural logarithms is in the base."""
        return 1.0 if self.log_base is None else 1.0 / float(log_of(self.log_base)) ** self.logarithms


@dataclass(frozen=True)
class Objective:
    """The objective of a problem: its score, less ``beta Q`` of the depths and ``price`` times the effectiveness.

    ``squared``: whether ``Q`` is the exponential of the variance; ``penalised``: the super-blocks whose depths it counts.
    ``values``: what super-blocks are worth beside it.
    """

    scoring: Scoring
    beta: Fraction
    price: Fraction
    squared: bool
    penalised: tuple[int, ...]
    resolution: int | None
    values: Values | None


def read_objective(value: Any, reference: bool, stages: int, m: int, families: Iterable[str]) -> Objective:
    """Reads ``problem.objective`` of a space with so many down-sampling stages, ``m`` super-blocks, and some families."""
    where = "problem.objective"
    optional = ("score", "alpha", "log_base", "effectiveness_price", "penalty", "channels_exponent", "resolution_exponent")
    data = mapping(value, where, ("beta",), (*optional, "score_resolution", "sigma_activations", "sigma_weights", "table"))
    name = word(data.get("score", "deepmad"), f"{where}.score", SCORES)
    additive, _, exponents = SCORES[name]
    alpha = (Fraction(not additive),) * (stages - 1) + (Fraction(1 if additive else 8),)
    values = None if data.get("table") is None else Values(data["table"], f"{where}.table")
    if values is not None and values.last_stage > m:
        raise RefusedError(f"{where}.table has values of super-block {values.last_stage} of {m}")
    if name == "table":
        alpha = (Fraction(0),) * stages
        if values is None or any(data.get(key) is not None for key in ("alpha", "log_base", *EXPONENTS)):
            raise RefusedError(f"{where}.score is table, with no table or with what an entropy has")
    if data.get("alpha") is not None:
        given = sequence(data["alpha"], f"{where}.alpha", stages, stages)
        alpha = tuple(weight(w, f"{where}.alpha.{n}") for n, w in enumerate(given))
    form, penalised = "exp_std" if reference else "exp_var", tuple(range(m))
    if reference and set(families) <= {"bottleneck", "resnet_bottleneck"}:
        penalised = penalised[-3:]
    if data.get("penalty") is not None:
        penalty, of = mapping(data["penalty"], f"{where}.penalty", ("form",), ("stages",)), f"{where}.penalty"
        form, penalised = word(penalty["form"], f"{of}.form", ("exp_std", "exp_var", "none")), tuple(range(m))
        if penalty.get("stages") is not None:
            penalised = places(penalty["stages"], f"{of}.stages", m)
    beta, base = weight(data["beta"], f"{where}.beta"), data.get("log_base")
    a1, a2 = (
        Fraction(default) if data.get(key) is None else weight(data[key], f"{where}.{key}", 1000.0)
        for key, default in zip(EXPONENTS, exponents, strict=True)
    )
    scoring = Scoring(
        additive, name == "stentr", Fraction(1, 2) if reference else Fraction(1), alpha, (a1, a2),
        None if base is None else integer(base, f"{where}.log_base", 2, 1000),
        (_sigma(data.get("sigma_activations"), f"{where}.sigma_activations", 5),
         _sigma(data.get("sigma_weights"), f"{where}.sigma_weights", 4)),
    )  # fmt: skip
    price, map_of = data.get("effectiveness_price"), data.get("score_resolution")
    if map_of is not None and name != "stentr":
        raise RefusedError(f"{where}.score_resolution is for the score stentr alone")
    return Objective(
        scoring, beta, weight(0 if price is None else price, f"{where}.effectiveness_price"), form == "exp_var",
        () if form == "none" or not beta else penalised,
        None if map_of is None else integer(map_of, f"{where}.score_resolution", 1, 16384), values,
    )  # fmt: skip


def _sigma(value: Any, where: str, default: int) -> Fraction:
    return Fraction(default) if value is None else Fraction(repr(number(value, where, 0.01, 1000.0)))


def weight(value: Any, where: str, most: float = 1e6) -> Fraction:
    """A number that is not negative, as the decimal that it is written as."""
    return Fraction(repr(number(value, where, 0.0, most)))


def places(value: Any, where: str, m: int) -> tuple[int, ...]:
    """Super-blocks counted from 1, as places from 0."""
    return tuple(sorted({integer(v, f"{where}.{n}", 1, m) - 1 for n, v in enumerate(sequence(value, where, 1, 64))}))


DIGITS = 70
"""Digits of the logarithms of layer terms."""


@cache
def log_of(n: int) -> Decimal:
    """Natural logarithm of a whole number."""
    with localcontext() as context:
        context.prec = DIGITS
        return Decimal(n).ln()


@cache
def spread_of_kernel(frames: int, r: int, kt: int, k: int) -> Decimal:
    """The logarithm of ``-ln(1 - cos a)``, where ``a`` is the angle of ``(frames, r, r)`` and ``(kt, k, k)``, 0 for one pixel.

    ``1 - cos a = 2 (f k - r kt)^2 / (n (1 + cos a))`` with ``n = (f^2 + 2 r^2) (kt^2 + 2 k^2)``: the tool's own difference
    cancels. To some :data:`DIGITS` digits.

    Raises
    ------
    RefusedError
        If the two are parallel: the term would be infinite.
    """
    if k == 1:
        return Decimal(0)
    if frames * k == r * kt:
        raise RefusedError(f"a kernel of {kt} frames and {k} x {k} has the proportions of {frames} frames of {r} x {r}")
    with localcontext() as context:
        context.prec = DIGITS
        n = Decimal((frames**2 + 2 * r**2) * (kt**2 + 2 * k**2))
        cosine = (frames * kt + 2 * r * k) / n.sqrt()
        return (-(2 * (frames * k - r * kt) ** 2 / n / (1 + cosine)).ln()).ln()


@cache
def worth_of_bits(sigma_a: Fraction, sigma_w: Fraction, a: int, w: int) -> Decimal:
    """Twice ``ln T(sigma_a, a) + ln T(sigma_w, w) - ln sigma_a``, what the bits of a convolution add to its layer term."""
    with localcontext() as context:
        context.prec = DIGITS
        return (variance(sigma_a, a) * variance(sigma_w, w)).ln() - 2 * (Decimal(sigma_a.numerator) / sigma_a.denominator).ln()


@cache
def variance(sigma: Fraction, bits: int) -> Decimal:
    """``T^2``, that of a centred normal variable of deviation ``sigma`` clipped to ``2^(bits - 1)`` and rounded to integers:
    ``sum_m (2m - 1) P(|x| > m - 1/2)``.

    To :data:`DIGITS` digits: terms from e^-230 of the first one on, which are together less than 1e-90 of it, are left out.
    """
    total, first = Decimal(0), Fraction(1, 4) / (2 * sigma**2)
    for m in range(1, 2 ** (bits - 1) + 1):
        square = Fraction(2 * m - 1, 2) ** 2 / (2 * sigma**2)
        if square > first + 230:
            break
        with localcontext() as context:
            context.prec = DIGITS + 20
            total += (2 * m - 1) * _erfc(square)
    return total


def _erfc(square: Fraction) -> Decimal:
    """The complementary error function of the root ``x`` of a square.

    It is ``1 - 2 x exp(-x^2) / sqrt(pi) * sum_n (2 x^2)^n / (1 3 5 ... (2n + 1))``.
    """
    with localcontext() as context:
        context.prec = DIGITS + 30 + int(square / 2)  # so many digits are lost where the function is small
        x2 = Decimal(square.numerator) / square.denominator
        term = total = Decimal(1)
        n, least = 0, Decimal(10) ** -context.prec
        while term > least * total:
            n += 1
            term *= 2 * x2 / (2 * n + 1)
            total += term
        return 1 - 2 * (x2 / _pi(context.prec)).sqrt() * (-x2).exp() * total


@cache
def _pi(digits: int) -> Decimal:
    """The number pi, by the arithmetic-geometric mean (Brent 1976, Salamin 1976)."""
    with localcontext() as context:
        context.prec = digits + 10
        a, b, t, p = Decimal(1), 1 / Decimal(2).sqrt(), Decimal("0.25"), 1
        for _ in range(digits.bit_length() + 1):
            middle = (a + b) / 2
            b, t, p, a = (a * b).sqrt(), t - p * (a - middle) ** 2, 2 * p, middle
        return (a + b) ** 2 / (4 * t)
