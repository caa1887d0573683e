"""Many networks at once, as rows of stem, columns and depths: which keep all budgets, and which are the first in the order.

What floating point decides for certain is not decided again.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from typing import Any

import numpy as np

from ..lattice.arrays import Floats, Ints
from ..lattice.batch import Batch, evaluate_batch
from ..lattice.tables import Tables
from ..networks.architecture import Architecture
from ..networks.blocks import FAMILIES
from ..networks.budget_names import LOWER
from ..networks.operation import kernel_of
from .branching import NEAR, position_of
from .differences import Neighbourhood

MOST_SPARE = 200_000
"""Networks that a pool has beyond those wanted before it drops the worst: at most as many as are wanted."""


def error_of(tables: Tables, objective: float) -> float:
    """How far an objective in floating point may be from the exact one."""
    return 2 * tables.doubt + 1e-12 * abs(objective)


def lowered(tables: Tables, level: float) -> float:
    """A cutoff for networks that reach a level, whatever is rounded."""
    return level - NEAR * abs(level) - error_of(tables, level) if math.isfinite(level) else level


def batch_of(rows: Ints) -> Batch:
    """Rows as a batch."""
    m = rows.shape[1] // 2
    return Batch(rows[:, 0], rows[:, 1 : 1 + m].T, rows[:, 1 + m :].T)


def feasible(tables: Tables, rows: Ints) -> tuple[Ints, Floats]:
    """Those of some networks that keep all budgets, and what they are worth: counts are integers, and an effectiveness near its
    limit is decided exactly.
    """
    found = evaluate_batch(tables, batch_of(rows))
    fits = found.chained & (found.counts <= tables.limits[:, None]).all(axis=0) & np.isfinite(found.objective)
    if tables.rho is not None:
        excess = found.effectiveness / tables.arrays.rho - 1.0
        fits &= ~(excess > NEAR)
        for k in np.flatnonzero(fits & ~(excess < -NEAR)).tolist():
            fits[k] = not tables.problem.violations(tables.architecture(position_of(rows[k].tolist())))
    return rows[fits], found.objective[fits]


class Order:
    """The documented order of the networks of a problem, for many of them.

    Equal objectives are common: two super-blocks of one stage may exchange widths. What an objective depends on, its
    *signature*, is a few integers; the objective of each one is worked out once, and only where there are several to compare.
    """

    def __init__(self, tables: Tables) -> None:
        self.tables, problem = tables, tables.problem
        self._has_extra = tables.has_extra
        self._objectives: dict[Any, Decimal] = {}
        self._parts: dict[tuple[int, int, int, int], tuple[int, int]] = {}
        limited = [name.removeprefix(LOWER) for name in problem.budgets.limits() if name != "effectiveness"]
        signs = [-1 if name.startswith(LOWER) else 1 for name in problem.budgets.limits() if name != "effectiveness"]
        self._sums = [(limited.index(name), signs[limited.index(name)]) for name in ("params", "flops") if name in limited]

    def objective(self, row: Ints) -> Decimal:
        """The exact objective of a network, of 40 digits."""
        numbers = row.tolist()
        signature = self._signature(numbers)
        found = self._objectives.get(signature)
        if found is None:
            problem, architecture = self.tables.problem, self.tables.architecture(position_of(numbers))
            found = self._objectives[signature] = problem.evaluator(architecture).exact_objective()
        return found

    def _signature(self, row: list[int]) -> Any:
        """What an objective depends on: ends, products of widths and layers of the stages, and the spread of depths."""
        tables, m = self.tables, len(self.tables.stages)
        if self._has_extra:
            return tuple(row)
        channels, products, ends, seen = int(tables.stem_c[row[0]]), [1] * tables.n_stages, [0] * tables.n_stages, False
        of_stage, depths = [0] * tables.n_stages, [0] * len(tables.problem.space)
        ends[0] = channels
        for i, (s, stage) in enumerate(zip(tables.stages, tables.stage_of, strict=True)):
            column, depth = row[1 + i], row[1 + m + i]
            key = i, channels, column, depth
            part = self._parts.get(key)
            if part is None:
                part = self._parts[key] = self._part(*key)
            channels = int(s.c[column])
            products[stage] *= part[0]
            of_stage[stage] += part[1]
            depths[s.element.super_block] += depth * int(s.presence[column])
            seen |= FAMILIES[s.blocks[s.f[column]]].has_se
            ends[stage] = -channels if seen else channels
        chosen = [depths[i] for i in tables.penalised]
        spread = len(chosen) * sum(d * d for d in chosen) - sum(chosen) ** 2
        return channels, spread, *ends, *products, *of_stage

    def _part(self, i: int, channels: int, column: int, depth: int) -> tuple[int, int]:
        """The product of the widths of an element, and their number."""
        s = self.tables.stages[i]
        if not s.presence[column]:
            return 1, 0
        family, c, (_, kernel) = FAMILIES[s.blocks[s.f[column]]], int(s.c[column]), kernel_of(int(s.k[column]))
        first, later = (family.widths(before, c, int(s.b[column]), kernel) for before in (channels, c))
        widths = [int(w) for w in (*first, *(w for _ in range(depth - 1) for w in later))]
        return math.prod(widths), len(widths)

    def first(self, rows: Ints, objectives: Floats, count: int, threshold: Fraction | None) -> tuple[Ints, Floats]:
        """The first networks of the order that reach a threshold, at most so many."""
        if threshold is not None:
            error = error_of(self.tables, level := float(threshold))
            keeps = objectives >= level - error
            for k in np.flatnonzero(keeps & (objectives <= level + error)).tolist():
                keeps[k] = self.objective(rows[k]) >= threshold
            rows, objectives = rows[keeps], objectives[keeps]
        if len(rows) > count:
            least = float(np.partition(objectives, -count)[-count])
            keeps = objectives >= least - 2 * error_of(self.tables, least)
            rows, objectives = rows[keeps], objectives[keeps]
        order = np.argsort(-objectives, kind="stable")
        falling = objectives[order]
        errors = 2 * self.tables.doubt + 1e-12 * np.abs(falling)
        apart = falling[:-1] - falling[1:] > errors[:-1] + errors[1:]
        begin = 0
        for end in [*(np.flatnonzero(apart) + 1).tolist(), len(order)]:
            if end - begin > 1:
                order[begin:end] = order[begin:end][self._ranking(rows[order[begin:end]])]
            begin = end
            if begin >= count:
                break
        order = order[:count]
        return rows[order], objectives[order]

    def _ranking(self, rows: Ints) -> list[int]:
        """Some networks in order."""
        tables = self.tables
        if len(self._sums) == 2:
            counts = evaluate_batch(tables, batch_of(rows)).counts
            sums = [(counts[at] * sign).tolist() for at, sign in self._sums]
        else:
            figures = [tables.problem.evaluator(self._network(row)).evaluation for row in rows]
            sums = [[e.params for e in figures], [e.flops for e in figures]]
        one = len({self._signature(row) for row in rows.tolist()}) == 1
        falling = [Decimal(0) if one else self.objective(row).copy_negate() for row in rows]
        ranked = sorted(zip(falling, *sums, range(len(rows)), strict=True))
        found: list[int] = []
        for _, alike in groupby(ranked, key=lambda place: place[:-1]):
            places = [place[-1] for place in alike]
            found += sorted(places, key=lambda k: self._network(rows[k])) if len(places) > 1 else places
        return found

    def _network(self, row: Ints) -> Architecture:
        return self.tables.architecture(position_of(row.tolist()))


class Pool:
    """The networks that trees have listed, of which no more are kept than can be among the best.

    Attributes
    ----------
    level:
        What a network has to reach to be of interest: the floor, or the objective of the last of the best as far as known.
    total:
        How many are kept.
    """

    def __init__(self, tables: Tables, count: int, floor: float, near: Sequence[Neighbourhood] = ()) -> None:
        self.tables, self.count, self.near, self.level, self.total = tables, count, near, floor, 0
        self._parts: list[tuple[Ints, Floats]] = []
        self._order = Order(tables)
        self._lock = threading.Lock()

    def take(self, rows: Ints) -> None:
        """Takes in networks that no other call has; any thread may call it."""
        self.add(*feasible(self.tables, rows))

    def add(self, rows: Ints, objectives: Floats) -> None:
        """Takes in networks that keep all budgets."""
        keeps = objectives >= self.level - 2 * error_of(self.tables, self.level if math.isfinite(self.level) else 0.0)
        for neighbourhood in self.near:
            keeps &= ~neighbourhood.near(rows)
        rows, objectives = rows[keeps].astype(np.int32), objectives[keeps]
        with self._lock:
            self._parts.append((rows, objectives))
            self.total += len(rows)
            if self.total >= self.most:
                self._reduce()

    @property
    def most(self) -> int:
        """How many are kept before some are dropped."""
        return self.count + min(self.count, MOST_SPARE)

    def _reduce(self) -> None:
        """Raises the level to that of the last of the best, and drops what is below."""
        rows, objectives = self._all()
        least = float(np.partition(objectives, -self.count)[-self.count])
        if least > self.level:
            self.level = least
        keeps = objectives >= self.level - 2 * error_of(self.tables, self.level)
        rows, objectives = rows[keeps], objectives[keeps]
        if len(rows) >= self.most:  # equals of the last one, or nearly
            rows, objectives = self._order.first(rows, objectives, self.count, None)
        self._parts, self.total = [(rows, objectives)], len(rows)

    def _all(self) -> tuple[Ints, Floats]:
        width = 1 + 2 * len(self.tables.stages)
        if not self._parts:
            return np.empty((0, width), dtype=np.int32), np.empty(0)
        return np.concatenate([part[0] for part in self._parts]), np.concatenate([part[1] for part in self._parts])

    def networks(self) -> tuple[Ints, Floats]:
        """What is kept."""
        with self._lock:
            self._parts = [self._all()]
            return self._parts[0]
