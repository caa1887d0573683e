"""The process of the engine: keeps the tables of a problem and solves one problem after another.

Started by :mod:`mipdesign.engine.engine` as ``python -m mipdesign.engine.process``, or as a copy of the process that it serves.
A crash of SCIP or of a plug-in ends this process and nothing else.
"""

from __future__ import annotations

import sys
import traceback
from typing import Any

from ..errors import MipdesignError
from ..lattice.tables import Tables
from ..machine import copied_memory_mb, peak_memory_mb
from ..plugins import receive
from ..problem.problem import Problem
from ..processes import PICKLES, ParentLink
from ..search.coverage import build_tables
from .session import Session
from .task import Task

SWITCH_SECONDS = 2e-4
"""After how long a thread lets another one have Python's lock: one that comes back from the core has but little to do, and a
node takes a millisecond, a fifth of what Python has them wait by default.
"""


class Server:
    """State of the process: the tables, the session at hand, and the link to the parent."""

    def __init__(self, tables: Tables | None = None) -> None:
        self.tables = tables
        self.session: Session | None = None
        self.run = 0
        self.stopped = -1
        self.link = ParentLink(PICKLES, self._at_once)
        sys.setswitchinterval(SWITCH_SECONDS)

    def _at_once(self, message: Any) -> bool:
        """What concerns the session at hand: to stop, or to take more threads."""
        kind, content = message
        session = self.session
        if kind == "stop":
            self.stopped = content
            if session is not None and self.run == content:
                session.stop()
            return True
        if kind == "help":
            if session is not None:
                session.help(content)
            return True
        return False

    def serve(self) -> None:
        """Does what the parent asks, until the parent ends."""
        while True:
            kind, content = self.link.receive()
            if kind == "plugins":
                receive(content)
            else:
                self.solve(*content)

    def solve(self, run: int, specification: dict[str, Any] | None, task: Task, several: bool) -> None:
        """Solves one problem, that of the tables at hand by default; every message says of which run it is.

        ``several`` is that of :class:`Session`.
        """

        def tell(kind: str, content: Any = None) -> None:
            self.link.send((run, kind, content))

        self.run = run
        try:
            if specification is not None:
                self.tables = build_tables(Problem.from_dict(specification), self.tables)
            assert self.tables is not None
            self.session = Session(self.tables, task, tell, several)
            if self.stopped == run:
                self.session.stop()
            ended = self.session.run()
        except MipdesignError as error:
            tell("refused", error)
        except Exception:
            tell("failed", traceback.format_exc(limit=20))
        else:
            tell("ended", (ended, peak_memory_mb() - copied_memory_mb()))
        finally:
            self.session = None


if __name__ == "__main__":
    Server().serve()
