"""Commands about problems and their designs: presets, show, design, verify."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..forks import keep_single_threaded
from ..interrupts import INTERRUPTS
from .options import (
    AsJson,
    Best,
    ConventionOverride,
    Different,
    EngineOptions,
    Gap,
    Most,
    Overrides,
    Plugins,
    Seed,
    Spec,
    TimeLimit,
    Within,
    Workers,
    engine_options,
    problem_of,
)
from .results import EXIT_CODES, TRUSTED, folder_name, new_engine, print_json, require_writable, watching

if TYPE_CHECKING:
    from ..designs.design import Design


def presets() -> None:
    """List the problems that ship with the package."""
    from ..problem.problem import Problem, preset_names
    from ..report.problem_tables import presets_table
    from ..report.terminal import PlainConsole

    PlainConsole().print(presets_table(Problem.preset(name) for name in preset_names()))


def show(
    spec: Spec,
    convention: ConventionOverride = None,
    overrides: Overrides = None,
    as_yaml: Annotated[
        bool, typer.Option("--yaml", help="Print the whole specification, to be edited and used as SPEC.yaml.")
    ] = False,
    plugins: Plugins = None,
) -> None:
    """Print a problem and the number of networks in its space."""
    from ..report.problem_tables import problem_table
    from ..report.terminal import PlainConsole, problem_lines

    problem = problem_of(spec, convention, overrides)
    console = PlainConsole()
    if as_yaml:
        console.lines(problem.dumps().splitlines())
        return
    console.lines(problem_lines(problem))
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
        str | None, typer.Option(metavar="ID", help="Close small cells by SCIP models of this formulation; see 'formulations'.")
    ] = None,
    no_presolve: Annotated[bool, typer.Option("--no-presolve", help="Give SCIP the whole space in one model.")] = False,
    resume: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Go on with the unfinished run of this problem in DIR.")
    ] = None,
    within: Within = None,
    best: Best = None,
    different: Different = None,
    most: Most = None,
    engine_option: EngineOptions = None,
    as_json: AsJson = False,
    plugins: Plugins = None,
) -> None:
    """Find the best network of a problem, with proof, or the best ones, with proof that none is missing.

    Ctrl-C ends the search, not the program: the best design so far and a valid bound are written. --resume goes on from there.

    Exit codes: 0 with a design, optimal or not; 2 bad input; 3 no network keeps the budgets; 4 stopped before one was found.
    """
    with new_engine(workers) as engine:
        problem = problem_of(spec, convention, overrides)
        folder = out or resume or Path("designs") / folder_name(problem.name)
        require_writable(folder)
        engine.prepare(problem)  # it imports what it needs, and so does this process, before it has something to do
        from ..designs.run import design as run

        if resume is not None:
            INTERRUPTS.allow()  # until the search begins there is nothing to save that the folder does not have
        with watching(drawn=True) as watch:
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
        found.save(folder)
    _print_design(found, folder, as_json)
    if found.status in ("feasible", "unknown"):
        _print_how_to_resume(found, folder, spec, convention, overrides, plugins)
    raise typer.Exit(EXIT_CODES[found.status])


def _print_design(found: Design, folder: Path, as_json: bool) -> None:
    from ..report.pool_table import list_lines, pool_table
    from ..report.tables import budget_table, network_table
    from ..report.terminal import PlainConsole, outcome_lines

    console = PlainConsole()
    if as_json:
        print_json(console, found.to_dict())
        return
    if found.architecture is not None:
        console.print(network_table(found.architecture))
        console.print(budget_table(found))
    if found.pool is not None:
        console.print(pool_table(found.pool))
    console.lines([*outcome_lines(found), *list_lines(found)])
    console.lines([f"files        {folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}"])


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
    with CountDisplay(PlainConsole(stderr=True), "checked {done} of {total} nodes") as display:
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
    elif is_frontier:
        console.lines(claim_lines(claims))
    else:
        console.print(claims_table(claims))
        certificate = Certificate(read_certificate(folder / CERTIFICATE, finite=False))
        console.lines(verification_lines(certificate, claims))
    raise typer.Exit(0 if outcomes == {HOLDS} else TRUSTED if outcomes == {HOLDS, TRUST} else 1)
