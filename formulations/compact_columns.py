"""What the compact formulation has to know of a super-block: its formulas, the shape of its lattice, and its integers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mipdesign.lattice.arrays import Bools, Floats, Ints
from mipdesign.lattice.distinct import among, distinct, places
from mipdesign.lattice.stage_tables import StageTables
from mipdesign.lattice.tables import Tables
from mipdesign.mip.expressions import Expression
from mipdesign.networks.operation import kernel_of

from .encoded_integer import EncodedInteger
from .polynomials import BlockPolynomials, Monomial, NotPolynomialError


class UnsupportedError(Exception):
    """What a super-block has that the formulation does not support."""


def formulas_of(tables: Tables, index: int, columns: Ints) -> BlockPolynomials:
    """Counts and widths of some columns of a super-block.

    Raises
    ------
    UnsupportedError
        If they are of a form that the formulation does not write.
    """
    try:
        formulas = BlockPolynomials.of(tables, index, columns)
    except NotPolynomialError as reason:
        raise UnsupportedError(str(reason)) from None
    if any(m.b + m.c > 2 for p in formulas.written for m in p.coefficients):
        raise UnsupportedError("counts of a degree above two in channels and width")
    if any(m.has_square for count in formulas.counts for m in count.slope.coefficients):
        raise UnsupportedError("counts that grow with the incoming channels times a square")
    identity = [count.identity for count in formulas.counts]
    if any(p.of_width or any(m.b or m.k for m in p.coefficients) for p in identity):
        raise UnsupportedError("counts where the channels stay the same that depend on width or kernel")
    return formulas


def kernel_powers(kernels: Ints, power: int) -> Floats:
    """What stands for a power of the kernel in counts: the area of a kernel that spans frames counts once for each."""
    lengths, sizes = kernel_of(kernels)
    powers: Floats = sizes.astype(np.float64) ** power * (lengths if power else 1)
    return powers


@dataclass(frozen=True)
class Lattices:
    """Lattices of a super-block's columns, and for each channel count the first and the last index of its widths."""

    channels: tuple[int, ...]
    widths: tuple[int, ...]
    kernels: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]

    @classmethod
    def of(cls, s: StageTables, columns: Ints) -> Lattices:
        """Those of the given columns.

        Raises
        ------
        UnsupportedError
            If the columns are not a range of widths for each channel count, with all kernels.
        """
        of_columns = [among(values, columns) for values in (s.c, s.b, s.k)]
        channels, widths, kernels = axes = [distinct(values) for values in of_columns]
        allowed = np.zeros((len(channels), len(widths), len(kernels)), dtype=bool)
        allowed[tuple(places(*pair) for pair in zip(of_columns, axes, strict=True))] = True
        of_pair: Bools = np.any(allowed, axis=2)
        low, high = of_pair.argmax(axis=1), of_pair.shape[1] - 1 - of_pair[:, ::-1].argmax(axis=1)
        if (allowed != of_pair[:, :, None]).any() or (of_pair.sum(axis=1) != high - low + 1).any():
            raise UnsupportedError("widths that are not a range for each number of channels, the same for all kernels")
        lattices = [tuple(int(x) for x in values) for values in (channels, widths, kernels, low, high)]
        return cls(*lattices)


@dataclass(frozen=True)
class Block:
    """A super-block while it is written.

    Attributes
    ----------
    before, channels, widths, kernels, depths:
        The integers ``C_{i-1}, C_i, b_i, k_i, L_i``.
    monomials, incoming:
        Monomials that are written already, and their products with ``C_{i-1}``.
    identical:
        For each channel count, what is 1 where ``C_{i-1}`` and ``C_i`` both are.
    """

    index: int
    columns: Ints
    formulas: BlockPolynomials
    before: EncodedInteger
    channels: EncodedInteger
    widths: EncodedInteger
    kernels: EncodedInteger
    depths: EncodedInteger
    monomials: dict[Monomial, Expression] = field(default_factory=dict)
    incoming: dict[Monomial, Expression] = field(default_factory=dict)
    identical: dict[int, Expression] = field(default_factory=dict)

    def number(self, axis: str) -> Expression:
        """What a tie has in common."""
        axes = {"channels": self.channels, "bottleneck": self.widths, "kernel": self.kernels, "depth": self.depths}
        return axes[axis].number
