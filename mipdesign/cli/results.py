"""What commands have in common when they run: their exit codes, their folders, their JSON, progress and signals."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SpecError
from ..files import json_text, writing
from ..interrupts import INTERRUPTS
from ..temporary import ensure_temporary

if TYPE_CHECKING:
    from ..designs.design import Design
    from ..engine.engine import Engine
    from ..report.progress import ProgressDisplay
    from ..search.outcome import Progress

EXIT_CODES = {"optimal": 0, "feasible": 0, "infeasible": 3, "unknown": 4}
TRUSTED = 5
"""Exit code of a certificate that is proved up to what a solver is said to have closed."""
INTERRUPTED = 130
"""Exit code of a command that was cut off and has nothing to show, as shells use it."""


def folder_name(name: str) -> str:
    """A problem's name as the name of a folder."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip(".") or "unnamed"


def require_writable(folder: Path) -> None:
    """Makes sure before a long run that its files can be written; creates nothing."""
    with writing(folder), contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.lstat(folder)  # a name that is too long
    existing = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    if not os.path.isdir(existing):
        raise SpecError("--out", f"{existing} is not a folder", "give another folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise SpecError("--out", f"{existing} cannot be written to", "give a writable folder")
    ensure_temporary(folder)


def require_writable_file(path: Path) -> None:
    """Makes sure before long work that its one file can be written, into a folder that is there."""
    if os.path.isdir(path):
        raise SpecError("--out", f"{path} is a directory", "give a file")
    if not os.path.lexists(path.parent):
        raise SpecError("--out", f"there is no folder {path.parent}", "make it, or give another file")
    require_writable(path.parent)


def save_design(found: Design, folder: Path, resume: Path | None, overwrite: bool) -> bool:
    """Writes a design's files, unless the folder holds one of the same problem that is proved further; says so, and whether it
    has written.
    """
    from ..designs.folder import outdone
    from ..report.terminal import PlainConsole

    continued = resume is not None and resume.absolute() == folder.absolute()
    held = None if overwrite or continued else outdone(found, folder)
    if held is None:
        found.save(folder)
        if overwrite and os.path.lexists(folder / "frontier.json"):
            from ..analysis.frontier import clear

            clear(folder, design=False)
        return True
    reached = held.status if held.status != "feasible" else f"feasible, gap {held.gap:.3g}"
    kept = f"{folder} keeps the design of an earlier run, which got further ({reached}); --overwrite replaces it"
    PlainConsole(stderr=True).lines([kept])
    return False


def new_engine(workers: int | None) -> Engine:
    """The engine of a command that designs one network, to be made before anything is imported that starts threads."""
    from ..engine.engine import Engine
    from ..forks import keep_single_threaded
    from ..machine import processors

    keep_single_threaded()
    return Engine(workers or processors(), copied=True)


@contextlib.contextmanager
def watching(drawn: bool, quiet: bool = False) -> Iterator[Callable[[Progress], None]]:
    """What shows the progress of a run, and takes signals where the run can be left.

    What it needs is imported when it is first told of something: the process of the engine is at work by then. So is what it
    takes to draw the run, if it will be ``drawn``: even with a worker on every processor that delays the end less than later.
    A ``quiet`` command shows nothing.
    """
    with contextlib.ExitStack() as stack:
        displays: list[ProgressDisplay] = []
        preparations: Iterator[None] = iter(())

        def watch(progress: Progress) -> None:
            nonlocal preparations
            if not displays:
                if progress.phase != "done":
                    INTERRUPTS.check()  # a signal that came before the search does not wait for what shows it
                from ..figures.convergence import prepare
                from ..report.console import PlainConsole
                from ..report.progress import ProgressDisplay

                displays.append(stack.enter_context(ProgressDisplay(PlainConsole(stderr=True, quiet=quiet))))
                preparations = prepare() if drawn else preparations
            elif progress.phase != "done":
                next(preparations, None)
            displays[0].update(progress)
            INTERRUPTS.hold()
            if progress.phase != "done":
                INTERRUPTS.check()

        yield watch


def print_json(console: Any, data: Any) -> None:
    console.lines([json_text(data)])
