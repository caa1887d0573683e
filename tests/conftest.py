"""Tests run side by side, one process for each processor, and none has to be quick."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from hypothesis import settings

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


def pytest_configure() -> None:
    """Keeps a process of pytest-xdist to a processor of its own, and so all that its tests start: searches have one child.

    What tests start finds the modules of ``support`` as they do.
    """
    support = str(Path(__file__).parent / "support")
    if support not in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [support, os.environ.get("PYTHONPATH")]))
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is not None and hasattr(os, "sched_setaffinity"):
        processors = sorted(os.sched_getaffinity(0))
        with contextlib.suppress(OSError):  # where a sandbox does not let it
            os.sched_setaffinity(0, {processors[int(worker.removeprefix("gw")) % len(processors)]})
