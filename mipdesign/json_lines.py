"""JSON by lines: messages of processes, and logs that survive a kill.

A log has a value per line. Lines are appended whole and are on disk before the next one; what a kill cut off is dropped when
the log is opened again, and whoever wrote it does that work again.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from .errors import SpecError
from .files import plain, read_bytes, writing

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MOST_BYTES = 1_000_000_000
"""Largest log that is read."""

T = TypeVar("T", bound="DataclassInstance")


def json_line(data: Any) -> bytes:
    """A line of JSON with its end."""
    return json.dumps(plain(data), allow_nan=False).encode() + b"\n"


def parse_lines(text: bytes, kind: type[T], noun: str, source: Path) -> tuple[list[T], int]:
    """The entries in the text of a log, and how many of its bytes they take: a last line without its end is left out.

    Parameters
    ----------
    kind:
        Dataclass of the entries; fields that it does not have are left out.
    noun:
        What an entry is, with its article.
    source:
        The file, for errors.

    Raises
    ------
    SpecError
        If another line is no entry.
    """
    whole = text.rfind(b"\n") + 1
    entries, known = list[T](), {field.name for field in fields(kind)}
    for number, line in enumerate(text[:whole].splitlines(), 1):
        try:
            entries.append(kind(**{name: value for name, value in json.loads(line).items() if name in known}))
        except (ValueError, TypeError, AttributeError, RecursionError):
            raise SpecError(f"line {number}", f"is not {noun}", "remove the line", str(source)) from None
    return entries, whole


def read_log(path: Path, kind: type[T], noun: str) -> list[T]:
    """The entries of a log that nobody has to write to; see :func:`parse_lines`.

    Raises
    ------
    SpecError
        If the file cannot be read, or holds something else.
    """
    return parse_lines(read_bytes(path, MOST_BYTES), kind, noun, path)[0]


class LineLog(Generic[T]):
    """A log while it is written to: nobody else writes to it then.

    Parameters
    ----------
    path:
        Its file, made where it is missing.
    kind, noun:
        Of :func:`parse_lines`.
    place:
        What errors name as the place that cannot be used: the file by default.

    Raises
    ------
    SpecError
        If the file cannot be written to, someone else writes to it, or it holds something else.
    """

    def __init__(self, path: Path, kind: type[T], noun: str, place: Path | None = None) -> None:
        place = place or path
        with writing(place):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                remedy = f"wait for it, or give another {'file' if place == path else 'folder'}"
                raise SpecError("path", f"{place} is in use by another run", remedy) from None
            entries, size = parse_lines(read_bytes(path, MOST_BYTES), kind, noun, path)
        except BaseException:
            os.close(self._file)
            raise
        self._entries = entries
        os.ftruncate(self._file, size)
        os.lseek(self._file, size, os.SEEK_SET)

    @property
    def entries(self) -> Sequence[T]:
        """All entries, old and new."""
        return self._entries

    def append(self, entry: T) -> None:
        """Writes an entry whole, and has it on disk when it returns."""
        content = json_line(asdict(entry))
        while content:
            content = content[os.write(self._file, content) :]
        os.fsync(self._file)
        self._entries.append(entry)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._file)
