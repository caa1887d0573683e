"""Records of runs: one line of JSON each, appended whole; what a kill cut off is left out and run again."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from mipdesign.errors import SpecError
from mipdesign.files import read_bytes, writing

RECORDS = "records.jsonl"
MAX_RECORDS_BYTES = 1_000_000_000
MAX_BYTES = 4_000_000_000
"""Largest file of records that is read."""

Ending = Literal["answered", "unsupported", "missing", "error", "crash", "timeout", "memout"]


@dataclass(frozen=True)
class Record:
    """One run: what was asked, what the solver said, what an exact check of it gave, and what it took.

    Attributes
    ----------
    key:
        Of :class:`mipdesign.benchmarks.studies.study.Job`.
    digest:
        That of the problem.
    claim:
        Whether the formulation is exact or a bound.
    ended, said:
        How the process ended; the solver's own status.
    status, reasons:
        The status as verified from this run and the known optimum (:mod:`mipdesign.benchmarks.studies.verdict`), and why it is
        not ``solved``.
    objective, bound, gap, root_bound:
        As the solver says.
    exact:
        Objective of its network by the exact evaluator, as decimal text; ``violations`` says what the network breaks.
    presolve, presolve_seconds, presolve_bound, incumbent, choices:
        Whether the space was reduced first (:mod:`mipdesign.benchmarks.studies.presolve`), and its time, its bound, the exact
        objective of its network as decimal text, and stems, columns and depths of the space (``of``) and of what was left of it
        (``left``).
    formulation_seconds, build_seconds, solver_seconds, wall_seconds:
        Writing the model, handing it over, solving it, and the whole process.
    sizes:
        Of the model before presolve.
    trace:
        Seconds, primal bound, dual bound.
    plugins:
        Digests of the plug-ins that brought what the run names, by the names of their files.
    """

    key: str
    instance: str
    digest: str
    formulation: str
    solver: str
    seed: int
    limits: dict[str, float]
    parameters: dict[str, Any]
    ended: Ending
    status: str = ""
    reasons: list[str] = field(default_factory=list)
    claim: str | None = None
    said: str | None = None
    message: str = ""
    objective: float | None = None
    bound: float | None = None
    gap: float | None = None
    root_bound: float | None = None
    exact: str | None = None
    violations: list[str] = field(default_factory=list)
    architecture: dict[str, Any] | None = None
    nodes: int | None = None
    presolve: bool = False
    presolve_seconds: float | None = None
    presolve_bound: float | None = None
    incumbent: str | None = None
    choices: dict[str, int] | None = None
    formulation_seconds: float | None = None
    build_seconds: float | None = None
    solver_seconds: float | None = None
    wall_seconds: float = 0.0
    peak_memory_mb: float | None = None
    sizes: dict[str, int] | None = None
    trace: list[list[float | None]] = field(default_factory=list)
    solver_version: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    incidents: list[str] = field(default_factory=list)
    plugins: dict[str, str] = field(default_factory=dict)

    @property
    def variant(self) -> tuple[str, str]:
        """Formulation, with a word on its presolve, and solver."""
        return self.formulation + " + presolve" * self.presolve, self.solver

    @property
    def case(self) -> tuple[str, int, str]:
        """What a variant was run on: the instance's digest, the seed, and the limits and parameters as text."""
        return self.digest, self.seed, json.dumps([self.limits, self.parameters], sort_keys=True)

    @property
    def solving_seconds(self) -> float:
        """Time of presolve, model and solver together, without the start of the process."""
        return self.seconds_before + (self.solver_seconds or 0.0)

    @property
    def seconds_before(self) -> float:
        """The part of it before the solver starts."""
        return sum(part or 0.0 for part in (self.presolve_seconds, self.formulation_seconds, self.build_seconds))


def parse(text: bytes, source: Path) -> tuple[list[Record], int]:
    """Records in the text of a file, and how many of its bytes they take: a last line without its end is left out.

    Raises
    ------
    SpecError
        If another line is not a record.
    """
    whole = text.rfind(b"\n") + 1
    records, known = [], {f.name for f in fields(Record)}
    for number, line in enumerate(text[:whole].splitlines(), 1):
        try:
            data = json.loads(line)
            records.append(Record(**{name: value for name, value in data.items() if name in known}))
        except (ValueError, TypeError, AttributeError, RecursionError):
            raise SpecError(f"line {number}", "is not a record of a run", "remove the line", str(source)) from None
    return records, whole


def read_records(folder: Path) -> list[Record]:
    """The records of a study's folder. Of runs that differ in the text of a plug-in alone the last one counts: it was edited.

    Raises
    ------
    SpecError
        If there are none.
    """
    path = folder / RECORDS
    records, _ = parse(read_bytes(path, MAX_RECORDS_BYTES), path)
    if not records:
        raise SpecError("", "has no records", "run the study first", str(path))
    last = {(record.variant, record.case): record for record in records if record.plugins}
    return [record for record in records if not record.plugins or last[record.variant, record.case] is record]


class RecordLog:
    """The file of records while a study runs: nobody else writes to it then.

    Raises
    ------
    SpecError
        If the folder cannot be written to, another run writes to it, or its file is damaged.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / RECORDS
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self.file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self.file)
            raise SpecError("--out", f"{folder} is in use by another run", "wait for it, or give another folder") from None
        try:
            self.records, size = parse(read_bytes(path, MAX_RECORDS_BYTES), path)
        except SpecError:
            os.close(self.file)
            raise
        os.ftruncate(self.file, size)
        os.lseek(self.file, size, os.SEEK_SET)

    def missing(self, keys: Iterable[str]) -> set[str]:
        """Those of some keys that have no record yet."""
        return set(keys) - {record.key for record in self.records}

    def append(self, record: Record) -> None:
        """Writes a record whole, and has it on disk when it returns."""
        content = json.dumps(asdict(record), allow_nan=False).encode() + b"\n"
        while content:
            content = content[os.write(self.file, content) :]
        os.fsync(self.file)
        self.records.append(record)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self.file)
