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

from ..lattice.arrays import Bools, Ints
from ..lattice.batch import Batch
from ..lattice.cell import Cell
from ..lattice.tables import Tables
from ..native.library import doubles, function, integers
from .multipliers import Multipliers
from .paths import Paths
from .ranges import Ranges

MOST_LISTED = 20_000
"""Most networks that a search for all of them returns: that of ``native/listing.h``."""
MADE, EMPTY = 0, 1
"""What the core says of a new relaxation; anything else is a lack of memory."""

_new = function("relaxation_new", "p", "ppdp")
_part = function("relaxation_part", "p", "ppp")
_free = function("relaxation_free", "", "p")
_ranges = function("relaxation_ranges", "", "pp")
_on_paths = function("relaxation_on_paths", "", "ppip")
_gain = function("relaxation_gain", "d", "pp")
_bound = function("bound_new", "p", "ppdpp")
_free_bound = function("bound_free", "", "p")
_reduce = function("bound_reduce", "p", "pdp")
_master = function("bound_master", "b", "pdip")
_list = function("bound_list", "i", "pdipp")


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

    @property
    def outward(self) -> float:
        """The bound, rounded outward."""
        return self.value + self.error


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
        self.cell, status, view = part, ctypes.c_int64(), part.view()
        made = _new(self.arrays.address, ctypes.addressof(view), cutoff, ctypes.addressof(status))
        self._own(made, status.value, self.arrays)

    def _own(self, made: int | None, status: int, *needed: object) -> None:
        self.empty = status == EMPTY
        if made is not None:
            self._handle = _Handle(made, _free, *needed)
        elif not self.empty:
            raise MemoryError("there is no memory for the bound of a cell")

    @property
    def address(self) -> int:
        """Where the core has it, as long as this lives."""
        return self._handle.address

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
        path, numbers = Paths.none(self.arrays, 1), np.empty(2)
        vector = multipliers.vector
        made = _bound(self._handle.address, doubles(vector), multipliers.weight, doubles(path.table), doubles(numbers))
        if made is None:
            raise MemoryError("there is no memory for the bound of a cell")
        value, error = numbers.tolist()
        handle = _Handle(made, _free_bound, self._handle)
        return CellBound(value, error, path, self, handle)

    def effectiveness_gain(self, multipliers: Multipliers) -> float:
        """A bound of ``sum_k max_n (pi_k n - mu_k phi(n))``, with the effectiveness not priced."""
        return float(_gain(self._handle.address, doubles(multipliers.vector)))

    def on_paths(self, paths: Paths) -> Bools:
        """The columns that networks use, those that the cell has."""
        chosen, table = np.zeros(self.n_columns, dtype=bool), np.ascontiguousarray(paths.table)
        _on_paths(self._handle.address, doubles(table), len(paths), chosen.ctypes.data)
        return chosen


@dataclass(frozen=True)
class CellBound(Bound):
    """The bound of a cell at given multipliers, and what follows from it.

    Attributes
    ----------
    path:
        A single network that attains it.
    relaxation:
        What is bounded.
    handle:
        What the parts of a network are worth at the multipliers, and the best paths to every column.
    """

    path: Paths
    relaxation: Relaxation
    handle: Any

    def fix_by_reduced_cost(self) -> Cell | None:
        """The part of the cell whose own bounds reach the cutoff; ``None`` if empty.

        A forward and a backward pass give, for every column and every stem, the bound of the networks that use it.
        """
        failed = ctypes.c_bool()
        reduced = _reduce(self.handle.address, self.relaxation.cutoff, ctypes.addressof(failed))
        return Cell.taken(self.relaxation.tables, reduced, failed.value)

    def restricted_master(self, number: int) -> Bools:
        """About so many columns whose networks have the largest bounds, of those that reach the cutoff: the ones that a
        restricted master takes next.
        """
        chosen = np.zeros(self.relaxation.n_columns, dtype=bool)
        if not _master(self.handle.address, self.relaxation.cutoff, number, chosen.ctypes.data):
            raise MemoryError("there is no memory for the reduced costs of a cell")
        return chosen

    def networks(self, max_steps: int) -> Batch | None:
        """All networks that keep the additive budgets and whose own bound reaches the cutoff; ``None`` if there are more than a
        search of ``max_steps`` steps finds.
        """
        m = len(self.relaxation.cell.columns)
        found, steps = np.empty((MOST_LISTED, 1 + 2 * m), dtype=np.int64), ctypes.c_int64()
        n = _list(self.handle.address, self.relaxation.cutoff, max_steps, integers(found), ctypes.addressof(steps))
        if steps.value < 0:
            raise MemoryError("there is no memory for the networks of a cell")
        if steps.value > max_steps:
            return None
        return Batch(found[:n, 0].copy(), found[:n, 1 : 1 + m].T.copy(), found[:n, 1 + m :].T.copy())
