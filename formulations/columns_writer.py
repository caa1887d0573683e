"""Writes the formulation by columns of one cell, super-block by super-block; equations as in ``docs/formulations.md``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mipdesign.lattice.arrays import Bools, Floats, Ints
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Position
from mipdesign.lattice.stage_tables import StageTables
from mipdesign.lattice.tables import Tables
from mipdesign.mip.expressions import Expression, dot, linear_sum
from mipdesign.mip.formulation import FormulationModel, OneHotGroup
from mipdesign.mip.start_values import Assignment, ValueRule

from . import common, pairs, penalty
from .common import CHANNELS, DEPTH, KERNEL, WIDTH, Layers
from .model_builder import ModelBuilder

Side = Literal["at least", "at most"]
"""On which side of a product its variable is held."""


@dataclass(frozen=True)
class _Channels:
    """The channels at one place of the chain.

    Attributes
    ----------
    values:
        What they can be, increasing.
    z:
        For each value an expression that is 1 there and 0 elsewhere.
    low, high:
        For each value the range of the log-width sum up to and with this place, shape ``(values,)``.
    """

    values: Ints
    z: Sequence[Expression]
    low: Floats
    high: Floats

    def function(self, of_value: Floats | Ints) -> Expression:
        """A function of the channels, shape ``(values,)``, as an expression."""
        return _choice(of_value, self.z)

    @property
    def by_value(self) -> dict[int, Expression]:
        """What is 1 for each value."""
        return dict(zip(self.values.tolist(), self.z, strict=True))

    def within(self, first: int, end: int) -> Expression:
        """1 if the index of the value is in a range."""
        return linear_sum(self.z[first:end])


@dataclass(frozen=True)
class _Block:
    """A super-block while it is written.

    Attributes
    ----------
    columns, x:
        Its columns, and the binary of each.
    depths, on_depth:
        Its depths, and what is 1 for each.
    follows:
        Which columns may come after each of the channels before it, shape ``(channels, columns)``.
    """

    index: int
    tables: StageTables
    columns: Ints
    x: Sequence[Expression]
    depths: Ints
    on_depth: Sequence[Expression]
    before: _Channels
    follows: Bools

    def of_column(self, values: Floats | Ints | Bools) -> Expression:
        """A function of the column, shape ``(columns,)``, as an expression."""
        chosen = ((f, x) for f, x in zip(values, self.x, strict=True) if f)
        return linear_sum(float(f) * x for f, x in chosen).within(float(values.min()), float(values.max()))

    def named(self, _: str, values: Floats | Bools) -> Expression:
        """As :meth:`of_column`; no variable is needed."""
        return self.of_column(values)

    def indicators(self, axis: str) -> dict[int, Expression] | dict[str, Expression]:
        """What is 1 for each value of the depth, or of channels, width, kernel or family of the column."""
        s = self.tables
        if axis == "depth":
            return self.by_depth
        if axis == "block":
            return {s.blocks[f]: self.of_column(s.f[self.columns] == f) for f in np.unique(s.f[self.columns])}
        values = {"channels": s.c, "bottleneck": s.b, "kernel": s.k}[axis][self.columns]
        return {int(v): self.of_column(values == v) for v in np.unique(values)}

    @property
    def by_depth(self) -> dict[int, Expression]:
        """What is 1 for each depth."""
        return dict(zip(self.depths.tolist(), self.on_depth, strict=True))

    @property
    def repeats(self) -> Expression:
        """``L - 1``."""
        return _choice(self.depths - 1, self.on_depth)


class ColumnsWriter:
    """Writes the model of one cell, super-block by super-block."""

    def __init__(self, tables: Tables, cell: Cell) -> None:
        self.tables, self.cell = tables, cell
        self.model = ModelBuilder()
        self.counts: list[list[Expression]] = [[self.model.constant(float(c))] for c in tables.tail_fixed]
        self.groups: list[OneHotGroup] = []
        self.blocks: list[_Block] = []
        self.entropy_limit = 0.0
        self.penalty = penalty.penalty_scale(tables, 0.0, {})

    # --------------------------------------------------------------- the whole

    def never(self, reason: str) -> None:
        """Makes the model infeasible."""
        self.model.never(reason)

    def network(self, stem: Ints, columns: Sequence[Ints]) -> None:
        """All variables and constraints of a cell whose choices are all on some chain."""
        t, model = self.tables, self.model
        channels = self._stem(stem)
        total, layers = model.constant(t.stem_log), Layers(model.one, (1,))
        if t.ends[0] < 0:
            self._end_of_stage(0, channels, total, layers)
        for i, own_columns in enumerate(columns):
            block = self._super_block(i, own_columns, channels)
            self._count(block)
            depths = block.by_depth
            pairs.limit_operations(model, i + 1, block.tables, own_columns, channels.by_value, depths, block.named)
            channels = self._channels(block)
            self._follow(block, channels)
            total = self._sum(block, channels, total)
            layers = self._layers(block, layers)
            if i in t.ends:
                self._end_of_stage(t.stage_of[i], channels, total, layers, is_last=i == len(t.stages) - 1)
        for count, slope in zip(self.counts, t.tail_slope, strict=True):
            count.append(float(slope) * channels.function(channels.values))
        common.budgets(model, t, [linear_sum(count) for count in self.counts])
        common.ties(model, t, lambda i, axis: self.blocks[i].indicators(axis))
        self._penalty()

    def finish(self) -> FormulationModel:
        """The model."""
        return FormulationModel(**common.parts_of(self), groups=tuple(self.groups))

    # --------------------------------------------------------------- variables

    def _one_hot(
        self, name: str, labels: Sequence[str], keys: Sequence[int], slot: int, read: Callable[[Position], int], priority: int
    ) -> list[Expression]:
        """Binaries of which exactly one is 1: which key an entry of the position is; a single key needs none."""
        model = self.model

        def is_key(key: int) -> ValueRule:
            return lambda network: float(read(network.position) == key)

        if len(keys) == 1:
            z = [model.one]
        else:
            pairs = zip(labels, keys, strict=True)
            z = [model.variable(f"{name}_{label}", "B", priority=priority, value=is_key(key)) for label, key in pairs]
            model.add(f"one_{name}", linear_sum(z) == 1.0)
        names: dict[tuple[int, ...], str] = {(key,): model.names[z_key.variable] for key, z_key in zip(keys, z, strict=True)}
        self.groups.append(OneHotGroup((slot,), names))
        return z

    def _place(self, name: str, values: Ints, z: Sequence[Expression], priority: int) -> None:
        """An integer for the index of a number among its values, to branch on."""
        indices = np.unique(values, return_inverse=True)[1]
        if last := int(indices.max()):
            index = dot(indices, z)
            v = self.model.variable(f"{name}_place", "I", 0.0, float(last), priority + 1, lambda n: n.of(index))
            self.model.add(f"place_{name}", index == v)

    def _stem(self, stem: Ints) -> _Channels:
        t = self.tables
        values = t.stem_c[stem]
        z = self._one_hot("C0", [str(c) for c in values], [int(j) for j in stem], 0, lambda p: p.stem, CHANNELS)
        self._place("C0", values, z, CHANNELS)
        for count, of_stem in zip(self.counts, t.stem_counts, strict=True):
            count.append(_choice(of_stem[stem], z))
        known = np.full(len(values), t.stem_log)
        return _Channels(values, z, known, known)

    def _super_block(self, i: int, columns: Ints, before: _Channels) -> _Block:
        """The binaries of a super-block, and the integers that are branched on."""
        s, n, m = self.tables.stages[i], i + 1, len(self.tables.stages)
        depths = self.cell.depths(self.tables, i)
        labels = [str(d) for d in depths]
        on_depth = self._one_hot(f"L{n}", labels, [int(d) for d in depths], 1 + m + i, lambda p: p.depths[i], DEPTH)
        self._place(f"L{n}", depths, on_depth, DEPTH)
        families = [f"{s.blocks[s.f[q]]}_" if len(s.blocks) > 1 else "" for q in columns]
        labels = [f"{family}{s.c[q]}_{s.b[q]}_{s.k[q]}" for family, q in zip(families, columns, strict=True)]
        x = self._one_hot(f"x{n}", labels, [int(q) for q in columns], 1 + i, lambda p: p.columns[i], 0)
        for letter, values, priority in (("b", s.b, WIDTH), ("k", s.k, KERNEL), ("C", s.c, CHANNELS)):
            self._place(f"{letter}{n}", values[columns], x, priority)
        follows = s.follows(before.values[:, None], s.c[columns][None, :])
        self.blocks.append(_Block(i, s, columns, x, depths, on_depth, before, follows))
        return self.blocks[-1]

    def _channels(self, block: _Block) -> _Channels:
        """The channels of a super-block; ranges of the log-width sum are those over all chains that lead to them."""
        s, before = block.tables, block.before
        t, log_c, log_before = s.t[block.columns], s.log_c[block.columns], np.log(before.values)[:, None]
        values = np.unique(s.c[block.columns])
        of_value = s.c[block.columns] == values[:, None]
        least, most = (d * t + (d - 1) * log_c for d in (block.depths[0], block.depths[-1]))
        least += np.where(block.follows, before.low[:, None] + log_before, np.inf).min(axis=0)
        most += np.where(block.follows, before.high[:, None] + log_before, -np.inf).max(axis=0)
        low = np.where(of_value, least, np.inf).min(axis=1)
        high = np.where(of_value, most, -np.inf).max(axis=1)
        z = [self.model.one]
        if len(values) > 1:
            sums = (block.of_column(inside.astype(np.int64)).within(0.0, 1.0) for inside in of_value)
            z = [self.model.equal_to(f"C{block.index + 1}_{c}", e) for c, e in zip(values, sums, strict=True)]
        return _Channels(values, z, low, high)

    # ---------------------------------------------------------------- products

    def _product(
        self, name: str, z: Sequence[Expression], g: Floats, e: Expression, low: Floats, high: Floats, side: Side
    ) -> Expression:
        """A variable on one side of ``g e``, where ``g`` has one value for each of several binaries.

        Parameters
        ----------
        z, g:
            What is 1 for each value, and the values.
        low, high:
            The range of ``e`` where ``g`` has each value, shape ``(values,)``.
        """
        factor = _choice(g, z)
        if factor.is_fixed:
            return factor.low * e
        if e.is_fixed:
            return e.low * factor
        model, sign = self.model, 1.0 if side == "at most" else -1.0
        corners = np.stack([g * low, g * high])
        w = model.variable(name, lower=float(corners.min()), upper=float(corners.max()), value=lambda n: n.of(factor) * n.of(e))
        other = ~np.eye(len(g), dtype=bool)
        for place, (z_v, g_v) in enumerate(zip(z, g.tolist(), strict=True)):
            steps = sign * (g - g_v)[other[place]]
            big_m = float(np.maximum(steps * low[other[place]], steps * high[other[place]]).max())
            model.add(f"{name}_is_{place}", sign * w - sign * g_v * e + big_m * z_v <= big_m)  # (29)
        opposite = (e.high, e.low) if side == "at most" else (e.low, e.high)
        for place, (a, b) in enumerate(zip((factor.low, factor.high), opposite, strict=True)):
            model.add(f"{name}_box_{place}", sign * w - sign * a * e - sign * b * factor <= -sign * a * b)  # (30)
        return w

    def _repeated(self, name: str, block: _Block, values: Floats, side: Side) -> Expression:
        """``(L - 1)`` times a function of the column, on one side."""
        e = self.model.equal_to(f"{name}_each", block.of_column(values))
        low, high = np.full((2, len(block.depths)), [[e.low], [e.high]])
        return self._product(name, block.on_depth, (block.depths - 1).astype(np.float64), e, low, high, side)

    # ------------------------------------------------------------------ counts

    def _count(self, block: _Block) -> None:
        """Counts of a super-block: its first block, and ``L - 1`` like the second."""
        s, n = block.tables, block.index + 1
        for row, (limit, count) in enumerate(zip(self.tables.limits, self.counts, strict=True)):
            unit = common.budget_unit(limit)
            fixed, slope, identity, rest = (
                counts[row, block.columns] / unit for counts in (s.fixed, s.slope, s.identity, s.rest)
            )
            count.append(unit * block.of_column(fixed))  # (3)
            count.append(unit * self._repeated(f"R{n}_{row}", block, rest, "at least"))
            e = self.model.equal_to(f"P{n}_{row}_each", block.of_column(slope))
            low, high = (
                np.where(block.follows, slope, np.inf).min(axis=1),
                np.where(block.follows, slope, -np.inf).max(axis=1),
            )
            incoming = block.before.values.astype(np.float64)
            count.append(unit * self._product(f"P{n}_{row}", block.before.z, incoming, e, low, high, "at least"))
            if identity.any():
                count.append(unit * self._identity_counts(f"E{n}_{row}", block, identity))
            if len(s.pairs) and self.tables.counts[row] == "latency":
                costs = pairs.latency(
                    self.model, self.tables, block.index, block.columns, block.before.by_value, unit, block.named
                )
                count.append(unit * costs)

    def _identity_counts(self, name: str, block: _Block, identity: Floats) -> Expression:
        """At least what is counted only where the channels stay the same: ``sum_q identity_q x_q C_{i-1}[C_q]``."""
        model, before = self.model, block.before
        c = block.tables.c[block.columns]
        members = [c == value for value in before.values]
        here = [block.of_column(np.where(inside, identity, 0.0)) for inside in members]
        if len(before.values) == 1:
            return here[0]
        lowest = np.array([identity[inside].min(initial=0.0) for inside in members])
        highest = np.array([identity[inside].max(initial=0.0) for inside in members])

        def value(network: Assignment) -> float:
            return sum(network.of(z) * network.of(e) for z, e in zip(before.z, here, strict=True))

        w = model.variable(name, lower=float(lowest.min()), upper=float(highest.max()), value=value)
        for place, (z, e) in enumerate(zip(before.z, here, strict=True)):
            big_m = float(max(-np.delete(lowest, place).min(), highest[place]))
            model.add(f"{name}_is_{place}", -w + e + big_m * z <= big_m)  # (31)
        if lowest.any():
            model.add(f"{name}_before", before.function(lowest) - w <= 0.0)
            counted = np.where(np.isin(c, before.values), np.minimum(identity, 0.0), 0.0)
            model.add(f"{name}_here", block.of_column(counted) - w <= 0.0)
        return w

    def _follow(self, block: _Block, channels: _Channels) -> None:
        """The chain rule, equation (5)."""
        before, n = block.before, block.index + 1
        follows = block.tables.follows(before.values[:, None], channels.values[None, :])
        first, end = follows.argmax(axis=1), follows.shape[1] - follows[:, ::-1].argmax(axis=1)
        for place in range(len(before.values)):
            if first[place] > (first[place - 1] if place else 0):
                later = channels.within(first[place], len(channels.values))
                self.model.add(f"grows_{n}_{place}", before.within(place, len(before.values)) <= later)
            if end[place] < (end[place + 1] if place + 1 < len(end) else len(channels.values)):
                self.model.add(f"bounded_{n}_{place}", before.within(0, place + 1) <= channels.within(0, end[place]))

    # ------------------------------------------------------------ sums, entropy

    def _sum(self, block: _Block, channels: _Channels, total: Expression) -> Expression:
        """``S_i`` as a variable."""
        s, n, before = block.tables, block.index + 1, block.before
        t, log_c = s.t[block.columns], s.log_c[block.columns]
        entering = total + before.function(np.log(before.values))
        value = entering + block.of_column(t) + self._repeated(f"T{n}", block, t + log_c, "at most")
        return self.model.equal_to(f"S{n}", value.within(float(channels.low.min()), float(channels.high.max())))  # (1)

    def _layers(self, block: _Block, before: Layers) -> Layers:
        """Layers up to and with a super-block."""
        per_block = int(block.tables.layers[0])
        attainable = before.attainable_with(per_block, block.depths)
        value = before.number + float(per_block) * (block.repeats + self.model.one)
        value = value.within(float(attainable[0]), float(attainable[-1]))
        return Layers(self.model.equal_to(f"n{block.index + 1}", value), attainable)

    def _end_of_stage(self, stage: int, channels: _Channels, total: Expression, layers: Layers, is_last: bool = False) -> None:
        """Entropy and effectiveness of the prefix that ends with a stage; the head belongs to the last."""
        t, scoring = self.tables, self.tables.problem.scoring
        weight, end_weight = scoring.weights[stage], scoring.end_weights[stage]
        if is_last and t.has_head:
            total = total + channels.function(np.log(channels.values))
            layers = layers.with_head(self.model.one)
        log_end = np.broadcast_to(t.log_end(stage, channels.values), channels.values.shape)
        if scoring.additive:
            entropy = weight * total + end_weight * channels.function(log_end)
        else:
            entropy = weight * self._product(f"H{stage}", channels.z, log_end, total, channels.low, channels.high, "at most")
        self.model.maximize(entropy)  # (2)
        self.entropy_limit += max(entropy.high, 0.0)
        common.effectiveness(self.model, t, stage, total, layers)

    def _penalty(self) -> None:
        """``- beta Q`` in the objective; sets the scale and the floor of the model."""
        scoring = self.tables.problem.scoring
        depths = {i: self.blocks[i].by_depth for i in self.tables.penalised}
        self.penalty = penalty.penalty_scale(self.tables, self.entropy_limit, depths)
        if depths and not penalty.penalty_weights(self.model, scoring, self.penalty, depths):
            self.never("penalty_out_of_range")


def _choice(values: Floats | Ints, z: Sequence[Expression]) -> Expression:
    """The value whose binary is 1."""
    chosen = linear_sum(float(f) * z_v for f, z_v in zip(values, z, strict=True))
    return chosen.within(float(values.min()), float(values.max()))
