"""Copies of the expression for every lattice point: Balas 1985; Sherali, Adams 1990."""

from __future__ import annotations

from collections.abc import Sequence

from mipdesign.mip.expressions import Expression
from mipdesign.registry import register_product

from ..encoded_integer import EncodedInteger
from .product import Product, disaggregated


@register_product
class OneHotProduct(Product):
    """A copy of the expression for every lattice point, which is 0 elsewhere: the hull of the product, for any function."""

    id = "onehot"
    title = "a copy of the expression for every lattice point"
    reference = "Balas, SIAM J. Algebraic Discrete Methods 6(3), 1985; Sherali, Adams, SIAM J. Discrete Math. 3(3), 1990"

    def write(self, name: str, integer: EncodedInteger, g: Sequence[float], factor: Expression, e: Expression) -> Expression:
        return disaggregated(name, integer.model, integer.one_hot(), g, e)
