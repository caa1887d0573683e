"""Solvers reached through cvxpy: one class each, which says what the solver can do and how its options are named.

cvxpy's own statuses cannot be taken at their word. SCIP, CBC, GLPK and SciPy call a solution at a limit ``optimal_inaccurate``;
HiGHS says ``user_limit`` and may hand over zeros where it has no solution. Both are a limit here, and the values are kept only
if they satisfy the model. An ``optimal`` whose values break the model is a failure. The bounds of a solver do not get through
cvxpy in general; where the solution is claimed optimal with no gap allowed, the bound is the objective.

The commercial solvers are there for those who have a licence; they are not tested here.
"""

from __future__ import annotations

import math
import time
import warnings
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ..mip.capabilities import Capability
from ..mip.formulation import FormulationModel
from ..mip.linear import Matrix
from ..mip.scip_setup import parameters
from ..mip.solver import Answer, SolveOptions, Solver, Status, linear_model
from ..registry import register_solver

TOLERANCE = 1e-9
"""Feasibility tolerance where the solver lets one be set."""
BELIEVED = 1e-5
"""Relative violation above which a solution is none."""


class CvxpySolver(Solver):
    """A solver that cvxpy calls.

    Attributes
    ----------
    cvxpy_name:
        cvxpy's name for it.
    """

    cvxpy_name: ClassVar[str]
    capabilities = frozenset({Capability.TIME_LIMIT})

    @abstractmethod
    def options(self, options: SolveOptions) -> dict[str, Any]:
        """Options in the words of the solver, as cvxpy passes them on."""

    def version(self) -> str:
        """Version of the solver's package and of cvxpy."""
        return f"{self.version_of(self.package)} (cvxpy {self.version_of('cvxpy')})"

    def solve(self, form: FormulationModel, options: SolveOptions) -> Answer:
        """Solves a model; see :meth:`mipdesign.mip.solver.Solver.solve`."""
        linear = linear_model(self, form)
        self.version()
        import cvxpy

        began = time.monotonic()
        matrix = linear.matrix(form.objective_scale)
        if _has_impossible_row(matrix):
            return Answer("infeasible", None, None, -math.inf, None, 0.0, 0.0, "a row without variables does not hold")
        problem, x = _problem(cvxpy, matrix)
        started = time.monotonic()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that a solution may be inaccurate: the status says so
                problem.solve(solver=self.cvxpy_name, **self.options(options))
            word = str(problem.status)
        except (cvxpy.error.SolverError, ValueError, KeyError) as error:
            word = f"{type(error).__name__}: {error}"
        seconds = time.monotonic() - started
        status = _status(cvxpy, word, linear.bounded)
        if status == "failed" and seconds >= options.time_limit:
            status = "limit"
        has_values = status in ("optimal", "limit") and x.value is not None
        values = dict(zip(linear.names, x.value.tolist(), strict=True)) if has_values else None
        if values is not None and (violation := linear.violation(values)) > BELIEVED:
            status, values, word = _refuted(status), None, f"{word}, with a solution that breaks the model by {violation:.1e}"
        objective = None if values is None else float(matrix.objective @ x.value) * form.objective_scale
        bound = -math.inf if status == "infeasible" else objective if status == "optimal" and not options.gap else None
        return Answer(status, values, objective, bound, None, started - began, seconds, word)


def _refuted(status: Status) -> Status:
    """What is left of a status whose solution is none."""
    return "failed" if status == "optimal" else status


def _status(cvxpy: Any, word: str, bounded: bool) -> Status:
    """What a status of cvxpy means; a model with bounded variables is not unbounded."""
    meanings: Mapping[str, Status] = {
        cvxpy.OPTIMAL: "optimal",
        cvxpy.INFEASIBLE: "infeasible",
        cvxpy.settings.INFEASIBLE_OR_UNBOUNDED: "infeasible" if bounded else "failed",
        cvxpy.OPTIMAL_INACCURATE: "limit",
        cvxpy.USER_LIMIT: "limit",
    }
    return meanings.get(word, "failed")


def _has_impossible_row(matrix: Matrix) -> bool:
    """Whether a row without variables does not hold: cvxpy's interface of SCIP drops such rows."""
    empty = np.diff(matrix.starts) == 0
    return bool((empty & ((matrix.low > 0) | (matrix.high < 0))).any())


def _problem(cvxpy: Any, matrix: Matrix) -> tuple[Any, Any]:
    """The cvxpy problem and its vector of variables."""
    from scipy.sparse import csr_array

    rows = csr_array((matrix.values, matrix.indices, matrix.starts), shape=(len(matrix.low), len(matrix.objective)))
    integers = np.flatnonzero(matrix.integral)
    x = cvxpy.Variable(len(matrix.objective), integer=(integers,) if len(integers) else False)
    constraints = []
    equal = matrix.low == matrix.high
    for kept, side, sign in (
        (equal, matrix.low, 0),
        (~equal & np.isfinite(matrix.high), matrix.high, 1),
        (~equal & np.isfinite(matrix.low), matrix.low, -1),
    ):
        if kept.any():
            left, right = rows[np.flatnonzero(kept)] @ x, side[kept]
            constraints.append(left == right if sign == 0 else sign * left <= sign * right)
    for bound, sign in ((matrix.upper, 1), (matrix.lower, -1)):
        at = np.flatnonzero(np.isfinite(bound))
        if len(at):
            constraints.append(sign * x[at] <= sign * bound[at])
    return cvxpy.Problem(cvxpy.Maximize(matrix.objective @ x), constraints), x


def _seconds(options: SolveOptions) -> float:
    """The time limit as a number that every solver takes."""
    return min(options.time_limit, 1e9)


@register_solver
class CvxpyScip(CvxpySolver):
    """SCIP through cvxpy, with the cures of :mod:`mipdesign.mip.scip_setup`."""

    id, title, package, extra = "cvxpy-scip", "SCIP through cvxpy", "pyscipopt", "cvxpy"
    cvxpy_name = "SCIP"
    capabilities = frozenset({Capability.TIME_LIMIT, Capability.MEMORY_LIMIT, Capability.SEED})

    def options(self, options: SolveOptions) -> dict[str, Any]:
        wanted = parameters(
            gap=options.gap, seed=options.seed, time_limit=options.time_limit, memory_limit_mb=options.memory_limit_mb
        )
        return {"scip_params": wanted}


@register_solver
class CvxpyHighs(CvxpySolver):
    """HiGHS through cvxpy."""

    id, title, package, extra = "cvxpy-highs", "HiGHS through cvxpy", "highspy", "cvxpy"
    cvxpy_name = "HIGHS"
    capabilities = frozenset({Capability.TIME_LIMIT, Capability.SEED})

    def options(self, options: SolveOptions) -> dict[str, Any]:
        return {
            "time_limit": options.time_limit,
            "mip_rel_gap": options.gap,
            "mip_abs_gap": 0.0,
            "mip_feasibility_tolerance": TOLERANCE,
            "primal_feasibility_tolerance": TOLERANCE,
            "random_seed": options.seed,
        }


@register_solver
class CvxpyGlpk(CvxpySolver):
    """GLPK through cvxpy and cvxopt."""

    id, title, package, extra = "cvxpy-glpk_mi", "GLPK through cvxpy and cvxopt", "cvxopt", "glpk"
    cvxpy_name = "GLPK_MI"

    def options(self, options: SolveOptions) -> dict[str, Any]:
        return {"tm_lim": int(1000 * min(options.time_limit, 2e6)), "mip_gap": options.gap}


@register_solver
class CvxpyCbc(CvxpySolver):
    """CBC through cvxpy and cylp."""

    id, title, package, extra = "cvxpy-cbc", "CBC through cvxpy and cylp", "cylp", "cbc"
    cvxpy_name = "CBC"

    def options(self, options: SolveOptions) -> dict[str, Any]:
        return {"maximumSeconds": _seconds(options), "allowableFractionGap": options.gap, "allowableGap": 0.0}


@register_solver
class CvxpyScipy(CvxpySolver):
    """The HiGHS that SciPy brings, through cvxpy."""

    id, title, package, extra = "cvxpy-scipy", "SciPy's HiGHS through cvxpy", "scipy", "cvxpy"
    cvxpy_name = "SCIPY"

    def options(self, options: SolveOptions) -> dict[str, Any]:
        return {"scipy_options": {"time_limit": _seconds(options), "mip_rel_gap": options.gap}}


@register_solver
class CvxpyGurobi(CvxpySolver):
    """Gurobi through cvxpy."""

    id, title, package, extra = "cvxpy-gurobi", "Gurobi through cvxpy (licence needed)", "gurobipy", "gurobi"
    cvxpy_name = "GUROBI"
    capabilities = frozenset({Capability.TIME_LIMIT, Capability.SEED})

    def options(self, options: SolveOptions) -> dict[str, Any]:
        return {
            "TimeLimit": _seconds(options),
            "MIPGap": options.gap,
            "FeasibilityTol": TOLERANCE,
            "IntFeasTol": TOLERANCE,
            "Seed": options.seed,
            "Threads": options.threads,
        }


@register_solver
class CvxpyCplex(CvxpySolver):
    """CPLEX through cvxpy."""

    id, title, package, extra = "cvxpy-cplex", "CPLEX through cvxpy (licence needed)", "cplex", "cplex"
    cvxpy_name = "CPLEX"
    capabilities = frozenset({Capability.TIME_LIMIT, Capability.SEED})

    def options(self, options: SolveOptions) -> dict[str, Any]:
        return {
            "cplex_params": {
                "timelimit": _seconds(options),
                "mip.tolerances.mipgap": options.gap,
                "mip.tolerances.absmipgap": 0.0,
                "mip.tolerances.integrality": TOLERANCE,
                "simplex.tolerances.feasibility": TOLERANCE,
                "randomseed": options.seed,
                "threads": options.threads,
            }
        }


@register_solver
class CvxpyCopt(CvxpySolver):
    """COPT through cvxpy."""

    id, title, package, extra = "cvxpy-copt", "COPT through cvxpy (licence needed)", "coptpy", "copt"
    cvxpy_name = "COPT"

    def options(self, options: SolveOptions) -> dict[str, Any]:
        return {"TimeLimit": _seconds(options), "RelGap": options.gap, "FeasTol": TOLERANCE, "Threads": options.threads}


@register_solver
class CvxpyMosek(CvxpySolver):
    """MOSEK through cvxpy."""

    id, title, package, extra = "cvxpy-mosek", "MOSEK through cvxpy (licence needed)", "mosek", "mosek"
    cvxpy_name = "MOSEK"
    capabilities = frozenset({Capability.TIME_LIMIT, Capability.SEED})

    def options(self, options: SolveOptions) -> dict[str, Any]:
        return {
            "mosek_params": {
                "MSK_DPAR_MIO_MAX_TIME": _seconds(options),
                "MSK_DPAR_MIO_TOL_REL_GAP": options.gap,
                "MSK_DPAR_MIO_TOL_FEAS": TOLERANCE,
                "MSK_IPAR_MIO_SEED": options.seed,
                "MSK_IPAR_NUM_THREADS": options.threads,
            }
        }
