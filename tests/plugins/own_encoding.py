"""An encoding that the package does not bring, as a user would write it; ``docs/formulations.md`` shows it."""

from __future__ import annotations

from collections.abc import Sequence

from mipdesign.formulations.piecewise import Encoding, Piece

from mipdesign import register_encoding
from mipdesign.mip.linear import Terms


@register_encoding
class Unary(Encoding):
    """Binaries say beyond which breakpoints the argument lies, and a weight is positive only around the last of them."""

    id = "own"
    title = "convex combination with binaries in unary"
    reference = "Yildiz, Vielma, Operations Research Letters 41(6), 2013"

    def weights(self, piece: Piece) -> Sequence[Terms]:
        weights, n = piece.convex_weights(), piece.n_segments
        for s in range(1, n):
            beyond = piece.variable(f"u{s}", lambda p, s=s: float(p.segment >= s), "B")
            left = [term for weight in weights[:s] for term in weight]
            right = [term for weight in weights[s + 1 :] for term in weight]
            piece.row(f"left{s}", left + [(beyond, 1.0)], high=1.0)
            piece.row(f"right{s}", right + [(beyond, -1.0)], high=0.0)
        return weights
