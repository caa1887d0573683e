"""Processes of :mod:`mipdesign.benchmarks.experiments.variants`: each answers for one solver, task after task.

A solver has processes of its own, for not all of them can live together, and one that crashes is followed by another for what
it left.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import cache, lru_cache
from queue import Empty, SimpleQueue
from typing import Any

from mipdesign.errors import MissingExtraError
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.tables import Tables
from mipdesign.mip.formulation import formulation_named
from mipdesign.mip.solver import solver_ids, solver_named
from mipdesign.processes import JSON_LINES, Conversation, Ended, ParentLink
from mipdesign.search.coverage import build_tables

from ..corpus.small import Listing, listing, small_problem
from .variant_outcomes import Outcome, Task, outcome

CHUNK = 100
"""Answers that are asked of one process."""
GRACE_SECONDS = 30.0
"""Time beside the limit of a solver for everything else that an answer takes; then its process is killed."""


@cache
def installed() -> dict[str, str]:
    """Versions of the solvers that are installed, by id."""
    versions = {}
    for solver_id in solver_ids():
        try:
            versions[solver_id] = solver_named(solver_id).version()
        except MissingExtraError:
            continue
    return versions


@lru_cache(maxsize=4)
def small(seed: int) -> tuple[Tables, Listing]:
    """The tables of a small problem, and all its networks."""
    tables = build_tables(small_problem(seed))
    return tables, listing(tables, Cell.whole(tables))


def main() -> None:
    """Entry point of the process: its one message has the tasks, and it says an outcome for each."""
    link = ParentLink(JSON_LINES)
    asked = link.receive()
    for formulation, solver, seed in asked["tasks"]:
        tables, expected = small(seed)
        try:
            found = outcome(formulation, tables, expected, solver, seed, asked["seconds"])
        except Exception as error:  # one answer that is lost, and no more
            found = failure(Task(formulation, solver, seed), f"{type(error).__name__}: {error}")
        link.send(asdict(found))


def failure(task: Task, detail: str) -> Outcome:
    """The outcome of a task without an answer."""
    claim = formulation_named(task.formulation).claim
    return Outcome(*task, installed().get(task.solver, ""), claim, "failed", detail=" ".join(detail.split()))


def in_processes(asked: Sequence[Task], seconds: float, tell: Callable[[Outcome], None]) -> None:
    """Outcomes of tasks of one solver, from as many processes as it takes: one that ends too early costs one answer."""
    left = list(asked)
    while left:
        inbox: SimpleQueue[Any] = SimpleQueue()
        command = [sys.executable, "-m", "mipdesign.benchmarks.experiments.variant_trials"]
        trial = Conversation(command, JSON_LINES, inbox.put, inbox.put, bound=True, keep_err=True)
        trial.send({"seconds": seconds, "tasks": left})
        try:
            ended = None
            while left and ended is None:
                told = _told(inbox, seconds + GRACE_SECONDS) or trial.end()
                if isinstance(told, Ended):
                    ended = told
                else:
                    tell(Outcome(**told))
                    left.pop(0)
            trial.wait(GRACE_SECONDS)
        finally:
            trial.end()
        if ended is not None:
            words = ended.err.decode("utf-8", "replace")[-300:]
            tell(failure(left.pop(0), f"its process ended with {ended.code}: {words}"))


def _told(inbox: SimpleQueue[Any], seconds: float) -> Any:
    """What a process says next, or how it ended; ``None`` if it is silent for so long."""
    try:
        return inbox.get(timeout=seconds)
    except Empty:
        return None


def run(asked: Sequence[Task], workers: int, seconds: float, tell: Callable[[Outcome], None]) -> None:
    """Outcomes of all tasks; ``tell`` is called by one thread at a time."""
    chunks: list[list[Task]] = []
    for solver in dict.fromkeys(task.solver for task in asked):
        mine = [task for task in asked if task.solver == solver]
        chunks += [mine[at : at + CHUNK] for at in range(0, len(mine), CHUNK)]
    chunks.sort(key=lambda chunk: chunk[0].seed)
    lock = threading.Lock()

    def locked(found: Outcome) -> None:
        with lock:
            tell(found)

    with ThreadPoolExecutor(workers) as pool:
        for future in [pool.submit(in_processes, chunk, seconds, locked) for chunk in chunks]:
            future.result()


if __name__ == "__main__":
    main()
