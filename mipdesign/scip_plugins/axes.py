"""The integers of a network as variables of a SCIP model: splits become bounds, and bounds and solutions cells and networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..lattice.arrays import Ints
from ..lattice.cell import Cell
from ..lattice.position import Position
from ..lattice.stage_tables import StageTables
from ..lattice.tables import Tables
from ..mip.design_model import Axis, AxisKind, position_of
from ..search.branching import Split

INTEGRALITY = 1e-6
"""How far from an integer a value of a solution may be."""


def column_values(stage: StageTables, kind: str) -> Ints:
    """What the columns of an element have of a kind of split: ``channels``, ``family``, ``width``, ``kernel`` or ``bits``, and
    the ``depth`` of a single block.
    """
    if kind in ("depth", "bits"):
        return stage.presence if kind == "depth" else stage.bits
    return {"channels": stage.c, "family": stage.f, "width": stage.b, "kernel": stage.k}[kind]


@dataclass(frozen=True)
class Axes:
    """The axes of a problem, and their variables in a SCIP model.

    Attributes
    ----------
    variables:
        Variables of the original problem by name.
    """

    tables: Tables
    axes: tuple[Axis, ...]
    variables: Mapping[str, Any]

    def axis(self, kind: str, super_block: int) -> Axis:
        """The axis of a kind of split."""
        return next(axis for axis in self.axes if (axis.kind, axis.super_block) == (kind, super_block))

    def restrict(self, model: Any, node: Any, split: Split, upper: bool) -> None:
        """Gives a child the bounds of one half of a split."""
        axis = self.axis(split.kind, split.index)
        place = int(np.searchsorted(axis.values, split.threshold, side="right"))
        assert axis.variable is not None
        variable = model.getTransformedVar(self.variables[axis.variable])
        if upper:
            model.chgVarLbNode(node, variable, float(place))
        else:
            model.chgVarUbNode(node, variable, float(place - 1))

    def restrict_to_cell(self, model: Any, node: Any, cell: Cell) -> None:
        """Gives a child the bounds of a cell."""
        for name, (low, high) in self.places(cell).items():
            variable = model.getTransformedVar(self.variables[name])
            model.chgVarLbNode(node, variable, float(low))
            model.chgVarUbNode(node, variable, float(high))

    def places(self, cell: Cell) -> dict[str, tuple[int, int]]:
        """Least and largest place of each axis in a cell, by the name of its variable."""
        found = {}
        for axis in self.axes:
            if axis.variable is not None:
                values = self._values(axis, cell)
                low, high = np.searchsorted(axis.values, (values.min(), values.max()))
                if values.min() < axis.values[0]:  # a block may be absent: its width and kernel stand for nothing
                    low, high = 0, len(axis.values) - 1
                found[axis.variable] = (int(low), int(high))
        return found

    def _values(self, axis: Axis, cell: Cell) -> Ints:
        i = axis.super_block
        if axis.kind == "stem":
            return self.tables.stem_c[cell.stem]
        if axis.kind == "depth" and not self.tables.stages[i].element.is_block:
            return cell.depths(self.tables, i)
        return column_values(self.tables.stages[i], axis.kind)[cell.columns[i]]

    def cell(self, bounds: Callable[[str], tuple[float, float]]) -> Cell | None:
        """The cell of some bounds of the variables; ``None`` if it is empty."""
        whole = Cell.whole(self.tables)
        stem, columns, low, high = whole.stem, list(whole.columns), whole.low.copy(), whole.high.copy()
        for axis in self.axes:
            if axis.variable is None:
                continue
            first, last = bounds(axis.variable)
            least, most = axis.values[round(first)], axis.values[round(last)]
            i = axis.super_block
            if axis.kind == "stem":
                stem = stem[(self.tables.stem_c[stem] >= least) & (self.tables.stem_c[stem] <= most)]
            elif axis.kind == "depth" and not self.tables.stages[i].element.is_block:
                low[i], high[i] = least, most
            else:
                values = column_values(self.tables.stages[i], axis.kind)[columns[i]]
                absent = (values == 0) & (axis.kind in ("width", "kernel", "bits"))  # there they stand for nothing
                columns[i] = columns[i][absent | ((values >= least) & (values <= most))]
        if not len(stem) or not all(map(len, columns)):
            return None
        return Cell(stem, tuple(columns), low, high)

    def position(self, value: Callable[[str], float]) -> Position | None:
        """The network of a solution; ``None`` if its integers are none, or no network of the space has them."""
        chosen: dict[tuple[AxisKind, int], int] = {}
        for axis in self.axes:
            place = 0.0 if axis.variable is None else value(axis.variable)
            if abs(place - round(place)) > INTEGRALITY or not 0 <= round(place) < len(axis.values):
                return None
            chosen[axis.kind, axis.super_block] = axis.values[round(place)]
        return position_of(self.tables, chosen)
