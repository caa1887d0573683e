"""What commands that solve frontiers have in common: progress, what they print, and their exit code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..errors import SpecError
from ..forks import keep_single_threaded
from ..interrupts import INTERRUPTS
from .options import problem_of
from .results import EXIT_CODES, folder_name, print_json, require_writable

if TYPE_CHECKING:
    from ..analysis.frontier_file import Frontier


def show_frontier(
    solve: Callable[..., Frontier],
    show: Callable[[Frontier], None],
    folder: Path,
    as_json: bool,
    quiet: bool,
) -> None:
    """Solves a frontier, prints it, and ends the command.

    Parameters
    ----------
    solve:
        Of the interface, with all arguments but those that tell where it stands.
    show:
        Prints the table and what stands below it.
    folder:
        Where the files are written.
    """
    from ..report.progress import FrontierDisplay
    from ..report.terminal import PlainConsole, settled_line

    console, errors = PlainConsole(), PlainConsole(stderr=True, quiet=quiet)
    known: list[Frontier] = []  # the last one is what is known

    def keep(frontier: Frontier) -> None:
        known.append(frontier)
        display.solved(frontier)

    def print_known() -> None:
        if as_json:
            print_json(console, known[-1].to_dict())
        elif quiet:
            console.lines([f"{folder}: {settled_line(known[-1])}"])
        else:
            show(known[-1])

    try:
        with FrontierDisplay(errors) as display:
            solve(on_frontier=keep, on_point=display.update, copied=True)
    except SpecError:
        if known:  # a file could not be written, and what has been solved is shown all the same
            print_known()
        raise
    except KeyboardInterrupt:
        if known:
            errors.lines([f"{folder} has the points that are solved; the same command goes on"])
        raise
    print_known()
    if not (as_json or quiet):
        console.facts([f"files        {folder}"])
    raise typer.Exit(min(EXIT_CODES[point.status] for point in known[-1].points))


def design_along_rho(
    spec: str,
    rho: str,
    convention: str | None,
    overrides: Sequence[str] | None,
    out: Path | None,
    refused: dict[str, bool],
    as_json: bool,
    quiet: bool,
    **arguments: Any,
) -> None:
    """The command ``design --rho-sweep``.

    Parameters
    ----------
    refused:
        Options that do not go together with it, and whether they are given.
    arguments:
        Of :func:`mipdesign.rho_sweep`.
    """
    for option, given in refused.items():
        if given:
            remedy = "leave it out: the same command goes on" if option == "--resume" else "leave one of them out"
            raise SpecError(option, "does not go together with --rho-sweep, which lists networks at each value", remedy)
    INTERRUPTS.allow()  # what is solved is kept as soon as it is
    keep_single_threaded()
    from functools import partial

    from ..analysis.rho_sweep import rho_sweep
    from ..report.rho_table import rho_lines, rho_table
    from ..report.terminal import PlainConsole

    problem = problem_of(spec, convention, overrides)
    folder = out or Path("frontiers") / f"{folder_name(problem.name)}-rho"
    require_writable(folder)

    def show(frontier: Frontier) -> None:
        console = PlainConsole()
        console.print(rho_table(frontier))
        console.facts(rho_lines(frontier, folder))

    show_frontier(partial(rho_sweep, problem, rho, folder, **arguments), show, folder, as_json, quiet)
