"""The primal heuristic: searches the neighbourhood of new incumbents, and hands SCIP the networks that were found."""

from __future__ import annotations

from typing import Any

from pyscipopt import SCIP_RESULT, Heur

from .neighbourhood import Neighbourhoods
from .tree import Tree


class NetworkHeuristic(Heur):  # type: ignore[misc]
    """Runs before each node. Where threads expand nodes ahead of SCIP, one of them searches the neighbourhoods."""

    def __init__(self, tree: Tree, neighbourhoods: Neighbourhoods, searches: bool) -> None:
        self.tree, self.neighbourhoods, self.searches = tree, neighbourhoods, searches

    def heurexec(self, heurtiming: Any, nodeinfeasible: bool) -> dict[str, Any]:
        return self.tree.guarded(self._search, {"result": SCIP_RESULT.DIDNOTRUN}, self.model)

    def _search(self) -> dict[str, Any]:
        if self.searches:
            self.neighbourhoods.search()
        found = self.tree.offer(self.model)
        return {"result": SCIP_RESULT.FOUNDSOL if found else SCIP_RESULT.DIDNOTFIND}
