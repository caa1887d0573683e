"""A network as a directed graph: one node per operation, plain data on every node.

The graph is the exchange format between an :class:`~mipdesign.networks.architecture.Architecture` and whatever executes, draws
or exports it. Node names are attribute paths of the torch module that :func:`mipdesign.nn.lowering.to_module` makes of it:
``stem.conv``, ``stages.0.1.conv2_bn``, ``head.conv``, ``classifier.linear``. The node ``input`` stands for the picture.

Node attributes (:data:`NODE_ATTRIBUTES`) are integers, strings and tuples of integers, and survive a round trip through JSON:

``kind``, ``role``, ``kernel``, ``stride``, ``groups``, ``function``
    As in :class:`~mipdesign.networks.blocks.Operation`; ``kind`` and ``role`` of the input node are ``input``. ``kernel`` is
    that of a convolution or a max pool, 1 elsewhere.
``in_shape``, ``out_shape``
    ``(channels, height, width)`` of the first argument and of the result, without the batch; ``(channels, frames, height,
    width)`` in a network of video.
``kernel_t``
    In a network of video, how many frames the kernel spans.
``bits``
    Of a quantised convolution: those of the map that it reads and of its weights.
``params``, ``macs``, ``reference_flops``
    What the operation costs; the sums over all nodes are the counts of :class:`~mipdesign.networks.evaluator.Evaluator`.
``stage``, ``block``
    Super-block and block within it, from 0; -1 outside the super-blocks.

An edge carries ``argument``, the position (from 0) of its source among the arguments of its target: ``scale`` reads the
trunk, then the gate; ``add`` the main path, then the shortcut. Graph attributes (:data:`GRAPH_ATTRIBUTES`) are
``resolution``, ``input_channels``, ``classes`` and ``architecture``, the network in its file format; in video also ``frames``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import networkx as nx

from ..arguments import arguments as checked_arguments
from ..arguments import instance
from ..errors import SpecError
from ..networks.architecture import Architecture
from ..networks.blocks import BLOCK_INPUT, Operation

Graph: TypeAlias = "nx.DiGraph[str]"
Shape: TypeAlias = tuple[int, ...]
"""``(channels, height, width)``, in video ``(channels, frames, height, width)``."""

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

OF_VIDEO: dict[str, type] = {"kernel_t": int}
"""Attributes that the nodes of a network of video have beside them."""

OF_QUANTISED: dict[str, type | tuple[type, ...]] = {"bits": (tuple, list)}
"""Attributes that the convolutions of a quantised network have beside them."""

GRAPH_ATTRIBUTES: dict[str, type] = {"resolution": int, "input_channels": int, "classes": int, "architecture": dict}
"""Attributes of the graph and their types; a network of video also has ``frames``, an integer."""

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


@checked_arguments(architecture=instance(Architecture, "a network", "an Architecture, such as mipdesign.read_network() reads"))
def to_graph(architecture: Architecture) -> Graph:
    """The graph of a network, nodes in the order of execution.

    See the module's description for names and attributes.
    """
    a = architecture
    graph: Graph = nx.DiGraph(
        resolution=int(a.resolution), input_channels=int(a.input_channels), classes=int(a.classes), architecture=a.to_dict()
    )
    if a.frames is not None:
        graph.graph["frames"] = int(a.frames)
    graph.add_node(INPUT, **_input_attributes(input_shape(a)))
    source = INPUT
    source = _add_part(graph, "stem", a.stem_operations, source)
    for placed in a.blocks():
        name = f"stages.{placed.stage}.{placed.index}"
        source = _add_part(graph, name, placed.operations, source, placed.stage, placed.index)
    source = _add_part(graph, "head", a.head_operations, source)
    _add_part(graph, "classifier", a.classifier_operations, source)
    return graph


def input_shape(architecture: Architecture) -> Shape:
    """Shape of what enters a network, without the batch."""
    a = architecture
    return map_shape(a.input_channels, a.frames, a.resolution)


def map_shape(channels: int, frames: int | None, resolution: int) -> Shape:
    """Shape of a map, without the batch; of pictures if ``frames`` is ``None``."""
    return (int(channels), *(() if frames is None else (int(frames),)), int(resolution), int(resolution))


def is_video(graph: Graph) -> bool:
    """Whether a network reads video."""
    return "frames" in graph.graph


def _input_attributes(shape: Shape) -> dict[str, Any]:
    counts = {"params": 0, "macs": 0, "reference_flops": 0}
    outside = {"stage": OUTSIDE, "block": OUTSIDE}
    window = {"kernel": 1, "stride": 1, "groups": 1} | ({} if len(shape) == 3 else {"kernel_t": 1})
    return {"kind": INPUT, "role": INPUT, "in_shape": shape, "out_shape": shape, "function": "", **window, **counts, **outside}


def _add_part(
    graph: Graph, name: str, operations: tuple[Operation, ...], source: str, stage: int = OUTSIDE, block: int = OUTSIDE
) -> str:
    """Adds the operations of one part, which reads ``source``; returns the node that is its output."""
    node = source
    for op in operations:
        node = f"{name}.{op.name}"
        graph.add_node(node, **_attributes(op, is_video(graph)), stage=stage, block=block)
        for argument, read in enumerate(op.inputs):
            graph.add_edge(source if read == BLOCK_INPUT else f"{name}.{read}", node, argument=argument)
    return node


def _attributes(op: Operation, video: bool) -> dict[str, Any]:
    frames = int(op.frames) if video else None
    out_frames = 1 if video and op.kind == "global_pool" else frames
    return {
        "kind": op.kind,
        "role": op.role,
        "in_shape": map_shape(op.in_channels, frames, op.resolution),
        "out_shape": map_shape(op.out_channels, out_frames, op.out_resolution),
        "kernel": int(op.kernel),
        **({"kernel_t": int(op.kernel_t)} if video else {}),
        **({} if op.bits is None else {"bits": (int(op.bits[0]), int(op.bits[1]))}),
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
        data["in_shape"][-1],
        frames=1 if len(data["in_shape"]) == 3 else data["in_shape"][1],
        kernel_t=data.get("kernel_t", 1),
        bits=(data["bits"][0], data["bits"][1]) if "bits" in data else None,
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


def layers(graph: Graph) -> Iterator[dict[str, Any]]:
    """The operations of a graph in order, each as a row of a table: plain numbers and texts."""
    for name, node in graph.nodes(data=True):
        if name == INPUT:
            continue
        of_video = {"frames": node["out_shape"][1], "kernel_t": node["kernel_t"]} if "kernel_t" in node else {}
        yield {
            "name": name,
            **{key: node[key] for key in ("stage", "block", "kind", "role", "function")},
            **{"in_channels": node["in_shape"][0], "out_channels": node["out_shape"][0]},
            **{"in_resolution": node["in_shape"][-1], "out_resolution": node["out_shape"][-1]},
            **{key: node[key] for key in ("kernel", "stride", "groups")},
            **of_video,
            **({"bits": "/".join(map(str, node["bits"]))} if "bits" in node else {}),
            **{key: node[key] for key in ("params", "macs")},
        }
