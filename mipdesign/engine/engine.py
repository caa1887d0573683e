"""The parent's side of the engine: one process with SCIP, which is begun anew when it dies.

Nothing is imported here that takes time: the process gets ready while this one imports what it needs itself.
"""

from __future__ import annotations

import itertools
import sys
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from ..machine import MEMORY_MB
from ..plugins import shipment
from ..processes import PICKLES, Conversation, Ended

if TYPE_CHECKING:
    from ..lattice.tables import Tables
    from ..problem.problem import Problem
    from .session import Task


class Message(NamedTuple):
    """What the process said; ``kind`` is that of :data:`mipdesign.engine.session.Tell`, or ``ended``, ``refused``, ``failed``,
    ``died``.
    """

    kind: str
    content: Any


class Engine:
    """A process that solves one problem after another.

    Parameters
    ----------
    workers:
        Threads that expand nodes in it.

    Attributes
    ----------
    tables:
        Those of the problem at hand; the next one may have the same columns.
    """

    def __init__(self, workers: int = 1, memory_mb: int = MEMORY_MB) -> None:
        self.workers, self.memory_mb = workers, memory_mb
        self.tables: Tables | None = None
        self.inbox: SimpleQueue[Message] = SimpleQueue()
        self.runs = itertools.count()
        self.run = -1
        self.process: Conversation | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def start(self) -> None:
        """Starts the process, if it does not run; it gets ready while the parent does something else."""
        if self.process is not None and self.process.poll() is None:
            return
        inbox: SimpleQueue[Message] = SimpleQueue()
        self.inbox = inbox

        def hear(message: tuple[int, str, Any]) -> None:
            run, kind, content = message
            if run == self.run:
                inbox.put(Message(kind, content))

        def died(ended: Ended) -> None:
            inbox.put(Message("died", ended.code))

        command = [sys.executable, "-m", "mipdesign.engine.process"]
        self.process = Conversation(command, PICKLES, hear, died, address_space_mb=self.memory_mb or None)
        self.process.send(("plugins", shipment()))

    def solve(self, problem: Problem, task: Task) -> None:
        """Has a problem solved; what is said of the one before is not heard any more."""
        self.start()
        assert self.process is not None
        self.run = next(self.runs)
        while not self.inbox.empty():
            if self.inbox.get().kind == "died":
                self.start()
        self.process.send(("solve", (self.run, problem.to_dict(), task)))

    def listen(self, seconds: float) -> Message | None:
        """The next message, or ``None`` after ``seconds``."""
        try:
            return self.inbox.get(timeout=seconds)
        except Empty:
            return None

    def stop(self) -> None:
        """Asks for the end of the problem at hand, with what is known."""
        if self.process is not None:
            self.process.send(("stop", self.run))

    def help(self, threads: int) -> None:
        """Gives the problem at hand more threads."""
        if self.process is not None and threads:
            self.process.send(("help", threads))

    def kill(self) -> None:
        """Ends the process at once."""
        if self.process is not None:
            self.process.kill()

    def close(self) -> None:
        """Ends the process."""
        if self.process is not None:
            self.process.end()
            self.process = None
