"""Counts as the released tool makes them: maps that are halved without being rounded, bits, and the memory of maps.

``docs/theory.md`` says where they differ from those of a network that runs.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any, cast

from .architecture import Architecture
from .operation import WHOLE

OF_TOOL = ("model_size", "max_feature", "bit_operations")
"""Budgets that are counts of the tool."""
MOBILE = "inverted"
"""Family of whose blocks the tool knows what their maps take."""
DEFAULT_BITS = 8
"""Bits of a map that no quantised convolution reads."""


def tool_counts(network: Architecture) -> dict[str, Fraction]:
    """Exact figures of a network by name.

    ``tool_flops`` counts operations as :attr:`~mipdesign.networks.operation.Operation.reference_flops`, but on maps that are
    halved without being rounded, and a multiply-accumulate of ``a`` by ``w`` bits as ``a w / 64``; ``bit_operations`` is 64
    times that. ``model_size`` is the number of parameters without the classifier; where the network is quantised that of their
    bytes, of which a normalisation's numbers have one each.
    """
    unrounded = network if network.whole_maps else replace(network, resolution=cast(int, Fraction(network.resolution)))
    bit_operations, size = Fraction(0), Fraction(0)
    for op, times in unrounded.distinct_operations():
        bit_operations += times * op.bit_operations
        size += times * op.size_in_bits if op.kind != "linear" else 0
    return {"tool_flops": bit_operations / WHOLE, "bit_operations": bit_operations, "model_size": size / 8}


def map_bytes(network: Architecture) -> tuple[Fraction, ...] | None:
    """Bytes that a device holds while each convolution runs, by the tool's rules: stem, main paths, head in order; ``None`` for
    networks that these rules do not cover.

    Maps are rounded down, a depthwise convolution works in place, and the map of a shortcut counts beside it alone.
    Activations have the bits of the convolution that reads them, 8 where nothing is quantised.
    """
    if network.frames is not None or network.stem.pool or any(stage.block != MOBILE for stage in network.stages):
        return None
    blocks = list(network.blocks())
    bits: list[Any] = [[pair[0] for pair in block.bits] or [DEFAULT_BITS] * 3 for block in blocks]
    last = [] if network.head is None else [_first(network.head_bits)]
    entering = [*(first for first, _, _ in bits), *last, DEFAULT_BITS]
    c, r, s = network.stem.channels, network.resolution, network.stem.stride
    held = [r**2 * network.input_channels * _first(network.stem.bits) + r**2 * c // s**2 * entering[0]]
    r //= s
    for block, (a1, a2, a3), after in zip(blocks, bits, entering[1:], strict=False):
        to, b, s = block.spec.channels, block.sizes[0], block.stride
        shortcut = r**2 * to // s**2 * a1 if c == to else 0
        held.append(r**2 * c * a1 + r**2 * b * a2)
        held.append(r**2 * b * a2 + r**2 // s**2 * a3 + shortcut)
        c, r = to, r // s
        held.append(r**2 * b * a3 + r**2 * c * after)
    if network.head is not None:
        held.append(r**2 * c * _first(network.head_bits) + r**2 * network.head * DEFAULT_BITS)
    return tuple(Fraction(bits_held, 8) for bits_held in held)


def _first(bits: tuple[int, int] | None) -> int:
    """Bits of the activations that enter a stem or a head."""
    return DEFAULT_BITS if bits is None else bits[0]
