"""Runs the command line as a user would and reads what it wrote: the one way in which the benchmarks measure."""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from mipdesign.designs.verification import verify_folder
from mipdesign.processes import Ended, Process


@dataclass(frozen=True)
class Run:
    """One design run: what ``result.json`` says, how long design and verification took as whole processes, and how long the
    verification takes in a process that runs already.
    """

    result: dict[str, Any]
    seconds: float
    verify_seconds: float | None
    check_seconds: float | None
    trace: tuple[dict[str, str], ...]

    def seconds_to(self, objective: float) -> float | None:
        """When the incumbent first exceeded an objective."""
        return min(
            (float(r["seconds"]) for r in self.trace if r["incumbent"] and float(r["incumbent"]) > objective), default=None
        )


def run_design(problem: str, options: Sequence[str] = (), verify: bool = False) -> Run:
    """Designs in a child process and, on request, verifies in another."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "design"
        seconds = command(["design", problem, "--out", str(out), "--json", *options], {0, 3, 4}).seconds
        verify_seconds = command(["verify", str(out)]).seconds if verify else None
        check_seconds = _checked(out) if verify else None
        result = json.loads((out / "result.json").read_text())
        header, *rows = (line.split(",") for line in (out / "trace.csv").read_text().splitlines())
        trace = tuple(dict(zip(header, row, strict=True)) for row in rows)
    return Run(result, seconds, verify_seconds, check_seconds, trace)


def _checked(out: Path) -> float:
    """Seconds of a second verification in this process, after a first one that loads what it needs."""
    for _ in range(2):
        began = time.monotonic()
        failed = [check for check in verify_folder(out) if not check.passed]
        if failed:
            raise SystemExit(f"{failed[0].claim}: {failed[0].detail}")
    return time.monotonic() - began


def command(arguments: Sequence[str], accepted: Collection[int] = (0,), kill_after: float = math.inf) -> Ended:
    """Runs a command of ``mipdesign`` as a process of its own, and says how it ended.

    Parameters
    ----------
    accepted:
        Exit codes that it may have.
    kill_after:
        Seconds after which it is killed, whatever it would have ended with.

    Raises
    ------
    SystemExit
        If it ends by itself with another code.
    """
    words = [sys.executable, "-m", "mipdesign", *arguments]
    ended = Process(words, keep=("err",)).watch(kill_after)
    if ended.cause == "exited" and ended.code not in accepted:
        raise SystemExit(f"{' '.join(words)} ended with {ended.code}: {ended.err.decode(errors='replace')[-500:]}")
    return ended


def middle(values: Iterable[float | None]) -> float | None:
    """Median of the values that are there."""
    present = [v for v in values if v is not None]
    return median(present) if present else None


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""

    def text(value: object) -> str:
        if value is None:
            return "-"
        return (
            f"{value:.4g}"
            if isinstance(value, float) and abs(value) < 1000
            else f"{value:.3f}"
            if isinstance(value, float)
            else str(value)
        )

    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(map(text, row)) + " |" for row in rows])
