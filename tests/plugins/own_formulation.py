"""A formulation that the package does not bring, as a user would write it; ``docs/howto/extending.md`` shows it."""

from __future__ import annotations

from dataclasses import replace

from mipdesign.formulations.columns import Columns

from mipdesign import register_formulation
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.tables import Tables
from mipdesign.mip.formulation import FormulationModel


@register_formulation
class ColumnsWithoutCuts(Columns):
    """The formulation by columns, for SCIP without cutting planes."""

    id = "columns-nocuts"
    title = "one binary per column and per depth, no cutting planes"

    def build(self, tables: Tables, cell: Cell) -> FormulationModel:
        model = super().build(tables, cell)
        off = {"separating/maxrounds": 0, "separating/maxroundsroot": 0}
        return replace(model, parameters={**model.parameters, **off})
