"""Why a design is what it is: which limits bind, what a little more of each would buy, and the next better design beyond each.

Everything here is solved, not estimated: for each limit the problem is designed again with 1 % more, and then with ever tighter
limits, until the least limit is known at which a better network exists. The prices of the bound's multipliers stand beside that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .architecture import Architecture
from .errors import SpecError
from .evaluation import LOWER
from .frontier import price_of
from .lattice import build_tables
from .pool import Pool
from .prices import shadow_prices
from .problem import Problem
from .run import Design, design
from .solve import Progress
from .warmup import warm_up

EXPLANATION = "explanation.json"
FORMAT = "mipdesign-explanation-1"
STEP = 0.01
"""Share by which each limit is relaxed."""
REACHES = (0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Shares by which a limit is relaxed, one after the other, while nothing better is found."""
CLOSENESS = 1e-9
"""Relative distance between two values of a limit that is not a whole number."""


@dataclass(frozen=True)
class Better:
    """The best design under a changed limit, and what it changes."""

    limit: float
    objective: float
    value: float
    architecture: Architecture
    changes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "limit": self.limit,
            "objective": self.objective,
            "value": self.value,
            "architecture": self.architecture.to_dict(),
            "changes": list(self.changes),
        }


@dataclass(frozen=True)
class Limit:
    """One limit of an optimum.

    Attributes
    ----------
    name, limit, value, slack:
        As of :class:`mipdesign.budgets.Budget`.
    price:
        Objective per unit of the limit, from the multipliers of the bound; ``None`` where there is no multiplier.
    relaxed:
        The optimum where this limit is relaxed by 1 %.
    outside:
        The network that needs least of this budget among all that are better and keep the other limits; ``None`` where there is
        none up to twice the limit (half of it for a lower one).
    """

    name: str
    limit: float
    value: float
    slack: float
    price: float | None
    relaxed: Better
    outside: Better | None

    @property
    def binds(self) -> bool:
        """Whether there is a better network beyond this limit, all other limits kept."""
        return self.outside is not None

    def predicted(self, objective: float) -> float | None:
        """Objective that the price foretells for the relaxed limit."""
        return None if self.price is None else objective + self.price * (self.relaxed.limit - self.limit)


@dataclass(frozen=True)
class Explanation:
    """What :func:`explain` finds."""

    objective: float
    limits: tuple[Limit, ...]

    def to_dict(self) -> dict[str, Any]:
        """The content of ``explanation.json``."""
        return {
            "format": FORMAT,
            "objective": self.objective,
            "budgets": [
                {
                    "name": limit.name,
                    "limit": limit.limit,
                    "value": limit.value,
                    "slack": limit.slack,
                    "binds": limit.binds,
                    "price": limit.price,
                    "relaxed": limit.relaxed.to_dict() | {"predicted": limit.predicted(self.objective)},
                    "outside": None if limit.outside is None else limit.outside.to_dict(),
                }
                for limit in self.limits
            ],
        }


def explain(
    found: Design,
    *,
    budgets: Iterable[str] | None = None,
    workers: int | None = None,
    on_progress: Callable[[str, Progress], None] | None = None,
) -> Explanation:
    """Explains an optimum by designing its neighbours.

    Parameters
    ----------
    found:
        A design that is proven optimal.
    budgets:
        Names of the limits to look at; all by default.
    workers:
        Child processes; one per processor by default.
    on_progress:
        Told what is being solved, and where it stands.

    Raises
    ------
    SpecError
        If the design is not proven optimal, or a name is none of its limits.
    """
    best = found.architecture
    if found.status != "optimal" or best is None:
        text = f"the run ended '{found.status}'"
        raise SpecError("", text, "explain a design that is proven optimal; an unfinished run goes on with 'design --resume'")
    usage = {budget.name: budget for budget in found.problem.usage(best)}
    names = list(usage) if budgets is None else list(budgets)
    for name in names:
        if name not in usage:
            raise SpecError("--budget", f"{name!r} is not a limit of this design", f"use some of: {', '.join(usage)}")
    if workers is not None and not 1 <= workers <= 1024:
        raise SpecError("workers", f"{workers!r} is out of range", "give a number from 1 to 1024")
    warm_up()
    objective = found.problem.evaluator(best).evaluation.objective
    prices = shadow_prices(build_tables(found.problem), objective)
    pool = Pool(workers or os.cpu_count() or 1)
    try:
        limits = []
        for name in names:
            told = (lambda progress: None) if on_progress is None else functools.partial(on_progress, name)
            search = _Search(found.problem, best, objective, name, pool, told)
            budget = usage[name]
            relaxed = search.at(search.relaxed(STEP))
            limits.append(
                Limit(name, budget.limit, budget.value, budget.slack, prices.get(name), relaxed, search.nearest(relaxed))
            )
    finally:
        pool.close()
    return Explanation(objective, tuple(limits))
