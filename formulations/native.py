r"""The native formulation: the design problem as one writes it down, left to SCIP's own handling of nonlinear functions.

It is the baseline that shows what the lattice formulation gains: right on small cells, out of reach on large ones. Integers
``C_i, b_i, k_i, L_i`` are tied to the cell by one-hot binaries of its columns and depths; everything else is written in the
integers with products, ``log``, ``exp`` and squares:

* ``S_i <= S_{i-1} + log C_{i-1} + 2 L_i (log b_i + log k_i) + (L_i - 1) log C_i``, the log-width sum of bottleneck blocks;
* ``H_j <= log(r^2 C_j) S_j``;
* ``S >= n log n - n log rho_0`` for the effectiveness;
* ``Var(L) <= e^2`` (or ``<= e``) and ``Q >= exp(e)`` for the depth penalty, which stays smooth at equal depths, where the
  standard deviation is not;
* counts as the polynomials of a bottleneck block.

Inequalities suffice where the objective and the effectiveness push the left side up. Only the family ``bottleneck`` is written
out. Nonlinear constraints hold to SCIP's feasibility tolerance; the exact check of :func:`mipdesign.scip.solve_cell` decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyscipopt import Model, exp, log, quicksum

from mipdesign.cell import Cell
from mipdesign.errors import SpecError
from mipdesign.evaluation import count_of_budget
from mipdesign.formulation import Formulation, FormulationModel, OneHotGroup
from mipdesign.lattice import Position, Tables
from mipdesign.theory import depth_variance

from .common import CHANNELS, DEPTH, KERNEL, WIDTH
from .scaling import BUDGET_UNIT, LOOSENED, NONLINEAR_PARAMETERS, PenaltyScale

Rule = Callable[[Position], float]
"""The value of a variable in a network."""


class Native(Formulation):
    """Native nonlinear formulation; see the module."""

    id = "native"
    title = "integers with SCIP's own log, exp and products"
    claim = "exact"
    reference = "The problem as stated: DeepMAD, CVPR 2023, arXiv 2303.02165, section 4; solver: SCIP 10, nonlinear constraints"

    def build(self, tables: Tables, cell: Cell) -> FormulationModel:
        """The model of the networks of ``cell``.

        Raises
        ------
        SpecError
            If a super-block is not of the family ``bottleneck``.
        """
        for i, space in enumerate(tables.problem.space):
            if space.blocks != ("bottleneck",):
                raise SpecError(
                    f"stages.{i}.block",
                    f"{', '.join(space.blocks)!r} is not written out in the formulation 'native'",
                    "use 'lattice'",
                )
        return _Writer(tables, cell).build()


@dataclass(frozen=True)
class _Quantity:
    """An integer of the network, or a part of the log-width sum: an expression, and an upper bound of it."""

    value: Any
    top: float

    def __add__(self, other: _Quantity) -> _Quantity:
        return _Quantity(self.value + other.value, self.top + other.top)


@dataclass(frozen=True)
class _Block:
    """The integers of a super-block, and the logarithms of three of them."""

    c: Any
    b: Any
    k: Any
    depth: _Quantity
    log_c: _Quantity
    log_b: _Quantity
    log_k: _Quantity

    @property
    def own_sum(self) -> _Quantity:
        """What it adds to the log-width sum, the channels before it aside."""
        depth, one_less = self.depth.value, self.depth.value - 1
        value = 2 * depth * (self.log_b.value + self.log_k.value) + one_less * self.log_c.value
        top = 2 * self.depth.top * (self.log_b.top + self.log_k.top) + (self.depth.top - 1) * self.log_c.top
        return _Quantity(value, top)


class _Writer:
    """Writes the model of one cell."""

    def __init__(self, tables: Tables, cell: Cell) -> None:
        self.tables, self.cell = tables, cell
        self.model = Model()
        self.model.hideOutput()
        self.variables: dict[str, Any] = {}
        self.rules: dict[str, Rule] = {}
        self.groups: list[OneHotGroup] = []
        self.priorities: dict[str, int] = {}
        self.counts: list[Any] = [float(c) for c in tables.tail_fixed]
        self.gain: Any = 0.0
        self.entropy_limit = 0.0
        self.depths: list[Any] = []

    def build(self) -> FormulationModel:
        t = self.tables
        channels, log_c = self._stem()
        total, layers = _Quantity(t.stem_log, t.stem_log), _Quantity(1.0, 1.0)
        if t.ends[0] < 0:
            self._stage(0, total, layers, log_c)
        for i in range(len(t.stages)):
            block = self._super_block(i, channels)
            total = self._sum(i, total + log_c + block.own_sum)
            per_block = int(t.stages[i].layers[0])
            layers += _Quantity(per_block * block.depth.value, per_block * block.depth.top)
            channels, log_c = block.c, block.log_c
            if i in t.ends:
                head = i == len(t.stages) - 1 and t.has_head
                self._stage(
                    t.stage_of[i], total + log_c if head else total, layers + _Quantity(1, 1) if head else layers, log_c
                )
        for row, slope in enumerate(t.tail_slope):
            self.counts[row] += float(slope) * channels
        return self._finish()

    # --------------------------------------------------------------- variables

    def _variable(self, name: str, kind: str, low: float, high: float, rule: Rule) -> Any:
        self.variables[name] = self.model.addVar(name, kind, low, high)
        self.rules[name] = rule
        return self.variables[name]

    def _one_hot(self, name: str, slot: int, keys: Iterable[int], read: Callable[[Position], int]) -> dict[int, Any]:
        """Binaries of which exactly one is 1: which value an entry of the position has."""

        def is_key(key: int) -> Rule:
            return lambda p: float(read(p) == key)

        binaries = {int(key): self._variable(f"{name}_{key}", "B", 0.0, 1.0, is_key(int(key))) for key in keys}
        self.model.addCons(quicksum(binaries.values()) == 1, name=f"one_{name}")
        self.groups.append(OneHotGroup((slot,), {(key,): f"{name}_{key}" for key in binaries}))
        return binaries

    def _integer(
        self, name: str, binaries: Mapping[int, Any], values: Mapping[int, int], read: Callable[[Position], int], priority: int
    ) -> Any:
        """An integer variable whose value follows from one-hot binaries."""
        v = self._variable(name, "I", min(values.values()), max(values.values()), lambda p: float(values[read(p)]))
        self.model.addCons(quicksum(values[key] * binary for key, binary in binaries.items()) == v, name=f"is_{name}")
        self.model.chgVarBranchPriority(v, priority)
        self.priorities[name] = priority
        return v

    def _log(self, name: str, integer: Any, values: Mapping[int, int], read: Callable[[Position], int]) -> _Quantity:
        """A variable that is at most the logarithm of an integer variable."""
        low, high = math.log(min(values.values())), math.log(max(values.values()))
        v = self._variable(f"log_{name}", "C", low, high, lambda p: math.log(values[read(p)]))
        self.model.addCons(v <= log(integer), name=f"log_{name}")
        return _Quantity(v, high)

    def _stem(self) -> tuple[Any, _Quantity]:
        """Channels of the stem and their logarithm."""
        t = self.tables

        def read(p: Position) -> int:
            return p.stem

        binaries = self._one_hot("stem", 0, self.cell.stem, read)
        values = {j: int(t.stem_c[j]) for j in binaries}
        for row in range(len(self.counts)):
            self.counts[row] += quicksum(float(t.stem_counts[row, j]) * binary for j, binary in binaries.items())
        channels = self._integer("C0", binaries, values, read, CHANNELS)
        return channels, self._log("C0", channels, values, read)

    def _super_block(self, i: int, before: Any) -> _Block:
        """The integers of a super-block, its counts, and the chain rule."""
        s, number, m = self.tables.stages[i], i + 1, len(self.tables.stages)

        def column(p: Position) -> int:
            return p.columns[i]

        def depth(p: Position) -> int:
            return p.depths[i]

        on_depth = self._one_hot(f"d{number}", 1 + m + i, self.cell.depths(self.tables, i), depth)
        on_column = self._one_hot(f"x{number}", 1 + i, self.cell.columns[i], column)
        blocks = self._integer(f"L{number}", on_depth, {d: d for d in on_depth}, depth, DEPTH)
        self.depths.append(blocks)
        integers, logs = [], []
        for letter, of_column, priority in (("C", s.c, CHANNELS), ("b", s.b, WIDTH), ("k", s.k, KERNEL)):
            values = {q: int(of_column[q]) for q in on_column}
            integers.append(self._integer(f"{letter}{number}", on_column, values, column, priority))
            logs.append(self._log(f"{letter}{number}", integers[-1], values, column))
        c, b, k = integers
        self._follows(i, before, c)
        self._count(i, before, c, b, k, blocks)
        return _Block(c, b, k, _Quantity(blocks, float(self.cell.high[i])), *logs)

    def _sum(self, i: int, total: _Quantity) -> _Quantity:
        """A variable that is at most the log-width sum up to and with a super-block."""
        v = self._variable(f"S{i + 1}", "C", 0.0, total.top, lambda p: self._exact_sum(p, i + 1))
        self.model.addCons(v <= total.value, name=f"sum_{i + 1}")
        return _Quantity(v, total.top)

    def _exact_sum(self, position: Position, number: int) -> float:
        """``S`` up to and with super-block ``number`` (0: the stem)."""
        t = self.tables
        total, c = t.stem_log, int(t.stem_c[position.stem])
        for s, q, depth in zip(t.stages[:number], position.columns, position.depths, strict=False):
            total += math.log(c) + depth * float(s.t[q]) + (depth - 1) * float(s.log_c[q])
            c = int(s.c[q])
        return total

    # ------------------------------------------------------------- constraints

    def _follows(self, i: int, before: Any, channels: Any) -> None:
        """The chain rule, in integers."""
        low, high = self.tables.stages[i].growth
        self.model.addCons(low.denominator * channels >= low.numerator * before, name=f"grows_{i + 1}")
        if high is not None:
            self.model.addCons(high.denominator * channels <= high.numerator * before, name=f"bounded_{i + 1}")

    def _count(self, i: int, ci: Any, c: Any, b: Any, k: Any, depth: Any) -> None:
        """Counts of a super-block: its first block, and ``L - 1`` like the second."""
        space, conv = self.tables.problem.space[i], self.tables.problem.scoring.convention
        for row, name in enumerate(self.tables.counts):
            figure = count_of_budget(name, conv)
            first = _bottleneck(figure, ci, c, b, k, space.stride, space.resolution, first=True)
            rest = _bottleneck(figure, c, c, b, k, 1, -(-space.resolution // space.stride), first=False)
            self.counts[row] += first + (depth - 1) * rest

    def _stage(self, stage: int, total: _Quantity, layers: _Quantity, log_c: _Quantity) -> None:
        """Entropy and effectiveness of the prefix that ends with a stage."""
        t, scoring = self.tables, self.tables.problem.scoring
        weight = scoring.weights[stage]
        if stage == t.n_stages - 1 and t.end_channels is not None:
            log_end = _Quantity(float(t.log_end(stage, None)), float(t.log_end(stage, None)))
        else:
            log_r2 = 2 * math.log(t.end_resolution[stage])
            log_end = _Quantity(log_r2, log_r2) + log_c
        top = total.top * log_end.top
        h = self._variable(f"H{stage}", "C", 0.0, top, lambda p: self._exact_entropy(p, stage))
        self.model.addCons(h <= log_end.value * total.value, name=f"entropy_{stage}")
        self.gain += weight * h
        self.entropy_limit += weight * top
        if t.rho is not None and stage in t.rho_stages:
            self._effectiveness(stage, math.log(t.rho), total, layers)

    def _exact_entropy(self, position: Position, stage: int) -> float:
        t = self.tables
        i = t.ends[stage]
        c = t.stages[i].c[position.columns[i]] if i >= 0 else t.stem_c[position.stem]
        total = self._exact_sum(position, i + 1)
        if stage == t.n_stages - 1 and t.has_head:
            total += math.log(c)
        return float(t.log_end(stage, c)) * total

    def _effectiveness(self, stage: int, log_rho: float, total: _Quantity, layers: _Quantity) -> None:
        """``S >= n log n - n log rho_0``; before the first super-block both sides are numbers."""
        loose = LOOSENED * max(1.0, total.top)
        if isinstance(total.value, float):
            if total.value < -log_rho - loose:
                self.model.addCons(self.variables[f"H{stage}"] <= -1.0, name=f"effectiveness_{stage}")
        else:
            n = layers.value
            self.model.addCons(total.value - n * log(n) + n * log_rho >= -loose, name=f"effectiveness_{stage}")

    def _finish(self) -> FormulationModel:
        """Budgets, penalty and objective."""
        scoring = self.tables.problem.scoring
        for name, limit, count in zip(self.tables.counts, self.tables.limits, self.counts, strict=True):
            unit = max(float(limit), 1.0) / BUDGET_UNIT
            self.model.addCons(count * (1 / unit) <= (float(limit) + 0.5) / unit, name=f"budget_{name}")
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
            nonlinear=lambda: _Writer(self.tables, self.cell).build().scip,
            written=(self.model, self.variables),
            objective_scale=penalty.scale,
            magnitude=penalty.magnitude,
            floor=penalty.floor,
            priorities=self.priorities,
            groups=tuple(self.groups),
            rules=lambda position: {name: rule(position) for name, rule in self.rules.items()},
            parameters=NONLINEAR_PARAMETERS,
        )

    def _penalty(self, penalty: PenaltyScale, depths: Sequence[Any]) -> None:
        """``- beta Q`` in the objective, with ``beta Q`` in units of the objective's magnitude."""
        scoring = self.tables.problem.scoring
        n, is_std, factor = len(depths), scoring.penalty_form == "exp_std", scoring.beta / penalty.magnitude

        def exponent(p: Position) -> float:
            variance = float(depth_variance([p.depths[i] for i in scoring.penalised]))
            return math.sqrt(variance) if is_std else variance

        def value(p: Position) -> float:
            return factor * math.exp(min(exponent(p), 700.0))

        e = self._variable("exponent", "C", 0.0, penalty.largest_exponent(scoring.beta), exponent)
        q = self._variable("Q", "C", 0.0, penalty.limit / penalty.magnitude, value)
        mean = quicksum(depths) * (1 / n)
        variance = quicksum((depth - mean) * (depth - mean) for depth in depths) * (1 / n)
        self.model.addCons(variance <= (e * e if is_std else e), name="variance")
        self.model.addCons(q >= factor * exp(e), name="penalty")
        self.gain += -penalty.magnitude * q


def _bottleneck(figure: str, ci: Any, c: Any, b: Any, k: Any, s: int, r: int, *, first: bool) -> Any:
    """A count of one ``bottleneck`` block: a 1x1, a k x k and a 1x1 convolution, with a projection in the first block.

    Parameters
    ----------
    figure:
        One of :data:`mipdesign.evaluation.COUNTS`.
    """
    inside, outside = r * r, (-(-r // s)) ** 2
    if figure in ("layers", "blocks"):
        return 3.0 if figure == "layers" else 1.0
    if figure.startswith("params"):
        return ci * b + k * k * b * b + b * c + 4 * b + 2 * c + (ci * c + 2 * c if first else 0)
    macs = inside * ci * b + outside * (k * k * b * b + b * c) + (outside * ci * c if first else 0)
    if figure == "macs":
        return macs
    extra = 3 * inside * b + outside * (3 * b + 3 * c) + (3 * outside * c if first else 0)
    return macs + extra + (inside * ci if first and s == 2 else 0)
