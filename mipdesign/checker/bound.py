"""Upper bounds of what the networks of cells score, from the multipliers of a certificate, and what they exclude.

With prices ``lambda, mu >= 0`` of the limits, ``pi`` and ``gamma`` the objective of every network that keeps all limits is at
most that of a sum which is additive along the chain of super-blocks (``docs/certificate.md`` has the proof)::

    sum_j a_j x_j S_j - beta Q - p rho + sum_b lambda_b (limit_b - count_b) + sum_k mu_k (S_k - n_k log(n_k / rho))

* ``x S <= u S + l (x - u)`` where ``x <= u`` and ``S >= l`` (McCormick 1976);
* ``n log(n / rho) >= (1 + log q) n - q rho`` for every ``q > 0``, a tangent of what is convex in ``(n, rho)``, so that
  ``-mu n log(n / rho) <= mu q rho + max_n' (pi - mu (1 + log q)) n' - pi n``;
* ``beta Q(s) >= beta Q(s0) + beta Q'(s0) (s - s0)`` for the spread ``s = |d - mean d|`` of the depths ``d``, and ``|gamma| s >=
  gamma d`` for every ``gamma`` of mean 0.

Every number is a float of relative error ``4 u``, ``u = 2^-53``; :attr:`.Terms.error` bounds what all of them come to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from .cell import Cell
from .hull import upper_hull
from .level import Groups, Level, heads
from .multipliers import Prices, power_of_two
from .super_block import Ints
from .tables import Floats, Tables
from .terms import Terms

CHUNK = 50_000
"""Pairs of columns and incoming channels that are looked at at a time: what a processor's cache holds."""
WORTH_A_HULL = 20_000
"""Pairs from which on a hull is made of the groups first."""


class Bounds:
    """The bounds of cells that have no part without a choice, each for networks whose objective is at least its ``cutoff``.

    ``value`` has one for every cell, -inf where it has no network.
    """

    def __init__(self, tables: Tables, cells: Sequence[Cell], cutoffs: Sequence[float], prices: Sequence[Prices]) -> None:
        self.tables, self.cells = tables, cells
        scale = np.array([power_of_two(p) for p in prices])  # of all that is priced: products with counts are to remain doubles
        self.goal = scale * cutoffs
        self.stems = Groups.of_stems([cell.stem for cell in cells], tables.space.stem)
        self.levels: list[Level] = []
        for i, table in enumerate(tables.stages):
            before = self.levels[-1].outward if i else self.stems
            self.levels.append(Level(table, [cell.columns[i] for cell in cells], before))
        self.terms = Terms(tables, cells, np.array(cutoffs), prices, scale, self.stems, self.levels)
        self._forward()
        best = np.maximum.reduceat(self.levels[-1].value, self.levels[-1].groups.begin) + self.terms.constant
        with np.errstate(over="ignore", invalid="ignore"):
            rounded = (best + self.terms.error + self.terms.unit * np.abs(best)) / scale
        self.value: Floats = np.where(best == -np.inf, best, rounded)

    @property
    def least(self) -> Floats:
        """What a path has to be worth, of every cell, to reach its cutoff."""
        least: Floats = self.goal - self.terms.constant - self.terms.error
        return least

    # ---------------------------------------------------------------- forward

    def _forward(self) -> None:
        """The best paths to every column and every channel count, from the stem on."""
        terms, into = self.terms, self.terms.stem
        for i, level in enumerate(self.levels):
            level.into, level.costs = into, self._costs(level)
            per_block = level.of(terms.block[i]) + level.of(terms.layer[i]) * level.rows[2]
            per_nat = level.of(terms.log[i])
            if level.table.block.present is not None:
                per_block = level.of(terms.block[i]) * level.present + level.of(terms.layer[i]) * level.rows[2]
            if level.table.correction is not None:
                per_block = per_block + level.of(terms.term[i]) * level.correction
            step = per_nat * (level.rows[0] + level.rows[1]) - level.costs[3] + per_block
            low, high, alone = terms.low[i], terms.high[i], level.table.rest_fits
            if alone is not None:  # columns of which there may be a single block only
                step = np.where(alone[level.columns], step, 0.0)
            level.step, first = step, per_nat * level.rows[1] + per_block
            if level.table.values is None:
                level.own = first + (np.where(step > 0, level.of(high), level.of(low)) - 1) * step
            else:
                level.by_depth = self._by_depth(level, i, first)
                level.own = level.by_depth.max(axis=0)
            if alone is not None:
                level.own[~alone[level.columns] & (level.of(low) > 1)] = -np.inf
            level.enter = self._entered(level)
            level.value = np.maximum.reduceat(level.enter + level.own, level.starts)
            level.value += terms.end[i][level.groups.owner] * level.log_c
            into = level.behind(level.value)
            if i + 1 < len(self.levels):
                into = into + terms.log[i + 1][level.outward.owner] * level.out_log_c

    def _by_depth(self, level: Level, i: int, first: Floats) -> Floats:
        """What columns are worth at each depth, with the table of values; -inf where that, or their cell, has no such depth."""
        assert level.table.values is not None
        depths, values = np.array(level.table.block.depths)[:, None], level.table.values[:, level.columns]
        may = (depths >= level.of(self.terms.low[i])) & (depths <= level.of(self.terms.high[i])) & (values != -np.inf)
        if level.table.rest_fits is not None:
            may &= (depths == 1) | level.table.rest_fits[level.columns]
        worth = first + (depths - 1) * level.step + level.of(self.terms.weight) * np.where(may, values, 0.0)
        return np.where(may, worth, -np.inf)

    def _costs(self, level: Level) -> list[Floats]:
        """What the priced limits charge for ``fixed, slope, twin, rest`` of every column."""
        n, size = len(self.terms.limits), len(level.columns)
        costs = [np.zeros(size) for _ in range(4)]
        for b in np.flatnonzero(self.terms.limits.any(axis=1)).tolist():
            price = level.of(self.terms.limits[b])
            for part, cost in enumerate(costs):
                cost += price * level.rows[3 + part * n + b]
        return costs

    def _entered(self, level: Level) -> Floats:
        """The best with which every column is entered, its first block's counts paid."""
        if level.table.block.continues:  # by its own state alone
            of_state = np.where(level.first < level.stop, level.into[level.doors[0]], -np.inf)
            return of_state[level.group] - level.costs[0]
        every = np.arange(len(level.columns))
        runs = self._first_of_runs(level, every)
        found, left = self._by_hull(level, runs)
        into, ci = np.where(level.shut, -np.inf, level.into[level.doors]), level.ci[level.doors]
        for part in self._chunks(level, runs[left]):
            at = runs[left[part]]
            group, values = self._less_slopes(level, at, ci)
            values += into[: len(values)].take(group, axis=1)
            found[left[part]] = values.max(axis=0)
        entered = np.repeat(found, np.diff(runs, append=len(every))) - level.costs[0]
        may = level.twins()
        twin = level.twin[level.group[may]]
        value = level.into[twin] - level.costs[2][may] - self.pair_cost(level, may, twin)
        entered[may] = np.maximum(entered[may], value)
        return entered

    def _chunks(self, level: Level, at: Ints) -> Iterator[slice]:
        """Columns that are looked at at a time, with all groups before."""
        size = max(1, CHUNK // len(level.doors))
        return (slice(begin, begin + size) for begin in range(0, len(at), size))

    def _less_slopes(self, level: Level, at: Ints, ci: Floats) -> tuple[Ints, Floats]:
        """The groups of some columns, and what the channels of those before cost that may enter each, its latencies included,
        as negative numbers, shape ``(doors, columns)``.
        """
        group = level.group[at]
        width = int(level.width[group].max())
        values = ci[:width].take(group, axis=1)
        closed = None if level.table.most is None else values > level.table.most[level.columns[at]]
        values *= -level.costs[1][at]
        if closed is not None:
            values[closed] = -np.inf
        if self._times_priced:
            values -= self.pair_cost(level, at, level.doors[:width, group])
        return group, values

    def _by_hull(self, level: Level, runs: Ints) -> tuple[Floats, Ints]:
        """Of each run the best of all groups, where that one may enter it, by the upper hull of ``(ci, into)`` of a single
        cell; and the places of the other runs.
        """
        found, every = np.full(len(runs), -np.inf), np.arange(len(runs))
        if self._times_priced or len(self.cells) > 1 or len(runs) * len(level.ci) < WORTH_A_HULL:
            return found, every
        hull = upper_hull(level.ci.tolist(), level.into.tolist())
        if not hull:
            return found, every[:0]
        x, y, slope, group = level.ci[hull], level.into[hull], level.costs[1][runs], level.group[runs]
        at = np.searchsorted(-np.diff(y) / np.diff(x), -slope) if len(hull) > 1 else np.zeros(len(runs), dtype=np.int64)
        best = np.array(hull)[at]
        inside = (level.first[group] <= best) & (best < level.stop[group]) & (best != level.twin[group])
        if level.table.most is not None:
            inside &= level.ci[best] <= level.table.most[level.columns[runs]]
        found[inside] = (y[at] - slope * x[at])[inside]
        return found, every[~inside]

    def _first_of_runs(self, level: Level, columns: Ints) -> Ints:
        """Where in some columns of a level those of one group begin that are entered alike."""
        if level.table.most is not None or self._times_priced:
            return np.arange(len(columns))
        return heads(level.group[columns], level.costs[1][columns])

    @property
    def _times_priced(self) -> bool:
        return any(self.terms.limits[row].any() for row in self.tables.of_latencies)

    def pair_cost(self, level: Level, at: Ints, entering: Ints) -> Any:
        """The price of what latencies add for columns, each entered by one of the groups before; or by a column of them."""
        cost: Any = 0.0
        for latency, row in enumerate(self.tables.of_latencies):
            if self.terms.limits[row].any():
                price = level.of(self.terms.limits[row], at)
                times = level.pair_times(latency, at, entering)
                cost = cost + price * np.where(price > 0, times, 0.0)  # where nothing is priced, not 0 * inf
        return cost

    # ---------------------------------------------------------------- back

    def reduced(self, some: Sequence[int]) -> list[Cell]:
        """Of some of the cells, by their places: the part whose own bounds reach the cutoff, by a pass back from the end."""
        terms, least = self.terms, np.full(len(self.cells), np.inf)
        least[some] = self.least[some]
        onward = np.zeros(len(self.levels[-1].out_log_c))
        columns: list[list[Ints]] = []
        lows, highs = terms.low.astype(np.float64), terms.high.astype(np.float64)
        for i in range(len(self.levels) - 1, -1, -1):
            level = self.levels[i]
            beyond = (level.within(onward) + terms.end[i][level.groups.owner] * level.log_c)[level.group]
            total = level.enter + level.own + beyond
            kept = (~(total < level.of(least)) & (total != -np.inf)).nonzero()[0]  # what is not a number would be kept
            columns.insert(0, _by_cell(level.columns[kept], kept, level.begin))
            if not len(kept):
                return [replace(self.cells[at], stem=self.cells[at].stem[:0]) for at in some]
            owner, step = level.owner[kept], level.step[kept]
            low, high = terms.low[i][owner], terms.high[i][owner]
            reach = np.full(len(kept), np.inf)  # as far as there are depths, where a block is worth nothing
            with np.errstate(over="ignore"):
                np.divide(total[kept] - least[owner], np.abs(step), out=reach, where=step != 0)
            reach = np.where(reach < high - low, np.floor(reach + 1e-9), high - low)
            begin = heads(owner)
            fewest, most = np.where(step > 0, high - reach, low), np.where(step > 0, high, low + reach)
            if level.table.values is not None:
                depths = np.array(level.table.block.depths, dtype=np.float64)[:, None]
                may = ~(total[kept] + (level.by_depth[:, kept] - level.own[kept]) < least[owner])
                fewest, most = np.where(may, depths, np.inf).min(axis=0), np.where(may, depths, -np.inf).max(axis=0)
            lows[i, owner[begin]] = np.minimum.reduceat(fewest, begin)
            highs[i, owner[begin]] = np.maximum.reduceat(most, begin)
            onward = self._back(level, kept, (level.own + beyond)[kept])
            if i:
                onward += terms.log[i][level.before.owner] * self.levels[i - 1].out_log_c
        stems = terms.stem + onward
        kept = (~(stems < least[self.stems.owner]) & (stems != -np.inf)).nonzero()[0]
        stem = _by_cell(self.stems.places[kept], kept, self.stems.begin)
        parts = []
        for at in some:
            cell = self.cells[at]
            part = Cell(stem[at], tuple(rows[at] for rows in columns), cell.low, cell.high)
            for i, (low, high) in enumerate(zip(lows[:, at].tolist(), highs[:, at].tolist(), strict=True)):
                if low > cell.low[i] or high < cell.high[i]:
                    part = part.with_depths(i, [d for d in cell.depths(self.tables, i) if low <= d <= high])
            parts.append(part.tied(self.tables))
        return parts

    def _back(self, level: Level, kept: Ints, worth: Floats) -> Floats:
        """Of every group that may enter some columns: the best that is worth with what comes after them."""
        back = np.full(len(level.ci), -np.inf)
        if level.table.block.continues:
            np.maximum.at(back, level.doors[0][level.group[kept]], worth - level.costs[0][kept])
            return back
        runs = self._first_of_runs(level, kept)
        best, ci = np.maximum.reduceat(worth - level.costs[0][kept], runs), level.ci[level.doors]
        if level.table.most is None and not self._times_priced:
            above = _above(best, level, kept[runs])
            runs, best = runs[above], best[above]
        for part in self._chunks(level, runs):
            group, values = self._less_slopes(level, kept[runs[part]], ci)
            values += best[part]
            values[level.shut[: len(values)].take(group, axis=1)] = -np.inf
            np.maximum.at(back, level.doors[: len(values)].take(group, axis=1).ravel(), values.ravel())
        of_kept = np.isin(kept, level.twins(), assume_unique=True).nonzero()[0]
        may = kept[of_kept]
        twin = level.twin[level.group[may]]
        np.maximum.at(back, twin, worth[of_kept] - level.costs[2][may] - self.pair_cost(level, may, twin))
        return back


def _above(best: Floats, level: Level, at: Ints) -> Ints:
    """Which of some columns may be the best of their group for one of the channels before it, as ``best`` less their slopes.

    Of a group, two columns are at the least and at the most channels as good as any. One that is no better than either of the
    two at the other end is below it everywhere between, up to rounding.
    """
    group, slope = level.group[at], level.costs[1][at]
    begin = heads(group)
    sizes = np.diff(begin, append=len(at))
    ends = level.first[group], np.maximum(level.stop[group] - 1, level.first[group])
    low, high = (best - slope * level.ci[np.minimum(end, len(level.ci) - 1)] for end in ends)
    may, chosen = np.ones(len(at), dtype=bool), np.zeros(len(at), dtype=bool)
    for here, there in ((low, high), (high, low)):
        top = here == np.repeat(np.maximum.reduceat(here, begin), sizes)
        other = np.repeat(np.maximum.reduceat(np.where(top, there, -np.inf), begin), sizes)
        may &= ~(there <= other)
        chosen |= top & (there == other)
    return (may | chosen).nonzero()[0]


def _by_cell(values: Ints, kept: Ints, begin: Ints) -> list[Ints]:
    """Of every cell, what is kept of it; ``begin`` is where each one's begin among all."""
    ends = [*np.searchsorted(kept, begin).tolist(), len(kept)]
    return [values[first:stop] for first, stop in pairwise(ends)]
