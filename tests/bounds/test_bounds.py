"""Lagrangian bounds: valid at any prices, on any cell, and never the reason why a good network is lost."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mipdesign.benchmarks.corpus.small import (
    FAMILIES,
    listing,
    scored_problem,
    small_problem,
    varied_problem,
    video_problem,
)
from scale import examples

from mipdesign.bounds import optimise as sifting
from mipdesign.bounds.multipliers import Multipliers
from mipdesign.bounds.optimise import optimise
from mipdesign.bounds.relaxation import Relaxation
from mipdesign.lattice.batch import evaluate_batch
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.tables import Tables
from mipdesign.native.library import doubles, function
from mipdesign.problem.problem import Problem
from mipdesign.search.branching import Node, expand
from mipdesign.search.coverage import build_tables


@cache
def varied_tables(seed: int, problem_of: Callable[[int], Problem]) -> Tables:
    """Tables of a varied problem."""
    return build_tables(problem_of(seed))


def random_cell(tables: Tables, rng: np.random.Generator) -> Cell:
    """A product set of random non-empty choices."""

    def some(n: int) -> np.ndarray:
        return np.sort(rng.choice(n, int(rng.integers(1, n + 1)), replace=False))

    low, high = [], []
    for s in tables.stages:
        a, b = sorted(rng.integers(0, len(s.depths), 2))
        low.append(s.depths[a])
        high.append(s.depths[b])
    return Cell(some(len(tables.stem_c)), tuple(some(len(s.c)) for s in tables.stages), np.array(low), np.array(high))


def random_prices(tables: Tables, rng: np.random.Generator, worth: float) -> Multipliers:
    """Prices of any size, some of them zero."""

    def some(n: int) -> np.ndarray:
        return rng.exponential(worth, n) * (rng.random(n) < 0.7)

    n = len(tables.rho_stages)
    depth = rng.normal(0, worth / 10, len(tables.penalised))
    budget = some(len(tables.limits)) / np.maximum(np.abs(tables.limits), 1)
    return Multipliers(budget, some(n) / 50, rng.normal(0, worth / 20, n), depth)


@examples(300)
@given(st.integers(0, 10_000), st.sampled_from([*FAMILIES, None]), st.booleans())
def test_any_prices_bound_every_network_of_the_cell(seed: int, block: str | None, with_cutoff: bool) -> None:
    rng = np.random.default_rng(seed)
    tables = build_tables(small_problem(seed, block))
    cell = random_cell(tables, rng)
    networks = listing(tables, cell).networks
    best = float(networks[0][1]) if networks else -math.inf
    cutoff = best - abs(best) * rng.choice([0.0, 0.01, 0.5]) if with_cutoff and networks else -math.inf
    relaxation = Relaxation(tables, cell, cutoff)
    if relaxation.empty:
        assert not networks
        return
    for _ in range(3):
        prices = random_prices(tables, rng, max(1.0, abs(best)) if networks else 100.0)
        bound = relaxation.bound(prices)
        assert bound.outward >= best
        reduced = bound.fix_by_reduced_cost()
        for position, objective in networks:
            if float(objective) >= cutoff:
                assert reduced is not None and reduced.contains(position)


@examples(60)
@given(
    st.integers(0, 10_000),
    st.integers(0, 29),
    st.sampled_from([varied_problem, scored_problem, video_problem]),
    st.booleans(),
)
def test_any_prices_bound_every_network_with_any_budgets_and_terms(
    seed: int, problem_seed: int, problem_of: Callable[[int], Problem], with_cutoff: bool
) -> None:
    """Family choices, latency tables, lower limits, a priced effectiveness, scores that add, networks of video."""
    rng, tables = np.random.default_rng(seed), varied_tables(problem_seed, problem_of)
    cell = random_cell(tables, rng)
    evaluation = evaluate_batch(tables, cell.networks(tables))
    feasible, cutoff = evaluation.feasible, -math.inf
    if with_cutoff and feasible.any():
        cutoff = float(rng.choice(evaluation.objective[feasible]))
        feasible &= evaluation.objective >= cutoff
    relaxation = Relaxation(tables, cell, cutoff)
    if relaxation.empty:
        assert not feasible.any()
        return
    for _ in range(3):
        prices = random_prices(tables, rng, 100.0)
        bound = relaxation.bound(prices)
        assert (evaluation.objective[feasible] <= bound.outward).all()
        assert bound.path.objective[0] == pytest.approx(
            tables.problem.evaluator(tables.architecture(bound.path.position(0))).evaluation.objective, rel=1e-9, abs=1e-9
        )


@examples(150)
@given(st.integers(0, 10_000), st.sampled_from([*FAMILIES, None]), st.booleans())
def test_optimised_bound_is_valid_and_no_worse_than_its_start(seed: int, block: str | None, by_parts: bool) -> None:
    tables = build_tables(small_problem(seed, block))
    cell = Cell.whole(tables)
    networks = listing(tables, cell).networks
    if not networks:
        return
    best = float(networks[0][1])
    relaxation = Relaxation(tables, cell, best - 0.3 * abs(best) - 1.0)
    start = Multipliers.initial(tables, max(1.0, abs(best)))
    with pytest.MonkeyPatch.context() as patch:
        if by_parts:
            patch.setattr(sifting, "SIFTED_COLUMNS", 0)
            patch.setattr(sifting, "LEAST_COLUMNS", 1)
        outcome = optimise(relaxation, start, 20)
    assert best <= outcome.bound.outward
    assert outcome.bound.value <= relaxation.bound(start).value
    assert relaxation.bound(outcome.multipliers).value == outcome.bound.value


@examples(100)
@given(st.integers(0, 10_000), st.sampled_from([*FAMILIES, None]))
def test_bound_of_some_columns_is_no_larger_and_that_of_all_is_the_same(seed: int, block: str | None) -> None:
    rng = np.random.default_rng(seed)
    tables = build_tables(small_problem(seed, block))
    relaxation = Relaxation(tables, Cell.whole(tables), -math.inf)
    if relaxation.empty:
        return
    prices = random_prices(tables, rng, 100.0)
    whole, columns = relaxation.bound(prices), relaxation.n_columns
    same = relaxation.part(np.ones(columns, dtype=bool))
    assert same is not None and same.bound(prices).value == whole.value
    best = relaxation.part(relaxation.on_paths(whole.path))
    assert best is not None and best.bound(prices).value == whole.value
    some = relaxation.part(rng.random(columns) < 0.5)
    if some is not None:
        bound = some.bound(prices)
        assert bound.value <= whole.outward
        assert some.on_paths(bound.path).sum() == len(tables.stages) == relaxation.on_paths(bound.path).sum()


def test_a_large_cell_is_bounded_by_few_passes_over_all_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearly as well as by passes over all of them only."""
    tables = build_tables(Problem.preset("deepmad-r18"))
    relaxation = Relaxation(tables, Cell.whole(tables), 38_000.0)
    start = Multipliers.initial(tables, 38_000.0)
    by_parts = optimise(relaxation, start, 60)
    assert 1 < by_parts.passes <= 1 + sifting.ROUNDS
    monkeypatch.setattr(sifting, "SIFTED_COLUMNS", 10**9)
    at_once = optimise(relaxation, start, 60)
    assert at_once.passes > 1 + sifting.ROUNDS
    assert by_parts.bound.value - relaxation.cutoff <= 1.1 * (at_once.bound.value - relaxation.cutoff)


@examples(100)
@given(st.integers(0, 10_000))
def test_bound_without_the_objective_is_not_negative_where_a_network_is_feasible(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables = build_tables(small_problem(seed))
    cell = Cell.whole(tables)
    if not listing(tables, cell).networks:
        return
    relaxation = Relaxation(tables, cell, 0.0)
    prices = random_prices(tables, rng, 1.0)
    assert relaxation.bound(replace(prices, weight=0.0)).outward >= 0.0


@examples(100)
@given(st.integers(0, 10_000))
def test_path_of_a_bound_is_a_network_with_the_stated_figures(seed: int) -> None:
    tables = build_tables(small_problem(seed, None))
    cell = Cell.whole(tables)
    path = Relaxation(tables, cell, -math.inf).bound(random_prices(tables, np.random.default_rng(seed), 100.0)).path
    architecture = tables.architecture(path.position(0))
    assert not tables.problem.outside_space(architecture)
    exact = tables.problem.evaluator(architecture).evaluation
    assert path.counts[0].tolist() == [getattr(exact, name) for name in tables.counts]
    assert path.layers[0, -1] == exact.layers
    assert path.objective[0] == pytest.approx(exact.objective, rel=1e-9, abs=1e-9)


def test_prices_survive_a_file() -> None:
    tables = build_tables(small_problem(3))
    prices = random_prices(tables, np.random.default_rng(0), 10.0)
    again = Multipliers.from_list(tables, prices.to_list())
    assert again.to_list() == prices.to_list()
    with pytest.raises(ValueError, match="prices is expected"):
        Multipliers.from_list(tables, prices.to_list()[:-1])


@examples(100)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 8))
def test_projection_reaches_its_level_by_the_shortest_step(seed: int, dims: int, rows: int) -> None:
    """Against points sampled from the feasible set: none is nearer."""
    rng = np.random.default_rng(seed)
    slopes, centre = rng.normal(size=(rows, dims)), rng.exponential(size=dims)
    inside = np.maximum(0.0, centre + rng.normal(size=dims))
    excess = -slopes @ (inside - centre) - rng.exponential(0.1, rows)
    step, duals, signed = np.empty(dims), np.empty(rows), np.ones(dims, bool)
    problem = (doubles(excess), doubles(slopes), doubles(centre), signed.ctypes.data, 1.0)
    found = function("level_step", "b", "iippppdpp")(dims, rows, *problem, doubles(step), doubles(duals))
    assert found and (duals >= 0).all()
    assert (excess + slopes @ step <= 1e-6).all() and (centre + step >= -1e-6).all()
    for _ in range(50):
        other = np.maximum(0.0, inside + rng.normal(0, 0.3, dims)) - centre
        if (excess + slopes @ other <= 0).all():
            assert np.linalg.norm(step) <= np.linalg.norm(other) + 1e-6


def test_cell_whose_depths_cannot_be_even_is_excluded_at_once() -> None:
    """Regression: a penalty beyond the range of its exponential left its tangent at useless depths: a tree without end."""
    tables = build_tables(Problem.preset("deepmad-r34", ["convention=paper"]))
    whole = Cell.whole(tables)
    low = whole.low.copy()
    low[3] = 64
    prices = Multipliers(np.zeros(2), np.array([429.1]), np.array([3097.9]), np.zeros(5))
    node = Node("0", Cell(whole.stem, whole.columns, low, whole.high), math.inf, prices)
    assert expand(tables, node, 73416.0).record.verdict == "excluded"
