"""Every lattice point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from mipdesign.errors import SpecError
from mipdesign.registry import register_breakpoints

from .breakpoints import Breakpoints


@register_breakpoints
class LatticeBreakpoints(Breakpoints):
    """Every lattice point: nothing is approximated."""

    id = "lattice"
    title = "every lattice point: exact"
    reference = "A function of a finite set is its own interpolant; docs/formulations.md"
    claim = "exact"

    @classmethod
    def with_parameter(cls, parameter: str) -> Self:
        if parameter:
            raise SpecError("formulation", f"'lattice' takes no parameter, not {parameter!r}", "write 'lattice'")
        return cls()

    def indices(self, values: Sequence[int]) -> list[int]:
        return list(range(len(values)))
