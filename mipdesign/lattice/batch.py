"""The batch evaluator: figures of many networks of one space at once, from the lattice tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..compiled import compiled
from ..networks.objective import LARGE_EXPONENT
from .arrays import CHANNELS, DEPTH, HAS_SE, LAYERS, LOG_CHANNELS, PLACE, Arrays, Bools, Floats, Ints
from .counts import add_super_block, log_widths, may_enter, may_have_depth, pair_count, tail_count
from .tables import Tables


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
    return BatchEvaluation(
        tables, *_evaluate(tables.arrays, *map(np.ascontiguousarray, (batch.stem, batch.columns, batch.depths)))
    )


@compiled
def _evaluate(arrays: Arrays, stem: Ints, columns: Ints, depths: Ints) -> tuple[Floats, Ints, Floats, Ints, Bools]:
    n, nb, stages = len(stem), len(arrays.tail_fixed), len(arrays.weights)
    objective, chained = np.empty(n), np.empty(n, np.bool_)
    counts, layers = np.empty((nb, n), np.int64), np.empty((stages, n), np.int64)
    logs = np.empty((stages, n))
    total, sums, numbers = np.empty(nb), np.empty(stages), np.empty(stages, np.int64)
    column, depth = np.empty(len(columns), np.int64), np.empty(len(columns), np.int64)
    for k in range(n):
        for i in range(len(columns)):
            column[i], depth[i] = columns[i, k], depths[i, k]
        objective[k], chained[k] = evaluate_one(arrays, stem[k], column, depth, total, sums, numbers)
        for b in range(nb):
            counts[b, k] = int(total[b])
        for j in range(stages):
            logs[j, k], layers[j, k] = sums[j], numbers[j]
    return objective, counts, logs, layers, chained


@compiled
def evaluate_one(
    arrays: Arrays, stem: int, columns: Ints, depths: Ints, counts: Floats, logs: Floats, layers: Ints
) -> tuple[float, bool]:
    """Objective of one network, and whether its channels may follow one another; the last three arrays receive its counts,
    and ``sum log w`` and layers of each prefix. For compiled loops.
    """
    m, nb, stages = len(columns), len(counts), len(logs)
    c = float(arrays.stem_c[stem])
    log_c, log_sum, n_layers, j, linked, value = np.log(c), arrays.stem_log, 1, 0, True, 0.0
    for b in range(nb):
        counts[b] = arrays.stem_counts[b, stem]
    place, seen = stem, False
    if arrays.ends[0] < 0:
        logs[0], layers[0] = log_sum, n_layers
        value += arrays.weights[0] * (arrays.log_areas[0] + log_c) * log_sum
        j = 1
    for i in range(m):
        row, depth = arrays.rows[arrays.offsets[i] + columns[i]], depths[i]
        ci, log_ci, c, log_c = c, log_c, row[CHANNELS], row[LOG_CHANNELS]
        linked &= may_enter(row, ci) and may_have_depth(row, depth)
        least, most = arrays.entering[arrays.entering_at[i] + int(row[PLACE])]
        linked &= least <= ci <= most
        add_super_block(row, ci, depth, counts)
        if arrays.paired >= 0:
            counts[arrays.paired] += pair_count(arrays, row, place)
        place = int(row[PLACE])
        seen |= arrays.forgets and row[HAS_SE] > 0
        log_sum += log_widths(row, log_ci, depth)
        n_layers += int(row[LAYERS]) * depth
        end_log = log_c
        if i == m - 1 and arrays.head_log >= 0:
            log_sum += log_c
            n_layers += 1
            end_log = arrays.head_log
        if arrays.ends[j] == i:
            logs[j], layers[j] = log_sum, n_layers
            area = 0.0 if seen else arrays.log_areas[j]
            value += arrays.weights[j] * (area + end_log) * log_sum
            j = min(j + 1, stages - 1)
    for b in range(nb):
        counts[b] += tail_count(arrays, b, c)
    linked &= keeps_ties(arrays, columns, depths)
    return value - penalty(arrays, depths) - effectiveness_cost(arrays, logs, layers), linked


@compiled
def keeps_ties(arrays: Arrays, columns: Ints, depths: Ints) -> bool:
    """Whether the super-blocks of one network have in common what they have to. For compiled loops."""
    for q in range(len(arrays.ties)):
        part, i, j = arrays.ties[q]
        if part == DEPTH:
            if depths[i] != depths[j]:
                return False
        elif arrays.rows[arrays.offsets[i] + columns[i], part] != arrays.rows[arrays.offsets[j] + columns[j], part]:
            return False
    return True


@compiled
def effectiveness_cost(arrays: Arrays, logs: Floats, layers: Floats | Ints) -> float:
    """The effectiveness at its price, from ``sum log w`` and layers of each prefix. For compiled loops."""
    if arrays.rho_price == 0:
        return 0.0
    rho = 0.0
    for j in arrays.rho_stages:
        rho = max(rho, layers[j] * np.exp(-logs[j] / layers[j]))
    return float(arrays.rho_price * rho)


@compiled
def penalty(arrays: Arrays, depths: Ints) -> float:
    """``beta Q`` of one network, infinite beyond the doubles. For compiled loops."""
    n = len(arrays.penalised)
    if n == 0:
        return 0.0
    mean, variance = 0.0, 0.0
    for i in arrays.penalised:
        mean += depths[i] / n
    for i in arrays.penalised:
        variance += (depths[i] - mean) ** 2 / n
    exponent = variance if arrays.squared else np.sqrt(variance)
    if exponent < LARGE_EXPONENT:
        return float(arrays.beta * np.exp(exponent))
    return float(np.exp(exponent + np.log(arrays.beta)))
