"""The chain that bounds speak of: super-blocks, and the single blocks of super-blocks whose blocks may differ.

A super-block whose blocks have widths, kernels or bits of their own is unrolled: each block is an element of the chain, of
depth 1. The later ones *continue* the first: they have its *state*, which is what all blocks have in common, and may be absent
where a smaller depth is admitted. They may be exchanged, so that one order of them stands for all: those that are there come
first, and in increasing order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .families import WHOLE
from .reading import RefusedError
from .super_block import MOST_COLUMNS, Ints, SuperBlock

Bools = NDArray[np.bool_]
MOST_ELEMENTS = 62
"""Most elements of a chain."""
MOST_BITS = 32
"""Most bits of a number."""
ABSENT = 2**60
"""The rank of a block that is absent."""

Tie = tuple[str, tuple[int, ...]]
"""What some super-blocks or elements have in common, and which: an axis of the specification, or ``presence``."""


@dataclass(frozen=True)
class Element:
    """A link of the chain: the super-block ``of`` which it is, or of which it is one block.

    Its columns are in the order of their ``place``, that of their state. ``channels`` are those of the states, and
    ``channel_place`` says where these stand in the super-block's lattice, ``None`` where the states are that lattice. Those
    that may enter a state stand from ``first`` to before ``stop`` in what comes before: a lattice of channels, or the states of
    the element that it ``continues``. ``a, w``: bits of each column. ``present``: whether the block is there, ``None`` where it
    always is; ``rank``: the order of later blocks, ``None`` for others. ``last``: whether its super-block ends there.
    """

    of: int
    stride: int
    r: int
    out: int
    families: tuple[str, ...]
    channels: tuple[int, ...] | Ints
    depths: tuple[int, ...]
    c: Ints
    f: Ints
    b: Ints
    k: Ints
    place: Ints
    first: Ints
    stop: Ints
    a: Ints | int = WHOLE
    w: Ints | int = WHOLE
    channel_place: Ints | None = None
    present: Bools | None = None
    rank: Ints | None = None
    is_block: bool = False
    continues: bool = False
    last: bool = True

    @property
    def bits(self) -> Ints:
        """The bits of each column's block as one number: :data:`MOST_BITS` times their product, and those of activations; 0
        where a block has none, or is absent.
        """
        if isinstance(self.a, int):
            return np.zeros_like(self.c)
        return self.a * self.w * MOST_BITS + self.a

    @property
    def presence(self) -> Ints:
        """1 for columns of a block that is there, else 0."""
        return np.ones(len(self.c), dtype=np.int64) if self.present is None else self.present.astype(np.int64)

    def kept(self, columns: Bools) -> Element:
        """The same with some of its columns only."""
        per_column = {
            name: value[columns]
            for name in ("c", "f", "b", "k", "place", "a", "w", "present", "rank")
            if isinstance(value := getattr(self, name), np.ndarray)
        }
        return Element(**(vars(self) | per_column))


def chain(
    super_blocks: Sequence[SuperBlock], ties: Sequence[Tie], ordered: bool
) -> tuple[tuple[Element, ...], tuple[Tie, ...]]:
    """The elements of super-blocks, and what is tied of them; ``ordered``: whether blocks may be exchanged.

    Raises
    ------
    RefusedError
        If there are too many of them, or a tie has no meaning.
    """
    depths = [s.depths for s in super_blocks]
    unrolled = [not s.uniform or bool(s.bits) for s in super_blocks]
    for axis, of in ties:
        some = [unrolled[i] for i in of]
        if axis in ("bottleneck", "kernel") and not all(super_blocks[i].uniform for i in of):
            raise RefusedError(f"problem.ties: blocks of super-blocks {[i + 1 for i in of]} may differ in {axis}")
        if axis == "depth" and any(some) and not all(some):
            raise RefusedError(f"problem.ties: super-blocks {[i + 1 for i in of]} cannot have the same depth")
    before: list[tuple[int, ...]] = []
    while before != depths:  # of ties that share a super-block, each restricts the others
        before = list(depths)
        for of in (of for axis, of in ties if axis == "depth" and unrolled[of[0]]):
            common = set.intersection(*(set(depths[i]) for i in of))
            for i in of:
                depths[i] = tuple(sorted(common))
    if not all(depths):
        raise RefusedError("problem.ties: super-blocks have no depth in common")
    found, begins = list[Element](), list[int]()
    for i, s in enumerate(super_blocks):
        begins.append(len(found))
        found += _blocks(i, s, depths[i], ordered) if unrolled[i] else [_whole(i, s)]
        if len(found) > MOST_ELEMENTS or sum(len(e.c) for e in found) > MOST_COLUMNS:
            raise RefusedError("problem has too many blocks that may differ")
    tied = list[Tie]()
    for axis, of in ties:
        if axis == "depth" and unrolled[of[0]]:
            tied += [("presence", tuple(begins[i] + n for i in of)) for n in range(1, depths[of[0]][-1])]
        else:
            tied.append((axis, tuple(begins[i] for i in of)))
    for begin, admitted, apart in zip(begins, depths, unrolled, strict=True):
        for below, above in pairwise(admitted) if apart else ():  # a block that may not be the last one, and the next
            tied += [("presence", (begin + n - 1, begin + n)) for n in range(below + 1, above)]
    return tuple(found), tuple(tied)


def _whole(i: int, s: SuperBlock) -> Element:
    return Element(
        i, s.stride, s.r, s.out, s.families, s.channels, s.depths, s.c, s.f, s.b, s.k, s.place, s.first, s.stop,
    )  # fmt: skip


def _blocks(i: int, s: SuperBlock, depths: tuple[int, ...], ordered: bool) -> list[Element]:
    """The blocks of a super-block."""
    pairs = np.array(s.bits or [(WHOLE, WHOLE)], dtype=np.int64)
    new = np.ones(len(s.c), dtype=bool)  # where a state begins among columns without bits
    if not s.uniform:
        new[1:] = (s.c[1:] != s.c[:-1]) | (s.f[1:] != s.f[:-1])
    heads = np.flatnonzero(new)
    column = np.repeat(np.arange(len(s.c)), len(pairs))
    state = (np.cumsum(new) - 1)[column]
    a, w = np.tile(pairs, (len(s.c), 1)).T
    channels, channel_place = s.c[heads], s.place[heads]
    c, f, b, k = (axis[column] for axis in (s.c, s.f, s.b, s.k))
    rank = ((b << 20 | k) << 6 | a) << 6 | w if ordered else np.zeros_like(b)
    found = [
        Element(
            i, s.stride, s.r, s.out, s.families, channels, (1,), c, f, b, k, state, s.first[channel_place],
            s.stop[channel_place], a if s.bits else WHOLE, w if s.bits else WHOLE, channel_place, None, None, True, False,
            depths[-1] == 1,
        )
    ]  # fmt: skip
    every = np.arange(len(heads))
    for n in range(1, min(depths[-1], MOST_ELEMENTS + 1)):
        rows, present = [c, f, b, k, state, a, w, rank], None
        if n >= depths[0]:  # one column more for each state, behind its others
            zero = np.zeros_like(heads)
            rows = [
                np.concatenate(pair)
                for pair in zip(rows, (s.c[heads], s.f[heads], zero, zero, every, zero, zero, zero + ABSENT), strict=True)
            ]
            by_state = np.argsort(rows[4], kind="stable")
            present = (np.arange(len(by_state)) < len(c))[by_state]
            rows = [row[by_state] for row in rows]
        c_n, f_n, b_n, k_n, state_n, a_n, w_n, rank_n = rows
        found.append(
            Element(
                i, 1, s.out, s.out, s.families, channels, (1,), c_n, f_n, b_n, k_n, state_n, every, every + 1,
                a_n if s.bits else WHOLE, w_n if s.bits else WHOLE, channel_place, present, rank_n, True, True,
                n == depths[-1] - 1,
            )
        )  # fmt: skip
    return found
