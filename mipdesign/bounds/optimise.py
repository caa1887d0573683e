"""Good multipliers of a cell: the level method, for large cells on a restricted master (``native/sifting.h``)."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np

from ..native.library import doubles, function
from .multipliers import Multipliers
from .relaxation import Bound, Relaxation

SIFTED_COLUMNS, SIFTED_EVALUATIONS = 1500, 10
"""Least columns of a cell, and least evaluations, for which a bound is lowered on a restricted master."""
SHARE, LEAST_COLUMNS, ROUNDS = 16, 200, 4
"""One in how many columns enter the master in each round, how many at least, and most rounds."""

_optimise = function("relaxation_optimise", "i", "ppddidppp")


class Sifting(ctypes.Structure):
    """``Sifting`` of ``native/sifting.h``: when and how a restricted master is taken."""

    _fields_ = [(name, ctypes.c_int64) for name in ("sifted_columns", "sifted_evaluations", "share", "least_columns", "rounds")]

    @classmethod
    def usual(cls) -> Sifting:
        """The numbers of this module."""
        return cls(SIFTED_COLUMNS, SIFTED_EVALUATIONS, SHARE, LEAST_COLUMNS, ROUNDS)


@dataclass(frozen=True)
class Optimised:
    """The least bound found, its multipliers, and how many passes over all columns of the cell it took."""

    bound: Bound
    multipliers: Multipliers
    passes: int


def optimise(relaxation: Relaxation, start: Multipliers, max_evaluations: int, tolerance: float = 0.05) -> Optimised:
    """Lowers the bound of a cell by a level method (Lemarechal, Nemirovskii, Nesterov 1995) on its convex dual function.

    The level's lower end starts below the cutoff, so the method stops as soon as the cell is excluded, or when its own model
    shows that the bound can fall by no more than ``tolerance`` of its distance to the cutoff. Where the cell is large it lowers
    the bound of a restricted master, the columns whose networks have the largest bounds, until that of all columns is hardly
    larger: few columns are ever on a best path. What it returns is a bound of all columns.
    """
    vector, how = start.vector, Sifting.usual()
    best, numbers = np.empty(len(vector)), np.empty(2)
    limits = (relaxation.cutoff, max_evaluations, tolerance, ctypes.addressof(how))
    passes = _optimise(relaxation.address, doubles(vector), start.weight, *limits, doubles(best), doubles(numbers))
    if not passes:
        raise MemoryError("there is no memory for the bound of a cell")
    return Optimised(Bound(*numbers.tolist()), start.at(best), passes)
