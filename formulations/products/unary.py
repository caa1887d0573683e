"""Unary expansion: Owen, Mehrotra 2002; Bonami, Margot 2015."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from mipdesign.mip.expressions import Expression, linear_sum
from mipdesign.registry import register_product

from ..encoded_integer import EncodedInteger
from .product import Product, switched


@register_product
class UnaryProduct(Product):
    """A binary per step of the lattice, which says that the number is beyond it."""

    id = "unary"
    title = "unary expansion of the place"
    reference = "Owen, Mehrotra, Operations Research 50(5), 2002; Bonami, Margot, Mathematical Programming 154, 2015"

    def write(self, name: str, integer: EncodedInteger, g: Sequence[float], factor: Expression, e: Expression) -> Expression:
        beyond = integer.cached("unary", lambda: _unary(integer))
        steps = ((g[j + 1] - g[j]) * switched(f"{name}_{j}", integer.model, t, e) for j, t in enumerate(beyond))
        return g[0] * e + linear_sum(steps)


def _unary(integer: EncodedInteger) -> list[Expression]:
    """Whether the index is beyond each step."""
    model, name, n = integer.model, integer.name, len(integer.values)
    beyond = [
        model.variable(f"{name}_t{j}", "B", priority=integer.priority, value=integer.is_index(set(range(j, n))))
        for j in range(1, n)
    ]
    for j, (before, after) in enumerate(itertools.pairwise(beyond)):
        model.add(f"{name}_after{j}", after <= before)  # (24)
    model.add(f"{name}_unary", linear_sum(beyond) == integer.index)
    return beyond
