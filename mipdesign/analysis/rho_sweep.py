"""A frontier along ``rho0``, the limit of DeepMAD's effectiveness, with the best networks of each value to choose from.

The objective says nothing of which value to take: it grows with ``rho0``. Only training does, of some networks of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from ..arguments import arguments
from ..display import showing
from ..errors import SpecError, short
from ..numerals import plain_number, positive
from ..problem.given import ProblemLike, given_problem
from ..search.differences import Difference
from ..search.outcome import Progress
from .frontier_file import Frontier
from .frontier_runner import pareto
from .sweep import Sweep, require_double

BUDGET = "effectiveness"
"""The budget whose limit is ``rho0``."""
BEST, DIFFERENT = 3, "channels:10%"
"""What is listed at each value where nothing else is asked for: these many networks, which differ by this rule."""
REMEDY = "give two or more values, for example 0.3,0.5,1, or 0.3:2:5 (first, last, how many)"


@arguments()
@showing("FrontierDisplay", on_frontier="solved", on_point="update")
def rho_sweep(
    problem: ProblemLike,
    rho: str | Iterable[float | Fraction | str],
    folder: str | Path | None = None,
    *,
    within: str | float | Fraction | None = None,
    best: int | None = None,
    different: str | Difference | None = None,
    most: int | None = None,
    time_limit: float | None = None,
    seed: int = 0,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: bool = False,
    on_frontier: Callable[[Frontier], None] | None = None,
    on_point: Callable[[int, Progress], None] | None = None,
    copied: bool = False,
    overwrite: bool = False,
) -> Frontier:
    """The proven optima of a problem along limits ``rho0`` of the effectiveness, each with a complete list of networks.

    A larger ``rho0`` admits more networks, so that the objective grows with it whatever it does to training: objectives of
    different ``rho0`` cannot be compared as forecasts of accuracy.

    Parameters
    ----------
    problem:
        As of :func:`mipdesign.pareto`, with a limit of the effectiveness, which the values take the place of.
    rho:
        The values, each decided as the exact decimal that it is: numbers, or a text, ``"0.3,0.5,1"`` or ``"0.3:2:5"``
        (first, last, how many; with ``:log`` at equal ratios).
    within, best, different, most:
        Networks to be listed at each value, as of :func:`mipdesign.design`. Without ``within`` and ``best`` the best three
        that differ by ``"channels:10%"``, or by ``different``.
    folder, time_limit, seed, workers, scheduler, progress, on_frontier, on_point, copied, overwrite:
        As of :func:`mipdesign.pareto`.

    Returns
    -------
    The frontier; ``points[i].pool`` has the networks of a value, best first.

    Raises
    ------
    SpecError
        For values or options that cannot be used, a problem without a limit of the effectiveness, or a folder of something
        else.
    """
    problem, sweep = given_problem(problem), values_of(rho)
    if BUDGET not in problem.budgets.limits():
        limits = f"{problem.name!r} does not limit the effectiveness, of which rho0 is the limit"
        remedy = f"give it a limit, for example budgets.{BUDGET}=0.3, or sweep another budget with pareto"
        raise SpecError("rho", limits, remedy)
    if within is None and best is None:
        best, different = BEST, DIFFERENT if different is None else different
    return pareto(
        problem,
        sweep,
        folder,
        time_limit=time_limit,
        seed=seed,
        workers=workers,
        scheduler=scheduler,
        on_frontier=on_frontier,
        on_point=on_point,
        copied=copied,
        within=within,
        best=best,
        different=different,
        most=most,
        overwrite=overwrite,
    )


def values_of(rho: Any) -> Sweep:
    """Values of ``rho0`` as a sweep.

    Raises
    ------
    SpecError
        If they are not two or more different positive numbers, each of which a double stands for.
    """
    if isinstance(rho, str) and ":" in rho:
        try:
            return Sweep.parse(f"budgets.{BUDGET}={rho}")
        except SpecError as error:
            raise SpecError("rho", error.problem, error.remedy) from None
    if not isinstance(rho, Iterable):
        raise SpecError("rho", f"{short(rho)} is no list of values", REMEDY)
    values = [_value(word) for word in (rho.split(",") if isinstance(rho, str) else rho)]
    twice = [value for i, value in enumerate(values) if value in values[:i]]
    if twice:
        raise SpecError("rho", f"{twice[0]} is there twice", "give each value once")
    if len(values) < 2:
        raise SpecError("rho", f"{short(rho)} is {'a single value' if values else 'empty'}", REMEDY)
    return Sweep(BUDGET, tuple(sorted(values)))


def _value(given: Any) -> float:
    """One value of ``rho0``."""
    if isinstance(given, str):
        given = given.strip()
    elif isinstance(given, Real) and not isinstance(given, (bool, Fraction)):  # numbers of numpy, too
        given = int(given) if isinstance(given, Integral) else float(given)
    try:
        number = plain_number(positive(given))
    except SpecError as error:
        raise SpecError("rho", error.problem, "give a positive number, such as 0.3") from None
    return float(require_double(number, "rho", given))
