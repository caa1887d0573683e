"""What a study is measured by: small pure functions on plain numbers.

Times are seconds; a run that did not solve its instance has the time ``math.inf`` until a function says what it counts instead.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence

SHIFT = 10.0
"""Shift of the geometric mean of times, in seconds."""
PENALTY = 10.0
"""How many times its limit an unsolved run costs in :func:`penalised_average`."""
ROUNDING = 1e-9
"""Relative gap at the root that is no gap."""

Trace = Sequence[tuple[float, float | None, float | None]]
"""Seconds, primal bound and dual bound from then on; ``None`` where there is none."""


def shifted_geometric_mean(values: Iterable[float], shift: float = SHIFT) -> float | None:
    """``(prod (v + s))^(1/n) - s`` of values from 0 up; ``None`` of nothing.

    The shift keeps differences between very small times from deciding (Achterberg, Constraint Integer Programming, 2007, A.3).
    """
    logs = [math.log(value + shift) for value in values]
    return math.exp(math.fsum(logs) / len(logs)) - shift if logs else None


def penalised_average(times: Sequence[float], limits: Sequence[float], penalty: float = PENALTY) -> float | None:
    """Mean time, where an unsolved run (``math.inf``) costs ``penalty`` times its limit: PAR10.

    Hutter, Hoos, Leyton-Brown, Stützle, ParamILS, JAIR 36 (2009), section 2. ``None`` of nothing.
    """
    costs = [time if math.isfinite(time) else penalty * limit for time, limit in zip(times, limits, strict=True)]
    return math.fsum(costs) / len(costs) if costs else None


def virtual_best(times: Mapping[str, Sequence[float]]) -> list[float]:
    """On every instance the time of whichever was fastest there; all sequences have one entry per instance, in one order."""
    return [min(column) for column in zip(*times.values(), strict=True)]


def performance_ratios(times: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """Time over the best time on every instance; ``math.inf`` where it is unsolved.

    Dolan, Moré, Benchmarking optimization software with performance profiles, Mathematical Programming 91 (2002), section 2.
    """
    best = virtual_best(times)

    def ratio(time: float, least: float) -> float:
        if math.isinf(time):
            return math.inf
        return 1.0 if time == least else time / least if least > 0 else math.inf

    return {name: [ratio(*pair) for pair in zip(row, best, strict=True)] for name, row in times.items()}


def performance_profile(ratios: Sequence[float]) -> list[tuple[float, float]]:
    """Steps of the share of instances whose ratio is at most ``tau``: pairs of ``tau`` and the share from there on.

    The first step is at ``tau = 1``; unsolved instances count in the share's denominator and make no step.
    """
    finite = sorted(ratio for ratio in ratios if math.isfinite(ratio))
    levels = sorted({1.0, *finite})
    return [(tau, sum(ratio <= tau for ratio in finite) / len(ratios)) for tau in levels] if ratios else []


def relative_distance(value: float | None, reference: float) -> float:
    """How far a bound is from the best known objective, from 0 to 1; 1 where there is none or the signs differ.

    Berthold, Measuring the impact of primal heuristics, Operations Research Letters 41 (2013), the *primal gap*.
    """
    if value is None or not math.isfinite(value) or value * reference < 0:
        return 1.0
    largest = max(abs(value), abs(reference))
    return 0.0 if largest == 0 else abs(value - reference) / largest


def gap_integral(points: Sequence[tuple[float, float | None]], reference: float, end: float) -> float:
    """Integral over time of :func:`relative_distance` from 0 to ``end``, in seconds; before the first point it is 1.

    With primal bounds it is the primal integral (Berthold 2013), with dual bounds the dual integral.

    Parameters
    ----------
    points:
        Seconds, in any order, and the bound from then on.
    """
    inside = sorted((point for point in points if point[0] < end), key=lambda point: point[0])
    steps = [(0.0, None), *((max(0.0, seconds), value) for seconds, value in inside), (end, None)]
    return math.fsum(
        (after[0] - before[0]) * relative_distance(before[1], reference) for before, after in itertools.pairwise(steps)
    )


def primal_integral(trace: Trace, best: float, end: float) -> float:
    """:func:`gap_integral` of the primal bounds."""
    return gap_integral([(seconds, primal) for seconds, primal, _ in trace], best, end)


def dual_integral(trace: Trace, best: float, end: float) -> float:
    """:func:`gap_integral` of the dual bounds."""
    return gap_integral([(seconds, dual) for seconds, _, dual in trace], best, end)


def root_gap(bound: float | None, best: float) -> float | None:
    """Relative distance of a root bound to the best known objective; ``None`` where either has no meaning.

    A bound that differs from the objective by rounding, or is below it, has the gap 0.
    """
    if bound is None or not math.isfinite(bound) or best == 0:
        return None
    gap = (bound - best) / abs(best)
    return gap if gap > ROUNDING else 0.0
