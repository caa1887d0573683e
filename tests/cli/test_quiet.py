"""``--quiet``: one line with the result, no progress, and JSON as without it. Presets are listed without being read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import programs
import pytest

from mipdesign.cli import main as cli
from mipdesign.errors import SpecError, counted
from mipdesign.figures.formatting import scientific
from mipdesign.problem import listing, summaries
from mipdesign.problem.problem import Problem, preset_names

SMALL = str(Path(__file__).parents[1] / "data" / "small.yaml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A design of the small problem."""
    folder = tmp_path_factory.mktemp("quiet") / "small"
    assert cli.main(["design", SMALL, "--workers", "1", "--out", str(folder), "--quiet"]) == 0
    yield folder


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """What a command prints, if that is all on standard output."""

    def run(*arguments: str | Path) -> list[str]:
        cli.main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert err == ""
        return out.splitlines()

    return run


def test_one_line_says_the_result(folder: Path, said: Callable[..., list[str]], tmp_path: Path) -> None:
    result = json.loads((folder / "result.json").read_text())
    told = f"optimal, objective {result['objective']:.3f}, bound {result['bound']:.3f}, gap 0 %"
    assert said("design", SMALL, "--workers", "1", "--out", tmp_path, "-q") == [f"{tmp_path}: {told}"]
    assert said("evaluate", folder, "-q") == [f"{folder}: deepmad {result['objective']:.6f}"]
    (line,) = said("verify", folder, "-q")
    assert line.startswith("proved: all ")
    assert said("show", SMALL, "-q") == [f"small: {scientific(Problem.load(SMALL).size())} networks"]
    assert said("presets", "-q") == preset_names()


def test_limits_that_bind_are_one_line(folder: Path, said: Callable[..., list[str]]) -> None:
    (line,) = said("explain", folder, "--budget", "params", "--workers", "1", "-q")
    assert line.startswith(f"{folder}: ") and line.endswith(("binds", "bind"))


def test_a_network_beside_the_optimum_is_one_line(folder: Path, said: Callable[..., list[str]]) -> None:
    (line,) = said("compare", folder, "--space", SMALL, "--workers", "1", "-q")
    assert line.startswith(f"{folder}: objective ") and line.endswith(", gain 0 %")


def test_a_frontier_is_one_line(said: Callable[..., list[str]], tmp_path: Path) -> None:
    sweep = ["--sweep", "budgets.flops=1e6,2e6", "--workers", "1", "--out", tmp_path]
    assert said("pareto", SMALL, *sweep, "-q") == [f"{tmp_path}: 2 of 2 points proven"]


def test_a_model_is_one_line(said: Callable[..., list[str]], tmp_path: Path) -> None:
    narrow = [word for i in range(3) for word in ("--set", f"stages.{i}.channels=[16]", "--set", f"stages.{i}.kernels=[3]")]
    (line,) = said("model", SMALL, *narrow, "--out", tmp_path / "model.mps", "-q")
    assert line.startswith(f"{tmp_path / 'model.mps'}: ")


def test_a_validation_is_one_line(folder: Path, said: Callable[..., list[str]]) -> None:
    pytest.importorskip("torch")
    (line,) = said("validate", folder, "--quick", "--draws", "2", "-q")
    assert line.endswith("figures agree")


def test_json_stays_whole(folder: Path, said: Callable[..., list[str]]) -> None:
    assert said("evaluate", folder, "--json", "-q") == said("evaluate", folder, "--json")


# ----------------------------------------------------------------------------------------------------------------- presets


def test_the_listing_is_that_of_the_presets() -> None:
    """Otherwise: ``python tests/programs/list_presets.py > mipdesign/problem/presets/listing.json``."""
    made = {
        name: listing.listing_entry(listing.preset_text(name), summaries.summary_of(Problem.preset(name)))
        for name in preset_names()
    }
    stored = Path(listing.__file__).with_name("presets") / listing.LISTING
    assert json.loads(stored.read_text()) == json.loads(json.dumps(made))


def test_a_preset_that_the_listing_does_not_know_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    known = listing.listed_summaries()
    assert sorted(known) == preset_names()
    monkeypatch.setattr(listing, "digest_of", lambda text: "of another file")
    assert listing.listed_summaries() == {}
    del known["deepmad-r18"]
    monkeypatch.setattr(summaries, "listed_summaries", lambda: known)
    found = {each.name: each for each in summaries.preset_summaries()}
    assert found["deepmad-r18"].networks == Problem.preset("deepmad-r18").size()


def test_presets_are_listed_without_reading_them() -> None:
    said = programs.said("imports_of_a_command", "presets")
    assert {"yaml", "mipdesign.problem.problem", "mipdesign.networks.architecture"}.isdisjoint(said["modules"])


# ------------------------------------------------------------------------------------------------------------------- words


def test_counts_agree_with_their_nouns() -> None:
    assert [counted(n, "frame") for n in (0, 1, 2)] == ["0 frames", "1 frame", "2 frames"]
    assert [counted(n, "class", "classes") for n in (1, 2)] == ["1 class", "2 classes"]


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("e3d-s", ["input.frames=1"], "kernel 3x3 in a network of 1 frame;"),
        (SMALL, ["input.resolution=12"], "fits a map of 3 x 3; use kernel 1, or raise input.resolution"),
        (SMALL, ["input.resolution=16", "stages.0.kernels=[9]"], "use kernels up to 5, or raise input.resolution"),
        (SMALL, ["objective.alpha=[1]"], "1 weight for 3 down-sampling stages"),
    ],
)
def test_messages_are_sentences(name: str, settings: list[str], words: str) -> None:
    with pytest.raises(SpecError) as fault:
        Problem.named(name, settings)
    assert words in str(fault.value)
