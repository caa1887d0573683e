"""Solvers: what each of them can do, what it is asked, and what it answers.

A solver is a subclass of :class:`Solver`, registered where it stands with ``@register_solver``. This package asks the registry
by id and imports none by name; a solver's own package is imported when it solves. What a model needs and a solver can do are
both sets of :class:`~mipdesign.mip.capabilities.Capability`, so :func:`refusal` tells which solver takes which model before
anything is started.

No answer is believed: whoever asks reads the network off the values and hands it to the exact evaluator.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import ClassVar, Literal

from ..errors import MissingExtraError, SpecError
from ..registry import load, registered
from .capabilities import Capability
from .formulation import FormulationModel
from .linear import LinearModel

GROUP = "mipdesign.solvers"
"""Kind of the registry."""

Status = Literal["optimal", "infeasible", "limit", "failed"]
TracePoint = tuple[float, float | None, float | None]
"""Seconds, primal bound, dual bound."""


@dataclass(frozen=True)
class SolveOptions:
    """What a solver is asked. It ignores what it has no capability for; the caller bounds the process.

    Attributes
    ----------
    time_limit:
        Seconds.
    memory_limit_mb:
        Megabytes.
    seed:
        Seed of the solver's random numbers.
    threads:
        Processor threads.
    gap:
        Relative gap at which the solver may call a solution optimal.
    start:
        Values of all variables for a known network (:meth:`mipdesign.mip.formulation.FormulationModel.start`).
    """

    time_limit: float = math.inf
    memory_limit_mb: float = math.inf
    seed: int = 0
    threads: int = 1
    gap: float = 0.0
    start: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Answer:
    """What a solver says of a model; objectives and bounds are in units of the network's objective.

    Attributes
    ----------
    status:
        ``optimal`` and ``infeasible`` are claims of the solver; ``limit``: time or memory ran out; ``failed``: it stopped for
        another reason, which ``message`` tells.
    values:
        The solver's best solution by variable name; ``None`` if it has none.
    objective, bound:
        Of that solution, and the dual bound; ``None`` if unknown. An infeasible model has the bound minus infinity.
    nodes:
        Branch-and-bound nodes; ``None`` if the solver does not tell.
    build_seconds, solver_seconds:
        Wall time of handing the model over, and of solving it.
    message:
        The solver's own word for how it ended.
    trace:
        Bounds over time, where the solver tells them while it runs.
    root_bound:
        The dual bound when the root node was done; ``None`` if unknown.
    """

    status: Status
    values: Mapping[str, float] | None
    objective: float | None
    bound: float | None
    nodes: int | None
    build_seconds: float
    solver_seconds: float
    message: str = ""
    trace: tuple[TracePoint, ...] = ()
    root_bound: float | None = None


class Solver(ABC):
    """One solver of mixed-integer models. Instances are stateless.

    Attributes
    ----------
    id:
        Name in the registry.
    title:
        One line for people.
    package:
        The distribution that has to be installed.
    extra:
        The extra of ``mipdesign`` that installs it; empty if it comes with ``mipdesign`` itself.
    capabilities:
        What it can do.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    package: ClassVar[str]
    extra: ClassVar[str]
    capabilities: ClassVar[frozenset[Capability]]

    @abstractmethod
    def solve(self, form: FormulationModel, options: SolveOptions) -> Answer:
        """Solves a model; the answer's status tells how it ended, whatever happened.

        Raises
        ------
        MissingExtraError
            If the solver is not installed.
        SpecError
            If :func:`refusal` has a reason.
        """

    def version(self) -> str:
        """Version of what solves.

        Raises
        ------
        MissingExtraError
            If it is not installed.
        """
        return self.version_of(self.package)

    def version_of(self, package: str) -> str:
        """Version of a distribution that the solver needs.

        Raises
        ------
        MissingExtraError
            If it is not installed.
        """
        try:
            return version(package)
        except PackageNotFoundError:
            raise MissingExtraError(package, self.extra, f"the solver {self.id!r}") from None

    def refuses(self, form: FormulationModel) -> str | None:
        """Why the solver does not take a model of which it has all capabilities; ``None`` if it does."""
        return None


def root_bound(status: Status, nodes: int, bound: float | None, reported: float | None) -> float | None:
    """The root bound of an answer: the final bound where there was nothing but the root, ``None`` where it was not finished.

    Parameters
    ----------
    reported:
        The solver's own figure for the root node, right where it went on to further nodes.
    """
    if nodes > 1:
        return reported
    return bound if status == "optimal" else None


def refusal(solver: Solver, form: FormulationModel) -> str | None:
    """Why a solver does not take a model; ``None`` if it does. The solver need not be installed."""
    missing = sorted(capability.value for capability in form.requires - solver.capabilities)
    if missing:
        return f"the model needs {' and '.join(missing)}, which {solver.id!r} does not have"
    return solver.refuses(form)


def linear_model(solver: Solver, form: FormulationModel) -> LinearModel:
    """The linear model of a form, for a solver that takes no other.

    Raises
    ------
    SpecError
        If :func:`refusal` has a reason.
    """
    reason = refusal(solver, form)
    if reason is not None or form.linear is None:
        raise SpecError("solver", reason or "the model is not linear", "use 'scip'")
    return form.linear


def solver_ids() -> list[str]:
    """Ids of the registered solvers, installed or not."""
    return list(registered(GROUP))


def solver_named(solver_id: str) -> Solver:
    """The registered solver of that id.

    Raises
    ------
    SpecError
        If there is none.
    """
    solver: Solver = load(GROUP, solver_id, "solver")()
    return solver
