"""Writes a nonlinear formulation of one cell; see :mod:`mipdesign.formulations.nonlinear`."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pyscipopt import Model, exp, log, quicksum

from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import Tables
from mipdesign.mip.formulation import FormulationModel, OneHotGroup
from mipdesign.mip.start_values import Assignment, ValueRule

from . import common
from .common import CHANNELS, DEPTH, KERNEL, WIDTH
from .penalty import exponent_of
from .polynomials import BlockPolynomials, WidthMonomial
from .scaling import LOOSENED, NONLINEAR_PARAMETERS, PenaltyScale


@dataclass(frozen=True)
class Quantity:
    """A number of the network, or a part of the log-width sum: an expression, and an upper bound of it."""

    value: Any
    top: float

    def __add__(self, other: Quantity) -> Quantity:
        return Quantity(self.value + other.value, self.top + other.top)


@dataclass(frozen=True)
class Number:
    """An integer of the network, its upper bound, and its logarithm where that is wanted."""

    value: Any
    top: float
    log: Quantity | None

    @property
    def logarithm(self) -> Quantity:
        """Its logarithm, which has to be there."""
        assert self.log is not None
        return self.log


@dataclass(frozen=True)
class _Block:
    """The integers of a super-block, what is 1 for each number of channels, and what it adds to the log-width sum."""

    c: Number
    b: Number
    k: Number
    depth: Number
    on_channels: Mapping[int, Any]
    log_width: WidthMonomial

    def number(self, axis: str) -> Number:
        """What a tie has in common."""
        return {"channels": self.c, "bottleneck": self.b, "kernel": self.k, "depth": self.depth}[axis]

    @property
    def own_sum(self) -> Quantity:
        """``L t + (L - 1) log C``: what it adds to the log-width sum, the channels before it aside."""
        depth, t, logs = self.depth, self.log_width, [n.logarithm for n in (self.c, self.b, self.k)]
        value, top = (
            L * (t.constant + t.of_logarithms(*of)) + (L - 1) * of[0]
            for L, of in ((depth.value, [x.value for x in logs]), (depth.top, [x.top for x in logs]))
        )
        return Quantity(value, top)


class Writer(ABC):
    """Writes the model of one cell.

    Attributes
    ----------
    logarithm_of_depth:
        Whether depths get a logarithm as well.
    parameters:
        SCIP parameters that the model asks for.
    counts:
        By budget, in units of :func:`mipdesign.formulations.common.budget_unit`.
    """

    logarithm_of_depth: ClassVar[bool]
    parameters: ClassVar[Mapping[str, Any]] = NONLINEAR_PARAMETERS

    @abstractmethod
    def log_row(self, log_value: Any, integer: Any, terms: Sequence[tuple[float, Any]]) -> Any:
        """The constraint that makes a variable the logarithm of an integer, or at most that.

        Parameters
        ----------
        terms:
            The logarithm of each value, and the binary that is 1 there.
        """

    @abstractmethod
    def monomial(self, coefficient: float, factors: Sequence[Number]) -> Any:
        """A multiple of a product of integers; a factor may occur more than once."""

    def __init__(self, tables: Tables, cell: Cell, formulas: Sequence[BlockPolynomials]) -> None:
        self.tables, self.cell, self.formulas = tables, cell, formulas
        self.model = Model()
        self.model.hideOutput()
        self.variables: dict[str, Any] = {}
        self.rules: dict[str, ValueRule] = {}
        self.groups: list[OneHotGroup] = []
        self.priorities: dict[str, int] = {}
        self.units = [common.budget_unit(limit) for limit in tables.limits]
        self.counts: list[Any] = [float(c) / unit for c, unit in zip(tables.tail_fixed, self.units, strict=True)]
        self.gain: Any = 0.0
        self.entropy_limit = 0.0
        self.depths: list[Any] = []
        self.blocks: list[_Block] = []

    def build(self) -> FormulationModel:
        t = self.tables
        channels, on_channels = self._stem()
        total, layers = Quantity(t.stem_log, t.stem_log), Quantity(1.0, 1.0)
        if t.ends[0] < 0:
            self._stage(0, total, layers, channels.logarithm)
        for i in range(len(t.stages)):
            block = self._super_block(i, channels, on_channels)
            self.blocks.append(block)
            total = self._sum(i, total + channels.logarithm + block.own_sum)
            per_block = int(t.stages[i].layers[0])
            layers += Quantity(per_block * block.depth.value, per_block * block.depth.top)
            channels, on_channels, log_c = block.c, block.on_channels, block.c.logarithm
            if i in t.ends:
                head = i == len(t.stages) - 1 and t.has_head
                self._stage(t.stage_of[i], total + log_c if head else total, layers + Quantity(1, 1) if head else layers, log_c)
        for row, slope in enumerate(t.tail_slope):
            self.counts[row] += float(slope) / self.units[row] * channels.value
        for axis, i, j in common.tied_pairs(t):
            if axis != "block":
                one, other = (self.blocks[stage].number(axis) for stage in (i, j))
                self.model.addCons(one.value == other.value, name=f"tied_{axis}{i + 1}_{j + 1}")  # (33)
        return self._finish()

    # --------------------------------------------------------------- variables

    def _variable(self, name: str, kind: str, low: float, high: float, rule: ValueRule) -> Any:
        self.variables[name] = self.model.addVar(name, kind, low, high)
        self.rules[name] = rule
        return self.variables[name]

    def _one_hot(self, name: str, slot: int, keys: Iterable[int], read: Callable[[Position], int]) -> dict[int, Any]:
        """Binaries of which exactly one is 1: which value an entry of the position has."""

        def is_key(key: int) -> ValueRule:
            return lambda network: float(read(network.position) == key)

        binaries = {int(key): self._variable(f"{name}_{key}", "B", 0.0, 1.0, is_key(int(key))) for key in keys}
        self.model.addCons(quicksum(binaries.values()) == 1, name=f"one_{name}")
        self.groups.append(OneHotGroup((slot,), {(key,): f"{name}_{key}" for key in binaries}))
        return binaries

    def _number(
        self,
        name: str,
        binaries: Mapping[int, Any],
        values: Mapping[int, int],
        read: Callable[[Position], int],
        priority: int,
        has_log: bool = True,
    ) -> Number:
        """An integer variable whose value follows from one-hot binaries, and its logarithm."""
        low, high = min(values.values()), max(values.values())
        v = self._variable(name, "I", low, high, lambda n: float(values[read(n.position)]))
        self.model.addCons(quicksum(values[key] * binary for key, binary in binaries.items()) == v, name=f"is_{name}")
        self.model.chgVarBranchPriority(v, priority)
        self.priorities[name] = priority
        if not has_log:
            return Number(v, high, None)
        log_v = self._variable(f"log_{name}", "C", math.log(low), math.log(high), lambda n: math.log(values[read(n.position)]))
        terms = [(math.log(values[key]), binary) for key, binary in binaries.items()]
        self.model.addCons(self.log_row(log_v, v, terms), name=f"log_{name}")
        return Number(v, high, Quantity(log_v, math.log(high)))

    def _stem(self) -> tuple[Number, Mapping[int, Any]]:
        """Channels of the stem, and what is 1 for each number of them."""
        t = self.tables

        def read(p: Position) -> int:
            return p.stem

        binaries = self._one_hot("stem", 0, self.cell.stem, read)
        values = {j: int(t.stem_c[j]) for j in binaries}
        for row, unit in enumerate(self.units):
            self.counts[row] += quicksum(float(t.stem_counts[row, j]) / unit * binary for j, binary in binaries.items())
        return self._number("C0", binaries, values, read, CHANNELS), _by_value(values, binaries)

    def _super_block(self, i: int, before: Number, on_before: Mapping[int, Any]) -> _Block:
        """The integers of a super-block, its counts, and the chain rule."""
        s, number, m = self.tables.stages[i], i + 1, len(self.tables.stages)

        def column(p: Position) -> int:
            return p.columns[i]

        def depth(p: Position) -> int:
            return p.depths[i]

        on_depth = self._one_hot(f"d{number}", 1 + m + i, self.cell.depths(self.tables, i), depth)
        on_column = self._one_hot(f"x{number}", 1 + i, self.cell.columns[i], column)
        depths = {d: d for d in on_depth}
        blocks = self._number(f"L{number}", on_depth, depths, depth, DEPTH, has_log=self.logarithm_of_depth)
        self.depths.append(blocks.value)
        c, b, k = (
            self._number(f"{letter}{number}", on_column, {q: int(of_column[q]) for q in on_column}, column, priority)
            for letter, of_column, priority in (("C", s.c, CHANNELS), ("b", s.b, WIDTH), ("k", s.k, KERNEL))
        )
        self._follows(i, before.value, c.value)
        on_channels = _by_value({q: int(s.c[q]) for q in on_column}, on_column)
        block = _Block(c, b, k, blocks, on_channels, self.formulas[i].log_width)
        self._count(i, block, before, on_before, on_column)
        return block

    def _sum(self, i: int, total: Quantity) -> Quantity:
        """A variable that is at most the log-width sum up to and with a super-block."""
        v = self._variable(f"S{i + 1}", "C", 0.0, total.top, lambda n: common.exact_sum(self.tables, n.position, i + 1))
        self.model.addCons(v <= total.value, name=f"sum_{i + 1}")  # (1)
        return Quantity(v, total.top)

    # ------------------------------------------------------------- constraints

    def _follows(self, i: int, before: Any, channels: Any) -> None:
        """The chain rule, in integers."""
        low, high = self.tables.stages[i].growth
        if low is not None:
            self.model.addCons(low.denominator * channels >= low.numerator * before, name=f"grows_{i + 1}")
        if high is not None:
            self.model.addCons(high.denominator * channels <= high.numerator * before, name=f"bounded_{i + 1}")

    def _count(self, i: int, block: _Block, before: Number, on_before: Mapping[int, Any], on_column: Mapping[int, Any]) -> None:
        """Counts of a super-block: its first block, and ``L - 1`` like the second; equation (3)."""
        s, numbers = self.tables.stages[i], {"i": before, "C": block.c, "b": block.b, "k": block.k, "L": block.depth}
        for row, polynomials in enumerate(self.formulas[i].counts):
            unit = self.units[row]
            for letters, x in polynomials.expanded().items():
                self.counts[row] += self.monomial(float(x) / unit, [numbers[letter] for letter in letters])
            for of_width, factor in (
                (polynomials.fixed.of_width, 1.0),
                (polynomials.slope.of_width, before.value),
                (polynomials.rest.of_width, block.depth.value - 1),
            ):
                if of_width:
                    self.counts[row] += factor * quicksum(of_width[int(s.b[q])] / unit * x for q, x in on_column.items())
            for c, z in on_before.items():
                same = [
                    (float(s.identity[row, q]) / unit, x) for q, x in on_column.items() if s.c[q] == c and s.identity[row, q]
                ]
                if same:
                    self.counts[row] += z * quicksum(count * x for count, x in same)

    def _stage(self, stage: int, total: Quantity, layers: Quantity, log_c: Quantity) -> None:
        """Entropy and effectiveness of the prefix that ends with a stage."""
        t, scoring = self.tables, self.tables.problem.scoring
        weight = scoring.weights[stage]
        if stage == t.n_stages - 1 and t.end_channels is not None:
            log_end = Quantity(float(t.log_end(stage, None)), float(t.log_end(stage, None)))
        else:
            of_channels, of_area = scoring.exponents
            log_r2 = of_area * 2 * math.log(t.end_resolution[stage])
            log_end = Quantity(log_r2 + of_channels * log_c.value, log_r2 + of_channels * log_c.top)
        if scoring.additive:
            end = scoring.end_weights[stage]
            self.gain += weight * total.value + end * log_end.value  # (2)
            self.entropy_limit += weight * total.top + end * log_end.top
        else:
            self._product_at_end(stage, total, log_end)
        if t.rho is not None and stage in t.rho_stages:
            self._effectiveness(stage, math.log(t.arrays.rho), total, layers)

    def _product_at_end(self, stage: int, total: Quantity, log_end: Quantity) -> None:
        """A variable that is at most the entropy of a stage, in the objective."""
        weight = self.tables.problem.scoring.weights[stage]
        top = total.top * log_end.top
        h = self._variable(f"H{stage}", "C", 0.0, top, lambda n: self._exact_entropy(n.position, stage))
        self.model.addCons(h <= log_end.value * total.value, name=f"entropy_{stage}")  # (2)
        self.gain += weight * h
        self.entropy_limit += weight * top

    def _exact_entropy(self, position: Position, stage: int) -> float:
        t = self.tables
        i = t.ends[stage]
        c = t.stages[i].c[position.columns[i]] if i >= 0 else t.stem_c[position.stem]
        total = common.exact_sum(t, position, i + 1)
        if stage == t.n_stages - 1 and t.has_head:
            total += math.log(c)
        return float(t.log_end(stage, c)) * total

    def _effectiveness(self, stage: int, log_rho: float, total: Quantity, layers: Quantity) -> None:
        """``S >= n log n - n log rho_0``; before the first super-block both sides are numbers."""
        loose = LOOSENED * max(1.0, total.top)
        if isinstance(total.value, float):
            if total.value < -log_rho - loose:
                stems = quicksum(self.variables[name] for name in self.groups[0].names.values())
                self.model.addCons(stems <= 0.0, name=f"effectiveness_{stage}")
        else:
            n = layers.value
            self.model.addCons(total.value - n * log(n) + n * log_rho >= -loose, name=f"effectiveness_{stage}")

    def _finish(self) -> FormulationModel:
        """Budgets, penalty and objective."""
        scoring = self.tables.problem.scoring
        for name, limit, unit, count in zip(self.tables.counts, self.tables.limits, self.units, self.counts, strict=True):
            self.model.addCons(count <= (float(limit) + 0.5) / unit, name=f"budget_{name}")
        if scoring.penalty_form == "none" or not scoring.penalised or not scoring.beta:
            penalty = PenaltyScale.without_penalty(self.entropy_limit)
        else:
            choices = [[int(d) for d in self.cell.depths(self.tables, i)] for i in scoring.penalised]
            penalty = PenaltyScale.of(self.entropy_limit, scoring.penalty_form, scoring.beta, choices)
            self._penalty(penalty, [self.depths[i] for i in scoring.penalised])
        self.model.setObjective(self.gain * (1 / penalty.scale), "maximize")
        return FormulationModel(
            tables=self.tables,
            cell=self.cell,
            nonlinear=lambda: type(self)(self.tables, self.cell, self.formulas).build().scip,
            written=(self.model, self.variables),
            objective_scale=penalty.scale,
            magnitude=penalty.magnitude,
            floor=penalty.floor,
            priorities=self.priorities,
            groups=tuple(self.groups),
            rules=self.rules,
            parameters=self.parameters,
        )

    def _penalty(self, penalty: PenaltyScale, depths: Sequence[Any]) -> None:
        """``- beta Q`` in the objective, with ``beta Q`` in units of the objective's magnitude."""
        scoring = self.tables.problem.scoring
        n, is_std, factor = len(depths), scoring.penalty_form == "exp_std", scoring.beta / penalty.magnitude

        exponent = exponent_of(self.tables)

        def value(network: Assignment) -> float:
            return factor * math.exp(min(exponent(network), 700.0))

        e = self._variable("exponent", "C", 0.0, penalty.largest_exponent(scoring.beta), exponent)
        q = self._variable("Q", "C", 0.0, penalty.limit / penalty.magnitude, value)
        mean = quicksum(depths) * (1 / n)
        variance = quicksum((depth - mean) * (depth - mean) for depth in depths) * (1 / n)
        self.model.addCons(variance <= (e * e if is_std else e), name="variance")
        self.model.addCons(q >= factor * exp(e), name="penalty")
        self.gain += -penalty.magnitude * q


def _by_value(values: Mapping[int, int], binaries: Mapping[int, Any]) -> dict[int, Any]:
    """What is 1 for each value of a number, from the binaries of what decides it."""
    members: dict[int, list[Any]] = {}
    for key, binary in binaries.items():
        members.setdefault(values[key], []).append(binary)
    return {value: quicksum(chosen) for value, chosen in members.items()}
