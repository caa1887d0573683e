"""Tables say what the evaluator says, progress is sparing, and the convergence plot shows the settled part of a run."""

from __future__ import annotations

import io
import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import programs
import pytest
from networks import PUBLISHED, published, small
from rich.console import Console

from mipdesign.certificate.certificate import Certificate
from mipdesign.checker import FAILS, HOLDS, TRUST, Claim
from mipdesign.designs.design import Design
from mipdesign.figures import convergence, formatting
from mipdesign.figures.convergence import draw_convergence
from mipdesign.networks.architecture import Architecture, Stage, Stem
from mipdesign.networks.blocks import FAMILIES
from mipdesign.networks.evaluator import Evaluator, default_scoring, evaluate
from mipdesign.nn.validation import Check as FigureCheck
from mipdesign.problem.problem import Problem, preset_names
from mipdesign.problem.specification import Lattice, RatioRange
from mipdesign.problem.summaries import preset_summaries, summary_of
from mipdesign.report import problem_tables, progress, tables
from mipdesign.report import terminal as console
from mipdesign.report.preset_table import presets_table
from mipdesign.report.validation_tables import validation_table
from mipdesign.search.outcome import Progress

SMALL = Path(__file__).parents[1] / "data" / "small.yaml"
EIGHTS = Stage("inverted", 2, 16, 24, 3, 1, bits=(((8, 8),) * 3,))
QUANTISED = Architecture(32, Stem(8, bits=(8, 8)), (EIGHTS,), classes=10)


def text_of(content: Any, width: int = 200) -> str:
    """What a terminal of that width would show."""
    terminal = Console(width=width, file=io.StringIO(), markup=False)
    terminal.print(content)
    assert isinstance(terminal.file, io.StringIO)
    return terminal.file.getvalue()


def rows_of(content: Any) -> dict[str, list[str]]:
    """Cells of each row of a table, by the first one."""
    lines = [line.split() for line in text_of(content).splitlines() if line.split()]
    return {line[0]: line[1:] for line in lines}


def state(seconds: float, incumbent: float | None, bound: float = math.inf, phase: str = "presolve") -> Progress:
    """A point of a run; the gap follows."""
    gap = None if incumbent is None or math.isinf(bound) else (bound - incumbent) / incumbent
    return Progress(seconds, phase, incumbent, bound, gap, 3, 7)


# ------------------------------------------------------------------------------------------------------------------ tables


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_network_table_adds_up(name: str) -> None:
    architecture = published(name)
    counts = Evaluator(architecture, default_scoring("reference", architecture)).counts
    rows = rows_of(tables.network_table(architecture))
    parts = [cells for part, cells in rows.items() if part not in ("part", "total") and not part.startswith("─")]
    assert len(parts) == 2 + len(architecture.stages) + (architecture.head is not None)
    assert sum(int(cells[-2].replace(",", "")) for cells in parts) == counts["params_total"]
    assert rows["total"] == [str(counts["blocks"]), f"{counts['params_total']:,}", f"{counts['macs'] / 1e6:,.3f}"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_network_table_fits_a_terminal(name: str) -> None:
    table = tables.network_table(published(name))
    lines = [line.rstrip() for line in text_of(table, width=80).splitlines()]
    assert lines == [line.rstrip() for line in text_of(table).splitlines()]


def test_the_network_table_has_bits_frames_and_every_block() -> None:
    stage = Stage("inverted", 2, 16, (24, 32), (3, 5), 2, bits=(((6, 4),) * 3, ((5, 3), (4, 4), (4, 4))))
    network = Architecture(32, Stem(8, bits=(8, 7)), (stage,), 32, classes=10, head_bits=(5, 2))
    rows = rows_of(tables.network_table(network))
    assert rows["stem"][4:6] == ["3", "8/7"]
    assert rows["stages.0"][4:11] == ["24", "32", "3", "5", "2", "6/4", "5/3,4/4,4/4"]
    assert rows["head"][4:6] == ["1", "5/2"]
    video = Architecture(32, Stem(8, kernel_t=3), (Stage("inverted_3d", 2, 16, 24, 5, 2, kernel_t=3),), frames=8)
    rows = rows_of(tables.network_table(video))
    assert rows["stem"][0] == "8×32→16" and rows["stem"][4] == "3x3"
    assert rows["stages.0"][5] == "3x5"


def test_shares_of_no_entropy_are_left_out() -> None:
    scoring = replace(default_scoring("reference", QUANTISED, "madnas"), alpha=(0.0, 0.0))
    rows = rows_of(tables.objective_table(Evaluator(QUANTISED, scoring).evaluation, 0.0))
    assert rows["objective"] == ["0.000"]


def test_units_stand_beside_figures_of_bytes() -> None:
    assert tables.named("model_size", True) == "model_size, bytes"
    assert tables.named("model_size", False) == "model_size"  # of numbers
    assert tables.named("flops", True) == "flops"
    evaluation = Evaluator(QUANTISED, default_scoring("reference", QUANTISED, "madnas")).evaluation
    assert rows_of(tables.figures_table(evaluation, True)).keys() >= {"model_size,", "max_feature,", "bit_operations"}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_network_table_has_every_size(family: str) -> None:
    rows = rows_of(tables.network_table(small(family)))
    assert rows["stages.0"][:7] == ["17→9", "2", family, "12", "16", "5", "2"]
    assert rows["head"][:3] == ["5→5", "1", "conv"]
    assert rows["classifier"][:3] == ["5→1", "linear", "10"]


def test_the_evaluation_table_has_every_figure() -> None:
    network = published("deepmad-r18")
    evaluation = evaluate(network)
    rows = rows_of(tables.evaluation_table(evaluation, default_scoring("reference", network)))
    assert rows["score"] == ["deepmad"]
    assert rows["alpha"] == ["1,", "1,", "1,", "1,", "8"]
    assert rows["params"] == ["11,153,088"]
    assert rows["objective"] == ["32085.396949"]
    assert {name.split(".")[0] for name in rows} >= set(evaluation.to_dict())


def test_the_problem_is_shown_with_the_size_of_its_space() -> None:
    problem = Problem.preset("deepmad-r18")
    rows = rows_of(problem_tables.problem_table(problem))
    assert rows["stages.4"][:4] == ["14", "→", "7", "2"]
    lines = "\n".join(console.problem_lines(problem))
    assert f"{problem.size():.3e}".split("e")[0] in lines
    assert "flops 1.82 G, params 11.69 M, effectiveness 0.3" in lines
    assert "penalty exp_std over stages.2, stages.3, stages.4" in lines


def test_the_problem_is_shown_with_its_bits_and_frames() -> None:
    problem = Problem.preset("mcu-256k", ["stages.1.uniform=false"])
    shown = text_of(problem_tables.problem_table(problem), 250)
    assert "8/8" in shown and "3, 4, 5, 6 / 3, 4, 5, 6" in shown and "1, 2, 3, blocks differ" in shown
    problem = Problem.preset("e3d-s", ["stem.kernel_t=3"])
    assert "3x3" in rows_of(problem_tables.problem_table(problem))["stem"]
    assert "3 x 13 frames x 160 x 160" in "\n".join(console.problem_lines(problem))


def test_the_presets_are_listed() -> None:
    rows = rows_of(presets_table(preset_summaries()))
    assert set(rows) >= set(preset_names())


def test_nothing_of_a_name_is_taken_for_markup(capsys: pytest.CaptureFixture[str]) -> None:
    problem = Problem.load(SMALL, ["name='[red]x[/red] :smile:'"])
    console.PlainConsole().print(presets_table([summary_of(problem)]))
    assert "[red]x[/red] :smile:" in capsys.readouterr().out


def test_the_checks_of_a_validation_are_listed() -> None:
    checks = (FigureCheck("params_total", 10, 10), FigureCheck("log_variance", 1.0, 2.0, 0.5, 0.125))
    rows = rows_of(validation_table(checks))
    assert rows["params_total"] == ["10", "10", "exact", "ok"]
    assert rows["log_variance"] == ["1", "2", "0.125", "+8.00", "s.e.", "FAILED"]


# ---------------------------------------------------------------------------------------------------------------- a design


def design_of(architecture: Architecture | None, **fields: Any) -> Design:
    """A design that no run has made."""
    data = {"tree": [["", "split", 1.0, [], None], ["0", "excluded", 1.0, [], None]], "cells": [], "open": [["1", 2.0, []]]}
    data["claim"] = {"status": "feasible", "objective": 1.0, "bound": 2.0}  # type: ignore[assignment]
    given: dict[str, Any] = {
        "problem": Problem.preset("deepmad-r18"),
        "status": "feasible",
        "architecture": architecture,
        "bound": 40000.0,
        "certificate": Certificate(data),
        "wall_seconds": 12.34,
        "peak_rss_mb": 321.0,
        "seed": 5,
    }
    return Design(**given | fields)


def test_each_budget_is_shown_with_its_slack() -> None:
    rows = rows_of(tables.budget_table(design_of(published("deepmad-r18"))))
    assert rows["flops"] == ["1,837,323,208", "1,820,000,000", "-17,323,208", "100.95", "%", "EXCEEDED"]
    assert rows["params"] == ["11,153,088", "11,690,000", "536,912", "95.41", "%", "kept"]
    assert rows["effectiveness"][:2] == ["0.299096", "0.3"]


def test_the_outcome_is_told() -> None:
    lines = "\n".join(
        console.outcome_lines(design_of(published("deepmad-r18"), interrupted=True, incidents=("1.0 s: a child died",)))
    )
    for fragment in (
        "feasible: within all budgets, but not proven best (interrupted)",
        "objective    32085.397",
        "bound        40000.000",
        "gap          24.7 %",
        "time         12.3 s, peak memory 321 MB, seed 5",
        "2 nodes (1 split, 1 excluded), 1 left open",
        "incident     1.0 s: a child died",
    ):
        assert fragment in lines


def test_the_outcome_without_a_network_has_no_figures() -> None:
    lines = console.outcome_lines(design_of(None, status="infeasible", bound=-math.inf))
    assert [line.split()[-1] for line in lines[1:4]] == ["-", "-", "-"]


def test_failed_claims_are_told_plainly() -> None:
    claims = [Claim("format", HOLDS), Claim("bound", FAILS, "9 does not follow"), Claim("status", FAILS)]
    lines = console.verification_lines(design_of(None).certificate, claims)
    assert lines == ["FAILED: bound: 9 does not follow", "FAILED: status", "2 of 3 claims do not hold"]


def test_a_verified_certificate_is_summed_up() -> None:
    lines = console.verification_lines(design_of(None).certificate, [Claim("format", HOLDS)])
    assert lines == [
        "status feasible, objective 1.000, bound 2.000",
        "2 nodes, 1 left open",
        "proved: the only claim holds",
    ]


def test_what_was_taken_on_trust_is_never_called_proved() -> None:
    claims = [Claim("format", HOLDS), Claim("3 cells closed by a solver", TRUST, "--resolve solves them again")]
    lines = console.verification_lines(design_of(None).certificate, claims)
    assert lines[2:] == [
        "on trust: 3 cells closed by a solver: --resolve solves them again",
        "proved up to 3 cells closed by a solver",
    ]


# ----------------------------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("function", "value", "text"),
    [
        (formatting.number, 1820000000.0, "1,820,000,000"),
        (formatting.number, 12, "12"),
        (formatting.number, 0.3, "0.3"),
        (formatting.number, 1e300, "1e+300"),
        (formatting.score, None, "-"),
        (formatting.score, math.inf, "-"),
        (formatting.score, 36538.33856, "36538.339"),
        (formatting.percent, None, "-"),
        (formatting.percent, 0.0, "0 %"),
        (formatting.percent, 0.0009, "0.09 %"),
        (formatting.percent, 1e-6, "0.0001 %"),
        (formatting.scientific, 123456, "123,456"),
        (formatting.scientific, 667 * 10**400, "6.670e+402"),
        (problem_tables.lattice_text, Lattice(listed=(3, 5)), "3, 5"),
        (problem_tables.lattice_text, Lattice(min=1, max=64), "1..64"),
        (problem_tables.lattice_text, Lattice(max=2048, step=8), "8..2048 by 8"),
        (problem_tables.lattice_text, Lattice(listed=(1, 2, 4, 8, 16)), "1, 2, 4, 8, 16"),
        (problem_tables.lattice_text, Lattice(listed=(1, 2, 4, 8, 16, 32, 64, 128, 256)), "1..256 (9 values)"),
        (problem_tables.range_text, RatioRange(min=1.0), ">= 1"),
        (problem_tables.range_text, RatioRange(min=0.1, max=4.0), "0.1..4"),
    ],
)
def test_a_figure_in_few_characters(function: Callable[[Any], str], value: Any, text: str) -> None:
    assert function(value) == text


# ---------------------------------------------------------------------------------------------------------------- progress


def test_a_line_of_progress() -> None:
    line = progress.progress_line(state(12.0, 36538.339, 36571.2))
    assert line == "    12.0 s  presolve     incumbent 36538.339  bound 36571.200  gap 0.0899 %  open 3  closed 7"


def test_a_line_of_progress_before_the_first_design() -> None:
    assert "incumbent -  bound -  gap -" in progress.progress_line(state(0.1, None))


def lines_of(points: list[Progress], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Lines that are printed where there is no terminal."""
    with progress.ProgressDisplay(console.PlainConsole(stderr=True)) as display:
        for point in points:
            display.update(point)
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


def seconds_told(points: list[Progress], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """When plain lines are printed."""
    return [line.split()[0] for line in lines_of(points, capsys)]


def test_plain_progress_without_news_tells_every_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    assert seconds_told([state(0.5 * i, 10.0, 20.0) for i in range(70)], capsys) == ["0.0", "10.0", "20.0", "30.0"]


def test_plain_progress_tells_of_a_new_incumbent(capsys: pytest.CaptureFixture[str]) -> None:
    points = [state(0.0, None), state(0.01, 10.0), state(0.1, 11.0), state(0.3, 12.0), state(0.9, 12.001), state(1.5, 12.0)]
    assert seconds_told(points, capsys) == ["0.0", "0.0", "0.3"]  # at once only the first; not by a hundredth of a percent


def test_plain_progress_tells_of_a_gap_that_is_half_of_what_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    bounds = [math.inf, 200.0, 190.0, 160.0, 150.0, 149.0, 126.0, 125.0, 124.0]
    points = [state(float(i), 100.0, bound) for i, bound in enumerate(bounds)]
    assert seconds_told(points, capsys) == ["0.0", "1.0", "4.0", "7.0"]


def test_plain_progress_tells_of_a_new_phase(capsys: pytest.CaptureFixture[str]) -> None:
    points = [state(0.0, 10.0), state(0.1, 10.0, phase="tree"), state(0.3, 10.0, phase="tree"), state(1.0, 10.0, phase="tree")]
    assert seconds_told(points, capsys) == ["0.0", "0.3"]


def test_plain_progress_always_tells_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    points = [state(0.0, 10.0), state(0.01, 10.0, 10.0, "done")]
    assert [line.split()[2] for line in lines_of(points, capsys)] == ["presolve", "done"]


def test_live_progress_is_cleared_in_the_end() -> None:
    file = io.StringIO()
    with progress.ProgressDisplay(Console(file=file, force_terminal=True, width=100)) as display:
        display.update(state(1.0, 36538.3, 36571.2))
    assert "36538.300" in file.getvalue()
    assert file.getvalue().endswith("\x1b[2K")


class BrokenFile(io.StringIO):
    """A terminal that is gone."""

    def write(self, text: str) -> int:
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_that_is_gone_does_not_end_the_run(terminal: bool) -> None:
    display = progress.ProgressDisplay(Console(file=BrokenFile(), force_terminal=terminal))
    with display:
        display.update(state(1.0, 1.0))


class Clock:
    """A clock that stands still until it is put forward."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def counted(points: list[tuple[float, int]], total: int, first: float, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Plain lines about parts that are done at some seconds."""
    clock = Clock()
    plain = console.PlainConsole(stderr=True)
    with progress.CountDisplay(plain, "{done} of {total}{left}", first=first, clock=clock) as display:
        for seconds, done in points:
            clock.now = 1000.0 + seconds
            display.update(done, total)
    return capsys.readouterr().err.splitlines()


def test_what_ends_soon_is_not_counted_into_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert counted([(0.0, 0), (5.0, 1), (9.0, 2)], 2, 10.0, capsys) == []


def test_parts_are_counted_every_ten_seconds_with_the_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    points = [(float(second), 100 + second) for second in range(26)]
    assert counted(points, 125, 10.0, capsys) == [
        "110 of 125, about 15 s left",
        "120 of 125, about 5 s left",
        "125 of 125",
    ]
    assert counted(points[:2], 125, 0.0, capsys) == ["100 of 125"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (89.0, "89 s"), (100.0, "2 min"), (3600.0, "60 min"), (7800.0, "2 h 10 min"), (7200.0, "2 h")],
)
def test_a_time_that_is_known_roughly(seconds: float, text: str) -> None:
    assert formatting.duration(seconds) == text


def test_a_long_search_of_a_limit_gives_a_sign_of_life(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with progress.ExplanationDisplay(console.PlainConsole(stderr=True), clock) as display:
        for second in range(25):
            clock.now = 1000.0 + second
            display.update("flops", 1e6, state(float(second), 1.0))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "solving with flops 1,000,000"
    assert [line.split()[0] for line in lines[1:]] == ["10.0", "20.0"]


def test_a_long_search_of_a_point_gives_a_sign_of_life(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with progress.FrontierDisplay(console.PlainConsole(stderr=True), clock) as display:
        for second in range(25):
            clock.now = 1000.0 + second
            display.update(3, state(float(second), 1.0))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[:3] for line in lines] == [["point", "3:", "10.0"], ["point", "3:", "20.0"]]


def test_a_quiet_console_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.ProgressDisplay(console.PlainConsole(stderr=True, quiet=True)) as display:
        display.update(state(0.0, 10.0))
    assert capsys.readouterr() == ("", "")


def test_long_lines_stay_whole_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    console.PlainConsole().lines(["x" * 1000])
    assert capsys.readouterr().out == "x" * 1000 + "\n"


def test_a_reader_that_leaves_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    run = programs.run("reader_leaves", stdout=writing, stderr=subprocess.PIPE, capture_output=False, timeout=60)
    os.close(writing)
    assert (run.returncode, run.stderr) == (0, "")


# -------------------------------------------------------------------------------------------------------------------- plot

RUN = (
    state(0.5, None, phase="incumbent"),
    state(1.0, 100.0, phase="incumbent"),
    state(2.0, 900.0, phase="incumbent"),
    state(10.0, 950.0, 2000.0),
    state(50.0, 990.0, 1100.0),
    state(100.0, 1000.0, 1000.0, "done"),
)


def test_the_plot_is_a_png(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "convergence.png"
    assert draw_convergence(RUN, path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [file.name for file in tmp_path.iterdir()] == ["convergence.png"]


@pytest.mark.parametrize(
    "trace",
    [
        RUN[1:2],
        RUN[:3],
        RUN[3:4],
        (*RUN[:5], replace(RUN[4], phase="done")),
        (state(0.0, 5.0, 5.0),),
        (state(1.0, None, 7.0),),
    ],
    ids=["one incumbent", "no bound", "one point", "interrupted", "at once", "no incumbent"],
)
def test_any_run_can_be_drawn(trace: tuple[Progress, ...], tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    pytest.importorskip("matplotlib")
    assert draw_convergence(trace, tmp_path / "convergence.png")
    assert not recwarn.list


@pytest.mark.parametrize("trace", [(), (state(1.0, None),)], ids=["empty", "without a value"])
def test_a_run_without_values_leaves_no_plot(trace: tuple[Progress, ...], tmp_path: Path) -> None:
    path = tmp_path / "convergence.png"
    path.write_bytes(b"of an earlier run")
    assert not draw_convergence(trace, path)
    assert not path.exists()


def test_without_matplotlib_there_is_no_plot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert not draw_convergence(RUN, tmp_path / "convergence.png")
    assert not list(tmp_path.iterdir())


def test_drawing_keeps_out_of_the_global_state(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    before = "matplotlib.pyplot" in sys.modules  # where another test of this process has imported it
    draw_convergence(RUN, tmp_path / "convergence.png")
    assert ("matplotlib.pyplot" in sys.modules) == before


def test_the_range_leaves_out_what_came_before_the_first_bound() -> None:
    limits = convergence.settled_range(RUN)
    assert limits is not None
    assert 700 < limits[0] < 950
    assert 2000 < limits[1] < 2200
    values = convergence.values_chart(RUN)
    assert values is not None and convergence.is_cut(values)
    title = "objective 1000.000, gap 0 % after 100.0 s (early values lie outside of the plot)"
    assert convergence.plot_title(RUN, values) == title


def test_the_range_keeps_the_value_in_force_at_its_start() -> None:
    late_bound = (state(0.0, 800.0), state(50.0, 800.0, 900.0), state(100.0, 850.0, 860.0))
    limits = convergence.settled_range(late_bound)
    assert limits is not None
    assert limits[0] < 800 < 900 < limits[1]
    values = convergence.values_chart(late_bound)
    assert values is not None
    assert convergence.plot_title(late_bound, values) == "objective 850.000, gap 1.18 % after 100.0 s"


def test_charts_begin_where_the_search_begins() -> None:
    late = tuple(replace(progress, seconds=progress.seconds + 8.0) for progress in RUN)
    for chart_of in (convergence.values_chart, convergence.gap_chart):
        assert chart_of(late) == chart_of(RUN)
    values = convergence.values_chart(late)
    assert values is not None and values.x_range == (0.0, 99.5) and values.across == "seconds of search"
    told = " ".join(convergence.convergence_lines(late, "optimal"))
    assert told.startswith("First network after 0.5 s of search, the best one after 99.5 s; proven after 99.5 s")
    assert told.endswith("Preparations before the search took 8.5 s.")
    assert "Preparations" not in " ".join(convergence.convergence_lines(convergence.of_search(RUN), "optimal"))
    assert convergence.convergence_lines(RUN[:1], "infeasible")[0].startswith("Proven after 0.0 s")


def test_runs_are_compared_by_what_they_are_off_their_ends() -> None:
    made = convergence.relative_chart([("one", RUN), ("none", ()), ("two", RUN[:5])], "c", "")
    assert made is not None
    chart, legend = made
    assert [name for *_, name in legend] == ["one", "two"] and [kind for kind, *_ in legend] == ["step", "step-1"]
    points = {series.name: series.points for series in chart.series}
    assert points["one: bound"][0] == (9.5, pytest.approx(100.0)) and points["one: bound"][-1] == (99.5, 0.0)
    assert points["two: incumbent"][-1] == (49.5, 0.0)
    assert {series.dash for series in chart.series if series.name.startswith("two")} == {1}
    assert convergence.relative_chart([("none", RUN[:1])], "c", "") is None


def test_the_range_of_a_single_value_has_a_height() -> None:
    limits = convergence.settled_range((state(0.0, 5.0, 5.0),))
    assert limits is not None
    assert limits[0] < 5.0 < limits[1]


def test_a_broken_matplotlib_does_not_disturb_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convergence, "find_spec", lambda name: True)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert list(convergence.prepare()) == []
