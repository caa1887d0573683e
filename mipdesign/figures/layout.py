"""How text fits a width: tables whole, in bands of columns or stacked, and lines that go on below. Nothing is cut off.

A table that is too wide is first given narrower columns, where headings and prose may go on on the next line at a space. If it
is too wide even then, its columns are shown in *bands*, one below the other, each of which begins with the columns that name a
row. A cell that has no room beside these stands below them. What is longer than the width by itself goes on at spaces, and
a word that is longer is left as it is: a terminal folds it, and it can be copied.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

MARGIN, GAP, INDENT = 1, 2, 3
"""Blanks before a line, between two columns, and before what stands below the name of its row."""
LEAST_PROSE = 24
"""Narrowest that a column of prose is made."""
LABEL = 13
"""Width of the words before a line's text, with the blanks after them."""


class Line(NamedTuple):
    """A line of a table, and whether it belongs to the headings."""

    text: str
    is_head: bool = False


@dataclass(frozen=True)
class Strip:
    """A column as text.

    Attributes
    ----------
    right:
        Whether its cells stand to the right.
    prose:
        Whether its cells may go on on the next line, at a space.
    """

    heading: str
    cells: tuple[str, ...]
    right: bool = False
    prose: bool = False

    @cached_property
    def content(self) -> int:
        """Width of its widest cell."""
        return max(map(width_of, self.cells), default=0)

    @cached_property
    def longest_word(self) -> int:
        """Width of the longest word of heading and cells."""
        return max(width_of(word) for text in (self.heading, *self.cells) for word in text.split(" "))


def width_of(text: str) -> int:
    """Places that a text takes in a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def folded(text: str, width: int) -> list[str]:
    """A text in lines of at most ``width``, broken at spaces only."""
    lines, line = [], ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if line and width_of(longer) > width:
            lines.append(line)
            line = word
        else:
            line = longer
    return [*lines, line]


def hanging(line: str, width: int) -> list[str]:
    """A line in lines of at most ``width``; what goes on stands below the text after a label, or a little to the right."""
    if width_of(line) <= width:
        return [line]
    labelled = len(line) > LABEL and line[LABEL - 2 : LABEL] == "  " and line[LABEL] != " " and width // 2 > LABEL
    indent = LABEL if labelled else min(2, width // 8)
    start = indent if labelled else 0
    first, *others = folded(line[start:], width - indent)
    return [line[:start] + first, *(" " * indent + other for other in others)]


def lay_out(strips: Sequence[Strip], width: int, keys: int = 1, total: bool = False) -> Iterator[Line]:
    """The lines of a table, a blank one before, between and after its bands.

    Parameters
    ----------
    width:
        Of a line at most, where no single cell is longer.
    keys:
        How many of the first columns name a row: every band begins with them.
    total:
        Whether the last row is a sum, which stands apart.
    """
    bands = list(_bands(strips, width, keys, folds=False))
    if len(bands) > 1:
        narrow = list(_bands(strips, width, keys, folds=True))
        folds = len(narrow) < len(bands)
        bands = _even(strips, width, keys, folds, narrow if folds else bands)
    yield Line("")
    for band in bands:
        yield from band.lines(total)
        yield Line("")


class _Band(NamedTuple):
    """Columns that stand beside each other, and their widths; or one below the names of the rows, where ``below`` is set."""

    strips: Sequence[Strip]
    widths: Sequence[int]
    below: Strip | None = None
    room: int = 0

    def lines(self, total: bool) -> Iterator[Line]:
        heads = [folded(strip.heading, width) for strip, width in zip(self.strips, self.widths, strict=True)]
        rows = [[*self._row(heads)], *([*self._row(cells)] for cells in self._cells())]
        if self.below is not None:
            texts = (self.below.heading, *self.below.cells)
            rows = [row + _indented(text, self.room) for row, text in zip(rows, texts, strict=True)]
        yield from (Line(text, True) for text in rows[0])
        yield Line(" " * MARGIN + "─" * (max(width_of(text) for row in rows for text in row) - MARGIN))
        for i, row in enumerate(rows[1:], 2):
            if total and i == len(rows):
                yield Line("")
            yield from map(Line, row)

    def _cells(self) -> Iterator[list[list[str]]]:
        for cells in zip(*(strip.cells for strip in self.strips), strict=True):
            of_row = zip(self.strips, cells, self.widths, strict=True)
            yield [folded(text, width) if strip.prose or width_of(text) > width else [text] for strip, text, width in of_row]

    def _row(self, cells: Sequence[Sequence[str]]) -> Iterator[str]:
        """The lines of a row, or of the headings, whose last line is that of all columns."""
        for n in range(max(map(len, cells))):
            texts = []
            for strip, lines, width in zip(self.strips, cells, self.widths, strict=True):
                text = lines[n] if n < len(lines) else ""
                blanks = " " * (width - width_of(text))
                texts.append(blanks + text if strip.right else text + blanks)
            yield (" " * MARGIN + (" " * GAP).join(texts)).rstrip()


def _indented(text: str, room: int) -> list[str]:
    """What stands below the name of its row; a text that only just fits has fewer blanks before it."""
    indent = min(INDENT, max(room - width_of(text), 0)) if width_of(text) <= room else INDENT
    return [(" " * indent + line).rstrip() for line in folded(text, max(room - indent, 1))] if text else []


def _bands(strips: Sequence[Strip], width: int, keys: int, folds: bool) -> Iterator[_Band]:
    """The columns in as few bands as they take in their order; ``folds``: headings may go on on the next line."""
    widths = _fit(strips, width, folds)
    if widths is not None or len(strips) == 1:
        yield _Band(strips, widths or [min(width - MARGIN, strips[0].content)])
        return
    keys = min(keys, len(strips) - 1)
    while keys > 1 and _fit(strips[:keys], width, folds) is None:
        keys -= 1
    names, rest = list(strips[:keys]), list(strips[keys:])
    while rest:
        count = len(rest)
        while count and (widths := _fit([*names, *rest[:count]], width, folds)) is None:
            count -= 1
        if count:
            yield _Band([*names, *rest[:count]], widths or ())
            rest = rest[count:]
        else:
            alone = _fit(names, width, folds) or [max(width - MARGIN, 1)]
            yield _Band(names, alone, rest.pop(0), width)


def _even(strips: Sequence[Strip], width: int, keys: int, folds: bool, bands: list[_Band]) -> list[_Band]:
    """Bands of about equal widths, where several have to be: no last one of a single column below a full one."""
    if len(bands) == 1 or any(strip.prose for strip in strips) or any(band.below for band in bands):
        return bands
    while len(narrower := list(_bands(strips, width - 1, keys, folds))) == len(bands) and not any(b.below for b in narrower):
        bands, width = narrower, width - 1
    return bands


def _fit(strips: Sequence[Strip], width: int, folds: bool) -> list[int] | None:
    """Widths of columns beside each other; ``None`` where they do not fit."""
    widths = []
    for strip in strips:
        heads = strip.heading.split(" ") if folds else [strip.heading]
        widths.append(max(strip.content, *map(width_of, heads)))
    excess = MARGIN + sum(widths) + GAP * (len(strips) - 1) - width
    least = {i: max(LEAST_PROSE, strip.longest_word) for i, strip in enumerate(strips) if strip.prose}
    while excess > 0:
        wide = [i for i, bound in least.items() if widths[i] > bound]
        if not wide:
            return None
        widths[max(wide, key=lambda i: widths[i])] -= 1
        excess -= 1
    return widths
