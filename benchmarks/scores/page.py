"""What a study says, as tables in Markdown."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np

from mipdesign.analysis.rank_correlation import pooled_tau

from .differences import paired
from .drawing import BEST, OPTIMUM, RANDOM, Drawn
from .study import Run, digest_of

COLLAPSED = 0.5
"""A run whose accuracy is below this share of the median of its recipe counts as collapsed."""

LAST_DEPTHS = ((1, 1), (2, 2), (3, 3), (4, 5), (6, math.inf))
"""Bins of the number of blocks in the last super-block."""


@dataclass(frozen=True)
class Trained:
    """A network and its accuracy under one recipe (rate and epochs), by seed."""

    network: Drawn
    by_seed: dict[int, float]

    @property
    def accuracy(self) -> float:
        """Mean over the seeds."""
        return mean(self.by_seed.values())


@dataclass(frozen=True, order=True)
class Setting:
    """What recipes differ in, seeds aside."""

    epochs: int
    zero_init_last: bool
    rate: float

    def __str__(self) -> str:
        return f"{self.epochs} epochs, rate {self.rate:g}" + (", from the shortcut" if self.zero_init_last else "")


Recipes = dict[Setting, list[Trained]]


def by_recipe(networks: Sequence[Drawn], runs: Sequence[Run], data: str) -> Recipes:
    """Trained networks by setting. One in which some network has no run is left out."""
    found: dict[Setting, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for run in runs:
        setting = Setting(**{name: run.training[name] for name in ("epochs", "zero_init_last", "rate")})
        found[setting][run.digest][run.training["seed"]] = run.outcome["accuracy"]
    digests = [digest_of(network, data) for network in networks]
    return {
        setting: [Trained(network, of[digest]) for network, digest in zip(networks, digests, strict=True)]
        for setting, of in sorted(found.items())
        if of.keys() >= set(digests)
    }


def tables(networks: Sequence[Drawn], runs: Sequence[Run], data: str) -> Iterator[str]:
    """The page, line by line."""
    recipes = by_recipe(networks, runs, data)
    seconds = sum(run.outcome["seconds"] for run in runs)
    yield f"{len(networks)} networks, {len(runs)} training runs, {seconds / 3600:.1f} hours of one core or device share."
    yield from _groups(networks)
    yield from _order(recipes)
    yield from _accuracies(recipes)
    yield from _differences(recipes)
    yield from _collapses(recipes)
    yield from _by_last_depth(recipes)


def _limits(trained: Sequence[Trained]) -> list[float]:
    return sorted({t.network.limit for t in trained})


def _names(networks: Sequence[Drawn]) -> list[str]:
    """Groups in order: the optimum, the best that differ from it, shares from above, random ones."""
    groups = {n.group for n in networks}
    shares = sorted(groups - {OPTIMUM, BEST, RANDOM}, key=float, reverse=True)
    return [OPTIMUM, *([BEST] if BEST in groups else []), *shares, RANDOM]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield ""
    yield "| " + " | ".join(header) + " |"
    yield "|" + "---|" * len(header)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def _span(values: Sequence[float], digits: int = 0) -> str:
    least, most = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return least if least == most else f"{least} to {most}"


def _groups(networks: Sequence[Drawn]) -> Iterator[str]:
    rows = []
    for limit in sorted({n.limit for n in networks}):
        for group in _names(networks):
            some = [n for n in networks if (n.limit, n.group) == (limit, group)]
            if some:
                objectives = [n.objective for n in some]
                figures = (
                    _span(objectives, 0 if min(objectives) >= 100 else 4),  # a predicted accuracy is below 1
                    _span([n.layers for n in some]),
                    _span([n.effectiveness for n in some], 2),
                )
                rows.append([f"{limit:g}", group, f"{len(some)}", *figures])
    yield from _table(("ρ0", "group", "networks", "objective", "layers", "ρ"), rows)


def _order(recipes: Recipes) -> Iterator[str]:
    """Kendall's tau of accuracy with the objective, at each limit, within all and across all, and with other figures."""
    rows = []
    for recipe, trained in recipes.items():
        accuracy = np.array([t.accuracy for t in trained])
        limit = np.array([t.network.limit for t in trained])

        def within(name: str, trained: Sequence[Trained] = trained, accuracy=accuracy, limit=limit) -> list[tuple]:  # type: ignore
            figure = np.array([float(getattr(t.network, name)) for t in trained])
            return [(figure[limit == value], accuracy[limit == value]) for value in np.unique(limit)]

        strata = within("objective")
        rows += [
            [str(recipe), f"ρ0 = {value:g}", str(pooled_tau([part]))]
            for value, part in zip(np.unique(limit), strata, strict=True)
        ]
        rows.append([str(recipe), "**within all**", f"**{pooled_tau(strata)}**"])
        across = [(np.concatenate([x for x, _ in strata]), np.concatenate([y for _, y in strata]))]
        rows.append([str(recipe), "across all", str(pooled_tau(across))])
        for name in ("layers", "effectiveness", "macs"):
            rows.append([str(recipe), f"within all, of {name} instead", str(pooled_tau(within(name)))])
    yield from _table(("recipe", "networks", "Kendall's tau, 95 % bootstrap interval"), rows)


def _accuracies(recipes: Recipes) -> Iterator[str]:
    """Mean accuracy by limit and group, in percent."""
    for recipe, trained in recipes.items():
        names = _names([t.network for t in trained])
        rows = []
        for limit in _limits(trained):
            cells = []
            for group in names:
                some = [100 * t.accuracy for t in trained if (t.network.limit, t.network.group) == (limit, group)]
                error = np.std(some, ddof=1) / math.sqrt(len(some)) if len(some) > 1 else math.nan
                cells.append(
                    "-" if not some else f"{mean(some):.2f}" if math.isnan(error) else f"{mean(some):.2f} ± {error:.2f}"
                )
            rows.append([f"{limit:g}", *cells])
        yield f"\nAccuracy in percent, {recipe}:"
        yield from _table(("ρ0", *names), rows)


def _differences(recipes: Recipes) -> Iterator[str]:
    """Groups against random networks of the same limit and seed, in points."""
    rows = []
    for recipe, trained in recipes.items():
        names = _names([t.network for t in trained])
        for group in names[:-1]:
            differences = []
            for limit in _limits(trained):
                of = {
                    name: [t for t in trained if (t.network.limit, t.network.group) == (limit, name)]
                    for name in (group, RANDOM)
                }
                if not all(of.values()):
                    continue
                for seed in sorted(set.intersection(*(set(t.by_seed) for part in of.values() for t in part))):
                    ours, theirs = (mean(t.by_seed[seed] for t in of[name]) for name in (group, RANDOM))
                    differences.append(100 * (ours - theirs))
            if not differences:
                continue
            estimate = paired(differences)
            rows.append([str(recipe), group, f"{len(differences)}", str(estimate), f"{estimate.p:.3f}"])
    if rows:
        yield from _table(
            ("recipe", "group", "pairs (ρ0, seed)", "points above random ones, 95 % interval", "p (Wilcoxon)"), rows
        )


def _collapsed(trained: Sequence[Trained], some: Sequence[Trained]) -> str:
    """How many runs of some networks of a recipe collapsed, of how many."""
    least = COLLAPSED * float(np.median([t.accuracy for t in trained]))
    runs = [a for t in some for a in t.by_seed.values()]
    return f"{sum(a < least for a in runs)} of {len(runs)}"


def _collapses(recipes: Recipes) -> Iterator[str]:
    rows = []
    for recipe, trained in recipes.items():
        groups = _names([t.network for t in trained])
        cells = [_collapsed(trained, [t for t in trained if t.network.group == group]) for group in groups]
        rows.append([str(recipe), *cells])
    names = _names([t.network for trained in recipes.values() for t in trained]) if recipes else []
    yield f"\nCollapsed runs, below {COLLAPSED:g} of the median accuracy:"
    yield from _table(("recipe", *names), rows)


def _by_last_depth(recipes: Recipes) -> Iterator[str]:
    """What the blocks of the last super-block do: nothing normalises their sum before the classifier reads it."""
    rows = []
    for recipe, trained in recipes.items():
        cells = []
        for least, most in LAST_DEPTHS:
            some = [t for t in trained if least <= t.network.network["stages"][-1]["depth"] <= most]
            runs = [a for t in some for a in t.by_seed.values()]
            cells.append(f"{100 * mean(runs):.1f} ({_collapsed(trained, some)})" if runs else "-")
        rows.append([str(recipe), *cells])
    yield "\nAccuracy in percent by blocks of the last super-block, and how many runs collapsed:"
    names = [
        f"{least}" if least == most else f"{least} or more" if most == math.inf else f"{least} to {most}"
        for least, most in LAST_DEPTHS
    ]
    yield from _table(("recipe", *names), rows)
