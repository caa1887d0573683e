"""A solver that the package does not bring, as a user would write it: SciPy's own interface of HiGHS."""

from __future__ import annotations

import math
import time

import numpy as np

from mipdesign import register_solver
from mipdesign.mip.capabilities import Capability
from mipdesign.mip.formulation import FormulationModel
from mipdesign.mip.solver import Answer, SolveOptions, Solver, Status, linear_model

STATUS: dict[int, Status] = {0: "optimal", 1: "limit", 2: "infeasible"}


@register_solver
class Milp(Solver):
    """``scipy.optimize.milp``."""

    id = "milp"
    title = "HiGHS by scipy.optimize.milp"
    package = "scipy"
    extra = "cvxpy"
    capabilities = frozenset({Capability.TIME_LIMIT, Capability.BOUND, Capability.NODES})

    def solve(self, form: FormulationModel, options: SolveOptions) -> Answer:
        """Solves a model; see :meth:`mipdesign.mip.solver.Solver.solve`."""
        linear, began = linear_model(self, form), time.monotonic()
        self.version()
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import csr_array

        m = linear.matrix(form.objective_scale)
        rows = csr_array((m.values, m.indices, m.starts), shape=(len(m.low), len(m.objective)))
        limits = {"time_limit": min(options.time_limit, 1e9), "mip_rel_gap": options.gap}
        started = time.monotonic()
        found = milp(
            -np.asarray(m.objective),
            integrality=m.integral.astype(int),
            bounds=Bounds(m.lower, m.upper),
            constraints=LinearConstraint(rows, m.low, m.high),
            options=limits,
        )
        seconds, status = time.monotonic() - started, STATUS.get(found.status, "failed")
        bound = -math.inf if status == "infeasible" else found.mip_dual_bound
        return Answer(
            status=status,
            values=None if found.x is None else dict(zip(linear.names, found.x.tolist(), strict=True)),
            objective=None if found.x is None else -found.fun * form.objective_scale,
            bound=bound if bound is None or status == "infeasible" else -bound * form.objective_scale,
            nodes=found.mip_node_count,
            build_seconds=started - began,
            solver_seconds=seconds,
            message=found.message,
        )
