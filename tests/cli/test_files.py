"""What commands do with files: results come before they are written, nothing is lost, nothing is left half written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mipdesign import files
from mipdesign.cli import main as cli
from mipdesign.designs.design import Design
from mipdesign.files import write_together
from mipdesign.nn import known_networks, measurements, validation
from mipdesign.nn.validation import Check, ValidationReport

SMALL = str(Path(__file__).parents[1] / "data" / "small.yaml")
DESIGN = ("design", SMALL, "--workers", "1")
OTHER = ("--set", "budgets.flops=2e6")

Said = tuple[int, str, str]
Call = Callable[..., Said]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command in this process: its code and what it prints."""

    def run(*arguments: str | Path) -> Said:
        code = cli.main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished design, which no test changes."""
    folder = tmp_path_factory.mktemp("finished")
    assert cli.main([*DESIGN, "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def designed(finished: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(finished, tmp_path / "design")


def fill(path: Path) -> None:
    """Has the disk be full when a file is written: its first copy goes to a device that takes nothing."""
    path.with_name(f"{path.name}.part").symlink_to("/dev/full")


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def is_full(said: str) -> bool:
    """Whether the last line is an error about a full disk."""
    return "error: " in said.splitlines()[-1] and "No space left on device" in said.splitlines()[-1]


# ----------------------------------------------------------------------------------------------------- what cannot be written


@pytest.mark.parametrize(("file", "as_json"), [("certificate.json", True), ("trace.csv", False)])
def test_a_design_is_printed_and_the_earlier_one_kept_on_a_full_disk(
    file: str, as_json: bool, call: Call, designed: Path
) -> None:
    before = contents(designed)
    fill(designed / file)
    code, out, err = call(*DESIGN, "--out", designed, *(["--json"] if as_json else []))
    assert code == 2
    assert json.loads(out)["status"] == "optimal" if as_json else "status       optimal" in out
    assert is_full(err)
    assert contents(designed) == before


def test_a_design_that_cannot_be_printed_is_written(designed: Path, monkeypatch: pytest.MonkeyPatch, call: Call) -> None:
    (designed / "result.json").unlink()

    def refuse(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mipdesign.cli.designs._print_design", refuse)
    assert is_full(call(*DESIGN, "--out", designed)[2])
    assert Design.load(designed).status == "optimal"


def test_an_explanation_is_printed_on_a_full_disk(call: Call, designed: Path) -> None:
    fill(designed / "explanation.json")
    code, out, err = call("explain", designed, "--workers", "1", "--budget", "params")
    assert (code, is_full(err)) == (2, True)
    assert "objective" in out
    assert not list(designed.glob("*.part"))


def test_a_comparison_is_printed_on_a_full_disk(call: Call, designed: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    fill(tmp_path / "out" / "result.json")
    code, out, err = call("compare", designed, "--space", SMALL, "--workers", "1", "--out", tmp_path / "out")
    assert (code, is_full(err)) == (2, True)
    assert "optimal" in out
    assert contents(tmp_path / "out") == {}


def test_a_validation_is_printed_on_a_full_disk(call: Call, designed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = ValidationReport((Check("macs", 10, 10),), draws=16, map_size=8, sigmas=4.0, seed=0)
    monkeypatch.setattr(validation, "validate", lambda architecture, **options: report)
    monkeypatch.setattr(measurements, "measurements", lambda architecture, **options: None)
    monkeypatch.setattr(known_networks, "known_networks", lambda architecture: ())
    fill(designed / "validation.json")
    code, out, err = call("validate", designed, "--json")
    assert (code, is_full(err)) == (2, True)
    assert json.loads(out)["passed"]
    assert not list(designed.glob("*.part"))


def test_the_points_of_a_frontier_are_printed_on_a_full_disk(call: Call, tmp_path: Path) -> None:
    (tmp_path / "points" / "1").mkdir(parents=True)
    fill(tmp_path / "points" / "1" / "prices.json")
    code, out, err = call("pareto", SMALL, "--sweep", "budgets.flops=1e6,2e6", "--workers", "1", "--out", tmp_path, "--json")
    assert (code, is_full(err)) == (2, True)
    assert [point["status"] for point in json.loads(out)["points"]][1] == "optimal"
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("command", ["report", "export", "model"])
def test_a_file_is_kept_on_a_full_disk(command: str, call: Call, designed: Path, tmp_path: Path) -> None:
    out = tmp_path / f"out{'.cip' if command == 'model' else '.txt'}"
    out.write_text("of before")
    fill(out)
    words = {"report": [designed], "export": [designed, "--to", "reference-txt"], "model": [SMALL]}[command]
    code, _, err = call(command, *words, "--out", out)
    assert (code, is_full(err)) == (2, True)
    assert out.read_text() == "of before"
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("command", ["model", "profile"])
@pytest.mark.parametrize(("place", "words"), [("", "is a directory"), ("none/file.cip", "there is no folder")])
def test_a_file_that_cannot_be_made_is_refused_before_the_work(
    command: str, place: str, words: str, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mipdesign.cli.options.problem_of", None)
    code, out, err = call(command, SMALL, "--out", tmp_path / place)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_files_that_belong_together_are_written_all_or_none(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / name for name in "abc"]
    write_together({path: b"before" for path in paths})
    original = Path.write_bytes

    def write(path: Path, content: bytes) -> int:
        if path.name.startswith("c"):
            original(path, content[:2])
            raise error
        return original(path, content)

    monkeypatch.setattr(files.Path, "write_bytes", write)
    with pytest.raises(type(error)):
        write_together({path: b"now" for path in paths})
    assert contents(tmp_path) == {"a": b"before", "b": b"before", "c": b"before"}


@pytest.mark.parametrize(
    ("error", "words"),
    [(MemoryError(), "memory does not suffice"), (OSError(30, "Read-only file system", "/x"), "Read-only file system: '/x'")],
)
def test_what_the_system_refuses_is_one_line(error: Exception, words: str, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> None:
        raise error

    monkeypatch.setattr("mipdesign.cli.designs.problem_of", refuse)
    code, out, err = call("show", SMALL)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err


# -------------------------------------------------------------------------------------------------------- what would be lost


def test_another_problems_design_is_replaced_only_if_asked(call: Call, designed: Path) -> None:
    before = contents(designed)
    code, out, err = call(*DESIGN, *OTHER, "--out", designed)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "holds the design of another problem ('small'); give another folder, or --overwrite" in err
    assert contents(designed) == before
    assert call(*DESIGN, *OTHER, "--out", designed, "--overwrite")[0] == 0
    assert Design.load(designed).problem.budgets.limits()["flops"] == 2e6


def test_a_comparison_keeps_another_problems_design(call: Call, designed: Path) -> None:
    words = ("compare", "torchvision/resnet18", "--space", SMALL, "--workers", "1", "--out", designed)
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert "holds the design of another problem" in err
    assert call(*words, "--overwrite")[0] == 3


@pytest.mark.parametrize(("file", "words"), [("result.json", "cannot be read"), ("frontier.json", "holds a frontier")])
def test_what_is_no_design_is_not_replaced(file: str, words: str, call: Call, tmp_path: Path) -> None:
    (tmp_path / file).write_text("{}")
    code, _, err = call(*DESIGN, "--out", tmp_path)
    assert (code, words in err) == (2, True)


def test_a_design_takes_the_place_of_a_frontier(call: Call, tmp_path: Path) -> None:
    assert call("pareto", SMALL, "--sweep", "budgets.flops=1e6,2e6", "--workers", "1", "--out", tmp_path)[0] == 0
    (tmp_path / "own.txt").write_text("own")
    assert call(*DESIGN, "--out", tmp_path)[0] == 2
    assert call(*DESIGN, "--out", tmp_path, "--overwrite")[0] == 0
    assert not (tmp_path / "frontier.json").exists() and not (tmp_path / "points").exists()
    assert (tmp_path / "own.txt").exists()
    _, out, _ = call("verify", tmp_path)
    assert "candidate 0" in out


def test_a_frontier_does_not_go_where_a_design_is(call: Call, designed: Path) -> None:
    code, _, err = call("pareto", SMALL, "--sweep", "budgets.flops=1e6,2e6", "--out", designed)
    assert (code, "holds a design; give another folder, or --overwrite to replace it" in err) == (2, True)


def test_the_default_folder_of_another_problem_has_another_name(
    finished: Path, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished, tmp_path / "designs" / "small")
    for _ in range(2):
        assert call(*DESIGN, *OTHER)[0] == 0
    _, made = sorted((tmp_path / "designs").iterdir())
    assert made.name == f"small-{Design.load(made).problem.digest[:8]}"


def test_a_run_that_got_further_is_kept(call: Call, designed: Path) -> None:
    before = contents(designed)
    limited = (*DESIGN, "--time-limit", "1e-9", "--out", designed)
    code, out, err = call(*limited)
    assert (code, "status       unknown" in out, "files " in out) == (4, True, False)
    assert f"{designed} keeps the design of an earlier run, which got further (optimal)" in err
    assert "to go on" not in err
    assert contents(designed) == before
    assert call(*limited, "--overwrite")[0] == 4
    assert Design.load(designed).status == "unknown"


# ------------------------------------------------------------------------------------------------------------------ evaluate


@pytest.mark.parametrize("changes", [["convention=paper"], ["objective.beta=3", "objective.alpha=[1,2,3]"]])
def test_a_design_is_evaluated_as_it_was_designed(changes: list[str], call: Call, tmp_path: Path) -> None:
    words = [word for change in changes for word in ("--set", change)]
    assert call(*DESIGN, *words, "--out", tmp_path)[0] == 0
    stated = json.loads((tmp_path / "result.json").read_text())["evaluation"]
    assert json.loads(call("evaluate", tmp_path, "--json")[1]) == stated
    assert json.loads(call("evaluate", tmp_path / "result.json", "--json")[1]) == stated
    other = "reference" if stated["convention"] == "paper" else "paper"
    turned = json.loads(call("evaluate", tmp_path, "--convention", other, "--json")[1])
    assert turned["convention"] == other
    assert turned["objective"] != stated["objective"]


def test_what_is_no_design_is_evaluated_in_the_reference_convention(call: Call, designed: Path, tmp_path: Path) -> None:
    network = tmp_path / "network.json"
    network.write_text(json.dumps(json.loads((designed / "result.json").read_text())["architecture"]))
    assert json.loads(call("evaluate", network, "--json")[1])["convention"] == "reference"
