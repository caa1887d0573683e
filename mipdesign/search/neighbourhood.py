"""Searches of the neighbourhood of an incumbent by branch and bound: they only supply better incumbents."""

from __future__ import annotations

import math

from ..bounds.multipliers import Multipliers
from ..lattice.cell import Cell
from ..lattice.position import Candidate
from ..lattice.tables import Tables
from .branching import Node
from .tasks import Explore

NEIGHBOURHOODS = 8
"""Most searches of a run."""
RATIO, STEPS, BLOCKS = 1.3, 2, 1
"""What is near: channels within 30 %, widths within 2 steps, depths within one block."""
SECONDS = 1.5
LEAD = 1e-3
"""What such a search has to gain, relative to the incumbent: what is less, the tree finds as soon."""


def neighbourhood_search(tables: Tables, centre: Candidate, cutoff: float) -> Explore:
    """The search of the neighbourhood of an incumbent, for networks above the cutoff."""
    cell = Cell.near(tables, centre.position, RATIO, STEPS, BLOCKS)
    node = Node("near", cell, math.inf, Multipliers.initial(tables, max(1.0, abs(cutoff))))
    return Explore((node,), SECONDS, 0, record=False, lead=LEAD)
