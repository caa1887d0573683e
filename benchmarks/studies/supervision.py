"""A child process under hard limits: killed with all that it started when its time or its memory is used up.

Memory is what its processes hold (resident), watched from outside: an address-space limit would also count what a process only
maps, and most solvers answer it with a crash that could not be told from their own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mipdesign.errors import require

POLL_SECONDS = 0.03
"""Time between two looks at a process."""
FAMILY_POLLS = 20
"""Looks between two searches for processes that it started."""
SINGLE_THREADED = {name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}
"""Environment that keeps libraries from threads of their own."""


@dataclass(frozen=True)
class Ended:
    """How a supervised process ended.

    Attributes
    ----------
    cause:
        ``exited`` by itself (with a code, or a signal as a negative one), or killed: ``timeout``, ``memout``.
    peak_mb:
        Most memory seen.
    """

    cause: Literal["exited", "timeout", "memout"]
    code: int
    seconds: float
    peak_mb: float
    out: bytes
    err: bytes


class _Running:
    """Processes of this process that are under supervision, for :func:`end_all`."""

    def __init__(self) -> None:
        self.lock, self.processes = threading.Lock(), set[int]()

    def add(self, pid: int) -> None:
        with self.lock:
            self.processes.add(pid)

    def discard(self, pid: int) -> None:
        with self.lock:
            self.processes.discard(pid)

    def kill(self) -> None:
        with self.lock:
            for pid in self.processes:
                _kill(pid)


RUNNING = _Running()


def end_all() -> None:
    """Kills everything that this process supervises."""
    RUNNING.kill()


def supervise(command: Sequence[str], content: bytes, seconds: float, memory_mb: float) -> Ended:
    """Runs a command in a process group of its own, with ``content`` on its standard input.

    Raises
    ------
    MissingExtraError
        If psutil is not installed.
    """
    require("psutil", "study", "a study")
    import psutil

    began, cause, peak, polls = time.monotonic(), "exited", 0.0, 0
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        source.write(content)
        source.seek(0)
        process = subprocess.Popen(
            command, stdin=source, stdout=out, stderr=err, env=os.environ | SINGLE_THREADED, start_new_session=True
        )
        RUNNING.add(process.pid)
        try:
            family = [psutil.Process(process.pid)]
            while not _has_ended(process.pid):
                polls += 1
                if polls % FAMILY_POLLS == 0:
                    family = _family(family[0])
                held = sum(map(_resident_mb, family))
                peak = max(peak, held)
                if held > memory_mb or time.monotonic() - began > seconds:
                    cause = "memout" if held > memory_mb else "timeout"
                    break
                time.sleep(POLL_SECONDS)
        finally:
            RUNNING.discard(process.pid)  # before the process is waited for: its number is not another's yet
            _kill(process.pid)
            code = process.wait()
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read())
    return Ended(cause, code, time.monotonic() - began, peak, *texts)  # type: ignore[arg-type]


def _has_ended(pid: int) -> bool:
    """Whether a child has ended; it stays to be waited for, so that its number remains its own."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _family(process: Any) -> list[Any]:
    import psutil

    with contextlib.suppress(psutil.Error):
        return [process, *process.children(recursive=True)]
    return [process]


def _resident_mb(process: Any) -> float:
    import psutil

    with contextlib.suppress(psutil.Error):
        return float(process.memory_info().rss) / 2**20
    return 0.0
