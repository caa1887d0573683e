"""The propagator: tells SCIP what reduced-cost fixing has dropped, as bounds of the network's integers."""

from __future__ import annotations

from typing import Any

from pyscipopt import SCIP_RESULT, Prop

from .axes import Axes
from .tree import Tree


class ReducedCostPropagator(Prop):  # type: ignore[misc]
    """Tightens the bounds of the focus node to the extent of its cell.

    The relaxator needs none of it, for the cell is narrower than its bounds; SCIP's own constraints may.
    """

    def __init__(self, tree: Tree, axes: Axes) -> None:
        self.tree, self.axes = tree, axes

    def propexec(self, proptiming: Any) -> dict[str, Any]:
        return self.tree.guarded(self._tighten, {"result": SCIP_RESULT.DIDNOTRUN}, self.model)

    def _tighten(self) -> dict[str, Any]:
        node = self.tree.nodes.get(self.model.getCurrentNode().getNumber())
        if node is None:
            return {"result": SCIP_RESULT.DIDNOTRUN}
        tightened = False
        for name, (low, high) in self.axes.places(node.cell).items():
            variable = self.model.getTransformedVar(self.axes.variables[name])
            for change, bound in ((self.model.tightenVarLb, low), (self.model.tightenVarUb, high)):
                infeasible, changed = change(variable, float(bound))
                if infeasible:
                    return {"result": SCIP_RESULT.DIDNOTFIND}  # the relaxator says why
                tightened |= bool(changed)
        return {"result": SCIP_RESULT.REDUCEDDOM if tightened else SCIP_RESULT.DIDNOTFIND}
