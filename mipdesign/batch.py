"""The batch evaluator: figures of many networks of one space at once, from the lattice tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .lattice import Bools, Floats, Ints, Tables

CHUNK = 4096
"""Networks evaluated at a time."""


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

    def take(self, index: Ints | Bools) -> Batch:
        """The networks at ``index``."""
        return Batch(self.stem[index], self.columns[:, index], self.depths[:, index])

    def where(self, choose: Bools, other: Batch) -> Batch:
        """``self`` where ``choose`` holds, ``other`` elsewhere."""
        return Batch(
            np.where(choose, self.stem, other.stem),
            np.where(choose, self.columns, other.columns),
            np.where(choose, self.depths, other.depths),
        )


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
        Whether the channels may follow one another.
    """

    tables: Tables
    objective: Floats
    counts: Ints
    log_widths: Floats
    layers: Ints
    chained: Bools

    @property
    def arrays(self) -> tuple[Floats, Ints, Floats, Ints, Bools]:
        """The fields that have an entry per network."""
        return self.objective, self.counts, self.log_widths, self.layers, self.chained

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
        rows = np.maximum(self.counts / self.tables.limits[:, None] - 1.0, 0.0)
        rho = self.tables.rho
        last = (
            np.zeros((1, len(self.objective))) if rho is None else np.maximum(self.effectiveness / float(rho) - 1.0, 0.0)[None]
        )
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
    n = len(batch)
    if n > CHUNK:
        parts = [_evaluate_chunk(tables, batch.take(np.arange(i, min(i + CHUNK, n)))) for i in range(0, n, CHUNK)]
        joined = (np.concatenate(arrays, axis=-1) for arrays in zip(*(part.arrays for part in parts), strict=True))
        return BatchEvaluation(tables, *joined)
    return _evaluate_chunk(tables, batch)


def _evaluate_chunk(tables: Tables, batch: Batch) -> BatchEvaluation:
    """:func:`evaluate_batch` of so few networks that the intermediate arrays stay in the cache."""
    scoring = tables.problem.scoring
    n, nb = len(batch), len(tables.counts)
    stem = tables.stem_c[batch.stem]
    ci, log_ci = stem.astype(np.float64), np.log(stem)
    counts = (tables.stem_counts[:, batch.stem] + tables.tail_fixed[:, None]).astype(np.float64)
    log_sum = np.full(n, tables.stem_log)
    layers = np.ones(n, dtype=np.int64)
    chained = np.ones(n, dtype=bool)
    log_widths, layer_counts = np.empty((tables.n_stages, n)), np.empty((tables.n_stages, n), dtype=np.int64)
    weighted = np.zeros(n)
    factor = float(scoring.convention.layer_factor)

    def close_stage(j: int, log_channels: Floats) -> None:
        log_widths[j], layer_counts[j] = log_sum, layers
        np.add(weighted, scoring.alpha[j] * factor * (tables.log_area(j) + log_channels) * log_sum, out=weighted)

    if tables.ends[0] < 0:
        close_stage(0, log_ci)
    for i, s in enumerate(tables.stages):
        rows = s.packed[batch.columns[i]]
        c, log_c, t = rows[:, 0], rows[:, 1], rows[:, 2]
        fixed, slope, same, rest = (rows[:, 3 + k * nb : 3 + (k + 1) * nb].T for k in range(4))
        chained &= s.follows(ci, c)
        more = batch.depths[i] - 1.0
        counts += fixed + ci * slope + more * rest
        if s.same.any():
            counts += (ci == c) * same
        log_sum += log_ci + t + more * (log_c + t)
        layers += s.layers * batch.depths[i]
        ci, log_ci = c, log_c
        if i == len(tables.stages) - 1:
            counts += ci * tables.tail_slope[:, None]
            if tables.has_head:
                log_sum += log_ci
                layers += 1
        if i in tables.ends:
            fixed_end = i == len(tables.stages) - 1 and tables.end_channels is not None
            close_stage(tables.stage_of[i], np.log(float(tables.end_channels or 1)) if fixed_end else log_ci)
    return BatchEvaluation(
        objective=weighted - scoring.beta * penalties(tables, batch.depths),
        counts=counts.astype(np.int64),
        log_widths=log_widths,
        layers=layer_counts,
        chained=chained,
        tables=tables,
    )


def penalties(tables: Tables, depths: Ints) -> Floats:
    """``Q`` of each network of a batch, shape ``(n,)``."""
    scoring = tables.problem.scoring
    n = depths.shape[1]
    if scoring.penalty_form == "none" or not scoring.penalised:
        return np.zeros(n)
    counted = depths[list(scoring.penalised)].astype(np.float64)
    exponent = counted.var(axis=0) if scoring.penalty_form == "exp_var" else counted.std(axis=0)
    with np.errstate(over="ignore"):
        q: Floats = np.exp(exponent)
    return q
