"""The checker of lists: held against enumeration, and against spoiled lists."""

from __future__ import annotations

import copy
import io
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mipdesign.benchmarks.experiments.list_agreement import feasible_problems, list_agrees
from mipdesign.benchmarks.experiments.list_fuzz import fuzz_lists
from mipdesign.benchmarks.experiments.list_subjects import ListSubject, assembled_list, check_list, list_subjects, seal
from mipdesign.benchmarks.experiments.lists import Wanted, are_near, hamming, list_text
from mipdesign.benchmarks.experiments.subjects import FEW_STEPS, KINDS, Truth, truth_of, with_equals
from scale import few

from mipdesign.checker import FAILS, LIST, MEMBERS, opener, verdict
from mipdesign.checker.cell import Cell
from mipdesign.checker.distance import Distance
from mipdesign.checker.members import Members, Reader
from mipdesign.checker.space import read_space
from mipdesign.checker.tables import build

SEEDS = few(range(len(KINDS)), 2)


def truth(seed: int) -> Truth:
    """A problem of the kind of a seed, some networks of which keep all budgets."""
    for more in range(7000 + seed, 8000, len(KINDS)):
        found = truth_of(KINDS[seed % len(KINDS)](more).to_dict())
        if found is not None and len(found.feasible) > 1:
            return found
    raise AssertionError("no problem is feasible")


def failed(data: dict[str, Any], networks: bytes | None) -> list[str]:
    return [claim.claim for claim in check_list(data, networks) if claim.outcome == FAILS]


@pytest.fixture(scope="module")
def given() -> list[ListSubject]:
    return list(list_subjects(6))


def test_lists_of_every_kind_are_accepted(given: list[ListSubject]) -> None:
    assert not fuzz_lists(given, 0).wrong


@pytest.mark.parametrize("seed", few(range(3), 1))
def test_what_is_false_or_malformed_is_refused(given: list[ListSubject], seed: int) -> None:
    tally = fuzz_lists(given, 50, seed)
    assert [label for label, _ in tally.wrong] == []
    assert tally.counts["false rejected"] > 25


# ------------------------------------------------------------------ distances


def members_of(known: Truth) -> Members:
    """All networks of a problem that keep its budgets, as the checker reads them."""
    problem = known.problem.to_dict()
    networks = list_text(known.problem, known.feasible).encode()
    tables = build(read_space(problem, {}))
    return Reader(tables, problem["budgets"]).read(partial(io.BytesIO, networks), len(known.feasible))


@pytest.mark.parametrize("seed", SEEDS)
def test_distances_are_those_of_the_definition(seed: int) -> None:
    """Of pairs of networks: by the places of the checker, and by the definition on architectures."""
    known = truth(seed)
    members, rows = members_of(known), known.feasible[:40]
    for share, decisions in ((Fraction(1, 4), None), (Fraction(1, 3), None), (None, 1), (None, 3), (None, 7)):
        rule = Distance(members.tables, share, decisions or 0)
        wanted = Wanted(best=1, share=share, decisions=decisions)
        numbers = rule.of(members.listing)[:, : len(rows)]
        low, high = rule.ranges(numbers)
        for i, one in enumerate(rows):
            outside = ((numbers < low[:, i : i + 1]) | (numbers > high[:, i : i + 1])).sum(axis=0)
            if decisions is not None:
                assert outside.tolist() == [hamming(known.problem, one.architecture, other.architecture) for other in rows]
            near = [are_near(known.problem, wanted, one.architecture, other.architecture) for other in rows]
            assert (outside < rule.places_apart).tolist() == near


@pytest.mark.parametrize("seed", SEEDS)
def test_ranges_of_cells_have_all_their_networks(seed: int) -> None:
    """So a cell that is near a member has only networks that are."""
    members = members_of(truth(seed))
    tables, listing, rng = members.tables, members.listing, np.random.default_rng(seed)
    for rule in (Distance(tables, Fraction(1, 3), 0), Distance(tables, None, 2)):
        numbers = rule.of(listing)
        for _ in range(10):
            cell = Cell.whole(tables).tied(tables)
            some = int(rng.integers(len(members)))
            for i, columns in enumerate(cell.columns):
                cell = cell.with_columns(i, (rng.random(len(columns)) < 0.7) | (columns == listing.columns[i, some]))
            inside = np.isin(listing.stem, cell.stem)
            for i, columns in enumerate(cell.columns):
                inside &= np.isin(listing.columns[i], columns)
            low, high = rule.of_cell(cell)
            assert inside[some]
            assert (low[:, None] <= numbers[:, inside]).all() and (numbers[:, inside] <= high[:, None]).all()


# ------------------------------------------------------------------ the search


@pytest.mark.parametrize("n", few(range(40), 8))
def test_lists_of_the_search_are_those_of_enumeration(n: int) -> None:
    """With certificates that the checker accepts."""
    seed, known = next(feasible_problems(100 * n + n))
    assert list_agrees(known, seed, 1 + n % 2)[0] == ""


# ---------------------------------------------------------------- single deceits


@pytest.fixture(scope="module")
def best_ten() -> ListSubject:
    """The ten best networks of a problem with equal optima."""
    known = next(t for t in (truth_of(with_equals(seed).to_dict()) for seed in range(50)) if t and len(t.feasible) > 20)
    wanted = Wanted(best=10)
    made = assembled_list(known, wanted, FEW_STEPS)
    assert made is not None
    return ListSubject("best ten", *made, known, wanted)


def test_the_words_of_a_list(best_ten: ListSubject) -> None:
    claims = check_list(best_ten.data, best_ten.networks)
    assert verdict(claims) == "proved"
    assert claims[-1].claim == "these 10 networks, and no other, come first"


def test_a_list_needs_its_file(best_ten: ListSubject) -> None:
    assert failed(best_ten.data, None) == [MEMBERS]


def test_a_file_needs_a_certificate_that_speaks_of_it(best_ten: ListSubject) -> None:
    data = copy.deepcopy(best_ten.data)
    del data[LIST]
    seal(data)
    assert failed(data, best_ten.networks) == [MEMBERS]
    assert failed(data, None) == []


def test_another_file_is_seen_by_its_digest(best_ten: ListSubject) -> None:
    data = copy.deepcopy(best_ten.data)
    data[LIST]["networks_sha256"] = "0" * 64
    seal(data)
    assert failed(data, best_ten.networks) == [f"digest of {MEMBERS}"]


@pytest.mark.parametrize("n", [0, 4, 9])
def test_no_member_may_be_missing(best_ten: ListSubject, n: int) -> None:
    """Whichever of the ten best is left out, and the eleventh taken in its place: a network is missing."""
    rows = [row for i, row in enumerate(best_ten.truth.feasible[:11]) if i != n]
    networks, data = list_text(best_ten.truth.problem, rows).encode(), copy.deepcopy(best_ten.data)
    seal(data, networks)
    faults = failed(data, networks)
    assert faults[-1] == "these 10 networks, and no other, come first" or n == 0
    assert faults


def test_lists_of_millions_are_refused_before_they_are_read(best_ten: ListSubject) -> None:
    data = copy.deepcopy(best_ten.data)
    data[LIST]["count"] = 10**7 + 1
    seal(data)
    assert failed(data, best_ten.networks) == ["content"]


def test_lines_are_read_whole_whatever_the_size_of_a_chunk(best_ten: ListSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (1, 7, len(best_ten.networks) // 3, len(best_ten.networks)):
        monkeypatch.setattr("mipdesign.checker.members.CHUNK", size)
        assert not failed(best_ten.data, best_ten.networks)
        assert failed(best_ten.data, best_ten.networks[:-1]) == [MEMBERS]


def test_the_file_is_found_beside_its_certificate(tmp_path: Path) -> None:
    assert opener(tmp_path) is None
    (tmp_path / MEMBERS).write_bytes(b"rank\n")
    found = opener(tmp_path)
    assert found is not None
    with found() as file:
        assert file.read() == b"rank\n"
