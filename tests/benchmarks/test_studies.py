"""Studies: what is run, under which limits, what is recorded, and what an interruption costs."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from mipdesign.benchmarks import __main__ as commands
from mipdesign.benchmarks.corpus.families import with_step, with_super_blocks
from mipdesign.benchmarks.corpus.optima import Optimum, parse_line, read_optima, write_optima
from mipdesign.benchmarks.corpus.small import best_by_enumeration, small_problem
from mipdesign.benchmarks.studies.records import RECORDS, Record, RecordLog, read_records
from mipdesign.benchmarks.studies.study import Study
from mipdesign.benchmarks.studies.verdict import STATUSES, Known, contradictions, judge, judged
from programs import ROOT, TESTS, path_with
from scale import few, of

from mipdesign import registry
from mipdesign.errors import SpecError

PLUGINS = TESTS / "plugins"
FAKES = ("sleeper", "eater", "honest", "second", "overstating", "infeasible", "low-bound", "limit", "broken", "crash", "absent")
"""The one that takes longest first: others run beside it."""
FEASIBLE = 0
"""Seed of a small problem that has a feasible network."""


def environment(**more: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": path_with(PLUGINS)} | more


def arguments(*parts: str | Path) -> list[str]:
    return [sys.executable, "-m", "mipdesign.benchmarks", *map(str, parts)]


def process(*parts: str | Path, **more: str) -> int:
    """Exit code of a command in a process of its own, with the fake solvers installed."""
    return subprocess.run(arguments(*parts), env=environment(**more), capture_output=True, timeout=300).returncode


def run(*parts: str | Path, **more: str) -> int:
    """Exit code of a command in this process, with the fake solvers installed here and in the processes of its runs."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(**more).items():
            patch.setenv(name, value)
        patch.syspath_prepend(str(PLUGINS))
        registry.installed.cache_clear()
        code = commands.main([str(part) for part in parts])
    registry.installed.cache_clear()
    return code


def write_study(folder: Path, **changes: Any) -> Path:
    """A study file; a change of ``None`` takes a field away."""
    data: dict[str, Any] = {
        "name": "test",
        "instances": [{"small": [FEASIBLE]}],
        "formulations": ["lattice"],
        "solvers": ["fake-honest"],
        "limits": {"seconds": 60, "memory_mb": 2000},
    }
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in (data | changes).items() if v is not None}))
    return path


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The fake solvers in this process too."""
    monkeypatch.syspath_prepend(str(PLUGINS))
    registry.installed.cache_clear()
    yield
    registry.installed.cache_clear()


@pytest.fixture(scope="module")
def ways_to_fail(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Folder of a study of all fake solvers, and what they logged."""
    folder = tmp_path_factory.mktemp("fakes")
    limits = {"seconds": 4, "memory_mb": 700, "grace_seconds": 6}
    study = write_study(folder, solvers=[f"fake-{name}" for name in FAKES], limits=limits)
    assert run("run", study, "--out", folder, "--workers", "2", FAKE_SOLVERS_LOG=str(folder / "log")) == 0
    return folder, folder / "log"


# ---------------------------------------------------------------------------------------------------------------- statuses


def test_every_way_to_fail_is_told_apart(ways_to_fail: tuple[Path, Path]) -> None:
    records = {record.solver.removeprefix("fake-"): record for record in judged(read_records(ways_to_fail[0]), {})}
    expected = dict.fromkeys(("second", "overstating", "infeasible", "low-bound"), "wrong") | {
        "honest": "solved",
        "limit": "limit",
        "broken": "error",
        "crash": "crash",
        "eater": "memout",
        "sleeper": "timeout",
        "absent": "missing",
    }
    assert {name: record.status for name, record in records.items()} == expected
    assert "second" in records and "is optimal where" in records["second"].reasons[0]
    assert "where its network has" in records["overstating"].reasons[0]
    assert "says infeasible where" in records["infeasible"].reasons[0]
    assert "has the bound" in records["low-bound"].reasons[0]
    assert "out of ideas" in records["broken"].incidents[-1]
    assert f"signal {signal.SIGABRT.value}: munmap_chunk()" in records["crash"].incidents[-1]
    assert records["eater"].peak_memory_mb is not None and records["eater"].peak_memory_mb > 700
    assert records["sleeper"].wall_seconds >= 10
    assert "no-such-solver" in records["absent"].incidents[-1]


def test_a_killed_run_leaves_no_process_behind(ways_to_fail: tuple[Path, Path]) -> None:
    (child,) = [int(line.split()[1]) for line in ways_to_fail[1].read_text().splitlines() if line.startswith("child")]
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_what_was_known_before_a_crash_is_recorded(ways_to_fail: tuple[Path, Path]) -> None:
    for record in read_records(ways_to_fail[0]):
        assert record.machine["python"] and record.versions["mipdesign"]
        if record.solver != "fake-absent":
            assert record.sizes is not None and record.sizes["variables"] > 0, record.solver
            assert record.formulation_seconds is not None


def test_a_record_holds_what_the_solver_said_and_what_is_exact(ways_to_fail: tuple[Path, Path]) -> None:
    record = next(r for r in read_records(ways_to_fail[0]) if r.solver == "fake-honest")
    problem = small_problem(FEASIBLE)
    assert record.digest == problem.digest
    assert Decimal(str(record.exact)) == best_by_enumeration(problem)
    assert (record.said, record.gap, record.nodes, record.violations) == ("optimal", 0.0, 3, [])
    assert (record.build_seconds, record.solver_seconds) == (0.25, 0.5)
    assert record.trace[1] == [0.25, record.objective, record.objective]


def test_the_report_stands_alone_and_counts_every_run(ways_to_fail: tuple[Path, Path], tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    assert run("report", ways_to_fail[0], "--out", page) == 0
    text = page.read_text()
    assert "4 wrong answers" in text
    assert text.count("<svg") == 4
    assert "prefers-color-scheme: dark" in text and "@media print" in text
    for outside in ("<script", "<link", "<img", 'src="http', "url(http"):
        assert outside not in text
    rows = (tmp_path / "statuses.csv").read_text().splitlines()
    header = rows[0].split(",")
    counts = {status: sum(int(row.split(",")[header.index(status)]) for row in rows[1:]) for status in STATUSES}
    assert counts == {
        **dict.fromkeys(("solved", "limit", "error", "crash", "timeout", "memout", "missing"), 1),
        "wrong": 4,
        "unsupported": 0,
    }
    assert len((tmp_path / "runs.csv").read_text().splitlines()) == 1 + len(FAKES)


def test_the_same_records_give_the_same_report(ways_to_fail: tuple[Path, Path], tmp_path: Path) -> None:
    pages = []
    for name in ("one", "two"):
        assert run("report", ways_to_fail[0], "--out", tmp_path / name / "report.html") == 0
        pages.append((tmp_path / name / "report.html").read_bytes())
    assert pages[0] == pages[1]


def test_a_formulation_that_a_solver_does_not_take_is_unsupported(tmp_path: Path) -> None:
    study = write_study(tmp_path, formulations=["native"])
    assert run("run", study, "--out", tmp_path) == 0
    (record,) = read_records(tmp_path)
    assert record.status == "unsupported"
    assert "nonlinear constraints" in record.incidents[0]


RUN = Record(
    "key",
    "name",
    "0" * 64,
    "lattice",
    "solver",
    0,
    {"seconds": 10.0},
    {"gap": 0.0},
    "answered",
    claim="exact",
    said="optimal",
    objective=100.0,
    bound=100.0,
    exact="100.0",
)
VERDICTS: list[tuple[dict[str, Any], str | None, str]] = [
    ({}, None, "solved"),
    ({}, "100.00000001", "solved"),
    ({}, "100.1", "wrong"),
    ({"parameters": {"gap": 0.01}, "bound": 100.5}, "100.1", "solved"),
    ({"violations": ["flops"]}, None, "wrong"),
    ({"said": "limit", "violations": ["flops"]}, None, "wrong"),
    ({"objective": 101.0, "bound": 101.0}, None, "wrong"),
    ({"objective": 99.0}, None, "wrong"),
    ({"exact": None}, None, "wrong"),
    ({"said": "limit"}, "100.1", "wrong"),
    ({"said": "limit", "bound": 120.0}, "100.1", "limit"),
    ({"said": "limit", "bound": None, "exact": None, "objective": None}, "100.1", "limit"),
    ({"said": "failed", "bound": None, "exact": None, "objective": None}, "100.1", "error"),
    ({"said": "infeasible", "bound": None, "exact": None, "objective": None}, None, "solved"),
    ({"said": "infeasible", "bound": None, "exact": None, "objective": None}, "1.0", "wrong"),
    # an upper bound need not show a feasible network, and must not be below one
    ({"claim": "upper", "violations": ["flops"], "objective": 120.0, "bound": 120.0}, "100.0", "solved"),
    ({"claim": "upper", "objective": 90.0, "bound": 90.0}, "100.0", "wrong"),
    # a lower bound shows a feasible network, which may be worth more, and excludes none
    ({"claim": "lower", "objective": 90.0, "bound": 90.0}, "110.0", "solved"),
    ({"claim": "lower", "objective": 101.0, "bound": 101.0}, "110.0", "wrong"),
    ({"claim": "lower", "said": "infeasible", "bound": None, "exact": None, "objective": None}, "1.0", "solved"),
    ({"ended": "crash", "said": None}, "100.0", "crash"),
]


@pytest.mark.parametrize(("changes", "best", "status"), VERDICTS)
def test_verdicts(changes: dict[str, Any], best: str | None, status: str) -> None:
    known = Known(None if best is None else Decimal(best), best is not None)
    found, reasons = judge(replace(RUN, **changes), known)
    assert found == status
    assert bool(reasons) == (status == "wrong")
    assert status in STATUSES


def test_a_better_network_of_another_run_refutes_an_optimum() -> None:
    better = replace(RUN, key="other", solver="other", objective=200.0, bound=200.0, exact="200.0")
    infeasible = replace(better, violations=["flops"])
    assert [r.status for r in judged([RUN, better], {})] == ["wrong", "solved"]
    assert [r.status for r in judged([RUN, infeasible], {})] == ["solved", "wrong"]


def test_a_verified_network_refutes_the_file_of_optima() -> None:
    optima = {RUN.digest: Optimum("name", RUN.digest, Decimal("99"))}
    assert [r.status for r in judged([RUN], optima)] == ["solved"]
    assert "the file of optima 99" in contradictions([RUN], optima)[0]
    assert contradictions([RUN], {RUN.digest: Optimum("name", RUN.digest, Decimal("100"))}) == []


# ---------------------------------------------------------------------------------------------------------- interruptions


def table(folder: Path) -> list[tuple[Any, ...]]:
    """What a study found, without times."""
    rows = judged(read_records(folder), {})
    return sorted((r.key, r.instance, r.solver, r.seed, r.status, r.said, r.exact, r.objective, r.bound) for r in rows)


def wait_for(condition: Callable[[], bool], running: subprocess.Popen[bytes]) -> None:
    while not condition():
        assert running.poll() is None, "the study ended before its time"
        time.sleep(0.02)


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


MANY: dict[str, Any] = {"instances": [{"small": [0, 4]}], "seeds": [0, 1]}
"""Four runs."""
SOME: dict[str, Any] = {"seeds": [0, 1]}
"""Two runs."""


def test_a_study_that_is_killed_goes_on_to_the_same_table(tmp_path: Path) -> None:
    study, whole, cut, log = write_study(tmp_path, **SOME), tmp_path / "whole", tmp_path / "cut", tmp_path / "log"
    assert run("run", study, "--out", whole, "--workers", "2") == 0
    command = arguments("run", study, "--out", cut, "--workers", "1")
    running = subprocess.Popen(command, env=environment(FAKE_SOLVERS_PAUSE="0.5", FAKE_SOLVERS_LOG=str(log)))
    wait_for(lambda: lines(cut / RECORDS) >= 1, running)
    running.kill()
    running.wait()
    kept = (cut / RECORDS).read_bytes()
    with (cut / RECORDS).open("ab") as file:
        file.write(kept.splitlines()[0][:100])
    log.unlink()
    assert run("run", study, "--out", cut, "--workers", "2", FAKE_SOLVERS_LOG=str(log)) == 0
    assert (cut / RECORDS).read_bytes().startswith(kept)
    assert table(cut) == table(whole)
    assert lines(log) == 2 - kept.count(b"\n"), "no run is repeated"
    before = (cut / RECORDS).read_bytes()
    assert run("run", study, "--out", cut, FAKE_SOLVERS_LOG=str(log)) == 0
    assert (cut / RECORDS).read_bytes() == before


def test_ctrl_c_ends_a_study_and_its_runs(tmp_path: Path) -> None:
    study, log = write_study(tmp_path, **MANY), tmp_path / "log"
    command = arguments("run", study, "--out", tmp_path, "--workers", "1")
    more = environment(FAKE_SOLVERS_PAUSE="600", FAKE_SOLVERS_LOG=str(log))
    running = subprocess.Popen(command, env=more, stderr=subprocess.PIPE)
    wait_for(lambda: lines(log) >= 1, running)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=100)
    assert running.returncode == 130
    assert err.decode().splitlines()[-1] == "error: interrupted"
    assert lines(tmp_path / RECORDS) == 0


@pytest.mark.long
def test_a_killed_worker_of_the_cluster_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import LocalCluster

    study, log = write_study(tmp_path, **SOME), tmp_path / "log"
    for name, value in environment(FAKE_SOLVERS_PAUSE="0.5", FAKE_SOLVERS_LOG=str(log)).items():
        monkeypatch.setenv(name, value)
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0") as cluster:
        command = arguments("run", study, "--out", tmp_path, "--scheduler", cluster.scheduler_address)
        running = subprocess.Popen(command, env=environment())
        wait_for(lambda: lines(log) >= 1, running)
        os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
        assert running.wait(timeout=300) == 0
    counts = Counter(record.status for record in judged(read_records(tmp_path), {}))
    assert counts == {"solved": 2}
    assert len({record.key for record in read_records(tmp_path)}) == 2


def test_a_folder_takes_one_run_at_a_time(tmp_path: Path) -> None:
    with RecordLog(tmp_path), pytest.raises(SpecError, match=r"path: .* is in use by another run"):
        RecordLog(tmp_path)
    with RecordLog(tmp_path) as log:
        log.append(RUN)
    assert read_records(tmp_path) == [RUN]


@pytest.mark.parametrize("cut", few(range(1, 200, 7), 8))
def test_a_line_that_was_cut_off_is_written_over(tmp_path: Path, cut: int) -> None:
    with RecordLog(tmp_path) as log:
        log.append(RUN)
        log.append(replace(RUN, key="second"))
    content = (tmp_path / RECORDS).read_bytes()
    (tmp_path / RECORDS).write_bytes(content[:-cut])
    with RecordLog(tmp_path) as log:
        assert [record.key for record in log.entries] == ["key"]
        assert log.missing(["key", "second"]) == {"second"}
        log.append(replace(RUN, key="second"))
    assert (tmp_path / RECORDS).read_bytes() == content


def test_the_key_is_of_all_that_decides_a_run(tmp_path: Path, fakes: None) -> None:
    def key(**changes: Any) -> str:
        path = write_study(tmp_path, **changes)
        return Study.load(path).jobs(path)[0].key

    changed = [
        {"solvers": ["fake-limit"]},
        {"formulations": ["native"]},
        {"seeds": [1]},
        {"threads": 2},
        {"gap": 0.1},
        {"presolve": [True]},
        {"limits": {"seconds": 61, "memory_mb": 2000}},
        {"limits": {"seconds": 60, "memory_mb": 2001}},
        {"instances": [{"small": [1]}]},
    ]
    keys = [key(), *(key(**change) for change in changed)]
    assert len(set(keys)) == len(keys)
    assert key(name="other", solvers=["fake-honest", "fake-limit"]) == key()
    assert key(presolve=[False, True]) == key(presolve=[False]) == key()


def test_records_from_before_presolve_are_those_without(tmp_path: Path, fakes: None) -> None:
    """A run without presolve or plug-ins has the key of old, and an old record is read as one."""
    job = Study.load(write_study(tmp_path)).jobs(tmp_path / "study.yaml")[0]
    old = {k: v for k, v in asdict(job).items() if k not in ("instance", "problem", "presolve", "plugins")}
    assert job.key == hashlib.sha256(json.dumps(old, sort_keys=True).encode()).hexdigest()
    line = {k: v for k, v in asdict(RUN).items() if k not in ("presolve", "presolve_seconds", "incumbent")}
    (tmp_path / RECORDS).write_bytes(json.dumps(line).encode() + b"\n")
    (record,) = read_records(tmp_path)
    assert record == RUN and not record.presolve


# ---------------------------------------------------------------------------------------------------------------- instances


def test_a_family_is_made_by_overrides(tmp_path: Path, fakes: None) -> None:
    small = str(Path(__file__).parents[1] / "data" / "small.yaml")
    entry = {
        "problem": small,
        "overrides": {"budgets.params": 50000},
        "vary": {"budgets.flops": [2e6, 4e6], "classes": [10, 20]},
    }
    path = write_study(tmp_path, instances=[entry])
    problems = Study.load(path).problems(path)
    assert [p.name for p in problems] == [f"small-flops={f}-classes={c}" for f in (2000000, 4000000) for c in (10, 20)]
    assert [(p.budgets.flops.max, p.classes) for p in problems if p.budgets.flops] == [
        (f, c) for f in (2e6, 4e6) for c in (10, 20)
    ]
    assert {p.budgets.params.max for p in problems if p.budgets.params} == {50000}


def test_families_vary_super_blocks_and_steps(tmp_path: Path, fakes: None) -> None:
    shrunk = {"stages.*.depth": [1, 2], "stages.*.channels.max": 128, "stages.*.bottleneck.max": 96}
    entry = {"problem": "deepmad-r18", "name": "r", "overrides": shrunk, "super_blocks": [3, 6], "step": [16, 4]}
    path = write_study(tmp_path, instances=[entry])
    problems = Study.load(path).problems(path)
    assert [p.name for p in problems] == [f"r-super_blocks={n}-step={step}" for n in (3, 6) for step in (16, 4)]
    for problem, (n, step) in zip(problems, [(3, 16), (3, 4), (6, 16), (6, 4)], strict=True):
        assert len(problem.stages) == n and sum(s.stride == 2 for s in problem.stages) == min(n, 4)
        assert problem.stem.channels.values == tuple(range(step, 33, step))
        for s in problem.stages:
            assert s.channels.values == tuple(range(step, 129, step))
            assert s.bottleneck.values == tuple(range(step, 97, step))
            assert s.depth.values == (1, 2)
    assert len({p.digest for p in problems}) == 4


def test_a_family_keeps_what_has_no_step() -> None:
    data = {"stem": {"channels": [8]}, "stages": [{"channels": {"min": 24, "max": 100, "step": 8}, "bottleneck": [8, 24, 40]}]}
    made = with_step(data, 16)
    assert made["stem"] == {"channels": [8]}
    assert made["stages"][0]["channels"] == {"min": 32, "max": 96, "step": 16}
    assert made["stages"][0]["bottleneck"] == {"min": 16, "max": 32, "step": 16}
    assert [s["stride"] for s in with_super_blocks(made, 5)["stages"]] == [2, 2, 2, 1, 2]


def test_a_part_around_a_network_is_small(tmp_path: Path, fakes: None) -> None:
    network = ROOT / "benchmarks" / "studies" / "networks" / "deepmad-r18.json"
    entry = {"problem": "deepmad-r18", "name": "part", "near": {"network": str(network), "ratio": 0.1, "blocks": 1}}
    path = write_study(tmp_path, instances=[entry])
    (problem,) = Study.load(path).problems(path)
    assert problem.name == "part"
    assert 1 < problem.size() < 1e12


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "benchmarks" / "studies").glob("*.yaml")))
def test_the_studies_that_ship_are_valid(name: str) -> None:
    path = ROOT / "benchmarks" / "studies" / name
    jobs = Study.load(path).jobs(path)
    assert len({job.key for job in jobs}) == len(jobs)


FAULTS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"name": None}, ("name: is missing", "add it")),
    ({"colour": "red"}, ("colour: is not a known field", "formulations")),
    ({"instances": []}, ("instances: [] is refused", "at least 1 item")),
    ({"instances": [{}]}, ("instances.0", "needs 'small' or 'problem'", "give one of them")),
    ({"instances": [{"small": [0], "problem": "deepmad-r18"}]}, ("instances.0", "and not both")),
    ({"instances": [{"small": [0], "vary": {"classes": [1]}}]}, ("instances.0.small: stands beside",)),
    ({"instances": [{"small": []}]}, ("instances.0.small: 0 seeds",)),
    ({"instances": [{"small": [-1]}]}, ("instances.0.small.0: -1 is refused", "greater than or equal to 0")),
    ({"instances": [{"small": [0, 0]}]}, ("instances: 'small-0' and 'small-0'", "list one")),
    ({"instances": [{"problem": "deepmad-r19"}]}, ("instances.0", "'deepmad-r19' is not a preset", "deepmad-r18")),
    ({"instances": [{"problem": "nothing.yaml"}]}, ("instances.0", "nothing.yaml", "cannot be read")),
    ({"instances": [{"problem": "deepmad-r18", "overrides": {"budgets.flop": 1}}]}, ("budgets.flop", "not a known field")),
    ({"instances": [{"problem": "deepmad-r18", "vary": {"classes": []}}]}, ("instances.0.vary.classes: [] is refused",)),
    ({"instances": [{"problem": "deepmad-r18", "near": {"network": "no.json"}}]}, ("instances.0", "no.json", "cannot be read")),
    ({"instances": [{"problem": "deepmad-r18", "name": "a b"}]}, ("instances.0.name: 'a b' is refused",)),
    ({"instances": [{"problem": "deepmad-r18", "super_blocks": [11]}]}, ("instances.0", "11 super-blocks", "give 3 to 10")),
    ({"instances": [{"problem": "deepmad-r18", "step": [0]}]}, ("instances.0.step.0: 0 is refused",)),
    ({"instances": [{"small": [0], "step": [8]}]}, ("instances.0.small: stands beside",)),
    ({"formulations": ["zigzag"]}, ("formulations.0: 'zigzag' is not registered", "lattice")),
    ({"formulations": ["lattice", "lattice"]}, ("formulations", "twice")),
    ({"solvers": ["oracle"]}, ("solvers.0: 'oracle' is not registered", "scip")),
    ({"seeds": [-1]}, ("seeds.0: -1 is refused",)),
    ({"seeds": []}, ("seeds: [] is refused",)),
    ({"presolve": []}, ("presolve: [] is refused",)),
    ({"presolve": [True, True]}, ("presolve", "twice")),
    ({"presolve": ["often"]}, ("presolve.0: 'often' is refused",)),
    ({"threads": 0}, ("threads: 0 is refused",)),
    ({"gap": -0.5}, ("gap: -0.5 is refused",)),
    ({"gap": float("nan")}, ("gap: nan is refused",)),
    ({"limits": None}, ("limits: is missing",)),
    ({"limits": {"seconds": 0}}, ("limits.seconds: 0 is refused", "greater than 0")),
    ({"limits": {"seconds": float("inf")}}, ("limits.seconds: inf is refused",)),
    ({"limits": {"seconds": "long"}}, ("limits.seconds: 'long' is refused",)),
    ({"limits": {"seconds": 1, "memory_mb": 1}}, ("limits.memory_mb: 1 is refused",)),
]


@pytest.mark.parametrize(("changes", "fragments"), FAULTS)
def test_a_malformed_study_is_refused_on_one_line(
    changes: dict[str, Any], fragments: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str], fakes: None
) -> None:
    assert commands.main(["run", str(write_study(tmp_path, **changes)), "--out", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1
    assert "study.yaml" in err
    for fragment in fragments:
        assert fragment in err


OPTIONS: list[tuple[list[str], tuple[str, ...]]] = [
    (["run", "nothing.yaml"], ("nothing.yaml", "cannot be read")),
    (["run", "{study}", "--workers", "0"], ("--workers", "1")),
    (["run", "{study}", "--scheduler", "tcp://127.0.0.1:9", "--out", "{folder}"], ("--scheduler", "does not answer")),
    (["run", "{study}", "--scheduler", "nonsense://", "--out", "{folder}"], ("--scheduler", "does not answer")),
    (["run", "{study}", "--scheduler", "tcp://a:1", "--workers", "1"], ("--workers: stands beside --scheduler",)),
    (["run", "{study}", "--optima", "{study}"], ("study.yaml: line 1", "is not an optimum")),
    (["report", "{folder}"], ("records.jsonl", "cannot be read", "give an existing file")),
]


@pytest.mark.parametrize(("options", "fragments"), OPTIONS)
def test_bad_options_are_refused_on_one_line(
    options: list[str],
    fragments: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    fakes: None,
) -> None:
    monkeypatch.setattr("mipdesign.search.cluster.CONNECT_SECONDS", 1)
    named = {"study": write_study(tmp_path), "folder": tmp_path}
    assert commands.main([option.format(**named) for option in options]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1
    for fragment in fragments:
        assert fragment in err


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / RECORDS).write_text(json.dumps(asdict(RUN)) + "\nnot json\n" + json.dumps(asdict(RUN)) + "\n")
    with pytest.raises(SpecError, match=r"records\.jsonl: line 2: is not a record"):
        RecordLog(tmp_path)


# ------------------------------------------------------------------------------------------------------------------ optima


def test_optima_are_proved_once_and_held_against_enumeration(tmp_path: Path, fakes: None) -> None:
    seeds = range(of(4, 2))
    study, file = write_study(tmp_path, instances=[{"small": list(seeds)}]), tmp_path / "o.solu"
    assert run("optima", study, "--optima", file, "--workers", "1") == 0
    optima = read_optima(file)
    for seed in seeds:
        problem = small_problem(seed)
        assert optima[problem.digest].objective == best_by_enumeration(problem)
    before = file.stat().st_mtime_ns
    assert run("optima", study, "--optima", file) == 0
    assert file.stat().st_mtime_ns == before


@pytest.mark.parametrize("objective", [None, Decimal("-1.5"), Decimal("36538.33855829395123")])
def test_lines_of_optima_are_read_as_they_were_written(objective: Decimal | None, tmp_path: Path) -> None:
    optimum = Optimum("a-name", "ab" * 32, objective)
    assert parse_line(optimum.line()) == optimum
    write_optima(tmp_path / "o.solu", {optimum.digest: optimum})
    assert read_optima(tmp_path / "o.solu") == {optimum.digest: optimum}


@pytest.mark.parametrize("line", ["=opt= a 1.0", "=opt= a one " + "0" * 64, "=opt= a nan " + "0" * 64, "=inf= a 0", "a 1.0"])
def test_other_lines_are_no_optima(line: str) -> None:
    with pytest.raises(SpecError, match="is not an optimum"):
        parse_line(line)


# ------------------------------------------------------------------------------------------------------------------ report


def test_pictures_are_files_on_request_and_leave_the_page_as_it_is(tmp_path: Path) -> None:
    with RecordLog(tmp_path) as log:
        for n in range(3):
            log.append(
                replace(RUN, key=str(n), solver=f"solver-{n}", solver_seconds=1.0 + n, root_bound=101.0, presolve=n == 2)
            )
    names = [f"{name}.{kind}" for name in ("means", "profile", "solved", "root_gaps") for kind in ("svg", "png")]
    assert commands.main(["report", str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_bytes()
    assert not any((tmp_path / name).exists() for name in names)
    assert commands.main(["report", str(tmp_path), "--pictures"]) == 0
    contents = {name: (tmp_path / name).read_bytes() for name in names}
    assert all(c.startswith(b"\x89PNG" if name.endswith("png") else b"<?xml") for name, c in contents.items())
    assert process("report", tmp_path, "--pictures") == 0
    assert contents == {name: (tmp_path / name).read_bytes() for name in names}
    assert (tmp_path / "report.html").read_bytes() == page
    assert b"lattice + presolve / solver-2" in page


def test_a_picture_says_how_many_curves_it_leaves_out(tmp_path: Path) -> None:
    with RecordLog(tmp_path) as log:
        for n in range(20):
            log.append(replace(RUN, key=str(n), solver=f"solver-{n:02}", solver_seconds=1.0 + n / 10))
    assert commands.main(["report", str(tmp_path)]) == 0
    text = (tmp_path / "report.html").read_text()
    assert text.count("the 16 of 20 that solve most") >= 2
    after = text[text.index("Performance profile") :]
    picture = after[after.index("<svg") : after.index("</svg>")]
    assert "solver-00" in picture and "solver-19" not in picture


def test_text_of_solvers_is_not_markup(tmp_path: Path) -> None:
    with RecordLog(tmp_path) as log:
        log.append(replace(RUN, ended="error", said=None, solver="<b>bold</b>", incidents=["<script>alert(1)</script>"]))
    assert commands.main(["report", str(tmp_path)]) == 0
    assert "<script>" not in (tmp_path / "report.html").read_text()
    assert "<b>bold" not in (tmp_path / "report.html").read_text()
