"""Networks as drawings, as SVG.

Heights and thicknesses grow with the square roots of map sides and channels: a stem of 16 channels and a last super-block of
2048 are both to be read. Blocks that are alike and follow each other are a run; of a long one the first and the last are drawn,
with the count above them, so that 60 blocks take no more room than four.

A drawing is made for a width in pixels and never scaled up or down, so that its letters have the page's size; the page shows
the one that fits (classes ``w340``, ``w700``, ``w1120``). Colours are classes of the style sheet, which knows light, dark and
print; :func:`picture` brings its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement, tostring

from ..networks.architecture import Architecture
from .drawn_parts import Drawn, Run, drawn_parts

NETWORK_WIDTHS = (340, 700, 1120)
SLANT = (0.34, 0.24)
"""How far to the right and up the back of a map stands, relative to its height."""
COLUMN, PAD = 77.0, 14.0
"""Least width of a network's part that is drawn as a column, with its label, and the room between two columns."""
LETTER, LINE = 7.4, 17.0
"""Width of a letter, and height of a line of text."""
TALLEST = 150.0, 104.0
"""Height of the largest map where parts are columns, and where they are rows."""
MOST_PIXELS = 30.0
"""Largest thickness of one block."""
DOTS = 17.0
"""Room of the dots that stand for the other blocks of a run."""
COUNT = 40.0
"""Room of the count of a run, ``× 60``."""
BESIDE = 0.47
"""Part of the width that blocks may take where their label stands beside them."""
PICTURE_WIDTH = NETWORK_WIDTHS[-1]
PICTURE_STYLE = """
svg { --ground: #ffffff; --ink: #1a1a1a; --line: #d8d8d8;
  --core: #0b5c94; --map: #cfe3f2; --top: #e6f1f9; --side: #a9cbe4; --edge: #5d93bb; }
@media (prefers-color-scheme: dark) {
  svg { --ground: #14161a; --ink: #e8e8e8; --line: #3a3d44;
    --core: #7cc0f0; --map: #23415a; --top: #305774; --side: #18303f; --edge: #5b93bd; }
}
.ground { fill: var(--ground); }
text { font: 12.5px system-ui, sans-serif; fill: var(--ink); } .strong { font-weight: 600; font-size: 13px; }
.map, .top, .side { stroke: var(--edge); stroke-width: .6; stroke-linejoin: round; }
.map { fill: var(--map); } .top { fill: var(--top); } .side { fill: var(--side); } .inner { fill: var(--core); }
.flow { stroke: var(--line); stroke-width: 2; } .more { fill: var(--edge); }
"""
"""Colours of a drawing that stands by itself, those of a page; :data:`mipdesign.report.page.TEMPLATES` has them."""


def _root(name: str, title: str, description: str, width: int, height: float) -> Element:
    """An empty drawing; ``name`` has to be unique on its page."""
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


def _dot(parent: Element, x: float, y: float) -> None:
    SubElement(parent, "circle", {"cx": _pixels(x), "cy": _pixels(y), "r": "1.6", "class": "more"})


def _text(parent: Element, x: float, y: float, content: str, style: str = "", anchor: str = "start") -> None:
    attributes = {"x": _pixels(x), "y": _pixels(y), "text-anchor": anchor}
    SubElement(parent, "text", attributes | ({"class": style} if style else {})).text = content


class Scale(NamedTuple):
    """Pixels per square root of a map's side, and per square root of channels."""

    resolution: float
    channels: float

    def thickness(self, channels: int) -> float:
        """Of a slab."""
        return self.channels * math.sqrt(channels)

    def pitch(self, part: Drawn) -> float:
        """From one block of a run to the next: its thickness and a gap."""
        return self.thickness(part.widest) + max(2.0, 0.15 * self.thickness(part.widest))

    def height(self, part: Drawn) -> float:
        """Of the front of a map."""
        return self.resolution * math.sqrt(part.resolution)

    def run_length(self, part: Drawn, run: Run) -> float:
        """Of a run, without the slant of its last block; one that is cut has room for dots and for its count."""
        blocks = run.shown * self.pitch(part)
        cut = DOTS + SLANT[0] * self.height(part) if run.blocks > run.shown else 0.0
        return max(blocks + cut, COUNT if cut else 0.0)

    def length(self, part: Drawn) -> float:
        """Of all runs of a part beside each other, with the slant of the last block."""
        return sum(self.run_length(part, run) for run in part.runs) + SLANT[0] * self.height(part)

    def rise(self, part: Drawn) -> float:
        """From the axis to what is highest of a part: the back of its map, or a count above it."""
        counted = LINE if any(run.blocks > run.shown for run in part.runs) else 0.0
        return (0.5 + SLANT[1]) * self.height(part) + counted


def label_width(part: Drawn) -> float:
    """Room of a part's label as a column."""
    return max(COLUMN, LETTER * max(len(line) for line in (part.name, *part.lines("ch."))) + 4)


def in_columns(drawn: Sequence[Drawn], width: int) -> bool:
    """Whether a network's parts fit side by side with their labels; otherwise they are rows."""
    return sum(map(label_width, drawn)) <= width


def column_widths(drawn: Sequence[Drawn], scale: Scale) -> list[float]:
    """Widths of the parts as columns."""
    return [max(label_width(part), scale.length(part) + PAD) for part in drawn]


def common_columns(networks: Sequence[Architecture], scale: Scale) -> list[float] | None:
    """Widths of columns in which the parts of all networks stand above each other; ``None`` if they have not as many parts."""
    return _common_columns([drawn_parts(network) for network in networks], scale)


def _common_columns(lists: Sequence[Sequence[Drawn]], scale: Scale) -> list[float] | None:
    if len({len(drawn) for drawn in lists}) != 1:
        return None
    return [max(widths) for widths in zip(*(column_widths(drawn, scale) for drawn in lists), strict=True)]


def common_scale(networks: Sequence[Architecture], width: int) -> Scale:
    """The largest scale at which every one of these networks fits the width."""
    lists = [drawn_parts(network) for network in networks]
    columns = all(in_columns(drawn, width) for drawn in lists)
    by_resolution = TALLEST[0 if columns else 1] / math.sqrt(max(part.resolution for drawn in lists for part in drawn))
    low, high = 0.0, MOST_PIXELS / math.sqrt(max(part.widest for drawn in lists for part in drawn))

    def fits(scale: Scale) -> bool:
        if columns and (common := _common_columns(lists, scale)) is not None and sum(common) > width:
            return False
        return all(
            sum(column_widths(drawn, scale)) <= width
            if in_columns(drawn, width)
            else max(scale.length(part) for part in drawn) <= BESIDE * width
            for drawn in lists
        )

    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(Scale(by_resolution, middle)) else (low, middle)
    return Scale(by_resolution, high if fits(Scale(by_resolution, high)) else low)


def draw_network(
    architecture: Architecture, name: str, width: int, scale: Scale, columns: Sequence[float] | None = None
) -> str:
    """One network: each block a slab that grows with its map and its channels, with its bottleneck width inside.

    Parameters
    ----------
    columns:
        Widths of its columns, where they are those of other networks too; see :func:`common_columns`.
    """
    return tostring(_drawing(architecture, name, width, scale, columns), "unicode")


def picture(architecture: Architecture, width: int = PICTURE_WIDTH) -> str:
    """A drawing of one network as the text of an SVG file, with colours of its own, light and dark, on ground of its own."""
    root = _drawing(architecture, "network", width, common_scale([architecture], width), None)
    root.set("xmlns", "http://www.w3.org/2000/svg")
    style = Element("style")
    style.text = PICTURE_STYLE
    root.insert(0, style)
    ground = Element("rect", {"width": "100%", "height": "100%", "rx": "8", "class": "ground"})
    root.insert(1, ground)
    return tostring(root, "unicode") + "\n"


def _drawing(architecture: Architecture, name: str, width: int, scale: Scale, columns: Sequence[float] | None) -> Element:
    drawn = drawn_parts(architecture)
    title, description = f"Network of {architecture.resolution} × {architecture.resolution} input", network_words(architecture)

    def root_of(height: float) -> Element:
        return _root(name, title, description, width, height)

    if not in_columns(drawn, width):
        return _draw_rows(drawn, root_of, scale, width)
    widths = column_widths(drawn, scale)
    if columns is not None and len(columns) == len(drawn) and sum(columns) <= width:
        widths = [*columns]
    return _draw_columns(drawn, root_of, scale, width, widths)


def network_words(architecture: Architecture) -> str:
    """A network in words, for those who do not see the drawing."""
    return "; ".join(f"{part.name}: {', '.join(part.lines())}" for part in drawn_parts(architecture))


def _draw_columns(
    drawn: Sequence[Drawn], root_of: Callable[[float], Element], scale: Scale, width: int, widths: Sequence[float]
) -> Element:
    """Parts from left to right about a common axis, labels below."""
    axis = max(scale.rise(part) for part in drawn) + 2
    labels = axis + max(scale.height(part) for part in drawn) / 2 + 24
    root = root_of(labels + max(len(part.lines()) for part in drawn) * LINE + 8)
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
    """Parts from top to bottom, each with its label beside it."""
    labels = max(scale.length(part) for part in drawn) + 2 * PAD
    letters = int((width - labels) / LETTER)
    texts = [[part.name, *_filled(part.lines(), letters)] for part in drawn]
    rises = [scale.rise(part) for part in drawn]
    heights = [
        max(rise + scale.height(part) / 2, LINE * len(lines)) + 14
        for part, rise, lines in zip(drawn, rises, texts, strict=True)
    ]
    root = root_of(sum(heights))
    top = 0.0
    for part, height, rise, lines in zip(drawn, heights, rises, texts, strict=True):
        used = rise + scale.height(part) / 2
        _draw_blocks(root, part, 0.5, top + (height - used) / 2 + rise, scale)
        first = top + (height - LINE * len(lines)) / 2 + LINE - 4
        for i, line in enumerate(lines):
            _text(root, labels, first + i * LINE, line, "strong" if i == 0 else "")
        top += height
    return root


def _filled(texts: Sequence[str], letters: int) -> list[str]:
    """Texts joined by commas to lines of so many letters at most."""
    lines = [texts[0]]
    for text in texts[1:]:
        joined = f"{lines[-1]}, {text}"
        lines[-1:] = [joined] if len(joined) <= letters else [lines[-1], text]
    return lines


def _draw_blocks(root: Element, part: Drawn, left: float, axis: float, scale: Scale) -> None:
    """The blocks of a part, beginning at ``left``; the middle of their fronts is on the axis. A run that is cut has dots
    before its last block, and its count above.
    """
    pitch, height = scale.pitch(part), scale.height(part)
    for run in part.runs:
        length, cut = scale.run_length(part, run), run.blocks > run.shown
        for i in range(run.shown):
            is_last = cut and i == run.shown - 1
            middle = left + (length - pitch / 2 if is_last else (i + 0.5) * pitch)
            _draw_block(root, part.channels, run.inner, middle, axis, scale, height)
        if cut:
            begin, end = left + (run.shown - 1) * pitch + SLANT[0] * height, left + length - pitch
            for i in range(3):
                _dot(root, (begin + end) / 2 + 5 * (i - 1), axis)
            back = SLANT[0] * height
            above = axis - (0.5 + SLANT[1]) * height - 6
            _text(root, left + (length + back) / 2, above, f"× {run.blocks}", "strong", "middle")
        left += length


def _draw_block(
    root: Element, channels: int, inner: int | None, middle: float, axis: float, scale: Scale, height: float
) -> None:
    """One block: the slab of its map, and its bottleneck width inside."""
    outer = scale.thickness(channels)
    _slab(root, middle - outer / 2, axis - height / 2, outer, height)
    if inner is not None:
        core = scale.thickness(inner)
        _rect(root, middle - core / 2, axis - height / 4, core, height / 2, "inner")


def _slab(root: Element, x: float, y: float, thick: float, height: float) -> None:
    """A map as a body: its side of ``height`` x ``height`` seen from the left, its thickness in front."""
    right, up = SLANT[0] * height, SLANT[1] * height
    back, top = f"l{_pixels(right)} {_pixels(-up)}", f"M{_pixels(x)} {_pixels(y)}"
    SubElement(root, "path", {"d": f"{top}{back}h{_pixels(thick)}l{_pixels(-right)} {_pixels(up)}Z", "class": "top"})
    side = f"M{_pixels(x + thick)} {_pixels(y)}{back}v{_pixels(height)}l{_pixels(-right)} {_pixels(up)}Z"
    SubElement(root, "path", {"d": side, "class": "side"})
    _rect(root, x, y, thick, height, "map")
