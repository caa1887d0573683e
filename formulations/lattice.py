r"""The disaggregated lattice formulation: the design problem on a cell as an exact mixed-integer linear model.

Notation: super-block ``i`` has channels ``C_i``, width ``b_i``, kernel ``k_i`` and depth ``L_i``; ``C_0`` is the stem;
``q = (C, b, k)`` is a column of the tables; ``S_i`` is the sum of ``log w`` up to and with super-block ``i``.

* **One binary per point.** ``x_i[q, L] = 1`` for the column and the depth that are chosen. Everything that depends on one
  super-block alone is linear in it: counts, and its part ``L t_q + (L - 1) log C`` of ``S_i``. The marginals ``C_i[c]``,
  ``b_i[b]``, ``k_i[k]``, ``L_i[L]`` are one-hot binaries, and integers for their places carry the branching: depth before
  width before channels.
* **Copies.** The products with what comes before are ``C_{i-1} z``, with ``z`` the binary of a channel count (for
  ``C_{i-1} C_i``) or of a group of columns with an equal remaining slope (for ``C_{i-1} b_i``). Each ``z`` has its own copy
  ``y_z`` of ``C_{i-1}``, with ``low z <= y_z <= high z`` and ``sum_z y_z = C_{i-1}``. Since the binaries of a partition sum to
  1, this is the convex hull of the products, and exact at integers. The ranges of the copies on channel counts are those that
  the chain rule admits, which makes the rule exact too.
* **Entropy.** ``log(r^2 C) S = sum_c log(r^2 c) C[c] S`` at the end of a stage. The super-block's own part of ``S`` is known
  for each ``x``; what comes before is copied over the channel counts in the same way.
* **Effectiveness.** ``rho <= rho_0`` reads ``S >= phi(n)`` with ``phi(n) = n log n - n log rho_0`` convex in the number of
  layers ``n``. The secants through neighbouring attainable ``n`` are exact at all attainable ``n``.
* **Depth penalty.** A weight per vector of penalised depths, whose marginals are the ``L_i[L]``. Where the cell has too many
  vectors: the convex function itself, by a cone and an exponential, which SCIP outer-approximates as it goes.

Budgets are scaled to 1000 and loosened by half a unit, which no integer count notices; effectiveness rows are loosened by a
relative 1e-9. What slips through is a network that the exact check of :func:`mipdesign.mip.closing.solve_cell` rejects.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from pyscipopt import exp, quicksum

from mipdesign.lattice.arrays import Bools, Floats, Ints
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import StageTables, Tables
from mipdesign.mip.formulation import Formulation, FormulationModel, OneHotGroup
from mipdesign.mip.linear import Kind, LinearModel, ScipModel, Terms
from mipdesign.networks.objective import PenaltyForm, depth_variance

from . import common
from .common import CHANNELS, DEPTH, KERNEL, PENALTY_VECTORS, WIDTH, Layers
from .scaling import NONLINEAR_PARAMETERS, PenaltyScale

Key = TypeVar("Key", bound=Hashable)
Numbers = Floats | Ints | Bools | float


class Lattice(Formulation):
    """Disaggregated lattice formulation; see the module."""

    id = "lattice"
    title = "one binary per lattice point, with copies of what comes before"
    claim = "exact"
    reference = (
        "Disaggregated convex combination: Vielma, Ahmed, Nemhauser, Operations Research 58(2), 2010. "
        "Copies: Sherali, Adams, SIAM J. Discrete Math. 3(3), 1990. Problem: DeepMAD, CVPR 2023, arXiv 2303.02165"
    )

    def build(self, tables: Tables, cell: Cell) -> FormulationModel:
        """The model of the networks of ``cell``.

        Raises
        ------
        SpecError
            If the cell has too many lattice points.
        """
        points = sum(len(columns) * len(cell.depths(tables, i)) for i, columns in enumerate(cell.columns))
        common.check_size(self.id, points)
        return common.write(LatticeWriter(tables, cell))


@dataclass(frozen=True)
class Network:
    """A network in the terms of the model: what the rules of the variables read.

    Attributes
    ----------
    position:
        Where it stands in the tables.
    channels:
        ``C_0 .. C_M``.
    sums:
        ``S_0 .. S_M``.
    layers:
        Layers up to and with each super-block, from the stem on.
    """

    position: Position
    channels: tuple[int, ...]
    sums: tuple[float, ...]
    layers: tuple[int, ...]

    @classmethod
    def of(cls, tables: Tables, position: Position) -> Network:
        channels, sums, layers = [int(tables.stem_c[position.stem])], [tables.stem_log], [1]
        for s, q, depth in zip(tables.stages, position.columns, position.depths, strict=True):
            sums.append(sums[-1] + math.log(channels[-1]) + _own_sum(s, q, depth))
            layers.append(layers[-1] + int(s.layers[0]) * depth)
            channels.append(int(s.c[q]))
        return cls(position, tuple(channels), tuple(sums), tuple(layers))


Rule = Callable[[Network], float]
"""The value of a variable in a network."""


@dataclass(frozen=True)
class _Hot:
    """A binary and its value in a network."""

    variable: int
    rule: Rule


@dataclass(frozen=True)
class _Sum:
    """A log-width sum as a linear expression, with bounds."""

    terms: Terms
    low: float
    high: float

    def plus(self, parts: Mapping[int, float]) -> _Sum:
        """The sum with one of several parts added, each on its binary."""
        terms = self.terms + list(parts.items())
        return _Sum(terms, self.low + min(parts.values()), self.high + max(parts.values()))


@dataclass(frozen=True)
class Points:
    """The lattice points of a super-block: every column of a cell with every depth.

    Attributes
    ----------
    index:
        Number of the super-block, from 0.
    columns:
        The columns, increasing.
    depths:
        The depths, increasing.
    """

    index: int
    columns: Ints
    depths: Ints

    def __len__(self) -> int:
        return len(self.columns) * len(self.depths)

    def figure(self, fixed: Numbers = 0.0, rise: Numbers = 0.0) -> Figure:
        """A figure that is affine in the depth, from one number for each column or one for all."""
        n = len(self.columns)
        of_columns, per_depth = (np.broadcast_to(np.asarray(part, dtype=np.float64), n) for part in (fixed, rise))
        return Figure(self, of_columns, per_depth, np.zeros(len(self.depths)))

    def having(self, columns: Iterable[int]) -> Figure:
        """1 if the column is one of these."""
        return self.figure(np.isin(self.columns, list(columns)))

    def of_depth(self, depth: int) -> Figure:
        """1 if the depth is this one."""
        return replace(self.figure(), at=(self.depths == depth).astype(np.float64))


@dataclass(frozen=True)
class Figure:
    """A number for each point of a super-block: ``fixed[j] + L rise[j] + at[d]`` for column ``j`` and depth ``L = depths[d]``.

    Everything that a model reads off a point is one, so neither a model nor a pricer has to list the points.
    """

    points: Points
    fixed: Floats
    rise: Floats
    at: Floats

    def table(self, columns: Ints) -> Floats:
        """The numbers of the points of some columns ``j``, shape ``(columns, depths)``."""
        values: Floats = self.fixed[columns, None] + self.rise[columns, None] * self.points.depths + self.at
        return values

    def of(self, column: int, depth: int) -> float:
        """The number of one point."""
        j, d = np.searchsorted(self.points.columns, column), np.searchsorted(self.points.depths, depth)
        return float(self.fixed[j] + self.rise[j] * depth + self.at[d])

    def within(self, low: float, high: float) -> Figure:
        """Its place between two bounds: 0 at the lower one, 1 at the upper one."""
        size = high - low
        return replace(self, fixed=(self.fixed - low) / size, rise=self.rise / size, at=self.at / size)

    def range(self) -> tuple[float, float]:
        """The least and the largest number, where none depends on the depth other than affinely."""
        ends = [self.fixed + self.rise * depth for depth in (self.points.depths[0], self.points.depths[-1])]
        return float(np.min(ends)), float(np.max(ends))


@dataclass(frozen=True)
class Block:
    """What one super-block is made of while it is written.

    Attributes
    ----------
    index:
        Its number, from 0.
    tables:
        Its tables.
    points:
        The columns and the depths that the cell leaves it.
    before, channels, widths, kernels, depths:
        Binary of each channel count before it, and of each of its own channel counts, widths, kernels and depths.
    """

    index: int
    tables: StageTables
    points: Points
    before: Mapping[int, int]
    channels: Mapping[int, int]
    widths: Mapping[int, int]
    kernels: Mapping[int, int]
    depths: Mapping[int, int]


class LatticeWriter:
    """Writes the model of one cell, super-block by super-block.

    Only three methods know how points are written: :meth:`add_points`, :meth:`of_points` and :meth:`match_points`.
    """

    def __init__(self, tables: Tables, cell: Cell) -> None:
        self.tables, self.cell = tables, cell
        self.linear = LinearModel()
        self.rules: list[Rule] = []
        self.groups: list[OneHotGroup] = []
        self.one = self._variable("one", lambda _: 1.0, lower=1.0)
        self.counts: list[Terms] = [[(self.one, float(c))] for c in tables.tail_fixed]
        self.entropy_limit = 0.0
        """Upper bound of the weighted entropy."""
        self.binaries: list[Ints] = []
        """Binaries of the points of each super-block, shape ``(columns, depths)``."""
        self.blocks: list[Block] = []
        self.penalty = PenaltyScale.without_penalty(0.0)
        self.cone: _Cone | None = None

    # --------------------------------------------------------------- the whole

    def nothing(self, reason: str) -> None:
        """Makes the model infeasible."""
        self.linear.row(reason, [(self.one, 1.0)], high=0.0)

    def network(self, stem: Ints, columns: Sequence[Ints]) -> None:
        """All variables and constraints of a cell whose choices are all on some chain."""
        t = self.tables
        index = {int(t.stem_c[j]): int(j) for j in stem}
        channels = self._one_hot("C0", list(index), lambda n: n.channels[0], CHANNELS)
        self.groups.append(OneHotGroup((0,), {(index[c],): self.linear.names[v] for c, v in channels.items()}))
        for c, v in channels.items():
            self._charge([(v, 1.0)], t.stem_counts[:, index[c]])
        total = _Sum([(self.one, t.stem_log)], t.stem_log, t.stem_log)
        layers = Layers([(self.one, 1.0)], (1,))
        if t.ends[0] < 0:
            self._gain_of_stem(channels)
            common.effectiveness(self.linear, t, 0, total.terms, layers)
        for i, own_columns in enumerate(columns):
            block = self._super_block(i, own_columns, channels)
            entering = total.plus({v: math.log(c) for c, v in channels.items()})
            total, layers = self._sum(block, entering), self._layers(block, layers)
            channels = dict(block.channels)
            if i in t.ends:
                self._end_of_stage(block, entering, total, layers)
        for c, v in channels.items():
            self._charge([(v, float(c))], t.tail_slope)
        common.budgets(self.linear, self.tables, self.counts)
        self._penalty()

    def finish(self) -> FormulationModel:
        """The model: linear, unless the penalty needs the cone."""
        names = self.linear.names
        return self.model(
            tables=self.tables,
            cell=self.cell,
            linear=self.linear if self.cone is None else None,
            nonlinear=None if self.cone is None else self._with_cone,
            objective_scale=self.penalty.scale,
            magnitude=self.penalty.magnitude,
            floor=self.penalty.floor,
            priorities={names[v]: priority for v, priority in self.linear.priorities.items()},
            groups=tuple(self.groups),
            rules=self._values,
            parameters={} if self.cone is None else NONLINEAR_PARAMETERS,
        )

    def model(self, **parts: Any) -> FormulationModel:
        """The model of these parts."""
        return FormulationModel(**parts)

    def _with_cone(self) -> ScipModel:
        assert self.cone is not None
        model, variables = self.linear.to_scip(self.penalty.scale)
        self.cone.constrain(model, [variables[self.linear.names[v]] for v in self.cone.deviations], variables)
        return model, variables

    def _values(self, position: Position) -> dict[str, float]:
        network = Network.of(self.tables, position)
        return {name: rule(network) for name, rule in zip(self.linear.names, self.rules, strict=True)}

    # --------------------------------------------------------------- variables

    def _variable(
        self, name: str, rule: Rule, kind: Kind = "C", lower: float = 0.0, upper: float = 1.0, priority: int = 0
    ) -> int:
        self.rules.append(rule)
        return self.linear.variable(name, kind, lower, upper, priority)

    def _one_hot(self, name: str, values: Sequence[int], read: Callable[[Network], int], priority: int) -> dict[int, int]:
        """Binaries of which exactly one is 1, with an integer for its place among them; a single value needs neither."""
        if len(values) == 1:
            return {values[0]: self.one}

        def is_value(value: int) -> Rule:
            return lambda n: float(read(n) == value)

        binaries = {value: self._variable(f"{name}_{value}", is_value(value), "B", priority=priority) for value in values}
        self.linear.row(f"one_{name}", [(v, 1.0) for v in binaries.values()], 1.0, 1.0)
        if len(values) > 2:
            place = {value: float(j) for j, value in enumerate(values)}
            index = self._variable(f"{name}_place", lambda n: place[read(n)], "I", 0.0, len(values) - 1.0, priority + 1)
            self.linear.row(f"place_{name}", [(binaries[x], j) for x, j in place.items()] + [(index, -1.0)], 0.0, 0.0)
        return binaries

    def _copies(
        self, name: str, total: Terms, read: Rule, hot: Mapping[Key, _Hot], ranges: Mapping[Key, tuple[float, float]]
    ) -> dict[Key, Terms]:
        """Products of a quantity with each binary of a partition, as linear expressions.

        The product with ``z`` is ``low z + (high - low) e`` with ``0 <= e <= z``, and the products sum to the quantity.

        Parameters
        ----------
        total, read:
            The quantity, and its value in a network.
        hot:
            The binaries by key.
        ranges:
            By key, bounds of the quantity where that binary is 1.
        """
        if len(hot) == 1:
            return dict.fromkeys(hot, total)

        def part(low: float, high: float, is_on: Rule) -> Rule:
            return lambda n: is_on(n) * (read(n) - low) / (high - low)

        products: dict[Key, Terms] = {}
        for place, (key, z) in enumerate(hot.items()):
            low, high = ranges[key]
            products[key] = [(z.variable, low)]
            if high > low:
                e = self._variable(f"{name}_{place}", part(low, high, z.rule))
                self.linear.row(f"on_{name}_{place}", [(e, 1.0), (z.variable, -1.0)], high=0.0)
                products[key].append((e, high - low))
        if len({bound for key in hot for bound in ranges[key]}) > 1:
            everything = [term for product in products.values() for term in product]
            self.linear.row(f"all_{name}", everything + [(v, -c) for v, c in total], 0.0, 0.0)
        return products

    def _hot(self, binaries: Mapping[Key, int]) -> dict[Key, _Hot]:
        return {key: _Hot(v, self.rules[v]) for key, v in binaries.items()}

    # -------------------------------------------------------------- super-block

    def _super_block(self, i: int, columns: Ints, before: Mapping[int, int]) -> Block:
        """Variables and counts of one super-block."""
        s = self.tables.stages[i]
        points = Points(i, columns, self.cell.depths(self.tables, i))
        self.add_points(points)

        def marginal(
            letter: str, priority: int, read: Callable[[Position], int], values: Ints, is_value: Callable[[int], Figure]
        ) -> dict[int, int]:
            name = f"{letter}{i + 1}"
            hot = self._one_hot(name, values.tolist(), lambda n: read(n.position), priority)
            if len(hot) > 1:
                for value, v in hot.items():
                    self.match_points(f"of_{name}_{value}", v, is_value(value))
            return hot

        def of_columns(letter: str, priority: int, values: Ints) -> dict[int, int]:
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
        by_channels = of_columns("C", CHANNELS, s.c)
        block = Block(i, s, points, before, by_channels, by_width, by_kernel, by_depth)
        self.blocks.append(block)
        for name, count, fixed, rest in zip(self.tables.counts, self.counts, s.fixed, s.rest, strict=True):
            figure = points.figure((fixed - rest)[columns], rest[columns])
            count.extend(self.of_points(f"own{i + 1}_{name}", figure))
        self._slopes(block)
        self._equal_channels(block)
        return block

    def add_points(self, points: Points) -> None:
        """Makes the points of a super-block known; that exactly one is chosen follows from the marginals."""
        i, s, m = points.index, self.tables.stages[points.index], len(self.tables.stages)
        names: dict[tuple[int, ...], str] = {}
        binaries = np.full((len(points.columns), len(points.depths)), self.one)

        def is_point(point: tuple[int, int]) -> Rule:
            return lambda n: float((n.position.columns[i], n.position.depths[i]) == point)

        for j, q in enumerate(points.columns.tolist()):
            for d, depth in enumerate(points.depths.tolist()):
                if len(points) > 1:
                    name = f"x{i + 1}_{s.c[q]}_{s.b[q]}_{s.k[q]}_{depth}"
                    binaries[j, d] = self._variable(name, is_point((q, depth)), "B")
                names[q, depth] = self.linear.names[binaries[j, d]]
        self.binaries.append(binaries)
        self.groups.append(OneHotGroup((1 + i, 1 + m + i), names))

    def of_points(self, name: str, figure: Figure) -> Terms:
        """The figure of the point that is chosen, as a linear expression that a new variable may be named for."""
        columns = np.flatnonzero((figure.fixed != 0) | (figure.rise != 0) | figure.at.any())
        values, binaries = figure.table(columns), self.binaries[figure.points.index][columns]
        here = values != 0
        return list(zip(binaries[here].tolist(), values[here].tolist(), strict=True))

    def match_points(self, name: str, variable: int, figure: Figure) -> None:
        """Says by a row that a variable is the figure of the point that is chosen."""
        self.linear.row(name, self.of_points(name, figure) + [(variable, -1.0)], 0.0, 0.0)

    # ------------------------------------------------------------------ counts

    def _charge(self, terms: Terms, counts: Ints) -> None:
        """Adds ``counts * terms`` to the budgets."""
        for row, count in zip(self.counts, counts, strict=True):
            if count:
                row.extend((v, coefficient * float(count)) for v, coefficient in terms)

    def _slopes(self, block: Block) -> None:
        """Counts ``C_{i-1} slope_q``, and the chain rule.

        The slope is split into a multiple of ``C_i`` and a rest that groups of columns share.
        """
        i, s = block.index, block.tables
        entering: Terms = [(v, float(c)) for c, v in block.before.items()]

        def read(n: Network) -> float:
            return float(n.channels[i])

        allowed = {c: [p for p in block.before if s.follows(np.array(p), np.array(c))] for c in block.channels}
        ranges = {c: (float(min(ps)), float(max(ps))) for c, ps in allowed.items()}
        per_channel = _slope_per_channel(s, block.points.columns)
        if per_channel.any() or any(len(ps) < len(block.before) for ps in allowed.values()):
            copies = self._copies(f"p{i + 1}", entering, read, self._hot(block.channels), ranges)
            for c, copy in copies.items():
                self._charge(copy, per_channel * c)

        groups: dict[tuple[int, ...], list[int]] = {}
        for q in block.points.columns:
            groups.setdefault(tuple(int(x) for x in s.slope[:, q] - per_channel * s.c[q]), []).append(int(q))
        group_ranges = {
            rest: (min(ranges[int(s.c[q])][0] for q in qs), max(ranges[int(s.c[q])][1] for q in qs))
            for rest, qs in groups.items()
        }
        hot = self._hot(self._group_binaries(block, groups))
        for rest, copy in self._copies(f"w{i + 1}", entering, read, hot, group_ranges).items():
            self._charge(copy, np.array(rest))

    def _group_binaries(self, block: Block, groups: Mapping[tuple[int, ...], list[int]]) -> dict[tuple[int, ...], int]:
        """Binary of each group of columns: that of a width where the groups are the widths."""
        widths = {key: {int(block.tables.b[q]) for q in qs} for key, qs in groups.items()}
        if len(groups) == 1:
            return dict.fromkeys(groups, self.one)
        if len(groups) == len(block.widths) and all(len(bs) == 1 for bs in widths.values()):
            return {key: block.widths[min(bs)] for key, bs in widths.items()}

        def is_inside(columns: frozenset[int]) -> Rule:
            return lambda n: float(n.position.columns[block.index] in columns)

        binaries = {}
        for place, (key, qs) in enumerate(groups.items()):
            name = f"g{block.index + 1}_{place}"
            binaries[key] = self._variable(name, is_inside(frozenset(qs)))
            self.match_points(f"of_{name}", binaries[key], block.points.having(qs))
        return binaries

    def _equal_channels(self, block: Block) -> None:
        """Counts that arise only where the channels stay the same: products of a channel binary before and columns here."""
        i, s = block.index, block.tables
        groups: dict[tuple[int, tuple[int, ...]], list[int]] = {}
        for q in block.points.columns:
            if int(s.c[q]) in block.before and s.identity[:, q].any():
                groups.setdefault((int(s.c[q]), tuple(int(x) for x in s.identity[:, q])), []).append(int(q))

        def both(c: int, columns: frozenset[int]) -> Rule:
            return lambda n: float(n.channels[i] == c and n.position.columns[i] in columns)

        for place, ((c, same), qs) in enumerate(groups.items()):
            name, z = f"same{i + 1}_{place}", block.before[c]
            here = self.of_points(f"of_{name}", block.points.having(qs))
            if z == self.one:
                self._charge(here, np.array(same))
                continue
            e = self._variable(name, both(c, frozenset(qs)))
            self.linear.row(f"before_{name}", [(e, 1.0), (z, -1.0)], high=0.0)
            self.linear.row(f"here_{name}", [(e, 1.0)] + [(x, -c) for x, c in here], high=0.0)
            self.linear.row(f"both_{name}", [(e, -1.0), (z, 1.0)] + here, high=1.0)
            self._charge([(e, 1.0)], np.array(same))

    # ------------------------------------------------------------------- sums

    def _sum(self, block: Block, entering: _Sum) -> _Sum:
        """``S_i`` as a variable; ``entering`` is ``S_{i-1} + log C_{i-1}``."""
        number = block.index + 1
        figure = _own_figure(block)
        own = self.of_points(f"own{number}_S", figure)
        low, high = entering.low + figure.range()[0], entering.high + figure.range()[1]
        v = self._variable(f"S{number}", lambda n: n.sums[number], lower=low, upper=high)
        self.linear.row(f"sum_{number}", entering.terms + own + [(v, -1.0)], 0.0, 0.0)
        return _Sum([(v, 1.0)], low, high)

    def _layers(self, block: Block, before: Layers) -> Layers:
        """Layers up to and with a super-block."""
        number, per_block = block.index + 1, int(block.tables.layers[0])
        attainable = before.attainable_with(per_block, block.depths)
        if len(attainable) == 1:
            return Layers([(self.one, float(attainable[0]))], attainable)
        v = self._variable(f"n{number}", lambda n: float(n.layers[number]), lower=attainable[0], upper=attainable[-1])
        added = [(hot, float(per_block * d)) for d, hot in block.depths.items()]
        self.linear.row(f"layers_{number}", before.terms + added + [(v, -1.0)], 0.0, 0.0)
        return Layers([(v, 1.0)], attainable)

    # ------------------------------------------------------- entropy and limits

    def _end_of_stage(self, block: Block, entering: _Sum, total: _Sum, layers: Layers) -> None:
        """Entropy and effectiveness of the prefix that ends with a super-block, and with the head after the last."""
        if block.index == len(self.tables.stages) - 1 and self.tables.has_head:
            total = total.plus({v: math.log(c) for c, v in block.channels.items()})
            layers = layers.with_head(self.one)
        stage = self.tables.stage_of[block.index]
        self._gain_of_stage(stage, block, entering, total)
        common.effectiveness(self.linear, self.tables, stage, total.terms, layers)

    def _weight(self, stage: int) -> float:
        scoring = self.tables.problem.scoring
        return scoring.weights[stage]

    def _gain_of_stem(self, channels: Mapping[int, int]) -> None:
        """Entropy of a first stage that the stem ends."""
        t = self.tables
        value = {c: self._weight(0) * t.stem_log * float(t.log_end(0, np.array(c))) for c in channels}
        self.linear.gain((v, value[c]) for c, v in channels.items())
        self.entropy_limit += max(value.values())

    def _gain_of_stage(self, stage: int, block: Block, entering: _Sum, total: _Sum) -> None:
        """Entropy ``log(r^2 C) S`` at the end of a super-block; ``total`` is ``S``, ``entering`` its part that comes before."""
        weight, i = self._weight(stage), block.index
        log_end = {c: float(self.tables.log_end(stage, np.array(c))) for c in block.channels}
        self.entropy_limit += weight * max(log_end.values()) * total.high
        if len(set(log_end.values())) == 1:
            self.linear.gain(total.terms, weight * min(log_end.values()))
            return

        def read(n: Network) -> float:
            return n.sums[i] + math.log(n.channels[i])

        ranges = dict.fromkeys(block.channels, (entering.low, entering.high))
        for c, copy in self._copies(f"A{i + 1}", entering.terms, read, self._hot(block.channels), ranges).items():
            self.linear.gain(copy, weight * log_end[c])
        at_end = weight * np.array([log_end[int(c)] for c in block.tables.c[block.points.columns]])
        self.linear.gain(self.of_points(f"own{i + 1}_H", _own_figure(block, at_end)))

    # ----------------------------------------------------------------- penalty

    def _penalty(self) -> None:
        """``- beta Q`` in the objective; sets the scale and the floor of the model."""
        scoring, penalised = self.tables.problem.scoring, self.tables.penalised
        depths = {i: {d: [(v, 1.0)] for d, v in self.blocks[i].depths.items()} for i in penalised}
        self.penalty = common.penalty_scale(self.tables, self.entropy_limit, {i: list(hot) for i, hot in depths.items()})
        if not depths:
            return
        form, beta = scoring.penalty_form, scoring.beta
        if math.prod(len(hot) for hot in depths.values()) > PENALTY_VECTORS:
            self._cone(form, beta, penalised)
        elif not common.penalty_weights(self.linear, self._variable, form, beta, self.penalty.limit, depths):
            self.nothing("penalty_out_of_range")

    def _cone(self, form: PenaltyForm, beta: float, penalised: Sequence[int]) -> None:
        """Deviations of the penalised depths from their mean, the exponent of ``Q``, and ``Q``; :class:`_Cone` joins them."""
        n_penalised = len(penalised)
        expected = {i: [(v, float(d)) for d, v in self.blocks[i].depths.items()] for i in penalised}
        mean = [(v, d / n_penalised) for terms in expected.values() for v, d in terms]

        def deviation(i: int) -> Rule:
            return lambda n: n.position.depths[i] - sum(n.position.depths[j] for j in penalised) / n_penalised

        def exponent(n: Network) -> float:
            variance = float(depth_variance([n.position.depths[i] for i in penalised]))
            return math.sqrt(variance) if form == "exp_std" else variance

        largest = float(max(max(self.blocks[i].depths) for i in penalised))
        deviations = []
        for i in penalised:
            v = self._variable(f"dev{i + 1}", deviation(i), lower=-largest, upper=largest)
            self.linear.row(f"deviation_{i + 1}", expected[i] + [(v, -1.0)] + [(w, -c) for w, c in mean], 0.0, 0.0)
            deviations.append(v)
        unit = self.penalty.magnitude
        most = self.penalty.limit / unit
        self._variable("exponent", exponent, upper=self.penalty.largest_exponent(beta))
        q = self._variable("Q", lambda n: beta / unit * math.exp(min(exponent(n), 700.0)), upper=most)
        self.linear.gain([(q, -unit)])
        self.cone = _Cone(form, deviations, beta / unit)


@dataclass(frozen=True)
class _Cone:
    """The depth penalty as convex constraints: ``sum dev^2 / n <= e^2`` (or ``<= e``) and ``Q >= factor exp(e)``."""

    form: PenaltyForm
    deviations: Sequence[int]
    factor: float

    def constrain(self, model: Any, deviations: Sequence[Any], variables: Mapping[str, Any]) -> None:
        """Adds the constraints to a SCIP model."""
        e = variables["exponent"]
        variance = quicksum(v * v for v in deviations) * (1.0 / len(deviations))
        model.addCons(variance <= (e * e if self.form == "exp_std" else e), name="variance")
        model.addCons(variables["Q"] >= self.factor * exp(e), name="penalty")


def _own_sum(s: StageTables, q: int, depth: int) -> float:
    """What a super-block adds to the log-width sum, the channels before it aside."""
    return float(depth * s.t[q] + (depth - 1) * s.log_c[q])


def _own_figure(block: Block, factor: Floats | float = 1.0) -> Figure:
    """:func:`_own_sum` of each point times a factor of its column."""
    s, columns = block.tables, block.points.columns
    return block.points.figure(-factor * s.log_c[columns], factor * (s.t + s.log_c)[columns])


def _slope_per_channel(s: StageTables, columns: Ints) -> Ints:
    """The part of the slope that grows with the channels ``C``: its difference quotient at an equal width and kernel."""
    first: dict[tuple[int, int], int] = {}
    for q in columns:
        p = first.setdefault((int(s.b[q]), int(s.k[q])), int(q))
        if s.c[p] != s.c[q]:
            quotient: Ints = (s.slope[:, q] - s.slope[:, p]) // (s.c[q] - s.c[p])
            return quotient
    return np.zeros(len(s.slope), dtype=np.int64)
