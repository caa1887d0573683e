"""Presolve of a study's runs: what it drops, against enumeration, and what becomes of a solver's answer."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from contracts import some_cell
from mipdesign.benchmarks import __main__ as commands
from mipdesign.benchmarks.corpus.small import Listing, best_by_enumeration, listing, small_problem
from mipdesign.benchmarks.studies.presolve import Presolved, boxed, joined, presolved
from mipdesign.benchmarks.studies.records import RECORDS, Record, read_records
from mipdesign.benchmarks.studies.tables import Results, runs, sizes, summary, traced
from mipdesign.benchmarks.studies.verdict import judged
from programs import TESTS, path_with
from scale import few, of

from mipdesign import registry
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Candidate, Position
from mipdesign.lattice.tables import Tables
from mipdesign.mip.formulation import formulation_named
from mipdesign.mip.solver import Answer, SolveOptions, solver_named
from mipdesign.search.coverage import build_tables

PLUGINS = TESTS / "plugins"
SEEDS = range(12)


@cache
def small(seed: int) -> tuple[Tables, Listing]:
    tables = build_tables(small_problem(seed))
    return tables, listing(tables, Cell.whole(tables))


@cache
def before(seed: int) -> Presolved:
    return presolved(small(seed)[0], 0)


# ------------------------------------------------------------------------------------------------------------ what is left


@pytest.mark.parametrize("seed", few(SEEDS, 4))
def test_no_network_that_is_better_is_dropped(seed: int) -> None:
    tables, expected = small(seed)
    found = before(seed)
    if not expected.networks:
        assert found.incumbent is None and (found.cell is None or found.is_proven == (found.cell is None))
        return
    best = float(expected.networks[0][1])
    assert found.bound >= best * (1 - 1e-9) and found.cell is not None
    if found.incumbent is None:
        assert all(found.cell.contains(position) for position, _ in expected.networks)
        return
    assert not tables.problem.violations(tables.architecture(found.incumbent.position))
    assert found.incumbent.objective <= best * (1 + 1e-9)
    assert found.cell.contains(found.incumbent.position)
    assert all(found.cell.contains(position) for position in expected.reaching(found.incumbent.objective))
    assert not found.is_proven or found.incumbent.objective == pytest.approx(best, rel=1e-6)


def test_it_drops_much_and_equal_seeds_give_equal_cells() -> None:
    tables, _ = small(0)
    one, other = before(0), presolved(tables, 0)
    assert one.cell is not None and other.cell is not None and one.cell.digest == other.cell.digest
    assert one.cell.n_points(tables) < Cell.whole(tables).n_points(tables) / 2


@pytest.mark.parametrize("seed", few(range(8), 3))
def test_a_box_can_be_written_by_every_formulation(seed: int) -> None:
    """Where some part of a cell has scattered columns, which ``compact`` refuses, its box has not, and holds the part."""
    tables, _ = small(seed)
    part, whole = some_cell(tables, seed), Cell.whole(tables)
    box = boxed(tables, whole, part)
    formulation_named("compact").build(tables, box)
    assert all(set(a) <= set(b) for a, b in zip(part.columns, box.columns, strict=True))
    assert boxed(tables, whole, box).digest == box.digest


@pytest.mark.parametrize("name", ["lattice", "compact:log:lattice:onehot", "compact:inc:uniform-2-outer:onehot"])
@pytest.mark.parametrize("seed", few(SEEDS, 4))
def test_the_joined_answer_agrees_with_enumeration(name: str, seed: int) -> None:
    tables, expected = small(seed)
    found, formulation = before(seed), formulation_named(name)
    best = float(expected.networks[0][1]) if expected.networks else None
    if found.is_proven:
        answer = found.answer
    else:
        assert found.cell is not None
        form = formulation.build(tables, found.cell)
        start = form.start(found.incumbent.position) if found.incumbent is not None else None
        answer = solver_named("scip").solve(form, SolveOptions(start=start))
        answer, _ = joined(found, answer, formulation.claim, True, 1e-6)
    if formulation.claim == "exact":
        assert answer.status == ("infeasible" if best is None else "optimal")
        assert answer.objective == (None if best is None else pytest.approx(best, rel=1e-6))
    elif best is not None:
        assert answer.objective is not None and answer.objective >= best * (1 - 1e-6)
    assert best is None or (answer.bound is not None and answer.bound >= best * (1 - 1e-6))


# ------------------------------------------------------------------------------------------------------------ joined answers

FOUND = Presolved(Candidate(Position(0, (0,), (1,)), 100.0), None, 120.0)
SAID = Answer("optimal", {"x": 1.0}, 110.0, 110.0, 3, 0.1, 0.2, "", ((0.1, None, 500.0), (0.2, 90.0, 115.0)), 130.0)


def test_bounds_are_those_of_the_whole_space() -> None:
    answer, is_incumbent = joined(FOUND, SAID, "exact", True, 1e-6)
    assert (answer.status, answer.objective, answer.bound, answer.root_bound, is_incumbent) == ("optimal", 110, 110, 120, False)
    assert answer.trace == ((0.1, 100.0, 120.0), (0.2, 100.0, 115.0))


def test_the_incumbent_stands_in_where_a_solver_has_less() -> None:
    cut = replace(SAID, status="limit", values=None, objective=None, bound=None)
    answer, is_incumbent = joined(FOUND, cut, "exact", True, 1e-6)
    assert (answer.status, answer.objective, answer.bound, is_incumbent) == ("limit", 100.0, 120.0, True)
    nothing = replace(SAID, status="infeasible", values=None, objective=None, bound=-math.inf)
    answer, is_incumbent = joined(FOUND, nothing, "lower", True, 1e-6)
    assert (answer.status, answer.objective, answer.bound, is_incumbent) == ("optimal", 100.0, 100.0, True)
    answer, is_incumbent = joined(FOUND, nothing, "exact", False, 1e-6)
    assert (answer.status, answer.objective, is_incumbent) == ("optimal", 100.0, True)


@pytest.mark.parametrize("claim", ["exact", "upper"])
@pytest.mark.parametrize(
    "changes",
    [
        {"status": "infeasible", "values": None, "objective": None, "bound": -math.inf},
        {"objective": 99.0, "bound": 99.0},
        {"bound": 99.0},
        {"status": "limit", "values": None, "objective": None, "bound": 50.0},
        {"status": "failed", "values": None, "objective": None, "bound": None},
    ],
)
def test_an_answer_that_the_incumbent_contradicts_is_left_to_the_verdict(claim: Any, changes: dict[str, Any]) -> None:
    answer = replace(SAID, **changes)
    assert joined(FOUND, answer, claim, True, 1e-6) == (answer, False)


def test_the_incumbent_of_a_presolve_is_known_to_all_runs() -> None:
    plain = Record("a", "name", "0" * 64, "lattice", "s", 0, {"seconds": 9.0}, {"gap": 0.0}, "answered", claim="exact")
    wrong = replace(plain, said="infeasible")
    shown = replace(plain, key="b", presolve=True, incumbent="100.0", said="limit")
    assert [r.status for r in judged([wrong], {})] == ["solved"]
    assert [r.status for r in judged([wrong, shown], {})] == ["wrong", "limit"]


# ---------------------------------------------------------------------------------------------------------------- studies


FORMULATIONS = ["lattice", "compact:log:lattice:onehot"][: of(2, 1)]


def run(folder: Path, **changes: Any) -> list[Record]:
    data = {
        "name": "pre",
        "instances": [{"small": [0, 1]}],
        "formulations": FORMULATIONS,
        "solvers": ["scip"],
        "limits": {"seconds": 60, "memory_mb": 2000},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(data | changes))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", path_with(PLUGINS))
        patch.syspath_prepend(str(PLUGINS))
        registry.installed.cache_clear()
        assert commands.main(["run", str(folder / "study.yaml"), "--out", str(folder), "--workers", "1"]) == 0
    registry.installed.cache_clear()
    return read_records(folder)


def test_a_study_tells_presolve_apart_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    plain = run(tmp_path)
    content = (tmp_path / RECORDS).read_bytes()
    both = run(tmp_path, presolve=[False, True])
    assert (tmp_path / RECORDS).read_bytes().startswith(content) and len(both) == 2 * len(plain) == 4 * len(FORMULATIONS)
    records = judged(both, {})
    assert {record.status for record in records} == {"solved"}
    for record in records:
        best = best_by_enumeration(small_problem(int(record.instance.removeprefix("small-"))))
        assert (record.exact is None) == (best is None)
        assert best is None or float(Decimal(str(record.exact))) == pytest.approx(float(best), rel=1e-6)
        assert (record.presolve_seconds is not None) == (record.choices is not None) == record.presolve
    results = Results.of(records, {})
    names = {f"{name}{presolve}" for name in FORMULATIONS for presolve in ("", " + presolve")}
    assert {row[0] for row in summary(results).rows} == names | {"virtual best"}
    assert all(record.sizes is not None for record in records)
    of_sizes = {row[0]: row[2] for row in sizes(results).rows}
    assert of_sizes["lattice + presolve"] < of_sizes["lattice"]  # type: ignore[operator]
    at = runs(results).header.index("presolve")
    assert sorted(str(row[at]) for row in runs(results).rows) == ["False"] * len(plain) + ["True"] * len(plain)
    with_network = next(record for record in records if record.presolve and record.incumbent is not None)
    assert traced(with_network)[0] == (
        with_network.presolve_seconds,
        float(str(with_network.incumbent)),
        with_network.presolve_bound,
    )


def test_a_lie_about_what_was_left_is_wrong(tmp_path: Path) -> None:
    """Seed 0 leaves a cell to solve; both solvers deny what the presolve found there."""
    assert not before(0).is_proven
    solvers = ["fake-infeasible", "fake-low-bound"]
    records = run(tmp_path, solvers=solvers, formulations=["lattice"], instances=[{"small": [0]}], presolve=[True])
    assert [record.status for record in judged(records, {})] == ["wrong", "wrong"]
