r"""The native formulation: the design problem as one writes it down, left to SCIP's own handling of nonlinear functions.

It is the baseline that shows what the lattice formulation gains, right on small problems and hopeless on large ones. Integers
``C_i, b_i, k_i, L_i`` are tied to the lattice by one-hot binaries of the columns and of the depths, which is all that restricts them
to the cell; everything else is written in the integers with products, ``log``, ``exp`` and squares:

* ``S_i <= S_{i-1} + log C_{i-1} + 2 L_i (log b_i + log k_i) + (L_i - 1) log C_i``, the log-width sum of bottleneck blocks;
* ``H_j <= log(r^2 C_j) S_j``;
* ``S >= n log n - n log rho_0`` for the effectiveness;
* ``Var(L) <= e^2`` (or ``<= e``) and ``Q >= exp(e)`` for the depth penalty, which is smooth also at equal depths, where the standard
  deviation is not;
* counts as the polynomials of a bottleneck block.

Inequalities suffice where the objective and the effectiveness push the left side up. Only the family ``bottleneck`` is written
out. Nonlinear constraints hold to SCIP's feasibility tolerance; the exact check of :func:`mipdesign.scip.solve_cell` decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyscipopt import Model, exp, log, quicksum

from mipdesign.cell import Cell
from mipdesign.errors import SpecError
from mipdesign.formulation import Formulation, FormulationModel, OneHotGroup, Position
from mipdesign.lattice import Tables
from mipdesign.problem import SuperBlockSpace
from mipdesign.theory import depth_variance

from .scaling import BUDGET_UNIT, LOOSENED, PenaltyScale

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
            if space.block != "bottleneck":
                raise SpecError(
                    f"stages.{i}.block", f"{space.block!r} is not written out in the formulation 'native'", "use 'lattice'"
                )
        return _Writer(tables, cell).build()


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

    def build(self) -> FormulationModel:
        t = self.tables
        channels = self._choice("C0", 0, {(int(j),): int(t.stem_c[j]) for j in self.cell.stem}, lambda p: p.stem, priority=0)
        for row in range(len(self.counts)):
            self.counts[row] += quicksum(
                float(t.stem_counts[row, j]) * self.variables[self.groups[0].names[int(j),]] for j in self.cell.stem
            )
        total: Any = t.stem_log
        top, layers, depths = t.stem_log, 1.0, []
        log_c, top_c = self._log("C0", channels, [int(t.stem_c[j]) for j in self.cell.stem], lambda p: int(t.stem_c[p.stem]))
        if t.ends[0] < 0:
            self._stage(0, total, top, layers, log_c, top_c)
        for i, space in enumerate(t.problem.space):
            block = self._integers(i)
            depths.append(block["L"])
            self._follows(i, channels, block["C"])
            self._counts_of_block(space, channels, block)
            before, channels = log_c, block["C"]
            logs = {letter: self._log_of_column(i, letter, block[letter]) for letter in "Cbk"}
            deepest = int(self.cell.high[i])
            top += top_c + 2 * deepest * (logs["b"][1] + logs["k"][1]) + (deepest - 1) * logs["C"][1]
            log_c, top_c = logs["C"]
            own = 2 * block["L"] * (logs["b"][0] + logs["k"][0]) + (block["L"] - 1) * log_c
            s = self._variable(f"S{i + 1}", "C", 0.0, top, lambda p, i=i: self._sum(p, i + 1))
            self.model.addCons(s <= total + before + own, name=f"sum_{i + 1}")
            total = s
            layers = layers + t.stages[i].layers * block["L"]
            if i == len(t.stages) - 1:
                self._tail(channels)
            if i in t.ends:
                head = i == len(t.stages) - 1 and t.has_head
                self._stage(
                    t.stage_of[i],
                    total + log_c if head else total,
                    top + top_c if head else top,
                    layers + 1 if head else layers,
                    log_c,
                    top_c,
                )
        return self._finish(depths)

    # --------------------------------------------------------------- variables

    def _variable(self, name: str, kind: str, low: float, high: float, rule: Rule) -> Any:
        self.variables[name] = self.model.addVar(name, kind, low, high)
        self.rules[name] = rule
        return self.variables[name]

    def _choice(
        self, name: str, slot: int, values: Mapping[tuple[int, ...], int], read: Callable[[Position], int], priority: int
    ) -> Any:
        """An integer variable that takes one of the given values, with one-hot binaries by table position."""
        binaries = {
            key: self._variable(f"{name}_{key[0]}", "B", 0.0, 1.0, lambda p, key=key: float(read(p) == key[0])) for key in values
        }
        self.model.addCons(quicksum(binaries.values()) == 1, name=f"one_{name}")
        self.groups.append(OneHotGroup((slot,), {key: f"{name}_{key[0]}" for key in binaries}))
        integer = self._integer(name, list(values.values()), lambda p: values[read(p),], priority)
        self.model.addCons(quicksum(value * binaries[key] for key, value in values.items()) == integer, name=f"is_{name}")
        return integer

    def _integer(self, name: str, values: Sequence[int], rule: Callable[[Position], int], priority: int) -> Any:
        v = self._variable(name, "I", min(values), max(values), lambda p: float(rule(p)))
        if priority:
            self.priorities[name] = priority
            self.model.chgVarBranchPriority(v, priority)
        return v

    def _integers(self, i: int) -> dict[str, Any]:
        """``C``, ``b``, ``k`` and ``L`` of a super-block."""
        s, number, m = self.tables.stages[i], i + 1, len(self.tables.stages)
        columns = [int(q) for q in self.cell.columns[i]]
        depths = {(int(d),): int(d) for d in self.cell.depths(self.tables, i)}
        block = {"L": self._choice(f"L{number}", 1 + m + i, depths, lambda p: p.depths[i], priority=30)}
        chosen = {
            q: self._variable(f"x{number}_{q}", "B", 0.0, 1.0, lambda p, q=q: float(p.columns[i] == q)) for q in columns
        }
        self.model.addCons(quicksum(chosen.values()) == 1, name=f"one_x{number}")
        self.groups.append(OneHotGroup((1 + i,), {(q,): f"x{number}_{q}" for q in columns}))
        for letter, values, priority in (("C", s.c, 10), ("b", s.b, 20), ("k", s.k, 15)):
            name = f"{letter}{number}"
            block[letter] = self._integer(
                name, [int(values[q]) for q in columns], lambda p, values=values: int(values[p.columns[i]]), priority
            )
            self.model.addCons(quicksum(int(values[q]) * v for q, v in chosen.items()) == block[letter], name=f"is_{name}")
        return block

    def _log(self, name: str, integer: Any, values: Sequence[int], read: Callable[[Position], int]) -> tuple[Any, float]:
        """A variable below the logarithm of an integer variable, and its upper bound."""
        low, high = math.log(min(values)), math.log(max(values))
        v = self._variable(f"log_{name}", "C", low, high, lambda p: math.log(read(p)))
        self.model.addCons(v <= log(integer), name=f"log_{name}")
        return v, high

    def _log_of_column(self, i: int, letter: str, integer: Any) -> tuple[Any, float]:
        s = self.tables.stages[i]
        values = {"C": s.c, "b": s.b, "k": s.k}[letter]
        inside = [int(values[q]) for q in self.cell.columns[i]]
        return self._log(f"{letter}{i + 1}", integer, inside, lambda p: int(values[p.columns[i]]))

    def _sum(self, position: Position, number: int) -> float:
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

    def _counts_of_block(self, space: SuperBlockSpace, ci: Any, block: Mapping[str, Any]) -> None:
        """Counts of a super-block: its first block, and ``L - 1`` like the second."""
        c, b, k, depth = block["C"], block["b"], block["k"], block["L"]
        for row, figure in enumerate(self._figures()):
            first = _bottleneck(figure, ci, c, b, k, space.stride, space.resolution, first=True)
            rest = _bottleneck(figure, c, c, b, k, 1, -(-space.resolution // space.stride), first=False)
            self.counts[row] += first + (depth - 1) * rest

    def _figures(self) -> list[str]:
        """What each budget counts."""
        conv = self.tables.problem.scoring.convention
        meaning = {"flops": conv.flops_metric, "params": conv.params_metric}
        return [meaning.get(name, name) for name in self.tables.counts]

    def _tail(self, channels: Any) -> None:
        for row, slope in enumerate(self.tables.tail_slope):
            self.counts[row] += float(slope) * channels

    def _stage(self, stage: int, total: Any, top: float, layers: Any, log_c: Any, top_c: float) -> None:
        """Entropy and effectiveness of the prefix that ends with a stage; ``top`` and ``top_c`` bound ``total`` and ``log_c``."""
        t, scoring = self.tables, self.tables.problem.scoring
        weight = scoring.alpha[stage] * float(scoring.convention.layer_factor)
        if stage == t.n_stages - 1 and t.end_channels is not None:
            log_end: Any = float(t.log_end(stage, None))
            top_end = log_end
        else:
            log_r2 = 2 * math.log(t.end_resolution[stage])
            log_end, top_end = log_r2 + log_c, log_r2 + top_c
        h = self._variable(f"H{stage}", "C", 0.0, top * top_end, lambda p: self._entropy(p, stage))
        self.model.addCons(h <= log_end * total, name=f"entropy_{stage}")
        self.gain += weight * h
        self.entropy_limit += weight * top * top_end
        if t.rho is not None and stage in t.rho_stages:
            bound = layers * log(layers) - layers * math.log(t.rho) if not isinstance(layers, float) else -math.log(t.rho)
            self.model.addCons(total - bound >= -LOOSENED * max(1.0, top), name=f"effectiveness_{stage}")

    def _entropy(self, position: Position, stage: int) -> float:
        t = self.tables
        i = t.ends[stage]
        c = t.stages[i].c[position.columns[i]] if i >= 0 else t.stem_c[position.stem]
        total = self._sum(position, i + 1)
        if stage == t.n_stages - 1 and t.has_head:
            total += math.log(c)
        return float(t.log_end(stage, c)) * total

    def _finish(self, depths: Sequence[Any]) -> FormulationModel:
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
            self._penalty(penalty, [depths[i] for i in scoring.penalised])
        self.model.setObjective(self.gain * (1 / penalty.scale), "maximize")
        return FormulationModel(
            tables=self.tables,
            cell=self.cell,
            model=self.model,
            variables=self.variables,
            objective_scale=penalty.scale,
            magnitude=penalty.magnitude,
            floor=penalty.floor,
            priorities=self.priorities,
            groups=tuple(self.groups),
            rules=lambda position: {name: rule(position) for name, rule in self.rules.items()},
        )

    def _penalty(self, penalty: PenaltyScale, depths: Sequence[Any]) -> None:
        """``- beta Q`` in the objective, with ``beta Q`` in units of the objective's magnitude."""
        scoring = self.tables.problem.scoring
        n, is_std = len(depths), scoring.penalty_form == "exp_std"

        def exponent(p: Position) -> float:
            variance = float(depth_variance([p.depths[i] for i in scoring.penalised]))
            return math.sqrt(variance) if is_std else variance

        e = self._variable("exponent", "C", 0.0, max(0.0, math.log(penalty.limit / scoring.beta)), exponent)
        factor = scoring.beta / penalty.magnitude
        q = self._variable("Q", "C", 0.0, penalty.limit / penalty.magnitude, lambda p: factor * math.exp(min(exponent(p), 700.0)))
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
        One of :data:`mipdesign.evaluate.COUNTS`.
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
