"""The chain that a network is: super-blocks, and the single blocks of super-blocks whose blocks may differ.

A super-block with ``uniform: false``, or with bits, is unrolled. Its first block is an element of depth 1. Every further one
*continues* it: channels and family are those of the block before, which are its *state*; so are width and kernel where the
super-block is uniform. What is left is its own. Where a smaller depth is admitted it may be absent.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..errors import SpecError
from ..networks.operation import kernel_of
from .space import SuperBlockSpace
from .ties import Tie

MOST_ELEMENTS = 62
"""Most elements of a problem."""


@dataclass(frozen=True)
class Element:
    """One link of the chain.

    Attributes
    ----------
    super_block:
        The super-block that it is, or belongs to; from 0.
    space:
        That of the super-block; with a single depth of 1 where the element is one block.
    is_block:
        Whether it is one block of a super-block whose blocks may differ,
    continues:
        and a later one,
    optional:
        which may be absent.
    """

    super_block: int
    space: SuperBlockSpace
    is_block: bool = False
    continues: bool = False
    optional: bool = False

    @property
    def has_columns(self) -> tuple[object, ...]:
        """What decides which columns it has."""
        space = self.space
        return space.channels, space.choices, space.uniform, space.bits, self.is_block, self.continues, self.optional


def unrolled(space: SuperBlockSpace) -> bool:
    """Whether the blocks of a super-block are elements of their own."""
    return not space.uniform or bool(space.bits)


def elements_of(spaces: Sequence[SuperBlockSpace], ties: Sequence[Tie]) -> tuple[Element, ...]:
    """The elements of the super-blocks of a problem in order.

    Raises
    ------
    SpecError
        If there are too many.
    """
    found: list[Element] = []
    for i, (space, depths) in enumerate(zip(spaces, _depths(spaces, ties), strict=True)):
        if not unrolled(space):
            found.append(Element(i, space))
            continue
        block = replace(space, depths=(1,))
        found.append(Element(i, block, is_block=True))
        more = (n >= depths[0] for n in range(1, min(depths[-1], MOST_ELEMENTS + 1)))
        found += [Element(i, block, is_block=True, continues=True, optional=optional) for optional in more]
    if len(found) > MOST_ELEMENTS:
        text = f"{len(found)} blocks of super-blocks with uniform: false or bits, and other super-blocks"
        raise SpecError("stages", text, f"let there be at most {MOST_ELEMENTS}: lower depth, or leave uniform out")
    return tuple(found)


def ties_of_elements(spaces: Sequence[SuperBlockSpace], ties: Sequence[Tie], elements: Sequence[Element]) -> tuple[Tie, ...]:
    """What elements have in common: by the ties of a problem; and where a depth is not admitted, the block that would end there
    and the next one are both present or both absent.
    """
    begins = [next(n for n, element in enumerate(elements) if element.super_block == i) for i in range(len(spaces))]
    found: list[Tie] = []
    for tie in ties:
        if tie.axis == "depth" and unrolled(spaces[tie.stages[0]]):
            last = max(_depths(spaces, ties)[tie.stages[0]])
            found += [Tie("presence", tuple(begins[i] + n for i in tie.stages)) for n in range(1, last)]
        else:
            found.append(Tie(tie.axis, tuple(begins[i] for i in tie.stages)))
    for begin, space, depths in zip(begins, spaces, _depths(spaces, ties), strict=True):
        if unrolled(space):
            gaps = [n for n in range(depths[0] + 1, depths[-1]) if n not in depths]
            found += [Tie("presence", (begin + n - 1, begin + n)) for n in gaps]
    return tuple(found)


def _depths(spaces: Sequence[SuperBlockSpace], ties: Sequence[Tie]) -> list[tuple[int, ...]]:
    """Depths of each super-block; where blocks may differ, tied super-blocks have those that all of them have."""
    depths = [space.depths for space in spaces]
    for tie in ties:
        if tie.axis == "depth" and unrolled(spaces[tie.stages[0]]):
            common = set.intersection(*(set(depths[i]) for i in tie.stages))
            for i in tie.stages:
                depths[i] = tuple(sorted(common))
    return depths


def check_blocks(spaces: Sequence[SuperBlockSpace], ties: Sequence[Tie]) -> None:
    """Kernels and ties of super-blocks whose blocks may differ have a meaning.

    Raises
    ------
    SpecError
        With what may be tied instead.
    """
    for i, space in enumerate(spaces):
        lengths = {kernel_of(k)[0] for choice in space.choices for k in choice.kernels}
        if not space.uniform and len(lengths) > 1:
            text = "of several lengths in frames where blocks have uniform: false"
            raise SpecError(f"stages.{i}.kernels", text, "let all span as many frames, or leave uniform out")
    for tie in ties:
        free = [i + 1 for i in tie.stages if not spaces[i].uniform]
        if free and tie.axis in ("bottleneck", "kernel"):
            text = f"blocks of super-block {free[0]} need not have the same {tie.axis} (uniform: false)"
            raise SpecError("ties", text, "tie block, channels or depth, or leave uniform out")
        free = [i + 1 for i in tie.stages if unrolled(spaces[i])]
        if free and tie.axis == "depth" and len(free) < len(tie.stages):
            stages = [i + 1 for i in tie.stages]
            text = f"depths of super-blocks {stages}, of which only {free} have blocks that may differ"
            raise SpecError("ties", text, "give all of them uniform: false or bits, or none")
        if free and tie.axis == "depth" and not _depths(spaces, [tie])[tie.stages[0]]:
            raise SpecError("ties", f"super-blocks {free} have no depth in common", "widen their lattices")


def sequences(space: SuperBlockSpace, at: int) -> int:
    """How many networks the super-block alone has with the channels at a place."""
    pairs = max(1, len(space.bits))
    if space.uniform:
        return space.columns(at) * sum(pairs**depth if space.bits else 1 for depth in space.depths)
    c = space.channels[at]
    columns = (choice.columns(at, c) * pairs for choice in space.choices)
    return sum(n**depth for n, depth in itertools.product(columns, space.depths))


def count_sequences(channels: Sequence[int], spaces: Sequence[SuperBlockSpace]) -> int:
    """Number of networks whose stem has one of some channels, exactly; budgets and ties aside."""
    ways = [1] * len(channels)
    for space in spaces:
        up_to = [0, *itertools.accumulate(ways)]
        before = [space.predecessors(channels, c) for c in space.channels]
        columns = [sequences(space, at) for at in range(len(space.channels))]
        ways = [(up_to[at.stop] - up_to[at.start]) * n for at, n in zip(before, columns, strict=True)]
        channels = space.channels
    return sum(ways)
