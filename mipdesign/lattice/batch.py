"""The batch evaluator: figures of many networks of one space at once, from the lattice tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..native.library import function, integers
from .arrays import Bools, Floats, Ints
from .position import Position
from .tables import Tables

_evaluate = function("evaluate_networks", "b", "pipppppppp")


@dataclass(frozen=True)
class Batch:
    """Networks as positions in the tables.

    Attributes
    ----------
    stem:
        Index into ``tables.stem_c``, shape ``(n,)``.
    columns:
        Column of each super-block, shape ``(super_blocks, n)``.
    depths:
        Blocks of each super-block, shape ``(super_blocks, n)``.
    """

    stem: Ints
    columns: Ints
    depths: Ints

    def __len__(self) -> int:
        return len(self.stem)

    @classmethod
    def of(cls, network: Position) -> Batch:
        """One network."""
        return cls(np.array([network.stem]), np.array(network.columns)[:, None], np.array(network.depths)[:, None])

    def take(self, index: Ints | Bools) -> Batch:
        """The networks at ``index``."""
        return Batch(self.stem[index], self.columns[:, index], self.depths[:, index])


@dataclass(frozen=True)
class BatchEvaluation:
    """Figures of a batch.

    Attributes
    ----------
    objective:
        Shape ``(n,)``.
    counts:
        Exact integers of the additive budgets, shape ``(budgets, n)``.
    log_widths:
        ``sum log w`` of the prefix that ends with each stage, shape ``(stages, n)``.
    layers:
        Layers of each prefix, shape ``(stages, n)``.
    chained:
        Whether the channels may follow one another, ties hold, and single operations keep the limits that hold for them.
    """

    tables: Tables
    objective: Floats
    counts: Ints
    log_widths: Floats
    layers: Ints
    chained: Bools

    @property
    def effectiveness(self) -> Floats:
        """``rho`` in the sense of the convention, shape ``(n,)``."""
        prefixes = self.layers / np.exp(self.log_widths / self.layers)
        prefix = self.tables.problem.scoring.convention.prefix_effectiveness
        rho: Floats = prefixes.max(axis=0) if prefix else prefixes[-1]
        return rho

    @property
    def excess(self) -> Floats:
        """Relative violation of each budget and of the effectiveness, positive parts only, shape ``(budgets + 1, n)``."""
        limits = self.tables.limits[:, None]
        rows = np.maximum((self.counts - limits) / np.maximum(abs(limits), 1), 0.0)
        rho = self.tables.rho
        limit = self.tables.arrays.rho
        last = np.zeros((1, len(self.objective))) if rho is None else np.maximum(self.effectiveness / limit - 1.0, 0.0)[None]
        return np.concatenate([rows, last])

    @property
    def feasible(self) -> Bools:
        """Whether budgets and chain hold; the effectiveness is a float here and decided exactly by the evaluator."""
        ok: Bools = self.chained & (self.excess <= 0.0).all(axis=0)
        return ok


def evaluate_batch(tables: Tables, batch: Batch) -> BatchEvaluation:
    """Evaluates networks of one space.

    Returns
    -------
    BatchEvaluation
        Counts are exact; the objective agrees with the exact evaluator to a relative 1e-12.
    """
    n, budgets, stages = len(batch), len(tables.counts), tables.n_stages
    networks = [np.ascontiguousarray(part, dtype=np.int64) for part in (batch.stem, batch.columns, batch.depths)]
    objective, counts = np.empty(n), np.empty((budgets, n), dtype=np.int64)
    log_widths, layers, chained = np.empty((stages, n)), np.empty((stages, n), dtype=np.int64), np.empty(n, dtype=np.bool_)
    results = (array.ctypes.data for array in (objective, counts, log_widths, layers, chained))
    if not _evaluate(tables.arrays.address, n, *map(integers, networks), *results):
        raise MemoryError
    return BatchEvaluation(tables, objective, counts, log_widths, layers, chained)
