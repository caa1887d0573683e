"""The scores of the released tool, on its published networks and on random ones of its own making."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from mipdesign.networks.architecture import Architecture
from mipdesign.networks.evaluator import Evaluator, default_scoring

DATA = Path(__file__).parents[1] / "data"
NETWORKS = [
    n for name in ("published_more", "random_more") for n in json.loads((DATA / f"{name}.json").read_text())["networks"]
]
PLAIN = [n for n in NETWORKS if n["network"]["frames"] is None and "bits" not in n["network"]["stem"]]
"""Those without frames and bits."""

by_name = pytest.mark.parametrize("case", PLAIN, ids=lambda case: case["name"])


def architecture(case: dict[str, Any]) -> Architecture:
    """The network of a case."""
    network = case["network"]
    head = network["head"] and network["head"]["channels"]
    fields = ("resolution", "stem", "stages", "input_channels")
    return Architecture.from_dict({name: network[name] for name in fields} | {"head": head})


@by_name
def test_additive_score(case: dict[str, Any]) -> None:
    network = architecture(case)
    alpha = tuple(map(float, case["scoring"]["alpha"]))
    scoring = dataclasses.replace(default_scoring("reference", network, "madnas"), alpha=alpha)
    evaluator = Evaluator(network, scoring)
    assert evaluator.evaluation.objective == pytest.approx(case["figures"]["madnas"], rel=1e-9)
    assert float(evaluator.exact_objective()) == pytest.approx(evaluator.evaluation.objective, rel=1e-13)
    every = Evaluator(network, dataclasses.replace(scoring, alpha=(1.0,) * len(alpha))).evaluation
    assert every.weighted_stage_entropies == pytest.approx(case["figures"]["madnas_stages"], rel=1e-9)
    assert every.penalty == 0
    assert every.effectiveness == pytest.approx(case["figures"].get("effectiveness", every.effectiveness), rel=1e-9)
    assert every.layers == case["figures"]["layers"]


@by_name
def test_product_score(case: dict[str, Any]) -> None:
    stages = case["figures"].get("deepmad_stages_at_resolution")
    if stages is None:
        pytest.skip("the tool has no widths for these blocks")
    network = architecture(case)
    scoring = dataclasses.replace(default_scoring("reference", network), alpha=(1.0,) * len(stages))
    assert Evaluator(network, scoring).evaluation.weighted_stage_entropies == pytest.approx(stages, rel=1e-9)
