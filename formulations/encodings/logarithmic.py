"""The logarithmic encoding with a Gray code: Vielma, Nemhauser 2011."""

from __future__ import annotations

from collections.abc import Sequence

from mipdesign.mip.expressions import Expression, linear_sum
from mipdesign.registry import register_encoding

from .encoding import Encoding, Piecewise


@register_encoding
class Logarithmic(Encoding):
    """Segments have the codes of a Gray code, and each bit switches off the weights whose segments all have the other bit."""

    id = "log"
    title = "logarithmic (Gray code)"
    reference = "Vielma, Nemhauser, Mathematical Programming 128, 2011"

    def weights(self, f: Piecewise) -> Sequence[Expression]:
        w, n = f.convex_weights(), f.n_segments
        codes = [s ^ (s >> 1) for s in range(n)]
        for k, bit in enumerate(f.bits(codes)):
            y = f.variable(f"y{k}", bit, "B")
            beside = [{code >> k & 1 for code in codes[max(j - 1, 0) : j + 1]} for j in range(n + 1)]
            f.add(f"on{k}", linear_sum(w[j] for j in range(n + 1) if beside[j] == {1}) <= y)  # (15)
            f.add(f"off{k}", linear_sum(w[j] for j in range(n + 1) if beside[j] == {0}) + y <= 1.0)
        return w
