"""Good multipliers of a cell: the level method, for large cells on a restricted master (sifting)."""

from __future__ import annotations

import math

import numpy as np

from .multipliers import Multipliers
from .paths import Paths
from .relaxation import Optimised, Relaxation

SIFTED_COLUMNS, SIFTED_EVALUATIONS = 1500, 10
"""Least columns of a cell, and least evaluations, for which a bound is lowered on a restricted master."""
SHARE, LEAST_COLUMNS, ROUNDS = 16, 200, 4
"""One in how many columns enter the master in each round, how many at least, and most rounds."""


def optimise(
    relaxation: Relaxation, start: Multipliers, max_evaluations: int, known: Paths | None = None, tolerance: float = 0.05
) -> Optimised:
    """Lowers the bound of a cell by a level method on its convex dual function (:meth:`Relaxation.minimise`).

    The level's lower end starts below the cutoff, so the method stops as soon as the cell is excluded, or when its own model
    shows that the bound can fall by no more than ``tolerance`` of its distance to the cutoff. Paths ``known`` from a larger
    cell are cuts of the model from the start, where they lie in this one.
    """
    paths = Paths.none(relaxation.arrays) if known is None else known
    if relaxation.n_columns < SIFTED_COLUMNS or max_evaluations < SIFTED_EVALUATIONS:
        return relaxation.minimise(start, max_evaluations, paths, tolerance)
    return _sift(relaxation, start, max_evaluations, paths, tolerance)


def _sift(r: Relaxation, start: Multipliers, max_evaluations: int, known: Paths, tolerance: float) -> Optimised:
    """Lowers the bound of a restricted master, the columns whose networks have the largest bounds, until that of all columns
    is hardly larger: few columns are ever on a best path. What it returns is a bound of all columns.
    """
    chosen, number = r.on_paths(known), max(LEAST_COLUMNS, r.n_columns // SHARE)
    best, of_master, evaluations = r.bound(start), -math.inf, 1
    multipliers, latest = start, best
    paths, weights = known.with_more(best.path), np.zeros(len(known) + 1)
    for _ in range(ROUNDS):
        if best.outward < r.cutoff or latest.value <= of_master + tolerance * (best.value - r.cutoff):
            break
        chosen |= latest.restricted_master(number)
        master = r.part(chosen)
        if master is None:
            break
        found = master.minimise(multipliers, max_evaluations, paths, tolerance)
        of_master, latest = found.bound.value, r.bound(found.multipliers)
        evaluations += found.evaluations + 1
        paths, weights = found.paths.with_more(latest.path), np.append(found.weights, 0.0)
        if latest.value < best.value:
            best, multipliers = latest, found.multipliers
    return Optimised(best, multipliers, paths, weights, evaluations)
