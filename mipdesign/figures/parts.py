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
    """

    name: str
    stride: int | None
    block: str
    sizes: tuple[PerBlock | None, ...]
    operations: Sequence[Operation]
    resolution: int


def largest(size: PerBlock | None) -> int | None:
    """The largest one, where blocks have one each."""
    return max(size) if isinstance(size, tuple) else size


def parts(a: Architecture) -> Iterator[Part]:
    """The parts of a network in order."""
    resolution = a.stem_resolution
    name = "conv, pool" if a.stem.pool else "conv"
    yield Part("stem", a.stem.stride, name, (a.stem.channels, None, a.stem.kernel, None), a.stem_operations, resolution)
    for i, stage in enumerate(a.stages):
        operations = [op for block in a.blocks() if block.stage == i for op in block.operations]
        resolution = -(-resolution // stage.stride)
        sizes = (stage.channels, stage.bottleneck, stage.kernel, stage.depth)
        yield Part(f"stages.{i}", stage.stride, stage.block, sizes, operations, resolution)
    if a.head is not None:
        yield Part("head", 1, "conv", (a.head, None, 1, None), a.head_operations, resolution)
    yield Part("classifier", None, "linear", (a.classes, None, None, None), a.classifier_operations, 1)
