"""The zig-zag encoding with general integers: Huchette, Vielma 2023."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mipdesign.mip.expressions import Expression, dot
from mipdesign.registry import register_encoding

from .encoding import Encoding, Location, Piecewise, n_bits


@register_encoding
class ZigZagInteger(Encoding):
    """Segments have the codes of a zig-zag curve, whose coordinates are general integers between sums of weights."""

    id = "zzi"
    title = "zig-zag with general integers"
    reference = "Huchette, Vielma, Operations Research 71(5), 2023 (arXiv 1708.00050, 2017), ZZI"

    def weights(self, f: Piecewise) -> Sequence[Expression]:
        w, codes = f.convex_weights(), zig_zag(f.n_segments)
        largest = [float(max(coordinate)) for coordinate in zip(*codes, strict=True)]
        y = [f.variable(f"y{k}", _coordinate(codes, k), "I", 0.0, most) for k, most in enumerate(largest)]
        between_codes(f, w, y)  # (17)
        return w


def between_codes(f: Piecewise, w: Sequence[Expression], y: Sequence[Expression]) -> None:
    """Says that the coordinates ``y`` are those of the chosen segment's code: between the sums of the weights at both ends."""
    codes = zig_zag(f.n_segments)
    ends = [codes[0], *codes, codes[-1]]
    for k in range(len(y)):
        f.add(f"before{k}", dot((code[k] for code in ends[:-1]), w) <= y[k])
        f.add(f"after{k}", y[k] <= dot((code[k] for code in ends[1:]), w))


def _coordinate(codes: Sequence[tuple[int, ...]], k: int) -> Callable[[Location], float]:
    return lambda at: float(codes[at.segment][k])


def zig_zag(n: int) -> list[tuple[int, ...]]:
    """The first ``n`` points of the zig-zag curve (Huchette, Vielma, section 4): each half repeats the one before, shifted."""
    codes: list[tuple[int, ...]] = [()]
    for _ in range(n_bits(n)):
        last = codes[-1]
        shifted = [(*(a + b for a, b in zip(code, last, strict=True)), 1) for code in codes]
        codes = [(*code, 0) for code in codes] + shifted
    return codes[:n]
