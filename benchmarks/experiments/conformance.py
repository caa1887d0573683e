"""The conformance suite: the contract of formulations and solvers, for those of the package and for any own one.

``python -m mipdesign.benchmarks conformance [--formulation ID] [--solver ID] [--plugin FILE.py] [--count N] [--first SEED]
[--check NAME] [--seconds S] [--workers N]`` carries out every check of
:mod:`mipdesign.benchmarks.experiments.conformance_checks` on the first N small problems, for every formulation with every
solver that are named (``lattice`` and ``scip`` by default). Each solver has processes of its own, and one that crashes costs
one check.

What solvers are known to do wrong is data: ``deviations.yaml`` says of a solver and its versions which checks fail on which
problems, and where that is written up. A failure that is not in there ends the command with exit code 1; so does a known one in
another version, which has to be looked at.
"""

from __future__ import annotations

import argparse
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

from mipdesign.errors import SpecError
from mipdesign.files import read_text
from mipdesign.machine import processors
from mipdesign.mip.formulation import formulation_named
from mipdesign.mip.solver import solver_named
from mipdesign.parsing import load_yaml, validated
from mipdesign.plugins import load_plugin

from ..corpus.instances import StudyModel
from .conformance_checks import CHECKS, Finding, Trial, failure
from .measure import table
from .variant_trials import run_all

DEVIATIONS = Path(__file__).with_name("deviations.yaml")
VERDICTS = ("holds", "known", "fails", "limit", "does not apply")
"""What is counted; ``known`` are failures that the deviations explain."""


class Deviation(StudyModel):
    """Something that a solver is known to do wrong.

    Attributes
    ----------
    solver, versions:
        Its id, and versions of the distribution that it needs.
    checks:
        Which checks fail.
    problems:
        On which problems, by formulation, whose name may have ``*``; empty for a deviation that no small problem shows.
    what, reference:
        What it does, and where that is written up.
    """

    solver: str
    versions: Annotated[list[str], Field(min_length=1)]
    checks: list[str] = Field(default=[])
    problems: dict[str, list[int]] = Field(default={})
    what: str
    reference: str

    def explains(self, finding: Finding) -> bool:
        """Whether a failure is this one."""
        formulation, solver, check, seed = finding.trial
        same = solver == self.solver and finding.package_version in self.versions and check in self.checks
        return same and any(fnmatchcase(formulation, name) and seed in seeds for name, seeds in self.problems.items())


class _Deviations(StudyModel):
    deviations: list[Deviation]


@cache
def known_deviations() -> tuple[Deviation, ...]:
    """Those of the file beside this module."""
    return tuple(validated(_Deviations, load_yaml(read_text(DEVIATIONS), str(DEVIATIONS)), str(DEVIATIONS)).deviations)


def explanation(finding: Finding) -> Deviation | None:
    """The deviation that a failure is; ``None`` if it is not known, or no failure."""
    if finding.verdict != "fails":
        return None
    return next((deviation for deviation in known_deviations() if deviation.explains(finding)), None)


def findings(
    formulations: Iterable[str],
    solvers: Iterable[str],
    seeds: Sequence[int],
    *,
    checks: Sequence[str] = tuple(CHECKS),
    seconds: float = 60.0,
    workers: int = 1,
) -> list[Finding]:
    """What the checks find, solver by solver and problem by problem.

    Raises
    ------
    SpecError
        If a formulation or a solver is not registered.
    MissingExtraError
        If a solver is not installed.
    """
    pairs = list(itertools.product(formulations, solvers))
    for formulation, solver in pairs:
        formulation_named(formulation)
        solver_named(solver).version()
    found: list[Finding] = []
    trials = [Trial(*pair, check, seed) for pair in pairs for seed in seeds for check in checks]
    run_all("conformance_checks", trials, workers, seconds, found.append, failure)
    order = {trial: at for at, trial in enumerate(trials)}
    return sorted(found, key=lambda finding: order[finding.trial])


def unexplained(found: Iterable[Finding]) -> list[str]:
    """The failures that no known deviation explains, a line each."""
    return [_line(finding) for finding in found if finding.verdict == "fails" and explanation(finding) is None]


def _line(finding: Finding) -> str:
    formulation, solver, check, seed = finding.trial
    return f"{formulation}, {solver} {finding.version}, {check}, problem {seed}: {finding.detail}"


def report(found: Sequence[Finding]) -> str:
    """A table for each formulation and solver, and the failures."""
    parts: list[str] = []
    for pair in dict.fromkeys(finding.trial[:2] for finding in found):
        mine = [finding for finding in found if finding.trial[:2] == pair]
        version = next((finding.version for finding in mine if finding.version), "")
        rows = []
        for check in dict.fromkeys(finding.trial.check for finding in mine):
            counts = Counter("known" if explanation(f) else f.verdict for f in mine if f.trial.check == check)
            rows.append((check, *(counts[verdict] or None for verdict in VERDICTS)))
        failed = unexplained(mine)
        known = [(finding, deviation) for finding in mine if (deviation := explanation(finding)) is not None]
        verdict = "does not conform" if failed else "conforms up to known deviations" if known else "conforms"
        parts += [f"{pair[0]} with {pair[1]} {version}: {verdict}", "", table(("check", *VERDICTS), rows), ""]
        parts += [f"FAILS: {line}" for line in failed]
        parts += [f"known: {_line(finding)} ({deviation.reference})" for finding, deviation in known]
        parts += [""] * bool(failed or known)
    return "\n".join(parts).rstrip()


def main() -> int:
    """Runs and prints; the exit code says whether all that is wrong was known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--formulation", action="append", help="'lattice' by default; repeatable")
    parser.add_argument("--solver", action="append", help="'scip' by default; repeatable")
    parser.add_argument("--plugin", type=Path, action="append", help="a Python file that registers variants; repeatable")
    parser.add_argument("--count", type=int, default=20, help="how many problems")
    parser.add_argument("--first", type=int, default=0, help="seed of the first one")
    parser.add_argument("--check", action="append", choices=list(CHECKS), help="all by default; repeatable")
    parser.add_argument("--seconds", type=float, default=60.0, help="time limit of a solver")
    parser.add_argument("--workers", type=int, default=processors(), help="processes at a time")
    arguments = parser.parse_args()
    if arguments.count < 1 or arguments.first < 0 or arguments.workers < 1 or not arguments.seconds > 0:
        raise SpecError("conformance", "a number is out of range", "give positive numbers")
    for path in arguments.plugin or ():
        load_plugin(path, "--plugin")
    found = findings(
        arguments.formulation or ["lattice"],
        arguments.solver or ["scip"],
        range(arguments.first, arguments.first + arguments.count),
        checks=arguments.check or list(CHECKS),
        seconds=arguments.seconds,
        workers=arguments.workers,
    )
    print(report(found))
    return int(bool(unexplained(found)))
