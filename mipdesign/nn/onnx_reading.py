"""The network of an ONNX file that we wrote. The file states it in its metadata: a claim, until its graph was compared.

Both graphs, that of the file and that of the stated network, are numbered by what their nodes compute: a number stands for an
operation with its sizes and the numbers of what it reads, so that equal numbers are equal computations, weights aside
(hash consing: Ershov, 1958). The outputs of the file have to have the numbers of the stated network's. Normalisations are part
of the convolution before them. ``onnx`` is an optional extra.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

from ..errors import SpecError, require, short
from ..files import read_bytes
from ..networks.architecture import Architecture
from .graph import INPUT, Graph, arguments, input_shape, is_main_path, parts, to_graph

KEY = "mipdesign.network"
"""Key of the network in the metadata of a file."""
MOST_BYTES = 2**31 - 1
"""Largest file: that of a protocol buffer."""
LOGITS = "logits"
REMEDY = "give a file of 'mipdesign export --to onnx', or describe the network"
SIZES = "sizes"
"""What stands for the shape of a map: exports of torch 2.7 compute the one to which they flatten a map."""
PASSED_ON = ("BatchNormalization", "Cast", "Flatten", "Identity", "Reshape", "Squeeze")
"""Operators that leave what is compared as it is."""


class Numbers(dict[Hashable, int]):
    """Numbers of computations, by what they do and the numbers of what they read."""

    def of(self, *computation: Hashable) -> int:
        return self.setdefault(computation, len(self))


def read_onnx(path: Path) -> Architecture:
    """The network of a file of :func:`mipdesign.nn.exports.onnx_bytes`.

    Of a file with maps in place of logits, head and classifier are those that it states: they are not in it.

    Raises
    ------
    MissingExtraError
        If onnx is not installed.
    SpecError
        If it is no such file, or its graph is not that of the network that it states.
    """
    require("onnx", "onnx", "reading an ONNX file")
    import onnx

    source = str(path)
    try:
        model = onnx.load_from_string(read_bytes(path, MOST_BYTES))
    except SpecError:
        raise
    except Exception as error:  # of protocol buffers, whose errors have no common base
        raise SpecError("", f"is not an ONNX file ({type(error).__name__})", REMEDY, source) from None
    stated = next((entry.value for entry in model.metadata_props if entry.key == KEY), None)
    reader = _Reader(model.graph)
    if stated is None:
        unknown = sorted({node.op_type for node in model.graph.node} - set(reader.operators))
        what = f"operators that no network here has: {', '.join(unknown[:5])}" if unknown else f"no {KEY} in its metadata"
        raise SpecError("", f"has {what}", REMEDY, source)
    try:
        network = Architecture.from_dict(json.loads(stated))
        reader.compare(network)
    except (json.JSONDecodeError, RecursionError):
        raise SpecError(KEY, "is not JSON", REMEDY, source) from None
    except SpecError as error:
        raise error if error.source else error.at(source) from None
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise SpecError("", f"has a malformed graph ({short(str(error))})", REMEDY, source) from None
    return network


def expected_numbers(graph: Graph, numbers: Numbers) -> dict[str, int]:
    """The number of every node of a network."""
    found = {INPUT: numbers.of(INPUT, *graph.nodes[INPUT]["out_shape"])}
    for node in (node for part in parts(graph) for node in part.nodes):
        data, read = graph.nodes[node], [found[source] for source in arguments(graph, node)]
        kind, channels = data["kind"], (data["in_shape"][0], data["out_shape"][0])
        if kind == "conv":
            video = len(data["in_shape"]) == 4
            window = (*((data["kernel_t"],) if video else ()), data["kernel"], data["kernel"])
            strides = (*((1,) if video else ()), data["stride"], data["stride"])
            bits = tuple(data["bits"]) if "bits" in data else None
            found[node] = numbers.of(kind, *channels, window, strides, data["groups"], bits, *read)
        elif kind == "norm":
            found[node] = read[0]
        elif kind == "linear":
            found[node] = numbers.of(kind, *channels, *read)
        elif kind in ("add", "scale"):
            found[node] = numbers.of(kind, *sorted(read))
        else:
            found[node] = numbers.of(data["function"] if kind == "activation" else kind, *read)
    return found


def outputs_of(graph: Graph) -> dict[str, str]:
    """The node of each output that a file may have: the logits, and the last map of each resolution by the level's name."""
    found, reduction = {}, 1
    *before, classifier = parts(graph)
    for part in before:
        if part.name != "head":
            shrinking = [n for n in part.nodes if is_main_path(graph, n) or graph.nodes[n]["kind"] == "max_pool"]
            reduction *= math.prod(graph.nodes[n]["stride"] for n in shrinking)
            found[f"c{reduction.bit_length() - 1}"] = part.nodes[-1]
    return found | {LOGITS: classifier.nodes[-1]}


class _Reader:
    """The graph of a file, numbered."""

    def __init__(self, graph: Any) -> None:
        self.graph, self.numbers = graph, Numbers()
        self.constants = {tensor.name: tensor for tensor in graph.initializer}
        self.found: dict[str, Hashable] = {}
        self.operators: dict[str, Callable[[Any], Hashable]] = {
            "Conv": self._conv,
            "Gemm": lambda node: self._of("linear", *self._sizes(node.input[1])[::-1], node.input[0]),
            "Relu": lambda node: self._of("relu", node.input[0]),
            "Sigmoid": lambda node: self._of("sigmoid", node.input[0]),
            "Clip": self._clip,
            "Mul": self._mul,
            "Add": self._add,
            "MaxPool": self._pool,
            "AveragePool": self._pool,
            "GlobalAveragePool": lambda node: self._of("global_pool", node.input[0]),
            "ReduceMean": self._mean,
            "QuantizeLinear": lambda node: ("levels", self.found[node.input[0]], 8),
            "DequantizeLinear": self._dequantise,
            "Shape": lambda node: SIZES,
            "Concat": self._sizes_of_parts,
            **dict.fromkeys(PASSED_ON, lambda node: self.found[node.input[0]]),
        }

    def compare(self, network: Architecture) -> None:
        """Makes sure that the graph is that of a network.

        Raises
        ------
        SpecError
            With what is not in the file, or not in the network.
        """
        shape = input_shape(network)
        given = [value for value in self.graph.input if value.name not in self.constants]
        sizes = [dimension.dim_value for dimension in given[0].type.tensor_type.shape.dim[1:]] if len(given) == 1 else []
        if sizes != list(shape):
            raise SpecError("input", f"{sizes}, but the network that it states reads {list(shape)}", REMEDY)
        self.found[given[0].name] = self.numbers.of(INPUT, *shape)
        for node in self.graph.node:
            if node.op_type not in self.operators:
                raise SpecError(node.name, f"{node.op_type} is no operator of the networks here", REMEDY)
            self.found[node.output[0]] = self.operators[node.op_type](node)
        graph = to_graph(network)
        expected, outputs = expected_numbers(graph, self.numbers), outputs_of(graph)
        held = set(self.found.values())
        last = next(part.nodes[-1] for part in reversed(parts(graph)) if part.name.startswith("stages."))
        for output in self.graph.output:
            if output.name not in outputs or self.found[output.name] != expected[outputs[output.name]]:
                missing = next((node for node, number in expected.items() if number not in held), output.name)
                raise SpecError(missing, "of the network that the file states is not what its graph computes", REMEDY)
        if expected[last] not in held:
            raise SpecError(last, "is not in the file, whose maps end before it", "export the logits, or give network.json")

    def _of(self, kind: str, *parts_and_input: Hashable) -> Hashable:
        *sizes, read = parts_and_input
        return self.numbers.of(kind, *sizes, self.found[str(read)])

    def _sizes(self, name: str) -> tuple[int, ...]:
        return tuple(self.constants[name].dims)

    def _values(self, name: str) -> Any:
        from onnx import numpy_helper

        return numpy_helper.to_array(self.constants[name])

    def _sizes_of_parts(self, node: Any) -> Hashable:
        if any(self.found.get(name, SIZES) != SIZES for name in node.input):
            raise SpecError(node.name, "joins maps, as no network here does", REMEDY)
        return SIZES

    def _conv(self, node: Any) -> Hashable:
        attributes = _attributes(node)
        read, weight, bits = self.found[node.input[0]], self.found.get(node.input[1]), None
        if isinstance(weight, tuple) and isinstance(read, tuple):
            sizes, bits = weight[1], (read[2], weight[2])
            read = read[1]
        else:
            sizes = self._sizes(node.input[1])
        out, inner, *window = sizes
        padded = [size // 2 for size in window]
        strides, groups = attributes.get("strides", [1] * len(window)), attributes.get("group", 1)
        if attributes.get("pads") != padded * 2 or set(attributes.get("dilations", [1])) != {1}:
            raise SpecError(node.name, "a convolution with other padding or dilation", REMEDY)
        return self.numbers.of("conv", inner * groups, out, tuple(window), tuple(strides), groups, bits, read)

    def _clip(self, node: Any) -> Hashable:
        read, ends = self.found[node.input[0]], [self._values(name) for name in node.input[1:] if name]
        if isinstance(read, tuple):
            return ("levels", read[1], int(ends[-1]).bit_length())
        if [float(end) for end in ends] != [0.0, 6.0]:
            raise SpecError(node.name, f"clips to {', '.join(map(str, ends))}", REMEDY)
        return self.numbers.of("relu6", read)

    def _mul(self, node: Any) -> Hashable:
        one, other = (self.found[name] for name in node.input)
        if other == self.numbers.get(("sigmoid", one)):
            return self.numbers.of("silu", one)
        return self.numbers.of("scale", *sorted((one, other)))  # type: ignore[type-var]

    def _add(self, node: Any) -> Hashable:
        read = [self.found[name] for name in node.input if name not in self.constants]
        return read[0] if len(read) == 1 else self.numbers.of("add", *sorted(read))  # type: ignore[type-var]

    def _pool(self, node: Any) -> Hashable:
        attributes, maximum = _attributes(node), node.op_type == "MaxPool"
        window, strides, pads = (attributes.get(name, []) for name in ("kernel_shape", "strides", "pads"))
        size = 3 if maximum else 2
        if window[-2:] != [size] * 2 or strides[-2:] != [2, 2] or set(pads[-2:]) != {int(maximum)} or set(window[:-2]) - {1}:
            raise SpecError(node.name, f"a pool of {window} with strides {strides}", REMEDY)
        return self._of("max_pool" if maximum else "pool", node.input[0])

    def _mean(self, node: Any) -> Hashable:
        axes = self._values(node.input[1]).tolist()
        if sorted(axes) not in ([-2, -1], [2, 3], [-3, -2, -1], [2, 3, 4]):
            raise SpecError(node.name, f"a mean over {axes}", REMEDY)
        return self._of("global_pool", node.input[0])

    def _dequantise(self, node: Any) -> Hashable:
        """Maps on their levels, or weights: those of ``b`` bits have levels up to ``2^(b-1) - 1``, and some have that."""
        if node.input[0] not in self.constants:
            return ("map", *self.found[node.input[0]][1:])  # type: ignore[index]
        top = int(abs(self._values(node.input[0]).astype("int16")).max())
        return ("weight", self._sizes(node.input[0]), top.bit_length() + 1)


def _attributes(node: Any) -> dict[str, Any]:
    """Integers and lists of integers of a node."""
    return {a.name: list(a.ints) if a.ints else a.i for a in node.attribute}
