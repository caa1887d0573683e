"""Convex combination, aggregated: Dantzig 1960."""

from __future__ import annotations

from collections.abc import Sequence

from mipdesign.mip.expressions import Expression, linear_sum
from mipdesign.registry import register_encoding

from .encoding import Encoding, Piecewise


@register_encoding
class ConvexCombination(Encoding):
    """A binary per segment, and a weight may be positive only next to the chosen one."""

    id = "cc"
    title = "convex combination, aggregated"
    reference = "Dantzig, Econometrica 28(1), 1960; Vielma, Ahmed, Nemhauser, Operations Research 58(2), 2010, section 3"

    def weights(self, f: Piecewise) -> Sequence[Expression]:
        w, z = f.convex_weights(), f.segments()
        for j in range(f.n_segments + 1):
            f.add(f"beside{j}", w[j] <= linear_sum(z[max(j - 1, 0) : j + 1]))  # (11)
        return w
