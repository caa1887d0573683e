"""Limits of ``max_feature``: what a device holds while each convolution runs, by the rules of
:func:`mipdesign.networks.tool_counts.map_bytes`.

The first two convolutions of a block depend on the block and on the channels that enter it, as other limits on single
operations do. What the third one writes has the bits of the activations of the block that comes next: for each column the most
bits are tabulated with which its output may be read. Bounds know only of the least ones that occur; neighbours are told apart
in cells and where networks are evaluated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..networks.tool_counts import DEFAULT_BITS
from ..problem.problem import Problem
from .arrays import ABSENT, ANY_BITS, Figures, Floats, Ints
from .super_block import SuperBlock


@dataclass(frozen=True)
class MapLimits:
    """The limits of a device.

    Attributes
    ----------
    most:
        Bits that it holds.
    maps:
        Heights of the maps that enter each super-block, and of the last one's output, rounded down.
    stem_next, tail_bits:
        The most bits with which the output of each stem may be read; those with which that of the last block is.
    head:
        Channels of the head, if there is one.
    """

    most: int
    maps: tuple[int, ...]
    stem_next: Ints
    tail_bits: int
    head: int | None

    @classmethod
    def of(cls, problem: Problem, most: int) -> MapLimits:
        """Those of a problem, for a device that holds so many bits."""
        r, s, stem, head = problem.input.resolution, problem.stem.stride, problem.stem, problem.head
        entering = r**2 * problem.input.channels * (stem.bits[0] if stem.bits else DEFAULT_BITS)
        of_stem = (most - entering) // (r**2 * np.array(stem.channels.values, dtype=np.int64) // s**2)
        maps = [r // s]
        for stage in problem.stages:
            maps.append(maps[-1] // stage.stride)
        tail_bits = head.bits[0] if head is not None and head.bits is not None else DEFAULT_BITS
        return cls(most, tuple(maps), of_stem, tail_bits, None if head is None else head.channels)

    def write(self, blocks: Sequence[SuperBlock], i: int, figures: Figures, ranks: Floats) -> tuple[Ints, Floats]:
        """Writes the limits of an element's columns.

        Returns
        -------
        tuple
            With how many bits each column reads, and with how many what it writes may be read; the order of later blocks.
        """
        block, most = blocks[i], self.most
        r, out = self.maps[block.element.super_block : block.element.super_block + 2]
        c, b, bits = block.columns.c, block.columns.b, block.space.bits
        a = np.array([pair[0] for pair in bits], dtype=np.int64)[block.columns.p] if bits else np.full(len(c), DEFAULT_BITS)
        there = np.ones(len(c), dtype=np.bool_)
        there[block.absent] = False
        next_bits = (most - out**2 * b * a) // (out**2 * c)
        written = next_bits >= min(self._next_bits(blocks, i))
        later = (out**2 * (c + b) * a <= most) & (out**2 * (b + 1 + c) * a <= most) & written
        fits, entering = figures["identity_fits"], figures["most_incoming"]
        if block.element.continues:
            fits[there & ~later] = 0
            ranks = np.where(there, 0.0, ABSENT)  # their order counts: the last one may be read with more bits than the others
        else:
            stride = block.space.stride
            inner = a * (r**2 * b + r**2 // stride**2)
            most_entering = most // (a * r**2) - b
            limited = np.where((inner <= most) & written, most_entering, 0).clip(0)
            entering[:] = np.minimum(entering, limited)
            with_shortcut = inner + a * (r**2 * c // stride**2) <= most
            fits[~((c <= most_entering) & with_shortcut & written)] = 0
            if not block.element.is_block:
                figures["rest_fits"][~later] = 0
        if self.head is not None and i == len(blocks) - 1:
            broken = out**2 * (c * self.tail_bits + self.head * DEFAULT_BITS) > most
            fits[broken], entering[broken] = 0, 0
        return np.array([np.where(there, a, 0), np.where(there, next_bits, ANY_BITS)]), ranks

    def _next_bits(self, blocks: Sequence[SuperBlock], i: int) -> set[int]:
        """Bits with which what comes after an element may read."""
        found, after = set(), blocks[i + 1] if i + 1 < len(blocks) else None
        if after is not None and after.element.continues:
            found |= _activations(after)
            if not after.element.optional:
                return found
        behind = next((block for block in blocks[i + 1 :] if not block.element.continues), None)
        return found | ({self.tail_bits} if behind is None else _activations(behind))


def _activations(block: SuperBlock) -> set[int]:
    """Bits with which a block may read."""
    return {a for a, _ in block.space.bits} or {DEFAULT_BITS}
