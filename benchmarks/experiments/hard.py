"""Hard specifications, held against enumeration by exact arithmetic: numbers right at what decides, or beyond the doubles.

Ratios with 15 to 17 digits, with more, and as fractions; limits exactly at a network's figure and one unit off; effectiveness
limits a hair above and below a network's; weights from 0 and 1e-300 to 1e6, penalties that overflow; limits around 2^53 and
above 2^63; lattices of one value, forbidden combinations, ties, neighbourhoods, latency tables with gaps; all families.

The oracle (:mod:`mipdesign.benchmarks.experiments.hard_oracle`) enumerates by code and exact arithmetic of its own. The tree's
answer has to be the same network, infeasible where there is none, and a refusal where the specification has no answer.

``python -m mipdesign.benchmarks hard [--count N] [--first SEED]`` prints how many agree, and the seeds that do not.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter

from mipdesign.bounds.multipliers import Multipliers
from mipdesign.certificate.certificate import Certificate
from mipdesign.certificate.verification import claims
from mipdesign.engine.driver import conclude
from mipdesign.errors import SpecError
from mipdesign.lattice.cell import Cell
from mipdesign.problem.problem import Problem
from mipdesign.search.branching import LIST_STEPS, Node, Record, expand
from mipdesign.search.coverage import build_tables
from mipdesign.search.incumbents import OPTIMAL_GAP, Incumbents

from .hard_oracle import Answer, expected
from .hard_problems import hard_problem


def found(problem: Problem, list_steps: int = LIST_STEPS) -> tuple[Answer, Certificate | None]:
    """The answer of a plain tree in this process, first for a network, then for the best, and its certificate: both follow from
    the records as in a design run.
    """
    try:
        tables = build_tables(problem)
    except SpecError as error:
        return Answer("refused", reason="latency" if error.field.startswith("budgets.latency") else str(error)), None
    incumbents = Incumbents(tables, OPTIMAL_GAP)
    for weight in (0.0, 1.0):
        records: list[Record] = []
        worth = 3.0 if weight == 0.0 else max(1.0, abs(incumbents.cutoff))
        stack = [Node("", Cell.whole(tables), math.inf, Multipliers.initial(tables, worth, weight))]
        while stack and (weight or incumbents.best is None):
            expansion = expand(tables, stack.pop(), incumbents.cutoff if weight else 0.0, 0, list_steps)
            records.append(expansion.record)
            for candidate in expansion.candidates:
                incumbents.consider(candidate)
            stack += expansion.children
        if incumbents.best is None:
            break
    try:
        outcome = conclude(tables, incumbents, records, [], weight == 0.0)
    except SpecError as error:
        return Answer("refused", reason="penalty" if error.field == "objective.penalty" else str(error)), None
    certificate = Certificate.of(problem, tables, outcome, OPTIMAL_GAP)
    if outcome.best is None:
        return Answer(outcome.status), certificate
    network = tables.architecture(outcome.best.position)
    return Answer(outcome.status, problem.evaluator(network).exact_objective(), network), certificate


def agreement(seed: int) -> tuple[str, str]:
    """Status of the answer by enumeration, and what differs, empty where nothing does."""
    problem = hard_problem(seed)
    if problem is None:
        return "refused at once", ""
    try:
        right = expected(problem)
    except AssertionError as error:
        return "space", str(error)
    answer, certificate = found(problem, (30, 200, LIST_STEPS)[seed % 3])
    if answer != right:
        return right.status, f"{answer} is not {right}"
    checked = [] if certificate is None else [claim for claim in claims(certificate) if not claim.passed]
    return right.status, f"its certificate is refused: {checked}" if checked else ""


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    arguments = parser.parse_args()
    statuses: Counter[str] = Counter()
    bad = []
    for seed in range(arguments.first, arguments.first + arguments.count):
        try:
            status, wrong = agreement(seed)
        except Exception as error:  # a crash is a disagreement like any other, and the next seed is of interest as well
            status, wrong = "crash", repr(error)
        statuses[status] += 1
        if wrong:
            bad.append(seed)
            print(f"seed {seed}: {wrong}", flush=True)
    kinds = ", ".join(f"{n} {status}" for status, n in sorted(statuses.items()))
    print(f"hard       {arguments.count - len(bad)} of {arguments.count} agree with exact enumeration ({kinds}){bad or ''}")


if __name__ == "__main__":
    main()
