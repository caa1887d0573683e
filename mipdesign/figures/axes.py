"""Charts on axes of matplotlib: those of a caller, or new ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import SpecError, require, short
from .charts import COLOURS, Chart, plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 640.0
"""Pixels for which a chart has ticks where nothing is known of the axes' size."""


def plot_chart(chart: Chart, ax: Axes | None, title: str) -> Axes:
    """Draws a chart with its title, labels and legend, on axes of :mod:`matplotlib.pyplot` where none are given.

    Raises
    ------
    SpecError
        If ``ax`` is something else.
    MissingExtraError
        If matplotlib is not installed.
    """
    require("matplotlib", "plot", "a plot")
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes | None):
        raise SpecError("ax", f"{short(ax)} is not a matplotlib Axes", "give one of plt.subplots(), or leave it out")
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.subplots(layout="constrained")[1]
    plot(ax, chart, COLOURS, WIDTH)
    ax.tick_params(labelsize="medium")
    labels: dict[str, Any] = {"title": title, "xlabel": chart.across, "ylabel": chart.upwards}
    ax.set(**labels)
    if ax.get_legend_handles_labels()[1]:
        ax.legend(frameon=False)
    return ax
