"""Writes the lattice formulation of one cell, super-block by super-block; equations as in ``docs/formulations.md``."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mipdesign.lattice.arrays import Bools, Floats, Ints
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import Tables
from mipdesign.mip.expressions import Expression, linear_sum
from mipdesign.mip.formulation import FormulationModel, OneHotGroup
from mipdesign.mip.linear import ScipModel
from mipdesign.mip.start_values import ValueRule

from . import common, elements, pairs, penalty, table_values
from .common import CHANNELS, DEPTH, KERNEL, WIDTH, Layers
from .elements import Chosen
from .lattice_points import Block, Figure, Points, own_figure, slope_per_channel
from .model_builder import ModelBuilder
from .one_hot import copies, one_hot
from .scaling import NONLINEAR_PARAMETERS, PenaltyScale


class LatticeWriter:
    """Writes the model of one cell, super-block by super-block.

    Only three methods know how points are written: :meth:`add_points`, :meth:`of_points` and :meth:`match_points`.
    """

    def __init__(self, tables: Tables, cell: Cell) -> None:
        self.tables, self.cell = tables, cell
        self.model = ModelBuilder()
        self.groups: list[OneHotGroup] = []
        self.counts: list[list[Expression]] = [[self.model.constant(float(c))] for c in tables.tail_fixed]
        self.entropy_limit = 0.0
        """Upper bound of the weighted entropy."""
        self.binaries: list[Ints] = []
        """Binaries of the points of each super-block by number, shape ``(columns, depths)``."""
        self.blocks: list[Block] = []
        self.chosen: list[Chosen] = []
        self.extra = self.model.constant(tables.stem_extra)
        """What the layer terms so far have beside their log widths."""
        self.penalty = PenaltyScale.without_penalty(0.0)
        self.cone: penalty.PenaltyCone | None = None

    # --------------------------------------------------------------- the whole

    def never(self, reason: str) -> None:
        """Makes the model infeasible."""
        self.model.never(reason)

    def network(self, stem: Ints, columns: Sequence[Ints]) -> None:
        """All variables and constraints of a cell whose choices are all on some chain."""
        t, model = self.tables, self.model
        index = {int(t.stem_c[j]): int(j) for j in stem}
        channels = one_hot(self.model, "C0", list(index), lambda p: int(t.stem_c[p.stem]), CHANNELS)
        self.groups.append(OneHotGroup((0,), {(index[c],): self._name(z) for c, z in channels.items()}))
        for c, z in channels.items():
            self._charge(z, t.stem_counts[:, index[c]])
        total, layers = model.constant(t.stem_log), Layers(model.one, (1,))
        by_stem = {index[c]: z for c, z in channels.items()}
        if t.ends[0] < 0:
            self._gain_of_stem(channels)
            common.effectiveness(model, t, 0, total, layers)
        for i, own_columns in enumerate(columns):
            block = self._super_block(i, own_columns, channels)
            entering = total if block.continues else total + _of_channels(channels)
            total, layers = self._sum(block, entering), self._layers(block, layers)
            channels, entering = dict(block.channels), self._terms(entering)
            self._add_extra(block)
            self._add_values(block)
            if i in t.ends:
                self._end_of_stage(block, entering, total, layers)
        for c, z in channels.items():
            self._charge(float(c) * z, t.tail_slope)
        common.budgets(model, self.tables, [linear_sum(count) for count in self.counts])
        common.ties(model, self.tables, self._indicators)
        elements.limit_readers(model, t, by_stem, self.chosen)
        self._penalty()

    def _indicators(self, i: int, axis: str) -> Mapping[int, Expression] | Mapping[str, Expression]:
        return self.chosen[i].by_presence if axis == "presence" else self.blocks[i].indicators(axis)

    def finish(self) -> FormulationModel:
        """The model: linear, unless the penalty needs the cone."""
        parts = common.parts_of(self) | {"groups": tuple(self.groups), "parameters": {}}
        if self.cone is not None:
            parts |= {"linear": None, "nonlinear": self._with_cone, "parameters": NONLINEAR_PARAMETERS}
        return self.finished(**parts)

    def finished(self, **parts: Any) -> FormulationModel:
        """The model of these parts."""
        return FormulationModel(**parts)

    def _with_cone(self) -> ScipModel:
        assert self.cone is not None
        model, variables = self.model.to_scip(self.penalty.scale)
        self.cone.constrain(model, [variables[name] for name in self.cone.deviations], variables)
        return model, variables

    def _name(self, variable: Expression) -> str:
        return self.model.names[variable.variable]

    # -------------------------------------------------------------- super-block

    def _super_block(self, i: int, columns: Ints, before: Mapping[int, Expression]) -> Block:
        """Variables and counts of one super-block."""
        s = self.tables.stages[i]
        points = Points(i, columns, self.cell.depths(self.tables, i))
        self.add_points(points)

        def marginal(
            letter: str, priority: int, read: Callable[[Position], int], values: Ints, is_value: Callable[[int], Figure]
        ) -> dict[int, Expression]:
            name = f"{letter}{i + 1}"
            z = one_hot(self.model, name, values.tolist(), read, priority)
            if len(z) > 1:
                for value, z_value in z.items():
                    self.match_points(f"of_{name}_{value}", z_value, is_value(value))  # (26)
            return z

        def of_columns(letter: str, priority: int, values: Ints) -> dict[int, Expression]:
            of_column = values[columns]
            return marginal(
                letter,
                priority,
                lambda p: int(values[p.columns[i]]),
                np.unique(of_column),
                lambda value: points.figure(of_column == value),
            )

        by_depth = marginal("L", DEPTH, lambda p: p.depths[i], points.depths, points.of_depth)
        by_width = of_columns("b", WIDTH, s.b)
        by_kernel = of_columns("k", KERNEL, s.k)
        by_channels = before if s.element.continues else of_columns("C", CHANNELS, s.c)
        by_family = of_columns("f", WIDTH, s.f) if len(s.blocks) > 1 else {0: self.model.one}
        families = {s.blocks[f]: z for f, z in by_family.items()}
        block = Block(i, s, points, before, by_channels, by_width, by_kernel, by_depth, families)
        self.blocks.append(block)

        def of_column(name: str, values: Floats | Bools) -> Expression:
            return self.of_points(name, points.figure(values))

        self.chosen.append(Chosen(s, columns, of_column, by_depth))
        if s.element.continues:
            elements.join(self.model, i + 1, *self.chosen[-2:], ordered=self.tables.is_ordered(i))
        for name, count, fixed, rest in zip(self.tables.counts, self.counts, s.fixed, s.rest, strict=True):
            count.append(self.of_points(f"own{i + 1}_{name}", points.figure((fixed - rest)[columns], rest[columns])))  # (3)
        self._slopes(block)
        self._identity_counts(block)
        pairs.limit_operations(self.model, i + 1, s, columns, before, by_depth, of_column)
        if len(s.pairs) and not block.continues:
            for row in range(self.tables.arrays.paired, len(self.tables.counts)):
                unit = common.budget_unit(self.tables.limits[row])
                own = pairs.latency(self.model, self.tables, i, columns, before, unit, of_column, row)
                self.counts[row].append(unit * own)
        return block

    def add_points(self, points: Points) -> None:
        """Makes the points of a super-block known; that exactly one is chosen follows from the marginals."""
        i, s, m = points.index, self.tables.stages[points.index], len(self.tables.stages)
        names: dict[tuple[int, ...], str] = {}
        binaries = np.full((len(points.columns), len(points.depths)), self.model.one.variable)

        def is_point(point: tuple[int, int]) -> ValueRule:
            return lambda network: float((network.position.columns[i], network.position.depths[i]) == point)

        for j, q in enumerate(points.columns.tolist()):
            for d, depth in enumerate(points.depths.tolist()):
                if len(points) > 1:
                    family = f"_{s.blocks[s.f[q]]}" if len(s.blocks) > 1 else ""
                    place = f"_{q}" if s.element.is_block else ""  # of columns that differ in bits, or are absent in states
                    name = f"x{i + 1}{family}_{s.c[q]}_{s.b[q]}_{s.k[q]}{place}_{depth}"
                    binaries[j, d] = self.model.variable(name, "B", value=is_point((q, depth))).variable
                names[q, depth] = self.model.names[binaries[j, d]]
        self.binaries.append(binaries)
        self.groups.append(OneHotGroup((1 + i, 1 + m + i), names))

    def of_points(self, name: str, figure: Figure) -> Expression:
        """The figure of the point that is chosen, as a linear expression that a new variable may be named for."""
        columns = np.flatnonzero((figure.fixed != 0) | (figure.rise != 0) | figure.at.any())
        values, binaries = figure.table(columns), self.binaries[figure.points.index][columns]
        here = values != 0
        return Expression(list(zip(binaries[here].tolist(), values[here].tolist(), strict=True)), *figure.range())

    def match_points(self, name: str, variable: Expression, figure: Figure) -> None:
        """Says by a constraint that a variable is the figure of the point that is chosen."""
        self.model.add(name, self.of_points(name, figure) == variable)

    # ------------------------------------------------------------------ counts

    def _charge(self, e: Expression, counts: Ints) -> None:
        """Adds multiples of an expression to the budgets."""
        for row, count in zip(self.counts, counts, strict=True):
            if count:
                row.append(float(count) * e)

    def _slopes(self, block: Block) -> None:
        """Counts ``C_{i-1} slope_q``, and the chain rule.

        The slope is split into a multiple of ``C_i`` and a rest that groups of columns share.
        """
        i, s = block.index, block.tables
        if block.continues:
            return
        entering = linear_sum(float(c) * z for c, z in block.before.items())
        allowed = {c: [p for p in block.before if s.follows(np.array(p), np.array(c))] for c in block.channels}
        ranges = {c: (float(min(ps)), float(max(ps))) for c, ps in allowed.items()}
        per_channel = slope_per_channel(s, block.points.columns)
        if per_channel.any() or any(len(ps) < len(block.before) for ps in allowed.values()):
            for c, copy in copies(self.model, f"p{i + 1}", entering, block.channels, ranges).items():  # (5)
                self._charge(copy, per_channel * c)

        groups: dict[tuple[int, ...], list[int]] = {}
        for q in block.points.columns:
            groups.setdefault(tuple(int(x) for x in s.slope[:, q] - per_channel * s.c[q]), []).append(int(q))
        group_ranges = {
            rest: (min(ranges[int(s.c[q])][0] for q in qs), max(ranges[int(s.c[q])][1] for q in qs))
            for rest, qs in groups.items()
        }
        z = self._group_binaries(block, groups)
        for rest, copy in copies(self.model, f"w{i + 1}", entering, z, group_ranges).items():
            self._charge(copy, np.array(rest))

    def _group_binaries(self, block: Block, groups: Mapping[tuple[int, ...], list[int]]) -> dict[tuple[int, ...], Expression]:
        """Binary of each group of columns: that of a width where the groups are the widths."""
        widths = {key: {int(block.tables.b[q]) for q in qs} for key, qs in groups.items()}
        if len(groups) == 1:
            return dict.fromkeys(groups, self.model.one)
        if len(groups) == len(block.widths) and all(len(bs) == 1 for bs in widths.values()):
            return {key: block.widths[min(bs)] for key, bs in widths.items()}

        def is_inside(columns: frozenset[int]) -> ValueRule:
            return lambda network: float(network.position.columns[block.index] in columns)

        binaries = {}
        for place, (key, qs) in enumerate(groups.items()):
            name = f"g{block.index + 1}_{place}"
            binaries[key] = self.model.variable(name, value=is_inside(frozenset(qs)))
            self.match_points(f"of_{name}", binaries[key], block.points.having(qs))  # (26)
        return binaries

    def _identity_counts(self, block: Block) -> None:
        """Counts that arise only where the channels stay the same: products of a channel binary before and columns here."""
        i, s = block.index, block.tables
        groups: dict[tuple[int, tuple[int, ...]], list[int]] = {}
        for q in block.points.columns:
            if int(s.c[q]) in block.before and s.identity[:, q].any():
                groups.setdefault((int(s.c[q]), tuple(int(x) for x in s.identity[:, q])), []).append(int(q))

        def both(z: Expression, columns: frozenset[int]) -> ValueRule:
            return lambda network: network.of(z) * (network.position.columns[i] in columns)

        for place, ((c, same), qs) in enumerate(groups.items()):
            name, z = f"same{i + 1}_{place}", block.before[c]
            here = self.of_points(f"of_{name}", block.points.having(qs))
            if len(block.before) == 1:
                self._charge(here, np.array(same))
                continue
            e = self.model.variable(name, value=both(z, frozenset(qs)))
            self.model.add(f"before_{name}", e <= z)  # (27)
            self.model.add(f"here_{name}", e <= here)
            self.model.add(f"both_{name}", -e + z + here <= 1.0)
            self._charge(e, np.array(same))

    # ------------------------------------------------------------------- sums

    def _sum(self, block: Block, entering: Expression) -> Expression:
        """``S_i`` as a variable; ``entering`` is ``S_{i-1} + log C_{i-1}``."""
        number = block.index + 1
        own = self.of_points(f"own{number}_S", own_figure(block, block.tables.t))
        value = entering + own
        total = self.model.variable(f"S{number}", lower=value.low, upper=value.high, value=lambda n: n.of(value))
        self.model.add(f"sum_{number}", value == total)  # (1)
        return total

    def _add_extra(self, block: Block) -> None:
        """What layer terms have beside log widths, up to and with a super-block."""
        if self.tables.has_extra:
            number, s = block.index + 1, block.tables
            own = self.of_points(f"own{number}_E", block.points.figure(rise=s.extra[block.points.columns]))
            self.extra = self.model.equal_to(f"E{number}", self.extra + own)

    def _add_values(self, block: Block) -> None:
        """What a super-block is worth by the table, in the objective; what that excludes is no point."""
        if not self.tables.has_values:
            return
        values, excluded = table_values.values_at(block.tables, block.points.columns, block.points.depths)
        binaries = self.binaries[block.index]

        def chosen(of_points: Floats) -> Expression:
            here = of_points != 0
            terms = list(zip(binaries[here].tolist(), of_points[here].tolist(), strict=True))
            return Expression(terms, float(of_points.min()), float(of_points.max()))

        if excluded.any():
            self.model.add(f"without_value_{block.index + 1}", chosen(excluded.astype(np.float64)) <= 0.0)
        self.model.maximize(chosen(values))
        self.entropy_limit += max(float(values.max()), 0.0)

    def _terms(self, total: Expression) -> Expression:
        """The sum of the layer terms, from that of the log widths."""
        return total + self.extra if self.tables.has_extra else total

    def _layers(self, block: Block, before: Layers) -> Layers:
        """Layers up to and with a super-block."""
        number, layers = block.index + 1, block.tables.layers[block.points.columns]
        sizes = sorted(set(layers.tolist()))
        attainable = tuple(sorted({n for per in sizes for n in before.attainable_with(per, block.depths)}))
        if len(attainable) == 1:
            return Layers(self.model.constant(float(attainable[0])), attainable)
        if len(sizes) == 1:
            own = linear_sum(float(sizes[0] * d) * z for d, z in block.depths.items())
        else:
            own = self.of_points(f"own{number}_n", block.points.figure(rise=layers))
        value = before.number + own
        v = self.model.variable(f"n{number}", lower=attainable[0], upper=attainable[-1], value=lambda n: n.of(value))
        self.model.add(f"layers_{number}", value == v)
        return Layers(v, attainable)

    # ------------------------------------------------------- entropy and limits

    def _end_of_stage(self, block: Block, entering: Expression, total: Expression, layers: Layers) -> None:
        """Entropy and effectiveness of the prefix that ends with a super-block, and with the head after the last."""
        if block.index == len(self.tables.stages) - 1 and self.tables.has_head:
            total = total + _of_channels(block.channels)
            layers = layers.with_head(self.model.one)
            if self.tables.head_extra:
                self.extra += self.model.constant(self.tables.head_extra)
        stage = self.tables.stage_of[block.index]
        self._gain_of_stage(stage, block, entering, self._terms(total))
        common.effectiveness(self.model, self.tables, stage, total, layers)

    def _gain_of_stem(self, channels: Mapping[int, Expression]) -> None:
        """Entropy of a first stage that the stem ends."""
        t, scoring = self.tables, self.tables.problem.scoring
        term = functools.partial(scoring.formula.term, scoring.weights[0], scoring.end_weights[0])
        value = {c: term(float(t.log_end(0, np.array(c))), t.stem_log + t.stem_extra) for c in channels}
        self.model.maximize(linear_sum(value[c] * z for c, z in channels.items()))  # (2)
        self.entropy_limit += max(value.values())

    def _gain_of_stage(self, stage: int, block: Block, entering: Expression, total: Expression) -> None:
        """Entropy ``log(r^2 C) S`` at the end of a super-block; ``total`` is ``S``, ``entering`` its part that comes before."""
        scoring, i = self.tables.problem.scoring, block.index
        weight = scoring.weights[stage]
        log_end = {c: float(self.tables.log_end(stage, np.array(c))) for c in block.channels}
        if scoring.additive:
            end = scoring.end_weights[stage]
            self.entropy_limit += weight * total.high + end * max(log_end.values())
            self.model.maximize(weight * total + linear_sum(end * log_end[c] * z for c, z in block.channels.items()))  # (2)
            return
        self.entropy_limit += weight * max(log_end.values()) * total.high
        if len(set(log_end.values())) == 1:
            self.model.maximize(weight * min(log_end.values()) * total)  # (2)
            return
        ranges = dict.fromkeys(block.channels, (entering.low, entering.high))
        for c, copy in copies(self.model, f"A{i + 1}", entering, block.channels, ranges).items():
            self.model.maximize(weight * log_end[c] * copy)  # (2)
        at_end = weight * np.array([log_end[int(c)] for c in block.tables.c[block.points.columns]])
        terms = block.tables.t + block.tables.extra
        self.model.maximize(self.of_points(f"own{i + 1}_H", own_figure(block, terms, at_end)))  # (2)

    # ----------------------------------------------------------------- penalty

    def _penalty(self) -> None:
        """``- beta Q`` in the objective; sets the scale and the floor of the model."""
        of = {i: self.chosen[slice(*self.tables.elements_of(i))] for i in self.tables.penalised}
        depths = {i: elements.blocks_of(of_one, self.model.one) for i, of_one in of.items()}
        self.penalty = penalty.penalty_scale(self.tables, self.entropy_limit, depths)
        if not depths:
            return
        if math.prod(len(hot) for hot in depths.values()) > penalty.PENALTY_VECTORS:
            self.cone = penalty.PenaltyCone.of(self.model, self.tables, self.penalty, depths)
        elif not penalty.penalty_weights(self.model, self.tables, self.penalty, depths):
            self.never("penalty_out_of_range")


def _of_channels(channels: Mapping[int, Expression]) -> Expression:
    """``log C`` from the binaries of the channels."""
    logs = [math.log(c) for c in channels]
    return linear_sum(log * z for log, z in zip(logs, channels.values(), strict=True)).within(min(logs), max(logs))
