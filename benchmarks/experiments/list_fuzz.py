"""Spoiled lists held against enumeration: the checker must refuse whatever is false or malformed.

A mutant is judged by what it states: the file is held against what enumeration says of each network in it, and the theorem of
a list against all networks that keep the budgets.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

from mipdesign.checker import FAILS, LIST

from .judgement import judged
from .list_mutations import list_mutant
from .list_subjects import Data, ListSubject, check_list
from .lists import Wanted, are_near, list_text
from .subjects import Ranked, Truth

KEYS = {"within", "best", "different", "count", "complete", "bound", "networks_sha256"}
LOOSE = 1e-7
"""Relative distance from which a stated double is another one for certain."""


def fault_of(data: Data, networks: bytes | None, truth: Truth) -> str:
    """What is false or malformed in the certificate of a list, or its file; empty where nothing is."""
    section: Any = data.get(LIST)
    if (LIST in data) != (networks is not None) or (LIST in data and section is None):
        return "there is no section, or no file"
    judgement, why, _ = judged({name: value for name, value in data.items() if name != LIST})
    if judgement != "true":
        return f"{judgement}: {why}"
    if networks is None:
        return ""  # an optimum, and nothing else
    wanted = _wanted(section)
    if wanted is None:
        return "section"
    if data["claim"]["status"] != "optimal" or len(data["contenders"]) != 1:
        return "no optimum"
    if hashlib.sha256(networks).hexdigest() != section["networks_sha256"]:
        return "digest"
    members = _members(truth, networks)
    if isinstance(members, str):
        return members
    if section["count"] != len(members) or (wanted.best is not None and len(members) > wanted.best):
        return "count"
    return _false(truth, wanted, members, section["bound"])


def _wanted(section: Any) -> Wanted | None:
    """What a section says that its list is; ``None`` if it is malformed."""
    if not isinstance(section, dict) or set(section) != KEYS:
        return None
    within, best, rule, bound = (section[name] for name in ("within", "best", "different", "bound"))
    whole = [section["count"], *([best] if best is not None else [])]
    if any(type(x) is not int or not 1 <= x <= 10**7 for x in whole) or (within is None and best is None):
        return None
    fractions = [within] if within is not None else []
    if rule is not None:
        if not isinstance(rule, list) or len(rule) != 2 or rule[0] not in ("channels", "decisions"):
            return None
        if rule[0] == "decisions" and (type(rule[1]) is not int or not 1 <= rule[1] <= 10_000):
            return None
        fractions += [rule[1]] if rule[0] == "channels" else []
    for text in fractions:
        if not isinstance(text, str) or not 1 <= len(text) <= 100 or not set(text) <= set("0123456789/"):
            return None
        p, _, q = text.partition("/")
        if not p or ("/" in text and not q.strip("0")) or str(Fraction(text)) != text:
            return None
    if not isinstance(section["complete"], bool) or section["complete"] is not (bound is None):
        return None
    if bound is not None and (type(bound) not in (int, float) or not abs(bound) <= 1.8e308):
        return None
    share = Fraction(rule[1]) if rule is not None and rule[0] == "channels" else None
    if share is not None and not 0 < share < 1:
        return None
    decisions = rule[1] if rule is not None and rule[0] == "decisions" else None
    return Wanted(None if within is None else Fraction(within), best, share, decisions)


_TEXTS: dict[int, dict[tuple[str, ...], tuple[Ranked, float, float]]] = {}


def _known(truth: Truth) -> dict[tuple[str, ...], tuple[Ranked, float, float]]:
    """Each feasible network by the texts that state it, but for rank, objective and effectiveness; with these two."""
    if id(truth) not in _TEXTS:
        header, *lines = list_text(truth.problem, truth.feasible).splitlines()
        rows = [line.split(",") for line in lines]
        _TEXTS[id(truth)] = {}
        for row, ranked in zip(rows, truth.feasible, strict=True):
            key, rho = _split(header, row)
            _TEXTS[id(truth)][key] = ranked, float(row[1]), rho
    return _TEXTS[id(truth)]


def _split(header: str, row: Sequence[str]) -> tuple[tuple[str, ...], float]:
    names = header.split(",")
    rho = row[names.index("effectiveness")] if "effectiveness" in names else "0.0"
    return tuple(text for name, text in zip(names, row, strict=True) if name not in ("rank", "objective", "effectiveness")), (
        _double(rho)
    )


def _double(text: str) -> float:
    try:
        return float(text) if repr(float(text)) == text else math.nan
    except ValueError:
        return math.nan


def _members(truth: Truth, networks: bytes) -> list[Ranked] | str:
    """The networks of a file, or what is wrong with it."""
    header = list_text(truth.problem, []).removesuffix("\n")
    try:
        text = networks.decode()
    except UnicodeDecodeError:
        return "encoding"
    if not text.endswith("\n"):
        return "end"
    first, *lines = text[:-1].split("\n")
    if first != header:
        return "header"
    found = []
    for n, line in enumerate(lines, 1):
        row = line.split(",")
        if len(row) != len(header.split(",")) or row[0] != str(n):
            return "line"
        key, rho = _split(header, row)
        known = _known(truth).get(key)
        if known is None:
            return "network or figures"
        ranked, objective, exact_rho = known
        size = max(1.0, abs(objective)) if abs(objective) < 1 else abs(objective)
        if not abs(_double(row[1]) - objective) <= LOOSE * size or not abs(rho - exact_rho) <= LOOSE * max(exact_rho, 1e-300):
            return "objective or effectiveness"
        found.append(ranked)
    return found if found else "no network"


def _false(truth: Truth, wanted: Wanted, members: Sequence[Ranked], bound: float | None) -> str:
    """What is not true of members that keep all budgets, as a list; empty where they are one."""
    problem, best = truth.problem, truth.feasible[0]
    if members[0] is not best:
        return "it does not begin with the optimum"
    if bound is not None and Decimal(bound) >= best.exact:
        return "bound"
    if any(not one.order < other.order for one, other in pairwise(members)):
        return "order"
    top = Fraction(best.exact)
    threshold = None if wanted.within is None else top - wanted.within * abs(top)
    if threshold is not None and any(Fraction(row.exact) < threshold for row in members):
        return "threshold"
    for n, row in enumerate(members):
        if any(are_near(problem, wanted, row.architecture, other.architecture) for other in members[:n]):
            return "two are alike"
    chosen = {id(row) for row in members}
    for row in truth.feasible:
        if id(row) in chosen:
            continue
        if bound is not None:
            beyond = row.exact <= Decimal(bound)
        elif len(members) == wanted.best:
            beyond = row.order > members[-1].order
        else:
            beyond = threshold is not None and Fraction(row.exact) < threshold
        before = (other for other in members if other.order < row.order)
        if not beyond and not any(are_near(problem, wanted, row.architecture, other.architecture) for other in before):
            return "a network is missing"
    return ""


@dataclass
class ListTally:
    """Counts of what became of spoiled lists, and those that should not have been."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[tuple[str, Data]] = field(default_factory=list)


def fuzz_lists(given: Sequence[ListSubject], mutants: int, seed: int = 0) -> ListTally:
    """Checks the lists as they are, then so many mutants of them."""
    tally = ListTally()
    for subject in given:
        outcome, detail = _checked(subject.data, subject.networks)
        fault = fault_of(subject.data, subject.networks, subject.truth)
        tally.counts[f"unspoiled {outcome}"] += 1
        if outcome != "accepted" or fault:
            tally.wrong.append((f"{subject.name} unspoiled: {fault} {outcome} {detail}", subject.data))
    for n in range(mutants):
        rng = random.Random(f"{seed} {n}")
        subject = rng.choice(given)
        data, networks, names = list_mutant(subject, rng)
        fault = fault_of(data, networks, subject.truth)
        outcome, detail = _checked(data, networks)
        tally.counts[f"{'false' if fault else 'true'} {outcome}"] += 1
        if outcome == "crashed" or (fault and outcome != "rejected"):
            tally.wrong.append((f"{seed} {n} {subject.name} {' '.join(names)}: {fault} {outcome} {detail}", data))
    return tally


def _checked(data: Data, networks: bytes | None) -> tuple[str, str]:
    """What the checker makes of a list: accepted, rejected or crashed; and why."""
    try:
        claims = check_list(data, networks)
    except Exception as error:  # whatever it is, it is a fault of the checker
        return "crashed", f"{type(error).__name__}: {error}"
    faults = [f"{claim.claim}: {claim.detail}" for claim in claims if claim.outcome == FAILS]
    return ("rejected", faults[0]) if faults else ("accepted", "")
