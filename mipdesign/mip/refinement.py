r"""The loop that makes a relaxation exact: solve, evaluate the network exactly, refine around it, until the gap closes.

Every round solves an upper relaxation, so its optimum bounds the problem's, and the exact value of a feasible network that was
met bounds it from the other side. Unless both meet, the next round has a model in which the last network is represented exactly
(:meth:`mipdesign.mip.formulation.FormulationModel.refined`); a network that is exact already and still refuted is cut off.
Lattices are finite, so the rounds are.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace

from ..lattice.position import Candidate, Position
from .capabilities import Capability
from .formulation import FormulationModel
from .solver import Answer, SolveOptions, Solver, Status, TracePoint

CLOSED = 1e-6
"""Relative excess of a relaxation's optimum over the incumbent's objective that is the solver's tolerance."""


def solve(solver: Solver, form: FormulationModel, options: SolveOptions) -> Answer:
    """The solver's answer to a model, over as many rounds as it takes where the model is a relaxation that can be refined.

    The answer's values are then those of ``form`` for the best network by exact arithmetic, and its objective is its own.
    Nodes and seconds are sums over the rounds; the root bound is that of the first one. The bound is valid whatever the status.
    ``form`` stays as it is, and what it excludes stays excluded.

    Raises
    ------
    MissingExtraError, SpecError
        As :meth:`mipdesign.mip.solver.Solver.solve`.
    """
    if form.refinement is None:
        return solver.solve(form, options)
    return _Rounds(solver, form, options).run()


@dataclass
class _Rounds:
    """What is known of a problem between two rounds.

    Attributes
    ----------
    form:
        The model that the caller knows.
    model:
        That of the present round.
    """

    solver: Solver
    form: FormulationModel
    options: SolveOptions
    best: Candidate | None = None
    bound: float = math.inf
    answers: list[Answer] = field(default_factory=list)
    trace: list[TracePoint] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.model = self.form
        if self.options.start is not None:
            self._judge(self.form.position(self.options.start))

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning, with building."""
        return time.monotonic() - self.began

    def run(self) -> Answer:
        """Rounds until the gap is closed, or something else ends them."""
        while True:
            left = self.options.time_limit - self.elapsed
            if self.answers and left <= 0:
                return self._answer("limit", "no time for another round")
            before = self.elapsed
            answer = self.solver.solve(self.model, replace(self.options, time_limit=max(left, 0.0), start=self._start()))
            self.answers.append(answer)
            self._note(answer, before)
            position = None if answer.values is None else self.model.position(answer.values)
            if position is not None:
                self._judge(position)
            if answer.status == "infeasible":
                return self._answer("infeasible" if self.best is None else "optimal", answer.message)
            self._bound_by(answer)
            if answer.status != "optimal":
                return self._answer(answer.status, answer.message)
            if position is None or position in self.model.excluded:
                return self._answer("failed", "the solver reports an optimum without a network of the model")
            if self._is_closed(answer):
                return self._answer("optimal", answer.message)
            self.model = self.model.refined(position) or self.model.without(position)

    def _start(self) -> dict[str, float] | None:
        """The incumbent for a solver that takes one; what cuts networks off has variables that starts do not know."""
        if self.best is None or self.model.excluded or Capability.START not in self.solver.capabilities:
            return None
        return self.model.start(self.best.position)

    def _judge(self, position: Position) -> None:
        """Makes a network the incumbent if it is feasible by exact arithmetic, and better."""
        problem, architecture = self.form.tables.problem, self.form.tables.architecture(position)
        if position in self.form.excluded or problem.violations(architecture):
            return
        objective = problem.evaluator(architecture).evaluation.objective
        if self.best is None or objective > self.best.objective:
            self.best = Candidate(position, objective)

    def _bound_by(self, answer: Answer) -> None:
        """The dual bound of a round, or the optimum that it claims where the solver tells no bound."""
        found = answer.bound if answer.bound is not None or answer.status != "optimal" else answer.objective
        if found is not None:
            self.bound = min(self.bound, max(found, -math.inf if self.best is None else self.best.objective))

    def _is_closed(self, answer: Answer) -> bool:
        """Whether the round's optimum is the incumbent's objective."""
        if self.best is None or answer.objective is None:
            return False
        return answer.objective <= self.best.objective + CLOSED * max(1.0, abs(self.best.objective))

    def _note(self, answer: Answer, before: float) -> None:
        """Adds a round to the trace; objectives of relaxations are no primal bounds."""
        primal = None if self.best is None else self.best.objective
        for seconds, _, dual in answer.trace:
            bound = self.bound if dual is None else min(self.bound, dual)
            self.trace.append((before + seconds, primal, bound if math.isfinite(bound) else None))

    def _answer(self, status: Status, message: str) -> Answer:
        """What is known at the end."""
        best, first, n = self.best, self.answers[0], len(self.answers)
        if status in ("infeasible", "optimal") and self.answers[-1].status == "infeasible":
            self.bound = -math.inf if best is None else best.objective
        bound = None if self.bound == math.inf else self.bound
        objective = None if best is None else best.objective
        return Answer(
            status=status,
            values=None if best is None else self.form.start(best.position),
            objective=objective,
            bound=bound,
            nodes=None if any(a.nodes is None for a in self.answers) else sum(a.nodes or 0 for a in self.answers),
            build_seconds=self.elapsed - sum(a.solver_seconds for a in self.answers),
            solver_seconds=sum(a.solver_seconds for a in self.answers),
            message=f"{message} after {n} round{'s' * (n > 1)}",
            trace=(*self.trace, (self.elapsed, objective, bound)) if self.trace else (),
            root_bound=first.root_bound,
        )
