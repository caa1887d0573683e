"""Processes of experiments with solvers: each answers for one solver, task after task.

A solver has processes of its own, for not all of them can live together, and one that crashes is followed by another for what
it left.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from importlib import import_module
from queue import Empty, SimpleQueue
from typing import Any

from mipdesign.errors import MissingExtraError
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.tables import Tables
from mipdesign.mip.formulation import formulation_named
from mipdesign.mip.solver import solver_ids, solver_named
from mipdesign.plugins import receive, shipment
from mipdesign.processes import PICKLES, Conversation, Ended, ParentLink
from mipdesign.search.coverage import build_tables

from ..corpus.small import Listing, listing, small_problem
from .variant_outcomes import BOTTLENECK, Outcome, Task, outcome

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
def small(seed: int, family: str = BOTTLENECK) -> tuple[Tables, Listing]:
    """The tables of a small problem, and all its networks."""
    tables = build_tables(small_problem(seed, family))
    return tables, listing(tables, Cell.whole(tables))


def main() -> None:
    """Entry point of the process."""

    def answer(task: Task, seconds: float) -> Outcome:
        problem = small(task.seed, task.family)
        return outcome(task.formulation, *problem, task.solver, task.seed, seconds, task.family)

    serve(answer, failure)


def failure(task: Task, detail: str) -> Outcome:
    """The outcome of a task without an answer."""
    claim = formulation_named(task.formulation).claim
    version, detail = installed().get(task.solver, ""), " ".join(detail.split())
    return Outcome(task.formulation, task.solver, task.seed, version, claim, "failed", detail=detail, family=task.family)


def serve(answer: Callable[[Any, float], Any], failed: Callable[[Any, str], Any]) -> None:
    """The side of a process: its one message has variants, a time limit and tasks; it answers one task after the other.

    Parameters
    ----------
    answer:
        The answer to a task, within so many seconds.
    failed:
        The answer to one that raised an exception: one answer is lost, and no more.
    """
    link = ParentLink(PICKLES)
    shipped, seconds, tasks = link.receive()
    receive(shipped)
    for task in tasks:
        try:
            found = answer(task, seconds)
        except Exception as error:
            found = failed(task, f"{type(error).__name__}: {error}")
        link.send(found)


def in_processes(
    module: str, asked: Sequence[Any], seconds: float, tell: Callable[[Any], None], failed: Callable[[Any, str], Any]
) -> None:
    """Answers to tasks of one solver, from as many processes as it takes: one that ends too early costs one answer.

    Parameters
    ----------
    module:
        The module of this folder that is the process; its main function calls :func:`serve`.
    failed:
        The answer to a task over which its process ended.
    """
    left = list(asked)
    while left:
        inbox: SimpleQueue[Any] = SimpleQueue()
        command = [sys.executable, "-m", f"{__package__}.variant_trials", module]
        trial = Conversation(command, PICKLES, inbox.put, inbox.put, bound=True, keep_err=True)
        trial.send((shipment(), seconds, left))
        try:
            ended = None
            while left and ended is None:
                told = _told(inbox, seconds + GRACE_SECONDS) or trial.end()
                if isinstance(told, Ended):
                    ended = told
                else:
                    tell(told)
                    left.pop(0)
            trial.wait(GRACE_SECONDS)
        finally:
            trial.end()
        if ended is not None:
            words = ended.err.decode("utf-8", "replace")[-300:]
            tell(failed(left.pop(0), f"its process ended with {ended.code}: {words}"))


def _told(inbox: SimpleQueue[Any], seconds: float) -> Any:
    """What a process says next, or how it ended; ``None`` if it is silent for so long."""
    try:
        return inbox.get(timeout=seconds)
    except Empty:
        return None


def run(asked: Sequence[Task], workers: int, seconds: float, tell: Callable[[Outcome], None]) -> None:
    """Outcomes of all tasks; ``tell`` is called by one thread at a time."""
    run_all("variant_trials", asked, workers, seconds, tell, failure)


def run_all(
    module: str,
    asked: Sequence[Any],
    workers: int,
    seconds: float,
    tell: Callable[[Any], None],
    failed: Callable[[Any, str], Any],
) -> None:
    """:func:`in_processes` for tasks of several solvers, side by side; ``tell`` is called by one thread at a time."""
    chunks: list[list[Any]] = []
    for solver in dict.fromkeys(task.solver for task in asked):
        mine = [task for task in asked if task.solver == solver]
        chunks += [mine[at : at + CHUNK] for at in range(0, len(mine), CHUNK)]
    chunks.sort(key=lambda chunk: chunk[0].seed)
    lock = threading.Lock()

    def locked(found: Any) -> None:
        with lock:
            tell(found)

    with ThreadPoolExecutor(workers) as pool:
        for future in [pool.submit(in_processes, module, chunk, seconds, locked, failed) for chunk in chunks]:
            future.result()


if __name__ == "__main__":
    import_module(f"{__package__}.{sys.argv[1]}").main()
