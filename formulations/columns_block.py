"""A super-block and its channels while the formulation by columns writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mipdesign.lattice.arrays import Bools, Floats, Ints
from mipdesign.lattice.stage_tables import StageTables
from mipdesign.mip.expressions import Expression, linear_sum

from .elements import Chosen


@dataclass(frozen=True)
class Channels:
    """The channels at one place of the chain.

    Attributes
    ----------
    values:
        What they can be, increasing.
    z:
        For each value an expression that is 1 there and 0 elsewhere.
    low, high:
        For each value the range of the log-width sum up to and with this place, shape ``(values,)``.
    """

    values: Ints
    z: Sequence[Expression]
    low: Floats
    high: Floats

    def function(self, of_value: Floats | Ints) -> Expression:
        """A function of the channels, shape ``(values,)``, as an expression."""
        return choice(of_value, self.z)

    @property
    def by_value(self) -> dict[int, Expression]:
        """What is 1 for each value."""
        return dict(zip(self.values.tolist(), self.z, strict=True))

    def within(self, first: int, end: int) -> Expression:
        """1 if the index of the value is in a range."""
        return linear_sum(self.z[first:end])


@dataclass(frozen=True)
class Block:
    """A super-block while it is written.

    Attributes
    ----------
    columns, x:
        Its columns, and the binary of each.
    depths, on_depth:
        Its depths, and what is 1 for each.
    follows:
        Which columns may come after each of the channels before it, shape ``(channels, columns)``.
    """

    index: int
    tables: StageTables
    columns: Ints
    x: Sequence[Expression]
    depths: Ints
    on_depth: Sequence[Expression]
    before: Channels
    follows: Bools

    def of_column(self, values: Floats | Ints | Bools) -> Expression:
        """A function of the column, shape ``(columns,)``, as an expression."""
        chosen = ((f, x) for f, x in zip(values, self.x, strict=True) if f)
        return linear_sum(float(f) * x for f, x in chosen).within(float(values.min()), float(values.max()))

    def named(self, _: str, values: Floats | Bools) -> Expression:
        """As :meth:`of_column`; no variable is needed."""
        return self.of_column(values)

    def indicators(self, axis: str) -> dict[int, Expression] | dict[str, Expression]:
        """What is 1 for each value of the depth, or of channels, width, kernel or family of the column."""
        s = self.tables
        if axis == "depth":
            return self.by_depth
        if axis == "presence":
            return self.chosen.by_presence
        if axis == "block":
            return {s.blocks[f]: self.of_column(s.f[self.columns] == f) for f in np.unique(s.f[self.columns])}
        values = {"channels": s.c, "bottleneck": s.b, "kernel": s.k}[axis][self.columns]
        return {int(v): self.of_column(values == v) for v in np.unique(values)}

    @property
    def chosen(self) -> Chosen:
        """Its column."""
        return Chosen(self.tables, self.columns, self.named, self.by_depth)

    @property
    def by_depth(self) -> dict[int, Expression]:
        """What is 1 for each depth."""
        return dict(zip(self.depths.tolist(), self.on_depth, strict=True))

    @property
    def repeats(self) -> Expression:
        """``L - 1``."""
        return choice(self.depths - 1, self.on_depth)


def choice(values: Floats | Ints, z: Sequence[Expression]) -> Expression:
    """The value whose binary is 1."""
    chosen = linear_sum(float(f) * z_v for f, z_v in zip(values, z, strict=True))
    return chosen.within(float(values.min()), float(values.max()))
