"""What the driver asks of a worker process, and what comes back."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..lattice.cell import Cell
from ..lattice.position import Candidate, Position
from ..lattice.tables import Tables
from .branching import Guide, Node, Record, expand
from .heuristics import polish

if TYPE_CHECKING:
    from ..mip.closing import CellResult, ScipSettings

POLISH_SHARE = 0.02
"""Share of a task's time that may go into local searches from paths that nearly fit."""


@dataclass(frozen=True)
class Explore:
    """Branch and bound from given nodes, best bound first, for a slice of time.

    Attributes
    ----------
    record:
        Whether the steps become part of the certificate; a neighbourhood search of the heuristics does not.
    lead:
        How much better than the incumbent, relative to it, a network has to be to be looked for.
    """

    nodes: tuple[Node, ...]
    seconds: float
    solver_columns: int
    record: bool = True
    lead: float = 0.0


@dataclass(frozen=True)
class SolverCell:
    """A cell that is left to the solver: the node, what is left of its cell, and the record of how it was reduced."""

    node: Node
    cell: Cell
    record: Record
    bound: float


@dataclass(frozen=True)
class Close:
    """A cell for SCIP to close."""

    target: SolverCell
    formulation: str
    settings: ScipSettings


@dataclass
class Explored:
    """Outcome of :class:`Explore`."""

    records: list[Record] = field(default_factory=list)
    open: tuple[Node, ...] = ()
    solver_cells: list[SolverCell] = field(default_factory=list)
    nodes: int = 0


@dataclass(frozen=True)
class Closed:
    """Outcome of :class:`Close`."""

    target: SolverCell
    result: CellResult


Task = Explore | Close


@dataclass
class WorkerContext:
    """What a task may use of the process that runs it: the shared cutoff, and a way to report a network at once."""

    tables: Tables
    cutoff: Callable[[], float]
    report: Callable[[Candidate], None]
    progress: Callable[[float], None]
    """Told of the bound of what is still open in the task."""
    guide: Guide = field(default_factory=dict)


def explore(task: Explore, context: WorkerContext) -> Explored:
    """Runs an exploration until nothing is open or its time is up."""
    out = Explored()
    order = itertools.count()
    heap = [(-node.bound, next(order), node) for node in task.nodes]
    heapq.heapify(heap)
    began = told = time.monotonic()
    deadline, polishing = began + task.seconds, 0.0
    while heap and time.monotonic() < deadline:
        _, _, node = heapq.heappop(heap)
        cutoff = context.cutoff()
        if task.lead:  # there is an incumbent
            cutoff += task.lead * abs(cutoff)
        expansion = expand(context.tables, node, cutoff, task.solver_columns, advice=context.guide.get(node.name))
        out.nodes += 1
        for candidate in expansion.candidates:
            context.report(candidate)
        now = time.monotonic()
        if expansion.repair_start is not None and polishing <= POLISH_SHARE * (now - began):
            _repair(context, expansion.repair_start)
            polishing += time.monotonic() - now
        if expansion.record.verdict == "solver":
            assert expansion.cell is not None
            out.solver_cells.append(SolverCell(node, expansion.cell, expansion.record, expansion.bound))
        elif task.record:
            out.records.append(expansion.record)
        for child in expansion.children:
            heapq.heappush(heap, (-child.bound, next(order), child))
        if heap and time.monotonic() > told + 0.2:
            told = time.monotonic()
            context.progress(-heap[0][0])
    out.open = tuple(node for _, _, node in sorted(heap, key=lambda item: item[:2]))
    return out


def _repair(context: WorkerContext, position: Position) -> None:
    better = polish(context.tables, position)
    if better is not None and better.objective > context.cutoff():
        context.report(better)
