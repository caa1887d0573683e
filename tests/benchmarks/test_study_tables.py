"""Tables of a study from records worked by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from mipdesign.benchmarks.studies.records import Record
from mipdesign.benchmarks.studies.tables import VIRTUAL_BEST, Results, bounds, profile_ratios, root_gaps, summary, times

PLAIN = Record(
    "run",
    "a",
    "0" * 64,
    "lattice",
    "one",
    0,
    {"seconds": 10.0},
    {"gap": 0.0},
    "answered",
    status="solved",
    claim="exact",
    said="optimal",
    objective=100.0,
    bound=100.0,
    exact="100",
    violations=[],
    root_bound=102.0,
    formulation_seconds=0.0,
    build_seconds=0.0,
    solver_seconds=1.0,
)


def run(**changes: object) -> Record:
    """A record unlike the others in its key."""
    record = replace(PLAIN, **changes)
    return replace(record, key=f"{record.variant} {record.case}")


def on_b(**changes: object) -> Record:
    return run(instance="b", digest="1" * 64, **changes)


RECORDS = [
    run(),
    run(solver="two", solver_seconds=3.0, root_bound=110.0),
    run(formulation="outer", claim="upper", solver_seconds=0.1, objective=101.0, bound=101.0, violations=["flops"]),
    run(formulation="inner", claim="lower", solver_seconds=0.1, objective=96.0, bound=96.0, exact="97", root_bound=97.0),
    on_b(solver_seconds=2.0),
    on_b(solver="two", status="unsupported", said=None, solver_seconds=None),
    on_b(formulation="outer", claim="upper", status="limit", said="limit", solver_seconds=10.0),
    on_b(formulation="inner", claim="lower", solver_seconds=0.1, objective=99.0, bound=99.0, exact="99"),
]
RESULTS = Results.of(RECORDS, {})


def test_only_what_all_have_words_for_is_compared() -> None:
    assert [digest for digest, *_ in RESULTS.cases] == ["0" * 64]
    assert RESULTS.exact() == (("lattice", "one"), ("lattice", "two"))


def test_the_virtual_best_and_the_profile_are_of_exact_variants() -> None:
    rows = {row[:2]: row for row in summary(RESULTS).rows}
    assert rows[VIRTUAL_BEST, ""][5] == pytest.approx(1.0) and rows["outer", "one"][5] == pytest.approx(0.1)
    assert profile_ratios(RESULTS) == {"lattice / one": [1.0], "lattice / two": [3.0]}


def test_times_by_instance_are_of_all_runs_with_words() -> None:
    found = {row[:2]: row[2:] for row in times(RESULTS).rows}
    assert times(RESULTS).header == ("formulation", "solver", "a", "b")
    assert found == {
        ("lattice", "one"): (1.0, 2.0),
        ("lattice", "two"): (3.0, None),
        ("outer", "one"): (0.1, 10.0),
        ("inner", "one"): (0.1, 0.1),
    }


def test_bounds_are_held_against_the_best_known() -> None:
    found = {row[0]: row for row in bounds(RESULTS).rows}
    assert set(found) == {"outer", "inner"}
    assert found["outer"][2:] == pytest.approx(("upper", 1, 1.0, 1.0, 1))
    assert found["inner"][2:] == pytest.approx(("lower", 2, 2.5, 4.0, 0))


def test_gaps_at_the_root_leave_lower_bounds_out() -> None:
    table = root_gaps(RESULTS)
    assert table.header == ("formulation", "solver", "a", "b", "mean")
    found = {row[:2]: row[2:] for row in table.rows}
    assert set(found) == {("lattice", "one"), ("lattice", "two"), ("outer", "one")}
    assert found["lattice", "one"] == pytest.approx((2.0, 2.0, 2.0))


def test_a_table_reads_as_markdown() -> None:
    lines = times(RESULTS).to_markdown().splitlines()
    assert lines[0] == "### Times by instance" and lines[4] == "| formulation | solver | a | b |"
    assert "| lattice | two | 3 | - |" in lines
    assert (
        replace(times(RESULTS), rows=(("x", "y", math.inf, 12345.678),)).to_markdown().splitlines()[-1]
        == "| x | y | - | 12,345.7 |"
    )
