"""The command line from end to end: what it prints, what it writes, how it exits, how it takes signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import programs
import pytest
import yaml
from networks import PUBLISHED
from scale import few

from mipdesign import Architecture, network_text
from mipdesign.cli import main as cli
from mipdesign.designs.design import Design
from mipdesign.interrupts import Interrupts
from mipdesign.mip.formulation import formulation_ids
from mipdesign.mip.solver import solver_ids
from mipdesign.nn import validation
from mipdesign.nn.validation import Check, ValidationReport
from mipdesign.problem.problem import Problem, preset_names

SMALL = str(Path(__file__).parents[1] / "data" / "small.yaml")
COMMANDS = (
    "presets",
    "show",
    "design",
    "pareto",
    "explain",
    "compare",
    "evaluate",
    "verify",
    "report",
    "export",
    "validate",
    "formulations",
    "solvers",
    "model",
)


class Answer(NamedTuple):
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Runs a command in this process."""

    def run(*arguments: str | Path) -> Answer:
        code = cli.main([str(argument) for argument in arguments])
        return Answer(code, *capsys.readouterr())

    return run


def process(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs a command in a process of its own."""
    command = [sys.executable, "-m", "mipdesign", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, subprocess.CompletedProcess[str]]]:
    """Folder and answer of a run of the small problem."""
    folder = tmp_path_factory.mktemp("run") / "small"
    yield folder, process("design", SMALL, "--workers", "1", "--out", folder)


# -------------------------------------------------------------------------------------------------------- help and version


def test_without_a_command_help_is_shown(call: Callable[..., Answer]) -> None:
    answer = call()
    assert (answer.code, answer.err) == (0, "")
    assert all(command in answer.out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, call: Callable[..., Answer]) -> None:
    answer = call(command, "--help")
    assert (answer.code, answer.err) == (0, "")
    assert f"mipdesign {command}" in answer.out


def test_the_version() -> None:
    answer = process("--version")
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "mipdesign 0.1.0\n", "")


# ---------------------------------------------------------------------------------------------------------------- problems


def test_the_presets_are_listed(call: Callable[..., Answer]) -> None:
    answer = call("presets")
    assert answer.code == 0
    assert all(name in answer.out for name in preset_names())


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_is_shown(name: str, call: Callable[..., Answer]) -> None:
    answer = call("show", name)
    assert answer.code == 0
    assert f"problem      {name}, convention reference" in answer.out
    assert f"{Problem.preset(name).size():.3e}".split("e+")[1] in answer.out


@pytest.mark.parametrize("name", [*preset_names(), SMALL])
def test_a_problem_printed_as_yaml_is_the_same_problem(name: str, call: Callable[..., Answer], tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(call("show", name, "--yaml").out)
    assert Problem.load(file).digest == Problem.named(name).digest


def test_overrides_and_convention_reach_the_problem(call: Callable[..., Answer]) -> None:
    answer = call("show", SMALL, "--convention", "paper", "--set", "budgets.flops=1e6", "--set", "stages.1.depth=[2]", "--yaml")
    shown = yaml.safe_load(answer.out)
    assert shown["convention"] == "paper"
    assert shown["budgets"]["flops"] == 1e6
    assert shown["stages"][1]["depth"] == [2]


def test_a_specification_needs_no_telling_name(
    call: Callable[..., Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spec").write_text(Path(SMALL).read_text())
    monkeypatch.chdir(tmp_path)
    assert "problem      small" in call("show", "spec").out


def test_the_formulations_are_listed(call: Callable[..., Answer]) -> None:
    answer = call("formulations")
    assert answer.code == 0
    rows = [line.split() for line in answer.out.splitlines()]
    assert ["lattice", "exact", "one"] in [row[:3] for row in rows]
    assert len(rows) < 25  # a line each, and what stands around them
    assert call("formulations", "--quiet").out.split() == formulation_ids()


def test_a_formulation_is_told_of_with_its_parts(call: Callable[..., Answer]) -> None:
    answer = call("formulations", "compact")
    assert answer.code == 0
    assert "optimum      exact: " in answer.out
    assert "not written  a stage that chooses between block families, " in answer.out
    assert "arXiv 2303.02165" in answer.out
    for part in ("encodings", "zzb        exact    zig-zag with binaries", "products", "mccormick  upper    one McCormick box"):
        assert part in answer.out
    assert "formulation  compact:log:lattice:onehot\n" in call("formulations", "compact:log:lattice:onehot").out


def test_solvers_are_listed_and_told_of(call: Callable[..., Answer]) -> None:
    assert "highs" in call("solvers").out
    assert call("solvers", "-q").out.split() == solver_ids()
    answer = call("solvers", "scip")
    assert "takes        special ordered sets of type 2, " in answer.out
    assert "not          nothing is left out" in answer.out


@pytest.mark.parametrize(
    ("arguments", "near"),
    [(("formulations", "latice"), "lattice"), (("solvers", "higs"), "highs"), (("show", "deepmad-r19"), "deepmad-r18")],
)
def test_a_name_that_is_unknown_is_answered_with_the_nearest(
    arguments: tuple[str, ...], near: str, call: Callable[..., Answer]
) -> None:
    answer = call(*arguments)
    assert answer.code == 2
    assert f"did you mean {near!r}? use one of: " in answer.err


# ------------------------------------------------------------------------------------------------------------------ design


def test_a_run_ends_optimal(small: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, answer = small
    assert answer.returncode == 0
    assert "status       optimal" in answer.stdout
    assert f"files        {folder}: certificate.json" in answer.stdout
    assert {"result.json", "certificate.json", "trace.csv", "convergence.png"} <= {path.name for path in folder.iterdir()}


def test_progress_goes_to_standard_error(small: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _, answer = small
    lines = answer.stderr.splitlines()
    assert lines
    assert all("incumbent" in line and "bound" in line for line in lines)
    assert lines[-1].split()[2] == "done"


def test_what_is_printed_is_what_is_written(small: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, answer = small
    result = json.loads((folder / "result.json").read_text())
    assert f"objective    {result['objective']:.3f}" in answer.stdout
    for stage in result["architecture"]["stages"]:
        sizes = [str(stage[key]) for key in ("block", "channels", "bottleneck", "kernel", "depth")]
        assert any(line.split()[3:8] == sizes for line in answer.stdout.splitlines())


def test_json_is_all_of_standard_output(call: Callable[..., Answer], tmp_path: Path) -> None:
    answer = call("design", SMALL, "--workers", "1", "--json", "--out", tmp_path)
    assert answer.code == 0
    assert json.loads(answer.out) == json.loads((tmp_path / "result.json").read_text())


def test_the_default_folder_is_named_after_the_problem(
    call: Callable[..., Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = call("design", SMALL, "--workers", "1", "--set", "name=../a b/..", "--convention", "paper")
    assert answer.code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["designs"]
    folder = tmp_path / "designs" / "_a_b_"
    assert Design.load(folder).problem.convention == "paper"
    assert "files        designs/_a_b_:" in answer.out


def test_an_infeasible_problem_exits_with_3(call: Callable[..., Answer], tmp_path: Path) -> None:
    answer = call("design", SMALL, "--workers", "1", "--set", "budgets.params=100", "--out", tmp_path)
    assert answer.code == 3
    assert "status       infeasible" in answer.out
    assert json.loads((tmp_path / "result.json").read_text())["architecture"] is None
    assert call("verify", tmp_path).code == 0
    assert call("evaluate", tmp_path).err.count("the run found no design") == 1


def test_a_limit_without_a_design_exits_with_4(call: Callable[..., Answer], tmp_path: Path) -> None:
    answer = call("design", SMALL, "--workers", "1", "--time-limit", "1e-9", "--out", tmp_path)
    assert answer.code == 4
    assert json.loads((tmp_path / "result.json").read_text())["status"] == "unknown"
    assert f"to go on: mipdesign design {SMALL} --resume {tmp_path}" in answer.err


def test_a_run_goes_on_from_where_it_stopped(call: Callable[..., Answer], tmp_path: Path) -> None:
    call("design", SMALL, "--workers", "1", "--time-limit", "1e-9", "--out", tmp_path)
    answer = call("design", SMALL, "--workers", "1", "--resume", tmp_path)
    assert answer.code == 0
    assert json.loads((tmp_path / "result.json").read_text())["status"] == "optimal"
    assert call("verify", tmp_path).code == 0


# ----------------------------------------------------------------------------------------------------- looking at results


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_network_is_evaluated(name: str, call: Callable[..., Answer], tmp_path: Path) -> None:
    file = tmp_path / "network.json"
    file.write_text(json.dumps(PUBLISHED[name]))
    figures = json.loads(call("evaluate", file, "--convention", "reference", "--json").out)
    expected = PUBLISHED[name]["reference_convention"]
    for key, value in expected.items():
        assert figures[key] == pytest.approx(value, rel=1e-9, abs=0)
    assert call("evaluate", file, "--convention", "paper").code == 0


MORE = {
    case["name"]: case
    for case in json.loads((Path(__file__).parents[1] / "data" / "published_more.json").read_text())["networks"]
}


@pytest.mark.parametrize("name", ["maedet-s", "damoyolo-L45", "mixed19d2G", "e3d-l"])
def test_a_network_of_another_score_is_evaluated(name: str, call: Callable[..., Answer], tmp_path: Path) -> None:
    case = MORE[name]
    (tmp_path / "network.json").write_text(json.dumps(case["network"]))
    file = tmp_path / "network.txt"
    file.write_text(network_text(Architecture.load(tmp_path / "network.json"), "reference-txt"))
    score = case["scoring"]["score"]
    options = ["--alpha", ",".join(map(str, case["scoring"]["alpha"])), *(["--score", score] if name != "e3d-l" else [])]
    figures = json.loads(call("evaluate", file, "--json", *options).out)
    real = "stentr_at_resolution" if score == "stentr" else score
    assert figures["objective"] == pytest.approx(case["figures"][real], rel=1e-9, abs=0)
    assert (figures["flops"], figures["model_size"]) == (case["figures"]["flops"], case["figures"]["model_size"])
    if score == "stentr":
        figures = json.loads(call("evaluate", file, "--json", *options, "--score-resolution", 160).out)
        assert figures["objective"] == pytest.approx(case["figures"]["stentr_at_160"], rel=1e-9, abs=0)
        assert call("evaluate", file, "--frames", 8).code == 0
    assert "model_size" in call("evaluate", file, *options).out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--score", "zennas"], "--score: 'zennas' is not a score"),
        (["--score", "table"], "--score: table: nothing here says which table"),
        (["--alpha", "1,x"], "--alpha: 'x' is refused"),
        (["--score-resolution", "0"], "--score-resolution: 0 is refused"),
        (["--score", "stentr"], "objective.score: stentr is a score of networks of video"),
        (["--score", "madnas", "--alpha", "1,2"], "--alpha: 2 weights for 5 down-sampling stages"),
        (["--score-resolution", "160"], "--score-resolution: has no meaning for deepmad"),
        (["--frames", "8"], "frames: 8 for a network of pictures"),
    ],
)
def test_what_does_not_fit_a_network_is_refused(
    options: list[str], words: str, call: Callable[..., Answer], tmp_path: Path
) -> None:
    (tmp_path / "network.json").write_text(json.dumps(MORE["maedet-s"]["network"]))
    answer = call("evaluate", tmp_path / "network.json", *options)
    assert answer.code == 2
    assert words in " ".join(answer.err.split())


def test_an_infinite_penalty_is_null_in_json(call: Callable[..., Answer], tmp_path: Path) -> None:
    network = json.loads(json.dumps(PUBLISHED["deepmad-r18"]))
    network["stages"][0]["depth"] = 1000
    (tmp_path / "network.json").write_text(json.dumps(network))
    figures = json.loads(call("evaluate", tmp_path / "network.json", "--convention", "paper", "--json").out)
    assert (figures["penalty"], figures["objective"]) == (None, None)


def test_a_folder_is_evaluated_as_its_network(small: tuple[Path, Any], call: Callable[..., Answer]) -> None:
    folder, _ = small
    result = json.loads((folder / "result.json").read_text())
    assert json.loads(call("evaluate", folder, "--json").out) == result["evaluation"]
    assert call("evaluate", folder).out == call("evaluate", folder / "result.json").out


def test_a_certificate_is_verified(small: tuple[Path, Any], call: Callable[..., Answer]) -> None:
    answer = call("verify", small[0])
    assert (answer.code, answer.err) == (0, "")
    assert "claims hold" in answer.out
    report = json.loads(call("verify", small[0], "--json").out)
    assert report["passed"]
    assert all(check["passed"] for check in report["checks"])


@pytest.mark.parametrize("file", ["result.json", "certificate.json"])
def test_a_changed_file_fails_and_says_where(
    file: str, small: tuple[Path, Any], call: Callable[..., Answer], tmp_path: Path
) -> None:
    for path in small[0].glob("*.json"):
        (tmp_path / path.name).write_text(path.read_text())
    changed = (small[0] / file).read_text().replace("32", "40", 1)
    (tmp_path / file).write_text(changed)
    answer = call("verify", tmp_path)
    assert answer.code == 1
    assert "FAILED: " in answer.out
    assert "claims do not hold" in answer.out


def test_a_design_is_validated(small: tuple[Path, Any], call: Callable[..., Answer]) -> None:
    pytest.importorskip("torch")
    answer = call("validate", small[0])
    assert answer.code == 0
    assert "figures agree" in answer.out
    assert json.loads((small[0] / "validation.json").read_text())["passed"]


def test_a_figure_that_is_off_fails_the_validation(
    small: tuple[Path, Any], call: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    report = ValidationReport((Check("macs", 10, 11), Check("layers", 4, 4)), draws=16, map_size=8, sigmas=4.0, seed=0)
    monkeypatch.setattr(validation, "validate", lambda architecture, **options: report)
    answer = call("validate", small[0] / "result.json")
    assert answer.code == 1
    assert "FAILED: macs" in answer.out
    assert not json.loads(call("validate", small[0] / "result.json", "--json").out)["passed"]


# ----------------------------------------------------------------------------------------------------------------- signals


def signalled_early(number: int, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A command that gets a signal before anything is imported."""
    return programs.run("signalled_early", str(number), *arguments, timeout=120)


@pytest.mark.parametrize("number", few([signal.SIGTERM, signal.SIGINT], 1))
def test_a_signal_while_importing_still_leaves_files(number: int, tmp_path: Path) -> None:
    answer = signalled_early(number, "design", SMALL, "--workers", "1", "--out", tmp_path)
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["interrupted"]
    assert answer.returncode == {"unknown": 4, "feasible": 0}[result["status"]]
    assert "Traceback" not in answer.stderr
    assert answer.stderr.splitlines()[-1].startswith("interrupted; to go on: mipdesign design")
    assert (tmp_path / "certificate.json").exists()
    assert (tmp_path / "trace.csv").exists()


@pytest.mark.parametrize(
    "arguments", few([["presets"], ["show", SMALL], ["design", SMALL, "--resume", "none"]], 2), ids=lambda a: a[0]
)
def test_a_signal_ends_what_has_nothing_to_save(arguments: list[str]) -> None:
    answer = signalled_early(signal.SIGINT, *arguments)
    assert (answer.returncode, answer.stdout, answer.stderr) == (130, "", "error: interrupted\n")


@pytest.mark.parametrize("number", few([signal.SIGINT, signal.SIGTERM], 1))
def test_a_signal_while_searching_keeps_the_best_design(number: int, tmp_path: Path) -> None:
    slower = ("--workers", "1", "--engine-option", "propagation=off")
    command = [sys.executable, "-m", "mipdesign", "design", "deepmad-50m", *slower, "--out", str(tmp_path), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if "incumbent -" not in line:
                break
        running.send_signal(number)
        out, err = running.communicate(timeout=120)
    assert running.returncode == 0
    assert "Traceback" not in err
    assert "interrupted; to go on: mipdesign design deepmad-50m --resume" in err
    result = json.loads((tmp_path / "result.json").read_text())
    assert result == json.loads(out)
    assert (result["status"], result["interrupted"]) == ("feasible", True)
    assert not Design.load(tmp_path).problem.violations(Design.load(tmp_path).architecture)  # type: ignore[arg-type]


def test_interrupts_are_held_back_until_asked_for() -> None:
    interrupts = Interrupts()
    interrupts._take(signal.SIGINT, None)
    with pytest.raises(KeyboardInterrupt):
        interrupts.check()
    with pytest.raises(KeyboardInterrupt):
        interrupts.allow()
    with pytest.raises(KeyboardInterrupt):
        interrupts._take(signal.SIGTERM, None)
    interrupts.hold()
    interrupts._take(signal.SIGINT, None)


def test_interrupts_that_never_came_are_silent() -> None:
    interrupts = Interrupts()
    interrupts.allow()
    interrupts.check()
    interrupts.hold()


# ------------------------------------------------------------------------------------------------------------------- pipes


@pytest.mark.parametrize(
    "arguments", few([["presets"], ["show", SMALL, "--yaml"], ["formulations"], ["--help"]], 2), ids=lambda a: a[0]
)
def test_a_reader_that_leaves_is_no_error(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "mipdesign", *arguments]
    answer = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writing)
    assert answer.stderr == ""


def test_a_reader_of_progress_that_leaves_does_not_end_the_run(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "mipdesign", "design", SMALL, "--workers", "1", "--out", str(tmp_path)]
    answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=writing, text=True, timeout=60)
    os.close(writing)
    assert answer.returncode == 0
    assert "status       optimal" in answer.stdout


def test_errors_are_not_wrapped(tmp_path: Path) -> None:
    answer = process("show", tmp_path / ("x" * 200), env=os.environ | {"COLUMNS": "40"})
    assert answer.returncode == 2
    assert len(answer.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("design", "--help"),
        ("presets",),
        ("show", "deepmad-r18"),
        ("show", "no-preset"),
        ("design", "no-preset"),
        ("design", "deepmad-r18", "--set", "budgets.flops=few"),
        ("evaluate", "no-file"),
    ],
    ids=" ".join,
)
def test_commands_that_compute_nothing_import_nothing_for_it(arguments: tuple[str, ...]) -> None:
    assert programs.said("imported_by", *arguments) == []
