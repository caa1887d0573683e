"""Trains a few networks, fits a score to them, proves the optimum of the fit, and trains that.

    python examples/fit_score.py --out runs/score

The networks are random ones of ``fit_score.yaml`` within its budgets, and learn the digits of ``digits.py``. Ten minutes on two
cores of a CPU. Whatever ``--out`` holds already is not done again: the same command goes on after a kill.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import digits
import numpy as np
import typer
from rich.console import Console
from train import Recipe, fit

from mipdesign import Architecture, MipdesignError, Problem, design
from mipdesign.analysis.fitting import fit_score, read_results
from mipdesign.files import json_text, write_whole
from mipdesign.networks.architecture import Stage, Stem

HERE = Path(__file__).parent
RECIPE = Recipe(epochs=6, warmup=1, test_every=6)
FEATURES = ("depth", "log_channels", "log_width", "log_kernel")


def drawn(problem: Problem, rng: np.random.Generator) -> Architecture:
    """A random network of a space within its budgets."""
    while True:
        stages = []
        for space in problem.space:
            at = int(rng.integers(len(space.channels)))
            choice = space.choices[int(rng.integers(len(space.choices)))]
            if not choice.widths[at]:
                break
            b, k, depth = (int(rng.choice(values)) for values in (choice.widths[at], choice.kernels, space.depths))
            stages.append(Stage(choice.block, space.stride, space.channels[at], b, k, depth))
        stem = Stem(int(rng.choice(problem.stem.channels.values)), problem.stem.kernel, problem.stem.stride)
        network = Architecture(problem.input.resolution, stem, tuple(stages), None, problem.input.channels, problem.classes)
        if len(stages) == len(problem.space) and not problem.violations(network):
            return network


def main(
    out: Annotated[Path, typer.Option(help="Folder of the runs, the results, the fitted problem and its design.")],
    networks: Annotated[int, typer.Option(help="How many networks are trained.")] = 32,
    epochs: Annotated[int, typer.Option(help="Epochs of each.")] = RECIPE.epochs,
    seed: Annotated[int, typer.Option(help="Seed of networks and training.")] = 0,
) -> None:
    """Train, fit, prove, train."""
    console, problem = Console(stderr=True), Problem.load(HERE / "fit_score.yaml")
    recipe = Recipe(epochs=epochs, warmup=RECIPE.warmup, test_every=epochs, seed=seed)
    sets, rng, lines = digits.pictures(), np.random.default_rng(seed), ["network,accuracy"]
    for n in range(networks):
        network, folder = drawn(problem, rng), out / f"network-{n}"
        accuracy = fit(network, sets, recipe, folder, console=console)[-1]["test_accuracy"]
        write_whole(folder / "network.json", json_text(network.to_dict()).encode())
        lines.append(f"network-{n}/network.json,{accuracy}")
        console.print(f"network {n}: accuracy {accuracy:.4f}", highlight=False)
    write_whole(out / "results.csv", ("\n".join(lines) + "\n").encode())

    results = read_results(out / "results.csv")
    found = fit_score(problem, results, FEATURES)
    write_whole(out / "score.yaml", found.problem.dumps().encode())
    print(f"fitted to {networks} networks: tau {found.tau:.2f}, with 95% between {found.low:.2f} and {found.high:.2f}")
    for warning in found.warnings:
        print(f"warning: {warning}")

    best = design(found.problem, workers=1)
    assert best.status == "optimal" and best.architecture is not None
    best.save(out / "design")
    print(f"proven optimum of the fit: predicted accuracy {best.objective:.4f}")
    accuracy = fit(best.architecture, sets, recipe, out / "optimum", console=console)[-1]["test_accuracy"]
    print(f"trained: accuracy {accuracy:.4f}; of the others {results.accuracies.mean():.4f} in the mean, at most", end=" ")
    print(f"{results.accuracies.max():.4f}")


if __name__ == "__main__":
    try:
        typer.run(main)
    except MipdesignError as error:
        sys.exit(f"error: {error}")
