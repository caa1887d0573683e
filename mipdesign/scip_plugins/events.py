"""The event handler: tells of progress, and ends SCIP when it is asked to."""

from __future__ import annotations

import time
from typing import Any

from ..mip.scip_setup import NodesAndSolutions
from .tree import Tree

SECONDS = 0.1
"""Least time between two reports."""


class ProgressHandler(NodesAndSolutions):
    """Reports where the tree stands, a few times a second."""

    def __init__(self, tree: Tree) -> None:
        self.tree, self.last = tree, 0.0

    def eventexec(self, event: Any) -> None:
        self.tree.guarded(self._tell, {}, self.model)

    def _tell(self) -> dict[str, Any]:
        if self.tree.stopped:
            self.model.interruptSolve()
        now = time.monotonic()
        if now - self.last >= SECONDS:
            self.last = now
            self.tree.on_progress()
        return {}
