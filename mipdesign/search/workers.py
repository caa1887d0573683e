"""The parent's side of the child processes: starts them, tells them the problem, hands them tasks, hears of their deaths."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from ..lattice.tables import Tables
from ..plugins import shipment
from ..problem.problem import Problem
from .branching import Guide
from .tasks import Task

MEMORY_MB = 4096
"""Address space that a child may take; beyond it the child fails and its task is tried again."""


def processors() -> int:
    """How many processors this process may use: a scheduler or a container may have lent it some of the machine's only."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Message:
    """What a child said; ``kind`` is ``ready``, ``candidate``, ``bound``, ``done``, ``refused``, ``failed`` or ``died``; or
    that it has ``joined``.
    """

    child: Child
    kind: str
    content: Any


class Child:
    """One child process; :attr:`ready` once it has the tables of its problem."""

    def __init__(self, memory_mb: int, inbox: SimpleQueue[Message]) -> None:
        self.inbox = inbox
        self.task: Task | None = None
        self.ready = False
        self.dismissed = False
        environment = os.environ | {name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mipdesign.search.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        self.lock = threading.Lock()
        self._send((memory_mb, shipment()))
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        try:
            while True:
                kind, content = pickle.load(self.process.stdout)
                self.inbox.put(Message(self, kind, content))
        except Exception:  # a torn message is a death, whatever it raises
            self.process.kill()
            self.inbox.put(Message(self, "died", self.process.wait()))

    def _send(self, message: Any) -> None:
        assert self.process.stdin is not None
        try:
            with self.lock:
                pickle.dump(message, self.process.stdin)
                self.process.stdin.flush()
        except OSError:
            pass  # the listener reports the death

    def set_problem(self, problem: Problem, guide: Guide) -> None:
        """Tells the problem that the next tasks are of."""
        self.ready = False
        self._send(("problem", (problem.to_dict(), guide)))

    def give(self, task: Task) -> None:
        """Starts a task."""
        self.task = task
        self._send(("task", task))

    def set_cutoff(self, cutoff: float) -> None:
        """Tells the cutoff."""
        self._send(("cutoff", cutoff))

    def kill(self) -> None:
        """Ends the process at once."""
        self.process.kill()

    def dismiss(self) -> None:
        """Ends the process at once; nothing of what it still has to say is heard."""
        self.dismissed = True
        self.kill()


class Pool:
    """Children that work on one problem after another; one that dies is replaced, and more may join or be taken away.

    Parameters
    ----------
    workers:
        How many there are at first; one per processor by default.

    Attributes
    ----------
    tables:
        Those of the problem at hand; the next one may have the same columns.
    """

    def __init__(self, workers: int | None = None, memory_mb: int = MEMORY_MB) -> None:
        self.memory_mb = memory_mb
        self.inbox: SimpleQueue[Message] = SimpleQueue()
        self.cutoff = float("-inf")
        self.children = [Child(memory_mb, self.inbox) for _ in range(processors() if workers is None else workers)]
        self.tables: Tables | None = None
        self.guide: Guide = {}

    def begin(self, tables: Tables, guide: Guide) -> None:
        """Turns to a problem. Who is still busy with the one before is replaced, and what was said of it is not heard."""
        self.tables, self.guide, self.cutoff = tables, guide, float("-inf")
        self._clear()
        for child in self.children:
            child.set_problem(tables.problem, guide)

    def _replace(self, child: Child) -> Child:
        new = Child(self.memory_mb, self.inbox)
        self.children[self.children.index(child)] = new
        return new

    def _empty_inbox(self) -> None:
        """Takes in who has joined; hears nothing of what else was said."""
        while not self.inbox.empty():
            message = self.inbox.get()
            if message.kind == "joined":
                self.children.append(message.child)

    def _clear(self) -> None:
        """Forgets the last problem: who is busy with it or dead is replaced."""
        for child in self.busy():
            child.dismiss()
            self._replace(child)
        self._empty_inbox()
        for child in self.children:
            if child.process.poll() is not None:
                self._replace(child)

    def take(self) -> list[Child]:
        """Takes all children away; nobody may be at work here."""
        self._clear()
        children, self.children = self.children, []
        return children

    def join(self, child: Child) -> None:
        """Hands over a child that was taken from another pool; this one may be at work."""
        child.inbox = self.inbox
        self.inbox.put(Message(child, "joined", None))

    def _tell(self, child: Child) -> None:
        if self.tables is not None:
            child.set_problem(self.tables.problem, self.guide)

    def idle(self) -> list[Child]:
        """Children that wait for a task."""
        return [child for child in self.children if child.ready and child.task is None]

    def busy(self) -> list[Child]:
        """Children that have a task."""
        return [child for child in self.children if child.task is not None]

    def set_cutoff(self, cutoff: float) -> None:
        """Shares the cutoff with all children."""
        self.cutoff = cutoff
        for child in self.children:
            child.set_cutoff(cutoff)

    def listen(self, seconds: float) -> Message | None:
        """The next message, or ``None`` after ``seconds``. Readiness and replacement of the dead are dealt with here."""
        try:
            message = self.inbox.get(timeout=seconds)
        except Empty:
            return None
        if message.child.dismissed:
            return self.listen(seconds)
        child = message.child
        if message.kind == "joined":
            self.children.append(child)
            self._tell(child if child.process.poll() is None else self._replace(child))
        elif message.kind == "ready":
            child.ready = True
            child.set_cutoff(self.cutoff)
        elif message.kind == "died" and child in self.children:
            self._tell(self._replace(child))
        return message

    def close(self) -> None:
        """Ends all children."""
        self._empty_inbox()
        for child in self.children:
            child.kill()
        for child in self.children:
            child.process.wait()
