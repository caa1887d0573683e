"""Latency of operations from a table of measurements: the rule of ``docs/specification.md``, read anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .families import Op
from .reading import DECIMAL, RefusedError, integer, sequence

HEADER = "kind,in_channels,out_channels,kernel,stride,groups,resolution,batch,microseconds"
Ints = NDArray[np.int64]
FUSED = ("conv+norm", *("conv+norm+" + act for act in ("relu", "relu6", "silu", "sigmoid")))
"""Kinds of rows of a convolution with the normalisation, and the activation, that alone read it."""
MISSING = -1
"""Stands for the latency of what the table does not cover."""


@dataclass(frozen=True)
class Grid:
    """Measured nanoseconds of operations that differ in channels only, shape ``(inputs, outputs)``."""

    inputs: Ints
    outputs: Ints
    values: Ints

    def at(self, ci: Ints, co: Ints) -> Ints:
        """Interpolated along the inputs, then along the outputs, each rounded down; :data:`MISSING` outside the points."""
        inside = (self.inputs[0] <= ci) & (ci <= self.inputs[-1]) & (self.outputs[0] <= co) & (co <= self.outputs[-1])
        i, i1 = _around(self.inputs, ci)
        j, j1 = _around(self.outputs, co)
        low, high = (_line(self.values[i, at], self.values[i1, at], ci, self.inputs[i], self.inputs[i1]) for at in (j, j1))
        corners = np.minimum(
            np.minimum(self.values[i, j], self.values[i1, j]), np.minimum(self.values[i, j1], self.values[i1, j1])
        )
        value: Ints = _line(low, high, co, self.outputs[j], self.outputs[j1])
        return np.where(inside & (corners != MISSING), value, MISSING)


def _around(axis: Ints, at: Ints) -> tuple[Ints, Ints]:
    """The measured points at or below, and at or above (the nearest ones outside the axis)."""
    above = np.minimum(np.searchsorted(axis, at), len(axis) - 1)
    return np.where(axis[above] > at, np.maximum(above - 1, 0), above), above


def _line(low: Ints, high: Ints, at: Ints, first: Ints, last: Ints) -> Ints:
    value: Ints = low + (high - low) * (at - first) // np.maximum(last - first, 1)
    return value


class Latency:
    """The rows of one batch size; kinds in ``free`` take no time. With a row of a kind of :data:`FUSED`, every
    convolution counts by the row of its own such kind, and its normalisation and activation nothing."""

    def __init__(self, lines: Any, batch: int, free: Sequence[str], where: str) -> None:
        self.free = frozenset(free)
        points: dict[tuple[Any, ...], dict[tuple[int, int], int]] = {}
        rows = [line for line in sequence(lines, where, 2, 20_001) if isinstance(line, str) and len(line) < 500]
        if len(rows) != len(lines) or rows[0] != HEADER:
            raise RefusedError(f"{where} is not a latency table")
        for n, row in enumerate(rows[1:], 1):
            kind, *texts, time = parts if len(parts := row.split(",")) == 9 else [""]
            if not all(text.isascii() and text.isdigit() and len(text) < 9 for text in texts) or not texts:
                raise RefusedError(f"{where}.{n} is not a row of a latency table")
            ci, co, k, s, groups, r, of_batch = (integer(int(text), f"{where}.{n}", 1, 2**16) for text in texts)
            if not DECIMAL.fullmatch(time) or not (nanoseconds := (Fraction(time) * 2000 + 1) // 2) <= 10**10:
                raise RefusedError(f"{where}.{n} has no microseconds")  # rounded to whole nanoseconds, halves up
            if of_batch == batch:
                key = _key(kind, k, s, groups, r, ci, co)
                at = points.setdefault(key, {})
                if (ci, 0 if is_line(key) else co) in at:
                    raise RefusedError(f"{where}.{n} measures an operation a second time")
                at[ci, 0 if is_line(key) else co] = nanoseconds
        self.grids = {key: _grid(of_key) for key, of_key in points.items()}
        self.fused = any(key[0] in FUSED for key in points)

    def of(self, op: Op) -> Ints:
        """Nanoseconds of an operation, broadcast over its arrays; 0 where it is not present."""
        arrays = (np.asarray(x) for x in (op.ci, op.co, op.k, op.groups, op.present))
        ci, co, k, groups, present = np.broadcast_arrays(*arrays)
        kind = op.fused if self.fused and op.fused else op.kind
        takes_none = kind in self.free or (kind != op.kind and op.kind != "conv")  # the convolution's row counts the others
        value = np.full(ci.shape, 0 if takes_none else MISSING, dtype=np.int64)
        if not takes_none:
            alone = (groups == ci) & (groups == co) & (groups > 1) & (op.kind == "conv")
            groups = np.where(alone, 0, groups)
            for code in np.unique(k.astype(np.int64) << 32 | groups).tolist():
                key = (kind, code >> 32, op.s, code & 0xFFFFFFFF, op.r)
                if key in self.grids:
                    mine = (k == key[1]) & (groups == key[3])
                    outputs = co[mine].astype(np.int64) * (not is_line(key))
                    value[mine] = self.grids[key].at(ci[mine].astype(np.int64), outputs)
        return np.where(present, value, 0)


def _key(kind: str, k: int, s: int, groups: int, r: int, ci: int, co: int) -> tuple[Any, ...]:
    """What operations of one grid have in common; 0 groups stands for as many as there are channels."""
    alone = kind in ("conv", *FUSED) and groups == ci == co and groups > 1
    return kind, k, s, 0 if alone else groups, r


def is_line(key: tuple[Any, ...]) -> bool:
    """Whether operations of a grid have as many outputs as inputs."""
    return key[3] == 0 or key[0] not in ("conv", "linear", *FUSED)


def _grid(points: dict[tuple[int, int], int]) -> Grid:
    """A grid in which every value is raised to the largest one with at most as many channels."""
    inputs, outputs = (np.array(sorted(set(axis)), dtype=np.int64) for axis in zip(*points, strict=True))
    values = np.full((len(inputs), len(outputs)), MISSING, dtype=np.int64)
    for (ci, co), time in points.items():
        values[np.searchsorted(inputs, ci), np.searchsorted(outputs, co)] = time
    raised = np.maximum.accumulate(np.maximum.accumulate(values, axis=0), axis=1)
    return Grid(inputs, outputs, np.where(values == MISSING, MISSING, raised))
