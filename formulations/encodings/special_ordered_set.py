"""Weights in a special ordered set: Beale, Tomlin 1970."""

from __future__ import annotations

from collections.abc import Sequence

from mipdesign.mip.expressions import Expression
from mipdesign.registry import register_encoding

from .encoding import Encoding, Piecewise


@register_encoding
class SpecialOrderedSet(Encoding):
    """At most two neighbouring weights are positive: a set that the solver branches on."""

    id = "sos2"
    title = "special ordered set of type 2"
    reference = "Beale, Tomlin, Proc. 5th Int. Conf. Operational Research, 1970 (J. Lawrence, ed.), 447-454"

    def weights(self, f: Piecewise) -> Sequence[Expression]:
        w = f.convex_weights()
        if f.n_segments > 1:
            f.model.add_sos2(w)  # (10)
        return w
