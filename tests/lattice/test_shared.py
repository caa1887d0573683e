"""What threads share of the tables: the core reads it while others work."""

from __future__ import annotations

import threading

from mipdesign.benchmarks.corpus.small import small_problem

from mipdesign.search.coverage import build_tables
from mipdesign.search.heuristics import moves_of


def test_threads_get_the_same_of_what_is_worked_out_once() -> None:
    """Regression: two threads of heuristics worked out their moves, one of them was dropped while the core read it."""
    tables, gate, found = build_tables(small_problem(1)), threading.Barrier(8), []

    def work_out() -> object:
        gate.wait()  # all of them are at it
        return object()

    threads = [threading.Thread(target=lambda: found.append(tables.once("anything", work_out))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(map(id, found))) == 1


def test_moves_have_what_the_core_reads_before_threads_see_them() -> None:
    assert "structure" in vars(moves_of(build_tables(small_problem(1))))
