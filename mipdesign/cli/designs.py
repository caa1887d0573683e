"""Commands about problems and their designs: presets, show, design, verify."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..forks import keep_single_threaded
from ..interrupts import INTERRUPTS
from .completion import formulation_names
from .frontiers import design_along_rho
from .options import (
    AsJson,
    Best,
    ConventionOverride,
    Different,
    EngineOptions,
    Gap,
    Most,
    Overrides,
    Overwrite,
    Plugins,
    Quiet,
    Seed,
    Spec,
    TimeLimit,
    Within,
    Workers,
    engine_options,
    problem_of,
)
from .results import EXIT_CODES, TRUSTED, folder_name, new_engine, print_json, require_writable, save_design, watching

if TYPE_CHECKING:
    from ..designs.design import Design
    from ..problem.problem import Problem


def presets(quiet: Quiet = False) -> None:
    """List the problems that ship with the package."""
    from ..problem.listing import preset_names
    from ..problem.summaries import preset_summaries
    from ..report.console import PlainConsole
    from ..report.preset_table import presets_table

    console = PlainConsole()
    if quiet:
        console.lines(preset_names())
    else:
        console.print(presets_table(preset_summaries()))


def show(
    spec: Spec,
    convention: ConventionOverride = None,
    overrides: Overrides = None,
    as_yaml: Annotated[
        bool, typer.Option("--yaml", help="Print the whole specification, to be edited and used as SPEC.yaml.")
    ] = False,
    quiet: Quiet = False,
    plugins: Plugins = None,
) -> None:
    """Print a problem and the number of networks in its space."""
    from ..figures.formatting import scientific
    from ..report.problem_tables import problem_table
    from ..report.terminal import PlainConsole, problem_lines

    problem = problem_of(spec, convention, overrides)
    if problem.objective.table is not None:
        from ..search.coverage import build_tables

        build_tables(problem)  # which finds what of the space the table has no value for
    console = PlainConsole()
    if as_yaml:
        console.lines(problem.dumps().splitlines())
        return
    if quiet:
        console.lines([f"{problem.name}: {scientific(problem.size())} networks"])
        return
    console.facts(problem_lines(problem))
    console.print(problem_table(problem))


def design(
    spec: Spec,
    convention: ConventionOverride = None,
    overrides: Overrides = None,
    time_limit: TimeLimit = None,
    gap: Gap = 1e-6,
    seed: Seed = 0,
    workers: Workers = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of the result files: designs/<name> by default, or that of --resume."),
    ] = None,
    formulation: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Close small cells by SCIP models of this formulation; see 'formulations'.",
            autocompletion=formulation_names,
        ),
    ] = None,
    no_presolve: Annotated[bool, typer.Option("--no-presolve", help="Give SCIP the whole space in one model.")] = False,
    resume: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Go on with the unfinished run of this problem in DIR.")
    ] = None,
    within: Within = None,
    best: Best = None,
    different: Different = None,
    most: Most = None,
    rho_sweep: Annotated[
        str | None,
        typer.Option(
            "--rho-sweep",
            metavar="VALUES",
            help="Solve for several limits of the effectiveness: 0.3,0.5,1 or 0.3:2:5 (first, last, how many; with :log at "
            "equal ratios), each with a list, by default --best 3 --different channels:10%.",
        ),
    ] = None,
    engine_option: EngineOptions = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    plugins: Plugins = None,
) -> None:
    """Find the best network of a problem, with proof, or the best ones, with proof that none is missing.

    Ctrl-C ends the search, not the program: the best design so far and a valid bound are written. --resume goes on from there.
    The result is printed before its files are written. A folder with the design of another problem is refused, and a run that
    got further is kept, but for --overwrite.

    --rho-sweep solves a frontier as 'pareto' does: the time limit is that of each value, after Ctrl-C the same command goes on,
    and the folder is frontiers/<name>-rho by default.

    Exit codes: 0 with a design, optimal or not; 2 bad input; 3 no network keeps the budgets; 4 stopped before one was found.
    """
    if rho_sweep is not None:
        refused = {"--resume": resume is not None, "--formulation": formulation is not None, "--no-presolve": no_presolve}
        refused |= {"--engine-option": bool(engine_option), "--gap": gap > 1e-6}
        lists: dict[str, Any] = {"within": within, "best": best, "different": different, "most": most}
        run_options = {"time_limit": time_limit, "seed": seed, "workers": workers, "overwrite": overwrite}
        design_along_rho(spec, rho_sweep, convention, overrides, out, refused, as_json, quiet, **lists, **run_options)
    with new_engine(workers) as engine:
        problem = problem_of(spec, convention, overrides)
        folder = _folder(problem, out, resume, overwrite)
        engine.prepare(problem)  # it imports what it needs, and so does this process, before it has something to do
        from ..designs.run import design as run

        if resume is not None:
            INTERRUPTS.allow()  # until the search begins there is nothing to save that the folder does not have
        with watching(drawn=True, quiet=quiet) as watch:
            found = run(
                problem,
                time_limit=time_limit,
                gap=gap,
                seed=seed,
                workers=workers,
                formulation=formulation,
                presolve=not no_presolve,
                resume=resume,
                on_progress=watch,
                engine=engine,
                engine_options=engine_options(engine_option),
                within=within,
                best=best,
                different=different,
                most=most,
            )
        engine.kill()  # it gives its memory back while the files are written
    try:
        _print_design(found, folder, as_json, quiet)
    finally:  # what cannot be printed is written all the same
        written = save_design(found, folder, resume, overwrite)
    if written and not (as_json or quiet):
        _print_files(folder)
    if written and found.status in ("feasible", "unknown") and not quiet:
        _print_how_to_resume(found, folder, spec, convention, overrides, plugins)
    raise typer.Exit(EXIT_CODES[found.status])


def _folder(problem: Problem, out: Path | None, resume: Path | None, overwrite: bool) -> Path:
    """The folder of the result files, which can be written and holds nothing that would be lost; of one to be resumed the run
    makes sure.
    """
    from ..designs.folder import default_folder, require_free

    base = Path("designs") / folder_name(problem.name)
    folder = out or resume or (base if overwrite else default_folder(base, problem))
    require_writable(folder)
    if not overwrite and folder != resume:
        require_free(folder, problem)
    return folder


def _print_files(folder: Path) -> None:
    from ..report.terminal import PlainConsole

    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    PlainConsole().facts([f"files        {folder}: {', '.join(names)}"])


def _print_design(found: Design, folder: Path, as_json: bool, quiet: bool) -> None:
    from ..report.pool_table import list_lines, pool_table
    from ..report.tables import budget_table, network_table
    from ..report.terminal import PlainConsole, outcome_line, outcome_lines

    console = PlainConsole()
    if as_json:
        print_json(console, found.to_dict())
        return
    if quiet:
        console.lines([f"{folder}: {outcome_line(found)}"])
        return
    if found.architecture is not None:
        console.print(network_table(found.architecture))
        console.print(budget_table(found))
    if found.pool is not None:
        console.print(pool_table(found.pool))
    console.facts([*outcome_lines(found), *list_lines(found)])


def _print_how_to_resume(
    found: Design,
    folder: Path,
    spec: str,
    convention: str | None,
    overrides: Sequence[str] | None,
    plugins: Sequence[Path] | None,
) -> None:
    from ..report.terminal import PlainConsole

    command = ["mipdesign", "design", spec]
    command += [] if convention is None else ["--convention", convention]
    command += [word for override in overrides or () for word in ("--set", override)]
    command += [word for plugin in plugins or () for word in ("--plugin", str(plugin))]
    stopped = "interrupted" if found.interrupted else "not proven optimal"
    line = f"{stopped}; to go on: {shlex.join([*command, '--resume', str(folder)])}"
    PlainConsole(stderr=True).lines([line])


def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a design, or of a frontier.")],
    resolve: Annotated[bool, typer.Option("--resolve", help="Solve again the cells that SCIP closed.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Bound the nodes by the compiled code of the search.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    plugins: Plugins = None,
) -> None:
    """Check the certificate of a design, or those of a frontier, without searching.

    The checker shares no code with the search, except with --quick.
    Exit codes: 0 proved, 1 some claim does not hold, 2 there is no certificate to check, 5 proved up to cells that SCIP closed.
    """
    keep_single_threaded()
    from ..designs.checking import Checking

    checking = None if resolve or quick else Checking.begin(folder)  # beside all that is imported from here on
    from ..analysis.frontier_file import FRONTIER
    from ..certificate.certificate import Certificate
    from ..checker import HOLDS, TRUST, verdict
    from ..designs.certificate_file import CERTIFICATE, read_certificate
    from ..designs.verification import verify_folder
    from ..report.progress import CountDisplay
    from ..report.tables import claims_table
    from ..report.terminal import PlainConsole, claim_lines, verification_lines

    is_frontier = os.path.lexists(folder / FRONTIER)
    with CountDisplay(PlainConsole(stderr=True, quiet=quiet), "checked {done} of {total} nodes") as display:
        if is_frontier:
            from ..analysis.frontier import verify_frontier  # with it comes all that runs designs

            claims = list(verify_frontier(folder, resolve, display.update, quick=quick))
        else:
            claims = list(verify_folder(folder, resolve, display.update, quick=quick, checking=checking))
    outcomes = {claim.outcome for claim in claims}
    console = PlainConsole()
    if as_json:
        rows = [vars(claim) | {"passed": claim.passed} for claim in claims]
        found = {"verdict": verdict(claims), "passed": outcomes == {HOLDS}, "resolved": resolve, "quick": quick, "checks": rows}
        print_json(console, found)
    elif is_frontier or quiet:
        console.facts(claim_lines(claims))
    else:
        console.print(claims_table(claims))
        certificate = Certificate(read_certificate(folder / CERTIFICATE, finite=False))
        console.facts(verification_lines(certificate, claims))
    raise typer.Exit(0 if outcomes == {HOLDS} else TRUSTED if outcomes == {HOLDS, TRUST} else 1)
