"""Frames and bits of a specification: what is refused, what is written, and which networks are inside."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from mipdesign import Problem, SpecError
from mipdesign.networks.architecture import Architecture

DATA = Path(__file__).parents[1] / "data" / "published_more.json"
PUBLISHED = {case["name"]: case["network"] for case in json.loads(DATA.read_text())["networks"]}
EIGHTS = {"min": 8, "max": 2048, "step": 8}


def stage(block: str, stride: int, **fields: Any) -> dict[str, Any]:
    """A super-block of a wide space."""
    wide = {"channels": EIGHTS, "bottleneck": EIGHTS, "bottleneck_ratio": {"min": 0.01}, "depth": {"min": 1, "max": 13}}
    return {"block": block, "stride": stride, "kernels": [3, 5]} | wide | fields


def video(**fields: Any) -> dict[str, Any]:
    """The space of E3D-M."""
    kernels = [[1, 3], [1, 5], [3, 3]]
    return {
        "name": "video",
        "input": {"resolution": 224, "frames": 16},
        "stem": {"channels": [24], "kernel": 3, "stride": 2},
        "stages": [stage("inverted_3d", s, kernels=kernels) for s in (2, 2, 2, 1, 2)],
        "head": {"channels": 512},
        "budgets": {"flops": 5e9, "layers": 83},
        "objective": {"score": "stentr"},
    } | fields


def quantised(**fields: Any) -> dict[str, Any]:
    """The space of Mixed-7d0G."""
    bits = {"activations": [3, 4, 5, 6], "weights": [3, 4, 5, 6]}
    return {
        "name": "quantised",
        "input": {"resolution": 224},
        "stem": {"channels": {"min": 8, "max": 32, "step": 8}, "kernel": 3, "stride": 2, "bits": [8, 8]},
        "stages": [stage("inverted", s, bits=bits) for s in (2, 2, 2, 1, 2)],
        "head": {"channels": 1280, "bits": [5, 5]},
        "budgets": {"flops": 109e6, "layers": 47, "model_size": 1e6, "max_feature": 1e6, "bit_operations": {"min": 1e6}},
        "objective": {"score": "madnas", "alpha": [0, 0, 1, 1, 6], "sigma_weights": 4},
    } | fields


@pytest.mark.parametrize(("space", "name"), [(video, "e3d-m"), (quantised, "mixed7d0G")])
def test_published_networks_are_inside(space: Any, name: str) -> None:
    problem, network = Problem.from_dict(space()), Architecture.from_dict(PUBLISHED[name])
    assert problem.violations(network) == []
    assert all(budget.holds for budget in problem.usage(network))
    assert Problem.from_dict(problem.to_dict()) == problem
    assert Problem.from_dict(json.loads(json.dumps(problem.to_dict()))).digest == problem.digest


def test_kernels_are_written_as_they_are_read() -> None:
    data = video()
    data["stages"][1]["kernels"] = [[3, 3], 5, [1, 3]]
    data["stages"][1]["forbidden"] = [{"kernels": [[3, 3]], "channels": [64]}]
    written = Problem.from_dict(data).to_dict()["stages"][1]
    assert written["kernels"] == [3, 5, [3, 3]]
    assert written["forbidden"][0]["kernels"] == [[3, 3]]


def test_networks_outside() -> None:
    problem, network = Problem.from_dict(quantised()), Architecture.from_dict(PUBLISHED["mixed7d0G"])
    first = network.stages[0]
    cases = {
        "stem": {"stem": dataclasses.replace(network.stem, bits=(4, 4))},
        "head": {"head_bits": (8, 8)},
        "stages.0": {"stages": (dataclasses.replace(first, bits=(((7, 5),) * 3, *first.bits[1:])), *network.stages[1:])},
    }
    for field, changes in cases.items():
        assert problem.outside_space(dataclasses.replace(network, **changes)) == [field]
    mixed = dataclasses.replace(first, bits=(((5, 5), (5, 4), (5, 5)), *first.bits[1:]))
    assert problem.outside_space(dataclasses.replace(network, stages=(mixed, *network.stages[1:]))) == ["stages.0"]
    film, other = Problem.from_dict(video()), Architecture.from_dict(PUBLISHED["e3d-m"])
    assert film.outside_space(dataclasses.replace(other, frames=8)) == ["frames"]
    longer = dataclasses.replace(other.stages[0], kernel_t=5)
    assert film.outside_space(dataclasses.replace(other, stages=(longer, *other.stages[1:]))) == ["stages.0"]


def with_stage(data: dict[str, Any], i: int, **fields: Any) -> dict[str, Any]:
    """A specification of which one super-block is changed."""
    data["stages"][i] = data["stages"][i] | fields
    return data


@pytest.mark.parametrize(
    ("data", "field", "words"),
    [
        (video(input={"resolution": 224}), "stages.0.kernels", "3x3 in a network of pictures"),
        (video(input={"resolution": 224, "frames": 1}), "stages.0.kernels", "1 frame"),
        (video(input={"resolution": 224, "frames": 0}), "input.frames", "0"),
        (with_stage(video(), 1, block="inverted"), "stages.1.block", "in a network of frames"),
        (with_stage(video(), 1, kernels=[[2, 3]]), "stages.1.kernels", "2x3 is even"),
        (with_stage(video(), 1, kernels=[[3, 3, 3]]), "stages.1.kernels", "is not a kernel"),
        (with_stage(video(), 1, kernels=[16387]), "stages.1.kernels", "larger than every map"),
        (video(stem={"channels": [24], "kernel_t": 17}), "stem.kernel_t", "16 frames"),
        (video(stem={"channels": [24], "kernel_t": 2}), "stem.kernel_t", "even"),
        (video(input={"resolution": 224, "frames": 14}), "stages.2.kernels", "14 x 14 x 14"),
        (video(objective={"score": "stentr", "score_resolution": 16}), "objective.score_resolution", "no map"),
        (video(objective={"score": "madnas", "score_resolution": 16}), "objective.score_resolution", "no meaning"),
        (video(objective={"sigma_weights": 3}), "objective.sigma_weights", "no meaning"),
        (video(objective={"score": "stentr", "sigma_weights": 0}), "objective.sigma_weights", "refused"),
        (quantised(objective={"score": "stentr"}), "objective.score", "video"),
        (quantised(head={"channels": 1280}), "head.bits", "missing"),
        (quantised(stem={"channels": [8]}), "stem.bits", "missing"),
        (quantised(stem={"channels": [8], "bits": [8]}), "stem.bits.1", "missing"),
        (with_stage(quantised(), 2, bits=None), "stages.2.bits", "missing"),
        (with_stage(quantised(), 2, bits={"activations": [3]}), "stages.2.bits.weights", "missing"),
        (with_stage(quantised(), 2, bits={"activations": [3], "weights": [40]}), "stages.2.bits.weights", "at most 32"),
        (with_stage(quantised(), 2, bits={"activations": [3], "weights": [1, 2]}), "stages.2.bits.weights", "at least 2"),
        (quantised(stem={"channels": [8], "bits": [8, 1]}), "stem.bits", "at least 2"),
        (quantised(head={"channels": 1280, "bits": [5, 1]}), "head.bits", "at least 2"),
        (with_stage(quantised(), 2, block="inverted_se"), "stages.2.bits", "cannot be quantised"),
        (with_stage(quantised(), 2, block=["inverted", "mixed"]), "budgets.max_feature", "mixed"),
    ],
)
def test_what_does_not_fit_together_is_refused(data: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        Problem.from_dict(data)
    assert caught.value.field.startswith(field)
    assert words in str(caught.value)


def test_latency_tables_are_refused() -> None:
    rows = ["kind,in_channels,out_channels,kernel,stride,groups,resolution,batch,microseconds", "conv,3,24,3,2,1,224,1,5"]
    with pytest.raises(SpecError, match=r"budgets\.latency: has no tables of video"):
        Problem.from_dict(video(budgets={"latency": {"max": 100, "table": rows}}))


def test_more_blocks_than_the_core_takes_are_refused() -> None:
    with pytest.raises(SpecError, match=r"stages: 65 blocks .* at most 62"):
        _ = Problem.from_dict(quantised()).elements


def test_blocks_may_not_span_different_numbers_of_frames() -> None:
    with pytest.raises(SpecError, match=r"stages\.1\.kernels: of several lengths"):
        Problem.from_dict(with_stage(video(), 1, uniform=False, kernels=[[1, 3], [3, 3]]))
