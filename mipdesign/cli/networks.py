"""Commands about one network: evaluate, export."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import SpecError
from .options import AsJson, Frames, Network, Plugins, Resolution, whole
from .results import print_json

if TYPE_CHECKING:
    from ..networks.architecture import Architecture
    from ..networks.evaluator import Scoring


def evaluate(
    file: Network,
    convention: Annotated[str, typer.Option(metavar="paper|reference", help="How the theory is read.")] = "reference",
    resolution: Resolution = None,
    frames: Frames = None,
    score: Annotated[
        str | None,
        typer.Option(
            metavar="deepmad|madnas|stentr", help="The objective; stentr for video, madnas for bits, deepmad else by default."
        ),
    ] = None,
    alpha: Annotated[
        str | None, typer.Option(metavar="A,A,...", help="Weights of the stages; those of the score by default.")
    ] = None,
    score_resolution: Annotated[
        int | None, typer.Option(parser=whole, metavar="PIXELS", help="Where stentr weighs kernels; the input's by default.")
    ] = None,
    latency: Annotated[
        Path | None, typer.Option(metavar="TABLE.csv", help="A table of measured operations: predicts the latency too.")
    ] = None,
    batch: Annotated[int, typer.Option(parser=whole, metavar="N", help="The table's batch.")] = 1,
    as_json: AsJson = False,
    plugins: Plugins = None,
) -> None:
    """Print all figures of one network."""
    from ..io.exchange import read_network
    from ..networks.budget_names import LATENCY
    from ..networks.evaluator import Evaluator
    from ..networks.latency import LatencyModel, LatencyTable
    from ..report.tables import evaluation_table
    from ..report.terminal import PlainConsole

    architecture = read_network(file, resolution, frames)
    scoring = _scoring(architecture, convention, score, alpha, score_resolution)
    model = None if latency is None else LatencyModel(LatencyTable.load(latency).of_batch(batch))
    evaluator = Evaluator(architecture, scoring, latency_models={} if model is None else {LATENCY: model})
    if model is not None:
        evaluator.nanoseconds()  # says what the table lacks
    evaluation = evaluator.evaluation
    console = PlainConsole()
    if as_json:
        print_json(console, evaluation.to_dict())
    else:
        console.print(evaluation_table(evaluation, scoring))


def _scoring(
    architecture: Architecture, convention: str, score: str | None, alpha: str | None, score_resolution: int | None
) -> Scoring:
    """The objective that options ask for.

    Raises
    ------
    SpecError
        For a score that is none, or weights that do not fit the network.
    """
    from ..networks.evaluator import convention_named, default_scoring, natural_score
    from ..parsing import load_yaml, validated
    from ..problem.objective import ObjectiveSpec

    convention_named(convention)
    asked: dict[str, Any] = {"score": natural_score(architecture) if score is None else score}
    if alpha is not None:
        asked["alpha"] = load_yaml(f"[{alpha}]", "--alpha")
    if score_resolution is not None:
        asked["score_resolution"] = score_resolution
    objective = validated(ObjectiveSpec, asked, "objective")
    scoring = default_scoring(convention, architecture, objective.score)
    n_stages = 1 + architecture.stage_of[-1]
    if objective.alpha is not None and len(objective.alpha) != n_stages:
        raise SpecError("--alpha", f"{len(objective.alpha)} weights for {n_stages} down-sampling stages", "give one per stage")
    return replace(scoring, alpha=objective.alpha or scoring.alpha, score_resolution=objective.score_resolution)


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
