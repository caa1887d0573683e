"""What a study says, in words: the fastest variants and what is as fast, what was left unsolved, and what went wrong."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from mipdesign.figures.tables import plain_text

from .metrics import shifted_geometric_mean
from .tables import NOT_RUN, Results, Variant, label, solved_seconds

TIE = 1.1
"""Ratio of two mean times up to which neither variant is called faster."""
MOST_NAMES = 5
"""Names of a list that is told in full."""


def conclusions(results: Results) -> list[tuple[str, str]]:
    """What is concluded of each question: a word for it, and a sentence."""
    told = [*_of_speed(results), *_of_what_is_unsolved(results)]
    wrong = Counter(label(r.variant) for r in results.records if r.status == "wrong")
    told.append(("wrong", _counted(wrong, "answer") if wrong else "no answer"))
    missing = Counter(label(r.variant) for r in results.records if r.status in NOT_RUN)
    if missing:
        told.append(("not run", f"{_counted(missing, 'run')}; only what all variants ran is compared"))
    return told


def _of_speed(results: Results) -> Iterator[tuple[str, str]]:
    """The fastest exact variants by their mean over all runs that were compared."""
    exact = results.exact()
    if not exact or not results.cases:
        yield "fastest", "nothing to compare: no run of an exact formulation that every variant has"
        return
    means = mean_times(results)
    ordered = sorted(exact, key=lambda variant: (means[variant], variant))
    best = means[ordered[0]]
    solved = {variant: sum(map(math.isfinite, times)) for variant, times in results.times().items()}
    if not any(solved[variant] for variant in exact):
        yield "fastest", f"none: no exact variant solved any of {len(results.cases)} runs"
        return
    count = len(results.cases)
    runs = f"{count} run{'s' if count > 1 else ''}, {'all' if solved[ordered[0]] == count else solved[ordered[0]]} solved"
    yield "fastest", f"{label(ordered[0])}, {plain_text(best)} s (shifted geometric mean of {runs})"
    tied = [variant for variant in ordered[1:] if means[variant] <= TIE * best]
    if tied:
        names = _listed([f"{label(variant)} ({plain_text(means[variant])} s)" for variant in tied])
        yield "as fast", f"{names}: within {100 * (TIE - 1):.0f} % of the fastest"
    others = ordered[1 + len(tied) :]
    if others:
        yield "next", f"{label(others[0])}, {plain_text(means[others[0]] / best)} times as long"
    if len(others) > 1:
        yield "slowest", f"{label(others[-1])}, {plain_text(means[others[-1]] / best)} times as long"


def mean_times(results: Results) -> dict[Variant, float]:
    """Shifted geometric mean of every compared variant, an unsolved run with its limit, as in the summary."""
    limits = [float(results.of_variant[results.compared[0]][case].limits["seconds"]) for case in results.cases]
    of_all = results.times()
    capped = {v: [min(t, limit) for t, limit in zip(times, limits, strict=True)] for v, times in of_all.items()}
    return {variant: shifted_geometric_mean(times) or 0.0 for variant, times in capped.items()}


def _of_what_is_unsolved(results: Results) -> Iterator[tuple[str, str]]:
    """Instances that nothing solved, and variants that did not solve all of their runs."""
    by_instance: dict[str, bool] = {}
    for record in results.records:
        solved = math.isfinite(solved_seconds(record)) and record.claim == "exact"
        by_instance[record.instance] = by_instance.get(record.instance, False) or solved
    left = [name for name, solved in sorted(by_instance.items()) if not solved]
    yield "unsolved", f"{_listed(left)}, by every exact variant" if left else "no instance: some exact variant solved each"
    of_all = results.times()
    short = {
        v: (len(of_all[v]) - n, len(of_all[v]))
        for v in results.exact()
        if (n := sum(map(math.isfinite, of_all[v]))) < len(of_all[v])
    }
    if short:
        ordered = sorted(short, key=lambda variant: (-short[variant][0], variant))
        yield "partly solved by", _listed([f"{label(v)} (not {short[v][0]} of {short[v][1]} runs)" for v in ordered])
    elif results.exact() and results.cases:
        yield "solved by", "every exact variant, in all runs that are compared"


def _counted(counts: Counter[str], what: str) -> str:
    """How many of something there are, and whose."""
    total = sum(counts.values())
    names = _listed([f"{name} ({n})" for name, n in counts.most_common()])
    return f"{total} {what}{'s' if total != 1 else ''}: {names}"


def _listed(names: Sequence[str]) -> str:
    """Names with commas; of many the first ones."""
    shown = ", ".join(names[:MOST_NAMES])
    return f"{shown} and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else shown
