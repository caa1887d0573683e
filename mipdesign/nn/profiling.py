"""Measuring a latency table on the machine at hand: how long torch takes for the operations that a problem needs.

Each operation is run alone, in inference mode, on its torch module as
:mod:`mipdesign.nn.block` builds it, and timed by ``torch.utils.benchmark`` (median of blocks of calls, after a warm-up). Calls
take turns among copies of weights and input that no cache holds together: in a whole network an operation finds neither there.
"""

from __future__ import annotations

import itertools
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ..arguments import FLAG, PATH, arguments, callback, one_of, optional, real, whole
from ..display import showing
from ..errors import SpecError, require
from ..files import read_text, write_whole, writing
from ..networks.architecture import Architecture
from ..networks.latency import HEADER, MAX_TABLE_BYTES, LatencyTable, Row
from ..problem.given import ProblemLike, given_problem
from .graph import to_graph
from .latency_plan import operation_of, plan
from .lowering import to_module

if TYPE_CHECKING:
    from ..problem.problem import Problem

CACHE_NUMBERS, MOST_COPIES = 2**24, 64
"""Numbers (of four bytes) that a cache surely does not hold, and most copies of one operation's operands."""


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


_SETTINGS = {
    "batch": whole(1, 65536),
    "points": whole(2, 100),
    "device": one_of("a device", ("cpu", "cuda")),
    "threads": whole(1, 1024),
    "seconds": real("a time", lambda seconds: 0 < seconds <= 60, "a number above 0 and up to 60"),
}
"""What :func:`profile` and :func:`forecast` take alike."""


@arguments(path=PATH, progress=FLAG, on_row=optional(callback), **_SETTINGS)
@showing("CountDisplay", on_row="update")
def profile(
    problem: ProblemLike,
    path: str | Path,
    *,
    batch: int = 1,
    points: int = 6,
    device: str = "cpu",
    threads: int = 1,
    seconds: float = 0.05,
    progress: bool = False,
    on_row: Callable[[int, int], None] | None = None,
) -> int:
    """Measures what a latency table of a problem needs, into a CSV file; rows that the file has are not measured again.

    Parameters
    ----------
    problem:
        A problem, a preset's name, the path of a specification, or its content as a mapping.
    path:
        The file.
    batch:
        Pictures at a time.
    points:
        Channels at which each shape of operation is measured, along each axis.
    device, threads, seconds:
        See :class:`Settings`.
    progress:
        Whether that is shown as rows are measured: in the terminal, or in the notebook.
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
    require("torch", "torch", "measuring latency")
    _require_device(device)
    told = on_row or (lambda done, total: None)
    wanted, known = plan(given_problem(problem), points, batch), _known(path, settings.comment())
    _end_with_a_line(path)
    todo = [row for row in wanted if row[:-1] not in known]
    done = len(wanted) - len(todo)
    told(done, len(wanted))
    with writing(path, "path"), path.open("a", encoding="utf-8") as file:
        if not path.stat().st_size:
            file.write(f"{settings.comment()}\n{','.join(HEADER)}\n")
        for n, row in enumerate(measure(todo, settings), done + 1):
            file.write(row.text() + "\n")
            file.flush()
            told(n, len(wanted))
    return len(todo)


@dataclass(frozen=True)
class Forecast:
    """What :func:`profile` would do.

    Attributes
    ----------
    wanted, left:
        Operations of the table, and those of them that are still to be measured.
    sampled:
        Operations that were measured for the forecast, of all sizes; 0 where torch is missing.
    seconds:
        How long the rest takes at the mean time of the sample; at least, where there is none: the time spent on each.
    """

    wanted: int
    left: int
    sampled: int
    seconds: float


@arguments(**_SETTINGS)
def forecast(
    problem: Problem,
    path: str | Path | None,
    *,
    batch: int = 1,
    points: int = 6,
    device: str = "cpu",
    threads: int = 1,
    seconds: float = 0.05,
    samples: int = 16,
    patience: float = 5.0,
    clock: Callable[[], float] = time.monotonic,
) -> Forecast:
    """What :func:`profile` would do with these settings, and how long that takes; nothing is written.

    The operations are put in the order of their sizes, and ``samples`` of them in equal distances are measured, the one in the
    middle first and the others between those before; no more is begun after ``patience`` seconds.

    Raises
    ------
    SpecError
        As :func:`profile`.
    """
    settings = Settings(device, threads, seconds)
    wanted, has_torch = plan(problem, points, batch), find_spec("torch") is not None
    if has_torch:
        _require_device(device)
    known = set() if path is None else _known(Path(path), settings.comment() if has_torch else None)
    todo = sorted((row for row in wanted if row[:-1] not in known), key=_size)
    if not (todo and has_torch):
        return Forecast(len(wanted), len(todo), 0, len(todo) * seconds)
    chosen = [todo[int(place * len(todo))] for place in _spread_out(min(samples, len(todo)))]
    next(measure(chosen, settings))  # what is imported and begun once is not counted
    began, sampled = clock(), 0
    for _ in measure(chosen, settings):
        sampled += 1
        if clock() >= began + patience:
            break
    return Forecast(len(wanted), len(todo), sampled, (clock() - began) / sampled * len(todo))


def _spread_out(count: int) -> list[float]:
    """Numbers between 0 and 1 of which the first few are as even as all (van der Corput's sequence)."""
    return [sum((n >> bit & 1) / 2 ** (bit + 1) for bit in range(n.bit_length())) for n in range(1, count + 1)]


def _size(row: Row) -> int:
    """What an operation computes and reads, roughly."""
    return int(operation_of(row).macs) + row.in_channels * row.resolution**2


def _require_device(device: str) -> None:
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise SpecError("device", "torch sees no CUDA device", "use the device cpu")


def _known(path: Path, comment: str | None) -> set[tuple[object, ...]]:
    """What a table measures already, but for a last line that was cut off; ``comment``: how it has to have been measured."""
    text = read_text(path, MAX_TABLE_BYTES) if os.path.exists(path) else ""
    lines = _whole_lines(text)
    head = lines[0] if lines else text
    if comment is not None and head != (comment if lines else comment[: len(text)]):
        raise SpecError("path", f"{path} was measured otherwise: {head!r}", f"give another file for {comment!r}")
    if len(lines) <= 2:
        return set()
    try:
        return {row[:-1] for row in LatencyTable.from_lines(lines).rows}
    except SpecError as error:
        raise error.at(str(path)) from None


def _whole_lines(text: str) -> list[str]:
    """The lines of a table that were written to their ends."""
    return text[: text.rfind("\n") + 1].splitlines()


def _end_with_a_line(path: Path) -> None:
    """Takes away what a run that was killed has written of its last line."""
    text = read_text(path, MAX_TABLE_BYTES) if os.path.exists(path) else ""
    if text and not text.endswith("\n"):
        with writing(path):
            write_whole(path, "".join(f"{line}\n" for line in _whole_lines(text)).encode())


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
