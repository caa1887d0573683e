"""A quantised network with integers for its weights: what an ONNX file of it holds. Importing this file needs torch.

The file is in the form *quantise, clip, dequantise* (QCDQ: Pappalardo et al., 2022, arXiv 2206.07527). The map that a
convolution reads goes through ``QuantizeLinear`` to unsigned integers of 8 bits, ``Clip`` to the levels of fewer bits where
they are fewer, and ``DequantizeLinear``; weights are signed integers of 8 bits behind a ``DequantizeLinear`` with a step for
every output channel. ONNX has no types for most numbers of bits below 8: fewer bits are fewer levels in the same type. The
scale of the normalisation behind a convolution is in the steps of its weights, its shift is added behind it, as a float. A
bias of the convolution would be shorter, but onnxruntime rounds those to whole products of levels, which moves a percent of
the levels behind maps of four bits.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ..errors import SpecError
from .block import Block
from .layers import NORMALISATIONS
from .quantised import Quantised, step_of_map, step_of_weights, top_level

MOST_BITS = 8
"""Bits of the integers in a file."""
Network = TypeVar("Network", bound=nn.Module)


@torch.library.custom_op("mipdesign::to_levels", mutates_args=())
def to_levels(x: Tensor, step: Tensor, zero: Tensor, highest: int) -> Tensor:
    """Levels from 0 to ``highest`` of a map."""
    return torch.clamp(torch.round(x / step) + zero, 0, highest).to(torch.uint8)


@to_levels.register_fake
def _(x: Tensor, step: Tensor, zero: Tensor, highest: int) -> Tensor:
    return torch.empty_like(x, dtype=torch.uint8)


@torch.library.custom_op("mipdesign::from_levels", mutates_args=())
def from_levels(levels: Tensor, step: Tensor, zero: Tensor) -> Tensor:
    """Numbers of levels; step and zero point are single, or one for each of the first axis."""
    shape = [-1] + [1] * (levels.dim() - 1) if step.dim() else []
    return (levels.to(step.dtype) - zero.to(step.dtype).reshape(shape)) * step.reshape(shape)


@from_levels.register_fake
def _(levels: Tensor, step: Tensor, zero: Tensor) -> Tensor:
    return torch.empty_like(levels, dtype=step.dtype)


def translations(opset: int) -> dict[Callable[..., Any], Callable[..., Any]]:
    """The two operators in ONNX, for ``torch.onnx.export``."""
    import onnxscript

    op: Any = getattr(onnxscript, f"opset{opset}")

    def quantise(x: Any, step: Any, zero: Any, highest: int) -> Any:
        levels = op.QuantizeLinear(x, step, zero)
        if highest == 2**MOST_BITS - 1:
            return levels
        return op.Clip(levels, None, op.Cast(op.Constant(value_int=highest), to=onnxscript.UINT8.dtype))

    def dequantise(levels: Any, step: Any, zero: Any) -> Any:
        return op.DequantizeLinear(levels, step, zero, axis=0)

    return {torch.ops.mipdesign.to_levels.default: quantise, torch.ops.mipdesign.from_levels.default: dequantise}


class IntegerConvolution(nn.Module):
    """A quantised convolution and its normalisation, with integers for weights.

    Parameters
    ----------
    name:
        What faults name.

    Raises
    ------
    SpecError
        If it has more bits than a file holds.
    """

    levels: Tensor
    step: Tensor
    no_offset: Tensor
    bias: Tensor
    map_step: Tensor
    map_zero: Tensor

    def __init__(self, conv: Quantised, norm: nn.Module, name: str) -> None:
        super().__init__()
        assert isinstance(norm, NORMALISATIONS) and isinstance(conv, nn.Conv2d | nn.Conv3d)
        if max(conv.bits) > MOST_BITS:
            raise SpecError(name, f"{conv.bits} bits", f"an ONNX file holds up to {MOST_BITS}: use torch-export")
        assert norm.running_mean is not None and norm.running_var is not None
        gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        step, top = step_of_weights(conv.weight, conv.bits[1]), top_level(conv.bits[1])
        levels = torch.clamp(torch.round(conv.weight / step), -top, top)
        wide = gain.reshape(step.shape)
        self.register_buffer("levels", (levels * torch.sign(wide)).to(torch.int8))
        self.register_buffer("step", torch.where(wide == 0, step, step * wide.abs()).flatten())
        self.register_buffer("no_offset", torch.zeros(len(gain), dtype=torch.int8))
        self.register_buffer("bias", (norm.bias - norm.running_mean * gain).reshape(-1, *[1] * (conv.weight.dim() - 2)))
        map_step, map_zero = step_of_map(conv.low, conv.high, conv.bits[0])
        self.register_buffer("map_step", map_step)
        self.register_buffer("map_zero", map_zero.to(torch.uint8))
        self.highest, self.stride, self.padding, self.groups = 2 ** conv.bits[0] - 1, conv.stride, conv.padding, conv.groups
        self.convolve = nn.functional.conv3d if isinstance(conv, nn.Conv3d) else nn.functional.conv2d

    def forward(self, x: Tensor) -> Tensor:
        x = from_levels(to_levels(x, self.map_step, self.map_zero, self.highest), self.map_step, self.map_zero)
        weight = from_levels(self.levels, self.step, self.no_offset)
        return self.convolve(x, weight, None, self.stride, self.padding, 1, self.groups) + self.bias


@torch.no_grad()
def with_integers(network: Network) -> Network:
    """A copy of a network in evaluation mode whose quantised convolutions have integers for weights.

    Raises
    ------
    SpecError
        If a convolution has more bits than a file holds.
    """
    network = copy.deepcopy(network).eval()
    for path, block in list(network.named_modules()):
        if isinstance(block, Block):
            for name, read, _ in block.wiring:
                conv = block._modules.get(read[0])
                norm = block.get_submodule(name)
                if isinstance(conv, Quantised) and isinstance(norm, NORMALISATIONS):
                    block.add_module(read[0], IntegerConvolution(conv, norm, f"{path}.{read[0]}"))
                    block.add_module(name, nn.Identity())
    return network
