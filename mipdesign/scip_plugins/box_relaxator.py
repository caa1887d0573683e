"""The relaxator for trees whose branching is SCIP's: the cell of a node follows from the bounds of its integers alone."""

from __future__ import annotations

import math
from typing import Any

from pyscipopt import SCIP_RESULT
from pyscipopt.scip import Relax

from ..bounds.multipliers import Multipliers
from ..search.branching import Node, expand
from .axes import Axes
from .tree import Tree


class BoxRelaxator(Relax):
    """Bounds the box of the focus node. It hands nothing on but multipliers, for a study of what branching is worth.

    A box whose networks it lists, or that its bound excludes, is cut off; certificates have no word for such a tree.
    """

    def __init__(self, tree: Tree, axes: Axes) -> None:
        self.tree, self.axes = tree, axes
        self.multipliers: dict[int, Multipliers] = {}

    def relaxexec(self) -> dict[str, Any]:
        return self.tree.guarded(self._bound, {"result": SCIP_RESULT.DIDNOTRUN}, self.model)

    def _bound(self) -> dict[str, Any]:
        tree, focus = self.tree, self.model.getCurrentNode()
        variables = {name: self.model.getTransformedVar(variable) for name, variable in self.axes.variables.items()}
        cell = self.axes.cell(lambda name: (variables[name].getLbLocal(), variables[name].getUbLocal()))
        if cell is None:
            return {"result": SCIP_RESULT.CUTOFF}
        parent = focus.getParent()
        known = self.multipliers.get(parent.getNumber()) if parent is not None else None
        node = Node("box", cell, math.inf, known or tree.root().multipliers)
        expansion = expand(tree.tables, node, tree.cutoff, 0, tree.list_steps)
        for candidate in expansion.candidates:
            tree.consider(candidate)
        tree.offer(self.model)
        if expansion.record.verdict != "split":
            return {"result": SCIP_RESULT.CUTOFF}
        self.multipliers[focus.getNumber()] = Multipliers.from_list(tree.tables, expansion.record.multipliers)
        return tree.relaxed(expansion.bound)
