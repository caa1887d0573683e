"""Commands that run networks with torch on this machine: validate, profile."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..temporary import ensure_temporary
from .options import AsJson, Network, Overrides, Plugins, Resolution, Spec, problem_of, real, seed_number, whole
from .results import print_json, require_writable_file


def validate(
    path: Network,
    resolution: Resolution = None,
    draws: Annotated[int, typer.Option(parser=whole, metavar="N", help="Draws of weights for the log-variance.")] = 16,
    seed: Annotated[int, typer.Option(parser=seed_number, metavar="N", help="Seed of weights and pictures.")] = 0,
    batch: Annotated[int, typer.Option(parser=whole, metavar="N", help="Pictures at a time, for memory and latency.")] = 1,
    threads: Annotated[int, typer.Option(parser=whole, metavar="N", help="Threads of torch on the CPU.")] = 1,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out latency and gradients, which run the network.")] = False,
    as_json: AsJson = False,
    plugins: Plugins = None,
) -> None:
    """Measure a network's torch module against the theory, and what it does on this machine.

    The figures of the theory can fail: counts, shapes, and the log-variance of every stage. Activation memory, latency,
    gradients at initialisation and the effectiveness of known networks are shown beside them.

    In the folder of a design, the outcome is written to validation.json as well.

    Exit codes: 0 every figure agrees, 1 some figure does not, 2 bad input, or torch is not installed.
    """
    from ..io.exchange import read_network
    from ..nn.known_networks import known_networks
    from ..nn.measurements import measurements
    from ..nn.validation import validate as measure
    from ..nn.validation_file import write_validation
    from ..report.terminal import PlainConsole
    from ..report.validation_tables import measurement_tables, validation_table

    ensure_temporary(path)
    network = read_network(path, resolution)
    measured = measurements(network, batch=batch, threads=threads, seed=seed, quick=quick)
    report = replace(measure(network, draws=draws, seed=seed), measurements=measured, known=known_networks(network))
    console = PlainConsole()
    try:
        if as_json:
            print_json(console, report.to_dict())
        else:
            console.print(validation_table(report.checks))
            console.print(*measurement_tables(measured, report.known))
            failed = ", ".join(check.name for check in report.failures)
            console.lines([f"FAILED: {failed}" if failed else f"all {len(report.checks)} figures agree"])
    finally:
        if os.path.isdir(path):
            write_validation(report, path)
    raise typer.Exit(0 if report.passed else 1)


def profile(
    spec: Spec,
    out: Annotated[Path, typer.Option(metavar="FILE.csv", help="The table; what it holds already is not measured again.")],
    device: Annotated[str, typer.Option(metavar="cpu|cuda", help="Where the operations run.")] = "cpu",
    threads: Annotated[int, typer.Option(parser=whole, metavar="N", help="Threads of torch on the CPU.")] = 1,
    batch: Annotated[int, typer.Option(parser=whole, metavar="N", help="Pictures at a time.")] = 1,
    points: Annotated[
        int, typer.Option(parser=whole, metavar="N", help="Channel counts at which each kind of operation is measured.")
    ] = 6,
    seconds: Annotated[float, typer.Option(parser=real, metavar="SECONDS", help="Time spent on each operation.")] = 0.05,
    overrides: Overrides = None,
    plugins: Plugins = None,
) -> None:
    """Measure a latency table of the operations that a problem needs, on this machine, with torch.

    Use it as a budget: --set budgets.latency.table=FILE.csv --set 'budgets.latency.max=25 ms'. A run that was cut off goes on
    where it stopped when the command is given again.
    """
    from ..nn.profiling import profile as measure
    from ..report.progress import CountDisplay
    from ..report.terminal import PlainConsole

    require_writable_file(out)
    problem = problem_of(spec, None, overrides)
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
