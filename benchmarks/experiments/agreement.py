"""Random small problems solved by the steps of the tree and by each formulation, held against exhaustive enumeration.

``python -m mipdesign.benchmarks agreement [--count N] [--varied N] [--scores N] [--video N] [--blocks N] [--bits N] [--values
N] [--fitted N] [--tree N] [--limits N] [--lists N] [--first SEED]`` prints how many agree, and the seeds that do not;
``--tree`` is SCIP's tree with the plug-ins, on problems of which three in five are infeasible or nearly; ``--limits`` is all
of these on problems with limits of all parameters and several latency tables; ``--lists`` are lists of near-optimal networks,
with their certificates.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from mipdesign.certificate.certificate import Certificate
from mipdesign.certificate.verification import claims
from mipdesign.checker import HOLDS
from mipdesign.engine.driver import solve_here
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import Tables
from mipdesign.mip.closing import solve_cell
from mipdesign.mip.formulation import formulation_ids, formulation_named
from mipdesign.problem.problem import Problem
from mipdesign.search.branching import LIST_STEPS
from mipdesign.search.coverage import build_tables
from mipdesign.search.incumbents import EQUAL_MARGIN, OPTIMAL_GAP
from mipdesign.search.outcome import Options

from ..corpus.limited import limited_problem
from ..corpus.small import (
    MOST_VARIED,
    best_by_enumeration,
    bits_problem,
    listing,
    scored_problem,
    small_problem,
    tight_problem,
    unequal_problem,
    varied_problem,
    video_problem,
)
from ..corpus.valued import fitted_problem, valued_problem
from .list_agreement import run_lists
from .tree import grow

WAYS = (Options(), Options(annealing=False, list_steps=100), Options(annealing=False, list_steps=30))
"""Without a network to start from, and with short listings, trees get deep even on small problems."""


def found_by(way: str, tables: Tables, cutoff: float | None) -> set[Position]:
    """Networks that reach the cutoff, as one way of solving finds them; any feasible one if there is no cutoff."""
    if way == "presolve":
        return grow(tables, cutoff).found
    level = float("-inf") if cutoff is None else cutoff
    result = solve_cell(tables, Cell.whole(tables), level, way)
    if result.status != "closed":
        raise SystemExit(f"{way} ended with {result.status}: {result.message}")
    return {network.position for network in result.networks}


def varied_agrees(seed: int, problem_of: Callable[[int], Problem] = varied_problem) -> bool:
    """Whether the tree finds the optimum of a varied problem, as the exact evaluator lists it; an early end of the
    listing makes the tree deep for most seeds.
    """
    problem = problem_of(seed)
    best, tables = best_by_enumeration(problem), build_tables(problem)
    cutoff = None if best is None else float(best) - 1e-9 * abs(float(best))
    found = grow(tables, cutoff, list_steps=(200, 1000, LIST_STEPS)[seed % 3]).found
    return best == max((problem.evaluator(tables.architecture(p)).exact_objective() for p in found), default=None)


def limits_agree(seed: int) -> list[str]:
    """The ways that do not find the optimum of a problem with several latency tables: the steps of the tree, SCIP's tree with a
    certificate that the checker accepts, and each formulation that has words for it.
    """
    problem = limited_problem(seed)
    best, tables = best_by_enumeration(problem), build_tables(problem)
    wrong = [] if varied_agrees(seed, limited_problem) else ["presolve"]
    if not tree_agrees(problem, 1, WAYS[seed % len(WAYS)])[0]:
        wrong.append("tree")
    cutoff = None if best is None else float(best) - EQUAL_MARGIN * abs(float(best))
    for way in formulation_ids():
        if formulation_named(way).unsupported(tables) is None:
            found = [problem.evaluator(tables.architecture(p)).exact_objective() for p in found_by(way, tables, cutoff)]
            wrong += [way] if max(found, default=None) != best else []
    return wrong


def tree_problem(seed: int) -> Problem:
    """A problem for SCIP's tree: of every kind of constraint, infeasible or nearly in three of five cases, or larger."""
    if seed % 5 == 0:
        return small_problem(seed)
    return varied_problem(seed) if seed % 5 == 1 else tight_problem(seed)


def enumerated(problem: Problem, tables: Tables) -> Decimal | None:
    """The optimum's exact objective: of a larger problem by the batch evaluator, which tells the networks near the best."""
    if problem.size() <= MOST_VARIED:
        return best_by_enumeration(problem)
    networks = listing(tables, Cell.whole(tables)).networks
    return max((Decimal(z) for _, z in networks), default=None)


def tree_agrees(problem: Problem, workers: int, options: Options) -> tuple[bool, int]:
    """Whether SCIP's tree finds the optimum of a problem, without an incident and with a certificate that the checker accepts;
    and how many nodes it had.
    """
    tables = build_tables(problem)
    best = enumerated(problem, tables)
    outcome = solve_here(tables, replace(options, workers=workers))
    agrees = outcome.status == ("infeasible" if best is None else "optimal") and not outcome.incidents
    if outcome.best is not None:
        agrees &= problem.evaluator(tables.architecture(outcome.best.position)).exact_objective() == best
    certificate = Certificate.of(problem, tables, outcome, OPTIMAL_GAP)
    agrees &= all(claim.outcome == HOLDS for claim in claims(certificate))
    return agrees, 0 if outcome.tree is None else outcome.tree.nodes


def run_trees(seeds: range) -> None:
    """Prints how many problems SCIP's tree solves as enumeration does, with one worker and with two."""
    infeasible = sum(enumerated(p, build_tables(p)) is None for p in map(tree_problem, seeds))
    for workers in (1, 2):
        results = {seed: tree_agrees(tree_problem(seed), workers, WAYS[seed % len(WAYS)]) for seed in seeds}
        bad = [seed for seed, (agrees, _) in results.items() if not agrees]
        nodes = sum(n for _, n in results.values())
        figures = f"{len(seeds) - len(bad)} of {len(seeds)} agree ({infeasible} infeasible), {nodes} nodes"
        print(f"SCIP's tree, {workers} workers: {figures} {bad or ''}", flush=True)


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--varied", type=int, default=0, help="problems with family choices and all budgets and constraints")
    parser.add_argument("--scores", type=int, default=0, help="the same with other scores, weights and exponents")
    parser.add_argument("--blocks", type=int, default=0, help="the same with super-blocks whose blocks may differ")
    parser.add_argument("--bits", type=int, default=0, help="problems of quantised networks")
    parser.add_argument("--values", type=int, default=0, help="varied problems with tables of values")
    parser.add_argument("--fitted", type=int, default=0, help="varied problems with scores fitted to random networks")
    parser.add_argument("--video", type=int, default=0, help="problems of video, with every score")
    parser.add_argument("--tree", type=int, default=0, help="problems with every kind of constraint for SCIP's tree")
    parser.add_argument(
        "--limits", type=int, default=0, help="problems with limits of all parameters and several latency tables"
    )
    parser.add_argument("--lists", type=int, default=0, help="lists of near-optimal networks of problems of every kind")
    arguments = parser.parse_args()
    if arguments.lists:
        raise SystemExit(bool(run_lists(arguments.first, arguments.lists)))
    if arguments.limits:
        outcomes = {seed: limits_agree(seed) for seed in range(arguments.first, arguments.first + arguments.limits)}
        bad_limits = {seed: wrong for seed, wrong in outcomes.items() if wrong}
        print(
            f"limits     {arguments.limits - len(bad_limits)} of {arguments.limits} agree with enumeration {bad_limits or ''}"
        )
        return
    if arguments.tree:
        run_trees(range(arguments.first, arguments.first + arguments.tree))
        return
    kinds = (
        ("varied", arguments.varied, varied_problem),
        ("scores", arguments.scores, scored_problem),
        ("blocks", arguments.blocks, unequal_problem),
        ("bits", arguments.bits, bits_problem),
        ("values", arguments.values, valued_problem),
        ("fitted", arguments.fitted, fitted_problem),
        ("video", arguments.video, video_problem),
    )
    for name, count, problem_of in kinds:
        seeds = range(arguments.first, arguments.first + count)
        bad = [seed for seed in seeds if not varied_agrees(seed, problem_of)]
        if count:
            print(f"{name:10} {len(seeds) - len(bad)} of {count} agree with enumeration by the exact evaluator{bad or ''}")
    if any(count for _, count, _ in kinds):
        return
    ways = ("presolve", *formulation_ids())
    wrong: dict[str, list[int]] = {way: [] for way in ways}
    infeasible = 0
    for seed in range(arguments.first, arguments.first + arguments.count):
        tables = build_tables(small_problem(seed))
        known = listing(tables, Cell.whole(tables))
        infeasible += not known.networks
        best = float(known.networks[0][1]) if known.networks else None
        cutoff = None if best is None else best - EQUAL_MARGIN * abs(best)
        expected = set() if cutoff is None else known.reaching(cutoff)
        for way in ways:
            if not expected <= (found := found_by(way, tables, cutoff)) or (not expected and found):
                wrong[way].append(seed)
    for way in ways:
        agree = arguments.count - len(wrong[way])
        print(f"{way:10} {agree} of {arguments.count} agree with enumeration ({infeasible} infeasible){wrong[way] or ''}")


if __name__ == "__main__":
    main()
