"""The command line: a thin shell over the Python interface.

Results go to standard output, progress and errors to standard error. An error that a user can act on is one line there. Exit
codes: 0 done, 1 a claim or a figure does not hold, 2 bad input, 3 no network keeps the budgets, 4 a limit was reached before
one was found, 5 a certificate holds up to what a solver is said to have closed, 130 interrupted with nothing to show.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from ..errors import MipdesignError, SpecError
from ..interrupts import INTERRUPTS
from . import analysis, designs, fitting, measure, models, networks
from .results import INTERRUPTED

UsageError: type[Exception] = typer.BadParameter.__bases__[0]
"""What typer raises for options that it cannot read; it has no public name."""

WIDEST_HELP = 160
"""Columns that help takes at most: as many as the terminal has, while its lines can be read."""

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDEST_HELP},
)


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
        code = _fail(str(_of_option(error)), error.exit_code)
    except UsageError as error:
        code = _fail(_usage_text(error), 2)
    except MemoryError:
        code = _fail("memory does not suffice; allow more of it (see ulimit -v, or the limit of the container)", 2)
    except OSError as error:  # what the system refuses is no bug, and says itself what it is
        code = _fail(f"the system refuses: {error}", 2)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    INTERRUPTS.hold()
    if code == INTERRUPTED:
        _fail("interrupted", code)
    return int(code)


OPTIONS = {
    "best": "--best",
    "budgets": "--budget",
    "different": "--different",
    "engine_options": "--engine-option",
    "features": "--features",
    "folder": "--out",
    "form": "--to",
    "memory_format": "--memory-format",
    "gap": "--gap",
    "most": "--most",
    "network": "--network",
    "out": "--out",
    "overrides": "--set",
    "path": "--out",
    "presolve": "--no-presolve",
    "rho": "--rho-sweep",
    "resume": "--resume",
    "scheduler": "--scheduler",
    "space": "--space",
    "sweeps": "--sweep",
    "weights": "--weights",
    "within": "--within",
}
"""Options by the arguments of the Python interface that they become, where the names differ enough to be looked for."""


def _of_option(error: MipdesignError) -> MipdesignError:
    """An error about an argument of the Python interface as one about its option."""
    if not isinstance(error, SpecError):
        return error
    if error.source is None and error.field in OPTIONS:
        return SpecError(OPTIONS[error.field], error.problem, error.remedy.replace("'overwrite'", "--overwrite"))
    if error.source == "overrides":
        return SpecError(error.field, error.problem, error.remedy, OPTIONS["overrides"])
    return error


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


COMMANDS = (
    designs.presets,
    designs.show,
    designs.design,
    analysis.pareto,
    analysis.explain,
    analysis.compare,
    networks.evaluate,
    designs.verify,
    analysis.report,
    networks.export,
    measure.validate,
    measure.profile,
    fitting.fit_score,
    models.formulations,
    models.solvers,
    models.model,
)
"""All commands, in the order in which the help lists them."""

for command in COMMANDS:  # a summary that is given is wrapped, not cut off
    app.command(short_help=" ".join((command.__doc__ or "").partition("\n\n")[0].split()))(command)
