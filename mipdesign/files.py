"""Writing result files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import SpecError


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all: a reader never sees half of it, and a failure leaves the earlier one.

    Raises
    ------
    OSError
        If the folder cannot be written to.
    """
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(content)
    os.replace(temporary, path)


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
    except OSError as error:
        raise SpecError(field, f"cannot write to {place} ({error.strerror})", "give a place that can be written to") from None
