"""HiGHS by highspy, with its default relative gap of 1e-4 replaced by the one asked for, and tolerances of 1e-9.

highspy and ortools cannot be imported in one process. Root bound: as of HiGHS's last report before it branches.
"""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from ..mip.capabilities import Capability
from ..mip.formulation import FormulationModel
from ..mip.linear import Matrix
from ..mip.solver import Answer, SolveOptions, Solver, Status, TracePoint, linear_model, root_bound
from ..registry import register_solver

TOLERANCE = 1e-9
"""For rows, bounds, integrality and reduced costs."""
STATUS: dict[str, Status] = {
    "kOptimal": "optimal",
    "kInfeasible": "infeasible",
    "kTimeLimit": "limit",
    "kMemoryLimit": "limit",
    "kInterrupt": "limit",
    "kHighsInterrupt": "limit",
}
"""What HiGHS's words mean; any other is a failure."""


@register_solver
class Highs(Solver):
    """HiGHS by highspy; see the module."""

    id = "highs"
    title = "HiGHS by highspy"
    package = "highspy"
    extra = "highs"
    capabilities = frozenset({Capability.TIME_LIMIT, Capability.SEED, Capability.START, Capability.BOUND, Capability.NODES})

    def solve(self, form: FormulationModel, options: SolveOptions) -> Answer:
        """Solves a model; see :meth:`mipdesign.mip.solver.Solver.solve`."""
        linear = linear_model(self, form)
        self.version()
        import highspy

        began = time.monotonic()
        highs, trace = highspy.Highs(), _Trace(form.objective_scale)
        highs.setOptionValue("log_to_console", False)  # output_flag would turn the reports off as well
        for name, value in _options(options).items():
            highs.setOptionValue(name, value)
        highspy.Highs.resetGlobalScheduler(True)  # it keeps the number of threads of the first run
        highs.passModel(_lp(highspy, linear.matrix(form.objective_scale)))
        if options.start is not None:
            solution = highspy.HighsSolution()
            solution.col_value = [options.start[name] for name in linear.names]
            highs.setSolution(solution)
        highs.cbMipLogging += trace.note
        started = time.monotonic()
        highs.run()
        seconds = time.monotonic() - started
        word, info = highs.getModelStatus().name, highs.getInfo()
        status = STATUS.get(word, "failed")
        if word == "kUnboundedOrInfeasible" and linear.bounded:
            status = "infeasible"
        has_solution = info.primal_solution_status == int(highspy.SolutionStatus.kSolutionStatusFeasible)
        bound = -math.inf if status == "infeasible" else trace.scaled(info.mip_dual_bound)
        return Answer(
            status=status,
            values=dict(zip(linear.names, highs.getSolution().col_value, strict=True)) if has_solution else None,
            objective=info.objective_function_value * form.objective_scale if has_solution else None,
            bound=bound,
            nodes=max(0, int(info.mip_node_count)),
            build_seconds=started - began,
            solver_seconds=seconds,
            message=word,
            trace=tuple(trace.points),
            root_bound=root_bound(status, int(info.mip_node_count), bound, trace.root_bound),
        )


class _Trace:
    """Bounds that HiGHS reports while it runs."""

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self.points: list[TracePoint] = []
        self.root_bound: float | None = None

    def scaled(self, value: float) -> float | None:
        """In units of the network's objective; ``None`` where HiGHS has no figure."""
        return value * self.scale if math.isfinite(value) else None

    def note(self, event: Any) -> None:
        """One report."""
        out = event.data_out
        bound = self.scaled(out.mip_dual_bound)
        self.points.append((out.running_time, self.scaled(out.mip_primal_bound), bound))
        if out.mip_node_count == 0:
            self.root_bound = bound


def _options(options: SolveOptions) -> dict[str, Any]:
    return {
        "mip_rel_gap": options.gap,
        "mip_abs_gap": 0.0,
        "mip_feasibility_tolerance": TOLERANCE,
        "primal_feasibility_tolerance": TOLERANCE,
        "dual_feasibility_tolerance": TOLERANCE,
        "random_seed": options.seed,
        "threads": options.threads,
        "time_limit": options.time_limit,
    }


def _lp(highspy: Any, matrix: Matrix) -> Any:
    """The model in HiGHS's terms."""
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(matrix.objective), len(matrix.low)
    lp.sense_ = highspy.ObjSense.kMaximize
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = matrix.objective, matrix.lower, matrix.upper
    lp.row_lower_, lp.row_upper_ = matrix.low, matrix.high
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = matrix.starts, matrix.indices, matrix.values
    kinds = np.array([highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger])
    lp.integrality_ = list(kinds[matrix.integral.astype(int)])
    return lp
