"""Trains a ResNet and designs of the same parameters and MACs by one recipe, several seeds each; table and curves.

    python examples/compare_training.py --out runs/comparison --picture curves.svg

The designs are the proven optima of ``digits.yaml`` under several limits of the effectiveness rho. Runs that ``--out`` holds
already are not repeated. ``benchmarks/results/training.md`` is about the outcome.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import digits
import numpy as np
import torch
import typer
from rich.console import Console
from train import Recipe, fit

from mipdesign import Architecture, MipdesignError, Problem, design, evaluate, read_network
from mipdesign.files import write_whole

HERE = Path(__file__).parent
LIMITS = (0.3, 1.0, 3.0)
"""Limits of rho; the space has no network with these budgets below 0.2."""
RECIPE = Recipe(epochs=12, test_every=3)
CONFIDENCE = 0.95
COLOURS = ("#000000", "#0072b2", "#d55e00", "#009e73")
"""Of the curves: four that differ in brightness too (Okabe and Ito)."""
MARKERS = "osD^"


@dataclass(frozen=True)
class Candidate:
    """A network and its runs: ``curves[figure]`` has shape ``(seeds, epochs)``, undefined where there was no test."""

    name: str
    network: Architecture
    curves: dict[str, np.ndarray]

    def final(self, figure: str) -> np.ndarray:
        """A figure after the last epoch, by seed."""
        return self.curves[figure][:, -1]


def networks() -> dict[str, Architecture]:
    """The networks by name, the ResNet first."""
    found = {"ResNet": read_network(HERE / "resnet_digits.json")}
    for limit in LIMITS:
        problem = Problem.named(str(HERE / "digits.yaml"), [f"budgets.effectiveness={limit}"])
        best = design(problem, workers=1)
        assert best.status == "optimal" and best.architecture is not None
        found[f"design, rho <= {limit:g}"] = best.architecture
    return found


def curves_of(rows: list[dict[str, Any]], figure: str) -> list[float]:
    """A figure of every epoch."""
    return [row.get(figure, math.nan) for row in rows]


def trained(folder: Path, recipe: Recipe, seeds: int, console: Console) -> list[Candidate]:
    """Trains what is missing, seed by seed, so that all networks have the same seeds whenever it is cut off."""
    candidates, sets = networks(), digits.pictures()
    rows: dict[str, list[list[dict[str, Any]]]] = {name: [] for name in candidates}
    for seed in range(seeds):
        for index, (name, network) in enumerate(candidates.items()):
            made = fit(network, sets, replace(recipe, seed=seed), folder / f"{index}-{seed}", console=console)
            rows[name].append(made)
            console.print(f"seed {seed}, {name}: test accuracy {made[-1]['test_accuracy']:.4f}", highlight=False)
    figures = ("train_loss", "test_loss", "test_accuracy")
    return [
        Candidate(name, network, {f: np.array([curves_of(made, f) for made in rows[name]]) for f in figures})
        for name, network in candidates.items()
    ]


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """Mean and its standard error."""
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))


def interval(differences: np.ndarray) -> tuple[float, float]:
    """Student's confidence interval of the mean of paired differences."""
    from scipy.stats import t

    mean, error = mean_and_error(differences)
    reach = float(t.ppf((1 + CONFIDENCE) / 2, len(differences) - 1)) * error
    return mean - reach, mean + reach


def table(candidates: list[Candidate]) -> list[str]:
    """The outcome as lines of Markdown; differences are to the first network, by seed."""
    headings = ["network", "layers", "rho", "parameters", "MACs", "training loss", "test loss", "test error, %"]
    headings += [f"less the {candidates[0].name}'s, {CONFIDENCE:.0%} interval"]
    lines = [f"| {' | '.join(headings)} |", "|---" * len(headings) + "|"]
    for candidate in candidates:
        figures = evaluate(candidate.network, "paper")
        error = 100 * (1 - candidate.final("test_accuracy"))
        least, most = interval(error - 100 * (1 - candidates[0].final("test_accuracy")))
        cells = [candidate.name, f"{figures.layers}", f"{figures.effectiveness:.3f}"]
        cells += [f"{figures.params_total:,}".replace(",", " "), f"{figures.macs:,}".replace(",", " ")]
        cells += ["{:.4f} ± {:.4f}".format(*mean_and_error(candidate.final(f))) for f in ("train_loss", "test_loss")]
        cells += ["{:.2f} ± {:.2f}".format(*mean_and_error(error))]
        cells += ["" if candidate is candidates[0] else f"{least:+.2f} to {most:+.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def draw(candidates: list[Candidate], path: Path) -> None:
    """Curves of the training loss and the test error: means over the seeds, with the band from the least to the largest."""
    import io

    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    with pyplot.rc_context({"svg.hashsalt": "mipdesign", "font.size": 9}):
        figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
        for axis, name, title in zip(axes, ("train_loss", "test_accuracy"), ("training loss", "test error, %"), strict=True):
            for candidate, colour, marker in zip(candidates, COLOURS, MARKERS, strict=False):
                values = candidate.curves[name]
                values = 100 * (1 - values) if name == "test_accuracy" else values
                there = ~np.isnan(values[0])
                epochs, values = np.arange(1, len(there) + 1)[there], values[:, there]
                axis.fill_between(epochs, values.min(0), values.max(0), color=colour, alpha=0.15, linewidth=0)
                axis.plot(epochs, values.mean(0), color=colour, marker=marker, markersize=4, label=candidate.name)
            axis.set(xlabel="epoch", ylabel=title, yscale="log")
            axis.grid(True, which="both", alpha=0.2)
        axes[0].legend(frameon=False)
        picture = io.BytesIO()
        figure.savefig(picture, format="svg", metadata={"Date": None})
        pyplot.close(figure)
    write_whole(path, picture.getvalue())


def main(
    out: Annotated[Path, typer.Option(help="Folder of the runs; those that it holds are not repeated.")],
    picture: Annotated[Path, typer.Option(help="SVG file of the curves.")],
    seeds: Annotated[int, typer.Option(min=2, help="Runs of each network.")] = 5,
    epochs: Annotated[int, typer.Option(min=3)] = RECIPE.epochs,
    rate: Annotated[float, typer.Option(help="Peak learning rate.")] = RECIPE.rate,
) -> None:
    """Compare a ResNet with designs of the same parameters and MACs."""
    torch.set_num_threads(1)
    candidates = trained(out, replace(RECIPE, epochs=epochs, rate=rate), seeds, Console(stderr=True))
    draw(candidates, picture)
    print("\n".join(table(candidates)))


if __name__ == "__main__":
    try:
        typer.run(main)
    except MipdesignError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
