"""Super-blocks whose blocks differ: tables and trees against the enumeration of all networks by the exact evaluator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from mipdesign.benchmarks.corpus.small import bits_problem, every_network, unequal_problem
from mipdesign.benchmarks.experiments.agreement import varied_agrees

from mipdesign.engine.driver import solve_here
from mipdesign.errors import SpecError
from mipdesign.lattice.additive_budgets import AdditiveBudget
from mipdesign.lattice.batch import Batch, evaluate_batch
from mipdesign.lattice.cell import Cell
from mipdesign.problem.problem import Problem
from mipdesign.search.coverage import build_tables
from mipdesign.search.outcome import Options

LIMITS_OF_OPERATIONS = {"activation_memory", "max_feature"}

problems = pytest.mark.parametrize("problem_of", [unequal_problem, bits_problem])


@problems
@pytest.mark.parametrize("seed", range(4))
def test_tables_hold_every_network_once_with_its_exact_figures(problem_of: Callable[[int], Problem], seed: int) -> None:
    problem = problem_of(seed)
    tables, networks = build_tables(problem), list(every_network(problem))
    found = [tables.find(network) for network in networks]
    positions = [position for position in found if position is not None]
    assert len(set(positions)) == len(networks)
    batch = Batch(*(np.array(part).T.copy() for part in zip(*positions, strict=True)))
    evaluation = evaluate_batch(tables, batch)
    for n, (network, position) in enumerate(zip(networks, positions, strict=True)):
        assert tables.architecture(position) == network
        evaluator = problem.evaluator(network)
        assert evaluation.objective[n] == pytest.approx(evaluator.evaluation.objective, rel=1e-12)
        assert evaluation.chained[n] == (not LIMITS_OF_OPERATIONS & set(problem.violations(network)))
        for name, count in zip(tables.counts, evaluation.counts[:, n].tolist(), strict=True):
            if name == "latency":
                assert count == evaluator.nanoseconds()
            elif not name.startswith("min_") and name != "weights_bytes":
                assert count == evaluator.count(name) * AdditiveBudget.of(name, problem).units
    if problem.budgets.max_feature is None:
        whole = Cell.whole(tables).tied(tables)
        assert whole is not None
        if whole.n_points(tables) <= 100_000:
            assert evaluate_batch(tables, whole.networks(tables)).chained.sum() == evaluation.chained.sum()


@problems
@pytest.mark.parametrize("seed", range(6))
def test_the_tree_finds_the_best_network(problem_of: Callable[[int], Problem], seed: int) -> None:
    assert varied_agrees(seed, problem_of)


def test_designs_of_one_super_block_whose_blocks_differ() -> None:
    data = unequal_problem(0).to_dict()
    stages = [stage | {"uniform": False, "depth": [2]} for stage in data["stages"]]
    problem = Problem.from_dict(data | {"stages": stages, "budgets": {}, "ties": []})
    outcome = solve_here(build_tables(problem), Options())
    assert outcome.status == "optimal"


def test_ties_that_have_no_meaning_are_refused() -> None:
    data = unequal_problem(0).to_dict()
    stages = [stage | {"uniform": False, "depth": [1, 2], "kernels": [3]} for stage in data["stages"]]
    stages[1]["uniform"] = True
    for same, words in (("kernel", "need not have the same kernel"), ("depth", "of which only")):
        with pytest.raises(SpecError, match=words):
            Problem.from_dict(data | {"stages": stages, "ties": [{"stages": [1, 2], "same": [same]}]})
