"""Numbers right at what decides, or beyond the doubles: against enumeration by exact arithmetic, and one case each."""

from __future__ import annotations

import itertools
import json
import math
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from haste import kept
from hypothesis import given
from hypothesis import strategies as st
from mipdesign.benchmarks.experiments.hard import agreement, found
from mipdesign.benchmarks.experiments.hard_oracle import expected
from scale import few

from mipdesign import numerals
from mipdesign.cli import main as cli
from mipdesign.designs.run import design
from mipdesign.errors import SpecError
from mipdesign.lattice.arrays import MAX_COUNT
from mipdesign.lattice.cell import Cell
from mipdesign.mip.closing import solve_cell
from mipdesign.networks.architecture import Architecture
from mipdesign.networks.objective import depth_cost, depth_variance, least_spread
from mipdesign.numerals import exact, plain_number, simplest
from mipdesign.parsing import load_yaml
from mipdesign.problem.problem import Problem
from mipdesign.search.coverage import build_tables

DATA = Path(__file__).parents[1] / "data" / "hard"
"""Specifications that were answered wrongly, or not at all."""


def problem_of(name: str, **changes: Any) -> Problem:
    """One of them, with some fields changed."""
    data = Problem.load(DATA / name).to_dict()
    return Problem.from_dict(data | changes)


@pytest.mark.parametrize("seed", few(range(36), 12))
def test_the_answer_is_that_of_enumeration(seed: int) -> None:
    _, wrong = agreement(seed)
    assert not wrong


# -------------------------------------------------------------------------------------------------------------------- cases


def test_a_ratio_with_seventeen_digits_shuts_nothing_out() -> None:
    """208 / 168 is below 1.2380952380952381 by 5e-17; a double does not tell."""
    problem = problem_of("growth.yaml")
    right = expected(problem)
    assert right.objective is not None and float(right.objective) == pytest.approx(1138.3171, abs=1e-4)
    assert [stage.channels for stage in right.network.stages] == [208, 512]  # type: ignore[union-attr]
    assert found(problem)[0] == right
    result = design(problem, engine=kept())
    assert (result.status, result.architecture) == ("optimal", right.network)


@pytest.mark.parametrize("way", ["lattice", "columns", "compact:log:lattice:onehot", "logspace", "native"])
@pytest.mark.parametrize("ratio", ["26/21", 1.2380952380952381, "1.2380952380952380952", 1.238095238095238])
def test_formulations_know_who_follows_whom(way: str, ratio: float | str) -> None:
    data = Problem.load(DATA / "growth.yaml").to_dict()
    data["stages"][0]["growth"]["max"] = ratio
    problem = Problem.from_dict(data)
    tables = build_tables(problem)
    result = solve_cell(tables, Cell.whole(tables), -math.inf, way)
    networks = [tables.architecture(network.position) for network in result.networks]
    best = max(networks, key=lambda network: problem.evaluator(network).exact_objective())
    assert best == expected(problem).network
    assert (best.stages[0].channels == 208) == (exact(ratio) >= Fraction(26, 21))


def test_a_growth_ratio_may_be_as_small_as_a_number() -> None:
    for least in (1e-30, 1e-300, "1/" + "7" * 390):
        data = Problem.load(DATA / "growth.yaml").to_dict()
        data["stages"][1]["growth"]["min"] = least
        assert found(Problem.from_dict(data))[0].objective == expected(problem_of("growth.yaml")).objective


def test_a_table_with_a_gap_is_refused_in_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["design", str(DATA / "gap.yaml"), "--out", str(tmp_path / "out")]) == 2
    err = capsys.readouterr().err.splitlines()[-1]  # maybe after a line that loops are compiled
    assert "budgets.latency.table: does not cover the operation relu 16 -> 16, kernel 1, stride 1, groups 1, at 16 x 16" in err


def test_a_table_may_lack_what_only_networks_beyond_other_budgets_have() -> None:
    problem = problem_of("sparse.yaml")
    right = expected(problem)
    assert right.status == "optimal" and found(problem)[0] == right
    assert float(right.objective or 0) == pytest.approx(5545.058, abs=1e-3)


def test_a_table_that_lacks_what_some_network_has_is_refused() -> None:
    problem = problem_of("sparse.yaml")
    data = problem.to_dict()
    table = data["budgets"]["latency"]["table"]
    data["budgets"]["latency"]["table"] = [line for line in table if not line.startswith("conv,8,24,1,1,1,32,1")]
    loose = Problem.from_dict(data)
    assert expected(loose).status == found(loose)[0].status == "refused"
    with pytest.raises(SpecError, match="does not cover the operation conv 8 -> 24, kernel 1, stride 1, groups 1, at 32 x 32"):
        build_tables(loose)


def test_without_a_weight_there_is_no_penalty() -> None:
    problem = problem_of("flat.yaml")
    right = expected(problem)
    assert right.network is not None and right.network.stages[1].depth == 64
    assert found(problem)[0] == right
    evaluation = problem.evaluator(right.network).evaluation
    assert evaluation.penalty == 0.0 and evaluation.objective == pytest.approx(51713.268, abs=1e-3)


def test_a_penalty_that_is_no_number_is_refused() -> None:
    data = Problem.load(DATA / "flat.yaml").to_dict()
    del data["objective"]["beta"]
    with pytest.raises(SpecError, match=r"objective.penalty: is beyond 1.8e\+308 for the depths \[1, 60\]; let the depths"):
        far = json.loads(json.dumps(data))
        far["stages"][1]["depth"] = [60, 64]
        Problem.from_dict(far)
    assert found(Problem.from_dict(data))[0] == expected(Problem.from_dict(data))  # those that overflow are no designs
    deep = Problem.from_dict(data | {"budgets": {"blocks": {"min": 60}}})
    assert expected(deep).status == found(deep)[0].status == "refused"
    with pytest.raises(SpecError, match=r"objective.penalty: is beyond 1.8e\+308 for every network within the budgets"):
        design(deep, engine=kept())


@pytest.mark.parametrize("limit", [2**53 - 1, 2**53 + 1, 2**63 + 1, 1e19, 10**19, 1e300, 10**300, "1e300"])
def test_a_limit_beyond_every_count_never_binds(limit: float | str) -> None:
    problem = problem_of("growth.yaml", budgets={"flops": limit, "activation_memory": limit})
    assert problem.budgets.limits()["flops"] == exact(limit)
    assert found(problem)[0].objective == expected(problem_of("growth.yaml")).objective
    assert abs(build_tables(problem).limits).max() <= MAX_COUNT
    assert found(problem_of("growth.yaml", budgets={"flops": {"min": limit}}))[0].status == "infeasible"


def test_what_stem_and_classifier_count_is_part_of_the_largest_network() -> None:
    data = Problem.load(DATA / "growth.yaml").to_dict()
    with pytest.raises(SpecError, match="over 5e14 operations"):
        build_tables(Problem.from_dict(data | {"classes": 10**6, "head": {"channels": 10**6}, "input": {"resolution": 16384}}))


@pytest.mark.parametrize("alpha", [0.0, 1e-300, 1e-20, 1e6])
@pytest.mark.parametrize("beta", [0.0, 1e-300, 1e6])
@pytest.mark.parametrize("form", ["exp_std", "exp_var"])
def test_weights_from_nothing_to_a_million(alpha: float, beta: float, form: str) -> None:
    objective = {"alpha": [alpha] * 3, "beta": beta, "penalty": {"form": form}}
    problem = problem_of("flat.yaml", objective=objective)
    assert found(problem, 30)[0] == expected(problem)


@pytest.mark.parametrize("limit", [1e-300, 5e-324, "1/" + "9" * 390, 1e300, "9" * 300])
def test_limits_of_the_effectiveness_from_nothing_to_everything(limit: float | str) -> None:
    problem = problem_of("growth.yaml", budgets={"effectiveness": limit})
    assert found(problem)[0] == expected(problem)


# ------------------------------------------------------------------------------------------------------------------ numbers


def test_a_decimal_means_itself() -> None:
    data = load_yaml("[0.1, 26/21, 1.23809523809523809524, 0.10000000000000001, 3e9, 1e-400, 1.5]", "text")
    assert data == [0.1, "26/21", "1.23809523809523809524", "0.10000000000000001", 3e9, "1e-400", 1.5]
    read = [Fraction(1, 10), Fraction(26, 21), Fraction("1.23809523809523809524"), Fraction("0.10000000000000001")]
    assert [exact(value) for value in data[:4]] == read


def test_plain_data_makes_the_same_problem() -> None:
    data = Problem.load(DATA / "growth.yaml").to_dict()
    data["stages"][0]["growth"] = {"min": "1.0", "max": "52/42"}
    data["stages"][1]["bottleneck_ratio"] = {"min": "0.01000000000000000000001"}
    data["budgets"] = {"flops": 2**63 + 1, "params": 10**9, "effectiveness": "3/7"}
    problem = Problem.from_dict(data)
    plain = json.loads(json.dumps(problem.to_dict()))
    assert plain["stages"][0]["growth"] == {"min": 1.0, "max": "26/21"}
    assert plain["budgets"] == {"flops": 2**63 + 1, "params": 1e9, "effectiveness": "3/7"}
    again = Problem.from_dict(plain)
    assert again == problem and again.digest == problem.digest
    assert Problem.from_dict(load_yaml(problem.dumps(), "text")) == problem


@given(st.fractions(min_value=Fraction(1, 10**9), max_value=10**9), st.fractions(min_value=0, max_value=1))
def test_the_simplest_fraction_of_an_interval(low: Fraction, width: Fraction) -> None:
    high = low * (1 + width / 1000)
    best = simplest(low, high)
    assert low <= best <= high
    smaller = range(1, min(best.denominator, 2000))
    assert not any(math.ceil(low * d) <= high * d for d in smaller)


FRACTIONS = st.fractions(min_value=Fraction(1, 10**30), max_value=10**30)


@given(st.one_of(st.integers(1, 10**320), st.floats(1e-300, 1e300), FRACTIONS))
def test_numbers_are_written_as_they_are_read(value: Any) -> None:
    number = exact(value)
    written = plain_number(number)
    assert exact(json.loads(json.dumps(written))) == number
    if isinstance(written, float):
        assert Fraction(repr(written)) == number


@pytest.mark.parametrize("text", ["1/0", "", "a", "1//2", "0x10", "1" * 401, "1/" + "1" * 401, "1e500", "1e99999", "nan"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(SpecError):
        exact(text)
    assert numerals.MOST_DIGITS == 400


@given(st.lists(st.lists(st.integers(1, 30), min_size=1, max_size=4, unique=True).map(sorted), min_size=1, max_size=4))
def test_the_flattest_depths(choices: list[list[int]]) -> None:
    least = min(depth_variance(vector) for vector in itertools.product(*choices))
    assert depth_variance(least_spread(choices)) == least


@pytest.mark.parametrize("beta", [0.0, 1e-300, 1.0, 1e6])
@pytest.mark.parametrize("depths", [(1, 1), (1, 40), (1, 55), (1, 60), (1, 1000)])
def test_penalties_of_floating_point_are_those_of_exact_arithmetic(beta: float, depths: tuple[int, ...]) -> None:
    variance = depth_variance(depths)
    value = Decimal(beta) * (Decimal(variance.numerator) / variance.denominator).exp() if beta else Decimal(0)
    cost = depth_cost("exp_var", beta, depths)
    assert cost == (pytest.approx(float(value), rel=1e-12) if value < Decimal("1.79e308") else math.inf)


def test_who_follows_whom_is_worked_out_exactly() -> None:
    """For every bound the two ways of saying it agree with fractions: windows of incoming channels, and simple bounds."""
    rng = np.random.default_rng(0)
    space = Problem.load(DATA / "growth.yaml").space[0]
    for _ in range(300):
        previous = sorted({int(c) for c in rng.integers(1, 300, 6)})
        channels = tuple(sorted({int(c) for c in rng.integers(1, 300, 6)}))
        low, high = sorted(Fraction(int(rng.choice(channels)), int(rng.choice(previous))) for _ in range(2))
        nudge = Fraction(int(rng.integers(-1, 2)), 10**40)
        bounds = (low + nudge, None if rng.random() < 0.3 else high + nudge)
        if bounds[1] is not None and bounds[1] < bounds[0]:
            continue
        made = type(space)(1, 9, channels, (), (1,), bounds)
        simple_low, simple_high = made.simple_growth(previous)
        for c, ci in itertools.product(channels, previous):
            right = c >= bounds[0] * ci and (bounds[1] is None or c <= bounds[1] * ci)
            least, most = made.entering(c)
            assert (least <= ci <= most) == right == made.follows(ci, c)
            assert ((simple_low is None or c >= simple_low * ci) and (simple_high is None or c <= simple_high * ci)) == right
        some = any(made.follows(ci, c) for c, ci in itertools.product(channels, previous))
        assert not some or all(bound is None or bound.denominator < 300 for bound in (simple_low, simple_high))


def test_a_neighbourhood_without_forbidden_combinations_counts_its_networks() -> None:
    """What is forbidden outside of the neighbourhood does not count against it."""
    data = Problem.load(DATA / "growth.yaml").to_dict()
    data["stages"][0]["bottleneck"], data["stages"][0]["forbidden"] = [16, 24], [{"channels": [168]}, {"bottleneck": [24]}]
    network = {"resolution": 32, "stem": {"channels": 168}, "stages": [stage_of(208), stage_of(512)]}
    near = Problem.from_dict(data | {"near": {"network": network, "ratio": "1/13"}})
    assert near.size() == 1 and expected(near).network == found(near)[0].network
    assert isinstance(found(near)[0].network, Architecture)


def stage_of(channels: int) -> dict[str, Any]:
    """A super-block of an architecture file."""
    return {"block": "bottleneck", "stride": 2, "channels": channels, "bottleneck": 16, "kernel": 3, "depth": 1}
