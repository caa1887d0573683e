"""Products and the compact formulation, in every combination of their parts, against enumeration."""

from __future__ import annotations

import itertools
import math
import os
import shutil
from functools import cache
from pathlib import Path

import programs
import pytest
from contracts import check_cell, extremes, sample, some_cell
from mipdesign.benchmarks.corpus.small import Listing, listing, small_problem
from mipdesign.benchmarks.experiments.variant_outcomes import (
    FAULTS,
    Outcome,
    Shown,
    Task,
    beyond_error,
    network_errors,
    outcome,
    verdict,
)
from mipdesign.benchmarks.experiments.variant_trials import run
from mipdesign.benchmarks.experiments.variants import outcome_log, summary, tasks, variant_names
from mipdesign.formulations.breakpoints.lattice import LatticeBreakpoints
from mipdesign.formulations.compact import CompactModel
from mipdesign.formulations.encoded_integer import encode_integer
from mipdesign.formulations.encodings.encoding import Encoding
from mipdesign.formulations.encodings.incremental import Incremental
from mipdesign.formulations.model_builder import ModelBuilder
from mipdesign.formulations.parts import registered_parts
from mipdesign.formulations.products.product import Product
from scale import few, of

from mipdesign.errors import SpecError
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import Tables
from mipdesign.mip import closing
from mipdesign.mip.closing import ScipSettings
from mipdesign.mip.formulation import ProvenError, formulation_named
from mipdesign.mip.solver import Answer
from mipdesign.mip.start_values import start_values
from mipdesign.problem.problem import Problem
from mipdesign.search.coverage import build_tables

ROOT = Path(__file__).parents[2]
NAMES = list(variant_names())
EXACT = [name for name in NAMES if formulation_named(name).claim == "exact"]
BOUNDS = [name for name in NAMES if name not in EXACT]


def pairs(name: str) -> set[tuple[int, str, int, str]]:
    """Every two parts of a variant, by their kinds."""
    return {(i, a, j, b) for (i, a), (j, b) in itertools.combinations(enumerate(name.split(":")[1:]), 2)}


def covering(names: list[str]) -> list[str]:
    """Some of the variants that have all pairs of parts among them, the ones with most new pairs first."""
    left, chosen = set[tuple[int, str, int, str]]().union(*map(pairs, names)), []
    while left:
        chosen.append(max(names, key=lambda name: len(pairs(name) & left)))
        left -= pairs(chosen[-1])
    return chosen


ONE_ENCODING = [name for name in BOUNDS if name.split(":")[1] == "inc"]
WIDE = {
    "name": "wide",
    "input": {"resolution": 64},
    "stem": {"channels": [8, 16]},
    "stages": [
        {
            "block": "bottleneck",
            "stride": 2,
            "channels": {"min": 8, "max": 64, "step": 8},
            "bottleneck": {"min": 8, "max": 48, "step": 8},
            "bottleneck_ratio": {"min": 0.25, "max": 1.5},
            "growth": {"min": 1.0, "max": 4.0},
            "kernels": [3, 5],
            "depth": [1, 2, 4],
        }
    ]
    * 2,
    "classes": 10,
    "budgets": {"params": 40000, "flops": 8e6, "effectiveness": 0.6},
}
"""Lattices on which approximations are off: 8 channel counts, 6 widths; 3.5e4 networks."""


@cache
def small(seed: int) -> tuple[Tables, Listing]:
    tables = build_tables(small_problem(seed))
    return tables, listing(tables, Cell.whole(tables))


@cache
def wide() -> tuple[Tables, Listing]:
    tables = build_tables(Problem.from_dict(WIDE))
    return tables, listing(tables, Cell.whole(tables))


@cache
def some_of_wide(head: int | None, convention: str) -> tuple[Tables, list[Position]]:
    """Networks of a wide space, within its budgets or not."""
    changes = {"head": None if head is None else {"channels": head}, "convention": convention}
    tables = build_tables(Problem.from_dict(WIDE | changes))
    return tables, [p for p in sample(tables, 0, 60) if not tables.problem.outside_space(tables.architecture(p))]


# -------------------------------------------------------------------- products


@pytest.mark.parametrize("values", [(3,), (2, 3), (1, 2, 3), (1, 2, 4, 5, 9), tuple(range(4, 40, 8))])
@pytest.mark.parametrize("product", registered_parts("products"), ids=lambda p: p.id)
def test_products_are_those_of_their_factors(product: Product, values: tuple[int, ...]) -> None:
    for g in ([float(v) for v in values], [math.log(v) - 1.0 for v in values], [float(v % 3) for v in values])[: of(3, 2)]:
        model = ModelBuilder()
        n = encode_integer(model, "n", values, lambda p: p.stem, 0, Incremental(), LatticeBreakpoints(), weighted=True)
        e = model.variable("e", lower=-1.5, upper=4.0, value=lambda network: 0.25)
        found = product.multiply("p", n, g, n.function(g), e)
        for at, x in itertools.product(range(len(values)), (-1.5, 0.25, 4.0)):
            model.lower[e.variable] = model.upper[e.variable] = x
            low, high = extremes(model, n.number, float(values[at]), found) or (math.nan, math.nan)
            assert low - 1e-6 <= g[at] * x <= high + 1e-6
            if product.claim == "exact" or x != 0.25:
                assert (low, high) == pytest.approx((g[at] * x, g[at] * x), abs=1e-6)
        model.lower[e.variable], model.upper[e.variable] = -1.5, 4.0
        for at in range(len(values)):
            start = start_values(model.rules, Position(values[at], (), ()))
            assert sum(c * start[model.names[v]] for v, c in found.terms) == pytest.approx(g[at] * 0.25, abs=1e-9)
            assert model.violation(start) < 1e-9


# -------------------------------------------------------------------- variants


@pytest.mark.parametrize("name", few(EXACT, 14))
def test_exact_variants_find_the_enumerated_optimum(name: str) -> None:
    first = EXACT.index(name)
    for seed in (first % 40, 40 + first)[: of(2, 1)]:
        tables, expected = small(seed)
        assert outcome(name, tables, expected).agrees, seed


@pytest.mark.parametrize("name", few(covering(BOUNDS), 12))
def test_bounds_are_on_their_side(name: str) -> None:
    """All of them on a hundred problems each: ``mipdesign.benchmarks.experiments.variants``."""
    tables, expected = small(BOUNDS.index(name) % 40)
    assert outcome(name, tables, expected).agrees


@pytest.mark.parametrize("encoding", few(registered_parts("encodings"), 3), ids=lambda e: e.id)
def test_wide_lattices_are_exact_in_every_encoding(encoding: Encoding) -> None:
    tables, expected = wide()
    found = outcome(f"compact:{encoding.id}:lattice:onehot", tables, expected)
    assert found.agrees and found.error is not None and found.error < 1e-6


@pytest.mark.parametrize("name", few([name for name in ONE_ENCODING if name.endswith(":onehot") and "lattice" not in name], 2))
def test_wide_lattices_are_bounded(name: str) -> None:
    """Other products are held against enumeration on the small problems above."""
    tables, expected = wide()
    found = outcome(name, tables, expected)
    assert found.agrees and found.error is not None and found.error < 0.2
    assert found.error > 1e-9 or "touching" in name  # what touches may do so at the optimum


@pytest.mark.parametrize(
    "name", ["compact", "compact:log:lattice:log", "compact:zzi:lattice:unary", "compact:chords:lattice:onehot"]
)
@pytest.mark.parametrize("seed", few(range(4), 1))
def test_cells_are_closed_with_all_networks_above_a_cutoff(name: str, seed: int) -> None:
    tables = build_tables(small_problem(seed))
    check_cell(tables, Cell.whole(tables), name)


@pytest.mark.parametrize("name", ["compact:inc:lattice:onehot", "compact:sos2:lattice:unary", "compact:mc:lattice:log"])
@pytest.mark.parametrize("seed", few(range(6), 2))
def test_every_network_is_a_solution_iff_it_is_feasible(name: str, seed: int) -> None:
    tables = build_tables(small_problem(seed))
    form = formulation_named(name).build(tables, Cell.whole(tables))
    assert isinstance(form, CompactModel) and form.linear is not None
    for position in sample(tables, seed, 60):
        architecture = tables.architecture(position)
        try:
            form.indices(position)
        except ValueError:
            assert tables.problem.violations(architecture)
            continue
        objective = tables.problem.evaluator(architecture).evaluation.objective
        values = form.start(position)
        assert form.position(values) == position
        if objective > form.floor:
            claimed = sum(c * values[form.linear.names[v]] for v, c in form.linear.objective.items())
            assert claimed == pytest.approx(objective, rel=1e-9, abs=1e-6)
            assert (form.linear.violation(values) < 1e-10) == (not tables.problem.violations(architecture))


@pytest.mark.parametrize("name", few([name for name in ONE_ENCODING if formulation_named(name).product.claim == "exact"], 5))
@pytest.mark.parametrize("head", [None, 20])
@pytest.mark.parametrize("convention", ["paper", "reference"])
def test_networks_are_within_their_proven_error(name: str, head: int | None, convention: str) -> None:
    """Objective and counts of the model at networks, against the exact evaluator: on their side, and no further than proven."""
    tables, networks = some_of_wide(head, convention)
    form, formulation = formulation_named(name).build(tables, Cell.whole(tables)), formulation_named(name)
    assert len(networks) > 20
    assert network_errors(name, form, networks) == ""
    proven = formulation.proven_errors(tables, form.cell, networks)
    assert proven is not None and form.linear is not None
    assert max(p.objective for p in proven) > 0
    assert max(max(p.counts) for p in proven) > 0 or "touching" in name  # exact around a single lattice point


@pytest.mark.parametrize("name", ["compact:inc:uniform-2:onehot", "compact:inc:uniform-2-touching:unary"])
def test_a_problem_without_budgets_has_proven_errors(name: str) -> None:
    """Regression: there were no counts to be off."""
    tables, expected = small(92)
    assert not tables.counts and outcome(name, tables, expected).agrees


def test_exact_formulations_have_no_error_and_relaxations_prove_none() -> None:
    tables, expected = wide()
    networks = [position for position, _ in expected.networks[:3]]
    for name, known in (("lattice", True), ("compact", True), ("compact:inc:lattice:mccormick", False)):
        proven = formulation_named(name).proven_errors(tables, Cell.whole(tables), networks)
        assert (proven is not None) == known
        assert proven is None or {p.objective for p in proven} | {c for p in proven for c in p.counts} == {0.0}


def test_figures_beyond_the_proven_error_are_told() -> None:
    proven = ProvenError(2.0, (10.0,))
    assert beyond_error("upper", proven, 1.5, [-9.0], 1e-6) == "" == beyond_error("lower", proven, -1.5, [9.0], 1e-6)
    assert "objective of a network is off by -1.5" in beyond_error("upper", proven, -1.5, [0.0], 1e-6)
    assert "objective of a network is off by 2.5" in beyond_error("upper", proven, 2.5, [0.0], 1e-6)
    assert "count 0 of a network is off by 11" in beyond_error("lower", proven, 0.0, [11.0], 1e-6)
    assert "count 0 of a network is off by 5" in beyond_error("upper", proven, 0.0, [5.0], 1e-6)


def test_excluding_a_network_takes_it_and_no_other() -> None:
    tables, expected = small(0)
    first = expected.networks[0][0]
    form = formulation_named("compact").build(tables, Cell.whole(tables))
    form.exclude(first)
    search = closing._Search(form, float(expected.networks[3][1]) * (1 - 1e-9), ScipSettings(equal_margin=1e30), None)
    assert search.run(0.0) == ("closed", "")
    assert {found.position for found in search.found} == expected.reaching(search.cutoff) - {first}
    with pytest.raises(ValueError, match="not in the model"):
        form.exclude(first._replace(depths=tuple(99 for _ in first.depths)))


# --------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("compact:log", "has 1 part; write compact:<encoding>"),
        ("compact:", "has 1 part"),
        ("compact:log:lattice:cubic", "products: 'cubic' is not registered; use one of: knots, log, mccormick"),
        ("compact:nested:lattice:log", "encodings: 'nested' is not registered"),
        ("compact:log:uniform-2:mccormick", "bounds nothing"),
        ("lattice:log", "'lattice' has no parts"),
        ("compakt:log:lattice:log", "'compakt' is not registered"),
    ],
)
def test_malformed_names_are_refused(name: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        formulation_named(name)


def test_a_lower_bound_closes_no_cell() -> None:
    tables = small(0)[0]
    with pytest.raises(SpecError, match="'compact:inc:uniform-2:onehot' is a lower bound and proves nothing"):
        closing.solve_cell(tables, Cell.whole(tables), 0.0, "compact:inc:uniform-2:onehot")


def test_claims_follow_from_the_parts() -> None:
    claims = {
        "log:lattice:unary": "exact",
        "chords:lattice:log": "exact",
        "log:uniform-3:unary": "lower",
        "log:uniform-3-outer:mccormick": "upper",
        "cc:lattice:mccormick": "upper",
    }
    assert {name: formulation_named(f"compact:{name}").claim for name in claims} == claims
    assert formulation_named("compact:log:lattice:unary").id == "compact:log:lattice:unary"


def test_what_it_has_no_words_for() -> None:
    compact = formulation_named("compact")
    assert compact.unsupported(small(0)[0]) is None
    lower = build_tables(Problem.from_dict(WIDE | {"budgets": {"params": {"min": 1000, "max": 40000}}}))
    assert compact.unsupported(lower) is None
    assert "lower limits" in str(formulation_named("compact:chords:lattice:onehot").unsupported(lower))
    deep = WIDE | {"stages": [{**WIDE["stages"][0], "depth": {"min": 1, "max": 64}}] * 2}  # type: ignore[index]
    assert "vectors of penalised depths" in str(compact.unsupported(build_tables(Problem.from_dict(deep))))


def test_a_cell_with_scattered_columns_is_refused_or_right() -> None:
    refused = 0
    for seed in range(8):
        tables = build_tables(small_problem(seed))
        cell = some_cell(tables, seed)
        try:
            formulation_named("compact").build(tables, cell)
        except SpecError as error:
            assert "widths that are not a range" in str(error)
            refused += 1
            continue
        check_cell(tables, cell, "compact")
    assert 0 < refused < 8


def said(status: str, objective: float | None = None, bound: float | None = None) -> Answer:
    values = None if objective is None else {"x": 1.0}
    return Answer(status, values, objective, bound, None, 0.0, 0.0)  # type: ignore[arg-type]


def test_claims_are_judged_by_side() -> None:
    fine = Shown(3.0, [])
    for claim in ("exact", "upper", "lower"):
        assert verdict(claim, said("infeasible"), None, None)[0] == "agree"  # type: ignore[arg-type]
        assert verdict(claim, said("optimal", 3.0, 3.0), fine, 3.0)[0] == "agree"  # type: ignore[arg-type]
        assert verdict(claim, said("limit", 2.0, 2.0), fine, 3.0)[0] == "limit"  # type: ignore[arg-type]
    assert verdict("exact", said("infeasible"), None, 3.0)[0] == verdict("upper", said("infeasible"), None, 3.0)[0] == "missed"
    assert verdict("lower", said("infeasible"), None, 3.0)[0] == verdict("lower", said("optimal", 2.0), fine, 9.0)[0] == "agree"
    assert verdict("upper", said("optimal", 3.1), Shown(1.0, ["macs"]), 3.0)[0] == "agree"
    assert (
        verdict("upper", said("optimal", 2.9), fine, 3.0)[0] == verdict("exact", said("optimal", 3.0), fine, 3.1)[0] == "missed"
    )
    assert verdict("exact", said("optimal", 3.0), Shown(3.0, ["macs"]), 3.0)[0] == "refuted"
    assert (
        verdict("lower", said("optimal", 3.1), fine, 3.0)[0]
        == verdict("exact", said("optimal", 2.9), fine, 2.9)[0]
        == "refuted"
    )
    assert (
        verdict("exact", said("optimal", 3.0, 2.9), fine, 3.0)[0]
        == verdict("upper", said("optimal", 3.0, 2), None, 3.0)[0]
        == "bound"
    )


def test_bounds_go_to_scip_unless_solvers_are_named() -> None:
    names = ["lattice", "compact:inc:uniform-2:onehot"]
    assert len(tasks(names, ["scip", "highs"], [0, 1], all_bounds=False)) == 6
    assert len(tasks(names, ["scip", "highs"], [0, 1], all_bounds=True)) == 8


def test_a_crash_costs_one_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three tasks for the solver of ``tests/plugins`` that dies: each has a record, and SCIP's beside them theirs."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "tests" / "plugins"), str(ROOT)]))
    found: list[Outcome] = []
    run([Task("lattice", solver, seed) for seed in (0, 1) for solver in ("fake-crash", "scip")], 2, 60.0, found.append)
    assert sorted((o.solver, o.seed, o.verdict) for o in found) == [
        ("fake-crash", 0, "failed"),
        ("fake-crash", 1, "failed"),
        ("scip", 0, "agree"),
        ("scip", 1, "agree"),
    ]
    assert all("its process ended with" in o.detail for o in found if o.solver == "fake-crash")


def test_outcomes_are_kept_and_a_cut_line_is_dropped(tmp_path: Path) -> None:
    file = tmp_path / "outcomes.jsonl"
    kept = [
        Outcome("lattice", "scip", seed, "1", "exact", word, 0.0) for seed, word in enumerate(["agree", *FAULTS, "refused"])
    ]
    with outcome_log(file) as log:
        for outcome_ in kept:
            log.append(outcome_)
    file.write_bytes(file.read_bytes() + b'{"formulation": "lat')
    with outcome_log(file) as again:
        assert again.entries == kept
        again.append(kept[0])
    with outcome_log(file) as log:
        assert log.entries == [*kept, kept[0]]
    text = summary(kept)
    assert "| lattice | scip | 1 | exact | 6 | 1 | 0 |" in text
    assert "missed: 1; bound: 2; refuted: 3; error: 4; failed: 5" in text
    file.write_text("no outcome\n")
    with pytest.raises(SpecError, match="is not an outcome"):
        outcome_log(file)


# ------------------------------------------------------------------------ plug-in


def test_an_encoding_of_ones_own_is_a_part_of_every_variant(tmp_path: Path) -> None:
    """Regression-free by the same suite: the plug-in goes through the tests of the encodings in a process of its own."""
    shutil.copy(programs.TESTS / "plugins" / "own_encoding.py", tmp_path)
    programs.install(tmp_path, "mipdesign.encodings", own="own_encoding:Unary")
    programs.run("encoding_of_ones_own", tmp_path, check=True)
