"""Ties between super-blocks: in the space, in cells, in the heuristics, and in the optimum."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from haste import kept
from hypothesis import given
from hypothesis import strategies as st
from mipdesign.benchmarks.corpus.small import best_by_enumeration, every_network, varied_problem
from mipdesign.benchmarks.experiments.agreement import varied_agrees
from scale import examples, few

from mipdesign.designs.run import design
from mipdesign.errors import SpecError
from mipdesign.lattice.batch import evaluate_batch
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Candidate
from mipdesign.problem.problem import Problem
from mipdesign.search.coverage import build_tables
from mipdesign.search.heuristics import incumbent

SMALL = Path(__file__).parents[1] / "data" / "small.yaml"
TIED_SEEDS = list(itertools.islice((seed for seed in itertools.count() if varied_problem(seed).ties), 12))


@pytest.mark.parametrize("seed", few(TIED_SEEDS, 5))
def test_the_tree_agrees_with_enumeration(seed: int) -> None:
    assert varied_agrees(seed)


@examples(30)
@given(st.sampled_from(TIED_SEEDS))
def test_the_tied_part_of_a_space_holds_the_same_networks(seed: int) -> None:
    tables = build_tables(varied_problem(seed))
    whole = Cell.whole(tables)
    evaluation = evaluate_batch(tables, whole.networks(tables))
    expected = {tables.position(network) for network in every_network(tables.problem)}
    assert evaluation.chained.sum() >= len(expected)
    part = whole.tied(tables)
    if part is None:
        assert not expected
        return
    assert all(part.contains(position) for position in expected)
    assert part.tied(tables) is not None and part.tied(tables).digest == part.digest  # type: ignore[union-attr]


def test_overlapping_ties_are_one() -> None:
    ties = [{"stages": [1, 2], "same": ["depth", "kernel"]}, {"stages": [3, 2], "same": "depth"}]
    problem = Problem.load(SMALL, [f"ties={ties}"])
    assert {(tie.axis, tie.stages) for tie in problem.tied} == {("depth", (0, 1, 2)), ("kernel", (0, 1))}


@pytest.mark.parametrize(
    "same", few([["channels", "bottleneck", "depth"], ["channels"], ["bottleneck", "block"], ["depth", "kernel"]], 2)
)
def test_the_optimum_keeps_ties_and_is_proved(same: list[str]) -> None:
    problem = Problem.load(SMALL, [f"ties=[{{stages: [2, 3], same: {same}}}]", "stages.2.depth.max=3"])
    found = design(problem, engine=kept())
    assert found.status == "optimal" and found.architecture is not None
    second, third = found.architecture.stages[1:]
    assert all(getattr(second, axis) == getattr(third, axis) for axis in same)
    assert all(check.passed for check in found.checks())
    assert Problem.from_dict(problem.to_dict()).digest == problem.digest != Problem.load(SMALL).digest


def test_an_exact_optimum_with_ties() -> None:
    problem = next(p for p in map(varied_problem, TIED_SEEDS) if best_by_enumeration(p) is not None)
    found = design(problem, engine=kept())
    assert found.architecture is not None
    assert problem.evaluator(found.architecture).exact_objective() == best_by_enumeration(problem)


def test_the_heuristic_finds_only_tied_networks() -> None:
    problem = Problem.load(SMALL, ["ties=[{stages: [1, 2, 3], same: [kernel, bottleneck]}]"])
    tables, found = build_tables(problem), []

    def keep(candidate: Candidate) -> None:
        found.append(tables.architecture(candidate.position))

    incumbent(tables, 0, 0.0, keep, lambda: len(found) > 0)
    assert found
    for network in found:
        assert not problem.violations(network)
        assert len({(stage.kernel, stage.bottleneck) for stage in network.stages}) == 1


def test_splitting_one_tied_super_block_splits_the_others() -> None:
    tables = build_tables(Problem.load(SMALL, ["ties=[{stages: [1, 2], same: kernel}]"]))
    whole = Cell.whole(tables)
    columns = (whole.columns[0][tables.stages[0].k == 5], *whole.columns[1:])
    part = Cell(whole.stem, columns, whole.low, whole.high).tied(tables)
    assert part is not None
    assert set(tables.stages[1].k[part.columns[1]]) == {5}
    assert set(tables.stages[2].k[part.columns[2]]) == {3, 5}
    assert np.array_equal(part.stem, whole.stem)


@pytest.mark.parametrize(
    ("ties", "fault"),
    [
        ("[{stages: [1], same: [depth]}]", "ties.0.stages: [1] ties nothing"),
        ("[{stages: [1, 1], same: [depth]}]", "ties.0.stages: [1, 1] ties nothing"),
        ("[{stages: [1, 2], same: []}]", "ties.0.same: ties nothing"),
        ("[{stages: [1, 2]}]", "ties.0.same: is missing"),
        ("[{same: [depth]}]", "ties.0.stages: is missing"),
        ("[{stages: [1, 4], same: [depth]}]", "ties.0.stages: names super-block 4 of 3"),
        ("[{stages: [0, 1], same: [depth]}]", "ties.0.stages.0: 0 is refused"),
        ("[{stages: [1, 2], same: [width]}]", "ties.0.same.0: 'width' is refused"),
        ("[{stages: [1, 2], same: [depth], by: 2}]", "ties.0.by: is not a known field"),
        ("{stages: [1, 2]}", "ties:"),
        ("3", "ties: 3 is refused"),
    ],
)
def test_malformed_ties_are_refused(ties: str, fault: str) -> None:
    with pytest.raises(SpecError, match=re.escape(fault)):
        Problem.load(SMALL, [f"ties={ties}"])


def test_ties_without_a_common_value_are_refused() -> None:
    with pytest.raises(SpecError, match=r"ties\.0: super-blocks \[1, 2\] have no depth in common"):
        Problem.load(SMALL, ["ties=[{stages: [1, 2], same: depth}]", "stages.0.depth=[1]", "stages.1.depth=[2]"])
