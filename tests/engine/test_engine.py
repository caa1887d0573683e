"""The process of the engine: kept, killed, stopped, out of memory; and how a frontier divides its workers."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import programs
import pytest
from mipdesign.benchmarks.corpus.small import small_problem

from mipdesign import Problem, design
from mipdesign.analysis.frontier_runner import LocalRunner
from mipdesign.certificate.certificate import Certificate
from mipdesign.certificate.verification import claims
from mipdesign.engine import driver
from mipdesign.engine.driver import solve
from mipdesign.engine.engine import Engine
from mipdesign.forks import SINGLE_THREADED
from mipdesign.machine import processors
from mipdesign.search.coverage import build_tables
from mipdesign.search.incumbents import OPTIMAL_GAP
from mipdesign.search.outcome import Options, Outcome, Progress

SMALL = Path(__file__).parents[1] / "data" / "small.yaml"


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(1)
    yield engine
    engine.close()


def process_of(engine: Engine) -> int:
    """Process id of an engine that runs."""
    assert engine.process is not None
    return engine.process.pid


def test_an_engine_is_kept_from_one_problem_to_the_next(engine: Engine) -> None:
    first, second = small_problem(7), small_problem(5)
    found = [design(problem, engine=engine) for problem in (first, second, first)]
    pid = process_of(engine)
    assert found[0].architecture == found[2].architecture and process_of(engine) == pid
    assert all(d.status in ("optimal", "infeasible") and not d.incidents for d in found)


def test_an_engine_that_died_between_two_problems_is_begun_anew(engine: Engine) -> None:
    design(small_problem(7), engine=engine)
    pid = process_of(engine)
    os.kill(pid, signal.SIGKILL)
    assert engine.process is not None
    engine.process.wait()
    found = design(small_problem(7), engine=engine)
    assert found.status == "optimal" and process_of(engine) != pid


def in_the_middle(problem: Problem, act: object, engine: Engine, options: Options) -> Outcome:
    """A run in which something happens once, with some nodes proved; its certificate is checked."""
    done: list[Progress] = []

    def watch(progress: Progress) -> None:
        if progress.phase == "tree" and progress.closed_nodes > 20 and not done:
            done.append(progress)
            act()  # type: ignore[operator]

    tables = build_tables(problem)
    outcome = solve(tables, options, watch, engine=engine)
    assert done
    certificate = Certificate.of(problem, tables, outcome, OPTIMAL_GAP)
    assert not [claim for claim in claims(certificate, quick=True) if claim.outcome == "fails"]
    return outcome


MEDIUM = ["budgets.flops=3e8", "budgets.params=2e6"]
"""r18's space with budgets that make a run last some seconds."""


def test_a_killed_engine_goes_on_from_what_it_handed_over(engine: Engine) -> None:
    problem = Problem.preset("deepmad-r18", MEDIUM)
    outcome = in_the_middle(problem, lambda: os.kill(process_of(engine), signal.SIGKILL), engine, Options())
    assert outcome.status == "optimal" and len(outcome.incidents) == 1
    assert "the search failed, attempt 1" in outcome.incidents[0]


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="the system stops no processes")
def test_an_engine_that_does_not_answer_is_killed_and_the_records_say_what_is_open(engine: Engine) -> None:
    def stop() -> None:
        os.kill(process_of(engine), signal.SIGSTOP)
        raise KeyboardInterrupt

    outcome = in_the_middle(Problem.preset("deepmad-r18"), stop, engine, Options())
    assert outcome.status == "feasible" and outcome.interrupted and outcome.open and len(outcome.records) > 20


def test_out_of_time_leaves_a_bound_that_holds(engine: Engine) -> None:
    """However far the tree gets on this machine."""
    problem = Problem.preset("deepmad-r18", MEDIUM)
    found = design(problem, engine=engine, time_limit=1.2)
    optimum = design(problem, engine=engine).objective
    assert optimum is not None and found.bound >= optimum and found.status != "infeasible"
    assert found.objective is None or found.objective <= optimum
    assert all(check.passed for check in found.checks(quick=True))


def test_out_of_memory_is_said_and_claims_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process may take less address space than its libraries need."""
    monkeypatch.setattr(driver, "ATTEMPTS", 1)
    problem = Problem.load(SMALL)
    tables, told = build_tables(problem), replace(Options(), memory_mb=100)
    outcome = solve(tables, told)
    assert outcome.status == "unknown" and outcome.bound > 2268 and outcome.incidents
    assert all("SCIP's process died" in incident for incident in outcome.incidents)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux copies processes here")
def test_an_engine_that_is_a_copy_of_its_parent_is_replaced_when_it_dies() -> None:
    said = programs.said("copied_engine", env=os.environ | SINGLE_THREADED)
    first, second = said["runs"]
    assert said["could"] and said["copies"] == [True, False] and said["left"] == []
    assert first["status"] == second["status"] == "optimal" and first["objective"] == second["objective"]
    assert len(first["incidents"]) == 1 and second["incidents"] == []


# ----------------------------------------------------------------- frontiers


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux copies processes here")
def test_a_frontier_is_the_same_by_copies_and_by_new_processes() -> None:
    said = programs.said("copied_frontier", env=os.environ | SINGLE_THREADED)
    assert said["could"] and said["copied"] == [True, True, False, False] and said["same"]
    assert all(point["status"] in ("optimal", "infeasible") for point in said["frontier"]["points"])


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system lends no single processors")
def test_there_is_a_worker_for_each_processor_that_it_may_use() -> None:
    lent = sorted(os.sched_getaffinity(0))
    assert processors() == len(lent)
    try:
        os.sched_setaffinity(0, lent[:1])
        assert processors() == 1
    finally:
        os.sched_setaffinity(0, lent)


def test_workers_go_where_there_is_work() -> None:
    with LocalRunner(2, 3, lambda index, progress: None) as runner:
        first, second = runner.engines
        assert runner.room(begun=False) == 1 and runner.room(begun=True) == 2
        runner.divide(1)
        assert (first.workers, second.workers) == (3, 0)
        runner.divide(2)
        assert (first.workers, second.workers) == (2, 1)
        future: Future = Future()
        runner.taken[future] = runner.free.pop(1)
        runner.help()
        assert (second.workers, runner.idle) == (3, 0)
        runner.end(future)
        assert second.workers == 0 and set(runner.free) == {first, second} and runner.idle == 3
