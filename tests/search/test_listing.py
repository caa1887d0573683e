"""Lists of near-optimal networks: equal to enumeration, whatever is asked, and what ends them."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mipdesign.benchmarks.experiments.lists import list_text, listed, some_wanted
from mipdesign.benchmarks.experiments.subjects import KINDS, Truth, truth_of

from mipdesign.checker import HOLDS
from mipdesign.cli.main import main
from mipdesign.designs.design import Design
from mipdesign.designs.pool import Pool, networks_text
from mipdesign.designs.run import design
from mipdesign.designs.verification import verify_folder
from mipdesign.errors import SpecError
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Candidate
from mipdesign.lattice.tables import Tables
from mipdesign.networks.architecture import Architecture
from mipdesign.problem.problem import Problem
from mipdesign.report.report import report
from mipdesign.search.coverage import build_tables
from mipdesign.search.differences import Difference, ratio_of
from mipdesign.search.listing import Listed, ListSearch, Wanted
from mipdesign.search.outcome import Progress

SMALL = Path("tests/data/small.yaml")


def searched(truth: Truth, tables: Tables, wanted: Wanted, workers: int = 1) -> Listed:
    """What the search lists."""
    best = truth.feasible[0].architecture
    objective = truth.problem.evaluator(best).evaluation.objective
    found = ListSearch(tables, wanted, Candidate(tables.position(best), objective), workers).run()
    assert found is not None and found.bound is None
    return found


def exactly(text: bytes | str) -> list[list[str]]:
    """A file of networks without its doubles."""
    rows = [line.split(",") for line in (text if isinstance(text, str) else text.decode()).splitlines()]
    doubles = [n for n, name in enumerate(rows[0]) if name in ("objective", "effectiveness")]
    return [[cell for n, cell in enumerate(row) if n not in doubles] for row in rows]


@pytest.mark.parametrize("seed", [*(seed for seed in range(24) if seed not in (14, 21)), 438])  # those take long to enumerate
def test_lists_equal_enumeration(seed: int) -> None:
    truth = truth_of(KINDS[seed % len(KINDS)](seed).to_dict())
    if truth is None or not truth.feasible:
        return
    asked, tables = some_wanted(seed, truth.feasible), build_tables(truth.problem)
    expected = listed(truth.problem, truth.feasible, asked)
    found = searched(truth, tables, Wanted.of(asked.within, asked.best, asked.different) or Wanted(), 1 + seed % 2)
    text = networks_text(truth.problem, tables, found.rows, found.objectives)
    assert exactly(text) == exactly(list_text(truth.problem, expected))
    assert [network.architecture for network in Pool(truth.problem, text)] == [row.architecture for row in expected]


def test_cells_within_a_neighbourhood_have_near_networks_only() -> None:
    problem = Problem.load(SMALL)
    tables = build_tables(problem)
    whole = Cell.whole(tables)
    rng = np.random.default_rng(0)
    batch = whole.networks(tables)
    rows = np.column_stack([batch.stem, *batch.columns, *batch.depths])[rng.permutation(len(batch))[:300]]
    for text in ("channels:30%", "decisions:4"):
        around = Difference.of(text).around(tables, rows[0])
        assert around.near(rows)[0] and not around.near(rows).all()
        assert not around.holds(whole)
        for row in rows[:50]:
            depths = row[1 + len(tables.stages) :]
            cell = Cell(row[:1], tuple(np.array([j]) for j in row[1 : 1 + len(tables.stages)]), depths, depths)
            assert around.holds(cell) == around.near(row[None])[0]


def test_a_design_has_its_list(tmp_path: Path) -> None:
    found = design(Problem.load(SMALL), workers=1, best=4, different="channels:10%")
    assert found.pool is not None and len(found.pool) == 4 and found.listed is not None and found.listed["complete"]
    assert found.pool[0].architecture == found.architecture and found.pool[-1].rank == 4
    assert [network.rank for network in found.pool[1:3]] == [2, 3] and list(found.pool.objectives) == [
        n.objective for n in found.pool
    ]
    found.save(tmp_path, picture=False)
    assert all(claim.outcome == HOLDS for claim in verify_folder(tmp_path))
    again = Design.load(tmp_path)
    assert again.pool is not None and again.pool.text == found.pool.text and again.listed == found.listed
    design(Problem.load(SMALL), workers=1).save(tmp_path, picture=False)
    assert not (tmp_path / "networks.csv").exists()


def test_a_list_that_is_too_long_ends_with_the_best() -> None:
    found = design(Problem.load(SMALL), workers=1, within="50%", most=7)
    whole = design(Problem.load(SMALL), workers=1, best=7)
    assert found.pool is not None and whole.pool is not None and found.pool.text == whole.pool.text
    assert found.listed is not None and found.listed["best"] == 7 and found.listed["within"] == "1/2"


def test_a_list_that_is_stopped_says_what_is_proved() -> None:
    problem = Problem.load(SMALL)
    tables = build_tables(problem)
    best = design(problem, workers=1)
    assert best.architecture is not None and best.objective is not None
    optimum = Candidate(tables.position(best.architecture), best.objective)
    found = ListSearch(tables, Wanted(within=Fraction(1, 2)), optimum, until=-1.0).run()
    assert found is None or found.bound is not None


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"within": "-1%"}, "within"),
        ({"within": "some"}, "within"),
        ({"best": 0}, "best"),
        ({"different": "channels:10%"}, "different"),
        ({"best": 2, "different": "channels:100%"}, "different"),
        ({"best": 2, "different": "widths:3"}, "different"),
        ({"best": 2, "different": "decisions:0"}, "different"),
        ({"most": 5}, "most"),
        ({"within": float("nan")}, "within"),
        ({"within": True}, "within"),
        ({"best": 2.0}, "best"),
        ({"best": "abc"}, "best"),
        ({"best": 10**9}, "best"),
        ({"within": 0.1, "most": 10**8}, "most"),
        ({"best": 2, "different": "channels"}, "different"),
        ({"best": 2, "different": 2.0}, "different"),
        ({"best": 2, "presolve": False}, "presolve"),
        ({"best": 2, "gap": 0.1}, "gap"),
        ({"best": 2, "engine_options": {"relaxator": "lp"}}, "engine_options"),
    ],
)
def test_what_cannot_be_listed_is_refused(options: dict[str, object], field: str) -> None:
    with pytest.raises(SpecError) as refused:
        design(Problem.load(SMALL), workers=1, **options)  # type: ignore[arg-type]
    assert refused.value.field == field


@pytest.mark.parametrize("options", [{"best": 300, "different": "channels:10%"}, {"best": 500}])
def test_an_interrupted_list_has_what_is_proved(options: dict[str, Any], tmp_path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.phase == "listing":
            raise KeyboardInterrupt

    found = design(Problem.load(SMALL), workers=1, on_progress=interrupt, **options)
    assert found.interrupted and found.listed is not None and found.pool is not None and len(found.pool) >= 1
    found.save(tmp_path)
    assert all(claim.outcome == HOLDS for claim in verify_folder(tmp_path))


def test_a_list_is_shown_and_its_networks_are_taken_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["design", str(SMALL), "--workers", "1", "--best", "12", "--quiet", "--out", str(tmp_path)]) == 0
    assert "gap 0 %, list of 12 networks" in capsys.readouterr().out
    found = Design.load(tmp_path)
    pool = found.pool
    assert pool is not None and repr(pool) == "<Pool of 12 networks of small>"
    assert main(["evaluate", str(tmp_path), "--network", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["params"] == pool[2].figures["params"]
    assert main(["export", str(tmp_path), "--network", "3", "--to", "json"]) == 0
    assert Architecture.from_dict(json.loads(capsys.readouterr().out)) == pool[2].architecture
    for wrong in (["--network", "13"], ["--network", "0"], ["--network", "3", "--to", "torch"]):
        assert main(["export", str(tmp_path), "--to", "json", *wrong]) == 2
        assert ("--out" if "torch" in wrong else "--network: ") in capsys.readouterr().err
    pytest.importorskip("jinja2")
    for html in (pool._repr_html_(), found._repr_html_(), report([tmp_path])):
        assert html is not None and "List of" in html and "networks.csv in the folder of the design has all 12" in html
    frame = pytest.importorskip("pandas") and pool.to_frame()
    assert len(frame) == 12 and list(frame.columns) == list(pool.columns) and frame["depth3"].dtype.kind == "i"
    assert list(frame["objective"]) == list(pool.objectives)


def test_tolerances_are_exact() -> None:
    assert ratio_of("0.5%", "within") == ratio_of(0.005, "within") == ratio_of("1/200", "within") == Fraction(1, 200)
    assert str(Difference.of("channels:10%")) == "channels:1/10" and str(Difference.of("decisions:3")) == "decisions:3"
