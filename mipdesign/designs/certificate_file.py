"""``certificate.json``: the one writer of its text and the one reader. What it says is for the checker to judge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..checker import FORMAT
from ..files import begins_with
from ..parsing import load_json, require_object

CERTIFICATE = "certificate.json"
MAX_CERTIFICATE_BYTES, MOST_CERTIFICATE_BYTES = 64_000_000, 512_000_000
"""Largest ``certificate.json`` that is read, and the largest that begins as a run writes it: some million nodes."""
CERTIFICATE_BEGINS = f'{{"format":"{FORMAT}","problem":'.encode()


def certificate_text(data: dict[str, Any]) -> str:
    """Text of ``certificate.json``; the one way to write its content, so that any changed character shows."""
    return json.dumps(data, separators=(",", ":")) + "\n"


def read_certificate(path: Path, *, finite: bool = True) -> dict[str, Any]:
    """The content of a ``certificate.json`` as plain data.

    With ``finite`` false its numbers may be infinite or none: the checker says which claim has them.

    Raises
    ------
    SpecError
        If it is no JSON object.
    """
    if begins_with(path, CERTIFICATE_BEGINS):  # as a run writes it, and a long run's may be large
        data = load_json(path, MOST_CERTIFICATE_BYTES, finite=finite, most_memory=20 * MOST_CERTIFICATE_BYTES)
    else:
        data = load_json(path, MAX_CERTIFICATE_BYTES, finite=finite)
    return require_object(data, path)
