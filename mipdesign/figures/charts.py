"""Charts by matplotlib: for a page as SVG in the page's own colours, and as files on white ground.

A page's chart is drawn for a width in pixels and never scaled up or down, so that its letters have the page's size; the page
shows the one that fits (classes ``w340``, ``w700``). Its colours are variables of the style sheet, which knows light, dark and
print: matplotlib is given a colour of its own for each, which stands for it until the SVG is written. The same chart always
gives the same text.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from ..errors import require
from ..temporary import ensure_matplotlib_folder
from .formatting import quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

CHART_WIDTHS, SIDE_WIDTHS = (340, 700), (340, 400)
"""Widths of charts, and of charts that stand beside another one."""
CURVES = 8
"""Curves that there are colours for: ``c0``, ``c1``, ..."""
DASH_PATTERNS: tuple[tuple[float, ...], ...] = ((), (7.0, 3.0), (2.0, 2.5), (9.0, 3.0, 2.0, 3.0))
"""Lengths of lines and gaps in pixels; the first one is an unbroken line."""
DASHES = len(DASH_PATTERNS)
COLOURS = {
    "ink": "#1a1a1a",
    "faint": "#5c5c5c",
    "line": "#d8d8d8",
    "ground": "#ffffff",
    "shade": "#0000000f",
    "incumbent": "#0072b2",
    "bound": "#b84a00",
    "gap": "#6a3d9a",
    "c0": "#0072b2",
    "c1": "#b84a00",
    "c2": "#00805e",
    "c3": "#a8457f",
    "c4": "#946800",
    "c5": "#2b7fb8",
    "c6": "#6d6d1f",
    "c7": "#882255",
}
"""Colours by name, on white ground; on a page they are variables of its style sheet."""
ON_PAGE = {name: f"#0100{i:02x}" for i, name in enumerate(COLOURS)}
"""What stands for the colours of a page until its SVG is written."""
LETTERS = 12.0
"""Height of letters in pixels."""
PIXELS_PER_INCH = 72.0
"""Of figures: a point is a pixel."""
FILE_PIXELS_PER_INCH = 160
"""Of PNG files."""
PNG_BEGINS, PNG_RGB, PNG_UP = b"\x89PNG\r\n\x1a\n", 2, 2
"""How a PNG begins, and its words for pixels of three bytes and for lines that are differences from the one above."""
Pixels = NDArray[np.uint8]
SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"


@dataclass(frozen=True)
class Series:
    """One curve, or one kind of mark.

    Attributes
    ----------
    name:
        As the legend has it.
    kind:
        ``step`` holds each value until the next; the others are marks.
    colour:
        A name of :data:`COLOURS`.
    dash:
        Of a curve, a place in :data:`DASH_PATTERNS`: curves are told apart without their colours too.
    """

    name: str
    kind: Literal["step", "dot", "ring", "cross"]
    colour: str
    points: tuple[tuple[float, float], ...]
    dash: int = 0


@dataclass(frozen=True)
class Chart:
    """What a chart shows.

    Attributes
    ----------
    name:
        Unique on its page.
    title, description:
        In words, for those who do not see it.
    across, upwards:
        What the axes are, with units.
    x_range, y_range:
        Of the axes; what lies outside is cut off.
    logarithmic:
        Whether the vertical axis is.
    between:
        Places of two step series, between which the ground is shaded.
    """

    name: str
    title: str
    description: str
    across: str
    upwards: str
    series: tuple[Series, ...]
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    logarithmic: bool = False
    between: tuple[int, int] | None = None

    @property
    def legend(self) -> tuple[tuple[str, str, str], ...]:
        """Kind, colour and name of each series."""
        return tuple((line_kind(s.dash) if s.kind == "step" else s.kind, s.colour, s.name) for s in self.series)


def line_kind(dash: int) -> str:
    """What a legend calls a curve of that dash pattern."""
    return f"step-{dash}" if dash else "step"


def new_figure(width: float, height: float, extra: str = "report", purpose: str = "a report", *, fitted: bool = True) -> Figure:
    """An empty figure of so many pixels, outside of matplotlib's global state; ``fitted`` has matplotlib find its margins.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed; ``extra`` is what brings it.
    """
    ensure_matplotlib_folder()
    require("matplotlib", extra, purpose)
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    size = (width / PIXELS_PER_INCH, height / PIXELS_PER_INCH)
    figure = Figure(figsize=size, dpi=PIXELS_PER_INCH, layout="constrained" if fitted else None)
    FigureCanvasSVG(figure)
    return figure


def draw_chart(chart: Chart, width: int, height: float) -> str:
    """A chart as an SVG element of a page; its legend is the page's.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    figure = new_figure(width, height)
    axes = figure.subplots()
    plot(axes, chart, ON_PAGE, width)
    axes.set_title(chart.upwards, loc="left", fontsize=LETTERS, color=ON_PAGE["faint"])
    axes.set_xlabel(chart.across, loc="right", fontsize=LETTERS, color=ON_PAGE["faint"])
    return svg_element(figure, f"{chart.name}-{width}", chart.title, chart.description, f"w{width}")


def plot(axes: Axes, chart: Chart, colours: Mapping[str, str], width: float) -> None:
    """Draws a chart's series, ticks and grid; ``width`` in pixels decides how many ticks there are."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(colours["faint"])
    axes.grid(axis="y", color=colours["line"], linewidth=1.0)
    axes.tick_params(axis="y", length=0.0, labelsize=LETTERS, labelcolor=colours["faint"])
    axes.tick_params(axis="x", color=colours["faint"], labelsize=LETTERS, labelcolor=colours["faint"])
    low, high = chart.y_range
    if chart.logarithmic:
        axes.set_yscale("log")
        decades = math.log10(high / low)
        axes.yaxis.set_major_locator(LogLocator(numticks=6) if decades >= 2 else MaxNLocator(4, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        _round_ticks(axes.yaxis, 6, max(abs(low), abs(high)))
    _round_ticks(axes.xaxis, max(2, int(width / 85)), max(map(abs, chart.x_range)))
    if chart.between is not None:
        lower, upper = (chart.series[i] for i in chart.between)
        _shade(axes, lower, upper, chart.x_range[1], colours["shade"])
    for series in chart.series:
        _draw(axes, series, chart.x_range[1], colours)
    axes.set(xlim=chart.x_range, ylim=chart.y_range)


def _round_ticks(axis: Axis, most: int, largest: float) -> None:
    """Few ticks at round numbers; large ones with their SI prefix."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, StrMethodFormatter

    axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 5, 10]))
    plain = StrMethodFormatter("{x:,.10g}")
    axis.set_major_formatter(FuncFormatter(lambda value, _: quantity(value)) if largest >= 1e6 else plain)


def _draw(axes: Axes, series: Series, last: float, colours: Mapping[str, str]) -> None:
    """One series; a step curve goes on up to ``last``."""
    if not series.points:
        return
    colour = colours[series.colour if series.colour != "ink" else "faint"]
    x, y = zip(*series.points, strict=True)
    if series.kind == "step":
        (line,) = axes.step((*x, max(last, x[-1])), (*y, y[-1]), where="post", color=colour, linewidth=2.0, label=series.name)
        if series.dash:  # in pixels: matplotlib would multiply them by the width of the line
            line.set_linestyle((0, tuple(length / 2.0 for length in DASH_PATTERNS[series.dash])))
    elif series.kind == "cross":
        axes.plot(x, y, "x", color=colour, markersize=8.0, markeredgewidth=2.0)
    else:
        inside = colours["ground"] if series.kind == "ring" else colour
        axes.plot(x, y, "o", color=colour, markersize=7.0, markerfacecolor=inside, markeredgewidth=2.0)


def _shade(axes: Axes, lower: Series, upper: Series, last: float, colour: str) -> None:
    """Shades the ground between two step curves, where both are."""
    if not lower.points or not upper.points:
        return
    first = max(lower.points[0][0], upper.points[0][0])
    ends = {x for series in (lower, upper) for x, _ in series.points if x > first}
    places = [first, *sorted(ends), last]
    low, high = (_values(series.points, places) for series in (lower, upper))
    axes.fill_between(places, low, high, step="post", color=colour, linewidth=0.0, label="undecided")


def _values(points: tuple[tuple[float, float], ...], places: list[float]) -> list[float]:
    """Values of a step curve at increasing places, none of which is before its first point."""
    values, at = [], 0
    for place in places:
        while at + 1 < len(points) and points[at + 1][0] <= place:
            at += 1
        values.append(points[at][1])
    return values


def svg_element(figure: Figure, name: str, title: str, description: str, style: str = "") -> str:
    """A figure as an SVG element of a page: no ground, no identifiers but its own, and the page's colours and letters.

    Parameters
    ----------
    name:
        Unique on its page.
    title, description:
        In words, for those who do not see it.
    style:
        Its class.
    """
    import matplotlib

    out = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    for colour, stands in ON_PAGE.items():
        text = text.replace(stands, f"var(--{colour})")
    root = _bare(ElementTree.fromstring(text))
    _, _, width, height = root.attrib["viewBox"].split()
    root.attrib = {
        **({"class": style} if style else {}),
        **{"role": "img", "aria-labelledby": f"{name}-title {name}-desc"},
        **{"width": width, "height": height, "viewBox": root.attrib["viewBox"]},
        "style": "stroke-linejoin: round; stroke-linecap: butt",
    }
    for i, (kind, words) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(kind, {"id": f"{name}-{kind}"})
        element.text = words
        root.insert(i, element)
    return ElementTree.tostring(root, "unicode")


def _bare(element: ElementTree.Element) -> ElementTree.Element:
    """An element without namespaces, metadata, style sheets, names of groups, families of letters and white space."""
    element.tag = element.tag.removeprefix(SVG)
    for child in [*element]:
        if child.tag in (f"{SVG}metadata", f"{SVG}style") or (len(_bare(child)) == 0 and child.tag in ("g", "defs")):
            element.remove(child)
    if element.tag in ("g", "text"):
        element.attrib.pop("id", None)
    link = element.attrib.pop(f"{XLINK}href", None)
    if link is not None:
        element.set("href", link)
    if element.tag == "text":
        parts = [part.strip() for part in element.get("style", "").split(";")]
        size = next((part for part in parts if part.startswith("font-size")), f"font-size: {LETTERS:g}px")
        element.set("style", "; ".join([size, *(part for part in parts if not part.startswith("font"))]))
    elif element.tag != "tspan":
        element.text = None
    element.tail = None
    return element


def image(figure: Figure, kind: Literal["svg", "png"]) -> bytes:
    """A figure as a file on white ground; the same for the same figure."""
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "mipdesign", "font.family": "sans-serif"}):
        if kind == "png":
            return _png(_pixels(figure))
        out = io.BytesIO()
        figure.savefig(out, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})
        return out.getvalue()


def _pixels(figure: Figure) -> Pixels:
    """A figure on white ground, shape ``(height, width, 3)``; drawn once, where ``savefig`` draws twice."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    dpi, ground = figure.dpi, figure.get_facecolor()
    figure.set_dpi(FILE_PIXELS_PER_INCH)
    figure.set_facecolor("white")
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    figure.set_dpi(dpi)
    figure.set_facecolor(ground)
    pixels: Pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    return pixels


def _png(pixels: Pixels) -> bytes:
    """Pixels as a PNG. Each line is written as its difference from the one above: those of charts are mostly alike, and so are
    compressed in a moment.
    """
    height, width, _ = pixels.shape
    lines = np.full((height, 1 + 3 * width), PNG_UP, dtype=np.uint8)
    lines[:, 1:] = pixels.reshape(height, -1)
    lines[1:, 1:] -= lines[:-1, 1:].copy()
    per_metre = round(FILE_PIXELS_PER_INCH / 0.0254)
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, PNG_RGB, 0, 0, 0)),
        (b"pHYs", struct.pack(">IIB", per_metre, per_metre, 1)),
        (b"IDAT", zlib.compress(lines.tobytes(), 1)),
        (b"IEND", b""),
    )
    written = (
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )
    return PNG_BEGINS + b"".join(written)
