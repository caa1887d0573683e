"""The event handler: tells of progress, and ends SCIP when it is asked to."""

from __future__ import annotations

import time
from typing import Any

from pyscipopt import SCIP_EVENTTYPE, Eventhdlr

from .tree import Tree

SECONDS = 0.1
"""Least time between two reports."""


class ProgressHandler(Eventhdlr):  # type: ignore[misc]
    """Hears of every node that SCIP has dealt with, and of better solutions."""

    EVENTS = (SCIP_EVENTTYPE.NODESOLVED, SCIP_EVENTTYPE.BESTSOLFOUND)

    def __init__(self, tree: Tree) -> None:
        self.tree, self.last = tree, 0.0

    def eventinit(self) -> None:
        for event in self.EVENTS:
            self.model.catchEvent(event, self)

    def eventexit(self) -> None:
        for event in self.EVENTS:
            self.model.dropEvent(event, self)

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
