"""The replay of a tree by the code of the search, which ``verify --quick`` and resuming rest on: each kind of fault is told."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from haste import kept

from mipdesign.certificate.verification import TRUST, TreeReplay
from mipdesign.designs.run import design
from mipdesign.lattice.tables import Tables
from mipdesign.problem.problem import Problem
from mipdesign.search.coverage import build_tables

SPEC = ["budgets.flops=1e8", "budgets.params=5e5", "stages.1.depth={min: 1, max: 6}", "stages.2.depth={min: 1, max: 6}"]
Data = dict[str, Any]


@pytest.fixture(scope="module")
def proved() -> tuple[Tables, Data]:
    """Tables of a problem, and a certificate with a tree."""
    problem = Problem.preset("deepmad-r18", SPEC)
    data = design(problem, engine=kept()).certificate.data
    assert {row[1] for row in data["tree"]} >= {"split", "excluded"}
    return build_tables(problem), data


def faults(tables: Tables, data: Data) -> dict[str, str]:
    """What is wrong with the nodes, by their names."""
    return {name: fault for name, fault in TreeReplay(tables, data).run() if fault}


def leaf(data: Data, verdict: str = "excluded") -> list[Any]:
    """The last row that ended so."""
    return next(row for row in reversed(data["tree"]) if row[1] == verdict)


def opened(data: Data, bound: float | None, source: str = "prices") -> str:
    """Has a leaf be open again, with the prices that it was excluded by."""
    row = leaf(data)
    data["tree"].remove(row)
    data["open"].append([row[0], bound, row[3], source])
    data["claim"] |= {"status": "feasible", "bound": 1.1 * data["claim"]["objective"]}
    return str(row[0])


def test_a_tree_that_holds_has_no_fault(proved: tuple[Tables, Data]) -> None:
    tables, data = proved
    assert faults(tables, data) == {}


def test_an_open_node_has_the_bound_of_an_ancestor_or_that_of_its_prices(proved: tuple[Tables, Data]) -> None:
    tables, data = proved[0], copy.deepcopy(proved[1])
    opened(data, data["claim"]["objective"] * 1.05)
    assert faults(tables, data) == {}


def lowered(data: Data) -> str:
    return opened(data, 1.0)


def on_trust(data: Data) -> str:
    return opened(data, 1.0, "solver")


def above_the_claim(data: Data) -> str:
    return opened(data, 2 * data["claim"]["objective"])


def without_limit(data: Data) -> str:
    return opened(data, None)


def open_though_infeasible(data: Data) -> str:
    """The root alone, of which nothing is said but that it is open."""
    data["open"], data["tree"] = [["", None, data["tree"][0][3], "prices"]], []
    data["claim"]["proves"] = "infeasibility"
    return ""


def forgotten(data: Data) -> str:
    row = leaf(data)
    data["tree"].remove(row)
    return str(row[0])


def high_cutoff(data: Data) -> str:
    row = leaf(data)
    row[2] = 2 * data["claim"]["objective"]
    return str(row[0])


def no_prices_of_a_bound(data: Data) -> str:
    row = leaf(data)
    row[3][0] = 0.0
    return str(row[0])


def prices_without_number(data: Data) -> str:
    row = leaf(data)
    row[3][1] = float("inf")
    return str(row[0])


def excluded_too_early(data: Data) -> str:
    """The root, which was split."""
    row = data["tree"][0]
    row[1], row[4] = "excluded", None
    return str(row[0])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lowered, "its bound 1.0 does not follow from its prices, which give"),
        (on_trust, TRUST),
        (above_the_claim, "is above the one that is claimed"),
        (without_limit, "its bound inf is above the one that is claimed"),
        (open_though_infeasible, "it is open"),
        (forgotten, "the tree does not say what became of it"),
        (high_cutoff, "its cutoff"),
        (no_prices_of_a_bound, "its prices are not those of a bound"),
        (prices_without_number, "its prices give the bound"),
        (excluded_too_early, "does not exclude it below"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_fault_is_told_of_its_node(change: Callable[[Data], str], said: str, proved: tuple[Tables, Data]) -> None:
    tables, data = proved[0], copy.deepcopy(proved[1])
    name = change(data)
    assert said in faults(tables, data)[name]


def test_a_network_that_is_not_named_is_found_where_it_was_listed(proved: tuple[Tables, Data]) -> None:
    tables, data = proved[0], copy.deepcopy(proved[1])
    data["contenders"] = []
    found = faults(tables, data)
    assert found and all("comes before the claimed one" in fault for fault in found.values())
