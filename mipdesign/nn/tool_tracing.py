"""Counts of the released tool as the torch module of a network shows them. Importing this file needs torch.

As in :mod:`mipdesign.nn.tracing`, nothing here reads a figure of the theory: bits, channels and maps are those of the modules
that run, and multiply-accumulates are those of torch's flop counter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from .block import Block
from .layers import CONVOLUTIONS, NORMALISATIONS, Add
from .module import DesignedNetwork
from .quantised import Quantised

WHOLE_BITS = 8
"""Bits of what is not quantised, as the tool counts it."""
POOLS = (nn.AvgPool2d, nn.AvgPool3d, nn.MaxPool2d, nn.MaxPool3d)
ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.SiLU)


@dataclass(frozen=True)
class ToolTrace:
    """Figures of one forward pass of one picture.

    Attributes
    ----------
    bit_operations:
        A multiply-accumulate of ``a`` by ``w`` bits counts ``a w``, every other operation that the tool counts 64.
    model_size:
        Bytes of weights and normalisations without the classifier, a number that is not quantised having one.
    map_bytes:
        What each main-path convolution reads and writes, in order: a depthwise convolution works in place, and the map of a
        shortcut counts beside it.
    """

    bit_operations: int
    model_size: Fraction
    map_bytes: tuple[Fraction, ...]


def tool_trace(network: DesignedNetwork, input_shape: Sequence[int]) -> ToolTrace:
    """Runs one picture ``(channels, height, width)``, or one clip ``(channels, frames, height, width)``, through a network.

    Blocks with squeeze-and-excitation are not covered.
    """
    shapes: dict[str, tuple[list[int], list[int]]] = {}

    def seen(name: str, module: nn.Module) -> None:
        def note(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            shapes[name] = [tensor.numel() for tensor in inputs], list(output.shape)

        hooks.append(module.register_forward_hook(note))

    hooks: list[torch.utils.hooks.RemovableHandle] = []
    operations = {name: module for name, module in network.named_modules() if name and not any(module.children())}
    for name, module in operations.items():
        seen(name, module)
    picture = torch.zeros(1, *input_shape, device=next(network.parameters()).device)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.eval()(picture)
    for hook in hooks:
        hook.remove()
    of_modules = counter.get_flop_counts()
    macs = {name: sum(of_modules.get(f"{type(network).__name__}.{name}", {}).values()) // 2 for name in operations}
    work = sum(_work(network, name, module, macs[name], *shapes[name]) for name, module in operations.items() if name in shapes)
    return ToolTrace(work, Fraction(_size(network), 8), tuple(Fraction(held, 8) for held in _held(network, shapes)))


def _bits(module: nn.Module) -> tuple[int, int]:
    return module.bits if isinstance(module, Quantised) else (WHOLE_BITS, WHOLE_BITS)


def _work(network: DesignedNetwork, name: str, module: nn.Module, macs: int, read: list[int], written: list[int]) -> int:
    """Bit operations of one module."""
    elements = torch.Size(written).numel()
    whole = WHOLE_BITS**2
    if isinstance(module, CONVOLUTIONS):
        a, w = _bits(module)
        return macs * a * w
    if isinstance(module, NORMALISATIONS):
        return 2 * whole * elements
    if isinstance(module, ACTIVATIONS):
        return whole * elements
    if isinstance(module, POOLS):
        return whole * read[0]
    if isinstance(module, Add):
        return whole * elements * _is_projected(network, name)
    return 0


def _is_projected(network: DesignedNetwork, add: str) -> bool:
    """Whether the shortcut of an addition ends with a normalisation."""
    path, _, own = add.rpartition(".")
    block = network.get_submodule(path)
    assert isinstance(block, Block)
    shortcut = next(read[1] for name, read, _ in block.wiring if name == own)
    return isinstance(block._modules.get(shortcut), NORMALISATIONS)


def _size(network: DesignedNetwork) -> int:
    """Bits of all weights and normalisations before the classifier."""
    size = 0
    for module in network.modules():
        if isinstance(module, (*CONVOLUTIONS, *NORMALISATIONS)):
            bits = _bits(module)[1] if isinstance(module, CONVOLUTIONS) else WHOLE_BITS
            size += bits * sum(p.numel() for p in module.parameters(recurse=False))
    return size


def _held(network: DesignedNetwork, shapes: dict[str, tuple[list[int], list[int]]]) -> list[int]:
    """Bits of the maps of each main-path convolution."""
    names = [
        name for name, module in network.named_modules() if isinstance(module, CONVOLUTIONS) and not name.endswith(".shortcut")
    ]
    entering = [_bits(network.get_submodule(name))[0] for name in names]
    held = []
    for name, bits, after in zip(names, entering, [*entering[1:], WHOLE_BITS], strict=True):
        read, written = shapes[name]
        elements, first = torch.Size(written).numel(), f"{name.rpartition('.')[0]}.conv1"
        in_place = name.startswith("stages.") and name.endswith(".conv2")
        shortcut = torch.Size(shapes.get(f"{name.rpartition('.')[0]}.add", ([], [0]))[1]).numel() if in_place else 0
        out = elements // written[1] if in_place else elements
        held.append(read[0] * bits + out * after + shortcut * (_bits(network.get_submodule(first))[0] if in_place else 0))
    return held
