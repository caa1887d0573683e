"""Products and the compact formulation, in every combination of their parts, against enumeration."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from benchmarks.small import Listing, listing, small_problem
from benchmarks.variants import agrees, outcome, variant_names
from formulations.breakpoints import Breakpoints, LatticeBreakpoints
from formulations.compact import Compact, CompactModel
from formulations.parts import registered_parts
from formulations.piecewise import Encoding, Incremental
from formulations.products import Product
from formulations.sheet import Bounded, Sheet, write_axis
from mipdesign import scip
from mipdesign.cell import Cell
from mipdesign.errors import SpecError
from mipdesign.formulation import formulation_named
from mipdesign.lattice import Position, Tables, build_tables
from mipdesign.problem import Problem
from mipdesign.scip import ScipSettings
from tests.test_formulations import check_cell, sample, some_cell
from tests.test_piecewise import extremes

NAMES = list(variant_names())
EXACT = [name for name in NAMES if formulation_named(name).claim == "exact"]
BOUNDS = [name for name in NAMES if name not in EXACT]
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
def wide() -> tuple[Tables, float]:
    tables = build_tables(Problem.from_dict(WIDE))
    return tables, float(listing(tables, Cell.whole(tables)).networks[0][1])


# -------------------------------------------------------------------- products


@pytest.mark.parametrize("values", [(3,), (2, 3), (1, 2, 3), (1, 2, 4, 5, 9), tuple(range(4, 40, 8))])
@pytest.mark.parametrize("product", registered_parts("products"), ids=lambda p: p.id)
def test_products_are_those_of_their_factors(product: Product, values: tuple[int, ...]) -> None:
    for g in ([float(v) for v in values], [math.log(v) - 1.0 for v in values], [float(v % 3) for v in values]):
        sheet = Sheet()
        axis = write_axis(sheet, "n", values, lambda p: p.stem, 0, Incremental(), LatticeBreakpoints(), weighted=True).axis
        e = sheet.variable("e", lambda p: 0.25, lower=-1.5, upper=4.0)
        found = product.multiply("p", axis, g, axis.function(g), Bounded([(e, 1.0)], -1.5, 4.0))
        for at, x in itertools.product(range(len(values)), (-1.5, 0.25, 4.0)):
            sheet.linear.lower[e] = sheet.linear.upper[e] = x
            low, high = extremes(sheet.linear, axis.number.terms, float(values[at]), found.terms) or (math.nan, math.nan)
            assert low - 1e-6 <= g[at] * x <= high + 1e-6
            if product.claim == "exact" or x != 0.25:
                assert (low, high) == pytest.approx((g[at] * x, g[at] * x), abs=1e-6)
        sheet.linear.lower[e], sheet.linear.upper[e] = -1.5, 4.0
        for at in range(len(values)):
            start = sheet.values(Position(values[at], (), ()))
            assert sum(c * start[v] for v, c in found.terms) == pytest.approx(g[at] * 0.25, abs=1e-9)
            assert sheet.linear.violation(dict(zip(sheet.linear.names, start, strict=True))) < 1e-9


# -------------------------------------------------------------------- variants


@pytest.mark.parametrize("name", EXACT)
def test_exact_variants_find_the_enumerated_optimum(name: str) -> None:
    first = EXACT.index(name)
    for seed in (first % 40, (first + 17) % 40, 40 + first):
        tables, expected = small(seed)
        assert outcome(name, tables, float(expected.networks[0][1]) if expected.networks else None).agrees, seed


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_are_on_their_side(name: str) -> None:
    for seed in (BOUNDS.index(name) % 40, (BOUNDS.index(name) + 17) % 40):
        tables, expected = small(seed)
        assert outcome(name, tables, float(expected.networks[0][1]) if expected.networks else None).agrees, seed


@pytest.mark.parametrize("encoding", registered_parts("encodings"), ids=lambda e: e.id)
def test_wide_lattices_are_exact_in_every_encoding(encoding: Encoding) -> None:
    tables, best = wide()
    found = outcome(f"compact:{encoding.id}:lattice:onehot", tables, best)
    assert found.agrees and found.error is not None and found.error < 1e-6


@pytest.mark.parametrize("name", [name for name in ONE_ENCODING if "mccormick" not in name and "lattice" not in name])
def test_wide_lattices_are_bounded(name: str) -> None:
    """Relaxations of products are held against enumeration on the small problems above."""
    tables, best = wide()
    found = outcome(name, tables, best)
    assert found.agrees and found.error is not None and found.error < 0.2
    assert found.error > 1e-9 or "touching" in name  # what touches may do so at the optimum


@pytest.mark.parametrize(
    "name", ["compact", "compact:log:lattice:log", "compact:zzi:lattice:unary", "compact:chords:lattice:onehot"]
)
@pytest.mark.parametrize("seed", range(4))
def test_cells_are_closed_with_all_networks_above_a_cutoff(name: str, seed: int) -> None:
    tables = build_tables(small_problem(seed))
    check_cell(tables, Cell.whole(tables), name)


@pytest.mark.parametrize("name", ["compact:inc:lattice:onehot", "compact:sos2:lattice:unary", "compact:mc:lattice:log"])
@pytest.mark.parametrize("seed", range(6))
def test_every_network_is_a_solution_iff_it_is_feasible(name: str, seed: int) -> None:
    tables = build_tables(small_problem(seed))
    form = formulation_named(name).build(tables, Cell.whole(tables))
    assert isinstance(form, CompactModel) and form.linear is not None
    for position in sample(tables, seed, 60):
        architecture = tables.architecture(position)
        try:
            form.places(position)
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


@pytest.mark.parametrize("name", [name for name in ONE_ENCODING if name.endswith(":onehot")])
def test_objectives_are_within_their_proven_error(name: str) -> None:
    """``S`` is off by the errors of its logarithms, one for each; ``log C S`` by ``(log C + e) dS + e S``."""
    tables, _ = wide()
    form = formulation_named(name).build(tables, Cell.whole(tables))
    formulation = formulation_named(name)
    assert isinstance(formulation, Compact) and form.linear is not None
    sign = 1.0 if formulation.claim == "upper" else -1.0
    most, scoring = 0.0, tables.problem.scoring
    for position in sample(tables, 0, 200):
        architecture = tables.architecture(position)
        if tables.problem.outside_space(architecture):
            continue
        values = form.start(position)
        claimed = sum(c * values[form.linear.names[v]] for v, c in form.linear.objective.items())
        error = sign * (claimed - tables.problem.evaluator(architecture).evaluation.objective)
        bound, off, total = 0.0, 0.0, tables.stem_log
        error_before = log_error(formulation.breakpoints, tables.stem_c)
        before = int(tables.stem_c[position.stem])
        for i, (s, q, depth) in enumerate(zip(tables.stages, position.columns, position.depths, strict=True)):
            error_c, error_b = log_error(formulation.breakpoints, s.c), log_error(formulation.breakpoints, s.b)
            off += error_before + 2 * depth * error_b + (depth - 1) * error_c
            total += math.log(before) + depth * float(s.t[q]) + (depth - 1) * float(s.log_c[q])
            error_before, before = error_c, int(s.c[q])
            if i in tables.ends:
                stage = tables.stage_of[i]
                x = float(tables.log_end(stage, s.c[q]))
                bound += scoring.weights[stage] * ((x + error_c) * off + error_c * total)
        assert -1e-6 <= error <= bound + 1e-6
        most = max(most, error)
    assert most > 0


def log_error(breakpoints: Breakpoints, values: np.ndarray) -> float:  # type: ignore[type-arg]
    return breakpoints.log_error([int(v) for v in np.unique(values)])


def test_excluding_a_network_takes_it_and_no_other() -> None:
    tables, expected = small(0)
    first = expected.networks[0][0]
    form = formulation_named("compact").build(tables, Cell.whole(tables))
    form.exclude(first)
    search = scip._Search(form, float(expected.networks[3][1]) * (1 - 1e-9), ScipSettings(equal_margin=1e30), None)
    assert search.run(0.0) == ("closed", "")
    assert {found.position for found in search.found} == expected.reaching(search.cutoff) - {first}
    with pytest.raises(ValueError, match="not in the model"):
        form.exclude(first._replace(depths=tuple(99 for _ in first.depths)))


# --------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("compact:log", "has 1 parts; write compact:<encoding>"),
        ("compact:", "has 1 parts"),
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
        scip.solve_cell(tables, Cell.whole(tables), 0.0, "compact:inc:uniform-2:onehot")


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
    tables = build_tables(small_problem(0, "basic"))
    assert compact.unsupported(tables)
    with pytest.raises(SpecError, match=r"'compact' has no words for super-block \d: .*use 'lattice'"):
        compact.build(tables, Cell.whole(tables))
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


def test_claims_are_judged_by_side() -> None:
    assert agrees("exact", None, None) and agrees("upper", None, 3.0) and agrees("lower", 3.0, None)
    assert not agrees("lower", None, 3.0) and not agrees("upper", 3.0, None) and not agrees("exact", 3.0, 3.1)
    assert agrees("upper", 3.0, 3.1) and not agrees("upper", 3.1, 3.0) and agrees("lower", 3.1, 3.0)


# ------------------------------------------------------------------------ plug-in


def test_an_encoding_of_ones_own_is_a_part_of_every_variant(tmp_path: Path) -> None:
    """Regression-free by the same suite: the plug-in goes through the tests of the encodings in a process of its own."""
    info = tmp_path / "own_parts-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-parts\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mipdesign.encodings]\nown = tests.own_parts:Unary\n")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from benchmarks.variants import outcome; from benchmarks.small import *; from mipdesign.cell import Cell;"
        "from mipdesign.lattice import build_tables; from tests.test_piecewise import Written; import numpy as np;"
        "from formulations.parts import part_named; own = part_named('encodings', 'own');"
        "x = [1., 2., 4., 7., 8., 11.]; y = [0., 3., 1., 1., 5., 2.];"
        "assert all(np.allclose(Written(own, x[:n], y[:n]).extremes(a), np.interp(a, x, y), atol=1e-6)"
        " for n in range(1, 7) for a in [*x[:n], (x[0] + x[n - 1]) / 2]);"
        "tables = [build_tables(small_problem(seed)) for seed in range(4)];"
        "lists = [listing(t, Cell.whole(t)).networks for t in tables];"
        "assert all(outcome('compact:own:lattice:unary', t, float(n[0][1]) if n else None).agrees"
        " for t, n in zip(tables, lists))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, cwd=Path(__file__).parents[1])
    assert len((Path(__file__).parent / "own_parts.py").read_text().splitlines()) <= 60
