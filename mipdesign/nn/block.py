"""The parts of a torch module: a module for each operation, and a block of them. Importing this file needs torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from torch import Tensor, nn

from ..networks.blocks import BLOCK_INPUT, Operation
from .graph import Graph, Part, arguments, is_video, local_name, operation_of
from .layers import NORMALISATIONS, Add, FlatLinear, Scale
from .quantised import Quantised, QuantisedConv2d, QuantisedConv3d

Conv = TypeVar("Conv", nn.Conv2d, nn.Conv3d)

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "relu6": nn.ReLU6, "silu": nn.SiLU, "sigmoid": nn.Sigmoid}
"""Activation modules by the name of the function."""


def _conv(op: Operation) -> nn.Conv2d:
    kind = nn.Conv2d if op.bits is None else QuantisedConv2d
    conv = kind(op.in_channels, op.out_channels, op.kernel, op.stride, op.kernel // 2, groups=op.groups, bias=False)
    return _with_bits(conv, op)


def _conv_of_video(op: Operation) -> nn.Conv3d:
    window, padding = (op.kernel_t, op.kernel, op.kernel), (op.kernel_t // 2, op.kernel // 2, op.kernel // 2)
    kind = nn.Conv3d if op.bits is None else QuantisedConv3d
    stride = (1, op.stride, op.stride)
    return _with_bits(kind(op.in_channels, op.out_channels, window, stride, padding, groups=op.groups, bias=False), op)


def _with_bits(conv: Conv, op: Operation) -> Conv:
    if isinstance(conv, Quantised) and op.bits is not None:
        conv.quantise(op.bits)
    return conv


MODULES: dict[str, Callable[[Operation], nn.Module]] = {
    "conv": _conv,
    "norm": lambda op: nn.BatchNorm2d(op.out_channels),
    "activation": lambda op: ACTIVATIONS[op.function](),
    # ceil_mode: an odd map shrinks to ceil(r / 2), as under the strided convolution that the pool stands beside. Nothing is
    # padded, so count_include_pad changes nothing here; but where an ONNX file has it, onnxruntime before 1.21 divides
    # the sums at the edge of an odd map by pixels that it does not have
    "pool": lambda op: nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False),
    "max_pool": lambda op: nn.MaxPool2d(op.kernel, 2, op.kernel // 2),
    "global_pool": lambda op: nn.AdaptiveAvgPool2d(1),
    "add": lambda op: Add(),
    "scale": lambda op: Scale(),
    "linear": lambda op: FlatLinear(op.in_channels, op.out_channels),
}
"""The module of each kind of operation, in torch's own initialisation."""
OF_VIDEO: dict[str, Callable[[Operation], nn.Module]] = MODULES | {
    "conv": _conv_of_video,
    "norm": lambda op: nn.BatchNorm3d(op.out_channels),
    # as in pictures, frame by frame
    "pool": lambda op: nn.AvgPool3d((1, 2, 2), ceil_mode=True, count_include_pad=False),
    "max_pool": lambda op: nn.MaxPool3d((1, op.kernel, op.kernel), (1, 2, 2), (0, op.kernel // 2, op.kernel // 2)),
    "global_pool": lambda op: nn.AdaptiveAvgPool3d(1),
}
"""The same for video; all pools but the global one work frame by frame."""


class Block(nn.Module):
    """A part of the network with one input and one output, its operations as children under their own names.

    Attributes
    ----------
    wiring:
        Per child, in the order of execution: its name, the names of what it reads (``input`` is the part's input), and those of
        them that nothing after it reads, whose maps can go.
    """

    def __init__(self, graph: Graph, part: Part) -> None:
        super().__init__()
        modules = OF_VIDEO if is_video(graph) else MODULES
        steps: list[tuple[str, tuple[str, ...]]] = []
        for node in part.nodes:
            op = operation_of(graph, node)
            self.add_module(op.name, modules[op.kind](op))
            read = tuple(BLOCK_INPUT if source == part.source else local_name(source) for source in arguments(graph, node))
            steps.append((op.name, read))
        self.wiring = tuple((name, read, _spent(read, steps[n + 1 :])) for n, (name, read) in enumerate(steps))

    def begin_as_shortcut(self) -> None:
        """Sets the weight of the normalisation at the end of the main path to 0, where there is a shortcut beside it."""
        for name, read, _ in self.wiring:
            last = self._modules.get(read[0])
            if isinstance(self._modules[name], Add) and isinstance(last, NORMALISATIONS):
                nn.init.zeros_(last.weight)

    def forward(self, x: Tensor) -> Tensor:
        values = {BLOCK_INPUT: x}
        for name, read, spent in self.wiring:
            x = values[name] = self._modules[name](*[values[source] for source in read])  # type: ignore[misc]
            for source in spent:
                del values[source]
        return x


def _spent(read: tuple[str, ...], after: Sequence[tuple[str, tuple[str, ...]]]) -> tuple[str, ...]:
    """What a step reads and no later one does."""
    return tuple(sorted(set(read) - {source for _, sources in after for source in sources}))
