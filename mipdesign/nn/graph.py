"""A network as a directed graph: one node per operation, plain data on every node.

The graph is the exchange format between an :class:`~mipdesign.networks.architecture.Architecture` and whatever executes, draws
or exports it. Node names are attribute paths of the torch module that :func:`mipdesign.nn.lowering.to_module` makes of it:
``stem.conv``, ``stages.0.1.conv2_bn``, ``head.conv``, ``classifier.linear``. The node ``input`` stands for the picture.

Node attributes (:data:`NODE_ATTRIBUTES`) are integers, strings and tuples of integers, and survive a round trip through JSON:

``kind``, ``role``, ``kernel``, ``stride``, ``groups``, ``function``
    As in :class:`~mipdesign.networks.blocks.Operation`; ``kind`` and ``role`` of the input node are ``input``. ``kernel`` is
    that of a convolution or a max pool, 1 elsewhere.
``in_shape``, ``out_shape``
    ``(channels, height, width)`` of the first argument and of the result, without the batch.
``params``, ``macs``, ``reference_flops``
    What the operation costs; the sums over all nodes are the counts of :class:`~mipdesign.networks.evaluator.Evaluator`.
``stage``, ``block``
    Super-block and block within it, from 0; -1 outside the super-blocks.

An edge carries ``argument``, the position (from 0) of its source among the arguments of its target: ``scale`` reads the
trunk, then the gate; ``add`` the main path, then the shortcut. Graph attributes (:data:`GRAPH_ATTRIBUTES`) are
``resolution``, ``input_channels``, ``classes`` and ``architecture``, the network in its file format.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import networkx as nx

from ..errors import SpecError
from ..networks.architecture import Architecture
from ..networks.blocks import BLOCK_INPUT, Operation

Graph: TypeAlias = "nx.DiGraph[str]"
Shape: TypeAlias = tuple[int, int, int]
"""``(channels, height, width)``."""

INPUT = "input"
"""Name, kind and role of the node that stands for the picture."""

OUTSIDE = -1
"""``stage`` and ``block`` of a node that belongs to no super-block."""

NODE_ATTRIBUTES: dict[str, type | tuple[type, ...]] = {
    "kind": str,
    "role": str,
    "in_shape": (tuple, list),
    "out_shape": (tuple, list),
    "kernel": int,
    "stride": int,
    "groups": int,
    "function": str,
    "params": int,
    "macs": int,
    "reference_flops": int,
    "stage": int,
    "block": int,
}
"""Attributes of every node and their types; JSON turns the tuples of shapes into lists, which are accepted too."""

GRAPH_ATTRIBUTES: dict[str, type] = {"resolution": int, "input_channels": int, "classes": int, "architecture": dict}
"""Attributes of the graph and their types."""

ARGUMENTS = {
    "conv": 1,
    "norm": 1,
    "activation": 1,
    "pool": 1,
    "max_pool": 1,
    "global_pool": 1,
    "linear": 1,
    "add": 2,
    "scale": 2,
}
"""How many arguments each kind of operation reads."""

FUNCTIONS = ("relu", "relu6", "silu", "sigmoid")
"""Activation functions."""

_REMEDY = "use a graph as mipdesign.nn.graph.to_graph makes it"


@dataclass(frozen=True)
class Part:
    """A sub-network with one input and one output: the stem, a block, the head or the classifier.

    Attributes
    ----------
    name:
        Common prefix of its nodes, for example ``stages.0.1``.
    nodes:
        Its nodes in an order in which they can be executed; the last one is the output.
    source:
        The one node outside that it reads: the output of the part before, or the input node.
    """

    name: str
    nodes: tuple[str, ...]
    source: str


def to_graph(architecture: Architecture) -> Graph:
    """The graph of a network, nodes in the order of execution.

    See the module's description for names and attributes.
    """
    a = architecture
    graph: Graph = nx.DiGraph(
        resolution=int(a.resolution), input_channels=int(a.input_channels), classes=int(a.classes), architecture=a.to_dict()
    )
    picture = (int(a.input_channels), int(a.resolution), int(a.resolution))
    graph.add_node(INPUT, **_input_attributes(picture))
    source = INPUT
    source = _add_part(graph, "stem", a.stem_operations, source)
    for placed in a.blocks():
        name = f"stages.{placed.stage}.{placed.index}"
        source = _add_part(graph, name, placed.operations, source, placed.stage, placed.index)
    source = _add_part(graph, "head", a.head_operations, source)
    _add_part(graph, "classifier", a.classifier_operations, source)
    return graph


def _input_attributes(shape: Shape) -> dict[str, Any]:
    counts = {"params": 0, "macs": 0, "reference_flops": 0}
    outside = {"stage": OUTSIDE, "block": OUTSIDE}
    window = {"kernel": 1, "stride": 1, "groups": 1}
    return {"kind": INPUT, "role": INPUT, "in_shape": shape, "out_shape": shape, "function": "", **window, **counts, **outside}


def _add_part(
    graph: Graph, name: str, operations: tuple[Operation, ...], source: str, stage: int = OUTSIDE, block: int = OUTSIDE
) -> str:
    """Adds the operations of one part, which reads ``source``; returns the node that is its output."""
    node = source
    for op in operations:
        node = f"{name}.{op.name}"
        graph.add_node(node, **_attributes(op), stage=stage, block=block)
        for argument, read in enumerate(op.inputs):
            graph.add_edge(source if read == BLOCK_INPUT else f"{name}.{read}", node, argument=argument)
    return node


def _attributes(op: Operation) -> dict[str, Any]:
    r_in, r_out = int(op.resolution), int(op.out_resolution)
    return {
        "kind": op.kind,
        "role": op.role,
        "in_shape": (int(op.in_channels), r_in, r_in),
        "out_shape": (int(op.out_channels), r_out, r_out),
        "kernel": int(op.kernel),
        "stride": int(op.stride),
        "groups": int(op.groups),
        "function": op.function,
        "params": int(op.params),
        "macs": int(op.macs),
        "reference_flops": int(op.reference_flops),
    }


# ---------------------------------------------------------------------------------------------------------------- reading


def arguments(graph: Graph, node: str) -> tuple[str, ...]:
    """The nodes that a node reads, in the order of its arguments."""
    return tuple(sorted(graph.predecessors(node), key=lambda source: int(graph.edges[source, node]["argument"])))


def local_name(node: str) -> str:
    """Name of a node within its part: ``conv2_bn`` for ``stages.0.1.conv2_bn``."""
    return node.rpartition(".")[2]


def part_name(node: str) -> str:
    """Name of the part that a node belongs to: ``stages.0.1`` for ``stages.0.1.conv2_bn``."""
    return node.rpartition(".")[0]


def is_main_path(graph: Graph, node: str) -> bool:
    """Whether a node is a main-path convolution: a layer in the sense of the theory, with a width."""
    return bool(graph.nodes[node]["kind"] == "conv" and graph.nodes[node]["role"] == "main")


def execution_order(graph: Graph) -> Iterator[str]:
    """All nodes, arguments before their readers, otherwise in the order in which they were added."""
    added = {node: position for position, node in enumerate(graph)}
    return iter(nx.lexicographical_topological_sort(graph, key=added.__getitem__))


def operation_of(graph: Graph, node: str) -> Operation:
    """The operation of a node, as :mod:`mipdesign.networks.blocks` describes it; its inputs are names of nodes."""
    data, read = graph.nodes[node], arguments(graph, node)
    return Operation(
        local_name(node),
        read,
        data["kind"],
        data["in_shape"][0],
        data["out_shape"][0],
        data["in_shape"][1],
        kernel=data["kernel"],
        stride=data["stride"],
        groups=data["groups"],
        role=data["role"],
        function=data["function"],
        # a projected shortcut ends with the normalisation of its convolution, any other with a pool or with the block's input
        projected=data["kind"] == "add" and part_name(read[1]) == part_name(node) and graph.nodes[read[1]]["kind"] == "norm",
    )


def parts(graph: Graph) -> tuple[Part, ...]:
    """The parts of a network in the order of execution.

    Raises
    ------
    SpecError
        If a part reads anything but the output of the part before it.
    """
    members: dict[str, list[str]] = {}
    for node in execution_order(graph):
        if node != INPUT:
            members.setdefault(part_name(node), []).append(node)
    found: list[Part] = []
    source = INPUT
    for name, nodes in members.items():
        for node in nodes:
            for read in arguments(graph, node):
                if read != source and part_name(read) != name:
                    raise SpecError(
                        node, f"reads {read}", f"only {source}, where {name or 'its part'} begins, can be read from outside"
                    )
        found.append(Part(name, tuple(nodes), source))
        source = nodes[-1]
    return tuple(found)


# --------------------------------------------------------------------------------------------------------------- checking


def check_graph(graph: Graph) -> None:
    """Checks that a graph is a network of ours: one that can be executed and whose figures are those of its operations.

    Raises
    ------
    SpecError
        Naming the node (or the graph attribute), what is wrong with it and what would be right.
    """
    _check_wiring(graph)
    for name, expected in GRAPH_ATTRIBUTES.items():
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
        raise SpecError("graph", f"a {type(graph).__name__}", "use a networkx.DiGraph")
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
    data = graph.nodes[node]
    for name, expected in NODE_ATTRIBUTES.items():
        _check_type(data, name, f"{node}.{name}", expected)
    for name in ("in_shape", "out_shape"):
        shape = data[name]
        if len(shape) != 3 or not all(isinstance(n, int) and n >= 1 for n in shape) or shape[1] != shape[2]:
            raise SpecError(
                f"{node}.{name}", f"{shape!r}", "a shape is (channels, height, width), height equal to width, all at least 1"
            )
    for name in ("kernel", "stride", "groups"):
        if data[name] < 1:
            raise SpecError(f"{node}.{name}", f"{data[name]}", "it is at least 1")
    if node != INPUT and data["kind"] not in ARGUMENTS:
        raise SpecError(f"{node}.kind", f"{data['kind']!r} is not a kind of operation", f"use one of {', '.join(ARGUMENTS)}")
    if data["kind"] == "activation" and data["function"] not in FUNCTIONS:
        raise SpecError(f"{node}.function", f"{data['function']!r} is not an activation", f"use one of {', '.join(FUNCTIONS)}")


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
    c, r, _ = shapes[0]
    second = {"add": shapes[0], "scale": (c, 1, 1)}.get(data["kind"])
    if second is not None and shapes[1] != second:
        raise SpecError(node, f"its second argument {read[1]} has shape {shapes[1]}", f"{data['kind']} needs {second}")
    _check_window(node, data, r)
    _check_channels(node, data, c)
    height = operation_of(graph, node).out_resolution
    if data["out_shape"][1] != height:
        raise SpecError(
            f"{node}.out_shape", f"height {data['out_shape'][1]}", f"stride {data['stride']} on height {r} gives {height}"
        )


def _check_window(node: str, data: dict[str, Any], resolution: int) -> None:
    """Kernels are odd; only convolutions and pools have a stride; a 2x2 pool and a linear layer need a map that suits them."""
    kind, stride = data["kind"], data["stride"]
    fixed = {"conv": stride, "pool": 2, "max_pool": 2, "global_pool": resolution}.get(kind, 1)
    if stride != fixed:
        raise SpecError(f"{node}.stride", f"{stride}", f"{kind} on height {resolution} has stride {fixed}")
    if data["kernel"] % 2 == 0:
        raise SpecError(f"{node}.kernel", f"{data['kernel']} is even", "use an odd kernel such as 3 or 5")
    if kind in ("pool", "max_pool") and resolution == 1:
        raise SpecError(node, "a strided pool on a map of 1x1", "use a larger resolution")
    if kind == "linear" and resolution != 1:
        raise SpecError(node, f"a linear layer on a map of {resolution}x{resolution}", "pool it to 1x1 first")


def _check_channels(node: str, data: dict[str, Any], channels: int) -> None:
    """Only convolutions and linear layers change the channels; groups divide them."""
    out, groups = data["out_shape"][0], data["groups"]
    if data["kind"] not in ("conv", "linear") and out != channels:
        raise SpecError(f"{node}.out_shape", f"{out} channels", f"{data['kind']} keeps the {channels} channels of its argument")
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
    c, r, _ = graph.nodes[INPUT]["out_shape"]
    classes = graph.nodes[found[-1].nodes[-1]]["out_shape"][0]
    for name, right in (("resolution", r), ("input_channels", c), ("classes", classes)):
        if graph.graph[name] != right:
            raise SpecError(name, f"{graph.graph[name]}", f"the nodes say {right}")


def _contiguous(blocks: list[tuple[int, int]]) -> bool:
    """Whether sorted ``(stage, block)`` pairs count up from (0, 0) without holes."""
    steps = pairwise(blocks)
    return blocks[:1] == [(0, 0)] and all(after in ((i, j + 1), (i + 1, 0)) for (i, j), after in steps)
