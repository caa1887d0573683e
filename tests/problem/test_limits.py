"""Limits of all parameters, relative to a network, and by several latency tables at once."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from haste import kept
from mipdesign.benchmarks.corpus.limited import limited_problem
from mipdesign.benchmarks.corpus.small import every_network, random_table
from mipdesign.benchmarks.experiments.agreement import limits_agree
from scale import few

from mipdesign.analysis.frontier import grid
from mipdesign.analysis.shadow_prices import shadow_prices
from mipdesign.analysis.sweep import Sweep
from mipdesign.checker.space import read_space
from mipdesign.cli import main as cli
from mipdesign.designs.run import design
from mipdesign.errors import SpecError
from mipdesign.io.exchange import read_network
from mipdesign.lattice.batch import evaluate_batch
from mipdesign.lattice.cell import Cell
from mipdesign.networks.latency import LatencyTable, shipped_tables
from mipdesign.nn.graph import to_graph
from mipdesign.nn.latency_plan import plan
from mipdesign.nn.lowering import to_module
from mipdesign.problem.problem import Problem
from mipdesign.search.coverage import build_tables

SMALL = Path(__file__).parents[1] / "data" / "small.yaml"
R18 = "torchvision/resnet18"
NONE = ["budgets={}"]


def timed(names: tuple[str, ...] = ("gpu", "cpu"), seed: int = 0, **limits: float) -> Problem:
    """The small problem with a random latency table under each name."""
    problem, rng = Problem.load(SMALL), np.random.default_rng(seed)
    latency = {name: {"table": random_table(problem, rng), "max": limits.get(name, 1e6)} for name in names}
    return Problem.from_dict(problem.to_dict() | {"budgets": {"flops": 4e6, "latency": latency}})


# ------------------------------------------------------------------------------------------------------------ all parameters


def test_all_parameters_are_those_of_the_module() -> None:
    problem = Problem.load(SMALL, ["budgets.params=null", "budgets.flops=3M", "budgets.params_total=50k"])
    best = design(problem, engine=kept())
    assert best.status == "optimal" and best.architecture is not None
    module = to_module(to_graph(best.architecture))
    budget = next(budget for budget in best.budgets if budget.name == "params_total")
    assert budget.value == sum(p.numel() for p in module.parameters()) <= 50_000
    assert all(check.passed for check in best.checks())


# ------------------------------------------------------------------------------------------------------- relative to a network


@pytest.mark.parametrize("convention", ["paper", "reference"])
@pytest.mark.parametrize("budget", ["flops", "params", "params_total", "macs", "activation_memory", "weights_bytes", "layers"])
def test_a_share_is_of_the_figure_that_the_problem_counts(budget: str, convention: str) -> None:
    changes = [*NONE, f"budgets.{budget}=37.5% of {R18}", "input.resolution=160", f"convention={convention}"]
    problem = Problem.preset("deepmad-r18", changes)
    figure = problem.evaluator(read_network(R18, 160)).count(budget)
    assert problem.budgets.limits() == {budget: math.floor(Fraction(3, 8) * figure)}
    assert problem.origins[budget].figure == figure and problem.origins[budget].share == Fraction(3, 8)
    plain = Problem.from_dict(problem.to_dict())
    assert plain == problem and plain.digest == problem.digest and not plain.origins


def test_a_lower_share_is_rounded_up() -> None:
    problem = Problem.preset("deepmad-r18", [*NONE, f"budgets.macs={{min: 33% of {R18}, max: 66% of {R18}}}"])
    figure = problem.origins["macs"].figure
    low, high = Fraction(33, 100) * figure, Fraction(66, 100) * figure
    assert problem.budgets.limits() == {"macs": math.floor(high), "min_macs": math.ceil(low)}
    assert low.denominator > 1


def test_a_network_of_ones_own_is_found_beside_the_specification(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network = next(every_network(Problem.load(SMALL)))
    (tmp_path / "mine.json").write_text(network.dumps())
    text = SMALL.read_text().replace("budgets: {flops: 4.0e+6", "budgets: {flops: 150% of mine.json")
    (tmp_path / "spec.yaml").write_text(text)
    problem = Problem.load(tmp_path / "spec.yaml")
    figure = problem.evaluator(network).count("flops")
    assert problem.budgets.limits()["flops"] == math.floor(Fraction(3, 2) * figure)
    assert cli.main(["show", str(tmp_path / "spec.yaml")]) == 0
    assert f"flops is 150 % of {tmp_path / 'mine.json'}, which has {figure:,}" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path)
    assert Problem.load(SMALL, ["budgets.flops=150% of mine.json"]).budgets == problem.budgets


def test_a_share_of_a_latency_is_by_the_same_table(tmp_path: Path) -> None:
    problem = timed()
    network = next(every_network(problem))
    (tmp_path / "mine.json").write_text(network.dumps())
    data = problem.to_dict()
    data["budgets"]["latency"]["gpu"]["max"] = f"70% of {tmp_path / 'mine.json'}"
    relative = Problem.from_dict(data)
    nanoseconds = problem.evaluator(network).nanoseconds("latency.gpu")
    assert relative.budgets.limits()["latency.gpu"] == Fraction(math.floor(Fraction(7, 10) * nanoseconds), 1000)


@pytest.mark.parametrize(
    ("spec", "limit", "fragments"),
    [
        ("deepmad-r18", "flops=80% of torchvision/resnt18", ("budgets.flops", "is not a network", R18)),
        ("deepmad-r18", "flops=80 of torchvision/resnet18", ("budgets.flops",)),
        ("deepmad-r18", f"flops=80% {R18}", ("budgets.flops", "80% of torchvision/resnet50")),
        ("deepmad-r18", f"flops=0% of {R18}", ("budgets.flops", "greater than 0")),
        ("deepmad-r18", f"layers=1% of {R18}", ("budgets.layers", "is 0", "larger share")),
        ("deepmad-r18", f"params.min=1e-12% of {R18}", ("",)),
        ("deepmad-r18", f"effectiveness=80% of {R18}", ("budgets.effectiveness", "no exact number", "it has 0.")),
        ("deepmad-r18", f"params.max=80% of {SMALL}", ("budgets.params.max",)),
        ("e3d-s", f"flops=80% of {R18}", ("budgets.flops", "the problem is of video")),
        ("mcu-256k", f"flops=80% of {R18}", ("budgets.flops", "the problem is quantised")),
        ("maedet-s", f"max_feature=80% of {R18}", ("budgets.max_feature",)),
    ],
)
def test_what_is_no_share_is_refused(spec: str, limit: str, fragments: tuple[str, ...]) -> None:
    changes = ["budgets={params: {max: 1e9}}"] if "params." in limit else []
    if "1e-12" in limit:  # rounded up, so it is a limit
        assert Problem.named(spec, [*changes, f"budgets.{limit}"]).budgets.limits()["min_params"] == 1
        return
    with pytest.raises(SpecError) as caught:
        Problem.named(spec, [*changes, f"budgets.{limit}"])
    assert all(fragment in str(caught.value) for fragment in fragments), str(caught.value)


# ------------------------------------------------------------------------------------------------------- several latency tables


@pytest.mark.parametrize("seed", few([4, 26, 20, 3, 30], 3))
def test_every_way_finds_the_optimum_under_several_tables(seed: int) -> None:
    assert limits_agree(seed) == []


def test_each_table_counts_what_the_exact_evaluator_counts() -> None:
    problem = limited_problem(26)
    assert len(problem.budgets.latencies) > 1
    tables = build_tables(problem)
    assert tables.counts[tables.arrays.paired :] == tuple(problem.budgets.latencies)
    batch = Cell.whole(tables).networks(tables)
    evaluation = evaluate_batch(tables, batch)
    position = type(tables.position(next(every_network(problem))))
    for k in np.flatnonzero(evaluation.chained)[:: max(1, len(batch) // 50)]:
        columns, depths = tuple(batch.columns[:, k].tolist()), tuple(batch.depths[:, k].tolist())
        evaluator = problem.evaluator(tables.architecture(position(int(batch.stem[k]), columns, depths)))
        for row, name in enumerate(tables.counts[tables.arrays.paired :], tables.arrays.paired):
            assert evaluator.nanoseconds(name) == evaluation.counts[row, k]


def test_prices_are_in_the_order_of_names_whatever_the_order_of_the_file() -> None:
    one, other = timed(("gpu", "cpu")), timed(("gpu", "cpu")).to_dict()
    latency = other["budgets"]["latency"]
    other["budgets"]["latency"] = {name: latency[name] for name in ("gpu", "cpu")}
    listed = [{"name": name} | latency[name] for name in ("gpu", "cpu")]
    for data in (other, other | {"budgets": other["budgets"] | {"latency": listed}}):
        again = Problem.from_dict(data)
        assert again == one and again.digest == one.digest
        assert list(again.budgets.latencies) == ["latency.cpu", "latency.gpu"]
    own, checked = one.budgets.latencies.values(), read_space(other, {}).latencies
    assert [limits.max for limits in own if limits.max is not None] == [t.most / 1000 for t in checked]
    assert [len(limits.model.table.grids) for limits in own] == [len(t.latency.grids) for t in checked]


def test_one_table_is_what_it_was() -> None:
    several = timed(("only",))
    data = several.to_dict()
    data["budgets"]["latency"] = data["budgets"]["latency"]["only"]
    one = Problem.from_dict(data)
    assert list(one.budgets.latencies) == ["latency"] and list(several.budgets.latencies) == ["latency.only"]
    assert one.to_dict()["budgets"]["latency"].keys() == {"max", "table", "batch", "free"}


def test_sweeps_and_prices_name_the_table() -> None:
    problem = limited_problem(4)
    name = list(problem.budgets.latencies)[-1]
    low = float(problem.budgets.limits()[name])
    (_, tight), (_, loose) = grid(problem, [Sweep.parse(f"budgets.{name}={low!r}us,{2 * low!r} us")])
    assert tight == problem and loose.budgets.limits() == problem.budgets.limits() | {name: 2 * problem.budgets.limits()[name]}
    best = design(problem, engine=kept())
    assert best.objective is not None
    prices = shadow_prices(build_tables(problem), best.objective)
    assert all(prices[latency] >= 0 for latency in problem.budgets.latencies)


@pytest.mark.parametrize(
    ("latency", "fragments"),
    [
        ([{"max": 1, "table": "t.csv"}], ("budgets.latency.0", "has no name")),
        ([{"name": "a", "max": 1}, {"name": "a", "max": 1}], ("budgets.latency.1.name", "given twice")),
        ({"a-b": {"max": 1}}, ("budgets.latency", "'a-b' is not a name")),
        ({"a": {"max": 1}}, ("budgets.latency.a.table", "is missing")),
        ({"a": 3}, ("budgets.latency.a", "comes without a table")),
        (3, ("budgets.latency", "comes without a table")),
        ({"a": {"max": 1, "min": 1, "table": "mipdesign/none"}}, ("budgets.latency.a.table", "not a table of the package")),
        ({f"a{n}": {} for n in range(9)}, ("budgets.latency", "has 9 tables")),
    ],
)
def test_what_are_no_tables_is_refused(latency: Any, fragments: tuple[str, ...]) -> None:
    data = Problem.load(SMALL).to_dict() | {"budgets": {"latency": latency}}
    with pytest.raises(SpecError) as caught:
        Problem.from_dict(data)
    assert all(fragment in str(caught.value) for fragment in fragments), str(caught.value)


def test_another_table_than_those_of_the_problem_is_not_swept() -> None:
    with pytest.raises(SpecError, match=r"budgets\.latency\.tpu: is not a latency budget.*latency\.cpu, latency\.gpu"):
        timed().with_limits({"latency.tpu": 3.0})
    with pytest.raises(SpecError, match=r"budgets\.latency: is not a latency budget"):
        timed().with_limits({"latency": 3.0})


# --------------------------------------------------------------------------------------------------- tables of the package


@pytest.mark.parametrize("name", shipped_tables())
def test_a_table_of_the_package_has_what_its_preset_needs_and_says_how_it_was_measured(name: str) -> None:
    text = (Path(__file__).parents[2] / "mipdesign" / "networks" / "tables" / f"{name.partition('/')[2]}.csv").read_text()
    head = [line for line in text.splitlines() if line.startswith("#")]
    words = "\n".join(head)
    assert len(text) < 300_000 and all(word in words for word in ("torch", "threads", "CPU", "median", "mipdesign profile"))
    rows = LatencyTable.load(name).rows
    (batch,) = {row.batch for row in rows}
    options = head[1].split()
    preset, points = options[3], int(options[options.index("--points") + 1].rstrip(":"))
    wanted = plan(Problem.preset(preset), points, batch, "--mode onnxruntime" in head[1])
    assert [row[:-1] for row in wanted] == [row[:-1] for row in rows]
    problem = Problem.preset(preset, [f"budgets.latency={{table: {name}, max: 1 s, batch: {batch}}}"])
    assert problem.budgets.limits()["latency"] == 10**6
