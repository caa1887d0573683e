"""Options and arguments that several commands share, and the parsers of their values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import SpecError
from . import completion

if TYPE_CHECKING:
    from ..problem.problem import Problem


def real(text: str | float) -> float:
    """A number of an option; the fault names what was given."""
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a number") from None


def whole(text: str | int) -> int:
    """An integer of an option."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a whole number") from None


def draws_number(text: str | int) -> int:
    """A number of draws of which a standard error is taken."""
    draws = whole(text)
    if draws < 2:
        raise typer.BadParameter(f"{draws} is out of range: give a number from 2 up")
    return draws


def seed_number(text: str | int) -> int:
    """A seed, as numpy and SCIP take it."""
    seed = whole(text)
    if not 0 <= seed < 2**31:
        raise typer.BadParameter(f"{seed} is not a seed: give a number from 0 to {2**31 - 1}")
    return seed


def run_plugins(paths: list[Path] | None) -> list[Path]:
    """Runs the plug-ins of an option while the command line is read, before anything is looked for by its name.

    What it returns is a list even of none: some versions of typer count what is in it.
    """
    from ..plugins import load_plugin

    for path in paths or ():
        load_plugin(path, "--plugin")
    return list(paths or ())


Spec = Annotated[
    str,
    typer.Argument(
        metavar="NAME|SPEC.yaml",
        help="A preset (see 'presets'), or the path of a specification.",
        autocompletion=completion.preset_names,
    ),
]
Network = Annotated[
    Path,
    typer.Argument(
        metavar="FILE|DIR|NAME",
        help="An architecture, a result.json or the folder of a design, a structure file of DeepMAD's tool (.txt), a "
        "description in the terms of torchvision or timm, or a name such as torchvision/resnet50.",
        autocompletion=completion.network_names,
    ),
]
Rank = Annotated[
    int | None,
    typer.Option("--network", parser=whole, metavar="N", help="Network N of the list of a design, in place of the first."),
]
Resolution = Annotated[
    int | None,
    typer.Option(parser=whole, metavar="PIXELS", help="Resolution of the input, in place of what the file says."),
]
Frames = Annotated[
    int | None,
    typer.Option(parser=whole, metavar="N", help="Frames of the input of a network of video, in place of what the file says."),
]
TimeLimit = Annotated[
    float | None,
    typer.Option(parser=real, metavar="SECONDS", help="Stop then, with the best design so far and a valid bound."),
]
Gap = Annotated[
    float,
    typer.Option(parser=real, metavar="RATIO", help="Relative gap at which to stop; up to 1e-6 the answer is exact."),
]
Seed = Annotated[
    int, typer.Option(parser=seed_number, metavar="N", help="Seed of the heuristics; the answer does not depend on it.")
]
Workers = Annotated[
    int | None, typer.Option(parser=whole, metavar="N", help="Threads that expand nodes; one per processor by default.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Override a field, e.g. budgets.flops=1e9 or stages.0.depth.max=4; repeatable."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, and nothing else there.")]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print one line with the result (or what failed), and no progress; JSON stays whole."),
]
ConventionOverride = Annotated[
    str | None,
    typer.Option(
        "--convention",
        metavar="paper|reference",
        help="Same as --set convention=...",
        autocompletion=completion.one_of("paper", "reference"),
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace what the folder holds: another problem's design, or one that got further."),
]
Plugins = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        metavar="FILE.py",
        callback=run_plugins,
        help="A Python file of your own that registers a formulation, an encoding, a solver, a block family...; repeatable.",
    ),
]


Within = Annotated[
    str | None,
    typer.Option(metavar="RATIO", help="List every network whose objective is within this of the optimum's, e.g. 0.5%."),
]
Best = Annotated[int | None, typer.Option(parser=whole, metavar="N", help="List the N best networks.")]
Different = Annotated[
    str | None,
    typer.Option(
        metavar="RULE",
        help="With --within or --best: only networks that differ from all before them, channels:10% or decisions:3.",
    ),
]
Most = Annotated[
    int | None, typer.Option(parser=whole, metavar="N", help="Longest list of --within; a million networks by default.")
]
EngineOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--engine-option",
        metavar="NAME=VALUE",
        help="How SCIP's tree works: relaxator, branching, propagation, encoding, nodes; repeatable.",
    ),
]


def engine_options(texts: Sequence[str] | None) -> dict[str, str]:
    """Engine options by name.

    Raises
    ------
    SpecError
        For a text of another form, or a name twice.
    """
    found: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise SpecError("--engine-option", f"{text!r} is not NAME=VALUE", "write, for example, relaxator=lp")
        if name in found:
            raise SpecError("--engine-option", f"{name!r} is there twice", "give it once")
        found[name] = value
    return found


def problem_of(spec: str, convention: str | None, overrides: Sequence[str] | None) -> Problem:
    """The problem that a command names, with its overrides."""
    from ..problem.problem import Problem

    return Problem.named(spec, [*(overrides or ()), *([] if convention is None else [f"convention={json.dumps(convention)}"])])
