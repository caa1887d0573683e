"""What people have and get wrong: one line with the field or file, what is wrong with it and the remedy; exit code 2."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mipdesign.cli import main as cli

SMALL = (Path(__file__).parents[1] / "data" / "small.yaml").read_text()
WRONG: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "octal": ("show", "a.yaml", SMALL + "classes: 010\n", ("given twice",)),
    "octal kernel": ("show", "a.yaml", "stem: {kernel: 03}", ("stem.kernel: 03 is 3 to YAML 1.1", "write 3")),
    "octal channels": ("show", "a.yaml", "stem: {channels: [010]}", ("stem.channels.0: 010 is 8", "write 8, or 10")),
    "no octal digit": ("show", "a.yaml", "classes: 09", ("classes: 09 is 9", "write 9")),
    "minutes": ("show", "a.yaml", "classes: 1:30", ("classes: 1:30 is 90", "write 90")),
    "underscores": ("show", "a.yaml", "classes: 1_000", ("classes: 1_000 is 1000", "write 1000")),
    "hexadecimal": ("show", "a.yaml", "classes: 0x1F", ("classes: 0x1F is 31", "write 31")),
    "a word for true": ("show", "a.yaml", "on: 3", ("on: is not a known field", "use one of")),
    "UTF-16": ("show", "a.yaml", "UTF-16", ("is not UTF-8 text but UTF-16", "save it as UTF-8")),
    "a misspelt field": (
        "evaluate",
        "a.json",
        '{"resoltion": 32}',
        ("resoltion: is not a known field", "did you mean 'resolution'?"),
    ),
    "ConvNeXt": (
        "evaluate",
        "a.yaml",
        "convnext: {depths: [2]}",
        ("convnext: ConvNeXt's layer scale is not supported", "arch_def"),
    ),
    "Hugging Face": ("evaluate", "a.json", '{"model_type": "vit"}', ("model_type: a sequence of tokens is not supported",)),
    "timm": ("evaluate", "a.json", '{"architecture": "resnet50.a1_in1k"}', ("architecture: ", "torchvision/resnet50")),
    "ResNeXt": ("evaluate", "a.yaml", "resnet: {groups: 32}", ("resnet.groups: 32 groups are not supported", "use 1")),
    "a specification": ("evaluate", "a.yaml", SMALL, ("is the specification of a problem, not a network", "design it")),
    "excitation": ("evaluate", "a.yaml", "arch_def: [[ir_r1_k3_s1_e6_c16_se0.25]]\nact: 3", ("se0.25", "is not supported")),
    "nearest name": ("evaluate", "torchvision/resnet19", "", ("did you mean 'torchvision/resnet18'?",)),
    "bare name": ("evaluate", "resnet50", "", ("did you mean 'torchvision/resnet50'?", "give an existing file")),
    "a preset": ("evaluate", "deepmad-r18", "", ("is a preset, a problem and not a network", "design it first")),
    "nearest preset": ("show", "deepmad-18", "", ("is not a preset", "did you mean 'deepmad-r18'?")),
    "nothing here": ("compare", "timm/convnext_tiny", "", ("ConvNeXt's layer scale is not supported", "use one of")),
    "no ONNX file": ("evaluate", "a.onnx", "ONNX", ("is not an ONNX file", "mipdesign export --to onnx")),
    "no GraphML": (
        "evaluate",
        "a.graphml",
        "<html></html>",
        ("a.graphml: graphml: cannot be read", "mipdesign export --to graphml"),
    ),
}
"""By what is wrong: command, file or name, content of the file, and parts of the line."""


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_input(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    command, name, content, fragments = WRONG[case]
    monkeypatch.chdir(tmp_path)
    if name.endswith(".onnx"):
        pytest.importorskip("onnx")
    if content:
        Path(name).write_text(content, encoding="utf-16" if content == "UTF-16" else "utf-8")
    assert cli.main([command, name]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), err[:7]) == ("", 1, "error: ")
    for fragment in fragments:
        assert fragment in err


def test_the_mark_of_utf_8_is_read_over_in_networks(tmp_path: Path) -> None:
    from mipdesign import read_network

    data = {"resnet": {"block": "basic", "layers": [1, 1, 1, 1]}}
    for name in ("a.json", "a.yaml"):
        (tmp_path / name).write_text(json.dumps(data), encoding="utf-8-sig")
        assert len(read_network(tmp_path / name).stages) == 4
