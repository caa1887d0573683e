"""Two versions side by side: the order of runs, what is kept of them, the table, and the memory of processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from mipdesign.benchmarks.experiments import footprint, pair, trees
from mipdesign.benchmarks.experiments.pair import Case, Run, Version, cases_of, compare, found_in, in_turns, report, row

from mipdesign.errors import SpecError

ROOT = Path(__file__).parents[2]
TINY = Case("tiny", "design", ("design", "tiny"))


def run_of(case: Case, side: str, turn: int, objective: float = 1.5, version: str = "") -> Run:
    seconds = {"this": 1.0, "other": 4.0}[side] + turn
    return Run(
        case.name, list(case.words), side, version or side, turn, seconds, 100.0 * turn, [["optimal", objective]], 7 + turn
    )


@pytest.fixture
def versions(tmp_path: Path) -> dict[str, Version]:
    return {side: Version(side, side, lambda: tmp_path, tmp_path, tmp_path, True) for side in pair.SIDES}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, int]]:
    """What was run in place of processes."""
    calls: list[tuple[str, str, int]] = []

    def fake(case: Case, version: Version, turn: int) -> Run:
        calls.append((case.name, version.side, turn))
        return run_of(case, version.side, turn, version=version.digest)

    monkeypatch.setattr(pair, "measured", fake)
    return calls


def test_runs_go_there_and_back() -> None:
    assert list(in_turns(3)) == [("this", 0), ("other", 0), ("other", 1), ("this", 1), ("this", 2), ("other", 2)]


def test_only_missing_runs_are_run_again(
    tmp_path: Path, versions: dict[str, Version], asked: list[tuple[str, str, int]]
) -> None:
    log = tmp_path / "runs.jsonl"
    first = compare([TINY], 2, versions, log)
    assert len(asked) == 4 and len(log.read_text().splitlines()) == 4
    log.write_text("".join(line + "\n" for line in log.read_text().splitlines()[:3]))
    asked.clear()
    assert compare([TINY], 2, versions, log) == first
    assert asked == [("tiny", "this", 1)]
    asked.clear()
    versions["this"].digest = "edited"
    compare([TINY], 2, versions, log)
    assert asked == [("tiny", "this", 0), ("tiny", "this", 1)]


def test_other_answers_are_an_error() -> None:
    runs = [run_of(TINY, "this", 0), run_of(TINY, "other", 0, objective=1.5 + 2e-16 * 2)]
    with pytest.raises(SystemExit, match=r"tiny: the this version found .* the other version .* in turn 0"):
        pair.require_equal(runs)


def test_the_table_has_medians_and_their_ratio() -> None:
    runs = [run_of(TINY, side, turn) for side, turn in in_turns(3)]
    assert row(TINY, runs) == ("tiny", "optimal", 1.5, 2.0, 5.0, 0.4, "1.00-3.00", "4.00-6.00", 200, 200, 8, 8)
    large = [Case(f"{pair.LARGE}, {text}", "design", ()) for text in ("one worker", "two workers")]
    text = report(large, [run_of(case, side, turn) for case in large for side, turn in in_turns(1)])
    assert text.startswith("| case | status |") and "two workers take 1.00 of the time of one with this version" in text


def test_cases_are_those_that_were_asked_for() -> None:
    every = cases_of(pair.PRESETS, pair.CASES, 2, True, ROOT)
    assert [case.kind for case in every].count("design") == 14 and [case.kind for case in every][-1] == "first"
    few = cases_of(["deepmad-r18:paper"], ["designs"], 1, False, ROOT)
    assert [case.words for case in few] == [("design", "deepmad-r18", "--convention", "paper", "--workers", "1")]
    for wrong in ("deepmad-r18:other", "no-such-preset"):
        with pytest.raises(SpecError):
            cases_of([wrong], ["designs"], 1, False, ROOT)


@pytest.mark.parametrize("words", [["--runs", "0"], ["--workers", "two"], ["--cases", "all"], []])
def test_options_are_checked(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    against = ["--against", "HEAD"] if words else []
    monkeypatch.setattr(sys, "argv", ["pair", *against, *words])
    with pytest.raises(SystemExit) as ended:
        pair.main()
    assert ended.value.code == 2


def test_a_commit_that_is_none_is_named() -> None:
    with pytest.raises(SpecError, match="no-such-commit"):
        trees.commit_of(ROOT, "no-such-commit")


def test_answers_are_read_from_files(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(json.dumps({"status": "optimal", "objective": 0.1}))
    (tmp_path / "certificate.json").write_text(json.dumps({"tree": [[""], ["0"], ["1"]]}))
    assert found_in(tmp_path, "design") == ([["optimal", 0.1]], 3)
    points = [{"status": "optimal", "objective": 1.0}, {"status": "infeasible", "objective": None}]
    (tmp_path / "frontier.json").write_text(json.dumps({"points": points}))
    assert found_in(tmp_path, "pareto") == ([["optimal", 1.0], ["infeasible", None]], None)


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="the kernel does not tell the memory of processes")
def test_memory_is_that_of_all_processes_together(tmp_path: Path) -> None:
    ended, memory = footprint.watched([sys.executable, "-P", str(ROOT / "tests/programs/two_that_hold_memory.py")], tmp_path)
    assert ended.code == 0 and memory is not None
    assert 2 * 60 < memory < 2 * 60 + 150


def test_trees_are_installed_each_for_itself(tmp_path: Path) -> None:
    """A repository of a package of the same name, at two commits: every environment has its own, beside this one's packages."""
    root = tmp_path / "repository"
    text = '[project]\nname = "mipdesign"\nversion = "{}"\n[tool.setuptools]\npackages = ["mipdesign"]\n'
    (root / "mipdesign").mkdir(parents=True)
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@localhost"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    for version in ("1", "2"):
        (root / "pyproject.toml").write_text(text.format(version))
        (root / "mipdesign" / "__init__.py").write_text(f"NUMBER = {version}\n")
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "--quiet", "-m", version], check=True)
    before = trees.digest_of(root)
    (root / "mipdesign" / "__init__.py").write_text("NUMBER = 3\n")
    assert trees.digest_of(root) != before
    found = []
    with trees.checked_out(root, trees.commit_of(root, "HEAD~1"), tmp_path / "other") as other:
        for tree in (other, trees.copied(root, tmp_path / "copy")):
            environment = trees.Environment.make(tree, tmp_path / f"env-{tree.name}", True)
            words = [environment.python, "-P", str(ROOT / "tests/programs/number.py")]
            found.append(trees.output_of(words, tmp_path).strip())
    assert found == ["1", "3"]
    assert trees.repository(root / "mipdesign") == root and not (tmp_path / "other").exists()
