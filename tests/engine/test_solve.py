"""Whole runs with SCIP in a process of its own: answers, limits, interruptions, crashes, kills."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import programs
import pytest
from haste import kept
from mipdesign.benchmarks.corpus.small import best_by_enumeration, listing, random_table, small_problem, varied_problem
from scale import few, of

from mipdesign import Architecture, Design, Problem, SpecError, design
from mipdesign.lattice.cell import Cell
from mipdesign.parsing import load_yaml
from mipdesign.registry import installed
from mipdesign.search.coverage import build_tables
from mipdesign.search.outcome import Progress

SMALL = Path(__file__).parents[1] / "data" / "small.yaml"
MEDIUM = ["budgets.flops=3e8", "budgets.params=2e6"]
"""r18's space with budgets that make a run last some seconds."""


def enumerated(problem: Problem) -> tuple[object, ...] | None:
    """The best network by exhaustive listing, in the documented order; ``None`` if there is none."""
    from mipdesign.search.incumbents import design_order

    tables = build_tables(problem)
    known = listing(tables, Cell.whole(tables)).networks
    if not known:
        return None
    top = [tables.architecture(p) for p, z in known if z >= known[0][1] - abs(known[0][1]) * known[0][1].__class__("1e-7")]
    return min((design_order(problem, a), a) for a in top)


@pytest.mark.parametrize("seed", few([7, 1, 5, 12], 2))
@pytest.mark.parametrize("presolve", [True, False])
def test_design_equals_enumeration(seed: int, presolve: bool) -> None:
    problem = small_problem(seed)
    known = enumerated(problem)
    result = design(problem, engine=kept(), presolve=presolve)
    if known is None:
        assert (result.status, result.architecture) == ("infeasible", None)
    else:
        assert result.status == "optimal" and result.gap == 0.0
        assert result.architecture == known[1]
    assert all(check.passed for check in result.checks(resolve=not presolve))


TINY = ["stages.1.depth=[1, 2]", "stages.2.depth=[1, 2]", "stages.3.depth=[1, 2]", "stages.4.depth=[1, 2]"]


@pytest.mark.parametrize(
    "changes",
    few(
        [
            ["budgets={}"],
            ["budgets={layers: 20}"],
            ["budgets={effectiveness: 0.05}"],
            ["objective={beta: 1e5}", "budgets.flops=3e8"],
            ["objective={beta: 0.0}", "budgets.flops=3e8"],
            ["objective={alpha: [1, 1, 1, 1, 0.0]}", "budgets.flops=3e8"],
            ["head={channels: 256}", "budgets.params=3e6"],
        ],
        4,
    ),
)
def test_unusual_objectives_and_budgets_are_proved_and_verified(changes: list[str]) -> None:
    result = design(Problem.preset("deepmad-r18", TINY + changes), engine=kept())
    assert result.status == "optimal" and not result.incidents
    assert all(budget.holds for budget in result.budgets)
    assert all(check.passed for check in result.checks())


@pytest.mark.parametrize("seed", few([0, 3, 7, 11], 2))
def test_choices_and_all_budgets_are_proved_and_verified(seed: int) -> None:
    problem = varied_problem(seed)
    found, best = design(problem, engine=kept()), best_by_enumeration(problem)
    assert found.status == ("infeasible" if best is None else "optimal")
    if best is not None:
        assert found.architecture is not None
        assert problem.evaluator(found.architecture).exact_objective() == best
    assert all(check.passed for check in found.checks())


EXPRESSED: dict[str, list[str]] = {
    "a choice between block families": ["stages.1.block=[bottleneck, basic]"],
    "a limit on single operations": ["budgets.activation_memory=2.5e5"],
    "ties between super-blocks": ["ties=[{stages: [1, 2], same: depth}]"],
    "a latency table": ["budgets.latency.max=1e4"],
}
"""What the tree and the formulation ``lattice`` both take, with changes of the small problem that ask for it."""


@pytest.mark.parametrize("feature", EXPRESSED)
def test_the_tree_and_scip_alone_find_the_same(feature: str, tmp_path: Path) -> None:
    changes = EXPRESSED[feature]
    if "latency" in feature:
        (tmp_path / "table.csv").write_text("\n".join(random_table(Problem.load(SMALL), np.random.default_rng(0))))
        changes = [*changes, f"budgets.latency.table={tmp_path / 'table.csv'}"]
    problem = Problem.load(SMALL, changes)
    by_tree, by_scip = design(problem, engine=kept()), design(problem, engine=kept(), presolve=False)
    assert (by_tree.status, by_scip.status) == ("optimal", "optimal")
    assert by_tree.architecture == by_scip.architecture


def test_what_no_formulation_expresses_is_closed_by_the_tree_alone() -> None:
    problem = Problem.load(SMALL, ["objective.effectiveness_price=100"])
    assert design(problem, engine=kept()).status == "optimal"
    with pytest.raises(SpecError, match="a price of the effectiveness; leave the presolve on"):
        design(problem, workers=1, presolve=False)


@pytest.mark.parametrize("convention", few(["reference", "paper"], 1))
def test_a_priced_effectiveness_is_lower_and_the_objective_accounts_for_it(convention: str) -> None:
    free = design(Problem.load(SMALL, [f"convention={convention}"]), engine=kept())
    problem = Problem.load(SMALL, [f"convention={convention}", "objective.effectiveness_price=5000"])
    priced = design(problem, engine=kept())
    assert free.evaluation is not None and priced.evaluation is not None and priced.status == "optimal"
    e = priced.evaluation
    assert e.objective == pytest.approx(e.weighted_entropy - e.penalty - 5000 * e.effectiveness, rel=1e-12)
    assert float(problem.evaluator(priced.architecture).exact_objective()) == pytest.approx(e.objective, rel=1e-12)
    assert e.effectiveness <= free.evaluation.effectiveness
    assert e.objective >= free.evaluation.objective - 5000 * free.evaluation.effectiveness - 1e-9
    assert all(check.passed for check in priced.checks())


def test_answer_depends_neither_on_seed_nor_on_workers() -> None:
    problem = small_problem(7)
    ways = ((1, 0), (2, 1), (2, 2))[: of(3, 2)]
    answers = {(d.objective, d.architecture) for d in (design(problem, workers=w, seed=s) for w, s in ways)}
    assert len(answers) == 1


@pytest.mark.long
def test_r18_is_proved_optimal() -> None:
    result = design(Problem.preset("deepmad-r18"))
    assert (result.status, result.gap) == ("optimal", 0.0)
    assert result.objective == pytest.approx(36538.33855829395, rel=1e-12)
    assert all(budget.holds for budget in result.budgets)
    assert all(check.passed for check in result.checks())


def stop_with_a_bound(progress: Progress) -> None:
    """Interrupts a run as soon as it has a bound and some closed nodes."""
    if progress.gap is not None and progress.closed_nodes > 20:
        raise KeyboardInterrupt


def test_time_limit_ends_with_what_is_known(tmp_path: Path) -> None:
    result = design(Problem.preset("deepmad-r18"), time_limit=1e-3)
    assert result.status in ("feasible", "unknown") and result.bound > 36538
    assert all(check.passed for check in result.checks())


def test_interrupted_run_is_resumed(tmp_path: Path) -> None:
    problem, optimum = Problem.preset("deepmad-r18"), 36538.33855829395
    result = design(problem, on_progress=stop_with_a_bound)
    assert result.status == "feasible" and result.interrupted
    assert all(check.passed for check in result.checks())
    assert result.objective is not None and result.objective <= optimum <= result.bound
    result.save(tmp_path)
    resumed = design(problem, resume=tmp_path)
    assert (resumed.status, resumed.objective) == ("optimal", optimum)
    assert all(check.passed for check in resumed.checks())


def test_wider_gap_ends_with_a_bound_that_holds() -> None:
    result = design(Problem.preset("deepmad-r18"), gap=0.02)
    assert result.status == "feasible" and result.gap is not None and result.gap <= 0.02
    assert result.bound >= 36538.33855829395
    assert all(check.passed for check in result.checks())


def test_resuming_another_problem_is_refused(tmp_path: Path) -> None:
    design(small_problem(7), engine=kept()).save(tmp_path)
    with pytest.raises(SpecError, match="another problem"):
        design(small_problem(5), resume=tmp_path)


def test_saved_design_is_loaded_equal(tmp_path: Path) -> None:
    first = design(small_problem(7), engine=kept())
    first.save(tmp_path)
    again = Design.load(tmp_path)
    assert again.to_dict() == first.to_dict()
    assert again.certificate.data == first.certificate.data


def workers_of_this_process() -> list[int]:
    """Process ids of the children that solve."""
    pids = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if parent == os.getpid() and b"mipdesign.engine.process" in command:
                pids.append(int(entry.name))
    return pids


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds child processes in /proc")
def test_killed_children_cost_a_retry_and_not_the_proof() -> None:
    killed: list[int] = []

    def kill(progress: Progress) -> None:
        if progress.phase in ("tree", "solver") and len(killed) < 2:
            for pid in workers_of_this_process()[:1]:
                if pid not in killed:
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)

    result = design(Problem.preset("deepmad-r18", MEDIUM), on_progress=kill)
    assert len(killed) == 2
    assert result.status == "optimal" and result.incidents
    assert all(check.passed for check in result.checks())


@pytest.fixture
def crashing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A formulation of a plug-in that aborts its process the first two times that a model is built."""
    shutil.copy(programs.PROGRAMS / "crashing.py", tmp_path)
    programs.install(tmp_path, "mipdesign.formulations", crashing="crashing:Crashing")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    installed.cache_clear()
    return "crashing"


def test_aborting_solver_is_retried_with_other_settings(crashing: str) -> None:
    problem = small_problem(7)
    result = design(problem, workers=1, presolve=False, formulation=crashing)
    known = enumerated(problem)
    assert known is not None and result.status == "optimal" and result.architecture == known[1]
    assert sum("attempt" in incident for incident in result.incidents) == 2


def test_interrupt_leaves_a_design_and_a_valid_bound(tmp_path: Path) -> None:
    """In a tree that has its nodes before it when the first design is told: lines about it may come late on a busy machine."""
    slower = ("--workers", "1", "--engine-option", "propagation=off")
    command = [sys.executable, "-m", "mipdesign", "design", "deepmad-50m", *slower, "--out", str(tmp_path / "out")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "incumbent -" not in line:
            break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 0 and "Traceback" not in errors
    result = Design.load(tmp_path / "out")
    assert result.status == "feasible" and result.interrupted
    assert result.objective is not None and result.objective <= 21812.065224269714 <= result.bound
    assert all(check.passed for check in result.checks())


def test_the_example_of_the_documentation_is_solved() -> None:
    text = (Path(__file__).parents[2] / "docs" / "specification.md").read_text()
    problem = Problem.from_dict(load_yaml(text.split("```yaml\n")[1].split("```")[0], "the example"))
    found = design(problem, engine=kept())
    assert found.status == "optimal" and not problem.violations(found.architecture or pytest.fail("no network"))


def test_space_near_a_network_holds_what_is_near_and_nothing_else() -> None:
    """Around the optimum of r18, which is then the optimum of the small space too."""
    blocks = [(2, 128, 48, 1), (2, 192, 56, 1), (2, 672, 64, 14), (1, 672, 64, 14), (2, 960, 96, 12)]
    keys = ("stride", "channels", "bottleneck", "depth")
    stages = [dict(zip(keys, values, strict=True)) | {"block": "bottleneck", "kernel": 5} for values in blocks]
    network = {"resolution": 224, "stem": {"channels": 32}, "stages": stages}
    data = Problem.preset("deepmad-r18").to_dict()
    near = {"network": network, "ratio": 0.1, "blocks": 1, "same": ["kernel"]}
    problem = Problem.from_dict(data | {"near": near})
    assert problem.size() < Problem.from_dict(data).size() / 1e15
    found = design(problem, engine=kept())
    assert found.status == "optimal" and found.objective == pytest.approx(36538.33855829395, rel=1e-12)
    centre = Architecture.from_dict(network)
    assert problem.outside_space(centre) == []
    for field, value in (("channels", 960 + 104), ("bottleneck", 112), ("depth", 14), ("kernel", 3)):
        other = replace(centre, stages=(*centre.stages[:-1], replace(centre.stages[-1], **{field: value})))
        assert problem.outside_space(other) == ["stages.4"], field
