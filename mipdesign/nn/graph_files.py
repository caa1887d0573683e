"""A network's graph as GraphML, which is read again, and as Graphviz's DOT."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import networkx as nx

from ..errors import SpecError
from ..networks.architecture import Architecture
from .graph import GRAPH_ATTRIBUTES, NODE_ATTRIBUTES, OF_QUANTISED, Graph, to_graph
from .graph_checks import check_graph

OF_NODES = NODE_ATTRIBUTES | OF_QUANTISED
"""Types of the attributes of nodes."""
COLOURS = {"conv": "#cfe8ff", "linear": "#cfe8ff", "add": "#ffe3b3", "scale": "#ffe3b3"}
"""Colours of nodes in DOT, by kind."""


def graphml_text(graph: Graph) -> str:
    """A graph as GraphML; tuples and dictionaries, which it does not know, as JSON text. :func:`read_graphml` undoes it."""
    plain: Graph = nx.DiGraph(**{key: _scalar(value) for key, value in graph.graph.items()})
    for node, data in graph.nodes(data=True):
        plain.add_node(node, **{key: _scalar(value) for key, value in data.items()})
    plain.add_edges_from(graph.edges(data=True))
    return "\n".join(nx.generate_graphml(plain, named_key_ids=True)) + "\n"


def read_graphml(text: str) -> Graph:
    """The graph of a text that :func:`graphml_text` made, nodes in the same order.

    Raises
    ------
    SpecError
        If it is not GraphML, or not a network of ours.
    """
    try:
        plain: Graph = nx.parse_graphml(text)
        graph: Graph = nx.DiGraph(**{key: _value(value, GRAPH_ATTRIBUTES.get(key)) for key, value in plain.graph.items()})
        for node, data in plain.nodes(data=True):
            graph.add_node(node, **{key: _value(value, OF_NODES.get(key)) for key, value in data.items()})
    except (nx.NetworkXException, SyntaxError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise SpecError("graphml", f"cannot be read ({error})", "give a file that an export wrote") from None
    graph.graph.pop("node_default", None)
    graph.graph.pop("edge_default", None)
    graph.add_edges_from(plain.edges(data=True))
    check_graph(graph)
    return graph


def network_of_graphml(text: str) -> Architecture:
    """The network of a text that :func:`graphml_text` made: the graph is that of the network that it states.

    Raises
    ------
    SpecError
        If it is not GraphML, not a network of ours, or another one than it states.
    """
    graph = read_graphml(text)
    network = Architecture.from_dict(graph.graph["architecture"])
    stated = to_graph(network)
    for node in stated:
        if node not in graph or dict(graph.nodes[node]) != dict(stated.nodes[node]):
            raise SpecError(node, "is not that of the network that the file states", "export the network again")
    if set(graph) != set(stated) or {(*edge[:2], *edge[2].items()) for edge in graph.edges(data=True)} != {
        (*edge[:2], *edge[2].items()) for edge in stated.edges(data=True)
    }:
        raise SpecError("graph", "has other operations than the network that the file states", "export the network again")
    return network


def _scalar(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, (tuple, list, dict)) else value


def _value(value: Any, kind: Any) -> Any:
    """An attribute as :mod:`mipdesign.nn.graph` has it."""
    if kind is dict:
        return json.loads(value)
    return tuple(json.loads(value)) if isinstance(kind, tuple) else value


def dot_text(graph: Graph) -> str:
    """A graph as DOT, a box per operation with its shape and its bits, if it has any, and a frame per part."""
    lines = ["digraph network {", '  node [shape=box, style=filled, fillcolor=white, fontname="sans-serif"];']
    members: dict[str, list[str]] = {}
    for node in graph:
        members.setdefault(node.rpartition(".")[0], []).append(node)
    for number, (part, nodes) in enumerate(members.items()):
        if part:
            lines += [f"  subgraph cluster_{number} {{", f"    label={json.dumps(part)};"]
        lines += [f"    {json.dumps(node)} [{_dot_attributes(node, graph.nodes[node])}];" for node in nodes]
        if part:
            lines.append("  }")
    lines += [f"  {json.dumps(source)} -> {json.dumps(target)};" for source, target in graph.edges]
    return "\n".join([*lines, "}"]) + "\n"


def _dot_attributes(node: str, data: Mapping[str, Any]) -> str:
    kernel = [data["kernel"]] * 2 if "kernel_t" not in data else [data["kernel_t"], data["kernel"], data["kernel"]]
    kind, window = data["kind"], f" {'x'.join(map(str, kernel))}" if max(kernel) > 1 else ""
    stride = f" /{data['stride']}" if data["stride"] > 1 else ""
    what = f"{data['function'] or kind}{window}{stride}"
    lines = [node.rpartition(".")[2], what, " x ".join(map(str, data["out_shape"]))]
    if "bits" in data:
        activations, weights = data["bits"]
        lines.append(f"{activations}-bit input, {weights}-bit weights")
    label = "\n".join(lines)
    return f"label={json.dumps(label)}, fillcolor={json.dumps(COLOURS.get(kind, 'white'))}"
