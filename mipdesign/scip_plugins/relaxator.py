"""The relaxator: bounds a node of SCIP's tree by the Lagrangian chain bound of its cell."""

from __future__ import annotations

from typing import Any

from pyscipopt import SCIP_RESULT
from pyscipopt.scip import Relax

from .tree import Tree

ROOT = 1
"""Number of SCIP's root."""


class LagrangianRelaxator(Relax):
    """Bounds the cell of the focus node and reduces it; lists its networks where they are few.

    SCIP minimises inside: the lower bound that it is told is minus the upper bound of the objective. Bounds are rounded outward
    before (:mod:`mipdesign.bounds.relaxation`).
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree

    def relaxexec(self) -> dict[str, Any]:
        return self.tree.guarded(self._bound, {"result": SCIP_RESULT.DIDNOTRUN}, self.model)

    def _bound(self) -> dict[str, Any]:
        tree = self.tree
        if tree.stopped or (tree.feasibility_only and tree.found):
            self.model.interruptSolve()
            return {"result": SCIP_RESULT.DIDNOTRUN}
        number = self.model.getCurrentNode().getNumber()
        if number in tree.expansions:
            return tree.relaxed(tree.expansions[number].bound)
        if number == ROOT and len(tree.first) != 1:
            return tree.relaxed(tree.bound)
        node = tree.first[0] if number == ROOT else tree.nodes.pop(number, None)
        if node is None:
            return {"result": SCIP_RESULT.DIDNOTRUN}
        expansion = tree.settle(number, node, tree.ahead.take(node))
        tree.offer(self.model)
        if number not in tree.expansions:
            return {"result": SCIP_RESULT.CUTOFF}
        return tree.relaxed(expansion.bound)
