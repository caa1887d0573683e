"""The tree of a certificate: every node is bounded anew from its prices, and its verdict is repeated.

Most cells are small, so that many are bounded at a time, and their listings made at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np

from .bound import Bounds
from .cell import Cell
from .claims import TRUST
from .listing import TooManyError, list_networks, score
from .lists import List
from .multipliers import Prices
from .network import Network, broken, objective, order, read_network
from .records import Closed, Open, Record
from .tables import Tables

BATCH = 40_000
"""Columns of the nodes that are bounded at a time, where it is not a single one."""

Resolve = Callable[[Closed], "list[dict[str, Any]] | str"]
"""Solves a cell again: all architectures that reach its level, or why it could not."""


@dataclass(frozen=True)
class Aim:
    """What a tree is to show: that no network which keeps all budgets scores above ``limit``, or, for an optimum, comes before
    the design whose place in the order of designs is ``order`` (empty without a design); with the weight 0, that there is none.

    ``level``: what such a network scores at least, in floating point. ``listed``: a list of which no network is to be missing,
    in place of all that.
    """

    weight: float
    limit: Decimal
    level: float
    status: str
    order: tuple[Any, ...]
    listed: List | None = None


@dataclass(frozen=True)
class Node:
    """A node to be settled: its cell, the least of the bounds above it, and the first member of a list to which all networks of
    a cell above it are near (how many there are, if there is none).
    """

    name: str
    cell: Cell
    inherited: float
    cover: int = 0


@dataclass(frozen=True)
class Asked:
    """What is to be bounded: a cell at the prices of its node, for networks that score at least ``cutoff``. Those below its
    ``level`` do not count.
    """

    node: Node
    cutoff: float
    prices: Prices
    level: float


class Tree:
    """The records and the open nodes of a certificate."""

    def __init__(
        self,
        tables: Tables,
        aim: Aim,
        records: Mapping[str, Record],
        open_rows: Mapping[str, Open],
        resolve: Resolve | None,
        on_node: Callable[[int, int], None],
    ) -> None:
        self.tables, self.space, self.aim = tables, tables.space, aim
        self.records, self.open, self.resolve, self.on_node = records, open_rows, resolve, on_node

    def unsettled(self) -> Iterator[tuple[str, str]]:
        """The nodes that are not settled, and why, or :data:`.TRUST`."""
        members = 0 if self.aim.listed is None else len(self.aim.listed.members)
        stack, done = [Node("", Cell.whole(self.tables).tied(self.tables), math.inf, members)], 0
        while stack:
            batch: list[Asked] = []
            columns = 0
            while stack and (not batch or columns + stack[-1].cell.size <= BATCH):
                node = stack.pop()
                done += 1
                if node.cell.empty:
                    continue
                asked = self._asked(node)
                if asked is None:
                    continue
                if isinstance(asked, str):
                    yield node.name, asked
                else:
                    batch.append(asked)
                    columns += node.cell.size
            if batch:
                stack += yield from self._settle(batch)
            self.on_node(min(done, len(self.records)), len(self.records))
        self.on_node(len(self.records), len(self.records))

    def _asked(self, node: Node) -> Asked | str | None:
        """What a node's record or row says that its bound is, or why that is none; ``None`` where it is settled already."""
        record, row, aim, level = self.records.get(node.name), self.open.get(node.name), self.aim, self.aim.level
        if aim.listed is not None:
            node = replace(node, cover=aim.listed.cover(node.cell, node.cover))
            level = aim.listed.level_of(node.cover)
        if node.inherited < level:
            return None
        if record is not None:
            cutoff, prices = record.cutoff, record.prices
            if prices.weight != aim.weight:
                return f"its prices have weight {prices.weight:g}"
            if not self._admits(cutoff, node.cover):
                return f"its cutoff {cutoff!r} is above what is claimed"
            return Asked(node, cutoff, prices, level)
        if row is None:
            return "the tree does not say what became of it"
        if row.prices.weight != aim.weight:
            return "its prices are not those of a bound"
        return Asked(node, 0.0 if not aim.weight else -math.inf if not aim.order else level, row.prices, level)

    def _admits(self, cutoff: float, cover: int) -> bool:
        """Whether a record may leave out the networks of its cell that lie below a cutoff."""
        if self.aim.listed is not None:
            return self.aim.listed.admits(cutoff, cover)
        return cutoff <= self.aim.level or (bool(self.aim.weight) and Decimal(cutoff) <= self.aim.limit)

    def _settle(self, batch: Sequence[Asked]) -> Generator[tuple[str, str], None, list[Node]]:
        """The nodes of a batch that are not settled, and why; returns the halves that are left."""
        bounds = self._bounds(batch)
        values = dict(zip((asked.node.name for asked in batch), bounds.value.tolist(), strict=True))
        left = []
        for at, asked in enumerate(batch):
            name = asked.node.name
            if name not in self.records:
                if fault := self._open_fault(asked, values[name]):
                    yield name, fault
            elif not values[name] < max(asked.cutoff, asked.level):
                left.append(at)
        halves: list[Node] = []
        listed: list[Asked] = []
        for at, cell in zip(left, bounds.reduced(left) if left else (), strict=True):
            node, fault = batch[at].node, ""
            name, record, bound = node.name, self.records[node.name], values[node.name]
            if cell.empty:
                continue
            if record.split is not None:
                for n in (0, 1):
                    half = cell.half(self.tables, record.split, bool(n)).tied(self.tables)
                    halves.append(Node(f"{name}{n}", half, min(node.inherited, bound), node.cover))
            elif record.verdict == "listed":
                asked = batch[at]
                listed.append(replace(asked, node=Node(name, cell, bound), cutoff=max(asked.cutoff, asked.level)))
            elif record.verdict == "solver":
                fault = self._closed(cell) if self.aim.listed is None else "a solver is said to have closed it"
            else:
                fault = f"its bound {bound!r} does not exclude it"
            if fault:
                yield name, fault
        yield from self._listed(listed)
        return halves

    def _bounds(self, batch: Sequence[Asked]) -> Bounds:
        cells, cutoffs, prices = zip(*((asked.node.cell, asked.cutoff, asked.prices) for asked in batch), strict=True)
        return Bounds(self.tables, cells, cutoffs, prices)

    def _open_fault(self, asked: Asked, value: float) -> str:
        """Whether an open node's bound follows from its prices, or is a solver's word where that is admitted."""
        row, listed = self.open[asked.node.name], self.aim.listed
        if listed is not None:
            below = (
                value < asked.level
                or value == -math.inf
                or (not listed.asked.complete and listed.admits(value, asked.node.cover))
            )
            return "" if below else f"it is open, and its prices give {value!r}"
        if not self.aim.weight:
            return "" if value < 0.0 else "it is open"
        if value < self.aim.level or (self.aim.status != "optimal" and value <= self.aim.limit):
            return ""
        if row.by_solver and self.aim.status in ("feasible", "unknown") and row.bound <= self.aim.limit:
            return TRUST
        return f"it is open, and its prices give {value!r}"

    def _listed(self, batch: Sequence[Asked]) -> Iterator[tuple[str, str]]:
        """Lists cells again: those of which a network contradicts the claim, or that hold too many."""
        if not batch:
            return
        try:
            listing = list_networks(self._bounds(batch))
        except TooManyError:
            if len(batch) == 1:
                yield batch[0].node.name, "it holds too many networks to list"
            else:
                for asked in batch:
                    yield from self._listed([asked])
            return
        scores = score(self.tables, listing)
        with_rho = True if self.space.rho is None else scores.rho <= self.space.most_rho * (1 + 1e-9)
        with np.errstate(invalid="ignore"):  # a penalty beyond the doubles: decided exactly
            levels = np.array([asked.level for asked in batch])
            reach = True if not self.aim.weight else ~(scores.objective + scores.error < levels[listing.owner])
        at = (scores.tied & with_rho & reach).nonzero()[0]
        doubtful, at_fault = listing.take(at), set[int]()
        if self.aim.listed is not None:
            for i, network in self.aim.listed.missing(doubtful, scores.take(at)):
                owner = int(doubtful.owner[i])
                if owner not in at_fault:
                    at_fault.add(owner)
                    exact = float(objective(self.space, network))
                    yield batch[owner].node.name, f"it holds a network that the list lacks, and that scores {exact!r}"
            return
        for owner, network in zip(doubtful.owner.tolist(), doubtful.networks(self.tables), strict=True):
            fault = "" if owner in at_fault else self._contradicts(network)
            if fault:
                at_fault.add(owner)
                yield batch[owner].node.name, fault

    def _contradicts(self, network: Network) -> str:
        """What a network that keeps all budgets has against the claim, if anything."""
        exact = objective(self.space, network)
        before = not self.aim.weight or (exact > self.aim.limit if self.aim.status != "optimal" else exact >= self.aim.limit)
        if self.aim.status == "optimal" and exact == self.aim.limit:
            if self.space.most_bits is None:  # blocks that may be exchanged are listed in one order
                network = Network(network.stem, tuple(stage.in_order() for stage in network.stages))
            before = order(self.space, network) < self.aim.order
        if not before or broken(self.space, network):
            return ""
        return f"it holds a network that keeps all budgets and scores {float(exact)!r}"

    def _closed(self, cell: Cell) -> str:
        """A cell that a solver closed: on trust, or solved again."""
        if self.resolve is None:
            return TRUST
        stems = [self.space.stem[i] for i in cell.stem.tolist()]
        columns = []
        for table, chosen in zip(self.tables.stages, cell.columns, strict=True):
            s = table.block
            rows = zip(*(axis[chosen].tolist() for axis in (s.f, s.c, s.b, s.k, s.bits)), strict=True)
            columns.append([(s.families[f], *sizes) for f, *sizes in rows])
        depths = [cell.depths(self.tables, i) for i in range(len(columns))]
        found = self.resolve(Closed(stems, columns, depths, self.aim.level if self.aim.weight else -math.inf))
        if isinstance(found, str):
            return found
        networks = (read_network(row, "a network that the solver found", self.space) for row in found)
        return next((fault for fault in map(self._contradicts, networks) if fault), "")
