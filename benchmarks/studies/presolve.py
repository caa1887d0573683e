"""Presolve of a run: the package's own incumbent and Lagrangian bounds, before a formulation writes anything.

A network is found by :data:`RESTARTS` restarts of the heuristics, so that equal seeds give equal cells, and the bounds drop
every column, stem and depth of the space whose networks all stay below a cutoff just under it; where no network is found, those
that no network within the budgets has. What is left is made a box again (:func:`boxed`), which every formulation can write and
all are given alike.

The incumbent lies in the cell that is left. So a solver that calls this cell infeasible, or is content with less, is wrong, and
:func:`joined` leaves its answer as it is for the verdict.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np

from mipdesign.bounds.multipliers import Multipliers
from mipdesign.bounds.optimise import optimise
from mipdesign.bounds.relaxation import Relaxation
from mipdesign.lattice.arrays import Ints
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Candidate
from mipdesign.lattice.stage_tables import StageTables
from mipdesign.lattice.tables import Tables
from mipdesign.mip.formulation import Claim
from mipdesign.mip.solver import Answer
from mipdesign.search.branching import ROOT_EVALUATIONS
from mipdesign.search.heuristics import incumbent
from mipdesign.search.incumbents import OPTIMAL_GAP, cutoff_of, relative_gap

RESTARTS = 4
"""Runs of annealing, each with a descent."""
ROUNDS = 6
"""Most times that the bounds of what is left are taken again."""
WORTHWHILE = 0.95
"""A further round follows one that left at most this share of the columns and depths."""


@dataclass(frozen=True)
class Presolved:
    """What is left of a space.

    Attributes
    ----------
    incumbent:
        The best network found that keeps all budgets by exact arithmetic, with its exact objective; ``None`` if none was found.
    cell:
        The part of the space where better networks are, and the incumbent; ``None`` if it is proven that no network keeps all
        budgets.
    bound:
        No network that keeps all budgets has a larger objective; minus infinity if there is none.
    """

    incumbent: Candidate | None
    cell: Cell | None
    bound: float

    @property
    def is_proven(self) -> bool:
        """Whether nothing is left to be solved."""
        if self.incumbent is None:
            return self.cell is None
        return relative_gap(self.bound, self.incumbent.objective) <= OPTIMAL_GAP

    @property
    def answer(self) -> Answer:
        """The answer of a run that has nothing left to solve."""
        if self.incumbent is None:
            return Answer("infeasible", None, None, -math.inf, 0, 0.0, 0.0, "presolve")
        z = self.incumbent.objective
        return Answer("optimal", None, z, max(z, self.bound), 0, 0.0, 0.0, "presolve", root_bound=max(z, self.bound))


def presolved(tables: Tables, seed: int) -> Presolved:
    """Presolves the whole space; equal seeds give equal cells."""
    best = found(tables, seed)
    # prices of weight 0 leave the objective out: a bound below 0 is no feasible network (mipdesign.bounds.relaxation)
    cutoff = 0.0 if best is None else cutoff_of(best.objective, 0.0)
    worth = 3.0 if best is None else max(1.0, abs(cutoff))
    prices = Multipliers.initial(tables, worth, float(best is not None))
    cell, bound = Cell.whole(tables), math.inf
    for _ in range(ROUNDS):
        relaxation = Relaxation(tables, cell, cutoff)
        optimised = None if relaxation.empty else optimise(relaxation, prices, ROOT_EVALUATIONS)
        left = None
        if optimised is not None:
            prices = optimised.multipliers
            cell_bound = relaxation.bound(prices)
            reached = cell_bound.outward
            bound = reached if best is None else min(bound, reached)
            left = None if reached < cutoff else cell_bound.fix_by_reduced_cost()
        if left is None:
            return Presolved(best, None if best is None else cell, -math.inf if best is None else max(best.objective, cutoff))
        before, cell = choices(tables, cell), boxed(tables, cell, left)
        if choices(tables, cell) > WORTHWHILE * before:
            break
    return Presolved(best, cell, math.inf if best is None else max(bound, best.objective))


def found(tables: Tables, seed: int) -> Candidate | None:
    """The best network of :data:`RESTARTS` restarts that keeps all budgets exactly."""
    restarts, networks = itertools.count(), list[Candidate]()
    incumbent(tables, seed, math.inf, networks.append, lambda: next(restarts) >= RESTARTS)
    problem = tables.problem
    exact = []
    for position in dict.fromkeys(network.position for network in networks):
        architecture = tables.architecture(position)
        if not problem.violations(architecture):
            exact.append(Candidate(position, problem.evaluator(architecture).evaluation.objective))
    return max(exact, key=lambda network: network.objective, default=None)


def choices(tables: Tables, cell: Cell) -> int:
    """Columns, depths and stems of a cell, counted."""
    return len(cell.stem) + cell.n_columns + sum(len(cell.depths(tables, i)) for i in range(len(cell.columns)))


def boxed(tables: Tables, cell: Cell, part: Cell) -> Cell:
    """The smallest cell around a part of another that has a range of widths for each family and channel count, with all
    kernels: the columns of ``cell`` between those of ``part``.
    """
    columns = tuple(
        among[_between(s, among, kept)] for s, among, kept in zip(tables.stages, cell.columns, part.columns, strict=True)
    )
    return replace(part, columns=columns)


def _between(s: StageTables, among: Ints, kept: Ints) -> Ints:
    """Places of the columns whose family and channels, and kernel, some kept column has, and whose width is in its range."""
    chosen = np.isin(s.k[among], s.k[kept])
    inside = np.zeros(len(among), dtype=bool)
    for f, c in {(int(s.f[q]), int(s.c[q])) for q in kept}:
        widths = s.b[kept[(s.f[kept] == f) & (s.c[kept] == c)]]
        same = (s.f[among] == f) & (s.c[among] == c)
        inside |= same & (s.b[among] >= widths.min()) & (s.b[among] <= widths.max())
    return np.flatnonzero(chosen & inside)


def joined(before: Presolved, answer: Answer, claim: Claim, reaches: bool, tolerance: float) -> tuple[Answer, bool]:
    """A solver's answer about what was left, as one about the whole space, and whether the network is the incumbent.

    Parameters
    ----------
    reaches:
        Whether the formulation promises that the incumbent is in its model.
    tolerance:
        Relative error of objectives and bounds.
    """
    if before.incumbent is None or answer.status == "failed":
        return answer, False
    z, high = before.incumbent.objective, math.inf if claim == "lower" else before.bound
    least = z - tolerance * max(1.0, abs(z))
    said, bound, closed = answer.objective, answer.bound, answer.status in ("optimal", "infeasible")
    if claim != "lower" and reaches:
        contradicts = closed and (said is None or said < least)
        if contradicts or (bound is not None and bound < least):
            return answer, False
    takes = said is None or said < z
    changed = replace(
        answer,
        status="optimal" if closed else answer.status,
        objective=z if takes else said,
        values=None if takes else answer.values,
        bound=before.bound if bound is None else _clipped(bound, z, high),
        root_bound=_clipped(answer.root_bound, z, high),
        trace=tuple((seconds, _most(primal, z), _clipped(dual, z, high)) for seconds, primal, dual in answer.trace),
    )
    return changed, takes


def _most(primal: float | None, z: float) -> float:
    return z if primal is None else max(primal, z)


def _clipped(bound: float | None, low: float, high: float) -> float | None:
    """A bound of what was left as one of the whole space: not below the incumbent, not above the presolve's."""
    return None if bound is None else max(low, min(bound, high))
