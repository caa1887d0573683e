"""The audit of published networks: the spaces that are enlarged for them, what they spend, what they break."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mipdesign.benchmarks.experiments.audit import Published, audit, broken, enlarged, published, spent

from mipdesign import Architecture, Problem, design

ROWS = {row["name"]: row for row in published()}
SMALL = Path(__file__).parents[1] / "data" / "small.yaml"


@pytest.fixture(scope="module")
def small() -> tuple[Problem, Architecture]:
    problem = Problem.load(SMALL)
    best = design(problem, workers=1).architecture
    assert best is not None
    return problem, best


@pytest.mark.parametrize("name", ROWS)
def test_the_enlarged_space_holds_the_network_at_its_own_cost(name: str) -> None:
    subject = Published.of(ROWS[name])
    larger = enlarged(subject.problem, subject.network)
    assert not larger.outside_space(subject.network)
    assert larger.budgets == subject.problem.budgets and larger.objective == subject.problem.objective
    assert (larger == subject.problem) == (not subject.problem.outside_space(subject.network))
    assert not spent(larger, subject.network).violations(subject.network)


def test_no_network_spends_less_than_the_limits_say(small: tuple[Problem, Architecture]) -> None:
    problem, network = small
    for name, limit in spent(problem, network).budgets.limits().items():
        less = problem.with_limits({name: limit * 999_999 / 1_000_000})
        assert name in less.violations(network)


def test_a_page_says_gap_and_broken_rules(small: tuple[Problem, Architecture]) -> None:
    problem, best = small
    wide = replace(best, stages=(*best.stages[:-1], replace(best.stages[-1], channels=65, depth=5)))
    page = audit([Published("best", problem, best, "here"), Published("wide", problem, wide, "here")])
    rows: dict[str, list[Any]] = {}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        rows.setdefault(cells[0], []).append(cells)
    assert [rows["best"][0][at] for at in (4, 6)] == ["0.00", "0.00"] and rows["best"][1][2] == "nothing"
    assert float(rows["wide"][0][4]) >= 0 and rows["wide"][0][1] == "small"
    assert "super-block 3: 65 channels are not on the lattice, 5 blocks, at most 4" in rows["wide"][1][2]


def test_rules_are_named(small: tuple[Problem, Architecture]) -> None:
    problem, best = small
    first = best.stages[0]
    changed = replace(first, block="inverted", stride=1, channels=8)
    network = replace(best, stages=(changed, *best.stages[1:]))
    text = "; ".join(broken(problem, enlarged(problem, network), network))
    assert "super-block 1: stride 1, not 2, a block inverted" in text
