"""Every formulation and every solver on random small problems, held against the enumeration of all networks.

``python -m mipdesign.benchmarks variants [--count N] [--first SEED] [--family NAME] [--solver ID] [--formulation ID] [--workers
N] [--out FILE]`` draws problems of bottleneck blocks, or of other block families (``--family all`` for every one), and solves
each with every registered formulation, every combination of parts of the compact and the adaptive one, and every solver that is
installed and takes the model (bounds: SCIP, unless solvers are named). The table at the end says for each of them how many
models it took, how many answers agree, how far they are from the optimum, and the seeds of those that do not agree, by what is
wrong with them:

* ``missed``: it claims an optimum or infeasibility, and there is a better network;
* ``bound``: its dual bound is below the optimum;
* ``refuted``: its network breaks a budget by exact arithmetic, or has not the objective that the model says;
* ``error``: objective or count of a network in the model are on the wrong side of the exact ones, or further from them than
  the formulation's proven error;
* ``failed``: it ended without a claim, or not at all.

One that runs out of time (``--seconds``) is counted apart. A formulation that is an upper bound promises no network, one that
is a lower bound excludes none. A solver has processes of its own, for not all of them can live together, and one that crashes
is followed by another for what it left. Every answer is a line of ``FILE``; what has one is not run again. Disagreements end it
with exit code 1.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mipdesign.errors import MissingExtraError, SpecError
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.tables import Position, Tables, build_tables
from mipdesign.mip.formulation import Claim, FormulationModel, ProvenError, formulation_ids, formulation_named
from mipdesign.mip.refinement import solve
from mipdesign.mip.solver import Answer, SolveOptions, refusal, solver_ids, solver_named
from mipdesign.search.workers import processors

from ..corpus.small import EVERY_FAMILY, Listing, listing, small_problem
from ..studies.supervision import SINGLE_THREADED
from ..studies.trial import die_with
from .measure import middle, table

BREAKPOINTS = (
    "lattice",
    *(name + side for name in ("uniform-2", "geometric-2", "error-0.05") for side in ("", "-outer")),
    "uniform-2-touching",
)
"""Breakpoints with the parameters that small lattices have."""
COARSE = ("uniform-1",)
"""With what adaptive variants begin."""
BOTTLENECK = "bottleneck"
"""Family of the problems unless others are asked for."""
ALL = "all"
"""Stands for every family."""
FAULTS = ("missed", "bound", "refuted", "error", "failed")
TOLERANCE = 1e-6
"""Relative error of an objective that solvers are allowed."""
AT_LIMIT = 1e-7
"""Relative excess of the effectiveness that models may let pass."""
COUNT_TOLERANCE = 0.5
"""By how much the counts of a model may be off: budgets are loosened by as much."""
SAMPLE = 20
"""Networks of each problem at which an approximation is held against its proven error."""
CHUNK = 100
"""Answers that are asked of one process."""
GRACE_SECONDS = 30.0
"""Time beside the limit of a solver for everything else that an answer takes; then its process is killed."""
REPORT_SECONDS = 10.0
"""Time between two lines about the progress."""


class Task(NamedTuple):
    """One problem for one variant."""

    formulation: str
    solver: str
    seed: int
    family: str = BOTTLENECK


@dataclass(frozen=True)
class Outcome:
    """What a formulation and a solver say of a problem.

    Attributes
    ----------
    verdict:
        ``agree``, ``refused`` where the solver does not take the model, ``limit`` where it ran out of time, or one of
        :data:`FAULTS`.
    error:
        Relative distance of the model's optimum to that of the problem, where there are both.
    detail:
        What is wrong.
    """

    formulation: str
    solver: str
    seed: int
    version: str
    claim: str
    verdict: str
    error: float | None = None
    seconds: float = 0.0
    detail: str = ""
    family: str = BOTTLENECK

    @property
    def task(self) -> Task:
        return Task(self.formulation, self.solver, self.seed, self.family)

    @property
    def problem(self) -> str:
        """What it was asked: the seed, after the family where that is another one than bottleneck."""
        return str(self.seed) if self.family == BOTTLENECK else f"{self.family} {self.seed}"

    @property
    def agrees(self) -> bool:
        """Whether the answer is what the claim allows."""
        return self.verdict == "agree"


@dataclass(frozen=True)
class Shown:
    """The network of an answer, by exact arithmetic."""

    objective: float
    violations: Sequence[str]


# ------------------------------------------------------------------- what is run


def variant_names() -> Iterator[str]:
    """All combinations of parts of the compact and the adaptive formulation that bound something."""
    yield from _combined("compact", BREAKPOINTS)
    yield from _combined("adaptive", COARSE)


def _combined(formulation_id: str, of_breakpoints: Iterable[str]) -> Iterator[str]:
    parts = formulation_named(formulation_id).parts()
    for encoding, breakpoints, product in itertools.product(parts["encodings"], of_breakpoints, parts["products"]):
        name = f"{formulation_id}:{encoding.id}:{breakpoints}:{product.id}"
        try:
            formulation_named(name)
        except SpecError:
            continue
        yield name


@cache
def installed() -> dict[str, str]:
    """Versions of the solvers that are installed, by id."""
    versions = {}
    for solver_id in solver_ids():
        try:
            versions[solver_id] = solver_named(solver_id).version()
        except MissingExtraError:
            continue
    return versions


def tasks(
    formulations: Sequence[str],
    solvers: Sequence[str],
    seeds: Iterable[int],
    all_bounds: bool,
    families: Sequence[str] = (BOTTLENECK,),
) -> list[Task]:
    """All combinations, seed by seed; bounds go to SCIP alone unless ``all_bounds``."""
    pairs = [
        (formulation, solver)
        for solver in solvers
        for formulation in formulations
        if all_bounds or solver == "scip" or formulation_named(formulation).claim == "exact"
    ]
    return [Task(*pair, seed, family) for seed in seeds for family in families for pair in pairs]


# ---------------------------------------------------------------------- verdicts


def verdict(claim: Claim, answer: Answer, shown: Shown | None, best: float | None) -> tuple[str, str]:
    """What an answer is worth, and what is wrong with it.

    Parameters
    ----------
    shown:
        Its network; ``None`` without a solution.
    best:
        The largest objective that the model has to reach; ``None`` if there is no network that it has to have.
    """
    if answer.status not in ("optimal", "infeasible"):
        return answer.status, answer.message
    slack = TOLERANCE * max(1.0, abs(best or 0.0), abs(answer.objective or 0.0))
    if shown is not None and answer.objective is not None and claim != "upper":
        if shown.violations:
            return "refuted", f"its network breaks {', '.join(shown.violations)}"
        over = answer.objective - shown.objective
        if over > slack or (claim == "exact" and over < -slack):
            return "refuted", f"says {answer.objective!r} where its network has {shown.objective!r}"
    if claim == "lower" or best is None:
        return "agree", ""
    if answer.objective is None or answer.objective < best - slack:
        return "missed", f"says {answer.status} ({answer.objective}) where {best!r} is feasible"
    if answer.bound is not None and answer.bound < best - slack:
        return "bound", f"has the bound {answer.bound!r} where {best!r} is feasible"
    return "agree", ""


def beyond_error(claim: Claim, proven: ProvenError, off: float, counts_off: Sequence[float], slack: float) -> str:
    """What a model's figures of a network say against its claim and its proven error; empty if nothing.

    Parameters
    ----------
    off, counts_off:
        Model less exact, of the objective and of each count.
    slack:
        Rounding of the objective.
    """
    sign = {"exact": 0.0, "upper": 1.0, "lower": -1.0}[claim]
    if not min(0.0, sign * proven.objective) - slack <= off <= max(0.0, sign * proven.objective) + slack:
        return f"the objective of a network is off by {off!r}, proven {sign * proven.objective!r}"
    for at, (count_off, most) in enumerate(zip(counts_off, proven.counts, strict=True)):
        low, high = min(0.0, -sign * most) - COUNT_TOLERANCE, max(0.0, -sign * most) + COUNT_TOLERANCE
        if not low <= count_off <= high:
            return f"count {at} of a network is off by {count_off!r}, proven {-sign * most!r}"
    return ""


def network_errors(formulation_id: str, form: FormulationModel, positions: Sequence[Position]) -> str:
    """The first network at which a linear model contradicts :meth:`mipdesign.mip.formulation.Formulation.proven_errors`."""
    formulation, tables, linear = formulation_named(formulation_id), form.tables, form.linear
    every = formulation.proven_errors(tables, form.cell, positions)
    if linear is None or every is None:
        return ""
    rows = {row.name: row for row in linear.rows}
    for position, proven in zip(positions, every, strict=True):
        exact = tables.problem.evaluator(tables.architecture(position))
        objective = exact.evaluation.objective
        if objective <= form.floor:
            continue
        by_name = form.start(position)
        values = [by_name[name] for name in linear.names]
        off = sum(c * values[v] for v, c in linear.objective.items()) - objective
        counts_off = []
        for name, limit in zip(tables.counts, tables.limits, strict=True):
            row = rows[f"budget_{name}"]
            unit = (float(limit) + COUNT_TOLERANCE) / row.high  # what the row is divided by
            counts_off.append(sum(c * values[v] for v, c in row.terms.items()) * unit - float(exact.figure(name)))
        wrong = beyond_error(formulation.claim, proven, off, counts_off, TOLERANCE * max(1.0, abs(objective)))
        if wrong:
            return f"{position}: {wrong}"
    return ""


def outcome(
    formulation_id: str,
    tables: Tables,
    expected: Listing,
    solver_id: str = "scip",
    seed: int = 0,
    seconds: float = float("inf"),
    family: str = BOTTLENECK,
) -> Outcome:
    """Solves a problem as a whole, and holds the answer against the listing of its networks."""
    formulation, solver = formulation_named(formulation_id), solver_named(solver_id)
    began, claim = time.monotonic(), formulation.claim

    def judged(word: str, detail: str = "", error: float | None = None) -> Outcome:
        spent = time.monotonic() - began
        return Outcome(formulation_id, solver_id, seed, solver.version(), claim, word, error, spent, detail, family)

    if formulation.unsupported(tables) is not None:
        return judged("refused", f"no words for {formulation.unsupported(tables)}")
    form = formulation.build(tables, Cell.whole(tables))
    reason = refusal(solver, form)
    if reason is not None:
        return judged("refused", reason)
    while True:
        answer = solve(solver, form, SolveOptions(time_limit=seconds))
        position = None if answer.values is None else form.position(answer.values)
        if claim == "upper" or position is None or not _at_limit(tables, position):
            break
        form.exclude(position)
    best = float(expected.networks[0][1]) if expected.networks else None
    must = best if best is not None and best > form.floor else None
    word, detail = verdict(claim, answer, None if position is None else _shown(tables, position), must)
    if word == "agree" and claim != "exact":
        networks = [position] if position is not None else []
        wrong = network_errors(formulation_id, form, networks + sample(tables, expected))
        word, detail = ("error", wrong) if wrong else (word, detail)
    error = None if best is None or answer.objective is None else abs(answer.objective - best) / max(1.0, abs(best))
    return judged(word, detail, error)


def sample(tables: Tables, expected: Listing) -> list[Position]:
    """The best networks of a listing, and others spread over it."""
    places = {*range(min(3, len(expected.networks))), *np.linspace(0, len(expected.networks) - 1, SAMPLE - 3).astype(int)}
    return [expected.networks[at][0] for at in sorted(places) if 0 <= at < len(expected.networks)]


def _shown(tables: Tables, position: Position) -> Shown:
    architecture = tables.architecture(position)
    problem = tables.problem
    return Shown(problem.evaluator(architecture).evaluation.objective, problem.violations(architecture))


def _at_limit(tables: Tables, position: Position) -> bool:
    """Whether a network breaks nothing but the effectiveness limit, by so little that floating point cannot tell: models are
    loosened by as much, and the exact check decides.
    """
    problem, architecture = tables.problem, tables.architecture(position)
    if problem.violations(architecture) != ["effectiveness"] or tables.rho is None:
        return False
    return bool(problem.evaluator(architecture).evaluation.effectiveness <= float(tables.rho) * (1 + AT_LIMIT))


# --------------------------------------------------------------------- processes


@lru_cache(maxsize=4)
def small(seed: int, family: str = BOTTLENECK) -> tuple[Tables, Listing]:
    """The tables of a small problem, and all its networks."""
    tables = build_tables(small_problem(seed, family))
    return tables, listing(tables, Cell.whole(tables))


def child() -> None:
    """The process of one solver: tasks as JSON on standard input, a line of JSON on standard output for each."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    asked = json.load(sys.stdin)
    die_with(asked["parent"])
    for task in (Task(*row) for row in asked["tasks"]):
        tables, expected = small(task.seed, task.family)
        try:
            found = outcome(task.formulation, tables, expected, task.solver, task.seed, asked["seconds"], task.family)
        except Exception as error:  # one answer that is lost, and no more
            claim = formulation_named(task.formulation).claim
            found = failure(task, claim, f"{type(error).__name__}: {error}")
        out.write(json.dumps(asdict(found)) + "\n")
        out.flush()


def failure(task: Task, claim: str, detail: str) -> Outcome:
    """The outcome of a task without an answer."""
    version, detail = installed().get(task.solver, ""), " ".join(detail.split())
    return Outcome(task.formulation, task.solver, task.seed, version, claim, "failed", detail=detail, family=task.family)


def in_children(asked: Sequence[Task], seconds: float, tell: Callable[[Outcome], None]) -> None:
    """Outcomes of tasks of one solver, from as many processes as it takes: one that ends too early costs one answer."""
    left = list(asked)
    while left:
        command = [sys.executable, "-m", "mipdesign.benchmarks.experiments.variants", "--child"]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | SINGLE_THREADED,
        )
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        words: list[str] = []
        listener = threading.Thread(target=lambda pipe=process.stderr, to=words: to.append(pipe.read()), daemon=True)
        listener.start()
        process.stdin.write(json.dumps({"parent": os.getpid(), "seconds": seconds, "tasks": left}))
        process.stdin.close()
        while left:
            watch = threading.Timer(seconds + GRACE_SECONDS, process.kill)
            watch.start()
            line = process.stdout.readline()
            watch.cancel()
            if not line.endswith("\n"):
                break
            tell(Outcome(**json.loads(line)))
            left.pop(0)
        process.stdout.close()
        code = process.wait()
        listener.join()
        if left:
            task = left.pop(0)
            detail = f"its process ended with {code}: {''.join(words)[-300:]}"
            tell(failure(task, formulation_named(task.formulation).claim, detail))


def run(asked: Sequence[Task], workers: int, seconds: float, tell: Callable[[Outcome], None]) -> None:
    """Outcomes of all tasks; ``tell`` is called by one thread at a time."""
    chunks: list[list[Task]] = []
    for solver in dict.fromkeys(task.solver for task in asked):
        mine = [task for task in asked if task.solver == solver]
        chunks += [mine[at : at + CHUNK] for at in range(0, len(mine), CHUNK)]
    chunks.sort(key=lambda chunk: chunk[0].seed)
    lock = threading.Lock()

    def locked(found: Outcome) -> None:
        with lock:
            tell(found)

    with ThreadPoolExecutor(workers) as pool:
        for future in [pool.submit(in_children, chunk, seconds, locked) for chunk in chunks]:
            future.result()


# ------------------------------------------------------------------- what is told


class Lines:
    """The file of outcomes: one line each; a last line that was cut off is dropped."""

    def __init__(self, path: Path | None) -> None:
        self.path, self.outcomes = path, list[Outcome]()
        if path is None:
            return
        content = path.read_bytes() if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        known = {f.name for f in fields(Outcome)}
        try:
            rows = [json.loads(line) for line in whole.splitlines()]
            self.outcomes = [Outcome(**{name: value for name, value in row.items() if name in known}) for row in rows]
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.truncate(len(whole))
        except (ValueError, TypeError, AttributeError):
            raise SpecError("--out", f"{path} has lines that are no outcomes", "give another file") from None
        except OSError as error:
            raise SpecError("--out", f"cannot write to {path} ({error.strerror})", "give a writable file") from None

    def add(self, found: Outcome) -> None:
        """Keeps an outcome."""
        self.outcomes.append(found)
        if self.path is not None:
            with self.path.open("a") as file:
                file.write(json.dumps(asdict(found)) + "\n")


def summary(outcomes: Iterable[Outcome]) -> str:
    """The table: a row per formulation and solver that took a model."""
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for found in outcomes:
        groups.setdefault((found.formulation, found.solver), []).append(found)
    rows: list[tuple[Any, ...]] = []
    for (formulation, solver), every in sorted(groups.items()):
        taken = [found for found in every if found.verdict != "refused"]
        if not taken:
            continue
        seeds = {
            fault: [f.problem for f in sorted(taken, key=lambda f: (f.family, f.seed)) if f.verdict == fault]
            for fault in FAULTS
        }
        wrong = "; ".join(f"{fault}: {', '.join(at)}" for fault, at in seeds.items() if at)
        errors = [found.error for found in taken if found.error is not None]
        rows.append(
            (
                formulation,
                solver,
                " / ".join(sorted({found.version for found in taken})),
                taken[0].claim,
                len(taken),
                sum(found.agrees for found in taken),
                sum(found.verdict == "limit" for found in taken),
                middle(errors),
                max(errors, default=None),
                sum(found.seconds for found in taken),
                wrong or None,
            )
        )
    header = (
        "formulation",
        "solver",
        "version",
        "claim",
        "models taken",
        "agree",
        "limit",
        "median error",
        "largest error",
        "seconds",
    )
    return table((*header, "seeds that do not"), rows)


def progress(total: int) -> Callable[[Outcome], None]:
    """Tells how far it is, on standard error, every :data:`REPORT_SECONDS`; and each disagreement at once."""
    began = told = time.monotonic()
    done = faults = 0

    def tell(found: Outcome) -> None:
        nonlocal told, done, faults
        done += 1
        if found.verdict in FAULTS:
            faults += 1
            print(f"{found.formulation} {found.solver} {found.problem}: {found.verdict}: {found.detail}", file=sys.stderr)
        now = time.monotonic()
        if now - told >= REPORT_SECONDS or done == total:
            told = now
            print(f"{done} of {total} answers, {faults} do not agree, {now - began:.0f} s", file=sys.stderr, flush=True)

    return tell


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20, help="how many problems")
    parser.add_argument("--first", type=int, default=0, help="seed of the first one")
    parser.add_argument("--family", action="append", choices=[*EVERY_FAMILY, ALL], help="bottleneck by default; repeatable")
    parser.add_argument("--solver", action="append", help="all that are installed by default; repeatable")
    parser.add_argument("--formulation", action="append", help="all by default; repeatable")
    parser.add_argument("--workers", type=int, default=processors(), help="processes at a time")
    parser.add_argument("--seconds", type=float, default=60.0, help="time limit of a solver")
    parser.add_argument("--out", type=Path, help="file of outcomes, one line each; what is in it is not run again")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child()
        return
    seeds = range(arguments.first, arguments.first + arguments.count)
    named = arguments.family or [BOTTLENECK]
    families = EVERY_FAMILY if ALL in named else tuple(named)
    formulations = arguments.formulation or [*formulation_ids(), *variant_names()]
    try:
        for solver_id in arguments.solver or ():
            solver_named(solver_id).version()
        wanted = tasks(formulations, arguments.solver or list(installed()), seeds, bool(arguments.solver), families)
        lines = Lines(arguments.out)
    except SpecError as error:
        raise SystemExit(f"error: {error}") from None
    before = {found.task for found in lines.outcomes}
    missing = [task for task in wanted if task not in before]
    report = progress(len(missing))

    def keep(found: Outcome) -> None:
        lines.add(found)
        report(found)

    run(missing, arguments.workers, arguments.seconds, keep)
    asked = set(wanted)
    outcomes = [found for found in lines.outcomes if found.task in asked]
    print(summary(outcomes))
    raise SystemExit(int(any(found.verdict in FAULTS for found in outcomes)))


if __name__ == "__main__":
    main()
