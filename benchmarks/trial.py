"""One run of a study, as a process of its own: ``python -m benchmarks.trial SUPERVISOR`` with a job as JSON on standard input.

What is known is written to standard output at once, as lines of JSON that add up: a run that crashes or is killed while it
solves has told the size of its model by then. Whatever a solver prints goes nowhere.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import platform
import signal
import sys
import time
import traceback
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.study import Job
from mipdesign.cell import Cell
from mipdesign.errors import MissingExtraError, SpecError
from mipdesign.formulation import FormulationModel, formulation_named
from mipdesign.lattice import build_tables
from mipdesign.problem import Problem
from mipdesign.refinement import solve
from mipdesign.run import installed_versions
from mipdesign.solver import Answer, SolveOptions, refusal, solver_named

PR_SET_PDEATHSIG = 1
"""Request to the kernel (prctl): a signal when the parent dies."""

Say = Callable[[dict[str, Any]], None]


def die_with(parent: int) -> None:
    """Has the kernel kill this process when its supervisor is gone (Linux only), and ends it if that has happened already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def machine() -> dict[str, Any]:
    """What the run is measured on."""
    return {"cores": os.cpu_count(), "cpu": cpu_name(), "system": platform.system(), "python": platform.python_version()}


def cpu_name() -> str:
    """The processor's name, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def peak_mb() -> float | None:
    """Most memory that this process has held; ``None`` where the system does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), None)


def run(job: Job, say: Say) -> None:
    """Carries out a job, and says what is known as soon as it is."""
    say({"machine": machine(), "versions": installed_versions()})
    formulation, solver = formulation_named(job.formulation), solver_named(job.solver)
    say({"claim": formulation.claim})
    try:
        say({"solver_version": solver.version(), "packages": {solver.package: _version(solver.package)}})
        tables = build_tables(Problem.from_dict(job.problem))
        missing = formulation.unsupported(tables)
        if missing is not None:
            say({"ended": "unsupported", "incidents": [f"the formulation has no words for {missing}"]})
            return
        began = time.monotonic()
        form = formulation.build(tables, Cell.whole(tables))
        built = time.monotonic() - began
        reason = refusal(solver, form)
        if reason is not None:
            say({"ended": "unsupported", "incidents": [reason]})
            return
        say({"formulation_seconds": built, "sizes": vars(form.statistics())})
        answer = solve(solver, form, options(job, job.limits["seconds"] - built))
    except MissingExtraError as error:
        say({"ended": "missing", "incidents": [str(error)]})
    except SpecError as error:
        say({"ended": "unsupported", "incidents": [str(error)]})
    else:
        say(answered(answer))
        say({"ended": "answered", **checked(form, answer)})


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


def checked(form: FormulationModel, answer: Answer) -> dict[str, Any]:
    """The network of an answer, its violations, and its objective by the exact evaluator; empty without a solution."""
    if answer.values is None:
        return {}
    problem = form.tables.problem
    architecture = form.tables.architecture(form.position(answer.values))
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


def plain(value: Any) -> Any:
    """Data without infinite and undefined numbers, for which JSON has no word."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def main() -> None:
    """Entry point of the process."""
    die_with(int(sys.argv[1]))
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    def say(part: dict[str, Any]) -> None:
        out.write(json.dumps(plain(part)) + "\n")
        out.flush()

    job = Job(**json.load(sys.stdin))
    try:
        run(job, say)
    except MemoryError:
        say({"ended": "memout", "incidents": ["MemoryError"]})
    except Exception:
        say({"ended": "error", "incidents": [traceback.format_exc(limit=-3).strip()]})
    say({"peak_memory_mb": peak_mb()})


if __name__ == "__main__":
    main()
