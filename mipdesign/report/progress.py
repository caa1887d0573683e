"""Progress of running commands: live at the foot of a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeAlias

from rich.console import Console, RenderableType
from rich.live import Live

from ..figures.formatting import duration, percent, score, with_unit
from ..figures.tables import Column, Table, Value, size_text

if TYPE_CHECKING:
    from ..analysis.frontier_file import Frontier
    from ..search.outcome import Progress


Clock: TypeAlias = Callable[[], float]
"""What tells seconds, from some point on."""


def progress_line(progress: Progress) -> str:
    """Where a run stands, in one line."""
    p = progress
    figures = f"incumbent {score(p.incumbent)}  bound {score(p.bound)}  gap {percent(p.gap)}"
    listed = "" if p.listed is None else f"  listed {p.listed}"
    return f"{p.seconds:8.1f} s  {p.phase:<11}  {figures}  open {p.open_nodes}  closed {p.closed_nodes}{listed}"


PROGRESS = (
    Column("time", text=lambda seconds: f"{seconds:.1f} s"),
    Column("phase", "left"),
    Column("incumbent", text=score),
    Column("bound", text=score),
    Column("gap", text=percent),
    Column("open", text=size_text),
)
"""Columns of where a search stands."""


def _row(p: Progress) -> tuple[Value, ...]:
    return p.seconds, p.phase, p.incumbent, p.bound, p.gap, p.open_nodes


def progress_table(progress: Progress) -> RenderableType:
    """Where a run stands, with headings, for a terminal."""
    heads: tuple[Column, ...] = (*PROGRESS, Column("closed", text=size_text))
    row: tuple[Value, ...] = (*_row(progress), progress.closed_nodes)
    if progress.listed is not None:
        heads, row = (*heads, Column("listed", text=size_text)), (*row, progress.listed)
    return Table("Progress", heads, (row,))


QUIET_SECONDS = 10.0
"""Seconds after which there is a plain line even where nothing has changed."""


class LiveDisplay:
    """A place at the foot of a terminal that is overwritten a few times a second, and cleared in the end.

    Where the console is not a terminal, nothing is shown. A terminal that is gone does not disturb the program.
    """

    INTERVAL = 0.15
    """Seconds between two refreshes."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self.due = -math.inf

    def __enter__(self) -> Self:
        if self.live is not None:
            with contextlib.suppress(OSError):
                self.live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.live is not None:
            with contextlib.suppress(OSError):
                self.live.stop()

    def show(self, content: RenderableType) -> None:
        """Shows something, unless something else was shown a moment ago."""
        now = time.monotonic()
        if self.live is not None and now >= self.due:
            self.due = now + self.INTERVAL
            with contextlib.suppress(OSError):
                self.live.update(content, refresh=True)


class Pulse:
    """Plain lines of a command that is no single search: what happened, and a sign of life every :data:`QUIET_SECONDS` seconds.

    The latter are for where there is no terminal.
    """

    def __init__(self, console: Console, clock: Clock) -> None:
        self.console, self.clock, self.last = console, clock, clock()

    def tell(self, line: str) -> None:
        """Prints what has happened."""
        self.last = self.clock()
        with contextlib.suppress(OSError):
            self.console.print(line, soft_wrap=True)

    def beat(self, line: Callable[[], str]) -> None:
        """Prints a line unless something was printed a while ago, or a terminal shows it anyway."""
        if not self.console.is_terminal and self.clock() >= self.last + QUIET_SECONDS:
            self.tell(line())


class ProgressDisplay(LiveDisplay):
    """Progress of a design run: live on a terminal, plain lines elsewhere.

    A plain line is printed when something has changed notably since the last one: the phase, the incumbent by a tenth of a
    percent, or the gap to half of what it was, and so are the first incumbent and the first bound. Otherwise there is one
    every :data:`QUIET_SECONDS` seconds. The seconds are those of the run.
    """

    LEAST_SECONDS = 0.25
    """Seconds between two plain lines at least, but for the first incumbent and the end."""
    NOTABLE_GAIN, NOTABLE_GAP = 1e-3, 0.5
    """Relative change of an incumbent, and quotient of two gaps, that are worth a line."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.last: Progress | None = None

    def update(self, progress: Progress) -> None:
        """Tells where the run stands."""
        if self.console.is_terminal:
            self.show(progress_table(progress))
        elif self._is_due(progress):
            self.last = progress
            with contextlib.suppress(OSError):
                self.console.print(progress_line(progress), soft_wrap=True)

    def _is_due(self, p: Progress) -> bool:
        last = self.last
        if last is None or p.phase == "done" or (last.incumbent is None and p.incumbent is not None):
            return True
        passed = p.seconds - last.seconds
        return passed >= QUIET_SECONDS or (passed >= self.LEAST_SECONDS and self._is_notable(last, p))

    def _is_notable(self, last: Progress, p: Progress) -> bool:
        """Whether there is news since the last line."""
        if p.phase != last.phase or math.isfinite(p.bound) != math.isfinite(last.bound):
            return True
        if p.incumbent is not None and last.incumbent is not None:
            if abs(p.incumbent - last.incumbent) > self.NOTABLE_GAIN * abs(last.incumbent):
                return True
            if p.gap is not None and last.gap is not None:
                return p.gap < last.gap and p.gap <= self.NOTABLE_GAP * last.gap
        return False


class FrontierDisplay(LiveDisplay):
    """Progress of a frontier: a line for each point that is solved, and the searches that are under way.

    These are live on a terminal. Elsewhere the search of one of them has a line when nothing was printed for a while.
    """

    def __init__(self, console: Console, clock: Clock = time.monotonic) -> None:
        super().__init__(console)
        self.running: dict[int, Progress] = {}
        self.settled: set[int] = set()
        self.pulse = Pulse(console, clock)

    def solved(self, frontier: Frontier) -> None:
        """Tells of the points that have been solved since the last time."""
        for index, point in enumerate(frontier.points):
            if point.status == "unknown" or index in self.settled:
                continue
            self.settled.add(index)
            self.running.pop(index, None)
            limits = ", ".join(f"{name} {with_unit(name, limit)}" for name, limit in point.limits.items())
            count = f"{len(self.settled):>{len(str(len(frontier.points)))}} of {len(frontier.points)}"
            self.pulse.tell(f"{count}  {limits}  {point.status}  {score(point.objective)}")

    def update(self, index: int, progress: Progress) -> None:
        """Tells where the search of a point stands."""
        if index not in self.settled:
            self.running[index] = progress
            self.pulse.beat(lambda: f"point {index}: {progress_line(progress).lstrip()}")
        rows = tuple((point, *_row(p)) for point, p in sorted(self.running.copy().items()))
        self.show(Table("Searches under way", (Column("point", text=size_text), *PROGRESS), rows))


class ExplanationDisplay(LiveDisplay):
    """Progress of an explanation: a line for each limit whose value is changed, and the search that is under way.

    It is live on a terminal; elsewhere it has a line when nothing was printed for a while.
    """

    def __init__(self, console: Console, clock: Clock = time.monotonic) -> None:
        super().__init__(console)
        self.pulse = Pulse(console, clock)
        self.told: tuple[str, float] | None = None

    def update(self, name: str, limit: float, progress: Progress) -> None:
        """Tells which limit has which value, and where the search of its optimum stands."""
        if self.told != (name, limit):
            self.told = (name, limit)
            self.pulse.tell(f"solving with {name} {with_unit(name, limit)}")
        self.pulse.beat(lambda: progress_line(progress))
        self.show(progress_table(progress))


class CountDisplay(LiveDisplay):
    """Progress of work that comes in parts: live on a terminal, elsewhere a plain line now and then.

    Parameters
    ----------
    text:
        With places for ``done`` and ``total``, and for ``left``: how long the rest takes at the pace so far, once there is one.
    line_seconds:
        Seconds between two plain lines.
    first:
        Seconds before the first one. If the work ends before, there is none.
    """

    def __init__(
        self,
        console: Console,
        text: str,
        line_seconds: float = QUIET_SECONDS,
        first: float = QUIET_SECONDS,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__(console)
        self.text, self.line_seconds, self.first, self.clock = text, line_seconds, first, clock
        self.start: tuple[float, int] | None = None
        """When the first parts were told of, and how many had been done by then."""
        self.next_line, self.has_told = math.inf, False

    def update(self, done: int, total: int) -> None:
        """Tells how many parts are done."""
        now = self.clock()
        if self.start is None:
            self.start, self.next_line = (now, done), now + self.first
        line = self.text.format(done=done, total=total, left=self._left(now, done, total))
        if not self.console.is_terminal and (now >= self.next_line or (done == total and self.has_told)):
            self.next_line, self.has_told = now + self.line_seconds, True
            with contextlib.suppress(OSError):
                self.console.print(line, soft_wrap=True)
        self.show(line)

    def _left(self, now: float, done: int, total: int) -> str:
        """How long the rest takes, in words; empty before there is a pace."""
        began, before = self.start or (now, done)
        if done == before or done >= total:
            return ""
        return f", about {duration((now - began) / (done - before) * (total - done))} left"
