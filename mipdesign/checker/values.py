"""What super-blocks are worth by a table of values: the rule of ``docs/specification.md``, read anew."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .reading import RefusedError, mapping, ratio, sequence, word

HEADER = "stage,block,channels,width,kernel,depth,value"
VALUE = re.compile(r"[+-]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][+-]?[0-9]{1,2})?")
NUMBER = re.compile(r"[1-9][0-9]{0,6}")
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BITS = (20, 20, 6)
"""How many channels, width and kernel have at most, as numbers."""


@dataclass(frozen=True)
class Row:
    """One row; what it leaves open is ``None``. ``numbers``: channels, width and kernel."""

    stage: int | None
    block: str | None
    numbers: tuple[int | None, ...]
    depth: int | None
    value: Fraction

    @property
    def open(self) -> tuple[bool, ...]:
        """Which fields it leaves open."""
        return tuple(field is None for field in (self.stage, self.block, *self.numbers, self.depth))


class Values:
    """A table and its weight. ``missing``: whether a super-block without a row is refused, has no network, or is worth 0."""

    def __init__(self, value: Any, where: str) -> None:
        data = mapping(value, where, ("rows", "weight", "missing", "several"))
        self.missing = word(data["missing"], f"{where}.missing", ("refuse", "exclude", "zero"))
        self.adds = word(data["several"], f"{where}.several", ("refuse", "add")) == "add"
        self.weight = _weight(data["weight"], f"{where}.weight")
        lines = sequence(data["rows"], f"{where}.rows", 2, 200_001)
        if lines[0] != HEADER:
            raise RefusedError(f"{where}.rows.0 is not {HEADER}")
        self.groups: dict[tuple[bool, ...], list[Row]] = {}
        for n, line in enumerate(lines[1:], 1):
            row = _row(line, f"{where}.rows.{n}")
            self.groups.setdefault(row.open, []).append(row)
        for rows in self.groups.values():
            if len({(row.stage, row.block, row.numbers, row.depth) for row in rows}) < len(rows):
                raise RefusedError(f"{where}.rows has the same fields twice")
        every = [row.value * self.weight for rows in self.groups.values() for row in rows]
        self.unit = lcm(*(value.denominator for value in every))

    @property
    def last_stage(self) -> int:
        """The last super-block that rows name, from 1; 0 if they name none."""
        return max((row.stage or 0 for rows in self.groups.values() for row in rows), default=0)

    def of(self, i: int, block: str, numbers: Sequence[int], depth: int) -> Fraction | None:
        """What a super-block of some channels, width and kernel is worth; ``None`` where no network has it."""
        columns = (np.array([n]) for n in numbers)
        found = self.numerators(i, (block,), np.array([0]), tuple(columns), (depth,))[0, 0]
        return None if found is None else Fraction(found, self.unit)

    def table(self, i: int, families: Sequence[str], f: Ints, numbers: Sequence[Ints], depths: Sequence[int]) -> Floats:
        """What columns of super-block ``i`` are worth, shape ``(depths, columns)``; -inf where one is excluded."""
        found = self.numerators(i, families, f, numbers, depths)
        unit = self.unit
        return np.array([[-np.inf if n is None else n / unit for n in row] for row in found.tolist()]).reshape(found.shape)

    def numerators(
        self, i: int, families: Sequence[str], f: Ints, numbers: Sequence[Ints], depths: Sequence[int]
    ) -> NDArray[np.object_]:
        """The same exactly, of the common denominator ``unit``; ``None`` where it is excluded.

        Raises
        ------
        RefusedError
            If a value is missing, or there are several, and the table is to have neither.
        """
        shape = len(depths), len(f)
        total, times = np.full(shape, 0, dtype=object), np.zeros(shape, dtype=np.int64)
        for of_group, rows in self.groups.items():
            codes = _codes(of_group, f, numbers)
            own = [(row, _code(row, families)) for row in rows if row.stage in (None, i + 1)]
            for at, depth in enumerate(depths):
                here = sorted((code, row.value) for row, code in own if row.depth in (None, depth) and code is not None)
                if not here:
                    continue
                keys = np.array([code for code, _ in here])
                worth = np.array([int(value * self.weight * self.unit) for _, value in here], dtype=object)
                place = np.minimum(np.searchsorted(keys, codes), len(keys) - 1)
                hit = np.flatnonzero(keys[place] == codes)
                total[at, hit] += worth[place[hit]]
                times[at, hit] += 1
        if (self.missing == "refuse" and not times.all()) or (not self.adds and (times > 1).any()):
            raise RefusedError(f"problem.objective.table has no value, or several, for a choice of super-block {i + 1}")
        if self.missing == "exclude":
            total[times == 0] = None
        return total


def _codes(is_open: tuple[bool, ...], f: Ints, numbers: Iterable[Ints]) -> Ints:
    """Columns as numbers, by what rows of a kind do not leave open."""
    codes = np.zeros(len(f), dtype=np.int64) if is_open[1] else f + 1
    for values, bits, left_open in zip(numbers, BITS, is_open[2:5], strict=True):
        codes = codes << bits
        if not left_open:
            codes = codes + values
    return codes


def _code(row: Row, families: Sequence[str]) -> int | None:
    """A row as a number in the same way; ``None`` where it is about no column."""
    if row.block is not None and row.block not in families:
        return None
    code = 0 if row.block is None else families.index(row.block) + 1
    for value, bits in zip(row.numbers, BITS, strict=True):
        if value is not None and value >= 1 << bits:
            return None
        code = (code << bits) + (value or 0)
    return code


def _row(line: Any, where: str) -> Row:
    if not isinstance(line, str) or len(line) > 200 or len(fields := line.split(",")) != 7:
        raise RefusedError(f"{where} is not a row of a table of values")
    stage, block, *numbers, depth, value = fields
    for text in (stage, *numbers, depth):
        if text and not NUMBER.fullmatch(text):
            raise RefusedError(f"{where}: {text!r:.40} is not a number from 1 up")
    if not VALUE.fullmatch(value) or len(value) > 40:
        raise RefusedError(f"{where}: {value!r:.40} is not a decimal")
    first, *rest, last = (int(text) if text else None for text in (stage, *numbers, depth))
    return Row(first, block or None, tuple(rest), last, Fraction(value))


def _weight(value: Any, where: str) -> Fraction:
    """A number other than 0."""
    if isinstance(value, str) and value.startswith("-"):
        return -ratio(value[1:], where)
    if isinstance(value, (int, float)) and value < 0:
        return -ratio(-value, where)
    return ratio(value, where)
