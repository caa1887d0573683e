"""Complete lists: all networks within a tolerance of the optimum, the best ones, or the best ones that differ.

``docs/howto/several.md`` defines the lists, and ``docs/certificate.md`` says what proves one. Networks are rows of stem,
columns and depths here, since there may be a million of them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ..arguments import checked, optional, whole
from ..checker import MOST_MEMBERS
from ..errors import SpecError
from ..interrupts import deferred
from ..lattice.arrays import Floats, Ints
from ..lattice.cell import Cell
from ..lattice.position import Candidate
from ..lattice.tables import Tables
from .branching import Record, Split
from .differences import Difference, Neighbourhood, ratio_of
from .outcome import OpenNode
from .pool import Order, Pool, error_of, feasible, lowered
from .walk import Walk

MOST_LISTED = 1_000_000
"""Longest list, unless another limit is asked for."""
COUNT = whole(1, MOST_MEMBERS)
"""Lengths that a list may have."""
SMALL = 100_000
"""A space of at most so many points is listed without a guess where its best networks end."""
FIRST_GUESS, GUESS_FACTOR, LAST_GUESS = 1e-4, 4.0, 4.0
"""Relative distance from the optimum within which the best networks are looked for first, what it grows by while there are too
few of them, and after which the whole space is looked at.
"""
KEPT = 20_000
"""Networks of earlier trees that are kept, with which the search for the next different one begins."""
BORDER_COLUMNS = 60
"""Most columns of a cell that is split along a border."""
PROOF_SHARE = 0.7
"""Share of the time in which different networks are looked for: the rest is for the tree that proves them."""

LAST_SECONDS = 5.0
"""The time for it after an interruption."""


@dataclass(frozen=True)
class Wanted:
    """Which networks are listed: all that are no more than ``within`` worse than the optimum, relative to it; of these, or of
    all, the ``best`` ones; each of which differs from all before it by ``different``. At most ``most`` in any case.
    """

    within: Fraction | None = None
    best: int | None = None
    different: Difference | None = None
    most: int = MOST_LISTED

    @classmethod
    def of(
        cls,
        within: str | float | Fraction | None,
        best: int | None,
        different: str | Difference | None,
        most: int | None = None,
    ) -> Wanted | None:
        """What is asked, from texts; ``None`` where nothing is.

        Raises
        ------
        SpecError
            For a value that is none, or a difference alone.
        """
        best, most = (checked(name, optional(COUNT), number) for name, number in (("best", best), ("most", most)))
        if within is None and best is None:
            if different is not None or most is not None:
                raise SpecError("different" if different is not None else "most", "lists nothing alone", "add within or best")
            return None
        rule = different if different is None or isinstance(different, Difference) else Difference.of(different)
        tolerance = None if within is None else ratio_of(within, "within")
        return cls(tolerance, best, rule, most or MOST_LISTED)

    @property
    def count(self) -> int:
        """Most networks of the list."""
        return self.most if self.best is None else min(self.best, self.most)

    def to_plain(self) -> dict[str, Any]:
        """Plain data that :meth:`of` takes as its arguments."""
        texts = {name: None if value is None else str(value) for name, value in vars(self).items()}
        return texts | {"best": self.best, "most": self.most}

    def asks_for(self, listed: Mapping[str, Any]) -> bool:
        """Whether a list, as :meth:`Listed.summary` tells of it, is of these networks, if perhaps not of all of them."""
        plain = self.to_plain()
        same = all(listed[name] == plain[name] for name in ("within", "different"))
        return same and (listed["best"] is None or listed["best"] <= (self.best or self.most))

    def answered_by(self, listed: Mapping[str, Any] | None) -> bool:
        """Whether such a list has all that is asked for: one that time ended may be a complete one of fewer networks."""
        if listed is None or not listed["complete"] or not self.asks_for(listed):
            return False
        return listed["best"] in (self.best, self.count)

    def threshold(self, optimum: Fraction) -> Fraction | None:
        """The least objective of the list, exactly."""
        return None if self.within is None else optimum - self.within * abs(optimum)


def not_of_a_list(name: str) -> SpecError:
    """Why an argument is refused where a list is asked for."""
    return SpecError(name, "does not go together with a list of networks", "leave it or the list out")


@dataclass(frozen=True)
class Listed:
    """A list and its tree.

    Attributes
    ----------
    rows, objectives:
        The networks in order, and what each is worth in floating point.
    best:
        The number of networks that ends it; ``None`` where only the threshold does.
    bound:
        ``None`` for a complete list. Else no network that belongs into the list and is not in it has a larger objective.
    """

    wanted: Wanted
    rows: Ints
    objectives: Floats
    best: int | None
    threshold: Fraction | None
    records: list[Record]
    open: list[OpenNode]
    bound: float | None

    def to_plain(self) -> dict[str, Any]:
        """What a certificate says of it."""
        rule = self.wanted.different
        by = None if rule is None else int(rule.by) if rule.kind == "decisions" else str(rule.by)
        return {
            "within": None if self.wanted.within is None else str(self.wanted.within),
            "best": self.best,
            "different": None if rule is None else [rule.kind, by],
            "count": len(self.rows),
            "complete": self.bound is None,
            "bound": self.bound,
        }

    def summary(self) -> dict[str, Any]:
        """What ``result.json`` says of it."""
        rule, threshold = self.wanted.different, None if self.threshold is None else float(self.threshold)
        return self.to_plain() | {"different": None if rule is None else str(rule), "threshold": threshold}


# ---------------------------------------------------------------- the search


class ListSearch:
    """Lists the networks of a problem whose optimum is known.

    Parameters
    ----------
    optimum:
        The first network.
    until:
        When to stop, by ``time.monotonic``.
    on_progress:
        Called now and then with how many networks are found, the bound of those that are not, and how many nodes are open and
        done.
    """

    def __init__(
        self,
        tables: Tables,
        wanted: Wanted,
        optimum: Candidate,
        workers: int = 1,
        until: float = math.inf,
        on_progress: Callable[[int, float, int, int], None] = lambda found, bound, open_nodes, closed: None,
    ) -> None:
        self.tables, self.wanted, self.workers, self.until, self.on_progress = tables, wanted, workers, until, on_progress
        self.order = Order(tables)
        position = optimum.position
        self.first = np.array([position.stem, *position.columns, *position.depths], dtype=np.int64)
        self.threshold = wanted.threshold(Fraction(self.order.objective(self.first)))
        self.top = optimum.objective
        self.found = 0
        self.interrupted = False
        self._check: Callable[[], None] = lambda: None

    @property
    def floor(self) -> float:
        """What every network of the list is worth, as a double."""
        return -math.inf if self.threshold is None else float(self.threshold)

    def run(self) -> Listed | None:
        """Lists; ``None`` where it was stopped before anything was proved of the list."""
        with deferred() as self._check:
            return self._pooled() if self.wanted.different is None else self._different()

    def _walk(self, walk: Walk, until: float, pool: Pool | None = None) -> bool:
        """Whether a tree came to its end."""

        def on_wait() -> None:
            found = self.found if pool is None else max(self.found, min(pool.total, self.wanted.count))
            try:
                if not self.interrupted:  # whoever is told interrupts, too
                    self.on_progress(found, walk.bound, len(walk.open), len(walk.records))
                    self._check()
            except KeyboardInterrupt:
                self.interrupted = walk.stopping = True
            if time.monotonic() > until:
                walk.stopping = True

        return walk.run(self.workers, on_wait)

    def _floors(self, from_objective: float) -> list[float]:
        """Levels down to which to look for the best networks, one after the other until there are enough of them."""
        if Cell.whole(self.tables).n_points(self.tables) <= SMALL:
            return [self.floor]
        guess, found = FIRST_GUESS, []
        while guess < LAST_GUESS:
            found.append(from_objective - guess * max(abs(from_objective), abs(self.top)))
            guess *= GUESS_FACTOR
        return [*(level for level in found if self.floor < level < from_objective), self.floor]

    def _pooled(self) -> Listed | None:
        """All networks of a list in which none has to differ from another one."""
        count = self.wanted.count
        for floor in self._floors(self.top) if self.wanted.best is not None else [self.floor]:
            pool = Pool(self.tables, count, floor)
            walk = Walk(self.tables, lambda cell, pool=pool: lowered(self.tables, pool.level), pool.take)  # type: ignore[misc]
            done = self._walk(walk, self.until, pool)
            rows, objectives = pool.networks()
            reached = int((objectives >= floor + error_of(self.tables, floor)).sum()) if math.isfinite(floor) else len(rows)
            if not done or reached >= count:
                break
        bound = None if done else max(walk.bound, pool.level)
        rows, objectives = self.order.first(rows, objectives, count, self.threshold)
        best = count if self.wanted.best is not None or len(rows) == count else None
        return self._listed(rows, objectives, walk, bound, best)

    def _listed(self, rows: Ints, objectives: Floats, walk: Walk, bound: float | None, best: int | None) -> Listed | None:
        if bound is not None and not bound < self.order.objective(self.first):
            return None
        remaining = [OpenNode.of(self.tables, node, None) for node in walk.open]
        return Listed(self.wanted, rows, objectives, best, self.threshold, walk.records, remaining, bound)

    # ---------------------------------------------------------------- different ones

    def _different(self) -> Listed | None:
        """The networks of a list of different ones, found one by one, and then one tree that proves them all."""
        rule = self.wanted.different
        assert rule is not None
        members, objectives, now = [self.first], [self.top], time.monotonic()
        until = now + PROOF_SHARE * (self.until - now)
        near = [rule.around(self.tables, self.first)]
        seen = Pool(self.tables, KEPT, self.floor, near)
        while len(members) < self.wanted.count:
            self.found = len(members)
            found = self._next(near, seen, objectives[-1], until)
            if self.interrupted or found is None:
                break
            members.append(found[0])
            objectives.append(found[1])
            near.append(rule.around(self.tables, found[0]))
            rows, values = seen.networks()
            seen = Pool(self.tables, KEPT, self.floor, near)
            seen.add(rows, values)
        self.found = len(members)
        if self.interrupted:
            self.until = min(self.until, time.monotonic() + LAST_SECONDS)
        ends = self.interrupted or len(members) == self.wanted.count or time.monotonic() > until
        return self._proved(np.array(members), np.array(objectives), near, len(members) if ends else self.wanted.best)

    def _next(self, near: list[Neighbourhood], seen: Pool, before: float, until: float) -> tuple[Ints, float] | None:
        """The first network in the order that differs from those before; ``None`` if there is none, or it was stopped."""
        rows, values = seen.networks()
        known = float(values.max()) if len(values) else -math.inf
        for floor in [known] if math.isfinite(known) else self._floors(before):
            pool = Pool(self.tables, 1, floor, near)

            def take(rows: Ints, pool: Pool = pool) -> None:
                kept, worth = feasible(self.tables, rows)
                pool.add(kept, worth)
                seen.add(kept, worth)

            def cutoff(cell: Cell, pool: Pool = pool) -> float | None:
                return None if any(n.holds(cell) for n in near) else lowered(self.tables, pool.level)

            if not self._walk(Walk(self.tables, cutoff, take, lambda cell: border_of(near, cell)), until):
                return None
            rows, values = self.order.first(*pool.networks(), 1, self.threshold)
            if len(rows):
                return rows[0].astype(np.int64), float(values[0])
        return None

    def _proved(self, rows: Ints, objectives: Floats, near: list[Neighbourhood], best: int | None) -> Listed | None:
        """One tree for a list of different networks: in a cell whose networks are all near one of them, only those that come
        before it are of interest.
        """
        last = float(objectives[-1]) if len(rows) == best else self.floor
        levels = [lowered(self.tables, level) for level in (*objectives.tolist(), last)]

        def cutoff(cell: Cell) -> float:
            return next((level for level, n in zip(levels, near, strict=False) if n.holds(cell)), levels[-1])

        def take(found: Ints) -> None:
            kept, worth = feasible(self.tables, found)
            keeps = worth > last + error_of(self.tables, last if math.isfinite(last) else 0.0)
            for level, n in zip(objectives.tolist(), near, strict=True):
                keeps &= ~(n.near(kept) & (worth <= level + error_of(self.tables, level)))
            if keeps.any():
                raise AssertionError(f"a network was missed: {kept[keeps][0].tolist()}")

        walk = Walk(self.tables, cutoff, take, lambda cell: border_of(near, cell))
        done = self._walk(walk, self.until)
        return self._listed(rows, objectives, walk, None if done else max(walk.bound, last), best)


def border_of(near: Sequence[Neighbourhood], cell: Cell) -> Split | None:
    """A split of a cell along the border of the first neighbourhood that it lies across. Large cells are split as ever: most of
    what they hold is excluded by its bound before a border matters.
    """
    if cell.n_columns > BORDER_COLUMNS:
        return None
    return next((split for n in near if (split := n.border(cell)) is not None), None)
