"""Breakpoints at about equal distances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mipdesign.registry import register_breakpoints

from .breakpoints import Breakpoints, nearest


@register_breakpoints
class UniformBreakpoints(Breakpoints):
    """At most ``N`` segments of about equal length: the error of the first one is the largest."""

    id = "uniform"
    title = "-N: at most N segments of equal length; -outer and -touching for upper bounds"
    reference = "Interpolation error (b - a)^2 / 8 max |f''|: de Boor, A Practical Guide to Splines, 1978, chapter II"

    def indices(self, values: Sequence[int]) -> list[int]:
        return nearest(values, np.linspace(values[0], values[-1], int(self.parameter) + 1))
