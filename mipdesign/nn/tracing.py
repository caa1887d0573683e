"""Measuring a network in torch: what :mod:`mipdesign.nn.validation` holds the theory against. Importing this file needs torch.

Nothing here reads a figure of the theory: everything is counted, traced or sampled from the torch module itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from .graph import Graph, execution_order, is_main_path
from .layers import CONVOLUTIONS
from .lowering import to_module
from .module import DesignedNetwork
from .quantised import Quantised

Convolution: TypeAlias = nn.Conv2d | nn.Conv3d


@dataclass(frozen=True)
class Trace:
    """What one forward pass of one picture shows.

    Attributes
    ----------
    macs:
        Multiply-accumulates of convolutions and matrix products: half of what torch's flop counter reports.
    activations:
        Elements of the outputs of all convolutions.
    map_elements:
        Largest number of elements of the input and output maps of one operation.
    shapes:
        Output shape of each part, by its name, without the batch.
    """

    macs: int
    activations: int
    map_elements: int
    shapes: dict[str, tuple[int, ...]]


def meta_network(graph: Graph) -> DesignedNetwork:
    """The module of a graph on torch's ``meta`` device: shapes and types, no memory and no arithmetic."""
    with torch.device("meta"):
        return to_module(graph)


def parameter_count(module: nn.Module) -> int:
    """Learned parameters; running statistics are not counted."""
    return sum(p.numel() for p in module.parameters())


def trace(network: DesignedNetwork, input_shape: Sequence[int]) -> Trace:
    """Runs one picture of shape ``(channels, height, width)`` through a network, on the network's own device."""
    picture = torch.zeros(1, *input_shape, device=next(network.parameters()).device)
    was_training, sizes, maps = network.training, [0], [0]

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        maps.append(output.numel() + sum(tensor.numel() for tensor in inputs))
        if isinstance(module, CONVOLUTIONS):
            sizes.append(output.numel())

    operations = [m for m in network.modules() if not any(m.children()) and not isinstance(m, nn.Identity)]
    hooks = [module.register_forward_hook(count) for module in operations]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        outputs = network.eval().forward_stages(picture)
    network.train(was_training)
    for hook in hooks:
        hook.remove()
    shapes = {name: tuple(out.shape[1:]) for name, out in outputs.items()}
    return Trace(counter.get_total_flops() // 2, sum(sizes), max(maps), shapes)


def main_path(network: DesignedNetwork, graph: Graph) -> dict[str, Convolution]:
    """The main-path convolutions of a network in order, by node name."""
    modules = {node: network.get_submodule(node) for node in execution_order(graph) if is_main_path(graph, node)}
    return {node: module for node, module in modules.items() if isinstance(module, CONVOLUTIONS)}


def variance_ratios(convs: Sequence[Convolution], draws: int, map_size: int, seed: int) -> npt.NDArray[np.float64]:
    """By how much each layer of a chain of convolutions multiplies the variance, for unit Gaussian weights and input.

    The chain is the plain one of the theory: no normalisation, no activation, no shortcut, no bias. Only sizes, kernels and
    groups of ``convs`` are read, never their weights. Strides are left out, and padding is circular: with both, every output
    position reads ``k^2`` positions of each input channel, and every input position is read equally often. So if ``S_l`` is
    the mean square of the map after layer ``l``, then ``E[S_l / S_{l-1} | layers before l] = w_l`` exactly, for a map of any
    size. In video the width is that of all frames, ``w_l k_t``.

    Maps are scaled to mean square 1 between layers, so that nothing overflows; the ratios do not depend on that.

    Parameters
    ----------
    draws:
        Independent draws of all weights and of the input.
    map_size:
        Height and width of the maps, and their frames in video; enlarged where half of a kernel would not fit.
    seed:
        Of the generator; equal seeds give equal ratios.

    Returns
    -------
    Ratios ``S_l / S_{l-1}``, shape ``(draws, len(convs))``.
    """
    generator = torch.Generator().manual_seed(seed)
    size = [max(map_size, *(conv.kernel_size[axis] // 2 for conv in convs)) for axis in range(len(convs[0].kernel_size))]
    ratios = np.empty((draws, len(convs)))
    for draw in range(draws):
        x, _ = _normalised(torch.randn(1, convs[0].in_channels, *size, generator=generator, device="cpu"))
        for layer, conv in enumerate(convs):
            x, ratios[draw, layer] = _normalised(_random_layer(x, conv, generator))
    return ratios


def quantised_ratios(
    convs: Sequence[Convolution], sigmas: tuple[float, float], draws: int, map_size: int, seed: int
) -> npt.NDArray[np.float64]:
    """By how much each layer multiplies the variance of a map that it rounds, with weights that are rounded.

    As the score of quantised networks has it, every layer reads a fresh Gaussian map of deviation ``sigmas[0]`` and has
    Gaussian weights of deviation ``sigmas[1]``; both are clipped to ``2^(bits - 1)`` on both sides and rounded to integers.

    Returns
    -------
    Mean square of the layer's map over ``sigmas[0]^2``, shape ``(draws, len(convs))``.
    """
    generator = torch.Generator().manual_seed(seed)
    ratios = np.empty((draws, len(convs)))
    for draw in range(draws):
        for layer, conv in enumerate(convs):
            assert isinstance(conv, Quantised)
            size = [max(map_size, k // 2) for k in conv.kernel_size]
            x = torch.randn(1, conv.in_channels, *size, generator=generator, device="cpu")
            read, weights = (_clipped(sigma, bits) for sigma, bits in zip(sigmas, conv.bits, strict=True))
            out = _random_layer(read(x), conv, generator, weights)
            ratios[draw, layer] = out.double().square().mean().item() / sigmas[0] ** 2
    return ratios


def _clipped(sigma: float, bits: int) -> Callable[[Tensor], Tensor]:
    """Makes integers of unit Gaussians."""
    most = 2.0 ** (bits - 1)
    return lambda x: torch.round(torch.clamp(sigma * x, -most, most))


def _random_layer(
    x: Tensor, conv: Convolution, generator: torch.Generator, change: Callable[[Tensor], Tensor] = lambda weight: weight
) -> Tensor:
    """A map through a convolution of the sizes of ``conv`` with fresh unit Gaussian weights, stride 1 and circular padding.

    ``change`` makes other weights of them.
    """
    weight = change(torch.randn(conv.weight.shape, generator=generator, device="cpu"))
    padding = [k // 2 for k in reversed(conv.kernel_size) for _ in range(2)]  # of the last axis first, both sides
    padded = functional.pad(x, padding, mode="circular") if any(padding) else x
    convolve = functional.conv3d if isinstance(conv, nn.Conv3d) else functional.conv2d
    return convolve(padded, weight, groups=conv.groups)


def _normalised(x: Tensor) -> tuple[Tensor, float]:
    """A map scaled to mean square 1, and its mean square before."""
    mean_square = x.double().square().mean().item()
    return x * mean_square**-0.5, mean_square
