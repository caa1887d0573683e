"""The presolve tree finds exactly the networks that an exhaustive listing finds, and proves infeasibility."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mipdesign.benchmarks.corpus.small import FAMILIES, listing, small_problem, varied_problem
from mipdesign.benchmarks.experiments.agreement import varied_agrees
from mipdesign.benchmarks.experiments.tree import grow
from scale import examples, few, of

from mipdesign.bounds.multipliers import Multipliers
from mipdesign.bounds.relaxation import Relaxation
from mipdesign.lattice.cell import Cell
from mipdesign.mip.closing import solve_cell
from mipdesign.native.library import doubles, function, integers
from mipdesign.search.branching import Expansion, Node
from mipdesign.search.coverage import build_tables

TIE = 1e-7


@pytest.mark.parametrize("block", [*FAMILIES, None])
@pytest.mark.parametrize("first", few(range(0, 300, 50), 2))
def test_tree_equals_enumeration(first: int, block: str | None) -> None:
    infeasible = 0
    for seed in range(first, first + (50 if block == "bottleneck" else 10)):
        tables = build_tables(small_problem(seed, block))
        known = listing(tables, Cell.whole(tables))
        if not known.networks:
            infeasible += 1
            assert not grow(tables, None).found
            continue
        best = float(known.networks[0][1])
        cutoff = best - TIE * abs(best)

        def check(node: Node, expansion: Expansion, known=known, cutoff=cutoff) -> None:
            inside = [float(objective) for position, objective in known.networks if node.cell.contains(position)]
            if inside and inside[0] >= cutoff:
                assert expansion.bound >= inside[0] - 1e-9 * abs(inside[0])

        found = grow(tables, cutoff, seen=check).found
        assert known.reaching(cutoff) <= found
        assert all(position in {p for p, _ in known.networks} for position in found)
    assert infeasible < 50


@pytest.mark.parametrize("first", few(range(0, 60, 10), 1))
def test_choices_budgets_and_constraints_equal_enumeration_by_the_exact_evaluator(first: int) -> None:
    for seed in range(first, first + of(10, 8)):
        assert varied_agrees(seed), seed


@pytest.mark.parametrize("first", few(range(0, 40, 10), 2))
def test_cells_left_to_the_solver_hold_what_the_tree_did_not_list(first: int) -> None:
    """Handing over early: what SCIP finds in the cells and what the tree lists make up the enumeration."""
    cells = 0
    for seed in range(first, first + 10):
        tables = build_tables(small_problem(seed))
        known = listing(tables, Cell.whole(tables))
        if not known.networks:
            continue
        best = float(known.networks[0][1])
        cutoff = best - 0.02 * abs(best)
        tree = grow(tables, cutoff, solver_columns=40, list_steps=0)
        found = set(tree.found)
        for cell in tree.cells:
            result = solve_cell(tables, cell, cutoff, "lattice")
            assert result.status == "closed"
            found |= {network.position for network in result.networks}
        cells += len(tree.cells)
        assert {p for p in known.reaching(best - TIE * abs(best))} <= found
    assert cells > 0


def test_larger_cutoff_needs_no_more_nodes() -> None:
    tables = build_tables(small_problem(11))
    best = float(listing(tables, Cell.whole(tables)).networks[0][1])
    assert grow(tables, best).nodes <= grow(tables, best - 0.5 * abs(best)).nodes


@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_a_split_at_the_middle_of_an_extent_leaves_values_on_both_sides(seed: int, random) -> None:
    tables, extents, room = build_tables(small_problem(seed)), np.empty(7), np.empty(1000)
    survey = function("survey_of", "i", "ppipp")
    for s, first in zip(tables.stages, tables.arrays.offsets, strict=False):
        kept = np.array(sorted(random.sample(range(len(s.c)), random.randint(1, len(s.c)))))
        n = survey(tables.arrays.address, integers(kept + first), len(kept), doubles(extents), doubles(room))
        assert room[:n].tolist() == np.unique(s.k[kept]).tolist() and extents[6] == s.t[kept].max()
        for (low, high, middle), values in zip(extents[:6].reshape(2, 3).tolist(), (s.c, s.b), strict=True):
            chosen = values[kept]
            assert (low, high) == (chosen.min(), chosen.max())
            below = chosen[(chosen <= math.sqrt(low * high)) & (chosen < high)]
            assert middle == (below.max() if len(below) else low)
            assert low == high or ((chosen <= middle).any() and (chosen > middle).any())


@examples(40)
@given(st.integers(0, 10_000), st.booleans())
def test_the_halves_of_a_split_are_what_reduced_cost_fixing_has_left(seed: int, with_objective: bool) -> None:
    tables = build_tables(varied_problem(seed))

    def check(node: Node, expansion: Expansion) -> None:
        record = expansion.record
        if record.split is None:
            return
        relaxation = Relaxation(tables, node.cell, record.cutoff)
        reduced = relaxation.bound(Multipliers.from_list(tables, record.multipliers)).fix_by_reduced_cost()
        assert reduced is not None
        lower, upper = (record.split.half(tables, reduced, half) for half in (False, True))
        assert [child.cell.digest for child in expansion.children] == [lower.digest, upper.digest]
        assert all(len(part) for half in (lower, upper) for part in (half.stem, *half.columns))
        at = record.split.index
        if record.split.kind == "depth":
            assert lower.high[at] == record.split.threshold < upper.low[at]
        elif record.split.kind != "stem":
            assert sorted([*lower.columns[at], *upper.columns[at]]) == reduced.columns[at].tolist()

    grow(tables, 0.0 if with_objective else None, list_steps=20, seen=check)
