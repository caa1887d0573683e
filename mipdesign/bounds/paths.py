"""Networks that attained bounds, with the figures that subgradients need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..lattice.arrays import Arrays, Floats
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

    def _part(self, first: int, n: int) -> Floats:
        return self.table[:, first : first + n]

    @property
    def counts(self) -> Floats:
        """Counts of the additive budgets, shape ``(networks, budgets)``."""
        return self._part(1 + 2 * self.super_blocks, self.budgets)

    @property
    def layers(self) -> Floats:
        """Layers of each prefix, shape ``(networks, stages)``."""
        return self._part(1 + 2 * self.super_blocks + self.budgets + self.stages, self.stages)

    @property
    def objective(self) -> Floats:
        """Objective, shape ``(networks,)``."""
        return self.table[:, -1]

    def position(self, k: int) -> Position:
        """Network ``k`` as table positions."""
        m = self.super_blocks
        numbers = self.table[k, : 1 + 2 * m].astype(np.int64).tolist()
        return Position(numbers[0], tuple(numbers[1 : 1 + m]), tuple(numbers[1 + m :]))
