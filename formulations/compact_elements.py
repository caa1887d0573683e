"""Single blocks of super-blocks whose blocks may differ, in the compact formulation: a binary per column of each.

Bits and absence make no polynomials, so counts and layer terms of such a block are read off its column, exactly. Its channels
are an integer as everywhere, from which logarithms at ends of stages and products with what comes behind are written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mipdesign.lattice.arrays import MAX_CHANNELS, Bools, Floats, Ints
from mipdesign.lattice.stage_tables import StageTables
from mipdesign.mip.expressions import Expression, dot
from mipdesign.mip.start_values import ValueRule

from . import pairs
from .common import WIDTH, Layers
from .elements import Chosen
from .encoded_integer import EncodedInteger
from .model_builder import ModelBuilder
from .one_hot import one_hot

Times = Callable[[str, EncodedInteger, Expression], Expression]
"""Writes a number times an expression, by a name."""


def choose(model: ModelBuilder, s: StageTables, i: int, columns: Ints) -> tuple[Chosen, str | None]:
    """Binaries of the columns of an element, and the variable that is the place of the one chosen if there are several."""
    every = columns.tolist()
    hot = list(one_hot(model, f"x{i + 1}", every, lambda p: p.columns[i], WIDTH).values())

    def of_column(_: str, values: Floats | Bools) -> Expression:
        return dot(values.tolist(), hot).within(float(values.min()), float(values.max()))

    place = None
    if len(every) > 1:
        place = f"x{i + 1}_place" if len(every) > 2 else f"x{i + 1}_{every[1]}"
    return Chosen(s, columns, of_column, {1: model.one}), place


@dataclass(frozen=True)
class ColumnBlock:
    """A single block while it is written.

    Attributes
    ----------
    before, channels:
        The integers ``C_{i-1}, C_i``: the same for a later block.
    chosen:
        Its columns.
    """

    index: int
    before: EncodedInteger
    channels: EncodedInteger
    chosen: Chosen

    @property
    def tables(self) -> StageTables:
        """Tables of the element."""
        return self.chosen.tables

    def number(self, axis: str) -> Expression:
        """What a tie has in common."""
        if axis == "channels":
            return self.channels.number
        return self._of({"bottleneck": self.tables.b, "kernel": self.tables.k, "presence": self.tables.presence}[axis])

    def _of(self, values: Ints | Floats) -> Expression:
        """A figure of the tables at the column that is chosen."""
        return self.chosen.of_column("", values[self.chosen.columns].astype(np.float64))

    def link_channels(self, model: ModelBuilder) -> None:
        """The integer of the channels is that of the column."""
        x, of_column = self.channels, self.tables.c[self.chosen.columns]
        if len(x.values) == 1:
            return
        if not x.weights:
            places = np.searchsorted(x.values, of_column).astype(np.float64)
            model.add(f"of_{x.name}", self.chosen.of_column("", places) == x.index)
        for c, weight in zip(x.values, x.weights, strict=False):
            model.add(f"of_{x.name}_{c}", self.chosen.of_column("", of_column == c) == weight)  # (26)

    def limit_operations(self, model: ModelBuilder) -> None:
        """Limits on single operations."""
        s, columns = self.tables, self.chosen.columns
        if (s.most_incoming[columns] < MAX_CHANNELS).any() or not s.identity_fits[columns].all():
            before = dict(zip(self.before.values, self.before.one_hot(), strict=True))
            pairs.limit_operations(model, self.index + 1, s, columns, before, {1: model.one}, self.chosen.of_column)

    def counts(self, model: ModelBuilder, times: Times) -> list[Expression]:
        """What it adds to each budget, equation (3)."""
        s, n, found = self.tables, self.index + 1, []
        for row, (fixed, slope) in enumerate(zip(s.fixed, s.slope, strict=True)):
            own = self._of(fixed)
            if slope.any():
                own += times(f"in{n}_{row}", self.before, self._of(slope))
            found.append(own)
        self._add_identity(model, found)
        return found

    def _add_identity(self, model: ModelBuilder, counts: list[Expression]) -> None:
        """Adds what arises only where the channels stay the same."""
        s, groups = self.tables, dict[tuple[int, tuple[int, ...]], list[int]]()
        for q in self.chosen.columns.tolist():
            if int(s.c[q]) in self.before.values and s.identity[:, q].any():
                groups.setdefault((int(s.c[q]), tuple(s.identity[:, q].tolist())), []).append(q)

        def both(z: Expression, columns: Sequence[int]) -> ValueRule:
            return lambda network: network.of(z) * (network.position.columns[self.index] in columns)

        for place, ((c, same), columns) in enumerate(groups.items()):
            name, z = f"same{self.index + 1}_{place}", self.before.one_hot()[self.before.values.index(c)]
            e = here = self.chosen.of_column("", np.isin(self.chosen.columns, columns))
            if len(self.before.values) > 1:
                e = model.variable(name, value=both(z, columns))
                model.add(f"before_{name}", e <= z)  # (27)
                model.add(f"here_{name}", e <= here)
                model.add(f"both_{name}", e >= z + here - 1.0)
            for row, count in enumerate(same):
                counts[row] += float(count) * e

    @property
    def layer_terms(self) -> Expression:
        """What it adds to the log-width sum; the channels before a first block aside, those before a later one are its own."""
        return self._of(self.tables.t + self.tables.log_c if self.tables.element.continues else self.tables.t)

    @property
    def extra(self) -> Expression:
        """What its layer terms have beside log widths."""
        return self._of(self.tables.extra)

    def layers(self, before: Layers) -> Layers:
        """Layers up to and with it."""
        sizes = np.unique(self.tables.layers[self.chosen.columns]).tolist()
        attainable = tuple(sorted({n for size in sizes for n in before.attainable_with(size, (1,))}))
        return Layers(before.number + self._of(self.tables.layers), attainable)
