"""What a specification says of the objective, and what a layer and the map at the end of a stage are worth in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache
from typing import Any

from .reading import RefusedError, integer, mapping, number, sequence, word

SCORES = {"deepmad": (False, 10, (1, 1)), "madnas": (True, 0, (1, 0)), "stentr": (True, 0, (1, 0))}
"""Whether a score is a sum, its weight of the depth penalty, and the exponents of channels and of the map's area."""


@dataclass(frozen=True)
class Scoring:
    """``sum_j alpha_j H_j``, where ``H_j = x_j u_j`` or, of an additive score, ``x_j + u_j``.

    ``x_j = a1 ln C_j + a2 ln r_j^2`` of the map at the end of stage ``j``, with ``exponents`` ``a1, a2``; ``u_j`` is ``factor``
    times the layer terms up to there, each twice the half logarithm of the released tool. With a ``log_base`` all logarithms
    have that base.
    """

    additive: bool
    spatiotemporal: bool
    factor: Fraction
    alpha: tuple[Fraction, ...]
    exponents: tuple[Fraction, Fraction]
    log_base: int | None

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
    """

    scoring: Scoring
    beta: Fraction
    price: Fraction
    squared: bool
    penalised: tuple[int, ...]
    resolution: int | None


def read_objective(value: Any, reference: bool, stages: int, m: int, families: Iterable[str]) -> Objective:
    """Reads ``problem.objective`` of a space with so many down-sampling stages, ``m`` super-blocks, and some families."""
    where = "problem.objective"
    optional = ("score", "alpha", "log_base", "effectiveness_price", "penalty", "channels_exponent", "resolution_exponent")
    data = mapping(value, where, ("beta",), (*optional, "score_resolution"))
    name = word(data.get("score", "deepmad"), f"{where}.score", SCORES)
    additive, _, exponents = SCORES[name]
    alpha = (Fraction(not additive),) * (stages - 1) + (Fraction(1 if additive else 8),)
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
        for key, default in zip(("channels_exponent", "resolution_exponent"), exponents, strict=True)
    )
    scoring = Scoring(
        additive, name == "stentr", Fraction(1, 2) if reference else Fraction(1), alpha, (a1, a2),
        None if base is None else integer(base, f"{where}.log_base", 2, 1000),
    )  # fmt: skip
    price, map_of = data.get("effectiveness_price"), data.get("score_resolution")
    if map_of is not None and name != "stentr":
        raise RefusedError(f"{where}.score_resolution is for the score stentr alone")
    return Objective(
        scoring, beta, weight(0 if price is None else price, f"{where}.effectiveness_price"), form == "exp_var",
        () if form == "none" or not beta else penalised,
        None if map_of is None else integer(map_of, f"{where}.score_resolution", 1, 16384),
    )  # fmt: skip


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
