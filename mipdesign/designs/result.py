"""``result.json``: what a run found, the one writer of its text and the one reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..networks.objective import ConventionName
from ..parsing import Stored, load_json, require_object, validated
from ..search.outcome import Branching, Relaxator
from .stored import Count, Digest, NotNegative, Short, StoredOptimum

RESULT = "result.json"
MAX_RESULT_BYTES = 16_000_000
"""Largest ``result.json``: a latency table in a problem has some megabytes."""


class StoredScipOptions(Stored):
    """How SCIP's tree worked."""

    encoding: Short
    relaxator: Relaxator
    branching: Branching
    propagation: bool
    nodes: Count | None
    rows: bool


class StoredScip(Stored):
    """What a run says of SCIP's tree."""

    version: Short
    nodes: Count
    seconds: NotNegative
    root_bound: float | None
    options: StoredScipOptions
    lacking: list[str]


class StoredList(Stored):
    """What a run says of its list; the list itself is ``networks.csv``."""

    within: str | None
    best: Count | None
    different: str | None
    threshold: float | None
    count: Count
    complete: bool
    bound: float | None


class StoredResult(StoredOptimum):
    """The content of ``result.json``; problem and evaluation are checked by their own models."""

    name: Short
    convention: ConventionName
    evaluation: dict[str, Any] | None
    wall_seconds: NotNegative
    peak_rss_mb: NotNegative
    versions: dict[str, str]
    seed: Count
    interrupted: bool
    incidents: list[str]
    problem: dict[str, Any]
    certificate_sha256: Digest
    scip: StoredScip | None = None
    pool: StoredList | None = None
    sha256: Digest


def result_text(data: dict[str, Any]) -> str:
    """Text of ``result.json``; the one way to write its content, so that any changed character shows."""
    return json.dumps(data, indent=1) + "\n"


def load_result(path: Path) -> dict[str, Any]:
    """The content of a ``result.json`` as it is written, unchecked.

    Raises
    ------
    SpecError
        If the file cannot be read, or is not an object.
    """
    return require_object(load_json(path, MAX_RESULT_BYTES), path)


def checked_result(data: dict[str, Any], path: Path) -> StoredResult:
    """The content of a ``result.json``, every field of the right type.

    Raises
    ------
    SpecError
        With the field, its value and a remedy.
    """
    return validated(StoredResult, data, str(path))
