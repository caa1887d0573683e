"""One table type: plain values under columns that say how they are written; for the terminal, for pages, and as CSV.

A function that makes a table states its content once. :class:`Table` renders itself in a terminal of any width
(:mod:`mipdesign.figures.layout`), as CSV and as Markdown; the template ``tables.html.j2`` renders it on a page.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from .formatting import number
from .layout import Line, Strip, lay_out

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

Value: TypeAlias = str | int | float | None
"""A cell; ``None`` where there is nothing to say."""


def plain_text(value: Value) -> str:
    """A value in a table of measurements: a dash for nothing, three digits, integers in full."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return "-" if not math.isfinite(value) else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.1f}"
    return number(value) if isinstance(value, int) else value


def number_text(value: Value) -> str:
    """A value in full, as :func:`~mipdesign.figures.formatting.number` has it; a dash for nothing."""
    return "-" if value is None else value if isinstance(value, str) else number(value)


def size_text(value: Value) -> str:
    """A small count without separators; empty for nothing."""
    return "" if value is None else str(value)


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    heading:
        What it holds, in full.
    align:
        Numbers stand to the right.
    unit:
        Of its values, if any.
    short:
        What a terminal has in place of heading and unit, where it has little room.
    text:
        How its values are written.
    breaks:
        Whether its texts may be broken anywhere, as digests; a terminal breaks none.
    prose:
        Whether its texts may go on on the next line at a space.
    """

    heading: str
    align: Literal["left", "right"] = "right"
    unit: str = ""
    short: str | None = None
    text: Callable[[Any], str] = plain_text
    breaks: bool = False
    prose: bool = False

    @property
    def label(self) -> str:
        """Heading and unit."""
        return f"{self.heading}, {self.unit}" if self.unit else self.heading


def columns(*headings: str, left: Collection[str] = (), text: Callable[[Any], str] = number_text) -> tuple[Column, ...]:
    """Columns that hold numbers unless they are named in ``left``, all written alike."""
    return tuple(Column(heading, "left" if heading in left else "right", text=text) for heading in headings)


@dataclass(frozen=True)
class Table:
    """A table of plain values.

    Attributes
    ----------
    title:
        What it shows; a terminal leaves it out.
    rows:
        A value per column each.
    notes:
        Sentences on how to read it.
    name:
        Of its file, where it has one.
    total:
        Whether the last row is a sum.
    marked:
        Rows that stand out on a page.
    keys:
        How many of the first columns name a row: where a table is wider than a terminal, they are there in each part of it.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    notes: tuple[str, ...] = ()
    name: str = ""
    total: bool = False
    marked: frozenset[int] = field(default=frozenset())
    keys: int = 1

    @property
    def header(self) -> tuple[str, ...]:
        """Headings with units."""
        return tuple(column.label for column in self.columns)

    def texts(self) -> list[tuple[str, ...]]:
        """The rows as they are written."""
        return [tuple(column.text(value) for column, value in zip(self.columns, row, strict=True)) for row in self.rows]

    def to_csv(self) -> str:
        """The rows as CSV, with every digit."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.header)
        writer.writerows(["" if value is None else value for value in row] for row in self.rows)
        return out.getvalue()

    def to_markdown(self) -> str:
        """Title, notes and rows."""
        lines = [self.header, ("---",) * len(self.columns), *self.texts()]
        return "\n".join([f"### {self.title}", "", *self.notes, "", *(f"| {' | '.join(line)} |" for line in lines), ""])

    def lines(self, width: int) -> list[Line]:
        """The lines of the table in a terminal; nothing of it is ever shortened."""
        cells = zip(*self.texts(), strict=True) if self.rows else ((),) * len(self.columns)
        strips = [
            Strip(
                column.label if column.short is None else column.short,
                tuple(map(printable, texts)),
                column.align == "right",
                column.prose,
            )
            for column, texts in zip(self.columns, cells, strict=True)
        ]
        return list(lay_out(strips, width, self.keys, self.total))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What :mod:`rich` prints of it."""
        from rich.text import Text

        text = Text(no_wrap=True, overflow="ignore", end="")
        for line in self.lines(options.max_width):
            text.append(f"{line.text}\n", "bold" if line.is_head else None)
        yield text


def printable(text: str) -> str:
    """A text of one line; signs that a terminal would obey are spelt out."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
