"""This version beside another one: whole processes in turns, with memory, and the same answers to the last digit.

``python -m mipdesign.benchmarks pair --against COMMIT [--presets NAME[:CONVENTION] ...] [--cases NAME ...] [--runs N]
[--workers N] [--first-run] [--no-reuse-packages] [--out FILE]`` checks the commit out, installs it and a copy of this working
tree each in an environment of its own, and runs the same commands with both in the order ABBA. It prints a row for each case:
median seconds, their ratio (this version by the other), their range, the most memory of all processes together, and what was
found. It fails where the two find another status or objective, and where a certificate of this version is not proved.

``--first-run`` measures the first design after an installation as well. ``--out FILE`` keeps a line of JSON for every run; when
the command is given again only what is missing is run, as long as neither version has changed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

from mipdesign.analysis.frontier_file import FRONTIER
from mipdesign.designs.certificate_file import CERTIFICATE
from mipdesign.designs.result import RESULT
from mipdesign.errors import SpecError
from mipdesign.json_lines import LineLog
from mipdesign.problem.problem import Problem

from .footprint import watched
from .measure import table
from .trees import Environment, checked_out, commit_of, copied, digest_of, output_of, repository

BOTH = ("reference", "paper")
QUICK = "tests/data/small.yaml"
PRESETS = (
    *(f"deepmad-{name}:{convention}" for name in ("r18", "r34", "r50") for convention in BOTH),
    *("deepmad-29m-224", "deepmad-29m-288", "deepmad-50m", "deepmad-89m", "resnet-choice", QUICK),
)
CASES = ("designs", "verify", "frontier", "workers")
VERIFIED, LARGE, SWEEP = "deepmad-r18", "deepmad-89m", "budgets.flops=0.5e9:4e9:16"
SIDES = ("this", "other")
MIXING = ("PYTHONPATH", "NUMBA_CACHE_DIR")
"""Variables of the environment by which one version would find files of another."""
HEADER = (
    *("case", "status", "objective", "this, s", "other, s", "ratio", "this, from-to", "other, from-to"),
    *("this, MB", "other, MB", "nodes, this", "nodes, other"),
)


@dataclass(frozen=True)
class Case:
    """What both versions do: ``words`` of the command line, without the folder of the results.

    ``kind``: ``design``, ``pareto``, ``verify`` (of a design that is made before), or ``first`` (a design by a version that has
    just been installed).
    """

    name: str
    kind: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """One run of a case: by which side, of which version (a hash), in which turn; what it took, and the status and objective of
    every network that it found.
    """

    case: str
    words: list[str]
    side: str
    version: str
    turn: int
    seconds: float
    memory_mb: float | None
    answers: list[list[Any]]
    nodes: int | None

    @property
    def key(self) -> tuple[object, ...]:
        """What was run."""
        return self.case, tuple(self.words), self.side, self.version, self.turn


@dataclass
class Version:
    """One side: its source tree, made when first needed, and environments of it; ``quick`` is a problem that is soon solved."""

    side: str
    digest: str
    make_tree: Callable[[], Path]
    place: Path
    quick: Path
    reuse_packages: bool
    made: int = field(default=0)

    @cached_property
    def tree(self) -> Path:
        """Its sources, which may be built in."""
        return self.make_tree()

    @cached_property
    def environment(self) -> Environment:
        """The environment of all runs but the first ones, in which what is compiled once has been."""
        environment = self.new_environment()
        self.design(environment, ("design", str(self.quick)), self.place / f"warm-{self.side}")
        return environment

    @cached_property
    def designed(self) -> Path:
        """A design to be verified."""
        folder = self.place / f"verified-{self.side}"
        self.design(self.environment, ("design", VERIFIED), folder)
        return folder

    def new_environment(self) -> Environment:
        """An environment in which nothing has run yet."""
        self.made += 1
        return Environment.make(self.tree, self.place / f"env-{self.side}-{self.made}", self.reuse_packages)

    def design(self, environment: Environment, words: Sequence[str], folder: Path) -> None:
        """Runs a command that is not measured."""
        output_of([environment.python, "-m", "mipdesign", *words, "--out", str(folder)], self.place)


def cases_of(presets: Sequence[str], chosen: Sequence[str], workers: int, first_run: bool, root: Path) -> list[Case]:
    """The cases that were asked for.

    Raises
    ------
    SpecError
        If a preset is none.
    """
    found, many = [], ("--workers", str(workers))
    for text in presets:
        name, _, convention = text.partition(":")
        convention = convention or "reference"
        if convention not in BOTH:
            raise SpecError("--presets", f"{text!r} has no convention", f"give NAME, or NAME:{' or NAME:'.join(BOTH)}")
        name = str(root / name) if (root / name).is_file() else name
        Problem.named(name)
        label = f"{Path(name).stem if name.endswith('.yaml') else name}, {convention}"
        found.append(Case(label, "design", ("design", name, "--convention", convention, *many)))
    found = found if "designs" in chosen else []
    if "verify" in chosen:
        found.append(Case(f"verify {VERIFIED}", "verify", ("verify",)))
    if "frontier" in chosen:
        found.append(Case(f"frontier of {VERIFIED}", "pareto", ("pareto", VERIFIED, "--sweep", SWEEP, *many)))
    if "workers" in chosen:
        found += [
            Case(f"{LARGE}, {text}", "design", ("design", LARGE, "--workers", str(n)))
            for n, text in ((1, "one worker"), (2, "two workers"))
        ]
    if first_run:
        found.append(Case(f"first run, {VERIFIED}", "first", ("design", VERIFIED, *many)))
    return found


def in_turns(runs: int) -> Iterator[tuple[str, int]]:
    """The runs of a case in the order ABBA, so that what drifts on a machine counts for both alike."""
    for turn in range(runs):
        for side in SIDES if turn % 2 == 0 else SIDES[::-1]:
            yield side, turn


def measured(case: Case, version: Version, turn: int) -> Run:
    """Runs a case once.

    Raises
    ------
    SystemExit
        If the command fails, or a certificate of this version is not proved.
    """
    environment = version.new_environment() if case.kind == "first" else version.environment
    out = version.place / "out"
    shutil.rmtree(out, ignore_errors=True)
    words = [*case.words, *([str(version.designed)] if case.kind == "verify" else ["--out", str(out)])]
    ended, memory = watched([environment.python, "-m", "mipdesign", *words], version.place)
    if ended.code:
        said = ended.err.decode(errors="replace")[-500:]
        raise SystemExit(f"{case.name}: the {version.side} version ended with {ended.code}: {said}")
    answers, nodes = found_in(out, case.kind)
    if version.side == "this" and case.kind != "verify":  # either fails unless all is proved
        check = ["mipdesign", "verify"] if case.kind == "pareto" else ["mipdesign.checker"]
        output_of([environment.python, "-m", *check, str(out)], version.place)
    if case.kind == "first":
        shutil.rmtree(environment.folder)
    return Run(case.name, list(case.words), version.side, version.digest, turn, ended.seconds, memory, answers, nodes)


def found_in(out: Path, kind: str) -> tuple[list[list[Any]], int | None]:
    """Status and objective of every network that a command wrote down, and the number of nodes of its certificate."""
    if kind == "verify":
        return [["proved", None]], None
    if kind == "pareto":
        points = json.loads((out / FRONTIER).read_text())["points"]
        return [[point["status"], point["objective"]] for point in points], None
    result = json.loads((out / RESULT).read_text())
    nodes = len(json.loads((out / CERTIFICATE).read_text())["tree"])
    return [[result["status"], result["objective"]]], nodes


def require_equal(runs: Iterable[Run]) -> None:
    """Raises
    ------
    SystemExit
        If two runs of a case found another status or objective.
    """
    first: dict[str, Run] = {}
    for run in runs:
        known = first.setdefault(run.case, run)
        if run.answers != known.answers:
            sides = f"the {known.side} version found {known.answers}, the {run.side} version {run.answers}"
            raise SystemExit(f"{run.case}: {sides} in turn {run.turn}")


def row(case: Case, runs: Sequence[Run]) -> tuple[object, ...]:
    """The row of a case."""
    sides = [[run for run in runs if run.case == case.name and run.side == side] for side in SIDES]
    seconds = [[run.seconds for run in of_side] for of_side in sides]
    middles = [median(values) for values in seconds]
    ranges = [f"{min(values):.2f}-{max(values):.2f}" for values in seconds]
    memory = [[run.memory_mb for run in of_side if run.memory_mb is not None] for of_side in sides]
    nodes = [[run.nodes for run in of_side if run.nodes is not None] for of_side in sides]
    answers = sides[0][0].answers
    statuses = sorted({str(status) for status, _ in answers})
    count = f"{len(answers)} " if len(answers) > 1 else ""
    return (
        case.name,
        count + ", ".join(statuses),
        answers[0][1] if len(answers) == 1 else "equal",
        *(round(value, 2) for value in middles),
        round(middles[0] / middles[1], 3),
        *ranges,
        *(round(max(values)) if values else None for values in memory),
        *(median(counts) if counts else None for counts in nodes),
    )


def report(cases: Sequence[Case], runs: Sequence[Run]) -> str:
    """The table, and what a second worker is worth to each version."""
    lines = [table(HEADER, [row(case, runs) for case in cases])]
    one, two = ([case for case in cases if case.name == f"{LARGE}, {text}"] for text in ("one worker", "two workers"))
    if one and two:
        middles = [row(case, runs)[3:5] for case in (*one, *two)]
        shares = [float(str(b)) / float(str(a)) for a, b in zip(*middles, strict=True)]
        lines.append(
            f"{LARGE}: two workers take {shares[0]:.2f} of the time of one with this version, {shares[1]:.2f} with the other."
        )
    return "\n\n".join(lines)


def compare(cases: Sequence[Case], runs: int, versions: Mapping[str, Version], log: Path | None) -> list[Run]:
    """All runs of some cases: those that a log has, and those that it lacks.

    Raises
    ------
    SystemExit
        If a run fails, or the versions find another status or objective.
    """
    found = []
    with nullcontext() if log is None else LineLog(log, Run, "a run of a pair of versions") as lines:
        known = {run.key: run for run in ([] if lines is None else lines.entries)}
        for case in cases:
            for side, turn in in_turns(runs):
                version = versions[side]
                run = known.get((case.name, case.words, side, version.digest, turn))
                if run is None:
                    run = measured(case, version, turn)
                    if lines is not None:
                        lines.append(run)
                found.append(run)
                require_equal(found)
            print(table(HEADER, [row(case, found)]).splitlines()[-1], flush=True)
    return found


def positive(text: str) -> int:
    """A whole number from 1 to 1000."""
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to 1000")
    return int(text)


def main() -> None:
    """Runs, prints and judges."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", metavar="COMMIT", required=True)
    parser.add_argument("--presets", nargs="+", metavar="NAME[:CONVENTION]", default=list(PRESETS))
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--runs", type=positive, default=5, help="of each version and case")
    parser.add_argument("--workers", type=positive, default=2)
    parser.add_argument("--first-run", action="store_true", help="the first design after an installation, too")
    parser.add_argument(
        "--reuse-packages",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="of the running environment; else they are installed in the versions of each tree's constraints",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="a line of JSON for every run; what it has is not run again")
    arguments = parser.parse_args()
    for name in MIXING:
        os.environ.pop(name, None)
    root = repository(Path(__file__).parent)
    commit = commit_of(root, arguments.against)
    cases = cases_of(arguments.presets, arguments.cases, arguments.workers, arguments.first_run, root)
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))

        def version(side: str, digest: str, make_tree: Callable[[], Path]) -> Version:
            return Version(side, digest, make_tree, place, root / QUICK, arguments.reuse_packages)

        versions = {
            "this": version("this", digest_of(root), lambda: copied(root, place / "this")),
            "other": version("other", commit, lambda: stack.enter_context(checked_out(root, commit, place / "other"))),
        }
        runs = compare(cases, arguments.runs, versions, arguments.out)
    print("\n" + report(cases, runs))


if __name__ == "__main__":
    main()
