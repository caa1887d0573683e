"""Child processes move between the searches of a frontier, and none is lost on the way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from mipdesign.analysis.frontier_runner import Lanes
from mipdesign.lattice.tables import Tables
from mipdesign.problem.problem import Problem
from mipdesign.search.coverage import build_tables
from mipdesign.search.workers import Pool, processors

SMALL = str(Path(__file__).parents[1] / "data" / "small.yaml")


@pytest.fixture(scope="module")
def tables() -> Tables:
    return build_tables(Problem.load(SMALL))


@pytest.fixture
def pools(tables: Tables) -> Iterator[tuple[Pool, Pool]]:
    """One that is at work, and one that has nothing to do; a child each."""
    pools = Pool(1), Pool(1)
    pools[0].begin(tables, {})
    yield pools
    for pool in pools:
        pool.close()


def hear(pool: Pool, ready: int) -> None:
    """Listens until so many children are ready."""
    while len(pool.idle()) < ready:
        assert pool.listen(120) is not None


def test_a_child_that_joins_a_pool_at_work_gets_its_problem(pools: tuple[Pool, Pool]) -> None:
    here, there = pools
    hear(here, 1)
    (child,) = there.take()
    assert there.children == []
    here.join(child)
    hear(here, 2)
    assert child in here.children


def test_a_child_that_joins_is_there_when_the_next_problem_begins(pools: tuple[Pool, Pool], tables: Tables) -> None:
    here, there = pools
    here.join(*there.take())
    here.begin(tables, {})
    assert len(here.children) == 2
    hear(here, 2)


@pytest.mark.parametrize("begins", [False, True])
def test_a_child_that_has_died_before_it_joins_is_replaced(pools: tuple[Pool, Pool], tables: Tables, begins: bool) -> None:
    here, there = pools
    (child,) = there.take()
    child.kill()
    child.process.wait()
    here.join(child)
    if begins:
        here.begin(tables, {})
    hear(here, 2)
    assert child not in here.children


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system lends no single processors")
def test_a_pool_has_a_child_for_each_processor_that_it_may_use() -> None:
    lent = sorted(os.sched_getaffinity(0))
    assert processors() == len(lent)
    try:
        os.sched_setaffinity(0, lent[:1])
        pool = Pool()
    finally:
        os.sched_setaffinity(0, lent)
    assert len(pool.children) == 1
    pool.close()


def test_children_go_where_there_is_work() -> None:
    future: Future = Future()
    with Lanes(2, 3, lambda index, progress: None) as lanes:
        first, second = lanes.pools
        assert lanes.room(begun=False) == 1 and lanes.room(begun=True) == 2
        assert (len(first.children), len(second.children)) == (3, 0)
        lanes.divide(1)
        assert (len(first.children), len(second.children)) == (0, 0) and first.inbox.qsize() == 3
        lanes.divide(2)
        assert (first.inbox.qsize(), second.inbox.qsize()) == (2, 1)
        lanes.free.remove(second)
        lanes.taken[future] = second
        lanes.help()
        for _ in range(3):
            second.listen(120)
        assert (len(first.children), len(second.children)) == (0, 3)
        lanes.end(future)
        assert set(lanes.free) == {first, second}
