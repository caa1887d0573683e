"""Scaling that the formulations share: which numbers a model may hold, and what that leaves out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from mipdesign.networks.objective import PenaltyForm

MODEL_MAGNITUDE = 1e4
"""Magnitude of a model's objective: an absolute tolerance of 1e-7 then means a relative 1e-11."""
PENALTY_RANGE = 1e3
"""Depth penalties up to this multiple of the objective's magnitude are represented."""
LARGEST_PENALTY = 1e12
"""Where even the smallest depth penalty of a cell is above this, the cell is left out as a whole."""
BUDGET_UNIT = 1e3
"""What a budget's limit becomes; a count of 1 in a limit of 1e12 is then not below SCIP's epsilon."""
LOOSENED = 1e-9
"""Relative loosening of the effectiveness limit; the exact check of the networks decides."""
NONLINEAR_PARAMETERS = {"numerics/feastol": 1e-7}
"""For models with nonlinear constraints, where SCIP tightens the LP's tolerance by 1000: SoPlex cannot go below 1e-10."""


@dataclass(frozen=True)
class PenaltyScale:
    """Which depth penalties a model represents, and the scale of its objective.

    Attributes
    ----------
    magnitude:
        Size of the objectives of interest.
    limit:
        Networks with a larger ``beta Q`` are left out.
    floor:
        Upper bound of the objectives of the networks left out; minus infinity if there are none.
    """

    magnitude: float
    limit: float
    floor: float

    @property
    def scale(self) -> float:
        """What one unit of the model's objective means."""
        return self.magnitude / MODEL_MAGNITUDE

    def largest_exponent(self, beta: float) -> float:
        """Largest exponent of ``Q`` that is represented."""
        return max(0.0, math.log(self.limit / beta))

    @classmethod
    def without_penalty(cls, entropy_limit: float) -> PenaltyScale:
        """For an objective that is the weighted entropy, at most ``entropy_limit``."""
        return cls(max(entropy_limit, 1.0), 0.0, -math.inf)

    @classmethod
    def of(cls, entropy_limit: float, form: PenaltyForm, beta: float, depths: Sequence[Sequence[int]]) -> PenaltyScale:
        """For penalised super-blocks with the given choices of depths."""
        smallest = beta * _exponential(form, least_variance(depths))
        largest = beta * _exponential(form, most_variance(depths))
        base = smallest if smallest <= LARGEST_PENALTY else 0.0
        magnitude = max(entropy_limit, base, 1.0)
        limit = base + PENALTY_RANGE * magnitude
        return cls(magnitude, limit, -math.inf if largest <= limit else entropy_limit - limit)


def least_variance(depths: Sequence[Sequence[int]]) -> Fraction:
    """Smallest population variance of one depth from each list.

    The variance is the least mean square distance from any number. That number is the mean, a multiple of ``1 / n``; so it is
    enough to try these and to take the nearest depth of each list.
    """
    n = len(depths)
    low, high = min(map(min, depths)), max(map(max, depths))
    squares = (sum(min((n * d - t) ** 2 for d in choices) for choices in depths) for t in range(n * low, n * high + 1))
    return Fraction(min(squares), n**3)


def most_variance(depths: Sequence[Sequence[int]]) -> Fraction:
    """An upper bound of the population variance of one depth from each list: a quarter of the squared range."""
    return Fraction((max(map(max, depths)) - min(map(min, depths))) ** 2, 4)


def _exponential(form: PenaltyForm, variance: Fraction) -> float:
    exponent = math.sqrt(variance) if form == "exp_std" else float(variance)
    return math.exp(exponent) if exponent < 709 else math.inf
