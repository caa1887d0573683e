"""Networks to scale, as SVG.

A drawing is made for a width in pixels and never scaled up or down, so that its letters have the page's size; the page shows
the one that fits (classes ``w340``, ``w700``, ``w1120``). Colours are classes of the style sheet, which knows light, dark and
print.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement, tostring

from ..networks.architecture import Architecture, PerBlock
from .parts import parts

NETWORK_WIDTHS = (340, 700, 1120)
SLANT = (0.34, 0.24)
"""How far to the right and up the back of a map stands, relative to its height."""
COLUMN, PAD = 77.0, 12.0
"""Least width of a network's part that is drawn as a column, with its label, and the room between two columns."""
LINE = 17.0
"""Height of a line of text."""
MOST_PIXELS = 44.0
"""Largest thickness of one block."""


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


def _text(parent: Element, x: float, y: float, content: str, style: str = "", anchor: str = "start") -> None:
    attributes = {"x": _pixels(x), "y": _pixels(y), "text-anchor": anchor}
    SubElement(parent, "text", attributes | ({"class": style} if style else {})).text = content


class Drawn(NamedTuple):
    """A part as a drawing shows it: maps of ``resolution`` x ``resolution``, one per block.

    ``inners`` and ``kernels`` are bottleneck widths and kernels: of each block where they differ, none where the part has not
    any. ``frames`` are those of its map, ``kernel_t`` those of its kernel.
    """

    name: str
    resolution: int
    channels: int
    inners: tuple[int, ...]
    depth: int
    kernels: tuple[int, ...]
    frames: int | None = None
    kernel_t: int = 1

    @property
    def widest(self) -> int:
        """Channels that a block takes room for."""
        return max((self.channels, *self.inners))

    def lines(self, channels: str = "channels") -> list[str]:
        """What is written at it, its name apart."""
        frames = "" if self.frames is None else f"{self.frames} × "
        lines = [f"{frames}{self.resolution} × {self.resolution}", f"{self.channels:,} {channels}"]
        if self.inners:
            lines.append(f"{self.depth} block" + ("s" if self.depth != 1 else ""))
        if self.kernels:
            over = "" if self.kernel_t == 1 else f"{self.kernel_t} × "
            lines.append(", ".join(f"{over}{kernel} × {kernel}" for kernel in sorted(set(self.kernels))))
        low, high = min(self.inners, default=0), max(self.inners, default=0)
        return lines + ([f"width {low:,}" + (f" to {high:,}" if high > low else "")] if self.inners else [])


def drawn_parts(architecture: Architecture) -> list[Drawn]:
    """Input and parts of a network."""
    frames = architecture.frames
    drawn = [Drawn("input", architecture.resolution, architecture.input_channels, (), 1, (), frames)]
    for part in parts(architecture):
        channels, inners, kernels, depth = map(_each, part.sizes)
        of_map = None if part.stride is None else frames
        sizes = (channels[0], inners, depth[0] if depth else 1, kernels, of_map, part.kernel_t)
        drawn.append(Drawn(part.name, part.resolution, *sizes))
    return drawn


def _each(size: PerBlock | None) -> tuple[int, ...]:
    """A size of all blocks, or those of each; none of a part that has not any."""
    return size if isinstance(size, tuple) else () if size is None else (size,)


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
    outer = part.channels * scale.channels
    for i in range(part.depth):
        middle = left + (i + 0.5) * pitch
        _slab(root, middle - outer / 2, axis - height / 2, outer, height)
        if part.inners:
            inner = part.inners[i % len(part.inners)] * scale.channels
            _rect(root, middle - inner / 2, axis - height / 4, inner, height / 2, "inner")


def _slab(root: Element, x: float, y: float, thick: float, height: float) -> None:
    """A map as a body: its side of ``height`` x ``height`` seen from the left, its thickness in front."""
    right, up = SLANT[0] * height, SLANT[1] * height
    back, top = f"l{_pixels(right)} {_pixels(-up)}", f"M{_pixels(x)} {_pixels(y)}"
    SubElement(root, "path", {"d": f"{top}{back}h{_pixels(thick)}l{_pixels(-right)} {_pixels(up)}Z", "class": "top"})
    side = f"M{_pixels(x + thick)} {_pixels(y)}{back}v{_pixels(height)}l{_pixels(-right)} {_pixels(up)}Z"
    SubElement(root, "path", {"d": side, "class": "side"})
    _rect(root, x, y, thick, height, "map")
