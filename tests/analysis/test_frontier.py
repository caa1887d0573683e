"""Frontiers: every point against enumeration, what follows from another point, a kill and a resumption, clusters, sweeps."""

from __future__ import annotations

import itertools
import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from haste import kept
from hypothesis import given
from hypothesis import strategies as st
from mipdesign.benchmarks.corpus.small import every_network, varied_problem
from scale import few, of

from mipdesign.analysis.frontier import Plan, Solved, grid
from mipdesign.analysis.frontier_file import FRONTIER, Frontier
from mipdesign.analysis.frontier_runner import pareto
from mipdesign.analysis.sweep import Sweep
from mipdesign.cli import main as cli
from mipdesign.designs.design import Design
from mipdesign.designs.run import design
from mipdesign.errors import SpecError
from mipdesign.networks.budget_names import LOWER
from mipdesign.problem.problem import Problem
from mipdesign.search.coverage import build_tables

SMALL = str(Path(__file__).parents[1] / "data" / "small.yaml")


def rich_seeds(count: int) -> list[int]:
    """Seeds of varied problems of some size."""
    return list(itertools.islice((seed for seed in itertools.count() if varied_problem(seed).size() > 100), count))


def sweep_of(problem: Problem, budget: str, shares: list[float]) -> Sweep:
    """Limits at quantiles of what the networks of a space have, the first one below or above all where a share is 0 or 1."""
    figures = [problem.evaluator(network).figure(budget.removeprefix(LOWER)) for network in every_network(problem)]
    return Sweep(budget, tuple(sorted({max(1, int(np.quantile(figures, share)) - (share == 0)) for share in shares})))


@pytest.mark.parametrize("seed", few(range(40), 8))
def test_tables_of_another_limit_are_those_of_a_new_start(seed: int) -> None:
    problem = varied_problem(seed)
    tables = build_tables(problem)
    for name, limit in problem.budgets.limits().items():
        other = problem.with_limits({name: float(limit) * (0.9 if name.startswith(LOWER) else 1.1)})
        again, new = build_tables(other, tables), build_tables(other)
        assert (again.stages is tables.stages) == (not {"latency", "activation_memory"} & set(problem.budgets.limits()))
        assert again.problem is other and again.rho == new.rho and again.counts == new.counts
        assert np.array_equal(again.limits, new.limits)
        for field in fields(new.arrays):
            assert np.array_equal(getattr(again.arrays, field.name), getattr(new.arrays, field.name))
    fewer = Problem.from_dict(problem.to_dict() | {"budgets": {"params": 10**9}})
    assert build_tables(fewer, tables).counts == ("params",)


@pytest.mark.parametrize(
    ("seed", "budgets"), list(zip(rich_seeds(2), [("flops", "params"), ("macs", "min_params")], strict=True))
)
def test_every_point_is_the_enumerated_optimum(seed: int, budgets: tuple[str, ...], tmp_path: Path) -> None:
    problem = varied_problem(seed)
    bare = Problem.from_dict(problem.to_dict() | {"budgets": {}})
    sweeps = [sweep_of(bare, budget, [0.0, 0.3, 0.8][: of(3, 2)]) for budget in budgets]
    frontier = pareto(bare, sweeps, tmp_path, workers=2)
    networks = [(a, bare.evaluator(a).exact_objective()) for a in every_network(bare)]
    assert len(frontier.points) == math.prod(len(sweep.values) for sweep in sweeps)
    for point in frontier.points:
        feasible = [(a, objective) for a, objective in networks if not point.problem.violations(a)]
        if not feasible:
            assert point.status == "infeasible" and point.objective is None and point.bound == -math.inf
            continue
        best = max(objective for _, objective in feasible)
        assert point.status == "optimal" and point.architecture is not None
        assert point.problem.evaluator(point.architecture).exact_objective() == best
        assert not point.problem.violations(point.architecture)
        assert point.bound >= float(best)
        proof = frontier.points[point.proof]
        assert all(sweep.looser(proof.limits[sweep.budget], point.limits[sweep.budget]) for sweep in sweeps)
        assert (tmp_path / "points" / str(point.proof).zfill(len(str(len(frontier.points) - 1))) / "certificate.json").exists()
        rivals = [
            other
            for other in frontier.points
            if other is not point
            and other.objective is not None
            and point.objective is not None
            and other.objective >= point.objective
            and all(sweep.looser(point.limits[sweep.budget], other.limits[sweep.budget]) for sweep in sweeps)
        ]
        assert point.dominated == bool(rivals)
    again = pareto(bare, sweeps, tmp_path, workers=1, on_point=lambda index, progress: pytest.fail("a point was solved twice"))
    assert again.to_dict() == frontier.to_dict()


def test_what_follows_from_a_looser_point_is_not_searched() -> None:
    problem = Problem.load(SMALL)
    plan = Plan(problem, [Sweep("flops", (3_000_000, 4_000_000, 5_000_000)), Sweep("params", (40_000, 60_000))])
    assert plan.order[0] == 5 and plan.order[-1] == 0
    loosest = design(plan.points[5][1], engine=kept())
    plan.solved[5] = Solved(loosest, {})
    assert loosest.evaluation is not None and loosest.evaluation.flops <= 3_000_000 and loosest.evaluation.params > 40_000
    assert [plan.proof(i) for i in range(6)] == [None, 5, None, 5, None, 5]
    assert plan.near(0) == [loosest]
    plan.solved[3] = Solved(None, {})
    points = plan.frontier(0).points
    assert [point.status for point in points] == ["unknown", "unknown", "unknown", "optimal", "unknown", "optimal"]
    assert points[5].dominated and not points[3].dominated and points[3].proof == 5


def test_a_bound_holds_for_all_tighter_points() -> None:
    plan = Plan(Problem.load(SMALL), [Sweep("params", (40_000, 60_000))])
    loose, tight = (design(problem, engine=kept()) for _, problem in reversed(plan.points))
    assert loose.objective is not None and tight.objective is not None and loose.objective > tight.objective
    unproven = Design(
        tight.problem, "feasible", tight.architecture, 2 * loose.bound, tight.certificate, 0.0, 0.0, 0
    )  # as a time limit may leave it
    plan.solved = {0: Solved(unproven, {}), 1: Solved(loose, {})}
    point = plan.frontier(0).points[0]
    assert point.status == "feasible" and point.bound == loose.bound


SWEEP = ("--sweep", "budgets.params=30000:60000:5")


def test_a_killed_frontier_goes_on_to_the_same_file(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mipdesign", "pareto", SMALL, *SWEEP, "--workers", "1", "--out"]
    with subprocess.Popen(
        [*command, str(tmp_path / "killed")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while not list((tmp_path / "killed").glob("points/*/result.json")):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    solved = list((tmp_path / "killed").glob("points/*/result.json"))
    stamps = {path: path.stat().st_mtime_ns for path in solved}
    cut = json.loads((tmp_path / "killed" / FRONTIER).read_text())
    assert "unknown" in {point["status"] for point in cut["points"]}
    for name in ("killed", "whole"):
        assert cli.main(["pareto", SMALL, *SWEEP, "--workers", "1", "--out", str(tmp_path / name)]) == 0
    assert (tmp_path / "killed" / FRONTIER).read_bytes() == (tmp_path / "whole" / FRONTIER).read_bytes()
    assert {path: path.stat().st_mtime_ns for path in solved} == stamps
    assert len(os.listdir(tmp_path / "whole" / "points")) == 5


def test_an_interruption_keeps_what_is_solved(tmp_path: Path) -> None:
    def interrupt(frontier: Frontier) -> None:
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have the tests ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            pareto(Problem.load(SMALL), [SWEEP[1]], tmp_path, workers=1, on_frontier=interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    points = json.loads((tmp_path / FRONTIER).read_text())["points"]
    assert sorted(point["status"] for point in points) == ["optimal"] + ["unknown"] * 4


def test_points_are_solved_on_a_cluster(tmp_path: Path) -> None:
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster:
        there = pareto(Problem.load(SMALL), ["budgets.params=40000,60000"], tmp_path, scheduler=cluster.scheduler_address)
    here = pareto(Problem.load(SMALL), ["budgets.params=40000,60000"], workers=1)
    assert there.to_dict() == here.to_dict()


def test_the_command_prints_points_and_prices(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["pareto", SMALL, "--sweep", "budgets.params=1,60000", "--workers", "1", "--out", str(tmp_path)]
    assert cli.main(command) == 0
    out, err = capsys.readouterr()
    assert "infeasible" in out and "2268.353" in out and "per 1000 parameters" in out and "2 of 2 proven" in out
    assert "params 60,000  optimal  2268.353" in err and "2 of 2" in err
    assert cli.main([*command, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data == json.loads((tmp_path / FRONTIER).read_text()) and data["points"][1]["prices"]["params"]["per_unit"] > 0
    assert cli.main(["pareto", SMALL, "--sweep", "budgets.params=1,2", "--workers", "1", "--out", str(tmp_path / "no")]) == 3


def test_a_frontier_is_verified_and_a_changed_one_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pareto(Problem.load(SMALL), ["budgets.params=1,40000,60000", "budgets.flops=3e6,4e6"], tmp_path, workers=1)
    assert cli.main(["verify", str(tmp_path)]) == 0
    assert "claims hold" in capsys.readouterr().out
    text = (tmp_path / FRONTIER).read_text()
    data = json.loads(text)
    proofs = [point["proof"] for point in data["points"]]
    assert len(set(proofs)) < len(proofs)
    swapped = {"objective": data["points"][5]["objective"], "architecture": data["points"][5]["architecture"]}
    for change in (
        {"objective": 1e9},
        {"status": "infeasible"},
        {"proof": proofs[0]},
        {"dominated": not data["points"][3]["dominated"]},
        swapped,
    ):
        changed = json.loads(text)
        changed["points"][3].update(change)
        (tmp_path / FRONTIER).write_text(json.dumps(changed))
        assert cli.main(["verify", str(tmp_path)]) == 1
        assert "FAILED: point 3 follows from" in capsys.readouterr().out
    (tmp_path / FRONTIER).write_text(json.dumps(data | {"points": data["points"][:2]}))
    assert cli.main(["verify", str(tmp_path)]) == 2
    assert "points: 2 points for 6 limits" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------------------- sweeps


@given(
    st.integers(1000, 10**9).flatmap(lambda low: st.tuples(st.just(low), st.integers(2 * low, 10**10))),
    st.integers(2, 20),
    st.booleans(),
)
def test_ranges_hold_their_ends_and_are_spaced_evenly(ends: tuple[int, int], count: int, ratios: bool) -> None:
    sweep = Sweep.parse(f"budgets.flops={ends[0]}:{ends[1]}:{count}{':log' if ratios else ''}")
    assert sweep.key == "budgets.flops" and sweep.budget == "flops" and len(sweep.values) == count
    assert (sweep.values[0], sweep.values[-1]) == ends and all(isinstance(value, int) for value in sweep.values)
    exact = np.geomspace(*ends, count) if ratios else np.linspace(*ends, count)
    assert np.allclose(sweep.values, exact, atol=1.0)


def test_lists_and_lower_limits_are_read() -> None:
    assert Sweep.parse("budgets.effectiveness=0.3,0.1").values == (0.1, 0.3)
    lower = Sweep.parse("budgets.params.min=1e3,2e3")
    assert lower == Sweep("min_params", (1000, 2000)) and lower.key == "budgets.params.min" and lower.looser(1, 2)
    assert Sweep.parse("budgets.flops.max=1e9,2e9") == Sweep.parse("budgets.flops=1e9,2e9")


@pytest.mark.parametrize(
    ("texts", "fragments"),
    [
        (["flops"], ("'flops' is not KEY=VALUES",)),
        (["budgets.nonsense=1,2"], ("'budgets.nonsense' is not a limit", "names: flops")),
        (["stages.0.depth=1,2"], ("is not a limit",)),
        (["budgets.flops.middle=1,2"], ("is not a limit",)),
        (["budgets.flops=1:2"], ("'1:2' is not a range",)),
        (["budgets.flops=1:2:x"], ("is not a range",)),
        (["budgets.flops=1:2:1"], ("is not a range",)),
        (["budgets.flops=1e9:2e9:3:lin"], ("is not a range",)),
        (["budgets.flops=1e9:nan:3"], ("is not a range",)),
        (["budgets.flops=1e9"], ("two or more different limits",)),
        (["budgets.flops=-1,2"], ("greater than 0",)),
        (["budgets.flops=5,5"], ("two or more different limits",)),
        (["budgets.flops=1:2:99999999"], ("is not a range",)),
        (["budgets.flops=1e9:2e9:200", "budgets.params=1e6:2e6:200"], ("gives 40000 points",)),
        (["budgets.flops=1e9,2e9", "budgets.flops.max=1e9,2e9"], ("twice",)),
        (["budgets.flops=1e9,2e9"] * 3, ("given 3 times",)),
        (["budgets.effectiveness.min=0.1,0.2"], ("effectiveness.min",)),
        (["budgets.latency=10,20"], ("latency", "table")),
    ],
)
def test_bad_sweeps_are_refused_before_anything_is_solved(
    texts: list[str], fragments: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [word for text in texts for word in ("--sweep", text)]
    assert cli.main(["pareto", SMALL, *options, "--out", str(tmp_path / "f")]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1 and not (tmp_path / "f").exists()
    for fragment in fragments:
        assert fragment in err


def test_another_frontier_is_not_overwritten(tmp_path: Path) -> None:
    problem = Problem.load(SMALL)
    pareto(problem, ["budgets.params=1,2"], tmp_path, workers=1)
    before = (tmp_path / FRONTIER).read_bytes()
    with pytest.raises(SpecError, match="holds another frontier"):
        pareto(problem, ["budgets.params=1,3"], tmp_path)
    with pytest.raises(SpecError, match="workers"):
        pareto(problem, ["budgets.params=1,2"], tmp_path, workers=0)
    assert (tmp_path / FRONTIER).read_bytes() == before


def test_a_lower_limit_may_not_pass_the_upper_one() -> None:
    problem = Problem.load(SMALL, ["budgets.params={min: 1000, max: 60000}"])
    assert [each.budgets.limits()["min_params"] for _, each in grid(problem, [Sweep("params", (2000, 3000))])] == [1000, 1000]
    with pytest.raises(SpecError, match=r"budgets\.params"):
        grid(problem, [Sweep("params", (500, 2000))])
