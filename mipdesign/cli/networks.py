"""Commands about one network: evaluate, export."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import SpecError, counted
from ..temporary import ensure_temporary
from .completion import one_of
from .options import AsJson, Frames, Network, Plugins, Quiet, Rank, Resolution, whole
from .results import print_json, require_writable_file

if TYPE_CHECKING:
    from ..networks.architecture import Architecture
    from ..networks.scoring import Scoring
    from ..problem.problem import Problem


def evaluate(
    file: Network,
    convention: Annotated[
        str | None,
        typer.Option(
            metavar="paper|reference",
            help="How the theory is read; as the design is, reference for other networks.",
            autocompletion=one_of("paper", "reference"),
        ),
    ] = None,
    network: Rank = None,
    resolution: Resolution = None,
    frames: Frames = None,
    score: Annotated[
        str | None,
        typer.Option(
            metavar="deepmad|madnas|stentr",
            help="The objective; a design's own by default, else stentr for video, madnas for bits, deepmad for others.",
            autocompletion=one_of("deepmad", "madnas", "stentr"),
        ),
    ] = None,
    alpha: Annotated[
        str | None, typer.Option(metavar="A,A,...", help="Weights of the stages; those of the objective by default.")
    ] = None,
    score_resolution: Annotated[
        int | None, typer.Option(parser=whole, metavar="PIXELS", help="Where stentr weighs kernels; the input's by default.")
    ] = None,
    latency: Annotated[
        Path | None, typer.Option(metavar="TABLE.csv", help="A table of measured operations: predicts the latency too.")
    ] = None,
    batch: Annotated[int, typer.Option(parser=whole, metavar="N", help="The table's batch.")] = 1,
    as_json: AsJson = False,
    quiet: Quiet = False,
    plugins: Plugins = None,
) -> None:
    """Print all figures of one network; those of a design in the convention and the objective that it was designed for."""
    from ..networks.budget_names import LATENCY
    from ..networks.evaluator import Evaluator
    from ..networks.latency import LatencyModel, LatencyTable
    from ..nn.reading import read_network
    from ..report.tables import evaluation_table
    from ..report.terminal import PlainConsole

    architecture = _of_list(file, network, resolution, frames) or read_network(file, resolution, frames)
    problem = _problem_of(file, convention)
    scoring = _scoring(architecture, problem, convention or "reference", score, alpha, score_resolution)
    own = Evaluator(architecture, scoring) if problem is None else problem.evaluator(architecture)
    models = own.latency_models
    if latency is not None:
        models = {LATENCY: LatencyModel(LatencyTable.load(str(latency)).of_batch(batch))}
    evaluator = Evaluator(architecture, scoring, own.byte_widths, models)
    if latency is not None:
        evaluator.nanoseconds()  # says what the table lacks
    evaluation = evaluator.evaluation
    console = PlainConsole()
    if as_json:
        print_json(console, evaluation.to_dict())
    elif quiet:
        console.lines([f"{file}: {scoring.score} {evaluation.objective:.6f}"])
    else:
        console.print(evaluation_table(evaluation, scoring))


def _of_list(file: Path, rank: int | None, resolution: int | None, frames: int | None = None) -> Architecture | None:
    """A network of a list, if one is asked for."""
    if rank is None:
        return None
    from ..designs.pool import network_of
    from ..io.exchange import with_input

    return with_input(network_of(file, rank), resolution, frames, str(file))


def _problem_of(file: Path, convention: str | None) -> Problem | None:
    """The problem of a design, in another convention if one is given; ``None`` for what is no design.

    Raises
    ------
    SpecError
        If the problem that is stated is none.
    """
    from ..designs.result import RESULT, load_result
    from ..problem.problem import Problem

    path = file / RESULT if os.path.isdir(file) else file
    if path.suffix != ".json" or not os.path.lexists(path):
        return None
    problem = load_result(path).get("problem")
    if not isinstance(problem, dict):
        return None
    return Problem.from_dict(problem | ({} if convention is None else {"convention": convention}), f"{path}: problem")


def _scoring(
    architecture: Architecture,
    problem: Problem | None,
    convention: str,
    score: str | None,
    alpha: str | None,
    score_resolution: int | None,
) -> Scoring:
    """The objective that options ask for, or that of a problem where they leave something open.

    Raises
    ------
    SpecError
        For a score that is none, or weights that do not fit the network.
    """
    from ..networks.evaluator import convention_named, default_scoring, natural_score
    from ..networks.scores.table import TableScore
    from ..parsing import load_yaml, validated
    from ..problem.objective import ObjectiveSpec

    convention_named(convention)
    usual = natural_score(architecture) if problem is None else problem.objective.score
    asked: dict[str, Any] = {"score": usual if score is None else score}
    if problem is not None and asked["score"] == problem.objective.score:
        asked["table"] = problem.objective.table
    if alpha is not None:
        asked["alpha"] = load_yaml(f"[{alpha}]", "--alpha")
    if score_resolution is not None:
        asked["score_resolution"] = score_resolution
    if asked["score"] == TableScore.name and asked.get("table") is None:
        remedy = "give the folder of a design by a table, or another score"
        raise SpecError("--score", "table: nothing here says which table", remedy)
    try:
        objective = validated(ObjectiveSpec, asked, "objective")
    except SpecError as error:
        option = error.field.partition(".")[0]  # as of "alpha.1"
        raise SpecError(f"--{option.replace('_', '-')}", error.problem, error.remedy) from None
    if problem is not None and problem.objective.score == objective.score:
        scoring = problem.scoring
    else:
        scoring = default_scoring(convention if problem is None else problem.convention, architecture, objective.score)
    n_stages = 1 + architecture.stage_of[-1]
    if objective.alpha is not None and len(objective.alpha) != n_stages:
        raise SpecError(
            "--alpha",
            f"{counted(len(objective.alpha), 'weight')} for {counted(n_stages, 'down-sampling stage')}",
            "give one per stage",
        )
    resolution = scoring.score_resolution if score_resolution is None else score_resolution
    return replace(scoring, alpha=objective.alpha or scoring.alpha, score_resolution=resolution)


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
    network: Rank = None,
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
    from ..nn.exports import FOLDER
    from ..nn.exports import export as write
    from ..report.terminal import PlainConsole

    ensure_temporary(file if out is None else out)
    if out is not None and form != FOLDER:
        require_writable_file(out)
    levels = [] if features is None else features.split(",")
    other = _of_list(file, network, resolution)
    told = write(file, form, out, resolution=resolution, weights=weights, features=levels, architecture=other)
    PlainConsole().lines(told.splitlines())
