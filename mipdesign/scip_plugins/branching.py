"""Branching: a constraint handler that splits the cell of the focus node in two when SCIP enforces its solution.

A branching rule would be asked after other constraint handlers have registered candidates, and the relaxator called twice for
each node that is split; a constraint handler of the highest priority that answers BRANCHED is asked once.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

from pyscipopt import SCIP_RESULT, Conshdlr

from .axes import Axes
from .relaxator import ROOT
from .tree import LEAST, Tree


class SplitHandler(Conshdlr):  # type: ignore[misc]
    """Makes children of the two halves that the relaxator's expansion of the focus node has."""

    def __init__(self, tree: Tree, axes: Axes) -> None:
        self.tree, self.axes = tree, axes

    def _branch(self) -> dict[str, Any]:
        number = self.model.getCurrentNode().getNumber()
        if number == ROOT and len(self.tree.first) != 1:
            return self._resume()
        expansion = self.tree.expansions.pop(number, None)
        if expansion is None:
            return {"result": SCIP_RESULT.FEASIBLE}
        split = expansion.record.split
        assert split is not None
        estimate = self.model.getCurrentNode().getLowerbound()
        for upper, child in zip((False, True), expansion.children, strict=True):
            made = self.model.createChild(0.0, estimate)
            self.axes.restrict(self.model, made, split, upper)
            self.tree.adopt(made.getNumber(), child)
        return {"result": SCIP_RESULT.BRANCHED}

    def _resume(self) -> dict[str, Any]:
        """Children of the root for the nodes that an earlier tree left open."""
        for node in self.tree.first:
            made = self.model.createChild(0.0, self.model.getCurrentNode().getLowerbound())
            self.axes.restrict_to_cell(self.model, made, node.cell)
            if isfinite(node.bound) and not self.tree.feasibility_only:
                self.model.updateNodeLowerbound(made, -max(node.bound, LEAST))
            self.tree.adopt(made.getNumber(), node)
        return {"result": SCIP_RESULT.BRANCHED if self.tree.first else SCIP_RESULT.CUTOFF}

    def _enforce(self) -> dict[str, Any]:
        return self.tree.guarded(self._branch, {"result": SCIP_RESULT.INFEASIBLE}, self.model)

    def consenfops(self, constraints: Any, nusefulconss: int, solinfeasible: bool, objinfeasible: bool) -> dict[str, Any]:
        return self._enforce()

    def consenfolp(self, constraints: Any, nusefulconss: int, solinfeasible: bool) -> dict[str, Any]:
        return self._enforce()

    def consenforelax(self, solution: Any, constraints: Any, nusefulconss: int, solinfeasible: bool) -> dict[str, Any]:
        return self._enforce()

    def conscheck(self, *arguments: Any) -> dict[str, Any]:
        return {"result": SCIP_RESULT.FEASIBLE}

    def conslock(self, constraint: Any, locktype: int, nlockspos: int, nlocksneg: int) -> None:
        """It restricts nothing that other constraints do not."""
