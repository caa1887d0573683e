"""One table type: plain values under columns that say how they are written; for the terminal, for pages, and as CSV.

A function that makes a table states its content once. :class:`Table` renders itself in a terminal (by :mod:`rich`), as CSV and
as Markdown; the template ``tables.html.j2`` renders it on a page.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from .formatting import number

if TYPE_CHECKING:
    from rich.table import Table as RichTable

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
        Whether its texts may be broken anywhere, as digests.
    """

    heading: str
    align: Literal["left", "right"] = "right"
    unit: str = ""
    short: str | None = None
    text: Callable[[Any], str] = plain_text
    breaks: bool = False

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
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    notes: tuple[str, ...] = ()
    name: str = ""
    total: bool = False
    marked: frozenset[int] = field(default=frozenset())

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

    def __rich__(self) -> RichTable:
        """The table in a terminal; nothing of it is ever shortened."""
        from rich import box
        from rich.table import Table as RichTable

        shown = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        for column in self.columns:
            heading = column.label if column.short is None else column.short
            shown.add_column(heading, justify=column.align, overflow="fold")
        for i, texts in enumerate(self.texts()):
            if self.total and i == len(self.rows) - 1:
                shown.add_section()
            shown.add_row(*texts)
        return shown
