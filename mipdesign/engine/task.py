"""What the two sides of the engine agree on: what is asked, and how it ended."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ..lattice.position import Candidate
from ..networks.architecture import Architecture
from ..search.branching import Guide, Node
from ..search.outcome import OpenNode, Options, ScipTree

ATTEMPTS = 4
"""How often a cell is tried before it is split instead."""


@dataclass(frozen=True)
class Task:
    """What a session is asked.

    Attributes
    ----------
    nodes:
        Open nodes of an earlier tree, of which ``feasibility_only`` says what it was for; ``None`` for a new one.
    starts:
        Networks to begin with.
    failures:
        How often closing the cell of a node has ended this process.
    seconds:
        Time that is left.
    """

    options: Options
    guide: Guide
    starts: tuple[Candidate, ...]
    nodes: tuple[Node, ...] | None = None
    feasibility_only: bool = False
    failures: dict[str, int] = field(default_factory=dict)
    seconds: float = math.inf


@dataclass(frozen=True)
class Ended:
    """How a session ended: what is still open, and what SCIP says of its tree."""

    open: tuple[OpenNode, ...]
    feasibility_only: bool
    tree: ScipTree | None
    beyond: Architecture | None = None
    """A network within the budgets whose penalty is no number."""
