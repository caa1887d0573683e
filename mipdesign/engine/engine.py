"""The parent's side of the engine: one process with SCIP, which is begun anew when it dies.

Nothing is imported here that takes time: the process gets ready while this one imports what it needs itself. Where it may be a
copy of this one (see :mod:`mipdesign.forks`) it is made as late as possible instead: what this process has imported, and the
tables, are there then, in memory that both share.
"""

from __future__ import annotations

import itertools
import math
import sys
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from ..forks import can_fork
from ..machine import MEMORY_MB
from ..plugins import shipment
from ..processes import PICKLES, Conversation, Ended

if TYPE_CHECKING:
    from ..lattice.tables import Tables
    from ..problem.problem import Problem
    from .task import Task


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
    copied:
        Whether the process may begin as a copy of this one, the first time: for programs that know what they have imported
        and opened until then.
    several:
        Whether it is going to solve problems that differ in their limits.

    Attributes
    ----------
    tables:
        Those of the problem at hand; the next one may have the same columns.
    tabulated, began:
        A problem whose tables the process has from its beginning, and when these were begun (:func:`time.monotonic`).
    """

    def __init__(self, workers: int = 1, memory_mb: int = MEMORY_MB, *, copied: bool = False, several: bool = False) -> None:
        self.workers, self.memory_mb, self.copied, self.several = workers, memory_mb, copied, several
        self.tables: Tables | None = None
        self.tabulated: Problem | None = None
        self.began = math.nan
        self.inbox: SimpleQueue[Message] = SimpleQueue()
        self.runs = itertools.count()
        self.run = -1
        self.process: Conversation | None = None

    def __enter__(self) -> Self:
        self.prepare()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self.process is not None and self.process.poll() is None

    def prepare(self, problem: Problem | None = None) -> None:
        """Lets the process get ready while the parent does something else.

        One that begins as a copy of the parent waits for a problem, whose tables both then have.

        Raises
        ------
        SpecError
            As :meth:`tabulate` does.
        """
        if self.is_running:
            return
        if not (self.copied and can_fork()):
            self._start([sys.executable, "-m", "mipdesign.engine.process"])
            self._send(("plugins", shipment()))
        elif problem is not None:
            begin_copies([self], problem)

    def tabulate(self, problem: Problem) -> Tables:
        """Tables of a problem: those at hand, or new ones that share with these what they can.

        Raises
        ------
        SpecError
            As :func:`mipdesign.search.coverage.build_tables` does.
        """
        from ..search.coverage import build_tables

        if self.tables is None or self.tables.problem is not problem:
            self.tables = build_tables(problem, self.tables)
        return self.tables

    def _start_copy(self, problem: Problem) -> None:
        self.began = time.monotonic()
        tables = self.tabulate(problem)

        def serve() -> None:
            from .process import Server

            Server(tables).serve()

        self._start(serve)
        self.tabulated = problem

    def _start(self, command: list[str] | Callable[[], object]) -> None:
        inbox: SimpleQueue[Message] = SimpleQueue()
        self.inbox, self.copied, self.tabulated = inbox, False, None

        def hear(message: tuple[int, str, Any]) -> None:
            run, kind, content = message
            if run == self.run:
                inbox.put(Message(kind, content))

        def died(ended: Ended) -> None:
            inbox.put(Message("died", ended.code))

        heard_later = callable(command)  # a process that has a thread to listen with cannot be copied again
        limit = self.memory_mb or None
        self.process = Conversation(command, PICKLES, hear, died, address_space_mb=limit, heard_later=heard_later)

    def _send(self, message: tuple[str, Any]) -> None:
        assert self.process is not None
        self.process.send(message)

    def solve(self, problem: Problem, task: Task) -> None:
        """Has a problem solved; what is said of the one before is not heard any more."""
        self.prepare(problem)
        self.run = next(self.runs)
        while not self.inbox.empty():
            if self.inbox.get().kind == "died":
                self.prepare()
        specification = None if problem is self.tabulated else problem.to_dict()
        self._send(("solve", (self.run, specification, task, self.several)))
        self.tabulated = None

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


def begin_copies(engines: Sequence[Engine], problem: Problem) -> None:
    """Begins the processes of some engines as copies of this one, which has the tables of a problem; those of engines that may
    not be copies get ready when they are asked.

    Raises
    ------
    SpecError
        As :meth:`Engine.tabulate` does.
    """
    copied = [engine for engine in engines if engine.copied] if can_fork() else []
    for engine in copied:
        engine.tables = copied[0].tables
        engine._start_copy(problem)
    for engine in copied:
        assert engine.process is not None
        engine.process.hear()
