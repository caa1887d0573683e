"""Breakpoints at about equal ratios."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mipdesign.registry import register_breakpoints

from .breakpoints import Breakpoints, nearest


@register_breakpoints
class GeometricBreakpoints(Breakpoints):
    """At most ``N`` segments of about equal ratio, which equalises the error of the logarithm."""

    id = "geometric"
    title = "-N: at most N segments of equal ratio; -outer and -touching for upper bounds"
    reference = "Equal errors of equal ratios, e(b / a): docs/formulations.md; de Boor, A Practical Guide to Splines, 1978"

    def indices(self, values: Sequence[int]) -> list[int]:
        return nearest(values, np.geomspace(values[0], values[-1], int(self.parameter) + 1))
