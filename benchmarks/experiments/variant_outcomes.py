"""What a formulation and a solver say of a small problem, held against the listing of all its networks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import Tables
from mipdesign.mip.formulation import Claim, FormulationModel, ProvenError, formulation_named
from mipdesign.mip.refinement import solve
from mipdesign.mip.solver import Answer, SolveOptions, Solver, refusal, solver_named

from ..corpus.small import Listing

BOTTLENECK = "bottleneck"
"""Family of the problems unless others are asked for."""
FAULTS = ("missed", "bound", "refuted", "error", "failed")
TOLERANCE = 1e-6
"""Relative error of an objective that solvers are allowed."""
AT_LIMIT = 1e-7
"""Relative excess of the effectiveness that models may let pass."""
COUNT_TOLERANCE = 0.5
"""By how much the counts of a model may be off: budgets are loosened by as much."""
SAMPLE = 20
"""Networks of each problem at which an approximation is held against its proven error."""


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
    answer, position = answered(solver, form, claim, SolveOptions(time_limit=seconds))
    word, detail = held(formulation_id, form, answer, position, expected)
    best = float(expected.networks[0][1]) if expected.networks else None
    error = None if best is None or answer.objective is None else abs(answer.objective - best) / max(1.0, abs(best))
    return judged(word, detail, error)


def answered(solver: Solver, form: FormulationModel, claim: Claim, options: SolveOptions) -> tuple[Answer, Position | None]:
    """A solver's answer, and its network; networks that floating point cannot tell from those within the limit are cut off."""
    while True:
        answer = solve(solver, form, options)
        position = None if answer.values is None else form.position(answer.values)
        if claim == "upper" or position is None or not _at_limit(form.tables, position):
            return answer, position
        form.exclude(position)


def held(
    formulation_id: str, form: FormulationModel, answer: Answer, position: Position | None, expected: Listing
) -> tuple[str, str]:
    """An answer held against the listing of what the model has: verdict and what is wrong."""
    claim, tables = formulation_named(formulation_id).claim, form.tables
    best = float(expected.networks[0][1]) if expected.networks else None
    must = best if best is not None and best > form.floor else None
    word, detail = verdict(claim, answer, None if position is None else _shown(tables, position), must)
    if word == "agree" and claim != "exact":
        networks = [position] if position is not None else []
        wrong = network_errors(formulation_id, form, networks + sample(tables, expected))
        return ("error", wrong) if wrong else (word, detail)
    return word, detail


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
