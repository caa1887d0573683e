"""A network part by part: stem, super-blocks, head and classifier, as tables and drawings show it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..networks.architecture import Architecture, PerBlock
from ..networks.blocks import Operation


class Part(NamedTuple):
    """One part of a network.

    Attributes
    ----------
    sizes:
        Channels, bottleneck width, kernel and depth; ``None`` for what the part has not. Where blocks differ, one of each.
    resolution:
        Of its output.
    kernel_t:
        Length of its kernel in frames.
    bits:
        Those of each block, as text; one where blocks are alike, none where nothing is quantised.
    """

    name: str
    stride: int | None
    block: str
    sizes: tuple[PerBlock | None, ...]
    operations: Sequence[Operation]
    resolution: int
    kernel_t: int = 1
    bits: tuple[str, ...] = ()


def bits_text(bits: Sequence[tuple[int, int]]) -> str:
    """Bits of activations and weights, ``4/5``: those of all convolutions of a block, or of each if they differ."""
    texts = [f"{a}/{w}" for a, w in bits]
    return texts[0] if len(set(texts)) == 1 else ",".join(texts)


def _alike(texts: Sequence[str]) -> tuple[str, ...]:
    """One text in place of equal ones."""
    return tuple(texts[:1] if len(set(texts)) == 1 else texts)


def parts(a: Architecture) -> Iterator[Part]:
    """The parts of a network in order."""
    resolution = a.stem_resolution
    name = "conv, pool" if a.stem.pool else "conv"
    sizes: tuple[PerBlock | None, ...] = (a.stem.channels, None, a.stem.kernel, None)
    bits: tuple[str, ...] = () if a.stem.bits is None else (bits_text([a.stem.bits]),)
    yield Part("stem", a.stem.stride, name, sizes, a.stem_operations, resolution, a.stem.kernel_t, bits)
    for i, stage in enumerate(a.stages):
        operations = [op for block in a.blocks() if block.stage == i for op in block.operations]
        resolution = -(-resolution // stage.stride)
        sizes = (stage.channels, stage.bottleneck, stage.kernel, stage.depth)
        bits = _alike([bits_text(block) for block in stage.bits])
        yield Part(f"stages.{i}", stage.stride, stage.block, sizes, operations, resolution, stage.kernel_t, bits)
    if a.head is not None:
        bits = () if a.head_bits is None else (bits_text([a.head_bits]),)
        yield Part("head", 1, "conv", (a.head, None, 1, None), a.head_operations, resolution, bits=bits)
    yield Part("classifier", None, "linear", (a.classes, None, None, None), a.classifier_operations, 1)
