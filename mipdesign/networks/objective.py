"""Entropy, effectiveness and depth penalty of a network: the mathematics of DeepMAD (CVPR 2023, arXiv 2303.02165).

What a score makes of layers and maps is in :mod:`mipdesign.networks.scores`. Two conventions exist and are never mixed:
``paper`` is the text of the article, ``reference`` is what its released tool computes. ``docs/theory.md`` lists every
difference.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Literal, get_args

from .scores import DEFAULT_SCORE, SCORES, Factor, Score, exact_effect_of_end

ConventionName = Literal["paper", "reference"]
PenaltyForm = Literal["exp_std", "exp_var", "none"]


@dataclass(frozen=True)
class Convention:
    """How the theory is read.

    Attributes
    ----------
    layer_factor:
        Factor of ``log w`` in the entropy: 1 (log-variance) or 1/2 (log of a standard deviation).
    penalty_form:
        Default form of the depth penalty ``Q``.
    penalty_last:
        How many of the last super-blocks of a ``bottleneck`` space the default penalty counts; ``None`` counts all.
    prefix_effectiveness:
        Whether effectiveness is the maximum over the stage prefixes, or that of the whole network.
    forgets_resolution:
        Whether the resolution in ``H`` becomes 1 from the first squeeze-and-excitation block on (a slip of the released tool).
    flops_metric, params_metric:
        What the budgets ``flops`` and ``params`` mean.
    """

    name: ConventionName
    layer_factor: Fraction
    penalty_form: PenaltyForm
    penalty_last: int | None
    prefix_effectiveness: bool
    forgets_resolution: bool
    flops_metric: str
    params_metric: str


CONVENTIONS: dict[str, Convention] = {
    "paper": Convention("paper", Fraction(1), "exp_var", None, False, False, "macs", "params_total"),
    "reference": Convention("reference", Fraction(1, 2), "exp_std", 3, True, True, "reference_flops", "params_backbone"),
}
assert set(CONVENTIONS) == set(get_args(ConventionName))


LARGE_EXPONENT, LARGEST_EXPONENT = 709.0, 709.78
"""Exponentials up to the first are doubles, and up to the second as long as they have no factor."""

BOTTLENECKS = {"bottleneck", "resnet_bottleneck"}
"""Families of the spaces whose default penalty counts :attr:`Convention.penalty_last` super-blocks."""


def stage_of_super_blocks(strides: Sequence[int], pooled: bool = False) -> tuple[int, ...]:
    """Stage that each super-block belongs to; the stem opens stage 0 and every stride of 2 opens a new one.

    So does the stem's pool, where there is one: with the first super-block, whatever its stride, since a stage has layers.
    """
    stages, current = [], 0
    for i, stride in enumerate(strides):
        current += stride == 2 or (pooled and i == 0)
        stages.append(current)
    return tuple(stages)


def penalised_super_blocks(convention: Convention, blocks: Sequence[str], n: int) -> tuple[int, ...]:
    """Super-blocks (of ``n``) whose depths the default penalty counts; ``blocks`` are the families that occur or may occur."""
    if convention.penalty_last is not None and set(blocks) <= BOTTLENECKS:
        return tuple(range(max(0, n - convention.penalty_last), n))
    return tuple(range(n))


def depth_penalty(form: PenaltyForm, depths: Sequence[int]) -> float:
    """``Q``: ``exp(Var)``, ``exp(std)`` (population moments) or 0. Infinite where the exponential overflows."""
    if form == "none" or not depths:
        return 0.0
    variance = depth_variance(depths)
    exponent = float(variance) if form == "exp_var" else math.sqrt(variance)
    return math.exp(exponent) if exponent < 709 else math.inf


def depth_cost(form: PenaltyForm, beta: float, depths: Sequence[int]) -> float:
    """``beta Q``; 0 where ``beta`` is, infinite where it is more than a double holds."""
    if beta == 0 or form == "none" or not depths:
        return 0.0
    variance = depth_variance(depths)
    exponent = float(variance) if form == "exp_var" else math.sqrt(variance)
    if exponent < LARGE_EXPONENT:
        return beta * math.exp(exponent)
    exponent += math.log(beta)
    return math.exp(exponent) if exponent < LARGEST_EXPONENT else math.inf


def least_spread(choices: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Depths of least variance, one from each of some increasing lists.

    ``Var d`` is the least ``mean (d - x)^2`` over ``x``, so in the best vector each depth is its list's nearest to some ``x``.
    All such vectors are met while ``x`` grows and passes the midpoints of neighbours.
    """
    at, vector = [0] * len(choices), [depths[0] for depths in choices]
    best = tuple(vector)
    for _, i in sorted((a + b, i) for i, depths in enumerate(choices) for a, b in itertools.pairwise(depths)):
        at[i] += 1
        vector[i] = choices[i][at[i]]
        best = min(best, tuple(vector), key=depth_variance)
    return best


def depth_variance(depths: Sequence[int]) -> Fraction:
    """Population variance of the depths, exactly."""
    n = len(depths)
    return Fraction(n * sum(d * d for d in depths) - sum(depths) ** 2, n * n)


def effectiveness(widths: Sequence[int]) -> float:
    """``rho = L / exp(mean log w)`` of a chain of ``L`` layers."""
    return len(widths) / math.exp(math.fsum(math.log(w) for w in widths) / len(widths))


def effectiveness_within(widths: Sequence[int], limit: Fraction) -> bool:
    """Whether ``rho <= limit``, in exact integers: ``(L / limit)^L <= product of the widths``."""
    n = len(widths)
    need: int = (n * limit.denominator) ** n
    have: int = limit.numerator**n * math.prod(widths)
    return need <= have


def entropy(resolution: int, channels: int, log_width_sum: float) -> float:
    """``H = log(r^2 c) * sum of layer terms``."""
    return math.log(resolution**2 * channels) * log_width_sum


def exact_objective(
    convention: Convention,
    alpha: Sequence[float],
    beta: float,
    form: PenaltyForm,
    depths: Sequence[int],
    ends: Sequence[tuple[int, int]],
    widths_of_stages: Sequence[Sequence[int]],
    log_base: int | None = None,
    effectiveness_price: float = 0.0,
    digits: int = 40,
    score: Score = SCORES[DEFAULT_SCORE],
    exponents: tuple[float, float] = (1.0, 1.0),
    factors_of_stages: Sequence[Mapping[Factor, int]] = (),
    by_table: Fraction = Fraction(0),
) -> Decimal:
    """The objective to ``digits`` digits: decides between networks that floating point cannot tell apart.

    Parameters
    ----------
    ends:
        ``(resolution, channels)`` at the end of each stage.
    widths_of_stages:
        Main-path widths of each stage.
    log_base:
        Base of the logarithms; natural by default.
    effectiveness_price:
        What one unit of the effectiveness takes from the objective.
    score, exponents:
        What makes a stage's part of the objective, and the exponents of channels and area in it.
    factors_of_stages:
        What multiplies the widths of each stage in the entropy, with how often; the effectiveness does not count it.
    by_table:
        What the network is worth by a table of values.
    """
    with localcontext() as context:
        context.prec = digits + 15
        unit = Decimal(1) if log_base is None else 1 / Decimal(log_base).ln() ** score.logarithms
        factor = Decimal(convention.layer_factor.numerator) / convention.layer_factor.denominator
        product, layers, value, rho, added = 1, 0, Decimal(0), Decimal(0), Decimal(0)
        every = factors_of_stages or [{} for _ in ends]
        for weight, (r, c), widths, factors in zip(alpha, ends, widths_of_stages, every, strict=True):
            product *= math.prod(widths)
            layers += len(widths)
            log_width_sum = Decimal(product).ln()
            added += sum((times * f.exact().ln() for f, times in factors.items()), Decimal(0))
            end_weight = Decimal(repr(weight)) * unit
            if weight:
                x, u = exact_effect_of_end(exponents, r, c), log_width_sum + added
                value += score.term(end_weight * factor, end_weight, x, u)
            of_prefix = layers * (-log_width_sum / layers).exp()
            rho = max(rho, of_prefix) if convention.prefix_effectiveness else of_prefix
        if form != "none" and depths and beta:
            variance = depth_variance(depths)
            exponent = Decimal(variance.numerator) / variance.denominator
            value -= Decimal(repr(beta)) * (exponent if form == "exp_var" else exponent.sqrt()).exp()
        if effectiveness_price:
            value -= Decimal(repr(effectiveness_price)) * rho
        value += Decimal(by_table.numerator) / by_table.denominator
        context.prec = digits
        return +value
