"""Networks as files for other tools: torch, torch.export, ONNX, GraphML and Graphviz's DOT, beside the text formats.

Modules are exported in evaluation mode, at the network's resolution, for batches of any size.
"""

from __future__ import annotations

import io
import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import networkx as nx

from ..errors import SpecError, require
from ..files import write_whole, writing
from ..io.exchange import network_text, read_network
from ..networks.architecture import Architecture
from .graph import GRAPH_ATTRIBUTES, NODE_ATTRIBUTES, OF_QUANTISED, Graph, input_shape, to_graph
from .graph_checks import check_graph
from .lowering import to_module
from .pretrained import WEIGHTS, from_pretrained, save_pretrained

if TYPE_CHECKING:
    from .features import FeatureNetwork
    from .module import DesignedNetwork

Exported: TypeAlias = "DesignedNetwork | FeatureNetwork"
"""What is exported: a network with its logits, or the maps of its levels."""
OF_NODES = NODE_ATTRIBUTES | OF_QUANTISED
"""Types of the attributes of nodes."""
OPSET = 20
"""Version of ONNX's operators in an export."""
CALIBRATION = 8
"""Random pictures from which fresh networks of few bits get their ranges."""
ONNX_BYTES = 2**31 - 1
"""Largest ONNX file: that of a protocol buffer."""
INPUT_NAME, OUTPUT_NAME = "pictures", "logits"
"""Names of an ONNX file's input, and of its output unless that is maps: those have the names of their levels."""
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
    except (nx.NetworkXException, SyntaxError, ValueError, TypeError, KeyError) as error:
        raise SpecError("graphml", f"cannot be read ({error})", "give a file of 'mipdesign export --to graphml'") from None
    graph.graph.pop("node_default", None)
    graph.graph.pop("edge_default", None)
    graph.add_edges_from(plain.edges(data=True))
    check_graph(graph)
    return graph


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


# ----------------------------------------------------------------------------------------------------------------- modules


def module_of(architecture: Architecture, weights: Path | None = None, seed: int = 0) -> DesignedNetwork:
    """The module that is exported, in evaluation mode.

    Parameters
    ----------
    weights:
        Folder of :func:`mipdesign.nn.pretrained.save_pretrained`, whose classes and input channels count; fresh weights
        without.
    seed:
        Of fresh weights.

    Raises
    ------
    MissingExtraError
        If torch or safetensors is not installed.
    SpecError
        If the weights cannot be read or belong to another network.
    """
    require("torch", "torch", "an export of the torch module")
    import torch

    if weights is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = to_module(to_graph(architecture)).eval()
            if architecture.quantised:
                from .quantised import calibrate

                calibrate(network, torch.randn(CALIBRATION, *input_shape(architecture)))
            return network
    network = from_pretrained(weights)
    saved = network.architecture
    if replace(saved, resolution=architecture.resolution) != replace(
        architecture, classes=saved.classes, input_channels=saved.input_channels
    ):
        raise SpecError("--weights", f"{weights} has the weights of another network", "give the folder of this network")
    network.architecture = replace(saved, resolution=architecture.resolution)
    return network


def exported_program(network: Exported) -> Any:
    """The ``torch.export.ExportedProgram`` of a network in evaluation mode, for batches of any size.

    Height and width of the pictures are the resolution of its architecture. The program names no files of this machine.
    """
    import torch

    device = next(iter(network.state_dict().values())).device  # with integers for weights, parameters may be none
    # two pictures, since one would be taken for a constant
    pictures = torch.zeros(2, *input_shape(network.architecture), device=device)
    with torch.no_grad() if network.architecture.quantised else nullcontext():  # without what only gradients need
        program = torch.export.export(network.eval(), (pictures,), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    return program


def torch_export_bytes(network: Exported) -> bytes:
    """Content of a ``.pt2`` file, which ``torch.export.load`` reads."""
    import torch

    content = io.BytesIO()
    with _without_chatter():
        torch.export.save(exported_program(network), content)
    return content.getvalue()


def onnx_bytes(network: Exported) -> bytes:
    """Content of an ONNX file; its input is :data:`INPUT_NAME`, its outputs :data:`OUTPUT_NAME` or maps by their levels.

    Raises
    ------
    MissingExtraError
        If onnx or onnxscript is not installed.
    SpecError
        If the weights are too large for one file.
    """
    for package in ("onnx", "onnxscript"):
        require(package, "onnx", "an ONNX file")
    import torch

    if sum(tensor.nbytes for tensor in network.state_dict().values()) > ONNX_BYTES:
        raise SpecError("--to", "an ONNX file holds 2 GiB, and the weights have more", "use torch-export")
    names, translated = list(getattr(network, "names", [OUTPUT_NAME])), None
    if network.architecture.quantised:
        from .integer import translations, with_integers

        network, translated = with_integers(network), translations(OPSET)
    with _without_chatter():
        program = torch.onnx.export(
            exported_program(network),
            input_names=[INPUT_NAME],
            output_names=names,
            custom_translation_table=translated,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    graph = model.graph
    for described in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        described.ClearField("metadata_props")  # the exporter's notes name files of this machine
    model.metadata_props.add(key="mipdesign.network", value=network.architecture.dumps())
    return model.SerializeToString(deterministic=True)  # type: ignore[no-any-return]


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Leaves out what torch's exporters say about packages that a network does not need, and about torch's own code."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        logger.setLevel(before)


# ----------------------------------------------------------------------------------------------------------------- formats


@dataclass(frozen=True)
class Format:
    """One format of an export; what makes its content is one of the three.

    Attributes
    ----------
    title:
        One line for people.
    text:
        Text of a network.
    content:
        Bytes of a module.
    file:
        Name of the file in the folder of a design; for people, text goes to standard output by default.
    """

    title: str
    text: Callable[[Architecture], str] | None = None
    content: Callable[[Exported], bytes] | None = None
    file: str = ""


FOLDER = "torch"
"""The format that is a folder: ``network.json`` and ``model.safetensors``."""
FORMATS: dict[str, Format] = {
    "json": Format("an architecture file", lambda network: network_text(network, "json")),
    "reference-txt": Format("a structure file of DeepMAD's tool", lambda network: network_text(network, "reference-txt")),
    "graphml": Format("the graph, an operation per node", lambda network: graphml_text(to_graph(network))),
    "dot": Format("the graph for Graphviz", lambda network: dot_text(to_graph(network))),
    FOLDER: Format("a folder with the network and its weights"),
    "torch-export": Format("a program of torch.export", content=torch_export_bytes, file="network.pt2"),
    "onnx": Format("an ONNX file", content=onnx_bytes, file="network.onnx"),
}
"""Formats by name."""


def export(
    source: str | Path,
    form: str,
    out: Path | None = None,
    *,
    resolution: int | None = None,
    weights: Path | None = None,
    seed: int = 0,
    features: Sequence[str] = (),
) -> str:
    """Writes a network in another format.

    Parameters
    ----------
    source:
        What :func:`mipdesign.io.exchange.read_network` reads.
    form:
        One of :data:`FORMATS`.
    out:
        File to write, for ``torch`` a folder. By default text is returned, and a module goes into the folder ``source``.
    resolution:
        As of :func:`~mipdesign.io.exchange.read_network`.
    weights:
        Folder of :func:`mipdesign.nn.pretrained.save_pretrained`; by default ``source``, if it holds weights.
    seed:
        Of fresh weights, where there are none.
    features:
        Names of levels (:mod:`mipdesign.nn.features`) whose maps are the outputs, in place of the logits.

    Returns
    -------
    What is to be shown: the text, or nothing if ``out`` is given, or what was written where.

    Raises
    ------
    MissingExtraError
        If what the format needs is not installed.
    SpecError
        If there is no such format, it cannot express the network or maps, there is no such level, the weights are not the
        network's, or the file cannot be written.
    """
    if form not in FORMATS:
        raise SpecError("--to", f"{form!r} is not a format", f"use one of: {', '.join(FORMATS)}")
    chosen = FORMATS[form]
    if features and chosen.content is None:
        able = ", ".join(name for name, known in FORMATS.items() if known.content is not None)
        raise SpecError("--features", f"{form} has no outputs to choose", f"use one of: {able}")
    architecture = read_network(source, resolution)
    if chosen.text is not None:
        text = chosen.text(architecture)
        if out is None:
            return text
        with writing(out):
            write_whole(out, text.encode())
        return ""
    folder = Path(source)
    if out is None and not os.path.isdir(folder):
        raise SpecError("--out", f"is missing, and {source} is not a folder", "say where the module goes")
    target = folder / chosen.file if out is None else out
    network = module_of(architecture, weights or (folder if os.path.lexists(folder / WEIGHTS) else None), seed)
    if chosen.content is None:
        save_pretrained(network, target)
    else:
        with writing(target):
            write_whole(target, chosen.content(_with_outputs(network, features)))
    return f"{target}: {chosen.title}\n" if out is None else ""


def _with_outputs(network: DesignedNetwork, features: Sequence[str]) -> Exported:
    """The network, or what gives the maps of the levels."""
    if not features:
        return network
    from .features import levels_of

    return network.features(levels_of(network.feature_info, features, "--features"))
