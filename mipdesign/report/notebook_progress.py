"""Where a function stands that was called with ``progress=True``: in the terminal as commands show it, and in a notebook.

A notebook gets one output that is replaced as the run goes on. It needs IPython, which is there, and no widgets.
"""

from __future__ import annotations

import html
import math
import sys
import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ..figures.formatting import percent, points, with_unit
from ..search.incumbents import OPTIMAL_GAP
from . import progress
from .terminal import PlainConsole

if TYPE_CHECKING:
    from ..analysis.frontier_file import Frontier
    from ..search.outcome import Progress

MEASURED = "measured {done} of {total} operations"
LINE_SECONDS = 5.0
"""Of the display of counts: its words, and seconds between plain lines."""


def new_display(name: str) -> AbstractContextManager[Any]:
    """A display of :mod:`mipdesign.report.progress` by its name, or the one that stands for it in a notebook."""
    if in_notebook():
        return NOTEBOOK[name]()
    console = PlainConsole(stderr=True)
    if name == "CountDisplay":
        return progress.CountDisplay(console, MEASURED, LINE_SECONDS)
    display: AbstractContextManager[Any] = getattr(progress, name)(console)
    return display


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and (type(shell).__name__ == "ZMQInteractiveShell" or "colab" in type(shell).__module__)


class NotebookDisplay:
    """One output of a notebook: a bar and a line, replaced a few times a second; the last ones stay."""

    INTERVAL = 0.2
    """Seconds between two updates."""

    def __init__(self) -> None:
        self.due = -math.inf
        self.handle: Any = None
        self.shown = ("", 0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.due = -math.inf
        if self.handle is not None:
            self.show(*self.shown)

    def show(self, line: str, share: float) -> None:
        """Shows a line, and a bar of which a share is filled."""
        self.shown = line, share
        now = time.monotonic()
        if now < self.due:
            return
        self.due = now + self.INTERVAL
        from IPython.display import HTML, display

        content = HTML(bar_html(line, share))
        if self.handle is None:
            self.handle = display(content, display_id=True)
        else:
            self.handle.update(content)


def bar_html(line: str, share: float) -> str:
    """A bar and a line in the notebook's own colours."""
    filled = f"{100 * min(max(share, 0.0), 1.0):.0f}%"
    bar = f'<div style="height:6px;width:{filled};background:#0072b2;border-radius:3px"></div>'
    ground = f'<div style="max-width:40rem;background:#8884;border-radius:3px" role="progressbar" aria-label="{filled}">'
    words = f'<div style="font-variant-numeric:tabular-nums;white-space:pre-wrap">{html.escape(line)}</div>'
    return f"<div>{ground}{bar}</div>{words}</div>"


def closed(gap: float | None) -> float:
    """How much of the way to a proof a gap is, on a logarithmic scale: nothing at 100 %, all of it at what counts as closed."""
    if gap is None:
        return 0.0
    return math.log(max(min(gap, 1.0), OPTIMAL_GAP)) / math.log(OPTIMAL_GAP)


def progress_words(p: Progress) -> str:
    """Where a search stands, in one line."""
    figures = f"incumbent {points(p.incumbent)} · bound {points(p.bound)} · gap {percent(p.gap)}"
    return f"{p.phase} · {figures} · {p.open_nodes:,} open, {p.closed_nodes:,} closed · {p.seconds:.1f} s"


class RunDisplay(NotebookDisplay):
    """A design run."""

    def update(self, progress: Progress) -> None:
        """Tells where the run stands."""
        self.show(progress_words(progress), 1.0 if progress.phase == "done" else closed(progress.gap))


class PointsDisplay(NotebookDisplay):
    """A frontier: how many points are solved, and where a search stands."""

    def __init__(self) -> None:
        super().__init__()
        self.solved_points, self.words = (0, 1), ""

    def solved(self, frontier: Frontier) -> None:
        """Tells of the points that have been solved."""
        self.solved_points = sum(point.status != "unknown" for point in frontier.points), len(frontier.points)
        self.words = self.words if self.solved_points[0] < self.solved_points[1] else ""
        self._tell()

    def update(self, index: int, progress: Progress) -> None:
        """Tells where the search of a point stands."""
        self.words = f"\npoint {index}: {progress_words(progress)}"
        self._tell()

    def _tell(self) -> None:
        done, total = self.solved_points
        self.show(f"{done} of {total} points{self.words}", done / total)


class LimitsDisplay(NotebookDisplay):
    """An explanation: which limit has which value, and where the search stands."""

    def update(self, name: str, limit: float, progress: Progress) -> None:
        """Tells which limit has which value, and where the search of its optimum stands."""
        self.show(f"solving with {name} {with_unit(name, limit)}\n{progress_words(progress)}", closed(progress.gap))


class PartsDisplay(NotebookDisplay):
    """Work that comes in equal parts."""

    def update(self, done: int, total: int) -> None:
        """Tells how many parts are done."""
        self.show(MEASURED.format(done=done, total=total), done / max(total, 1))


NOTEBOOK: dict[str, type[NotebookDisplay]] = {
    "CountDisplay": PartsDisplay,
    "ExplanationDisplay": LimitsDisplay,
    "FrontierDisplay": PointsDisplay,
    "ProgressDisplay": RunDisplay,
}
"""What stands in a notebook for a display of the terminal."""
