"""Lagrangian chain bounds: valid upper bounds for the objective over a cell, and the choices that they exclude.

Pricing the budgets and linearising what is convex leaves a problem that is additive along the chain of super-blocks and
coupled only through the channels of neighbours; a longest path through the channel lattice
(:mod:`mipdesign.bounds.longest_path`) solves it exactly. Four surrogates make it so:

* the penalty ``beta Q`` is convex in the depths ``d`` and priced by its gradient ``gamma``:
  ``-beta Q(d) <= max_d' (gamma d' - beta Q(d')) - gamma d``;
* ``rho <= rho0``, which reads ``sum log w >= phi(n)`` with ``phi(n) = n log n - n log rho0`` convex, is priced by ``mu``, and
  its layer count by ``pi``: ``-mu phi(n) <= max_m (pi m - mu phi(m)) - pi n``;
* a priced effectiveness ``p max_j rho_j`` is ``p t`` with the least ``t`` at which ``S_j >= n log n - n log t`` for all ``j``;
  the right side is convex in ``(n, t)``, so ``mu`` and ``pi`` serve here too, at the ``t`` of the cell that is best for them;
* the products ``log(r^2 C_j) S_j`` are replaced by their McCormick overestimator ``x_u S + S_l (x - x_u)`` on the cell.

Any multipliers give a valid bound, whatever their origin; :func:`mipdesign.bounds.optimise.optimise` looks for good ones, and a
certificate needs only them. Floating-point sums are rounded outward: a bound comes with :attr:`Bound.error`, and "below a
cutoff" means ``value + error < cutoff``. Formulas and the error analysis: ``docs/theory.md``.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np

from ..lattice.arrays import PLACE, Bools, Floats, Ints
from ..lattice.batch import Batch
from ..lattice.cell import Cell
from ..lattice.tables import Tables
from .chain import Chain, build_groups, find_limited, gather
from .dual import evaluate
from .enumeration import list_paths
from .longest_path import ArcWeights, ForwardPass
from .multipliers import Multipliers
from .paths import Paths
from .ranges import ranges_of
from .reduced_cost_fixing import fix_by_reduced_cost

MOST_LISTED = 20_000
"""Most networks that a search for all of them returns."""
SAMPLE = 2000
"""Columns from which it is estimated which ones a restricted master takes."""


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


class Relaxation:
    """The chain relaxation of one cell, for networks whose objective is at least ``cutoff``.

    Attributes
    ----------
    empty:
        Whether chain rule and ties alone leave no network in the cell; there is no bound then.
    cell:
        The part of the cell that the ties leave; the relaxation knows of no other consequence of them.
    ranges:
        Ranges of ``S_j``, ``n_j`` and ``x_j`` over the cell.
    """

    def __init__(self, tables: Tables, cell: Cell, cutoff: float) -> None:
        self.tables, self.cutoff, self.arrays = tables, cutoff, tables.arrays
        part = cell.tied(tables)
        self.empty = part is None
        if part is None:
            return
        self.cell = part
        rows = np.concatenate([c + o for c, o in zip(part.columns, self.arrays.offsets, strict=False)])
        table = tables.transposed if len(rows) == len(self.arrays.rows) else gather(self.arrays.rows, rows)
        self.empty = not self._link(rows, table)
        if not self.empty:
            self.ranges = ranges_of(self.arrays, self.chain, part.stem, cutoff)

    def _link(self, rows: Ints, table: Floats) -> bool:
        """Makes a chain of the cell's columns; whether it has a path."""
        cell = self.cell
        at = np.zeros(len(cell.columns) + 1, dtype=np.int64)
        np.cumsum([len(columns) for columns in cell.columns], out=at[1:])
        stem = self.tables.stem_c[cell.stem].astype(np.float64)
        alive, groups, starts, channels, logs, first, stop = build_groups(
            self.arrays.entering, self.arrays.entering_at, table, at, stem
        )
        if alive:
            limited, places = find_limited(table, at, stem), table[PLACE, starts[:-1]].astype(np.int64)
            outgoing, stems = (channels, logs, places, first, stop), (stem, np.log(stem), cell.stem)
            self.chain = Chain(rows, at, table, limited, groups, starts, *outgoing, *stems, cell.low, cell.high)
        return bool(alive)

    def part(self, chosen: Bools) -> Relaxation | None:
        """The same relaxation of some columns only, a lower one; ``None`` if no path is left."""
        at, cell, part = self.chain.at, self.cell, copy.copy(self)
        columns = tuple(c[chosen[at[i] : at[i + 1]]] for i, c in enumerate(cell.columns))
        part.cell = Cell(cell.stem, columns, cell.low, cell.high)
        table = self.chain.table.take(np.flatnonzero(chosen), axis=1)  # in the layout that loops are compiled for
        return part if part._link(self.chain.rows[chosen], table) else None

    def bound(self, multipliers: Multipliers) -> CellBound:
        """The bound at given multipliers, and a network that attains it."""
        path = Paths.none(self.arrays, 1)
        value, error, constant, weights, done = evaluate(
            self.arrays, self.chain, self.ranges, multipliers.vector, multipliers.weight, path.table[0]
        )
        return CellBound(value, error, path, self, weights, done, self.cutoff - error - constant)

    def on_paths(self, paths: Paths) -> Bools:
        """The columns that networks use, those that the cell has."""
        chosen = np.zeros(len(self.chain.rows), dtype=bool)
        for first, columns, used in zip(self.chain.at, self.cell.columns, paths.columns.T, strict=False):
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
    weights, forward_pass:
        What the parts of a network are worth at the multipliers, and the best paths to every column.
    least:
        What a path has to be worth for it to reach the cutoff.
    """

    relaxation: Relaxation
    weights: ArcWeights
    forward_pass: ForwardPass
    least: float

    def _spares(self) -> tuple[bool, Floats, Bools, Ints, Ints]:
        r = self.relaxation
        return fix_by_reduced_cost(r.arrays, r.chain, self.weights, self.forward_pass, self.least)

    def fix_by_reduced_cost(self) -> Cell | None:
        """The part of the cell whose own bounds reach the cutoff; ``None`` if empty.

        A forward and a backward pass give, for every column and every stem, the bound of the networks that use it.
        """
        cell, at, tables = self.relaxation.cell, self.relaxation.chain.at, self.relaxation.tables
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
        steps, _, found = list_paths(
            r.arrays,
            r.chain,
            self.weights,
            self.forward_pass,
            r.cell.stem,
            np.concatenate(depths),
            np.cumsum([0] + [len(d) for d in depths]),
            self.least,
            max_steps,
            MOST_LISTED,
        )
        return None if steps > max_steps else Batch(found[:, 0], found[:, 1 : 1 + m].T, found[:, 1 + m :].T)
