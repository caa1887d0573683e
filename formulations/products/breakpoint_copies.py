"""Copies of the expression for every breakpoint: Sherali, Adams 1990; Misener, Thompson, Floudas 2011."""

from __future__ import annotations

from collections.abc import Sequence

from mipdesign.mip.expressions import Expression
from mipdesign.mip.formulation import Claim
from mipdesign.registry import register_product

from ..encoded_integer import EncodedInteger
from .one_hot import OneHotProduct
from .product import disaggregated


@register_product
class BreakpointProduct(OneHotProduct):
    r"""A copy of the expression for every breakpoint, between its bounds times the breakpoint's weight.

    With weights ``w_j`` of the breakpoints and ``e_j`` in ``[low w_j, high w_j]`` that sum to ``e``, the product is
    ``sum g_j e_j``. At a breakpoint its weight is 1, all other copies are 0, and the product is ``g_j e``: exact. Between two
    ``e_j = w_j e`` is admitted, which gives ``e sum g_j w_j``, the product with the function's interpolation: nothing is lost,
    and more is admitted, the hull over the segment. Where there are weights at every lattice point it is ``onehot``.
    """

    id = "knots"
    title = "a copy of the expression for every breakpoint: exact there, a relaxation between"
    claim: Claim = "upper"
    reference = (
        "Sherali, Adams, SIAM J. Discrete Math. 3(3), 1990; by segments: Misener, Thompson, Floudas, "
        "Computers and Chemical Engineering 35(5), 2011"
    )

    def by_breakpoints(self, name: str, integer: EncodedInteger, g: Sequence[float], e: Expression) -> Expression | None:
        return disaggregated(name, integer.model, integer.breakpoint_weights, g, e)
