"""Random small problems solved by every solver that is installed, held against exhaustive enumeration.

``python -m benchmarks.solver_agreement [--count N] [--first SEED] [--solver ID] [--formulation ID]`` prints for each solver and
each exact formulation how many answers agree, and the seeds of those that do not, by what is wrong with them:

* ``missed``: the solver claims an optimum or infeasibility, and there is a better network;
* ``bound``: its dual bound is below the optimum;
* ``refuted``: its network breaks a budget by exact arithmetic, a difference within the solver's tolerances;
* ``failed``: it ended without a claim.

Each solver runs in a process of its own, for not all of them can live together. Disagreements end it with exit code 1.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence

from benchmarks.measure import table
from benchmarks.small import listing, small_problem
from mipdesign.cell import Cell
from mipdesign.errors import MissingExtraError
from mipdesign.formulation import FormulationModel, formulation_ids, formulation_named
from mipdesign.lattice import build_tables
from mipdesign.refinement import solve
from mipdesign.solver import SolveOptions, Solver, refusal, solver_ids, solver_named

TOLERANCE = 1e-6
"""Relative difference of objectives that are the same."""
FAULTS = ("missed", "bound", "refuted", "failed")


def verdict(form: FormulationModel, solver: Solver, best: float | None) -> str:
    """What an answer is worth: ``agree``, ``refused``, or one of :data:`FAULTS`.

    Parameters
    ----------
    best:
        The optimum by enumeration; ``None`` if no network keeps the budgets.
    """
    if refusal(solver, form) is not None:
        return "refused"
    answer = solve(solver, form, SolveOptions())
    if answer.status not in ("optimal", "infeasible"):
        return "failed"
    slack = 0.0 if best is None else TOLERANCE * abs(best)
    if answer.values is None:
        return "agree" if answer.status == "infeasible" and best is None else "missed"
    architecture = form.tables.architecture(form.position(answer.values))
    if form.tables.problem.violations(architecture):
        return "refuted"
    assert best is not None
    if form.tables.problem.evaluator(architecture).evaluation.objective < best - slack:
        return "missed"
    return "bound" if answer.bound is not None and answer.bound < best - slack else "agree"


def verdicts(solver_id: str, formulation_id: str, seeds: Sequence[int]) -> dict[str, list[int]]:
    """Seeds by verdict."""
    found: dict[str, list[int]] = {}
    for seed in seeds:
        tables = build_tables(small_problem(seed))
        networks = listing(tables, Cell.whole(tables)).networks
        form = formulation_named(formulation_id).build(tables, Cell.whole(tables))
        word = verdict(form, solver_named(solver_id), float(networks[0][1]) if networks else None)
        found.setdefault(word, []).append(seed)
    return found


def in_child(solver_id: str, formulation_id: str, seeds: Sequence[int]) -> dict[str, list[int]]:
    """:func:`verdicts` from a process of its own."""
    arguments = ["--solver", solver_id, "--formulation", formulation_id, "--first", str(seeds[0]), "--count", str(len(seeds))]
    command = [sys.executable, "-m", "benchmarks.solver_agreement", "--json", *arguments]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if process.returncode:
        return {"failed": list(seeds)}
    found: dict[str, list[int]] = json.loads(process.stdout.splitlines()[-1])
    return found


def installed() -> dict[str, str]:
    """Versions of the solvers that are installed, by id."""
    versions = {}
    for solver_id in solver_ids():
        try:
            versions[solver_id] = solver_named(solver_id).version()
        except MissingExtraError:
            continue
    return versions


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--solver", action="append", help="all that are installed by default; repeatable")
    parser.add_argument("--formulation", action="append", help="all exact ones by default; repeatable")
    parser.add_argument("--json", action="store_true", help="one solver and one formulation, in this process")
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.count)
    versions = installed()
    solvers = arguments.solver or list(versions)
    formulations = arguments.formulation or [i for i in formulation_ids() if formulation_named(i).claim == "exact"]
    if arguments.json:
        print(json.dumps(verdicts(solvers[0], formulations[0], seeds)))
        return
    rows, faults = [], 0
    for solver_id in solvers:
        for formulation_id in formulations:
            found = in_child(solver_id, formulation_id, seeds)
            wrong = [f"{fault}: {', '.join(map(str, found[fault]))}" for fault in FAULTS if fault in found]
            faults += len(wrong)
            taken = len(seeds) - len(found.get("refused", ()))
            agree = len(found.get("agree", ()))
            if not taken:
                continue
            rows.append((solver_id, versions[solver_id], formulation_id, taken, agree, "; ".join(wrong) or None))
    print(table(("solver", "version", "formulation", "models taken", "agree", "seeds that do not"), rows))
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
