"""Tests run side by side, one process for each processor, and none has to be quick.

By default grids of cases and random examples are sampled; ``--all`` runs all of them, and what is marked as ``long``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import scale
from haste import end_kept, hasten

HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="run the long tests, all cases of grids, and more random examples")


def pytest_configure(config: pytest.Config) -> None:
    """Keeps a process of pytest-xdist to a processor of its own, and so all that its tests start: searches have one child.

    What tests start finds the modules of ``support`` as they do.
    """
    config.addinivalue_line("markers", "long: run with --all only")
    scale.set_whole(config.getoption("--all"))
    _forget_columns()
    support = str(HERE / "support")
    if support not in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [support, os.environ.get("PYTHONPATH")]))
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is not None and hasattr(os, "sched_setaffinity"):
        processors = sorted(os.sched_getaffinity(0))
        with contextlib.suppress(OSError):  # where a sandbox does not let it
            os.sched_setaffinity(0, {processors[int(worker.removeprefix("gw")) % len(processors)]})


def _forget_columns() -> None:
    """Takes away the variable that output outside a terminal goes by. pytest-xdist sets it, and so does readline for programs
    that are started later, unseen by ``os.environ``; pytest 8 brings that in by way of pdb with Python 3.13, so it is imported
    before.
    """
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)
        os.unsetenv(name)


@pytest.fixture(scope="session", autouse=True)
def _haste() -> Iterator[None]:
    """Once tests begin, since what is imported before is not measured."""
    hasten()
    yield
    end_kept()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves long tests out, unless all are asked for."""
    if config.getoption("--all"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not item.get_closest_marker("long")]
