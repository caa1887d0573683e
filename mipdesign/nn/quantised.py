"""Convolutions of few bits, as torch trains them: weights and the maps that they read are rounded, the arithmetic is not.

Rounding is uniform, and its gradient that of the identity within the range (Jacob et al., CVPR 2018, arXiv 1712.05877):

* **weights** of ``w`` bits: every output channel has its own step, the largest of its weights over ``2^(w-1) - 1``, and
  levels from ``-(2^(w-1) - 1)`` to ``2^(w-1) - 1``. The range is symmetric, so that the scale of the normalisation behind a
  convolution, whatever its sign, can be taken into the step;
* **maps** of ``a`` bits: one step and one zero point, levels from 0 to ``2^a - 1`` between the running least and greatest.

torch has operators for this (``fake_quantize_per_tensor_affine``), but none that run on the ``meta`` device or go through
``torch.export``, and what stands on them in ``torch.ao.quantization`` is deprecated; so the arithmetic is written out.
Importing this file needs torch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..networks.blocks import Bits

MOMENTUM = 0.1
"""Share of the newest batch in the running range of a map."""
INITIAL_RANGE = (-3.0, 3.0)
"""Range of a map of which nothing was seen yet: three standard deviations of a unit Gaussian."""


def step_of_weights(weight: Tensor, bits: int) -> Tensor:
    """Step of each output channel, with the shape that broadcasts over ``weight``; 1 where all weights are 0."""
    largest = weight.detach().abs().amax(tuple(range(1, weight.dim())), keepdim=True)
    return torch.where(largest > 0, largest / top_level(bits), torch.ones_like(largest))


def top_level(bits: int) -> int:
    """The highest level of weights, ``2^(bits-1) - 1``."""
    return (1 << bits - 1) - 1


def step_of_map(low: Tensor, high: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Step and zero point, an integer, of maps between ``low`` and ``high``; 0 is a level, so that padding is exact."""
    low, high = low.clamp(max=0.0), high.clamp(min=0.0)
    step = (high - low).clamp(min=torch.finfo(low.dtype).tiny) / (2**bits - 1)
    return step, torch.round(-low / step)


def rounded(x: Tensor, step: Tensor, zero: Tensor | float, low: int, high: int) -> Tensor:
    """A tensor on its levels; the gradient is that of clipping."""
    levels = torch.clamp(torch.round(x / step) + zero, low, high)
    out = (levels - zero) * step
    if not (torch.is_grad_enabled() and x.requires_grad):
        return out
    clipped = torch.minimum(torch.maximum(x, (low - zero) * step), (high - zero) * step)
    return out.detach() + (clipped - clipped.detach())  # the second term is 0, and has the gradient


class Quantised(nn.Module):
    """What makes a convolution of torch a quantised one.

    Attributes
    ----------
    bits:
        Bits of the maps that enter and of the weights.
    low, high:
        Running range of the maps that enter, as training sees them.
    seen:
        Batches that the range is of.
    """

    weight: Tensor
    bias: Tensor | None
    low: Tensor
    high: Tensor
    seen: Tensor

    def quantise(self, bits: Bits) -> None:
        """Sets the bits and begins a range."""
        self.bits = (int(bits[0]), int(bits[1]))
        for name, value in zip(("low", "high"), INITIAL_RANGE, strict=True):
            self.register_buffer(name, torch.tensor(value))
        self.register_buffer("seen", torch.tensor(0))
        self.observes = False

    def observe(self, x: Tensor) -> None:
        """Takes a batch into the running range; the first one replaces it."""
        with torch.no_grad():
            share = torch.where(self.seen == 0, 1.0, MOMENTUM).to(self.low.dtype)
            self.low += share * (x.amin() - self.low)
            self.high += share * (x.amax() - self.high)
            self.seen += 1

    def quantised_weight(self) -> Tensor:
        """The weights on their levels."""
        top = top_level(self.bits[1])
        return rounded(self.weight, step_of_weights(self.weight, self.bits[1]), 0.0, -top, top)

    def forward(self, x: Tensor) -> Tensor:
        if self.training or self.observes:
            self.observe(x)
        step, zero = step_of_map(self.low, self.high, self.bits[0])
        x = rounded(x, step, zero, 0, 2 ** self.bits[0] - 1)
        return self._conv_forward(x, self.quantised_weight(), self.bias)  # type: ignore[no-any-return, operator]

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, bits={self.bits}"


class QuantisedConv2d(Quantised, nn.Conv2d):
    """A convolution of pictures with few bits."""


class QuantisedConv3d(Quantised, nn.Conv3d):
    """A convolution of video with few bits."""


def quantised_convolutions(network: nn.Module) -> dict[str, Quantised]:
    """The quantised convolutions of a network by name, in order."""
    return {name: module for name, module in network.named_modules() if isinstance(module, Quantised)}


def calibrate(network: nn.Module, *batches: Tensor) -> None:
    """Takes the ranges of maps anew from pictures, without training: statistics and weights stay.

    Parameters
    ----------
    batches:
        Pictures as the network gets them.
    """
    convolutions, was_training = list(quantised_convolutions(network).values()), network.training
    network.eval()
    for conv in convolutions:
        conv.seen.zero_()
        conv.observes = True
    try:
        with torch.no_grad():
            for pictures in batches:
                network(pictures)
    finally:
        for conv in convolutions:
            conv.observes = False
        network.train(was_training)
