r"""Closing a cell with SCIP: every network of the cell whose objective reaches the cutoff, each one checked exactly.

The solver is trusted with nothing but exclusion. :func:`solve_cell` asks it again and again for a network above the cutoff.
Each answer goes through the exact evaluator, is recorded as found or as rejected, and is cut off. The cell is closed when SCIP
proves that no other is left. The cutoff is handed to SCIP lowered by :data:`MARGIN`, so that its tolerances cannot hide a
network that reaches it.

:func:`solve_cell` is meant for a child process: SCIP can crash in spite of the cures of :mod:`mipdesign.mip.scip_setup`, and
writes to standard error.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from ..lattice.cell import Cell
from ..lattice.position import Candidate, Position
from ..lattice.tables import Tables
from .formulation import FormulationModel, ModelStatistics, formulation_named
from .model_files import cip_text
from .scip_setup import HUGE, Emphasis, Progress, parameters, report_progress, scip_version, set_up

MARGIN = 1e-8
"""By how much SCIP's cutoff is below the true one, relative to the magnitude of the model's objective."""
TRUSTED = 1e-6
"""Relative excess of a solver's objective over the exact one above which its claim is recorded as refuted."""
Status = Literal["closed", "limit", "failed"]


@dataclass(frozen=True)
class Attempt:
    """One way to set up SCIP."""

    emphasis: Emphasis
    parameters: tuple[tuple[str, Any], ...] = ()


ATTEMPTS: tuple[Attempt, ...] = (
    # Measured best on the lattice formulation: its relaxation is near the hull, and the cutoff comes from outside.
    Attempt(Emphasis("FAST", "OFF", "OFF"), (("presolving/maxrestarts", 0),)),
    # Another path through the same tree.
    Attempt(
        Emphasis("OFF", "OFF", "OFF"), (("presolving/maxrestarts", 0), ("misc/usesymmetry", 0), ("conflict/enable", False))
    ),
    # SCIP as it comes, without anything that calls an NLP solver.
    Attempt(Emphasis("DEFAULT", "DEFAULT", "DEFAULT"), (("nlp/disable", True),)),
    # As little machinery as possible.
    Attempt(
        Emphasis("OFF", "OFF", "OFF"),
        (
            ("presolving/maxrestarts", 0),
            ("misc/usesymmetry", 0),
            ("conflict/enable", False),
            ("nlp/disable", True),
            ("propagating/maxrounds", 1),
            ("propagating/maxroundsroot", 1),
            ("branching/pscost/priority", 1_000_000),
        ),
    ),
)
"""The ladder of settings: a caller whose process crashed tries the next one."""


@dataclass(frozen=True)
class ScipSettings:
    """How a cell is solved.

    Attributes
    ----------
    time_limit:
        Seconds for the whole cell.
    memory_limit:
        Megabytes.
    seed:
        Seed of SCIP's random numbers.
    attempt:
        Place on the ladder :data:`ATTEMPTS`; beyond its end the last entry is used, with another seed.
    equal_margin:
        Once a network is found, the cutoff becomes its objective less this, if that is more.
    """

    time_limit: float = math.inf
    memory_limit: float = math.inf
    seed: int = 0
    attempt: int = 0
    equal_margin: float = 0.0


@dataclass(frozen=True)
class Rejected:
    """A network that the solver reported with a claim that the exact evaluator refutes: infeasible, or worth less.

    A feasible one that still reaches the cutoff is among the networks found as well. ``claimed`` is nan for the start.
    """

    position: Position
    claimed: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class CellResult:
    """What is known of a cell.

    Attributes
    ----------
    status:
        ``closed``: ``networks`` holds all feasible networks of the cell whose objective is at least ``cutoff``. ``limit``: time
        or memory ran out. ``failed``: SCIP stopped for another reason, which ``message`` tells.
    networks:
        In the order in which they were found; those below the final cutoff are left in.
    bound:
        Upper bound of the objective in the cell, valid for every status.
    cutoff:
        The cutoff of the last proof.
    nodes, rounds, seconds:
        Branch-and-bound nodes and calls of SCIP; wall time with building and checking.
    model_hash:
        SHA-256 of the initial model's ``.cip`` text.
    """

    status: Status
    networks: tuple[Candidate, ...]
    rejected: tuple[Rejected, ...]
    bound: float
    cutoff: float
    nodes: int
    rounds: int
    seconds: float
    formulation: str
    statistics: ModelStatistics
    model_hash: str
    scip_version: str
    message: str = ""


def solve_cell(
    tables: Tables,
    cell: Cell,
    cutoff: float,
    formulation_id: str = "lattice",
    settings: ScipSettings = ScipSettings(),
    start: Position | None = None,
    on_progress: Progress | None = None,
) -> CellResult:
    """All networks of a cell whose objective is at least a cutoff.

    Parameters
    ----------
    cutoff:
        In units of the objective; minus infinity for none.
    start:
        A network of the cell that is known; it is checked, and recorded like those that SCIP finds.
    on_progress:
        See :data:`Progress`.

    Raises
    ------
    SpecError
        If the formulation is not registered, does not handle the problem, or is a lower bound.
    ValueError
        If ``start`` is not in the cell.
    """
    began = time.monotonic()
    formulation = formulation_named(formulation_id)
    formulation.check_proves()
    form = formulation.build(tables, cell)
    statistics, model_hash = form.statistics(), hashlib.sha256(cip_text(form.model)).hexdigest()
    search = _Search(form, cutoff, settings, on_progress)
    if start is not None:
        search.judge(start, None)
    status, message = search.run(began)
    return CellResult(
        status=status,
        networks=tuple(search.found),
        rejected=tuple(search.rejected),
        bound=search.bound(status),
        cutoff=search.cutoff,
        nodes=search.nodes,
        rounds=search.rounds,
        seconds=time.monotonic() - began,
        formulation=formulation_id,
        statistics=statistics,
        model_hash=model_hash,
        scip_version=scip_version(form.model),
        message=message,
    )


def apply_settings(model: Any, settings: ScipSettings, of_formulation: Mapping[str, Any]) -> None:
    """Sets a model up by an entry of the ladder, with what its formulation asks for."""
    attempt = ATTEMPTS[min(settings.attempt, len(ATTEMPTS) - 1)]
    wanted = parameters(
        seed=settings.seed + settings.attempt,
        memory_limit_mb=settings.memory_limit,
        more={**dict(attempt.parameters), **of_formulation},
    )
    set_up(model, wanted, attempt.emphasis)


@dataclass
class _Search:
    """The loop of :func:`solve_cell`: what was found, and the cutoff that follows from it."""

    form: FormulationModel
    cutoff: float
    settings: ScipSettings
    on_progress: Progress | None
    found: list[Candidate] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    judged: set[Position] = field(default_factory=set)
    """Networks found and rejected, all of them cut off."""
    nodes: int = 0
    rounds: int = 0
    dual_bound: float = math.inf
    best: float = -math.inf
    """Upper bound of the objectives of the networks found."""

    def __post_init__(self) -> None:
        self._set_up()

    def _set_up(self) -> None:
        """Settings and reports of the present model."""
        apply_settings(self.form.model, self.settings, self.form.parameters)
        if self.on_progress is not None:
            report_progress(self.form.model, self.on_progress, self.form.objective_scale)

    @property
    def margin(self) -> float:
        """:data:`MARGIN` in units of the objective."""
        return MARGIN * self.form.magnitude

    def run(self, began: float) -> tuple[Status, str]:
        """Calls SCIP until the cell is closed or a limit is reached."""
        while True:
            model = self.form.model
            left = self.settings.time_limit - (time.monotonic() - began)
            if left <= 0:
                return "limit", "timelimit"
            model.setParam("limits/time", min(left, HUGE))
            if self.cutoff > -math.inf:
                model.setObjlimit((self.cutoff - self.margin) / self.form.objective_scale)
            self.rounds += 1
            try:
                model.optimizeNogil()
                scip_status = str(model.getStatus())
                self.nodes += model.getNTotalNodes()
                self.dual_bound = min(self.dual_bound, self._outward(model.getDualbound()))
                answers = self._answers()
                model.freeTransform()
            except Exception as error:  # PySCIPOpt raises bare exceptions for SCIP's return codes
                return "failed", f"SCIP stopped with an error: {error}"
            new = [answer for answer in answers if answer[0] not in self.judged]
            wrong = [position for position, claimed in new if not self.judge(position, claimed)]
            if scip_status == "infeasible":
                return "closed", ""
            if scip_status != "optimal":
                ended = scip_status in ("timelimit", "memlimit", "nodelimit", "userinterrupt", "terminate")
                return ("limit" if ended else "failed"), scip_status
            if not answers:
                return "failed", "SCIP reports an optimum without a solution that reaches the cutoff"
            if not new:  # it would report the same for ever
                return "failed", "SCIP reports networks that were cut off"
            self._refine(wrong)

    def _refine(self, wrong: Sequence[Position]) -> None:
        """Replaces a relaxation by one in which networks that it was wrong about are exact."""
        finer = self.form
        for position in wrong:
            finer = finer.refined(position) or finer
        if finer is not self.form:
            self.form = finer
            self._set_up()

    def _outward(self, bound: float) -> float:
        """A dual bound of SCIP in units of the objective, rounded up by the margin; infinite where SCIP has none."""
        if abs(bound) >= self.form.model.infinity():
            return math.copysign(math.inf, bound)
        return bound * self.form.objective_scale + self.margin

    def _answers(self) -> list[tuple[Position, float]]:
        """Networks of the solutions that reach the cutoff, with their claimed objectives, best first."""
        model, scale = self.form.model, self.form.objective_scale
        answers: dict[Position, float] = {}
        for solution in model.getSols():
            claimed = model.getSolObjVal(solution) * scale
            if claimed >= self.cutoff - 2 * self.margin:
                answers.setdefault(self.form.position(self.form.values(solution)), claimed)
        return sorted(answers.items(), key=lambda item: -item[1])

    def judge(self, position: Position, claimed: float | None) -> bool:
        """Records a network by exact arithmetic, raises the cutoff, and cuts the network off; whether the claim is right.

        Parameters
        ----------
        claimed:
            The solver's figure for the objective, if it is the solver who reports the network.
        """
        problem = self.form.tables.problem
        architecture = self.form.tables.architecture(position)
        evaluator = problem.evaluator(architecture)
        reasons = problem.violations(architecture)
        objective = evaluator.evaluation.objective
        if not reasons and (exact := evaluator.exact_objective()) >= Decimal(self.cutoff):
            self.found.append(Candidate(position, objective))
            self.best = max(self.best, round_up(exact))
            self.cutoff = max(self.cutoff, -round_up(Decimal(self.settings.equal_margin) - exact))
        if claimed is not None and claimed > objective + TRUSTED * max(self.form.magnitude, abs(objective)):
            reasons.append(f"objective {objective!r}, not {claimed!r}")
        if reasons:
            self.rejected.append(Rejected(position, math.nan if claimed is None else claimed, tuple(reasons)))
        self.form.exclude(position)
        self.judged.add(position)
        return not reasons

    def bound(self, status: Status) -> float:
        """Upper bound of the objective in the cell."""
        rest = -math.inf if status == "closed" else self.dual_bound
        return max(self.best, self.cutoff, rest, self.form.floor)


def round_up(number: Decimal) -> float:
    """The least float that is not below a number."""
    value = float(number)
    return value if Decimal(value) >= number else math.nextafter(value, math.inf)
