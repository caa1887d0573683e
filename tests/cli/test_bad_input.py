"""Malformed specifications, architecture files, options and folders: exit code 2, one line with field, value and remedy."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from mipdesign.benchmarks.experiments.malformed_kinds import ARCHITECTURE

from mipdesign import parsing
from mipdesign.cli import main as cli

SMALL = Path(__file__).parents[1] / "data" / "small.yaml"


class _Missing:
    """Stands for a field that is left out; named in test ids."""

    def __repr__(self) -> str:
        return "missing"


MISSING = _Missing()
"""Stands for a field that is taken away."""


def changed(data: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of plain data with one value set, or removed, by its dotted path."""
    data = copy.deepcopy(data)
    target: Any = data
    *parts, last = path.split(".")
    for part in parts:
        target = target[int(part)] if isinstance(target, list) else target[part]
    key: Any = int(last) if isinstance(target, list) else last
    if value is MISSING:
        del target[key]
    else:
        target[key] = value
    return data


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must be refused, and returns its line of error."""

    def run(*arguments: str | Path) -> str:
        code = cli.main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert code == 2
        assert out == ""
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        assert err.endswith("\n")
        return err

    return run


def says(line: str, *fragments: str) -> None:
    """Each fragment is in the line."""
    for fragment in fragments:
        assert fragment in line


# ------------------------------------------------------------------------------------------------------------ specifications

NEAR: dict[str, Any] = {
    "resolution": 32,
    "stem": {"channels": 8},
    "stages": [
        {"block": "bottleneck", "stride": s, "channels": 20, "bottleneck": 8, "kernel": 3, "depth": 1} for s in (2, 1, 2)
    ],
}
SPECIFICATIONS: list[tuple[str, Any, tuple[str, ...]]] = [
    ("name", MISSING, ("name: is missing",)),
    ("name", "", ("name: ''", "at least 1 character")),
    ("name", ["a"], ("name: ['a']", "give a text")),
    ("input", MISSING, ("input: is missing",)),
    ("input.resolution", MISSING, ("input.resolution: is missing",)),
    ("input.resolution", 0, ("input.resolution: 0 is refused", "greater than or equal to 1")),
    ("input.resolution", "big", ("input.resolution: 'big' is refused", "a whole number")),
    ("input.resolution", 32.5, ("input.resolution: 32.5 is refused", "a whole number")),
    ("input.resolution", True, ("input.resolution: True is refused", "a whole number")),
    ("input.resolution", 10**40, ("input.resolution: 1000", "less than or equal to 16384")),
    ("input.resolution", 3, ("stages.0.kernels", "no kernel of [3, 5] fits a map of 2 x 2", "raise input.resolution")),
    ("input.channels", -3, ("input.channels: -3 is refused", "greater than or equal to 1")),
    ("input.colour", "rgb", ("input.colour: is not a known field", "channels, frames, resolution")),
    ("stem", [1, 2], ("stem: [1, 2] is refused", "'field: value' pairs")),
    ("stem.kernel", 4, ("stem.kernel", "even", "odd")),
    ("stem.kernel", 65, ("stem.kernel: 65 is refused",)),
    ("stem.kernel", 63, ("stem.kernel", "63", "32 x 32")),
    ("stem.stride", 3, ("stem.stride: 3 is refused", "less than or equal to 2")),
    ("stem.channels", [], ("stem.channels: the lattice is empty", "at least one value")),
    ("stem.channels", {"min": 16, "max": 8}, ("stem.channels: the lattice is empty", "min be at most max")),
    ("stem.channels", {"min": 16}, ("stem.channels.max: is missing",)),
    ("stem.channels", {"max": 16, "step": 0}, ("stem.channels.step: 0 is refused",)),
    ("stem.channels", {"max": 1000000}, ("stem.channels: the lattice has 1000000 values", "raise step")),
    ("stem.channels", {"listed": [8], "max": 16}, ("stem.channels.listed: stands beside", "give either")),
    ("stem.channels", [8, "16"], ("stem.channels", "'16' is refused", "a whole number")),
    ("stem.channels", [8, -8], ("stem.channels", "-8 is refused")),
    ("stem.channels", "8", ("stem.channels: '8' is refused", "list of integers")),
    ("stem.channels", [512], ("stages.0.channels", "[8, 16, 24, 32]", "stem.channels [512]", "widen")),
    ("stages", {"a": 1}, ("stages: {'a': 1} is refused", "give a list")),
    ("stages", [], ("stages: [] is refused", "at least 2 items")),
    ("stages.0.block", "resnext", ("stages.0.block: 'resnext' is not a block family", "'bottleneck'")),
    ("stages.0.stride", MISSING, ("stages.0.stride: is missing",)),
    ("stages.0.strides", 2, ("stages.0.strides: is not a known field", "stride")),
    ("stages.0", 7, ("stages.0: 7 is refused", "'field: value' pairs")),
    ("stages.1.kernels", [], ("stages.1.kernels: the lattice is empty",)),
    ("stages.1.kernels", [2, 3], ("stages.1.kernels: kernel 2 is even", "odd kernels")),
    ("stages.1.kernels", [7, 9], ("stages.1.kernels: no kernel of [7, 9] fits a map of 8 x 8", "up to 5")),
    ("stages.1.growth", {"min": 2, "max": 1}, ("stages.1.growth.max: 1.0 is below min 2.0",)),
    ("stages.1.growth", {"min": 0}, ("stages.1.growth.min: 0", "greater than 0")),
    ("stages.1.growth", {"min": 9.0}, ("stages.1.channels: no value", "may follow stages.0.channels", "growth")),
    ("stages.1.growth", {"min": float("inf")}, ("stages.1.growth.min: inf is refused",)),
    (
        "stages.1.bottleneck_ratio",
        {"min": 0.5, "to_rounding": ["up"]},
        ("stages.1.bottleneck_ratio.to_rounding: 'up'", "'min', 'max'"),
    ),
    ("stages.2.depth", {"min": 5, "max": 4}, ("stages.2.depth: the lattice is empty",)),
    ("stages.2.depth", {"max": 2000}, ("stages.2.depth: 2000 blocks", "at most 1000")),
    ("head", {"channels": 0}, ("head.channels: 0 is refused",)),
    ("head", 7, ("head: 7 is refused", "'field: value' pairs")),
    ("classes", 0, ("classes: 0 is refused",)),
    ("convention", "papers", ("convention: 'papers' is refused", "'paper' or 'reference'")),
    ("budgets", {"flops": 0}, ("budgets.flops: 0 is refused", "greater than 0")),
    ("budgets", {"flops": -1e9}, ("budgets.flops: -1000000000.0 is refused", "greater than 0")),
    ("budgets", {"params": float("nan")}, ("budgets.params: nan is refused",)),
    ("budgets", {"params": float("inf")}, ("budgets.params: inf is refused", "finite")),
    ("budgets", {"params": "11.69Q"}, ("budgets.params: '11.69Q' is not a count",)),
    ("budgets", {"params": [1]}, ("budgets.params: [1] is not a number",)),
    ("budgets", {"effectiveness": True}, ("budgets.effectiveness: True is not a number",)),
    ("budgets", {"watts": 1.0}, ("budgets.watts: is not a known field", "effectiveness, flops")),
    ("budgets", {"flops": 10**401}, ("budgets.flops: has more than 400 digits", "shorter")),
    ("budgets", {"flops": 10**310}, ("budgets.flops: 1000", "at most 1.79769e+308")),
    ("budgets", {"flops": {"max": "1/0"}}, ("budgets.flops.max: '1/0' divides by zero", "denominator")),
    ("stages.1.growth", {"min": 1.0, "max": "26/0"}, ("stages.1.growth.max: '26/0' divides by zero",)),
    ("stages.1.growth", {"min": 1.0, "max": "26/2/1"}, ("stages.1.growth.max: '26/2/1' is not a number", "26/21")),
    ("stages.1.growth", {"min": "-1/2"}, ("stages.1.growth.min: '-1/2' is refused", "greater than 0")),
    ("stages.1.growth", {"min": "1/" + "3" * 500}, ("stages.1.growth.min: has more than 400 digits",)),
    ("stages.1.growth", {"min": "1e999999999"}, ("stages.1.growth.min: inf is refused", "finite")),
    ("stages.1.bottleneck_ratio", {"min": "2000001/2"}, ("stages.1.bottleneck_ratio.min: '2000001/2'", "at most 1e+06")),
    ("objective", {"beta": "1/3"}, ("objective.beta: '1/3' is no number that a double stands for", "15 digits")),
    ("budgets", {"flops": {}}, ("budgets.flops: limits nothing", "max, min")),
    ("budgets", {"flops": {"max": 1e6, "min": 2e6}}, ("budgets.flops.max: 1000000.0 is below min 2000000.0",)),
    ("budgets", {"flops": {"min": -1}}, ("budgets.flops.min: -1 is refused", "greater than 0")),
    ("budgets", {"flops": {"max": 1e6, "bytes": 2}}, ("budgets.flops.bytes: has no meaning", "weights_bytes")),
    ("budgets", {"weights_bytes": {"max": 1e6, "bytes": 17}}, ("budgets.weights_bytes.bytes: 17 is refused",)),
    ("budgets", {"effectiveness": {"min": 0.1}}, ("budgets.effectiveness.min: is not supported", "upper limit")),
    ("stages.0.block", [], ("stages.0.block: names no block family",)),
    ("stages.0.block", ["basic", "basic"], ("stages.0.block", "names a family twice")),
    ("stages.0.per_block", {"basic": {}}, ("stages.0.per_block.basic: is not a family of this stage", "bottleneck")),
    ("stages.0.per_block", {"bottleneck": {"kernels": [4]}}, ("stages.0.kernels: kernel 4 is even",)),
    ("near", {"network": {}}, ("near.network.resolution: is missing",)),
    ("near", {"network": NEAR, "same": ["depth"]}, ("near.same.0: 'depth' is refused",)),
    ("near", {"network": NEAR | {"stages": NEAR["stages"][:2]}}, ("near.network: has super-blocks of strides",)),
    ("near", {"network": NEAR, "ratio": 0.0}, ("near: leaves nothing of stages.0", "raise ratio")),
    ("stages.0.multiple_of", 0, ("stages.0.multiple_of: 0 is refused",)),
    ("stages.0.multiple_of", 1000, ("stages.0.channels: no value", "may follow")),
    ("stages.0.forbidden", [{}], ("stages.0.forbidden.0: forbids nothing", "channels")),
    ("stages.0.forbidden", [{"block": "resnext"}], ("stages.0.block: 'resnext' is not a block family",)),
    ("budgets", [1], ("budgets: [1] is refused", "'field: value' pairs")),
    ("objective", {"alpha": [1, 8]}, ("objective.alpha: 2 weights for 3", "one weight per stage")),
    ("objective", {"alpha": []}, ("objective.alpha: 0 weights for 3",)),
    ("objective", {"alpha": [1, 1, -8]}, ("objective.alpha.2: -8 is refused",)),
    ("objective", {"alpha": "1,1,8"}, ("objective.alpha: '1,1,8' is refused",)),
    ("objective", {"beta": float("nan")}, ("objective.beta: nan is refused",)),
    ("objective", {"penalty": {"form": "square"}}, ("objective.penalty.form: 'square' is refused", "'exp_std'")),
    ("objective", {"penalty": {"form": "exp_std", "stages": [4]}}, ("objective.penalty.stages: names super-block 4 of 3",)),
    ("objective", {"penalty": {"form": "exp_std", "stages": [0]}}, ("objective.penalty.stages.0: 0 is refused",)),
    (
        "objective",
        {"penalty": {"form": "exp_std", "stages": []}},
        ("objective.penalty.stages: [] is refused", "at least 1 item"),
    ),
    ("extra", 1, ("extra: is not a known field", "budgets")),
]


@pytest.mark.parametrize(("path", "value", "fragments"), SPECIFICATIONS, ids=lambda case: str(case)[:40])
def test_a_wrong_specification(
    path: str, value: Any, fragments: tuple[str, ...], tmp_path: Path, refused: Callable[..., str]
) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(yaml.safe_dump(changed(yaml.safe_load(SMALL.read_text()), path, value)))
    says(refused("show", file), str(file), *fragments)


# --------------------------------------------------------------------------------------------------------------------- files

BOMB = "a0: &a0 [1, 1]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12))
MERGE_BOMB = "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}\n" for i in range(1, 12))
TEXTS: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "not YAML": (b"name: [1, 2\nstages: }", ("not valid YAML", "line 2")),
    "tab": (b"name:\n\t- 1", ("not valid YAML",)),
    "binary": (bytes(range(1, 256)), ("is not UTF-8 text at byte 127", "give a text file")),
    "control characters": (b"name: \x01", ("not valid YAML",)),
    "NUL": (b"name: \x00", ("not text: byte 6 is NUL", "give a text file")),
    "empty": (b"", ("a NoneType where a mapping is expected", "'field: value' pairs")),
    "comment only": (b"# nothing\n", ("a NoneType where a mapping is expected",)),
    "list": (b"- 1\n- 2\n", ("a list where a mapping is expected", "'field: value' pairs")),
    "scalar": (b"deepmad-r18\n", ("a str where a mapping is expected",)),
    "two documents": (b"name: a\n---\nname: b\n", ("not valid YAML", "single document")),
    "10 MB": (b"name: a\n" * 1_250_000, ("more than 1000000 bytes",)),
    "deep nesting": (b"a: " + b"[" * 50_000, ("nested too deeply",)),
    "alias bomb": (BOMB.encode(), ("more than 30000 values",)),
    "merge bomb": (MERGE_BOMB.encode(), ("more than 30000 values",)),
    "endless alias": (b"a: &a [*a]\n", ("more than 30000 values",)),
    "unknown alias": (b"a: *b\n", ("not valid YAML", "undefined alias")),
    "tag": (b"a: !!python/object/apply:os.system [ls]\n", ("not valid YAML", "could not determine a constructor")),
    "repeated key": (b"name: a\nname: b\n", ("not valid YAML", "key 'name' is given twice", "line 1")),
    "unhashable key": (b"? [1]\n: 2\n", ("not valid YAML", "unhashable key")),
    "number as key": (b"1: 2\n", ("name: is missing",)),
    "huge integer": (SMALL.read_bytes().replace(b"60000", b"9" * 5000), ("not valid YAML", "digits")),
    "1e400": (SMALL.read_bytes().replace(b"60000", b"1e400"), ("budgets.params: inf is refused", "finite")),
    "NaN": (SMALL.read_bytes().replace(b"60000", b".nan"), ("budgets.params: nan is refused",)),
    "no budget": (SMALL.read_bytes().replace(b"60000", b"''"), ("budgets.params: '' is not a number",)),
}


@pytest.mark.parametrize("case", TEXTS)
def test_a_wrong_text(case: str, tmp_path: Path, refused: Callable[..., str]) -> None:
    content, fragments = TEXTS[case]
    file = tmp_path / "spec.yaml"
    file.write_bytes(content)
    says(refused("show", file), str(file), *fragments)


def test_a_specification_of_too_many_values(
    tmp_path: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsing, "MAX_YAML_NODES", 50)
    file = tmp_path / "spec.yaml"
    file.write_text(f"name: {list(range(50))}")
    says(refused("show", file), str(file), "more than 50 values", "shorter")


def test_a_specification_that_is_not_there(tmp_path: Path, refused: Callable[..., str]) -> None:
    says(refused("show", tmp_path / "none.yaml"), "none.yaml", "No such file", "give an existing file")


def test_a_folder_as_specification(tmp_path: Path, refused: Callable[..., str]) -> None:
    says(refused("show", tmp_path), str(tmp_path), "is a folder, not a problem", "path of a specification")


def test_an_endless_file(refused: Callable[..., str]) -> None:
    says(refused("show", "/dev/zero"), "/dev/zero", "is a character device, not a regular file")


def test_a_name_of_two_lines(refused: Callable[..., str]) -> None:
    says(refused("show", "deepmad\nr18"), r"'deepmad\nr18' is not a preset")


# ------------------------------------------------------------------------------------------------------------------- options

OPTIONS: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "unknown preset": (["show", "resnet"], ("'resnet' is not a preset", "deepmad-r18", "path of a YAML file")),
    "no preset": (["show"], ("Missing argument", "show --help")),
    "unknown command": (["optimise"], ("'optimise'", "--help")),
    "unknown option": (["design", "deepmad-r18", "--sed", "1"], ("--sed", "--seed")),
    "unknown convention": (["show", "deepmad-r18", "--convention", "Paper"], ("convention: 'Paper' is refused", "'paper'")),
    "convention of a list": (["show", "deepmad-r18", "--convention", "[1]"], ("convention: '[1]' is refused", "'paper'")),
    "set without value": (["show", "deepmad-r18", "--set", "budgets"], ("--set: 'budgets' is not KEY=VALUE",)),
    "set without key": (["show", "deepmad-r18", "--set", "=3"], ("--set: '=3' is not KEY=VALUE",)),
    "set unknown": (["show", "deepmad-r18", "--set", "budget.flops=1"], ("budget: is not a known field", "budgets")),
    "set too deep": (["show", "deepmad-r18", "--set", "name.a.b=1"], ("--set: 'name.a.b' names nothing",)),
    "set outside": (["show", "deepmad-r18", "--set", "stages.5.depth=1"], ("--set: '5' in 'stages.5.depth'", "below 5")),
    "set by name": (["show", "deepmad-r18", "--set", "stages.x=1"], ("--set: 'x' in 'stages.x'", "count from 0")),
    "set a bad value": (["show", "deepmad-r18", "--set", "budgets.flops=-1"], ("budgets.flops: -1 is refused",)),
    "set no YAML": (["show", "deepmad-r18", "--set", "budgets.flops=[1"], ("--set: not valid YAML",)),
    "set an empty part": (
        ["show", "deepmad-r18", "--set", "budgets..flops=1"],
        ("--set: 'budgets..flops=1' is not KEY=VALUE",),
    ),
    "set nothing": (["show", "deepmad-r18", "--set", "stages="], ("stages: None is refused",)),
    "gap of letters": (["design", "deepmad-r18", "--gap", "small"], ("--gap", "'small' is not a number", "design --help")),
    "negative gap": (["design", "deepmad-r18", "--gap", "-1"], ("gap: -1.0 is not a gap", "1e-6")),
    "undefined gap": (["design", "deepmad-r18", "--gap", "nan"], ("gap: nan is not a gap",)),
    "infinite gap": (["design", "deepmad-r18", "--gap", "inf"], ("gap: inf is not a gap",)),
    "no time": (["design", "deepmad-r18", "--time-limit", "0"], ("time_limit: 0.0 is not a time", "positive")),
    "undefined time": (["design", "deepmad-r18", "--time-limit", "nan"], ("time_limit: nan is not a time",)),
    "time of letters": (["design", "deepmad-r18", "--time-limit", "1h"], ("--time-limit", "'1h' is not a number")),
    "no workers": (["design", "deepmad-r18", "--workers", "0"], ("workers: 0 is out of range", "from 1 to 1024")),
    "many workers": (["design", "deepmad-r18", "--workers", "100000"], ("workers: 100000 is out of range",)),
    "half a worker": (["design", "deepmad-r18", "--workers", "1.5"], ("--workers", "'1.5' is not a whole number")),
    "negative seed": (["design", "deepmad-r18", "--seed", "-1"], ("--seed", "-1 is not a seed", "from 0 to 2147483647")),
    "unknown formulation": (["design", "deepmad-r18", "--formulation", "sos2"], ("formulation: 'sos2'", "lattice")),
    "output into a file": (["design", "deepmad-r18", "--out", str(SMALL)], (f"--out: {SMALL} is not a folder",)),
    "output below a file": (["design", "deepmad-r18", "--out", f"{SMALL}/a/b"], (f"--out: {SMALL} is not a folder",)),
    "resume from nothing": (
        ["design", "deepmad-r18", "--resume", "no/such"],
        ("no/such: is not a folder", "folder of a design"),
    ),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_a_wrong_option(case: str, refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, fragments = OPTIONS[case]
    says(refused(*arguments), *fragments)
    assert not list(tmp_path.iterdir()), "a refused command leaves nothing behind"


# ------------------------------------------------------------------------------------------------------------- architectures

ARCHITECTURES: list[tuple[str, Any, tuple[str, ...]]] = [
    ("resolution", MISSING, ("resolution: is missing",)),
    ("resolution", 0, ("resolution: 0 is refused",)),
    ("resolution", "32", ("resolution: '32' is refused", "a whole number")),
    ("resolution", 4, ("stages.0.kernel", "kernel 3 is larger than the map of 2 x 2", "smaller kernel")),
    ("stem", MISSING, ("stem: is missing",)),
    ("stem", None, ("stem: None is refused", "'field: value' pairs")),
    ("stem.kernel", 2, ("stem.kernel: kernel 2 is even",)),
    ("stem.kernel", 33, ("stem.kernel: kernel 33 is larger than the map of 32 x 32",)),
    ("stem.channels", -1, ("stem.channels: -1 is refused",)),
    ("stem.padding", 1, ("stem.padding: is not a known field", "bits, channels, kernel, kernel_t, pool, stride")),
    ("stem.pool", 3, ("stem.pool: 3 is refused", "true or false")),
    ("stages", MISSING, ("stages: is missing",)),
    ("stages", [], ("stages: [] is refused", "at least 1 item")),
    ("stages", {}, ("stages: {} is refused", "give a list")),
    ("stages", [[]], ("stages.0: [] is refused", "'field: value' pairs")),
    ("stages.0.block", "bottlenek", ("stages.0.block: 'bottlenek' is not a block family", "'bottleneck'")),
    ("stages.0.block", 3, ("stages.0.block: 3 is refused", "give a text")),
    ("stages.0.stride", 0, ("stages.0.stride: 0 is refused",)),
    ("stages.0.depth", 0, ("stages.0.depth: 0 is refused",)),
    ("stages.0.depth", 10**6, ("stages.0.depth: 1000000 is refused", "1000")),
    ("stages.0.bottleneck", MISSING, ("stages.0.bottleneck: is missing",)),
    ("stages.1.channels", 64.0, ("stages.1.channels: 64.0 is refused",)),
    ("stages.1.kernel", 4, ("stages.1.kernel: kernel 4 is even", "odd kernel")),
    ("stages.1.kernel", 9, ("stages.1.kernel: kernel 9 is larger than the map of 8 x 8",)),
    ("head", "1280", ("head: '1280' is refused",)),
    ("stages.0.bottleneck", [32, 16, 8, 8, 8, 8], ("stages.0.bottleneck: 6 values for",)),
    ("stages.0.bottleneck", [], ("stages.0.bottleneck: [] is refused",)),
    ("stages.0.bottleneck", [32, "x"], ("stages.0.bottleneck.1: 'x' is refused",)),
    ("stages.0.bottlenecks", [32], ("stages.0.bottlenecks: is not a known field", "give bottleneck a list")),
    ("stages.0.bits", 5, ("stages.0.bits: 5 is refused", "give a list")),
    ("stages.0.bits", [[[8, 0]]], ("stages.0.bits.0.0.1: 0 is refused",)),
    ("stem.bits", [8, 8], ("stages.0.bits: is missing in a network of which other parts have bits",)),
    ("stem.bits", [8], ("stem.bits.1: is missing",)),
    ("stem.kernel_t", 3, ("stem.kernel_t: 3 in a network of pictures", "state frames")),
    ("head", {"channels": 5, "kernel": 3}, ("head.kernel: 3 is refused",)),
    ("head", {"channels": 5, "colour": 3}, ("head.colour: is not a known field", "bits, channels, kernel, kernel_t")),
    ("head", {}, ("head.channels: is missing",)),
    ("frames", 0, ("frames: 0 is refused",)),
    ("frames", 8, ("stages.0.block: bottleneck in a network of frames", "inverted_3d")),
    ("classes", -1, ("classes: -1 is refused",)),
    ("activation", "gelu", ("activation: is not a known field",)),
]


@pytest.mark.parametrize(("path", "value", "fragments"), ARCHITECTURES, ids=lambda case: str(case)[:40])
def test_a_wrong_architecture(
    path: str, value: Any, fragments: tuple[str, ...], tmp_path: Path, refused: Callable[..., str]
) -> None:
    file = tmp_path / "network.json"
    file.write_text(json.dumps(changed(ARCHITECTURE, path, value)))
    says(refused("evaluate", file), str(file), *fragments)


ARCHITECTURE_TEXTS: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "not JSON": (b"resolution: 32", ("not valid JSON", "give a JSON file")),
    "empty": (b"", ("not valid JSON",)),
    "binary": (b"\xff\xfe", ("is not UTF-8 text but UTF-16", "save it as UTF-8")),
    "list": (b"[1]", ("a list of designs", "one architecture")),
    "number": (b"7", ("an int where a mapping is expected",)),
    "null": (b"null", ("a NoneType where a mapping is expected",)),
    "10 MB": (b" " * 10_000_000, ("more than 1000000 bytes",)),
    "deep nesting": (b"[" * 100_000, ("nested too deeply, more than 50 levels",)),
    "repeated key": (b'{"resolution": 32, "resolution": 64}', ("resolution: is given twice",)),
    "repeated key below": (b'{"stem": {"kernel": 3, "kernel": 5}}', ("kernel: is given twice",)),
    "NaN": (b'{"resolution": NaN}', ("resolution: NaN is not a finite number",)),
    "1e400": (b'{"resolution": 1e400}', ("resolution: 1e400 is beyond every finite number",)),
    "huge integer": (b'{"resolution": ' + b"9" * 5000 + b"}", ("resolution: a number of 5000 digits", "finite number")),
    "run without design": (b'{"architecture": null}', ("architecture: null: the run found no design",)),
    "nested wrongly": (b'{"architecture": [1]}', ("a list where a mapping is expected",)),
}


@pytest.mark.parametrize("case", ARCHITECTURE_TEXTS)
@pytest.mark.parametrize("command", ["evaluate", "validate"])
def test_a_wrong_architecture_file(command: str, case: str, tmp_path: Path, refused: Callable[..., str]) -> None:
    content, fragments = ARCHITECTURE_TEXTS[case]
    file = tmp_path / "network.json"
    file.write_bytes(content)
    says(refused(command, file), str(file), *fragments)


# -------------------------------------------------------------------------------------------------- other tools' files

STEM: dict[str, Any] = {"class": "ConvKXBNRELU", "in": 3, "out": 16, "s": 2, "k": 3}
BLOCK: dict[str, Any] = {"class": "SuperResK1KXK1", "in": 16, "out": 32, "s": 2, "k": 3, "L": 2, "btn": 8}
STRUCTURE: dict[str, Any] = {"space_arch": "CnnNet", "best_structures": [[STEM, BLOCK, STEM | {"in": 32, "s": 1, "k": 1}]]}
FIRST = "best_structures.0"
STRUCTURES: list[tuple[str, Any, tuple[str, ...]]] = [
    ("best_structures", MISSING, ("best_structures: is missing",)),
    ("best_structures", [], ("best_structures: [] is refused", "at least 1 item")),
    ("best_structures", [[STEM]], (f"{FIRST}: [", "at least 2 items")),
    ("best_structures", [[STEM, STEM]], (f"{FIRST}: has no super-block", "SuperResK1KXK1")),
    ("best_structures", 7, ("best_structures: 7 is refused", "give a list")),
    ("space_arch", "VitNet", ("space_arch: 'VitNet' is not supported", "'CnnNet'", "'Cnn3DNet'")),
    ("space_arch", "Cnn3DNet", (f"{FIRST}.1.class: 'SuperResK1KXK1' is not supported", "SuperRes3DK1DWK1")),
    ("resolution", 0, ("resolution: 0 is refused",)),
    ("resolution", 4, ("stages.0.kernel: kernel 3 is larger than the map of 2 x 2",)),
    (f"{FIRST}.0.class", "SuperResK1KXK1", (f"{FIRST}.0.class: 'SuperResK1KXK1' is not supported as a stem", "ConvKXBNRELU")),
    (f"{FIRST}.0.L", 2, (f"{FIRST}.0.L: 2 on a single convolution", "remove it")),
    (f"{FIRST}.0.k", 4, ("stem.kernel: kernel 4 is even",)),
    (f"{FIRST}.1.class", "SuperResK1DWK1K1", (f"{FIRST}.1.class: 'SuperResK1DWK1K1' is not supported", "SuperResK1DWSEK1")),
    (f"{FIRST}.1.class", "ConvKXBNRELU", (f"{FIRST}.1.class: 'ConvKXBNRELU' is not supported between the first and the last",)),
    (f"{FIRST}.1.class", MISSING, (f"{FIRST}.1.class: is missing",)),
    (f"{FIRST}.1.in", 24, (f"{FIRST}.1.in: 24, but the layer before has 'out' 16", "let them agree")),
    (f"{FIRST}.1.out", "32", (f"{FIRST}.1.out: '32' is refused", "a whole number")),
    (f"{FIRST}.1.out", 10**30, (f"{FIRST}.1.out: 1000", "less than or equal to 1000000")),
    (f"{FIRST}.1.s", 3, (f"{FIRST}.1.s: 3 is refused", "less than or equal to 2")),
    (f"{FIRST}.1.L", MISSING, (f"{FIRST}.1.L: is missing", "add it")),
    (f"{FIRST}.1.L", 0, (f"{FIRST}.1.L: 0 is refused",)),
    (f"{FIRST}.1.btn", MISSING, (f"{FIRST}.1.btn: is missing", "add it")),
    (f"{FIRST}.1.p", 0, (f"{FIRST}.1.p: padding 0 is not supported", "padded by 1")),
    (f"{FIRST}.1.g", 2, (f"{FIRST}.1.g: 2 groups are not supported", "use 1")),
    (f"{FIRST}.1.act", "swish", (f"{FIRST}.1.act: 'swish' is not supported", "bottleneck blocks have relu")),
    (f"{FIRST}.1.inner_class", "ResKXKX", (f"{FIRST}.1.inner_class: 'ResKXKX'", "SuperResK1KXK1 consists of ResK1KXK1")),
    (f"{FIRST}.1.width", 8, (f"{FIRST}.1.width: is not a known field",)),
    (f"{FIRST}.2.k", 3, (f"{FIRST}.2.k: a head of kernel 3 and stride 1", "use k 1, kt 1 and s 1")),
]


@pytest.mark.parametrize(("path", "value", "fragments"), STRUCTURES, ids=lambda case: str(case)[:40])
def test_a_wrong_structure_file(
    path: str, value: Any, fragments: tuple[str, ...], tmp_path: Path, refused: Callable[..., str]
) -> None:
    file = tmp_path / "network.txt"
    file.write_text(repr(changed(STRUCTURE, path, value)))
    says(refused("evaluate", file), str(file), *fragments)


STRUCTURE_TEXTS: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "code": (b"__import__('os').system('true')", ("not a Python literal", "give a structure file")),
    "arithmetic": (b"{'best_structures': 2 ** 9 ** 9}", ("not a Python literal",)),
    "not closed": (b"{'best_structures': [[", ("not a Python literal",)),
    "empty": (b"", ("not a Python literal",)),
    "binary": (bytes(range(128, 256)), ("is not UTF-8 text",)),
    "null byte": (b"[\x00]", ("not text: byte 1 is NUL",)),
    "10 MB": (b" " * 10_000_000, ("more than 1000000 bytes",)),
    "deep nesting": (b"[" * 99_999, ("not a Python literal",)),
    "many values": (b"[" + b"0," * 200_000, ("more than 100000 values",)),
    "deep signs": (b"-" * 100_000 + b"1", ("not a Python literal",)),
    "huge integer": (b"{'best_structures': " + b"9" * 5000 + b"}", ("not a Python literal", "digits")),
    "repeated key": (b"{'best_structures': [], 'best_structures': []}", ("best_structures: is given twice",)),
    "unhashable key": (b"{[1]: 2}", ("not a Python literal", "unhashable")),
    "number": (b"7", ("an int where a mapping is expected",)),
    "empty list": (b"[]", ("best_structures.0: [] is refused",)),
    "numbers as layers": (b"[[1, 2]]", ("best_structures.0.0: 1 is refused", "'field: value' pairs")),
    "number as key": (b"[[{1: 2}, {}]]", ("best_structures.0.0",)),
    "JSON": (b'{"best_structures": null}', ("not a Python literal",)),
}


@pytest.mark.parametrize("case", STRUCTURE_TEXTS)
def test_a_wrong_text_of_a_structure_file(case: str, tmp_path: Path, refused: Callable[..., str]) -> None:
    content, fragments = STRUCTURE_TEXTS[case]
    file = tmp_path / "network.txt"
    file.write_bytes(content)
    says(refused("evaluate", file), str(file), *fragments)


RESNET: dict[str, Any] = {"resnet": {"block": "basic", "layers": [2, 2, 2, 2]}}
MOBILENET: dict[str, Any] = {"arch_def": [["ds_r1_k3_s1_c16"], ["ir_r2_k3_s2_e6_c24"]]}
DESCRIPTIONS: list[tuple[dict[str, Any], str, Any, tuple[str, ...]]] = [
    (RESNET, "resnet", [18], ("resnet: [18] is refused", "'field: value' pairs")),
    (RESNET, "resnet.block", "Bottleneck", ("resnet.block: 'Bottleneck' is refused", "'basic' or 'bottleneck'")),
    (RESNET, "resnet.layers", [2, 2, 2], ("resnet.layers: [2, 2, 2] is refused", "at least 4 items")),
    (RESNET, "resnet.layers.1", 0, ("resnet.layers.1: 0 is refused", "greater than or equal to 1")),
    (RESNET, "resnet.groups", 32, ("resnet.groups: 32 groups are not supported", "use 1")),
    (RESNET, "resnet.width_per_group", 128, ("resnet.width_per_group: 128 with basic blocks", "use 64, or bottleneck")),
    (RESNET, "resnet.zero_init", True, ("resnet.zero_init: is not a known field", "layers")),
    (RESNET, "arch_def", [["ds_r1_k3_s1_c16"]], ("arch_def: is not a known field", "resnet, resolution")),
    (RESNET, "resolution", 6, ("stem.kernel: kernel 7 is larger than the map of 6 x 6",)),
    (RESNET, "resolution", 20, ("stages.3.kernel", "larger than the map")),
    (MOBILENET, "arch_def", ["ir_r1_k3_s1_e6_c24"], ("arch_def.0: 'ir_r1_k3_s1_e6_c24' is refused", "give a list")),
    (MOBILENET, "arch_def.1.0", "er_r1_k3_s1_e6_c24", ("arch_def.1.0: 'er_r1_k3_s1_e6_c24' is of kind 'er'", "ir or ds")),
    (MOBILENET, "arch_def.1.0", "", ("arch_def.1.0: '' is of kind ''",)),
    (MOBILENET, "arch_def.1.0", "ir_r2_k3_s2_c24", ("arch_def.1.0", "has no e", "write as ir_r2_k3_s2_e6_c24")),
    (MOBILENET, "arch_def.1.0", "ir_r2_k3_s3_e6_c24", ("arch_def.1.0: s3", "is not a value of s")),
    (MOBILENET, "arch_def.1.0", "ir_r2_k3.5_s2_e6_c24", ("arch_def.1.0: k3.5", "is not a value of k")),
    (MOBILENET, "arch_def.1.0", "ir_r2_k3_s2_e6_c24_se0.25", ("arch_def.1.0: se0.25", "is not supported")),
    (MOBILENET, "arch_def.1.0", "ir_r2_k3_s2_e6_c24_noskip", ("arch_def.1.0: noskip", "is not supported")),
    (MOBILENET, "arch_def.1.0", "ir_r2_k3_s2_e6_c24_nhs", ("arch_def.1.0: nhs", "is not supported")),
    (MOBILENET, "arch_def.1.0", "ir_r2_r3_k3_s2_e6_c24", ("arch_def.1.0", "gives 'r' twice")),
    (MOBILENET, "arch_def.1.0", "ir_r0_k3_s2_e6_c24", ("arch_def.1.0: r0", "at least once")),
    (MOBILENET, "arch_def.1.0", "ir_r2_k3_s2_e0_c24", ("arch_def.1.0: e0", "such as e6")),
    (MOBILENET, "arch_def.1.0", "ir_r2_k3_s2_e6_c85", ("arch_def.1.0: c85", "not a multiple of 8", "c88")),
    (MOBILENET, "arch_def.1.0", "ir_r2_k4_s2_e6_c24", ("stages.1.kernel: kernel 4 is even",)),
    (MOBILENET, "act_layer", "silu", ("act_layer: 'silu' is refused", "'relu6'")),
    (MOBILENET, "stem_size", 0, ("stem_size: 0 is refused",)),
    (MOBILENET, "head", 1280, ("head: is not a known field", "num_features")),
]


@pytest.mark.parametrize(("data", "path", "value", "fragments"), DESCRIPTIONS, ids=lambda case: str(case)[:40])
def test_a_wrong_description(
    data: dict[str, Any], path: str, value: Any, fragments: tuple[str, ...], tmp_path: Path, refused: Callable[..., str]
) -> None:
    file = tmp_path / "network.yaml"
    file.write_text(yaml.safe_dump(changed(data, path, value)))
    says(refused("evaluate", file), str(file), *fragments)


EXCHANGES: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "unknown network": (["evaluate", "torchvision/resnet19"], ("'torchvision/resnet19' is not a network", "resnet18")),
    "name without library": (["evaluate", "resnet50"], ("resnet50", "No such file")),
    "unknown format": (["export", "torchvision/resnet18", "--to", "onxx"], ("--to: 'onxx' is not a format", "onnx")),
    "no format": (["export", "torchvision/resnet18"], ("Missing option '--to'",)),
    "pool for the tool": (["export", "torchvision/resnet18", "--to", "reference-txt"], ("stem.pool", "has no max pool")),
    "no folder": (
        ["export", "torchvision/resnet18", "--to", "json", "--out", "no/such.json"],
        ("--out: there is no folder no; make it",),
    ),
    "resolution of letters": (["evaluate", "torchvision/resnet18", "--resolution", "big"], ("'big' is not a whole number",)),
    "resolution 0": (["evaluate", "torchvision/resnet18", "--resolution", "0"], ("resolution: 0 is out of range",)),
    "unknown space": (["compare", "torchvision/resnet18", "--space", "resnet"], ("'resnet' is not a preset",)),
    "another resolution": (
        ["compare", "torchvision/resnet18", "--set", "input.resolution=160"],
        ("--set: input.resolution=160, but the network has 224",),
    ),
    "unknown convention": (["compare", "torchvision/resnet18", "--convention", "p"], ("convention: 'p' is not a convention",)),
    "compare nothing": (["compare", "no/such.txt"], ("no/such.txt", "No such file")),
    "compare without time": (["compare", "torchvision/resnet18", "--time-limit", "0"], ("time_limit: 0.0 is not a time",)),
    "compare into a file": (["compare", "torchvision/resnet18", "--out", str(SMALL)], (f"--out: {SMALL} is not a folder",)),
}


@pytest.mark.parametrize("case", EXCHANGES)
def test_a_wrong_exchange(case: str, refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, fragments = EXCHANGES[case]
    says(refused(*arguments), *fragments)
    assert not list(tmp_path.iterdir()), "a refused command leaves nothing behind"


def test_an_unknown_convention_of_an_evaluation(tmp_path: Path, refused: Callable[..., str]) -> None:
    file = tmp_path / "network.json"
    file.write_text(json.dumps(ARCHITECTURE))
    says(refused("evaluate", file, "--convention", "papers"), "convention: 'papers' is not a convention", "paper, reference")


@pytest.mark.parametrize("command", ["evaluate", "validate", "verify"])
def test_a_path_that_is_not_there(command: str, tmp_path: Path, refused: Callable[..., str]) -> None:
    says(refused(command, tmp_path / "none"), str(tmp_path / "none"))


# ------------------------------------------------------------------------------------------------------------------- folders

FOLDERS: dict[str, tuple[dict[str, bytes], tuple[str, ...]]] = {
    "empty": ({}, ("result.json", "No such file")),
    "no certificate": ({"result.json": b"{}"}, ("certificate.json", "No such file")),
    "result is no JSON": ({"result.json": b"{", "certificate.json": b"{}"}, ("result.json", "not valid JSON")),
    "result is a list": ({"result.json": b"[]", "certificate.json": b"{}"}, ("result.json", "is not a JSON object")),
    "certificate is binary": ({"result.json": b"{}", "certificate.json": b"\xff"}, ("certificate.json", "is not UTF-8 text")),
    "certificate is a number": ({"result.json": b"{}", "certificate.json": b"7"}, ("certificate.json", "is not a JSON object")),
    "certificate repeats a key": (
        {"result.json": b"{}", "certificate.json": b'{"tree": 1, "tree": 2}'},
        ("certificate.json", "tree: is given twice"),
    ),
}


@pytest.mark.parametrize("case", FOLDERS)
@pytest.mark.parametrize("command", [["verify"], ["design", str(SMALL), "--resume"]], ids=["verify", "resume"])
def test_a_wrong_folder(command: list[str], case: str, tmp_path: Path, refused: Callable[..., str]) -> None:
    files, fragments = FOLDERS[case]
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    says(refused(*command, tmp_path), str(tmp_path), *fragments)


RESULT: dict[str, Any] = {
    **{"name": "small", "convention": "reference", "status": "unknown", "objective": None, "bound": None, "gap": None},
    **{"architecture": None, "budgets": {}, "evaluation": None, "wall_seconds": 1.0, "peak_rss_mb": 1.0, "versions": {}},
    **{"seed": 0, "interrupted": True, "incidents": [], "problem": {}, "certificate_sha256": "0" * 64, "sha256": "0" * 64},
}
RESUMED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "no problem": ({}, ("result.json: status: is missing", "add it")),
    "a wrong problem": (RESULT | {"problem": {"name": 1}}, ("result.json: problem: name: 1 is refused",)),
    "a problem of letters": (RESULT | {"problem": "r18"}, ("result.json: problem: 'r18' is refused",)),
}


@pytest.mark.parametrize("case", RESUMED)
def test_a_wrong_result_to_resume(case: str, tmp_path: Path, refused: Callable[..., str]) -> None:
    result, fragments = RESUMED[case]
    (tmp_path / "result.json").write_text(json.dumps(result))
    (tmp_path / "certificate.json").write_text("{}")
    says(refused("design", SMALL, "--resume", tmp_path), *fragments)


def test_a_validation_of_a_folder_without_result(tmp_path: Path, refused: Callable[..., str]) -> None:
    says(refused("validate", tmp_path), "result.json", "No such file")


# --------------------------------------------------------------------------------------------------------- a real process


def test_no_traceback_from_a_real_process(tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text("stages: [")
    run = subprocess.run([sys.executable, "-m", "mipdesign", "design", file], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1)
    says(run.stderr, "error: ", str(file), "not valid YAML")


# ------------------------------------------------------------------------------------------------ names and places of files

ODD_NAMES: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "too long for a name": (["show", "x" * 5000], ("is not a preset",)),
    "too long for a path": (["evaluate", "x" * 5000], ("cannot be read (File name too long)",)),
    "too long for a folder": (["design", str(SMALL), "--out", "x" * 5000], ("--out: cannot write to", "File name too long")),
    "a terminal's command": (["verify", "\x1b[31mred"], (r"\x1b[31mred: is not a folder",)),
    "no character": (["evaluate", "\udcff.json"], (r"\udcff.json: cannot be read",)),
    "NUL in a table's name": (
        ["show", str(SMALL), "--set", 'budgets.latency={max: 1, table: "a\\0"}'],
        ("budgets.latency.table: ", "cannot be read (", "embedded null "),
    ),
    "an endless table": (
        ["show", str(SMALL), "--set", "budgets.latency={max: 1, table: /dev/zero}"],
        ("budgets.latency.table: /dev/zero: is a character device",),
    ),
    "a device to write to": (
        ["export", "torchvision/resnet18", "--to", "json", "--out", "/dev/null"],
        ("--out: cannot write to /dev/null (it is not a regular file)",),
    ),
}


@pytest.mark.parametrize("case", ODD_NAMES)
def test_an_odd_name(case: str, refused: Callable[..., str]) -> None:
    arguments, fragments = ODD_NAMES[case]
    says(refused(*arguments), *fragments)


ODD_YAML: dict[str, tuple[str, tuple[str, ...]]] = {
    "sixties": ("params: 1" + ":59" * 300_000, ("a number of 900001 digits",)),
    "underscores": ("params: 1" + "_" * 900_000, ("a number of 900001 digits",)),
    "anchors": (f"a: [{','.join(f'&a{i} 1' for i in range(31_000))}]", ("more than 30000 values",)),
    "keys": ("".join(f"a{i}: 1\n" for i in range(14_000)), ("a0: is not a known field",)),
    "a long key": (f"? {'k' * 500_000}\n: 1", ("kkk...: is not a known field",)),
    "a set": ("!!set {name, stages}", ("a set where a mapping is expected",)),
    "bytes": ("!!binary AAAA", ("a bytes where a mapping is expected",)),
    "no date": ("name: 2001-99-99", ("input: is missing",)),
    "no bytes": ("name: !!binary 1", ("not valid YAML",)),
    "half a character": ('name: "\\ud800"', ("name: ", "holds half a character")),
}


@pytest.mark.parametrize("case", ODD_YAML)
def test_odd_yaml(case: str, tmp_path: Path, refused: Callable[..., str]) -> None:
    text, fragments = ODD_YAML[case]
    file = tmp_path / "spec.yaml"
    file.write_text(text)
    line = refused("show", file)
    says(line, str(file), *fragments)
    assert len(line) < 1000


def test_the_mark_of_utf_8_is_read_over(tmp_path: Path) -> None:
    file = tmp_path / "network.json"
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps(ARCHITECTURE).encode())
    assert cli.main(["evaluate", str(file)]) == 0
