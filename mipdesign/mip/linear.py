"""A mixed-integer linear model as plain data: what a linear formulation writes and a solver reads."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyscipopt import Model, quicksum

from .expressions import Constraint, Expression
from .start_values import ValueRule

Kind = Literal["B", "I", "C"]
"""Binary, integer, continuous."""
ScipModel = tuple[Any, dict[str, Any]]
"""A PySCIPOpt model, and its variables by name."""


@dataclass(frozen=True)
class Row:
    """``low <= terms <= high``; each variable occurs once in ``terms``."""

    name: str
    terms: dict[int, float]
    low: float
    high: float


class Matrix(NamedTuple):
    """A linear model as arrays: maximise ``objective x``, ``low <= A x <= high``, ``lower <= x <= upper``.

    Attributes
    ----------
    starts, indices, values:
        ``A`` by compressed rows.
    integral:
        Which variables are integers; binaries are.
    """

    starts: NDArray[np.int32]
    indices: NDArray[np.int32]
    values: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    objective: NDArray[np.float64]
    integral: NDArray[np.bool_]


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
        Special ordered sets of type 2: variables in order, of which at most two may be nonzero, and only neighbours.
    rules:
        Values of the variables in a network (:mod:`mipdesign.mip.start_values`), by name; those that have one come first.
    """

    names: list[str] = field(default_factory=list)
    kinds: list[Kind] = field(default_factory=list)
    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    priorities: dict[int, int] = field(default_factory=dict)
    objective: dict[int, float] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    sos2: list[tuple[int, ...]] = field(default_factory=list)
    rules: dict[str, ValueRule] = field(default_factory=dict)

    def variable(
        self,
        name: str,
        kind: Kind = "C",
        lower: float = 0.0,
        upper: float = 1.0,
        priority: int = 0,
        value: ValueRule | None = None,
    ) -> Expression:
        """Adds a variable.

        Parameters
        ----------
        value:
            Its value in a network; ``None`` for what no start solution knows.
        """
        self.names.append(name)
        self.kinds.append(kind)
        self.lower.append(lower)
        self.upper.append(upper)
        number = len(self.names) - 1
        if priority:
            self.priorities[number] = priority
        if value is not None:
            assert len(self.rules) == number, "a variable with a rule after one without"
            self.rules[name] = value
        return Expression([(number, 1.0)], lower, upper)

    def named(self, name: str) -> Expression:
        """The variable of that name."""
        number = self.names.index(name)
        return Expression([(number, 1.0)], self.lower[number], self.upper[number])

    def add(self, name: str, constraint: Constraint) -> None:
        """Adds a constraint."""
        collected: dict[int, float] = {}
        for variable, coefficient in constraint.terms:
            collected[variable] = collected.get(variable, 0.0) + float(coefficient)
        self.rows.append(Row(name, {v: c for v, c in collected.items() if c}, constraint.low, constraint.high))

    def add_sos2(self, members: Iterable[Expression]) -> None:
        """Adds a special ordered set of type 2."""
        self.sos2.append(tuple(member.variable for member in members))

    def maximize(self, gain: Expression) -> None:
        """Adds an expression without a constant to the objective."""
        assert not gain.constant
        for variable, coefficient in gain.terms:
            self.objective[variable] = self.objective.get(variable, 0.0) + float(coefficient)

    def matrix(self, scale: float) -> Matrix:
        """The model without its ordered sets, with the objective divided by ``scale``."""
        objective = np.zeros(len(self.names))
        objective[list(self.objective)] = np.array(list(self.objective.values())) / scale
        return Matrix(
            starts=np.cumsum([0] + [len(row.terms) for row in self.rows], dtype=np.int32),
            indices=np.array([v for row in self.rows for v in row.terms], dtype=np.int32),
            values=np.array([c for row in self.rows for c in row.terms.values()], dtype=np.float64),
            low=np.array([row.low for row in self.rows], dtype=np.float64),
            high=np.array([row.high for row in self.rows], dtype=np.float64),
            lower=np.array(self.lower, dtype=np.float64),
            upper=np.array(self.upper, dtype=np.float64),
            objective=objective,
            integral=np.array([kind != "C" for kind in self.kinds], dtype=np.bool_),
        )

    def copy(self) -> LinearModel:
        """A model of its own with the same content."""
        return LinearModel(**{part.name: getattr(self, part.name).copy() for part in fields(LinearModel)})

    @property
    def bounded(self) -> bool:
        """Whether all variables have finite bounds, so that the objective has one."""
        return all(map(math.isfinite, self.lower + self.upper))

    def worth(self, values: Mapping[str, float]) -> float:
        """The objective of a solution."""
        return math.fsum(c * values[self.names[v]] for v, c in self.objective.items())

    def violation(self, values: Mapping[str, float]) -> float:
        """By how much a solution breaks bounds, integrality, rows and ordered sets at most; for a row relative to its largest
        term.
        """
        x = [values[name] for name in self.names]
        worst = max((max(low - v, v - high) for v, low, high in zip(x, self.lower, self.upper, strict=True)), default=0.0)
        worst = max([worst] + [abs(v - round(v)) for v, kind in zip(x, self.kinds, strict=True) if kind != "C"])
        for row in self.rows:
            terms = [c * x[v] for v, c in row.terms.items()]
            total = math.fsum(terms)
            worst = max(worst, max(row.low - total, total - row.high) / max([1.0] + [abs(term) for term in terms]))
        for members in self.sos2:
            sizes = [abs(x[v]) for v in members]
            pairs = range(max(1, len(members) - 1))
            worst = max(worst, min(max([0.0] + sizes[:j] + sizes[j + 2 :]) for j in pairs))
        return worst

    def to_scip(self, scale: float) -> ScipModel:
        """A PySCIPOpt model with the objective divided by ``scale``, and its variables by name.

        Integer variables are kept through presolve, for they carry the branching.
        """
        model = Model()
        model.hideOutput()
        infinity = model.infinity()
        columns = zip(self.names, self.kinds, self.lower, self.upper, strict=True)
        variables = [model.addVar(name, kind, max(low, -infinity), min(high, infinity)) for name, kind, low, high in columns]
        for row in self.rows:
            terms = iter(row.terms.items())
            # One term makes a linear constraint; the others are added to it, which takes a quarter of an expression's time.
            expression = quicksum(coefficient * variables[v] for v, coefficient in itertools.islice(terms, 1))
            if row.low == row.high:
                relation = expression == row.low
            elif row.low == -math.inf:
                relation = expression <= row.high
            elif row.high == math.inf:
                relation = expression >= row.low
            else:
                relation = (row.low <= expression) <= row.high
            constraint = model.addCons(relation, name=row.name)
            for v, coefficient in terms:
                model.addCoefLinear(constraint, variables[v], coefficient)
        for number, members in enumerate(self.sos2):
            model.addConsSOS2([variables[v] for v in members], list(map(float, range(1, 1 + len(members)))), f"sos2_{number}")
        model.setObjective(quicksum(c / scale * variables[v] for v, c in self.objective.items()), "maximize")
        for v, priority in self.priorities.items():
            model.chgVarBranchPriority(variables[v], priority)
            if self.kinds[v] == "I":
                model.markDoNotMultaggrVar(variables[v])
        return model, dict(zip(self.names, variables, strict=True))
