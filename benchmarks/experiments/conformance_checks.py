"""The contract of formulations and solvers as checks on small problems: one function per clause, named by what it looks at.

A check takes a :class:`Case`, returns what is wrong, empty if nothing, and raises :class:`DoesNotApplyError` where the clause
says nothing of the case. All of them go by the listing of every network of the problem
(:mod:`mipdesign.benchmarks.corpus.small`) and by exact arithmetic; no formulation and no solver is held against another one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from typing import Literal, NamedTuple

import numpy as np

from mipdesign.errors import SpecError
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import Tables
from mipdesign.mip.capabilities import Capability
from mipdesign.mip.formulation import Formulation, FormulationModel, formulation_ids, formulation_named
from mipdesign.mip.linear import LinearModel
from mipdesign.mip.model_files import cip_text
from mipdesign.mip.solver import Answer, SolveOptions, Solver, refusal, solver_ids, solver_named

from ..corpus.small import Listing, listing
from .variant_outcomes import TOLERANCE, answered, held, sample
from .variant_trials import installed, serve, small

IN_A_MODEL = 1e-7
"""Relative violation of a row up to which the values of a network are in a model."""
A_SOLUTION = 1e-5
"""Relative violation of a row up to which values are a solution at a limit: solvers have tolerances."""
A_MOMENT = 0.01
"""Seconds of a limit that most models exceed."""

Verdict = Literal["holds", "fails", "limit", "does not apply"]


class Trial(NamedTuple):
    """One check of a formulation and a solver on one problem."""

    formulation: str
    solver: str
    check: str
    seed: int


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes
    ----------
    version, package_version:
        What the solver says of its version, and that of the distribution which it needs; empty where it did not come to that.
    verdict:
        ``limit``: the solver ran out of time.
    detail:
        What is wrong, or why the check does not apply.
    """

    trial: Trial
    version: str
    package_version: str
    verdict: Verdict
    detail: str = ""


class DoesNotApplyError(Exception):
    """A check has nothing to say of a case."""


class OutOfTimeError(Exception):
    """The solver stopped at its time limit, so nothing is known."""


@dataclass(frozen=True)
class Case:
    """A formulation, a solver, and a small problem with the listing of its networks.

    Attributes
    ----------
    seconds:
        Time limit of the solver.
    """

    formulation_id: str
    formulation: Formulation
    solver: Solver
    seed: int
    tables: Tables
    expected: Listing
    seconds: float

    def model(self, cell: Cell | None = None) -> FormulationModel:
        """The model of the whole problem, or of a cell, where the formulation supports it."""
        missing = self.formulation.unsupported(self.tables)
        if missing is not None:
            raise DoesNotApplyError(f"the formulation does not support {missing}")
        try:
            return self.formulation.build(self.tables, Cell.whole(self.tables) if cell is None else cell)
        except SpecError as error:
            raise DoesNotApplyError(str(error)) from None

    def model_to_solve(self, cell: Cell | None = None) -> FormulationModel:
        """A model that the solver takes."""
        form = self.model(cell)
        reason = refusal(self.solver, form)
        if reason is not None:
            raise DoesNotApplyError(reason)
        return form

    def solved(self, form: FormulationModel, expected: Listing, **options: object) -> tuple[Answer, str]:
        """The solver's answer to a model, and what is wrong with it by the listing of the model's networks."""
        asked = replace(SolveOptions(time_limit=self.seconds), **options)  # type: ignore[arg-type]
        answer, position = answered(self.solver, form, self.formulation.claim, asked)
        if answer.status == "limit":
            raise OutOfTimeError(answer.message)
        word, detail = held(self.formulation_id, form, answer, position, expected)
        return answer, "" if word == "agree" else f"{word}: {detail}"


# ------------------------------------------------------------------------------------------------------- the formulation


def described(case: Case) -> str:
    """Formulation and solver are found by their ids and say in words what they are."""
    for kind, variant, ids in (
        ("formulation", case.formulation, formulation_ids()),
        ("solver", case.solver, solver_ids()),
    ):
        if variant.id.partition(":")[0] not in ids:
            return f"the {kind} {variant.id!r} is registered under another id"
    if case.formulation.claim not in ("exact", "upper", "lower"):
        return f"the claim {case.formulation.claim!r} is not one of exact, upper, lower"
    empty = [name for name in ("title", "reference") if not getattr(case.formulation, name)]
    empty += [name for name in ("title", "package") if not getattr(case.solver, name)]
    return f"{', '.join(empty)} is empty" if empty else ""


def deterministic(case: Case) -> str:
    """Equal inputs give equal models."""
    one, other = (_content(case.model()) for _ in range(2))
    return "" if one == other else "two models of the same problem differ"


def _content(form: FormulationModel) -> object:
    m = form.linear
    return cip_text(form.model) if m is None else (m.names, m.kinds, m.lower, m.upper, m.objective, m.rows, m.sos2)


def networks(case: Case) -> str:
    """Every network of the problem is in the model, with the values that it is given, and is read off them again."""
    form, claim = case.model(), case.formulation.claim
    if not case.expected.networks:
        raise DoesNotApplyError("the problem has no network")
    for position in sample(case.tables, case.expected):
        objective = _objective(case.tables, position)
        if objective <= form.floor:
            continue
        values = form.start(position)
        if (read := form.position(values)) != position:
            return f"{position} is read as {read}"
        linear = whole_linear(form)
        if linear is None or claim == "lower":
            continue
        if (violation := linear.violation(values)) > IN_A_MODEL:
            return f"the values of {position} break the model by {violation:.1e}"
        off, slack = linear.worth(values) - objective, TOLERANCE * max(1.0, abs(objective))
        if off < -slack or (off > slack and claim == "exact" and form.refinement is None):
            return f"{position} is worth {objective + off!r} in the model, and {objective!r}"
    return ""


def whole_linear(form: FormulationModel) -> LinearModel | None:
    """The linear model where it is written out; ``None`` where it is nonlinear, or a pricer adds its columns."""
    return None if Capability.PRICING in form.requires else form.linear


def _objective(tables: Tables, position: Position) -> float:
    return tables.problem.evaluator(tables.architecture(position)).evaluation.objective


# ------------------------------------------------------------------------------------------- the formulation and the solver


def optimum(case: Case) -> str:
    """The answer is what the formulation's claim says of the best network; infeasible if there is none."""
    return case.solved(case.model_to_solve(), case.expected)[1]


def part(case: Case) -> str:
    """The same for the model of a part of the space."""
    cell = part_of(case.tables, case.seed)
    return case.solved(case.model_to_solve(cell), listing(case.tables, cell))[1]


def part_of(tables: Tables, seed: int) -> Cell:
    """A random part of a space: half of the columns, and a range of the depths."""
    rng, whole = np.random.default_rng(seed), Cell.whole(tables)
    columns = tuple(c[np.sort(rng.choice(len(c), max(1, len(c) // 2), replace=False))] for c in whole.columns)
    low, high = np.array([np.sort(rng.choice(stage.depths, 2)) for stage in tables.stages]).T
    return Cell(whole.stem[: rng.integers(1, len(whole.stem) + 1)], columns, low, high)


def excluded(case: Case) -> str:
    """Where the best network is cut off, the answer is the second best."""
    form = case.model_to_solve()
    every = case.expected.networks
    if not every or case.formulation.claim != "exact":
        raise DoesNotApplyError("the formulation is a bound" if every else "the problem has no network")
    form.exclude(every[0][0])
    answer, wrong = case.solved(form, Listing(every[1:]))
    if not wrong and answer.values is not None and form.position(answer.values) == every[0][0]:
        return "the answer is the network that was cut off"
    return wrong


def again(case: Case) -> str:
    """A model that was solved is solved again with the same answer: solvers keep nothing and change nothing."""
    form = case.model_to_solve()
    (first, wrong), (second, _) = (case.solved(form, case.expected) for _ in range(2))
    if wrong:
        raise DoesNotApplyError(f"the first answer is wrong: {wrong}")
    return "" if _same(first, second) else f"says {second.status} ({second.objective}) after {first.status} ({first.objective})"


def start(case: Case) -> str:
    """A start solution changes the way and not the answer."""
    if Capability.START not in case.solver.capabilities:
        raise DoesNotApplyError("the solver takes no start")
    form = case.model_to_solve()
    known = [position for position, objective in case.expected.networks if float(objective) > form.floor]
    if not known:
        raise DoesNotApplyError("the model has no network")
    return case.solved(form, case.expected, start=form.start(known[len(known) // 2]))[1]


def _same(one: Answer, other: Answer) -> bool:
    if one.objective is None or other.objective is None:
        return one.status == other.status and one.objective == other.objective
    slack = TOLERANCE * max(1.0, abs(one.objective))
    return one.status == other.status and abs(one.objective - other.objective) <= slack


def limit(case: Case) -> str:
    """At a time limit the status says so, and no bound or solution is made up."""
    if Capability.TIME_LIMIT not in case.solver.capabilities:
        raise DoesNotApplyError("the solver has no time limit")
    form, claim = case.model_to_solve(), case.formulation.claim
    answer = case.solver.solve(form, SolveOptions(time_limit=A_MOMENT))
    if answer.status == "failed":
        return f"failed: {answer.message}"
    linear = whole_linear(form)
    if answer.values is not None and linear is not None:
        violation = linear.violation(answer.values)
        if violation > A_SOLUTION:
            return f"a solution that breaks the model by {violation:.1e}"
    objectives = [float(objective) for _, objective in case.expected.networks[:1]]
    if claim == "lower" or not objectives or objectives[0] <= form.floor:
        return ""
    if answer.status == "infeasible":
        return f"says infeasible where {objectives[0]!r} is feasible"
    if answer.bound is not None and answer.bound < objectives[0] - TOLERANCE * max(1.0, abs(objectives[0])):
        return f"has the bound {answer.bound!r} where {objectives[0]!r} is feasible"
    return ""


def refused(case: Case) -> str:
    """A model that the solver does not take is refused before anything is started, with the reason."""
    form = case.model()
    reason = refusal(case.solver, form)
    if reason is None:
        raise DoesNotApplyError("the solver takes the model")
    try:
        answer = case.solver.solve(form, SolveOptions(time_limit=case.seconds))
    except SpecError:
        return ""
    return f"says {answer.status} to a model that it does not take: {reason}"


CHECKS: Mapping[str, Callable[[Case], str]] = {
    check.__name__: check
    for check in (described, deterministic, networks, optimum, part, excluded, again, start, limit, refused)
}
"""The clauses of the contract by name."""


def found(trial: Trial, seconds: float) -> Finding:
    """Carries out a check."""
    solver = solver_named(trial.solver)
    version, package_version = solver.version(), metadata.version(solver.package)
    case = Case(trial.formulation, formulation_named(trial.formulation), solver, trial.seed, *small(trial.seed), seconds)
    try:
        wrong = CHECKS[trial.check](case)
    except DoesNotApplyError as reason:
        return Finding(trial, version, package_version, "does not apply", str(reason))
    except OutOfTimeError as reason:
        return Finding(trial, version, package_version, "limit", str(reason))
    return Finding(trial, version, package_version, "fails" if wrong else "holds", wrong)


def failure(trial: Trial, detail: str) -> Finding:
    """The finding of a check that raised an exception, or over which its process ended."""
    version = installed().get(trial.solver, "")
    package_version = metadata.version(solver_named(trial.solver).package) if version else ""
    return Finding(trial, version, package_version, "fails", " ".join(detail.split()))


def main() -> None:
    """Entry point of a process; see :func:`mipdesign.benchmarks.experiments.variant_trials.serve`."""
    serve(found, failure)
