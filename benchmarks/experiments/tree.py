"""The steps of the tree depth first, without SCIP, for comparison with an exhaustive listing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from mipdesign.bounds.multipliers import Multipliers
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import Tables
from mipdesign.search.branching import LIST_STEPS, Expansion, Node, expand


@dataclass
class Tree:
    """Outcome of :func:`grow`: nodes expanded, feasible networks reported, cells left to the solver."""

    nodes: int = 0
    found: set[Position] = field(default_factory=set)
    cells: list[Cell] = field(default_factory=list)


def grow(
    tables: Tables,
    cutoff: float | None,
    solver_columns: int = 0,
    list_steps: int = LIST_STEPS,
    seen: Callable[[Node, Expansion], None] = lambda node, expansion: None,
) -> Tree:
    """Expands the whole space depth first; ``cutoff=None`` asks for infeasibility."""
    weight = 0.0 if cutoff is None else 1.0
    level = 0.0 if cutoff is None else cutoff
    prices = Multipliers.initial(tables, max(1.0, abs(level)), weight)
    stack, tree = [Node("", Cell.whole(tables), math.inf, prices)], Tree()
    while stack:
        node = stack.pop()
        expansion = expand(tables, node, level, solver_columns, list_steps)
        tree.nodes += 1
        seen(node, expansion)
        for c in expansion.candidates:
            if not tables.problem.violations(tables.architecture(c.position)):
                tree.found.add(c.position)
        if expansion.cell is not None:
            tree.cells.append(expansion.cell)
        stack += expansion.children
    return tree
