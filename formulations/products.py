r"""Products of a number on a lattice, or a function of it, with a bounded linear expression, one class per treatment.

Throughout, ``g`` is the function, ``e`` the expression with ``low <= e <= high``, and ``u = (e - low) / (high - low)``. The
product of a binary ``z`` with ``u`` is a variable ``m`` with ``m <= z``, ``m <= u`` and ``m >= z + u - 1``, which is exact; the
classes differ in the binaries.
"""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from mipdesign.lattice.arrays import Floats
from mipdesign.mip.formulation import Claim
from mipdesign.mip.linear import Terms

from .parts import Part
from .sheet import Axis, Bounded, Rule, Sheet


class Product(Part):
    """A way to write a product."""

    claim: Claim = "exact"
    exact_at_breakpoints: ClassVar[bool] = True
    """Whether a product is exact where its number is a breakpoint."""

    def multiply(
        self, name: str, axis: Axis, g: Sequence[float], factor: Bounded, e: Bounded, knots: Sequence[float] | Floats = ()
    ) -> Bounded:
        """The product of a function of an axis and an expression.

        Parameters
        ----------
        name:
            Prefix of the names in the model.
        g:
            Values of the function at the lattice points of the axis.
        factor:
            The function as an expression.
        e:
            The expression.
        knots:
            Values of the function at the knots of the axis, for products that go by these; empty if it has none.
        """
        if e.low == e.high:
            return factor.times(e.low)
        if min(g) == max(g):
            return e.times(float(g[0]))
        corners = [a * b for a in (min(g), max(g)) for b in (e.low, e.high)]
        terms = self.terms_by_knots(name, axis, [float(x) for x in knots], e) if len(knots) else None
        terms = self.terms(name, axis, [float(x) for x in g], factor, e) if terms is None else terms
        return Bounded(terms, float(min(corners)), float(max(corners)))

    def terms_by_knots(self, name: str, axis: Axis, knots: Sequence[float], e: Bounded) -> Terms | None:
        """The product of a function that is linear between the knots of the axis; ``None`` if the part does not go by them."""
        return None

    @abstractmethod
    def terms(self, name: str, axis: Axis, g: Sequence[float], factor: Bounded, e: Bounded) -> Terms:
        """The product where neither of both is constant."""


class McCormick(Product):
    """The convex hull of the product over the box of its factors: a relaxation, exact at the sides of the box."""

    id = "mccormick"
    title = "one McCormick box: a relaxation"
    claim: Claim = "upper"
    exact_at_breakpoints = False
    reference = "McCormick, Mathematical Programming 10, 1976; Al-Khayyal, Falk, Mathematics of Operations Research 8(2), 1983"

    def terms(self, name: str, axis: Axis, g: Sequence[float], factor: Bounded, e: Bounded) -> Terms:
        sheet = axis.sheet
        corners = [a * b for a in (factor.low, factor.high) for b in (e.low, e.high)]
        product = sheet.variable(name, lambda p: p.of(factor.terms) * p.of(e.terms), lower=min(corners), upper=max(corners))
        for place, (a, b) in enumerate(
            ((factor.low, e.low), (factor.high, e.high), (factor.low, e.high), (factor.high, e.low))
        ):
            # (x - a) (y - b) is at least 0 for the first two and at most 0 for the others: a y + b x - a b bounds x y.
            terms = [(product, 1.0)] + [(v, -a * c) for v, c in e.terms] + [(v, -b * c) for v, c in factor.terms]
            if place < 2:
                sheet.row(f"{name}_low{place}", terms, low=-a * b)
            else:
                sheet.row(f"{name}_high{place}", terms, high=-a * b)
        return [(product, 1.0)]


class OneHotProduct(Product):
    """A copy of the expression for every lattice point, which is 0 elsewhere: the hull of the product, for any function."""

    id = "onehot"
    title = "a copy of the expression for every lattice point"
    reference = "Balas, SIAM J. Algebraic Discrete Methods 6(3), 1985; Sherali, Adams, SIAM J. Discrete Math. 3(3), 1990"

    def terms(self, name: str, axis: Axis, g: Sequence[float], factor: Bounded, e: Bounded) -> Terms:
        return _copies(name, axis.sheet, axis.hot(), g, e)


class KnotsProduct(OneHotProduct):
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

    def terms_by_knots(self, name: str, axis: Axis, knots: Sequence[float], e: Bounded) -> Terms | None:
        return _copies(name, axis.sheet, axis.knot_weights, knots, e)


class LogProduct(Product):
    """The bits of the place. A function that is affine in the place needs a product with each bit only; for any other, copies
    of the expression at the lattice points are switched by the bits.
    """

    id = "log"
    title = "binary expansion of the place"
    reference = (
        "Gupte, Ahmed, Cheon, Dey, SIAM J. Optimization 23(2), 2013, section 2; "
        "copies switched by bits: Vielma, Nemhauser, Mathematical Programming 128, 2011"
    )

    def terms(self, name: str, axis: Axis, g: Sequence[float], factor: Bounded, e: Bounded) -> Terms:
        bits = axis.cached("bits", lambda: _bits(axis))
        step = g[1] - g[0]
        scale = max(map(abs, g))
        if any(abs(g[j] - g[0] - j * step) > 1e-12 * scale for j in range(len(g))):
            return _copies(name, axis.sheet, axis.cached("coded", lambda: _coded(axis, bits)), g, e)
        product = [(v, g[0] * c) for v, c in e.terms]
        for k, bit in enumerate(bits):
            product += [(v, step * 2**k * c) for v, c in _switched(f"{name}_{k}", axis.sheet, bit, e)]
        return product


class UnaryProduct(Product):
    """A binary per step of the lattice, which says that the number is beyond it."""

    id = "unary"
    title = "unary expansion of the place"
    reference = "Owen, Mehrotra, Operations Research 50(5), 2002; Bonami, Margot, Mathematical Programming 154, 2015"

    def terms(self, name: str, axis: Axis, g: Sequence[float], factor: Bounded, e: Bounded) -> Terms:
        product = [(v, g[0] * c) for v, c in e.terms]
        for j, beyond in enumerate(axis.cached("unary", lambda: _unary(axis))):
            step = g[j + 1] - g[j]
            product += [(v, step * c) for v, c in _switched(f"{name}_{j}", axis.sheet, beyond, e)]
        return product


def _copies(name: str, sheet: Sheet, hot: Sequence[Terms], g: Sequence[float], e: Bounded) -> Terms:
    """``sum g_j e z_j``: the products ``e z_j = low z_j + (high - low) m_j`` with ``0 <= m_j <= z_j`` sum to ``e``."""
    size = e.high - e.low

    def copy(z: Terms) -> Rule:
        return lambda p: p.of(z) * (p.of(e.terms) - e.low) / size

    product: Terms = []
    everything: Terms = [(v, -c) for v, c in e.terms] + [(sheet.one, e.low)]
    for j, z in enumerate(hot):
        m = sheet.variable(f"{name}_{j}", copy(z))
        sheet.row(f"on_{name}_{j}", [(m, 1.0)] + [(v, -c) for v, c in z], high=0.0)
        product += [(v, g[j] * e.low * c) for v, c in z] + [(m, g[j] * size)]
        everything.append((m, size))
    sheet.row(f"all_{name}", everything, 0.0, 0.0)
    return product


def _switched(name: str, sheet: Sheet, z: Terms, e: Bounded) -> Terms:
    """``e z`` for a binary."""
    size = e.high - e.low
    scaled = [(v, c / size) for v, c in e.terms] + [(sheet.one, -e.low / size)]
    m = sheet.variable(name, lambda p: p.of(z) * p.of(scaled))
    negative = [(v, -c) for v, c in z]
    below = [(v, -c) for v, c in scaled]
    sheet.row(f"on_{name}", [(m, 1.0)] + negative, high=0.0)
    sheet.row(f"most_{name}", [(m, 1.0)] + below, high=0.0)
    sheet.row(f"least_{name}", [(m, 1.0)] + negative + below, low=-1.0)
    return [(v, e.low * c) for v, c in z] + [(m, size)]


def _bits(axis: Axis) -> list[Terms]:
    """Bits of the place."""
    sheet, n_bits = axis.sheet, (len(axis.values) - 1).bit_length()

    def bit(k: int) -> Rule:
        return lambda p: float(round(p.of(axis.place.terms)) >> k & 1)

    bits = [sheet.variable(f"{axis.name}_bit{k}", bit(k), "B", priority=axis.priority) for k in range(n_bits)]
    negative = [(v, -c) for v, c in axis.place.terms]
    sheet.row(f"{axis.name}_bits", [(v, float(2**k)) for k, v in enumerate(bits)] + negative, 0.0, 0.0)
    return [[(v, 1.0)] for v in bits]


def _coded(axis: Axis, bits: Sequence[Terms]) -> list[Terms]:
    """Weights of the lattice points that sum to 1, and to each bit over the places that have it."""
    sheet, n = axis.sheet, len(axis.values)
    weights = [sheet.variable(f"{axis.name}_c{j}", axis.is_place({j})) for j in range(n)]
    sheet.row(f"{axis.name}_coded", [(v, 1.0) for v in weights], 1.0, 1.0)
    for k, bit in enumerate(bits):
        inside = [(v, 1.0) for j, v in enumerate(weights) if j >> k & 1]
        sheet.row(f"{axis.name}_code{k}", inside + [(v, -c) for v, c in bit], 0.0, 0.0)
    return [[(v, 1.0)] for v in weights]


def _unary(axis: Axis) -> list[Terms]:
    """Whether the place is beyond each step."""
    sheet, n = axis.sheet, len(axis.values)
    beyond = [
        sheet.variable(f"{axis.name}_t{j}", axis.is_place(set(range(j, n))), "B", priority=axis.priority) for j in range(1, n)
    ]
    for j, (before, after) in enumerate(itertools.pairwise(beyond)):
        sheet.row(f"{axis.name}_after{j}", [(after, 1.0), (before, -1.0)], high=0.0)
    sheet.row(f"{axis.name}_unary", [(v, 1.0) for v in beyond] + [(v, -c) for v, c in axis.place.terms], 0.0, 0.0)
    return [[(v, 1.0)] for v in beyond]
