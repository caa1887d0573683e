"""Searches of the neighbourhood of an incumbent by branch and bound: they only supply better incumbents."""

from __future__ import annotations

import heapq
import itertools
import math
import threading
import time

from ..bounds.multipliers import Multipliers
from ..lattice.cell import Cell
from ..lattice.position import Candidate
from ..search.branching import Node, expand
from .tree import Tree

SEARCHES = 8
"""Most searches of a run."""
RATIO, STEPS, BLOCKS = 1.3, 2, 1
"""What is near: channels within 30 %, widths within 2 steps, depths within one block."""
SECONDS = 0.5
"""Of processor time, so that a busy machine does not make the tree larger."""
LEAD = 1e-3
"""What such a search has to gain, relative to the incumbent: what is less, the tree finds as soon."""


class Neighbourhoods:
    """Looks for better networks near the incumbent, never twice near the same one."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.searches = 0
        self.centre: Candidate | None = None
        self.lock = threading.Lock()

    def search(self) -> None:
        """Searches around the incumbent, if it is new and nobody is at it."""
        tree, best = self.tree, self.tree.incumbents.best
        if best is None or tree.feasibility_only or not self.lock.acquire(blocking=False):
            return
        try:
            if best != self.centre and self.searches < SEARCHES:
                self.centre = best
                self.searches += 1
                self._around(best)
        finally:
            self.lock.release()

    def _around(self, best: Candidate) -> None:
        tree, order, until = self.tree, itertools.count(), time.thread_time() + SECONDS
        cell = Cell.near(tree.tables, best.position, RATIO, STEPS, BLOCKS)
        root = Node("near", cell, math.inf, Multipliers.initial(tree.tables, max(1.0, abs(tree.cutoff))))
        heap = [(-root.bound, next(order), root)]
        while heap and time.thread_time() < until and not tree.stopped:
            _, _, node = heapq.heappop(heap)
            cutoff = tree.cutoff + LEAD * abs(tree.cutoff)
            expansion = expand(tree.tables, node, cutoff)
            for candidate in expansion.candidates:
                tree.consider(candidate)
            for child in expansion.children:
                heapq.heappush(heap, (-child.bound, next(order), child))
