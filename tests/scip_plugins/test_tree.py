"""SCIP's tree with the plug-ins, in this process: answers, records, threads, and the ways to work."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Callable

import pytest
from mipdesign.benchmarks.corpus.small import (
    best_by_enumeration,
    listing,
    scored_problem,
    small_problem,
    varied_problem,
    video_problem,
)
from scale import few

from mipdesign.certificate.certificate import Certificate
from mipdesign.certificate.verification import claims
from mipdesign.checker import FAILS, HOLDS, TRUST
from mipdesign.engine.driver import solve_here
from mipdesign.errors import SpecError
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Candidate
from mipdesign.mip.formulation import formulation_named
from mipdesign.mip.start_values import start_values
from mipdesign.problem.problem import Problem
from mipdesign.scip_plugins.lagrangian_rows import add_rows
from mipdesign.scip_plugins.neighbourhood import Neighbourhoods
from mipdesign.scip_plugins.tree import Tree
from mipdesign.search.branching import Expansion, Node
from mipdesign.search.coverage import build_tables
from mipdesign.search.incumbents import OPTIMAL_GAP, Incumbents
from mipdesign.search.outcome import Options, Outcome, ScipOptions

DEEP = 30
"""Steps of listings so short that SCIP's tree gets deep on small problems, where no network is known before."""


def solved(problem: Problem, workers: int = 1, list_steps: int = DEEP, **scip: str) -> Outcome:
    """A problem solved in this process, its certificate checked by the independent checker."""
    tables = build_tables(problem)
    outcome = solve_here(tables, Options(workers=workers, list_steps=list_steps, annealing=False, scip=ScipOptions.of(scip)))
    certificate = Certificate.of(problem, tables, outcome, OPTIMAL_GAP)
    assert not [claim for claim in claims(certificate) if claim.outcome == FAILS]
    return outcome


def check(problem: Problem, outcome: Outcome) -> None:
    """That an answer is the enumerated one."""
    best = best_by_enumeration(problem)
    assert outcome.status == ("infeasible" if best is None else "optimal") and not outcome.incidents
    if best is not None:
        assert outcome.best is not None
        architecture = build_tables(problem).architecture(outcome.best.position)
        assert problem.evaluator(architecture).exact_objective() == best


@pytest.mark.parametrize(("seed", "workers"), few(list(itertools.product(range(40), (1, 2))), 14))
def test_every_kind_of_constraint_equals_enumeration(seed: int, workers: int) -> None:
    problem = varied_problem(seed)
    check(problem, solved(problem, workers))


SCORED = list(itertools.product(range(10), ("lagrangian", "lp"), (scored_problem, video_problem)))


@pytest.mark.parametrize(("seed", "relaxator", "problem_of"), few(SCORED, 12))
def test_every_score_equals_enumeration(seed: int, relaxator: str, problem_of: Callable[[int], Problem]) -> None:
    problem = problem_of(seed)
    check(problem, solved(problem, relaxator=relaxator))


@pytest.mark.parametrize(
    "scip",
    [
        {"propagation": "on"},
        {"encoding": "native"},
        {"encoding": "inc"},
        {"branching": "scip"},
        {"relaxator": "both"},
        {"relaxator": "lp", "encoding": "log"},
        {"relaxator": "both", "rows": "on"},
    ],
)
@pytest.mark.parametrize("seed", few([1, 2, 3, 6, 8], 2))
def test_all_ways_to_work_find_the_same(seed: int, scip: dict[str, str]) -> None:
    problem = small_problem(seed) if "rows" in scip else varied_problem(seed)
    check(problem, solved(problem, **scip))


def test_a_thread_ahead_expands_no_node_twice() -> None:
    """A child is added when its parent was expanded ahead, and again when SCIP makes it: a second expansion, with a better
    cutoff, would have another cell, and its children would be mixed with those of the first.
    """
    problem = small_problem(3)
    tables = build_tables(problem)
    model = formulation_named("minlp").whole(tables)
    tree, begun = Tree(tables, Incumbents(tables, OPTIMAL_GAP, lambda kept: None), model, list_steps=DEEP), []
    tree.begin([tree.root()])
    expand = tree.expand
    tree.expand = lambda node: begun.append(node.name) or expand(node)  # type: ignore[method-assign, func-returns-value]
    root, ahead = tree.first[0], tree.ahead
    ahead.heap = [(-root.bound, -2, root), (-root.bound, -1, root)]
    ahead.start(1)
    with ahead.condition:
        ahead.condition.wait_for(lambda: begun and all(node is not root for _, _, node in ahead.heap) and not ahead.in_work)
    assert ahead.take(root).record.node == ""
    ahead.stop()
    assert begun.count("") == 1 and len(begun) == len(set(begun))


def test_a_copy_of_the_model_keeps_other_limits() -> None:
    """The copy accepts a network under the limits that its figures are, and none under limits that are less by one."""
    problem = small_problem(3)
    tables = build_tables(problem)
    model = formulation_named("minlp").whole(tables)
    for candidate in listing(tables, Cell.whole(tables)).networks[:20]:
        evaluator = problem.evaluator(tables.architecture(candidate.position))
        for name in tables.counts:
            figure = int(evaluator.figure(name))
            for limit in (figure, figure - 1):
                other = build_tables(problem.with_limits({name: limit}), tables)
                assert other.stages is tables.stages
                copy = model.under(other)
                values = start_values(copy.rules, candidate.position)
                solution = copy.model.createSol()
                for variable, value in values.items():
                    copy.model.setSolVal(solution, copy.variables[variable], value)
                assert copy.model.checkSol(solution, printreason=False, original=True) == (limit == figure), (name, limit)


def test_scip_expands_another_node_while_a_thread_is_at_the_one_it_asks_for() -> None:
    tables = build_tables(small_problem(3))
    model = formulation_named("minlp").whole(tables)
    tree = Tree(tables, Incumbents(tables, OPTIMAL_GAP, lambda kept: None), model, list_steps=DEEP)
    tree.begin([tree.root()])
    ahead, expand, other_done = tree.ahead, tree.expand, threading.Event()
    children = expand(tree.first[0]).children
    first, second = sorted(children, key=lambda node: -node.bound)

    def slow(node: Node) -> Expansion:
        if node is second:
            other_done.set()
        else:
            assert other_done.wait(60)
        return expand(node)

    tree.expand = slow  # type: ignore[method-assign]
    ahead.start(1)
    ahead.add(first)
    while first.name not in ahead.in_work:
        time.sleep(0.001)
    ahead.closed = True  # the thread takes no other one
    ahead.add(second)
    assert ahead.take(first).record.node == first.name
    assert second.name in ahead.ready
    ahead.stop()


@pytest.mark.parametrize("seed", few(range(30), 6))
def test_no_network_breaks_the_rows_of_multipliers(seed: int) -> None:
    """Those that keep all budgets and reach the cutoff; and they bound the root as the relaxation does."""
    problem = small_problem(seed)
    tables = build_tables(problem)
    known = listing(tables, Cell.whole(tables)).networks
    if not known:
        return
    incumbents, model = Incumbents(tables, OPTIMAL_GAP), formulation_named("minlp").whole(tables, counted=True)
    incumbents.consider(Candidate(known[len(known) // 2][0], math.nan))
    tree = Tree(tables, incumbents, model)
    rows = len(model.model.getConss())
    bounds = add_rows(tree)
    assert len(model.model.getConss()) == rows + len(bounds)
    assert min(bounds) >= float(known[0][1]) - 1e-6
    for position, objective in known:
        if objective >= incumbents.cutoff:
            solution = model.model.createSol()
            for name, value in start_values(model.rules, position).items():
                model.model.setSolVal(solution, model.variables[name], value)
            assert model.model.checkSol(solution, printreason=False, original=True)


def test_rows_for_layers_that_depend_on_the_family_are_refused() -> None:
    data = small_problem(7).to_dict()
    data["stages"][0] |= {"block": ["bottleneck", "basic"]}
    with pytest.raises(SpecError, match=r"engine_options\.rows"):
        solved(Problem.from_dict(data), relaxator="lp", rows="on")


def test_a_tree_is_deep_and_all_of_it_is_in_the_certificate() -> None:
    problem = small_problem(7)
    outcome = solved(problem, list_steps=200)
    assert outcome.tree is not None and outcome.tree.nodes > 5
    names = {record.node for record in outcome.records}
    splits = {record.node for record in outcome.records if record.split is not None}
    assert len(names) == len(outcome.records) and names == {""} | {f"{name}{n}" for name in splits for n in "01"}


@pytest.mark.parametrize("workers", [1, 2])
def test_neighbourhoods_of_incumbents_are_searched(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the heuristic before a node, or by a thread beside SCIP: an emphasis of SCIP's must not turn it off."""
    asked: list[int] = []
    monkeypatch.setattr(Neighbourhoods, "search", lambda self: asked.append(1))
    solved(small_problem(7), workers, list_steps=200)
    assert asked


def test_a_limit_of_nodes_ends_with_a_bound_that_holds() -> None:
    outcome = solved(small_problem(7), nodes="3", list_steps=200)
    assert outcome.tree is not None and outcome.tree.nodes <= 2 * 3  # the first tree looks for a network at all
    assert outcome.status == "feasible" and outcome.open


def test_ways_without_a_certificate_say_so() -> None:
    outcome = solved(small_problem(7), branching="scip")
    assert [record.verdict for record in outcome.records] == ["solver"]
    (cell,) = outcome.solved
    assert cell.formulation == "minlp:sos2" and cell.result.nodes == outcome.tree.nodes  # type: ignore[union-attr]


def test_a_solvers_word_for_infeasibility_is_on_trust_and_solved_again() -> None:
    problem = small_problem(3)
    tables = build_tables(problem)
    outcome = solve_here(tables, Options(annealing=False, scip=ScipOptions.of({"branching": "scip"})))
    assert outcome.status == "infeasible" and [record.verdict for record in outcome.records] == ["solver"]
    certificate = Certificate.of(problem, tables, outcome, OPTIMAL_GAP)
    for quick in (False, True):
        assert {claim.outcome for claim in claims(certificate, quick=quick)} == {HOLDS, TRUST}
        assert {claim.outcome for claim in claims(certificate, quick=quick, resolve=True)} == {HOLDS}


@pytest.mark.parametrize(
    ("chosen", "field"),
    [
        ({"relaxator": "nlp"}, "engine_options.relaxator: 'nlp'"),
        ({"branching": "most"}, "engine_options.branching: 'most'"),
        ({"propagation": "true"}, "engine_options.propagation: 'true'"),
        ({"rows": "on"}, "engine_options.rows: without an LP"),
        ({"nodes": "0"}, "engine_options.nodes: '0'"),
        ({"nodes": "1e3"}, "engine_options.nodes: '1e3'"),
        ({"cuts": "on"}, "engine_options: 'cuts'"),
        ({"relaxator": "lp", "branching": "ours"}, "needs the cells of the Lagrangian relaxator"),
    ],
)
def test_options_that_are_none_are_refused(chosen: dict[str, str], field: str) -> None:
    with pytest.raises(SpecError, match=field):
        ScipOptions.of(chosen)
