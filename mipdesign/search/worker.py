"""A child process of a design run: keeps the tables in memory and carries out one task after another.

Started as ``python -m mipdesign.search.worker``. Messages are pickles on standard input and output; whatever native code prints
goes nowhere. The process ends when its standard input does, so that it never outlives the run.
"""

from __future__ import annotations

import os
import pickle
import resource
import sys
import threading
import traceback
from queue import SimpleQueue
from typing import Any, BinaryIO

from ..errors import MipdesignError
from ..lattice.tables import Candidate, Tables, build_tables
from ..networks.blocks import import_families
from ..problem.problem import Problem
from .branching import Guide
from .tasks import Close, Closed, Desk, Explore, Task, explore


class Worker:
    """State of the child: the tables, the cutoff that the parent last sent, and the message stream."""

    def __init__(self, out: BinaryIO, memory_mb: int) -> None:
        self.out, self.lock = out, threading.Lock()
        self.cutoff = float("-inf")
        self.tables: Tables | None = None
        if memory_mb:
            limit = memory_mb * 2**20
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    def begin(self, specification: dict[str, Any], guide: Guide) -> None:
        """Turns to a problem."""
        self.guide = guide
        self.tables = build_tables(Problem.from_dict(specification), self.tables)
        self.send("ready")

    def send(self, kind: str, content: Any = None) -> None:
        with self.lock:
            pickle.dump((kind, content), self.out)
            self.out.flush()

    def run(self, task: Task) -> None:
        """Carries out one task and sends its outcome; an exception is sent as text."""
        reported: set[Candidate] = set()

        def report(candidate: Candidate) -> None:
            if candidate not in reported:
                reported.add(candidate)
                self.send("candidate", candidate)

        assert self.tables is not None
        desk = Desk(self.tables, lambda: self.cutoff, report, lambda bound: self.send("bound", bound), self.guide)
        try:
            outcome = explore(task, desk) if isinstance(task, Explore) else close(task, desk)
        except MipdesignError as error:
            self.send("refused", error)
            return
        except Exception:
            self.send("failed", traceback.format_exc(limit=20))
            return
        self.send("done", (outcome, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))


def close(task: Close, desk: Desk) -> Closed:
    """Has SCIP close a cell."""
    from ..mip.closing import solve_cell

    result = solve_cell(
        desk.tables,
        task.target.cell,
        desk.cutoff(),
        task.formulation,
        task.settings,
        on_progress=lambda bound, incumbent: desk.progress(bound),
    )
    for found in result.networks:
        desk.report(found)
    return Closed(task.target, result)


def main() -> None:
    """Entry point of the child process."""
    out = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    source = sys.stdin.buffer
    memory_mb, families = pickle.load(source)
    import_families(families)
    worker = Worker(out, memory_mb)
    asked: SimpleQueue[tuple[str, Any]] = SimpleQueue()

    def listen() -> None:
        try:
            while True:
                kind, content = pickle.load(source)
                if kind == "cutoff":
                    worker.cutoff = content
                else:
                    asked.put((kind, content))
        except (EOFError, OSError):
            os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        kind, content = asked.get()
        if kind == "problem":
            worker.begin(*content)
        else:
            worker.run(content)


if __name__ == "__main__":
    main()
