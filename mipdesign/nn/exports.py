"""Networks as files for other tools: torch, torch.export, ONNX, GraphML and Graphviz's DOT, beside the text formats.

Modules are exported in evaluation mode, at the network's resolution, for batches of any size.
"""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import SpecError, require
from ..files import write_whole, writing
from ..io.exchange import network_text
from ..networks.architecture import Architecture
from .graph import input_shape, map_shape, to_graph
from .graph_files import dot_text, graphml_text
from .lowering import to_module
from .pretrained import WEIGHTS, from_pretrained, origin_of_weights, write_pretrained
from .reading import read_network

if TYPE_CHECKING:
    from .features import FeatureNetwork
    from .module import DesignedNetwork

Exported: TypeAlias = "DesignedNetwork | FeatureNetwork"
"""What is exported: a network with its logits, or the maps of its levels."""
OPSET = 20
"""Version of ONNX's operators in an export."""
CALIBRATION = 8
"""Random pictures from which fresh networks of few bits get their ranges."""
ONNX_BYTES = 2**31 - 1
"""Largest ONNX file: that of a protocol buffer."""
INPUT_NAME, OUTPUT_NAME = "pictures", "logits"
"""Names of an ONNX file's input, and of its output unless that is maps: those have the names of their levels."""
ONNX_TYPES = ("float32", "float16")
"""Types of weights in an ONNX file: of these onnxruntime has all operators on every device. Convolutions of bfloat16 came with
opset 22, and those of float64 run nowhere."""


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
        raise SpecError("weights", f"{weights} has the weights of another network", "give the folder of this network")
    network.architecture = replace(saved, resolution=architecture.resolution)
    return network


def exported_program(network: Exported) -> Any:
    """The ``torch.export.ExportedProgram`` of a network in evaluation mode, for batches of any size.

    Height and width of the pictures are the resolution of its architecture, and their numbers of the type that the weights
    have. The program names no files of this machine, and nothing of the network changes.

    Raises
    ------
    SpecError
        If it is something around a network, such as what ``torch.compile`` returns, or its weights are of several types.
    """
    import torch

    from .export_view import export_view, floating_type, require_network
    from .features import FeatureNetwork
    from .module import DesignedNetwork

    require_network(network, DesignedNetwork, FeatureNetwork)
    device = next(iter(network.state_dict().values())).device  # with integers for weights, parameters may be none
    # two pictures, since one would be taken for a constant
    pictures = torch.zeros(2, *input_shape(network.architecture), device=device, dtype=floating_type(network))
    with torch.no_grad() if network.architecture.quantised else nullcontext():  # without what only gradients need
        batches = ({0: torch.export.Dim("batch", min=1)},)
        program = torch.export.export(export_view(network), (pictures,), dynamic_shapes=batches)
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
        If the weights are too large for one file, of a type that onnxruntime has no convolutions of, or not those of a network.
    """
    for package in ("onnx", "onnxscript"):
        require(package, "onnx", "an ONNX file")
    import torch

    from .export_view import export_view, floating_type, require_network, type_name
    from .features import FeatureNetwork
    from .module import DesignedNetwork

    require_network(network, DesignedNetwork, FeatureNetwork)
    if (numbers := type_name(floating_type(network))) not in ONNX_TYPES:
        text = f"has weights of {numbers}, and onnxruntime no convolutions of them"
        raise SpecError("network", text, "convert it by network.float() or network.half(), or use torch-export")
    if sum(tensor.nbytes for tensor in network.state_dict().values()) > ONNX_BYTES:
        raise SpecError("network", "an ONNX file holds 2 GiB, and the weights have more", "use torch-export")
    names, translated = list(getattr(network, "names", [OUTPUT_NAME])), None
    if network.architecture.quantised:
        from .integer import translations, with_integers

        network, translated = with_integers(export_view(network)), translations(OPSET)
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
    architecture: Architecture | None = None,
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
    architecture:
        The network, where it is another one than that of ``source``, such as one of a list; ``out`` has to be given then.

    Returns
    -------
    What is to be shown: the text, what was written if it went to ``out``, or what a module's file holds, a line for each thing.

    Raises
    ------
    MissingExtraError
        If what the format needs is not installed.
    SpecError
        If there is no such format, it cannot express the network or maps, there is no such level, the weights are not the
        network's, or the file cannot be written.
    """
    if form not in FORMATS:
        raise SpecError("form", f"{form!r} is not a format", f"use one of: {', '.join(FORMATS)}")
    chosen = FORMATS[form]
    if features and chosen.content is None:
        able = ", ".join(name for name, known in FORMATS.items() if known.content is not None)
        raise SpecError("features", f"{form} has no outputs to choose", f"use one of: {able}")
    other = architecture is not None
    architecture = architecture or read_network(source, resolution)
    if chosen.text is not None:
        text = chosen.text(architecture)
        if out is None:
            return text
        with writing(out):
            write_whole(out, text.encode())
        return f"{out}: {chosen.title}, {len(text.encode()) / 1e3:.1f} kB\n"
    folder = Path(source)
    if out is None and (other or not os.path.isdir(folder)):
        reason = f"{source} is of another network" if other else f"{source} is not a folder"
        raise SpecError("out", f"is missing, and {reason}", "say where the module goes")
    target = folder / chosen.file if out is None else out
    held = weights or (folder if not other and os.path.lexists(folder / WEIGHTS) else None)
    network = module_of(architecture, held, seed)
    fresh = f"fresh, from seed {seed}: the network is untrained"
    origin = fresh if held is None else origin_of_weights(held)
    if chosen.content is None:
        write_pretrained(network, target, origin)
        return _report(target, chosen, network, (target / WEIGHTS).stat().st_size, origin or f"of {held}")
    exported = _with_outputs(network, features)
    content = chosen.content(exported)
    with writing(target):
        write_whole(target, content)
    return _report(target, chosen, exported, len(content), origin or f"of {held}")


def _report(target: Path, chosen: Format, network: Exported, size: int, origin: str) -> str:
    """What was written: where, of which size, what goes in and comes out, and where the weights are from."""
    from .export_view import floating_type, type_name

    a = network.architecture
    name = INPUT_NAME if chosen.content is onnx_bytes else "input"
    opset = f", opset {OPSET}" if chosen.content is onnx_bytes else ""
    outputs = ", ".join(f"{of} {_axes(shape)}" for of, shape in _outputs(network).items())
    lines = [
        f"{target}: {chosen.title}{opset}, {size / 1e6:.1f} MB",
        f"input    {name} {_axes(input_shape(a))}, {type_name(floating_type(network))}",
        f"output   {outputs}",
        f"weights  {origin}",
    ]
    return "".join(f"{line}\n" for line in lines)


def _axes(shape: Sequence[int]) -> str:
    return " x ".join(["N", *map(str, shape)])


def _outputs(network: Exported) -> dict[str, tuple[int, ...]]:
    """Shapes of what a network gives, by name."""
    from .features import FeatureNetwork

    a = network.architecture
    if isinstance(network, FeatureNetwork):
        maps = [(info["num_chs"], a.frames, -(-a.resolution // info["reduction"])) for info in network.feature_info]
        return dict(zip(network.names, (map_shape(*sizes) for sizes in maps), strict=True))
    if network.num_classes or network.global_pool:
        return {OUTPUT_NAME: (network.num_classes or network.num_features,)}
    return {OUTPUT_NAME: map_shape(network.num_features, a.frames, a.out_resolution)}


def _with_outputs(network: DesignedNetwork, features: Sequence[str]) -> Exported:
    """The network, or what gives the maps of the levels."""
    if not features:
        return network
    from .features import levels_of

    return network.features(levels_of(network.feature_info, features, "--features"))
