"""The commands of the benchmarks: studies, ``python -m mipdesign.benchmarks run | report | optima``, and every experiment.

Exit codes are those of ``mipdesign``: 0 done, 2 bad input, 130 interrupted.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from mipdesign.cli.main import run_app
from mipdesign.cli.options import Plugins
from mipdesign.errors import SpecError
from mipdesign.interrupts import INTERRUPTS
from mipdesign.report.progress import CountDisplay
from mipdesign.report.terminal import PlainConsole

from .corpus.optima import SHIPPED, prove, read_optima
from .experiments import EXPERIMENTS
from .studies.records import RECORDS, Record, RecordLog, read_records
from .studies.runner import OnRecord, cluster, run_jobs
from .studies.study import Study
from .studies.verdict import STATUSES, contradictions, judged

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="The study; benchmarks/studies has some.")]
OptimaFile = Annotated[
    Path, typer.Option("--optima", metavar="FILE.solu", help="Proven optima that every run is held against.")
]


@app.callback(invoke_without_command=True)
def root(context: typer.Context) -> None:
    """Studies of formulations and solvers, and measurements of the whole program."""
    INTERRUPTS.allow()
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def run(
    study: StudyFile,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the records; build/NAME by default.")] = None,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=1024, help="Runs at a time on this machine; one per processor by default."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Of a Dask scheduler, such as tcp://host:8786, in place of this machine."),
    ] = None,
    optima: OptimaFile = SHIPPED,
    plugins: Plugins = None,
) -> None:
    """Run every combination of a study that has no record yet.

    A run that was cut off goes on where it stopped when the command is given again.
    """
    if scheduler is not None and workers is not None:
        raise SpecError("--workers", "stands beside --scheduler", "the cluster has its own workers: leave it out")
    loaded = Study.load(study)
    jobs, known = loaded.jobs(study), read_optima(optima)
    folder = Path("build") / loaded.name if out is None else out
    with (
        RecordLog(folder) as log,
        CountDisplay(PlainConsole(stderr=True), "", 5.0, first=0.0) as display,
        cluster(scheduler, workers) as client,
    ):
        run_jobs(jobs, log, client, known, progress_of(display))
        wanted = {job.key for job in jobs}
        records = judged((record for record in log.entries if record.key in wanted), known)
    PlainConsole().lines([f"{folder / RECORDS}: {len(records)} runs: {counts_text(records)}", *contradictions(records, known)])


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the records.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="report.html", help="The page; its tables go beside it as CSV. DIR/report.html by default."),
    ] = None,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Write the charts beside the CSV files as well, as SVG and PNG.")
    ] = False,
    optima: OptimaFile = SHIPPED,
) -> None:
    """Compare formulations and solvers: one page and tables as CSV, from the records of one or more runs."""
    from .studies.report import write_report

    page = folder / "report.html" if out is None else out
    for path in write_report(read_records(folder), read_optima(optima), page, pictures):
        PlainConsole().lines([str(path)])


@app.command()
def optima(
    study: StudyFile,
    file: OptimaFile = SHIPPED,
    workers: Annotated[int | None, typer.Option(metavar="N", min=1, max=1024, help="Threads of each design.")] = None,
    plugins: Plugins = None,
) -> None:
    """Prove the optima of a study's instances with mipdesign, and add them to the file."""
    problems = Study.load(study).problems(study)
    with CountDisplay(PlainConsole(stderr=True), "proved {done} of {total} instances", 5.0, first=0.0) as display:
        unproved = prove(problems, file, workers, display.update)
    PlainConsole().lines([f"{file}: {len(problems) - len(unproved)} of {len(problems)} instances", *unproved])


def _add(name: str, summary: str) -> None:
    """Makes a command of an experiment, which reads its own arguments."""

    def experiment(context: typer.Context) -> None:
        sys.argv = [f"python -m mipdesign.benchmarks {name}", *context.args]
        code = import_module(f"mipdesign.benchmarks.experiments.{name}").main()
        if code:
            raise typer.Exit(code)

    settings = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
    app.command(name, help=summary + ".", context_settings=settings, add_help_option=False)(experiment)


for _name, _summary in EXPERIMENTS.items():
    _add(_name, _summary)


def counts_text(records: Sequence[Record]) -> str:
    """How many runs have which status, those that occur, in the order of :data:`STATUSES`."""
    counts = Counter(record.status for record in records)
    return ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status]) or "none"


def progress_of(display: CountDisplay) -> OnRecord:
    """What tells a display which runs are done."""

    def update(records: Sequence[Record], total: int) -> None:
        display.text = f"{{done}} of {{total}} runs: {counts_text(records)}"
        display.update(len(records), total)

    return update


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    return run_app(app, "python -m mipdesign.benchmarks", arguments)


if __name__ == "__main__":
    sys.exit(main())
