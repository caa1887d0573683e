"""Tables of a study from records worked by hand."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.lines import Line2D
from mipdesign.benchmarks.studies.conclusions import conclusions
from mipdesign.benchmarks.studies.records import Record
from mipdesign.benchmarks.studies.report import COLOURS, MOST_CURVES, pattern, profile_chart, spread
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


def told(records: list[Record]) -> dict[str, str]:
    return dict(conclusions(Results.of(records, {})))


def test_the_verdict_in_words_names_the_fastest_and_what_is_unsolved() -> None:
    limit = {"status": "limit", "said": "limit", "solver_seconds": 10.0}
    slow = [run(solver="two", solver_seconds=3.0), on_b(solver="two", **limit)]
    words = told([run(), on_b(solver_seconds=2.0), *slow])
    assert words["fastest"] == "lattice / one, 1.49 s (shifted geometric mean of 2 runs, all solved)"
    assert words["next"].startswith("lattice / two, 4.") and words["next"].endswith("times as long")
    assert words["partly solved by"] == "lattice / two (not 1 of 2 runs)"
    assert words["unsolved"] == "no instance: some exact variant solved each"
    assert words["wrong"] == "no answer"
    none = told([run(), on_b(**limit), run(solver="two"), on_b(solver="two", **limit)])
    assert none["unsolved"] == "b, by every exact variant"
    assert none["as fast"] == "lattice / two (4.83 s): within 10 % of the fastest" and "next" not in none


def test_the_verdict_in_words_tells_of_wrong_answers_and_of_what_did_not_run() -> None:
    words = told([*RECORDS, run(solver="three", status="wrong")])
    assert words["wrong"] == "1 answer: lattice / three (1)"
    assert words["not run"].startswith("1 run: lattice / two (1)")
    assert told([run(status="limit", said="limit", solver_seconds=10.0)])["fastest"].startswith("none: no exact variant")
    assert told([run(formulation="outer", claim="upper")])["fastest"].startswith("nothing to compare")


def test_no_two_curves_of_a_profile_look_alike() -> None:
    looks = {(COLOURS[at % len(COLOURS)], str(pattern(at))) for at in range(MOST_CURVES)}
    assert len(looks) == MOST_CURVES
    assert all(pattern(at) != pattern(at + 1) for at in range(MOST_CURVES - 1))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=MOST_CURVES))
def test_names_of_curves_do_not_overlap(ends: list[float]) -> None:
    ends.sort(reverse=True)
    places = spread(ends, 0.05)
    assert all(a - b >= 0.05 - 1e-9 for a, b in itertools.pairwise(places))
    assert min(places) >= 0 and max(places) <= 1
    assert spread([0.9, 0.5, 0.1], 0.05) == [0.9, 0.5, 0.1]


def test_curves_of_a_profile_end_at_their_names() -> None:
    figure = profile_chart(RESULTS, "#000000")
    assert figure is not None
    (axes,) = figure.axes
    names = {text.get_text(): text.get_position()[1] for text in axes.texts}
    beside = [line for line in axes.get_children() if isinstance(line, Line2D) and not line.get_clip_on()]
    assert set(names) == {"lattice / one", "lattice / two"} and axes.get_legend() is None
    assert sorted(line.get_ydata()[-1] for line in beside) == sorted(names.values())
    assert len({(line.get_color(), line.get_linestyle()) for line in beside}) == 2
