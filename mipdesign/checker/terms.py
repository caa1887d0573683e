"""What prices make of the objective and the limits, for many cells at once: the worth of every choice of a super-block, and
what does not depend on choices (``docs/certificate.md``, the bound of a cell).

Arrays have a column, or an entry, for every cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .cell import Cell
from .level import Groups, Level
from .multipliers import Prices
from .penalty import Penalty, penalty_of
from .reading import RefusedError
from .rounding import UNDERFLOW, UNIT
from .tables import Floats, Tables, log


class Terms:
    """What is priced.

    ``log, layer, block, end``: of every super-block, what a nat of its logarithms, a layer, a block, and a nat of its channels
    at the end of a stage is worth; ``term``: what a nat of the score's layer terms is. ``stem``: what every stem is worth.
    ``constant``: what is beside all that; ``error``, ``unit``: what rounding may come to, absolutely and relative to the
    result.
    """

    def __init__(
        self, tables: Tables, cells: Sequence[Cell], cutoffs: Floats, prices: Sequence[Prices], scale: Floats,
        stems: Groups, levels: Sequence[Level],
    ) -> None:  # fmt: skip
        self.tables, self.stems, self.levels = tables, stems, levels
        self.low, self.high = (np.array(rows).T for rows in ([c.low for c in cells], [c.high for c in cells]))
        self.weight = scale * [p.weight for p in prices]
        self.limits, self.mu, self.pi = (
            scale * np.array(rows, dtype=np.float64).reshape(len(cells), -1).T
            for rows in ([p.limits for p in prices], [p.mu for p in prices], [p.pi for p in prices])
        )
        penalties = [_penalty(tables, cell) for cell in cells]
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # what is not finite is refused at the end
            self._price(cutoffs, penalties, [p.gamma for p in prices], scale * cutoffs)
        if not np.isfinite(self.constant + self.error).all():
            raise RefusedError("the prices of a record are too large for a bound")

    def _price(self, cutoffs: Floats, penalties: list[Penalty], gammas: list[tuple[float, ...]], goal: Floats) -> None:
        space, levels, limits, w, s = self.tables.space, self.levels, self.limits, self.weight, self.tables.space.scoring
        m, n, stage_of = len(levels), len(w), self.tables.stage_of
        stages = 1 + stage_of[-1]
        ends = [max((i for i in range(m) if stage_of[i] == j), default=-1) for j in range(stages)]
        stem_logs = self.tables.stem_logs[self.stems.places]
        s_low, s_high, n_low, n_high = self._ranges(stem_logs)
        u_low, u_high = (s_low, s_high) if not self.tables.corrected else self._ranges(stem_logs, True)[:2]
        alpha = np.array(list(map(float, s.alpha)))[:, None] * s.unit
        a, (a1, a2) = alpha * float(s.factor), map(float, s.exponents)
        area = a2 * self._areas(ends)
        x = area + a1 * np.array(
            [stem_logs[self.stems.last] if i < 0 else levels[i].log_c[levels[i].groups.last] for i in ends]
        )
        if space.head is not None:
            x[-1] = area[-1] + a1 * log(space.head)
        rho = self._rho_range(s_low, s_high, n_low, n_high)
        if s.additive:
            floor, score, largest = alpha + np.zeros((stages, n)), w * a + np.zeros((stages, n)), alpha * x + a * u_high
            shift = np.zeros(n)
        else:
            floor, score, largest = a * u_low, w * a * x, a * x * u_high
            needed = cutoffs + [p.least for p in penalties]
            if space.price:  # not 0 * inf
                needed = needed + float(space.price) * rho[0]
            needed = needed - self._most_values() - 64 * UNIT * self.tables.most_value
            rates = (a * x).T.tolist()
            for at in np.isfinite(cutoffs).nonzero()[0].tolist():
                least = a[-1, 0] * _least_last(rates[at], u_high[:, at].tolist(), float(needed[at]))
                floor[-1, at] = max(floor[-1, at], least)
            shift = (floor * x).sum(axis=0)

        per_stage, per_layer = score.copy(), np.zeros((stages, n))
        gain = np.zeros(n)
        if space.rho_stages:
            gain = self._effectiveness(rho, n_low, n_high, per_stage, per_layer)
        priced = [penalty.priced(gamma) for penalty, gamma in zip(penalties, gammas, strict=True)]
        conjugate = np.array([value for _, value in priced])
        most = self.tables.limits.astype(np.float64)
        self.log = [per_stage[stage_of[i] :].sum(axis=0) for i in range(m)]
        self.term = [score[stage_of[i] :].sum(axis=0) for i in range(m)]
        self.layer = [-per_layer[stage_of[i] :].sum(axis=0) for i in range(m)]
        self.block, self.end = np.zeros((m, n)), np.zeros((m, n))
        for i, table in enumerate(self.tables.stages):
            if table.block.of in space.penalised:
                at = space.penalised.index(table.block.of)
                self.block[i] = -w * np.array([gradient[at] for gradient, _ in priced])
        constant = w * (conjugate - shift) + most @ limits + gain
        constant += per_stage.sum(axis=0) * log(space.in_channels * space.stem_kernel**2) - per_layer.sum(axis=0)
        constant += score.sum(axis=0) * self.tables.stem_correction + score[-1] * self.tables.head_correction
        owner = self.stems.owner
        self.stem = -(limits[:, owner] * self.tables.stem_counts[:, self.stems.places]).sum(axis=0)
        for j, i in enumerate(ends):
            if space.head is not None and j == stages - 1:
                constant += w * floor[j] * x[j] - per_layer[j]
                self.end[i] += per_stage[j]
            elif i < 0:
                self.stem = self.stem + (w * floor[j])[owner] * (area[j][owner] + a1 * stem_logs)
            else:
                self.end[i] += w * floor[j] * a1
                constant += w * floor[j] * area[j]
        self.constant = constant
        self.stem = self.stem + self.log[0][owner] * stem_logs
        mass = (
            w * (abs(conjugate) + shift + 2 * largest.sum(axis=0) + self.tables.most_value) + np.abs(most) @ limits + abs(gain)
        )
        mass += (np.abs(self.block) * self.high).sum(axis=0) + (per_stage * np.maximum(s_high, u_high)).sum(axis=0)
        mass += (np.abs(per_layer) * n_high).sum(axis=0) + self._negative_counts()
        for level, per_nat in zip(levels, self.log, strict=True):
            if level.table.block.present is not None:  # what is absent adds log C, and takes it again
                mass += np.abs(per_nat) * level.most(level.rows[0])
        operations = 100 + m * (16 + 8 * len(limits))
        self.unit = 8 * operations * UNIT
        self.error = self.unit * (mass + np.where(np.isfinite(goal), np.abs(goal), 0.0)) + UNDERFLOW

    def _ranges(self, stem_logs: Floats, corrected: bool = False) -> Floats:
        """Least and largest ``sum log w``, least and largest number of layers of every stage's prefix; with the sizes of what
        layer terms have beside that, where it is ``corrected``.
        """
        space = self.tables.space
        into = [np.minimum.reduceat(stem_logs, self.stems.begin), np.maximum.reduceat(stem_logs, self.stems.begin)]
        sums = np.empty((4, 1 + self.tables.stage_of[-1], len(self.weight)))
        sums[:2], sums[2:] = log(space.in_channels * space.stem_kernel**2), 1.0
        if corrected:
            sums[:2] += abs(self.tables.stem_correction)
        for j, level, low, high in zip(self.tables.stage_of, self.levels, self.low, self.high, strict=True):
            t, layers = level.rows[1], level.rows[2]
            if corrected:
                t = t + np.abs(level.correction)
            step = level.rows[0] + t
            least = t + (level.of(low) - 1) * step if (low > 1).any() else t
            most = t + (level.of(high) - 1) * step if (high > 1).any() else t
            if level.table.block.continues:  # its blocks have the channels that enter them
                logs = level.least(level.rows[0] + t), level.most(level.rows[0] + t)
            else:
                logs = level.least(least) + into[0], level.most(most) + into[1]
            sums[:, j:] += np.array([*logs, level.least(layers) * low, level.most(layers) * high])[:, None]
            into = [level.log_c[level.groups.begin], level.log_c[level.groups.last]]
        if corrected:
            sums[:2, -1] += abs(self.tables.head_correction)
        if space.head is not None:
            sums[:, -1] += [*into, np.ones_like(self.weight), np.ones_like(self.weight)]
        return sums

    def _areas(self, ends: Sequence[int]) -> Floats:
        """The largest ``log r^2`` at the end of every stage, as the convention sees it."""
        space, forgotten = self.tables.space, [np.zeros(len(self.weight), dtype=bool)]  # up to before every super-block
        for level in self.levels:
            s = level.table.block
            has_se, now = np.array([space.families[name].has_se for name in s.families]), forgotten[-1]
            if space.reference and has_se.any():
                now = now | np.logical_and.reduceat(has_se[s.f[level.columns]], level.begin)
            forgotten.append(now)
        r = [space.super_blocks[0].r if i < 0 else self.levels[i].table.block.out for i in ends]
        return np.array([np.where(forgotten[i + 1], 0.0, 2.0 * log(n)) for i, n in zip(ends, r, strict=True)])

    def _rho_range(self, s_low: Any, s_high: Any, n_low: Any, n_high: Any) -> tuple[Floats, Floats]:
        """Least and largest effectiveness ``max_j n_j exp(-S_j / n_j)``; its limit, twice, where it has no price.

        No width reaches 1e25, so no effectiveness lies below 1e-30.
        """
        space = self.tables.space
        limit = np.full(len(self.weight), space.most_rho)
        if not space.price:
            return limit, limit
        of = list(space.rho_stages)
        low = (n_low[of] * np.exp(-s_high[of] / n_low[of])).max(axis=0)
        high = (n_high[of] * np.exp(-s_low[of] / n_high[of])).max(axis=0)
        return np.minimum(np.maximum(low * (1 - 1e-10), 1e-30), limit), np.minimum(high * (1 + 1e-10), limit)

    def _effectiveness(
        self, rho: tuple[Floats, Floats], n_low: Floats, n_high: Floats, per_stage: Floats, per_layer: Floats
    ) -> Floats:
        """Adds what effectiveness constraints are worth per nat and per layer; returns what is left, a bound over ``rho``."""
        mu, pi, of = self.mu, self.pi, list(self.tables.space.rho_stages)
        price = self.weight * float(self.tables.space.price)
        least, most = n_low[of], n_high[of]
        steepest = np.exp(np.maximum(-600.0, np.minimum(pi / np.where(mu > 0, mu, 1.0), 600.0) - 1.0))
        steepest = np.where(mu > 0, steepest, 1.0)

        def quotients(t: Floats) -> Floats:  # n / rho that touch where the layers are dearest
            touching: Floats = np.minimum(np.maximum(t * steepest, least), most) / t
            return touching

        low, high = rho
        if (low < high).any():  # the concave function of rho has its maximum where its slope is 0
            for _ in range(80):
                middle = np.sqrt(low * high)
                rising = (mu * quotients(middle)).sum(axis=0) > price
                low, high = np.where(rising, middle, low), np.where(rising, high, middle)
        steep = (mu * quotients(high)).sum(axis=0) > price
        q = quotients(np.where(steep, high, low))
        per_stage[of] += mu
        per_layer[of] += pi
        rest = pi - mu * (1.0 + np.log(q))  # 0 up to rounding, unless the layers that touch end their range
        slope = (mu * q).sum(axis=0) - price
        mass = ((np.abs(pi) + mu * (2.0 + np.abs(np.log(q)))) * most + mu * q * rho[1]).sum(axis=0)
        left = np.maximum(rest * least, rest * most).sum(axis=0) + np.maximum(slope * rho[0], slope * rho[1])
        return np.asarray(left + 64 * UNIT * mass)

    def _most_values(self) -> Any:
        """The most that networks are worth by the table of values."""
        found: Any = 0.0
        for level, low, high in zip(self.levels, self.low, self.high, strict=True):
            if level.table.values is not None:
                depths = np.array(level.table.block.depths)[:, None]
                inside = (depths >= level.of(low)) & (depths <= level.of(high))
                found = found + level.most(np.where(inside, level.table.values[:, level.columns], -np.inf).max(axis=0))
        return found

    def _negative_counts(self) -> Floats:
        """How much lower limits, whose counts are negative, may add to a path."""
        mass = np.zeros(len(self.weight))
        for b, (price, limit) in enumerate(zip(self.limits, self.tables.space.limits, strict=False)):
            if price.any() and limit.sign < 0:
                counted = np.full(len(mass), float(np.abs(self.tables.stem_counts[b]).max()))
                for level, high in zip(self.levels, self.high, strict=True):
                    fixed, slope, twin, rest = (np.abs(row) for row in level.rows[3 + b :: len(self.limits)])
                    ci = level.of(level.ci[level.before.last])
                    counted += level.most(fixed + slope * ci + twin + (level.of(high) - 1) * rest)
                mass += price * counted
        return mass


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


def _penalty(tables: Tables, cell: Cell) -> Penalty:
    space, ends = tables.space, {i: [0, 0] for i in tables.space.penalised}
    for table, columns, low, high in zip(tables.stages, cell.columns, cell.low, cell.high, strict=True):
        if table.block.of in ends:
            there = None if table.block.present is None else table.block.present[columns]
            ends[table.block.of][0] += low if there is None or there.all() else 0
            ends[table.block.of][1] += high if there is None or there.any() else 0
    lows, highs = (tuple(end[at] for end in ends.values()) for at in (0, 1))
    return penalty_of(space.squared, float(space.beta), lows, highs)
