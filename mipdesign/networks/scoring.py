"""The objective of networks, fully resolved: what the evaluator and the bounds compute."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from ..errors import SpecError
from .architecture import Stage, single
from .objective import Convention, PenaltyForm
from .scores import DEFAULT_SCORE, Score, effect_of_end, score_named
from .values import Values

DEFAULT_SIGMAS = (5.0, 4.0)
"""Deviations of activations and weights before they are quantised, where nothing else is said."""


@dataclass(frozen=True)
class Scoring:
    """A fully resolved objective: convention, stage weights, penalty.

    Made by :func:`mipdesign.networks.evaluator.default_scoring` or a problem.
    """

    convention: Convention
    alpha: tuple[float, ...]
    beta: float
    penalty_form: PenaltyForm
    penalised: tuple[int, ...]
    """Super-blocks (from 0) whose depths the penalty counts."""
    log_base: int | None = None
    """Base of the logarithms of the entropy; ``None`` is natural."""
    effectiveness_price: float = 0.0
    """What one unit of the effectiveness takes from the objective."""
    score: str = DEFAULT_SCORE
    """Name of the score, one of :data:`mipdesign.networks.scores.SCORES`."""
    exponents: tuple[float, float] = (1.0, 1.0)
    """``(a1, a2)`` of the effect ``x = a1 ln C + a2 ln r^2`` of the map at the end of a stage."""
    sigmas: tuple[float, float] = DEFAULT_SIGMAS
    """Deviations of activations and weights before they are quantised."""
    score_resolution: int | None = None
    """Resolution of the input for which the score weighs kernels by the proportions of their maps; ``None`` is the real one."""
    values: Values | None = None
    """What super-blocks are worth by a table, beside the score."""

    @property
    def formula(self) -> Score:
        """What the score's name stands for."""
        return score_named(self.score)

    @property
    def additive(self) -> bool:
        """Whether a stage's entropy is a sum of layer terms and map, and not their product."""
        return self.formula.additive

    @property
    def weights(self) -> tuple[float, ...]:
        """Objective per sum of natural logarithms ``u = sum log w`` up to the end of each stage; in a product per ``x u``."""
        factor = float(self.convention.layer_factor)
        return tuple(weight * factor * self._unit for weight in self.alpha)

    @property
    def end_weights(self) -> tuple[float, ...]:
        """Objective per effect ``x`` of the map at the end of each stage, for an additive score."""
        return tuple(weight * self._unit for weight in self.alpha)

    @property
    def _unit(self) -> float:
        """What a product of as many natural logarithms as the score multiplies is worth in logarithms of the base."""
        return 1.0 if self.log_base is None else 1.0 / math.log(self.log_base) ** self.formula.logarithms

    def effect_of_end(self, r: int, c: int) -> float:
        """``x`` of a map of ``c`` channels at ``r x r``."""
        return effect_of_end(self.exponents, r, c)

    def value_of(self, i: int, stage: Stage) -> Fraction | None:
        """What super-block ``i`` is worth by the table; ``None`` where that excludes it.

        Raises
        ------
        SpecError
            If the table has no value, or several, and that is refused; or its blocks differ.
        """
        if self.values is None:
            return Fraction(0)
        if not stage.repeats:
            raise SpecError("objective.table", f"is for super-blocks of equal blocks, not {i + 1}", "leave the table out")
        numbers = stage.channels, single(stage.bottleneck), single(stage.kernel), stage.depth
        return self.values.find((i + 1, stage.block, *numbers))

    def has_value(self, i: int, stage: Stage) -> bool:
        """Whether the table does not exclude a super-block; one that it refuses has none either."""
        try:
            return self.value_of(i, stage) is not None
        except SpecError:
            return False
