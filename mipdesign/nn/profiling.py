"""Measuring a latency table on the machine at hand: which operations a problem needs, and how long torch takes for them.

:func:`plan` needs no torch; :func:`measure` does. Each operation is run alone, in inference mode, on its torch module as
:mod:`mipdesign.network` builds it, and timed by ``torch.utils.benchmark`` (median of blocks of calls, after a warm-up). Calls
take turns among copies of weights and input that no cache holds together: in a whole network an operation finds neither there.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import SpecError, require
from ..files import read_text, write_whole, writing
from ..lattice.additive_budgets import excess_of
from ..lattice.pairs import tail_operations
from ..networks.architecture import Architecture
from ..networks.blocks import FAMILIES, Operation, plain_conv
from ..networks.latency import HEADER, LARGEST, MAX_TABLE_BYTES, LatencyTable, Row, Shape, is_line, kind_of
from ..networks.latency_grid import group_class
from .graph import FUNCTIONS, to_graph
from .lowering import to_module

if TYPE_CHECKING:
    from ..problem.problem import Problem

CACHE_NUMBERS, MOST_COPIES = 2**24, 64
"""Numbers (of four bytes) that a cache surely does not hold, and most copies of one operation's operands."""
Axes = dict[Shape, tuple[set[int], set[int]]]
"""Input and output channels that occur with a shape."""


def plan(problem: Problem, points: int, batch: int = 1) -> list[Row]:
    """The operations to measure so that a table covers a problem, each with a latency of 0.

    Of the channels with which a shape of operation occurs, ``points`` in about equal ratios are measured, the least and the
    largest among them. Operations whose neighbours below already break a budget of the problem are left out.
    """
    exceeds = excess_of(problem)
    rows = []
    for shape, (ins, outs) in sorted(_axes(problem).items()):
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
    """The operation that a row measures."""
    kind, function = ("activation", row.kind) if row.kind in FUNCTIONS else (row.kind, "")
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
    )


def _spread(values: set[int], points: int) -> list[int]:
    """Some of the values in about equal ratios, the least and the largest among them."""
    ordered = np.array(sorted(values))
    targets = np.geomspace(ordered[0], ordered[-1], points)
    nearest = np.abs(ordered[None, :] - targets[:, None]).argmin(axis=1)
    return sorted({int(v) for v in ordered[nearest]})


def _axes(problem: Problem) -> Axes:
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
                _collect(axes, plain_conv("conv", problem.input.channels, incoming, *place))
            c = np.repeat(np.array(space.channels, dtype=np.int64), [len(widths) for widths in choice.widths])
            b = np.array([b for widths in choice.widths for b in widths], dtype=np.int64)
            if not len(c):
                continue
            for k in choice.kernels:
                few = np.full_like(c, incoming[0])
                _collect(axes, family.operations(few, c, b, k, space.stride, space.resolution, first=True))
                one = (np.full_like(incoming, c[0]), np.full_like(incoming, b[0]), k)
                _collect(axes, family.operations(incoming, *one, space.stride, space.resolution, first=True))
                _collect(axes, family.operations(c, c, b, k, 1, r_out, first=False))
            if i == len(problem.space) - 1:
                _collect(axes, tail_operations(problem, np.unique(c), r_out, family.activation))
        incoming = np.array(space.channels, dtype=np.int64)
    return axes


def _collect(axes: Axes, operations: Sequence[Operation]) -> None:
    for op in operations:
        ci, co, groups, _ = np.broadcast_arrays(op.in_channels, op.out_channels, op.groups, op.present)
        if max(ci.max(), co.max()) > LARGEST:
            raise SpecError("stages", f"{max(ci.max(), co.max())} channels", f"a latency table lists at most {LARGEST}")
        classes = group_class(ci, co, groups)
        for g in np.unique(classes).tolist():
            here = classes == g
            ins, outs = axes.setdefault(Shape(kind_of(op), int(op.kernel), op.stride, g, op.resolution), (set(), set()))
            ins.update(np.unique(ci[here]).tolist())
            outs.update(np.unique(co[here]).tolist())


@dataclass(frozen=True)
class Settings:
    """How operations are measured.

    Attributes
    ----------
    device:
        ``cpu`` or ``cuda``.
    threads:
        Threads of torch on the CPU.
    seconds:
        Time spent on each operation, at least.
    """

    device: str
    threads: int
    seconds: float

    def comment(self) -> str:
        """The line that tells how a table was measured."""
        import torch

        name = torch.cuda.get_device_name() if self.device == "cuda" else "cpu"
        return f"# torch {torch.__version__}, {name}, {self.threads} threads, float32, median"


def profile(
    problem: Problem,
    path: str | Path,
    *,
    batch: int = 1,
    points: int = 6,
    device: str = "cpu",
    threads: int = 1,
    seconds: float = 0.05,
    on_row: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Measures what a latency table of a problem needs, into a CSV file; rows that the file has are not measured again.

    Parameters
    ----------
    batch:
        Pictures at a time.
    points:
        Channels at which each shape of operation is measured, along each axis.
    device, threads, seconds:
        See :class:`Settings`.
    on_row:
        Told how many rows are there, and how many are wanted.

    Returns
    -------
    int
        Rows measured now.

    Raises
    ------
    SpecError
        For settings out of range, or a file that was measured in another way.
    MissingExtraError
        If torch is not installed.
    """
    settings, path = Settings(device, threads, seconds), Path(path)
    _check(settings, batch, points)
    require("torch", "torch", "measuring latency")
    _require_device(device)
    wanted, known = plan(problem, points, batch), _known(path, settings)
    todo = [row for row in wanted if row[:-1] not in known]
    done = len(wanted) - len(todo)
    on_row(done, len(wanted))
    with writing(path), path.open("a", encoding="utf-8") as file:
        if not path.stat().st_size:
            file.write(f"{settings.comment()}\n{','.join(HEADER)}\n")
        for n, row in enumerate(measure(todo, settings), done + 1):
            file.write(row.text() + "\n")
            file.flush()
            on_row(n, len(wanted))
    return len(todo)


def _check(settings: Settings, batch: int, points: int) -> None:
    if settings.device not in ("cpu", "cuda"):
        raise SpecError("device", f"{settings.device!r} is not a device", "use cpu or cuda")
    if not 1 <= settings.threads <= 1024:
        raise SpecError("threads", f"{settings.threads} is out of range", "give a number from 1 to 1024")
    if not 0 < settings.seconds <= 60:
        raise SpecError("seconds", f"{settings.seconds} is out of range", "give a number above 0 and up to 60")
    if not 1 <= batch <= 65536:
        raise SpecError("batch", f"{batch} is out of range", "give a number from 1 to 65536")
    if not 2 <= points <= 100:
        raise SpecError("points", f"{points} is out of range", "give a number from 2 to 100")


def _require_device(device: str) -> None:
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise SpecError("device", "torch sees no CUDA device", "use --device cpu")


def _known(path: Path, settings: Settings) -> set[tuple[object, ...]]:
    """What a table measures already; a last line that was cut off is taken away."""
    if not os.path.exists(path):
        return set()
    text = read_text(path, MAX_TABLE_BYTES)
    if not text:
        return set()
    lines = text.splitlines()
    if not text.endswith("\n"):
        lines.pop()
        with writing(path):
            write_whole(path, "".join(f"{line}\n" for line in lines).encode())
    comment = settings.comment()
    if not lines or lines[0] != comment:
        raise SpecError(
            "--out", f"{path} was measured otherwise: {' '.join(lines[:1])!r}", f"give another file for {comment!r}"
        )
    if len(lines) <= 2:
        return set()
    try:
        return {row[:-1] for row in LatencyTable.from_lines(lines).rows}
    except SpecError as error:
        raise error.at(str(path)) from None


def time_network(architecture: Architecture, *, batch: int = 1, threads: int = 1, seconds: float = 2.0) -> float:
    """Microseconds of a whole network on the CPU, measured as its operations are: what a table's prediction is held against.

    Raises
    ------
    MissingExtraError
        If torch is not installed.
    """
    require("torch", "torch", "measuring latency")
    import torch
    from torch.utils.benchmark import Timer

    network = to_module(to_graph(architecture)).eval()
    picture = torch.randn(batch, architecture.input_channels, architecture.resolution, architecture.resolution)
    with torch.inference_mode():
        network(picture)
        timer = Timer("network(picture)", globals={"network": network, "picture": picture}, num_threads=threads)
        return float(timer.blocked_autorange(min_run_time=seconds).median) * 1e6


def measure(rows: Sequence[Row], settings: Settings) -> Iterator[Row]:
    """The rows with their latency, one by one."""
    import torch
    from torch.utils.benchmark import Timer

    from .block import MODULES

    for row in rows:
        op = operation_of(row)
        size = 1 if op.kind == "linear" else op.resolution
        shapes = [(row.batch, row.in_channels, size, size)] * (2 if op.kind == "add" else 1)
        if op.kind == "scale":
            shapes.append((row.batch, row.in_channels, 1, 1))
        weights = _copies(op.params)
        modules = [MODULES[op.kind](op).to(settings.device).eval() for _ in range(weights)]
        maps = [
            [torch.randn(shape, device=settings.device) for shape in shapes]
            for _ in range(_copies(sum(map(math.prod, shapes))))
        ]
        calls = itertools.cycle(zip(itertools.cycle(modules), maps * weights, strict=False))
        with torch.inference_mode():
            for module in modules:
                module(*maps[0])
            stmt = "module, inputs = next(calls)\nmodule(*inputs)"
            timer = Timer(stmt, globals={"calls": calls}, num_threads=settings.threads)
            measured = timer.blocked_autorange(min_run_time=settings.seconds)
        yield row._replace(microseconds=round(measured.median * 1e6, 3))


def _copies(numbers: int) -> int:
    """How many copies of operands it takes that a cache does not hold them all."""
    return max(1, min(MOST_COPIES, CACHE_NUMBERS // max(numbers, 1)))
