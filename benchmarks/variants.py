"""Every variant of the compact and the adaptive formulation on random small problems, held against exhaustive enumeration.

``python -m benchmarks.variants [--count N] [--first SEED]`` prints, for each combination of encoding, breakpoints and products,
how many optima are right (exact variants) or on the stated side (bounds), how far bounds are off, and the seeds that disagree.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from benchmarks.measure import middle, table
from benchmarks.small import listing, small_problem
from mipdesign.cell import Cell
from mipdesign.errors import SpecError
from mipdesign.formulation import Claim, formulation_named
from mipdesign.lattice import Position, Tables, build_tables
from mipdesign.refinement import solve
from mipdesign.solver import SolveOptions, solver_named

BREAKPOINTS = (
    "lattice",
    *(name + side for name in ("uniform-2", "geometric-2", "error-0.05") for side in ("", "-outer")),
    "uniform-2-touching",
)
"""Breakpoints with the parameters that small lattices have."""
COARSE = ("uniform-1",)
"""With what adaptive variants begin."""
TOLERANCE = 1e-6
"""Relative error of an objective that solvers are allowed."""

AT_LIMIT = 1e-7
"""Relative excess of the effectiveness that models may let pass."""


@dataclass(frozen=True)
class Outcome:
    """What a variant says of a problem."""

    claim: Claim
    agrees: bool
    error: float | None
    """Relative distance to the optimum, where there are both."""
    seconds: float


def variant_names() -> Iterator[str]:
    """All combinations that bound something."""
    yield from _combined("compact", BREAKPOINTS)
    yield from _combined("adaptive", COARSE)


def _combined(formulation_id: str, of_breakpoints: Iterable[str]) -> Iterator[str]:
    parts = formulation_named(formulation_id).parts()
    for encoding, breakpoints, product in itertools.product(parts["encodings"], of_breakpoints, parts["products"]):
        name = f"{formulation_id}:{encoding.id}:{breakpoints}:{product.id}"
        try:
            formulation_named(name)
        except SpecError:
            continue
        yield name


def agrees(claim: Claim, optimum: float | None, answer: float | None) -> bool:
    """Whether an optimum (``None``: infeasible) is what a claim allows."""
    known, found = (-math.inf if value is None else value for value in (optimum, answer))
    slack = TOLERANCE * max(1.0, abs(found), abs(known)) if math.isfinite(known) and math.isfinite(found) else 0.0
    return (claim == "lower" or found >= known - slack) and (claim == "upper" or found <= known + slack)


def outcome(name: str, tables: Tables, optimum: float | None) -> Outcome:
    """Solves a problem as a whole by SCIP.

    Raises
    ------
    SystemExit
        If SCIP ends without an answer.
    """
    formulation, solver = formulation_named(name), solver_named("scip")
    began = time.monotonic()
    form = formulation.build(tables, Cell.whole(tables))
    while True:
        answer = solve(solver, form, SolveOptions())
        if answer.status not in ("optimal", "infeasible"):
            raise SystemExit(f"{name} ended with {answer.status}: {answer.message}")
        if formulation.claim == "upper" or answer.values is None or not _at_limit(tables, form.position(answer.values)):
            break
        form.exclude(form.position(answer.values))
    error = None if optimum is None or answer.objective is None else abs(answer.objective - optimum) / max(1.0, abs(optimum))
    agreed = agrees(formulation.claim, optimum, answer.objective)
    return Outcome(formulation.claim, agreed, error, time.monotonic() - began)


def _at_limit(tables: Tables, position: Position) -> bool:
    """Whether a network breaks nothing but the effectiveness limit, by so little that floating point cannot tell: models are
    loosened by as much, and the exact check decides.
    """
    problem, architecture = tables.problem, tables.architecture(position)
    if problem.violations(architecture) != ["effectiveness"] or tables.rho is None:
        return False
    return bool(problem.evaluator(architecture).evaluation.effectiveness <= float(tables.rho) * (1 + AT_LIMIT))


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    arguments = parser.parse_args()
    outcomes: dict[str, dict[int, Outcome]] = {name: {} for name in variant_names()}
    for seed in range(arguments.first, arguments.first + arguments.count):
        tables = build_tables(small_problem(seed))
        networks = listing(tables, Cell.whole(tables)).networks
        for name, found in outcomes.items():
            found[seed] = outcome(name, tables, float(networks[0][1]) if networks else None)
    rows = []
    for name, found in outcomes.items():
        claim, bad = next(iter(found.values())).claim, [seed for seed, o in found.items() if not o.agrees]
        error, seconds = middle(o.error for o in found.values()), sum(o.seconds for o in found.values())
        rows.append((name, claim, f"{len(found) - len(bad)} of {len(found)}", error, seconds, bad or ""))
    print(table(("variant", "claim", "agree", "median error", "seconds", "disagreeing seeds"), rows))


if __name__ == "__main__":
    main()
