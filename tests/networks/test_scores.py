"""The scores of the released tool, on its published networks and on random ones of its own making."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from mipdesign import SpecError
from mipdesign.networks.architecture import Architecture
from mipdesign.networks.evaluator import Evaluator, default_scoring
from mipdesign.networks.tool_counts import map_bytes

DATA = Path(__file__).parents[1] / "data"
NETWORKS = [
    n for name in ("published_more", "random_more") for n in json.loads((DATA / f"{name}.json").read_text())["networks"]
]

WITH_WIDTHS = [n for n in NETWORKS if "deepmad_stages_at_224" in n["figures"]]
"""Those whose blocks have widths in the tool, which has none for the others."""

every_network = pytest.mark.parametrize("case", NETWORKS, ids=lambda case: case["name"])


def evaluator(case: dict[str, Any], score: str, *, each_stage: bool = False, **changes: Any) -> Evaluator:
    """The evaluator of a case; with weights of 1 for ``each_stage`` on its own."""
    network = Architecture.from_dict(case["network"])
    alpha = [1.0] * (1 + network.stage_of[-1]) if each_stage else map(float, case["scoring"]["alpha"])
    scoring = default_scoring("reference", network, score)
    return Evaluator(network, dataclasses.replace(scoring, alpha=tuple(alpha), **changes))


def scores_of(case: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """The figures of a case by score: the figure of the objective, that of the stages, and what is set for them."""
    if case["scoring"]["score"] == "madnas":
        return [("madnas", "madnas_stages", {})]
    return [
        ("stentr_at_160", "stentr_stages_at_160", {"score_resolution": 160}),
        ("stentr_at_resolution", "stentr_stages_at_resolution", {}),
    ]


@every_network
def test_additive_score(case: dict[str, Any]) -> None:
    figures, score = case["figures"], case["scoring"]["score"]
    for objective, stages, changes in scores_of(case):
        found = evaluator(case, score, **changes)
        if figures[objective] == "inf":
            with pytest.raises(SpecError, match="has the proportions of its map"):
                found.exact_objective()
            continue
        assert found.evaluation.objective == pytest.approx(figures[objective], rel=1e-9)
        assert float(found.exact_objective()) == pytest.approx(found.evaluation.objective, rel=1e-13)
        assert found.evaluation.penalty == 0
        of_stages = evaluator(case, score, each_stage=True, **changes).evaluation.weighted_stage_entropies
        assert of_stages == pytest.approx(figures[stages], rel=1e-9)


@pytest.mark.parametrize("case", WITH_WIDTHS, ids=lambda case: case["name"])
def test_product_score(case: dict[str, Any]) -> None:
    for figure, resolution in (("deepmad_stages_at_resolution", case["network"]["resolution"]), ("deepmad_stages_at_224", 224)):
        found = evaluator(case | {"network": case["network"] | {"resolution": resolution}}, "deepmad", each_stage=True)
        assert found.evaluation.weighted_stage_entropies == pytest.approx(case["figures"][figure], rel=1e-9)


@every_network
def test_counts(case: dict[str, Any]) -> None:
    figures, found = case["figures"], evaluator(case, case["scoring"]["score"])
    network, evaluation = found.architecture, found.evaluation
    assert evaluation.flops == evaluation.tool_flops == figures["flops"]
    assert evaluation.bit_operations == 64 * figures["flops"]
    assert evaluation.model_size == figures["model_size"]
    assert evaluation.layers == figures["layers"]
    assert evaluation.effectiveness == pytest.approx(figures.get("effectiveness", evaluation.effectiveness), rel=1e-9)
    assert network.whole_maps == case["whole_maps"]
    held = map_bytes(network)
    if "max_feature" in figures:
        assert held is not None
        assert [float(size) for size in held] == figures["max_feature_list"]
        assert evaluation.max_feature == figures["max_feature"]
    else:
        assert (held is None) == (case["network"]["stages"][0]["block"] != "inverted")
    limits = {name: limit for name, limit in case["budgets"].items() if name in ("flops", "layers", "model_size")}
    if case["network"]["resolution"] == case["config_resolution"] and "latency" not in case["budgets"]:
        assert all(found.within(name, limit) for name, limit in limits.items()) == figures["within_budgets"]


@every_network
def test_stages(case: dict[str, Any]) -> None:
    figures, found = case["figures"], evaluator(case, case["scoring"]["score"])
    network, layers, blocks = found.architecture, 0, [1] + [0] * (len(figures["stage_blocks"]) - 1)
    for (_, widths), expected in zip(found.stages, figures["stage_layers"], strict=True):
        layers += len(widths)
        assert layers == expected
    for stage, j in zip(network.stages, network.stage_of, strict=True):
        blocks[j] += stage.depth
    blocks[-1] += network.head is not None
    assert list(itertools.accumulate(blocks)) == figures["stage_blocks"]
    assert [c for (_, c), _ in found.stages] == figures["stage_channels"]
    if network.whole_maps:
        assert [r for (r, _), _ in found.stages] == figures["stage_resolutions"]


@every_network
def test_files_give_the_same_network_again(case: dict[str, Any]) -> None:
    network = Architecture.from_dict(case["network"])
    assert Architecture.from_dict(json.loads(network.dumps())) == network
