"""Runs a study's jobs in parallel on a Dask cluster: one that is given by its address, or one within this process.

A Dask task does nothing but supervise the process of one run, so a worker needs no memory of its own, and one that dies takes
no record with it: its task is given to another, and only what comes back is written.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from mipdesign.processes import JSON_LINES, Conversation, Ended, end_all
from mipdesign.search.cluster import connected, require_distributed
from mipdesign.search.incumbents import relative_gap

from ..corpus.optima import Optimum
from .records import Ending, Record, RecordLog
from .study import Job
from .verdict import Known, judge, knowledge

if TYPE_CHECKING:
    from distributed import Client

CRASHES_OF_WORKERS = 3
"""Dask workers that may die over one run before it is recorded as a crash."""
INCIDENT_CHARACTERS = 1000
"""How much of what a process wrote to standard error is kept."""

OnRecord = Callable[[Sequence[Record], int], None]
"""Told all records of the study so far, and how many there will be."""


def execute(data: dict[str, Any]) -> dict[str, Any]:
    """The Dask task: one job in a process of its own. Plain data in and out."""
    job, told = Job(**data), dict[str, Any]()
    command = [sys.executable, "-m", "mipdesign.benchmarks.studies.trial"]
    trial = Conversation(command, JSON_LINES, told.update, bound=True, keep_err=True)
    trial.send(data)
    ended = trial.watch(job.limits["seconds"] + job.limits["grace_seconds"], job.limits["memory_mb"])
    return asdict(record_of(job, told, ended))


def record_of(job: Job, told: dict[str, Any], ended: Ended) -> Record:
    """The record of a process, from what it told before it ended."""
    versions = told.pop("versions", {}) | {k: v for k, v in told.pop("packages", {}).items() if v is not None}
    incidents = told.pop("incidents", [])
    if told.get("ended") is None or ended.cause != "exited":
        told["ended"] = ending(ended)
        incidents = [*incidents, last_words(ended)]
    peak = max(ended.watched_mb, told.pop("peak_memory_mb", None) or 0.0)
    gap = None
    if told.get("objective") is not None and told.get("bound") is not None:
        gap = relative_gap(told["bound"], told["objective"])
    return Record(
        key=job.key,
        **job.asked,
        **told,
        gap=gap,
        versions=versions,
        incidents=incidents,
        wall_seconds=ended.seconds,
        peak_memory_mb=peak,
    )


def ending(ended: Ended) -> Ending:
    """How a process ended that gave no answer."""
    return ended.cause if ended.cause in ("timeout", "memout") else "crash"


def last_words(ended: Ended) -> str:
    """Why a process is gone, and the end of what it wrote to standard error."""
    how = f"signal {-ended.code}" if ended.code < 0 else f"exit code {ended.code}"
    reasons = {"timeout": "killed at its time limit", "memout": "killed at its memory limit"}
    reason = reasons.get(ended.cause, f"ended with {how}")
    text = ended.err.decode("utf-8", "replace").strip()[-INCIDENT_CHARACTERS:]
    return f"{reason}: {text}" if text else reason


def lost(job: Job, error: BaseException) -> Record:
    """The record of a run whose task failed outside of its process, for example because workers died over it."""
    return Record(key=job.key, **job.asked, ended="crash", incidents=[" ".join(f"{type(error).__name__}: {error}".split())])


@contextmanager
def cluster(scheduler: str | None, workers: int | None) -> Iterator[Client]:
    """A client of the cluster at an address, or of a new one within this process.

    Raises
    ------
    MissingExtraError
        If distributed is not installed.
    SpecError
        If the scheduler does not answer.
    """
    if scheduler is not None:
        with connected(scheduler, "a study") as client:
            yield client
        return
    require_distributed("a study")
    import dask
    from distributed import Client, LocalCluster

    dask.config.set({"distributed.scheduler.allowed-failures": CRASHES_OF_WORKERS})
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0", memory_limit=None
        ) as local,
        Client(local, set_as_default=False) as client,
    ):
        yield client


def run_jobs(jobs: Sequence[Job], log: RecordLog, client: Client, optima: Mapping[str, Optimum], on_record: OnRecord) -> None:
    """Runs the jobs that have no record yet, and appends a record as soon as a run is over.

    An interruption cancels what waits and kills what runs; both are run again the next time.
    """
    from distributed import as_completed

    wanted = {job.key for job in jobs}
    missing = log.missing(wanted)
    on_record([record for record in log.entries if record.key in wanted], len(wanted))
    by_key = {job.key: job for job in jobs if job.key in missing}
    futures = {client.submit(execute, asdict(job), key=f"run-{key}", pure=False): job for key, job in by_key.items()}
    try:
        for future in as_completed(list(futures), loop=client.loop):
            job, error = futures.pop(future), future.exception()
            record = Record(**future.result()) if error is None else lost(job, error)
            future.release()
            log.append(verified(record, log.entries, optima))
            on_record([record for record in log.entries if record.key in wanted], len(wanted))
    except BaseException:
        with contextlib.suppress(Exception):
            client.cancel(list(futures), force=True)
            client.run(end_all)
        raise


def verified(record: Record, others: Sequence[Record], optima: Mapping[str, Optimum]) -> Record:
    """A record with its status as verified by all that is known when it is written."""
    known = knowledge([*(other for other in others if other.digest == record.digest), record], optima)
    status, reasons = judge(record, known.get(record.digest, Known()))
    return replace(record, status=status, reasons=reasons)
