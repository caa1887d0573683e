"""A formulation of a plug-in that aborts its process the first two times that a model is built, as SCIP does now and then.

Tests copy it into a folder of their own, where it leaves its marks.
"""

from __future__ import annotations

import os
from pathlib import Path

from mipdesign.formulations.lattice import Lattice

from mipdesign.lattice.cell import Cell
from mipdesign.lattice.tables import Tables
from mipdesign.mip.formulation import FormulationModel


class Crashing(Lattice):
    """Aborts twice."""

    id = "crashing"

    def build(self, tables: Tables, cell: Cell) -> FormulationModel:
        for name in ("first", "second"):
            marker = Path(__file__).with_name(name)
            if not marker.exists():
                marker.touch()
                os.abort()
        return super().build(tables, cell)
