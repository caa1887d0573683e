"""Blocks of super-blocks as tables see them: all columns of one family at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache, reduce
from operator import mul
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .elements import Bools, Element
from .families import FRAMES, WHOLE, Op, Ops
from .latency import Latency
from .network import stem, tail
from .reading import RefusedError
from .space import Space
from .super_block import Ints

Floats = NDArray[np.float64]
MOST = 2**53
"""Whole numbers below it are exact in floating point."""


@cache
def log(n: int) -> float:
    """Natural logarithm of a whole number, correct to half a unit in the last place and a little."""
    with localcontext() as context:
        context.prec = 30
        return float(Decimal(n).ln())


def logs(numbers: Ints) -> Floats:
    """:func:`log` of many numbers."""
    several, at = np.unique(numbers, return_inverse=True)
    return np.array([log(n) for n in several.tolist()])[at]


def whole(limit: Fraction) -> int:
    """The largest whole number that keeps a limit, cut off where no sum gets."""
    return max(-MOST, min(limit.numerator // limit.denominator, MOST))


class Blocks:
    """The blocks of one family of an element of the chain, for some of its columns at once."""

    def __init__(self, space: Space, s: Element, f: int, mine: Ints) -> None:
        self.space, self.i, self.s = space, s.of, s
        self.name = s.families[f]
        self.family = space.families[self.name]
        self.c, self.b, self.k = (axis[mine] for axis in (s.c, s.b, s.k))
        self.a, self.w = (x if isinstance(x, int) else x[mine] for x in (s.a, s.w))
        self.layers, self.last = self.family.layers, s.of == len(space.super_blocks) - 1

    @property
    def _sizes(self) -> tuple[Any, ...]:
        return self.b, self.k, self.a, self.w

    def _maps(self, doubled: bool) -> tuple[int, int]:
        """The maps that enter its first block and leave its last one."""
        maps = self.space.maps(doubled)
        return maps[self.i + 1], maps[self.i + 2]

    def first(self, ci: Ints, twin: bool, doubled: bool = False) -> Ops:
        """Operations of the first block."""
        of_all = np.full(len(self.c), twin)
        r, _ = self._maps(doubled)
        return self.space.block(self.name, ci, self.c, self._sizes, self.space.super_blocks[self.i].stride, r, True, of_all)

    def entered(self, ci: Ints, twin: bool, doubled: bool = False) -> Ops:
        """Those of the first block, and what stands behind the last one."""
        return self.first(ci, twin, doubled) + self.behind(doubled)

    def further(self, doubled: bool = False) -> Ops:
        """Those of each other block."""
        _, out = self._maps(doubled)
        yes = np.ones(len(self.c), dtype=bool)
        return self.space.block(self.name, self.c, self.c, self._sizes, 1, out, False, yes)

    def behind(self, doubled: bool = False) -> Ops:
        """What stands behind the last super-block."""
        return tail(self.space, self.c, self.family.activation, self._maps(doubled)[1]) if self.last else []

    def log_widths(self) -> Floats:
        """``sum log w`` of a block that one channel enters."""
        widths = [
            np.broadcast_to(w, self.c.shape) for w in self.family.widths(np.ones_like(self.c), self.c, self.b, self.k % FRAMES)
        ]
        if reduce(mul, (w.astype(np.float64) for w in widths)).max() > 2.0**62:
            raise RefusedError(f"problem.stages.{self.i}: the widths of a block are too large")
        return logs(reduce(mul, widths))

    def fits(self) -> tuple[Bools, Ints, Bools, Bools]:
        """Of the limits of what one operation holds: whether a column may be, the largest ``ci`` other than ``C`` with which
        its first block keeps them, whether that block does with ``ci = C``, and whether every further one does.
        """
        possible, twin, rest = (np.ones(len(self.c), dtype=bool) for _ in range(3))
        most = np.full(len(self.c), 2**40)
        for limit, first, behind, further in self._held():
            possible &= _within(behind(), limit)
            rest &= _within(further(), limit)
            if not self.s.continues:
                twin &= _within(first(self.c, True), limit)
                for one, two in zip(
                    first(np.full_like(self.c, -1), False), first(np.full_like(self.c, -2), False), strict=True
                ):
                    slope, room = np.broadcast_to(one - two, self.c.shape), limit - (2 * one - two)  # affine in ci
                    most = np.minimum(most, np.where(slope > 0, room // np.maximum(slope, 1), np.where(room >= 0, 2**40, 0)))
        if self.s.is_block:
            possible &= rest if self.s.continues else True
            rest = np.ones(len(self.c), dtype=bool)
        return possible, most, twin, rest

    def _held(self) -> Iterator[tuple[int, Callable[..., list[Any]], Callable[[], list[Any]], Callable[[], list[Any]]]]:
        """Each limit, and what operations hold: of a first block, of what stands behind, of a further block."""
        space = self.space
        if space.memory is not None:
            yield (
                whole(space.memory), lambda *way: [op.elements for op in self.first(*way)],
                lambda: [op.elements for op in self.behind()], lambda: [op.elements for op in self.further()],
            )  # fmt: skip
        if space.most_bits is not None:
            yield whole(space.most_bits), self._first_bits, self._bits_behind, self._further_bits

    def _first_bits(self, ci: Ints, twin: bool) -> list[Any]:
        """Bits that are held while each convolution of a first block runs, at least."""
        s, (r, out) = self.space.super_blocks[self.i].stride, self.space.floored[self.i + 1 : self.i + 3]
        shortcut = r * r * self.c // (s * s) * self.a if twin else 0
        return [
            r * r * (ci + self.b) * self.a,
            r * r * self.b * self.a + r * r // (s * s) * self.a + shortcut,
            self._third(out),
        ]

    def _further_bits(self) -> list[Any]:
        """The same of a further block."""
        r = self.space.floored[self.i + 2]
        return [r * r * (self.c + self.b) * self.a, r * r * (self.b + 1 + self.c) * self.a, self._third(r)]

    def _third(self, r: int) -> Any:
        """The same of a block's last convolution, whose output some convolution with the fewest bits reads."""
        return r * r * (self.b * self.a + self.c * self.space.fewest_bits(self.i + 1, within=self.i))

    def _bits_behind(self) -> list[Any]:
        """The same of the head."""
        if not self.last or self.space.head is None:
            return []
        r = self.space.floored[-1]
        return [r * r * (self.c * self.space.head_bits[0] + self.space.head * WHOLE)]

    def times(self, latency: Latency) -> tuple[Floats, Floats, list[tuple[Ints, Floats]]]:
        """Nanoseconds of a first block, of each further one, and what the first one takes beside that for every ``ci`` of the
        lattice: the class of each column, and a row per class. Infinite where an operation is not covered.
        """
        space, n = self.space, len(self.c)
        incoming = np.array(space.before(self.s), dtype=np.int64)
        columns = [axis[:, None] for axis in (self.c, self.b, self.k)]
        ci, pairs = incoming[None, :], list[tuple[Ints, Floats]]()
        once = sum((self._time(latency, op) for op in self.behind()), np.zeros(n))
        twin = ci == columns[0]
        s = self.space.super_blocks[self.i]
        further = sum((self._time(latency, op) for op in self.further()), np.zeros(n))
        if self.s.continues:
            return further, np.zeros(n), []
        for op in self.family.operations(ci, *columns, s.stride, s.r, True, twin):
            parts = (op.ci, op.co, op.k, op.groups)
            varies = [np.shape(x)[-1:] == (len(incoming),) for x in (*parts, op.present)]
            if len(incoming) == 1 or not any(varies):
                once = once + self._time(latency, op)[:, 0]
                continue
            keys = [x for x, v in zip(parts, varies, strict=False) if not v and np.ndim(x)] + [columns[0]] * varies[-1]
            table = np.concatenate([np.broadcast_to(x, (n, 1)) for x in keys] or [np.zeros((n, 1), dtype=np.int64)], axis=1)
            _, some, classes = np.unique(table, axis=0, return_index=True, return_inverse=True)
            chosen = [x if np.ndim(x) < 2 or np.shape(x)[0] == 1 else x[some] for x in (*parts, op.present)]
            of_some = op._replace(ci=chosen[0], co=chosen[1], k=chosen[2], groups=chosen[3], present=chosen[4])
            times = np.broadcast_to(_finite(latency.of(of_some)), (len(some), len(incoming)))
            pairs.append((classes.reshape(-1), times))
        if self.i == 0:  # the stem's activation is that of the first super-block's family
            of_stem = sum(_finite(latency.of(op)) for op in stem(space, incoming, self.family.activation, space.resolution))
            pairs.append((np.zeros(n, dtype=np.int64), np.reshape(of_stem, (1, -1))))
        return once, np.zeros(n) if self.s.is_block else further, pairs

    def _time(self, latency: Latency, op: Op) -> Floats:
        times = _finite(latency.of(op))
        return np.broadcast_to(times, (len(self.c), *times.shape[1:]))


def _within(held: Sequence[Any], limit: int) -> Any:
    """Whether no operation holds more."""
    within: Any = True
    for x in held:
        within = within & (np.asarray(x) <= limit)
    return within


def _finite(nanoseconds: Ints) -> Floats:
    """Nanoseconds as floats, infinite where they are missing."""
    return np.where(nanoseconds < 0, np.inf, nanoseconds.astype(np.float64))
