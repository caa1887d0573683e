"""Budgets that are sums over operations, as integers: what each operation adds, and the largest sum that keeps a limit."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ..networks.evaluator import LOWER, UPPER_ONLY, count_of_budget
from ..networks.operation import Int, Operation
from ..problem.problem import Problem
from .arrays import MAX_COUNT, Ints
from .pairs import Excess


@dataclass(frozen=True)
class AdditiveBudget:
    """An additive integer budget: which figure it sums, and with which factor; lower limits are upper ones of the negative.

    Attributes
    ----------
    name:
        ``params_total``, ``params_backbone``, ``macs``, ``reference_flops``, ``activations``, ``layers`` or ``blocks``.
    factor:
        What each unit counts.
    """

    name: str
    factor: int = 1

    @classmethod
    def of(cls, budget: str, problem: Problem) -> AdditiveBudget:
        """The figure of a budget."""
        name, sign = count_of_budget(budget, problem.scoring.convention), -1 if budget.startswith(LOWER) else 1
        if name == "weights_bytes":
            return cls("params_total", sign * problem.budgets.bytes_of(name))
        return cls(name, sign)

    def limit(self, limit: Fraction) -> int:
        """The largest value of the sum that keeps a limit, cut off at :data:`MAX_COUNT`, which no network reaches."""
        most = math.floor(limit) if self.factor > 0 else -math.ceil(limit)
        return max(-MAX_COUNT, min(most, MAX_COUNT))

    def of_operation(self, op: Operation) -> Int:
        """What one operation adds; 0 for figures that are not sums over operations."""
        if self.name in ("layers", "blocks"):
            return 0
        figure = getattr(op, "params" if self.name.startswith("params") else self.name)
        return figure if self.factor == 1 else figure * self.factor

    def of_block(self, layers: int, blocks: int) -> int:
        """What blocks with so many layers add beside their operations."""
        return self.factor * {"layers": layers, "blocks": blocks}.get(self.name, 0)


def integer_limits(budgets: Iterable[AdditiveBudget], limits: Iterable[Fraction]) -> list[int]:
    """The largest sums that keep their limits."""
    return [budget.limit(limit) for budget, limit in zip(budgets, limits, strict=True)]


def counts_of(
    operations: tuple[Operation, ...], budgets: tuple[AdditiveBudget, ...], shape: tuple[int, ...], layers: int, blocks: int
) -> Ints:
    """Sums over operations, shape ``(budgets, *shape)``."""
    values = [sum(map(budget.of_operation, operations), budget.of_block(layers, blocks)) for budget in budgets]
    every = [np.broadcast_to(np.asarray(total, dtype=np.int64), shape) for total in values]
    return np.array(every, dtype=np.int64).reshape(len(budgets), *shape)


def excess_of(problem: Problem) -> Excess:
    """Whether an operation alone breaks an upper limit of a problem."""
    upper = []
    for name, limit in problem.budgets.limits().items():
        if name not in (*UPPER_ONLY, "layers", "blocks") and not name.startswith(LOWER):
            budget = AdditiveBudget.of(name, problem)
            upper.append((budget, budget.limit(limit)))

    def exceeds(op: Operation) -> Int:
        too_much: Int = np.False_
        for budget, most in upper:
            if budget.name != "params_backbone" or op.kind != "linear":
                too_much = too_much | np.asarray(budget.of_operation(op) > most)  # figures may be numbers or arrays
        return too_much

    return exceeds
