"""Progress of running commands: live at the foot of a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import math
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console, RenderableType
from rich.live import Live

from ..figures.formatting import number, percent, score
from ..figures.tables import Column, Table, Value, size_text

if TYPE_CHECKING:
    from ..analysis.frontier_file import Frontier
    from ..search.outcome import Progress


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


class ProgressDisplay(LiveDisplay):
    """Progress of a design run: live on a terminal, plain lines elsewhere, at most one a second or for a new incumbent."""

    LINE_SECONDS, INCUMBENT_SECONDS = 1.0, 0.25
    """Seconds between two plain lines; the second where the incumbent has changed."""

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

    def _is_due(self, progress: Progress) -> bool:
        if self.last is None or progress.phase == "done":
            return True
        pause = self.LINE_SECONDS if progress.incumbent == self.last.incumbent else self.INCUMBENT_SECONDS
        return progress.seconds >= self.last.seconds + pause


class FrontierDisplay(LiveDisplay):
    """Progress of a frontier: a line for each point that is solved, and on a terminal the searches that are under way."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.running: dict[int, Progress] = {}
        self.settled: set[int] = set()

    def solved(self, frontier: Frontier) -> None:
        """Tells of the points that have been solved since the last time."""
        for index, point in enumerate(frontier.points):
            if point.status == "unknown" or index in self.settled:
                continue
            self.settled.add(index)
            self.running.pop(index, None)
            limits = ", ".join(f"{name} {number(limit)}" for name, limit in point.limits.items())
            count = f"{len(self.settled):>{len(str(len(frontier.points)))}} of {len(frontier.points)}"
            with contextlib.suppress(OSError):
                self.console.print(f"{count}  {limits}  {point.status}  {score(point.objective)}", soft_wrap=True)

    def update(self, index: int, progress: Progress) -> None:
        """Tells where the search of a point stands."""
        if index not in self.settled:
            self.running[index] = progress
        rows = tuple((point, *_row(p)) for point, p in sorted(self.running.copy().items()))
        self.show(Table("Searches under way", (Column("point", text=size_text), *PROGRESS), rows))


class ExplanationDisplay(LiveDisplay):
    """Progress of an explanation: a line for each limit whose value is changed, and on a terminal the search under way."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.told: tuple[str, float] | None = None

    def update(self, name: str, limit: float, progress: Progress) -> None:
        """Tells which limit has which value, and where the search of its optimum stands."""
        if self.told != (name, limit):
            self.told = (name, limit)
            with contextlib.suppress(OSError):
                self.console.print(f"solving with {name} {number(limit)}", soft_wrap=True)
        self.show(progress_table(progress))


class CountDisplay(LiveDisplay):
    """Progress of work that comes in equal parts: live on a terminal; elsewhere a plain line now and then, if asked for.

    Parameters
    ----------
    text:
        With places for ``done`` and ``total``.
    line_seconds:
        Seconds between two plain lines.
    """

    def __init__(self, console: Console, text: str, line_seconds: float = math.inf) -> None:
        super().__init__(console)
        self.text, self.line_seconds, self.next_line = text, line_seconds, -math.inf

    def update(self, done: int, total: int) -> None:
        """Tells how many parts are done."""
        line = self.text.format(done=done, total=total)
        now = time.monotonic()
        if not self.console.is_terminal and math.isfinite(self.line_seconds) and (now >= self.next_line or done == total):
            self.next_line = now + self.line_seconds
            with contextlib.suppress(OSError):
                self.console.print(line, soft_wrap=True)
        self.show(line)
