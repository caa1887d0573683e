"""Records of runs: one line of JSON each, appended whole; what a kill cut off is left out and run again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mipdesign.errors import SpecError
from mipdesign.json_lines import LineLog, read_log

RECORDS = "records.jsonl"
NOUN = "a record of a run"

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


def read_records(folder: Path) -> list[Record]:
    """The records of a study's folder. Of runs that differ in the text of a plug-in alone the last one counts: it was edited.

    Raises
    ------
    SpecError
        If there are none.
    """
    records = read_log(folder / RECORDS, Record, NOUN)
    if not records:
        raise SpecError("", "has no records", "run the study first", str(folder / RECORDS))
    last = {(record.variant, record.case): record for record in records if record.plugins}
    return [record for record in records if not record.plugins or last[record.variant, record.case] is record]


class RecordLog(LineLog[Record]):
    """The records of a study's folder while the study runs; see :class:`mipdesign.json_lines.LineLog`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / RECORDS, Record, NOUN, folder)

    def missing(self, keys: Iterable[str]) -> set[str]:
        """Those of some keys that have no record yet."""
        return set(keys) - {record.key for record in self.entries}
