"""Frontiers along the limit of the effectiveness: optima and lists against enumeration, going on, wrong use, the command."""

from __future__ import annotations

import json
import re
import shutil
import signal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from haste import kept
from mipdesign.benchmarks.corpus.small import every_network
from mipdesign.benchmarks.experiments.lists import Wanted, listed
from mipdesign.benchmarks.experiments.subjects import KINDS, truth_of
from scale import few

from mipdesign import Design, Problem, SpecError, design, pareto, read_network, rho_sweep
from mipdesign.analysis.frontier import Plan, Solved
from mipdesign.analysis.frontier_file import FRONTIER, Frontier
from mipdesign.analysis.rho_sweep import values_of
from mipdesign.analysis.sweep import Sweep
from mipdesign.cli import main as cli
from mipdesign.report.report import report
from mipdesign.search.listing import Wanted as ListSpec
from mipdesign.search.outcome import Progress

SMALL = str(Path(__file__).parents[1] / "data" / "small.yaml")
VALUES = "0.05,0.15,0.3,5,6"
"""Of the small problem: the first is infeasible, and the last two have the same networks."""


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Frontier]:
    """The frontier of the small problem, and its folder, which is not to be changed."""
    folder = tmp_path_factory.mktemp("rho")
    return folder, swept(folder)


@pytest.fixture
def copy(solved: tuple[Path, Frontier], tmp_path: Path) -> Path:
    """A folder with the same frontier."""
    return Path(shutil.copytree(solved[0], tmp_path / "copy"))


def swept(tmp_path: Path, **arguments: Any) -> Frontier:
    return rho_sweep(SMALL, VALUES, tmp_path, workers=1, **arguments)


RULES: dict[str | None, Wanted] = {
    None: Wanted(best=3),
    "channels:10%": Wanted(best=3, share=Fraction(1, 10)),
    "channels:1/3": Wanted(best=3, share=Fraction(1, 3)),
    "decisions:3": Wanted(best=3, decisions=3),
}


@pytest.mark.parametrize(
    ("seed", "rule"),
    few(
        [(1, "channels:10%"), (5, "decisions:3"), (8, "channels:1/3"), (13, None), (7, "channels:10%"), (12, "decisions:3")], 4
    ),
)
def test_optima_and_lists_are_those_of_enumeration(seed: int, rule: str | None, tmp_path: Path) -> None:
    problem = KINDS[seed % len(KINDS)](seed)
    reached = [problem.evaluator(network).evaluation.effectiveness for network in every_network(problem)]
    shares = np.quantile(reached, [0.1, 0.5, 0.9])
    values = sorted({float(f"{value:.3g}") for value in (0.9 * min(reached), *shares, 2 * max(reached), 3 * max(reached))})
    problem = problem.with_limits({"effectiveness": values[0]})
    frontier = rho_sweep(problem, values, tmp_path, workers=1, best=3, different=rule)
    assert len(frontier.points) == len(frontier.settled) == len(values) and frontier.points[0].status == "infeasible"
    for point, value in zip(frontier.points, values, strict=True):
        assert point.problem.budgets.limits()["effectiveness"] == Fraction(repr(value))
        truth = truth_of(point.problem.to_dict())
        if truth is None or not truth.feasible:
            assert point.status == "infeasible" and point.pool is None
            continue
        expected = [row.architecture for row in listed(truth.problem, truth.feasible, RULES[rule])]
        assert point.status == "optimal" and point.pool is not None
        assert [network.architecture for network in point.pool] == expected and point.architecture == expected[0]
    assert cli.main(["verify", str(tmp_path), "--quiet"]) == 0


def test_without_more_words_three_different_networks_are_listed(solved: tuple[Path, Frontier]) -> None:
    folder, frontier = solved
    assert [point.status for point in frontier.points] == ["infeasible"] + ["optimal"] * 4
    assert [point.proof for point in frontier.points] == [0, 1, 2, 4, 4] and len(frontier.settled) == 5
    for point in frontier.points[1:]:
        assert point.pool is not None and point.listed is not None and len(point.pool) == point.listed["count"] == 3
        assert point.listed["different"] == "channels:1/10" and point.listed["complete"]
        assert all(not point.problem.violations(network.architecture) for network in point.pool)
    again = swept(folder, on_point=lambda index, progress: pytest.fail("a value was solved twice"))
    assert again.to_dict() == frontier.to_dict() == json.loads((folder / FRONTIER).read_text())
    assert list(pytest.importorskip("pandas") and frontier.to_frame()["networks"][1:]) == [3.0] * 4
    best = pareto(SMALL, "budgets.effectiveness=0.3,5", workers=1, best=2)
    pools = [point.pool for point in best.points]
    assert [len(pool or ()) for pool in pools] == [2, 2] and best.wanted is not None and best.wanted.different is None


def test_a_looser_list_settles_a_tighter_point_only_with_all_its_networks() -> None:
    problem = Problem.load(SMALL)
    loose = design(problem.with_limits({"effectiveness": 5}), best=3, different="channels:10%", engine=kept())
    assert loose.pool is not None
    reached = [network.figures["effectiveness"] for network in loose.pool]
    assert reached[0] < max(reached)
    wanted = ListSpec.of(None, 3, "channels:10%")
    for value, settled in ((max(reached) * 1.001, True), ((reached[0] + max(reached)) / 2, False)):
        sweep = Sweep("effectiveness", (value, 5.0))
        plan, plain = Plan(problem, [sweep], wanted), Plan(problem, [sweep])
        plan.solved[1] = plain.solved[1] = Solved(loose, {})
        assert plan.settles(1, 0) == settled and plain.settles(1, 0)
    other = Plan(problem, [sweep], ListSpec.of(None, 4, "channels:10%"))
    assert not other.is_done(loose) and plan.is_done(loose) and plain.is_done(loose)


def test_what_was_cut_off_goes_on_to_the_same_files(solved: tuple[Path, Frontier], tmp_path: Path) -> None:
    def interrupt_a_list(index: int, progress: Progress) -> None:
        if progress.phase == "listing":
            signal.raise_signal(signal.SIGINT)

    def interrupt(frontier: Frontier) -> None:
        if len(frontier.settled) == 2:
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have the tests ignore it
    try:
        for arguments in ({"on_point": interrupt_a_list}, {"on_frontier": interrupt}):
            with pytest.raises(KeyboardInterrupt):
                swept(tmp_path / "cut", **arguments)
    finally:
        signal.signal(signal.SIGINT, before)
    cut = json.loads((tmp_path / "cut" / FRONTIER).read_text())
    assert [point["status"] for point in cut["points"]].count("unknown") == 3
    assert swept(tmp_path / "cut").to_dict() == solved[1].to_dict()
    for path in (FRONTIER, "points/2/networks.csv", "points/4/networks.csv"):
        assert (tmp_path / "cut" / path).read_bytes() == (solved[0] / path).read_bytes()


def test_a_list_that_lacks_something_is_made_anew(copy: Path, solved: tuple[Path, Frontier]) -> None:
    for point, change in ((1, '"complete": false'), (2, '"best": 2')):  # as a time limit leaves them
        path = copy / "points" / str(point) / "result.json"
        path.write_text(re.sub(f"{change.partition(':')[0]}: [a-z0-9]+", change, path.read_text()))
    (copy / "points" / "4" / "networks.csv").unlink()
    told: set[int] = set()
    assert swept(copy, on_point=lambda index, progress: told.add(index)).to_dict() == solved[1].to_dict()
    assert told == {1, 2, 4} and (copy / "points" / "4" / "networks.csv").exists()


def test_another_list_is_another_frontier(copy: Path) -> None:
    with pytest.raises(SpecError, match=r"holds another frontier.*overwrite"):
        swept(copy, best=2)
    (copy / "points" / "2" / "second.onnx").write_text("mine")
    (copy / "result.json").write_text("a design of long ago")
    now = swept(copy, best=2, overwrite=True)
    assert [len(point.pool or ()) for point in now.points] == [0, 2, 2, 2, 2] and not (copy / "result.json").exists()
    assert (copy / "points" / "2" / "second.onnx").exists()
    assert cli.main(["verify", str(copy), "--quiet"]) == 0


def test_a_changed_frontier_is_refused(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (copy / FRONTIER).read_text()
    for path, value, words in (
        (("lists", "best"), 2, "its list is another one"),
        (("lists", "different"), "channels:20%", "its list is another one"),
        (("points", 3, "pool", "count"), 4, "follows another: pool"),
        (("points", 3, "pool"), None, "follows another: pool"),
    ):
        changed = json.loads(text)
        at: Any = changed
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value
        (copy / FRONTIER).write_text(json.dumps(changed))
        assert cli.main(["verify", str(copy), "--quick"]) == 1 and words in capsys.readouterr().out
    (copy / FRONTIER).write_text(text.replace('"different": "channels:1/10"', '"different": "widths:3"', 1))
    assert cli.main(["verify", str(copy)]) == 2 and "lists.different: 'widths:3' is no rule" in capsys.readouterr().err


# -------------------------------------------------------------------------------------------------------------- wrong use


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ("0.5, 0.3", (0.3, 0.5)),
        ("1e-1,1/4,.5", (0.1, 0.25, 0.5)),
        ("0.1:0.3:3", (0.1, 0.2, 0.3)),
        ("0.1:10:3:log", (0.1, 1.0, 10.0)),
        ([2, 0.5, Fraction(1, 4)], (0.25, 0.5, 2.0)),
        (np.array([0.5, 0.25]), (0.25, 0.5)),
        (iter(("0.3", 1)), (0.3, 1.0)),
    ],
)
def test_values_are_read(given: Any, values: tuple[float, ...]) -> None:
    assert values_of(given) == Sweep("effectiveness", values)


WRONG = {
    "a single value": (["--rho-sweep", "0.3"], "--rho-sweep: '0.3' is a single value; give two or more values"),
    "nothing": (["--rho-sweep", ""], "--rho-sweep: '' is not a number; give a positive number"),
    "not a number": (["--rho-sweep", "0.3,nan"], "--rho-sweep: 'nan' is not a number"),
    "negative": (["--rho-sweep", "0.3,-1"], "--rho-sweep: '-1' is refused; give a positive number"),
    "zero": (["--rho-sweep", "0,1"], "--rho-sweep: '0' is refused"),
    "twice": (["--rho-sweep", "1,0.3,1.0"], "--rho-sweep: 1.0 is there twice; give each value once"),
    "no double": (["--rho-sweep", "0.3,1/3"], "--rho-sweep: no double stands for '1/3'"),
    "half a range": (["--rho-sweep", "0.3:1"], "--rho-sweep: '0.3:1' is not a range; write FIRST:LAST:COUNT"),
    "negative range": (["--rho-sweep", "-1:1:3"], "--rho-sweep: '-1:1:3' is not a range"),
    "no limit": (["--rho-sweep", "0.3,1", "--set", "budgets.effectiveness=null"], "--rho-sweep: 'small' does not limit"),
    "resume": (["--rho-sweep", "0.3,1", "--resume", "d"], "--resume: does not go together with --rho-sweep"),
    "formulation": (["--rho-sweep", "0.3,1", "--formulation", "lattice"], "--formulation: does not go together"),
    "presolve": (["--rho-sweep", "0.3,1", "--no-presolve"], "--no-presolve: does not go together"),
    "engine": (["--rho-sweep", "0.3,1", "--engine-option", "relaxator=lp"], "--engine-option: does not go together"),
    "gap": (["--rho-sweep", "0.3,1", "--gap", "0.1"], "--gap: does not go together"),
    "rule": (["--rho-sweep", "0.3,1", "--different", "widths:3"], "--different: 'widths:3' is no rule"),
    "number": (["--rho-sweep", "0.3,1", "--best", "0"], "--best: 0 is out of range"),
    "folder": (["--rho-sweep", "0.3,1", "--out", SMALL], f"--out: {SMALL} is not a folder"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_is_told(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, words = WRONG[case]
    assert cli.main(["design", SMALL, "--workers", "1", *arguments]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {words}") and err.count("\n") == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"rho": [True, 2]}, "rho"),
        ({"rho": []}, "rho"),
        ({"rho": [0.3, 1], "different": 3}, "different"),
        ({"rho": [0.3, 1], "workers": 0}, "workers"),
        ({"rho": [0.3, 1], "overwrite": 1}, "overwrite"),
    ],
)
def test_a_wrong_argument_is_named(given: dict[str, Any], field: str) -> None:
    with pytest.raises(SpecError) as refused:
        rho_sweep(SMALL, **given)
    assert refused.value.field == field


# ------------------------------------------------------------------------------------------------------------ the command


def test_the_command_shows_values_and_how_to_train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["design", SMALL, "--workers", "1", "--rho-sweep", "0.05,0.3,5,6"]
    assert cli.main(command) == 0
    out, err = capsys.readouterr()
    for words in ("ρ0", "depth", "infeasible", "2,268.353", "0.299824", "58.96 k", "4 of 4 proven, 3 of them by a search"):
        assert words in out
    assert "the best 3, that differ by 10 % of a channel count, at each point: 6 networks in all, complete" in out
    assert "the networks of ρ0 6 all keep ρ0 5 as well" in out and "say nothing of which network is more accurate" in out
    assert "4 of 4" in err
    train = next(line for line in out.splitlines() if line.startswith("train")).split()
    assert train[1:3] == ["mipdesign", "export"] and train[-4:] == ["--to", "torch", "--out", "network2"]
    assert cli.main([*train[2:-4], "--to", "json", "--out", "network2.json"]) == 0
    again = read_network("network2.json")
    found = Design.load("frontiers/small-rho/points/1")
    assert found.pool is not None and again == found.pool[1].architecture
    capsys.readouterr()
    assert cli.main([*command, "--quiet"]) == 0
    assert capsys.readouterr().out == "frontiers/small-rho: 4 of 4 points proven\n"
    assert cli.main([*command, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["lists"] == {"within": None, "best": 3, "different": "channels:1/10", "most": 1_000_000}
    assert cli.main(["evaluate", "frontiers/small-rho/points/1", "--network", "3", "--quiet"]) == 0
    assert cli.main([*command, "--best", "2"]) == 2 and "--out: frontiers/small-rho holds" in capsys.readouterr().err
    infeasible = ["design", SMALL, "--rho-sweep", "0.01,0.02", "--workers", "1", "--out", "none"]
    assert cli.main(infeasible) == 3 and "train" not in capsys.readouterr().out


def test_the_page_shows_lists_and_how_to_make_them(solved: tuple[Path, Frontier]) -> None:
    pytest.importorskip("jinja2")
    html = report([solved[0]])
    assert "networks listed" in html and "points/4" in html and "the best 3" in html
    assert "--sweep budgets.effectiveness=0.05,0.15,0.3,5,6 --best 3 --different channels:1/10 --out" in html
    assert "Objectives of different" in html or "objectives of different" in html


def test_a_frontier_is_replaced_only_if_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["pareto", SMALL, "--workers", "1", "--out", str(tmp_path), "--quiet", "--sweep"]
    assert cli.main([*command, "budgets.params=1,2"]) == 3
    assert cli.main([*command, "budgets.params=1,60000"]) == 2 and "overwrite" in capsys.readouterr().err
    assert cli.main([*command, "budgets.params=1,60000", "--best", "2", "--overwrite"]) == 0
    assert len(Design.load(tmp_path / "points" / "1").pool or ()) == 2
