"""Lagrange multipliers: the prices of what a bound relaxes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..lattice.arrays import Floats
from ..lattice.tables import Tables


@dataclass(frozen=True)
class Multipliers:
    """The multipliers of one bound.

    Attributes
    ----------
    budget:
        Objective per unit of each additive budget, shape ``(budgets,)``, non-negative.
    rho:
        Objective per nat of each effectiveness constraint, shape ``(rho_stages,)``, non-negative.
    layer:
        Objective per layer of each effectiveness constraint's prefix, shape ``(rho_stages,)``.
    depth:
        Gradient of the penalty, objective per block, shape ``(penalised super_blocks,)``; only its deviations from the mean
        count.
    weight:
        1, or 0 to leave the objective out: a negative bound then proves that the cell holds no feasible network.
    """

    budget: Floats
    rho: Floats
    layer: Floats
    depth: Floats
    weight: float = 1.0

    @classmethod
    def initial(cls, tables: Tables, worth: float, weight: float = 1.0) -> Multipliers:
        """Multipliers that value each whole budget at a third of ``worth``, lower limits at nothing."""
        n = len(tables.rho_stages)
        rho = np.zeros(n)
        rho[-1:] = worth / 200.0
        return cls(
            budget=np.where(tables.limits > 0, worth / 3.0 / np.maximum(tables.limits, 1), 0.0),
            rho=rho,
            layer=7.0 * rho,
            depth=np.zeros(len(tables.penalised)),
            weight=weight,
        )

    @cached_property
    def vector(self) -> Floats:
        """All but the weight in one row."""
        return np.concatenate([self.budget, self.rho, self.layer, self.depth])

    @property
    def valid(self) -> bool:
        """Whether they make a bound: multipliers of inequalities are not negative."""
        return bool((self.budget >= 0).all() and (self.rho >= 0).all())

    def at(self, vector: Floats) -> Multipliers:
        """Multipliers of the same shapes and weight from one row."""
        nb, nr = len(self.budget), len(self.rho)
        depth = vector[nb + 2 * nr :]
        return Multipliers(vector[:nb], vector[nb : nb + nr], vector[nb + nr : nb + 2 * nr], depth, self.weight)

    def to_list(self) -> list[float]:
        """All numbers in one row."""
        return [self.weight, *self.vector.tolist()]

    @classmethod
    def from_list(cls, tables: Tables, row: list[float]) -> Multipliers:
        """Inverse of :meth:`to_list`."""
        empty = cls.initial(tables, 0.0, float(row[0]))
        if len(row) != 1 + len(empty.vector):
            raise ValueError(f"a row of {1 + len(empty.vector)} prices is expected, not {len(row)}")
        return empty.at(np.array(row[1:], dtype=np.float64))
