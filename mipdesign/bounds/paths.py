"""Networks that attained bounds, with the figures that subgradients need."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..lattice.arrays import DEPTH, Arrays, Bools, Floats, Ints
from ..lattice.position import Position


@dataclass(frozen=True)
class Paths:
    """Networks that attained bounds, with the figures that subgradients need.

    Attributes
    ----------
    table:
        One row per network: stem; columns and depths of the super-blocks; counts; ``sum log w``, layers and ``x_j`` of each
        stage, and what its layer terms have beside ``sum log w``, where they have; the true objective.
    super_blocks, budgets, stages:
        How many of each there are.
    """

    table: Floats
    super_blocks: int
    budgets: int
    stages: int

    @classmethod
    def none(cls, arrays: Arrays, room: int = 0) -> Paths:
        """Room for some networks."""
        stages, m = arrays.prefix.shape
        nb = len(arrays.limits)
        return cls(np.empty((room, 2 + 2 * m + nb + (3 + arrays.has_extra) * stages)), m, nb, stages)

    def __len__(self) -> int:
        return len(self.table)

    def take(self, index: Ints | Bools | slice) -> Paths:
        """The networks at ``index``."""
        return replace(self, table=self.table[index])

    def _part(self, first: int, n: int) -> Floats:
        return self.table[:, first : first + n]

    def with_more(self, others: Paths) -> Paths:
        """These networks, then others."""
        return replace(self, table=np.concatenate([self.table, others.table]))

    @property
    def columns(self) -> Ints:
        """Columns, shape ``(networks, super_blocks)``."""
        return self._part(1, self.super_blocks).astype(np.int64)

    @property
    def depths(self) -> Ints:
        """Depths, shape ``(networks, super_blocks)``."""
        return self._part(1 + self.super_blocks, self.super_blocks).astype(np.int64)

    @property
    def counts(self) -> Floats:
        """Counts of the additive budgets, shape ``(networks, budgets)``."""
        return self._part(1 + 2 * self.super_blocks, self.budgets)

    @property
    def log_widths(self) -> Floats:
        """``sum log w`` of each prefix, shape ``(networks, stages)``."""
        return self._part(1 + 2 * self.super_blocks + self.budgets, self.stages)

    @property
    def layers(self) -> Floats:
        """Layers of each prefix, shape ``(networks, stages)``."""
        return self._part(1 + 2 * self.super_blocks + self.budgets + self.stages, self.stages)

    def tied(self, arrays: Arrays) -> Bools:
        """Which networks keep the ties, shape ``(networks,)``."""
        kept, columns, depths = np.ones(len(self), dtype=bool), self.columns + arrays.offsets[:-1], self.depths
        for part, i, j in arrays.ties.tolist():
            values = depths if part == DEPTH else arrays.transposed[part][columns]
            kept &= values[:, i] == values[:, j]
        return kept

    @property
    def objective(self) -> Floats:
        """Objective, shape ``(networks,)``."""
        return self.table[:, -1]

    def position(self, k: int) -> Position:
        """Network ``k`` as table positions."""
        m = self.super_blocks
        numbers = self.table[k, : 1 + 2 * m].astype(np.int64).tolist()
        return Position(numbers[0], tuple(numbers[1 : 1 + m]), tuple(numbers[1 + m :]))
