"""The folder that a run is to write to: which one it is by default, whether it is free, and whether what it holds is better."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import SpecError
from ..problem.problem import Problem
from ..search.outcome import Status
from .certificate_file import CERTIFICATE
from .design import Design
from .result import RESULT, StoredResult, checked_result, load_result

REMEDY = "give another folder, or --overwrite to replace it"
DIGITS = 8
"""Digits of a problem's digest in the name of a folder, where another problem has that without them."""
STANDING: dict[Status, int] = {"unknown": 0, "feasible": 1, "optimal": 2, "infeasible": 2}
"""How much a run has reached."""


def default_folder(base: Path, problem: Problem) -> Path:
    """The folder of a problem that was given none: its name's, or a longer one where another problem of that name has it."""
    try:
        held = held_design(base)
    except SpecError:
        return base  # which is refused later on
    if held is None or _is_of(held, base, problem):
        return base
    return base.with_name(f"{base.name}-{problem.digest[:DIGITS]}")


def require_free(folder: Path, problem: Problem) -> None:
    """Makes sure that a run may write its files into a folder: it holds none, or those of the same problem.

    Raises
    ------
    SpecError
        If it holds another problem's, or what cannot be read.
    """
    if os.path.lexists(folder / "frontier.json"):
        raise SpecError("--out", f"{folder} holds a frontier", REMEDY)
    try:
        held = held_design(folder)
        same = held is None or _is_of(held, folder, problem)
    except SpecError:
        raise SpecError("--out", f"{folder} holds a {RESULT} that cannot be read", REMEDY) from None
    if not same:
        name = "" if held is None else held.name
        raise SpecError("--out", f"{folder} holds the design of another problem ({name!r})", REMEDY)


def held_design(folder: Path) -> StoredResult | None:
    """What ``result.json`` of a folder states; ``None`` where there is none.

    Raises
    ------
    SpecError
        If it cannot be read.
    """
    path = folder / RESULT
    return checked_result(load_result(path), path) if os.path.lexists(path) else None


def _is_of(held: StoredResult, folder: Path, problem: Problem) -> bool:
    return Problem.from_dict(held.problem, f"{folder / RESULT}: problem").digest == problem.digest


def outdone(found: Design, folder: Path) -> StoredResult | None:
    """The design of the same problem in a folder, where it has reached more than a new one; ``None`` otherwise."""
    try:
        held = held_design(folder)
        if held is None or not os.path.lexists(folder / CERTIFICATE) or not _is_of(held, folder, found.problem):
            return None
    except SpecError:
        return None
    if STANDING[held.status] != STANDING[found.status]:
        return held if STANDING[held.status] > STANDING[found.status] else None
    if held.status != "feasible" or held.gap is None:
        return None
    return held if found.gap is None or found.gap > held.gap else None
