"""Networks at proven ranks: the optimum of a space, the best others, networks at shares of its objective, and random ones, all
within the budgets.

The best others are of a list that is proven complete: each is the best network that differs from all before it.
A network at a share comes from a random walk among the networks of the space that keep every budget, use one of them to at
least :data:`USE`, and reach the share: it starts at the proven optimum, takes :data:`STEPS` steps, and ends at the next network
that lies within :data:`BAND` above the share. A random network is the end of such a walk without a share. A step gives one part
of the network, or two, a uniformly random value; the parts are the stem, and the columns (channels, width, kernel) and the
depths of the super-blocks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mipdesign import Architecture, Problem, SpecError, design
from mipdesign.lattice.batch import Batch, evaluate_batch
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import Tables
from mipdesign.search.coverage import build_tables

USE, BAND, STEPS, MOST_STEPS, PROPOSALS = 0.9, 0.01, 400, 3000, 256
"""Least use of the budget that binds most; width of the band of objectives at a share, of the optimum's; steps of a walk before
it may end, and at most; networks that are looked at together for a step.
"""
OPTIMUM, BEST, RANDOM = "optimum", "best", "random"


@dataclass(frozen=True)
class Drawn:
    """A network of a study.

    Attributes
    ----------
    limit:
        Of the effectiveness, ``rho0``.
    group:
        ``optimum``, ``best`` for the others of the list, a share such as ``0.98``, or ``random``.
    share:
        Its objective divided by that of the optimum under the same limit.
    objective, effectiveness, layers, params, macs:
        Its figures in the problem's convention.
    network:
        As architecture files have it.
    """

    limit: float
    group: str
    share: float
    objective: float
    effectiveness: float
    layers: int
    params: int
    macs: int
    network: dict[str, Any]

    @classmethod
    def of(cls, problem: Problem, limit: float, group: str, optimum: float, network: Architecture) -> Drawn:
        """A network with its figures."""
        figures = problem.evaluator(network).evaluation
        share = figures.objective / optimum
        counts = (figures.layers, figures.params_total, figures.macs)
        return cls(limit, group, share, figures.objective, figures.effectiveness, *counts, network.to_dict())


def draw(
    problem: Problem,
    limits: Sequence[float],
    best: int,
    different: str,
    shares: Sequence[float],
    each: int,
    randoms: int,
    seed: int,
) -> Iterator[Drawn]:
    """The networks of a study, limit by limit: the ``best`` ones that are ``different``, ``each`` networks at every share, and
    random ones; fewer where there are, or walks find, no more.

    Raises
    ------
    SpecError
        If no network keeps the budgets under a limit, or the optimum is not positive.
    """
    for limit in limits:
        problem = problem.with_limits({"effectiveness": limit})
        found = design(problem, seed=seed, best=best, different=different)
        if found.status != "optimal" or found.objective is None or found.pool is None:
            raise SpecError("--rho", f"{limit:g}: the run ended {found.status!r}", "loosen the limit, or another budget")
        if found.objective <= 0:
            fault = f"has an optimum of {found.objective:g} under {limit:g}: shares of it mean nothing"
            raise SpecError("--space", fault, "give an objective that is positive, for example by a constant in each row")
        known = {member.architecture for member in found.pool}
        for member in found.pool:
            group = OPTIMUM if member.rank == 1 else BEST
            yield Drawn.of(problem, limit, group, found.objective, member.architecture)
        tables = build_tables(problem)
        start = tables.position(found.pool[0].architecture)
        for index, share in enumerate([*shares, None]):
            for number in range(randoms if share is None else each):
                rng = np.random.default_rng([seed, round(1e6 * limit), index, number])
                network = _walked(tables, start, found.objective, share, rng, known)
                if network is not None:
                    known.add(network)
                    yield Drawn.of(problem, limit, RANDOM if share is None else f"{share:g}", found.objective, network)


def _walked(
    tables: Tables, start: Position, optimum: float, share: float | None, rng: np.random.Generator, known: set[Architecture]
) -> Architecture | None:
    """The end of a walk, a network that is not among the known ones; ``None`` after :data:`MOST_STEPS` steps."""
    least, most = (-math.inf, math.inf) if share is None else (share * optimum, (share + BAND) * optimum)
    place = start
    for step in range(MOST_STEPS):
        proposals = _neighbours(tables, place, rng)
        evaluation = evaluate_batch(tables, proposals)
        upper = tables.limits > 0  # a lower limit stands as an upper one of the negative count
        use = (evaluation.counts[upper] / tables.limits[upper, None]).max(axis=0, initial=0.0 if upper.any() else 1.0)
        good = np.flatnonzero(evaluation.feasible & (use >= USE) & (evaluation.objective >= least))
        if not len(good):
            continue
        chosen = good[0]  # proposals are independent: the first good one is a random good one
        columns, depths = proposals.columns[:, chosen].tolist(), proposals.depths[:, chosen].tolist()
        place = tables.canonical(Position(int(proposals.stem[chosen]), tuple(columns), tuple(depths)))
        if step >= STEPS and evaluation.objective[chosen] <= most:
            network = tables.architecture(place)
            if network not in known and not tables.problem.violations(network):
                return network
    return None


def _neighbours(tables: Tables, place: Position, rng: np.random.Generator) -> Batch:
    """Networks that differ from one in one part or two; chains and budgets aside."""
    n, parts = PROPOSALS, len(tables.stages)
    stem, columns, depths = np.full(n, place.stem), np.tile(place.columns, (n, 1)).T, np.tile(place.depths, (n, 1)).T
    for what in rng.integers(0, 2 * parts + 1, (2, n)):
        stem[what == 2 * parts] = rng.integers(0, len(tables.stem_c), n)[what == 2 * parts]
        for i, stage in enumerate(tables.stages):
            columns[i, what == i] = rng.integers(0, len(stage.c), n)[what == i]
            depths[i, what == parts + i] = rng.choice(stage.depths, n)[what == parts + i]
    return Batch(stem, columns, depths)
