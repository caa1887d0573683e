"""Figures of all choices of a space as arrays: what bounds and listings add up.

The first block of a super-block counts ``fixed + ci * slope`` of a figure where ``ci`` channels enter it, ``twin`` where
``ci = C``; every further block counts ``rest``. All of these are whole numbers below 2^53, exact in floating point.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache, reduce
from operator import mul
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .families import Op, Ops, figure
from .network import stem, tail
from .reading import RefusedError
from .space import Ints, Space, SuperBlock

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
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


@dataclass(frozen=True)
class Table:
    """Columns of one super-block; ``rows`` holds ``log C``, ``t`` (``sum log w`` of a block that one channel enters), layers
    per block, and ``fixed, slope, twin, rest`` of every limit, shape ``(3 + 4 limits, columns)``.

    ``same``: the place of each of the super-block's channels in the lattice before it, -1 where that does not have them.
    ``special``: whether ``ci = C`` is a case of its own. ``most``, ``twin_fits``, ``rest_fits``: the largest ``ci`` other than
    ``C`` with which no operation exceeds the activation memory, and whether ``ci = C`` and further blocks keep it; ``None``
    where nothing is limited. ``pairs``: what the latency adds for ``ci`` at a place, ``table[of_column, place]`` of each;
    infinite where an operation is not covered.
    """

    block: SuperBlock
    rows: Floats
    same: Ints
    special: bool
    most: Ints | None
    twin_fits: Bools | None
    rest_fits: Bools | None
    pairs: tuple[tuple[Ints, Floats], ...]


@dataclass(frozen=True)
class Tables:
    """A space in arrays. ``limits`` are those of the sums, as whole numbers, then that of the latency."""

    space: Space
    stages: tuple[Table, ...]
    limits: Ints
    stem_counts: Floats
    stem_logs: Floats
    stem_fits: Bools


def build(space: Space) -> Tables:
    """Tabulates a space.

    Raises
    ------
    RefusedError
        If a network of it may count more than floating point holds exactly.
    """
    _check_size(space)
    n = len(space.limits) + (space.latency is not None)
    most = [_whole(limit.most) for limit in space.limits]
    stems = np.array(space.stem, dtype=np.int64)
    counts = np.zeros((n, len(stems)))
    counts[: len(space.limits)] = _counts(space, stem(space, stems, "relu"), stems.shape, 1, 0)
    known: dict[tuple[str, bytes], Floats] = {}
    stages = [_table(space, i, n, known) for i in range(len(space.super_blocks))]
    fits = np.ones(len(stems), dtype=bool)
    if space.memory is not None:
        fits = np.all([op.elements <= _whole(space.memory) for op in stem(space, stems, "relu")], axis=0)
    if space.latency is not None:
        longest = sum(_longest(table, n) for table in stages)
        if longest >= MOST / 16:
            raise RefusedError("problem.budgets.latency: a network may take more than 5e14 nanoseconds")
        most.append(min(_whole(space.nanoseconds), int(longest)))
    return Tables(space, tuple(stages), np.array(most, dtype=np.int64), counts, logs(stems), fits)


def _whole(limit: Fraction) -> int:
    """The largest whole number that keeps a limit, cut off where no sum gets."""
    return max(-MOST, min(limit.numerator // limit.denominator, MOST))


def _longest(table: Table, n: int) -> float:
    """Nanoseconds that no choice of a super-block exceeds, of what the table covers."""
    if not len(table.block.c):
        return 0.0
    once, rest = table.rows[2 + n].max(), table.rows[2 + 4 * n].max()
    pairs = sum(times[np.isfinite(times)].max(initial=0.0) for _, times in table.pairs)
    return float(once + pairs + (table.block.depths[-1] - 1) * rest)


def _check_size(space: Space) -> None:
    """The largest network counts less than 2^50 of everything together, its shortcuts with and without projection, so that 16
    times any count (the most that a byte width takes) is exact.
    """
    total, ci = 0, space.stem[-1]
    for op in stem(space, ci, "relu") + tail(space, space.super_blocks[-1].channels[-1], "relu"):
        total += sum(int(figure(op, name)) for name in ("params", "macs", "reference_flops", "activations"))
    for s in space.super_blocks:
        c, b, k = (int(axis.max()) for axis in (s.c, s.b, s.k))
        for name in s.families:
            operations = space.families[name].operations
            for enters, times in ((ci, 1), (c, s.depths[-1])):
                for op in operations(enters, c, b, k, 1, s.r, True, False) + operations(enters, c, b, k, 1, s.r, True, True):
                    total += times * sum(int(figure(op, name)) for name in ("params", "macs", "reference_flops", "activations"))
        ci = c
    if total * 8 >= MOST:
        raise RefusedError("problem: its largest network counts more than 5e14 operations")


def _counts(space: Space, ops: Ops, shape: tuple[int, ...], layers: int, blocks: int) -> Ints:
    """What some operations count of every limited sum, shape ``(limits, *shape)``."""
    rows = np.zeros((len(space.limits), *shape), dtype=np.int64)
    for row, limit in zip(rows, space.limits, strict=True):
        if limit.figure in ("layers", "blocks"):
            row += layers if limit.figure == "layers" else blocks
        else:
            for op in ops:
                if (op.kind, limit.figure) != ("linear", "params_backbone"):
                    row += figure(op, limit.figure)
        row *= limit.sign * limit.factor
    return rows


def _table(space: Space, i: int, n: int, known: dict[tuple[str, bytes], Floats]) -> Table:
    """The table of super-block ``i``, with ``n`` limits; what stands behind the last one is counted in its first block.

    ``known`` keeps the sums of logarithms of each family by its columns: most super-blocks have the same.
    """
    s, summed = space.super_blocks[i], len(space.limits)
    rows = np.zeros((3 + 4 * n, len(s.c)))
    fixed, slope, twin, rest = (rows[3 + part * n : 3 + part * n + summed] for part in range(4))
    most, twin_fits, rest_fits, possible = np.full(len(s.c), 2**40), *(np.ones(len(s.c), dtype=bool) for _ in range(3))
    pairs: list[tuple[Ints, Floats]] = []
    rows[0] = logs(np.array(s.channels))[s.place]
    for f in np.flatnonzero(np.bincount(s.f)).tolist():
        mine = np.flatnonzero(s.f == f)
        blocks = _Blocks(space, i, f, mine)
        layers, end = blocks.layers, int(blocks.last and space.head is not None)
        key = s.families[f], np.stack([blocks.c, blocks.b, blocks.k]).tobytes()
        if key not in known:
            known[key] = blocks.log_widths()
        rows[1, mine], rows[2, mine] = known[key], layers
        at = [_counts(space, blocks.first(np.array([-x]), False) + blocks.behind, mine.shape, layers + end, 1)
              for x in (1, 2)]  # fmt: skip
        slope[:, mine], fixed[:, mine] = at[0] - at[1], 2 * at[0] - at[1]
        twin[:, mine] = _counts(space, blocks.first(blocks.c, True) + blocks.behind, mine.shape, layers + end, 1)
        rest[:, mine] = _counts(space, blocks.further, mine.shape, layers, 1)
        if space.memory is not None:
            elements = _whole(space.memory)
            possible[mine] = blocks.fit(blocks.behind, elements)
            twin_fits[mine], rest_fits[mine] = (
                blocks.fit(ops, elements) for ops in (blocks.first(blocks.c, True), blocks.further)
            )
            most[mine] = blocks.most_incoming(elements)
        if space.latency is not None:
            once, more, of_pairs = blocks.latencies()
            possible[mine] &= np.isfinite(once)
            rest_fits[mine] &= np.isfinite(more)
            rows[2 + n, mine] = rows[2 + 3 * n, mine] = once
            rows[2 + 4 * n, mine] = np.where(np.isfinite(more), more, 0.0)
            for classes, times in of_pairs:
                of_column = np.zeros(len(s.c), dtype=np.int64)
                of_column[mine] = classes + 1
                pairs.append((of_column, np.vstack([np.zeros(times.shape[1]), times])))
    special = space.memory is not None or bool((fixed + slope * s.c != twin).any())
    kept: Any = slice(None) if possible.all() else possible  # columns that no network can have are left out
    block = replace(s, c=s.c[kept], f=s.f[kept], b=s.b[kept], k=s.k[kept], place=s.place[kept])
    before = space.stem if i == 0 else space.super_blocks[i - 1].channels
    place = {channels: at for at, channels in enumerate(before)}
    same = np.array([place.get(channels, -1) for channels in s.channels])
    return Table(
        block, np.ascontiguousarray(rows[:, kept]), same, special, None if space.memory is None else most[kept],
        None if twin_fits.all() else twin_fits[kept], None if rest_fits.all() else rest_fits[kept],
        tuple((of_column[kept], times) for of_column, times in pairs),
    )  # fmt: skip


class _Blocks:
    """The blocks of one family of a super-block, for all of its columns at once."""

    def __init__(self, space: Space, i: int, f: int, mine: Ints) -> None:
        self.space, self.i, self.s = space, i, space.super_blocks[i]
        self.family = space.families[self.s.families[f]]
        self.c, self.b, self.k = (axis[mine] for axis in (self.s.c, self.s.b, self.s.k))
        self.layers, self.last = len(self.family.widths(1, 1, 1, 1)), i == len(space.super_blocks) - 1
        self.behind = tail(space, self.c, self.family.activation) if self.last else []
        yes = np.ones(len(self.c), dtype=bool)
        self.further = self.family.operations(self.c, self.c, self.b, self.k, 1, self.s.out, False, yes)

    def first(self, ci: Ints, twin: bool) -> Ops:
        """Operations of the first block."""
        of_all = np.full(len(self.c), twin)
        return self.family.operations(ci, self.c, self.b, self.k, self.s.stride, self.s.r, True, of_all)

    def log_widths(self) -> Floats:
        """``sum log w`` of a block that one channel enters."""
        widths = [np.broadcast_to(w, self.c.shape) for w in self.family.widths(np.ones_like(self.c), self.c, self.b, self.k)]
        if reduce(mul, (w.astype(np.float64) for w in widths)).max() > 2.0**62:
            raise RefusedError(f"problem.stages.{self.i}: the widths of a block are too large")
        return logs(reduce(mul, widths))

    def fit(self, ops: Ops, elements: int) -> Bools:
        """Whether no operation reads and writes more elements."""
        fitting = [np.broadcast_to(op.elements <= elements, self.c.shape) for op in ops]
        return np.all(fitting, axis=0) if fitting else np.ones(len(self.c), dtype=bool)

    def most_incoming(self, elements: int) -> Ints:
        """The largest ``ci``, not ``C``, with which the first block's operations fit; their elements are affine in it."""
        most = np.full(len(self.c), 2**40)
        samples = (self.first(np.full_like(self.c, -x), False) for x in (1, 2))
        for one, two in zip(*samples, strict=True):
            slope = np.broadcast_to(one.elements - two.elements, self.c.shape)
            room = elements - (2 * one.elements - two.elements)
            most = np.minimum(most, np.where(slope > 0, room // np.maximum(slope, 1), np.where(room >= 0, 2**40, 0)))
        return most

    def latencies(self) -> tuple[Floats, Floats, list[tuple[Ints, Floats]]]:
        """Nanoseconds of a first block, of each further one, and what the first one takes beside that for every ``ci`` of the
        lattice: the class of each column, and a row per class. Infinite where an operation is not covered.
        """
        space, latency, n = self.space, self.space.latency, len(self.c)
        assert latency is not None
        incoming = np.array(space.stem if self.i == 0 else space.super_blocks[self.i - 1].channels, dtype=np.int64)
        columns = [axis[:, None] for axis in (self.c, self.b, self.k)]
        ci, pairs = incoming[None, :], list[tuple[Ints, Floats]]()
        once = sum((self._time(op) for op in self.behind), np.zeros(n))
        twin = ci == columns[0]
        for op in self.family.operations(ci, *columns, self.s.stride, self.s.r, True, twin):
            parts = (op.ci, op.co, op.k, op.groups)
            varies = [np.shape(x)[-1:] == (len(incoming),) for x in (*parts, op.present)]
            if len(incoming) == 1 or not any(varies):
                once = once + self._time(op)[:, 0]
                continue
            keys = [x for x, v in zip(parts, varies, strict=False) if not v and np.ndim(x)] + [columns[0]] * varies[-1]
            table = np.concatenate([np.broadcast_to(x, (n, 1)) for x in keys] or [np.zeros((n, 1), dtype=np.int64)], axis=1)
            _, some, classes = np.unique(table, axis=0, return_index=True, return_inverse=True)
            chosen = [x if np.ndim(x) < 2 or np.shape(x)[0] == 1 else x[some] for x in (*parts, op.present)]
            of_some = op._replace(ci=chosen[0], co=chosen[1], k=chosen[2], groups=chosen[3], present=chosen[4])
            times = np.broadcast_to(_finite(latency.of(of_some)), (len(some), len(incoming)))
            pairs.append((classes.reshape(-1), times))
        if self.i == 0:  # the stem's activation is that of the first super-block's family
            of_stem = sum(_finite(latency.of(op)) for op in stem(space, incoming, self.family.activation))
            pairs.append((np.zeros(n, dtype=np.int64), np.reshape(of_stem, (1, -1))))
        return once, sum((self._time(op) for op in self.further), np.zeros(n)), pairs

    def _time(self, op: Op) -> Floats:
        assert self.space.latency is not None
        times = _finite(self.space.latency.of(op))
        return np.broadcast_to(times, (len(self.c), *times.shape[1:]))


def _finite(nanoseconds: Ints) -> Floats:
    """Nanoseconds as floats, infinite where they are missing."""
    return np.where(nanoseconds < 0, np.inf, nanoseconds.astype(np.float64))
