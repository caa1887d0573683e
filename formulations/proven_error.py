r"""What errors of logarithms and squares do to objective and counts of a network.

Let the model have ``x + d`` for ``x_j = log(r_j^2 C_j)`` and ``S + s`` for ``S_j``, with ``|d| <= e_C`` and ``|s| <= dS_j``,
where ``dS_j`` sums the errors of all logarithms in ``S_j`` by the triangle inequality. Then

    |(x + d)(S + s) - x S| = |x s + d (S + s)| <= (|x| + e_C) dS_j + e_C |S|,

and the objective is off by at most the sum over the stages, weighted by ``alpha_j``: depths, and so the penalty, are exact. A
count is linear in the square of a width, and everything else in it is exact: so it is off by at most its coefficients times the
error of the square. Both speak of one network. Optima may differ by more, since counts and effectiveness decide which networks
a model has: an inner approximation may lack the best one, an outer one may have networks beyond a budget.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mipdesign.lattice.arrays import Floats
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import Tables
from mipdesign.mip.formulation import ProvenError


@dataclass(frozen=True)
class BlockErrors:
    """Largest errors of what stands for the functions of a super-block.

    Attributes
    ----------
    log_channels:
        Of ``log C``.
    log_widths:
        Of the log-width sum of a block, its incoming channels aside.
    first, rest:
        Of the counts of the first block and of a further one, for each column, shape ``(budgets, columns)``.
    """

    log_channels: float
    log_widths: float
    first: Floats
    rest: Floats


def proven_error(tables: Tables, position: Position, log_stem: float, blocks: Sequence[BlockErrors]) -> ProvenError:
    """The error of the objective and of each count of a network; see the module.

    Parameters
    ----------
    log_stem:
        Error of the logarithm of the stem's channels.
    blocks:
        One per super-block.
    """
    scoring, last = tables.problem.scoring, len(blocks) - 1
    channels, of_channels = int(tables.stem_c[position.stem]), log_stem
    total, extra, off, objective = tables.stem_log, tables.stem_extra, 0.0, 0.0
    counts = np.zeros(len(tables.counts))

    def of_stage(stage: int) -> float:
        is_fixed = stage == tables.n_stages - 1 and tables.end_channels is not None
        x, e = float(tables.log_end(stage, np.array(channels))), 0.0 if is_fixed else scoring.exponents[0] * of_channels
        if scoring.additive:
            return scoring.weights[stage] * off + scoring.end_weights[stage] * e
        return scoring.weights[stage] * ((abs(x) + e) * off + e * abs(total + extra))

    if tables.ends[0] < 0:
        objective += of_stage(0)
    for i, (s, q, depth, errors) in enumerate(zip(tables.stages, position.columns, position.depths, blocks, strict=True)):
        counts += errors.first[:, q] + (depth - 1) * errors.rest[:, q]
        total += math.log(channels) + depth * float(s.t[q]) + (depth - 1) * float(s.log_c[q])
        extra += depth * float(s.extra[q])
        off += of_channels + depth * errors.log_widths + (depth - 1) * errors.log_channels
        channels, of_channels = int(s.c[q]), errors.log_channels
        if i == last and tables.has_head:
            total, extra, off = total + math.log(channels), extra + tables.head_extra, off + of_channels
        if i in tables.ends:
            objective += of_stage(tables.stage_of[i])
    return ProvenError(objective, tuple(float(x) for x in counts))
