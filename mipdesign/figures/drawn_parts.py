"""What a drawing of a network shows of its parts: maps, runs of blocks that are alike, and the words beside them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..networks.architecture import Architecture, PerBlock
from .parts import parts

SHOWN = 4
"""Blocks of a run that are drawn."""


class Run(NamedTuple):
    """Blocks of a part that are alike and follow each other; ``inner`` is their bottleneck width, if they have one."""

    inner: int | None
    blocks: int

    @property
    def shown(self) -> int:
        """How many of them are drawn."""
        return min(self.blocks, SHOWN)


class Drawn(NamedTuple):
    """A part as a drawing shows it: maps of ``resolution`` x ``resolution``, one per block.

    ``inners``, ``kernels`` and ``bits`` are bottleneck widths, kernels, and bits of activations and weights: of each block
    where they differ, none where the part has not any. ``frames`` are those of its map, ``kernel_t`` those of its kernel.
    """

    name: str
    resolution: int
    channels: int
    inners: tuple[int, ...]
    depth: int
    kernels: tuple[int, ...]
    frames: int | None = None
    kernel_t: int = 1
    bits: tuple[str, ...] = ()

    @property
    def widest(self) -> int:
        """Channels that a block takes room for."""
        return max((self.channels, *self.inners))

    @property
    def runs(self) -> tuple[Run, ...]:
        """The blocks, those that are alike together."""
        sizes = (self.inners or (None,), self.kernels or (None,), self.bits or (None,))
        each = zip(*(_of_each(size, self.depth) for size in sizes), strict=True)
        return tuple(Run(alike[0], len([*found])) for alike, found in itertools.groupby(each))

    def lines(self, channels: str = "channels") -> list[str]:
        """What is written at it, its name apart."""
        frames = "" if self.frames is None else f"{self.frames} × "
        lines = [f"{frames}{self.resolution} × {self.resolution}", f"{self.channels:,} {channels}"]
        if self.inners:
            lines.append(f"{self.depth} block" + ("s" if self.depth != 1 else ""))
        if self.kernels:
            over = "" if self.kernel_t == 1 else f"{self.kernel_t} × "
            lines.append(", ".join(f"{over}{kernel} × {kernel}" for kernel in sorted(set(self.kernels))))
        if self.inners:
            lines.append(f"width {_reach(self.inners, ' to ')}")
        if self.bits:
            pairs = [pair.split("/") for text in self.bits for pair in text.split(",")]
            lines.append(f"{'/'.join(_reach(map(int, side), '–') for side in zip(*pairs, strict=True))} bits")
        return lines


def _of_each(size: Sequence[int | str | None], depth: int) -> list[int | str | None]:
    """A size of every block: that of all, or those of each."""
    return [*size] if len(size) == depth else [size[0]] * depth


def _reach(values: Iterable[int], between: str) -> str:
    """Smallest and largest value, or the one that there is."""
    found = sorted(values)
    return f"{found[0]:,}" if found[0] == found[-1] else f"{found[0]:,}{between}{found[-1]:,}"


def drawn_parts(architecture: Architecture) -> list[Drawn]:
    """Input and parts of a network."""
    frames = architecture.frames
    drawn = [Drawn("input", architecture.resolution, architecture.input_channels, (), 1, (), frames)]
    for part in parts(architecture):
        channels, inners, kernels, depth = map(_each, part.sizes)
        of_map = None if part.stride is None else frames
        sizes = (channels[0], inners, depth[0] if depth else 1, kernels, of_map, part.kernel_t, part.bits)
        drawn.append(Drawn(part.name, part.resolution, *sizes))
    return drawn


def _each(size: PerBlock | None) -> tuple[int, ...]:
    """A size of all blocks, or those of each; none of a part that has not any."""
    return size if isinstance(size, tuple) else () if size is None else (size,)
