"""What a design run is asked, what it tells on its way, and what it found and proved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ..bounds.multipliers import Multipliers
from ..lattice.position import Candidate
from ..mip.closing import CellResult
from ..networks.architecture import Architecture
from .branching import Guide, Node, Record
from .incumbents import OPTIMAL_GAP

MEMORY_MB = 4096
"""Address space that the process of the engine may take; beyond it it fails and is begun anew."""

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
        Threads that expand nodes, SCIP's own among them.
    formulation:
        Formulation with which SCIP closes the cells that are left to it.
    presolve:
        Without it the whole space is one cell for SCIP.
    solver_columns:
        Cells with single depths and at most this many columns are left to SCIP.
    memory_mb:
        Address space that the process of the engine may take; 0 for any.
    encoding, relaxator, propagation:
        Of SCIP's problem and of its plug-ins, see :mod:`mipdesign.scip_plugins`.
    """

    time_limit: float | None = None
    gap: float = OPTIMAL_GAP
    seed: int = 0
    workers: int = 1
    formulation: str = "lattice"
    presolve: bool = True
    solver_columns: int = 0
    memory_mb: int = MEMORY_MB
    encoding: str = "sos2"
    relaxator: str = "lagrangian"
    propagation: bool = False


@dataclass(frozen=True)
class Resumed:
    """What an earlier, unfinished run of the same problem proved: its steps, its open nodes, its designs, and whether the tree
    is one for infeasibility.
    """

    records: list[Record]
    nodes: list[Node]
    designs: list[Architecture]
    feasibility_only: bool = False


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
class OpenNode:
    """A node that was not dealt with, as a certificate states it."""

    name: str
    bound: float
    multipliers: Multipliers
    by_solver: bool = False


@dataclass(frozen=True)
class ScipTree:
    """What SCIP says of its tree.

    Attributes
    ----------
    version:
        Of SCIP.
    nodes:
        Nodes that it has dealt with.
    encoding:
        How its problem writes logarithms.
    lacking:
        Terms of the problem that its constraints lack and the exact check decides.
    """

    version: str
    nodes: int
    encoding: str
    lacking: tuple[str, ...] = ()


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
    open: list[OpenNode]
    trace: list[Progress]
    incidents: list[str]
    peak_rss_mb: float
    interrupted: bool
    tree: ScipTree | None = None
