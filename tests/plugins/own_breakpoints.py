"""A rule for breakpoints that the package does not bring, as a user would write it."""

from __future__ import annotations

from collections.abc import Sequence

from mipdesign.formulations.breakpoints.breakpoints import Breakpoints

from mipdesign import register_breakpoints


@register_breakpoints
class EveryNth(Breakpoints):
    """Every ``N``-th lattice point."""

    id = "every"
    title = "-N: every N-th lattice point; -outer and -touching for upper bounds"
    reference = "none: the simplest rule there is"

    def indices(self, values: Sequence[int]) -> list[int]:
        last = len(values) - 1
        return sorted({*range(0, last, int(self.parameter)), last})
