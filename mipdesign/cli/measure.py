"""Commands that run networks with torch on this machine: validate, profile."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import SpecError, counted
from ..temporary import ensure_temporary
from .completion import one_of
from .options import (
    AsJson,
    Network,
    Overrides,
    Plugins,
    Quiet,
    Resolution,
    Spec,
    draws_number,
    problem_of,
    real,
    seed_number,
    whole,
)
from .results import print_json, require_writable_file


def validate(
    path: Network,
    resolution: Resolution = None,
    draws: Annotated[int, typer.Option(parser=draws_number, metavar="N", help="Draws of weights for the log-variance.")] = 16,
    seed: Annotated[int, typer.Option(parser=seed_number, metavar="N", help="Seed of weights and pictures.")] = 0,
    batch: Annotated[int, typer.Option(parser=whole, metavar="N", help="Pictures at a time, for memory and latency.")] = 1,
    threads: Annotated[int, typer.Option(parser=whole, metavar="N", help="Threads of torch on the CPU.")] = 1,
    latency: Annotated[
        str | None,
        typer.Option(metavar="TABLE.csv", help="Hold this table's prediction against the network, run as the table says."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out latency and gradients, which run the network.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    plugins: Plugins = None,
) -> None:
    """Measure a network's torch module against the theory, and what it does on this machine.

    The figures of the theory can fail: counts, shapes, and the log-variance of every stage. Activation memory, latency,
    gradients at initialisation and the effectiveness of known networks are shown beside them; with --latency also what
    the table predicts, and what the network takes in the table's mode.

    In the folder of a design, the outcome is written to validation.json as well.

    Exit codes: 0 every figure agrees, 1 some figure does not, 2 bad input, or torch is not installed.
    """
    from ..nn.known_networks import known_networks
    from ..nn.measurements import measurements
    from ..nn.profiling import predict
    from ..nn.reading import read_network
    from ..nn.validation import validate as measure
    from ..nn.validation_file import write_validation
    from ..report.terminal import PlainConsole
    from ..report.validation_tables import measurement_tables, validation_table

    ensure_temporary(path)
    network = read_network(path, resolution)
    prediction = None if latency is None else predict(network, latency, batch=batch)  # which may refuse the table: first
    measured = measurements(network, batch=batch, threads=threads, seed=seed, quick=quick)
    report = replace(measure(network, draws=draws, seed=seed), measurements=measured, prediction=prediction)
    report = replace(report, known=known_networks(network))
    console = PlainConsole()
    try:
        if as_json:
            print_json(console, report.to_dict())
        else:
            if not quiet:
                console.print(validation_table(report.checks))
                console.print(*measurement_tables(measured, report.known, prediction), sep="")
            agreement = "the only figure agrees" if len(report.checks) == 1 else f"all {len(report.checks)} figures agree"
            failed = ", ".join(check.name for check in report.failures)
            console.facts([f"FAILED: {failed}" if failed else agreement])
    finally:
        if os.path.isdir(path):
            write_validation(report, path)
    raise typer.Exit(0 if report.passed else 1)


def profile(
    spec: Spec,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv", help="The table; what it holds already is not measured again. Needed but for --dry-run."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how many operations there are and about how long they take; write nothing.")
    ] = False,
    device: Annotated[
        str, typer.Option(metavar="cpu|cuda", help="Where the operations run.", autocompletion=one_of("cpu", "cuda"))
    ] = "cpu",
    mode: Annotated[
        str,
        typer.Option(
            metavar="HOW",
            help="How networks will run: eager, compile, on cpu also onnxruntime, on cuda also graph (a CUDA graph).",
            autocompletion=one_of("eager", "graph", "compile", "onnxruntime"),
        ),
    ] = "eager",
    dtype: Annotated[
        str,
        typer.Option(
            metavar="TYPE",
            help="float32, float16 or bfloat16; tf32 is float32 with TF32 in convolutions, as torch has it on cuda by itself.",
            autocompletion=one_of("float32", "tf32", "float16", "bfloat16"),
        ),
    ] = "float32",
    memory_format: Annotated[
        str,
        typer.Option(
            metavar="FORMAT", help="contiguous or channels_last.", autocompletion=one_of("contiguous", "channels_last")
        ),
    ] = "contiguous",
    threads: Annotated[int, typer.Option(parser=whole, metavar="N", help="Threads on the CPU.")] = 1,
    batch: Annotated[int, typer.Option(parser=whole, metavar="N", help="Pictures at a time.")] = 1,
    points: Annotated[
        int, typer.Option(parser=whole, metavar="N", help="Channel counts at which each kind of operation is measured.")
    ] = 6,
    seconds: Annotated[float, typer.Option(parser=real, metavar="S", help="Time spent on each operation.")] = 0.05,
    overrides: Overrides = None,
    quiet: Quiet = False,
    plugins: Plugins = None,
) -> None:
    """Measure a latency table of the operations that a problem needs, on this machine, with torch or onnxruntime.

    A table is of the mode that it is measured in: calls of torch one by one, a CUDA graph, or what compile and onnxruntime
    make of a network, where a convolution, its normalisation and its activation are one operation.

    Use it as a budget: --set budgets.latency.table=FILE.csv --set 'budgets.latency.max=25 ms'. A run that was cut off goes on
    where it stopped when the command is given again: after Ctrl-C the file has what was measured until then.
    """
    from ..nn.profiling import forecast
    from ..nn.profiling import profile as measure
    from ..report.progress import CountDisplay
    from ..report.terminal import PlainConsole, forecast_lines

    if out is not None:
        require_writable_file(out)
    elif not dry_run:
        raise SpecError("--out", "is missing", "say which file the table goes to, or give --dry-run")
    problem = problem_of(spec, None, overrides)
    settings: dict[str, Any] = {"batch": batch, "points": points, "device": device, "threads": threads, "seconds": seconds}
    settings |= {"mode": mode, "dtype": dtype, "memory_format": memory_format}
    if out is None or dry_run:
        lines = forecast_lines(forecast(problem, out, **settings), out)
        PlainConsole().facts(lines[-1:] if quiet else lines)
        return
    counts = (0, 0)
    with CountDisplay(
        PlainConsole(stderr=True, quiet=quiet), "measured {done} of {total} operations{left}", first=0.0
    ) as display:

        def count(done: int, total: int) -> None:
            nonlocal counts
            counts = (done, total)
            display.update(done, total)

        try:
            measured = measure(problem, out, on_row=count, **settings)
        except KeyboardInterrupt:
            if counts[1]:
                line = f"{out} has {counts[0]} of {counts[1]} operations; to measure the others, give the same command again"
                PlainConsole(stderr=True).lines([line])
            raise
    PlainConsole().lines([f"{out}: {counted(measured, 'operation')} measured"])
