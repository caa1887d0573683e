"""Values of a model's variables in a network: start solutions, and what the tests hold models against.

Every variable has a rule, which reads the network and the variables that were added before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..lattice.position import Position
from .expressions import Expression

Result = TypeVar("Result")


@dataclass
class Assignment:
    """A network, and the values of the variables that are known so far, in the order of their numbers."""

    position: Position
    values: list[float] = field(default_factory=list)
    known: dict[int, Any] = field(default_factory=dict)
    """What several rules read, by who works it out."""

    def once(self, whose: object, work_out: Callable[[Assignment], Result]) -> Result:
        """What rules of one part of the model have in common, worked out once."""
        found: Result | None = self.known.get(id(whose))
        if found is None:
            found = self.known[id(whose)] = work_out(self)
        return found

    def of(self, expression: Expression) -> float:
        """The value of a linear expression."""
        return math.fsum(c * self.values[v] for v, c in expression.terms) + expression.constant


ValueRule = Callable[[Assignment], float]
"""The value of a variable in a network."""


def start_values(rules: Mapping[str, ValueRule], position: Position) -> dict[str, float]:
    """Values of variables in a network, by name; a rule reads those before its own."""
    assignment = Assignment(position)
    for rule in rules.values():
        assignment.values.append(rule(assignment))
    return dict(zip(rules, assignment.values, strict=True))
