"""Latency tables: interpolation, coverage, the budget in the tree, and measuring."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from haste import kept
from hypothesis import given
from hypothesis import strategies as st
from mipdesign.benchmarks.corpus.small import best_by_enumeration, every_network, fused_problem, random_table, varied_problem
from scale import few

from mipdesign.cli import main as cli
from mipdesign.designs.run import design
from mipdesign.errors import SpecError
from mipdesign.figures.formatting import duration
from mipdesign.lattice.batch import evaluate_batch
from mipdesign.lattice.cell import Cell
from mipdesign.networks.blocks import Operation
from mipdesign.networks.latency import HEADER, LatencyModel, LatencyTable, Row
from mipdesign.networks.latency_grid import MISSING, Grid
from mipdesign.nn import profiling
from mipdesign.nn.latency_plan import plan
from mipdesign.nn.profiling import Forecast, forecast, profile
from mipdesign.problem.problem import Problem
from mipdesign.search.coverage import build_tables

SMALL = Path(__file__).parents[1] / "data" / "small.yaml"


def lines(*rows: str) -> list[str]:
    return [",".join(HEADER), *rows]


def conv(ci: int, co: int, kernel: int = 1, groups: int = 1) -> Operation:
    return Operation("conv", ("input",), "conv", ci, co, 14, kernel=kernel, groups=groups)


def timed_problems(n: int) -> list[Problem]:
    """Varied problems with a latency budget."""
    problems = (varied_problem(seed) for seed in itertools.count())
    return list(itertools.islice((p for p in problems if p.budgets.latency is not None), n))


points = st.dictionaries(st.tuples(st.integers(1, 60), st.integers(1, 60)), st.integers(0, 10**10), min_size=1, max_size=12)


@given(points, st.lists(st.tuples(st.integers(0, 70), st.integers(0, 70)), min_size=2, max_size=20))
def test_interpolation_is_monotone_and_exact_at_the_points_that_are_not_overtaken(
    measured: dict[tuple[int, int], int], at: list[tuple[int, int]]
) -> None:
    grid = Grid.of(measured, line=False)

    def value(ci: int, co: int) -> int:
        return int(grid.at(np.array([ci]), np.array([co]))[0])

    for (ci, co), nanoseconds in measured.items():
        below = [v for (a, b), v in measured.items() if a <= ci and b <= co]
        assert value(ci, co) == max(below) >= nanoseconds
    known = [(ci, co, value(ci, co)) for ci, co in at if value(ci, co) != MISSING]
    for (a, b, low), (c, d, high) in itertools.product(known, known):
        if a <= c and b <= d:
            assert low <= high


def test_interpolation_is_linear_and_rounded_down() -> None:
    grid = Grid.of({(8, 8): 100, (16, 8): 200, (8, 24): 300, (16, 24): 500}, line=False)
    assert grid.at(np.array([12, 9, 12]), np.array([8, 8, 16])).tolist() == [150, 112, 275]
    assert grid.at(np.array([7, 17, 8]), np.array([8, 8, 25])).tolist() == [MISSING] * 3
    line = Grid.of({(8, 0): 10, (16, 0): 20}, line=True)
    assert line.at(np.array([8, 12, 20]), np.array([8, 12, 20])).tolist() == [10, 15, MISSING]


@pytest.mark.parametrize("index", few(range(6), 3))
def test_fused_tables_count_each_convolution_with_what_follows_it_once(index: int) -> None:
    problem = fused_problem(index)
    assert problem.budgets.latencies["latency"].table.fused
    tables = build_tables(problem)
    batch = Cell.whole(tables).networks(tables)
    evaluation = evaluate_batch(tables, batch)
    row = tables.counts.index("latency")
    for k in np.flatnonzero(evaluation.chained)[:: max(1, len(batch) // 50)]:
        columns, depths = tuple(batch.columns[:, k].tolist()), tuple(batch.depths[:, k].tolist())
        network = tables.architecture(type(tables.position(next(every_network(problem))))(int(batch.stem[k]), columns, depths))
        by_hand = LatencyModel(problem.budgets.latencies["latency"].table)
        parts = [op for op in network.operations() if not op.fused or op.kind == "conv"]
        assert sum(by_hand.nanoseconds(op) for op in parts) == evaluation.counts[row, k]
        assert problem.evaluator(network).nanoseconds() == evaluation.counts[row, k]


def test_the_optimum_under_a_fused_table_is_that_of_enumeration_and_verified() -> None:
    problem = fused_problem(1)
    found = design(problem, engine=kept())
    best = best_by_enumeration(problem)
    assert found.status == ("infeasible" if best is None else "optimal") and best is not None
    assert found.architecture is not None
    assert problem.evaluator(found.architecture).exact_objective() == best
    assert all(check.passed for check in found.checks())


def test_a_table_with_one_fused_row_counts_no_convolution_alone() -> None:
    def fused(kind: str, name: str, function: str = "") -> Operation:
        return Operation(name, ("input",), kind, 8, 8, 14, function=function, fused="conv+norm+relu")

    operations = [fused("conv", "conv"), fused("norm", "bn"), fused("activation", "act", "relu"), conv(8, 8)]
    relu = Operation("out", ("act",), "activation", 8, 8, 14, function="relu")
    alone = lines("conv,8,8,1,1,1,14,1,5", "norm,8,8,1,1,1,14,1,2", "relu,8,8,1,1,1,14,1,1")
    assert LatencyModel(LatencyTable.from_lines(alone)).total([*operations, relu]) == 14_000
    together = LatencyTable.from_lines([*alone, "conv+norm+relu,8,8,1,1,1,14,1,6"])
    assert LatencyModel(together).total([*operations, relu]) == 12_000
    assert LatencyModel(together, ("conv+norm+relu",)).total([*operations, relu]) == 6_000
    lacking = LatencyTable.from_lines([*alone, "conv+norm,8,8,1,1,1,14,1,6"])
    with pytest.raises(SpecError, match="operation conv\\+norm\\+relu 8 -> 8"):
        LatencyModel(lacking).total(operations)


def test_missing_operations_are_named() -> None:
    model = LatencyModel(LatencyTable.from_lines(lines("conv,8,8,1,1,1,14,1,5", "conv,16,16,3,1,16,14,1,7")))
    assert model.total([conv(8, 8), conv(16, 16, 3, 16)]) == 12_000
    for op, text in ((conv(8, 16), "conv 8 -> 16, kernel 1"), (conv(16, 16, 3), "kernel 3, stride 1, groups 1, at 14 x 14")):
        with pytest.raises(SpecError, match=text):
            model.total([op])
    assert model.nanoseconds(conv(np.array([8, 9]), np.array([8, 8]))).tolist() == [5000, MISSING]


def test_free_kinds_take_no_time_and_batches_are_apart() -> None:
    table = LatencyTable.from_lines(lines("conv,8,8,1,1,1,14,1,5", "conv,8,8,1,1,1,14,32,90.5"))
    norm = Operation("norm", ("conv",), "norm", 8, 8, 14)
    assert LatencyModel(table.of_batch(32), ("norm",)).total([conv(8, 8), norm]) == 90_500
    with pytest.raises(SpecError, match="no rows of batch 2"):
        table.of_batch(2)


def test_a_table_is_written_as_it_is_read() -> None:
    problem = varied_problem(3)
    text = random_table(problem, np.random.default_rng(0))
    assert LatencyTable.from_lines(text).to_lines() == text


@pytest.mark.parametrize("index", few(range(6), 3))
def test_tables_count_what_the_exact_evaluator_counts(index: int) -> None:
    problem = timed_problems(6)[index]
    tables = build_tables(problem)
    batch = Cell.whole(tables).networks(tables)
    evaluation = evaluate_batch(tables, batch)
    row = tables.counts.index("latency")
    for k in np.flatnonzero(evaluation.chained)[:: max(1, len(batch) // 100)]:
        columns, depths = tuple(batch.columns[:, k].tolist()), tuple(batch.depths[:, k].tolist())
        network = tables.architecture(type(tables.position(next(every_network(problem))))(int(batch.stem[k]), columns, depths))
        assert problem.evaluator(network).nanoseconds() == evaluation.counts[row, k]


def test_the_optimum_under_a_latency_budget_is_that_of_enumeration() -> None:
    problem = timed_problems(3)[2]
    found = design(problem, engine=kept())
    best = best_by_enumeration(problem)
    assert found.status == ("infeasible" if best is None else "optimal")
    if best is not None:
        assert found.architecture is not None
        assert problem.evaluator(found.architecture).exact_objective() == best
    assert all(check.passed for check in found.checks())
    assert Problem.from_dict(problem.to_dict()) == problem
    assert Problem.from_dict(problem.to_dict()).digest == problem.digest


def test_a_table_without_an_operation_that_a_network_may_have_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    problem = Problem.load(SMALL)
    rows = [row._replace(microseconds=1.0) for row in plan(problem, 3)]
    table = LatencyTable(tuple(row for row in rows if row.kind != "norm"))
    path = tmp_path / "table.csv"
    path.write_text("\n".join(table.to_lines()))
    options = ["--set", f"budgets.latency.table={path}", "--set", "budgets.latency.max=1e5", "--out", str(tmp_path / "out")]
    assert cli.main(["design", str(SMALL), *options]) == 2
    assert "does not cover the operation norm" in capsys.readouterr().err
    assert cli.main(["design", str(SMALL), *options, "--set", "budgets.latency.free=norm"]) == 0


def test_a_specification_names_its_table_relative_to_itself(tmp_path: Path) -> None:
    rows = plan(Problem.load(SMALL), 2)
    (tmp_path / "table.csv").write_text("\n".join(LatencyTable(tuple(rows)).to_lines()))
    spec = tmp_path / "spec.yaml"
    spec.write_text(SMALL.read_text().replace("budgets: {", "budgets: {latency: {max: 10, table: table.csv}, "))
    limits = Problem.load(spec).budgets
    assert limits.latency is not None and len(limits.latency.table.rows) == len(rows)


GOOD = "conv,8,8,1,1,1,14,1,5"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (["kind,in", GOOD], "line 1: is not the header"),
        ([GOOD], "line 1: is not the header"),
        ([], "line 1: is not the header"),
        (lines(), "the table has no rows"),
        (lines(GOOD, GOOD), "line 3: measures conv,8,8,1,1,1,14,1 a second time"),
        (lines("conv,8,8,1,1,1,14,1"), "line 2: has 8 columns"),
        (lines("conv,8,8,1,1,1,14,1,5,5"), "line 2: has 10 columns"),
        (lines("deconv,8,8,1,1,1,14,1,5"), "kind: 'deconv' is not known"),
        (lines("conv,0,8,1,1,1,14,1,5"), "in_channels: '0' is refused"),
        (lines("conv,8,8.5,1,1,1,14,1,5"), "out_channels: '8.5' is refused"),
        (lines("conv,8,99999999999999,1,1,1,14,1,5"), "out_channels: '99999999999999' is refused"),
        (lines("conv,8,8,1,1,1,14,-1,5"), "batch: '-1' is refused"),
        (lines("conv,8,8,1,1,3,14,1,5"), "groups: 3 does not divide the channels"),
        (lines("norm,8,16,1,1,1,14,1,5"), "out_channels: 16 for a norm of 8"),
        (lines("conv,8,8,1,1,1,14,1,fast"), "microseconds: 'fast' is refused"),
        (lines("conv,8,8,1,1,1,14,1,nan"), "microseconds: 'nan' is refused"),
        (lines("conv,8,8,1,1,1,14,1,inf"), "microseconds: 'inf' is refused"),
        (lines("conv,8,8,1,1,1,14,1,-3"), "microseconds: '-3' is refused"),
        (lines('conv,8,8,1,1,1,14,1,"5'), "not valid CSV"),
        (lines('conv,8,8,1,1,1,14,1,"5\n.5"'), "not valid CSV (a field goes on in the next line)"),
    ],
)
def test_a_malformed_table_names_line_and_column(text: list[str], fault: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("\n".join(text))
    with pytest.raises(SpecError, match=re.escape(fault)) as caught:
        LatencyTable.load(path)
    assert caught.value.source == str(path)


@pytest.mark.parametrize(
    ("latency", "fault"),
    [
        (5.0, "5.0 comes without a table"),
        ({"max": 5.0}, "table: is missing"),
        ({"max": 5.0, "table": "no/such/table.csv"}, "table: no/such/table.csv: cannot be read"),
        ({"max": 5.0, "table": 7}, "table: 7 is not a table"),
        ({"max": 5.0, "table": [1, 2]}, "is not a table"),
        ({"max": 5.0, "table": lines(GOOD), "batch": 4}, "batch: the table has no rows of batch 4"),
        ({"max": 5.0, "table": lines(GOOD), "free": ["bias"]}, "free: 'bias' is not a kind"),
        ({"min": 5.0, "table": lines(GOOD)}, "latency.min: is not supported"),
        ({"max": 5.0, "bytes": 4, "table": lines(GOOD)}, "latency.bytes: has no meaning"),
        ({"max": -5.0, "table": lines(GOOD)}, "-5.0 is refused"),
        ({"table": lines(GOOD)}, "limits nothing"),
    ],
)
def test_a_malformed_latency_budget_names_its_field(latency: object, fault: str) -> None:
    data = Problem.load(SMALL).to_dict()
    data["budgets"]["latency"] = latency
    with pytest.raises(SpecError, match=re.escape(fault)):
        Problem.from_dict(data)


def test_plans_leave_out_what_no_network_within_the_budgets_has() -> None:
    loose, tight = Problem.preset("deepmad-r18"), Problem.preset("deepmad-r18", ["budgets.flops=2e8"])
    few, many = {row[:-1] for row in plan(tight, 5)}, {row[:-1] for row in plan(loose, 5)}
    assert few < many


def test_profile_measures_resumes_and_refuses_other_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    problem, path = Problem.load(SMALL), tmp_path / "table.csv"
    wanted = plan(problem, 2)
    assert profile(problem, path, points=2, seconds=1e-4) == len(wanted)
    table = LatencyTable.load(path)
    assert [row[:-1] for row in table.rows] == [row[:-1] for row in wanted]
    assert all(row.microseconds > 0 for row in table.rows)
    whole = path.read_text()
    path.write_text("\n".join(whole.splitlines()[:10]) + "\nconv,8,")  # cut off in the middle of a row
    calls: list[tuple[int, int]] = []
    assert profile(problem, path, points=2, seconds=1e-4, on_row=lambda *at: calls.append(at)) == len(wanted) - 8
    assert calls[0] == (8, len(wanted)) and calls[-1] == (len(wanted), len(wanted))
    assert [row[:-1] for row in LatencyTable.load(path).rows] == [row[:-1] for row in wanted]
    assert cli.main(["profile", str(SMALL), "--out", str(path), "--threads", "2"]) == 2
    assert "was measured otherwise" in capsys.readouterr().err
    for option, value in (("device", "tpu"), ("threads", "0"), ("seconds", "0"), ("batch", "0"), ("points", "1")):
        assert cli.main(["profile", str(SMALL), "--out", str(tmp_path / "other.csv"), f"--{option}", value]) == 2
        assert f"error: {option}: " in capsys.readouterr().err
    assert not (tmp_path / "other.csv").exists()


def test_a_forecast_writes_nothing_and_counts_what_is_left(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    problem, path = Problem.load(SMALL), tmp_path / "table.csv"
    wanted, ticks = len(plan(problem, 2)), itertools.count(0.0, 2.0)  # two seconds pass whenever somebody looks
    found = forecast(problem, path, points=2, seconds=1e-4, clock=lambda: next(ticks))
    assert (found.wanted, found.left, found.sampled) == (wanted, wanted, 3)  # the third ends after more than five seconds
    assert found.seconds == 8.0 / 3 * wanted
    assert not path.exists()
    profile(problem, path, points=2, seconds=1e-4)
    whole = path.read_text()
    path.write_text("\n".join(whole.splitlines()[:10]) + "\nconv,8,")
    cut = path.read_text()
    assert forecast(problem, path, points=2, seconds=1e-4, samples=2).left == wanted - 8
    assert path.read_text() == cut
    path.write_text(whole)
    assert forecast(problem, path, points=2, seconds=1e-4) == Forecast(wanted, 0, 0, 0.0)
    with pytest.raises(SpecError, match="was measured otherwise"):
        forecast(problem, path, points=2, threads=2)


def test_a_forecast_without_torch_is_a_lower_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiling, "find_spec", lambda name: None)
    wanted = len(plan(Problem.load(SMALL), 2))
    assert forecast(Problem.load(SMALL), None, points=2, seconds=0.5) == Forecast(wanted, wanted, 0, 0.5 * wanted)


def test_the_command_foretells(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiling, "find_spec", lambda name: None)
    wanted = len(plan(Problem.load(SMALL), 2))
    arguments = ["profile", str(SMALL), "--dry-run", "--points", "2", "--seconds", "1"]
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out.startswith(f"{wanted} operations to be measured: at least {duration(wanted)}")
    assert cli.main([*arguments, "--out", str(tmp_path / "t.csv")]) == 0
    assert f"t.csv: 0 of {wanted} operations measured already\n" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
    assert cli.main(["profile", str(SMALL)]) == 2
    assert "error: --out: is missing; " in capsys.readouterr().err


def test_the_first_sampled_are_spread_as_evenly_as_all() -> None:
    assert profiling._spread_out(7) == [1 / 2, 1 / 4, 3 / 4, 1 / 8, 5 / 8, 3 / 8, 7 / 8]


def test_ctrl_c_keeps_what_was_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    measure = profiling.measure

    def interrupted(rows: Sequence[Row], settings: profiling.Settings) -> Iterator[Row]:
        yield from itertools.islice(measure(rows, settings), 3)
        raise KeyboardInterrupt

    path = tmp_path / "table.csv"
    arguments = ["profile", str(SMALL), "--out", str(path), "--points", "2", "--seconds", "1e-4"]
    monkeypatch.setattr(profiling, "measure", interrupted)
    assert cli.main(arguments) == 130
    wanted = len(plan(Problem.load(SMALL), 2))
    said = capsys.readouterr().err
    assert f"{path} has 3 of {wanted} operations; to measure the others, give the same command again\n" in said
    monkeypatch.setattr(profiling, "measure", measure)
    assert cli.main([*arguments, "--quiet"]) == 0
    assert capsys.readouterr() == (f"{path}: {wanted - 3} operations measured\n", "")
    assert len(LatencyTable.load(path).rows) == wanted


@pytest.mark.parametrize("text", ["a,b", "# torch 0.0, cpu"])
def test_a_file_of_something_else_is_left_alone(text: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    path = tmp_path / "notes.csv"
    path.write_text(text)  # and no end of a line
    with pytest.raises(SpecError, match="was measured otherwise"):
        profile(Problem.load(SMALL), path, points=2, seconds=1e-4)
    assert path.read_text() == text


def test_evaluate_predicts_the_latency_of_a_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problem = Problem.load(SMALL)
    rows = [row._replace(microseconds=2.0) for row in plan(problem, 2)]
    (tmp_path / "table.csv").write_text("\n".join(LatencyTable(tuple(rows)).to_lines()))
    network = next(every_network(problem))
    (tmp_path / "network.json").write_text(network.dumps())
    assert cli.main(["evaluate", str(tmp_path / "network.json"), "--latency", str(tmp_path / "table.csv"), "--json"]) == 0
    assert f'"latency": {2.0 * len(list(network.operations()))}' in capsys.readouterr().out


@pytest.mark.parametrize(("preset", "field"), [("e3d-s", "input.frames"), ("mcu-256k", "stem.bits")])
def test_no_table_is_measured_that_no_budget_takes(preset: str, field: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=rf"{field}: latency tables have no operations of video or of few bits"):
        profile(Problem.preset(preset), tmp_path / "table.csv")
    assert not (tmp_path / "table.csv").exists()
