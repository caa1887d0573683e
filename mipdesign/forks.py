"""A child that begins as a copy of this process: what has been imported and built here is there already, in the same memory.

Only a process with a single thread may be copied: a lock that another thread holds at that moment would never be released in
the copy. Libraries of linear algebra start threads when they are imported, unless :func:`keep_single_threaded` comes before.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn
from weakref import WeakSet

SINGLE_THREADED = {name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}
"""Environment that keeps libraries from threads of their own."""
THREADS = "/proc/self/task"
_COPIES: WeakSet[Forked] = WeakSet()
"""Copies of this process that were made, whose pipes a further copy must not hold open."""


def keep_single_threaded() -> None:
    """Keeps libraries that are imported later from threads, unless the user's environment says how many they shall have."""
    for name, value in SINGLE_THREADED.items():
        os.environ.setdefault(name, value)


def can_fork() -> bool:
    """Whether this process may be copied: on Linux, as long as it has one thread, those of libraries included."""
    return sys.platform == "linux" and len(os.listdir(THREADS)) == 1


class Forked:
    """A copy of this process, in a session of its own, that does one thing; in place of :class:`subprocess.Popen`.

    Its standard input and output are pipes, as :class:`~mipdesign.processes.ParentLink` takes them over. It ends without
    anything that this process would do at its end.

    Parameters
    ----------
    body:
        What the copy does.
    """

    def __init__(self, body: Callable[[], object]) -> None:
        source, into = os.pipe()
        out, sink = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        gc.freeze()  # a collection would write to every object, and so copy the memory that both share
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            for other in _COPIES:
                other.forget()
            os.close(into)
            os.close(out)
            _become(body, source, sink)
        os.close(source)
        os.close(sink)
        self.stdin, self.stdout = os.fdopen(into, "wb"), os.fdopen(out, "rb")
        self.stdout.read(1)  # from here on the session can be killed by its number
        _COPIES.add(self)

    def forget(self) -> None:
        """Closes the pipes without a word to the copy at their other ends."""
        for pipe in (self.stdin, self.stdout):
            with suppress(OSError):
                pipe.raw.close()


def _become(body: Callable[[], object], source: int, sink: int) -> NoReturn:
    """Makes a copy of a process a process of its own."""
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.dup2(source, 0)
        os.dup2(sink, 1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os.close(source)
        os.close(sink)
        os.write(1, b"\n")
        body()
    finally:
        os._exit(1)
