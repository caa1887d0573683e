"""The checker's own figures of networks against those of the released tool, for networks that it published or made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mipdesign.checker.families import FRAMES
from mipdesign.checker.network import Block, Network, Stage, bits_held, objective, read_network, stages_of, total
from mipdesign.checker.space import Space, read_space

DATA = Path(__file__).parents[1] / "data"
FILES = (json.loads((DATA / f"{name}.json").read_text()) for name in ("published_more", "random_more"))
NETWORKS = [
    network
    for file in FILES
    for network in file["networks"]
    if all(len(set(map(tuple, block))) == 1 for stage in network["network"]["stages"] for block in stage.get("bits", ()))
]
"""Those of which all convolutions of a block have the same bits, as in every space."""


def space_of(case: dict[str, Any], score: str, alpha: list[float], resolution: int | None = None) -> Space:
    """A space that holds one network, scored as asked."""
    network, video, bits = case["network"], case["network"]["frames"] is not None, "bits" in case["network"]["stem"]
    wide = {"min": 1e-6}
    stages = [
        {
            "block": stage["block"], "stride": stage["stride"], "channels": [stage["channels"]], "growth": wide,
            "bottleneck": [stage["bottleneck"]], "bottleneck_ratio": wide | {"to_rounding": []},
            "kernels": [[stage["kernel_t"], stage["kernel"]] if video else stage["kernel"]], "depth": [stage["depth"]],
        } | ({"bits": bits_of(stage)} if bits else {})
        for stage in network["stages"]
    ]  # fmt: skip
    of_stem = ("kernel", "stride", "bits") if bits else ("kernel", "stride")
    stem = {name: network["stem"][name] for name in of_stem} | {"channels": [network["stem"]["channels"]]}
    objective: dict[str, Any] = {"beta": 0.0, "score": score, "alpha": alpha}
    if resolution is not None:
        objective["score_resolution"] = resolution
    given = {"resolution": network["resolution"], "channels": network["input_channels"]}
    data = {
        "name": case["name"], "convention": "reference", "input": given | ({"frames": network["frames"]} if video else {}),
        "stem": stem | ({"kernel_t": network["stem"]["kernel_t"]} if video else {}), "stages": stages, "classes": 1000,
        "head": network["head"] and {name: network["head"][name] for name in ("channels", "bits") if name in network["head"]},
        "budgets": {"flops": 1e15, "model_size": 1e15},
        "objective": objective,
    }  # fmt: skip
    return read_space(data, {})


def bits_of(stage: dict[str, Any]) -> dict[str, list[int]]:
    """The bits of a super-block's blocks as a space lists them."""
    names = ("activations", "weights")
    return {name: sorted({pair[at] for block in stage["bits"] for pair in block}) for at, name in enumerate(names)}


def network_of(case: dict[str, Any]) -> Network:
    network = case["network"]
    stages = []
    for stage in network["stages"]:
        kernel = stage["kernel"] + (stage.get("kernel_t", 1) - 1) * FRAMES
        pairs = [block[0] for block in stage["bits"]] if "bits" in stage else [(8, 8)] * stage["depth"]
        blocks = [Block(stage["bottleneck"], kernel, *pair) for pair in pairs]
        stages.append(Stage.of(stage["block"], stage["stride"], stage["channels"], blocks, "bits" in stage))
    return Network(network["stem"]["channels"], tuple(stages))


def scores(case: dict[str, Any], score: str, resolution: int | None = None) -> list[float]:
    """The score of the case, and then that of every stage alone."""
    n = len(case["figures"]["stage_blocks"])
    weights = [case["scoring"]["alpha"], *([float(i == j) for i in range(n)] for j in range(n))]
    network = network_of(case)
    return [float(objective(space_of(case, score, alpha, resolution), network)) for alpha in weights]


@pytest.mark.parametrize("case", NETWORKS, ids=lambda case: case["name"])
def test_figures_of_the_tool(case: dict[str, Any]) -> None:
    figures, network = case["figures"], network_of(case)
    space = space_of(case, case["scoring"]["score"], case["scoring"]["alpha"])
    for limit, name in zip(space.limits, ("flops", "model_size"), strict=True):
        assert total(space, network, limit.figure) == figures[name] * limit.parts
    head = case["network"]["head"]
    short = head and ({name: head[name] for name in ("channels", "bits")} if "bits" in head else head["channels"])
    assert read_network(case["network"] | {"head": short}, "network", space) == network
    assert total(space, network, "layers") == figures["layers"]
    ends = stages_of(space, network)
    assert [c for _, c, _ in ends] == figures["stage_channels"]
    if case["whole_maps"]:
        assert [r for r, _, _ in ends] == figures["stage_resolutions"]
    if "max_feature_list" in figures:
        assert bits_held(space, network) == [8 * x for x in figures["max_feature_list"]]
    if "effectiveness" in figures:
        widths: list[int] = []
        rho = []
        for _, _, of_stage in ends:
            widths += of_stage
            rho.append(len(widths) / float(pytest.importorskip("numpy").prod([w ** (1 / len(widths)) for w in widths])))
        assert max(rho) == pytest.approx(figures["effectiveness"], rel=1e-9)


@pytest.mark.parametrize("case", NETWORKS, ids=lambda case: case["name"])
def test_scores_of_the_tool(case: dict[str, Any]) -> None:
    figures = case["figures"]
    if "deepmad_stages_at_resolution" in figures:
        assert scores(case, "deepmad")[1:] == pytest.approx(figures["deepmad_stages_at_resolution"], rel=1e-9)
    if "madnas" in figures:
        assert scores(case, "madnas") == pytest.approx([figures["madnas"], *figures["madnas_stages"]], rel=1e-9)
    for field, resolution in (("160", 160), ("resolution", None)):
        if f"stentr_at_{field}" in figures and "inf" not in figures[f"stentr_stages_at_{field}"]:
            expected = [figures[f"stentr_at_{field}"], *figures[f"stentr_stages_at_{field}"]]
            assert scores(case, "stentr", resolution) == pytest.approx(expected, rel=1e-9)
