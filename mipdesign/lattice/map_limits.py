"""Limits of ``max_feature``: what a device holds while each convolution runs, by the rules of
:func:`mipdesign.networks.tool_counts.map_bytes`.

The first two convolutions of a block depend on the block and on the channels that enter it, as other limits on single
operations do. What the third one writes has the bits of the activations of the block that comes next: for each column the most
bits are tabulated with which its output may be read. Bounds know only of the least ones that occur; neighbours are told apart
in cells and where networks are evaluated.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..networks.tool_counts import DEFAULT_BITS
from ..problem.problem import Problem
from .arrays import (
    ABSENT,
    ACTIVATIONS,
    BLOCKS,
    CHANNELS,
    IDENTITY_FITS,
    MOST_INCOMING,
    NEXT_BITS,
    RANK,
    REST_FITS,
    WIDTH,
    Floats,
    Ints,
)
from .super_block import SuperBlock


def write_map_limits(problem: Problem, blocks: Sequence[SuperBlock], parts: Sequence[Floats], most: int) -> tuple[Ints, int]:
    """Writes the limits of all columns, for a device that holds so many bits.

    Returns
    -------
    tuple
        The most bits with which the output of each stem may be read; those with which that of the last block is.
    """
    r, s, stem, head = problem.input.resolution, problem.stem.stride, problem.stem, problem.head
    entering = r**2 * problem.input.channels * (stem.bits[0] if stem.bits else DEFAULT_BITS)
    of_stem = (most - entering) // (r**2 * np.array(stem.channels.values, dtype=np.int64) // s**2)
    tail_bits = head.bits[0] if head is not None and head.bits is not None else DEFAULT_BITS
    maps = [r // s]
    for stage in problem.stages:
        maps.append(maps[-1] // stage.stride)
    for i, (block, columns) in enumerate(zip(blocks, parts, strict=True)):
        i_th = block.element.super_block
        _write(block, columns, maps[i_th], maps[i_th + 1], most, min(_next_bits(blocks, i, tail_bits)))
    if head is not None:
        last = parts[-1]
        fits = maps[-1] ** 2 * (last[CHANNELS] * tail_bits + head.channels * DEFAULT_BITS) <= most
        last[IDENTITY_FITS] *= fits
        last[MOST_INCOMING] *= fits
    return of_stem, tail_bits


def _activations(block: SuperBlock) -> set[int]:
    """Bits with which a block may read."""
    return {a for a, _ in block.space.bits} or {DEFAULT_BITS}


def _next_bits(blocks: Sequence[SuperBlock], i: int, tail_bits: int) -> set[int]:
    """Bits with which what comes after an element may read."""
    found, after = set(), blocks[i + 1] if i + 1 < len(blocks) else None
    if after is not None and after.element.continues:
        found |= _activations(after)
        if not after.element.optional:
            return found
    others = (block for block in blocks[i + 1 :] if not block.element.continues)
    behind = next(others, None)
    return found | ({tail_bits} if behind is None else _activations(behind))


def _write(block: SuperBlock, parts: Floats, r: int, out: int, most: int, least_next: int) -> None:
    """Writes the limits of an element whose super-block turns maps of one height into those of another."""
    c, b, there, bits = parts[CHANNELS], parts[WIDTH], parts[BLOCKS] > 0, block.space.bits
    a = np.array([pair[0] for pair in bits])[block.columns.p] if bits else np.full(len(c), DEFAULT_BITS)
    next_bits = (most - out**2 * b * a) // (out**2 * c)
    written = next_bits >= least_next
    later = (out**2 * (c + b) * a <= most) & (out**2 * (b + 1 + c) * a <= most) & written
    if block.element.continues:
        parts[IDENTITY_FITS] *= later | ~there
        if len(_activations(block)) > 1:
            parts[RANK] = np.where(there, 0.0, ABSENT)  # their order counts
    else:
        stride = block.space.stride
        inner = a * (r**2 * b + r**2 // stride**2)
        most_entering = most // (a * r**2) - b
        parts[MOST_INCOMING] = np.minimum(parts[MOST_INCOMING], np.where((inner <= most) & written, most_entering, 0)).clip(0)
        with_shortcut = inner + a * (r**2 * c // stride**2) <= most
        parts[IDENTITY_FITS] *= (c <= most_entering) & with_shortcut & written
        if not block.element.is_block:
            parts[REST_FITS] *= later
    parts[ACTIVATIONS] = np.where(there, a, 0)
    parts[NEXT_BITS] = np.where(there, next_bits, parts[NEXT_BITS])
