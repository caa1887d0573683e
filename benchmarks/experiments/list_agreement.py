"""Lists of random small problems, as the search finds them, held against enumeration and by the checker."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from mipdesign.certificate.certificate import Certificate
from mipdesign.checker import verdict
from mipdesign.designs.pool import networks_text
from mipdesign.engine.driver import solve_here
from mipdesign.problem.problem import Problem
from mipdesign.search.coverage import build_tables
from mipdesign.search.incumbents import OPTIMAL_GAP
from mipdesign.search.listing import ListSearch
from mipdesign.search.listing import Wanted as Asked
from mipdesign.search.outcome import Options

from ..corpus.limited import limited_problem
from .list_fuzz import fault_of
from .list_subjects import check_list
from .lists import listed, some_wanted
from .subjects import KINDS, TooLargeError, Truth, truth_of


def list_agrees(truth: Truth, seed: int, workers: int) -> tuple[str, int]:
    """What is wrong with the list that the search finds for a problem, and how many members it has: the file is that of
    enumeration, and the checker accepts the certificate.
    """
    problem, tables, wanted = truth.problem, build_tables(truth.problem), some_wanted(seed, truth.feasible)
    asked = Asked.of(wanted.within, wanted.best, wanted.different)
    outcome = solve_here(tables, replace(Options(), workers=workers))
    if asked is None or outcome.best is None:
        return "no optimum", 0
    found = ListSearch(tables, asked, outcome.best, workers).run()
    if found is None:
        return "no list", 0
    outcome.records, outcome.open, outcome.candidates = found.records, found.open, [outcome.best]
    networks = networks_text(problem, tables, found.rows, found.objectives)
    section = found.to_plain() | {"networks_sha256": hashlib.sha256(networks).hexdigest()}
    data = Certificate.of(problem, tables, outcome, OPTIMAL_GAP, section).data
    expected = listed(problem, truth.feasible, wanted)
    fault = fault_of(data, networks, truth) if section["count"] == len(expected) else "another number of networks"
    if section["within"] != (None if wanted.within is None else str(wanted.within)) or section["different"] != wanted.rule:
        fault = fault or "another list was asked for"
    claims = check_list(data, networks)
    if not fault and verdict(claims) != "proved":
        fault = next(f"{claim.claim}: {claim.detail}" for claim in claims if not claim.passed)
    return fault, len(expected)


def feasible_problems(first: int, kinds: Sequence[Callable[[int], Problem]] = KINDS) -> Iterator[tuple[int, Truth]]:
    """Small problems of some kinds in turn that have networks, by their seeds."""
    for seed in itertools.count(first):
        with contextlib.suppress(TooLargeError):
            truth = truth_of(kinds[seed % len(kinds)](seed).to_dict())
            if truth is not None and truth.feasible:
                yield seed, truth


def run_lists(first: int, count: int) -> int:
    """Prints how many lists are those of enumeration, with one worker and with two in turn: of problems of every kind, and of
    as many with several latency tables and limits of all parameters; returns how many are not.
    """
    faults = 0
    for name, kinds in (("of every kind", KINDS), ("with several latency tables", (limited_problem,))):
        members, bad = 0, dict[int, str]()
        for n, (seed, truth) in enumerate(itertools.islice(feasible_problems(first, kinds), count)):
            fault, found = list_agrees(truth, seed, 1 + n % 2)
            members += found
            if fault:
                bad[seed] = fault
        agree = f"{count - len(bad)} of {count} agree with enumeration, and are proved"
        print(f"lists of problems {name}: {agree}; {members} networks {bad or ''}", flush=True)
        faults += len(bad)
    return faults
