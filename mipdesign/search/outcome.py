"""What a design run is asked, what it tells on its way, and what it found and proved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ..lattice.position import Candidate
from ..mip.closing import CellResult
from ..networks.architecture import Architecture
from .branching import Guide, Node, Record
from .incumbents import OPTIMAL_GAP
from .workers import MEMORY_MB

Status = Literal["optimal", "feasible", "infeasible", "unknown"]


@dataclass(frozen=True)
class Options:
    """How a problem is solved; none of it changes the answer.

    Attributes
    ----------
    time_limit:
        Seconds after which the run stops with the best design and a valid bound.
    gap:
        Relative gap at which it may stop.
    seed:
        Seed of the heuristics.
    workers:
        WorkerHandle processes; by default one per processor.
    formulation:
        Formulation with which SCIP closes the cells that are left to it.
    presolve:
        Without it the whole space is one cell for SCIP.
    solver_columns:
        Cells with single depths and at most this many columns are left to SCIP.
    memory_mb:
        Memory that one child may take.
    """

    time_limit: float | None = None
    gap: float = OPTIMAL_GAP
    seed: int = 0
    workers: int | None = None
    formulation: str = "lattice"
    presolve: bool = True
    solver_columns: int = 0
    memory_mb: int = MEMORY_MB


@dataclass(frozen=True)
class Resumed:
    """What an earlier, unfinished run of the same problem proved: its steps, its open nodes, its designs."""

    records: list[Record]
    nodes: list[Node]
    designs: list[Architecture]


@dataclass(frozen=True)
class WarmStart:
    """What is known of problems with the same space and other limits; the answer does not depend on it.

    Attributes
    ----------
    designs:
        Their best networks, with which the heuristics begin, whether they fit this problem or not.
    guide:
        The first levels of a tree.
    """

    designs: tuple[Architecture, ...] = ()
    guide: Guide = field(default_factory=dict)


@dataclass(frozen=True)
class Progress:
    """Where a run stands; ``incumbent`` and ``gap`` are ``None`` before the first design."""

    seconds: float
    phase: str
    incumbent: float | None
    bound: float
    gap: float | None
    open_nodes: int
    closed_nodes: int


@dataclass(frozen=True)
class SolvedCell:
    """A cell that SCIP closed."""

    record: Record
    cell_digest: str
    formulation: str
    result: CellResult


@dataclass
class Outcome:
    """What a run found and proved."""

    status: Status
    best: Candidate | None
    bound: float
    cutoff: float
    candidates: list[Candidate]
    feasibility_only: bool
    """Whether the tree proves infeasibility rather than a bound."""
    records: list[Record]
    solved: list[SolvedCell]
    open: list[Node]
    trace: list[Progress]
    incidents: list[str]
    peak_rss_mb: float
    interrupted: bool
