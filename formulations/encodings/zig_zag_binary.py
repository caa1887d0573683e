"""The zig-zag encoding with binaries: Huchette, Vielma 2023."""

from __future__ import annotations

from collections.abc import Sequence

from mipdesign.mip.expressions import Expression, linear_sum
from mipdesign.registry import register_encoding

from .encoding import Encoding, Piecewise
from .zig_zag_integer import between_codes


@register_encoding
class ZigZagBinary(Encoding):
    """The zig-zag curve with its coordinates written in the bits of the chosen segment's number."""

    id = "zzb"
    title = "zig-zag with binaries"
    reference = "Huchette, Vielma, Operations Research 71(5), 2023 (arXiv 1708.00050, 2017), ZZB"

    def weights(self, f: Piecewise) -> Sequence[Expression]:
        u = [f.variable(f"y{k}", bit, "B") for k, bit in enumerate(f.bits(range(f.n_segments)))]
        y = [u[k] + linear_sum(2.0**at * bit for at, bit in enumerate(u[k + 1 :])) for k in range(len(u))]
        w = f.convex_weights()
        between_codes(f, w, y)  # (18)
        return w
