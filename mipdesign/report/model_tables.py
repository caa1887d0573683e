"""The tables and lines of formulations, of their parts, and of solvers."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from ..errors import MissingExtraError
from ..figures.tables import Column, Table, columns
from ..mip.capabilities import Capability
from ..mip.formulation import Described, Feature, Formulation
from ..mip.solver import Solver

CLAIMS = {
    "exact": "exact: the optimum of the model is that of the networks it is written for",
    "upper": "upper: the optimum of the model is an upper bound of theirs",
    "lower": "lower: the optimum of the model is a lower bound of theirs, which proves nothing",
}
"""What the optimum of a model says."""


def formulations_table(formulations: Iterable[Formulation]) -> Table:
    """The registered formulations: what the optimum of each says, and how it is written."""
    heads = (
        *columns("formulation", "optimum", left=("formulation", "optimum")),
        Column("how it is written", "left", prose=True),
    )
    rows = tuple((each.id, each.claim, each.title) for each in formulations)
    return Table("Formulations", heads, rows)


def formulation_lines(formulation: Formulation) -> list[str]:
    """A formulation: what it is, what its optimum says, which problems it writes, where it comes from and where it stands."""
    written = [feature.value for feature in Feature if feature in formulation.supports]
    refused = [feature.value for feature in Feature if feature not in formulation.supports]
    return [
        f"formulation  {formulation.id}",
        f"what it is   {formulation.title}",
        f"optimum      {CLAIMS[formulation.claim]}",
        f"writes also  {', '.join(written) or 'nothing beyond families, counts and the effectiveness'}",
        f"not written  {', '.join(refused) or 'nothing is left out'}",
        f"literature   {formulation.reference}",
        f"source       {_source(type(formulation))}",
    ]


def _source(kind: type) -> str:
    """The file in which a class stands; its module's docstring has the equations."""
    return f"{kind.__module__}, in {getattr(sys.modules.get(kind.__module__), '__file__', None) or 'no file'}"


def parts_tables(formulation: Formulation) -> list[Table]:
    """The parts that variants of a formulation are combined from, a table for each kind."""
    return [_parts_table(kind, parts) for kind, parts in formulation.parts().items()]


def _parts_table(kind: str, parts: Sequence[Described]) -> Table:
    heads = (
        *columns(kind, "optimum", left=(kind, "optimum")),
        Column("how it is written", "left", prose=True),
        Column("literature", "left", prose=True),
    )
    return Table(kind.capitalize(), heads, tuple((part.id, part.claim, part.title, part.reference) for part in parts))


def solvers_table(solvers: Iterable[Solver]) -> Table:
    """The registered solvers, and their versions where they are installed."""
    heads = (Column("solver", "left"), Column("what it is", "left", prose=True), Column("version", "left", prose=True))
    return Table("Solvers", heads, tuple((each.id, each.title, _version(each) or "not installed") for each in solvers))


def _version(solver: Solver) -> str | None:
    try:
        return solver.version()
    except MissingExtraError:
        return None


def solver_lines(solver: Solver) -> list[str]:
    """A solver: what it is, its version or how to install it, and what it can and cannot do."""
    try:
        version = solver.version()
    except MissingExtraError as error:
        version = f"not installed: {error}"
    able = [capability.value for capability in Capability if capability in solver.capabilities]
    unable = [capability.value for capability in Capability if capability not in solver.capabilities]
    return [
        f"solver       {solver.id}",
        f"what it is   {solver.title}",
        f"version      {version}",
        f"takes        {', '.join(able) or 'nothing beyond a linear model'}",
        f"not          {', '.join(unable) or 'nothing is left out'}",
        f"source       {_source(type(solver))}",
    ]
