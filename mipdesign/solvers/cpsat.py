r"""OR-tools' CP-SAT, which knows integers only, on an outer approximation of the model whose error is stated.

A continuous variable ``x`` with bounds ``l <= x <= u`` becomes ``x = l + h X`` with an integer ``X`` and a power of two ``h``,
and a row's coefficients become integers after multiplication by a power of two ``T``. Both are roundings, so each row is
loosened by the most that they can change it: ``h |a| / 2`` for every rounded variable, ``max |X| / (2 T)`` at most for every
rounded coefficient.
Each solution of the model, rounded, is then a solution of CP-SAT's. So

* ``infeasible`` is true of the model itself, and
* CP-SAT's bound, plus what rounding can change the objective by, is a bound of the model, free of floating-point error,

while its solutions hold in the model up to the loosening, which is of the size of another solver's feasibility tolerance. Where
it is larger than :data:`LOOSEST`, the answer is the network that the solution stands for, with the values that the formulation
gives it; if these break the model too, or fall short of an optimum that was claimed, it is a failure. All coefficients are
fractions until the last rounding.

CP-SAT 9.15 calls solutions optimal that are not: a rule of its presolve adds coefficients beyond 2^31 in 32 bits (issue 5293 of
or-tools). :data:`CURE` turns the rule off.

ortools and highspy cannot be imported in one process.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..mip.capabilities import Capability
from ..mip.formulation import FormulationModel
from ..mip.linear import LinearModel
from ..mip.solver import Answer, SolveOptions, Solver, Status, TracePoint, linear_model
from ..registry import register_solver

GRID_BITS = 26
"""Steps into which the range of a continuous variable is divided, as a power of two."""
ACTIVITY_BITS = 57
"""Size of the largest sum of a row's terms: CP-SAT computes in 64 bits."""
CURE = ("presolve_inclusion_work_limit", 0)
"""The parameter that keeps CP-SAT from wrong proofs, and its value."""
CLOCK = 0.01
"""Seconds by which CP-SAT's clock may be ahead: a limit of a moment is over before it is."""
LOOSEST = 1e-6
"""Relative violation of a row above which a solution is none."""


@register_solver
class CpSat(Solver):
    """CP-SAT; see the module."""

    id = "cpsat"
    title = "CP-SAT of OR-tools, on an outer approximation in integers"
    package = "ortools"
    extra = "cpsat"
    capabilities = frozenset({Capability.TIME_LIMIT, Capability.SEED, Capability.START, Capability.BOUND})

    def refuses(self, form: FormulationModel) -> str | None:
        """Variables have to be bounded: they are put on a grid."""
        if form.linear is not None and not form.linear.bounded:
            return "the model has a variable without bounds, which CP-SAT cannot put on a grid"
        return None

    def solve(self, form: FormulationModel, options: SolveOptions) -> Answer:
        """Solves a model; see :meth:`mipdesign.mip.solver.Solver.solve`."""
        linear = linear_model(self, form)
        self.version()
        from ortools.sat.python import cp_model

        began = time.monotonic()
        grids = [Grid.of(*column) for column in zip(linear.kinds, linear.lower, linear.upper, strict=True)]
        gain = _Scaled.of(linear.objective.items(), grids)
        model, variables = _model(cp_model, linear, grids, gain)
        if options.start is not None:
            for name, grid, variable in zip(linear.names, grids, variables, strict=True):
                model.add_hint(variable, grid.nearest(options.start[name]))
        solver = cp_model.CpSolver()
        setattr(solver.parameters, *CURE)
        solver.parameters.max_time_in_seconds = min(options.time_limit, 1e9)
        solver.parameters.random_seed = options.seed
        solver.parameters.num_workers = options.threads
        solver.parameters.relative_gap_limit = options.gap
        trace: list[TracePoint] = []
        bounds: list[float] = []  # as they are reported: without any, CP-SAT calls its bound 0
        solver.best_bound_callback = bounds.append
        started = time.monotonic()

        class Watcher(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
            """Notes bounds at every solution."""

            def on_solution_callback(self) -> None:
                primal, dual = gain.worth(self.objective_value), gain.at_most(self.best_objective_bound)
                trace.append((time.monotonic() - started, primal, dual))

        word = solver.status_name(solver.solve(model, Watcher()))
        seconds = time.monotonic() - started
        bound = solver.best_objective_bound if word in ("OPTIMAL", "FEASIBLE") else bounds[-1] if bounds else None
        status = _status(word, seconds, options)
        values = objective = None
        if word in ("OPTIMAL", "FEASIBLE"):
            values = {n: grid.value(solver.value(v)) for n, grid, v in zip(linear.names, grids, variables, strict=True)}
            objective = gain.worth(solver.objective_value)
            if (violation := linear.violation(values)) > LOOSEST:
                values |= form.start(form.position(values))
                objective = linear.worth(values)
                short = bound is not None and gain.at_most(bound) - objective > (options.gap + LOOSEST) * abs(objective)
                if linear.violation(values) > LOOSEST or (word == "OPTIMAL" and short):
                    status, word = (
                        "failed",
                        f"{word}, but the grid is too coarse: the solution breaks the model by {violation:.1e}",
                    )
        return Answer(
            status=status,
            values=values,
            objective=objective,
            bound=-math.inf if status == "infeasible" else None if bound is None else gain.at_most(bound),
            nodes=None,
            build_seconds=started - began,
            solver_seconds=seconds,
            message=word,
            trace=tuple(trace),
        )


def _status(word: str, seconds: float, options: SolveOptions) -> Status:
    """What CP-SAT's words mean."""
    if word in ("OPTIMAL", "INFEASIBLE"):
        return "optimal" if word == "OPTIMAL" else "infeasible"
    return "limit" if word == "FEASIBLE" or (word == "UNKNOWN" and seconds + CLOCK >= 0.9 * options.time_limit) else "failed"


@dataclass(frozen=True)
class Grid:
    """A variable as ``origin + step * X`` with an integer ``X`` from ``first`` to ``last``.

    Attributes
    ----------
    upper:
        Its upper bound, which the last point of the grid may be beyond.
    rounded:
        Whether it is continuous, so that the grid does not hold all its values.
    """

    origin: Fraction
    step: Fraction
    first: int
    last: int
    upper: float
    rounded: bool

    @classmethod
    def of(cls, kind: str, lower: float, upper: float) -> Grid:
        """The grid of a variable; an integer is its own."""
        if kind != "C":
            return cls(Fraction(0), Fraction(1), math.ceil(lower), math.floor(upper), upper, False)
        if lower == upper:
            return cls(Fraction(lower), Fraction(1), 0, 0, upper, False)
        low, span = Fraction(lower), Fraction(upper) - Fraction(lower)
        step = Fraction(2) ** (math.frexp(float(span))[1] - GRID_BITS)
        return cls(low, step, 0, math.ceil(span / step), upper, True)

    @property
    def largest(self) -> int:
        """Largest ``|X|``."""
        return max(abs(self.first), abs(self.last))

    def value(self, x: int) -> float:
        """The variable where the integer is ``x``."""
        return min(self.upper, float(self.origin + self.step * x))

    def nearest(self, value: float) -> int:
        """The integer for a value."""
        return min(self.last, max(self.first, round((Fraction(value) - self.origin) / self.step)))


@dataclass(frozen=True)
class _Scaled:
    """A sum of terms in integers: ``sum = offset + (integer sum) / unit``, up to ``error``."""

    terms: list[tuple[int, int]]
    offset: Fraction
    unit: Fraction
    error: Fraction

    @classmethod
    def of(cls, terms: Iterable[tuple[int, float]], grids: list[Grid]) -> _Scaled:
        """Scales a sum as far as its activity allows."""
        exact = [(v, Fraction(c) * grids[v].step) for v, c in terms]
        offset = sum((Fraction(c) / grids[v].step * grids[v].origin for v, c in exact), Fraction(0))
        activity = sum((abs(c) * max(1, grids[v].largest) for v, c in exact), Fraction(0))
        bits = ACTIVITY_BITS - math.frexp(float(activity))[1] if activity else 0
        unit = Fraction(2) ** bits
        whole = [(v, round(c * unit)) for v, c in exact]
        error = Fraction(0)
        for (v, c), (_, integer) in zip(exact, whole, strict=True):
            error += abs(c) / 2 if grids[v].rounded else 0
            error += abs(c - integer / unit) * grids[v].largest
        return cls([(v, c) for v, c in whole if c], offset, unit, error)

    def range(self, low: float, high: float) -> tuple[int, int]:
        """Bounds of the integer sum that every sum between ``low`` and ``high`` keeps, where need be beyond all sums."""
        beyond = 2 ** (ACTIVITY_BITS + 1)
        least = -beyond if low == -math.inf else math.ceil((Fraction(low) - self.offset - self.error) * self.unit)
        most = beyond if high == math.inf else math.floor((Fraction(high) - self.offset + self.error) * self.unit)
        return min(max(least, -beyond), beyond), max(min(most, beyond), -beyond)

    def worth(self, total: float) -> float:
        """The sum that an integer sum stands for."""
        return float(self.offset + Fraction(total) / self.unit)

    def at_most(self, total: float) -> float:
        """The largest sum that an integer sum can stand for; ``total`` is a float, rounded from an integer."""
        return float(self.offset + (Fraction(total) + abs(Fraction(total)) / 2**52) / self.unit + self.error)


def _model(cp_model: Any, linear: LinearModel, grids: list[Grid], gain: _Scaled) -> tuple[Any, list[Any]]:
    """CP-SAT's model, and its variables."""
    model = cp_model.CpModel()
    columns = zip(grids, linear.names, strict=True)
    variables = [model.new_int_var(grid.first, grid.last, name) for grid, name in columns]

    def total(scaled: _Scaled) -> Any:
        parts = [variables[v] for v, _ in scaled.terms]
        return cp_model.LinearExpr.weighted_sum(parts, [c for _, c in scaled.terms])

    for row in linear.rows:
        scaled = _Scaled.of(row.terms.items(), grids)
        model.add_linear_constraint(total(scaled), *scaled.range(row.low, row.high))
    model.maximize(total(gain))
    return model, variables
