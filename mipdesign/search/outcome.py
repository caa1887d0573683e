"""What a design run is asked, what it tells on its way, and what it found and proved."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from ..bounds.multipliers import Multipliers
from ..bounds.relaxation import Relaxation
from ..errors import SpecError
from ..lattice.position import Candidate
from ..lattice.tables import Tables
from ..machine import MEMORY_MB
from ..networks.architecture import Architecture
from .branching import LIST_STEPS, Guide, Node, Record
from .incumbents import OPTIMAL_GAP

if TYPE_CHECKING:
    from ..mip.closing import CellResult

Status = Literal["optimal", "feasible", "infeasible", "unknown"]


Relaxator = Literal["lagrangian", "lp", "both"]
Branching = Literal["ours", "scip"]


@dataclass(frozen=True)
class ScipOptions:
    """How SCIP's tree works; the answer does not depend on it, but what the certificate rests on does.

    Attributes
    ----------
    encoding:
        How SCIP's problem writes logarithms: an encoding by its id, or ``native``.
    relaxator:
        Where bounds come from: the Lagrangian chain bound, SCIP's LP, or the better one of both.
    branching:
        Whether cells are split by our rule, or SCIP branches on its variables by its own.
    propagation:
        Whether SCIP propagates bounds, those of reduced-cost fixing among them.
    nodes:
        Nodes after which SCIP stops, in each of its trees; ``None`` for any number.
    rows:
        Whether SCIP's LP has rows by Lagrange multipliers (:mod:`mipdesign.scip_plugins.lagrangian_rows`).
    """

    encoding: str = "sos2"
    relaxator: Relaxator = "lagrangian"
    branching: Branching = "ours"
    propagation: bool = False
    nodes: int | None = None
    rows: bool = False

    @property
    def is_certified(self) -> bool:
        """Whether the certificate has the tree; it has SCIP's word otherwise."""
        return self.relaxator == "lagrangian" and self.branching == "ours"

    @classmethod
    def of(cls, chosen: Mapping[str, str]) -> ScipOptions:
        """Options by name, as texts.

        Raises
        ------
        SpecError
            For a name or a value that there is not, or values that do not go together.
        """
        allowed = {
            "relaxator": get_args(Relaxator),
            "branching": get_args(Branching),
            "propagation": ("on", "off"),
            "rows": ("on", "off"),
        }
        for name, value in chosen.items():
            if name not in ("encoding", "nodes", *allowed):
                known = ", ".join(sorted((*allowed, "encoding", "nodes")))
                raise SpecError("engine_options", f"{name!r} is none", f"use one of: {known}")
            if name in allowed and value not in allowed[name]:
                raise SpecError(f"engine_options.{name}", f"{value!r} is none", f"use one of: {', '.join(allowed[name])}")
        made: dict[str, Any] = dict(chosen)
        made |= {name: made[name] == "on" for name in ("propagation", "rows") if name in made}
        if "nodes" in made:
            if not re.fullmatch("[1-9][0-9]{0,17}", made["nodes"]):
                raise SpecError(
                    "engine_options.nodes", f"{made['nodes']!r} is no number of nodes", "give a whole number from 1 up"
                )
            made["nodes"] = int(made["nodes"])
        made.setdefault("branching", "scip" if made.get("relaxator") == "lp" else "ours")
        options = cls(**made)
        if options.relaxator == "lp" and options.branching == "ours":
            remedy = "choose relaxator=both, or leave branching out"
            raise SpecError("engine_options.branching", "'ours' needs the cells of the Lagrangian relaxator", remedy)
        if options.rows and options.relaxator == "lagrangian":
            raise SpecError(
                "engine_options.rows", "without an LP there is nothing for them to bound", "add relaxator=lp or both"
            )
        return options


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
    list_steps:
        Steps that the search for all networks of a cell may take.
    annealing:
        Whether the tree begins with the network that annealing finds.
    scip:
        How SCIP's tree works.
    """

    time_limit: float | None = None
    gap: float = OPTIMAL_GAP
    seed: int = 0
    workers: int = 1
    formulation: str = "lattice"
    presolve: bool = True
    solver_columns: int = 0
    memory_mb: int = MEMORY_MB
    list_steps: int = LIST_STEPS
    annealing: bool = True
    scip: ScipOptions = ScipOptions()


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
    listed: int | None = None
    """How many networks of a list are found."""


@dataclass(frozen=True)
class OpenNode:
    """A node that was not dealt with, as a certificate states it."""

    name: str
    bound: float
    multipliers: Multipliers
    by_solver: bool = False

    @classmethod
    def of(cls, tables: Tables, node: Node, best: Candidate | None) -> OpenNode:
        """A node of the search; one that was never bounded gets the bound of its starting multipliers."""
        bound = node.bound
        if not math.isfinite(bound) and node.multipliers.weight != 0.0:
            relaxation = Relaxation(tables, node.cell, best.objective if best else -math.inf)
            bound = bound if relaxation.empty else relaxation.bound(node.multipliers).outward
        return cls(node.name, bound, node.multipliers, node.by_solver)


@dataclass(frozen=True)
class ScipTree:
    """What SCIP says of its tree.

    Attributes
    ----------
    version:
        Of SCIP.
    nodes:
        Nodes that it has dealt with.
    seconds:
        Wall time of SCIP.
    root_bound:
        Upper bound of the objective at its root; SCIP's infinity where the root was cut off.
    options:
        How it worked.
    lacking:
        Terms of the problem that its constraints lack and the exact check decides.
    """

    version: str
    nodes: int
    seconds: float
    root_bound: float
    options: ScipOptions
    lacking: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """What ``result.json`` says of it."""
        root = self.root_bound if math.isfinite(self.root_bound) and abs(self.root_bound) < 1e20 else None
        return {
            "version": self.version,
            "nodes": self.nodes,
            "seconds": self.seconds,
            "root_bound": root,
            "options": asdict(self.options),
            "lacking": list(self.lacking),
        }


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
