"""Writing result files."""

from __future__ import annotations

import os
from pathlib import Path


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
