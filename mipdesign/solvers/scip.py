"""SCIP by PySCIPOpt, with its default settings and those of :mod:`mipdesign.mip.scip_setup`.

Root bound: SCIP's own figure for the root node after cuts. Trace: at every new incumbent, and every 0.2 seconds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from ..mip.capabilities import Capability
from ..mip.formulation import FormulationModel
from ..mip.scip_setup import HUGE, parameters, report_progress, scip_version, set_up
from ..mip.solver import Answer, SolveOptions, Solver, Status, TracePoint, root_bound
from ..registry import register_solver

STATUS: dict[str, Status] = {
    "optimal": "optimal",
    "gaplimit": "optimal",
    "infeasible": "infeasible",
    "timelimit": "limit",
    "memlimit": "limit",
    "userinterrupt": "limit",
    "terminate": "limit",
}
"""What SCIP's words mean; any other is a failure."""


@register_solver
class Scip(Solver):
    """SCIP by PySCIPOpt; see the module."""

    id = "scip"
    title = "SCIP by PySCIPOpt"
    package = "pyscipopt"
    extra = ""
    capabilities = frozenset(Capability)
    settings: ClassVar[Mapping[str, Any]] = {}
    """Parameters of SCIP beside tolerances, limits and what a formulation asks for."""

    def version(self) -> str:
        """Version of SCIP and of PySCIPOpt."""
        from pyscipopt import Model

        return f"{scip_version(Model())} (PySCIPOpt {super().version()})"

    def parameters(self, form: FormulationModel, options: SolveOptions) -> dict[str, Any]:
        """SCIP's parameters for a model."""
        return parameters(
            gap=options.gap,
            seed=options.seed,
            threads=options.threads,
            time_limit=options.time_limit,
            memory_limit_mb=options.memory_limit_mb,
            more={**form.parameters, **self.settings},
        )

    def solve(self, form: FormulationModel, options: SolveOptions) -> Answer:
        """Solves a model; see :meth:`mipdesign.mip.solver.Solver.solve`."""
        began = time.monotonic()
        scip = form.take_scip()
        model, variables = scip
        set_up(model, self.parameters(form, options))
        if options.start is not None:
            model.addSol(form.start_solution(scip, options.start))
        trace: list[TracePoint] = []
        started = time.monotonic()

        def report(bound: float, incumbent: float) -> None:
            trace.append((time.monotonic() - started, _finite(incumbent), _finite(bound)))

        report_progress(model, report, form.objective_scale)
        message = ""
        try:
            model.optimizeNogil()
        except Exception as error:  # PySCIPOpt raises bare exceptions for SCIP's return codes
            message = f"SCIP stopped with an error: {error}"
        seconds = time.monotonic() - started
        if message:
            return Answer("failed", None, None, None, None, started - began, seconds, message, tuple(trace))
        best = model.getBestSol() if model.getNSols() else None
        word = str(model.getStatus())
        status = STATUS.get(word, "failed")
        bound = -math.inf if status == "infeasible" else _scaled(model.getDualbound(), form)
        nodes = int(model.getNTotalNodes())
        return Answer(
            status=status,
            values=None if best is None else {name: model.getSolVal(best, v) for name, v in variables.items()},
            objective=None if best is None else model.getSolObjVal(best) * form.objective_scale,
            bound=bound,
            nodes=nodes,
            build_seconds=started - began,
            solver_seconds=seconds,
            message=word,
            trace=tuple(trace),
            root_bound=root_bound(status, nodes, bound, _scaled(model.getDualboundRoot(), form)),
        )


@register_solver
class ScipWithoutCuts(Scip):
    """SCIP without cutting planes, which cost more than they gain on models whose relaxation is near the hull."""

    id = "scip-nocuts"
    title = "SCIP by PySCIPOpt, without cutting planes"
    settings: ClassVar[Mapping[str, Any]] = {"separating/maxrounds": 0, "separating/maxroundsroot": 0}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _scaled(bound: float, form: FormulationModel) -> float | None:
    """A bound of SCIP in units of the network's objective; ``None`` where SCIP has none."""
    return bound * form.objective_scale if abs(bound) < HUGE else None
