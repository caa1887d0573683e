"""The hull over the box of both factors: McCormick 1976; Al-Khayyal, Falk 1983."""

from __future__ import annotations

from collections.abc import Sequence

from mipdesign.mip.expressions import Expression
from mipdesign.mip.formulation import Claim
from mipdesign.registry import register_product

from ..encoded_integer import EncodedInteger
from .product import Product


@register_product
class McCormick(Product):
    """The convex hull of the product over the box of its factors: a relaxation, exact at the sides of the box."""

    id = "mccormick"
    title = "one McCormick box: a relaxation"
    claim: Claim = "upper"
    exact_at_breakpoints = False
    reference = "McCormick, Mathematical Programming 10, 1976; Al-Khayyal, Falk, Mathematics of Operations Research 8(2), 1983"

    def write(self, name: str, integer: EncodedInteger, g: Sequence[float], factor: Expression, e: Expression) -> Expression:
        model, x, y = integer.model, factor, e
        corners = [a * b for a in (x.low, x.high) for b in (y.low, y.high)]
        xy = model.variable(name, lower=min(corners), upper=max(corners), value=lambda network: network.of(x) * network.of(y))
        for n, (a, b) in enumerate(((x.low, y.low), (x.high, y.high))):
            model.add(f"{name}_low{n}", xy - a * y - b * x >= -a * b)  # (25): (x - a) (y - b) >= 0
        for n, (a, b) in enumerate(((x.low, y.high), (x.high, y.low)), start=2):
            model.add(f"{name}_high{n}", xy - a * y - b * x <= -a * b)  # (25): (x - a) (y - b) <= 0
        return xy
