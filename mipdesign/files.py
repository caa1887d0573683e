"""Reading and writing files: only regular ones, bounded when they are read, whole when they are written."""

from __future__ import annotations

import codecs
import csv
import errno
import json
import math
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .errors import SpecError

MAX_BYTES = 1_000_000
"""Largest specification or architecture file that is read; a real one has a few kilobytes."""
MAX_WIDE_BYTES = 16_000_000
"""Largest text with characters beyond ASCII: in memory each of its characters may take four bytes."""
KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}
"""What a path may name that is no regular file."""


def read_bytes(path: Path, max_bytes: int) -> bytes:
    """Content of a regular file. What is none is refused without waiting for it: a FIFO has no end before somebody writes.

    Raises
    ------
    SpecError
        If there is no such file, it is not a regular one, cannot be read, or is larger than ``max_bytes``.
    """
    require_regular(path)
    try:
        # without waiting, should the path have become a FIFO since
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            _check_kind(path, status)
            content = b"" if status.st_size > max_bytes else file.read(max_bytes + 1) or b""
    except OSError as error:
        raise _unreadable(path, error) from None
    if max(status.st_size, len(content)) > max_bytes:
        raise SpecError("", f"the file has more than {max_bytes} bytes", "give a smaller file", str(path))
    return content


def read_text(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """Text of a regular file in UTF-8; the mark of UTF-8 at its beginning, which some editors write, is left out.

    Raises
    ------
    SpecError
        As :func:`read_bytes`, or if it is not UTF-8 text.
    """
    content = read_bytes(path, max_bytes)
    if len(content) > MAX_WIDE_BYTES and not content.isascii():
        problem = f"the file has more than {MAX_WIDE_BYTES} bytes and not all of them are ASCII"
        raise SpecError("", problem, "give a smaller file", str(path))
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise SpecError("", "the file is not UTF-8 text but UTF-16", "save it as UTF-8, with or without its mark", str(path))
    if b"\0" in content:
        raise SpecError("", f"the file is not text: byte {content.index(0)} is NUL", "give a text file", str(path))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError("", f"the file is not UTF-8 text at byte {error.start}", "give a text file", str(path)) from None


def csv_rows(lines: Iterable[str], remedy: str) -> list[tuple[int, list[str]]]:
    """The rows of a table in CSV, each with the number of its line; blank lines and those that begin with ``#`` are left out.

    Raises
    ------
    SpecError
        If they are not CSV; ``remedy`` is what to write.
    """
    numbered = [(n, line) for n, line in enumerate(lines, 1) if line.strip() and not line.lstrip().startswith("#")]
    try:
        rows = list(csv.reader((line for _, line in numbered), strict=True))
    except csv.Error as error:
        raise SpecError("", f"not valid CSV ({error})", remedy) from None
    if len(rows) < len(numbered):
        raise SpecError("", "not valid CSV (a field goes on in the next line)", remedy)
    return [(n, [text.strip() for text in row]) for (n, _), row in zip(numbered, rows, strict=True)]


def begins_with(path: Path, content: bytes) -> bool:
    """Whether a regular file begins with some bytes; no, where there is none."""
    try:
        require_regular(path)
        with path.open("rb") as file:
            return file.read(len(content)) == content
    except (OSError, SpecError):
        return False


def require_regular(path: Path) -> None:
    """Makes sure that a path names a regular file, after following links.

    Raises
    ------
    SpecError
        If it names nothing, or something else.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:  # the latter for names that no file can have
        raise _unreadable(path, error) from None
    _check_kind(path, status)


def _check_kind(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise SpecError("", f"is {kind}, not a regular file", "give an existing file", str(path))


def _unreadable(path: Path, error: OSError | ValueError) -> SpecError:
    reason = error.strerror if isinstance(error, OSError) else error
    return SpecError("", f"cannot be read ({reason})", "give an existing file", str(path))


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all: a reader never sees half of it, and a failure leaves the earlier one.

    Raises
    ------
    OSError
        As :func:`write_together`.
    """
    write_together({path: content})


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Writes files that belong together whole, or none of them: all are on disk, beside those of before, before the first takes
    its place. What is left of a failure or an interrupt is taken away.

    Raises
    ------
    OSError
        If a folder cannot be written to, or a path names what is no regular file, such as a device: another file in its
        place would end it.
    """
    for path in contents:
        if os.path.exists(path) and not os.path.isfile(path):
            raise OSError(errno.EINVAL, "it is not a regular file")
    parts = {path: path.with_name(path.name + ".part") for path in contents}
    try:
        for path, part in parts.items():
            part.write_bytes(contents[path])
        for path, part in parts.items():
            os.replace(part, path)
    except BaseException:
        for part in parts.values():
            with suppress(OSError):
                part.unlink()
        raise


def plain(value: Any) -> Any:
    """Data without infinite and undefined numbers, for which JSON has no word: they become null."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def json_text(data: Any) -> str:
    """Data as JSON; infinite and undefined numbers become null."""
    return json.dumps(plain(data), indent=1, allow_nan=False)


@contextmanager
def writing(place: Path, field: str = "--out") -> Iterator[None]:
    """Says of which file or folder it is that what is done within cannot write to it; ``field`` is what names the place.

    Raises
    ------
    SpecError
        In place of an :class:`OSError`.
    """
    try:
        yield
    except (OSError, ValueError) as error:  # the latter for names that no file can have
        if isinstance(error, SpecError):
            raise
        reason = error.strerror if isinstance(error, OSError) else error
        raise SpecError(field, f"cannot write to {place} ({reason})", "give a place that can be written to") from None
