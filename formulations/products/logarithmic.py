"""Binary expansion: Gupte, Ahmed, Cheon, Dey 2013; Vielma, Nemhauser 2011."""

from __future__ import annotations

from collections.abc import Sequence

from mipdesign.mip.expressions import Expression, linear_sum
from mipdesign.mip.start_values import ValueRule
from mipdesign.registry import register_product

from ..encoded_integer import EncodedInteger
from .product import Product, disaggregated, switched


@register_product
class LogarithmicProduct(Product):
    """The bits of the index. A function that is affine in the index needs a product with each bit only; for any other, copies
    of the expression at the lattice points are switched by the bits.
    """

    id = "log"
    title = "binary expansion of the place"
    reference = (
        "Gupte, Ahmed, Cheon, Dey, SIAM J. Optimization 23(2), 2013, section 2; "
        "copies switched by bits: Vielma, Nemhauser, Mathematical Programming 128, 2011"
    )

    def write(self, name: str, integer: EncodedInteger, g: Sequence[float], factor: Expression, e: Expression) -> Expression:
        bits = integer.cached("bits", lambda: _bits(integer))
        step = g[1] - g[0]
        scale = max(map(abs, g))
        if any(abs(g[j] - g[0] - j * step) > 1e-12 * scale for j in range(len(g))):
            return disaggregated(name, integer.model, integer.cached("coded", lambda: _coded(integer, bits)), g, e)
        by_bit = (step * 2.0**k * switched(f"{name}_{k}", integer.model, bit, e) for k, bit in enumerate(bits))
        return g[0] * e + linear_sum(by_bit)


def _bits(integer: EncodedInteger) -> list[Expression]:
    """Bits of the index."""

    def bit(k: int) -> ValueRule:
        return lambda network: float(round(network.of(integer.index)) >> k & 1)

    n = (len(integer.values) - 1).bit_length()
    bits = [integer.model.variable(f"{integer.name}_bit{k}", "B", priority=integer.priority, value=bit(k)) for k in range(n)]
    integer.model.add(f"{integer.name}_bits", linear_sum(2.0**k * y for k, y in enumerate(bits)) == integer.index)  # (22)
    return bits


def _coded(integer: EncodedInteger, bits: Sequence[Expression]) -> list[Expression]:
    """Weights of the lattice points that sum to 1, and to each bit over the indices that have it."""
    model, name = integer.model, integer.name
    weights = [model.variable(f"{name}_c{j}", value=integer.is_index({j})) for j in range(len(integer.values))]
    model.add(f"{name}_coded", linear_sum(weights) == 1.0)  # (23)
    for k, bit in enumerate(bits):
        model.add(f"{name}_code{k}", linear_sum(w for j, w in enumerate(weights) if j >> k & 1) == bit)
    return weights
