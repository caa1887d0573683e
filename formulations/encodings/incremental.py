"""The incremental or delta method: Markowitz, Manne 1957."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from mipdesign.mip.expressions import Expression, linear_sum
from mipdesign.registry import register_encoding

from .encoding import Encoding, Location, Piecewise


@register_encoding
class Incremental(Encoding):
    """Segments fill up one after the other: one may begin only when the one before it is full."""

    id = "inc"
    title = "incremental (delta)"
    reference = "Markowitz, Manne, Econometrica 25(1), 1957; Padberg, Operations Research Letters 27(1), 2000"

    def weights(self, f: Piecewise) -> Sequence[Expression]:
        n = f.n_segments
        delta = [f.variable(f"d{s}", _filled(s)) for s in range(n)]
        for s in range(n - 1):
            y = f.variable(f"y{s}", _full(s), "B")
            f.add(f"full{s}", y <= delta[s])  # (14)
            f.add(f"next{s}", delta[s + 1] <= y)
        return [a - b for a, b in itertools.pairwise([f.model.one, *delta, linear_sum([])])]


def _filled(s: int) -> Callable[[Location], float]:
    """How full a segment is."""
    return lambda at: 1.0 if at.segment > s else at.share if at.segment == s else 0.0


def _full(s: int) -> Callable[[Location], float]:
    """Whether the argument is beyond a segment."""
    return lambda at: float(at.segment > s)
