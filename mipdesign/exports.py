"""Networks as files for other tools: torch, torch.export, ONNX, GraphML and Graphviz's DOT, beside the text formats.

Modules are exported in evaluation mode, for any batch size. Without a folder of weights they are initialised from a seed.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import networkx as nx

from .architecture import Architecture
from .errors import MissingExtraError, SpecError
from .exchange import FORMATS as TEXT_FORMATS
from .exchange import network_text
from .files import write_whole
from .graph import GRAPH_ATTRIBUTES, NODE_ATTRIBUTES, Graph, check_graph, to_graph
from .lowering import require_torch, to_module

if TYPE_CHECKING:
    from .network import DesignedNetwork

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
            graph.add_node(node, **{key: _value(value, NODE_ATTRIBUTES.get(key)) for key, value in data.items()})
    except (nx.NetworkXException, SyntaxError, ValueError, KeyError) as error:
        raise SpecError("graphml", f"cannot be read ({error})", "give a file of 'mipdesign export --to graphml'") from None
    graph.graph.pop("node_default", None)
    graph.graph.pop("edge_default", None)
    graph.add_edges_from(plain.edges(data=True))
    check_graph(graph)
    return graph


def _scalar(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, (tuple, list, dict)) else value


def _value(value: Any, kind: Any) -> Any:
    """An attribute as :mod:`mipdesign.graph` has it."""
    if kind is dict:
        return json.loads(value)
    return tuple(json.loads(value)) if isinstance(kind, tuple) else value


def dot_text(graph: Graph) -> str:
    """A graph as DOT, a box per operation with its shape and a frame per part."""
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
    kind, window = data["kind"], f" {data['kernel']}x{data['kernel']}" if data["kernel"] > 1 else ""
    stride = f" /{data['stride']}" if data["stride"] > 1 else ""
    what = f"{data['function'] or kind}{window}{stride}"
    label = f"{node.rpartition('.')[2]}\n{what}\n{' x '.join(map(str, data['out_shape']))}"
    return f"label={json.dumps(label)}, fillcolor={json.dumps(COLOURS.get(kind, 'white'))}"


def _module(architecture: Architecture, weights: Path | None, seed: int) -> DesignedNetwork:
    """The module that is exported, in evaluation mode."""
    require_torch("an export of the torch module")
    import torch

    if weights is not None:
        from .pretrained import from_pretrained

        network = from_pretrained(weights)
        if network.architecture != architecture:
            raise SpecError("--weights", f"{weights} has the weights of another network", "give the folder of this network")
        return network
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return to_module(to_graph(architecture)).eval()


def _pictures(architecture: Architecture) -> Any:
    """A batch of two pictures to trace with: 1 would be taken for a constant."""
    import torch

    return torch.zeros(2, architecture.input_channels, architecture.resolution, architecture.resolution)


def exported_program(network: DesignedNetwork) -> Any:
    """The ``torch.export.ExportedProgram`` of a network, for any batch size."""
    import torch

    batch = torch.export.Dim("batch", min=1)
    return torch.export.export(network, (_pictures(network.architecture),), dynamic_shapes=({0: batch},))


def _torch_export(network: DesignedNetwork) -> bytes:
    import torch

    content = io.BytesIO()
    torch.export.save(exported_program(network), content)
    return content.getvalue()


def _onnx(network: DesignedNetwork) -> bytes:
    import torch

    for package in ("onnx", "onnxscript"):
        try:
            __import__(package)
        except ModuleNotFoundError as error:
            raise MissingExtraError(package, "onnx", "an ONNX file") from error
    batch = torch.export.Dim("batch", min=1)
    program = torch.onnx.export(
        network,
        (_pictures(network.architecture),),
        input_names=["pictures"],
        output_names=["logits"],
        dynamic_shapes=({0: batch},),
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    content = io.BytesIO()
    program.save(content)
    return content.getvalue()


@dataclass(frozen=True)
class Format:
    """One format of an export.

    Attributes
    ----------
    title:
        One line for people.
    of_graph, of_module:
        What makes the file's content, from the graph or from the module.
    """

    title: str
    of_graph: Callable[[Graph], str] | None = None
    of_module: Callable[[DesignedNetwork], bytes] | None = None


FOLDER = "torch"
"""The format that is a folder: ``network.json`` and ``model.safetensors``."""
FORMATS: dict[str, Format] = {
    "json": Format("an architecture file"),
    "reference-txt": Format("a structure file of DeepMAD's tool"),
    "graphml": Format("the graph, an operation per node", of_graph=graphml_text),
    "dot": Format("the graph for Graphviz", of_graph=dot_text),
    FOLDER: Format("a folder with the network and its weights"),
    "torch-export": Format("a program of torch.export (.pt2)", of_module=_torch_export),
    "onnx": Format("an ONNX file", of_module=_onnx),
}
"""Formats by name."""


def export(architecture: Architecture, form: str, weights: Path | None = None, seed: int = 0) -> str | bytes:
    """A network in one of :data:`FORMATS` but :data:`FOLDER`, as the content of a file.

    Parameters
    ----------
    weights:
        Folder of :func:`mipdesign.pretrained.save_pretrained`; fresh weights from ``seed`` without.

    Raises
    ------
    MissingExtraError
        If what the format needs is not installed.
    SpecError
        If there is no such format, it cannot express the network, or the weights are not the network's.
    """
    if form not in FORMATS or form == FOLDER:
        raise SpecError("--to", f"{form!r} is not a format", f"use one of: {', '.join(FORMATS)}")
    if form in TEXT_FORMATS:
        return network_text(architecture, form)
    chosen = FORMATS[form]
    if chosen.of_graph is not None:
        return chosen.of_graph(to_graph(architecture))
    assert chosen.of_module is not None
    return chosen.of_module(_module(architecture, weights, seed))


def export_folder(architecture: Architecture, folder: Path, seed: int = 0) -> None:
    """Writes the network with fresh weights into a folder; see :func:`mipdesign.pretrained.save_pretrained`."""
    from .pretrained import save_pretrained

    save_pretrained(_module(architecture, None, seed), folder)


def write(content: str | bytes, path: Path) -> None:
    """Writes the content of an export.

    Raises
    ------
    SpecError
        If the file cannot be written.
    """
    try:
        write_whole(path, content if isinstance(content, bytes) else content.encode())
    except OSError as error:
        raise SpecError("--out", f"cannot write {path} ({error.strerror})", "give a writable file") from None
