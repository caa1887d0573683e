"""Commands about the models that solvers are given: formulations, solvers, model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import SpecError
from .completion import formulation_names, solver_names
from .options import ConventionOverride, Overrides, Plugins, Quiet, Spec, problem_of
from .results import require_writable_file


def formulations(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="Say more of this one, and of its parts.", autocompletion=formulation_names),
    ] = None,
    quiet: Quiet = False,
    plugins: Plugins = None,
) -> None:
    """List the formulations that SCIP can be given, or say more of one.

    Some have variants: 'compact:log:lattice:onehot' names the part of each kind that it is written with.
    """
    from ..mip.formulation import formulation_ids, formulation_named
    from ..report.console import PlainConsole
    from ..report.model_tables import formulation_lines, formulations_table, parts_tables

    console = PlainConsole()
    known = [formulation_named(each) for each in (formulation_ids() if name is None else [name])]
    if quiet:
        console.lines(each.id for each in known)
    elif name is None:
        console.print(formulations_table(known))
        console.facts(["'formulations ID' says more of one, and of the parts that its variants are combined from"])
    else:
        console.facts(formulation_lines(known[0]))
        console.print(*parts_tables(known[0]), sep="")


def solvers(
    name: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Say more of this one.", autocompletion=solver_names)
    ] = None,
    quiet: Quiet = False,
    plugins: Plugins = None,
) -> None:
    """List the solvers that formulations can be given to, or say what one can do."""
    from ..mip.solver import solver_ids, solver_named
    from ..report.console import PlainConsole
    from ..report.model_tables import solver_lines, solvers_table

    console = PlainConsole()
    known = [solver_named(each) for each in (solver_ids() if name is None else [name])]
    if quiet:
        console.lines(each.id for each in known)
    elif name is None:
        console.print(solvers_table(known))
        console.facts(["'solvers ID' says what one can do, and how to install it"])
    else:
        console.facts(solver_lines(known[0]))


def model(
    spec: Spec,
    out: Annotated[Path, typer.Option(metavar="FILE", help="A file that ends with .cip, .mps, .mps.gz, .lp or .nl.")],
    formulation: Annotated[
        str,
        typer.Option(metavar="ID", help="How the model is written; see 'formulations'.", autocompletion=formulation_names),
    ] = "lattice",
    convention: ConventionOverride = None,
    overrides: Overrides = None,
    quiet: Quiet = False,
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
    PlainConsole().facts(model_lines(form, out)[: 1 if quiet else None])
