r"""The formulation by columns: one-hot binaries of columns and of depths, and big-M rows for all products of them.

This is how one usually makes a problem of one-hot choices linear (Glover 1975), with no copies of anything: what the
disaggregation of ``lattice`` is measured against. Notation as in :mod:`mipdesign.formulations.lattice`.

* **Binaries** ``x_i[q]`` of the columns ``q = (C, b, k)`` and ``L_i[L]`` of the depths: a sum of both and not their product.
  Places of ``L, b, k, C`` are integers that carry the branching: depth before width before channels.
* **Numbers.** ``C_i[c]``, what a further block counts and adds to ``S_i``, and the slope of the incoming channels are one
  continuous variable each; ``C_i`` and ``log C_i`` are linear in ``C_i[c]``.
* **Products** of a number ``g`` with one value ``g_v`` per binary ``z_v`` of a partition, and an expression ``e``: ``L_i - 1``
  with what a further block counts or adds to ``S_i``, ``C_{i-1}`` with the slope, ``log(r^2 C_i)`` with ``S_i``. Each is one
  variable ``w`` with a row per binary, ``w <= g_v e + M_v (1 - z_v)``, and the hull over the box of ``g`` and ``e`` (McCormick
  1976). ``M_v`` is the largest ``(g_u - g_v) e`` of all other ``u``, with the range that ``e`` has where ``g = g_u``: over
  columns that may follow the channels ``u``, or networks that reach them. No smaller ``M_v`` is valid on these ranges. (A
  coefficient ``M_vu`` of each ``z_u`` in the place of ``M_v`` gives the projection of copies as ``lattice`` has them.)
* **Counts where** ``ci = C``: one variable per budget in the same way, with a row for each value of ``C_{i-1}``.
* **Chain rule.** ``C_{i-1} >= p`` only with a ``C_i`` that may follow such channels, and ``C_{i-1} <= p`` likewise, by sums of
  binaries: exact, and the hull of the pairs.

One side of each product is enough: budgets hold counts down, and objective and effectiveness hold logarithms up. Budgets,
effectiveness and penalty are rows shared with the other linear formulations, whose tolerances apply.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mipdesign.errors import SpecError
from mipdesign.lattice.arrays import Bools, Floats, Ints
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import StageTables, Tables
from mipdesign.mip.formulation import Formulation, FormulationModel, OneHotGroup
from mipdesign.mip.linear import Terms

from . import common
from .common import CHANNELS, DEPTH, KERNEL, WIDTH, Layers
from .sheet import Bounded, Rule, Sheet

Side = Literal["at least", "at most"]
"""On which side of a product its variable is held."""


class Columns(Formulation):
    """Formulation by columns; see the module."""

    id = "columns"
    title = "one binary per column and per depth, products by big-M rows"
    claim = "exact"
    reference = (
        "Big-M rows: Glover, Management Science 22(4), 1975; boxes: McCormick, Mathematical Programming 10, 1976. "
        "Problem: DeepMAD, CVPR 2023, arXiv 2303.02165"
    )

    def unsupported(self, tables: Tables) -> str | None:
        return super().unsupported(tables) or common.too_many_vectors(tables, Cell.whole(tables))

    def build(self, tables: Tables, cell: Cell) -> FormulationModel:
        """The model of the networks of ``cell``.

        Raises
        ------
        SpecError
            If the cell is not one that it can write.
        """
        binaries = sum(len(columns) + len(cell.depths(tables, i)) for i, columns in enumerate(cell.columns))
        common.check_size(self.id, binaries)
        reason = super().unsupported(tables) or common.too_many_vectors(tables, cell)
        if reason is not None:
            raise SpecError("formulation", f"{self.id!r} does not support {reason}", "use 'lattice'")
        return common.write(_Writer(tables, cell))


@dataclass(frozen=True)
class _Channels:
    """The channels at one place of the chain.

    Attributes
    ----------
    values:
        What they can be, increasing.
    hot:
        For each value an expression that is 1 there and 0 elsewhere.
    low, high:
        For each value the range of the log-width sum up to and with this place, shape ``(values,)``.
    """

    values: Ints
    hot: Sequence[Terms]
    low: Floats
    high: Floats

    def function(self, of_value: Floats | Ints) -> Bounded:
        """A function of the channels, shape ``(values,)``, as an expression."""
        terms = [(v, float(f) * c) for f, hot in zip(of_value, self.hot, strict=True) for v, c in hot]
        return Bounded(terms, float(of_value.min()), float(of_value.max()))

    def within(self, first: int, end: int) -> Terms:
        """1 if the place of the value is in a range."""
        return [term for hot in self.hot[first:end] for term in hot]


@dataclass(frozen=True)
class _Block:
    """A super-block while it is written.

    Attributes
    ----------
    columns, binaries:
        Its columns, and the binary of each.
    depths, on_depth:
        Its depths, and what is 1 for each.
    follows:
        Which columns may come after each of the channels before it, shape ``(channels, columns)``.
    """

    index: int
    tables: StageTables
    columns: Ints
    binaries: Sequence[int]
    depths: Ints
    on_depth: Sequence[Terms]
    before: _Channels
    follows: Bools

    def of_column(self, values: Floats | Ints) -> Bounded:
        """A function of the column, shape ``(columns,)``, as an expression."""
        terms = [(v, float(f)) for v, f in zip(self.binaries, values, strict=True) if f]
        return Bounded(terms, float(values.min()), float(values.max()))

    @property
    def repeats(self) -> Bounded:
        """``L - 1``."""
        terms = [(v, c * float(d - 1)) for d, hot in zip(self.depths, self.on_depth, strict=True) for v, c in hot]
        return Bounded(terms, float(self.depths[0] - 1), float(self.depths[-1] - 1))


class _Writer:
    """Writes the model of one cell, super-block by super-block."""

    def __init__(self, tables: Tables, cell: Cell) -> None:
        self.tables, self.cell = tables, cell
        self.sheet = Sheet()
        self.counts: list[Terms] = [[(self.sheet.one, float(c))] for c in tables.tail_fixed]
        self.groups: list[OneHotGroup] = []
        self.on_depth: list[dict[int, Terms]] = []
        self.entropy_limit = 0.0
        self.penalty = common.penalty_scale(tables, 0.0, {})

    # --------------------------------------------------------------- the whole

    def nothing(self, reason: str) -> None:
        """Makes the model infeasible."""
        self.sheet.row(reason, [(self.sheet.one, 1.0)], high=0.0)

    def network(self, stem: Ints, columns: Sequence[Ints]) -> None:
        """All variables and constraints of a cell whose choices are all on some chain."""
        t, sheet = self.tables, self.sheet
        channels = self._stem(stem)
        total, layers = sheet.constant(t.stem_log), Layers([(sheet.one, 1.0)], (1,))
        if t.ends[0] < 0:
            self._end_of_stage(0, channels, total, layers)
        for i, own_columns in enumerate(columns):
            block = self._super_block(i, own_columns, channels)
            self._count(block)
            channels = self._channels(block)
            self._follow(block, channels)
            total = self._sum(block, channels, total)
            layers = self._layers(block, layers)
            if i in t.ends:
                self._end_of_stage(t.stage_of[i], channels, total, layers, is_last=i == len(t.stages) - 1)
        for row, slope in enumerate(t.tail_slope):
            self._charge(row, channels.function(channels.values).times(float(slope)).terms)
        common.budgets(sheet.linear, t, self.counts)
        self._penalty()

    def finish(self) -> FormulationModel:
        """The model."""
        linear = self.sheet.linear
        return FormulationModel(
            tables=self.tables,
            cell=self.cell,
            linear=linear,
            objective_scale=self.penalty.scale,
            magnitude=self.penalty.magnitude,
            floor=self.penalty.floor,
            priorities={linear.names[v]: priority for v, priority in linear.priorities.items()},
            groups=tuple(self.groups),
            rules=lambda position: dict(zip(linear.names, self.sheet.values(position), strict=True)),
        )

    # --------------------------------------------------------------- variables

    def _one_hot(
        self, name: str, labels: Sequence[str], keys: Sequence[int], slot: int, read: Callable[[Position], int], priority: int
    ) -> list[int]:
        """Binaries of which exactly one is 1: which key an entry of the position is; a single key needs none."""
        sheet = self.sheet

        def is_key(key: int) -> Rule:
            return lambda p: float(read(p.position) == key)

        if len(keys) == 1:
            binaries = [sheet.one]
        else:
            pairs = zip(labels, keys, strict=True)
            binaries = [sheet.variable(f"{name}_{label}", is_key(key), "B", priority=priority) for label, key in pairs]
            sheet.row(f"one_{name}", [(v, 1.0) for v in binaries], 1.0, 1.0)
        self.groups.append(OneHotGroup((slot,), {(key,): sheet.linear.names[v] for key, v in zip(keys, binaries, strict=True)}))
        return binaries

    def _place(self, name: str, values: Ints, binaries: Sequence[int], priority: int) -> None:
        """An integer for the place of a number among its values, to branch on."""
        places = np.unique(values, return_inverse=True)[1]
        if places.max():
            terms = [(v, float(j)) for v, j in zip(binaries, places, strict=True)]
            v = self.sheet.variable(f"{name}_place", lambda p: p.of(terms), "I", 0.0, float(places.max()), priority + 1)
            self.sheet.row(f"place_{name}", terms + [(v, -1.0)], 0.0, 0.0)

    def _stem(self, stem: Ints) -> _Channels:
        t = self.tables
        values = t.stem_c[stem]
        binaries = self._one_hot("C0", [str(c) for c in values], [int(j) for j in stem], 0, lambda p: p.stem, CHANNELS)
        self._place("C0", values, binaries, CHANNELS)
        for row, counts in enumerate(t.stem_counts):
            self._charge(row, [(v, float(c)) for v, c in zip(binaries, counts[stem], strict=True)])
        known = np.full(len(values), t.stem_log)
        return _Channels(values, [[(v, 1.0)] for v in binaries], known, known)

    def _super_block(self, i: int, columns: Ints, before: _Channels) -> _Block:
        """The binaries of a super-block, and the places that are branched on."""
        s, n, m = self.tables.stages[i], i + 1, len(self.tables.stages)
        depths = self.cell.depths(self.tables, i)
        labels = [str(d) for d in depths]
        of_depth = self._one_hot(f"L{n}", labels, [int(d) for d in depths], 1 + m + i, lambda p: p.depths[i], DEPTH)
        self._place(f"L{n}", depths, of_depth, DEPTH)
        labels = [f"{s.c[q]}_{s.b[q]}_{s.k[q]}" for q in columns]
        binaries = self._one_hot(f"x{n}", labels, [int(q) for q in columns], 1 + i, lambda p: p.columns[i], 0)
        for letter, values, priority in (("b", s.b, WIDTH), ("k", s.k, KERNEL), ("C", s.c, CHANNELS)):
            self._place(f"{letter}{n}", values[columns], binaries, priority)
        on_depth: list[Terms] = [[(v, 1.0)] for v in of_depth]
        self.on_depth.append({int(d): hot for d, hot in zip(depths, on_depth, strict=True)})
        follows = s.follows(before.values[:, None], s.c[columns][None, :])
        return _Block(i, s, columns, binaries, depths, on_depth, before, follows)

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
        hot: list[Terms] = [[(self.sheet.one, 1.0)]]
        if len(values) > 1:
            sums = (Bounded(block.of_column(inside.astype(np.int64)).terms, 0.0, 1.0) for inside in of_value)
            hot = [self.sheet.named(f"C{block.index + 1}_{c}", e).terms for c, e in zip(values, sums, strict=True)]
        return _Channels(values, hot, low, high)

    # ---------------------------------------------------------------- products

    def _product(
        self, name: str, hot: Sequence[Terms], g: Floats, e: Bounded, low: Floats, high: Floats, side: Side
    ) -> Bounded:
        """A variable on one side of ``g e``, where ``g`` has one value for each of several binaries.

        Parameters
        ----------
        hot, g:
            What is 1 for each value, and the values.
        low, high:
            The range of ``e`` where ``g`` has each value, shape ``(values,)``.
        """
        factor = Bounded([(v, float(x) * c) for x, z in zip(g, hot, strict=True) for v, c in z], float(g.min()), float(g.max()))
        if factor.low == factor.high:
            return e.times(factor.low)
        if e.low == e.high:
            return factor.times(e.low)
        sheet, sign = self.sheet, 1.0 if side == "at most" else -1.0
        corners = np.stack([g * low, g * high])
        w = sheet.variable(
            name, lambda p: p.of(factor.terms) * p.of(e.terms), lower=float(corners.min()), upper=float(corners.max())
        )
        other = ~np.eye(len(g), dtype=bool)
        for place, (z, value) in enumerate(zip(hot, g, strict=True)):
            steps = sign * (g - value)[other[place]]
            big_m = float(np.maximum(steps * low[other[place]], steps * high[other[place]]).max())
            terms = [(w, sign)] + _scaled(e.terms, -sign * float(value)) + _scaled(z, big_m)
            sheet.row(f"{name}_is_{place}", terms, high=big_m)
        opposite = (e.high, e.low) if side == "at most" else (e.low, e.high)
        for place, (a, b) in enumerate(zip((factor.low, factor.high), opposite, strict=True)):
            terms = [(w, sign)] + _scaled(e.terms, -sign * a) + _scaled(factor.terms, -sign * b)
            sheet.row(f"{name}_box_{place}", terms, high=-sign * a * b)
        return Bounded([(w, 1.0)], float(corners.min()), float(corners.max()))

    def _repeated(self, name: str, block: _Block, values: Floats, side: Side) -> Bounded:
        """``(L - 1)`` times a function of the column, on one side."""
        e = self.sheet.named(f"{name}_each", block.of_column(values))
        low, high = np.full((2, len(block.depths)), [[e.low], [e.high]])
        return self._product(name, block.on_depth, (block.depths - 1).astype(np.float64), e, low, high, side)

    # ------------------------------------------------------------------ counts

    def _charge(self, row: int, terms: Terms, factor: float = 1.0) -> None:
        """Adds to a budget."""
        self.counts[row].extend((v, c * factor) for v, c in terms)

    def _count(self, block: _Block) -> None:
        """Counts of a super-block: its first block, and ``L - 1`` like the second."""
        s, n = block.tables, block.index + 1
        for row, limit in enumerate(self.tables.limits):
            unit = common.budget_unit(limit)
            fixed, slope, same, rest = (counts[row, block.columns] / unit for counts in (s.fixed, s.slope, s.identity, s.rest))
            self._charge(row, block.of_column(fixed).terms, unit)
            self._charge(row, self._repeated(f"R{n}_{row}", block, rest, "at least").terms, unit)
            e = self.sheet.named(f"P{n}_{row}_each", block.of_column(slope))
            low, high = (
                np.where(block.follows, slope, np.inf).min(axis=1),
                np.where(block.follows, slope, -np.inf).max(axis=1),
            )
            incoming = block.before.values.astype(np.float64)
            product = self._product(f"P{n}_{row}", block.before.hot, incoming, e, low, high, "at least")
            self._charge(row, product.terms, unit)
            if same.any():
                self._charge(row, self._equal_channels(f"E{n}_{row}", block, same), unit)

    def _equal_channels(self, name: str, block: _Block, same: Floats) -> Terms:
        """At least what is counted only where the channels stay the same: ``sum_q same_q x_q C_{i-1}[C_q]``."""
        sheet, before = self.sheet, block.before
        c = block.tables.c[block.columns]
        members = [c == value for value in before.values]
        here = [block.of_column(np.where(inside, same, 0.0)).terms for inside in members]
        if len(before.values) == 1:
            return here[0]
        lowest = np.array([same[inside].min(initial=0.0) for inside in members])
        highest = np.array([same[inside].max(initial=0.0) for inside in members])

        def value(p: Position) -> float:
            at = int(np.searchsorted(block.columns, p.columns[block.index]))
            return float(same[at]) if c[at] == self._incoming(block, p) else 0.0

        w = sheet.variable(name, lambda p: value(p.position), lower=float(lowest.min()), upper=float(highest.max()))
        for place, (z, terms) in enumerate(zip(before.hot, here, strict=True)):
            big_m = float(max(-np.delete(lowest, place).min(), highest[place]))
            sheet.row(f"{name}_is_{place}", [(w, -1.0), *terms] + _scaled(z, big_m), high=big_m)
        if lowest.any():
            sheet.row(f"{name}_before", before.function(lowest).terms + [(w, -1.0)], high=0.0)
            counted = np.where(np.isin(c, before.values), np.minimum(same, 0.0), 0.0)
            sheet.row(f"{name}_here", block.of_column(counted).terms + [(w, -1.0)], high=0.0)
        return [(w, 1.0)]

    def _incoming(self, block: _Block, position: Position) -> int:
        """Channels before a super-block in a network."""
        t, i = self.tables, block.index
        return int(t.stages[i - 1].c[position.columns[i - 1]] if i else t.stem_c[position.stem])

    def _follow(self, block: _Block, channels: _Channels) -> None:
        """The chain rule."""
        before, n = block.before, block.index + 1
        follows = block.tables.follows(before.values[:, None], channels.values[None, :])
        first, end = follows.argmax(axis=1), follows.shape[1] - follows[:, ::-1].argmax(axis=1)
        for place in range(len(before.values)):
            if first[place] > (first[place - 1] if place else 0):
                later = _scaled(channels.within(first[place], len(channels.values)), -1.0)
                self.sheet.row(f"grows_{n}_{place}", before.within(place, len(before.values)) + later, high=0.0)
            if end[place] < (end[place + 1] if place + 1 < len(end) else len(channels.values)):
                earlier = _scaled(channels.within(0, end[place]), -1.0)
                self.sheet.row(f"bounded_{n}_{place}", before.within(0, place + 1) + earlier, high=0.0)

    # ------------------------------------------------------------ sums, entropy

    def _sum(self, block: _Block, channels: _Channels, total: Bounded) -> Bounded:
        """``S_i`` as a variable."""
        s, n, before = block.tables, block.index + 1, block.before
        t, log_c = s.t[block.columns], s.log_c[block.columns]
        entering = total.plus(before.function(np.log(before.values)))
        value = entering.plus(block.of_column(t)).plus(self._repeated(f"T{n}", block, t + log_c, "at most"))
        return self.sheet.named(f"S{n}", Bounded(value.terms, float(channels.low.min()), float(channels.high.max())))

    def _layers(self, block: _Block, before: Layers) -> Layers:
        """Layers up to and with a super-block."""
        per_block = int(block.tables.layers[0])
        attainable = before.attainable_with(per_block, block.depths)
        added = block.repeats.plus(self.sheet.constant(1.0)).times(float(per_block))
        value = Bounded(before.terms + added.terms, float(attainable[0]), float(attainable[-1]))
        return Layers(self.sheet.named(f"n{block.index + 1}", value).terms, attainable)

    def _end_of_stage(self, stage: int, channels: _Channels, total: Bounded, layers: Layers, is_last: bool = False) -> None:
        """Entropy and effectiveness of the prefix that ends with a stage; the head belongs to the last."""
        t, weight = self.tables, self.tables.problem.scoring.weights[stage]
        if is_last and t.has_head:
            total = total.plus(channels.function(np.log(channels.values)))
            layers = layers.with_head(self.sheet.one)
        log_end = np.broadcast_to(t.log_end(stage, channels.values), channels.values.shape)
        entropy = self._product(f"H{stage}", channels.hot, log_end, total, channels.low, channels.high, "at most")
        self.sheet.linear.gain(entropy.terms, weight)
        self.entropy_limit += weight * max(entropy.high, 0.0)
        common.effectiveness(self.sheet.linear, t, stage, total.terms, layers)

    def _penalty(self) -> None:
        """``- beta Q`` in the objective; sets the scale and the floor of the model."""
        scoring, sheet = self.tables.problem.scoring, self.sheet
        depths: dict[int, Mapping[int, Terms]] = {i: self.on_depth[i] for i in self.tables.penalised}
        self.penalty = common.penalty_scale(self.tables, self.entropy_limit, {i: list(hot) for i, hot in depths.items()})
        form, beta, limit = scoring.penalty_form, scoring.beta, self.penalty.limit
        if depths and not common.penalty_weights(sheet.linear, sheet.variable, form, beta, limit, depths):
            self.nothing("penalty_out_of_range")


def _scaled(terms: Terms, factor: float) -> Terms:
    """A multiple of an expression."""
    return [(v, c * factor) for v, c in terms]
