"""The logarithmic encoding with weights per segment: Vielma, Nemhauser 2011."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from mipdesign.mip.expressions import Expression, linear_sum
from mipdesign.registry import register_encoding

from .encoding import Encoding, Piecewise, end_weights, of_end_weights


@register_encoding
class DisaggregatedLogarithmic(Encoding):
    """Each segment has two weights of its own; the bits of the chosen segment's number are sums of weights."""

    id = "dlog"
    title = "logarithmic, disaggregated"
    reference = (
        "Vielma, Nemhauser, Mathematical Programming 128, 2011; Vielma, Ahmed, Nemhauser, Operations Research 58(2), 2010"
    )

    def weights(self, f: Piecewise) -> Sequence[Expression]:
        ends, n = end_weights(f), f.n_segments
        f.add("one", linear_sum(itertools.chain.from_iterable(ends)) == 1.0)  # (8)
        for k, bit in enumerate(f.bits(range(n))):
            y = f.variable(f"y{k}", bit, "B")
            f.add(f"bit{k}", linear_sum(e for s in range(n) if s >> k & 1 for e in ends[s]) == y)  # (16)
        return of_end_weights(ends)
