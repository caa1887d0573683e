"""Lists of networks: what a certificate says of one, and whether a tree shows that no network is missing in it.

A list has its members in the documented order. Its scan goes through all networks that keep the budgets, in that order, and
takes one if it is near no member so far; it ends after ``best`` members, or below the threshold. So a list is the right one if
its members keep the budgets, come one after the other, and are not near each other, and if every other network that keeps the
budgets is near a member *before it*, or lies beyond the end. The last part is what a tree shows, cell by cell: of a cell whose
networks are all near one member only those before it count, so that its *level* is the objective of that member, or that of
the end where this is larger.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from .cell import Cell
from .claims import FAILS, HOLDS, Claim
from .distance import Distance
from .listing import Listing, Scores
from .members import MOST_MEMBERS, Members
from .network import Network, broken, objective, order
from .reading import RefusedError, integer, mapping, number, refuse, sequence, word
from .records import SHA256
from .rounding import UNDERFLOW
from .super_block import Ints
from .tables import Bools, Tables

MOST_PAIRS = 4_000_000
"""Pairs of networks and places that are compared at a time."""


@dataclass(frozen=True)
class Asked:
    """What a list is said to be: its tolerance ``within`` the optimum, how many members it has at most, how these differ, and,
    if it is not complete, the objective down to which it is.
    """

    within: Fraction | None
    best: int | None
    share: Fraction | None
    decisions: int
    count: int
    bound: float | None
    digest: str

    @property
    def complete(self) -> bool:
        """Whether no network is missing."""
        return self.bound is None

    @property
    def different(self) -> bool:
        """Whether members have to be some distance apart."""
        return self.share is not None or self.decisions > 0


def read_asked(value: Any) -> Asked:
    """Reads the section ``list`` of a certificate."""
    names = ("within", "best", "different", "count", "complete", "bound", "networks_sha256")
    data = mapping(value, "list", names)
    within = None if data["within"] is None else _exact(data["within"], "list.within")
    best = None if data["best"] is None else integer(data["best"], "list.best", 1, MOST_MEMBERS)
    if within is None and best is None:
        raise RefusedError("list has no end: it states neither within nor best")
    share, decisions = None, 0
    if data["different"] is not None:
        kind, least = sequence(data["different"], "list.different", 2, 2)
        if word(kind, "list.different.0", ("channels", "decisions")) == "channels":
            share = _exact(least, "list.different.1")
            if not 0 < share < 1:
                raise refuse("list.different.1", least, "a share between 0 and 1 is expected")
        else:
            decisions = integer(least, "list.different.1", 1, 10_000)
    if not isinstance(data["complete"], bool) or data["complete"] != (data["bound"] is None):
        raise refuse("list.complete", data["complete"], "true without a bound, or false with one, is expected")
    bound = None if data["bound"] is None else number(data["bound"], "list.bound")
    count = integer(data["count"], "list.count", 1, MOST_MEMBERS if best is None else best)
    digest = data["networks_sha256"]
    if not isinstance(digest, str) or not SHA256.fullmatch(digest):
        raise refuse("list.networks_sha256", digest, "a SHA-256 is expected")
    return Asked(within, best, share, decisions, count, bound, digest)


def _exact(value: Any, where: str) -> Fraction:
    """A fraction in its lowest terms, as ``p/q`` or ``p``."""
    plain = isinstance(value, str) and len(value) <= 100 and value.replace("/", "", 1).isdigit() and value.isascii()
    try:
        exact = Fraction(value) if plain else None
    except (ValueError, ZeroDivisionError):
        exact = None
    if exact is None or str(exact) != value:
        raise refuse(where, value, "a fraction p/q in its lowest terms is expected")
    return exact


class List:
    """The members of a list, and what its tree has to show."""

    def __init__(self, tables: Tables, asked: Asked, members: Members) -> None:
        self.tables, self.space, self.asked, self.members = tables, tables.space, asked, members
        self.first, self.last = members.exact(0), members.exact(len(members) - 1)
        self.threshold = None if asked.within is None else Fraction(self.first) - asked.within * abs(Fraction(self.first))
        self.full = asked.complete and len(members) == asked.best
        self.rule = Distance(tables, asked.share, asked.decisions) if asked.different else None
        if asked.bound is not None:
            self.limit: Fraction | None = Fraction(asked.bound)
        else:
            self.limit = Fraction(self.last) if self.full else self.threshold
        self.level = floor_of(self.limit)
        self._last_place: Any = None
        if self.rule is not None:
            self.numbers = self.rule.of(members.listing)
            self.ranges = self.rule.ranges(self.numbers)

    def claims(self, optimum: Network) -> Iterator[Claim]:
        """Whether the members are those of a list that begins with an optimum, as far as they themselves show it."""
        n = len(self.members)
        if self.members.network(0) != optimum:
            yield Claim("the list begins with the optimum", FAILS, "its first network is another one")
        late = next(self.members.unordered(), None)
        fault = "" if late is None else f"network {late + 1} does not come after network {late}"
        yield Claim("the list is in the documented order", FAILS if fault else HOLDS, fault)
        if self.threshold is not None and Fraction(self.last) < self.threshold:
            yield Claim(f"the list is within {self.asked.within}", FAILS, f"network {n} is further from the optimum")
        if self.rule is not None:
            alike = self.alike()
            fault = "" if alike is None else f"networks {alike[0] + 1} and {alike[1] + 1} do not"
            yield Claim("the networks of the list differ", FAILS if fault else HOLDS, fault)

    def alike(self) -> tuple[int, int] | None:
        """Two members that are near each other, if any are."""
        if self.rule is None:
            return None
        n = len(self.members)
        size = max(1, MOST_PAIRS // (n * len(self.numbers)))
        for begin in range(0, n, size):
            near = self._near(self.numbers[:, begin : begin + size], self.numbers[:, begin : begin + size], n)
            near[np.arange(begin, begin + near.shape[1]), np.arange(near.shape[1])] = False
            if near.any():
                one, other = np.argwhere(near)[0].tolist()
                return min(one, begin + other), max(one, begin + other)
        return None

    def _near(self, low: Ints, high: Ints, stop: int) -> Bools:
        """Which of the first members are near networks, or all networks of cells, whose places lie within ranges, shape
        ``(members, networks)``.
        """
        assert self.rule is not None
        outside = np.zeros((stop, low.shape[1]), dtype=np.int32)
        for least, most, below, above in zip(*self.ranges, low, high, strict=True):
            outside += (below[None, :] < least[:stop, None]) | (above[None, :] > most[:stop, None])
        near: Bools = outside < self.rule.places_apart
        return near

    # -------------------------------------------------------------------- cells

    def cover(self, cell: Cell, stop: int) -> int:
        """The first of the members before ``stop`` to which all networks of a cell are near; ``stop`` if there is none."""
        if self.rule is None or not stop:
            return stop
        low, high = self.rule.of_cell(cell)
        size = max(1, MOST_PAIRS // len(self.numbers))
        for begin in range(0, stop, size):
            least, most = (ends[:, begin : min(stop, begin + size)] for ends in self.ranges)
            outside = ((low[:, None] < least) | (high[:, None] > most)).sum(axis=0)
            inside = (outside < self.rule.places_apart).nonzero()[0]
            if len(inside):
                return begin + int(inside[0])
        return stop

    def level_of(self, cover: int) -> float:
        """What networks of a cell that such a member covers score at least, in floating point, if they count."""
        return self.level if cover >= len(self.members) else max(self.level, floor_of(Fraction(self.members.exact(cover))))

    def admits(self, cutoff: float, cover: int) -> bool:
        """Whether a record may leave out the networks of a cell that lie below a cutoff."""
        if cutoff <= self.level_of(cover):
            return True
        exact = Fraction(cutoff)
        if self.limit is not None and exact <= self.limit:
            return True
        return cover < len(self.members) and exact <= Fraction(self.members.exact(cover))

    # ------------------------------------------------------------------ networks

    def missing(self, listing: Listing, scores: Scores) -> Iterator[tuple[int, Network]]:
        """Networks that the list should have, of some that keep the limits of sums, each with its place among them."""
        at = (self.members.find(listing) < 0).nonzero()[0]
        if self.rule is not None and len(at):
            at = at[~self._settled(listing, scores, at)]
        for i, network in zip(at.tolist(), listing.take(at).networks(self.tables), strict=True):
            if not self._beyond(network, scores, i) and not broken(self.space, network):
                yield i, network

    def _settled(self, listing: Listing, scores: Scores, at: Ints) -> Bools:
        """Which of some networks are near a member before them."""
        assert self.rule is not None
        n, settled = len(self.members), np.zeros(len(at), dtype=bool)
        numbers, z, error = self.rule.of(listing.take(at)), scores.objective[at], scores.error[at]
        of_members = self.members.scores
        size = max(1, MOST_PAIRS // n)
        for begin in range(0, len(at), size):
            part = slice(begin, begin + size)
            near = self._near(numbers[:, part], numbers[:, part], n)
            with np.errstate(invalid="ignore"):  # a penalty beyond the doubles: decided exactly
                sure = (of_members.objective - of_members.error)[:, None] > (z + error)[part]
                never = (of_members.objective + of_members.error)[:, None] < (z - error)[part]
            settled[part] = (near & sure).any(axis=0)
            for i in (~settled[part] & (near & ~never).any(axis=0)).nonzero()[0].tolist():
                network = next(listing.take(at[begin + i : begin + i + 1]).networks(self.tables))
                place = order(self.space, network)
                before = (near[:, i] & ~never[:, i]).nonzero()[0].tolist()
                settled[begin + i] = any(order(self.space, self.members.network(j)) < place for j in before)
        return settled

    def _beyond(self, network: Network, scores: Scores, i: int) -> bool:
        """Whether a network that is no member lies beyond the end of the list."""
        if self.limit is None:
            return False
        value, error = float(scores.objective[i]), float(scores.error[i])
        if value - error > -floor_of(-self.limit):
            return False
        exact = objective(self.space, network)
        if not self.asked.complete:
            return Fraction(exact) <= self.limit
        if not self.full:
            return Fraction(exact) < self.limit
        if exact != self.last:
            return exact < self.last
        if self._last_place is None:
            self._last_place = order(self.space, self.members.network(len(self.members) - 1))
        return bool(order(self.space, network) > self._last_place)

    # --------------------------------------------------------------------- words

    @property
    def statement(self) -> str:
        """What the list says of the networks that it does not have."""
        asked, n = self.asked, len(self.members)
        these = "this network" if n == 1 else f"these {n} networks"
        apart = ""
        if asked.share is not None:
            apart = f" and differ by {asked.share} of their channels somewhere"
        elif asked.decisions:
            apart = f" and differ in {asked.decisions} decisions"
        if not asked.complete:
            where = f"score above {asked.bound!r}"
        elif self.full:
            where = "come first"
        elif self.threshold is not None:
            where = f"are within {asked.within} of the optimum"
        else:
            where = "keep all budgets"
        if n == 1:
            where = (
                where.replace("come ", "comes ").replace("are ", "is ").replace("keep ", "keeps ").replace("score ", "scores ")
            )
            apart = ""
        return f"{these}, and no other, {where}{apart}"


def floor_of(limit: Fraction | None) -> float:
    """A double a little below a number; minus infinity for none."""
    if limit is None:
        return -math.inf
    value = float(limit)
    return value - 1e-12 * abs(value) - UNDERFLOW
