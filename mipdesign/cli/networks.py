"""Commands about one network: evaluate, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import AsJson, Network, Plugins, Resolution, whole
from .results import print_json


def evaluate(
    file: Network,
    convention: Annotated[str, typer.Option(metavar="paper|reference", help="How the theory is read.")] = "reference",
    resolution: Resolution = None,
    latency: Annotated[
        Path | None, typer.Option(metavar="TABLE.csv", help="A table of measured operations: predicts the latency too.")
    ] = None,
    batch: Annotated[int, typer.Option(parser=whole, metavar="N", help="The table's batch.")] = 1,
    as_json: AsJson = False,
    plugins: Plugins = None,
) -> None:
    """Print all figures of one network."""
    from ..io.exchange import read_network
    from ..networks.evaluator import Evaluator, default_scoring
    from ..networks.latency import LatencyModel, LatencyTable
    from ..report.tables import evaluation_table
    from ..report.terminal import PlainConsole

    architecture = read_network(file, resolution)
    model = None if latency is None else LatencyModel(LatencyTable.load(latency).of_batch(batch))
    evaluator = Evaluator(architecture, default_scoring(convention, architecture), latency_model=model)
    if model is not None:
        evaluator.nanoseconds  # noqa: B018  says what the table lacks
    evaluation = evaluator.evaluation
    console = PlainConsole()
    if as_json:
        print_json(console, evaluation.to_dict())
    else:
        console.print(evaluation_table(evaluation))


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
    features: Annotated[
        str | None,
        typer.Option(
            metavar="c3,c4,...", help="Maps to give in place of the logits: c3 has an eighth of the picture's height."
        ),
    ] = None,
    plugins: Plugins = None,
) -> None:
    """Write a network in another format."""
    from ..nn.exports import export as write
    from ..report.terminal import PlainConsole

    levels = [] if features is None else features.split(",")
    PlainConsole().lines(write(file, form, out, resolution=resolution, weights=weights, features=levels).splitlines())
