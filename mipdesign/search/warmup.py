"""Compiling all compiled loops once per machine, before a run starts its clock and the process of the engine."""

from __future__ import annotations

import math
from pathlib import Path

from ..bounds.multipliers import Multipliers
from ..compiled import FOLDER
from ..lattice.cell import Cell
from ..lattice.position import Position
from ..problem.problem import Problem
from .branching import Node, expand
from .coverage import build_tables
from .heuristics import incumbent, polish

MARK = Path(FOLDER) / "complete"
"""Stands once the machine code of every loop is kept."""


def is_warm() -> bool:
    """Whether nothing is left to compile on this machine."""
    return MARK.exists()


def warm_up() -> None:
    """Compiles every loop by running it on a tiny problem; half a minute at the first call, nothing afterwards."""
    if is_warm():
        return
    stage = {"stride": 2, "channels": [8, 16], "bottleneck": [4, 8], "kernels": [3], "depth": [1, 2]}
    data = {"name": "tiny", "input": {"resolution": 64}, "stem": {"channels": [8]}, "stages": [stage, stage]}
    tables = build_tables(Problem.from_dict(data | {"budgets": {"params": 1e6, "effectiveness": 1.0}}))
    expand(tables, Node("", Cell.whole(tables), math.inf, Multipliers.initial(tables, 1.0)), -1e9)
    incumbent(tables, 0, 0.0, lambda candidate: None, lambda: False)
    polish(tables, Position(0, (0, 0), (1, 1)))
    if MARK.parent.is_dir():
        MARK.touch()
