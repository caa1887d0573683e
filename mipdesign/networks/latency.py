"""Latency of a network from a table of measured operations: additive, interpolated between measured channels.

A table has one row per measured operation, as CSV under the header :data:`HEADER`. ``kind`` is one of :data:`KINDS`; an
activation's kind is the name of its function. Rows that differ in channels only are the points of one grid. Between its points
the latency is interpolated:

1. the grid is made monotone: every value becomes the largest of those with at most as many input and output channels (a wider
   operation is never taken to be faster, whatever a measurement says);
2. linearly along the input channels, then linearly along the output channels, each rounded down to a whole nanosecond.

A table may list a convolution together with the normalisation and the activation that alone read it, as one row of a kind such
as ``conv+norm+relu`` (:data:`FUSED_KINDS`). A table with such a row is *fused*: it counts every convolution by the row of
its fused kind, and nothing for the operations that are a part of that.

So the interpolation is monotone in both, exact at the points, and an integer: a latency budget is decided in integer arithmetic
like any other. Normalisations, activations, pools, additions, scalings and depthwise convolutions have as many outputs as
inputs; their grids are lines. Nothing is extrapolated: what lies outside the grid is *missing*.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import SpecError, counted, short
from ..files import csv_rows, read_text
from ..numerals import NUMBER, from_text
from .blocks import Int, Operation

if TYPE_CHECKING:
    from .latency_grid import Grid

HEADER = ("kind", "in_channels", "out_channels", "kernel", "stride", "groups", "resolution", "batch", "microseconds")
KINDS = ("conv", "linear", "norm", "relu", "relu6", "silu", "sigmoid", "pool", "max_pool", "global_pool", "add", "scale")
"""Single operations."""
FUSED_KINDS = ("conv+norm", *(f"conv+norm+{function}" for function in ("relu", "relu6", "silu", "sigmoid")))
"""Convolutions with what follows them."""
ROW_KINDS = KINDS + FUSED_KINDS
"""What a row may measure."""
MOST_ROWS = 20_000
MOST_NANOSECONDS = 10**10
LARGEST = 2**16
"""Largest number of channels in a table: products with it and a latency stay far below ``2**63``."""
MAX_TABLE_BYTES = 4_000_000
SHIPPED = "mipdesign/"
"""What the name of a table that comes with the package begins with."""


class Shape(NamedTuple):
    """What the operations of one grid have in common. ``groups`` is 0 for depthwise convolutions."""

    kind: str
    kernel: int
    stride: int
    groups: int
    resolution: int


class Row(NamedTuple):
    """One measured operation."""

    kind: str
    in_channels: int
    out_channels: int
    kernel: int
    stride: int
    groups: int
    resolution: int
    batch: int
    microseconds: float

    @property
    def shape(self) -> Shape:
        is_depthwise = is_conv(self.kind) and self.in_channels == self.out_channels == self.groups > 1
        return Shape(self.kind, self.kernel, self.stride, 0 if is_depthwise else self.groups, self.resolution)

    @property
    def nanoseconds(self) -> int:
        """The latency, rounded to a whole nanosecond."""
        return int(Fraction(repr(self.microseconds)) * 1000 + Fraction(1, 2))

    def text(self) -> str:
        """The row as a line of CSV."""
        return ",".join(map(str, self))


def is_conv(kind: str) -> bool:
    """Whether rows of a kind are of convolutions, alone or fused."""
    return kind == "conv" or kind in FUSED_KINDS


def kind_of(op: Operation, fused: bool = False) -> str:
    """The kind under which a table lists an operation; empty for what a fused table counts with the convolution before it."""
    if fused and op.fused:
        return op.fused if op.kind == "conv" else ""
    return op.function if op.kind == "activation" else op.kind


def is_line(shape: Shape) -> bool:
    """Whether operations of that shape have as many output channels as input channels."""
    return shape.groups == 0 or not (is_conv(shape.kind) or shape.kind == "linear")


def shipped_tables() -> list[str]:
    """Names of the tables that come with the package."""
    folder = resources.files(__package__) / "tables"
    return sorted(SHIPPED + item.name.removesuffix(".csv") for item in folder.iterdir() if item.name.endswith(".csv"))


def is_shipped(path: str | Path) -> bool:
    """Whether that names a table that comes with the package, and no file."""
    return isinstance(path, str) and path.startswith(SHIPPED) and not os.path.lexists(path)


@dataclass(frozen=True)
class LatencyTable:
    """Measured operations of one batch size; see the module for the interpolation."""

    rows: tuple[Row, ...]

    @classmethod
    def load(cls, path: str | Path) -> LatencyTable:
        """Reads a CSV file, or a table of the package, ``mipdesign/NAME``; lines that begin with ``#`` are comments.

        Raises
        ------
        SpecError
            With the file, the line and the column at fault.
        """
        try:
            return cls.from_lines(cls.text_of(path).splitlines())
        except SpecError as error:
            raise error if error.source or is_shipped(path) else error.at(str(path)) from None

    @staticmethod
    def text_of(path: str | Path) -> str:
        """What a CSV file holds, or a table of the package, comments and all.

        Raises
        ------
        SpecError
            If there is none, or it cannot be read.
        """
        if not is_shipped(path):
            return read_text(Path(path), MAX_TABLE_BYTES)
        name, names = str(path), shipped_tables()
        if name not in names:
            raise SpecError("", f"{short(name)} is not a table of the package", f"use one of: {', '.join(names)}, or a path")
        return (resources.files(__package__) / "tables" / f"{name.removeprefix(SHIPPED)}.csv").read_text(encoding="utf-8")

    @classmethod
    def from_lines(cls, lines: Iterable[str]) -> LatencyTable:
        """Reads lines of CSV, the header first."""
        rows = csv_rows(lines, f"write the header {','.join(HEADER)} and one row a line")
        if not rows or tuple(rows[0][1]) != HEADER:
            raise SpecError("line 1", "is not the header of a latency table", f"begin with {','.join(HEADER)}")
        if len(rows) == 1:
            raise SpecError("", "the table has no rows", "measure one with 'mipdesign profile'")
        if len(rows) > MOST_ROWS:
            raise SpecError("", f"the table has {len(rows) - 1} rows", f"give at most {MOST_ROWS}")
        measured: dict[tuple[Any, ...], Row] = {}
        for n, values in rows[1:]:
            row = _row(n, values)
            if row[:-1] in measured:
                raise SpecError(f"line {n}", f"measures {','.join(map(str, row[:-1]))} a second time", "keep one of the rows")
            measured[row[:-1]] = row
        return cls(tuple(measured.values()))

    def to_lines(self) -> list[str]:
        """Inverse of :meth:`from_lines`."""
        return [",".join(HEADER), *(row.text() for row in self.rows)]

    def of_batch(self, batch: int) -> LatencyTable:
        """The rows of one batch size.

        Raises
        ------
        SpecError
            If there are none.
        """
        rows = tuple(row for row in self.rows if row.batch == batch)
        if not rows:
            known = sorted({row.batch for row in self.rows})
            raise SpecError("batch", f"the table has no rows of batch {batch}", f"use one of {known}")
        return LatencyTable(rows)

    @cached_property
    def fused(self) -> bool:
        """Whether it counts convolutions with what follows them."""
        return any(row.kind in FUSED_KINDS for row in self.rows)

    @cached_property
    def grids(self) -> dict[Shape, Grid]:
        """The measured points by shape."""
        from .latency_grid import Grid  # and with it numpy, which a problem without a table does not need

        points: dict[Shape, dict[tuple[int, int], int]] = {}
        for row in self.rows:
            co = 0 if is_line(row.shape) else row.out_channels
            points.setdefault(row.shape, {})[row.in_channels, co] = row.nanoseconds
        return {shape: Grid.of(values, is_line(shape)) for shape, values in points.items()}


def _row(n: int, values: Sequence[str]) -> Row:
    """One row of CSV, checked."""
    if len(values) != len(HEADER):
        raise SpecError(f"line {n}", f"has {counted(len(values), 'column')}", f"give {len(HEADER)}: {', '.join(HEADER)}")
    if values[0] not in ROW_KINDS:
        raise SpecError(f"line {n}, kind", f"{short(values[0])} is not known", f"use one of: {', '.join(ROW_KINDS)}")
    numbers = []
    for name, text in zip(HEADER[1:-1], values[1:-1], strict=True):
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= LARGEST and len(text) < 9):
            raise SpecError(f"line {n}, {name}", f"{short(text)} is refused", f"give a whole number from 1 to {LARGEST}")
        numbers.append(int(text))
    microseconds = from_text(values[-1]) if NUMBER.fullmatch(values[-1]) else math.nan
    if isinstance(microseconds, str):  # it is not rounded in silence
        raise SpecError(f"line {n}, microseconds", f"{short(microseconds)} has too many digits", "give at most 15")
    if not 0 <= microseconds <= MOST_NANOSECONDS / 1000:
        raise SpecError(f"line {n}, microseconds", f"{short(values[-1])} is refused", "give a number from 0 to 1e7")
    row = Row._make([values[0], *numbers, microseconds])
    if row.in_channels % row.groups or row.out_channels % row.groups:
        raise SpecError(f"line {n}, groups", f"{row.groups} does not divide the channels", "give a divisor of both")
    if is_line(row.shape) and row.in_channels != row.out_channels:
        raise SpecError(f"line {n}, out_channels", f"{row.out_channels} for a {row.kind} of {row.in_channels}", "give as many")
    return row


@dataclass(frozen=True)
class LatencyModel:
    """How long a network takes: the sum over its operations, those of ``free`` kinds left out."""

    table: LatencyTable
    free: tuple[str, ...] = ()

    @cached_property
    def _known(self) -> dict[tuple[Any, ...], int]:
        """Latency of operations that were asked for before: networks of a space share most of theirs."""
        return {}

    def nanoseconds(self, op: Operation) -> Int:
        """Latency of one operation (an array where the operation is one of a lattice);
        :data:`mipdesign.networks.latency_grid.MISSING` if it is not covered.
        """
        from .latency_grid import nanoseconds

        kind = kind_of(op, self.table.fused)

        def grid_of(kernel: int, groups: int) -> Grid | None:
            return self.table.grids.get(Shape(kind, kernel, op.stride, groups, op.resolution))

        return nanoseconds(op, None if not kind or kind in self.free else grid_of)

    def total(self, operations: Iterable[Operation]) -> int:
        """Latency of one network in nanoseconds.

        Raises
        ------
        SpecError
            Naming the first operation that the table does not cover.
        """
        from .latency_grid import MISSING

        total = 0
        for op in operations:
            key = (
                kind_of(op, self.table.fused),
                op.in_channels,
                op.out_channels,
                op.kernel,
                op.stride,
                op.groups,
                op.resolution,
            )
            value = self._known.get(key)
            if value is None:
                value = self._known[key] = self.nanoseconds(op)
            if value == MISSING:
                raise missing(op, self.table.fused)
            total += value
        return total


def missing(op: Operation, fused: bool = False) -> SpecError:
    """The error for an operation of one network that a table does not cover."""
    text = (
        f"{kind_of(op, fused)} {int(op.in_channels)} -> {int(op.out_channels)}, kernel {int(op.kernel)}, stride {op.stride}, "
        f"groups {int(op.groups)}, at {op.resolution} x {op.resolution}"
    )
    remedy = "measure points around it ('mipdesign profile' measures what a problem needs), or list its kind in free"
    return SpecError("table", f"does not cover the operation {text}", remedy)
