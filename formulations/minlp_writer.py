"""Writes the whole problem as one mixed-integer nonlinear model; see :mod:`mipdesign.formulations.minlp`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pyscipopt import exp, log, quicksum

from mipdesign.lattice.arrays import Ints
from mipdesign.lattice.batch import Batch, evaluate_batch
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.distinct import among, distinct
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import Tables
from mipdesign.mip.design_model import BUDGET, Axis, most_in_units
from mipdesign.mip.expressions import Expression, linear_sum
from mipdesign.mip.formulation import Feature, features
from mipdesign.mip.linear import ScipModel
from mipdesign.mip.start_values import Assignment, ValueRule

from . import common, penalty, table_values
from .common import CHANNELS, DEPTH, FAMILY, WIDTH
from .encodings.encoding import Encoding
from .minlp_combinations import write_combinations
from .minlp_counts import Block, CountWriter, Number, Sum, formulas_of, in_scip
from .minlp_integers import IntegerWriter
from .model_builder import ModelBuilder
from .scaling import LOOSENED

LARGEST = 1e15
"""Depth penalties beyond it count as that much: SCIP takes 1e20 for infinity, and objectives below it for the same."""


@dataclass
class MinlpWriter:
    """Writes the model of one cell.

    Attributes
    ----------
    encoding:
        How functions of one integer are piecewise linear; ``None`` for SCIP's own logarithm.
    counted:
        Whether what the budgets count is written as variables, ``count_<budget>`` in :attr:`units`.
    axes:
        The integers that a network consists of.
    lacking:
        What of the problem has no closed form here, in words.
    nonlinear:
        Constraints that are not linear, by name.
    extra:
        What the layer terms of the blocks written so far have beside their log widths.
    """

    tables: Tables
    cell: Cell
    encoding: Encoding | None
    counted: bool = False
    model: ModelBuilder = field(default_factory=ModelBuilder)
    axes: list[Axis] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)
    nonlinear: list[tuple[str, Sum]] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    counts: list[list[Sum]] = field(default_factory=list)
    gain: list[Expression] = field(default_factory=list)
    layers: list[Sum] = field(default_factory=list)
    units: dict[str, float] = field(default_factory=dict)
    extra: Expression = field(init=False)
    top: float = 0.0
    """Upper bound of the objective."""
    has_cap: bool = False
    """Whether some depth penalties count as :data:`LARGEST`."""

    def __post_init__(self) -> None:
        self.integers = IntegerWriter(self.model, self.axes, self.nonlinear, self.encoding)

    def write(self) -> None:
        """All variables and constraints of the cell."""
        t, model = self.tables, self.model
        self.lacking += [feature.value for feature in features(t) if feature in (Feature.OPERATIONS, Feature.RESOLUTION)]
        self.counts, counts = [[] for _ in t.counts], CountWriter(t, model)
        before = self._stem()
        total: Expression = model.constant(t.stem_log)
        self.layers, self.extra = [lambda v: 1.0], model.constant(t.stem_extra)
        if t.ends[0] < 0:
            self._end_of_stage(0, before, total, 0)
        for i in range(len(t.stages)):
            block = self._super_block(i, before)
            for row, parts in enumerate(self.counts):
                parts += counts.write(block, row)
            total = self._sum(block, total)
            if t.has_extra:
                self._add_extra(block)
            before = block.channels
            if i in t.ends:
                head = i == len(t.stages) - 1 and t.has_head
                self._end_of_stage(t.stage_of[i], before, total + before.logarithm if head else total, int(head))
        self._budgets(before)
        self._ties()
        self._penalty()
        if t.problem.scoring.effectiveness_price:
            self._without_closed_form(Feature.PRICE.value)
        if t.has_values:
            self._without_closed_form(Feature.VALUES.value)
            self.gain.append(table_values.of_network(model, t))
            self.top += t.most_value
        self.model.variable("objective", lower=-math.inf, upper=math.inf, value=lambda n: n.of(linear_sum(self.gain)))
        value = model.named("objective")
        model.add("is_objective", value - linear_sum(self.gain) <= 0.0)
        model.maximize(value)

    def scip(self) -> ScipModel:
        """The PySCIPOpt model."""
        model, variables = self.model.to_scip(1.0)
        for name, constraint in self.nonlinear:
            model.addCons(constraint(variables), name=name)
        return model, variables

    # --------------------------------------------------------------- integers

    def _of(self, e: Expression) -> Sum:
        return in_scip(self.model, e)

    def _stem(self) -> Number:
        t, stem = self.tables, self.cell.stem
        channels = self.integers.write("C0", -1, "stem", t.stem_c[stem], lambda p: int(t.stem_c[p.stem]), CHANNELS)
        for row, of_stems in enumerate(t.stem_counts):
            of_stem = channels.encoded.function([float(x) / CountWriter(t, self.model).unit(row) for x in of_stems[stem]])
            self.counts[row].append(self._of(of_stem))
        return channels

    def _super_block(self, i: int, before: Number) -> Block:
        """The integers of a super-block, what of their combinations there is, and the chain rule."""
        t, s, n, columns = self.tables, self.tables.stages[i], i + 1, self.cell.columns[i]
        if s.element.continues:
            return self._later_block(i)

        def of(column_values: Ints) -> Callable[[Position], int]:
            return lambda p: int(column_values[p.columns[i]])

        depths = self.integers.write(f"L{n}", i, "depth", self.cell.depths(t, i), lambda p: p.depths[i], DEPTH, has_log=False)
        families = self.integers.write(f"f{n}", i, "family", distinct(among(s.f, columns)), of(s.f), FAMILY, has_log=False)
        kernels = self.integers.kernels(f"k{n}", i, distinct(among(s.k, columns)), of(s.k))
        widths = self.integers.write(f"b{n}", i, "width", distinct(among(s.b, columns)), of(s.b), WIDTH)
        channels = self.integers.write(f"C{n}", i, "channels", distinct(among(s.c, columns)), of(s.c), CHANNELS)
        formulas = formulas_of(t, i, columns, families.values, self._without_closed_form)
        low, high = s.growth
        if low is not None:
            self.model.add(f"grows_{n}", float(low.denominator) * channels.value - float(low.numerator) * before.value >= 0.0)
        if high is not None:
            self.model.add(
                f"bounded_{n}", float(high.numerator) * before.value - float(high.denominator) * channels.value >= 0.0
            )
        block = Block(i, before, channels, widths, kernels, depths, families, formulas, bits=self._bits(i, columns))
        write_combinations(self.tables, self.model, block, columns, self._without_closed_form)
        self.blocks.append(block)
        return block

    def _later_block(self, i: int) -> Block:
        """The integers of a later block of a super-block whose blocks may differ. Where it is absent, width and kernel stand
        for nothing.
        """
        s, n, before, every = self.tables.stages[i], i + 1, self.blocks[-1], self.cell.columns[i]
        columns = every[s.presence[every] > 0]

        def of(column_values: Ints) -> Callable[[Position], int]:
            return lambda p: int(column_values[s.stand_in[p.columns[i]]])

        there: Callable[[Position], int] = lambda p: int(s.presence[p.columns[i]])  # noqa: E731
        depths = self.integers.write(f"L{n}", i, "depth", distinct(s.presence[every]), there, DEPTH, has_log=False)
        kernels, widths, bits = before.kernels, before.widths, self._bits(i, columns)
        if not s.element.space.uniform:
            kernels = self.integers.kernels(f"k{n}", i, distinct(s.k[columns]), of(s.k))
            widths = self.integers.write(f"b{n}", i, "width", distinct(s.b[columns]), of(s.b), WIDTH)
        formulas = formulas_of(self.tables, i, columns, before.families.values, self._without_closed_form)
        integers = (before.channels, before.channels, widths, kernels, depths, before.families)
        block = Block(i, *integers, formulas, continues=True, bits=bits)
        if not s.element.space.uniform:
            write_combinations(self.tables, self.model, block, columns, self._without_closed_form)
        if self.tables.is_ordered(i):
            self.model.add(f"ordered_{n}", before.depths.value - depths.value >= 0.0)
        self.blocks.append(block)
        return block

    def _bits(self, i: int, columns: Ints) -> Number | None:
        """The pair of bits of a block; of one that is absent it stands for nothing."""
        s = self.tables.stages[i]
        if not s.element.space.bits:
            return None
        read: Callable[[Position], int] = lambda p: int(s.bits[s.stand_in[p.columns[i]]])  # noqa: E731
        return self.integers.write(f"q{i + 1}", i, "bits", distinct(s.bits[columns]), read, WIDTH, has_log=False)

    def _without_closed_form(self, reason: str) -> None:
        if reason not in self.lacking:
            self.lacking.append(reason)

    # ------------------------------------------------------ budgets and ties

    def _budgets(self, last: Number) -> None:
        t = self.tables
        for row, (name, limit) in enumerate(zip(t.counts, t.limits, strict=True)):
            if any(formulas.counts[row] is None for block in self.blocks for formulas in block.formulas.values()):
                continue
            unit, parts, tail = CountWriter(t, self.model).unit(row), self.counts[row], self._of(last.value)
            fixed, slope = float(t.tail_fixed[row]) / unit, float(t.tail_slope[row]) / unit
            self.units[name], most = unit, most_in_units(limit, unit)

            def total(
                v: Mapping[str, Any],
                parts: list[Sum] = parts,
                fixed: float = fixed,
                slope: float = slope,
                tail: Sum = tail,
            ) -> Any:
                return quicksum(part(v) for part in parts) + slope * tail(v) + fixed

            if self.counted:
                self._count_variable(row, name, most, total)
                continue

            def keeps(v: Mapping[str, Any], total: Sum = total, most: float = most) -> Any:
                return total(v) <= most

            self.nonlinear.append((f"{BUDGET}{name}", keeps))  # (3)

    def _count_variable(self, row: int, name: str, most: float, total: Sum) -> None:
        """What a budget counts as a variable, which keeps the limit."""

        def count(network: Assignment) -> float:
            return float(evaluate_batch(self.tables, Batch.of(network.position)).counts[row, 0]) / self.units[name]

        variable = f"count_{name}"
        self.model.variable(variable, lower=-math.inf, upper=most, value=count)
        self.nonlinear.append((f"is_{variable}", lambda v: v[variable] == total(v)))  # (3)

    def _ties(self) -> None:
        for axis, i, j in common.tied_pairs(self.tables):
            if axis == "block":
                one, other = (
                    {
                        self.tables.stages[b.index].blocks[f]: z
                        for f, z in zip(b.families.values, b.families.encoded.one_hot(), strict=True)
                    }
                    for b in (self.blocks[i], self.blocks[j])
                )
                for name in sorted({*one, *other}):
                    zero = self.model.constant(0.0)
                    self.model.add(f"tied_block{i + 1}_{j + 1}_{name}", one.get(name, zero) == other.get(name, zero))
            else:
                one_value, other_value = (self.blocks[b].number(axis).value for b in (i, j))
                self.model.add(f"tied_{axis}{i + 1}_{j + 1}", one_value == other_value)  # (33)

    # ------------------------------------------------------------ sums, entropy

    def _log_width(self, block: Block) -> Expression:
        """``t_i`` as a variable, without the incoming channels."""
        n, s, columns = block.index + 1, self.tables.stages[block.index], self.cell.columns[block.index]
        columns = columns[s.presence[columns] > 0]
        logs = [x.logarithm for x in (block.channels, block.widths, block.kernels)]
        own = {
            f: None if w is None else w.of_logarithms(*logs) + self.model.constant(w.constant)
            for f, (_, w) in block.formulas.items()
        }
        if len(own) == 1 and (only := own[block.families.values[0]]) is not None:
            return self.model.equal_to(f"t{n}", only)
        value: ValueRule = lambda network: float(s.t[s.stand_in[network.position.columns[block.index]]])  # noqa: E731
        t = self.model.variable(f"t{n}", lower=float(s.t[columns].min()), upper=float(s.t[columns].max()), value=value)
        chosen = dict(zip(block.families.values, block.families.encoded.one_hot(), strict=True))
        parts = [(self._of(chosen[f]), self._of(e)) for f, e in own.items() if e is not None]
        if len(parts) == len(own):
            self.nonlinear.append((f"is_t{n}", lambda v: v[f"t{n}"] <= quicksum(z(v) * e(v) for z, e in parts)))
        return t

    def _sum(self, block: Block, total: Expression) -> Expression:
        """``S_i``, at most what equation (1) says."""
        i, n = block.index, block.index + 1
        t, log_c = self._log_width(block), block.channels.logarithm
        entering, own, more = total + block.before.logarithm + t, t + log_c, block.depths.value - 1.0
        depth = float(block.depths.values[-1]) - 1.0
        if block.continues:
            entering, more, depth = total, block.depths.value, 1.0
        top = entering.high + depth * max(own.high, 0.0)
        name = f"S{n}"
        s = self.model.variable(
            name, lower=0.0, upper=top, value=lambda network: common.exact_sum(self.tables, network.position, n)
        )
        of_entering, of_own, of_more = self._of(entering), self._of(own), self._of(more)
        self.nonlinear.append((f"sum_{n}", lambda v: v[name] <= of_entering(v) + of_more(v) * of_own(v)))  # (1)
        per_block = self.tables.stages[i].layers
        of_family = {f: float(per_block[np.flatnonzero(self.tables.stages[i].f == f)[0]]) for f in block.families.values}
        before, of_depth = self.layers[-1], self._of(block.depths.value)
        if len(set(of_family.values())) == 1:
            each = next(iter(of_family.values()))
            self.layers.append(lambda v: before(v) + each * of_depth(v))
        else:
            each_of = self._of(block.families.encoded.function([of_family[f] for f in block.families.values]))
            self.layers.append(lambda v: before(v) + each_of(v) * of_depth(v))
        return s

    def _end_of_stage(self, stage: int, channels: Number, total: Expression, head: int) -> None:
        """Entropy and effectiveness of the prefix that ends with a stage."""
        t, scoring = self.tables, self.tables.problem.scoring
        if stage == t.n_stages - 1 and t.end_channels is not None:
            end = self.model.constant(float(t.log_end(stage, None)))
        else:
            of_channels, of_area = scoring.exponents
            end = of_channels * channels.logarithm + self.model.constant(of_area * 2.0 * math.log(t.end_resolution[stage]))
        terms = total + self.extra + self.model.constant(t.head_extra if head else 0.0)
        weight, top = scoring.weights[stage], max(terms.high, 0.0)
        if scoring.additive:
            self.gain.append(weight * terms + scoring.end_weights[stage] * end)
            self.top += weight * top + scoring.end_weights[stage] * max(end.high, 0.0)
        else:
            self._product_at_end(stage, weight, terms, end)
        if t.rho is None or stage not in t.rho_stages:
            return
        of_layers, of_total, log_rho = self.layers[-1], self._of(total), math.log(t.arrays.rho)
        loose = LOOSENED * max(1.0, total.high)
        if len(self.layers) == 1:
            self.model.add(f"effectiveness_{stage}", total >= -log_rho - loose)
            return

        def effective(v: Mapping[str, Any]) -> Any:
            n = of_layers(v) + head
            return of_total(v) - n * log(n) + log_rho * n >= -loose

        self.nonlinear.append((f"effectiveness_{stage}", effective))  # (4)

    def _product_at_end(self, stage: int, weight: float, terms: Expression, end: Expression) -> None:
        """``H_j``, at most what equation (2) says, in the objective."""
        name, top = f"H{stage}", max(terms.high * max(end.high, 0.0), 0.0)
        h = self.model.variable(name, upper=top, value=lambda n: n.of(end) * n.of(terms))
        of_end, of_terms = self._of(end), self._of(terms)
        self.nonlinear.append((f"entropy_{stage}", lambda v: v[name] <= of_end(v) * of_terms(v)))  # (2)
        self.gain.append(weight * h)
        self.top += weight * top

    def _add_extra(self, block: Block) -> None:
        """What layer terms have beside log widths, up to and with a super-block: of every block a function of the kernel."""
        i, n = block.index, block.index + 1
        s, columns = self.tables.stages[i], self.cell.columns[i]
        axis, values_of = (block.kernels, s.k) if block.bits is None else (block.bits, s.bits)
        parts: list[tuple[Sum, Sum]] = []
        for f, chosen in zip(block.families.values, block.families.encoded.one_hot(), strict=True):
            own = columns[s.f[columns] == f]
            at = [np.unique(s.extra[own[values_of[own] == value]]).tolist() for value in axis.values]
            if any(len(values) > 1 for values in at):
                self._without_closed_form("layer terms that depend on more than family and kernel, or on more than bits")
            parts.append((self._of(chosen), self._of(axis.encoded.function([max(v, default=0.0) for v in at]))))
        before, of_before, of_depth = self.extra, self._of(self.extra), self._of(block.depths.value)
        depth, name = float(block.depths.values[-1]), f"E{n}"
        least, most = float(min(0.0, s.extra[columns].min())), float(max(0.0, s.extra[columns].max()))

        def value(network: Assignment) -> float:
            p = network.position
            return network.of(before) + p.depths[i] * float(s.extra[p.columns[i]])

        self.extra = self.model.variable(name, lower=before.low + depth * least, upper=before.high + depth * most, value=value)
        self.nonlinear.append(
            (f"extra_{n}", lambda v: v[name] <= of_before(v) + of_depth(v) * quicksum(z(v) * e(v) for z, e in parts))
        )

    def _penalty(self) -> None:
        """``- beta Q`` in the objective, as far as :data:`LARGEST`; equation (6)."""
        t, scoring = self.tables, self.tables.problem.scoring
        if not t.penalised:
            return
        depths = [[block.depths for block in self.blocks[slice(*t.elements_of(i))]] for i in t.penalised]
        most_blocks = max(sum(d.values[-1] for d in of_one) for of_one in depths)
        spread = most_blocks - min(sum(d.values[0] for d in of_one) for of_one in depths)
        is_std = scoring.penalty_form == "exp_std"
        most, kept = spread / 2 if is_std else spread * spread / 4, max(0.0, math.log(LARGEST) - math.log(scoring.beta))

        exponent = penalty.exponent_of(t)

        def within(network: Assignment) -> float:
            return min(exponent(network), kept)

        self.model.variable("exponent", upper=min(most, kept), value=within)
        q = self.model.variable("Q", upper=math.exp(min(most, kept)), value=lambda network: math.exp(within(network)))
        self.gain.append(-scoring.beta * q)
        beyond = self.model.constant(0.0)
        if most > kept:
            self.has_cap = True
            beyond = self.model.variable("Q_beyond", "B", value=lambda network: float(exponent(network) > kept))
            self.gain.append(-LARGEST * beyond)
        of_depths = [self._of(linear_sum(d.value for d in of_one)) for of_one in depths]
        of_beyond, excess = self._of(beyond), most * most if is_std else most

        def variance(v: Mapping[str, Any]) -> Any:
            values, n, e = [of_depth(v) for of_depth in of_depths], len(of_depths), v["exponent"]
            mean = quicksum(values) * (1.0 / n)
            squares = quicksum((d - mean) * (d - mean) for d in values) * (1.0 / n)
            return squares <= (e * e if is_std else e) + excess * of_beyond(v)

        self.nonlinear += [("variance", variance), ("penalty", lambda v: v["Q"] >= exp(v["exponent"]))]  # (6)
