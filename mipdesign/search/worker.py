"""A worker process of a design run: keeps the tables in memory and carries out one task after another.

Started as ``python -m mipdesign.search.worker`` by :mod:`mipdesign.search.workers`; see :mod:`mipdesign.processes`.
"""

from __future__ import annotations

import traceback
from typing import Any

from ..errors import MipdesignError
from ..lattice.position import Candidate
from ..lattice.tables import Tables
from ..machine import peak_memory_mb
from ..plugins import receive
from ..problem.problem import Problem
from ..processes import PICKLES, ParentLink
from .branching import Guide
from .coverage import build_tables
from .tasks import Close, Closed, Explore, Task, WorkerContext, explore


class Worker:
    """State of the process: the tables, the cutoff that the parent last sent, and the link to the parent."""

    def __init__(self) -> None:
        self.cutoff = float("-inf")
        self.tables: Tables | None = None
        self.link = ParentLink(PICKLES, self._take_cutoff)

    def _take_cutoff(self, message: Any) -> bool:
        """Takes a new cutoff while a task is under way."""
        if message[0] != "cutoff":
            return False
        self.cutoff = message[1]
        return True

    def begin(self, specification: dict[str, Any], guide: Guide) -> None:
        """Turns to a problem."""
        self.guide = guide
        self.tables = build_tables(Problem.from_dict(specification), self.tables)
        self.send("ready")

    def send(self, kind: str, content: Any = None) -> None:
        """Says something to the parent; see :class:`mipdesign.search.workers.Message`."""
        self.link.send((kind, content))

    def run(self, task: Task) -> None:
        """Carries out one task and sends its outcome; an exception is sent as text."""
        reported: set[Candidate] = set()

        def report(candidate: Candidate) -> None:
            if candidate not in reported:
                reported.add(candidate)
                self.send("candidate", candidate)

        assert self.tables is not None
        context = WorkerContext(self.tables, lambda: self.cutoff, report, lambda bound: self.send("bound", bound), self.guide)
        try:
            outcome = explore(task, context) if isinstance(task, Explore) else close(task, context)
        except MipdesignError as error:
            self.send("refused", error)
            return
        except Exception:
            self.send("failed", traceback.format_exc(limit=20))
            return
        self.send("done", (outcome, peak_memory_mb()))


def close(task: Close, context: WorkerContext) -> Closed:
    """Has SCIP close a cell."""
    from ..mip.closing import solve_cell

    result = solve_cell(
        context.tables,
        task.target.cell,
        context.cutoff(),
        task.formulation,
        task.settings,
        on_progress=lambda bound, incumbent: context.progress(bound),
    )
    for found in result.networks:
        context.report(found)
    return Closed(task.target, result)


def main() -> None:
    """Entry point of the process."""
    worker = Worker()
    _, shipped = worker.link.receive()
    receive(shipped)
    while True:
        kind, content = worker.link.receive()
        if kind == "problem":
            worker.begin(*content)
        else:
            worker.run(content)


if __name__ == "__main__":
    main()
