"""Which operations a latency table of a problem needs, and at which channels each is to be measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import SpecError
from ..lattice.additive_budgets import excess_of
from ..lattice.pairs import tail_operations
from ..networks.blocks import FAMILIES, Operation, plain_conv
from ..networks.latency import FUSED_KINDS, LARGEST, Row, Shape, is_line, kind_of
from ..networks.latency_grid import group_class
from .graph import FUNCTIONS

if TYPE_CHECKING:
    from ..problem.problem import Problem

Axes = dict[Shape, tuple[set[int], set[int]]]
"""Input and output channels that occur with a shape."""


def plan(problem: Problem, points: int, batch: int = 1, fused: bool = False) -> list[Row]:
    """The operations to measure so that a table covers a problem, each with a latency of 0.

    Of the channels with which a shape of operation occurs, ``points`` in about equal ratios are measured, the least and the
    largest among them. Operations whose neighbours below already break a budget of the problem are left out. ``fused``:
    convolutions with what follows them are one operation.
    """
    exceeds = excess_of(problem)
    rows = []
    for shape, (ins, outs) in sorted(_axes(problem, fused).items()):
        inputs, outputs = _spread(ins, points), _spread(outs, points)
        for i, ci in enumerate(inputs):
            for j, co in enumerate([ci] if is_line(shape) else outputs):
                below = (inputs[max(i - 1, 0)], inputs[max(i - 1, 0)] if is_line(shape) else outputs[max(j - 1, 0)])
                if not bool(exceeds(operation_of(_row(shape, *below, batch)))):
                    rows.append(_row(shape, ci, co, batch))
    return rows


def _row(shape: Shape, ci: int, co: int, batch: int) -> Row:
    groups = ci if shape.groups == 0 else shape.groups
    return Row(shape.kind, ci, co, shape.kernel, shape.stride, groups, shape.resolution, batch, 0.0)


def operation_of(row: Row) -> Operation:
    """The operation that a row measures; of a fused row the convolution."""
    kind, function = ("activation", row.kind) if row.kind in FUNCTIONS else (row.kind.partition("+")[0], "")
    return Operation(
        "measured",
        ("input",),
        kind,
        row.in_channels,
        row.out_channels,
        row.resolution,
        kernel=row.kernel,
        stride=row.stride,
        groups=row.groups,
        function=function,
        fused=row.kind if row.kind in FUSED_KINDS else "",
    )


def _spread(values: set[int], points: int) -> list[int]:
    """Some of the values in about equal ratios, the least and the largest among them."""
    ordered = np.array(sorted(values))
    targets = np.geomspace(ordered[0], ordered[-1], points)
    nearest = np.abs(ordered[None, :] - targets[:, None]).argmin(axis=1)
    return sorted({int(v) for v in ordered[nearest]})


def _axes(problem: Problem, fused: bool) -> Axes:
    """Shapes of all operations that networks of the space have, and the channels of each.

    Raises
    ------
    SpecError
        If the space has more channels than a table may list, or its networks are of video or quantised.
    """
    for field, extra in (("input.frames", problem.input.frames), ("stem.bits", problem.stem.bits)):
        if extra is not None:
            raise SpecError(field, "latency tables have no operations of video or of few bits", "leave it out")
    axes: Axes = {}
    stem = problem.stem
    incoming = np.array(stem.channels.values, dtype=np.int64)
    for i, space in enumerate(problem.space):
        r_out = -(-space.resolution // space.stride)
        for choice in space.choices:
            family = FAMILIES[choice.block]
            if i == 0:
                place = (stem.kernel, stem.stride, problem.input.resolution, family.activation)
                _collect(axes, plain_conv("conv", problem.input.channels, incoming, *place), fused)
            c = np.repeat(np.array(space.channels, dtype=np.int64), [len(widths) for widths in choice.widths])
            b = np.array([b for widths in choice.widths for b in widths], dtype=np.int64)
            if not len(c):
                continue
            for k in choice.kernels:
                few = np.full_like(c, incoming[0])
                _collect(axes, family.operations(few, c, b, k, space.stride, space.resolution, first=True), fused)
                one = (np.full_like(incoming, c[0]), np.full_like(incoming, b[0]), k)
                _collect(axes, family.operations(incoming, *one, space.stride, space.resolution, first=True), fused)
                _collect(axes, family.operations(c, c, b, k, 1, r_out, first=False), fused)
            if i == len(problem.space) - 1:
                _collect(axes, tail_operations(problem, np.unique(c), r_out, family.activation), fused)
        incoming = np.array(space.channels, dtype=np.int64)
    return axes


def _collect(axes: Axes, operations: Sequence[Operation], fused: bool) -> None:
    for op in operations:
        if not kind_of(op, fused):
            continue
        ci, co, groups, _ = np.broadcast_arrays(op.in_channels, op.out_channels, op.groups, op.present)
        if max(ci.max(), co.max()) > LARGEST:
            raise SpecError("stages", f"{max(ci.max(), co.max())} channels", f"a latency table lists at most {LARGEST}")
        classes = group_class(ci, co, groups)
        for g in np.unique(classes).tolist():
            here = classes == g
            ins, outs = axes.setdefault(Shape(kind_of(op, fused), int(op.kernel), op.stride, g, op.resolution), (set(), set()))
            ins.update(np.unique(ci[here]).tolist())
            outs.update(np.unique(co[here]).tolist())
