"""All networks of cells that keep the limits and whose own bound reaches the cutoff: a search from the last super-block back.

What the passes of :mod:`.bound` found limits what is still to come, and so do the least counts of every prefix.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from .bound import Bounds
from .cell import values_of
from .network import Block, Network, Stage
from .rounding import UNDERFLOW, UNIT
from .super_block import Ints
from .tables import Bools, Floats, Tables, log

MOST_PARTIAL = 2_000_000
"""Most partial networks that a search looks at in one super-block."""


class TooManyError(Exception):
    """A cell holds too many networks to list them."""


@dataclass(frozen=True)
class Listing:
    """Networks as places of stems, and columns and depths of every super-block, shape ``(super-blocks, networks)``; ``owner``
    is the cell of each.
    """

    owner: Ints
    stem: Ints
    columns: Ints
    depths: Ints

    def take(self, index: Ints) -> Listing:
        """Some of them."""
        return Listing(self.owner[index], self.stem[index], self.columns[:, index], self.depths[:, index])

    def networks(self, tables: Tables) -> Iterator[Network]:
        """Each as a network."""
        space = tables.space
        for stem, columns, depths in zip(self.stem.tolist(), self.columns.T.tolist(), self.depths.T.tolist(), strict=True):
            stages, blocks = [], list[Block]()
            for table, j, depth in zip(tables.stages, columns, depths, strict=True):
                s = table.block
                block = Block(int(s.b[j]), int(s.k[j]), *(x if isinstance(x, int) else int(x[j]) for x in (s.a, s.w)))
                if s.continues:
                    blocks += [block] * bool(block.b)
                else:
                    blocks = [block] * depth
                if s.last:
                    sizes = s.families[s.f[j]], space.super_blocks[s.of].stride, int(s.c[j])
                    stages.append(Stage.of(*sizes, blocks, space.quantised))
            yield Network(space.stem[stem], tuple(stages))


def list_networks(bounds: Bounds) -> Listing:
    """Lists the networks of bounded cells.

    Raises
    ------
    TooManyError
        If there are too many of them together.
    """
    tables, levels, terms, n = bounds.tables, bounds.levels, bounds.terms, len(bounds.tables.limits)
    least, limits = bounds.least, tables.limits.astype(np.float64)
    before = _least_counts(bounds)
    groups = np.arange(len(levels[-1].out_log_c))
    owner = levels[-1].outward.owner
    worth, counts = terms.end[-1][owner] * levels[-1].out_log_c, np.zeros((n, len(groups)))
    chosen: list[tuple[Ints, Ints]] = []
    for i in range(len(levels) - 1, -1, -1):
        level, choices = levels[i], np.array(tables.stages[i].block.depths)
        state, column = _pairs(groups, level.out_starts, np.append(level.out_starts[1:], len(level.columns)))
        may = worth[state] + level.enter[column] + level.own[column] >= least[level.owner[column]]
        state, column = state[may], column[may]
        low, high = (ends[i][level.owner[column]] for ends in (terms.low, terms.high))
        row, at = _pairs(np.arange(len(column)), np.searchsorted(choices, low), np.searchsorted(choices, high, side="right"))
        depth, low, high, state, column = choices[at], low[row], high[row], state[row], column[row]
        goal, step = least[level.owner[column]], level.step[column]
        here = worth[state] + level.own[column] + (depth - np.where(step > 0, high, low)) * step
        if level.table.values is not None:
            here = worth[state] + level.by_depth[at, column]
        may = (here + level.enter[column] >= goal) & (here != -np.inf)
        if level.table.rest_fits is not None:
            may &= (depth == 1) | level.table.rest_fits[level.columns[column]]
        state, column, depth, here, goal = (x[may] for x in (state, column, depth, here, goal))
        pair, source = _pairs(np.arange(len(column)), level.first[level.group[column]], level.stop[level.group[column]])
        state, column, depth, here, goal = (x[pair] for x in (state, column, depth, here, goal))
        twin = source == level.twin[level.group[column]]
        may = np.ones(len(source), dtype=bool)
        if level.table.most is not None:
            may &= twin | (level.ci[source] <= level.table.most[level.columns[column]])
        if level.table.twin_fits is not None:
            may &= ~twin | level.table.twin_fits[level.columns[column]]
        cost = np.where(twin, level.costs[2][column], level.costs[0][column] + level.costs[1][column] * level.ci[source])
        here = here - cost - bounds.pair_cost(level, column, source)
        may &= here + level.into[source] >= goal
        fixed, slope, twins, rest = (level.rows[3 + part * n : 3 + (part + 1) * n, column] for part in range(4))
        used = counts[:, state] + np.where(twin, twins, fixed + slope * level.ci[source]) + (depth - 1) * rest
        for latency, limit in enumerate(tables.of_latencies):
            used[limit] += level.pair_times(latency, column, source)
        may &= (used + before[i][:, source] <= limits[:, None]).all(axis=0)
        chosen = [(c[state[may]], d[state[may]]) for c, d in chosen]
        chosen.insert(0, (level.columns[column[may]], depth[may]))
        groups, counts, worth = source[may], used[:, may], here[may]
        owner = level.before.owner[groups]
        if i:
            c = levels[i - 1].out_log_c[groups]
            worth = worth + terms.log[i][owner] * c + terms.end[i - 1][owner] * c
    return Listing(owner, bounds.stems.places[groups], *(np.array(rows) for rows in zip(*chosen, strict=True)))


def _pairs(of: Ints, first: Ints, stop: Ints) -> tuple[Ints, Ints]:
    """Every item with every place of its range, ``first[of]`` to before ``stop[of]`` (of itself where ``of`` counts them)."""
    sizes = (stop - first)[of] if len(of) else np.zeros(0, dtype=np.int64)
    if int(sizes.sum()) > MOST_PARTIAL:
        raise TooManyError
    item = np.repeat(np.arange(len(of)), sizes)
    offset = np.arange(len(item)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return item, first[of][item] + offset if len(item) else offset


def _least_counts(bounds: Bounds) -> list[Floats]:
    """Least counts with which a path reaches every group that enters a super-block, shape ``(limits, groups)`` each."""
    terms, n = bounds.terms, len(bounds.tables.limits)
    found = [bounds.tables.stem_counts[:, bounds.stems.places]]
    for level, low, high in zip(bounds.levels[:-1], terms.low, terms.high, strict=False):
        fixed, slope, twin, rest = (level.rows[3 + part * n : 3 + (part + 1) * n] for part in range(4))
        least, most = level.of(level.ci[level.before.begin]), level.of(level.ci[level.before.last])
        entering = fixed + np.minimum(slope * least, slope * most)
        if level.table.special:
            entering = np.minimum(entering, twin)
        own = entering + np.where(rest > 0, (level.of(low) - 1) * rest, (level.of(high) - 1) * rest)
        of_group = np.minimum.reduceat(own, level.starts, axis=1)
        may = (level.doors >= level.first) & (level.doors < level.stop)
        of_group += np.where(may, found[-1][:, level.doors], np.inf).min(axis=1)
        found.append(of_group if level.joined is None else np.minimum.reduceat(of_group, level.joined, axis=1))
    return found


@dataclass(frozen=True)
class Scores:
    """Objectives of listed networks in floating point, each within ``error`` of the exact one, and their effectiveness."""

    objective: Floats
    error: Floats
    rho: Floats
    tied: Bools

    def take(self, index: Ints) -> Scores:
        """Those of some of them."""
        return Scores(self.objective[index], self.error[index], self.rho[index], self.tied[index])


def score(tables: Tables, listing: Listing) -> Scores:
    """Scores networks; ``rho`` has a relative error below 1e-9."""
    space, n = tables.space, len(listing.stem)
    stage_of, stem_log = tables.stage_of, log(space.in_channels * space.stem_kernel**2)
    log_c, total, layers = tables.stem_logs[listing.stem], np.full(n, stem_log), np.ones(n)
    forgotten, scoring, (a1, a2) = np.zeros(n, dtype=bool), space.scoring, map(float, space.scoring.exponents)
    more, size = np.full(n, tables.stem_correction), np.full(n, abs(tables.stem_correction))  # beside widths, and how much
    ends = [(2 * a2 * log(space.super_blocks[0].r) + a1 * log_c, total, layers, more, size)]
    for i, (table, columns, depths) in enumerate(zip(tables.stages, listing.columns, listing.depths, strict=True)):
        into, (log_c, t, per_block) = log_c, table.rows[:3, columns]
        s = table.block
        total = total + into + t + (depths - 1) * (log_c + t)
        layers = layers + per_block * depths
        if table.correction is not None:
            more, size = more + depths * table.correction[columns], size + depths * np.abs(table.correction[columns])
        if space.reference:
            forgotten = forgotten | np.array([space.families[name].has_se for name in s.families])[s.f[columns]]
        if stage_of[i] == len(ends) - 1:
            ends.pop()
        ends.append((np.where(forgotten, 0.0, 2 * a2 * log(s.out)) + a1 * log_c, total, layers, more, size))
    if space.head is not None:
        total, layers = ends.pop()[1] + log_c, layers + 1
        more, size = more + tables.head_correction, size + abs(tables.head_correction)
        area = np.where(forgotten, 0.0, 2 * a2 * log(space.super_blocks[-1].out))
        ends.append((area + a1 * log(space.head), total, layers, more, size))
    value, mass, rho, factor = np.zeros(n), np.zeros(n), np.zeros(n), float(scoring.factor)
    for j, (alpha, (x, total, layers, more, size)) in enumerate(zip(scoring.alpha, ends, strict=True)):
        unit, (term, most) = float(alpha) * scoring.unit, (factor * (total + more), factor * (total + size))
        value = value + unit * (x + term if scoring.additive else x * term)
        mass = mass + unit * (x + most if scoring.additive else x * most)
        if space.reference or j == len(ends) - 1:
            rho = np.maximum(rho, layers * np.exp(-total / layers))
    if space.penalised:
        depths = np.array([_depths(tables, i, listing) for i in space.penalised])
        exponent = depths.var(axis=0) if space.squared else depths.std(axis=0)
        with np.errstate(over="ignore"):
            cost = float(space.beta) * np.exp(exponent)
        value, mass = value - cost, mass + cost * (2 + exponent)
    for table, columns, depths in zip(tables.stages, listing.columns, listing.depths, strict=True):
        if table.values is not None:
            worth = table.values[np.searchsorted(np.array(table.block.depths), depths), columns]
            value, mass = value + worth, mass + np.abs(worth)
    value = value - float(space.price) * rho
    mass = mass + float(space.price) * rho * (2 + math.log(2 + float(rho.max(initial=0.0))))
    tied = np.ones(n, dtype=bool)
    for axis, stages in space.tied:
        rows = [_axis(tables, axis, i, listing) for i in stages]
        tied &= np.all([row == rows[0] for row in rows], axis=0)
    for i, (one, other) in enumerate(pairwise(tables.stages)):  # of blocks that may be exchanged, one order
        if one.block.rank is not None and other.block.rank is not None and other.block.continues:
            tied &= one.block.rank[listing.columns[i]] <= other.block.rank[listing.columns[i + 1]]
    return Scores(value, 1000 * (1 + len(stage_of)) * UNIT * mass + UNDERFLOW, rho, tied)


def _depths(tables: Tables, i: int, listing: Listing) -> Ints:
    """Blocks of a super-block."""
    total: Ints = np.zeros(len(listing.stem), dtype=np.int64)
    for table, columns, depths in zip(tables.stages, listing.columns, listing.depths, strict=True):
        if table.block.of == i:
            total = total + depths * (1 if table.block.present is None else table.block.present[columns])
    return total


def _axis(tables: Tables, axis: str, i: int, listing: Listing) -> Any:
    return listing.depths[i] if axis == "depth" else values_of(tables, axis, i)[listing.columns[i]]
