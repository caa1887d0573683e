"""The graph: names, attributes, sums against the evaluator and the published figures, and what check_graph refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from networks import PUBLISHED, architectures, published, small
from scale import examples

from mipdesign.errors import SpecError
from mipdesign.networks.architecture import Architecture, Stage, Stem
from mipdesign.networks.blocks import FAMILIES
from mipdesign.networks.evaluator import Evaluator, default_scoring
from mipdesign.nn.graph import INPUT, Graph, arguments, execution_order, is_main_path, local_name, operation_of, parts, to_graph
from mipdesign.nn.graph_checks import check_graph


def total(graph: Graph, what: str) -> int:
    return sum(data[what] for _, data in graph.nodes(data=True))


@pytest.mark.parametrize("name", PUBLISHED)
def test_sums_over_the_nodes_are_the_published_figures(name: str) -> None:
    graph, figures = to_graph(published(name)), PUBLISHED[name]
    check_graph(graph)
    assert total(graph, "params") == figures["with_classifier_1000"]["params"]
    assert total(graph, "macs") == figures["with_classifier_1000"]["conv_and_linear_macs"]
    assert total(graph, "reference_flops") == figures["reference_convention"]["flops"]


@given(architectures())
@examples(60)
def test_sums_over_the_nodes_are_the_counts_of_the_evaluator(architecture: Architecture) -> None:
    graph = to_graph(architecture)
    check_graph(graph)
    counts = Evaluator(architecture, default_scoring("reference", architecture)).counts
    assert total(graph, "params") == counts["params_total"]
    assert total(graph, "macs") == counts["macs"]
    assert total(graph, "reference_flops") == counts["reference_flops"]
    assert sum(is_main_path(graph, node) for node in graph) == counts["layers"]


@given(architectures())
@examples(60)
def test_nodes_carry_their_operations_in_the_order_of_execution(architecture: Architecture) -> None:
    graph = to_graph(architecture)
    assert list(execution_order(graph)) == list(graph)
    made = [replace(operation_of(graph, node), inputs=()) for node in graph if node != INPUT]
    assert made == [replace(op, inputs=(), present=True) for op in architecture.operations()]


@given(architectures())
@examples(30)
def test_a_graph_survives_json(architecture: Architecture) -> None:
    graph = to_graph(architecture)
    text = json.dumps(nx.node_link_data(graph, edges="edges"))
    copy = nx.node_link_graph(json.loads(text), edges="edges")
    check_graph(copy)
    assert Architecture.from_dict(copy.graph["architecture"]) == architecture
    assert [operation_of(copy, node) for node in copy if node != INPUT] == [
        operation_of(graph, node) for node in graph if node != INPUT
    ]


def test_counts_are_python_integers_whatever_the_architecture_holds() -> None:
    r, stem, c, b, k = (cast(int, np.int64(n)) for n in (32, 8, 8, 24, 3))
    graph = to_graph(Architecture(r, Stem(stem), (Stage("inverted_se", 2, c, b, k, 1),)))
    values = [value for _, data in graph.nodes(data=True) for name, value in data.items() if name != "role"]
    flat = [n for value in values for n in (value if isinstance(value, tuple) else (value,))]
    assert {type(n) for n in flat} == {int, str}
    assert type(graph.graph["resolution"]) is int


def test_names_and_places() -> None:
    graph = to_graph(small("bottleneck"))
    assert list(graph)[:5] == ["input", "stem.conv", "stem.conv_bn", "stem.conv_act", "stages.0.0.conv1"]
    assert list(graph)[-2:] == ["classifier.pool", "classifier.linear"]
    assert (graph.nodes["stages.0.1.conv2_bn"]["stage"], graph.nodes["stages.0.1.conv2_bn"]["block"]) == (0, 1)
    assert (graph.nodes["head.conv"]["stage"], graph.nodes["head.conv"]["block"]) == (-1, -1)
    assert graph.nodes["stages.0.0.conv2"]["in_shape"] == (16, 17, 17)
    assert graph.nodes["stages.0.0.conv2"]["out_shape"] == (16, 9, 9)
    assert graph.graph["classes"] == 10
    assert [part.name for part in parts(graph)] == ["stem", "stages.0.0", "stages.0.1", "stages.1.0", "head", "classifier"]


def test_two_argument_operations_know_which_argument_is_which() -> None:
    graph = to_graph(small("inverted_se"))
    assert arguments(graph, "stages.0.1.se_scale") == ("stages.0.1.conv2_act", "stages.0.1.se_expand_act")
    assert arguments(graph, "stages.0.1.add") == ("stages.0.1.conv3_bn", "stages.0.0.out_act")
    assert arguments(graph, "stages.1.0.add") == ("stages.1.0.conv3_bn", "stages.1.0.shortcut_pool")


@pytest.mark.parametrize("family", FAMILIES)
def test_shortcuts_are_those_of_the_family(family: str) -> None:
    """First block of ``small``: 8 to 12 channels, strided; second block: identity; third: 12 to 12 channels, strided."""
    graph = to_graph(small(family))
    projected = {node.rpartition(".")[0] for node in graph if local_name(node) == "shortcut"}
    added = {node.rpartition(".")[0] for node in graph if local_name(node) == "add"}
    every, first = {"stages.0.0", "stages.0.1", "stages.1.0"}, "stages.0.0"
    unstrided = {"linear_inverted": {"stages.0.1"}, "separable": {"stages.0.1"}}
    assert added == (every - {first} if family.startswith("inverted") else unstrided.get(family, every))
    both = {first, "stages.1.0"}
    projections = {"bottleneck": both, "resnet_bottleneck": both, "resnet_basic": both, "basic": {first}, "mixed": {first}}
    assert projected == projections.get(family, set())


def edge_back(graph: Graph) -> None:
    graph.add_edge("stages.0.1.out_act", "stages.0.0.conv1", argument=1)


def no_input(graph: Graph) -> None:
    graph.remove_node(INPUT)


def second_input(graph: Graph) -> None:
    graph.add_node("stages.0.0.extra", **graph.nodes[INPUT])
    graph.add_edge("stages.0.0.extra", "stages.0.0.add", argument=2)


def second_output(graph: Graph) -> None:
    graph.remove_edge("stages.0.0.conv1", "stages.0.0.conv1_bn")
    graph.add_edge("stem.conv_act", "stages.0.0.conv1_bn", argument=0)


def skip_connection_between_blocks(graph: Graph) -> None:
    graph.remove_edge("stages.0.0.out_act", "stages.0.1.add")
    graph.add_edge("stages.0.0.conv3", "stages.0.1.add", argument=1)


def swapped_gate(graph: Graph) -> None:
    for source, argument in (("conv2_act", 1), ("se_expand_act", 0)):
        graph.edges[f"stages.0.0.{source}", "stages.0.0.se_scale"]["argument"] = argument
    graph.nodes["stages.0.0.se_scale"]["in_shape"] = (16, 1, 1)


def no_argument(graph: Graph) -> None:
    del graph.edges["stages.0.0.conv1", "stages.0.0.conv1_bn"]["argument"]


def same_argument_twice(graph: Graph) -> None:
    graph.edges["stages.0.0.out_act", "stages.0.1.add"]["argument"] = 0


def hole_in_the_blocks(graph: Graph) -> None:
    names = {node: node.replace("stages.0.1.", "stages.0.2.") for node in graph}
    nx.relabel_nodes(graph, names, copy=False)
    for node in graph:
        if node.startswith("stages.0.2."):
            graph.nodes[node]["block"] = 2


def no_macs(graph: Graph) -> None:
    del graph.nodes["stages.0.0.conv2"]["macs"]


def attribute(node: str, name: str, value: Any) -> Callable[[Graph], None]:
    def change(graph: Graph) -> None:
        graph.nodes[node][name] = value

    return change


def graph_attribute(name: str, value: Any) -> Callable[[Graph], None]:
    def change(graph: Graph) -> None:
        graph.graph[name] = value

    return change


BROKEN: list[tuple[Callable[[Graph], None], str]] = [
    (edge_back, "cycle"),
    (no_input, "no node 'input'"),
    (second_input, "only 'input' reads nothing"),
    (second_output, "2 outputs"),
    (skip_connection_between_blocks, "stages.0.1.add: reads stages.0.0.conv3;"),
    (swapped_gate, "scale needs"),
    (no_argument, "stages.0.0.conv1_bn: its incoming edges"),
    (same_argument_twice, "stages.0.1.add: its incoming edges"),
    (hole_in_the_blocks, "has the parts"),
    (no_macs, "stages.0.0.conv2.macs: is missing"),
    (attribute("stages.0.0.conv2", "kernel", "3"), "stages.0.0.conv2.kernel: '3' is of type str"),
    (attribute("stages.0.0.conv2", "kernel", 4), "even"),
    (attribute("stages.0.0.conv2", "kernel", 0), "at least 1"),
    (attribute("stages.0.0.conv2", "kernel", 7), "stages.0.0.conv2.params"),
    (attribute("stages.0.0.conv2", "groups", 3), "stages.0.0.conv2.groups"),
    (attribute("stages.0.0.conv2", "stride", 1), "stages.0.0.conv2.out_shape"),
    (attribute("stages.0.0.conv2_bn", "stride", 2), "stages.0.0.conv2_bn.stride"),
    (attribute("stages.0.0.conv2", "in_shape", (16, 18, 18)), "stages.0.0.conv2.in_shape: (16, 18, 18)"),
    (attribute("stages.0.0.conv2", "out_shape", (16, 9)), "(channels, height, width)"),
    (attribute("stages.0.0.conv2_bn", "out_shape", (8, 9, 9)), "keeps the 16 channels"),
    (attribute("stages.0.0.conv2", "macs", 1), "stages.0.0.conv2.macs: 1"),
    (attribute("stages.0.0.conv2", "stage", 1), "do not fit its name"),
    (attribute("stages.0.0.conv2", "kind", "deconv"), "not a kind of operation"),
    (attribute("stages.0.0.conv2_act", "function", "gelu"), "not an activation"),
    (graph_attribute("resolution", 32), "resolution: 32; the nodes say 33"),
    (graph_attribute("classes", None), "classes"),
]


@pytest.mark.parametrize(("breaks", "message"), BROKEN)
def test_a_graph_that_is_not_ours_is_refused_with_the_node(breaks: Callable[[Graph], None], message: str) -> None:
    graph = to_graph(small("inverted_se"))
    breaks(graph)
    with pytest.raises(SpecError) as caught:
        check_graph(graph)
    assert message in str(caught.value)


@pytest.mark.parametrize("graph", [nx.Graph(), nx.MultiDiGraph(), nx.DiGraph(), {}, None])
def test_something_else_is_refused(graph: Any) -> None:
    with pytest.raises(SpecError, match="graph: "):
        check_graph(graph)


def test_a_classifier_of_another_form_is_refused() -> None:
    graph = nx.relabel_nodes(to_graph(small("basic")), {"classifier.linear": "classifier.fc"})
    with pytest.raises(SpecError, match="classifier: consists of"):
        check_graph(graph)


def test_a_pool_on_a_single_pixel_is_refused() -> None:
    graph = to_graph(Architecture(2, Stem(8), (Stage("basic", 2, 8, 8, 3, 1),)))
    with pytest.raises(SpecError, match="larger resolution"):
        check_graph(graph)
