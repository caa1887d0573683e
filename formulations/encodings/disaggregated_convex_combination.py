"""Convex combination, disaggregated: Meyer 1976."""

from __future__ import annotations

from collections.abc import Sequence

from mipdesign.mip.expressions import Expression
from mipdesign.registry import register_encoding

from .encoding import Encoding, Piecewise, end_weights, of_end_weights


@register_encoding
class DisaggregatedConvexCombination(Encoding):
    """Each segment has two weights of its own, which sum to its binary."""

    id = "dcc"
    title = "convex combination, disaggregated"
    reference = "Meyer, Discrete Mathematics 16, 1976; Vielma, Ahmed, Nemhauser, Operations Research 58(2), 2010, section 3"

    def weights(self, f: Piecewise) -> Sequence[Expression]:
        ends = end_weights(f)
        for s, ((l, r), z) in enumerate(zip(ends, f.segments(), strict=True)):  # noqa: E741
            f.add(f"both{s}", l + r == z)  # (12)
        return of_end_weights(ends)
