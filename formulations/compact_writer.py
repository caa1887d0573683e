"""Writes the compact formulation of one cell, super-block by super-block; equations as in ``docs/formulations.md``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mipdesign.lattice.arrays import Floats, Ints
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.distinct import among, distinct
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import Tables
from mipdesign.mip.expressions import Expression, linear_sum
from mipdesign.mip.start_values import ValueRule
from mipdesign.networks.operation import kernel_of

from . import common, elements, penalty
from .breakpoints.breakpoints import Breakpoints
from .breakpoints.lattice import LatticeBreakpoints
from .common import CHANNELS, DEPTH, KERNEL, WIDTH, Layers
from .compact_columns import Block, Lattices, formulas_of, kernel_powers
from .compact_elements import ColumnBlock, choose
from .encoded_integer import EncodedInteger, encode_integer
from .encodings.encoding import Encoding
from .model_builder import ModelBuilder
from .polynomials import ONE, Monomial, Polynomial, floats
from .products.product import Product


class CompactWriter:
    """Writes the model of one cell.

    Attributes
    ----------
    lattices:
        For the stem, then ``C, b, k`` and depth of each super-block, or the column of a single block: the variable of its
        index (``None`` if it has a single value), and its lattice.
    exact:
        Values at which functions of a number are exact, for ``C0`` and each ``C_i`` and ``b_i``.
    """

    def __init__(
        self, encoding: Encoding, breakpoints: Callable[[str], Breakpoints], product: Product, tables: Tables, cell: Cell
    ) -> None:
        self.encoding, self.breakpoints, self.product = encoding, breakpoints, product
        self.tables, self.cell = tables, cell
        self.model = ModelBuilder()
        self.counts = [self.model.constant(float(c)) for c in tables.tail_fixed]
        self.lattices: list[tuple[str | None, tuple[int, ...]]] = []
        self.exact: dict[str, frozenset[int]] = {}
        self.blocks: list[Block | ColumnBlock] = []
        self.extra = self.model.constant(tables.stem_extra)
        """What the layer terms so far have beside their log widths."""
        self.entropy_limit = 0.0
        self.penalty = penalty.penalty_scale(tables, 0.0, {})

    def never(self, reason: str) -> None:
        """Makes the model infeasible, with one network to name."""
        self.model.never(reason)
        cell = self.cell
        self.lattices = [(None, (int(cell.stem[0]),))]
        for i, (s, columns) in enumerate(zip(self.tables.stages, cell.columns, strict=True)):
            q, depth = columns[0], int(cell.depths(self.tables, i)[0])
            numbers = (q,) if s.element.is_block else (s.c[q], s.b[q], s.k[q], depth)
            self.lattices += [(None, (int(x),)) for x in numbers]

    def network(self, stem: Ints, columns: Sequence[Ints]) -> None:
        """All variables and constraints of a cell whose choices are all on some chain."""
        t, model = self.tables, self.model
        before = channels = self._stem(stem)
        total, layers = model.constant(t.stem_log), Layers(model.one, (1,))
        if t.ends[0] < 0:
            self._end_of_stage(0, before, total, layers)
        for i, own_columns in enumerate(columns):
            if t.stages[i].element.is_block:
                total, layers = self._single_block(i, own_columns, before, total, layers)
            else:
                block = self._super_block(i, own_columns, before)
                self._count(block)
                total = self._sum(block, total + before.log)
                layers = self._layers(block, layers)
                self._add_extra(block)
            before = self.blocks[-1].channels
            if i in t.ends:
                is_head = i == len(t.stages) - 1 and t.has_head
                here = (total + before.log, layers.with_head(model.one)) if is_head else (total, layers)
                self._end_of_stage(t.stage_of[i], before, *here)
        self.counts = [count + float(x) * before.number for count, x in zip(self.counts, t.tail_slope, strict=True)]
        common.budgets(model, t, self.counts)
        for axis, j, k in common.tied_pairs(t):
            if axis != "block":
                one, other = (self.blocks[stage].number(axis) for stage in (j, k))
                model.add(f"tied_{axis}{j + 1}_{k + 1}", one == other)  # (33)
        if t.tail_bits:
            of_stem = dict(zip(stem.tolist(), channels.one_hot(), strict=True))
            elements.limit_readers(model, t, of_stem, [block.chosen for block in self.blocks if isinstance(block, ColumnBlock)])
        self._penalty()

    # --------------------------------------------------------------- integers

    def _integer(
        self,
        name: str,
        values: Sequence[int],
        read: Callable[[Position], int],
        priority: int,
        functions: Sequence[Sequence[int]] = (),
        square: bool = False,
        every_value: bool = False,
    ) -> EncodedInteger:
        """A number by the parts of the formulation."""
        breakpoints = LatticeBreakpoints() if every_value else self.breakpoints(name)
        x = encode_integer(self.model, name, values, read, priority, self.encoding, breakpoints, functions, square, every_value)
        if not every_value:
            self.exact[name] = x.exact_at
        return x

    def _known(self, x: EncodedInteger, lattice: Sequence[int]) -> None:
        self.lattices.append((f"{x.name}_place" if len(x.values) > 1 else None, tuple(lattice)))

    def _stem(self, stem: Ints) -> EncodedInteger:
        t, model = self.tables, self.model
        values = [int(c) for c in t.stem_c[stem]]
        channels = self._integer("C0", values, lambda p: int(t.stem_c[p.stem]), CHANNELS)
        self._known(channels, [int(j) for j in stem])
        for row, counts in enumerate(t.stem_counts):
            slope = 0.0 if len(values) == 1 else float((counts[stem[1]] - counts[stem[0]]) / (values[1] - values[0]))
            fixed = float(counts[stem[0]]) - slope * float(values[0])
            self.counts[row] = self.counts[row] + model.constant(fixed) + slope * channels.number
        return channels

    def _super_block(self, i: int, columns: Ints, before: EncodedInteger) -> Block:
        """The integers of a super-block, and the widths that go with its channels."""
        s, n, model = self.tables.stages[i], i + 1, self.model
        lattices, formulas = Lattices.of(s, columns), formulas_of(self.tables, i, columns)
        of_depth = [int(d) for d in self.cell.depths(self.tables, i)]
        depths = self._integer(f"L{n}", of_depth, lambda p: p.depths[i], DEPTH, every_value=True)
        kernels = self._integer(f"k{n}", lattices.kernels, lambda p: int(s.k[p.columns[i]]), KERNEL, every_value=True)
        lengths, sizes = kernel_of(np.array(kernels.values))
        if (lengths > 1).any():
            kernels.logs = np.log(sizes)
            kernels.log = kernels.function(kernels.logs)
        widths = self._integer(
            f"b{n}", lattices.widths, lambda p: int(s.b[p.columns[i]]), WIDTH, square=formulas.has_square_of("b")
        )
        channels = self._integer(
            f"C{n}",
            lattices.channels,
            lambda p: int(s.c[p.columns[i]]),
            CHANNELS,
            functions=[lattices.low, lattices.high],
            square=formulas.has_square_of("c"),
        )
        low, high = channels.functions
        if low.low != 0.0 or low.high != 0.0:
            model.add(f"widths{n}_low", widths.index >= low)  # (7)
        if high.low != len(lattices.widths) - 1.0 or high.high != len(lattices.widths) - 1.0:
            model.add(f"widths{n}_high", -widths.index + high >= 0.0)  # (7)
        for x in (channels, widths, kernels, depths):
            self._known(x, x.values)
        block = Block(i, columns, formulas, before, channels, widths, kernels, depths)
        self.blocks.append(block)
        self._follows(block)
        return block

    def _single_block(
        self, i: int, columns: Ints, before: EncodedInteger, total: Expression, layers: Layers
    ) -> tuple[Expression, Layers]:
        """A block of a super-block whose blocks may differ: ``S`` and layers with it."""
        s, n, channels, entering = self.tables.stages[i], i + 1, before, total
        chosen, place = choose(self.model, s, i, columns)
        self.lattices.append((place, tuple(columns.tolist())))
        if not s.element.continues:
            values, entering = distinct(among(s.c, columns)), total + before.log
            channels = self._integer(f"C{n}", values.tolist(), lambda p: int(s.c[p.columns[i]]), CHANNELS)
        block = ColumnBlock(i, before, channels, chosen)
        if s.element.continues:
            earlier = self.blocks[-1]
            assert isinstance(earlier, ColumnBlock)
            elements.join(self.model, n, earlier.chosen, chosen, ordered=self.tables.is_ordered(i))
        else:
            block.link_channels(self.model)
            self._follows(block)
        block.limit_operations(self.model)
        self.blocks.append(block)
        own = block.counts(self.model, self._times_number)
        self.counts = [count + more for count, more in zip(self.counts, own, strict=True)]
        if self.tables.has_extra:
            self.extra = self.model.equal_to(f"E{n}", self.extra + block.extra)
        return self.model.equal_to(f"S{n}", entering + block.layer_terms), block.layers(layers)  # (1)

    def _follows(self, block: Block | ColumnBlock) -> None:
        """The chain rule, in integers."""
        low, high = self.tables.stages[block.index].growth
        before, channels, n = block.before.number, block.channels.number, block.index + 1
        if low is not None:
            self.model.add(f"grows_{n}", low.denominator * channels - low.numerator * before >= 0.0)  # (5)
        if high is not None:
            self.model.add(f"bounded_{n}", -high.denominator * channels + high.numerator * before >= 0.0)  # (5)

    # --------------------------------------------------------------- products

    def _times(
        self,
        name: str,
        x: EncodedInteger,
        g: Sequence[float] | Floats,
        factor: Expression,
        e: Expression,
        at_breakpoints: Sequence[float] | Floats = (),
    ) -> Expression:
        return self.product.multiply(name, x, g, factor, e, at_breakpoints)

    def _times_number(self, name: str, x: EncodedInteger, e: Expression) -> Expression:
        return self._times(name, x, x.values, x.number, e, x.breakpoints)

    def _both(self, name: str, x: EncodedInteger, y: EncodedInteger) -> Expression:
        """The product of two numbers: of the one with fewer values and the other as an expression."""
        few, other = (x, y) if len(x.values) <= len(y.values) else (y, x)
        return self._times_number(name, few, other.number)

    def _repeated(self, name: str, block: Block, e: Expression) -> Expression:
        """``(L - 1) e``."""
        depths = block.depths
        return self._times(name, depths, [d - 1.0 for d in depths.values], depths.number - self.model.one, e)

    # ------------------------------------------------------------------ counts

    def _monomial(self, block: Block, m: Monomial) -> Expression:
        """A monomial of a super-block, written once."""
        if m not in block.monomials:
            block.monomials[m] = self._write_monomial(block, m)
        return block.monomials[m]

    def _write_monomial(self, block: Block, m: Monomial) -> Expression:
        name, c, b, k = f"{m.letters}{block.index + 1}", block.channels, block.widths, block.kernels
        if m.k:
            powers = kernel_powers(np.array(k.values), m.k)
            return self._times(name, k, powers, k.function(powers), self._monomial(block, m._replace(k=0)))
        if m.has_square:
            square = b.square if m.b else c.square
            assert square is not None
            return square
        if m.b and m.c:
            return self._both(name, b, c)
        return b.number if m.b else c.number if m.c else self.model.constant(1.0)

    def _incoming(self, block: Block, m: Monomial) -> Expression:
        """``C_{i-1}`` times a monomial, written once."""
        if m not in block.incoming:
            name = f"in_{m.letters}{block.index + 1}"
            alone = {Monomial(1, 0, 0): block.channels, Monomial(0, 1, 0): block.widths}
            if m == ONE:
                block.incoming[m] = block.before.number
            elif m in alone:
                block.incoming[m] = self._both(name, block.before, alone[m])
            else:
                block.incoming[m] = self._times_number(name, block.before, self._monomial(block, m))
        return block.incoming[m]

    def _identical(self, block: Block, channels: int) -> Expression:
        """1 where ``C_{i-1}`` and ``C_i`` are both some number, 0 elsewhere; written once."""
        if channels not in block.identical:
            (z, is_one), (y, is_other) = (
                (x.one_hot()[x.values.index(channels)], len(x.values) == 1) for x in (block.before, block.channels)
            )
            if is_one or is_other:
                block.identical[channels] = y if is_one else z
            else:
                both: ValueRule = lambda network: network.of(z) * network.of(y)  # noqa: E731
                name = f"same{block.index + 1}_{channels}"
                e = self.model.variable(name, value=both)
                self.model.add(f"before_{name}", e <= z)  # (27)
                self.model.add(f"here_{name}", e <= y)
                self.model.add(f"both_{name}", e >= z + y - 1.0)
                block.identical[channels] = e
        return block.identical[channels]

    def _of_width(self, block: Block, polynomial: Polynomial, unit: float = 1.0) -> list[Expression]:
        """The part of a polynomial that is a table of widths."""
        if not polynomial.of_width:
            return []
        return [block.widths.function([polynomial.of_width[b] / unit for b in block.widths.values])]

    def _count(self, block: Block) -> None:
        """Counts of a super-block: its first block, and ``L - 1`` like the second."""
        common_channels = sorted({*block.before.values} & {*block.channels.values})
        for row, (limit, (fixed, slope, identity, rest)) in enumerate(
            zip(self.tables.limits, block.formulas.counts, strict=True)
        ):
            unit, n = common.budget_unit(limit), block.index + 1
            parts = [float(x) * self._monomial(block, m) for m, x in fixed.coefficients.items()]  # (3)
            parts += self._of_width(block, fixed)
            parts += [float(x) * self._incoming(block, m) for m, x in slope.coefficients.items()]
            for e in self._of_width(block, slope):
                parts.append(self._times_number(f"in_{n}_{row}", block.before, e))
            if identity:
                for c in common_channels:
                    at = sum(float(x) * float(c) ** m.c for m, x in identity.coefficients.items())
                    parts.append(at * self._identical(block, c))
            of_rest = [float(x) / unit * self._monomial(block, m) for m, x in rest.coefficients.items()]
            values = floats(rest, lambda m: self._values(block, m), self.tables.stages[block.index].b[block.columns]) / unit
            per_block = linear_sum([self.model.constant(0.0), *of_rest, *self._of_width(block, rest, unit)])
            per_block = per_block.within(float(values.min()), float(values.max()))
            parts.append(unit * self._repeated(f"R{n}_{row}", block, per_block))
            self.counts[row] = self.counts[row] + linear_sum(parts)

    def _values(self, block: Block, m: Monomial) -> Floats:
        """A monomial at the columns, with what stands for the squares."""
        s, (c, b) = self.tables.stages[block.index], (block.channels, block.widths)
        powers = []
        for x, of_column, power in ((c, s.c, m.c), (b, s.b, m.b)):
            at = np.searchsorted(x.values, of_column[block.columns])
            powers.append(x.squares[at] if power > 1 else np.array(x.values, dtype=np.float64)[at] ** power)
        value: Floats = powers[0] * powers[1] * kernel_powers(s.k[block.columns], m.k)
        return value

    # ------------------------------------------------------------ sums, entropy

    def _sum(self, block: Block, entering: Expression) -> Expression:
        """``S_i`` as a variable; ``entering`` is ``S_{i-1} + log C_{i-1}``."""
        n, s = block.index + 1, self.tables.stages[block.index]
        t, (c, b, k) = block.formulas.log_width, (block.channels, block.widths, block.kernels)
        columns = ((c, s.c), (b, s.b), (k, s.k))
        at_c, at_b, at_k = (x.logs[np.searchsorted(x.values, of_column[block.columns])] for x, of_column in columns)
        own = self.model.constant(t.constant) + t.of_logarithms(c.log, b.log, k.log)
        at_columns = t.constant + t.of_logarithms(at_c, at_b, at_k) + at_c
        repeated = (own + c.log).within(float(at_columns.min()), float(at_columns.max()))
        return self.model.equal_to(f"S{n}", entering + own + self._repeated(f"S{n}_rest", block, repeated))  # (1)

    def _add_extra(self, block: Block) -> None:
        """What layer terms have beside log widths, up to and with a super-block: of every block a function of the kernel."""
        if not self.tables.has_extra:
            return
        n, s, kernels = block.index + 1, self.tables.stages[block.index], block.kernels
        of_kernel = dict(zip(s.k[block.columns].tolist(), s.extra[block.columns].tolist(), strict=True))
        each = kernels.function([of_kernel[k] for k in kernels.values])
        self.extra = self.model.equal_to(f"E{n}", self.extra + each + self._repeated(f"E{n}_rest", block, each))

    def _layers(self, block: Block, before: Layers) -> Layers:
        """Layers up to and with a super-block."""
        per_block = int(self.tables.stages[block.index].layers[0])
        attainable = before.attainable_with(per_block, block.depths.values)
        return Layers(before.number + per_block * block.depths.number, attainable)

    def _end_of_stage(self, stage: int, channels: EncodedInteger, total: Expression, layers: Layers) -> None:
        """Entropy and effectiveness of the prefix that ends with a stage."""
        t, scoring = self.tables, self.tables.problem.scoring
        weight, (of_channels, of_area) = scoring.weights[stage], scoring.exponents
        area, terms = of_area * 2.0 * math.log(t.end_resolution[stage]), total
        if t.has_extra:
            terms = total + self.extra + self.model.constant(t.head_extra if stage == t.n_stages - 1 else 0.0)
        is_fixed = stage == t.n_stages - 1 and t.end_channels is not None
        if scoring.additive:
            end = self.model.constant(float(t.log_end(stage, None)) if is_fixed else area)
            end = end if is_fixed else of_channels * channels.log + end
            gain = weight * terms + scoring.end_weights[stage] * end  # (2)
        elif is_fixed:
            gain = weight * (float(t.log_end(stage, None)) * terms)  # (2)
        else:
            log_end, logs = of_channels * channels.log + self.model.constant(area), of_channels * channels.logs + area
            at = of_channels * channels.breakpoint_logs + area if channels.breakpoints else ()
            gain = weight * self._times(f"H{stage}", channels, logs, log_end, terms, at)  # (2)
        self.model.maximize(gain)
        self.entropy_limit += max(gain.high, 0.0)
        common.effectiveness(self.model, t, stage, total, layers)

    def _penalty(self) -> None:
        """``- beta Q`` in the objective; sets the scale and the floor of the model."""
        depths = {i: self._blocks_of(slice(*self.tables.elements_of(i))) for i in self.tables.penalised}
        self.penalty = penalty.penalty_scale(self.tables, self.entropy_limit, depths)
        if depths and not penalty.penalty_weights(self.model, self.tables, self.penalty, depths):
            self.model.never("penalty_out_of_range")

    def _blocks_of(self, super_block: slice) -> Mapping[int, Expression]:
        """What is 1 for each depth of a super-block, from its elements."""
        singles = [block.chosen for block in self.blocks[super_block] if isinstance(block, ColumnBlock)]
        if singles:
            return elements.blocks_of(singles, self.model.one)
        (block,) = self.blocks[super_block]
        assert isinstance(block, Block)
        return dict(zip(block.depths.values, block.depths.one_hot(), strict=True))
