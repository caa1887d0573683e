"""Measuring a latency table on the machine at hand: how long the operations that a problem needs take.

:mod:`mipdesign.nn.latency_modes` says how an operation is run and timed, :mod:`mipdesign.nn.latency_settings` what can be
chosen.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..arguments import FLAG, PATH, arguments, callback, one_of, optional, real, whole
from ..display import showing
from ..errors import SpecError
from ..files import read_text, write_whole, writing
from ..networks.architecture import Architecture
from ..networks.latency import HEADER, MAX_TABLE_BYTES, LatencyModel, LatencyTable, Row
from ..problem.given import ProblemLike, given_problem
from .latency_plan import operation_of, plan
from .latency_settings import DTYPES, MEMORY_FORMATS, MODES, MOST_THREADS, Settings, described, settings_of

if TYPE_CHECKING:
    from ..problem.problem import Problem

_SETTINGS = {
    "batch": whole(1, 65536),
    "points": whole(2, 100),
    "device": one_of("a device", ("cpu", "cuda")),
    "threads": whole(1, MOST_THREADS),
    "mode": one_of("a mode", sorted({mode for modes in MODES.values() for mode in modes})),
    "dtype": one_of("a type of numbers", DTYPES),
    "memory_format": one_of("a memory format", MEMORY_FORMATS),
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
    mode: str = "eager",
    dtype: str = "float32",
    memory_format: str = "contiguous",
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
    device, threads, seconds, mode, dtype, memory_format:
        See :class:`~mipdesign.nn.latency_settings.Settings`.
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
        For settings out of range or that do not go together, or a file that was measured in another way.
    MissingExtraError
        If torch, or what the mode needs, is not installed.
    """
    settings, path = Settings(device, threads, seconds, mode, dtype, memory_format), Path(path)
    settings.check()
    told = on_row or (lambda done, total: None)
    wanted, text = plan(given_problem(problem), points, batch, settings.fused), _text_of(path)
    known = _known(text, path, settings.comment())
    _end_with_a_line(text, path)
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
    mode: str = "eager",
    dtype: str = "float32",
    memory_format: str = "contiguous",
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
    settings = Settings(device, threads, seconds, mode, dtype, memory_format)
    wanted, has_torch = plan(problem, points, batch, settings.fused), find_spec("torch") is not None
    if has_torch:
        settings.check()
    known = set() if path is None else _known(_text_of(path), path, settings.comment() if has_torch else None)
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


def _text_of(path: str | Path) -> str:
    """What a file holds that may not be there yet."""
    return read_text(Path(path), MAX_TABLE_BYTES) if os.path.exists(path) else ""


def _known(text: str, path: str | Path, comment: str | None) -> set[tuple[object, ...]]:
    """What a table measures already, but for a last line that was cut off; ``comment``: how it has to have been measured."""
    lines = _whole_lines(text)
    head = lines[0] if lines else text
    told = head == comment or described(head) == described(comment or "") != {} if lines else (comment or "").startswith(text)
    if comment is not None and not told:
        raise SpecError("path", f"{path} was measured otherwise: {head[:200]!r}", f"give another file for {comment!r}")
    if len(lines) <= 2:
        return set()
    try:
        return {row[:-1] for row in LatencyTable.from_lines(lines).rows}
    except SpecError as error:
        raise error.at(str(path)) from None


def _whole_lines(text: str) -> list[str]:
    """The lines of a table that were written to their ends."""
    return text[: text.rfind("\n") + 1].splitlines()


def _end_with_a_line(text: str, path: Path) -> None:
    """Takes away what a run that was killed has written of its last line."""
    if text and not text.endswith("\n"):
        with writing(path):
            write_whole(path, "".join(f"{line}\n" for line in _whole_lines(text)).encode())


def time_network(
    architecture: Architecture,
    *,
    batch: int = 1,
    threads: int = 1,
    seconds: float = 2.0,
    device: str = "cpu",
    mode: str = "eager",
    dtype: str = "float32",
    memory_format: str = "contiguous",
) -> float:
    """Microseconds of a whole network, run as its operations are: what a table's prediction is held against.

    Raises
    ------
    MissingExtraError
        If torch, or what the mode needs, is not installed.
    SpecError
        If settings do not go together.
    """
    settings = Settings(device, threads, seconds, mode, dtype, memory_format)
    settings.check()
    from .latency_modes import network_microseconds

    return network_microseconds(architecture, settings, batch)


@dataclass(frozen=True)
class Prediction:
    """Microseconds of a network by a table, and measured as the table was.

    Attributes
    ----------
    how:
        The table's line that tells how it was measured.
    error:
        By how much the prediction is off, relative to what was measured.
    """

    table: str
    how: str
    batch: int
    predicted: float
    measured: float

    @property
    def error(self) -> float:
        return self.predicted / self.measured - 1

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return vars(self) | {"error": self.error}


def predict(architecture: Architecture, table: str, *, batch: int = 1, seconds: float = 1.0) -> Prediction:
    """Holds the prediction of a latency table against the whole network, run and measured as the table says in its first line.

    Raises
    ------
    MissingExtraError
        If torch, or what the mode needs, is not installed.
    SpecError
        If the table does not tell how it was measured, was measured on a device that is not here, or lacks an operation.
    """
    try:
        model = LatencyModel(LatencyTable.load(table).of_batch(batch))
        predicted = model.total(architecture.operations()) / 1000
        lines = LatencyTable.text_of(table).splitlines()
        settings = settings_of(lines[0] if lines else "", seconds)
    except SpecError as error:
        raise error if error.source else error.at(table) from None
    from .latency_modes import network_microseconds

    how = lines[0].lstrip("# ").strip()
    return Prediction(table, how, batch, predicted, network_microseconds(architecture, settings, batch))


def measure(rows: Sequence[Row], settings: Settings) -> Iterator[Row]:
    """The rows with their latency, one by one."""
    from .latency_modes import microseconds

    for row in rows:
        yield row._replace(microseconds=round(microseconds(row, settings), 3))
