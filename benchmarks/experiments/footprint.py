"""Time and memory of whole processes: of a command and of all that it starts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mipdesign.processes import Ended, Process

SAMPLE_SECONDS = 0.05
"""Time between two looks at the memory, which take a millisecond or so."""


def watched(words: Sequence[str], folder: Path) -> tuple[Ended, float | None]:
    """Runs a command in a folder; says how it ended, and the most megabytes that it and all that it started held together.

    Memory that processes share is counted once (``Pss``, Linux); ``None`` where the kernel does not tell it.
    """
    process = Process(words, keep=("err",), folder=folder)
    peak = 0.0
    try:
        while (ended := process.wait(SAMPLE_SECONDS)) is None:
            peak = max(peak, held_mb(process.pid))
    finally:
        process.end()
    return ended, peak or None


def held_mb(pid: int) -> float:
    """Megabytes that a process and its descendants hold at the moment; 0 where nothing is known of them."""
    return sum(map(_own_mb, family(pid)))


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    found, waiting = list[int](), [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        try:
            threads = list(Path(f"/proc/{one}/task").iterdir())
        except OSError:  # it has ended, or there is no such folder
            continue
        for thread in threads:
            waiting += map(int, _read(thread / "children").split())
    return found


def _own_mb(pid: int) -> float:
    lines = _read(Path(f"/proc/{pid}/smaps_rollup")).splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
