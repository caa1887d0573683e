r"""Products of a number on a lattice, or a function of it, with a bounded linear expression: what treatments have in common.

Throughout, ``g`` is the function, ``e`` the expression with ``low <= e <= high``, and ``u = (e - low) / (high - low)``. The
product of a binary ``z`` with ``u`` is a variable ``m`` with ``m <= z``, ``m <= u`` and ``m >= z + u - 1``, which is exact; the
treatments differ in the binaries. Numbers of equations are those of ``docs/formulations.md``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from mipdesign.lattice.arrays import Floats
from mipdesign.mip.expressions import Expression, linear_sum
from mipdesign.mip.formulation import Claim
from mipdesign.mip.start_values import Assignment

from ..encoded_integer import EncodedInteger
from ..model_builder import ModelBuilder
from ..parts import Part


class Product(Part):
    """A way to write a product."""

    claim: Claim = "exact"
    exact_at_breakpoints: ClassVar[bool] = True
    """Whether a product is exact where its number is a breakpoint."""

    def multiply(
        self,
        name: str,
        integer: EncodedInteger,
        g: Sequence[float] | Floats,
        factor: Expression,
        e: Expression,
        at_breakpoints: Sequence[float] | Floats = (),
    ) -> Expression:
        """The product of a function of an integer and an expression.

        Parameters
        ----------
        name:
            Prefix of the names in the model.
        g:
            Values of the function at the lattice points of the integer.
        factor:
            The function as an expression.
        e:
            The expression.
        at_breakpoints:
            Values of the function at the breakpoints of the integer, for products that go by these; empty if it has none.
        """
        if e.is_fixed:
            return factor * e.low
        if min(g) == max(g):
            return e * float(g[0])
        values, at = [float(x) for x in g], [float(x) for x in at_breakpoints]
        product = self.by_breakpoints(name, integer, at, e) if at else None
        if product is None:
            product = self.write(name, integer, values, factor, e)
        corners = [a * b for a in (min(values), max(values)) for b in (e.low, e.high)]
        return product.within(min(corners), max(corners))

    def by_breakpoints(self, name: str, integer: EncodedInteger, g: Sequence[float], e: Expression) -> Expression | None:
        """The product of a function that is linear between the breakpoints; ``None`` if the treatment does not go by them."""
        return None

    @abstractmethod
    def write(self, name: str, integer: EncodedInteger, g: Sequence[float], factor: Expression, e: Expression) -> Expression:
        """The product where neither of both is constant."""


def disaggregated(name: str, model: ModelBuilder, z: Sequence[Expression], g: Sequence[float], e: Expression) -> Expression:
    """``sum g_j e z_j``: the products ``e z_j = low z_j + (high - low) m_j`` with ``0 <= m_j <= z_j`` sum to ``e``."""
    size, products, copies = e.high - e.low, [], []

    for j, z_j in enumerate(z):

        def value(network: Assignment, z_j: Expression = z_j) -> float:
            return network.of(z_j) * (network.of(e) - e.low) / size

        m = model.variable(f"{name}_{j}", value=value)
        model.add(f"on_{name}_{j}", m <= z_j)  # (20)
        products += [g[j] * e.low * z_j, g[j] * size * m]
        copies.append(size * m)
    model.add(f"all_{name}", linear_sum([-e, e.low * model.one, *copies]) == 0.0)  # (20)
    return linear_sum(products)


def switched(name: str, model: ModelBuilder, z: Expression, e: Expression) -> Expression:
    """``e z`` for a binary."""
    size = e.high - e.low
    u = e / size - e.low / size * model.one
    m = model.variable(name, value=lambda network: network.of(z) * network.of(u))
    model.add(f"on_{name}", m <= z)  # (21)
    model.add(f"most_{name}", m <= u)
    model.add(f"least_{name}", m - z - u >= -1.0)
    return e.low * z + size * m
