"""The command that fits a score to measured networks: fit-score."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import SpecError, counted
from .completion import one_of
from .options import AsJson, Overrides, Plugins, Quiet, Spec, problem_of, seed_number
from .results import print_json, require_writable_file


def fit_score(
    spec: Spec,
    results: Annotated[
        Path, typer.Argument(metavar="RESULTS.csv", help="Measured networks: columns network (a file or a name) and accuracy.")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.yaml", help="The problem with the fitted score for its objective.")
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(
            "--feature",
            metavar="NAME",
            help="depth, log_channels, log_width, log_kernel, depth_log_channels, depth_log_width; repeatable; the first four "
            "by default.",
            autocompletion=one_of("depth", "log_channels", "log_width", "log_kernel", "depth_log_channels", "depth_log_width"),
        ),
    ] = None,
    per_stage: Annotated[
        bool, typer.Option("--per-stage", help="Coefficients for each super-block; by default all share theirs.")
    ] = False,
    seed: Annotated[int, typer.Option(parser=seed_number, metavar="N", help="Seed of the cross-validation.")] = 0,
    overrides: Overrides = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    plugins: Plugins = None,
) -> None:
    """Fit a linear score to networks that were trained, to be optimised with a proof.

    What is written is a problem whose objective is the prediction, as a table of decimals: 'design FILE.yaml' finds its
    optimum. Kendall's tau says how well the model orders networks that it has not seen.
    """
    from ..analysis.fitting import DEFAULT_FEATURES, read_results
    from ..analysis.fitting import fit_score as fit
    from ..files import write_whole
    from ..report.console import PlainConsole

    if out is None and not as_json:
        raise SpecError("--out", "is missing", "name the file of the fitted problem, or ask for --json")
    if out is not None:
        require_writable_file(out)
        for source in (Path(spec), results):
            if out.exists() and source.exists() and out.samefile(source):
                raise SpecError("--out", f"{out} is a file that is read", "give another file")
    problem = problem_of(spec, None, overrides)
    try:
        found = fit(problem, read_results(results), features or DEFAULT_FEATURES, per_stage, seed)
    except SpecError as error:
        if error.field != "features":
            raise
        raise SpecError("--feature", error.problem, error.remedy) from None
    if out is not None:
        write_whole(out, found.problem.dumps().encode())
    console = PlainConsole()
    if as_json:
        print_json(console, found.to_dict())
    else:
        tau = f"tau {found.tau:.3f} ({found.low:.3f} to {found.high:.3f} with 95%), R2 {found.r2:.3f}"
        told = f"{counted(found.networks, 'network')}, cross-validated: {tau}"
        rows = [f"{name} {value:+.6g}" for name, value in found.coefficients.items()]
        console.facts([f"{out}: {told}"] if quiet else [told, ", ".join(rows), f"written to {out}"])
        if found.constant and not quiet:
            console.facts([f"left out, the same in all networks: {', '.join(found.constant)}"])
    for warning in found.warnings:
        typer.echo(f"warning: {warning}", err=True)
