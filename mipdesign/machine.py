"""What this process may use and has used: processors and memory."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

MEMORY_MB = 4096
"""Address space that the process with SCIP may take; beyond it it fails and is begun anew."""


def processors() -> int:
    """How many processors this process may use: a scheduler or a container may have lent it some of the machine's only."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def peak_memory_mb() -> float:
    """Most resident memory that this process has held, in megabytes.

    The kernel's ``VmHWM`` where there is one: on Linux ``ru_maxrss`` also counts what the parent held when it started this one.
    """
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    told = next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), None)
    return resident_mb(resource.getrusage(resource.RUSAGE_SELF)) if told is None else told


def copied_memory_mb() -> float:
    """Memory, in megabytes, that this process has in common with the one that it is a copy of, or with its copy: what neither
    has written to since. Files that both have mapped, such as libraries, do not count.

    The kernel halves such pages in its proportional figures (Linux). They become fewer as time goes by, so the peaks of both
    less what they have in common at the end are no less than both have ever held together.
    """
    told = Path("/proc/self/smaps_rollup")
    lines = told.read_text().splitlines()[1:] if told.is_file() else []
    figures = {name: int(number) / 1024 for name, number, *_ in (line.replace(":", " ").split() for line in lines)}
    return 2 * (figures.get("Anonymous", 0.0) - figures.get("Pss_Anon", figures.get("Anonymous", 0.0)))


def resident_mb(usage: resource.struct_rusage) -> float:
    """Most resident memory of a process by its ``rusage``, which macOS gives in bytes and others in kilobytes."""
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
