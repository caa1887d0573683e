"""A mixed-integer linear model as plain data: what a linear formulation writes and a solver reads."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from pyscipopt import Model, quicksum

Kind = Literal["B", "I", "C"]
"""Binary, integer, continuous."""
Terms = list[tuple[int, float]]
"""A linear expression: pairs of a variable's number and its coefficient; a variable may occur more than once."""


@dataclass(frozen=True)
class Row:
    """``low <= terms <= high``; each variable occurs once in ``terms``."""

    name: str
    terms: dict[int, float]
    low: float
    high: float


@dataclass
class LinearModel:
    """A linear model to be maximised, under construction. Variables are numbered in the order in which they are added.

    Attributes
    ----------
    names, kinds, lower, upper:
        One entry per variable.
    priorities:
        Branching priority by variable; those left out have 0.
    objective:
        Coefficient by variable.
    rows:
        The constraints.
    sos2:
        Ordered sets of variables of which at most two are not 0, and these are neighbours.
    """

    names: list[str] = field(default_factory=list)
    kinds: list[Kind] = field(default_factory=list)
    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    priorities: dict[int, int] = field(default_factory=dict)
    objective: dict[int, float] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    sos2: list[tuple[int, ...]] = field(default_factory=list)

    def variable(self, name: str, kind: Kind = "C", lower: float = 0.0, upper: float = 1.0, priority: int = 0) -> int:
        """Adds a variable and returns its number."""
        self.names.append(name)
        self.kinds.append(kind)
        self.lower.append(lower)
        self.upper.append(upper)
        number = len(self.names) - 1
        if priority:
            self.priorities[number] = priority
        return number

    def row(self, name: str, terms: Iterable[tuple[int, float]], low: float = -math.inf, high: float = math.inf) -> None:
        """Adds a constraint."""
        collected: dict[int, float] = {}
        for variable, coefficient in terms:
            collected[variable] = collected.get(variable, 0.0) + float(coefficient)
        self.rows.append(Row(name, {v: c for v, c in collected.items() if c}, low, high))

    def gain(self, terms: Iterable[tuple[int, float]], factor: float = 1.0) -> None:
        """Adds ``factor * terms`` to the objective."""
        for variable, coefficient in terms:
            self.objective[variable] = self.objective.get(variable, 0.0) + factor * float(coefficient)

    def to_scip(self, scale: float) -> tuple[Any, dict[str, Any]]:
        """A PySCIPOpt model with the objective divided by ``scale``, and its variables by name.

        Integer variables are kept through presolve, for they carry the branching.
        """
        model = Model()
        model.hideOutput()
        infinity = model.infinity()
        columns = zip(self.names, self.kinds, self.lower, self.upper, strict=True)
        variables = [model.addVar(name, kind, max(low, -infinity), min(high, infinity)) for name, kind, low, high in columns]
        for row in self.rows:
            expression = quicksum(coefficient * variables[v] for v, coefficient in row.terms.items())
            if row.low == row.high:
                model.addCons(expression == row.low, name=row.name)
            elif row.low == -math.inf:
                model.addCons(expression <= row.high, name=row.name)
            elif row.high == math.inf:
                model.addCons(expression >= row.low, name=row.name)
            else:
                model.addCons((row.low <= expression) <= row.high, name=row.name)
        for place, ordered in enumerate(self.sos2):
            model.addConsSOS2([variables[v] for v in ordered], name=f"sos2_{place}")
        model.setObjective(quicksum(c / scale * variables[v] for v, c in self.objective.items()), "maximize")
        for v, priority in self.priorities.items():
            model.chgVarBranchPriority(variables[v], priority)
            if self.kinds[v] == "I":
                model.markDoNotMultaggrVar(variables[v])
        return model, dict(zip(self.names, variables, strict=True))
