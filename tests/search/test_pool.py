"""Worker processes move between the searches of a frontier, and none is lost on the way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
from mipdesign.search.workers import Workers

from mipdesign.analysis.frontier_runner import LocalRunner
from mipdesign.lattice.tables import Tables
from mipdesign.machine import processors
from mipdesign.problem.problem import Problem
from mipdesign.search.coverage import build_tables

SMALL = str(Path(__file__).parents[1] / "data" / "small.yaml")


@pytest.fixture(scope="module")
def tables() -> Tables:
    return build_tables(Problem.load(SMALL))


@pytest.fixture
def crews(tables: Tables) -> Iterator[tuple[Workers, Workers]]:
    """One that is at work, and one that has nothing to do; a worker each."""
    crews = Workers(1), Workers(1)
    crews[0].begin(tables, {})
    yield crews
    for workers in crews:
        workers.close()


def hear(workers: Workers, ready: int) -> None:
    """Listens until so many workers are ready."""
    while len(workers.idle()) < ready:
        assert workers.listen(120) is not None


def test_a_worker_that_joins_others_at_work_gets_its_problem(crews: tuple[Workers, Workers]) -> None:
    here, there = crews
    hear(here, 1)
    (worker,) = there.take()
    assert there.handles == []
    here.join(worker)
    hear(here, 2)
    assert worker in here.handles


def test_a_worker_that_joins_is_there_when_the_next_problem_begins(crews: tuple[Workers, Workers], tables: Tables) -> None:
    here, there = crews
    here.join(*there.take())
    here.begin(tables, {})
    assert len(here.handles) == 2
    hear(here, 2)


@pytest.mark.parametrize("begins", [False, True])
def test_a_worker_that_has_died_before_it_joins_is_replaced(
    crews: tuple[Workers, Workers], tables: Tables, begins: bool
) -> None:
    here, there = crews
    (worker,) = there.take()
    worker.kill()
    worker.process.wait()
    here.join(worker)
    if begins:
        here.begin(tables, {})
    hear(here, 2)
    assert worker not in here.handles


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system lends no single processors")
def test_there_is_a_worker_for_each_processor_that_it_may_use() -> None:
    lent = sorted(os.sched_getaffinity(0))
    assert processors() == len(lent)
    try:
        os.sched_setaffinity(0, lent[:1])
        workers = Workers()
    finally:
        os.sched_setaffinity(0, lent)
    assert len(workers.handles) == 1
    workers.close()


def test_workers_go_where_there_is_work() -> None:
    future: Future = Future()
    with LocalRunner(2, 3, lambda index, progress: None) as runner:
        first, second = runner.crews
        assert runner.room(begun=False) == 1 and runner.room(begun=True) == 2
        assert (len(first.handles), len(second.handles)) == (3, 0)
        runner.divide(1)
        assert (len(first.handles), len(second.handles)) == (0, 0) and first.inbox.qsize() == 3
        runner.divide(2)
        assert (first.inbox.qsize(), second.inbox.qsize()) == (2, 1)
        runner.free.remove(second)
        runner.taken[future] = second
        runner.help()
        for _ in range(3):
            second.listen(120)
        assert (len(first.handles), len(second.handles)) == (0, 3)
        runner.end(future)
        assert set(runner.free) == {first, second}
