"""What a page shows, as plain data: sections with lines, tables, figures and commands. No files, no HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..figures.network_drawing import NETWORK_WIDTHS, common_columns, common_scale, draw_network
from ..figures.tables import Table
from ..networks.architecture import Architecture
from .budget_tiles import Tile

NETWORK_CAPTION = (
    "Each block is a slab that grows in height with its feature map and in thickness with its channels, by square roots; "
    "the dark core is its bottleneck width. Of many blocks that are alike the first three and the last are drawn. "
    "Sizes and channels (ch.) are those of the output."
)


@dataclass(frozen=True)
class Figure:
    """A chart or a drawing in several widths, with its legend (kind, colour and name of each curve) and a caption."""

    drawings: tuple[str, ...]
    caption: str = ""
    legend: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class Section:
    """A part of the page, with an identifier for links."""

    id: str
    title: str
    lines: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    commands: tuple[str, ...] = ()
    specification: str = ""
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class View:
    """A design, a frontier or a comparison: what it is, what was proved, its main figures, and its sections."""

    id: str
    title: str
    name: str
    """In a list of the page's views; the title may be that of another one too."""
    kind: str
    badge: str
    status: str
    summary: str
    facts: tuple[tuple[str, str, str], ...]
    """Name, figure and a remark of each."""
    sections: tuple[Section, ...]
    tiles: tuple[Tile, ...] = ()
    meaning: str = ""
    """What the verdict is a statement of, and of what it is not."""
    folded: bool = False
    """Whether it is closed until it is asked for, as the designs below their comparison."""


def network_figure(
    architecture: Architecture, name: str, together: Sequence[Architecture], caption: str = NETWORK_CAPTION
) -> Figure:
    """A network at the scale at which all of ``together`` fit, in the columns of all of them."""
    drawings = []
    for width in NETWORK_WIDTHS:
        scale = common_scale(together, width)
        drawings.append(draw_network(architecture, name, width, scale, common_columns(together, scale)))
    return Figure(tuple(drawings), caption)
