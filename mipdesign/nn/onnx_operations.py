"""Copies of an operation in one ONNX model, with the operators that an export of a network has.

Onnxruntime keeps the maps between convolutions in an order of its own. In a network only the ends pay for reordering, so here
too: all copies of a convolution read one map, and of what they write a pool takes one pixel in that order, at little cost.
What keeps the shape of a map and has no weights is a chain of copies instead: equal ones side by side would be taken for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from ..networks.latency import Row
from .exports import OPSET
from .latency_plan import operation_of

IR_VERSION = 10
"""Version of the file format that goes with :data:`~mipdesign.nn.exports.OPSET`."""
CHAINED = ("relu", "relu6", "silu", "sigmoid", "add", "scale")
"""Kinds of which copies are a chain."""


def copies_in_onnx(row: Row, copies: int, seed: int = 0) -> bytes:
    """An ONNX model with so many copies of the operation of a row; weights are random."""
    return Model(row, seed).of(copies).SerializeToString()  # type: ignore[no-any-return]


class Model:
    """Collects nodes, weights, inputs and outputs.

    Attributes
    ----------
    weights:
        By the names that nodes read them under.
    """

    def __init__(self, row: Row, seed: int) -> None:
        self.row, self.op, self.rng = row, operation_of(row), np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.weights: dict[str, np.ndarray[Any, np.dtype[Any]]] = {}
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []

    def of(self, copies: int) -> Any:
        """The model."""
        row, op = self.row, self.op
        size = 1 if row.kind == "linear" else row.resolution
        shape = (row.batch, row.in_channels, size, size)
        if row.kind in CHAINED:
            gate = (*shape[:2], 1, 1)
            made = self._input("maps", shape)
            others = [self._input("other", {"add": shape, "scale": gate}[row.kind])] if row.kind in ("add", "scale") else []
            for n in range(copies):
                made = self._step(row.kind, [made, *others], n)
            self.outputs.append(helper.make_tensor_value_info(made, TensorProto.FLOAT, shape))
        else:
            has_weights = op.params > 0
            one = self._input("maps", shape) if has_weights else ""
            for n in range(copies):
                made = one or self._input(f"maps{n}", shape)
                for kind in row.kind.split("+"):
                    made = self._step(kind, [made], n)
                self._end(made, n)
        values = [numpy_helper.from_array(array, name) for name, array in self.weights.items()]
        graph = helper.make_graph(self.nodes, "copies", self.inputs, self.outputs, values)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)

    def _input(self, name: str, shape: Sequence[int]) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        return name

    def _node(self, operator: str, read: Sequence[str], name: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, read, [name], **attributes))
        return name

    def _weights(self, name: str, shape: Sequence[int]) -> str:
        """Positive, since variances are."""
        self.weights[name] = np.float32(0.1) + self.rng.random(shape, np.float32)
        return name

    def _step(self, kind: str, read: list[str], n: int) -> str:
        """Adds the operators of one kind of operation; the name of what they make."""
        op, name = self.op, f"{kind}{n}"
        if kind == "conv":
            weights = self._weights(f"{name}.w", (op.out_channels, op.in_channels // op.groups, op.kernel, op.kernel))
            window = {"kernel_shape": [op.kernel] * 2, "strides": [op.stride] * 2, "pads": [op.kernel // 2] * 4}
            return self._node("Conv", [*read, weights], name, group=op.groups, **window)
        if kind == "norm":
            figures = [self._weights(f"{name}.{figure}", (op.out_channels,)) for figure in ("scale", "shift", "mean", "var")]
            return self._node("BatchNormalization", [*read, *figures], name)
        if kind == "linear":
            flat = self._node("Flatten", read, f"{name}.flat", axis=1)
            factors = self._weights(f"{name}.w", (op.out_channels, op.in_channels))
            return self._node("Gemm", [flat, factors, self._weights(f"{name}.b", (op.out_channels,))], name, transB=1)
        if kind == "relu6":
            self.weights |= {"zero": np.zeros((), np.float32), "six": np.full((), 6.0, np.float32)}
            return self._node("Clip", [*read, "zero", "six"], name)
        if kind == "silu":
            return self._node("Mul", [*read, self._node("Sigmoid", read, f"{name}.gate")], name)
        if kind == "pool":
            return self._node("AveragePool", read, name, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
        if kind == "max_pool":
            return self._node("MaxPool", read, name, kernel_shape=[op.kernel] * 2, strides=[2, 2], pads=[op.kernel // 2] * 4)
        operator = {"relu": "Relu", "sigmoid": "Sigmoid", "add": "Add", "scale": "Mul", "global_pool": "GlobalAveragePool"}[
            kind
        ]
        return self._node(operator, read, name)

    def _end(self, made: str, n: int) -> None:
        """Makes one pixel of what a copy made an output."""
        row, out = self.row, self.op.out_resolution
        if out > 1:
            made = self._node("MaxPool", [made], f"end{n}", kernel_shape=[1, 1], strides=[out, out])
        shape = (row.batch, row.out_channels) if row.kind == "linear" else (row.batch, row.out_channels, 1, 1)
        self.outputs.append(helper.make_tensor_value_info(made, TensorProto.FLOAT, shape))
