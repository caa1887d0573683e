"""Lists of random small problems, as the search finds them, held against enumeration and by the checker."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace

from mipdesign.certificate.certificate import Certificate
from mipdesign.checker import verdict
from mipdesign.designs.pool import networks_text
from mipdesign.engine.driver import solve_here
from mipdesign.search.coverage import build_tables
from mipdesign.search.incumbents import OPTIMAL_GAP
from mipdesign.search.listing import ListSearch
from mipdesign.search.listing import Wanted as Asked
from mipdesign.search.outcome import Options

from .list_fuzz import fault_of
from .list_subjects import check_list
from .lists import listed, some_wanted
from .subjects import KINDS, truth_of


def list_agrees(seed: int, workers: int) -> tuple[str, int]:
    """What is wrong with the list that the search finds for a problem (nothing, or that none of its networks is feasible), and
    how many members it has: the file is that of enumeration, and the checker accepts the certificate.
    """
    truth = truth_of(KINDS[seed % len(KINDS)](seed).to_dict())
    if truth is None or not truth.feasible:
        return "infeasible", 0
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


def run_lists(seeds: range) -> int:
    """Prints how many lists are those of enumeration, with one worker and with two; returns how many are not."""
    wrong = 0
    for workers in (1, 2):
        counts, members, bad = Counter[str](), 0, dict[int, str]()
        for seed in seeds:
            fault, n = list_agrees(seed, workers)
            members += n
            kind = "infeasible" if fault == "infeasible" else "wrong" if fault else "agree"
            counts[kind] += 1
            if kind == "wrong":
                bad[seed] = fault
        wrong += len(bad)
        figures = f"{counts['agree']} of {len(seeds)} agree ({counts['infeasible']} infeasible), {members} networks"
        print(f"lists, {workers} workers: {figures} {bad or ''}", flush=True)
    return wrong
