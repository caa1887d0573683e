"""Torch modules of the released tool's networks against the figures that the tool gave, without our theory in between."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from scale import few

from mipdesign.networks.architecture import Architecture
from mipdesign.nn.graph import input_shape, to_graph

torch = pytest.importorskip("torch")

from mipdesign.nn.tool_tracing import tool_trace  # noqa: E402
from mipdesign.nn.tracing import main_path, meta_network  # noqa: E402
from mipdesign.nn.validation import exact_checks  # noqa: E402

DATA = Path(__file__).parents[1] / "data"
PUBLISHED, RANDOM = (json.loads((DATA / f"{name}.json").read_text())["networks"] for name in ("published_more", "random_more"))
CASES = few(PUBLISHED, 7) + few(RANDOM, 4)


def name_of(case: dict[str, Any]) -> str:
    return str(case["name"])


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_modules_count_what_the_tool_counts(case: dict[str, Any]) -> None:
    """Size, layers and, where no stride meets an odd map, operations and the memory of maps; and what the theory says."""
    architecture, figures = Architecture.from_dict(case["network"]), case["figures"]
    graph = to_graph(architecture)
    network = meta_network(graph)
    found = tool_trace(network, input_shape(architecture))
    assert found.model_size == figures["model_size"]
    assert len(main_path(network, graph)) == figures["layers"]
    assert [check for check in exact_checks(architecture) if not check.passed] == []
    if not case["whole_maps"]:
        return
    assert found.bit_operations == 64 * figures["flops"]
    if figures.get("max_feature_list") is not None:
        assert [float(held) for held in found.map_bytes] == figures["max_feature_list"]
