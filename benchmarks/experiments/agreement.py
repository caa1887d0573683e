"""Random small problems solved by the steps of the tree and by each formulation, held against exhaustive enumeration.

``python -m mipdesign.benchmarks agreement [--count N] [--varied N] [--first SEED]`` prints how many agree, and the seeds that
do not.
"""

from __future__ import annotations

import argparse

from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import Tables
from mipdesign.mip.closing import solve_cell
from mipdesign.mip.formulation import formulation_ids
from mipdesign.search.branching import LIST_STEPS
from mipdesign.search.coverage import build_tables
from mipdesign.search.incumbents import EQUAL_MARGIN

from ..corpus.small import best_by_enumeration, listing, small_problem, varied_problem
from .tree import grow


def found_by(way: str, tables: Tables, cutoff: float | None) -> set[Position]:
    """Networks that reach the cutoff, as one way of solving finds them; any feasible one if there is no cutoff."""
    if way == "presolve":
        return grow(tables, cutoff).found
    level = float("-inf") if cutoff is None else cutoff
    result = solve_cell(tables, Cell.whole(tables), level, way)
    if result.status != "closed":
        raise SystemExit(f"{way} ended with {result.status}: {result.message}")
    return {network.position for network in result.networks}


def varied_agrees(seed: int) -> bool:
    """Whether the tree finds the optimum of a varied problem, as the exact evaluator lists it; an early end of the
    listing makes the tree deep for most seeds.
    """
    problem = varied_problem(seed)
    best, tables = best_by_enumeration(problem), build_tables(problem)
    cutoff = None if best is None else float(best) - 1e-9 * abs(float(best))
    found = grow(tables, cutoff, list_steps=(200, 1000, LIST_STEPS)[seed % 3]).found
    return best == max((problem.evaluator(tables.architecture(p)).exact_objective() for p in found), default=None)


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--varied", type=int, default=0, help="problems with family choices and all budgets and constraints")
    arguments = parser.parse_args()
    if arguments.varied:
        seeds = range(arguments.first, arguments.first + arguments.varied)
        bad = [seed for seed in seeds if not varied_agrees(seed)]
        print(f"varied     {len(seeds) - len(bad)} of {len(seeds)} agree with enumeration by the exact evaluator{bad or ''}")
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
