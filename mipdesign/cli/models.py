"""Commands about the models that solvers are given: formulations, solvers, model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import SpecError
from .options import ConventionOverride, Overrides, Plugins, Spec, problem_of
from .results import require_writable_file


def formulations(plugins: Plugins = None) -> None:
    """List the formulations that SCIP can be given."""
    from ..mip.formulation import formulation_ids, formulation_named
    from ..report.terminal import PlainConsole, formulation_lines

    PlainConsole().lines(line for name in formulation_ids() for line in formulation_lines(formulation_named(name)))


def solvers(plugins: Plugins = None) -> None:
    """List the solvers that formulations can be given to, and what each can do."""
    from ..mip.solver import solver_ids, solver_named
    from ..report.terminal import PlainConsole, solver_lines

    PlainConsole().lines(line for name in solver_ids() for line in solver_lines(solver_named(name)))


def model(
    spec: Spec,
    out: Annotated[Path, typer.Option(metavar="FILE", help="A file that ends with .cip, .mps, .mps.gz, .lp or .nl.")],
    formulation: Annotated[str, typer.Option(metavar="ID", help="How the model is written; see 'formulations'.")] = "lattice",
    convention: ConventionOverride = None,
    overrides: Overrides = None,
    plugins: Plugins = None,
) -> None:
    """Write the model of a whole problem for another solver, and read it back.

    Large spaces have to be narrowed first: see --set.
    """
    from ..lattice.cell import Cell
    from ..mip.formulation import formulation_named
    from ..mip.model_files import write_model
    from ..report.terminal import PlainConsole, model_lines
    from ..search.coverage import build_tables

    require_writable_file(out)
    tables = build_tables(problem_of(spec, convention, overrides))
    chosen = formulation_named(formulation)
    if reason := chosen.unsupported(tables):
        raise SpecError("formulation", f"{formulation!r} does not support {reason}", "leave it out, or choose another one")
    form = chosen.build(tables, Cell.whole(tables))
    write_model(form, out)
    PlainConsole().lines(model_lines(form, out))
