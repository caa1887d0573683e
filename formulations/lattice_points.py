"""Lattice points of a super-block, and figures of them: what the lattice formulation and its pricer read off a point."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from mipdesign.lattice.arrays import Bools, Floats, Ints
from mipdesign.lattice.stage_tables import StageTables
from mipdesign.mip.expressions import Expression

Numbers = Floats | Ints | Bools | float


@dataclass(frozen=True)
class Points:
    """The lattice points of a super-block: every column of a cell with every depth.

    Attributes
    ----------
    index:
        Number of the super-block, from 0.
    columns:
        The columns, increasing.
    depths:
        The depths, increasing.
    """

    index: int
    columns: Ints
    depths: Ints

    def __len__(self) -> int:
        return len(self.columns) * len(self.depths)

    def figure(self, fixed: Numbers = 0.0, rise: Numbers = 0.0) -> Figure:
        """A figure that is affine in the depth, from one number for each column or one for all."""
        n = len(self.columns)
        of_columns, per_depth = (np.broadcast_to(np.asarray(part, dtype=np.float64), n) for part in (fixed, rise))
        return Figure(self, of_columns, per_depth, np.zeros(len(self.depths)))

    def having(self, columns: Iterable[int]) -> Figure:
        """1 if the column is one of these."""
        return self.figure(np.isin(self.columns, list(columns)))

    def of_depth(self, depth: int) -> Figure:
        """1 if the depth is this one."""
        return replace(self.figure(), at=(self.depths == depth).astype(np.float64))


@dataclass(frozen=True)
class Figure:
    """A number for each point of a super-block: ``fixed[j] + L rise[j] + at[d]`` for column ``j`` and depth ``L = depths[d]``.

    Everything that a model reads off a point is one, so neither a model nor a pricer has to list the points.
    """

    points: Points
    fixed: Floats
    rise: Floats
    at: Floats

    def table(self, columns: Ints) -> Floats:
        """The numbers of the points of some columns ``j``, shape ``(columns, depths)``."""
        values: Floats = self.fixed[columns, None] + self.rise[columns, None] * self.points.depths + self.at
        return values

    def of(self, column: int, depth: int) -> float:
        """The number of one point."""
        j, d = np.searchsorted(self.points.columns, column), np.searchsorted(self.points.depths, depth)
        return float(self.fixed[j] + self.rise[j] * depth + self.at[d])

    def within(self, low: float, high: float) -> Figure:
        """Its place between two bounds: 0 at the lower one, 1 at the upper one."""
        size = high - low
        return replace(self, fixed=(self.fixed - low) / size, rise=self.rise / size, at=self.at / size)

    def range(self) -> tuple[float, float]:
        """The least and the largest number, where none depends on the depth other than affinely."""
        ends = [self.fixed + self.rise * depth for depth in (self.points.depths[0], self.points.depths[-1])]
        return float(np.min(ends)), float(np.max(ends))


@dataclass(frozen=True)
class Block:
    """What one super-block is made of while it is written.

    Attributes
    ----------
    index:
        Its number, from 0.
    tables:
        Its tables.
    points:
        The columns and the depths that the cell leaves it.
    before, channels, widths, kernels, depths, families:
        Binary of each channel count before it, and of each of its own channel counts, widths, kernels, depths and families.
    """

    index: int
    tables: StageTables
    points: Points
    before: Mapping[int, Expression]
    channels: Mapping[int, Expression]
    widths: Mapping[int, Expression]
    kernels: Mapping[int, Expression]
    depths: Mapping[int, Expression]

    families: Mapping[str, Expression]

    @property
    def continues(self) -> bool:
        """Whether it is a later block of a super-block whose blocks may differ."""
        return self.tables.element.continues

    def indicators(self, axis: str) -> Mapping[int, Expression] | Mapping[str, Expression]:
        """What is 1 for each value of what a tie has in common."""
        if axis == "block":
            return self.families
        return {"channels": self.channels, "bottleneck": self.widths, "kernel": self.kernels, "depth": self.depths}[axis]


def own_figure(block: Block, terms: Floats, factor: Floats | float = 1.0) -> Figure:
    """What a super-block adds to a sum of layer terms, times a factor of its column: ``terms`` are those of one block with a
    single input channel. The channels before a first block are left aside; those before a later one are its own.
    """
    s, columns = block.tables, block.points.columns
    first = 0.0 if block.continues else -factor * s.log_c[columns]
    return block.points.figure(first, factor * (terms + s.log_c)[columns])


def slope_per_channel(s: StageTables, columns: Ints) -> Ints:
    """The part of the slope that grows with the channels ``C``: its difference quotient at an equal width and kernel."""
    first: dict[tuple[int, int], int] = {}
    for q in columns:
        p = first.setdefault((int(s.b[q]), int(s.k[q])), int(q))
        if s.c[p] != s.c[q]:
            quotient: Ints = (s.slope[:, q] - s.slope[:, p]) // (s.c[q] - s.c[p])
            return quotient
    return np.zeros(len(s.slope), dtype=np.int64)
