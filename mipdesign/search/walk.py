"""A tree without SCIP, for lists: every node is looked at, best bound first, by several threads.

The cutoff is known here, or rises with what is listed, and no incumbent ends the search early; so there is nothing for a solver
to decide. The records are those of a design run.
"""

from __future__ import annotations

import heapq
import itertools
import math
import threading
from collections.abc import Callable

from ..lattice.arrays import Ints
from ..lattice.cell import Cell
from ..lattice.tables import Tables
from .branching import Node, Record, Split, expand, whole_space

MOST_OPEN = 2000
"""Open nodes beyond which the newest is next, and not that with the best bound: each holds its cell in memory."""

Cutoff = Callable[[Cell], float | None]
"""What the networks of a cell have to reach to be of interest; ``None`` where none of them is."""


class Walk:
    """One tree, from the whole space to its end or to a stop.

    Attributes
    ----------
    records:
        What became of the nodes.
    stopping:
        Ends it after the nodes that are in work.

    Parameters
    ----------
    cutoff, border:
        Of a cell, the second how to split it, if anywhere in particular.
    take:
        Called by several threads with the networks of a listing.
    """

    def __init__(
        self,
        tables: Tables,
        cutoff: Cutoff,
        take: Callable[[Ints], None],
        border: Callable[[Cell], Split | None] = lambda cell: None,
    ) -> None:
        self.tables, self.cutoff, self.take, self.border = tables, cutoff, take, border
        first = cutoff(Cell.whole(tables))
        root = whole_space(tables, -math.inf if first is None else first, False)
        self.records: list[Record] = []
        self.stopping = False
        self.error: BaseException | None = None
        self._order = itertools.count()
        self._best = [(-root.bound, next(self._order), root)]
        self._newest: list[Node] = []
        self._in_work: dict[str, Node] = {}
        self._condition = threading.Condition()
        self._running = 0

    @property
    def open(self) -> list[Node]:
        """Nodes that have no record yet."""
        with self._condition:
            return [*(node for _, _, node in self._best), *self._newest, *self._in_work.values()]

    @property
    def bound(self) -> float:
        """Upper bound of the objectives of all networks that are still to be looked for."""
        return max((node.bound for node in self.open), default=-math.inf)

    def run(self, workers: int, on_wait: Callable[[], None], seconds: float = 0.05) -> bool:
        """Walks; whether to the end. ``on_wait`` is called now and then, and may raise.

        Raises
        ------
        MemoryError
            If there is no memory for a node.
        """
        _ = self.tables.arrays.address  # made once, before there are threads: the core reads what it points to
        self._running = workers
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]
        for thread in threads:
            thread.start()
        try:
            while self._running:
                with self._condition:
                    self._condition.wait_for(lambda: not self._running, seconds)
                on_wait()
        finally:
            with self._condition:
                self.stopping = self.stopping or bool(self._running)
                self._condition.notify_all()
            for thread in threads:
                thread.join()
        if self.error is not None:
            raise self.error
        return not self.open

    def _work(self) -> None:
        try:
            while (node := self._next()) is not None:
                self._do(node)
        except BaseException as error:  # told to who asks for the end
            self.error, self.stopping = self.error or error, True
        finally:
            with self._condition:
                self._running -= 1
                self._condition.notify_all()

    def _next(self) -> Node | None:
        with self._condition:
            while not self.stopping:
                node = None
                if self._newest:
                    node = self._newest.pop()
                elif self._best:
                    node = heapq.heappop(self._best)[2]
                if node is not None:
                    self._in_work[node.name] = node
                    return node
                if not self._in_work:
                    return None
                self._condition.wait()
        return None

    def _do(self, node: Node) -> None:
        cutoff = self.cutoff(node.cell)
        record: Record | None = None
        children: tuple[Node, ...] = ()
        if cutoff is not None:
            expansion = expand(self.tables, node, cutoff, split=self.border(node.cell), every=True)
            if expansion.rows is not None and len(expansion.rows):
                self.take(expansion.rows)
            record, children = expansion.record, expansion.children
        with self._condition:
            if record is not None:
                self.records.append(record)
            for child in children:
                if len(self._best) < MOST_OPEN:
                    heapq.heappush(self._best, (-child.bound, next(self._order), child))
                else:
                    self._newest.append(child)
            del self._in_work[node.name]
            self._condition.notify_all()
