"""Every formulation and every solver on random small problems, held against the enumeration of all networks.

``python -m mipdesign.benchmarks variants [--count N] [--first SEED] [--family NAME] [--solver ID] [--formulation ID]
[--plugin FILE.py] [--workers N] [--out FILE]`` draws problems of bottleneck blocks, or of other block families (``--family
all`` for every one), and solves each with every registered formulation, every combination of parts of the compact and the
adaptive one, and every solver that is installed and takes the model (bounds: SCIP, unless solvers are named). The table at the
end says for each of them how many models it took, how many answers agree, how far they are from the optimum, and the seeds of
those that do not agree, by what is wrong with them:

* ``missed``: it claims an optimum or infeasibility, and there is a better network;
* ``bound``: its dual bound is below the optimum;
* ``refuted``: its network breaks a budget by exact arithmetic, or has not the objective that the model says;
* ``error``: objective or count of a network in the model are on the wrong side of the exact ones, or further from them than
  the formulation's proven error;
* ``failed``: it ended without a claim, or not at all.

One that runs out of time (``--seconds``) is counted apart. A formulation that is an upper bound promises no network, one that
is a lower bound excludes none. A solver has processes of its own, for not all of them can live together, and one that crashes
is followed by another for what it left. Every answer is a line of ``FILE``; what has one is not run again. Disagreements end it
with exit code 1.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mipdesign.errors import SpecError
from mipdesign.json_lines import LineLog
from mipdesign.machine import processors
from mipdesign.mip.formulation import formulation_ids, formulation_named
from mipdesign.mip.solver import solver_named
from mipdesign.plugins import load_plugin

from ..corpus.small import EVERY_FAMILY
from .measure import middle, table
from .variant_outcomes import BOTTLENECK, FAULTS, Outcome, Task
from .variant_trials import installed, run

BREAKPOINTS = (
    "lattice",
    *(name + side for name in ("uniform-2", "geometric-2", "error-0.05") for side in ("", "-outer")),
    "uniform-2-touching",
)
"""Breakpoints with the parameters that small lattices have."""
COARSE = ("uniform-1",)
"""With what adaptive variants begin."""
ALL = "all"
"""Stands for every family."""
REPORT_SECONDS = 10.0
"""Time between two lines about the progress."""


def variant_names() -> Iterator[str]:
    """All combinations of parts of the compact and the adaptive formulation that bound something."""
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


def tasks(
    formulations: Sequence[str],
    solvers: Sequence[str],
    seeds: Iterable[int],
    all_bounds: bool,
    families: Sequence[str] = (BOTTLENECK,),
) -> list[Task]:
    """All combinations, seed by seed; bounds go to SCIP alone unless ``all_bounds``."""
    pairs = [
        (formulation, solver)
        for solver in solvers
        for formulation in formulations
        if all_bounds or solver == "scip" or formulation_named(formulation).claim == "exact"
    ]
    return [Task(*pair, seed, family) for seed in seeds for family in families for pair in pairs]


def outcome_log(path: Path) -> LineLog[Outcome]:
    """The file of outcomes, one line each.

    Raises
    ------
    SpecError
        If the file cannot be used; see :class:`mipdesign.json_lines.LineLog`.
    """
    return LineLog(path, Outcome, "an outcome of this experiment")


def summary(outcomes: Iterable[Outcome]) -> str:
    """The table: a row per formulation and solver that took a model."""
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for found in outcomes:
        groups.setdefault((found.formulation, found.solver), []).append(found)
    rows: list[tuple[Any, ...]] = []
    for (formulation, solver), every in sorted(groups.items()):
        taken = [found for found in every if found.verdict != "refused"]
        if not taken:
            continue
        taken.sort(key=lambda found: (found.family, found.seed))
        seeds = {fault: [found.problem for found in taken if found.verdict == fault] for fault in FAULTS}
        wrong = "; ".join(f"{fault}: {', '.join(at)}" for fault, at in seeds.items() if at)
        errors = [found.error for found in taken if found.error is not None]
        rows.append(
            (
                formulation,
                solver,
                " / ".join(sorted({found.version for found in taken})),
                taken[0].claim,
                len(taken),
                sum(found.agrees for found in taken),
                sum(found.verdict == "limit" for found in taken),
                middle(errors),
                max(errors, default=None),
                sum(found.seconds for found in taken),
                wrong or None,
            )
        )
    header = (
        "formulation",
        "solver",
        "version",
        "claim",
        "models taken",
        "agree",
        "limit",
        "median error",
        "largest error",
        "seconds",
    )
    return table((*header, "seeds that do not"), rows)


def progress(total: int) -> Callable[[Outcome], None]:
    """Tells how far it is, on standard error, every :data:`REPORT_SECONDS`; and each disagreement at once."""
    began = told = time.monotonic()
    done = faults = 0

    def tell(found: Outcome) -> None:
        nonlocal told, done, faults
        done += 1
        if found.verdict in FAULTS:
            faults += 1
            print(f"{found.formulation} {found.solver} {found.problem}: {found.verdict}: {found.detail}", file=sys.stderr)
        now = time.monotonic()
        if now - told >= REPORT_SECONDS or done == total:
            told = now
            print(f"{done} of {total} answers, {faults} do not agree, {now - began:.0f} s", file=sys.stderr, flush=True)

    return tell


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20, help="how many problems")
    parser.add_argument("--first", type=int, default=0, help="seed of the first one")
    parser.add_argument("--family", action="append", choices=[*EVERY_FAMILY, ALL], help="bottleneck by default; repeatable")
    parser.add_argument("--solver", action="append", help="all that are installed by default; repeatable")
    parser.add_argument("--formulation", action="append", help="all by default; repeatable")
    parser.add_argument("--plugin", type=Path, action="append", help="a Python file that registers variants; repeatable")
    parser.add_argument("--workers", type=int, default=processors(), help="processes at a time")
    parser.add_argument("--seconds", type=float, default=60.0, help="time limit of a solver")
    parser.add_argument("--out", type=Path, help="file of outcomes, one line each; what is in it is not run again")
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.count)
    named = arguments.family or [BOTTLENECK]
    families = EVERY_FAMILY if ALL in named else tuple(named)
    try:
        for path in arguments.plugin or ():
            load_plugin(path, "--plugin")
        for solver_id in arguments.solver or ():
            solver_named(solver_id).version()
        formulations = arguments.formulation or [*formulation_ids(), *variant_names()]
        wanted = tasks(formulations, arguments.solver or list(installed()), seeds, bool(arguments.solver), families)
        with contextlib.ExitStack() as stack:
            log = None if arguments.out is None else stack.enter_context(outcome_log(arguments.out))
            outcomes = list(log.entries) if log is not None else []
            before = {found.task for found in outcomes}
            missing = [task for task in wanted if task not in before]
            report = progress(len(missing))

            def keep(found: Outcome) -> None:
                outcomes.append(found)
                if log is not None:
                    log.append(found)
                report(found)

            run(missing, arguments.workers, arguments.seconds, keep)
    except SpecError as error:
        raise SystemExit(f"error: {error}") from None
    asked = set(wanted)
    judged = [found for found in outcomes if found.task in asked]
    print(summary(judged))
    raise SystemExit(int(any(found.verdict in FAULTS for found in judged)))


if __name__ == "__main__":
    main()
