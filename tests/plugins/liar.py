"""A solver that says infeasible to everything."""

from __future__ import annotations

from mipdesign import register_solver
from mipdesign.mip.formulation import FormulationModel
from mipdesign.mip.solver import Answer, SolveOptions
from mipdesign.solvers.scip import Scip


@register_solver
class Liar(Scip):
    """See the module."""

    id = "liar"

    def solve(self, form: FormulationModel, options: SolveOptions) -> Answer:
        return Answer("infeasible", None, None, None, 0, 0.0, 0.0)
