"""Tables of values: read, refused, tabulated exactly, and optimised as enumeration does."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mipdesign.benchmarks.corpus.small import every_network, listing, small_problem
from mipdesign.benchmarks.corpus.valued import valued_problem, with_values
from mipdesign.benchmarks.experiments.agreement import WAYS, found_by, tree_agrees, varied_agrees

from mipdesign import Problem
from mipdesign.cli import main as cli
from mipdesign.errors import SpecError
from mipdesign.lattice.batch import Batch, evaluate_batch
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Position
from mipdesign.mip.formulation import formulation_named
from mipdesign.networks.architecture import Architecture
from mipdesign.networks.values import HEADER, ValueTable
from mipdesign.report.tables import objective_table
from mipdesign.report.terminal import problem_lines
from mipdesign.search.coverage import build_tables

HEAD = ",".join(HEADER)
SMALL = Path(__file__).parents[1] / "data" / "small.yaml"


def small_with(**objective: Any) -> Problem:
    """The small problem with another objective."""
    data = Problem.load(SMALL).to_dict()
    return Problem.from_dict(data | {"objective": objective})


def small_network() -> Architecture:
    """A network of the small problem."""
    tables = build_tables(Problem.load(SMALL))
    return tables.architecture(Position(0, (0, 0, 0), (1, 1, 1)))


@pytest.mark.parametrize("seed", range(6))
def test_core_evaluates_as_the_exact_evaluator(seed: int) -> None:
    problem = valued_problem(seed)
    tables = build_tables(problem)
    for network in every_network(problem):
        batch = evaluate_batch(tables, Batch.of(tables.position(network)))
        exact = problem.evaluator(network).exact_objective()
        assert batch.objective[0] == pytest.approx(float(exact), rel=1e-12, abs=tables.doubt)


@pytest.mark.parametrize("seed", range(6))
def test_bounds_and_listings_agree_with_enumeration(seed: int) -> None:
    assert varied_agrees(seed, valued_problem)


@pytest.mark.parametrize("seed", range(3))
def test_tree_and_checker_agree_with_enumeration(seed: int) -> None:
    assert tree_agrees(valued_problem(seed), 1, WAYS[seed % 3])[0]


@pytest.mark.parametrize("way", ["lattice", "columns"])
@pytest.mark.parametrize("seed", [2, 4, 6])
def test_linear_formulations_agree_with_enumeration(way: str, seed: int) -> None:
    tables = build_tables(with_values(small_problem(seed), np.random.default_rng(seed)))
    assert formulation_named(way).unsupported(tables) is None
    known = listing(tables, Cell.whole(tables))
    cutoff = float(known.networks[0][1]) - 1e-6 if known.networks else None
    found = found_by(way, tables, cutoff)
    assert known.reaching(cutoff) <= found if cutoff is not None else not found


def test_other_formulations_refuse() -> None:
    tables = build_tables(small_with(kind="table", rows=[HEAD, ",,,,,,1"]))
    for name in ("minlp", "compact", "branch-price"):
        assert formulation_named(name).unsupported(tables) == "a table of values"


def test_kind_table_is_short_for_the_score() -> None:
    short = small_with(kind="table", rows=[HEAD, ",,,,,,1"], missing=0)
    table = {"rows": [HEAD, ",,,,,,1"], "missing": "zero"}
    assert short == small_with(score="table", table=table)
    assert short.objective.beta == 0 and short == Problem.from_dict(short.to_dict())


def test_problem_and_figures_are_told() -> None:
    problem = small_with(beta=0, table={"rows": [HEAD, ",,,,,,1.5"], "weight": -2})
    assert "objective    deepmad, alpha (1, 1, 8), no penalty, values of 1 row times -2" in problem_lines(problem)
    alone = small_with(kind="table", rows=[HEAD, ",,,,,,1.5"])
    assert "objective    table, no penalty, values of 1 row" in problem_lines(alone)
    evaluation = problem.evaluator(small_network()).evaluation
    assert evaluation.value == -9 and evaluation.objective == pytest.approx(evaluation.weighted_entropy - 9)
    assert ("values of the table", -9.0, None) in objective_table(evaluation, 0.0).rows


def test_file_is_found_beside_the_specification(tmp_path: Path) -> None:
    (tmp_path / "values.csv").write_text(f"# measured\n{HEAD}\n1, resnet_bottleneck ,,,,, -0.5\n,bottleneck,,,,2,1e-3\n")
    text = SMALL.read_text() + "objective: {kind: table, file: values.csv, missing: zero}\n"
    (tmp_path / "problem.yaml").write_text(text)
    problem = Problem.load(tmp_path / "problem.yaml")
    assert problem.objective.table is not None
    assert problem.objective.table.rows.to_lines() == [HEAD, "1,resnet_bottleneck,,,,,-0.5", ",bottleneck,,,,2,1e-3"]


def test_sums_are_exact() -> None:
    rows = [HEAD, "1,,,,,,1000000000", "2,,,,,,0.000000000000000000000000000001", "3,,,,,,-1000000000"]
    problem = small_with(kind="table", rows=rows, weight=-3)
    network = small_network()
    assert problem.evaluator(network).value == Fraction(-3, 10**30)
    assert problem.evaluator(network).exact_objective() == Decimal("-3e-30")


def test_several_rows_are_added_or_refused() -> None:
    rows = [HEAD, ",,,,,,1", "1,,,,3,,10", "1,,8,,3,1,100"]
    tables = build_tables(small_with(kind="table", rows=rows, several="add"))
    values = {
        (int(c), int(k)): row for c, k, row in zip(tables.stages[0].c, tables.stages[0].k, tables.stages[0].values, strict=True)
    }
    assert values[8, 3].tolist() == [111, 11, 11] and values[16, 3].tolist() == [11] * 3 and values[8, 5].tolist() == [1] * 3
    with pytest.raises(SpecError, match="several values for super-block 1: bottleneck, channels 8, width 8, kernel 3, depth 1"):
        build_tables(small_with(kind="table", rows=rows))


def test_missing_values_are_refused_excluded_or_nothing() -> None:
    rows = [HEAD, "1,,,,,,1", "2,,,,,,1", "3,,,,,2,-1"]
    with pytest.raises(SpecError, match=r"no value for super-block 3: .*, depth 1"):
        build_tables(small_with(kind="table", rows=rows))
    excluded = build_tables(small_with(kind="table", rows=rows, missing="exclude"))
    assert np.isfinite(excluded.stages[2].values).sum(axis=1).tolist() == [1] * len(excluded.stages[2].c)
    zero = small_with(kind="table", rows=rows, missing="zero")
    assert set(np.unique(build_tables(zero).stages[2].values)) == {-1, 0}


def objective_of(problem: Problem) -> dict[str, Any]:
    """An objective as plain data, without the rows of its table."""
    return {name: value for name, value in problem.to_dict()["objective"].items() if name != "table"}


def test_a_kind_begins_an_objective_anew() -> None:
    """However it is asked for: the penalty of the score before it does not stay."""
    rows = [HEAD, ",,,,,,1"]
    alone = objective_of(small_with(kind="table", rows=rows))
    assert alone == {"score": "table", "beta": 0.0}
    small = Problem.load(SMALL)
    texts = ["objective.kind=table", f"objective.rows={json.dumps(rows)}"]
    for changed in (
        small.with_(objective={"kind": "table", "rows": rows}),
        small.with_({"objective.kind": "table", "objective.rows": rows}),
        small.with_(objective={"score": "table", "table": {"rows": rows}}),
        small_with(kind="table", rows=rows).with_(objective={"kind": "table", "rows": rows}),
        Problem.load(SMALL, texts),
        Problem.load(SMALL, texts[::-1]),
        Problem.from_dict(small.to_dict()).with_limits({}).with_(objective={"rows": rows, "kind": "table"}),
    ):
        assert objective_of(changed) == alone
    assert objective_of(small.with_(objective={"kind": "table", "rows": rows, "beta": 3}))["beta"] == 3.0


def test_a_score_brings_the_weight_of_its_penalty() -> None:
    small = Problem.load(SMALL)
    valued = small.with_(objective={"score": "table", "table": {"rows": [HEAD, ",,,,,,1"]}})
    assert [problem.objective.beta for problem in (small, valued, valued.with_(objective={"score": "deepmad"}))] == [10, 0, 10]
    assert (
        small.with_({"objective.beta": 2}).with_(objective={"score": "table", "table": valued.objective.table}).objective.beta
        == 2
    )


def test_a_file_takes_the_place_of_rows(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(f"{HEAD}\n,,,,,,2\n")
    file = str(tmp_path / "table.csv")
    valued = small_with(kind="table", rows=[HEAD, ",,,,,,1"], weight=3)
    for changes in ({"table": {"file": file}}, {"table.file": file}):
        table = valued.with_(objective=changes).objective.table
        assert table is not None and (table.rows.rows[0].text, table.weight) == ("2", 3)
    with pytest.raises(SpecError, match="file: stands beside rows"):
        valued.with_(objective={"table": {"file": file, "rows": [HEAD]}})


@pytest.mark.parametrize(
    ("row", "words"),
    [(",,,,,1,0", "has no value for super-block 1: bottleneck, channels 8"), ("4,,,,,,1", "super-block 4 of 3; use 1 to 3")],
)
def test_show_refuses_what_design_would(row: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "table.csv").write_text(f"{HEAD}\n{row}\n")
    spec = tmp_path / "valued.yaml"
    spec.write_text(SMALL.read_text() + "objective: {kind: table, file: table.csv}\n")
    for command in ("show", "design"):
        assert cli.main([command, str(spec)]) == 2
        assert words in capsys.readouterr().err


def test_a_super_block_without_a_choice_is_refused() -> None:
    with pytest.raises(SpecError, match="has no row for any choice of super-block 3; add rows, or say missing: zero"):
        build_tables(small_with(kind="table", rows=[HEAD, "1,,,,,,1", "2,,,,,,1"], missing="exclude"))


def test_excluded_networks_lie_outside_the_space() -> None:
    rows = [HEAD, "1,,,,,,1", "2,,,,,,1", "3,,,,,2,-1"]
    problem = small_with(kind="table", rows=rows, missing="exclude")
    network = small_network()
    assert problem.outside_space(network) == ["stages.2"]
    with pytest.raises(SpecError, match="excludes super-block 3"):
        problem.evaluator(network).exact_objective()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["stage,value"], "is not the header"),
        ([HEAD], "has 0 rows"),
        ([HEAD, "1,,,,,1"], "line 2: has 6 columns"),
        ([HEAD, ",cube,,,,,1"], "line 2, block: 'cube' is not a block family"),
        ([HEAD, "0,,,,,,1"], "line 2, stage: '0' is refused"),
        ([HEAD, ",,,,,,one"], "line 2, value: 'one' is refused"),
        ([HEAD, ",,,,,,1e10"], "line 2, value: '1e10' is refused"),
        ([HEAD, ",,,,,,1e-31"], "line 2, value: '1e-31' is refused"),
        ([HEAD, ",,,,,,1", ",,,,,,2"], "line 3: has the fields of a row before it"),
    ],
)
def test_malformed_tables_are_refused(lines: list[str], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        ValueTable.from_lines(lines)


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ({"kind": "sum"}, "objective.kind: 'sum' is refused"),
        ({"kind": "table"}, "objective.table.file: is missing"),
        ({"kind": "table", "score": "madnas"}, "objective.kind: stands beside score"),
        ({"score": "table"}, "objective.table: is missing"),
        ({"kind": "table", "rows": [HEAD, ",,,,,,1"], "weight": 0}, "objective.table.weight: 0 is refused"),
        ({"kind": "table", "rows": [HEAD, ",,,,,,1"], "weight": "1/3"}, "is not a decimal"),
        ({"kind": "table", "rows": [HEAD, ",,,,,,1"], "alpha": [1, 1, 1]}, "objective.alpha: has no meaning"),
        ({"kind": "table", "rows": [HEAD, "4,,,,,,1"]}, "names super-block 4 of 3"),
    ],
)
def test_malformed_objectives_are_refused(objective: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        small_with(**objective)
