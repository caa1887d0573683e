"""As few breakpoints as keep a tolerance."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mipdesign.registry import register_breakpoints

from .breakpoints import Breakpoints, log_error


@register_breakpoints
class ErrorBreakpoints(Breakpoints):
    """As few as keep the logarithm at the lattice within a tolerance: each as far as it may be from the one before."""

    id = "error"
    title = "-EPS: as few breakpoints as keep the logarithm within EPS; -outer and -touching for upper bounds"
    reference = "Longest admissible segments: Rebennack, Kallrath, J. Optimization Theory and Applications 167(2), 2015"
    form = "EPS"

    @staticmethod
    def checked(value: float) -> float:
        if not 0 < value < math.inf:
            raise ValueError
        return value

    def indices(self, values: Sequence[int]) -> list[int]:
        chosen = [0]
        while chosen[-1] < len(values) - 1:
            at = chosen[-1]
            # Neighbours of the lattice have nothing between them.
            reach = (j for j in range(len(values) - 1, at, -1) if log_error(values[at], values[j]) <= self.parameter)
            chosen.append(max(at + 1, next(reach, 0)))
        return chosen
