"""Commands that look around a design: pareto, explain, compare, report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..forks import keep_single_threaded
from ..temporary import ensure_temporary
from .completion import preset_names
from .frontiers import show_frontier
from .options import (
    AsJson,
    Best,
    ConventionOverride,
    Different,
    Frames,
    Gap,
    Most,
    Network,
    Overrides,
    Overwrite,
    Plugins,
    Quiet,
    Resolution,
    Seed,
    Spec,
    TimeLimit,
    Within,
    Workers,
    problem_of,
)
from .results import EXIT_CODES, folder_name, new_engine, print_json, require_writable, save_design, watching

if TYPE_CHECKING:
    from ..analysis.frontier_file import Frontier
    from ..problem.problem import Problem


def pareto(
    spec: Spec,
    sweeps: Annotated[
        list[str],
        typer.Option(
            "--sweep",
            metavar="KEY=VALUES",
            help="Limits of a budget: budgets.flops=0.5e9:4e9:8 (first, last, how many), the same with :log at the end for "
            "equal ratios, or budgets.flops=1e9,2e9; once or twice.",
        ),
    ],
    convention: ConventionOverride = None,
    overrides: Overrides = None,
    time_limit: TimeLimit = None,
    gap: Gap = 1e-6,
    seed: Seed = 0,
    workers: Workers = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A Dask scheduler whose workers solve the points, in place of this machine."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the result files: frontiers/<name> by default.")
    ] = None,
    within: Within = None,
    best: Best = None,
    different: Different = None,
    most: Most = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what the folder holds, and begin anew: a frontier or a design.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    plugins: Plugins = None,
) -> None:
    """Find the best networks along one or two budgets, each with proof, and what a little more of each budget buys.

    The time limit is that of each point. A run that was cut off goes on where it stopped when the command is given again.
    --within and --best list networks at every point, as 'design' does.

    Exit codes: as those of 'design', for the point that comes off best.
    """
    keep_single_threaded()
    from functools import partial

    from ..analysis.frontier_runner import pareto as solve_frontier
    from ..report.tables import frontier_table
    from ..report.terminal import PlainConsole, frontier_lines

    problem = problem_of(spec, convention, overrides)
    folder = out or Path("frontiers") / folder_name(problem.name)
    require_writable(folder)

    def show(frontier: Frontier) -> None:
        console = PlainConsole()
        console.print(frontier_table(frontier.stored()))
        console.facts(frontier_lines(frontier))

    solve = partial(
        solve_frontier,
        problem,
        sweeps,
        folder,
        time_limit=time_limit,
        gap=gap,
        seed=seed,
        workers=workers,
        scheduler=scheduler,
        within=within,
        best=best,
        different=different,
        most=most,
        overwrite=overwrite,
    )
    show_frontier(solve, show, folder, as_json, quiet)


def explain(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a design that is proven optimal.")],
    budgets: Annotated[
        list[str] | None, typer.Option("--budget", metavar="NAME", help="Look at this limit only; repeatable.")
    ] = None,
    workers: Workers = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    plugins: Plugins = None,
) -> None:
    """Say which budgets bind, what 1 % more of each would change, and what the next better design beyond each is.

    Everything is solved to proven optimality; DIR/explanation.json holds it.
    """
    with new_engine(workers) as engine:
        from ..analysis.explanation import explain as explain_design
        from ..designs.design import Design
        from ..report.progress import ExplanationDisplay
        from ..report.tables import explanation_table
        from ..report.terminal import PlainConsole, binding_line, explanation_lines

        found = Design.load(folder)
        require_writable(folder)
        with ExplanationDisplay(PlainConsole(stderr=True, quiet=quiet)) as display:
            explanation = explain_design(found, budgets=budgets, workers=workers, on_progress=display.update, engine=engine)
    console = PlainConsole()
    try:
        if as_json:
            print_json(console, explanation.to_dict())
        elif quiet:
            console.lines([f"{folder}: {binding_line(explanation)}"])
        else:
            console.print(explanation_table(explanation.stored()))
            console.facts(explanation_lines(explanation))
    finally:
        explanation.save(folder)


def compare(
    network: Network,
    space: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|SPEC.yaml",
            help="Space of the optimum; the preset of the network's block family by default.",
            autocompletion=preset_names,
        ),
    ] = None,
    convention: ConventionOverride = None,
    overrides: Overrides = None,
    resolution: Resolution = None,
    frames: Frames = None,
    time_limit: TimeLimit = None,
    gap: Gap = 1e-6,
    seed: Seed = 0,
    workers: Workers = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for the files of the design; none by default.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    plugins: Plugins = None,
) -> None:
    """Set a network beside the best one within its own budgets.

    The budgets flops, params and effectiveness are the network's figures, unless --set says otherwise; where the score of the
    space is additive flops, params and layers, and model_size in place of params where there are bits.

    Exit codes: as those of 'design'.
    """

    def check(problem: Problem) -> None:
        from ..designs.folder import require_free

        if out is not None and not overwrite:
            require_free(out, problem)

    if out is not None:
        require_writable(out)
    with new_engine(workers) as engine, watching(drawn=out is not None, quiet=quiet) as watch:
        from ..analysis.comparison import compare as comparison_of

        made = comparison_of(
            network,
            space=space,
            convention=convention,
            overrides=overrides or (),
            resolution=resolution,
            frames=frames,
            time_limit=time_limit,
            gap=gap,
            seed=seed,
            workers=workers,
            on_progress=watch,
            engine=engine,
            on_problem=check,
        )
        engine.kill()  # it gives its memory back while the files are written
    from ..report.tables import comparison_table
    from ..report.terminal import PlainConsole, comparison_lines, gain_line

    console = PlainConsole()
    try:
        if as_json:
            print_json(console, made.to_dict())
        elif quiet:
            console.lines([f"{network}: {gain_line(made)}"])
        else:
            console.print(comparison_table(made))
            console.facts(comparison_lines(made))
    finally:
        if out is not None:
            save_design(made.design, out, None, overwrite)
    raise typer.Exit(EXIT_CODES[made.design.status])


def report(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders of designs, or of frontiers.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="The page; report.html in the first folder by default.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Write the drawing of the first design's network, and no page.")
    ] = None,
    plugins: Plugins = None,
) -> None:
    """Write a page that shows designs: one HTML file that needs nothing but itself.

    Several designs are compared.
    """
    from ..report.report import write_picture, write_report
    from ..report.terminal import PlainConsole

    written = out if picture is None else picture
    ensure_temporary(folders[0] if written is None else written.parent)
    if picture is None:
        PlainConsole().lines([str(write_report(folders, out))])
    else:
        PlainConsole().lines([str(write_picture(folders[0], picture))])
