"""Super-blocks whose blocks differ in width, kernel and bits, as graphs and torch modules."""

from __future__ import annotations

from typing import Any

import networkx as nx
import pytest
from mipdesign.benchmarks.experiments.against_torch import KINDS
from mipdesign.benchmarks.experiments.exports import TOLERANCE, as_trained
from scale import few

from mipdesign.networks.architecture import Architecture, Stage, Stem
from mipdesign.nn.exports import torch_export_bytes
from mipdesign.nn.graph import to_graph
from mipdesign.nn.graph_files import graphml_text, read_graphml
from mipdesign.nn.lowering import to_module

torch = pytest.importorskip("torch")

from mipdesign.nn.validation import exact_checks, validate  # noqa: E402

UNEQUAL = Architecture(
    32,
    Stem(8),
    (Stage("bottleneck", 2, 16, (8, 24, 4), (3, 5, 1), 3), Stage("inverted", 2, 24, (48, 32), 3, 2)),
    classes=10,
)


@pytest.mark.parametrize("kind", ["video", "bits", "unequal"])
@pytest.mark.parametrize("seed", few(range(8), 1))
def test_counts_and_shapes_are_those_of_the_module(kind: str, seed: int) -> None:
    assert [check for check in exact_checks(KINDS[kind][0](seed)) if not check.passed] == []


def test_every_block_has_its_own_sizes(tmp_path: Any) -> None:
    graph = to_graph(UNEQUAL)
    network = to_module(graph)
    convs = [block.conv2 for block in network.blocks()]
    assert [(conv.out_channels, conv.kernel_size[0]) for conv in convs] == [(8, 3), (24, 5), (4, 1), (48, 3), (32, 3)]
    assert validate(UNEQUAL, draws=8).failures == ()
    again = read_graphml(graphml_text(graph))
    assert nx.utils.graphs_equal(again, graph)
    assert Architecture.from_dict(again.graph["architecture"]) == UNEQUAL
    trained, x = as_trained(UNEQUAL)
    (tmp_path / "network.pt2").write_bytes(torch_export_bytes(trained))
    torch.testing.assert_close(torch.export.load(tmp_path / "network.pt2").module()(x), trained(x), rtol=0, atol=TOLERANCE)
