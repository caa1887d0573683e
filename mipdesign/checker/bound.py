"""An upper bound of what the networks of a cell score, from the multipliers of a certificate, and what it excludes.

With prices ``lambda, mu >= 0`` of the limits, ``pi`` and ``gamma`` the objective of every network that keeps all limits is at
most that of a sum which is additive along the chain of super-blocks (``docs/certificate.md`` has the proof)::

    sum_j a_j x_j S_j - beta Q - p rho + sum_b lambda_b (limit_b - count_b) + sum_k mu_k (S_k - n_k log(n_k / rho))

* ``x S <= u S + l (x - u)`` where ``x <= u`` and ``S >= l`` (McCormick 1976);
* ``n log(n / rho) >= (1 + log q) n - q rho`` for every ``q > 0``, a tangent of what is convex in ``(n, rho)``, so that
  ``-mu n log(n / rho) <= mu q rho + max_n' (pi - mu (1 + log q)) n' - pi n``;
* ``beta Q(s) >= beta Q(s0) + beta Q'(s0) (s - s0)`` for the spread ``s = |d - mean d|`` of the depths ``d``, and ``|gamma| s >=
  gamma d`` for every ``gamma`` of mean 0.

Every number is a float of relative error ``4 u``, ``u = 2^-53``; :attr:`Bound.error` bounds what all of them come to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .cell import Cell
from .hull import largest_of_runs, upper_hull
from .level import Level
from .multipliers import Prices, power_of_two
from .penalty import Penalty
from .reading import RefusedError
from .rounding import UNDERFLOW, UNIT
from .space import Ints
from .tables import Floats, Tables, log

CHUNK = 300_000
"""Pairs of columns and incoming channels that are looked at at a time."""
WORTH_A_HULL = 20_000
"""Pairs from which on a hull is made of the groups first."""


class Bound:
    """The bound of a cell for networks whose objective is at least ``cutoff``; -inf where the cell has no network."""

    def __init__(self, tables: Tables, cell: Cell, cutoff: float, prices: Prices) -> None:
        self.tables, self.cutoff = tables, cutoff
        self.cell, self.value = cell.tied(tables), -math.inf
        scale = power_of_two(prices)  # of all that is priced: products with counts are to remain doubles
        mu, pi = (tuple(scale * price for price in row) for row in (prices.mu, prices.pi))
        self.prices, self.goal = Prices(scale * prices.weight, scale * prices.limits, mu, pi, prices.gamma), scale * cutoff
        if self.cell.empty:
            return
        self.levels = self._levels()
        self._price()
        self._forward()
        best = float(self.levels[-1].value.max()) + self.constant
        self.value = (best + self.error + self.unit * abs(best)) / scale if best > -math.inf else best

    # ------------------------------------------------------------ what is linear

    def _levels(self) -> list[Level]:
        levels, places = [], self.cell.stem
        channels = np.array(self.tables.space.stem, dtype=np.int64)[places]
        for table, columns in zip(self.tables.stages, self.cell.columns, strict=True):
            levels.append(Level(table, columns, channels, places))
            channels, places = levels[-1].channels, levels[-1].places
        return levels

    def _price(self) -> None:
        """What logarithms, layers, blocks and ends of every super-block are worth, the constant beside them, and the error."""
        space, cell, prices, levels = self.tables.space, self.cell, self.prices, self.levels
        w, m, stage_of = prices.weight, len(levels), space.stage_of
        stages = 1 + stage_of[-1]
        ends = [max((i for i in range(m) if stage_of[i] == j), default=-1) for j in range(stages)]
        stem_logs = self.tables.stem_logs[cell.stem]
        s_low, s_high, n_low, n_high = self._ranges(stem_logs)
        unit = 1.0 if space.log_base is None else 1.0 / log(space.log_base) ** 2
        a = [float(alpha) * (0.5 if space.reference else 1.0) * unit for alpha in space.alpha]
        area = self._areas(ends)
        u = [area[j] + float(stem_logs.max() if ends[j] < 0 else levels[ends[j]].log_c[-1]) for j in range(stages)]
        if space.head is not None:
            u[-1] = area[-1] + log(space.head)
        rho = self._rho_range(s_low, s_high, n_low, n_high)
        penalty = Penalty(space.squared, float(space.beta), cell, space.penalised)
        floor = [a_j * s for a_j, s in zip(a, s_low, strict=True)]
        if math.isfinite(self.cutoff):
            needed = self.cutoff + penalty.least + (float(space.price) * rho[0] if space.price else 0.0)  # not 0 * inf
            floor[-1] = max(floor[-1], a[-1] * _least_last([x * y for x, y in zip(a, u, strict=True)], s_high, needed))

        per_stage, per_layer = [w * x * y for x, y in zip(a, u, strict=True)], [0.0] * stages
        gain = 0.0
        if space.rho_stages:
            gain = self._effectiveness(rho, n_low, n_high, per_stage, per_layer)
        gradient, conjugate = penalty.priced(prices.gamma)
        shift = sum(x * y for x, y in zip(floor, u, strict=True))
        limits = self.tables.limits.astype(np.float64)
        self.log = [sum(per_stage[stage_of[i] :]) for i in range(m)]
        self.layer = [-sum(per_layer[stage_of[i] :]) for i in range(m)]
        self.block, self.end = [0.0] * m, [0.0] * m
        for i, g in zip(space.penalised, gradient, strict=True):
            self.block[i] = -w * g
        constant = w * (conjugate - shift) + float(prices.limits @ limits) + gain
        constant += sum(per_stage) * log(space.in_channels * space.stem_kernel**2) - sum(per_layer)
        self.stem = -(prices.limits @ self.tables.stem_counts[:, cell.stem])
        for j, i in enumerate(ends):
            if space.head is not None and j == stages - 1:
                constant += w * floor[j] * u[j] - per_layer[j]
                self.end[i] += per_stage[j]
            elif i < 0:
                self.stem = self.stem + w * floor[j] * (area[j] + stem_logs)
            else:
                self.end[i] += w * floor[j]
                constant += w * floor[j] * area[j]
        self.constant = constant
        self.stem = self.stem + self.log[0] * stem_logs
        mass = w * (abs(conjugate) + shift + 2 * sum(x * y * z for x, y, z in zip(a, u, s_high, strict=True)))
        mass += float(prices.limits @ np.abs(limits)) + abs(gain)
        mass += sum(abs(b) * h for b, h in zip(self.block, cell.high, strict=True))
        mass += sum(p * s for p, s in zip(per_stage, s_high, strict=True))
        mass += sum(abs(p) * n for p, n in zip(per_layer, n_high, strict=True)) + self._negative_counts()
        operations = 100 + m * (16 + 8 * len(limits))
        self.unit = 8 * operations * UNIT
        self.error = self.unit * (mass + (abs(self.goal) if math.isfinite(self.goal) else 0.0)) + UNDERFLOW
        if not math.isfinite(self.constant + self.error):
            raise RefusedError("the prices of a record are too large for a bound")

    def _ranges(self, stem_logs: Floats) -> list[list[float]]:
        """Least and largest ``sum log w``, least and largest number of layers of every stage's prefix."""
        space, into = self.tables.space, stem_logs
        stem = log(space.in_channels * space.stem_kernel**2)
        sums = [[stem, stem, 1.0, 1.0] for _ in range(1 + space.stage_of[-1])]
        for j, level, low, high in zip(space.stage_of, self.levels, self.cell.low, self.cell.high, strict=True):
            t, step, layers = level.rows[1], level.rows[0] + level.rows[1], level.rows[2]
            least, most = (t + (low - 1) * step).min() + into.min(), (t + (high - 1) * step).max() + into.max()
            for row in sums[j:]:
                for n, more in enumerate((least, most, layers.min() * low, layers.max() * high)):
                    row[n] += float(more)
            into = level.log_c
        if space.head is not None:
            for n, more in enumerate((into[0], into[-1], 1.0, 1.0)):
                sums[-1][n] += float(more)
        return [list(column) for column in zip(*sums, strict=True)]

    def _areas(self, ends: Sequence[int]) -> list[float]:
        """The largest ``log r^2`` at the end of every stage, as the convention sees it."""
        space, forgotten, areas = self.tables.space, [], []
        for s, level in zip(space.super_blocks, self.levels, strict=True):
            has_se = np.array([space.families[name].has_se for name in s.families])
            forgotten.append(space.reference and bool(has_se[level.table.block.f[level.columns]].all()))
        for i in ends:
            r = space.super_blocks[0].r if i < 0 else space.super_blocks[i].out
            areas.append(0.0 if any(forgotten[: i + 1]) else 2.0 * log(r))
        return areas

    def _rho_range(self, s_low: Any, s_high: Any, n_low: Any, n_high: Any) -> tuple[float, float]:
        """Least and largest effectiveness ``max_j n_j exp(-S_j / n_j)``; its limit, twice, where it has no price.

        No width reaches 1e25, so no effectiveness lies below 1e-30.
        """
        space = self.tables.space
        limit = space.most_rho
        if not space.price:
            return limit, limit
        low = max(n_low[j] * math.exp(-s_high[j] / n_low[j]) for j in space.rho_stages)
        high = max(n_high[j] * math.exp(-s_low[j] / n_high[j]) for j in space.rho_stages)
        return min(max(low * (1 - 1e-10), 1e-30), limit), min(high * (1 + 1e-10), limit)

    def _effectiveness(self, rho: tuple[float, float], n_low: Any, n_high: Any, per_stage: Any, per_layer: Any) -> float:
        """Adds what effectiveness constraints are worth per nat and per layer; returns what is left, a bound over ``rho``."""
        prices, stages = self.prices, self.tables.space.rho_stages
        price = prices.weight * float(self.tables.space.price)
        steepest = [
            math.exp(max(-600.0, min(pi / mu, 600.0) - 1.0)) if mu else 1.0 for mu, pi in zip(prices.mu, prices.pi, strict=True)
        ]

        def quotients(t: float) -> list[float]:  # n / rho that touch where the layers are dearest
            return [min(max(t * q, n_low[j]), n_high[j]) / t for q, j in zip(steepest, stages, strict=True)]

        low, high = rho
        if low < high:  # the concave function of rho has its maximum where its slope is 0
            for _ in range(80):
                middle = math.sqrt(low * high)
                rising = sum(mu * q for mu, q in zip(prices.mu, quotients(middle), strict=True)) > price
                low, high = (middle, high) if rising else (low, middle)
        steep = sum(mu * q for mu, q in zip(prices.mu, quotients(high), strict=True)) > price
        left, slope, mass = 0.0, -price, 0.0
        for mu, pi, q, j in zip(prices.mu, prices.pi, quotients(high if steep else low), stages, strict=True):
            per_stage[j] += mu
            per_layer[j] += pi
            rest = pi - mu * (1.0 + math.log(q))  # 0 up to rounding, unless the layers that touch end their range
            left += max(rest * n_low[j], rest * n_high[j])
            slope += mu * q
            mass += (abs(pi) + mu * (2.0 + abs(math.log(q)))) * n_high[j] + mu * q * rho[1]
        return left + max(slope * rho[0], slope * rho[1]) + 64 * UNIT * mass

    def _negative_counts(self) -> float:
        """How much lower limits, whose counts are negative, may add to a path."""
        mass = 0.0
        for b, (price, limit) in enumerate(zip(self.prices.limits, self.tables.space.limits, strict=False)):
            if price and limit.sign < 0:
                counted = float(np.abs(self.tables.stem_counts[b]).max())
                for level, high in zip(self.levels, self.cell.high, strict=True):
                    fixed, slope, twin, rest = (np.abs(row) for row in level.rows[3 + b :: len(self.tables.limits)])
                    counted += float((fixed + slope * level.ci[-1] + twin + (high - 1) * rest).max())
                mass += float(price) * counted
        return mass

    # ---------------------------------------------------------------- the passes

    def _forward(self) -> None:
        """The best paths to every column and every channel count, from the stem on."""
        into, n = self.stem, len(self.prices.limits)
        priced = np.flatnonzero(self.prices.limits)
        for i, level in enumerate(self.levels):
            level.into = into
            level.costs = [self.prices.limits[priced] @ level.rows[3 + part * n + priced] for part in range(4)]
            per_block = self.block[i] + self.layer[i] * level.rows[2]
            step = self.log[i] * (level.rows[0] + level.rows[1]) - level.costs[3] + per_block
            low, high, alone = self.cell.low[i], self.cell.high[i], level.table.rest_fits
            if alone is not None:  # columns of which there may be a single block only
                step = np.where(alone[level.columns], step, 0.0)
            level.step = step
            level.own = self.log[i] * level.rows[1] + per_block + (np.where(step > 0, high, low) - 1) * step
            if alone is not None and low > 1:
                level.own[~alone[level.columns]] = -np.inf
            level.enter = self._entered(level)
            level.value = np.maximum.reduceat(level.enter + level.own, level.starts) + self.end[i] * level.log_c
            into = level.value + (self.log[i + 1] * level.log_c if i + 1 < len(self.levels) else 0.0)

    def _entered(self, level: Level) -> Floats:
        """The best with which every column is entered, its first block's counts paid."""
        every = np.arange(len(level.columns))
        runs = self._first_of_runs(level, every)
        first, stop, twin = self._entrances(level, runs)
        found, at = self._by_hull(level, runs, first, stop, twin)
        size = max(1, CHUNK // len(level.ci))
        for part in (at[begin : begin + size] for begin in range(0, len(at), size)):
            values = np.full(len(part) * len(level.ci) + 1, -np.inf)  # one more, where a last window may end
            table = values[:-1].reshape(len(part), -1)
            np.subtract(level.into, level.costs[1][runs[part], None] * level.ci, out=table)
            table -= self.pair_cost(level, runs[part])
            own = twin[part] >= 0
            table[own, twin[part][own]] = -np.inf
            found[part] = largest_of_runs(values, np.arange(len(part)) * len(level.ci), first[part], stop[part])
        entered = np.repeat(found, np.diff(runs, append=len(every)))
        entered -= level.costs[0]
        may = level.twins()
        value = level.into[level.twin[level.group[may]]] - level.costs[2][may]
        value -= self.pair_cost(level, may, level.twin[level.group[may]])
        entered[may] = np.maximum(entered[may], value)
        return entered

    def _by_hull(self, level: Level, runs: Ints, first: Ints, stop: Ints, twin: Ints) -> tuple[Floats, Ints]:
        """Of each run the best of all groups, where that one may enter it, by the upper hull of ``(ci, into)``; and the other
        runs.
        """
        found, every = np.full(len(runs), -np.inf), np.arange(len(runs))
        if self._times_priced or len(runs) * len(level.ci) < WORTH_A_HULL:
            return found, every
        hull = upper_hull(level.ci.tolist(), level.into.tolist())
        if not hull:
            return found, every[:0]
        x, y, slope = level.ci[hull], level.into[hull], level.costs[1][runs]
        at = np.searchsorted(-np.diff(y) / np.diff(x), -slope) if len(hull) > 1 else np.zeros(len(runs), dtype=np.int64)
        best = np.array(hull)[at]
        inside = (first <= best) & (best < stop) & (best != twin)
        found[inside] = (y[at] - slope * x[at])[inside]
        return found, every[~inside]

    def _first_of_runs(self, level: Level, columns: Ints) -> Ints:
        """Where in some columns of a level those of one group begin that are entered alike."""
        new = np.ones(len(columns), dtype=bool)
        if level.table.most is None and not self._times_priced:
            group, slope = level.group[columns], level.costs[1][columns]
            new[1:] = (group[1:] != group[:-1]) | (slope[1:] != slope[:-1])
        return np.flatnonzero(new)

    def _entrances(self, level: Level, at: Ints) -> tuple[Ints, Ints, Ints]:
        """Which groups may enter some columns: from ``first`` to before ``stop``, and the twin, which is a case of its own."""
        group = level.group[at]
        first, stop = level.first[group], level.stop[group]
        if level.table.most is not None:
            stop = np.minimum(stop, np.searchsorted(level.ci, level.table.most[level.columns[at]], side="right"))
        return first, np.maximum(first, stop), level.twin[group]

    @property
    def _times_priced(self) -> bool:
        return self.tables.space.latency is not None and bool(self.prices.limits[-1])

    def pair_cost(self, level: Level, at: Ints, entering: Ints | None = None) -> Any:
        """The price of what the latency adds for pairs: of columns and all groups before, or of each with one of them."""
        return self.prices.limits[-1] * level.pair_times(at, entering) if self._times_priced else 0.0

    def reduced(self) -> Cell:
        """The part of the cell whose own bounds reach the cutoff, by a pass back from the end."""
        cell, least = self.cell, self.goal - self.constant - self.error
        onward = np.zeros(len(self.levels[-1].places))
        for i in range(len(self.levels) - 1, -1, -1):
            level, low, high = self.levels[i], cell.low[i], cell.high[i]
            beyond = (onward + self.end[i] * level.log_c)[level.group]
            total = level.enter + level.own + beyond
            kept = np.flatnonzero(~(total < least) & (total != -np.inf))  # what is not a number would be kept
            cell = cell.with_columns(i, kept)
            if not len(kept):
                return cell
            step = level.step[kept]
            reach = np.full(len(kept), np.inf)  # as far as there are depths, where a block is worth nothing
            with np.errstate(over="ignore"):
                np.divide(total[kept] - least, np.abs(step), out=reach, where=step != 0)
            reach = np.where(reach < high - low, np.floor(reach + 1e-9), high - low)
            lowest = np.where(step > 0, high - reach, low).min()
            highest = np.where(step > 0, high, low + reach).max()
            cell = cell.with_depths(i, [d for d in cell.depths(self.tables, i) if lowest <= d <= highest])
            onward = self._back(level, kept, (level.own + beyond)[kept])
            if i:
                onward += self.log[i] * self.levels[i - 1].log_c
        stems = self.stem + onward
        return replace(cell, stem=cell.stem[~(stems < least) & (stems != -np.inf)]).tied(self.tables)

    def _back(self, level: Level, kept: Ints, worth: Floats) -> Floats:
        """Of every group that may enter some columns: the best that is worth with what comes after them."""
        back, groups = np.full(len(level.ci), -np.inf), np.arange(len(level.ci))
        runs = self._first_of_runs(level, kept)
        best, at = np.maximum.reduceat(worth - level.costs[0][kept], runs), kept[runs]
        first, stop, twin = self._entrances(level, at)
        size = max(1, CHUNK // len(level.ci))
        for part in (slice(begin, begin + size) for begin in range(0, len(at), size)):
            rows = at[part]
            values = np.full(len(rows) * len(groups) + 1, -np.inf)
            table = values[:-1].reshape(len(groups), -1)
            np.subtract(best[part], level.ci[:, None] * level.costs[1][rows], out=table)
            table -= np.transpose(self.pair_cost(level, rows))
            own = np.flatnonzero(twin[part] >= 0)
            table[twin[part][own], own] = -np.inf
            if level.table.most is not None:
                table[(groups[:, None] < first[part]) | (groups[:, None] >= stop[part])] = -np.inf
                largest = table.max(axis=1)
            else:  # windows move on with the channels: the columns that a group may enter stand together
                begin, end = (np.searchsorted(edge[part], groups, side="right") for edge in (stop, first))
                largest = largest_of_runs(values, groups * len(rows), begin, end)
            back = np.maximum(back, largest)
        of_kept = np.flatnonzero(np.isin(kept, level.twins(), assume_unique=True))
        may = kept[of_kept]
        twin = level.twin[level.group[may]]
        np.maximum.at(back, twin, worth[of_kept] - level.costs[2][may] - self.pair_cost(level, may, twin))
        return back


def _least_last(rates: Sequence[float], most: Sequence[float], needed: float) -> float:
    """The least ``S_J`` of a network that scores ``needed`` before its penalty: as ``S_j <= S_J``, it scores at most
    ``sum_j rate_j min(most_j, S_J)``."""
    least = 0.0
    for s in sorted(set(most)):
        reached = sum(rate * min(x, s) for rate, x in zip(rates, most, strict=True))
        if reached >= needed:
            above = sum(rate for rate, x in zip(rates, most, strict=True) if x > least)
            below = sum(rate * x for rate, x in zip(rates, most, strict=True) if x <= least)
            if above > 0:
                least = (needed - below - 64 * UNIT * (abs(needed) + reached)) / above
            break
        least = s
    return min(least, most[-1])
