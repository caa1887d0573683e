"""Figures of all choices of a space as arrays: what bounds and listings add up.

The first block of a super-block counts ``fixed + ci * slope`` of a figure where ``ci`` channels enter it, ``twin`` where
``ci = C``; every further block counts ``rest``. All of these are whole numbers below 2^53, exact in floating point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from .blocks import MOST, Blocks, Floats, log, logs, whole
from .elements import Bools, Element
from .families import BACKBONE, FRAMES, UNROUNDED, WHOLE, Ops, figure
from .network import stem, tail
from .reading import RefusedError
from .space import Space
from .super_block import Ints

__all__ = ["Bools", "Floats", "Table", "Tables", "build", "log", "logs"]


@dataclass(frozen=True)
class Table:
    """Columns of one element of the chain; ``rows`` holds ``log C``, ``t`` (``sum log w`` of a block that one channel enters),
    layers per block, and ``fixed, slope, twin, rest`` of every limit, shape ``(3 + 4 limits, columns)``.

    ``same``: the place of each state's channels in the lattice before it, -1 where that does not have them.
    ``special``: whether ``ci = C`` is a case of its own. ``most``, ``twin_fits``, ``rest_fits``: the largest ``ci`` other than
    ``C`` with which no operation exceeds the activation memory, and whether ``ci = C`` and further blocks keep it; ``None``
    where nothing is limited. ``pairs``: what each latency adds for ``ci`` at a place, ``table[of_column, place]`` of each of
    its tables; infinite where an operation is not covered. ``correction``: what the score's layer term of a block has beside
    ``sum log w``; ``None`` where that is nothing. ``values``: what it is worth by a table, at each depth, shape ``(depths,
    columns)``; -inf where it is excluded, ``None`` without a table.
    """

    block: Element
    rows: Floats
    same: Ints
    special: bool
    most: Ints | None
    twin_fits: Bools | None
    rest_fits: Bools | None
    pairs: tuple[tuple[tuple[Ints, Floats], ...], ...]
    correction: Floats | None
    values: Floats | None


@dataclass(frozen=True)
class Tables:
    """A space in arrays. ``limits`` are those of the sums, as whole numbers, then those of the latencies."""

    space: Space
    stages: tuple[Table, ...]
    limits: Ints
    stem_counts: Floats
    stem_logs: Floats
    stem_fits: Bools

    @property
    def of_latencies(self) -> range:
        """The limits that are latencies, in the order of :attr:`.Space.latencies`."""
        return range(len(self.space.limits), len(self.limits))

    @property
    def stem_correction(self) -> float:
        """:attr:`Table.correction` of the stem."""
        return float(self.space.stem_correction)

    @property
    def head_correction(self) -> float:
        """:attr:`Table.correction` of the head."""
        return float(self.space.head_correction)

    @cached_property
    def stage_of(self) -> tuple[int, ...]:
        """Down-sampling stage of each element."""
        return tuple(self.space.stage_of[table.block.of] for table in self.stages)

    @cached_property
    def most_value(self) -> float:
        """No network is worth more by the table of values, nor less than the negative of that."""
        values = (table.values for table in self.stages if table.values is not None)
        return sum(float(np.abs(of_one[np.isfinite(of_one)]).max(initial=0.0)) for of_one in values)

    @property
    def corrected(self) -> bool:
        """Whether layer terms have anything beside the logarithms of widths."""
        return self.space.corrected


def build(space: Space) -> Tables:
    """Tabulates a space.

    Raises
    ------
    RefusedError
        If a network of it may count more than floating point holds exactly.
    """
    _check_size(space)
    n = len(space.limits) + len(space.latencies)
    most = [whole(limit.most * limit.parts) for limit in space.limits]
    stems = np.array(space.stem, dtype=np.int64)
    counts = np.zeros((n, len(stems)))
    counts[: len(space.limits)] = _counts(space, partial(_stem, space, stems), stems.shape, 1, 0)
    known: dict[tuple[str, bytes], Floats] = {}
    stages = [_table(space, i, n, known) for i in range(len(space.elements))]
    fits = np.ones(len(stems), dtype=bool)
    if space.memory is not None:
        fits &= np.all([op.elements <= whole(space.memory) for op in _stem(space, stems)], axis=0)
    if space.most_bits is not None:
        r, s = space.resolution, space.stem_stride
        written = r * r * stems // (s * s) * space.fewest_bits(0)
        fits &= r * r * space.in_channels * space.stem_bits[0] + written <= whole(space.most_bits)
    for latency, timed in enumerate(space.latencies):
        longest = sum(_longest(table, n, latency) for table in stages)
        if longest >= MOST / 16:
            raise RefusedError("problem.budgets.latency: a network may take more than 5e14 nanoseconds")
        most.append(min(whole(timed.most), int(longest)))
    return Tables(space, tuple(stages), np.array(most, dtype=np.int64), counts, logs(stems), fits)


def _largest(k: Ints) -> int:
    """A kernel as large as any."""
    return int(k.max() // FRAMES) * FRAMES + int((k % FRAMES).max())


def _stem(space: Space, channels: Any, doubled: bool = False) -> Ops:
    return stem(space, channels, "relu", space.maps(doubled)[0])


def _longest(table: Table, n: int, latency: int) -> float:
    """Nanoseconds that no choice of a super-block exceeds, of what the table of a latency covers."""
    if not len(table.block.c):
        return 0.0
    row = 3 + n - len(table.pairs) + latency
    once, rest = table.rows[row].max(), table.rows[row + 3 * n].max()
    pairs = sum(times[np.isfinite(times)].max(initial=0.0) for _, times in table.pairs[latency])
    return float(once + pairs + (table.block.depths[-1] - 1) * rest)


def _check_size(space: Space) -> None:
    """The largest network counts less than 2^50 of everything together, its shortcuts with and without projection, so that 16
    times any count (the most that a byte width takes) is exact.
    """
    limited = {limit.figure for limit in space.limits}
    total = _size(space, ("params", "macs", "reference_flops", "activations"), False)
    total += _size(space, tuple(limited & set(UNROUNDED)), True) + _size(space, tuple(limited & {"size_in_bits"}), False)
    if total * 8 >= MOST:
        raise RefusedError("problem: its largest network counts more than 5e14 operations")


def _size(space: Space, names: tuple[str, ...], doubled: bool) -> int:
    """What the largest network counts of some figures together."""
    total, ci, maps = 0, space.stem[-1], space.maps(doubled)
    for op in stem(space, ci, "relu", maps[0]) + tail(space, space.super_blocks[-1].channels[-1], "relu", maps[-1]):
        total += sum(int(figure(op, name)) for name in names)
    for s, r in zip(space.super_blocks, maps[1:], strict=False):
        bits = map(max, zip(*(s.bits or [(WHOLE, WHOLE)]), strict=True))
        c, block = int(s.c.max()), (int(s.b.max()), _largest(s.k), *bits)
        for family in s.families:
            for enters, times in ((ci, 1), (c, s.depths[-1])):
                ways = (space.block(family, enters, c, block, 1, r, True, twin) for twin in (False, True))
                total += times * sum(int(figure(op, name)) for ops in ways for op in ops for name in names)
        ci = c
    return total


def _counts(space: Space, made: Callable[[bool], Ops], shape: tuple[int, ...], layers: int, blocks: int) -> Ints:
    """What some operations count of every limited sum, shape ``(limits, *shape)``; they are ``made`` on maps as they are, or
    on doubled ones.
    """
    rows = np.zeros((len(space.limits), *shape), dtype=np.int64)
    on_maps = made(False)
    doubled = made(True) if space.halvings and any(limit.figure in UNROUNDED for limit in space.limits) else on_maps
    for row, limit in zip(rows, space.limits, strict=True):
        if limit.figure in ("layers", "blocks"):
            row += layers if limit.figure == "layers" else blocks
        else:
            for op in doubled if limit.figure in UNROUNDED else on_maps:
                if op.kind != "linear" or limit.figure not in BACKBONE:
                    row += figure(op, limit.figure)
        row *= limit.sign * limit.factor
    return rows


def _table(space: Space, i: int, n: int, known: dict[tuple[str, bytes], Floats]) -> Table:
    """The table of element ``i``, with ``n`` limits; what stands behind the last super-block is counted in its first block.

    ``known`` keeps the sums of logarithms of each family by its columns: most super-blocks have the same.
    """
    s, summed = space.elements[i], len(space.limits)
    rows = np.zeros((3 + 4 * n, len(s.c)))
    fixed, slope, twin, rest = (rows[3 + part * n : 3 + part * n + summed] for part in range(4))
    most, twin_fits, rest_fits, possible = np.full(len(s.c), 2**40), *(np.ones(len(s.c), dtype=bool) for _ in range(3))
    pairs = [list[tuple[Ints, Floats]]() for _ in space.latencies]
    rows[0] = logs(np.asarray(s.channels))[s.place]
    there = np.ones(len(s.c), dtype=bool) if s.present is None else s.present
    rows[1, ~there] = -rows[0, ~there]  # so that a block that is absent adds nothing
    single = space.memory is not None or space.most_bits is not None
    for f in np.flatnonzero(np.bincount(s.f)).tolist():
        mine = np.flatnonzero((s.f == f) & there)
        blocks = Blocks(space, s, f, mine)
        layers, end = blocks.layers, int(blocks.last and space.head is not None)
        key = s.families[f], np.stack([blocks.c, blocks.b, blocks.k]).tobytes()
        if key not in known:
            known[key] = blocks.log_widths()
        rows[1, mine], rows[2, mine] = known[key], layers
        if s.continues:
            fixed[:, mine] = _counts(space, blocks.further, mine.shape, layers, 1)
        else:
            ways = ((np.array([-1]), False), (np.array([-2]), False), (blocks.c, True))
            one, two, same = (_counts(space, partial(blocks.entered, *way), mine.shape, layers + end, 1) for way in ways)
            slope[:, mine], fixed[:, mine], twin[:, mine] = one - two, 2 * one - two, same
        if not s.is_block:
            rest[:, mine] = _counts(space, blocks.further, mine.shape, layers, 1)
        if single:
            possible[mine], most[mine], twin_fits[mine], rest_fits[mine] = blocks.fits()
        for row, (timed, own) in enumerate(zip(space.latencies, pairs, strict=True), 3 + summed):
            once, more, of_pairs = blocks.times(timed.latency)
            possible[mine] &= np.isfinite(once)
            rest_fits[mine] &= np.isfinite(more)
            rows[row, mine] = rows[row + 2 * n, mine] = once
            rows[row + 3 * n, mine] = np.where(np.isfinite(more), more, 0.0)
            for classes, times in of_pairs:
                of_column = np.zeros(len(s.c), dtype=np.int64)
                of_column[mine] = classes + 1
                own.append((of_column, np.vstack([np.zeros(times.shape[1]), times])))
    special = not s.continues and (single or bool((fixed + slope * s.c != twin).any()))
    kept: Any = slice(None) if possible.all() else possible  # columns that no network can have are left out
    block = s if possible.all() else s.kept(possible)
    place = {channels: at for at, channels in enumerate(space.before(s))}
    same = np.array([place.get(channels, -1) for channels in np.asarray(s.channels).tolist()])
    return Table(
        block, np.ascontiguousarray(rows[:, kept]), same, special, most[kept] if single and not s.continues else None,
        None if twin_fits.all() else twin_fits[kept], None if rest_fits.all() else rest_fits[kept],
        tuple(tuple((of_column[kept], times) for of_column, times in own) for own in pairs), _correction(space, block),
        _values(space, s, kept),
    )  # fmt: skip


def _values(space: Space, s: Element, kept: Any) -> Floats | None:
    """What columns of an element are worth by the table; all of them are looked for in it, and those that are kept remain."""
    if space.values is None:
        return None
    every = space.values.table(s.of, s.families, s.f, (s.c, s.b, s.k), s.depths)
    return np.ascontiguousarray(every[:, kept])


def _correction(space: Space, s: Element) -> Floats | None:
    """What the layer terms of an element's columns have beside the logarithms of widths."""
    if not space.corrected:
        return None
    a, w = np.broadcast_to(s.a, s.k.shape), np.broadcast_to(s.w, s.k.shape)
    codes, at = np.unique(((s.f << 20 | s.k) << 6 | a) << 6 | w, return_inverse=True)
    found = []
    for f, k, a_bits, w_bits in ((x >> 32, x >> 12 & 0xFFFFF, x >> 6 & 63, x & 63) for x in codes.tolist()):
        found.append(float(space.correction(s.families[f], s.of, k, a_bits, w_bits)) if k else 0.0)  # none of what is absent
    return np.array(found)[at]
