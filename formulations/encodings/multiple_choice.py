"""Multiple choice: Balakrishnan, Graves 1989."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mipdesign.mip.expressions import Expression, linear_sum
from mipdesign.registry import register_encoding

from .encoding import Encoding, Location, Piecewise


@register_encoding
class MultipleChoice(Encoding):
    """Each segment has a copy of the argument, which is 0 unless the segment is chosen."""

    id = "mc"
    title = "multiple choice"
    reference = (
        "Balakrishnan, Graves, Networks 19(2), 1989; Vielma, Ahmed, Nemhauser, Operations Research 58(2), 2010, section 3"
    )

    def weights(self, f: Piecewise) -> Sequence[Expression]:
        parts: list[list[Expression]] = [[] for _ in f.points]
        for s, z in enumerate(f.segments()):
            low, high = f.points[s : s + 2]
            x = f.variable(f"x{s}", _copy(s, low, high), lower=min(low, 0.0), upper=max(high, 0.0))
            f.add(f"low{s}", x >= low * z)  # (13)
            f.add(f"high{s}", x <= high * z)
            length = high - low
            parts[s] += [high * z / length, -x / length]
            parts[s + 1] += [x / length, -low * z / length]
        return [linear_sum(weight) for weight in parts]


def _copy(s: int, low: float, high: float) -> Callable[[Location], float]:
    """The copy of the argument in a segment."""
    return lambda at: low + at.share * (high - low) if at.segment == s else 0.0
