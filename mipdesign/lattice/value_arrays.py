"""What columns are worth by a table, at each of their depths: exact sums, rounded once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SpecError
from ..networks.values import FIELDS, REMEDY_OF_MISSING, REMEDY_OF_SEVERAL, Values, in_words
from .arrays import Floats, Ints

MOST_VALUES = 20_000_000
"""Most pairs of a column and a depth of one super-block: 160 MB."""
DEPTH = len(FIELDS) - 1
"""Place of the depth in a row."""


@dataclass(frozen=True)
class Columns:
    """Columns of a super-block by number ``i``: their families by name and place, channels, widths, kernels; and its depths."""

    i: int
    blocks: tuple[str, ...]
    f: Ints
    c: Ints
    b: Ints
    k: Ints
    depths: Ints

    def fields(self, column: int, depth: int) -> tuple[int | str, ...]:
        """One of them as rows have it."""
        numbers = (int(axis[column]) for axis in (self.c, self.b, self.k))
        return self.i + 1, self.blocks[self.f[column]], *numbers, int(self.depths[depth])


def values_of(values: Values, columns: Columns) -> Floats:
    """What each column is worth at each depth, shape ``(columns, depths)``; -inf where that is excluded.

    Raises
    ------
    SpecError
        If a value is missing, or there are several, and that is refused; or there are too many.
    """
    shape = len(columns.c), len(columns.depths)
    if math.prod(shape) > MOST_VALUES:
        raise SpecError("objective.table", f"super-block {columns.i + 1} has {math.prod(shape)} choices", "raise a step")
    unit = math.lcm(*(value.denominator for rows in values.by_shape.values() for value in rows.values()))
    most = sum(max(abs(value) for value in rows.values()) * unit for rows in values.by_shape.values())
    total = np.zeros(shape, dtype=np.int64 if most < 2**62 else object)
    times = np.zeros(shape, dtype=np.int64)
    for fields, rows in values.by_shape.items():
        _add(fields, rows, unit, columns, total, times)
    _check(values, columns, times)
    found: Floats = np.asarray(total / (unit if total.dtype == object else float(unit)), dtype=np.float64)
    if values.missing == "exclude":
        found[times == 0] = -np.inf
        if not times.any():
            fault = f"has no row for any choice of super-block {columns.i + 1}"
            raise SpecError("objective.table", fault, "add rows, or say missing: zero")
    return found


def _add(
    fields: tuple[int, ...],
    rows: dict[tuple[int | str, ...], Fraction],
    unit: int,
    columns: Columns,
    total: NDArray[Any],
    times: Ints,
) -> None:
    """Adds rows that have the same fields, and counts them."""
    at_stage = FIELDS.index("stage") in fields
    own = {key[at_stage:]: value for key, value in rows.items() if not at_stage or key[0] == columns.i + 1}
    if not own:
        return
    axes = {1: columns.f, 2: columns.c, 3: columns.b, 4: columns.k}
    used = [axes[n] for n in fields if n in axes]
    kinds, of_column = np.zeros((1, 0), dtype=np.int64), np.zeros(len(columns.c), dtype=np.int64)
    if used:
        kinds, of_column = np.unique(np.stack(used, axis=1), axis=0, return_inverse=True)
    has_family, has_depth = 1 in fields, DEPTH in fields
    depths: list[tuple[int, ...]] = [(d,) for d in columns.depths.tolist()] if has_depth else [()]
    worth, there = np.zeros((len(kinds), len(depths)), dtype=total.dtype), np.zeros((len(kinds), len(depths)), dtype=np.int64)
    for n, kind in enumerate(kinds.tolist()):
        start: tuple[int | str, ...] = (columns.blocks[kind[0]], *kind[1:]) if has_family else tuple(kind)
        for d, depth in enumerate(depths):
            value = own.get((*start, *depth))
            if value is not None:
                worth[n, d], there[n, d] = int(value * unit), 1
    of_column = of_column.reshape(-1)
    total += worth[of_column]
    times += there[of_column]


def _check(values: Values, columns: Columns, times: Ints) -> None:
    """Refuses gaps and overlaps, where the table is not to have any."""
    for wrong, refused, word, remedy in (
        (times == 0, values.missing == "refuse", "no value", REMEDY_OF_MISSING),
        (times > 1, values.several == "refuse", "several values", REMEDY_OF_SEVERAL),
    ):
        if refused and wrong.any():
            column, depth = np.argwhere(wrong)[0].tolist()
            raise SpecError("objective.table", f"has {word} for {in_words(columns.fields(column, depth))}", remedy)
