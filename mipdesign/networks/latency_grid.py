"""Measured points as arrays, and the interpolation between them; :mod:`mipdesign.networks.latency` says how it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .operation import Int, Operation

MISSING = -1
"""Stands for the latency of an operation that a table does not cover."""

Ints = NDArray[np.int64]


def group_class(ci: Int, co: Int, groups: Int) -> Int:
    """:attr:`mipdesign.networks.latency.Shape.groups` of convolutions: their number of groups, 0 where they are depthwise."""
    return np.where((groups == ci) & (groups == co) & (groups > 1), 0, groups)


@dataclass(frozen=True)
class Grid:
    """Measured points of one shape.

    Attributes
    ----------
    inputs, outputs:
        Channels at which it was measured, increasing.
    line:
        Whether operations have as many outputs as inputs; the only value of ``outputs`` then means nothing.
    values:
        Nanoseconds, non-decreasing along both axes, :data:`MISSING` where nothing was measured; shape ``(inputs, outputs)``.
    """

    inputs: Ints
    outputs: Ints
    values: Ints
    line: bool

    @classmethod
    def of(cls, points: dict[tuple[int, int], int], line: bool) -> Grid:
        """The grid through some points."""
        inputs, outputs = (np.array(sorted(set(axis)), dtype=np.int64) for axis in zip(*points, strict=True))
        values = np.full((len(inputs), len(outputs)), MISSING, dtype=np.int64)
        for (ci, co), value in points.items():
            values[np.searchsorted(inputs, ci), np.searchsorted(outputs, co)] = value
        largest = np.maximum.accumulate(np.maximum.accumulate(values, axis=0), axis=1)
        return cls(inputs, outputs, np.where(values == MISSING, MISSING, largest), line)

    def at(self, ci: Ints, co: Ints) -> Ints:
        """Nanoseconds at some channels, :data:`MISSING` where a neighbouring point is."""
        if self.line:
            co = np.full_like(ci, self.outputs[0])
        i, i_next, i_ok = _neighbours(self.inputs, ci)
        j, j_next, j_ok = _neighbours(self.outputs, co)
        corners = [self.values[a, b] for b in (j, j_next) for a in (i, i_next)]
        known = i_ok & j_ok & (np.minimum.reduce(corners) != MISSING)
        near, far = (_between(low, high, ci, self.inputs[i], self.inputs[i_next]) for low, high in (corners[:2], corners[2:]))
        return np.where(known, _between(near, far, co, self.outputs[j], self.outputs[j_next]), MISSING)


def _neighbours(axis: Ints, at: Ints) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Places of the points at or below, and at or above; and whether there are such."""
    ok = (at >= axis[0]) & (at <= axis[-1])
    low = np.clip(np.searchsorted(axis, at, side="right") - 1, 0, len(axis) - 1)
    high = np.where(axis[low] == at, low, np.minimum(low + 1, len(axis) - 1))
    return low, high, ok


def _between(low: Ints, high: Ints, at: Ints, first: Ints, last: Ints) -> Ints:
    """Linear interpolation, rounded down."""
    interpolated: Ints = low + (high - low) * (at - first) // np.maximum(last - first, 1)
    return interpolated


def nanoseconds(op: Operation, grid_of: Callable[[int, int], Grid | None] | None) -> Int:
    """Latency of one operation, :data:`MISSING` if it is not covered.

    Parameters
    ----------
    grid_of:
        The grid of a kernel and of :attr:`mipdesign.networks.latency.Shape.groups`, if there is one; ``None`` for an operation
        that takes no time.
    """
    parts = (op.in_channels, op.out_channels, op.kernel, op.groups, op.present)
    ci, co, kernel, groups, present = np.broadcast_arrays(*(np.asarray(part) for part in parts))
    value = np.zeros(ci.shape, dtype=np.int64)
    if grid_of is not None:
        value += MISSING
        classes = group_class(ci, co, groups) if op.kind == "conv" else groups
        for k in np.unique(kernel).tolist():
            for g in np.unique(classes).tolist():
                grid = grid_of(k, g)
                if grid is not None:
                    here = (kernel == k) & (classes == g)
                    value[here] = grid.at(ci[here].astype(np.int64), co[here].astype(np.int64))
    value = np.where(present, value, 0)
    return value if value.ndim else int(value)
