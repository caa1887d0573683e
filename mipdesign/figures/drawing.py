"""Pictures of a page as SVG: networks to scale, and charts.

A picture is drawn for a width in pixels and never scaled up or down, so that its letters have the page's size; the page shows
the one that fits (classes ``w340``, ``w700``, ``w1120``). Colours are classes of the style sheet, which knows light, dark and
print.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple
from xml.etree.ElementTree import Element, SubElement, tostring

from ..networks.architecture import Architecture
from .formatting import quantity
from .parts import parts

NETWORK_WIDTHS, CHART_WIDTHS, SIDE_WIDTHS = (340, 700, 1120), (340, 700), (340, 400)
"""Widths of drawings of networks, of charts, and of charts that stand beside another one."""
SLANT = (0.34, 0.24)
"""How far to the right and up the back of a map stands, relative to its height."""
COLUMN, PAD = 77.0, 12.0
"""Least width of a network's part that is drawn as a column, with its label, and the room between two columns."""
LINE = 17.0
"""Height of a line of text."""
MOST_PIXELS = 44.0
"""Largest thickness of one block."""
CURVES = 8
"""Curves that the style sheet has colours for: classes ``c0``, ``c1``, ..."""


def _root(name: str, title: str, description: str, width: int, height: float) -> Element:
    """An empty picture; ``name`` has to be unique on its page."""
    name = f"{name}-{width}"
    root = Element(
        "svg",
        {
            "class": f"w{width}",
            "role": "img",
            "aria-labelledby": f"{name}-title {name}-desc",
            "width": f"{width}",
            "height": _pixels(height),
            "viewBox": f"0 0 {width} {_pixels(height)}",
        },
    )
    SubElement(root, "title", {"id": f"{name}-title"}).text = title
    SubElement(root, "desc", {"id": f"{name}-desc"}).text = description
    return root


def _pixels(value: float) -> str:
    return f"{round(value, 2):g}" if abs(value) < 1e4 else f"{value:.2f}"


def _rect(parent: Element, x: float, y: float, width: float, height: float, style: str) -> None:
    sizes = {"x": x, "y": y, "width": width, "height": height}
    SubElement(parent, "rect", {name: _pixels(value) for name, value in sizes.items()} | {"class": style})


def _line(parent: Element, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
    ends = {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
    SubElement(parent, "line", {name: _pixels(value) for name, value in ends.items()} | {"class": style})


def _text(parent: Element, x: float, y: float, content: str, style: str = "", anchor: str = "start") -> None:
    attributes = {"x": _pixels(x), "y": _pixels(y), "text-anchor": anchor}
    SubElement(parent, "text", attributes | ({"class": style} if style else {})).text = content


# ---------------------------------------------------------------------------------------------------------------- networks


class Drawn(NamedTuple):
    """A part as a drawing shows it: maps of ``resolution`` x ``resolution``, one per block.

    ``inner`` is the bottleneck width, 0 where there is none.
    """

    name: str
    resolution: int
    channels: int
    inner: int
    depth: int
    kernel: int | None

    @property
    def widest(self) -> int:
        """Channels that a block takes room for."""
        return max(self.channels, self.inner)

    def lines(self, channels: str = "channels") -> list[str]:
        """What is written at it, its name apart."""
        lines = [f"{self.resolution} × {self.resolution}", f"{self.channels:,} {channels}"]
        if self.inner:
            lines.append(f"{self.depth} block" + ("s" if self.depth != 1 else ""))
        if self.kernel is not None:
            lines.append(f"{self.kernel} × {self.kernel}")
        return lines + ([f"width {self.inner:,}"] if self.inner else [])


def drawn_parts(architecture: Architecture) -> list[Drawn]:
    """Input and parts of a network."""
    drawn = [Drawn("input", architecture.resolution, architecture.input_channels, 0, 1, None)]
    for part in parts(architecture):
        channels, inner, kernel, depth = part.sizes
        drawn.append(Drawn(part.name, part.resolution, channels or 0, inner or 0, depth or 1, kernel))
    return drawn


class Scale(NamedTuple):
    """Pixels per pixel of resolution, and per channel."""

    resolution: float
    channels: float

    def pitch(self, part: Drawn) -> float:
        """From one block of a part to the next: its thickness and a gap."""
        return 1.15 * part.widest * self.channels

    def height(self, part: Drawn) -> float:
        """Of the front of a map."""
        return part.resolution * self.resolution

    def length(self, part: Drawn) -> float:
        """Of all blocks of a part beside each other, with the slant of the last one."""
        return part.depth * self.pitch(part) + SLANT[0] * self.height(part)


def in_columns(drawn: Sequence[Drawn], width: int) -> bool:
    """Whether a network's parts fit side by side with their labels; otherwise they are rows."""
    return len(drawn) * COLUMN <= width


def column_widths(drawn: Sequence[Drawn], scale: Scale) -> list[float]:
    """Widths of the parts as columns."""
    return [max(COLUMN, scale.length(part) + PAD) for part in drawn]


def common_scale(networks: Sequence[Architecture], width: int) -> Scale:
    """The largest scale at which every one of these networks fits the width."""
    lists = [drawn_parts(network) for network in networks]
    tall = 190.0 if all(in_columns(drawn, width) for drawn in lists) else 110.0
    by_resolution = tall / max(part.resolution for drawn in lists for part in drawn)
    low, high = 0.0, MOST_PIXELS / max(part.widest for drawn in lists for part in drawn)

    def fits(scale: Scale) -> bool:
        return all(
            sum(column_widths(drawn, scale)) <= width
            if in_columns(drawn, width)
            else max(scale.length(part) for part in drawn) <= width
            for drawn in lists
        )

    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(Scale(by_resolution, middle)) else (low, middle)
    return Scale(by_resolution, high if fits(Scale(by_resolution, high)) else low)


def draw_network(architecture: Architecture, name: str, width: int, scale: Scale) -> str:
    """One network: each block a slab as high as its map and as thick as its channels, with its bottleneck width inside."""
    drawn = drawn_parts(architecture)
    draw = _draw_columns if in_columns(drawn, width) else _draw_rows
    title, description = f"Network of {architecture.resolution} × {architecture.resolution} input", network_words(architecture)
    return tostring(draw(drawn, lambda height: _root(name, title, description, width, height), scale, width), "unicode")


def network_words(architecture: Architecture) -> str:
    """A network in words, for those who do not see the drawing."""
    return "; ".join(f"{part.name}: {', '.join(part.lines())}" for part in drawn_parts(architecture))


def _draw_columns(drawn: Sequence[Drawn], root_of: Callable[[float], Element], scale: Scale, width: int) -> Element:
    """Parts from left to right about a common axis, labels below."""
    tallest = max(scale.height(part) for part in drawn)
    rise = SLANT[1] * tallest
    axis, labels = rise / 2 + (tallest + rise) / 2 + 2, tallest + rise + 26
    root = root_of(labels + 5 * LINE + 8)
    widths = column_widths(drawn, scale)
    gap = (width - sum(widths)) / len(drawn)
    left = gap / 2
    _line(root, left, axis, width - gap / 2, axis, "flow")
    for part, room in zip(drawn, widths, strict=True):
        middle = left + room / 2
        _draw_blocks(root, part, middle - scale.length(part) / 2, axis, scale)
        for i, line in enumerate([part.name, *part.lines("ch.")]):
            _text(root, middle, labels + i * LINE, line, "strong" if i == 0 else "", "middle")
        left += room + gap
    return root


def _draw_rows(drawn: Sequence[Drawn], root_of: Callable[[float], Element], scale: Scale, width: int) -> Element:
    """Parts from top to bottom, each under its label."""
    heights = [(1 + SLANT[1]) * scale.height(part) for part in drawn]
    root = root_of(sum(heights) + len(drawn) * (2 * LINE + 22))
    top = 0.0
    for part, height in zip(drawn, heights, strict=True):
        size, channels, *others = part.lines()
        _text(root, 0, top + LINE - 3, part.name, "strong")
        _text(root, width, top + LINE - 3, size, "", "end")
        _text(root, 0, top + 2 * LINE - 3, ", ".join([channels, *others]))
        _draw_blocks(root, part, 0.0, top + 2 * LINE + 5 + height - scale.height(part) / 2, scale)
        top += height + 2 * LINE + 22
    return root


def _draw_blocks(root: Element, part: Drawn, left: float, axis: float, scale: Scale) -> None:
    """The blocks of a part, beginning at ``left``; the middle of their fronts is on the axis."""
    pitch, height = scale.pitch(part), scale.height(part)
    outer, inner = part.channels * scale.channels, part.inner * scale.channels
    for i in range(part.depth):
        middle = left + (i + 0.5) * pitch
        _slab(root, middle - outer / 2, axis - height / 2, outer, height)
        if inner:
            _rect(root, middle - inner / 2, axis - height / 4, inner, height / 2, "inner")


def _slab(root: Element, x: float, y: float, thick: float, height: float) -> None:
    """A map as a body: its side of ``height`` x ``height`` seen from the left, its thickness in front."""
    right, up = SLANT[0] * height, SLANT[1] * height
    back, top = f"l{_pixels(right)} {_pixels(-up)}", f"M{_pixels(x)} {_pixels(y)}"
    SubElement(root, "path", {"d": f"{top}{back}h{_pixels(thick)}l{_pixels(-right)} {_pixels(up)}Z", "class": "top"})
    side = f"M{_pixels(x + thick)} {_pixels(y)}{back}v{_pixels(height)}l{_pixels(-right)} {_pixels(up)}Z"
    SubElement(root, "path", {"d": side, "class": "side"})
    _rect(root, x, y, thick, height, "map")


# ------------------------------------------------------------------------------------------------------------------ charts


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
        A class of the style sheet.
    """

    name: str
    kind: Literal["step", "dot", "ring", "cross"]
    colour: str
    points: tuple[tuple[float, float], ...]


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


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers within a range, at most so many: multiples of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    steps = (base * 10.0**power for power in itertools.count(math.floor(math.log10((high - low) / most))) for base in (1, 2, 5))
    for step in steps:
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            return [i * step for i in range(first, last + 1)]
    raise AssertionError("steps grow without end")


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten within a range, thinned to five; round numbers where there are fewer than two."""
    powers = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    if len(powers) < 2:
        return [tick for tick in ticks(low, high, 4) if tick > 0]
    return [10.0**power for power in powers[:: -(-len(powers) // 5)]]


def tick_labels(values: Sequence[float]) -> list[str]:
    """Texts of ticks: with SI prefix where all are large, else with as many digits as tell them apart."""
    if max(map(abs, values), default=0.0) >= 1e6:
        return [quantity(value) for value in values]
    spread = min((abs(b - a) for a, b in itertools.pairwise(values)), default=1.0)
    digits = max(0, -math.floor(math.log10(spread) + 1e-9)) if spread else 0
    return [f"{value:,.{digits}f}" for value in values]


def draw_chart(chart: Chart, width: int, height: float) -> str:
    """A chart; its legend is the page's."""
    root = _root(chart.name, chart.title, chart.description, width, height)
    y_ticks = log_ticks(*chart.y_range) if chart.logarithmic else ticks(*chart.y_range, 6)
    y_labels = [f"{tick:g}" for tick in y_ticks] if chart.logarithmic else tick_labels(y_ticks)
    left, right, top, bottom = 10 + 7.2 * max(map(len, y_labels), default=1), width - 14.0, 26.0, height - 42.0
    x_of = _axis(*chart.x_range, left, right)
    y_of = _axis(*chart.y_range, bottom, top, chart.logarithmic)
    _text(root, 0, 13, chart.upwards, "faint")
    for tick, label in zip(y_ticks, y_labels, strict=True):
        _line(root, left, y_of(tick), right, y_of(tick), "grid")
        _text(root, left - 6, y_of(tick) + 4, label, "faint", "end")
    x_ticks = ticks(*chart.x_range, max(2, int((right - left) / 50)))
    for tick, label in zip(x_ticks, tick_labels(x_ticks), strict=True):
        _line(root, x_of(tick), bottom, x_of(tick), bottom + 5, "axis")
        _text(root, x_of(tick), bottom + 18, label, "faint", "middle")
    _line(root, left, bottom, right, bottom, "axis")
    _text(root, right, height - 6, chart.across, "faint", "end")
    clip = f"{chart.name}-{width}-clip"
    _rect(SubElement(root, "clipPath", {"id": clip}), left, top - 4, right - left + 8, bottom - top + 8, "")
    area = SubElement(root, "g", {"clip-path": f"url(#{clip})"})
    if chart.between is not None:
        lower, upper = (_steps(chart.series[i].points, chart.x_range[1]) for i in chart.between)
        _draw_between(area, lower, upper, x_of, y_of)
    for series in chart.series:
        _draw_series(area, series, chart.x_range[1], x_of, y_of)
    return tostring(root, "unicode")


def _axis(low: float, high: float, start: float, end: float, logarithmic: bool = False) -> Callable[[float], float]:
    """Where a value stands on an axis, in pixels."""
    if logarithmic:
        of = _axis(math.log(low), math.log(high), start, end)
        return lambda value: of(math.log(max(value, 1e-300)))
    span = high - low or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def _steps(points: Sequence[tuple[float, float]], last: float) -> list[tuple[float, float]]:
    """Corners of a step curve up to ``last``; values that do not change are left out."""
    changes = [point for i, point in enumerate(points) if i == 0 or point[1] != points[i - 1][1]]
    corners = [corner for (_, y), (x, z) in itertools.pairwise(changes) for corner in ((x, y), (x, z))]
    return [*changes[:1], *corners, *((last, y) for _, y in changes[-1:])]


Place = Callable[[float], float]


def _path(corners: Sequence[tuple[float, float]], x_of: Place, y_of: Place) -> str:
    return "M" + "L".join(f"{_pixels(x_of(x))} {_pixels(y_of(y))}" for x, y in corners)


def _draw_between(
    area: Element, lower: Sequence[tuple[float, float]], upper: Sequence[tuple[float, float]], x_of: Place, y_of: Place
) -> None:
    """Shades the ground between two step curves, where both are."""
    if not lower or not upper:
        return
    first = max(lower[0][0], upper[0][0])

    def since(corners: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
        before = [y for x, y in corners if x <= first]
        yield first, before[-1]
        yield from (corner for corner in corners if corner[0] > first)

    corners = [*since(lower), *reversed([*since(upper)])]
    SubElement(area, "path", {"d": _path(corners, x_of, y_of) + "Z", "class": "between"})


def _draw_series(area: Element, series: Series, last: float, x_of: Place, y_of: Place) -> None:
    if series.kind == "step":
        if series.points:
            SubElement(area, "path", {"d": _path(_steps(series.points, last), x_of, y_of), "class": f"curve {series.colour}"})
        return
    for x, y in series.points:
        at = {"cx": _pixels(x_of(x)), "cy": _pixels(y_of(y))}
        if series.kind == "cross":
            for tilt in (-4, 4):
                _line(area, x_of(x) - 4, y_of(y) - tilt, x_of(x) + 4, y_of(y) + tilt, f"curve {series.colour}")
        else:
            SubElement(area, "circle", at | {"r": "4", "class": f"{series.kind} {series.colour}"})
