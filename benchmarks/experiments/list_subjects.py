"""Valid certificates of lists of small problems, with the files of their networks, from the steps of the tree alone."""

from __future__ import annotations

import hashlib
import io
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any

from mipdesign.certificate.certificate import Certificate
from mipdesign.checker import LIST, SECTIONS, check, digest
from mipdesign.checker.claims import Claim
from mipdesign.lattice.position import Candidate
from mipdesign.search.branching import LIST_STEPS, Record, expand, whole_space
from mipdesign.search.coverage import build_tables
from mipdesign.search.incumbents import OPTIMAL_GAP
from mipdesign.search.outcome import OpenNode, Outcome

from .lists import Wanted, list_text, listed, some_wanted
from .subjects import FEW_STEPS, KINDS, Ranked, TooLargeError, Truth, truth_of

Data = dict[str, Any]


@dataclass(frozen=True)
class ListSubject:
    """A certificate of a list, the file of its networks, and what is true of its problem."""

    name: str
    data: Data
    networks: bytes
    truth: Truth
    wanted: Wanted


def check_list(data: Data, networks: bytes | None) -> list[Claim]:
    """What the checker says of a certificate and the file beside it."""
    return list(check(data, networks=None if networks is None else partial(io.BytesIO, networks)))


def seal(data: Data, networks: bytes | None = None) -> None:
    """Corrects the digests: of the file, where one is given, and of the sections."""
    if networks is not None:
        data[LIST]["networks_sha256"] = hashlib.sha256(networks).hexdigest()
    data["sha256"] = {section: digest(data[section]) for section in (*SECTIONS, LIST) if section in data}


def end_of(truth: Truth, members: list[Ranked], wanted: Wanted) -> float:
    """A double a little below all networks that a list has to have or to leave out for another reason than its end."""
    if len(members) == wanted.best:
        end = Fraction(members[-1].exact)
    elif wanted.within is not None:
        best = Fraction(members[0].exact)
        end = best - wanted.within * abs(best)
    else:
        return -math.inf
    return math.nextafter(float(end) - 1e-11 * abs(float(end)), -math.inf)


def assembled_list(
    truth: Truth, wanted: Wanted, list_steps: int = LIST_STEPS, most_nodes: int = 100_000
) -> tuple[Data, bytes] | None:
    """The certificate of what is asked for, and the file; ``None`` where a tree of so few nodes does not prove the optimum."""
    problem, tables = truth.problem, build_tables(truth.problem)
    members = listed(problem, truth.feasible, wanted)
    cutoff = end_of(truth, members, wanted)
    still_open, records = [whole_space(tables, cutoff, False)], list[Record]()
    while still_open and len(records) < most_nodes:
        still_open.sort(key=lambda node: node.bound)
        step = expand(tables, still_open.pop(), cutoff, 0, list_steps)
        records.append(step.record)
        still_open += step.children
    bound = None
    if still_open:
        bound = max(cutoff, *(node.bound for node in still_open))
        members = [row for row in members if row.exact > Decimal(bound)] if math.isfinite(bound) else []
        if not members:
            return None
    best = truth.feasible[0]
    objective = problem.evaluator(best.architecture).evaluation.objective
    candidate = Candidate(tables.position(best.architecture), objective)
    rest = [OpenNode(node.name, node.bound, node.multipliers) for node in still_open]
    outcome = Outcome(
        "optimal", candidate, objective, cutoff, [candidate], False, records, [], rest, [], [], 0.0, False
    )  # fmt: skip
    data = Certificate.of(problem, tables, outcome, OPTIMAL_GAP).data
    networks = list_text(problem, members).encode()
    data[LIST] = section_of(wanted, len(members), bound)
    seal(data, networks)
    return data, networks


def section_of(wanted: Wanted, count: int, bound: float | None) -> Data:
    """The section of a certificate that says what a list is, but for the digest of its file."""
    within = None if wanted.within is None else str(wanted.within)
    return {
        "within": within, "best": wanted.best, "different": wanted.rule, "count": count, "complete": bound is None,
        "bound": bound, "networks_sha256": "0" * 64,
    }  # fmt: skip


def list_subjects(count: int, seed: int = 0) -> Iterator[ListSubject]:
    """Certificates of the lists of ``count`` problems of every kind that are feasible, whole ones and such that break off."""
    for n in range(count):
        try:
            truth = truth_of(KINDS[n % len(KINDS)](1000 * seed + n).to_dict())
        except TooLargeError:
            continue
        if truth is None or not truth.feasible:
            continue
        wanted, rng = some_wanted(1000 * seed + n, truth.feasible), random.Random(f"lists {seed} {n}")
        steps = rng.choice([LIST_STEPS, 100, FEW_STEPS])
        for name, most in (("whole", 100_000), ("open", rng.choice([5, 10, 20, 40]))):
            made = assembled_list(truth, wanted, FEW_STEPS if name == "open" else steps, most)
            if made is not None:
                yield ListSubject(f"{n} {name}", *made, truth, wanted)
