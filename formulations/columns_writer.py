"""Writes the formulation by columns of one cell, super-block by super-block; equations as in ``docs/formulations.md``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from mipdesign.lattice.arrays import Floats, Ints
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import Tables
from mipdesign.mip.expressions import Expression, dot, linear_sum
from mipdesign.mip.formulation import FormulationModel, OneHotGroup
from mipdesign.mip.start_values import Assignment, ValueRule

from . import common, elements, pairs, penalty, table_values
from .columns_block import Block, Channels, choice
from .common import CHANNELS, DEPTH, KERNEL, WIDTH, Layers
from .model_builder import ModelBuilder

Side = Literal["at least", "at most"]
"""On which side of a product its variable is held."""


class ColumnsWriter:
    """Writes the model of one cell, super-block by super-block."""

    def __init__(self, tables: Tables, cell: Cell) -> None:
        self.tables, self.cell = tables, cell
        self.model = ModelBuilder()
        self.counts: list[list[Expression]] = [[self.model.constant(float(c))] for c in tables.tail_fixed]
        self.groups: list[OneHotGroup] = []
        self.blocks: list[Block] = []
        self.extra = self.model.constant(tables.stem_extra)
        """What the layer terms so far have beside their log widths."""
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
            self._add_extra(block)
            self._add_values(block)
            if i in t.ends:
                self._end_of_stage(t.stage_of[i], channels, total, layers, is_last=i == len(t.stages) - 1)
        for count, slope in zip(self.counts, t.tail_slope, strict=True):
            count.append(float(slope) * channels.function(channels.values))
        common.budgets(model, t, [linear_sum(count) for count in self.counts])
        common.ties(model, t, lambda i, axis: self.blocks[i].indicators(axis))
        of_stem = dict(zip(stem.tolist(), self.blocks[0].before.z, strict=True))
        elements.limit_readers(model, t, of_stem, [block.chosen for block in self.blocks])
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

    def _stem(self, stem: Ints) -> Channels:
        t = self.tables
        values = t.stem_c[stem]
        z = self._one_hot("C0", [str(c) for c in values], [int(j) for j in stem], 0, lambda p: p.stem, CHANNELS)
        self._place("C0", values, z, CHANNELS)
        for count, of_stem in zip(self.counts, t.stem_counts, strict=True):
            count.append(choice(of_stem[stem], z))
        known = np.full(len(values), t.stem_log)
        return Channels(values, z, known, known)

    def _super_block(self, i: int, columns: Ints, before: Channels) -> Block:
        """The binaries of a super-block, and the integers that are branched on."""
        s, n, m = self.tables.stages[i], i + 1, len(self.tables.stages)
        depths = self.cell.depths(self.tables, i)
        labels = [str(d) for d in depths]
        on_depth = self._one_hot(f"L{n}", labels, [int(d) for d in depths], 1 + m + i, lambda p: p.depths[i], DEPTH)
        self._place(f"L{n}", depths, on_depth, DEPTH)
        families = [f"{s.blocks[s.f[q]]}_" if len(s.blocks) > 1 else "" for q in columns]
        place = [f"_{q}" if s.element.is_block else "" for q in columns]  # of columns that differ in bits, or are absent
        labels = [f"{family}{s.c[q]}_{s.b[q]}_{s.k[q]}{at}" for family, q, at in zip(families, columns, place, strict=True)]
        x = self._one_hot(f"x{n}", labels, [int(q) for q in columns], 1 + i, lambda p: p.columns[i], 0)
        for letter, values, priority in (("b", s.b, WIDTH), ("k", s.k, KERNEL), ("C", s.c, CHANNELS)):
            self._place(f"{letter}{n}", values[columns], x, priority)
        follows = s.follows(before.values[:, None], s.c[columns][None, :])
        self.blocks.append(Block(i, s, columns, x, depths, on_depth, before, follows))
        if s.element.continues:
            of_both = (block.chosen for block in self.blocks[-2:])
            elements.join(self.model, n, *of_both, ordered=self.tables.is_ordered(i))
        return self.blocks[-1]

    def _channels(self, block: Block) -> Channels:
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
        return Channels(values, z, low, high)

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
        factor = choice(g, z)
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

    def _repeated(self, name: str, block: Block, values: Floats, side: Side) -> Expression:
        """``(L - 1)`` times a function of the column, on one side."""
        e = self.model.equal_to(f"{name}_each", block.of_column(values))
        low, high = np.full((2, len(block.depths)), [[e.low], [e.high]])
        return self._product(name, block.on_depth, (block.depths - 1).astype(np.float64), e, low, high, side)

    # ------------------------------------------------------------------ counts

    def _count(self, block: Block) -> None:
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
            if len(s.pairs) and not s.element.continues and row >= self.tables.arrays.paired:
                costs = pairs.latency(
                    self.model, self.tables, block.index, block.columns, block.before.by_value, unit, block.named, row
                )
                count.append(unit * costs)

    def _identity_counts(self, name: str, block: Block, identity: Floats) -> Expression:
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

    def _follow(self, block: Block, channels: Channels) -> None:
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

    def _sum(self, block: Block, channels: Channels, total: Expression) -> Expression:
        """``S_i`` as a variable."""
        s, n, before = block.tables, block.index + 1, block.before
        t, log_c = s.t[block.columns], s.log_c[block.columns]
        entering = total + before.function(np.log(before.values))
        value = entering + block.of_column(t) + self._repeated(f"T{n}", block, t + log_c, "at most")
        return self.model.equal_to(f"S{n}", value.within(float(channels.low.min()), float(channels.high.max())))  # (1)

    def _add_extra(self, block: Block) -> None:
        """What layer terms have beside log widths, up to and with a super-block."""
        if not self.tables.has_extra:
            return
        n, extra = block.index + 1, block.tables.extra[block.columns]
        repeated = self._repeated(f"X{n}", block, extra, "at most")
        self.extra = self.model.equal_to(f"E{n}", self.extra + block.of_column(extra) + repeated)

    def _add_values(self, block: Block) -> None:
        """What a super-block is worth by the table, in the objective: at most that of its column at its depth."""
        if not self.tables.has_values:
            return
        n, model = block.index + 1, self.model
        values, excluded = table_values.values_at(block.tables, block.columns, block.depths)
        for place, z in enumerate(block.on_depth):
            if excluded[:, place].any():
                model.add(f"without_value_{n}_{place}", block.of_column(excluded[:, place].astype(np.float64)) + z <= 1.0)
        self.entropy_limit += max(float(values.max()), 0.0)
        if len(block.on_depth) == 1:
            model.maximize(block.of_column(values[:, 0]))
            return

        def value(network: Assignment) -> float:
            p, s = network.position, block.tables
            return float(s.values[p.columns[block.index], np.searchsorted(s.depths, p.depths[block.index])])

        v = model.variable(f"V{n}", lower=float(values.min()), upper=float(values.max()), value=value)
        for place, z in enumerate(block.on_depth):
            big_m = float((values.max(axis=1) - values[:, place]).max())
            model.add(f"value_{n}_{place}", v - block.of_column(values[:, place]) + big_m * z <= big_m)
        model.maximize(v)

    def _layers(self, block: Block, before: Layers) -> Layers:
        """Layers up to and with a super-block."""
        per_block, layers = int(block.tables.layers[0]), block.tables.layers[block.columns]
        if block.tables.element.is_block and len(sizes := sorted(set(layers.tolist()))) > 1:
            every = tuple(sorted({n + size for n in before.attainable for size in sizes}))
            own = (before.number + block.of_column(layers)).within(float(every[0]), float(every[-1]))
            return Layers(self.model.equal_to(f"n{block.index + 1}", own), every)
        attainable = before.attainable_with(per_block, block.depths)
        value = before.number + float(per_block) * (block.repeats + self.model.one)
        value = value.within(float(attainable[0]), float(attainable[-1]))
        return Layers(self.model.equal_to(f"n{block.index + 1}", value), attainable)

    def _end_of_stage(self, stage: int, channels: Channels, total: Expression, layers: Layers, is_last: bool = False) -> None:
        """Entropy and effectiveness of the prefix that ends with a stage; the head belongs to the last."""
        t, scoring = self.tables, self.tables.problem.scoring
        weight, end_weight = scoring.weights[stage], scoring.end_weights[stage]
        if is_last and t.has_head:
            total = total + channels.function(np.log(channels.values))
            layers = layers.with_head(self.model.one)
            if t.head_extra:
                self.extra += self.model.constant(t.head_extra)
        terms, low, high = total, channels.low, channels.high
        if t.has_extra:
            terms, low, high = total + self.extra, low + self.extra.low, high + self.extra.high
        log_end = np.broadcast_to(t.log_end(stage, channels.values), channels.values.shape)
        if scoring.additive:
            entropy = weight * terms + end_weight * channels.function(log_end)
        else:
            entropy = weight * self._product(f"H{stage}", channels.z, log_end, terms, low, high, "at most")
        self.model.maximize(entropy)  # (2)
        self.entropy_limit += max(entropy.high, 0.0)
        common.effectiveness(self.model, t, stage, total, layers)

    def _penalty(self) -> None:
        """``- beta Q`` in the objective; sets the scale and the floor of the model."""
        of = {i: self.blocks[slice(*self.tables.elements_of(i))] for i in self.tables.penalised}
        depths = {i: elements.blocks_of([block.chosen for block in of_one], self.model.one) for i, of_one in of.items()}
        self.penalty = penalty.penalty_scale(self.tables, self.entropy_limit, depths)
        if depths and not penalty.penalty_weights(self.model, self.tables, self.penalty, depths):
            self.never("penalty_out_of_range")
