"""SIGINT and SIGTERM, taken at a moment that suits the program.

A ``KeyboardInterrupt`` out of nowhere can strike between two steps that belong together, such as taking a node off the heap
and noting who works on it. The command line therefore holds signals back from its first line on. A command that may be cut
off anywhere lets them through with :meth:`Interrupts.allow`; a design run asks for them with :meth:`Interrupts.check` where
its state is whole, and writes its files undisturbed.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupts:
    """Turns signals into ``KeyboardInterrupt``, at once or when asked. Signals are held back at first."""

    def __init__(self) -> None:
        self.held = True
        self.received = False

    def install(self) -> None:
        """Takes over SIGINT and SIGTERM; only the main thread may."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._take)

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.received = True
        if not self.held:
            raise KeyboardInterrupt

    def hold(self) -> None:
        """From here on a signal is only noted."""
        self.held = True

    def allow(self) -> None:
        """From here on a signal interrupts at once; one that has been held back does so now."""
        self.held = False
        self.check()

    def check(self) -> None:
        """Raises ``KeyboardInterrupt`` if a signal has come."""
        if self.received:
            raise KeyboardInterrupt


@contextmanager
def deferred() -> Iterator[Callable[[], None]]:
    """Where Python's own handling of SIGINT is in place: only notes it, and raises it when the yielded function is called.

    Elsewhere (another thread, or a program with a handler of its own) nothing changes, and the function does nothing.
    """
    mine = Interrupts()
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield lambda: None
        return
    signal.signal(signal.SIGINT, mine._take)
    try:
        yield mine.check
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


INTERRUPTS = Interrupts()
"""The interrupts of this process; without :meth:`Interrupts.install` Python's own handling stays."""
