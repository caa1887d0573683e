"""What changes while a design run is under way: the open nodes, the cells for the solver, and what was proved of them."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ..errors import MipdesignError
from ..lattice.position import Candidate
from ..machine import peak_memory_mb
from .branching import Node, Record
from .outcome import Progress, SolvedCell
from .tasks import Close, Explore, Explored, SolverCell
from .workers import WorkerHandle

ATTEMPTS = 4
"""How often a task is tried before it is given up."""
MOST_INCIDENTS = 1000


@dataclass
class RunState:
    """Everything that changes while a run is under way.

    Attributes
    ----------
    open, cells:
        Heaps of the open nodes and of the cells that wait for the solver, largest bound first.
    failures:
        How often the task of a node failed.
    given_up:
        Nodes whose tasks failed too often, or ran out of time.
    task_bound:
        Bound of what each child has in hand.
    centre:
        Incumbent whose neighbourhood was searched last.
    """

    open: list[tuple[float, int, Node]] = field(default_factory=list)
    cells: list[tuple[float, int, SolverCell]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    solved: list[SolvedCell] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)
    given_up: list[Node] = field(default_factory=list)
    task_bound: dict[WorkerHandle, float] = field(default_factory=dict)
    trace: list[Progress] = field(default_factory=list)
    incidents: list[str] = field(default_factory=list)
    closed: int = 0
    neighbourhoods: int = 0
    centre: Candidate | None = None
    rss_of_children: dict[int, float] = field(default_factory=dict)
    _order: Iterator[int] = field(default_factory=itertools.count)

    def push(self, node: Node) -> None:
        """Opens a node."""
        heapq.heappush(self.open, (-node.bound, next(self._order), node))

    def pop(self) -> Node:
        """Takes out the open node of the largest bound."""
        return heapq.heappop(self.open)[2]

    def leave_to_solver(self, cell: SolverCell) -> None:
        """Queues a cell for the solver."""
        heapq.heappush(self.cells, (-cell.bound, next(self._order), cell))

    def pop_cell(self) -> SolverCell:
        """Takes out the cell of the largest bound."""
        return heapq.heappop(self.cells)[2]

    def bounds(self) -> list[float]:
        """Bounds of all that is open, in work, with the solver, or given up."""
        bounds = [-self.open[0][0]] if self.open else []
        bounds += [-self.cells[0][0]] if self.cells else []
        return bounds + list(self.task_bound.values()) + [node.bound for node in self.given_up]

    def drop_excluded(self, cutoff: float) -> None:
        """Records cells whose bound has fallen below a risen cutoff; their multipliers already prove it."""
        while self.cells and all(-bound < cutoff for bound, _, _ in self.cells):
            cell = self.pop_cell()
            self.records.append(Record(cell.record.node, "excluded", cutoff, cell.record.multipliers))
            self.closed += 1

    def take_explored(self, outcome: Explored) -> None:
        """Takes in what came of an exploration."""
        self.records += outcome.records
        self.closed += outcome.nodes
        for node in outcome.open:
            self.push(node)
        for cell in outcome.solver_cells:
            self.leave_to_solver(cell)

    def remaining(self, children: Iterable[WorkerHandle]) -> list[Node]:
        """Nodes that are not proved: open, in work, with the solver, or given up."""
        nodes = [node for _, _, node in self.open] + [cell.node for _, _, cell in self.cells] + list(self.given_up)
        for child in children:
            if isinstance(child.task, Explore) and child in self.task_bound:
                nodes += child.task.nodes
            elif isinstance(child.task, Close) and child in self.task_bound:
                nodes.append(child.task.target.node)
        return nodes

    def note(self, seconds: float, text: str) -> None:
        """Keeps an incident.

        Raises
        ------
        MipdesignError
            If there are too many to go on.
        """
        self.incidents.append(f"{seconds:.1f} s: {text}")
        if len(self.incidents) > MOST_INCIDENTS:
            raise MipdesignError(f"too many failures of child processes, the last one: {text}")

    @property
    def peak_rss_mb(self) -> float:
        """Most memory of this process and its children, in MB."""
        return peak_memory_mb() + sum(self.rss_of_children.values())
