"""The command line: a thin shell over the Python interface.

Results go to standard output, progress and errors to standard error. An error that a user can act on is one line there. Exit
codes: 0 done, 1 a claim or a figure does not hold, 2 bad input, 3 no network keeps the budgets, 4 a limit was reached before
one was found, 5 a certificate holds up to what a solver is said to have closed, 130 interrupted with nothing to show.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import MipdesignError, SpecError
from ..files import writing
from ..interrupts import INTERRUPTS

if TYPE_CHECKING:
    from ..designs.run import Design
    from ..problem.problem import Problem
    from ..report.terminal import ProgressDisplay
    from ..search.outcome import Progress

UsageError: type[Exception] = typer.BadParameter.__bases__[0]
"""What typer raises for options that it cannot read; it has no public name."""

EXIT_CODES = {"optimal": 0, "feasible": 0, "infeasible": 3, "unknown": 4}
TRUSTED = 5
"""Exit code of a certificate that is proved up to what a solver is said to have closed."""
INTERRUPTED = 130
"""Exit code of a command that was cut off and has nothing to show, as shells use it."""

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _real(text: str | float) -> float:
    """A number of an option; the fault names what was given."""
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a number") from None


def _whole(text: str | int) -> int:
    """An integer of an option."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a whole number") from None


def _seed(text: str | int) -> int:
    """A seed, as numpy and SCIP take it."""
    seed = _whole(text)
    if not 0 <= seed < 2**31:
        raise typer.BadParameter(f"{seed} is not a seed: give a number from 0 to {2**31 - 1}")
    return seed


Spec = Annotated[
    str, typer.Argument(metavar="NAME|SPEC.yaml", help="A preset (see 'presets'), or the path of a specification.")
]
Network = Annotated[
    Path,
    typer.Argument(
        metavar="FILE|DIR|NAME",
        help="An architecture, a result.json or the folder of a design, a structure file of DeepMAD's tool (.txt), a "
        "description in the terms of torchvision or timm, or a name such as torchvision/resnet50.",
    ),
]
Resolution = Annotated[
    int | None,
    typer.Option(parser=_whole, metavar="PIXELS", help="Resolution of the input, in place of what the file says."),
]
TimeLimit = Annotated[
    float | None,
    typer.Option(parser=_real, metavar="SECONDS", help="Stop then, with the best design so far and a valid bound."),
]
Gap = Annotated[
    float,
    typer.Option(parser=_real, metavar="RATIO", help="Relative gap at which to stop; up to 1e-6 the answer is exact."),
]
Seed = Annotated[int, typer.Option(parser=_seed, metavar="N", help="Seed of the heuristics; the answer does not depend on it.")]
Workers = Annotated[int | None, typer.Option(parser=_whole, metavar="N", help="Child processes; one per processor by default.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Override a field, e.g. budgets.flops=1e9 or stages.0.depth.max=4; repeatable."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, and nothing else there.")]
ConventionOverride = Annotated[
    str | None, typer.Option("--convention", metavar="paper|reference", help="Same as --set convention=...")
]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code.

    The arguments are those of the process by default; signals are then taken over, as :mod:`mipdesign.__main__` does earlier.
    """
    return run_app(app, "mipdesign", arguments)


def run_app(commands: typer.Typer, name: str, arguments: Sequence[str] | None) -> int:
    """:func:`main` for any set of commands: one line for an error, an exit code, and signals taken over."""
    if arguments is None:
        INTERRUPTS.install()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # tables have signs that not every terminal knows
    try:
        code = commands(args=arguments, prog_name=name, standalone_mode=False) or 0
    except MipdesignError as error:
        code = _fail(str(error), error.exit_code)
    except UsageError as error:
        code = _fail(_usage_text(error), 2)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    INTERRUPTS.hold()
    if code == INTERRUPTED:
        _fail("interrupted", code)
    return int(code)


def _fail(message: str, code: int) -> int:
    """Says on one line what is wrong; signs that a terminal would obey, or no file can hold, are spelt out."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in " ".join(message.split()))
    with contextlib.suppress(OSError):  # nobody reads it
        print(f"error: {line}", file=sys.stderr, flush=True)
    return code


def _usage_text(error: Any) -> str:
    """The fault of an option, and where to read what is right."""
    command = error.ctx.command_path if error.ctx is not None else "mipdesign"
    return f"{error.format_message().rstrip('.')}; see '{command} --help'"


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"mipdesign {version('mipdesign')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Designs convolutional networks to proven optimality (DeepMAD, arXiv 2303.02165)."""
    if context.invoked_subcommand not in ("design", "compare"):
        INTERRUPTS.allow()
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


# ---------------------------------------------------------------------------------------------------------------- problems


@app.command()
def presets() -> None:
    """List the problems that ship with the package."""
    from ..problem.problem import Problem, preset_names
    from ..report.terminal import PlainConsole, presets_table

    PlainConsole().print(presets_table(Problem.preset(name) for name in preset_names()))


@app.command()
def show(
    spec: Spec,
    convention: ConventionOverride = None,
    overrides: Overrides = None,
    as_yaml: Annotated[
        bool, typer.Option("--yaml", help="Print the whole specification, to be edited and used as SPEC.yaml.")
    ] = False,
) -> None:
    """Print a problem and the number of networks in its space."""
    from ..report.terminal import PlainConsole, problem_lines, problem_table

    problem = _problem(spec, convention, overrides)
    console = PlainConsole()
    if as_yaml:
        console.lines(problem.dumps().splitlines())
        return
    console.lines(problem_lines(problem))
    console.print(problem_table(problem))


def _problem(spec: str, convention: str | None, overrides: Sequence[str] | None) -> Problem:
    from ..problem.problem import Problem

    return Problem.named(spec, [*(overrides or ()), *([] if convention is None else [f"convention={json.dumps(convention)}"])])


# ------------------------------------------------------------------------------------------------------------------ design


@app.command()
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
        str | None, typer.Option(metavar="ID", help="Let SCIP close small cells by this formulation; see 'formulations'.")
    ] = None,
    no_presolve: Annotated[bool, typer.Option("--no-presolve", help="Leave the whole space to SCIP, for comparison.")] = False,
    resume: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Go on with the unfinished run of this problem in DIR.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find the best network of a problem, with proof.

    Ctrl-C ends the search, not the program: the best design so far and a valid bound are written. --resume goes on from there.

    Exit codes: 0 with a design, optimal or not; 2 bad input; 3 no network keeps the budgets; 4 stopped before one was found.
    """
    from ..designs.run import design as run
    from ..report.terminal import PlainConsole, ProgressDisplay

    problem = _problem(spec, convention, overrides)
    folder = out or resume or Path("designs") / _folder_name(problem.name)
    _require_writable(folder)
    if resume is not None:
        INTERRUPTS.allow()  # until the search begins there is nothing to save that the folder does not have
    with ProgressDisplay(PlainConsole(stderr=True)) as display:
        found = run(
            problem,
            time_limit=time_limit,
            gap=gap,
            seed=seed,
            workers=workers,
            formulation=formulation,
            presolve=not no_presolve,
            resume=resume,
            on_progress=_watcher(display),
        )
    found.save(folder)
    _print_design(found, folder, as_json)
    if found.status in ("feasible", "unknown"):
        _print_how_to_resume(found, folder, spec, convention, overrides)
    raise typer.Exit(EXIT_CODES[found.status])


def _watcher(display: ProgressDisplay) -> Callable[[Progress], None]:
    """Shows the progress of a run, and takes signals where the run can be left."""

    def watch(progress: Progress) -> None:
        display.update(progress)
        if progress.phase == "compiling":
            INTERRUPTS.allow()
            return
        INTERRUPTS.hold()
        if progress.phase != "done":
            INTERRUPTS.check()

    return watch


def _folder_name(name: str) -> str:
    """A problem's name as the name of a folder."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip(".") or "unnamed"


def _require_writable(folder: Path) -> None:
    """Makes sure before a long run that its files can be written; creates nothing."""
    with writing(folder), contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.lstat(folder)  # a name that is too long
    existing = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    if not os.path.isdir(existing):
        raise SpecError("--out", f"{existing} is not a folder", "give another folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise SpecError("--out", f"{existing} cannot be written to", "give a writable folder")


def _print_design(found: Design, folder: Path, as_json: bool) -> None:
    from ..report.terminal import PlainConsole, budget_table, network_table, outcome_lines

    console = PlainConsole()
    if as_json:
        _print_json(console, found.to_dict())
        return
    if found.architecture is not None:
        console.print(network_table(found.architecture))
        console.print(budget_table(found))
    console.lines(outcome_lines(found))
    console.lines([f"files        {folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}"])


def _print_how_to_resume(
    found: Design, folder: Path, spec: str, convention: str | None, overrides: Sequence[str] | None
) -> None:
    from ..report.terminal import PlainConsole

    command = ["mipdesign", "design", spec]
    command += [] if convention is None else ["--convention", convention]
    command += [word for override in overrides or () for word in ("--set", override)]
    stopped = "interrupted" if found.interrupted else "not proven optimal"
    line = f"{stopped}; to go on: {shlex.join([*command, '--resume', str(folder)])}"
    PlainConsole(stderr=True).lines([line])


@app.command()
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
    as_json: AsJson = False,
) -> None:
    """Find the best networks along one or two budgets, each with proof, and what a little more of each budget buys.

    The time limit is that of each point. A run that was cut off goes on where it stopped when the command is given again.

    Exit codes: as those of 'design', for the point that comes off best.
    """
    from ..analysis.frontier_runner import pareto as solve_frontier
    from ..report.terminal import FrontierDisplay, PlainConsole, frontier_lines, frontier_table

    problem = _problem(spec, convention, overrides)
    folder = out or Path("frontiers") / _folder_name(problem.name)
    _require_writable(folder)
    with FrontierDisplay(PlainConsole(stderr=True)) as display:
        found = solve_frontier(
            problem,
            sweeps,
            folder,
            time_limit=time_limit,
            gap=gap,
            seed=seed,
            workers=workers,
            scheduler=scheduler,
            on_frontier=display.solved,
            on_point=display.update,
        )
    console = PlainConsole()
    if as_json:
        _print_json(console, found.to_dict())
    else:
        console.print(frontier_table(found))
        console.lines([*frontier_lines(found), f"files        {folder}"])
    raise typer.Exit(min(EXIT_CODES[point.status] for point in found.points))


@app.command()
def explain(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a design that is proven optimal.")],
    budgets: Annotated[
        list[str] | None, typer.Option("--budget", metavar="NAME", help="Look at this limit only; repeatable.")
    ] = None,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Say which budgets bind, what 1 % more of each would change, and what the next better design beyond each is.

    Everything is solved to proven optimality; DIR/explanation.json holds it.
    """
    from ..analysis.explanation import explain as explain_design
    from ..designs.run import Design
    from ..report.terminal import ExplanationDisplay, PlainConsole, explanation_lines, explanation_table

    found = Design.load(folder)
    _require_writable(folder)
    with ExplanationDisplay(PlainConsole(stderr=True)) as display:
        explanation = explain_design(found, budgets=budgets, workers=workers, on_progress=display.update)
    explanation.save(folder)
    console = PlainConsole()
    if as_json:
        _print_json(console, explanation.to_dict())
        return
    console.print(explanation_table(explanation))
    console.lines(explanation_lines(explanation))


@app.command()
def compare(
    network: Network,
    space: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|SPEC.yaml", help="Space of the optimum; the preset of the network's block family by default."
        ),
    ] = None,
    convention: ConventionOverride = None,
    overrides: Overrides = None,
    resolution: Resolution = None,
    time_limit: TimeLimit = None,
    gap: Gap = 1e-6,
    seed: Seed = 0,
    workers: Workers = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for the files of the design; none by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Set a network beside the best one within its own budgets.

    The budgets flops, params and effectiveness are the network's figures, unless --set says otherwise.

    Exit codes: as those of 'design'.
    """
    from ..analysis.comparison import compare as comparison_of
    from ..report.terminal import PlainConsole, ProgressDisplay, comparison_lines, comparison_table

    if out is not None:
        _require_writable(out)
    with ProgressDisplay(PlainConsole(stderr=True)) as display:
        made = comparison_of(
            network,
            space=space,
            convention=convention,
            overrides=overrides or (),
            resolution=resolution,
            time_limit=time_limit,
            gap=gap,
            seed=seed,
            workers=workers,
            on_progress=_watcher(display),
        )
    if out is not None:
        made.design.save(out)
    console = PlainConsole()
    if as_json:
        _print_json(console, made.to_dict())
    else:
        console.print(comparison_table(made))
        console.lines(comparison_lines(made))
    raise typer.Exit(EXIT_CODES[made.design.status])


# ------------------------------------------------------------------------------------------------------- looking at results


@app.command()
def evaluate(
    file: Network,
    convention: Annotated[str, typer.Option(metavar="paper|reference", help="How the theory is read.")] = "reference",
    resolution: Resolution = None,
    latency: Annotated[
        Path | None, typer.Option(metavar="TABLE.csv", help="A table of measured operations: predicts the latency too.")
    ] = None,
    batch: Annotated[int, typer.Option(parser=_whole, metavar="N", help="The table's batch.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Print all figures of one network."""
    from ..io.exchange import read_network
    from ..networks.evaluator import Evaluator, default_scoring
    from ..networks.latency import LatencyModel, LatencyTable
    from ..report.terminal import PlainConsole, evaluation_table

    architecture = read_network(file, resolution)
    model = None if latency is None else LatencyModel(LatencyTable.load(latency).of_batch(batch))
    evaluator = Evaluator(architecture, default_scoring(convention, architecture), latency_model=model)
    if model is not None:
        model.total(architecture.operations())  # says what the table lacks
    evaluation = evaluator.evaluation
    console = PlainConsole()
    if as_json:
        _print_json(console, evaluation.to_dict())
    else:
        console.print(evaluation_table(evaluation))


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a design, or of a frontier.")],
    resolve: Annotated[bool, typer.Option("--resolve", help="Solve again the cells that SCIP closed.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Bound the nodes by the compiled code of the search.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check the certificate of a design, or those of a frontier, without searching.

    The checker shares no code with the search, except with --quick.
    Exit codes: 0 proved, 1 some claim does not hold, 2 there is no certificate to check, 5 proved up to cells that SCIP closed.
    """
    from ..analysis.frontier import FRONTIER, verify_frontier
    from ..certificate.certificate import Certificate
    from ..checker import HOLDS, TRUST, verdict
    from ..designs.run import read_files, verify_folder
    from ..report.terminal import CountDisplay, PlainConsole, claim_lines, claims_table, verification_lines

    is_frontier = os.path.lexists(folder / FRONTIER)
    with CountDisplay(PlainConsole(stderr=True), "checked {done} of {total} nodes") as display:
        claims = list((verify_frontier if is_frontier else verify_folder)(folder, resolve, display.update, quick=quick))
    outcomes = {claim.outcome for claim in claims}
    console = PlainConsole()
    if as_json:
        rows = [vars(claim) | {"passed": claim.passed} for claim in claims]
        found = {"verdict": verdict(claims), "passed": outcomes == {HOLDS}, "resolved": resolve, "quick": quick, "checks": rows}
        _print_json(console, found)
    elif is_frontier:
        console.lines(claim_lines(claims))
    else:
        console.print(claims_table(claims))
        console.lines(verification_lines(Certificate(read_files(folder, finite=False)[1]), claims))
    raise typer.Exit(0 if outcomes == {HOLDS} else TRUSTED if outcomes == {HOLDS, TRUST} else 1)


@app.command()
def report(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders of designs, or of frontiers.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="The page; report.html in the first folder by default.")
    ] = None,
) -> None:
    """Write a page that shows designs: one HTML file that needs nothing but itself.

    Several designs are compared.
    """
    from ..report.report import write_report
    from ..report.terminal import PlainConsole

    PlainConsole().lines([str(write_report(folders, out))])


@app.command()
def export(
    file: Network,
    form: Annotated[
        str, typer.Option("--to", metavar="FORMAT", help="torch, torch-export, onnx, graphml, dot, json or reference-txt.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="File, for torch folder, to write; by default text is printed, a module goes into DIR."
        ),
    ] = None,
    resolution: Resolution = None,
    weights: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the weights; by default that of the network, else fresh ones.")
    ] = None,
) -> None:
    """Write a network in another format."""
    from ..nn.exports import export as write
    from ..report.terminal import PlainConsole

    PlainConsole().lines(write(file, form, out, resolution=resolution, weights=weights).splitlines())


@app.command()
def validate(
    path: Network,
    resolution: Resolution = None,
    draws: Annotated[int, typer.Option(parser=_whole, metavar="N", help="Draws of weights for the log-variance.")] = 16,
    seed: Annotated[int, typer.Option(parser=_seed, metavar="N", help="Seed of weights and pictures.")] = 0,
    batch: Annotated[int, typer.Option(parser=_whole, metavar="N", help="Pictures at a time, for memory and latency.")] = 1,
    threads: Annotated[int, typer.Option(parser=_whole, metavar="N", help="Threads of torch on the CPU.")] = 1,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out latency and gradients, which run the network.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure a network's torch module against the theory, and what it does on this machine.

    The figures of the theory can fail: counts, shapes, and the log-variance of every stage. Activation memory, latency,
    gradients at initialisation and the effectiveness of known networks are shown beside them.

    In the folder of a design, the outcome is written to validation.json as well.

    Exit codes: 0 every figure agrees, 1 some figure does not, 2 bad input, or torch is not installed.
    """
    from ..files import write_whole
    from ..io.exchange import read_network
    from ..nn.known_networks import standings
    from ..nn.measurements import behaviour
    from ..nn.validation import validate as measure
    from ..report.terminal import PlainConsole, behaviour_tables, validation_table

    network = read_network(path, resolution)
    measured = behaviour(network, batch=batch, threads=threads, seed=seed, quick=quick)
    report = replace(measure(network, draws=draws, seed=seed), behaviour=measured, standings=standings(network))
    if os.path.isdir(path):
        with writing(path, ""):
            write_whole(path / "validation.json", f"{_json(report.to_dict())}\n".encode())
    console = PlainConsole()
    if as_json:
        _print_json(console, report.to_dict())
    else:
        console.print(validation_table(report))
        console.print(*behaviour_tables(measured, report.standings))
        failed = ", ".join(check.name for check in report.failures)
        console.lines([f"FAILED: {failed}" if failed else f"all {len(report.checks)} figures agree"])
    raise typer.Exit(0 if report.passed else 1)


@app.command()
def profile(
    spec: Spec,
    out: Annotated[Path, typer.Option(metavar="FILE.csv", help="The table; what it holds already is not measured again.")],
    device: Annotated[str, typer.Option(metavar="cpu|cuda", help="Where the operations run.")] = "cpu",
    threads: Annotated[int, typer.Option(parser=_whole, metavar="N", help="Threads of torch on the CPU.")] = 1,
    batch: Annotated[int, typer.Option(parser=_whole, metavar="N", help="Pictures at a time.")] = 1,
    points: Annotated[
        int, typer.Option(parser=_whole, metavar="N", help="Channel counts at which each kind of operation is measured.")
    ] = 6,
    seconds: Annotated[float, typer.Option(parser=_real, metavar="SECONDS", help="Time spent on each operation.")] = 0.05,
    overrides: Overrides = None,
) -> None:
    """Measure a latency table of the operations that a problem needs, on this machine, with torch.

    Use it as a budget: --set budgets.latency.max=MICROSECONDS --set budgets.latency.table=FILE.csv. A run that was cut off goes
    on where it stopped when the command is given again.
    """
    from ..nn.profiling import profile as measure
    from ..report.terminal import CountDisplay, PlainConsole

    problem = _problem(spec, None, overrides)
    with CountDisplay(PlainConsole(stderr=True), "measured {done} of {total} operations", 5.0) as display:
        measured = measure(
            problem,
            out,
            batch=batch,
            points=points,
            device=device,
            threads=threads,
            seconds=seconds,
            on_row=display.update,
        )
    PlainConsole().lines([f"{out}: {measured} operations measured"])


@app.command()
def formulations() -> None:
    """List the formulations that SCIP can be given."""
    from ..mip.formulation import formulation_ids, formulation_named
    from ..report.terminal import PlainConsole, formulation_lines

    PlainConsole().lines(line for name in formulation_ids() for line in formulation_lines(formulation_named(name)))


@app.command()
def solvers() -> None:
    """List the solvers that formulations can be given to, and what each can do."""
    from ..mip.solver import solver_ids, solver_named
    from ..report.terminal import PlainConsole, solver_lines

    PlainConsole().lines(line for name in solver_ids() for line in solver_lines(solver_named(name)))


@app.command()
def model(
    spec: Spec,
    out: Annotated[Path, typer.Option(metavar="FILE", help="A file that ends with .cip, .mps, .mps.gz, .lp or .nl.")],
    formulation: Annotated[str, typer.Option(metavar="ID", help="How the model is written; see 'formulations'.")] = "lattice",
    convention: ConventionOverride = None,
    overrides: Overrides = None,
) -> None:
    """Write the model of a whole problem for another solver, and read it back.

    Large spaces have to be narrowed first: see --set.
    """
    from ..lattice.cell import Cell
    from ..mip.formulation import formulation_named
    from ..mip.model_files import write_model
    from ..report.terminal import PlainConsole, model_lines
    from ..search.coverage import build_tables

    tables = build_tables(_problem(spec, convention, overrides))
    chosen = formulation_named(formulation)
    if reason := chosen.unsupported(tables):
        raise SpecError("formulation", f"{formulation!r} does not support {reason}", "leave it out, or choose another one")
    form = chosen.build(tables, Cell.whole(tables))
    write_model(form, out)
    PlainConsole().lines(model_lines(form, out))


def _print_json(console: Any, data: Any) -> None:
    console.lines([_json(data)])


def _json(data: Any) -> str:
    """JSON text; infinite and undefined numbers, for which JSON has no word, become null."""

    def finite(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: finite(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [finite(item) for item in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return json.dumps(finite(data), indent=1, allow_nan=False)
