"""Heuristics: what they say of a network is what the batch evaluator says, and where they end."""

from __future__ import annotations

import ctypes
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mipdesign.benchmarks.corpus.small import best_by_enumeration, every_network, small_problem, varied_problem
from scale import examples

from mipdesign.lattice.batch import Batch, evaluate_batch
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Candidate
from mipdesign.lattice.tables import Tables
from mipdesign.native.library import function
from mipdesign.search.coverage import build_tables
from mipdesign.search.heuristics import MovesStructure, annealed, candidate_at, descended, incumbent, moves_of, polish

VARIED = st.builds(varied_problem, st.integers(0, 100))


def check(tables: Tables, found: Candidate) -> None:
    """That the batch evaluator says the same of a network, and that it keeps all budgets."""
    stem, columns, depths = found.position
    evaluation = evaluate_batch(tables, Batch(np.array([stem]), np.array(columns)[:, None], np.array(depths)[:, None]))
    assert evaluation.objective[0] == pytest.approx(found.objective, rel=1e-12, abs=1e-9)
    assert evaluation.chained[0] and (evaluation.excess <= 1e-12).all()


def incumbents(tables: Tables, seed: int = 0, seconds: float = 60.0, restarts: int = 1000) -> list[Candidate]:
    """Everything found in so many restarts."""
    found: list[Candidate] = []
    left = iter(range(restarts))
    incumbent(tables, seed, seconds, found.append, lambda: next(left, None) is None)
    return found


def test_moves_have_the_same_layout_on_both_sides() -> None:
    assert function("size_of_moves", "i", "")() == ctypes.sizeof(MovesStructure)


@examples(60)
@given(VARIED, st.integers(0, 1000), st.integers(1, 2000))
def test_parts_that_are_kept_make_the_objective_of_a_whole_network(problem, seed: int, steps: int) -> None:
    """Annealing evaluates what changes: wherever a walk ends, nothing has been left over from a network before."""
    tables = build_tables(problem)
    vector, value = annealed(tables, seed, steps, 100.0)
    if value == -math.inf:
        return
    check(tables, candidate_at(tables, vector, value))


@examples(60)
@given(VARIED, st.randoms(use_true_random=False))
def test_a_descent_ends_at_a_network_that_is_no_worse_and_keeps_all_budgets(problem, random) -> None:
    tables = build_tables(problem)
    moves = moves_of(tables)
    start = np.array([random.randrange(int(size)) for size in moves.sizes])
    vector, value = descended(tables, start, 1000)
    if value == -math.inf:
        return
    found = candidate_at(tables, vector, value)
    check(tables, found)
    again = polish(tables, found.position)
    assert again is not None and again.objective >= value - 1e-9 * abs(value)


def test_the_best_of_small_problems_is_found() -> None:
    found = missed = 0
    for seed in range(40):
        problem = varied_problem(seed)
        best = best_by_enumeration(problem)
        tables = build_tables(problem)
        networks = incumbents(tables, restarts=5)
        kept = [n for n in networks if not problem.violations(tables.architecture(n.position))]
        if best is None:
            assert not kept
            continue
        reached = max((network.objective for network in kept), default=-math.inf)
        assert reached <= float(best) + 1e-9 * abs(float(best))
        reaches = reached >= float(best) - 1e-9 * abs(float(best))
        found, missed = found + reaches, missed + (not reaches)
    assert missed <= found / 10


def test_what_keeps_all_budgets_is_never_lost() -> None:
    """Regression: a descent that ended beyond a limit forgot the network that it began with."""
    for seed in range(20):
        tables = build_tables(small_problem(seed, None))
        for network in incumbents(tables, restarts=2):
            polished = polish(tables, network.position)
            assert polished is not None and polished.objective >= network.objective - 1e-9 * abs(network.objective)


def test_equal_seeds_find_equal_networks() -> None:
    tables = build_tables(small_problem(3))
    assert incumbents(tables, 1, restarts=3) == incumbents(tables, 1, restarts=3)


def test_restarts_end_when_they_bring_nothing_new() -> None:
    """An hour is allowed, and not used: the best of a small space is reached again soon."""
    ended = 0
    for seed in range(8):
        tables, restarts = build_tables(small_problem(seed, None)), itertools.count(1)
        networks: list[Candidate] = []
        incumbent(tables, 0, 3600.0, networks.append, lambda restarts=restarts: next(restarts) > 50)  # type: ignore[misc]
        ended += bool(networks) and next(restarts) <= 50
    assert ended >= 4


def test_a_search_that_is_stopped_finds_nothing() -> None:
    assert incumbents(build_tables(small_problem(3)), restarts=0) == []


def test_vectors_reach_every_network() -> None:
    problem = varied_problem(5)
    tables = build_tables(problem)
    moves = moves_of(tables)
    grid = np.array(list(np.ndindex(*moves.sizes)))
    reached = set()
    for vector in grid:
        if all(vector[d] == vector[leader] for d, leader in enumerate(moves.leader)):
            position = candidate_at(tables, vector, 0.0).position
            if min(position.columns) >= 0:
                reached.add(position)
    whole = Cell.whole(tables)
    assert all(whole.contains(position) for position in reached)
    assert {tables.position(network) for network in every_network(problem)} <= reached
