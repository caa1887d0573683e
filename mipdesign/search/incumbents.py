"""The incumbent of a run and its equals, and the cutoff that follows from it."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import TypeAlias

from ..lattice.position import Candidate
from ..lattice.tables import Tables
from ..networks.architecture import Architecture
from ..networks.evaluator import Evaluator
from ..problem.problem import Problem

OPTIMAL_GAP = 1e-6
"""Relative gap up to which a design is called optimal."""
EQUAL_MARGIN = 1e-7
"""Networks within this relative distance of the best are all compared exactly."""
MOST_EQUALS = 1000
"""Equals that are kept, the first ones in the order. Where an objective depends on few decisions there may be more of them than
there is memory for, and the optimum is the first one, whatever else is kept.
"""
MOST_COMPARED = 100_000
"""Equals among which the first one is looked for. A score that has more of them hardly depends on anything: a run ends then."""


def cutoff_of(objective: float, gap: float) -> float:
    """Objective below which networks need not be looked at: a little under the best, or above it by the gap asked for."""
    return objective - EQUAL_MARGIN * abs(objective) if gap <= OPTIMAL_GAP else objective + gap * (1 - 1e-12) * abs(objective)


def relative_gap(bound: float, objective: float) -> float:
    """``(bound - objective) / |objective|``, never negative."""
    return max(0.0, bound - objective) / max(abs(objective), 1e-9)


Place: TypeAlias = tuple[Decimal, int, float, Architecture]
"""The place of a design in the documented order."""


class Incumbents:
    """The best network so far and those that are within the margin of equals of it, each checked exactly.

    Attributes
    ----------
    best:
        The best network in floating point.
    networks:
        It and its equals, with their places in the order; of more than :data:`MOST_EQUALS` the first ones, as far as there is
        room.
    compared:
        How many equals there were since the best rose.
    beyond:
        A network that keeps all budgets and whose penalty is no number: it is no design.

    Parameters
    ----------
    on_kept:
        Told every network that is kept, the equals of the best among them: the answer is one of them.
    """

    def __init__(self, tables: Tables, gap: float, on_kept: Callable[[Candidate], None] = lambda kept: None) -> None:
        self.tables, self.gap, self.on_kept = tables, gap, on_kept
        self.best: Candidate | None = None
        self.networks: dict[Candidate, Place] = {}
        self.compared = 0
        self.beyond: Architecture | None = None
        self._refused: set[Candidate] = set()
        self._last: Place | None = None
        self._lock = threading.Lock()

    @property
    def cutoff(self) -> float:
        """Networks below it need not be looked at."""
        if self.best is None:
            return -math.inf
        return cutoff_of(self.best.objective, self.gap) if self.gap > OPTIMAL_GAP else self.least_equal(self.best)

    def least_equal(self, candidate: Candidate) -> float:
        """Objective from which a network may be as good as a candidate in exact arithmetic."""
        return candidate.objective - EQUAL_MARGIN * abs(candidate.objective) - 2 * self.tables.doubt

    @property
    def margin(self) -> float:
        """How far below the best a network may be that is as good in exact arithmetic."""
        return self.best.objective - self.least_equal(self.best) if self.best else 0.0

    def consider(self, candidate: Candidate) -> bool:
        """Checks a network exactly and keeps it within the margin of equals of the best; says whether the best rose. Any thread
        may call it.
        """
        with self._lock:
            return self._consider(candidate)

    def _consider(self, candidate: Candidate) -> bool:
        if candidate in self.networks or candidate in self._refused:
            return False
        problem, architecture = self.tables.problem, self.tables.architecture(candidate.position)
        evaluator = problem.evaluator(architecture)
        if problem.violations(architecture, evaluator):
            self._refused.add(candidate)
            return False
        if not math.isfinite(evaluator.evaluation.objective):
            self.beyond = architecture
            self._refused.add(candidate)
            return False
        exact = Candidate(candidate.position, evaluator.evaluation.objective)
        if exact != candidate:
            self._refused.add(candidate)
        if self.best is not None and exact.objective < self.least_equal(self.best):
            return False
        rises = self.best is None or exact.objective > self.best.objective
        place = design_order(problem, architecture, evaluator)
        self.compared += 1
        if not rises and self._last is not None and place > self._last:
            return False
        self.networks[exact] = place
        self.on_kept(exact)
        if rises:
            self.best, self.compared, self._last = exact, 0, None
            least = self.least_equal(exact)
            self.networks = {c: of for c, of in self.networks.items() if c.objective >= least}
        if len(self.networks) >= 2 * MOST_EQUALS:
            self._keep_first()
        return rises

    def _keep_first(self) -> None:
        """Drops the equals beyond the first ones. Of what stays, the networks that a better one leaves behind are worse than it
        in exact arithmetic, too, and then so is all that was dropped after them.
        """
        first = self._first()
        self.networks = {candidate: self.networks[candidate] for candidate in first}
        self._last = self.networks[first[-1]]

    def _first(self) -> list[Candidate]:
        return sorted(self.networks, key=self.networks.__getitem__)[:MOST_EQUALS]

    @property
    def too_many(self) -> bool:
        """Whether there are too many equals to find the first one among them."""
        return self.compared > MOST_COMPARED

    def ordered(self) -> list[Candidate]:
        """The best network in exact arithmetic and the first of its equals, in the order of :func:`design_order`."""
        with self._lock:
            return self._first()


def design_order(problem: Problem, architecture: Architecture, known: Evaluator | None = None) -> Place:
    """The documented order of designs: larger exact objective (40 digits), fewer parameters, fewer FLOPs, smaller numbers;
    ``known`` is the evaluator of the network, where there is one.
    """
    evaluator = known or problem.evaluator(architecture)
    evaluation = evaluator.evaluation
    return evaluator.exact_objective().copy_negate(), evaluation.params, evaluation.flops, architecture
