"""Whether a graph is one that a network can be made of."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import networkx as nx

from ..errors import SpecError, a_thing, counted
from .graph import (
    ARGUMENTS,
    FUNCTIONS,
    GRAPH_ATTRIBUTES,
    INPUT,
    NODE_ATTRIBUTES,
    OF_QUANTISED,
    OF_VIDEO,
    OUTSIDE,
    Graph,
    arguments,
    execution_order,
    is_video,
    local_name,
    operation_of,
    part_name,
    parts,
)

_REMEDY = "use a graph as mipdesign.nn.graph.to_graph makes it"


def check_graph(graph: Graph) -> None:
    """Checks that a graph is a network of ours: one that can be executed and whose figures are those of its operations.

    Raises
    ------
    SpecError
        Naming the node (or the graph attribute), what is wrong with it and what would be right.
    """
    _check_wiring(graph)
    for name, expected in (GRAPH_ATTRIBUTES | ({"frames": int} if is_video(graph) else {})).items():
        _check_type(graph.graph, name, name, expected)
    for node in graph:
        _check_attributes(graph, node)
    for node in execution_order(graph):
        _check_arguments(graph, node)
        _check_shapes(graph, node)
        _check_counts(graph, node)
        _check_place(graph, node)
    _check_ends(graph)


def _check_wiring(graph: Graph) -> None:
    """A directed graph without parallel edges and cycles, from one input to one output."""
    if not isinstance(graph, nx.DiGraph) or graph.is_multigraph():
        raise SpecError("graph", a_thing(graph), "use a networkx.DiGraph")
    if INPUT not in graph:
        raise SpecError("graph", f"has no node {INPUT!r}", _REMEDY)
    if not nx.is_directed_acyclic_graph(graph):
        cycle = " -> ".join(source for source, _ in nx.find_cycle(graph))
        raise SpecError("graph", f"has a cycle: {cycle}", "a network is executed from its input to its output")
    starts = [node for node in graph if graph.in_degree(node) == 0]
    ends = [node for node in graph if graph.out_degree(node) == 0]
    if starts != [INPUT]:
        stray = next((node for node in starts if node != INPUT), INPUT)
        raise SpecError(stray, "reads nothing" if stray != INPUT else "reads another node", f"only {INPUT!r} reads nothing")
    if len(ends) != 1:
        raise SpecError("graph", f"has {len(ends)} outputs: {', '.join(ends)}", "the classifier is the only one")


def _check_type(data: Any, name: str, where: str, expected: type | tuple[type, ...]) -> None:
    if name not in data:
        raise SpecError(where, "is missing", _REMEDY)
    if not isinstance(data[name], expected):
        raise SpecError(where, f"{data[name]!r} is of type {type(data[name]).__name__}", _REMEDY)


def _check_attributes(graph: Graph, node: str) -> None:
    data, video = graph.nodes[node], is_video(graph)
    for name, expected in (NODE_ATTRIBUTES | (OF_VIDEO if video else {})).items():
        _check_type(data, name, f"{node}.{name}", expected)
    axes = "(channels, frames, height, width)" if video else "(channels, height, width)"
    for name in ("in_shape", "out_shape"):
        shape = data[name]
        if len(shape) != 3 + video or not all(isinstance(n, int) and n >= 1 for n in shape) or shape[-2] != shape[-1]:
            raise SpecError(f"{node}.{name}", f"{shape!r}", f"a shape is {axes}, height equal to width, all at least 1")
    for name in ("kernel", "stride", "groups", *(OF_VIDEO if video else ())):
        if data[name] < 1:
            raise SpecError(f"{node}.{name}", f"{data[name]}", "it is at least 1")
    if "bits" in data:
        _check_bits(node, data)
    if node != INPUT and data["kind"] not in ARGUMENTS:
        raise SpecError(f"{node}.kind", f"{data['kind']!r} is not a kind of operation", f"use one of {', '.join(ARGUMENTS)}")
    if data["kind"] == "activation" and data["function"] not in FUNCTIONS:
        raise SpecError(f"{node}.function", f"{data['function']!r} is not an activation", f"use one of {', '.join(FUNCTIONS)}")


def _check_bits(node: str, data: dict[str, Any]) -> None:
    """Convolutions alone have bits, and their weights a level beside 0."""
    _check_type(data, "bits", f"{node}.bits", OF_QUANTISED["bits"])
    bits = data["bits"]
    if data["kind"] != "conv":
        raise SpecError(f"{node}.bits", f"{bits!r} of {data['kind']}", "only convolutions have bits")
    if len(bits) != 2 or not all(isinstance(b, int) for b in bits) or bits[0] < 1 or bits[1] < 2:
        raise SpecError(f"{node}.bits", f"{bits!r}", "give at least 1 for the map and 2 for the weights")


def _check_arguments(graph: Graph, node: str) -> None:
    """As many arguments as the kind reads, each in its own position."""
    needed = ARGUMENTS.get(graph.nodes[node]["kind"], 0)
    given: list[Any] = [data.get("argument") for _, _, data in graph.in_edges(node, data=True)]
    if not all(isinstance(position, int) for position in given) or sorted(given) != list(range(needed)):
        raise SpecError(node, f"its incoming edges have 'argument' {given}", f"they have {list(range(needed))}, in any order")


def _check_shapes(graph: Graph, node: str) -> None:
    """Arguments fit each other and the operation; the result has the shape that the operation gives it."""
    if node == INPUT:
        return
    data, read = graph.nodes[node], arguments(graph, node)
    shapes = [tuple(graph.nodes[source]["out_shape"]) for source in read]
    if tuple(data["in_shape"]) != shapes[0]:
        raise SpecError(f"{node}.in_shape", f"{tuple(data['in_shape'])}", f"{read[0]} gives {shapes[0]}")
    c, r, frames = shapes[0][0], shapes[0][-1], shapes[0][1:-2]
    second = {"add": shapes[0], "scale": (c, *[1] * len(shapes[0][1:]))}.get(data["kind"])
    if second is not None and shapes[1] != second:
        raise SpecError(node, f"its second argument {read[1]} has shape {shapes[1]}", f"{data['kind']} needs {second}")
    _check_window(node, data, r)
    _check_channels(node, data, c)
    height = operation_of(graph, node).out_resolution
    if data["out_shape"][-1] != height:
        raise SpecError(
            f"{node}.out_shape", f"height {data['out_shape'][-1]}", f"stride {data['stride']} on height {r} gives {height}"
        )
    kept = tuple(1 for _ in frames) if data["kind"] == "global_pool" else frames
    if tuple(data["out_shape"][1:-2]) != kept:
        raise SpecError(f"{node}.out_shape", counted(data["out_shape"][1], "frame"), f"{data['kind']} gives {kept[0]}")


def _check_window(node: str, data: dict[str, Any], resolution: int) -> None:
    """Kernels are odd; only convolutions and pools have a stride; a 2x2 pool and a linear layer need a map that suits them."""
    kind, stride = data["kind"], data["stride"]
    fixed = {"conv": stride, "pool": 2, "max_pool": 2, "global_pool": resolution}.get(kind, 1)
    if stride != fixed:
        raise SpecError(f"{node}.stride", f"{stride}", f"{kind} on height {resolution} has stride {fixed}")
    for name in ("kernel", "kernel_t"):
        if data.get(name, 1) % 2 == 0:
            raise SpecError(f"{node}.{name}", f"{data[name]} is even", "use an odd kernel such as 3 or 5")
    if kind in ("pool", "max_pool") and resolution == 1:
        raise SpecError(node, "a strided pool on a map of 1x1", "use a larger resolution")
    if kind == "linear" and resolution != 1:
        raise SpecError(node, f"a linear layer on a map of {resolution}x{resolution}", "pool it to 1x1 first")


def _check_channels(node: str, data: dict[str, Any], channels: int) -> None:
    """Only convolutions and linear layers change the channels; groups divide them."""
    out, groups = data["out_shape"][0], data["groups"]
    if data["kind"] not in ("conv", "linear") and out != channels:
        raise SpecError(
            f"{node}.out_shape", counted(out, "channel"), f"{data['kind']} keeps the {channels} channels of its argument"
        )
    if channels % groups or out % groups:
        raise SpecError(f"{node}.groups", f"{groups}", f"it divides the channels {channels} and {out}")


def _check_counts(graph: Graph, node: str) -> None:
    if node == INPUT:
        return
    op = operation_of(graph, node)
    for name in ("params", "macs", "reference_flops"):
        given, right = graph.nodes[node][name], getattr(op, name)
        if given != right:
            raise SpecError(f"{node}.{name}", f"{given}", f"the operation has {right}")


def _check_place(graph: Graph, node: str) -> None:
    """The name of a node says where it stands, and so do ``stage`` and ``block``."""
    if node == INPUT:
        return
    data, name = graph.nodes[node], part_name(node)
    inside = data["stage"] != OUTSIDE
    expected = (f"stages.{data['stage']}.{data['block']}",) if inside else ("stem", "head", "classifier")
    if name not in expected:
        raise SpecError(
            node, f"stage {data['stage']} and block {data['block']} do not fit its name", f"name it {expected[0]}.NAME"
        )


def _check_ends(graph: Graph) -> None:
    """Parts in their order, the classifier at the end, and the graph attributes that repeat what the nodes say."""
    found = parts(graph)
    names = [part.name for part in found]
    blocks = sorted({(data["stage"], data["block"]) for _, data in graph.nodes(data=True) if data["stage"] != OUTSIDE})
    head = ["head"] if "head" in names else []
    expected = ["stem", *(f"stages.{stage}.{block}" for stage, block in blocks), *head, "classifier"]
    if names != expected or not _contiguous(blocks):
        raise SpecError(
            "graph", f"has the parts {', '.join(names)}", "they are: stem, stages.0.0, stages.0.1, ..., head, classifier"
        )
    classifier = [(local_name(node), graph.nodes[node]["kind"]) for node in found[-1].nodes]
    if classifier != [("pool", "global_pool"), ("linear", "linear")]:
        raise SpecError(
            "classifier", f"consists of {classifier}", "it is a global pool named pool and a linear layer named linear"
        )
    shape = graph.nodes[INPUT]["out_shape"]
    classes = graph.nodes[found[-1].nodes[-1]]["out_shape"][0]
    stated = {"resolution": shape[-1], "input_channels": shape[0], "classes": classes}
    for name, right in (stated | ({"frames": shape[1]} if is_video(graph) else {})).items():
        if graph.graph[name] != right:
            raise SpecError(name, f"{graph.graph[name]}", f"the nodes say {right}")


def _contiguous(blocks: list[tuple[int, int]]) -> bool:
    """Whether sorted ``(stage, block)`` pairs count up from (0, 0) without holes."""
    steps = pairwise(blocks)
    return blocks[:1] == [(0, 0)] and all(after in ((i, j + 1), (i + 1, 0)) for (i, j), after in steps)
