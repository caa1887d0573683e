"""Adaptive refinement: exact by enumeration, coarse at first, valid in every round."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from agreement import verdicts
from contracts import check_cell, extremes, sample
from mipdesign.benchmarks.corpus.instances import InstanceSpec, Near
from mipdesign.benchmarks.corpus.small import Listing, listing, small_problem
from mipdesign.benchmarks.experiments.variants import variant_names
from mipdesign.formulations.adaptive import numbers_of
from mipdesign.formulations.breakpoints.breakpoints import Breakpoints
from mipdesign.formulations.compact import CompactModel
from mipdesign.formulations.encoded_integer import encode_integer
from mipdesign.formulations.encodings.incremental import Incremental
from mipdesign.formulations.encodings.logarithmic import Logarithmic
from mipdesign.formulations.model_builder import ModelBuilder
from mipdesign.formulations.parts import part_named
from mipdesign.formulations.products.breakpoint_copies import BreakpointProduct
from scale import few, of

from mipdesign.errors import SpecError
from mipdesign.lattice.batch import evaluate_batch
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import Tables
from mipdesign.mip import closing, refinement
from mipdesign.mip.formulation import FormulationModel, formulation_named
from mipdesign.mip.solver import Answer, SolveOptions, Solver, solver_named
from mipdesign.mip.start_values import start_values
from mipdesign.problem.problem import Problem
from mipdesign.search.coverage import build_tables

NAME = "adaptive:log:uniform-1:knots"
"""As coarse as it gets."""
ADAPTIVE = [name for name in variant_names() if name.startswith("adaptive")]
STUDIES = Path(__file__).parents[2] / "benchmarks" / "studies"


def wide_problem(seed: int) -> Problem:
    """Two super-blocks on lattices of 4 to 8 channel counts and 4 to 6 widths, with budgets between infeasible and loose."""
    rng = np.random.default_rng(seed)

    def lattice(most: int) -> dict[str, int]:
        low, step = int(rng.integers(2, 10)), int(rng.integers(1, 9))
        return {"min": low, "max": low + step * int(rng.integers(3, most)), "step": step}

    stage = {"block": "bottleneck", "stride": 2, "growth": {"min": 0.5, "max": 6.0}}
    stages = [
        {
            **stage,
            "channels": lattice(8),
            "bottleneck": lattice(6),
            "bottleneck_ratio": {"min": 0.1, "max": float(rng.uniform(1.0, 4.0))},
            "kernels": [3, 5][: int(rng.integers(1, 3))],
            "depth": sorted({1, int(rng.integers(1, 5))}),
        }
        for _ in range(2)
    ]
    data = {"name": "wide", "input": {"resolution": 64}, "stem": {"channels": [6, 12]}, "stages": stages, "classes": 10}
    tables = build_tables(Problem.from_dict(data | {"budgets": {"flops": 1, "params": 1, "effectiveness": 1.0}}))
    evaluation = evaluate_batch(tables, Cell.whole(tables).networks(tables))
    if not evaluation.chained.any():
        return wide_problem(seed + 1000)
    level, budgets = float(rng.choice([0.0, 0.05, 0.3, 0.6])), {}
    values = dict(zip(tables.counts, evaluation.counts, strict=True)) | {"effectiveness": evaluation.effectiveness}
    for name, figures in values.items():
        if rng.random() < 0.8:
            limit = np.quantile(figures[evaluation.chained], level * rng.uniform(0.7, 1.5))
            budgets[name] = float(limit) if name == "effectiveness" else int(limit) - (level == 0.0)
    return Problem.from_dict(data | {"budgets": {name: limit for name, limit in budgets.items() if limit > 0}})


@cache
def wide(seed: int) -> tuple[Tables, Listing]:
    tables = build_tables(wide_problem(seed))
    return tables, listing(tables, Cell.whole(tables))


def relaxation(tables: Tables, name: str = NAME) -> CompactModel:
    form = formulation_named(name).build(tables, Cell.whole(tables))
    assert isinstance(form, CompactModel)
    return form


class Watched(Solver):
    """SCIP, with what it is asked and what it answers."""

    id, title, package, extra = "watched", "SCIP, watched", "pyscipopt", ""
    capabilities = solver_named("scip").capabilities

    def __init__(self) -> None:
        self.rounds: list[tuple[FormulationModel, SolveOptions, Answer]] = []

    def solve(self, form: FormulationModel, options: SolveOptions) -> Answer:
        answer = solver_named("scip").solve(form, options)
        self.rounds.append((form, options, answer))
        return answer

    @property
    def answers(self) -> list[Answer]:
        return [answer for _, _, answer in self.rounds]


def check(tables: Tables, expected: Listing, name: str) -> int:
    """Solves a problem and holds everything that is said against its listing; how many rounds it took."""
    watched, form = Watched(), relaxation(tables, name)
    answer = refinement.solve(watched, form, SolveOptions())
    rounds, cut = len(watched.answers), set(form.excluded)
    assert rounds == 1 or form.statistics() != watched.rounds[-1][0].statistics()
    left = [(position, objective) for position, objective in expected.networks if position not in cut]
    assert answer.nodes == sum(a.nodes or 0 for a in watched.answers) and answer.root_bound == watched.answers[0].root_bound
    if not left:
        assert (answer.status, answer.values, answer.objective, answer.bound) == ("infeasible", None, None, -math.inf)
        return rounds
    best = float(left[0][1])
    slack = 1e-6 * max(1.0, abs(best))
    assert answer.status == "optimal" and answer.values is not None
    assert answer.objective == pytest.approx(best, abs=slack) and answer.bound is not None
    assert best - slack <= answer.bound <= best + 2 * slack
    assert dict(left)[form.position(answer.values)] == pytest.approx(Decimal(answer.objective), abs=Decimal(slack))
    assert all(a.bound is not None and a.bound >= best - slack for a in watched.answers[:-1])
    for _, primal, bound in answer.trace:
        assert (primal is None or primal <= best + slack) and (bound is None or bound >= best - slack)
    return rounds


@cache
def n_rounds(seed: int) -> int:
    """:func:`check` of a wide problem."""
    return check(*wide(seed), NAME)


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("seed", few(range(24), 5))
def test_agrees_with_enumeration_on_wide_lattices(seed: int) -> None:
    n_rounds(seed)


@pytest.mark.parametrize("seed", few(range(8), 2))
@pytest.mark.parametrize("name", ["adaptive", "adaptive:chords:geometric-2:onehot", "adaptive:inc:error-0.1:unary"])
def test_agrees_with_enumeration_on_small_problems(name: str, seed: int) -> None:
    tables = build_tables(small_problem(seed))
    check(tables, listing(tables, Cell.whole(tables)), name)


@pytest.mark.long
def test_the_problems_cover_what_matters() -> None:
    several = [n_rounds(seed) > 1 for seed in range(24)]
    assert sum(several) >= 4
    assert any(not wide(seed)[1].networks for seed in range(24))


def test_another_solver_agrees_too() -> None:
    seeds = range(of(10, 4))
    assert verdicts("highs", NAME, seeds) == {"agree": list(seeds)}


@pytest.mark.parametrize("seed", few(range(4, 10), 2))
def test_cells_are_closed_with_all_networks_above_a_cutoff(seed: int) -> None:
    tables, _ = wide(seed)
    check_cell(tables, Cell.whole(tables), NAME)


@pytest.mark.parametrize("name", few(ADAPTIVE, 4))
def test_every_variant_is_exact(name: str) -> None:
    seed = ADAPTIVE.index(name) % 24
    check(*wide(seed), name)


# ---------------------------------------------------------------------- rounds


def test_rounds_begin_coarse_and_get_finer_where_the_network_is() -> None:
    seed = next(seed for seed in range(24) if n_rounds(seed) > 2)
    tables, _ = wide(seed)
    watched = Watched()
    answer = refinement.solve(watched, relaxation(tables), SolveOptions())
    models = [form for form, _, _ in watched.rounds if isinstance(form, CompactModel)]
    assert all(len(values) <= 2 for values in models[0].exact.values())
    for before, said, after in zip(models, watched.answers, models[1:], strict=False):
        assert said.values is not None
        numbers = numbers_of(tables, before.position(said.values))
        for name, values in after.exact.items():
            assert values == before.exact[name] | {numbers[name]}
        assert before.refined(before.position(said.values)) is not None or after.excluded
    assert answer.message.endswith(f"after {len(models)} rounds")


@pytest.mark.parametrize("seed", few(range(6), 2))
def test_a_network_is_exact_where_it_was_refined_and_bounded_elsewhere(seed: int) -> None:
    tables, _ = wide(seed)
    coarse = relaxation(tables)
    networks = [p for p in sample(tables, seed, 40) if not tables.problem.outside_space(tables.architecture(p))]
    for position in networks[:6]:
        finer = coarse.refined(position) or coarse
        assert finer.refined(position) is None
        for other in networks[:12]:
            model = finer if other == position else coarse
            assert model.linear is not None
            values = model.start(other)
            architecture = tables.architecture(other)
            evaluator = tables.problem.evaluator(architecture)
            objective, feasible = evaluator.evaluation.objective, not tables.problem.violations(architecture)
            claimed = sum(c * values[model.linear.names[v]] for v, c in model.linear.objective.items())
            assert claimed >= objective - 1e-6
            assert not feasible or model.linear.violation(values) < 1e-9
            if other == position:
                assert claimed == pytest.approx(objective, rel=1e-9, abs=1e-6)
                assert (model.linear.violation(values) < 1e-10) == feasible


def test_a_few_rounds_close_a_part_of_a_preset() -> None:
    """Against the lattice formulation, which shares nothing with it but the tables."""
    near = Near(network="networks/deepmad-r18.json", ratio=0.05, blocks=1)
    problem = next(InstanceSpec(problem="deepmad-r18", near=near).problems(STUDIES))
    tables = build_tables(problem)
    watched = Watched()
    form = relaxation(tables)
    assert len(form.exact["C5"]) == 2 < len(form.lattices[17][1])
    answer = refinement.solve(watched, form, SolveOptions())
    exact = solver_named("scip").solve(formulation_named("lattice").build(tables, Cell.whole(tables)), SolveOptions())
    assert answer.status == exact.status == "optimal" and len(watched.answers) <= 10
    assert answer.objective == pytest.approx(exact.objective, rel=1e-7)


# ---------------------------------------------------------------- exclusions, limits


def several_rounds() -> tuple[Tables, Listing]:
    return wide(next(seed for seed in range(24) if len(wide(seed)[1].networks) > 5 and n_rounds(seed) > 1))


def test_what_a_caller_cuts_off_stays_cut_off() -> None:
    tables, expected = several_rounds()
    form = relaxation(tables)
    best = [position for position, _ in expected.networks[:3]]
    for position in best:
        form.exclude(position)
    answer = refinement.solve(Watched(), form, SolveOptions(start=form.start(best[0])))
    assert answer.objective == pytest.approx(float(expected.networks[3][1]), rel=1e-6) and form.excluded == best


def test_a_network_that_is_exact_and_refuted_is_cut_off() -> None:
    """A solver that takes budgets loosely: its networks are refuted one by one, and the caller's model stays as it is."""

    class Loose(Watched):
        def solve(self, form: FormulationModel, options: SolveOptions) -> Answer:
            assert form.linear is not None
            loose = replace(form, linear=form.linear.copy(), written=None)
            assert loose.linear is not None
            loose.linear.rows = [
                replace(row, high=row.high * 1.005) if row.name.startswith("budget") else row for row in loose.linear.rows
            ]
            return super().solve(loose, options)

    refuted = 0
    for seed in range(8):
        tables, expected = wide(seed)
        loose, form = Loose(), relaxation(tables, "adaptive:log:lattice:onehot")
        answer = refinement.solve(loose, form, SolveOptions())
        if expected.networks:
            assert answer.objective == pytest.approx(float(expected.networks[0][1]), rel=1e-6)
        else:
            assert answer.status == "infeasible"
        refuted += len(loose.rounds[-1][0].excluded)
        assert form.excluded == []
    assert refuted > 0


def test_a_solver_that_returns_what_was_cut_off_has_failed() -> None:
    tables, expected = several_rounds()
    form = relaxation(tables)
    form.exclude(expected.networks[0][0])

    class Stubborn(Watched):
        def solve(self, form: FormulationModel, options: SolveOptions) -> Answer:
            values = form.start(expected.networks[0][0])
            return Answer("optimal", values, 1e9, 1e9, 1, 0.0, 0.0)

    assert refinement.solve(Stubborn(), form, SolveOptions()).status == "failed"


class Rationed(Watched):
    """SCIP that reaches its time limit after some rounds, without a network."""

    def __init__(self, rounds: int) -> None:
        super().__init__()
        self.left = rounds

    def solve(self, form: FormulationModel, options: SolveOptions) -> Answer:
        self.left -= 1
        if self.left < 0:
            return Answer("limit", None, None, None, None, 0.0, 0.0, "timelimit")
        return super().solve(form, options)


@pytest.mark.parametrize("rounds", [0, 1])
def test_at_a_limit_the_last_bound_and_the_best_network_are_known(rounds: int) -> None:
    tables, expected = several_rounds()
    best = float(expected.networks[0][1])
    watched = Rationed(rounds)
    answer = refinement.solve(watched, relaxation(tables), SolveOptions())
    assert answer.status == "limit" and answer.nodes is None
    if rounds:
        assert answer.bound == watched.answers[0].bound and answer.bound is not None and answer.bound >= best * (1 - 1e-6)
        assert (answer.objective is None) == (answer.values is None)
    else:
        assert answer.bound is None and answer.values is None


def test_time_is_shared_by_the_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    tables, _ = several_rounds()
    watched = Watched()
    monkeypatch.setattr(refinement._Rounds, "elapsed", property(lambda rounds: 10.0 * len(rounds.answers) + 10.0))
    answer = refinement.solve(watched, relaxation(tables), SolveOptions(time_limit=15.0))
    assert answer.status == "limit" and len(watched.rounds) == 1
    assert watched.rounds[0][1].time_limit == 5.0 and "no time for another round" in answer.message


def test_a_start_is_the_first_incumbent() -> None:
    tables, expected = several_rounds()
    form, watched = relaxation(tables), Rationed(0)
    answer = refinement.solve(watched, form, SolveOptions(start=form.start(expected.networks[0][0])))
    assert answer.status == "limit" and answer.objective == pytest.approx(float(expected.networks[0][1]))
    assert answer.values is not None and form.position(answer.values) == expected.networks[0][0]


def test_a_model_that_is_no_relaxation_is_solved_once() -> None:
    tables, _ = wide(0)
    form, watched = formulation_named("lattice").build(tables, Cell.whole(tables)), Watched()
    assert refinement.solve(watched, form, SolveOptions()) is watched.answers[0] and form.refined(Position(0, (), ())) is None


# ---------------------------------------------------------------- parts and names


@pytest.mark.parametrize("values", [tuple(range(4, 40, 4)), (3, 5, 6, 11, 20, 21, 40)])
def test_copies_per_breakpoint_are_exact_there_and_contain_the_product_elsewhere(values: Sequence[int]) -> None:
    product, breakpoints = BreakpointProduct(), part_named("breakpoints", "uniform-3-touching")
    assert isinstance(breakpoints, Breakpoints)
    for encoding in (Logarithmic(), Incremental()):
        model = ModelBuilder()
        n = encode_integer(model, "n", values, lambda p: p.stem, 0, encoding, breakpoints)
        assert len(n.breakpoints) == len(n.breakpoint_weights) < 2 * len(values)
        e = model.variable("e", lower=-1.5, upper=4.0, value=lambda network: 0.25)
        of_number = product.multiply("x", n, values, n.number, e, n.breakpoints)
        of_log = product.multiply("l", n, n.logs, n.log, e, n.breakpoint_logs)
        loose = 0
        for value in values:
            for x in (-1.5, 0.25, 4.0):
                model.lower[e.variable] = model.upper[e.variable] = x
                low, high = extremes(model, n.number, float(value), of_number) or (math.nan, math.nan)
                assert low - 1e-6 <= value * x <= high + 1e-6
                loose += high - low > 1e-3
                if value in n.exact_at or x != 0.25:
                    assert (low, high) == pytest.approx((value * x, value * x), abs=1e-5)
                if x > 0:
                    low, high = extremes(model, n.number, float(value), of_log) or (math.nan, math.nan)
                    assert math.log(value) * x <= high + 1e-6
                    if value in n.exact_at:
                        assert (low, high) == pytest.approx((math.log(value) * x,) * 2, abs=1e-5)
            model.lower[e.variable], model.upper[e.variable] = -1.5, 4.0
            start = start_values(model.rules, Position(value, (), ()))
            assert sum(c * start[model.names[v]] for v, c in of_number.terms) == pytest.approx(value * 0.25, abs=1e-9)
            assert model.violation(start) < 1e-9
        assert loose


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("adaptive:log", "has 1 part; write adaptive:<encoding>"),
        ("adaptive:log:uniform-4-outer:knots", "leave '-outer' out"),
        ("adaptive:log:uniform-4-touching:knots", "leave '-touching' out"),
        ("adaptive:log:uniform-4:mccormick", "stay a relaxation however fine; use 'knots' or 'onehot'"),
        ("adaptive:log:uniform-0:knots", "write uniform-N"),
        ("compact:log:uniform-4:knots", "bounds nothing"),
    ],
)
def test_malformed_names_are_refused(name: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        formulation_named(name)


def test_claims() -> None:
    assert formulation_named("adaptive").claim == formulation_named(NAME).claim == "exact"
    assert formulation_named("compact:log:uniform-4-touching:knots").claim == "upper"
    assert formulation_named(NAME).id == NAME


def test_cells_are_refined_and_not_only_enumerated() -> None:
    """What a coarse model is wrong about is cut off one by one; a finer one is wrong about less."""
    tables, expected = several_rounds()
    cutoff = float(expected.networks[0][1]) * (1 - 1e-9)
    coarse = closing._Search(replace(relaxation(tables), refinement=None), cutoff, closing.ScipSettings(), None)
    finer = closing._Search(relaxation(tables), cutoff, closing.ScipSettings(), None)
    for search in (coarse, finer):
        assert search.run(closing.time.monotonic()) == ("closed", "")
        assert {found.position for found in search.found} >= expected.reaching(search.cutoff)
    assert finer.rounds <= coarse.rounds and len(finer.rejected) <= len(coarse.rejected)
