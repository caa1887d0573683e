"""Lagrangian chain bounds: valid upper bounds for the objective over a cell, and the choices that they exclude.

Pricing the budgets and linearising what is convex leaves a problem that is additive along the chain of super-blocks and
coupled only through the channels of neighbours; a longest path through the channel lattice
(``native/longest_path.h``) solves it exactly. Four surrogates make it so:

* the penalty ``beta Q`` is convex in the depths ``d`` and priced by its gradient ``gamma``:
  ``-beta Q(d) <= max_d' (gamma d' - beta Q(d')) - gamma d``;
* ``rho <= rho0``, which reads ``sum log w >= phi(n)`` with ``phi(n) = n log n - n log rho0`` convex, is priced by ``mu``, and
  its layer count by ``pi``: ``-mu phi(n) <= max_m (pi m - mu phi(m)) - pi n``;
* a priced effectiveness ``p max_j rho_j`` is ``p t`` with the least ``t`` at which ``S_j >= n log n - n log t`` for all ``j``;
  the right side is convex in ``(n, t)``, so ``mu`` and ``pi`` serve here too, at the ``t`` of the cell that is best for them;
* the products ``log(r^2 C_j) S_j`` are replaced by their McCormick overestimator ``x_u S + S_l (x - x_u)`` on the cell; a score
  that adds has none.

Any multipliers give a valid bound, whatever their origin; :func:`mipdesign.bounds.optimise.optimise` looks for good ones, and a
certificate needs only them. Floating-point sums are rounded outward: a bound comes with :attr:`Bound.error`, and "below a
cutoff" means ``value + error < cutoff``. Formulas and the error analysis: ``docs/theory.md``.
"""

from __future__ import annotations

import copy
import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..lattice.arrays import Bools, Floats, Ints
from ..lattice.batch import Batch
from ..lattice.cell import Cell
from ..lattice.tables import Tables
from ..native.library import doubles, function, integers
from .multipliers import Multipliers
from .paths import Paths
from .ranges import Ranges

MOST_LISTED = 20_000
"""Most networks that a search for all of them returns."""
SAMPLE = 2000
"""Columns from which it is estimated which ones a restricted master takes."""
MADE, EMPTY = 0, 1
"""What the core says of a new relaxation; anything else is a lack of memory."""

_new = function("relaxation_new", "p", "ppppippdp")
_part = function("relaxation_part", "p", "ppp")
_free = function("relaxation_free", "", "p")
_ranges = function("relaxation_ranges", "", "pp")
_minimise = function("relaxation_minimise", "", "ppddpiidppppp")
_gain = function("relaxation_gain", "d", "pp")
_bound = function("bound_new", "p", "ppdpp")
_free_bound = function("bound_free", "", "p")
_fix = function("bound_fix", "i", "pdpppp")
_list = function("bound_list", "i", "pppdiipp")


class _Handle:
    """Something of the core, given back when nothing refers to it any more; what it refers to lives as long."""

    def __init__(self, address: int, free: Callable[[int], None], *needed: object) -> None:
        self.address, self.free, self.needed = address, free, needed

    def __del__(self) -> None:
        self.free(self.address)


@dataclass(frozen=True)
class Bound:
    """A bound of a cell: ``value + error`` is at least the objective of every network of it that reaches the cutoff."""

    value: float
    error: float
    path: Paths
    """A single network."""

    @property
    def outward(self) -> float:
        """The bound, rounded outward."""
        return self.value + self.error


@dataclass(frozen=True)
class Optimised:
    """The least bound found, its multipliers, the paths seen and their weights in the last model of the dual function."""

    bound: Bound
    multipliers: Multipliers
    paths: Paths
    weights: Floats
    evaluations: int


class Relaxation:
    """The chain relaxation of one cell, for networks whose objective is at least ``cutoff``.

    Attributes
    ----------
    empty:
        Whether chain rule and ties alone leave no network in the cell; there is no bound then.
    cell:
        The part of the cell that the ties leave; the relaxation knows of no other consequence of them.
    """

    def __init__(self, tables: Tables, cell: Cell, cutoff: float) -> None:
        self.tables, self.cutoff, self.arrays = tables, cutoff, tables.arrays
        part = cell.tied(tables)
        self.empty = part is None
        if part is None:
            return
        self.cell, status = part, ctypes.c_int64()
        addresses, sizes = part.addresses
        rest = (integers(sizes), integers(part.stem), len(part.stem), integers(part.low), integers(part.high), cutoff)
        made = _new(self.arrays.address, ctypes.addressof(addresses), *rest, ctypes.addressof(status))
        self._own(made, status.value, self.arrays)

    def _own(self, made: int | None, status: int, *needed: object) -> None:
        self.empty = status == EMPTY
        if made is not None:
            self._handle = _Handle(made, _free, *needed)
        elif not self.empty:
            raise MemoryError("there is no memory for the bound of a cell")

    @property
    def n_columns(self) -> int:
        """Columns of all super-blocks together."""
        return self.cell.n_columns

    @cached_property
    def at(self) -> Ints:
        """Where the columns of each super-block begin among all, and how many there are."""
        return np.cumsum([0] + [len(columns) for columns in self.cell.columns])

    @cached_property
    def ranges(self) -> Ranges:
        """Ranges of ``S_j``, ``n_j`` and ``x_j`` over the cell."""
        stages = self.tables.n_stages
        out = np.empty(9 * stages + 4)
        _ranges(self._handle.address, doubles(out))
        return Ranges(*out[: 9 * stages].reshape(9, stages), *out[9 * stages :].tolist())

    def part(self, chosen: Bools) -> Relaxation | None:
        """The same relaxation of some columns only, a lower one; ``None`` if no path is left."""
        part, at, status = copy.copy(self), self.at, ctypes.c_int64()
        part.__dict__.pop("at", None)
        columns = tuple(c[chosen[at[i] : at[i + 1]]] for i, c in enumerate(self.cell.columns))
        part.cell = Cell(self.cell.stem, columns, self.cell.low, self.cell.high)
        made = _part(self._handle.address, chosen.ctypes.data, ctypes.addressof(status))
        part._own(made, status.value, self._handle)  # whose ranges it has
        return None if part.empty else part

    def bound(self, multipliers: Multipliers) -> CellBound:
        """The bound at given multipliers, and a network that attains it."""
        path, numbers = Paths.none(self.arrays, 1), np.empty(3)
        vector = multipliers.vector
        made = _bound(self._handle.address, doubles(vector), multipliers.weight, doubles(path.table), doubles(numbers))
        if made is None:
            raise MemoryError("there is no memory for the bound of a cell")
        value, error, constant = numbers.tolist()
        handle = _Handle(made, _free_bound, self._handle)
        return CellBound(value, error, path, self, handle, self.cutoff - error - constant)

    def minimise(self, start: Multipliers, max_evaluations: int, known: Paths, tolerance: float) -> Optimised:
        """Lowers the bound by a level method (Lemarechal, Nemirovskii, Nesterov 1995) on its convex dual function; paths
        ``known`` that lie in the cell come first among those seen.
        """
        room, vector = len(known) + max_evaluations, start.vector
        best, weights, numbers, sizes = np.empty(len(vector)), np.empty(room), np.empty(2), np.empty(3, dtype=np.int64)
        seen, cuts = Paths.none(self.arrays, room), np.ascontiguousarray(known.table)
        limits = (self.cutoff, doubles(cuts), len(known), max_evaluations, tolerance)
        results = (doubles(best), doubles(seen.table), doubles(weights), doubles(numbers), integers(sizes))
        _minimise(self._handle.address, doubles(vector), start.weight, *limits, *results)
        (value, error), (at, n, evaluations) = numbers.tolist(), sizes.tolist()
        if not evaluations:
            raise MemoryError("there is no memory for the bound of a cell")
        paths = seen.take(slice(0, n))
        return Optimised(Bound(value, error, paths.take(slice(at, at + 1))), start.at(best), paths, weights[:n], evaluations)

    def effectiveness_gain(self, multipliers: Multipliers) -> float:
        """A bound of ``sum_k max_n (pi_k n - mu_k phi(n))``, with the effectiveness not priced."""
        return float(_gain(self._handle.address, doubles(multipliers.vector)))

    def on_paths(self, paths: Paths) -> Bools:
        """The columns that networks use, those that the cell has."""
        chosen = np.zeros(self.n_columns, dtype=bool)
        for first, columns, used in zip(self.at, self.cell.columns, paths.columns.T, strict=False):
            places = np.minimum(columns.searchsorted(used), len(columns) - 1)
            chosen[first + places[columns[places] == used]] = True
        return chosen


@dataclass(frozen=True)
class CellBound(Bound):
    """The bound of a cell at given multipliers, and what follows from it.

    Attributes
    ----------
    relaxation:
        What is bounded.
    handle:
        What the parts of a network are worth at the multipliers, and the best paths to every column.
    least:
        What a path has to be worth for it to reach the cutoff.
    """

    relaxation: Relaxation
    handle: Any
    least: float

    def _spares(self) -> tuple[bool, Floats, Bools, Ints, Ints]:
        r = self.relaxation
        spares, stem = np.empty(r.n_columns), np.zeros(len(r.cell.stem), dtype=bool)
        low, high = r.cell.low.copy(), r.cell.high.copy()
        results = (doubles(spares), stem.ctypes.data, integers(low), integers(high))
        some = _fix(self.handle.address, self.least, *results)
        if some < 0:
            raise MemoryError("there is no memory for the reduced costs of a cell")
        return bool(some), spares, stem, low, high

    def fix_by_reduced_cost(self) -> Cell | None:
        """The part of the cell whose own bounds reach the cutoff; ``None`` if empty.

        A forward and a backward pass give, for every column and every stem, the bound of the networks that use it.
        """
        cell, at, tables = self.relaxation.cell, self.relaxation.at, self.relaxation.tables
        some, spares, stem, low, high = self._spares()
        if not some:
            return None
        for i, s in enumerate(tables.stages):
            first, stop = s.depths.searchsorted(low[i]), s.depths.searchsorted(high[i], "right")
            if first == stop:
                return None
            low[i], high[i] = s.depths[first], s.depths[stop - 1]
        columns = tuple(c[spares[at[i] : at[i + 1]] >= 0] for i, c in enumerate(cell.columns))
        return Cell(cell.stem[stem], columns, low, high).tied(tables)

    def restricted_master(self, number: int) -> Bools:
        """About so many columns whose networks have the largest bounds, of those that reach the cutoff: the ones that a
        restricted master takes next.
        """
        _, spares, *_ = self._spares()
        sample = spares[:: max(1, len(spares) // SAMPLE)]
        rank = len(sample) - max(1, number * len(sample) // len(spares))
        least = np.partition(sample, rank)[rank]
        chosen: Bools = (spares >= least) & (spares >= 0)
        return chosen

    def networks(self, max_steps: int) -> Batch | None:
        """All networks that keep the additive budgets and whose own bound reaches the cutoff; ``None`` if there are more than a
        search of ``max_steps`` steps finds.
        """
        r, m = self.relaxation, len(self.relaxation.cell.columns)
        depths = [r.cell.depths(r.tables, i) for i in range(m)]
        every, at = np.concatenate(depths), np.cumsum([0] + [len(d) for d in depths])
        found, steps = np.empty((MOST_LISTED, 1 + 2 * m), dtype=np.int64), ctypes.c_int64()
        limits = (self.least, max_steps, MOST_LISTED)
        n = _list(self.handle.address, integers(every), integers(at), *limits, integers(found), ctypes.addressof(steps))
        if steps.value < 0:
            raise MemoryError("there is no memory for the networks of a cell")
        if steps.value > max_steps:
            return None
        return Batch(found[:n, 0].copy(), found[:n, 1 : 1 + m].T.copy(), found[:n, 1 + m :].T.copy())
