"""Explanations against enumeration, and prices against the bound that they come from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from haste import kept
from mipdesign.benchmarks.corpus.small import best_by_enumeration, every_network, varied_problem
from scale import few

from mipdesign.analysis.explanation import changes, explain
from mipdesign.analysis.explanation_file import EXPLANATION
from mipdesign.analysis.shadow_prices import shadow_prices
from mipdesign.bounds.multipliers import Multipliers
from mipdesign.bounds.optimise import optimise
from mipdesign.bounds.relaxation import Relaxation
from mipdesign.cli import main as cli
from mipdesign.designs.design import Design
from mipdesign.designs.run import design
from mipdesign.errors import SpecError
from mipdesign.lattice.cell import Cell
from mipdesign.networks.architecture import Architecture, Stage, Stem
from mipdesign.networks.budget_names import LOWER
from mipdesign.problem.problem import Problem
from mipdesign.search.coverage import build_tables

SMALL = Path(__file__).parents[1] / "data" / "small.yaml"


def optima(count: int) -> list[int]:
    """Seeds of varied problems that have two or more limits and a feasible network."""
    found: list[int] = []
    seed = 0
    while len(found) < count:
        problem = varied_problem(seed)
        if problem.size() > 50 and len(problem.budgets.limits()) > 1 and best_by_enumeration(problem) is not None:
            found.append(seed)
        seed += 1
    return found


@pytest.mark.parametrize("seed", few(optima(2), 1))
def test_each_limit_is_explained_as_enumeration_has_it(seed: int) -> None:
    problem = varied_problem(seed)
    found = design(problem, engine=kept())
    assert found.architecture is not None
    best = problem.evaluator(found.architecture).exact_objective()
    explanation = explain(found, workers=1)
    assert [limit.name for limit in explanation.limits] == list(problem.budgets.limits())
    networks = [(a, problem.evaluator(a)) for a in every_network(problem)]
    for limit in explanation.limits:
        relaxed = problem.with_limits({limit.name: limit.relaxed.limit})
        assert relaxed.evaluator(limit.relaxed.architecture).exact_objective() == best_by_enumeration(relaxed)
        lower = limit.name.startswith(LOWER)
        assert limit.relaxed.limit == pytest.approx((1 / 1.01 if lower else 1.01) * limit.limit, abs=1)
        others = [name for name in problem.budgets.limits() if name != limit.name]
        values = [
            evaluator.figure(limit.name)
            for network, evaluator in networks
            if evaluator.exact_objective() > best and all(evaluator.within(n, problem.budgets.limits()[n]) for n in others)
        ]
        furthest = limit.limit * (0.5 if lower else 2)
        near = [value for value in values if (value >= furthest if lower else value <= furthest)]
        if not near:
            assert limit.outside is None and not limit.binds
            continue
        assert limit.outside is not None and limit.binds
        assert limit.outside.value == pytest.approx(max(near) if lower else min(near), rel=1e-8)
        assert problem.evaluator(limit.outside.architecture).exact_objective() > best
        assert limit.outside.changes == changes(found.architecture, limit.outside.architecture) != ()


def test_changes_of_bits_and_of_kernels_over_frames_are_said() -> None:
    bits = [(((6, w),) * 3, ((5, 5),) * 3) for w in (4, 3)]
    old, new = (Architecture(32, Stem(8, bits=(8, 8)), (Stage("inverted", 2, 16, 24, 3, 2, bits=b),)) for b in bits)
    assert changes(old, new) == ("super-block 1: bits 6/4 5/5 -> 6/3 5/5",)
    old, new = (Architecture(32, Stem(8), (Stage("inverted_3d", 2, 16, 24, 3, 2, kernel_t=kt),), frames=8) for kt in (1, 3))
    assert changes(old, new) == ("super-block 1: kernel_t 1 -> 3",)
    old, new = (Architecture(32, Stem(8), (Stage("inverted", 2, 16, b, 3, 2),)) for b in (24, (24, 16)))
    assert changes(old, new) == ("super-block 1: bottleneck 24 -> 24 16",)


def least_bound(problem: Problem, cutoff: float) -> float:
    tables = build_tables(problem)
    relaxation = Relaxation(tables, Cell.whole(tables), cutoff)
    return optimise(relaxation, Multipliers.initial(tables, abs(cutoff)), 500, tolerance=0.0).bound.value


@pytest.mark.parametrize("convention", few(["reference", "paper"], 1))
@pytest.mark.parametrize("name", ["flops", "params", "effectiveness", "min_params"])
def test_a_price_is_the_slope_of_the_least_bound(name: str, convention: str) -> None:
    loose: dict[str, Any] = {"flops": 1.5e6, "params": 3e4, "effectiveness": 0.2}
    if name == "min_params":
        loose = {"flops": 1.5e6, "params": {"min": 55_000, "max": 60_000}}
    problem = Problem.load(SMALL, [f"convention={convention}", f"budgets={json.dumps(loose)}"])
    found = design(problem, engine=kept())
    assert found.objective is not None
    price = shadow_prices(build_tables(problem), found.objective)[name]
    limit, step = float(problem.budgets.limits()[name]), 0.02
    values = [least_bound(problem.with_limits({name: limit * (1 + s)}), found.objective) for s in (-step, 0.0, step)]
    after, before = values[2] - values[1], values[1] - values[0]
    allowance = 0.1 * abs(price) * limit * step + 3e-5 * found.objective
    assert after - allowance <= price * limit * step <= before + allowance


def test_prices_have_the_signs_and_names_of_their_limits() -> None:
    overrides = ["budgets.params={min: 1000, max: 30000}", "budgets.activation_memory=1e6", "budgets.blocks=6"]
    problem = Problem.load(SMALL, overrides)
    found = design(problem, engine=kept())
    assert found.objective is not None
    prices = shadow_prices(build_tables(problem), found.objective)
    assert set(prices) == {"flops", "params", "min_params", "blocks", "effectiveness"}
    assert prices["params"] > 0 >= prices["min_params"] and min(prices["flops"], prices["effectiveness"]) >= 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("explained")
    design(Problem.load(SMALL), engine=kept()).save(path, picture=False)
    return path


def test_the_command_explains_a_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", str(folder), "--budget", "params", "--workers", "1"]) == 0
    out, err = capsys.readouterr()
    assert "61,936" in out and "super-block 2: channels 48 -> 40" in out and "solving with params 60,600" in err
    data = json.loads((folder / EXPLANATION).read_text())
    assert data["format"] == "mipdesign-explanation-1" and [entry["name"] for entry in data["budgets"]] == ["params"]
    assert cli.main(["explain", str(folder), "--budget", "params", "--workers", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == data


@pytest.mark.parametrize(
    ("options", "fragments"),
    [
        (["{folder}", "--budget", "nonsense"], ("--budget", "nonsense", "flops, params, effectiveness")),
        (["{folder}", "--workers", "0"], ("workers",)),
        (["{folder}/nothing"], ("is not a folder",)),
    ],
)
def test_what_cannot_be_explained_is_refused(
    options: list[str], fragments: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["explain", *(option.format(folder=folder) for option in options)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1
    for fragment in fragments:
        assert fragment in err


def test_only_optima_are_explained(folder: Path) -> None:
    infeasible = design(Problem.load(SMALL, ["budgets.params=1"]), engine=kept())
    with pytest.raises(SpecError, match="ended 'infeasible'"):
        explain(infeasible)
    assert Design.load(folder).status == "optimal"
