"""The parent's side of the worker processes: starts them, tells them the problem, hands them tasks, hears of their deaths."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from ..lattice.tables import Tables
from ..machine import processors
from ..plugins import shipment
from ..problem.problem import Problem
from ..processes import PICKLES, Conversation, Ended
from .branching import Guide
from .tasks import Task

MEMORY_MB = 4096
"""Address space that a worker may take; beyond it the worker fails and its task is tried again."""


@dataclass(frozen=True)
class Message:
    """What a worker said; ``kind`` is ``ready``, ``candidate``, ``bound``, ``done``, ``refused``, ``failed`` or ``died``; or
    that it has ``joined``.
    """

    worker: WorkerHandle
    kind: str
    content: Any


class WorkerHandle:
    """One worker process; :attr:`ready` once it has the tables of its problem."""

    def __init__(self, memory_mb: int, inbox: SimpleQueue[Message]) -> None:
        self.inbox = inbox
        self.task: Task | None = None
        self.ready = False
        self.dismissed = False
        self.process = Conversation(
            [sys.executable, "-m", "mipdesign.search.worker"],
            PICKLES,
            self._hear,
            self._died,
            address_space_mb=memory_mb or None,
        )
        self.process.send(("plugins", shipment()))

    def _hear(self, message: tuple[str, Any]) -> None:
        self.inbox.put(Message(self, *message))

    def _died(self, ended: Ended) -> None:
        self.inbox.put(Message(self, "died", ended.code))

    def set_problem(self, problem: Problem, guide: Guide) -> None:
        """Tells the problem that the next tasks are of."""
        self.ready = False
        self.process.send(("problem", (problem.to_dict(), guide)))

    def give(self, task: Task) -> None:
        """Starts a task."""
        self.task = task
        self.process.send(("task", task))

    def set_cutoff(self, cutoff: float) -> None:
        """Tells the cutoff."""
        self.process.send(("cutoff", cutoff))

    def kill(self) -> None:
        """Ends the process at once."""
        self.process.kill()

    def dismiss(self) -> None:
        """Ends the process at once; nothing of what it still has to say is heard."""
        self.dismissed = True
        self.kill()


class Workers:
    """Worker processes that solve one problem after another; one that dies is replaced, and more may join or be taken away.

    Parameters
    ----------
    count:
        How many there are at first; one per processor by default.

    Attributes
    ----------
    tables:
        Those of the problem at hand; the next one may have the same columns.
    """

    def __init__(self, count: int | None = None, memory_mb: int = MEMORY_MB) -> None:
        self.memory_mb = memory_mb
        self.inbox: SimpleQueue[Message] = SimpleQueue()
        self.cutoff = float("-inf")
        self.handles = [WorkerHandle(memory_mb, self.inbox) for _ in range(processors() if count is None else count)]
        self.tables: Tables | None = None
        self.guide: Guide = {}

    def begin(self, tables: Tables, guide: Guide) -> None:
        """Turns to a problem. Who is still busy with the one before is replaced, and what was said of it is not heard."""
        self.tables, self.guide, self.cutoff = tables, guide, float("-inf")
        self._clear()
        for worker in self.handles:
            worker.set_problem(tables.problem, guide)

    def _replace(self, worker: WorkerHandle) -> WorkerHandle:
        new = WorkerHandle(self.memory_mb, self.inbox)
        self.handles[self.handles.index(worker)] = new
        return new

    def _empty_inbox(self) -> None:
        """Takes in who has joined; hears nothing of what else was said."""
        while not self.inbox.empty():
            message = self.inbox.get()
            if message.kind == "joined":
                self.handles.append(message.worker)

    def _clear(self) -> None:
        """Forgets the last problem: who is busy with it or dead is replaced."""
        for worker in self.busy():
            worker.dismiss()
            self._replace(worker)
        self._empty_inbox()
        for worker in self.handles:
            if worker.process.poll() is not None:
                self._replace(worker)

    def take(self) -> list[WorkerHandle]:
        """Takes all workers away; nobody may be at work here."""
        self._clear()
        handles, self.handles = self.handles, []
        return handles

    def join(self, worker: WorkerHandle) -> None:
        """Hands over a worker that was taken from others; these may be at work."""
        worker.inbox = self.inbox
        self.inbox.put(Message(worker, "joined", None))

    def _tell(self, worker: WorkerHandle) -> None:
        if self.tables is not None:
            worker.set_problem(self.tables.problem, self.guide)

    def idle(self) -> list[WorkerHandle]:
        """Workers that wait for a task."""
        return [worker for worker in self.handles if worker.ready and worker.task is None]

    def busy(self) -> list[WorkerHandle]:
        """Workers that have a task."""
        return [worker for worker in self.handles if worker.task is not None]

    def set_cutoff(self, cutoff: float) -> None:
        """Shares the cutoff with all workers."""
        self.cutoff = cutoff
        for worker in self.handles:
            worker.set_cutoff(cutoff)

    def listen(self, seconds: float) -> Message | None:
        """The next message, or ``None`` after ``seconds``. Readiness and replacement of the dead are dealt with here."""
        try:
            message = self.inbox.get(timeout=seconds)
        except Empty:
            return None
        if message.worker.dismissed:
            return self.listen(seconds)
        worker = message.worker
        if message.kind == "joined":
            self.handles.append(worker)
            self._tell(worker if worker.process.poll() is None else self._replace(worker))
        elif message.kind == "ready":
            worker.ready = True
            worker.set_cutoff(self.cutoff)
        elif message.kind == "died" and worker in self.handles:
            self._tell(self._replace(worker))
        return message

    def close(self) -> None:
        """Ends all workers."""
        self._empty_inbox()
        for worker in self.handles:
            worker.kill()
        for worker in self.handles:
            worker.process.wait()
