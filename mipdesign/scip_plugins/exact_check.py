"""The exact check: a constraint handler whose semantics is the exact evaluator."""

from __future__ import annotations

import math
from typing import Any

from pyscipopt import SCIP_RESULT, Conshdlr

from ..lattice.position import Candidate
from .axes import Axes
from .tree import LEAST, Tree

TOLERANCE = 1e-6
"""Relative excess of a solution's objective over the exact one that is put down to SCIP's tolerances."""


class ExactCheck(Conshdlr):  # type: ignore[misc]
    """Accepts a solution if its network keeps all budgets and its objective is at most the network's, both exactly.

    Asked after all constraints of the model: what they accept and it refuses is an incident, unless the model lacks a term.
    """

    def __init__(self, tree: Tree, axes: Axes) -> None:
        self.tree, self.axes = tree, axes

    def conscheck(self, constraints: Any, solution: Any, *arguments: Any) -> dict[str, Any]:
        return self.tree.guarded(lambda: self._check(solution, accepted=True), {"result": SCIP_RESULT.INFEASIBLE}, self.model)

    def _check(self, solution: Any, accepted: bool) -> dict[str, Any]:
        """Decides a solution; ``accepted`` says whether all other constraints hold."""
        refused = {"result": SCIP_RESULT.INFEASIBLE}
        variables = self.axes.variables
        position = self.axes.position(lambda name: self.model.getSolVal(solution, variables[name]))
        if position is None:
            return refused
        tables = self.tree.tables
        architecture = tables.architecture(position)
        evaluator = tables.problem.evaluator(architecture)
        claimed = self.model.getSolVal(solution, variables["objective"])
        reasons = tables.problem.violations(architecture, evaluator)
        objective = evaluator.evaluation.objective
        if not reasons and claimed > max(objective, LEAST) + TOLERANCE * max(1.0, abs(objective)):
            reasons = [f"objective {objective!r}, not {claimed!r}"]
        if not reasons:
            self.tree.consider(Candidate(position, objective))
            return {"result": SCIP_RESULT.FEASIBLE}
        if accepted and not self.tree.design_model.lacking:
            text = f"SCIP's check accepts a network that the exact evaluator rejects: {'; '.join(reasons)}"
            self.tree.on_incident(text)
        return refused

    def consenfops(self, constraints: Any, nusefulconss: int, solinfeasible: bool, objinfeasible: bool) -> dict[str, Any]:
        return self._enforce(None)

    def consenfolp(self, constraints: Any, nusefulconss: int, solinfeasible: bool) -> dict[str, Any]:
        return self._enforce(None)

    def consenforelax(self, solution: Any, constraints: Any, nusefulconss: int, solinfeasible: bool) -> dict[str, Any]:
        return self._enforce(solution)

    def _enforce(self, solution: Any) -> dict[str, Any]:
        return self.tree.guarded(lambda: self._enforced(solution), {"result": SCIP_RESULT.INFEASIBLE}, self.model)

    def _enforced(self, solution: Any) -> dict[str, Any]:
        """Decides the solution of a node; where no integer is left to branch on, the network there is judged and done with."""
        answer = self._check(solution, accepted=False)
        if answer["result"] == SCIP_RESULT.FEASIBLE or self.model.getPseudoBranchCands()[1]:
            return answer
        position = self.axes.position(lambda name: self.model.getSolVal(solution, self.axes.variables[name]))
        if position is not None:
            self.tree.consider(Candidate(position, math.nan))
            self.tree.offer(self.model)
        return {"result": SCIP_RESULT.CUTOFF}

    def conslock(self, constraint: Any, locktype: int, nlockspos: int, nlocksneg: int) -> None:
        """Any change of an integer may break a budget."""
        for axis in self.axes.axes:
            if axis.variable is not None:
                both = nlockspos + nlocksneg
                self.model.addVarLocksType(self.axes.variables[axis.variable], locktype, both, both)
