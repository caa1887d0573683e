"""Proven optima of instances, in a text file like the ``.solu`` files of MIPLIB.

A line is ``=opt= INSTANCE OBJECTIVE DIGEST`` or ``=inf= INSTANCE DIGEST``; the digest is that of the problem, so that an
instance which has changed is not held against an optimum that it no longer has. Lines that start with ``#`` are comments.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from mipdesign.designs.run import design
from mipdesign.errors import SpecError, short
from mipdesign.files import read_text, write_whole, writing
from mipdesign.problem.problem import Problem

SHIPPED = Path(__file__).with_name("optima.solu")
HEADER = "# Proven optima; 'python -m mipdesign.benchmarks optima STUDY.yaml' adds those of a study."


@dataclass(frozen=True)
class Optimum:
    """A proven optimum; an ``objective`` of ``None`` means that no network is feasible."""

    instance: str
    digest: str
    objective: Decimal | None

    def line(self) -> str:
        """Its line in the file."""
        parts = ["=inf=", self.instance] if self.objective is None else ["=opt=", self.instance, str(self.objective)]
        return " ".join([*parts, self.digest])


def parse_line(line: str) -> Optimum:
    """Inverse of :meth:`Optimum.line`.

    Raises
    ------
    SpecError
        If it is none.
    """
    kind, *parts = line.split()
    try:
        if kind == "=opt=" and len(parts) == 3 and re.fullmatch("[0-9a-f]{64}", parts[2]):
            objective = Decimal(parts[1])
            if objective.is_finite():
                return Optimum(parts[0], parts[2], objective)
        if kind == "=inf=" and len(parts) == 2 and re.fullmatch("[0-9a-f]{64}", parts[1]):
            return Optimum(parts[0], parts[1], None)
    except InvalidOperation:
        pass
    raise SpecError(
        "", f"{short(line)} is not an optimum", "write '=opt= INSTANCE OBJECTIVE DIGEST' or '=inf= INSTANCE DIGEST'"
    )


def read_optima(path: Path) -> dict[str, Optimum]:
    """Optima by digest.

    Raises
    ------
    SpecError
        If the file cannot be read, or a line is not an optimum.
    """
    optima = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            try:
                optimum = parse_line(line)
            except SpecError as error:
                raise SpecError(f"line {number}", error.problem, error.remedy, str(path)) from None
            optima[optimum.digest] = optimum
    return optima


def write_optima(path: Path, optima: Mapping[str, Optimum]) -> None:
    """Writes the file whole, ordered by name."""
    lines = sorted((optimum.line() for optimum in optima.values()), key=lambda line: (line.split()[1], line))
    with writing(path, "--optima"):
        write_whole(path, "\n".join([HEADER, *lines, ""]).encode())


def prove(
    problems: Iterable[Problem],
    path: Path,
    workers: int | None,
    on_problem: Callable[[int, int], None] = lambda done, total: None,
) -> list[str]:
    """Proves the optima that a file lacks, and adds each as soon as it is there.

    Returns
    -------
    Names of the instances whose optimum was not proved.
    """
    optima = read_optima(path) if path.exists() else {}
    wanted = [problem for problem in problems if problem.digest not in optima]
    unproved = []
    for done, problem in enumerate(wanted):
        on_problem(done, len(wanted))
        best = design(problem, workers=workers)
        if best.status in ("optimal", "infeasible") and not best.interrupted:
            network = best.architecture
            objective = None if network is None else problem.evaluator(network).exact_objective()
            optima[problem.digest] = Optimum(problem.name, problem.digest, objective)
            write_optima(path, optima)
        else:
            unproved.append(problem.name)
        if best.interrupted:
            raise KeyboardInterrupt
    on_problem(len(wanted), len(wanted))
    return unproved
