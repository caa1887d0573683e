"""Secants as bounds of a concave or convex function: Boyd, Vandenberghe 2004, section 4.3.1."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mipdesign.errors import SpecError
from mipdesign.mip.expressions import Expression
from mipdesign.registry import register_encoding

from ..model_builder import ModelBuilder
from .encoding import Encoding, Location, Piecewise, Side


@dataclass
class Secants(Piecewise):
    """An argument that is a variable, and functions between which and their secants lies nothing."""

    x: Expression = field(init=False)
    n_functions: int = 0

    def argument(self) -> Expression:
        return self.x

    def value(self, values: Sequence[float], side: Side) -> Expression:
        """A variable on one side of the secants.

        Raises
        ------
        SpecError
            If the secants are not the envelope: of a function that is not concave ("at most") or not convex ("at least").
        """
        slopes = [
            (b - a) / (high - low)
            for (low, high), (a, b) in zip(itertools.pairwise(self.points), itertools.pairwise(values), strict=True)
        ]
        sign, tolerance = (1.0 if side == "at most" else -1.0), 1e-12 * max(map(abs, slopes), default=0.0)
        if any(sign * (after - before) > tolerance for before, after in itertools.pairwise(slopes)):
            shape = "concave" if side == "at most" else "convex"
            raise SpecError("formulation", f"secants bound a function from one side only where it is {shape}", "use 'inc'")
        self.n_functions += 1
        number, x = self.n_functions, self.x
        y = self.variable(f"f{number}", _between(values), lower=min(values), upper=max(values))
        for s, slope in enumerate(slopes):
            at_zero = values[s] - slope * self.points[s]
            secant = y - slope * x <= at_zero if side == "at most" else y - slope * x >= at_zero  # (19)
            self.add(f"f{number}_{s}", secant)
        return y


@register_encoding
class Chords(Encoding):
    """The secants between neighbouring breakpoints as bounds, without binaries: for concave functions that are maximised, and
    convex ones that are minimised.
    """

    id = "chords"
    title = "secants as bounds, no binaries; where the function is concave and wanted large, or convex and wanted small"
    reference = "Epigraph of a convex piecewise-linear function: Boyd, Vandenberghe, Convex Optimization, 2004, section 4.3.1"
    is_graph = False

    def empty(self, model: ModelBuilder, name: str, points: Sequence[float], argument: Expression, priority: int) -> Piecewise:
        return Secants(model, name, points, argument, priority)

    def weights(self, f: Piecewise) -> Sequence[Expression]:
        """The argument; there are no weights."""
        assert isinstance(f, Secants)
        f.x = f.variable("x", _between(f.points), lower=f.points[0], upper=f.points[-1])
        return ()


def _between(values: Sequence[float]) -> Callable[[Location], float]:
    """The function with some values at the breakpoints that is linear between them."""
    return lambda at: values[at.segment] + at.share * (values[at.segment + 1] - values[at.segment])
