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

Every price vector gives a valid bound, whatever its origin; :func:`optimise` looks for good ones, and a certificate needs
only the prices. Floating-point sums are rounded outward: a bound comes with :attr:`Bound.error`, and "below a cutoff" means
``value + error < cutoff``. Formulas and the error analysis: ``docs/theory.md``.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..lattice.batch import Batch
from ..lattice.cell import Cell
from ..lattice.tables import PLACE, Bools, Floats, Ints, Tables
from .dual import Paths, evaluate, minimise, ranges_of
from .longest_path import Chain, build_groups, find_limited, gather, keep, list_paths

MOST_LISTED = 20_000
"""Most networks that a search for all of them returns."""
PART_COLUMNS, PART_EVALUATIONS = 1500, 10
"""Least columns of a cell, and least evaluations, for which a bound is lowered by parts."""
PART, LEAST_PART, PART_ROUNDS = 16, 200, 4
"""One in how many columns such a part takes in each round, how many at least, and most rounds."""
SAMPLE = 2000
"""Columns from which it is estimated which are the foremost ones."""


@dataclass(frozen=True)
class Multipliers:
    """The multipliers of one bound.

    Attributes
    ----------
    budget:
        Objective per unit of each additive budget, shape ``(budgets,)``, non-negative.
    rho:
        Objective per nat of each effectiveness constraint, shape ``(rho_stages,)``, non-negative.
    layer:
        Objective per layer of each effectiveness constraint's prefix, shape ``(rho_stages,)``.
    depth:
        Gradient of the penalty, objective per block, shape ``(penalised super_blocks,)``; only its deviations from the mean
        count.
    weight:
        1, or 0 to leave the objective out: a negative bound then proves that the cell holds no feasible network.
    """

    budget: Floats
    rho: Floats
    layer: Floats
    depth: Floats
    weight: float = 1.0

    @classmethod
    def initial(cls, tables: Tables, worth: float, weight: float = 1.0) -> Multipliers:
        """Prices that value each whole budget at a third of ``worth``, lower limits at nothing."""
        n = len(tables.rho_stages)
        rho = np.zeros(n)
        rho[-1:] = worth / 200.0
        return cls(
            budget=np.where(tables.limits > 0, worth / 3.0 / np.maximum(tables.limits, 1), 0.0),
            rho=rho,
            layer=7.0 * rho,
            depth=np.zeros(len(tables.penalised)),
            weight=weight,
        )

    @cached_property
    def vector(self) -> Floats:
        """All but the weight in one row."""
        return np.concatenate([self.budget, self.rho, self.layer, self.depth])

    @property
    def valid(self) -> bool:
        """Whether they make a bound: multipliers of inequalities are not negative."""
        return bool((self.budget >= 0).all() and (self.rho >= 0).all())

    def at(self, vector: Floats) -> Multipliers:
        """Prices of the same shapes and weight from one row."""
        nb, nr = len(self.budget), len(self.rho)
        depth = vector[nb + 2 * nr :]
        return Multipliers(vector[:nb], vector[nb : nb + nr], vector[nb + nr : nb + 2 * nr], depth, self.weight)

    def to_list(self) -> list[float]:
        """All numbers in one row."""
        return [self.weight, *self.vector.tolist()]

    @classmethod
    def from_list(cls, tables: Tables, row: list[float]) -> Multipliers:
        """Inverse of :meth:`to_list`."""
        empty = cls.initial(tables, 0.0, float(row[0]))
        if len(row) != 1 + len(empty.vector):
            raise ValueError(f"a row of {1 + len(empty.vector)} prices is expected, not {len(row)}")
        return empty.at(np.array(row[1:], dtype=np.float64))


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
        return part if part._link(self.chain.rows[chosen], self.chain.table[:, chosen]) else None

    def bound(self, prices: Multipliers) -> Bound:
        """The bound at given prices, and a network that attains it."""
        path = Paths.none(self.arrays, 1)
        value, self.error, self.constant, self.worth, self.passed = evaluate(
            self.arrays, self.chain, self.ranges, prices.vector, prices.weight, path.table[0]
        )
        return Bound(value, self.error, path)

    @property
    def _least(self) -> float:
        """What a path has to be worth at the prices of the last :meth:`bound` for it to reach the cutoff."""
        return self.cutoff - self.error - self.constant

    def reduced(self) -> Cell | None:
        """The part of the cell whose own bounds reach the cutoff, at the prices of the last :meth:`bound`; ``None`` if empty.

        A forward and a backward pass give, for every column and every stem, the bound of the networks that use it.
        """
        cell, at = self.cell, self.chain.at
        some, spares, stem, low, high = keep(self.arrays, self.chain, self.worth, self.passed, self._least)
        if not some:
            return None
        for i, s in enumerate(self.tables.stages):
            first, stop = s.depths.searchsorted(low[i]), s.depths.searchsorted(high[i], "right")
            if first == stop:
                return None
            low[i], high[i] = s.depths[first], s.depths[stop - 1]
        columns = tuple(c[spares[at[i] : at[i + 1]] >= 0] for i, c in enumerate(cell.columns))
        return Cell(cell.stem[stem], columns, low, high).tied(self.tables)

    def foremost(self, number: int) -> Bools:
        """About so many columns whose networks have the largest bounds at the prices of the last :meth:`bound`, of those that
        reach the cutoff.
        """
        _, spares, *_ = keep(self.arrays, self.chain, self.worth, self.passed, self._least)
        sample = spares[:: max(1, len(spares) // SAMPLE)]
        rank = len(sample) - max(1, number * len(sample) // len(spares))
        least = np.partition(sample, rank)[rank]
        foremost: Bools = (spares >= least) & (spares >= 0)
        return foremost

    def on_paths(self, paths: Paths) -> Bools:
        """The columns that networks use, those that the cell has."""
        chosen = np.zeros(len(self.chain.rows), dtype=bool)
        for first, columns, used in zip(self.chain.at, self.cell.columns, paths.columns.T, strict=False):
            places = np.minimum(columns.searchsorted(used), len(columns) - 1)
            chosen[first + places[columns[places] == used]] = True
        return chosen

    def networks(self, max_steps: int) -> Batch | None:
        """All networks that keep the additive budgets and whose own bound at the prices of the last :meth:`bound` reaches the
        cutoff; ``None`` if there are more than a search of ``max_steps`` steps finds.
        """
        m = len(self.cell.columns)
        depths = [self.cell.depths(self.tables, i) for i in range(m)]
        steps, _, found = list_paths(
            self.arrays,
            self.chain,
            self.worth,
            self.passed,
            self.cell.stem,
            np.concatenate(depths),
            np.cumsum([0] + [len(d) for d in depths]),
            self._least,
            max_steps,
            MOST_LISTED,
        )
        return None if steps > max_steps else Batch(found[:, 0], found[:, 1 : 1 + m].T, found[:, 1 + m :].T)


@dataclass(frozen=True)
class Optimised:
    """Outcome of :func:`optimise`: the least bound, its prices, the paths seen and their weights in the last model."""

    bound: Bound
    prices: Multipliers
    paths: Paths
    weights: Floats
    evaluations: int


def optimise(
    relaxation: Relaxation, start: Multipliers, max_evaluations: int, known: Paths | None = None, tolerance: float = 0.05
) -> Optimised:
    """Lowers the bound of a cell by a level method on its convex dual function (:func:`mipdesign.bounds.dual.minimise`).

    The level's lower end starts below the cutoff, so the method stops as soon as the cell is excluded, or when its own model
    shows that the bound can fall by no more than ``tolerance`` of its distance to the cutoff. Paths ``known`` from a larger
    cell are cuts of the model from the start, where they lie in this one.
    """
    paths = Paths.none(relaxation.arrays) if known is None else known
    if len(relaxation.chain.rows) < PART_COLUMNS or max_evaluations < PART_EVALUATIONS:
        return _minimise(relaxation, start, max_evaluations, paths, tolerance)
    return _by_parts(relaxation, start, max_evaluations, paths, tolerance)


def _minimise(r: Relaxation, start: Multipliers, max_evaluations: int, known: Paths, tolerance: float) -> Optimised:
    value, error, at, vector, seen, weights, evaluations = minimise(
        r.arrays, r.chain, r.ranges, start.vector, start.weight, r.cutoff, known.table, max_evaluations, tolerance
    )
    paths = replace(known, table=seen)
    bound = Bound(value, error, paths.take(slice(at, at + 1)))
    return Optimised(bound, start.at(vector), paths, weights, evaluations)


def _by_parts(r: Relaxation, start: Multipliers, max_evaluations: int, known: Paths, tolerance: float) -> Optimised:
    """Lowers the bound of a small part of the columns, those whose networks have the largest bounds, until that of all columns
    is hardly larger: few columns are ever on a best path. What it returns is a bound of all columns.
    """
    chosen, number = r.on_paths(known), max(LEAST_PART, len(r.chain.rows) // PART)
    best, of_part, evaluations = r.bound(start), -math.inf, 1
    prices, latest = start, best
    paths, weights = known.with_more(best.path), np.zeros(len(known) + 1)
    for _ in range(PART_ROUNDS):
        if best.outward < r.cutoff or latest.value <= of_part + tolerance * (best.value - r.cutoff):
            break
        chosen |= r.foremost(number)
        part = r.part(chosen)
        if part is None:
            break
        found = _minimise(part, prices, max_evaluations, paths, tolerance)
        of_part, latest = found.bound.value, r.bound(found.prices)
        evaluations += found.evaluations + 1
        paths, weights = found.paths.with_more(latest.path), np.append(found.weights, 0.0)
        if latest.value < best.value:
            best, prices = latest, found.prices
    return Optimised(best, prices, paths, weights, evaluations)
