"""Budgets that are sums over operations, as integers: what each operation adds, and the largest sum that keeps a limit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ..networks.budget_names import LOWER, UPPER_ONLY, count_of_budget, kind_of_budget
from ..networks.operation import WHOLE, Int, Operation
from ..problem.problem import Problem
from .arrays import MAX_COUNT, Ints

FIGURES = {
    "params_total": "params",
    "params_backbone": "params",
    "model_size": "params",
    "tool_flops": "reference_flops",
}
"""What an operation has of a sum that has another name."""
OF_BITS = {"tool_flops": ("bit_operations", WHOLE), "model_size": ("size_in_bits", 8)}
"""The same of a network with bits, and how many of it make one of the figure."""
BACKBONE = ("params_backbone", "model_size")
"""Sums without the classifier."""


@dataclass(frozen=True)
class AdditiveBudget:
    """An additive integer budget: which figure it sums, and with which factor; lower limits are upper ones of the negative.

    Attributes
    ----------
    name:
        ``params_total``, ``params_backbone``, ``macs``, ``reference_flops``, ``tool_flops``, ``bit_operations``,
        ``model_size``, ``activations``, ``layers`` or ``blocks``.
    factor:
        What each unit counts.
    map_factor:
        What the heights of all maps are multiplied by, for counts on maps that are not rounded to be whole; the sum counts as
        many units for one of the figure as its square.
    quantised:
        Whether convolutions have bits, which count.
    """

    name: str
    factor: int = 1
    map_factor: int = 1
    quantised: bool = False

    @classmethod
    def of(cls, budget: str, problem: Problem) -> AdditiveBudget:
        """The figure of a budget."""
        name = count_of_budget(budget, problem.scoring.convention, problem.counts_as_tool)
        sign = -1 if budget.startswith(LOWER) else 1
        quantised = problem.stem.bits is not None
        if name in ("tool_flops", "bit_operations"):
            return cls(name, sign, whole_map_factor(problem), quantised)
        if name == "model_size":
            return cls(name, sign, quantised=quantised)
        if name == "weights_bytes":
            return cls("params_total", sign * problem.budgets.bytes_of(name))
        return cls(name, sign)

    def limit(self, limit: Fraction) -> int:
        """The largest value of the sum that keeps a limit, cut off at :data:`MAX_COUNT`, which no network reaches."""
        units = limit * self.units
        most = math.floor(units) if self.factor > 0 else -math.ceil(units)
        return max(-MAX_COUNT, min(most, MAX_COUNT))

    @property
    def units(self) -> int:
        """Units of the sum that one of the figure makes, its factor aside."""
        return self.map_factor**2 * (OF_BITS[self.name][1] if self.quantised and self.name in OF_BITS else 1)

    def of_operation(self, op: Operation) -> Int:
        """What one operation adds, on maps enlarged by :attr:`map_factor`; 0 for figures that are not sums over operations."""
        if self.name in ("layers", "blocks"):
            return 0
        name = FIGURES.get(self.name, self.name)
        if self.quantised and self.name in OF_BITS:
            name = OF_BITS[self.name][0]
        figure = getattr(op, name)
        return figure if self.factor == 1 else figure * self.factor

    def of_block(self, layers: int, blocks: int) -> int:
        """What blocks with so many layers add beside their operations."""
        return self.factor * {"layers": layers, "blocks": blocks}.get(self.name, 0)


def integer_limits(budgets: Iterable[AdditiveBudget], limits: Iterable[Fraction]) -> list[int]:
    """The largest sums that keep their limits."""
    return [budget.limit(limit) for budget, limit in zip(budgets, limits, strict=True)]


def whole_map_factor(problem: Problem) -> int:
    """The least power of two that makes all maps whole which halving leaves, without rounding, of the input enlarged by it."""
    strides = problem.stem.stride * math.prod(stage.stride for stage in problem.stages)
    return strides // math.gcd(strides, problem.input.resolution)


Excess = Callable[[Operation], Int]
"""Whether an operation alone breaks some other budget (an array for operations of a lattice)."""

OperationsAt = Callable[[int], tuple[Operation, ...]]
"""Operations on maps whose heights are multiplied by a factor."""


def counts_of(
    operations: OperationsAt, budgets: tuple[AdditiveBudget, ...], shape: tuple[int, ...], layers: int, blocks: int
) -> Ints:
    """Sums over operations, shape ``(budgets, *shape)``."""
    values = [
        sum(map(budget.of_operation, operations(budget.map_factor)), budget.of_block(layers, blocks)) for budget in budgets
    ]
    every = [np.broadcast_to(np.asarray(total, dtype=np.int64), shape) for total in values]
    return np.array(every, dtype=np.int64).reshape(len(budgets), *shape)


def excess_of(problem: Problem) -> Excess:
    """Whether an operation alone breaks an upper limit of a problem, those of maps that are not rounded aside."""
    upper = []
    for name, limit in problem.budgets.limits().items():
        if kind_of_budget(name) not in (*UPPER_ONLY, "layers", "blocks") and not name.startswith(LOWER):
            budget = AdditiveBudget.of(name, problem)
            if budget.map_factor == 1:
                upper.append((budget, budget.limit(limit)))

    def exceeds(op: Operation) -> Int:
        too_much: Int = np.False_
        for budget, most in upper:
            if budget.name not in BACKBONE or op.kind != "linear":
                too_much = too_much | np.asarray(budget.of_operation(op) > most)  # figures may be numbers or arrays
        return too_much

    return exceeds
