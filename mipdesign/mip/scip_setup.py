"""How SCIP is set up, wherever it is called: parameters as data, the cures of its crashes, and reports while it runs.

PySCIPOpt can abort with heap corruption: METIS orders for MUMPS in Ipopt, which SCIP's NLP heuristics call (PySCIPOpt issue
1234, scip issue 211). :data:`CURES` are both known cures; they come last and always. SoPlex may write a warning about its
tolerances to standard error, which no parameter turns off.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pyscipopt import SCIP_EVENTTYPE, SCIP_PARAMSETTING, Eventhdlr, Model

HUGE = 1e20
"""SCIP's infinity."""
IPOPT_OPTIONS = Path(__file__).with_name("ipopt.opt")
"""Options for Ipopt: an ordering in MUMPS other than METIS."""
NLP_HEURISTICS = ("nlpdiving", "subnlp", "mpec", "multistart", "undercover")
"""Primal heuristics of SCIP that call an NLP solver."""
CURES: Mapping[str, Any] = MappingProxyType(
    {"nlpi/ipopt/optfile": str(IPOPT_OPTIONS)} | {f"heuristics/{name}/freq": -1 for name in NLP_HEURISTICS}
)
"""Keeps METIS out of MUMPS, and the NLP heuristics out of the search; see the module."""
BASE: Mapping[str, Any] = MappingProxyType({"numerics/feastol": 1e-9, "misc/catchctrlc": False})
"""What every call has unless its formulation says otherwise: the feasibility tolerance, and signals left to Python."""
PROGRESS_SECONDS = 0.2
"""Least time between two reports of the bound."""

Progress = Callable[[float, float], None]
"""Called with a dual bound and the objective of the solver's best solution, not checked yet (minus infinity: none)."""


@dataclass(frozen=True)
class Emphasis:
    """SCIP's emphasis on presolve, separation and heuristics, each by the name of a ``SCIP_PARAMSETTING``."""

    presolve: str
    separation: str
    heuristics: str


def parameters(
    *,
    gap: float = 0.0,
    seed: int = 0,
    threads: int | None = None,
    time_limit: float = math.inf,
    memory_limit_mb: float = math.inf,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """SCIP's parameters by name.

    Parameters
    ----------
    gap:
        Relative gap at which to stop.
    seed:
        Shift of SCIP's random numbers.
    threads:
        Threads of SCIP and of its LP solver; SCIP's own choice by default.
    time_limit, memory_limit_mb:
        Seconds and megabytes.
    more:
        What a formulation or a solver asks for; it goes before tolerances, gap, seed and threads, not before limits and cures.
    """
    made = dict(BASE) | {"limits/gap": gap, "randomization/randomseedshift": seed}
    if threads is not None:
        made |= {"parallel/maxnthreads": threads, "lp/threads": threads}
    made.update(more)
    made["limits/time"] = min(time_limit, HUGE)
    if math.isfinite(memory_limit_mb):
        made["limits/memory"] = memory_limit_mb
    return {**made, **CURES}


def set_up(model: Any, parameters: Mapping[str, Any], emphasis: Emphasis | None = None) -> None:
    """Sets a PySCIPOpt model up, an emphasis first, and silences it."""
    if emphasis is not None:
        model.setPresolve(getattr(SCIP_PARAMSETTING, emphasis.presolve))
        model.setSeparating(getattr(SCIP_PARAMSETTING, emphasis.separation))
        model.setHeuristics(getattr(SCIP_PARAMSETTING, emphasis.heuristics))
    model.setParams(dict(parameters))
    model.hideOutput()


def report_progress(model: Any, report: Progress, scale: float) -> None:
    """Has a model report its bound and every better solution while it is solved, both times ``scale``."""
    model.includeEventhdlr(_Reporter(report, scale), "mipdesign progress", "reports bounds and solutions")


def scip_version(model: Any) -> str:
    """Version of SCIP, for example ``10.0.2``."""
    return f"{model.getMajorVersion()}.{model.getMinorVersion()}.{model.getTechVersion()}"


class NodesAndSolutions(Eventhdlr):  # type: ignore[misc]
    """Hears of every node that SCIP has dealt with, and of better solutions."""

    EVENTS = (SCIP_EVENTTYPE.BESTSOLFOUND, SCIP_EVENTTYPE.NODESOLVED)

    def eventinit(self) -> None:
        for event in self.EVENTS:
            self.model.catchEvent(event, self)

    def eventexit(self) -> None:
        for event in self.EVENTS:
            self.model.dropEvent(event, self)


class _Reporter(NodesAndSolutions):
    """Passes bounds and solutions on while SCIP runs."""

    def __init__(self, report: Progress, scale: float) -> None:
        self.report, self.scale, self.last = report, scale, -math.inf

    def eventexec(self, event: Any) -> None:
        now = time.monotonic()
        is_solution = event.getType() == SCIP_EVENTTYPE.BESTSOLFOUND
        if not is_solution and now - self.last < PROGRESS_SECONDS:
            return
        self.last = now
        model: Model = self.model
        infinity = model.infinity()
        bound, best = model.getDualbound(), model.getBestSol()
        incumbent = model.getSolObjVal(best) if best is not None and model.getNSols() else -infinity
        self.report(*(math.copysign(math.inf, x) if abs(x) >= infinity else x * self.scale for x in (bound, incumbent)))
