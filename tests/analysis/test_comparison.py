"""A network beside the best one within its own budgets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from haste import kept
from networks import published, small

from mipdesign import Architecture, Comparison, Problem, SpecError, compare, design, evaluate, read_network
from mipdesign.analysis.comparison import SPACES, comparable_scoring, default_space, least_effectiveness, problem_around
from mipdesign.cli import main as cli
from mipdesign.networks.architecture import Stage, Stem
from mipdesign.networks.blocks import BUILT_IN
from mipdesign.problem.problem import preset_names
from mipdesign.report.terminal import comparison_lines

SMALL = str(Path(__file__).parents[1] / "data" / "small.yaml")


@pytest.fixture(scope="module")
def optimum() -> Architecture:
    """The best network of the small problem."""
    found = design(Problem.load(SMALL), engine=kept()).architecture
    assert found is not None
    return found


@pytest.fixture(scope="module")
def outsider(optimum: Architecture) -> Architecture:
    """A network that the small space does not hold: a stem off the lattice, and a super-block less."""
    return replace(optimum, stem=replace(optimum.stem, channels=10), stages=optimum.stages[:-1])


def test_the_optimum_of_a_space_is_its_own_optimum(optimum: Architecture) -> None:
    made = compare(optimum, space=SMALL, engine=kept())
    assert made.outside == ()
    assert made.exceeded == ()
    assert (made.gain, made.design.status, made.design.architecture) == (0.0, "optimal", optimum)
    assert "outside it   nothing: the network is one of it" in comparison_lines(made)


def test_the_budgets_are_the_networks_figures(optimum: Architecture) -> None:
    worse = replace(optimum, stages=(replace(optimum.stages[0], kernel=3), *optimum.stages[1:]))
    made = compare(worse, space=SMALL, engine=kept())
    figures = evaluate(worse)
    limits = made.design.problem.budgets.limits()
    assert (limits["flops"], limits["params"]) == (figures.flops, figures.params)
    assert float(limits["effectiveness"]) == pytest.approx(figures.effectiveness, rel=1e-11)
    assert made.gain is not None and made.gain >= 0
    assert made.relative_gain == made.gain / made.evaluation.objective


@pytest.mark.parametrize("convention", ["paper", "reference"])
def test_the_convention_reaches_both(convention: str, optimum: Architecture) -> None:
    made = compare(optimum, space=SMALL, convention=convention, engine=kept())
    assert made.evaluation == evaluate(optimum, convention)
    assert made.design.problem.convention == convention
    assert made.design.status == "optimal"


def test_a_network_outside_of_the_space_is_told_so(outsider: Architecture) -> None:
    made = compare(outsider, space=SMALL, engine=kept())
    assert made.outside == ("stem", "stages")
    lines = comparison_lines(made)
    assert "outside it   stem: 3x3, stride 2, 10 channels" in lines
    assert "outside it   stages: super-blocks of strides [2, 1], the space has [2, 1, 2]" in lines


def test_overrides_come_last(optimum: Architecture) -> None:
    made = compare(optimum, space=SMALL, overrides=["budgets.params=30000", "budgets.effectiveness="], engine=kept())
    limits = made.design.problem.budgets.limits()
    assert limits["params"] == 30000
    assert "effectiveness" not in limits
    assert made.exceeded == ("params",)
    assert "note         the network itself does not keep the budget params" in comparison_lines(made)


def test_nothing_within_the_budgets_says_what_to_do(optimum: Architecture) -> None:
    made = compare(optimum, space=SMALL, overrides=["budgets.params=100"], engine=kept())
    assert (made.design.status, made.gain, made.relative_gain) == ("infeasible", None, None)
    assert any("loosen one" in line for line in comparison_lines(made))


def test_an_effectiveness_below_that_of_the_stem_is_raised_to_it() -> None:
    """A 3x3 stem on three channels alone has 1/27, in the convention that takes the largest prefix."""
    stages = (Stage("basic", 2, 32, 32, 3, 1), Stage("basic", 2, 32, 32, 3, 1))
    wide = Architecture(32, Stem(32, 7), stages, classes=10)
    assert evaluate(wide).effectiveness < 1 / 27
    made = compare(wide, space=SMALL, engine=kept())
    assert made.stem_decides
    assert any("that of the space's stem alone" in line for line in comparison_lines(made))
    assert float(made.design.problem.budgets.limits()["effectiveness"]) == pytest.approx(1 / 27, rel=1e-11)
    assert least_effectiveness(Problem.preset("deepmad-r18", ["convention=paper"])) == 0


def test_resolution_and_classes_are_the_networks(optimum: Architecture) -> None:
    made = compare(replace(optimum, classes=7), space=SMALL, resolution=48, engine=kept())
    assert made.network.resolution == made.design.problem.input.resolution == 48
    assert made.network.classes == made.design.problem.classes == 7
    with pytest.raises(SpecError, match=r"overrides: input.resolution=64, but the network has 32"):
        compare(optimum, space=SMALL, overrides=["input.resolution=64"])


def test_every_family_of_the_package_has_a_space() -> None:
    assert set(SPACES) == {family.name for family in BUILT_IN}
    assert set(SPACES.values()) <= set(preset_names())
    assert default_space(read_network("torchvision/mobilenet_v2")) == "mobilenetv2-like"
    assert default_space(read_network("torchvision/resnet50")) == default_space(published("deepmad-r18")) == "deepmad-r50"


def test_the_objective_is_that_of_the_space() -> None:
    resnet = read_network("torchvision/resnet50")
    problem = Problem.preset("deepmad-r50")
    assert comparable_scoring(problem, resnet).penalised == (1, 2, 3)
    inside = published("deepmad-r50")
    assert comparable_scoring(problem, inside) == problem.scoring
    stated = Problem.preset("deepmad-r50", ["objective.penalty={form: exp_var, stages: [1, 5]}"])
    assert comparable_scoring(stated, resnet).penalised == (0,)
    every = Problem.preset("deepmad-r50", ["objective.penalty={form: exp_var}"])
    assert comparable_scoring(every, resnet).penalised == (0, 1, 2, 3)
    assert len(comparable_scoring(problem, small("basic")).alpha) == 3
    weighted = Problem.preset("deepmad-r50", ["objective.alpha=[1, 1, 1, 1, 4]"])
    assert comparable_scoring(weighted, resnet).alpha == (1, 1, 1, 1, 4)
    with pytest.raises(SpecError, match="the network has 3 down-sampling stages"):
        comparable_scoring(weighted, small("basic"))


# ---------------------------------------------------------------------------------------------------------- command line


def test_the_command_prints_one_table(optimum: Architecture, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "network.json").write_text(optimum.dumps())
    code = cli.main(["compare", str(tmp_path / "network.json"), "--space", SMALL, "--workers", "1"])
    out = capsys.readouterr().out
    assert code == 0
    rows: dict[str, list[str]] = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.split()}
    figures = evaluate(optimum)
    assert rows["params"] == [f"{figures.params:,}", f"{figures.params:,}", "0", f"{figures.params:,}"]
    assert rows["objective"][:2] == [f"{figures.objective:.6g}"] * 2
    assert {name for name in Comparison.FIGURES if getattr(figures, name) is not None} <= set(rows)
    assert rows["status"][0] == "optimal:"
    assert [path.name for path in tmp_path.iterdir()] == ["network.json"]


def test_json_and_files_of_a_comparison(
    outsider: Architecture, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("network.json").write_text(outsider.dumps())
    budgets = ["--set", "budgets.flops=4e6", "--set", "budgets.params=60000", "--set", "budgets.effectiveness=0.3"]
    code = cli.main(["compare", "network.json", "--space", SMALL, *budgets, "--workers", "1", "--json", "--out", "best"])
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert code == 0
    assert data["network"] == outsider.to_dict()
    assert data["outside_space"] == ["stem", "stages"]
    assert data["design"] == json.loads(Path("best/result.json").read_text())
    assert data["gain"] == data["design"]["objective"] - data["evaluation"]["objective"]
    assert cli.main(["verify", "best"]) == 0


def test_an_infeasible_comparison_exits_with_3(optimum: Architecture, tmp_path: Path) -> None:
    (tmp_path / "network.json").write_text(optimum.dumps())
    arguments = ["compare", str(tmp_path / "network.json"), "--space", SMALL, "--set", "budgets.params=100", "--workers", "1"]
    assert cli.main(arguments) == 3


def space_of(network: dict[str, Any], folder: Path) -> str:
    """The file of a space of the kinds of super-blocks that a network has."""
    stages = [
        {
            "block": stage["block"],
            "stride": stage["stride"],
            "channels": {"min": 8, "max": 2048, "step": 8},
            "bottleneck": {"min": 8, "max": 2048, "step": 8},
            "kernels": [3, 5] if network["frames"] is None else [[1, 3], [1, 5], [3, 3]],
            "depth": {"min": 1, "max": 20},
        }
        | ({"bits": {"activations": [4, 5], "weights": [4, 5, 6]}} if "bits" in stage else {})
        for stage in network["stages"]
    ]
    data: dict[str, Any] = {
        "name": "space",
        "input": {"resolution": 64},
        "stem": {"channels": [8, 16, 24, 32]},
        "stages": stages,
    }
    if network["frames"] is not None:
        data["input"]["frames"] = 4
    if "bits" in network["stem"]:
        data["stem"]["bits"] = [8, 8]
    if network["head"]:
        data["head"] = {name: network["head"][name] for name in ("channels", "bits") if name in network["head"]}
    data["objective"] = {"score": "madnas" if network["frames"] is None else "stentr"}
    file = folder / "space.yaml"
    file.write_text(json.dumps(data))
    return str(file)


@pytest.mark.parametrize("name", ["maedet-s", "mixed7d0G", "e3d-l"])
def test_budgets_of_a_network_of_another_score_are_its_own(name: str, tmp_path: Path) -> None:
    file = Path(__file__).parents[1] / "data" / "published_more.json"
    case = next(case for case in json.loads(file.read_text())["networks"] if case["name"] == name)
    network = Architecture.from_dict(case["network"])
    problem, evaluation = problem_around(network, space_of(case["network"], tmp_path), None, ())
    limits = problem.budgets.limits()
    size = "model_size" if network.quantised else "params"
    assert set(limits) == {"flops", "layers", size}
    assert (limits["flops"], limits["layers"]) == (case["figures"]["flops"], case["figures"]["layers"])
    assert limits[size] == case["figures"]["model_size"]
    assert problem.input.frames == network.frames
    assert [budget.holds for budget in problem.usage(network)] == [True] * 3
    assert evaluation.objective == problem.evaluator(network).evaluation.objective
    if network.quantised:
        with pytest.raises(SpecError, match="quantised"):
            default_space(network)


FEW_BITS = {
    "name": "few-bits",
    "input": {"resolution": 32},
    "stem": {"channels": [8], "bits": [8, 8]},
    "stages": [
        {
            "block": "inverted",
            "stride": 2,
            "channels": {"min": 8, "max": 16, "step": 8},
            "bottleneck": {"min": 8, "max": 16, "step": 8},
            "kernels": [3],
            "depth": {"min": 1, "max": 2},
            "bits": {"activations": [3, 4], "weights": [3, 4]},
        }
    ]
    * 2,
    "classes": 10,
    "budgets": {"flops": 100e3},
    "objective": {"score": "madnas"},
}
"""A space of few bits in which a search ends at once."""


def test_a_quantised_design_is_compared_in_the_space_that_it_was_made_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No preset is known for bits, but the folder has its problem; its file alone has not."""
    problem, folder = Problem.from_dict(FEW_BITS), tmp_path / "design"
    designed = design(problem, engine=kept())
    designed.save(folder, picture=False)
    network = designed.architecture
    assert network is not None and network.quantised
    made = compare(folder, engine=kept())
    assert (made.network, made.outside, made.exceeded) == (network, (), ())
    assert (made.gain, made.design.status) == (0.0, "optimal")
    budgets = made.design.problem.budgets.limits()
    size = made.evaluation.model_size
    assert size is not None
    assert (budgets["flops"], budgets["model_size"]) == (made.evaluation.flops, pytest.approx(size))
    assert made.design.problem.stages == problem.stages
    assert cli.main(["compare", str(folder), "--workers", "1", "--json"]) == 0
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (data["network"], data["gain"], data["outside_space"]) == (network.to_dict(), 0.0, [])
    (tmp_path / "network.json").write_text(network.dumps())
    assert cli.main(["compare", str(tmp_path / "network.json")]) == 2
    assert "no preset is known for quantised networks" in capsys.readouterr().err
