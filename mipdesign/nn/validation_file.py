"""``validation.json``: the outcome of a validation, the one writer and the one reader."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ..files import json_text, write_whole, writing
from ..parsing import Stored, load_json, validated

if TYPE_CHECKING:
    from .validation import ValidationReport

VALIDATION = "validation.json"
StoredFigure: TypeAlias = int | float | list[int] | None
"""A figure; a shape is a list, and a number that is not finite is null."""


class StoredCheck(Stored):
    """One figure as expected and as measured; see :class:`mipdesign.nn.validation.Check`."""

    name: str
    expected: StoredFigure
    measured: StoredFigure
    tolerance: float | None
    standard_error: float | None
    passed: bool


class StoredValidation(Stored):
    """The content of ``validation.json``; see :class:`mipdesign.nn.validation.ValidationReport`.

    ``behaviour`` are its measurements, ``standings`` the known networks; ``prediction`` is there where a latency
    table was given.
    """

    checks: list[StoredCheck]
    draws: int
    map_size: int
    sigmas: float
    seed: int
    behaviour: dict[str, Any] | None
    standings: list[dict[str, Any]]
    passed: bool
    prediction: dict[str, Any] | None = None


def write_validation(report: ValidationReport, folder: Path) -> None:
    """Writes ``validation.json`` into a folder.

    Raises
    ------
    SpecError
        If it cannot be written.
    """
    with writing(folder, ""):
        write_whole(folder / VALIDATION, f"{json_text(report.to_dict())}\n".encode())


def read_validation(path: Path) -> StoredValidation:
    """The content of a ``validation.json``.

    Raises
    ------
    SpecError
        With the field, its value and a remedy.
    """
    return validated(StoredValidation, load_json(path), str(path))
