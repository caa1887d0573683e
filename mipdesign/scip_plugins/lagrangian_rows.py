r"""Rows that the Lagrangian bound gives an LP: what multipliers prove, as linear inequalities of the model.

For any multipliers and every network that keeps the budgets and reaches the cutoff, with ``L`` the bound of the whole space,

    z <= L - sum_b mu_b (limit_b - count_b) - sum_k (mu_k S_k - pi_k n_k) - gain,

where ``gain`` is :meth:`mipdesign.bounds.relaxation.Relaxation.effectiveness_gain`, which stands for ``- mu phi(n)``. Slack of
a budget or of the effectiveness lowers what the row allows ``z``, so an LP that branches lowers it further, with the
multipliers of the root.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pyscipopt import quicksum

from ..bounds.optimise import optimise
from ..bounds.relaxation import Relaxation
from ..errors import SpecError
from ..search.branching import ROOT_EVALUATIONS
from .tree import Tree

ROUNDS = 3
"""Rows: multipliers optimised once, and again from where they were left."""


def add_rows(tree: Tree) -> list[float]:
    """Adds rows to the model of a tree before it is solved; the bounds ``L`` of their multipliers.

    Raises
    ------
    SpecError
        If the effectiveness has a price, or blocks of a super-block have different numbers of layers.
    """
    tables, root = tree.tables, tree.root()
    several = any(len(set(s.layers[s.presence > 0].tolist())) > 1 for s in tables.stages)
    if several or tables.problem.scoring.effectiveness_price:
        text = "rows need layers that do not depend on the family, and an effectiveness without a price"
        raise SpecError("engine_options.rows", text, "leave it out for this problem")
    relaxation = Relaxation(tables, root.cell, tree.cutoff)
    if relaxation.empty:
        return []
    multipliers, bounds = root.multipliers, []
    for n in range(ROUNDS):
        found = optimise(relaxation, multipliers, ROOT_EVALUATIONS)
        multipliers = found.multipliers
        gain = relaxation.effectiveness_gain(multipliers)
        spent = float(multipliers.budget @ tables.arrays.limits)
        variables = tree.design_model.variables
        left = variables["objective"] - quicksum(
            float(mu) * tree.design_model.units[name] * variables[f"count_{name}"]
            for mu, name in zip(multipliers.budget, tables.counts, strict=True)
            if mu
        )
        if tables.rho_stages:
            for mu, pi, stage in zip(multipliers.rho, multipliers.layer, tables.rho_stages, strict=True):
                left += float(mu) * _log_widths(tree, stage) - float(pi) * _layers(tree, stage)
        right = found.bound.outward - spent - (gain if tables.rho_stages else 0.0)
        tree.design_model.model.addCons(left <= right, name=f"lagrangian_{n}")
        bounds.append(found.bound.outward)
    return bounds


def _depth(tree: Tree, i: int) -> Any:
    """The depth of a super-block as a variable, or as a number where there is no choice."""
    s = tree.tables.stages[i]
    depths = np.unique(s.presence) if s.element.is_block else s.depths
    return float(depths[0]) if len(depths) == 1 else tree.design_model.variables[f"L{i + 1}_number"]


def _log_widths(tree: Tree, stage: int) -> Any:
    """``sum log w`` of the prefix that ends with a stage."""
    tables, end = tree.tables, tree.tables.ends[stage]
    if end < 0:
        return tables.stem_log
    total = tree.design_model.variables[f"S{end + 1}"]
    if stage == tables.n_stages - 1 and tables.has_head:
        total = total + tree.design_model.variables[f"log_C{end + 1}"]
    return total


def _layers(tree: Tree, stage: int) -> Any:
    """Layers of the prefix that ends with a stage."""
    tables, end = tree.tables, tree.tables.ends[stage]
    blocks = (float(s.layers[0]) * _depth(tree, i) for i, s in enumerate(tables.stages[: end + 1]))
    head = float(stage == tables.n_stages - 1 and tables.has_head)
    return quicksum(blocks) + 1.0 + head
