"""Why a design is what it is: which limits bind, what a little more of each would buy, and the next better design beyond each.

All of it is solved, not estimated: for each limit the problem is designed again with 1 % more, and then with ever tighter
limits, until the least limit is known at which a better network exists. Prices from the bound's multipliers stand beside that.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from ..arguments import FLAG, TEXTS, WORKERS, arguments, callback, instance, optional
from ..designs.design import Design
from ..designs.run import design
from ..display import showing
from ..engine.engine import Engine
from ..errors import MipdesignError, SpecError
from ..figures.parts import bits_text
from ..machine import processors
from ..networks.architecture import Architecture, PerBlock, Stage
from ..networks.budget_names import LOWER, kind_of_budget
from ..search.outcome import Progress
from .explanation_file import Better, Explanation, Limit
from .shadow_prices import shadow_prices
from .sweep import REAL

STEP = 0.01
"""Share by which each limit is relaxed; a lower one is divided by as much more than 1."""
REACHES = (0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Shares by which a limit is relaxed, one after the other, while nothing better is found."""
CLOSENESS = 1e-9
"""Relative distance between two values of a limit that is not a whole number."""

OnProgress = Callable[[str, float, Progress], None]
"""Told which limit has which value, and where the search of its optimum stands."""


@arguments(
    found=instance(Design, "a design", "what mipdesign.design() or Design.load() returns"),
    budgets=optional(TEXTS),
    workers=optional(WORKERS),
    progress=FLAG,
    on_progress=optional(callback),
)
@showing("ExplanationDisplay", on_progress="update")
def explain(
    found: Design,
    *,
    budgets: Iterable[str] | None = None,
    workers: int | None = None,
    progress: bool = False,
    on_progress: OnProgress | None = None,
    engine: Engine | None = None,
) -> Explanation:
    """Explains an optimum by designing its neighbours.

    Parameters
    ----------
    found:
        A design that is proven optimal.
    budgets:
        Names of the limits to look at; all by default.
    workers:
        Threads that expand nodes; one per processor by default.
    progress:
        Whether that is shown: in the terminal, or in the notebook.
    on_progress:
        Told which limit has which value, and where the search of its optimum stands.
    engine:
        A process with SCIP, with workers of its own; a new one by default, which ends in the end.

    Raises
    ------
    SpecError
        If the design is not proven optimal, or a name is none of its limits.
    """
    best = found.architecture
    if found.status != "optimal" or best is None:
        text = f"the run ended '{found.status}'"
        raise SpecError("", text, "explain a design that is proven optimal; an unfinished run goes on with resume")
    usage = {budget.name: budget for budget in found.problem.usage(best)}
    names = list(usage) if budgets is None else list(budgets)
    for name in names:
        if name not in usage:
            raise SpecError("budgets", f"{name!r} is not a limit of this design", f"use some of: {', '.join(usage)}")
    told = on_progress or (lambda name, limit, progress: None)
    objective = found.problem.evaluator(best).evaluation.objective
    used = engine or Engine(workers or processors())
    used.several = True
    try:
        used.prepare(found.problem)
        prices, limits = shadow_prices(used.tabulate(found.problem), objective), []
        for name in names:
            budget = usage[name]
            search = Search(found, best, name, budget.limit, used, told)
            relaxed = search.at(search.relaxed(STEP))
            limits.append(
                Limit(name, budget.limit, budget.value, budget.slack, prices.get(name), relaxed, search.nearest(relaxed))
            )
    finally:
        if engine is None:
            used.close()
    return Explanation(objective, tuple(limits))


@dataclass(frozen=True)
class Search:
    """Designs under changed values of one limit.

    Attributes
    ----------
    found, best, limit:
        The optimum that is explained, its network, and the limit that it keeps.
    """

    found: Design
    best: Architecture
    name: str
    limit: float
    engine: Engine
    on_progress: OnProgress

    @property
    def sign(self) -> int:
        """In which direction the limit is relaxed."""
        return -1 if self.name.startswith(LOWER) else 1

    @property
    def real(self) -> bool:
        """Whether the budget has values that are not whole."""
        return kind_of_budget(self.name) in REAL

    def relaxed(self, share: float) -> float:
        """The limit, relaxed by a share of it, by one at least where it is a whole number; lower limits stay positive."""
        value = self.limit * (1 + share) ** self.sign
        if self.real:
            return value
        return int(max(value, self.limit + 1)) if self.sign > 0 else max(1, int(min(value, self.limit - 1)))

    def at(self, limit: float) -> Better:
        """The optimum under a limit."""
        changed = self.found.problem.with_limits({self.name: limit})
        watch = functools.partial(self.on_progress, self.name, limit)
        found = design(changed, near=[self.found], engine=self.engine, on_progress=watch)
        if found.status != "optimal" or found.architecture is None:
            raise MipdesignError(f"the problem with {self.name} {limit} ended '{found.status}'; {'; '.join(found.incidents)}")
        evaluator = changed.evaluator(found.architecture)
        value = evaluator.figure(self.name)
        return Better(limit, evaluator.evaluation.objective, value, found.architecture, changes(self.best, found.architecture))

    def better(self, found: Better) -> bool:
        """Whether a network is better than the one that is explained, in exact arithmetic."""
        return self._exact(found.architecture) > self._exact_best

    def _exact(self, architecture: Architecture) -> Decimal:
        return self.found.problem.evaluator(architecture).exact_objective()

    @functools.cached_property
    def _exact_best(self) -> Decimal:
        return self._exact(self.best)

    def nearest(self, relaxed: Better) -> Better | None:
        """The better network that needs least of the budget.

        Parameters
        ----------
        relaxed:
            The optimum where the limit is relaxed by :data:`STEP`.
        """
        none_at, found = self.limit, relaxed
        for share in REACHES:
            if self.better(found):
                break
            none_at, found = found.limit, self.at(self.relaxed(share))
        if not self.better(found):
            return None
        halving = True
        while self._beyond(last := self._before(found.value), none_at):
            trial = (none_at + last) / 2 if halving else last
            trial = last if not self.real and abs(last - none_at) <= 2 else trial if self.real else int(trial)
            reached = self.at(trial)
            if self.better(reached):
                found = reached
            else:
                none_at = trial
            halving = not halving
        return found

    def _beyond(self, a: float, b: float) -> bool:
        """Whether limit ``a`` is looser than ``b``."""
        return self.sign * (a - b) > (CLOSENESS * abs(b) if self.real else 0)

    def _before(self, value: float) -> float:
        """The loosest limit that a value does not keep."""
        return value * (1 - self.sign * CLOSENESS) if self.real else value - self.sign


def changes(before: Architecture, after: Architecture) -> tuple[str, ...]:
    """What differs between two networks with as many super-blocks, in words."""
    found = []
    if before.stem.channels != after.stem.channels:
        found.append(f"stem: channels {before.stem.channels} -> {after.stem.channels}")
    for i, (old, new) in enumerate(zip(before.stages, after.stages, strict=True), 1):
        fields = ("block", "channels", "bottleneck", "kernel", "kernel_t", "depth")
        pairs = [(name, _words(getattr(old, name)), _words(getattr(new, name))) for name in fields]
        pairs.append(("bits", _bits_of(old), _bits_of(new)))
        differing = [f"{name} {a} -> {b}" for name, a, b in pairs if a != b]
        if differing:
            found.append(f"super-block {i}: {', '.join(differing)}")
    return tuple(found)


def _words(size: str | PerBlock) -> str:
    """A field of a super-block; one number for each block where they differ."""
    return " ".join(map(str, size)) if isinstance(size, tuple) else str(size)


def _bits_of(stage: Stage) -> str:
    """Bits of each block, once where all have the same."""
    texts = [bits_text(block) for block in stage.bits]
    return " ".join(texts[:1] if len(set(texts)) == 1 else texts)
