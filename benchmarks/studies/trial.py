"""One run of a study, as a process of its own: a job is its one message, and records are what it says.

What is known is said at once, in parts that add up: a run that crashes or is killed while it solves has told the size of its
model by then. Whatever a solver prints goes nowhere.
"""

from __future__ import annotations

import os
import platform
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from mipdesign.designs.versions import installed_versions
from mipdesign.errors import MissingExtraError, SpecError
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import Tables
from mipdesign.machine import peak_memory_mb
from mipdesign.mip.capabilities import Capability
from mipdesign.mip.formulation import FormulationModel, ModelStatistics, formulation_named
from mipdesign.mip.refinement import solve
from mipdesign.mip.solver import Answer, SolveOptions, Solver, refusal, solver_named
from mipdesign.plugins import run_plugin
from mipdesign.problem.problem import Problem
from mipdesign.processes import JSON_LINES, ParentLink
from mipdesign.search.coverage import build_tables

from ..corpus.small import small_problem
from .presolve import Presolved, choices, joined, presolved
from .study import Job
from .verdict import TOLERANCE

Say = Callable[[dict[str, Any]], None]


def machine() -> dict[str, Any]:
    """What the run is measured on."""
    return {"cores": os.cpu_count(), "cpu": cpu_name(), "system": platform.system(), "python": platform.python_version()}


def cpu_name() -> str:
    """The processor's name, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def run(job: Job, say: Say) -> None:
    """Carries out a job, and says what is known as soon as it is."""
    say({"machine": machine(), "versions": installed_versions()})
    for plugin in job.plugins_to_run:
        run_plugin(plugin)
    formulation, solver = formulation_named(job.formulation), solver_named(job.solver)
    say({"claim": formulation.claim})
    try:
        say({"solver_version": solver.version(), "packages": {solver.package: _version(solver.package)}})
        tables = build_tables(Problem.from_dict(job.problem))
        missing = formulation.unsupported(tables)
        if missing is not None:
            say({"ended": "unsupported", "incidents": [f"the formulation does not support {missing}"]})
            return
        before, spent = reduced(job, tables, say) if job.presolve else (None, 0.0)
        if before is not None and before.is_proven:
            nothing = ModelStatistics(0, 0, 0, 0, 0)
            say({"formulation_seconds": 0.0, "sizes": vars(nothing), **answered(before.answer)})
            say({"ended": "answered", **checked(tables, None if before.incumbent is None else before.incumbent.position)})
            return
        cell = Cell.whole(tables) if before is None or before.cell is None else before.cell
        began = time.monotonic()
        form = formulation.build(tables, cell)
        built = time.monotonic() - began
        reason = refusal(solver, form)
        if reason is not None:
            say({"ended": "unsupported", "incidents": [reason]})
            return
        say({"formulation_seconds": built, "sizes": vars(form.statistics())})
        asked = options(job, job.limits["seconds"] - spent - built)
        answer = solve(solver, form, replace(asked, start=start(solver, form, before)))
    except MissingExtraError as error:
        say({"ended": "missing", "incidents": [str(error)]})
    except SpecError as error:
        say({"ended": "unsupported", "incidents": [str(error)]})
    else:
        position = None if answer.values is None else form.position(answer.values)
        if before is not None and before.incumbent is not None:
            reaches = before.incumbent.objective > form.floor
            answer, is_incumbent = joined(before, answer, formulation.claim, reaches, TOLERANCE)
            position = before.incumbent.position if is_incumbent else position
        say(answered(answer))
        say({"ended": "answered", **checked(tables, position)})


def reduced(job: Job, tables: Tables, say: Say) -> tuple[Presolved, float]:
    """The presolve of a run, and its seconds, without those of what is loaded once per process."""
    presolved(build_tables(small_problem(0)), 0)
    began, whole = time.monotonic(), Cell.whole(tables)
    before = presolved(tables, job.seed)
    spent = time.monotonic() - began
    best, cells = before.incumbent, {"of": whole} | ({} if before.cell is None else {"left": before.cell})
    incumbent = None if best is None else str(tables.problem.evaluator(tables.architecture(best.position)).exact_objective())
    say(
        {
            "presolve_seconds": spent,
            "incumbent": incumbent,
            "presolve_bound": before.bound,
            "choices": {name: choices(tables, cell) for name, cell in cells.items()},
        }
    )
    return before, spent


def start(solver: Solver, form: FormulationModel, before: Presolved | None) -> dict[str, float] | None:
    """The incumbent as a start solution, where there is one and the solver takes it."""
    if before is None or before.incumbent is None or Capability.START not in solver.capabilities:
        return None
    return form.start(before.incumbent.position) if before.incumbent.objective > form.floor else None


def options(job: Job, seconds: float) -> SolveOptions:
    """What the solver is asked."""
    return SolveOptions(
        time_limit=max(0.0, seconds),
        memory_limit_mb=job.limits["memory_mb"],
        seed=job.seed,
        threads=job.parameters["threads"],
        gap=job.parameters["gap"],
    )


def answered(answer: Answer) -> dict[str, Any]:
    """What the solver says."""
    return {
        "said": answer.status,
        "objective": answer.objective,
        "bound": answer.bound,
        "root_bound": answer.root_bound,
        "nodes": answer.nodes,
        "build_seconds": answer.build_seconds,
        "solver_seconds": answer.solver_seconds,
        "trace": [list(point) for point in answer.trace],
        "incidents": [answer.message] if answer.message and answer.status == "failed" else [],
        "message": answer.message,
    }


def checked(tables: Tables, position: Position | None) -> dict[str, Any]:
    """The network of an answer, its violations, and its objective by the exact evaluator; empty without a network."""
    if position is None:
        return {}
    problem, architecture = tables.problem, tables.architecture(position)
    return {
        "architecture": architecture.to_dict(),
        "violations": problem.violations(architecture),
        "exact": str(problem.evaluator(architecture).exact_objective()),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def main() -> None:
    """Entry point of the process."""
    link = ParentLink(JSON_LINES)
    job = Job(**link.receive())
    try:
        run(job, link.send)
    except MemoryError:
        link.send({"ended": "memout", "incidents": ["MemoryError"]})
    except Exception:
        link.send({"ended": "error", "incidents": [traceback.format_exc(limit=-3).strip()]})
    link.send({"peak_memory_mb": peak_memory_mb()})


if __name__ == "__main__":
    main()
