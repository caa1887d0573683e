r"""The compact formulation: integers on lattices, with logarithms and products written by parts that combine.

``compact:<encoding>:<breakpoints>:<products>`` names a variant, for example ``compact:log:lattice:unary``; ``compact`` alone is
``compact:inc:lattice:onehot``. Notation as in :mod:`mipdesign.formulations.lattice`. Every super-block has integers for the
places of ``C_i, b_i, k_i`` and ``L_i`` in their lattices, and:

* ``log C_i`` and ``log b_i`` and, where counts need it, ``b_i^2`` are piecewise linear, by the *encoding* on the *breakpoints*;
  functions of ``k_i`` and ``L_i`` have a breakpoint at every value.
* **Sum.** ``S_i = S_{i-1} + log C_{i-1} + t + (L_i - 1) (t + log C_i)`` with ``t = t_0 + t_1 log b_i + t_2 log k_i``: one
  product.
* **Counts** of the first block, of a further block and per incoming channel are polynomials in ``C_i, b_i, k_i``, whose
  coefficients are read off the tables; ``b C``, ``k^2 b^2`` and the like, ``C_{i-1} b_i``, ``C_{i-1} C_i`` and ``L_i - 1``
  times the further blocks are products.
* **Entropy.** ``log(r^2 C_i) S`` is a product at the end of a stage.
* **Columns.** The widths that go with each ``C_i`` are a range, whose ends are piecewise linear in the place of ``C_i``.
* Effectiveness, budgets and depth penalty are those of the lattice formulation.

Larger logarithms and smaller squares only help a network: so inner breakpoints give a lower bound, outer ones an upper bound,
and one-sided secants (``chords``) are as good as the graph. A product that is relaxed gives an upper bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from pyscipopt import quicksum

from mipdesign.errors import SpecError
from mipdesign.lattice.arrays import Bools, Floats, Ints
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import StageTables, Tables
from mipdesign.mip.formulation import Formulation, FormulationModel, ProvenError
from mipdesign.networks.evaluator import LOWER

from . import common
from .breakpoints import Breakpoints, LatticeBreakpoints
from .common import CHANNELS, DEPTH, KERNEL, WIDTH, Layers
from .parts import KINDS, Part, joint_claim, part_named, registered_parts
from .piecewise import Encoding
from .products import Product
from .proven_error import BlockErrors, proven_error
from .sheet import Axis, Bounded, Functions, Sheet, write_axis

DEFAULT = "inc:lattice:onehot"
"""Parts of the variant without a name of its own."""
ROUNDING = 1e-3
"""Error of a count that polynomials may have: budgets are loosened by half a unit."""
MONOMIALS = ("bb", "kkbb", "kkb", "bC", "b", "C", "1")
"""What counts may be made of; those before others are done without where possible."""


class Compact(Formulation):
    """Compact formulation; see the module."""

    id = "compact"
    title = "integers on lattices; compact:<encoding>:<breakpoints>:<products> chooses how logarithms and products are written"
    reference = "Vielma, SIAM Review 57(1), 2015; problem: DeepMAD, CVPR 2023, arXiv 2303.02165. The parts name their own"

    def __init__(self, parts: str = DEFAULT) -> None:
        self.combine(*parts_named(self.id, parts))

    def combine(self, encoding: Encoding, breakpoints: Breakpoints, product: Product) -> None:
        """Takes parts, from which the claim follows."""
        self.encoding, self.breakpoints, self.product = encoding, breakpoints, product
        self.claim = joint_claim((encoding, breakpoints, product))

    @classmethod
    def with_parts(cls, parts: str) -> Self:
        formulation = cls(parts)
        formulation.id = f"{cls.id}:{parts}"
        return formulation

    def breakpoints_of(self, name: str) -> Breakpoints:
        """Breakpoints of one number, by its name in the model: ``C0``, or ``C`` or ``b`` and the number of the super-block."""
        return self.breakpoints

    @classmethod
    def parts(cls) -> Mapping[str, Sequence[Part]]:
        return {kind: registered_parts(kind) for kind in KINDS}

    def unsupported(self, tables: Tables) -> str | None:
        return super().unsupported(tables) or self._unwritten(tables, Cell.whole(tables))

    def _unwritten(self, tables: Tables, cell: Cell) -> str | None:
        """What of a cell it does not support."""
        one_sided = self.claim != "exact" or not self.encoding.is_graph
        if one_sided and any(name.startswith(LOWER) for name in tables.counts):
            return "lower limits, by approximations or bounds that keep one side"
        for i, (s, columns) in enumerate(zip(tables.stages, cell.columns, strict=True)):
            try:
                counts = _Counts.of(s, columns)
                _Widths.of(s, columns)
            except _UnwrittenError as reason:
                return f"super-block {i + 1}: {reason}"
            if one_sided and counts.has_negative_square:
                return f"super-block {i + 1}: counts that fall with the square of the width, by bounds that keep one side"
        return common.too_many_vectors(tables, cell)

    def build(self, tables: Tables, cell: Cell) -> FormulationModel:
        """The model of the networks of ``cell``.

        Raises
        ------
        SpecError
            If the cell is not one that it can write.
        """
        writer = _Writer(self, tables, cell)
        chain = common.reachable(tables, cell)
        if chain is None:
            writer.nothing("no_chain")
            return writer.finish()
        stem, columns = chain
        cell = Cell(stem, tuple(columns), cell.low, cell.high)
        reason = super().unsupported(tables) or self._unwritten(tables, cell)
        if reason is not None:
            raise SpecError("formulation", f"{self.id!r} does not support {reason}", "use 'lattice'")
        writer.network(cell)
        return writer.finish()

    def proven_errors(self, tables: Tables, cell: Cell, positions: Sequence[Position]) -> list[ProvenError] | None:
        """Those of its breakpoints (:mod:`mipdesign.formulations.proven_error`), where the products are exact."""
        chain = common.reachable(tables, cell)
        if self.product.claim != "exact" or chain is None:
            return None
        stem, columns = chain
        of_log, of_square, blocks = self.breakpoints.log_error, self.breakpoints.square_error, []
        for s, among in zip(tables.stages, columns, strict=True):
            counts, lattices = _Counts.of(s, among), _Widths.of(s, among)
            square, kk = of_square(lattices.widths), np.square(s.k.astype(np.float64))
            first, rest = (
                square
                * np.array([abs(p.get("bb", 0.0)) + abs(p.get("kkbb", 0.0)) * kk for p in polynomials]).reshape(-1, len(kk))
                for polynomials in (counts.first, counts.rest)
            )
            of_widths = abs(counts.log_width[1]) * of_log(lattices.widths)
            blocks.append(BlockErrors(of_log(lattices.channels), of_widths, first, rest))
        of_stem = of_log([int(c) for c in tables.stem_c[stem]])
        return [proven_error(tables, position, of_stem, blocks) for position in positions]


def parts_named(formulation_id: str, parts: str) -> tuple[Encoding, Breakpoints, Product]:
    """The parts of the variant ``formulation_id:parts``.

    Raises
    ------
    SpecError
        If there are none of these names.
    """
    names = parts.split(":")
    if len(names) != len(KINDS):
        problem = f"'{formulation_id}:{parts}' has {len(names)} parts"
        raise SpecError("formulation", problem, f"write {formulation_id}:<encoding>:<breakpoints>:<products>")
    encoding, breakpoints, product = (part_named(kind, name) for kind, name in zip(KINDS, names, strict=True))
    assert isinstance(encoding, Encoding) and isinstance(breakpoints, Breakpoints) and isinstance(product, Product)
    return encoding, breakpoints, product


@dataclass
class CompactModel(FormulationModel):
    """A model whose networks are read off integers.

    Attributes
    ----------
    numbers:
        For the stem, then ``C, b, k`` and depth of each super-block: the variable of its place (``None`` if it has a single
        value), and its lattice.
    exact:
        Values at which functions of a number are exact, for ``C0`` and each ``C_i`` and ``b_i``.
    """

    numbers: tuple[tuple[str | None, tuple[int, ...]], ...] = ()
    exact: Mapping[str, frozenset[int]] = field(default_factory=dict)

    def position(self, values: Mapping[str, float]) -> Position:
        chosen = [lattice[round(values[name]) if name else 0] for name, lattice in self.numbers]
        columns, depths = [], []
        for i, s in enumerate(self.tables.stages):
            c, b, k, depth = chosen[1 + 4 * i : 5 + 4 * i]
            columns.append(int(np.flatnonzero((s.c == c) & (s.b == b) & (s.k == k))[0]))
            depths.append(depth)
        return Position(chosen[0], tuple(columns), tuple(depths))

    def places(self, position: Position) -> dict[str, int]:
        """Place of each number that has more than one value.

        Raises
        ------
        ValueError
            If the network is not in the model.
        """
        flat = [position.stem]
        for s, q, depth in zip(self.tables.stages, position.columns, position.depths, strict=True):
            flat += [int(s.c[q]), int(s.b[q]), int(s.k[q]), depth]
        if any(number not in lattice for number, (_, lattice) in zip(flat, self.numbers, strict=True)):
            raise ValueError(f"{position} is not in the model")
        return {
            name: lattice.index(number) for number, (name, lattice) in zip(flat, self.numbers, strict=True) if name is not None
        }

    def exclude(self, position: Position) -> None:
        """Cuts off one network: some place is above or below its own, which a binary each says."""
        linear = self.linear
        assert linear is not None
        places = self.places(position)
        self.excluded.append(position)
        first_row, first_variable, sides = len(linear.rows), len(linear.names), []
        for name, at in places.items():
            v = linear.names.index(name)
            last = round(linear.upper[v])
            for side, bound, sign in (("above", at + 1, 1.0), ("below", at - 1, -1.0)):
                if 0 <= bound <= last:
                    sides.append(linear.variable(f"{side}_{first_row}_{name}", "B"))
                    if sign > 0:
                        linear.row(f"is_{linear.names[-1]}", [(v, 1.0), (sides[-1], -bound)], low=0.0)
                    else:
                        linear.row(f"is_{linear.names[-1]}", [(v, 1.0), (sides[-1], last - bound)], high=last)
        linear.row(f"excluded_{first_row}", [(v, 1.0) for v in sides], low=1.0)
        if self.written is not None:
            model, variables = self.written
            for name in linear.names[first_variable:]:
                variables[name] = model.addVar(name, "B")
            for row in linear.rows[first_row:]:
                expression = quicksum(c * variables[linear.names[v]] for v, c in row.terms.items())
                model.addCons(expression >= row.low if row.high == math.inf else expression <= row.high, name=row.name)


class _UnwrittenError(Exception):
    """What a super-block has that the formulation does not support."""


@dataclass(frozen=True)
class _Counts:
    """Counts of a super-block as polynomials; one dictionary per budget, from monomials to coefficients.

    Attributes
    ----------
    first:
        Of the first block, without what grows with the incoming channels.
    rest:
        Of a further block.
    slope:
        Per incoming channel.
    log_width:
        ``t_0, t_1, t_2``: the log-width sum of a block is ``t_0 + t_1 log b + t_2 log k``, the incoming channels aside.
    """

    first: Sequence[Mapping[str, float]]
    rest: Sequence[Mapping[str, float]]
    slope: Sequence[Mapping[str, float]]
    log_width: tuple[float, float, float]

    @classmethod
    def of(cls, s: StageTables, columns: Ints) -> _Counts:
        """Those of the given columns.

        Raises
        ------
        _UnwrittenError
            If they are not polynomials.
        """
        c, b, k = (values[columns].astype(np.float64) for values in (s.c, s.b, s.k))
        if s.identity[:, columns].any():
            raise _UnwrittenError("counts that arise only where the channels stay the same")
        basis = monomials(c, b, k, b * b)
        of_slope = {name: values for name, values in basis.items() if name not in ("bC", "bb", "kkbb")}
        first, rest, slope = (
            [_polynomial(row[columns].astype(np.float64), terms) for row in counts]
            for counts, terms in ((s.fixed, basis), (s.rest, basis), (s.slope, of_slope))
        )
        matrix = np.stack([np.ones(len(b)), np.log(b), np.log(k)], axis=1)
        solution = np.linalg.lstsq(matrix, s.t[columns], rcond=None)[0]
        if abs(matrix @ solution - s.t[columns]).max() > 1e-10 * max(1.0, float(abs(s.t[columns]).max())):
            raise _UnwrittenError("widths of another form than b and k to some power")
        t0, t1, t2 = (float(x) if abs(x) > 1e-12 else 0.0 for x in solution)
        return cls(first, rest, slope, (t0, t1, t2))

    @property
    def has_negative_square(self) -> bool:
        """Whether a count falls with the square of the width, or a logarithm has a negative coefficient."""
        every = [*self.first, *self.rest, *self.slope]
        return any(p.get(name, 0.0) < 0 for p in every for name in ("bb", "kkbb")) or min(self.log_width[1:]) < 0

    @property
    def has_square(self) -> bool:
        """Whether any count has the square of the width."""
        return any(name in p for p in (*self.first, *self.rest) for name in ("bb", "kkbb"))


def monomials(c: Floats, b: Floats, k: Floats, bb: Floats) -> dict[str, Floats]:
    """Values of :data:`MONOMIALS`; ``bb`` stands for the square of ``b``."""
    kk = k * k
    values = {"bb": bb, "kkbb": kk * bb, "kkb": kk * b, "bC": b * c, "b": b, "C": c, "1": np.ones_like(c)}
    assert tuple(values) == MONOMIALS
    return values


def _polynomial(values: Floats, basis: Mapping[str, Floats]) -> dict[str, float]:
    """Coefficients of a count, of as few monomials as possible."""
    coefficients = _fitted(values, basis)
    if coefficients is None:
        raise _UnwrittenError("counts that are not polynomials of the family 'bottleneck'")
    for name in basis:
        if name in coefficients and name != "1":
            fewer = _fitted(values, {other: basis[other] for other in coefficients if other != name})
            coefficients = coefficients if fewer is None else fewer
    return {name: x for name, x in coefficients.items() if x}


def _fitted(values: Floats, basis: Mapping[str, Floats]) -> dict[str, float] | None:
    """Least squares, integers where these do; ``None`` if nothing fits."""
    if not basis:
        return None if values.any() else {}
    matrix = np.stack(list(basis.values()), axis=1)
    scale = abs(matrix).max(axis=0)
    solution = np.linalg.lstsq(matrix / scale, values, rcond=None)[0] / scale
    for candidate in (np.round(solution), solution):
        if abs(matrix @ candidate - values).max() <= ROUNDING * (candidate is solution):
            return dict(zip(basis, candidate.tolist(), strict=True))
    return None


@dataclass(frozen=True)
class _Widths:
    """Lattices of a super-block's columns, and for each channel count the first and the last place of its widths."""

    channels: tuple[int, ...]
    widths: tuple[int, ...]
    kernels: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]

    @classmethod
    def of(cls, s: StageTables, columns: Ints) -> _Widths:
        """Those of the given columns.

        Raises
        ------
        _UnwrittenError
            If the columns are not a range of widths for each channel count, with all kernels.
        """
        channels, widths, kernels = (np.unique(values[columns]) for values in (s.c, s.b, s.k))
        allowed = np.zeros((len(channels), len(widths), len(kernels)), dtype=bool)
        places = [np.searchsorted(lattice, v[columns]) for lattice, v in ((channels, s.c), (widths, s.b), (kernels, s.k))]
        allowed[tuple(places)] = True
        of_pair: Bools = np.any(allowed, axis=2)
        low, high = of_pair.argmax(axis=1), of_pair.shape[1] - 1 - of_pair[:, ::-1].argmax(axis=1)
        if (allowed != of_pair[:, :, None]).any() or (of_pair.sum(axis=1) != high - low + 1).any():
            raise _UnwrittenError("widths that are not a range for each number of channels, the same for all kernels")
        lattices = [tuple(int(x) for x in values) for values in (channels, widths, kernels, low, high)]
        return cls(*lattices)


@dataclass(frozen=True)
class _Block:
    """A super-block while it is written."""

    index: int
    columns: Ints
    channels: Functions
    widths: Functions
    kernels: Functions
    depths: Functions
    monomials: dict[str, Bounded]


class _Writer:
    """Writes the model of one cell, super-block by super-block."""

    def __init__(self, formulation: Compact, tables: Tables, cell: Cell) -> None:
        self.formulation, self.tables, self.cell = formulation, tables, cell
        self.sheet = Sheet()
        self.counts = [self.sheet.constant(float(c)) for c in tables.tail_fixed]
        self.numbers: list[tuple[str | None, tuple[int, ...]]] = []
        self.exact: dict[str, frozenset[int]] = {}
        self.depths: list[Axis] = []
        self.entropy_limit = 0.0
        self.penalty = common.penalty_scale(tables, 0.0, {})

    # --------------------------------------------------------------- the whole

    def nothing(self, reason: str) -> None:
        """Makes the model infeasible."""
        self.sheet.row(reason, [(self.sheet.one, 1.0)], high=0.0)
        whole = self.cell
        self.numbers = [(None, (int(whole.stem[0]),))]
        for i, (s, columns) in enumerate(zip(self.tables.stages, whole.columns, strict=True)):
            first = columns[0]
            depth = int(whole.depths(self.tables, i)[0])
            self.numbers += [(None, (int(x),)) for x in (s.c[first], s.b[first], s.k[first], depth)]

    def network(self, cell: Cell) -> None:
        """All variables and constraints of a cell whose choices are all on some chain."""
        t, sheet = self.tables, self.sheet
        before = self._stem(cell.stem)
        total, layers = sheet.constant(t.stem_log), Layers([(sheet.one, 1.0)], (1,))
        if t.ends[0] < 0:
            self._end_of_stage(0, before, total, layers)
        for i, columns in enumerate(cell.columns):
            block = self._super_block(i, columns)
            self._follows(i, before, block)
            self._count(block, before)
            total = self._sum(block, total.plus(before.log))
            layers = self._layers(block, layers)
            before = block.channels
            if i in t.ends:
                last = i == len(t.stages) - 1 and t.has_head
                total_here, layers_here = (total.plus(before.log), layers.with_head(sheet.one)) if last else (total, layers)
                self._end_of_stage(t.stage_of[i], before, total_here, layers_here)
        self.counts = [
            count.plus(before.axis.number.times(float(slope))) for count, slope in zip(self.counts, t.tail_slope, strict=True)
        ]
        common.budgets(sheet.linear, t, [count.terms for count in self.counts])
        self._penalty()

    def finish(self) -> FormulationModel:
        """The model."""
        sheet, names = self.sheet, self.sheet.linear.names
        return CompactModel(
            tables=self.tables,
            cell=self.cell,
            linear=sheet.linear,
            objective_scale=self.penalty.scale,
            magnitude=self.penalty.magnitude,
            floor=self.penalty.floor,
            priorities={names[v]: priority for v, priority in sheet.linear.priorities.items()},
            groups=(),
            rules=lambda position: dict(zip(names, sheet.values(position), strict=False)),
            numbers=tuple(self.numbers),
            exact=self.exact,
        )

    # ------------------------------------------------------------------- parts

    def _axis(
        self,
        name: str,
        values: Sequence[int],
        read: Callable[[Position], int],
        priority: int,
        exact: Sequence[Sequence[int]] = (),
        square: bool = False,
        every_value: bool = False,
    ) -> Functions:
        """A number by the parts of the formulation."""
        f = self.formulation
        breakpoints = LatticeBreakpoints() if every_value else f.breakpoints_of(name)
        found = write_axis(self.sheet, name, values, read, priority, f.encoding, breakpoints, exact, square, every_value)
        if not every_value:
            self.exact[name] = frozenset(int(values[j]) for j in found.places)
        return found

    def _number(self, axis: Axis, lattice: Sequence[int]) -> None:
        name = f"{axis.name}_place" if len(axis.values) > 1 else None
        self.numbers.append((name, tuple(lattice)))

    def _times(
        self,
        name: str,
        axis: Axis,
        g: Sequence[float] | Floats,
        factor: Bounded,
        e: Bounded,
        knots: Sequence[float] | Floats = (),
    ) -> Bounded:
        return self.formulation.product.multiply(name, axis, [float(x) for x in g], factor, e, knots)

    def _times_number(self, name: str, axis: Axis, e: Bounded) -> Bounded:
        return self._times(name, axis, axis.values, axis.number, e, axis.knots)

    def _both(self, name: str, a: Axis, b: Axis) -> Bounded:
        """The product of two numbers: of the one with fewer values and the other as an expression."""
        few, other = (a, b) if len(a.values) <= len(b.values) else (b, a)
        return self._times_number(name, few, other.number)

    def _stem(self, stem: Ints) -> Functions:
        t = self.tables
        values = [int(c) for c in t.stem_c[stem]]
        channels = self._axis("C0", values, lambda p: int(t.stem_c[p.stem]), CHANNELS)
        self._number(channels.axis, [int(j) for j in stem])
        for row, counts in enumerate(t.stem_counts):
            slope = 0.0 if len(values) == 1 else float((counts[stem[1]] - counts[stem[0]]) / (values[1] - values[0]))
            fixed = float(counts[stem[0]]) - slope * float(values[0])
            self.counts[row] = self.counts[row].plus(self.sheet.constant(fixed)).plus(channels.axis.number.times(slope))
        return channels

    def _super_block(self, i: int, columns: Ints) -> _Block:
        """The numbers of a super-block, and the widths that go with its channels."""
        s, n, sheet = self.tables.stages[i], i + 1, self.sheet
        lattices = _Widths.of(s, columns)
        square = _Counts.of(s, columns).has_square
        depths = self._axis(
            f"L{n}", [int(d) for d in self.cell.depths(self.tables, i)], lambda p: p.depths[i], DEPTH, every_value=True
        )
        kernels = self._axis(f"k{n}", lattices.kernels, lambda p: int(s.k[p.columns[i]]), KERNEL, every_value=True)
        widths = self._axis(f"b{n}", lattices.widths, lambda p: int(s.b[p.columns[i]]), WIDTH, square=square)
        ends = [lattices.low, lattices.high]
        channels = self._axis(f"C{n}", lattices.channels, lambda p: int(s.c[p.columns[i]]), CHANNELS, exact=ends)
        for side, end, trivial in zip((1.0, -1.0), channels.exact, (0.0, len(lattices.widths) - 1.0), strict=True):
            if end.low != trivial or end.high != trivial:
                terms = [(v, side * c) for v, c in widths.axis.place.terms] + [(v, -side * c) for v, c in end.terms]
                sheet.row(f"widths{n}_{'low' if side > 0 else 'high'}", terms, low=0.0)
        for axis in (channels, widths, kernels, depths):
            self._number(axis.axis, axis.axis.values)
        self.depths.append(depths.axis)
        return _Block(i, columns, channels, widths, kernels, depths, {})

    def _follows(self, i: int, before: Functions, block: _Block) -> None:
        """The chain rule, in integers."""
        low, high = self.tables.stages[i].growth
        for name, bound, sign in (("grows", low, 1.0), ("bounded", high, -1.0)):
            if bound is not None:
                terms = block.channels.axis.number.times(sign * bound.denominator)
                terms = terms.plus(before.axis.number.times(-sign * bound.numerator))
                self.sheet.row(f"{name}_{i + 1}", terms.terms, low=0.0)

    # ------------------------------------------------------------------ counts

    def _monomial(self, block: _Block, name: str) -> Bounded:
        """A monomial of a super-block, written once."""
        if name not in block.monomials:
            block.monomials[name] = self._write_monomial(block, name)
        return block.monomials[name]

    def _write_monomial(self, block: _Block, name: str) -> Bounded:
        n, c, b, k = block.index + 1, block.channels, block.widths, block.kernels
        if name == "1":
            return self.sheet.constant(1.0)
        if name == "C":
            return c.axis.number
        if name == "b":
            return b.axis.number
        if name == "bb":
            assert b.square is not None
            return b.square
        if name == "bC":
            return self._both(f"bC{n}", b.axis, c.axis)
        squares = np.square(k.axis.values).astype(np.float64)
        return self._times(f"{name}{n}", k.axis, squares, k.axis.function(squares), self._monomial(block, name[2:]))

    def _count(self, block: _Block, before: Functions) -> None:
        """Counts of a super-block: its first block, and ``L - 1`` like the second."""
        i, s, sheet = block.index, self.tables.stages[block.index], self.sheet
        counts = _Counts.of(s, block.columns)
        incoming: dict[str, Bounded] = {"1": before.axis.number}
        axes = {"C": block.channels.axis, "b": block.widths.axis}
        for row, limit in enumerate(self.tables.limits):
            unit = common.budget_unit(limit)
            total = self.counts[row]
            for name, x in counts.first[row].items():
                total = total.plus(self._monomial(block, name).times(x))
            for name, x in counts.slope[row].items():
                if name not in incoming:
                    label = f"in_{name}{i + 1}"
                    incoming[name] = (
                        self._both(label, before.axis, axes[name])
                        if name in axes
                        else self._times_number(label, before.axis, self._monomial(block, name))
                    )
                total = total.plus(incoming[name].times(x))
            rest = sheet.constant(0.0)
            for name, x in counts.rest[row].items():
                rest = rest.plus(self._monomial(block, name).times(x / unit))
            values = self._values(block, counts.rest[row]) / unit
            rest = Bounded(rest.terms, float(values.min()), float(values.max()))
            total = total.plus(self._repeated(f"R{i + 1}_{row}", block, rest).times(unit))
            self.counts[row] = total

    def _values(self, block: _Block, polynomial: Mapping[str, float]) -> Floats:
        """A polynomial at the columns, with what stands for the squares."""
        s = self.tables.stages[block.index]
        c, b, k = (values[block.columns].astype(np.float64) for values in (s.c, s.b, s.k))
        bb = block.widths.squares[np.searchsorted(block.widths.axis.values, b)]
        basis, total = monomials(c, b, k, bb), np.zeros(len(c))
        for name, x in polynomial.items():
            total += x * basis[name]
        return total

    def _repeated(self, name: str, block: _Block, e: Bounded) -> Bounded:
        """``(L - 1) e``."""
        axis = block.depths.axis
        return self._times(name, axis, [d - 1 for d in axis.values], axis.number.plus(self.sheet.constant(-1.0)), e)

    # ------------------------------------------------------------ sums, entropy

    def _sum(self, block: _Block, entering: Bounded) -> Bounded:
        """``S_i`` as a variable; ``entering`` is ``S_{i-1} + log C_{i-1}``."""
        n, s, sheet = block.index + 1, self.tables.stages[block.index], self.sheet
        t0, t1, t2 = _Counts.of(s, block.columns).log_width
        c, b, k = block.channels, block.widths, block.kernels
        own = sheet.constant(t0).plus(b.log.times(t1)).plus(k.log.times(t2))
        at = [f.logs[np.searchsorted(f.axis.values, values[block.columns])] for f, values in ((c, s.c), (b, s.b), (k, s.k))]
        of_own = t0 + t1 * at[1] + t2 * at[2]
        repeated = own.plus(c.log)
        repeated = Bounded(repeated.terms, float((of_own + at[0]).min()), float((of_own + at[0]).max()))
        total = entering.plus(own).plus(self._repeated(f"S{n}_rest", block, repeated))
        return sheet.named(f"S{n}", total)

    def _layers(self, block: _Block, before: Layers) -> Layers:
        """Layers up to and with a super-block."""
        per_block = int(self.tables.stages[block.index].layers[0])
        axis = block.depths.axis
        attainable = before.attainable_with(per_block, axis.values)
        return Layers(before.terms + axis.number.times(per_block).terms, attainable)

    def _end_of_stage(self, stage: int, channels: Functions, total: Bounded, layers: Layers) -> None:
        """Entropy and effectiveness of the prefix that ends with a stage."""
        t, weight = self.tables, self.tables.problem.scoring.weights[stage]
        area = 2.0 * math.log(t.end_resolution[stage])
        if stage == t.n_stages - 1 and t.end_channels is not None:
            entropy = total.times(float(t.log_end(stage, None)))
        else:
            factor = channels.log.plus(self.sheet.constant(area))
            knots = channels.knot_logs + area if channels.axis.knots else ()
            entropy = self._times(f"H{stage}", channels.axis, channels.logs + area, factor, total, knots)
        self.sheet.linear.gain(entropy.terms, weight)
        self.entropy_limit += weight * max(entropy.high, 0.0)
        common.effectiveness(self.sheet.linear, t, stage, total.terms, layers)

    def _penalty(self) -> None:
        """``- beta Q`` in the objective; sets the scale and the floor of the model."""
        scoring, sheet = self.tables.problem.scoring, self.sheet
        depths = {i: dict(zip(self.depths[i].values, self.depths[i].hot(), strict=True)) for i in self.tables.penalised}
        self.penalty = common.penalty_scale(self.tables, self.entropy_limit, {i: list(hot) for i, hot in depths.items()})
        form, beta, limit = scoring.penalty_form, scoring.beta, self.penalty.limit
        if depths and not common.penalty_weights(sheet.linear, sheet.variable, form, beta, limit, depths):
            sheet.row("penalty_out_of_range", [(sheet.one, 1.0)], high=0.0)
