"""What a score is: how the layers before the end of a stage, and the map there, make the stage's entropy."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from decimal import Decimal
from typing import ClassVar, TypeVar

Number = TypeVar("Number", float, Decimal)


class Score(ABC):
    """How the objective takes the sum of the layer terms up to the end of a stage, and the map there.

    With ``u`` the sum of the logarithms of the widths (and what bits and frames add to them) of all layers up to the end of the
    stage, and ``x = a1 ln C + a2 ln r^2`` of the map of ``C`` channels at ``r x r`` there, a product of both or a sum.
    Instances are stateless; :data:`mipdesign.networks.scores.SCORES` holds one of each by name.
    """

    name: ClassVar[str]
    additive: ClassVar[bool]
    """Whether the stage's entropy is a sum of ``u`` and ``x``, and not their product."""
    exponents: ClassVar[tuple[float, float]]
    """``(a1, a2)`` where nothing else is said."""
    beta: ClassVar[float]
    """Weight of the depth penalty where nothing else is said."""
    counts_bits: ClassVar[bool]
    """Whether the bits of quantised convolutions enter the layer terms."""
    weighs_shapes: ClassVar[bool] = False
    """Whether kernels count by their proportions beside those of their map, in networks of video."""
    logarithms: ClassVar[int]
    """How many logarithms are multiplied: a base ``b`` other than e divides by so many powers of ``ln b``."""

    @abstractmethod
    def alpha(self, n_stages: int) -> tuple[float, ...]:
        """Weights of the stages where nothing else is said."""

    @abstractmethod
    def term(self, weight: Number, end_weight: Number, x: Number, u: Number) -> Number:
        """A stage's part of the objective.

        Parameters
        ----------
        weight:
            Its weight with the factor of the layer terms.
        end_weight:
            Its weight alone.
        """

    def __repr__(self) -> str:
        return f"<{self.name}>"


def effect_of_end(exponents: tuple[float, float], r: int, c: int) -> float:
    """``x = a1 ln c + a2 ln r^2``."""
    if exponents == (1.0, 1.0):
        return math.log(r**2 * c)
    a1, a2 = exponents
    return a1 * math.log(c) + a2 * math.log(r**2)


def exact_effect_of_end(exponents: tuple[float, float], r: int, c: int) -> Decimal:
    """:func:`effect_of_end` to the digits of the context."""
    if exponents == (1.0, 1.0):
        return Decimal(r * r * c).ln()
    a1, a2 = (Decimal(repr(a)) for a in exponents)
    return a1 * Decimal(c).ln() + a2 * Decimal(r * r).ln()
