"""The convergence of a design run: incumbent and bound over time and the gap, as charts, as a plot and in words."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ..files import write_whole, writing
from ..temporary import ensure_matplotlib_folder
from .charts import COLOURS, CURVES, DASHES, Chart, Series, image, line_kind, new_figure, plot
from .formatting import percent, score

if TYPE_CHECKING:
    from matplotlib.axis import Axis

    from ..search.outcome import Progress

PLOT_PIXELS = (768.0, 480.0)
HEAD_PIXELS, FOOT_PIXELS, SIDE_PIXELS, LABEL_PIXELS = 38.0, 36.0, 8.0, 24.0
"""Margins above, below and at the right, and that at the left beside the numbers: a quarter of a drawing's time would go into
having matplotlib find them.
"""
LETTER_PIXELS = 7.2
"""Width of a letter of the numbers."""
ACROSS = "seconds of search"
TOLD_SECONDS = 0.05
"""Preparations that take less are not told."""
SETTLED = 0.05
"""Part of the run that may be left out of the plot's range: the first incumbents and bounds are far off."""


def prepare() -> Iterator[None]:
    """Imports what drawing needs, in parts of some tenths of a second at most: for a process that waits.

    What cannot be imported does not disturb it; :func:`draw_convergence` says what is wrong.
    """
    if find_spec("matplotlib") is None:
        return
    with suppress(Exception):
        ensure_matplotlib_folder()
        for part in ("matplotlib", "matplotlib.backend_bases", "matplotlib.backends.backend_svg", "matplotlib.figure"):
            importlib.import_module(part)
            yield


def draw_convergence(trace: Sequence[Progress], path: Path) -> bool:
    """Draws incumbent, bound and gap over time as a PNG.

    Infinite bounds are left out. The range is that of the settled part of the run (see :func:`settled_range`); where earlier
    values lie outside of it, the plot says so.

    Returns
    -------
    Whether there is a plot: without matplotlib, or without any finite value, nothing is drawn and none is left from before.

    Raises
    ------
    SpecError
        If the file cannot be written.
    """
    with writing(path):
        path.unlink(missing_ok=True)
    values, gap = values_chart(trace), gap_chart(trace)
    if values is None or find_spec("matplotlib") is None:
        return False
    figure = new_figure(*PLOT_PIXELS, fitted=False)
    charts = [values] if gap is None else [values, gap]
    axes = figure.subplots(len(charts), 1, squeeze=False, height_ratios=(3, 1)[: len(charts)])[:, 0]
    figure.suptitle(plot_title(trace, values), fontsize="medium", y=0.995, va="top")
    for one, chart in zip(axes, charts, strict=True):
        plot(one, chart, COLOURS, PLOT_PIXELS[0])
        one.set_ylabel(chart.upwards)
        one.set_xlim(0.0, values.x_range[1])
    width, height = PLOT_PIXELS
    left = LABEL_PIXELS + LETTER_PIXELS * max(len(text) for one in axes for text in _tick_texts(one.yaxis))
    figure.subplots_adjust(left / width, FOOT_PIXELS / height, 1 - SIDE_PIXELS / width, 1 - HEAD_PIXELS / height, hspace=0.22)
    axes[0].legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, frameon=False, borderaxespad=0.0, fontsize="small")
    axes[-1].set_xlabel(values.across)
    picture = image(figure, "png")
    with writing(path):
        write_whole(path, picture)
    return True


def _tick_texts(axis: Axis) -> list[str]:
    """What is written at the ticks of an axis."""
    return axis.get_major_formatter().format_ticks(axis.get_majorticklocs().tolist())


def values_chart(trace: Sequence[Progress], name: str = "values", description: str = "") -> Chart | None:
    """Incumbent and bound over time, the space between them shaded; ``None`` where there is neither."""
    trace = of_search(trace)
    limits = settled_range(trace)
    if limits is None:
        return None
    curves = (
        Series("bound: no network is better", "step", "bound", _over_time(trace, "bound")),
        Series("incumbent: best network so far", "step", "incumbent", _over_time(trace, "incumbent")),
    )
    end = max(trace[-1].seconds, 1e-3)
    title = "Incumbent and bound over time"
    return Chart(name, title, description, ACROSS, "objective", curves, (0.0, end), limits, between=(1, 0))


def gap_chart(trace: Sequence[Progress], name: str = "gap", description: str = "") -> Chart | None:
    """The relative gap in per cent, on a logarithmic axis; it ends where the gap is closed. ``None`` where it has no curve."""
    trace = of_search(trace)
    gaps = tuple((p.seconds, 100 * p.gap) for p in trace if p.gap)
    if len(gaps) < 2:
        return None
    low, high = min(gap for _, gap in gaps), max(gap for _, gap in gaps)
    series = (Series("relative gap", "step", "gap", gaps),)
    end = trace[-1].seconds if trace[-1].gap else gaps[-1][0]
    reach = (low / 1.3, high * 1.3)
    return Chart(name, "Gap over time", description, ACROSS, "gap, %", series, (0.0, end), reach, logarithmic=True)


def relative_chart(
    traces: Sequence[tuple[str, Sequence[Progress]]], name: str, description: str
) -> tuple[Chart, tuple[tuple[str, str, str], ...]] | None:
    """Incumbents and bounds of several runs by name, as per cent above and below the objective that each ended with, and the
    legend; ``None`` where no run has a network.
    """
    ended = [(label, of_search(trace)) for label, trace in traces if trace and trace[-1].incumbent]
    if not ended:
        return None
    series, legend, ranges, last = [], [], [], 1e-3
    for i, (label, trace) in enumerate(ended[:CURVES]):
        objective = trace[-1].incumbent or 1.0

        def off(value: float | None, objective: float = objective) -> float | None:
            return None if value is None else 100 * (value - objective) / abs(objective)

        relative = [replace(p, incumbent=off(p.incumbent), bound=off(p.bound) or 0.0) for p in trace]
        for kind in ("bound", "incumbent"):
            series.append(Series(f"{label}: {kind}", "step", f"c{i}", _over_time(relative, kind), dash=i % DASHES))
        legend.append((line_kind(i % DASHES), f"c{i}", label))
        ranges.append(settled_range(relative) or (0.0, 0.0))
        last = max(last, trace[-1].seconds)
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    title = "Bounds and incumbents of all runs"
    upwards = "per cent above or below the final objective"
    return Chart(name, title, description, ACROSS, upwards, tuple(series), (0.0, last), (low, high)), tuple(legend)


def of_search(trace: Sequence[Progress]) -> list[Progress]:
    """A trace with its times since the search began, which its first entry tells: what was prepared before is no part of it."""
    return [replace(p, seconds=p.seconds - trace[0].seconds) for p in trace]


def _over_time(trace: Sequence[Progress], name: str) -> tuple[tuple[float, float], ...]:
    values = ((p.seconds, getattr(p, name)) for p in trace)
    return tuple((seconds, value) for seconds, value in values if value is not None and math.isfinite(value))


def is_cut(chart: Chart) -> bool:
    """Whether values lie outside of a chart's range."""
    low, high = chart.y_range
    return any(not low <= y <= high for series in chart.series for _, y in series.points)


def plot_title(trace: Sequence[Progress], values: Chart) -> str:
    """What was reached, and whether the plot shows all of it."""
    last = trace[-1]
    title = f"objective {score(last.incumbent)}, gap {percent(last.gap)} after {last.seconds:.1f} s"
    return title + (" (early values lie outside of the plot)" if is_cut(values) else "")


def convergence_lines(trace: Sequence[Progress], status: str) -> list[str]:
    """When the first and the best network were found, when the run ended, and what went before the search."""
    before, trace = trace[0].seconds, of_search(trace)
    found = _over_time(trace, "incumbent")
    lines = []
    if found:
        best = next(seconds for seconds, value in found if value == found[-1][1])
        lines.append(f"First network after {found[0][0]:,.1f} s of search, the best one after {best:,.1f} s;")
    ended = "proven" if status in ("optimal", "infeasible") else "stopped"
    ended = ended if found else ended.capitalize()
    end = f"{ended} after {trace[-1].seconds:,.1f} s, with {trace[-1].closed_nodes:,} nodes closed"
    lines.append(end + (f" and {trace[-1].open_nodes:,} left open." if trace[-1].open_nodes else "."))
    if before >= TOLD_SECONDS:
        lines.append(f"Preparations before the search took {before:,.1f} s.")
    return lines


def settled_range(trace: Sequence[Progress]) -> tuple[float, float] | None:
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
