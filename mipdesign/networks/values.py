"""Values of super-blocks by a table: what block-wise distillation measured, or what was fitted to trained networks.

A table is CSV with the header :data:`HEADER` and one value a row; an empty field stands for any. The value of a network is the
sum over its super-blocks of the values of the rows that are theirs. Values are decimals and mean themselves: sums are exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

from ..errors import SpecError, short
from ..files import csv_rows, read_text
from ..numerals import NUMBER
from .blocks import FAMILIES

FIELDS = ("stage", "block", "channels", "width", "kernel", "depth")
"""What a row is about: the number of the super-block, from 1; the family, channels, width and kernel of its blocks, and how
many they are."""
HEADER = (*FIELDS, "value")
MOST_ROWS = 200_000
MOST_TABLE_BYTES = 16_000_000
MOST_LENGTH = 40
"""Most characters of a value."""
LARGEST = 10**9
LEAST = Fraction(1, 10**30)
"""Values other than 0 are no smaller: all of them together are whole numbers of a unit that is no smaller either."""

Missing = Literal["refuse", "exclude", "zero"]
"""What a super-block without a row means: the problem is refused, no network has it, or it is worth 0."""
Several = Literal["refuse", "add"]
"""What several rows of one super-block mean: the problem is refused, or they are added."""

Key = tuple[int | str, ...]
Fields = tuple[int | str, ...]
"""A super-block by :data:`FIELDS`."""


class Row(NamedTuple):
    """One row: fields that are ``None`` stand for any; ``text`` is the value as it was written."""

    fields: tuple[int | str | None, ...]
    text: str

    @property
    def value(self) -> Fraction:
        """The value, exactly."""
        return Fraction(self.text)

    def line(self) -> str:
        """The row as a line of CSV."""
        return ",".join(["" if field is None else str(field) for field in self.fields] + [self.text])


@dataclass(frozen=True)
class ValueTable:
    """The rows of a table."""

    rows: tuple[Row, ...]

    @classmethod
    def load(cls, path: str | Path) -> ValueTable:
        """Reads a CSV file; lines that begin with ``#`` are comments.

        Raises
        ------
        SpecError
            With the file, the line and the column at fault.
        """
        try:
            return cls.from_lines(read_text(Path(path), MOST_TABLE_BYTES).splitlines())
        except SpecError as error:
            raise error if error.source else error.at(str(path)) from None

    @classmethod
    def from_lines(cls, lines: Iterable[str]) -> ValueTable:
        """Reads lines of CSV, the header first."""
        numbered = csv_rows(lines, f"write the header {','.join(HEADER)} and one row a line")
        if not numbered or tuple(numbered[0][1]) != HEADER:
            raise SpecError("line 1", "is not the header of a table of values", f"begin with {','.join(HEADER)}")
        if not 1 < len(numbered) <= MOST_ROWS + 1:
            raise SpecError("", f"the table has {len(numbered) - 1} rows", f"give from 1 to {MOST_ROWS}")
        rows: dict[tuple[int | str | None, ...], Row] = {}
        for n, texts in numbered[1:]:
            row = _row(n, texts)
            if row.fields in rows:
                raise SpecError(f"line {n}", "has the fields of a row before it", "keep one of the rows")
            rows[row.fields] = row
        return cls(tuple(rows.values()))

    def to_lines(self) -> list[str]:
        """Inverse of :meth:`from_lines`."""
        return [",".join(HEADER), *(row.line() for row in self.rows)]


def _row(n: int, texts: Sequence[str]) -> Row:
    """One row of CSV, checked."""
    if len(texts) != len(HEADER):
        raise SpecError(f"line {n}", f"has {len(texts)} columns", f"give {len(HEADER)}: {', '.join(HEADER)}")
    fields: list[int | str | None] = []
    for name, text in zip(FIELDS, texts, strict=False):
        if not text:
            fields.append(None)
        elif name == "block":
            if text not in FAMILIES:
                raise SpecError(f"line {n}, block", f"{short(text)} is not a block family", "leave it empty for any")
            fields.append(text)
        elif not (text.isascii() and text.isdigit() and len(text) < 8 and int(text) >= 1):
            raise SpecError(
                f"line {n}, {name}", f"{short(text)} is refused", "give a whole number from 1 up, or leave it empty"
            )
        else:
            fields.append(int(text))
    text = texts[-1]
    if not NUMBER.fullmatch(text) or len(text) > MOST_LENGTH:
        raise SpecError(f"line {n}, value", f"{short(text)} is refused", f"give a decimal of at most {MOST_LENGTH} characters")
    _, _, exponent = text.lower().partition("e")
    value = Fraction(text) if abs(int(exponent or 0)) < 100 else LARGEST + Fraction(1)
    if abs(value) > LARGEST or (value * (1 / LEAST)).denominator != 1:
        raise SpecError(f"line {n}, value", f"{short(text)} is refused", "give one up to 1e9, of at most 30 places")
    return Row(tuple(fields), text)


@dataclass(frozen=True)
class Values:
    """What super-blocks are worth in an objective: a table and its weight.

    Attributes
    ----------
    weight:
        What one unit of the table's values is worth; not 0, and negative where small values are good.
    missing, several:
        What no row, or several rows, of a super-block mean.
    """

    table: ValueTable
    weight: Fraction = Fraction(1)
    missing: Missing = "refuse"
    several: Several = "refuse"

    @cached_property
    def by_shape(self) -> dict[tuple[int, ...], dict[Key, Fraction]]:
        """Weighted values by which of :data:`FIELDS` rows have, and by these."""
        found: dict[tuple[int, ...], dict[Key, Fraction]] = {}
        for row in self.table.rows:
            shape = tuple(n for n, field in enumerate(row.fields) if field is not None)
            key = tuple(field for field in row.fields if field is not None)
            found.setdefault(shape, {})[key] = row.value * self.weight
        return found

    def find(self, fields: Fields) -> Fraction | None:
        """The weighted value of a super-block; ``None`` where it has no row and that excludes it.

        Raises
        ------
        SpecError
            If rows are missing or too many, and that is refused.
        """
        found = [rows[key] for shape, rows in self.by_shape.items() if (key := tuple(fields[n] for n in shape)) in rows]
        if len(found) > 1 and self.several == "refuse":
            raise SpecError("objective.table", f"has {len(found)} values for {in_words(fields)}", REMEDY_OF_SEVERAL)
        if not found and self.missing == "refuse":
            raise SpecError("objective.table", f"has no value for {in_words(fields)}", REMEDY_OF_MISSING)
        return sum(found, Fraction(0)) if found or self.missing == "zero" else None


REMEDY_OF_MISSING = "add a row, or say missing: exclude or zero"
REMEDY_OF_SEVERAL = "keep one of the rows, or say several: add"


def in_words(fields: Fields) -> str:
    """A super-block, for a message."""
    stage, block, *numbers = fields
    return f"super-block {stage}: {block}, " + ", ".join(f"{name} {n}" for name, n in zip(FIELDS[2:], numbers, strict=True))
