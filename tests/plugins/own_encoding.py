"""An encoding that the package does not bring, as a user would write it; ``docs/formulations.md`` shows it."""

from __future__ import annotations

from collections.abc import Sequence

from mipdesign.formulations.encodings.encoding import Encoding, Piecewise

from mipdesign import register_encoding
from mipdesign.mip.expressions import Expression, linear_sum


@register_encoding
class Unary(Encoding):
    """Binaries say beyond which breakpoints the argument lies, and a weight is positive only around the last of them."""

    id = "own"
    title = "convex combination with binaries in unary"
    reference = "Yildiz, Vielma, Operations Research Letters 41(6), 2013"

    def weights(self, f: Piecewise) -> Sequence[Expression]:
        w = f.convex_weights()
        for s in range(1, f.n_segments):
            u = f.variable(f"u{s}", lambda at, s=s: float(at.segment >= s), "B")
            f.add(f"left{s}", linear_sum(w[:s]) <= 1 - u)
            f.add(f"right{s}", linear_sum(w[s + 1 :]) <= u)
        return w
