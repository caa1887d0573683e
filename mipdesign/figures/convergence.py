"""The convergence picture of a design run; needs matplotlib."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..files import write_whole
from .formatting import percent, score

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..search.outcome import Progress

PICTURE_INCHES, DOTS_PER_INCH = (8.0, 5.0), 150
INCUMBENT_COLOUR, BOUND_COLOUR, GAP_COLOUR = "#1b6ca8", "#c0392b", "#555555"
SETTLED = 0.05
"""Part of the run that may be left out of the picture's range: the first incumbents and bounds are far off."""


def draw_convergence(trace: Sequence[Progress], path: Path) -> bool:
    """Draws incumbent, bound and gap over time as a PNG.

    Infinite bounds are left out. The range is that of the settled part of the run (see :func:`picture_range`); where earlier
    values lie outside of it, the picture says so.

    Returns
    -------
    Whether there is a picture: without matplotlib, or without any finite value, nothing is drawn and none is left from before.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    path.unlink(missing_ok=True)
    limits = picture_range(trace)
    if limits is None:
        return False
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        return False
    figure = Figure(figsize=PICTURE_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    values, gaps = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    figure.suptitle(picture_title(trace, limits), fontsize="medium")
    _draw_values(values, trace, limits)
    _draw_gap(gaps, trace)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    write_whole(path, content.getvalue())
    return True


def _draw_values(axes: Axes, trace: Sequence[Progress], limits: tuple[float, float]) -> None:
    """Incumbent and bound as steps, the space between them shaded."""
    seconds = [p.seconds for p in trace]
    incumbent = [math.nan if p.incumbent is None else p.incumbent for p in trace]
    bound = [p.bound if math.isfinite(p.bound) else math.nan for p in trace]
    axes.step(seconds, bound, where="post", color=BOUND_COLOUR, label="bound: no network is better")
    axes.step(seconds, incumbent, where="post", color=INCUMBENT_COLOUR, label="incumbent: best network so far")
    axes.fill_between(seconds, incumbent, bound, step="post", color=GAP_COLOUR, alpha=0.12, linewidth=0, label="undecided")
    axes.set_ylabel("objective")
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.grid(alpha=0.3)
    axes.set_ylim(*limits)
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, frameon=False, borderaxespad=0.0)


def picture_title(trace: Sequence[Progress], limits: tuple[float, float]) -> str:
    """What was reached, and whether the picture shows all of it."""
    last = trace[-1]
    title = f"objective {score(last.incumbent)}, gap {percent(last.gap)} after {last.seconds:.1f} s"
    values = [value for p in trace for value in (p.incumbent, p.bound) if value is not None and math.isfinite(value)]
    cut = any(not limits[0] <= value <= limits[1] for value in values)
    return title + (" (early values lie outside of the picture)" if cut else "")


def _draw_gap(axes: Axes, trace: Sequence[Progress]) -> None:
    """The relative gap in per cent, logarithmic where it spans a decade; it ends where the gap is closed."""
    axes.set_xlabel("time (s)")
    axes.set_ylabel("gap (%)")
    axes.set_xlim(0.0, 1.02 * max(trace[-1].seconds, 1e-3))
    axes.grid(alpha=0.3)
    gaps = [math.nan if not p.gap else 100 * p.gap for p in trace]
    finite = [gap for gap in gaps if math.isfinite(gap)]
    if not finite:
        axes.set_yticks([])
    elif max(finite) > 10 * min(finite):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
    axes.step([p.seconds for p in trace], gaps, where="post", color=GAP_COLOUR)


def picture_range(trace: Sequence[Progress]) -> tuple[float, float] | None:
    """Vertical range that shows all values in force after the first of the run; ``None`` if there are none.

    The run is settled from its first finite bound on, and after :data:`SETTLED` of its time.
    """
    bounded = [p.seconds for p in trace if math.isfinite(p.bound)]
    start = max([SETTLED * p.seconds for p in trace[-1:]] + bounded[:1], default=0.0)
    incumbents = _in_force([(p.seconds, p.incumbent) for p in trace], start)
    bounds = _in_force([(p.seconds, p.bound) for p in trace], start)
    values = incumbents + bounds
    if not values:
        return None
    low, high = min(values), max(values)
    margin = max(0.06 * (high - low), 1e-4 * abs(high), 1e-9)
    return low - 2 * margin, high + margin


def _in_force(points: Sequence[tuple[float, float | None]], start: float) -> list[float]:
    """Finite values of a step curve from ``start`` on, with the one that holds at ``start``."""
    finite = [(seconds, value) for seconds, value in points if value is not None and math.isfinite(value)]
    before = [value for seconds, value in finite if seconds < start]
    return before[-1:] + [value for seconds, value in finite if seconds >= start]
