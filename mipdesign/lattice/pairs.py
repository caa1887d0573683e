"""Latency in the lattice tables: what no affine function of the incoming channels says.

The first block of a super-block has operations that depend on the channels ``ci`` that enter it. A table of measurements gives
their latency at every ``ci`` by interpolation, so that it has to be tabulated for *pairs* of ``ci`` and column. Most such
operations depend on the column through ``b`` and ``k`` only, the others through ``C`` only: two tables, whose sum is what a
pair counts, are far smaller than one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import SpecError
from ..networks.architecture import Architecture
from ..networks.blocks import FAMILIES, BlockFamily
from ..networks.latency import LatencyModel
from ..networks.latency_grid import MISSING
from ..networks.operation import Int, Operation, plain_conv
from .additive_budgets import Excess
from .arrays import Ints
from .column_axes import ColumnAxes, Terms
from .distinct import distinct, places

if TYPE_CHECKING:
    from ..problem.problem import Problem
    from ..problem.space import SuperBlockSpace
    from .super_block import SuperBlock

MOST_PAIRS = 20_000_000
"""Most entries of the tables of one super-block: 160 MB."""
CHUNK = 500_000
"""Entries that are tabulated at a time."""
UNLIKE = 2**31
"""More channels than any lattice holds."""


@dataclass
class Timer:
    """Nanoseconds of the operations of a problem.

    Attributes
    ----------
    beyond:
        What operations count that the table does not cover: more than the budget.
    lacking:
        Whether there was one.
    """

    model: LatencyModel
    beyond: int
    lacking: bool = field(default=False, init=False)

    def of(self, op: Operation, axes: ColumnAxes | None = None) -> Ints:
        """Nanoseconds of one operation; over axes it lacks only what a column needs."""
        value = np.asarray(self.model.nanoseconds(op))
        missing = value == MISSING
        if not missing.any():
            return value
        self.lacking |= axes is None or axes.has_any(missing)
        return np.where(missing, self.beyond, value)

    def total(self, operations: Sequence[Operation], shape: tuple[int, ...]) -> Ints:
        """Nanoseconds of several operations together."""
        total = np.zeros(shape, dtype=np.int64)
        for op in operations:
            total += self.of(op)
        return total


@dataclass
class Gaps(Timer):
    """Counts operations that the table does not cover, 1 each, in place of nanoseconds.

    Attributes
    ----------
    exceeds:
        Operations of which it holds need no entry in the table: no network within the other budgets has them.
    """

    exceeds: Excess

    def of(self, op: Operation, axes: ColumnAxes | None = None) -> Ints:
        """1 for an operation without an entry that some network may need, else 0."""
        missing = np.asarray(self.model.nanoseconds(op)) == MISSING
        return np.where(missing & ~np.asarray(self.exceeds(op), dtype=bool), 1, 0)


class StageLatency(NamedTuple):
    """Nanoseconds of one super-block by one table.

    Attributes
    ----------
    fixed, rest:
        What the first block of each column takes whatever enters it, and what each further block takes.
    pairs, pair_at:
        What the first block takes beside that, in two flat tables: ``pairs[pair_at[0, column] + place of ci]`` and the same of
        ``pair_at[1]``.
    """

    fixed: Ints
    rest: Ints
    pairs: Ints
    pair_at: Ints


def stage_latencies(problem: Problem, blocks: Sequence[SuperBlock], timer: Timer) -> list[StageLatency]:
    """Latency of every element, with that of stem, head and classifier.

    The stem's part depends on the family of the first super-block (its activation) and so belongs to that one's pairs. Where
    columns find their pairs depends on the operations alone: it is the same for every latency table.
    """
    made: list[StageLatency] = []
    incoming, rests = np.array(problem.stem.channels.values, dtype=np.int64), np.zeros(0, dtype=np.int64)
    for i, block in enumerate(blocks):
        space, tables, of_families = block.space, block.columns, block.axes
        fixed, rest = np.zeros_like(tables.c), np.zeros_like(tables.c)
        at = np.zeros((2, len(tables.c)), dtype=np.int64)
        flat: list[Ints] = []
        n_pairs = 0
        if block.element.continues:
            fixed[block.present] = rests
            if i == len(blocks) - 1:
                fixed += _tails(problem, block, timer)
            made.append(StageLatency(fixed, rest, np.zeros_like(incoming), at))
            continue
        for f, (choice, own) in enumerate(zip(space.choices, of_families, strict=True)):
            family, mine = FAMILIES[choice.block], np.flatnonzero(tables.f == f)
            if not len(mine):
                continue
            columns = Columns(family, space, own, tables.c[mine], tables.b[mine], tables.k[mine])
            fixed[mine], parts = columns.first_block(incoming, timer, i)
            rest[mine] = columns.further_block(timer)
            if i == 0:
                parts[1][1][:] += _stem(problem, family, incoming, timer)
            for part, (classes, table) in enumerate(parts):
                at[part, mine] = n_pairs + classes * len(incoming)
                flat.append(table.ravel())
                n_pairs += table.size
        if i == len(blocks) - 1:
            fixed += _tails(problem, block, timer)
        rests = rest
        if block.element.is_block:
            rest = np.zeros_like(rest)  # later blocks are elements of their own
        made.append(StageLatency(fixed, rest, np.concatenate(flat), at))
        incoming = np.array(space.channels, dtype=np.int64)
        if block.element.is_block:
            incoming = tables.c[np.flatnonzero(np.diff(block.states, prepend=-1))]
    return made


@dataclass(frozen=True)
class Columns:
    """Columns of one family of a super-block."""

    family: BlockFamily
    space: SuperBlockSpace
    axes: ColumnAxes
    c: Ints
    b: Ints
    k: Ints

    def further_block(self, timer: Timer) -> Ints:
        """Nanoseconds of one block after the first."""
        r, own = -(-self.space.resolution // self.space.stride), self.axes
        operations = self.family.operations(own.c, own.c, own.b, own.k, 1, r, first=False)
        return self._sum(timer.of(op, own) for op in operations)

    def first_block(self, incoming: Ints, timer: Timer, i: int) -> tuple[Ints, list[tuple[Ints, Ints]]]:
        """Nanoseconds of the first block: of the operations that do not depend on ``ci``, and of those that do as two tables
        of shape ``(classes, incoming)``, each with the class of every column.
        """
        own, one = self.axes, np.ones((1, 1, 1), dtype=np.int64)
        samples = [self._operations(ci, own.c, own.b, own.k) for ci in (one * UNLIKE, one * (UNLIKE + 1), own.c)]
        inner, outer = [], []
        fixed: list[Int] = []
        keys: list[Ints] = []
        n_channels = len(distinct(self.c))
        for n, (op, *others) in enumerate(zip(*samples, strict=True)):
            fields = _fields(op)
            if all(
                (one == other).all() for of_other in map(_fields, others) for one, other in zip(fields, of_other, strict=True)
            ):
                fixed.append(timer.of(op, own))
                continue
            key = np.array([self._sum([values]) for values in fields])
            if (fields[-1] != _fields(others[-1])[-1]).any():  # whether it exists depends on C
                key = np.vstack([key, self.c])
            if len(_classes(np.vstack([key, self.c]))[0]) == n_channels:
                outer.append(n)
            else:
                inner.append(n)
                keys.append(key)
        tables = []
        for chosen, key in ((inner, np.vstack(keys) if keys else np.zeros((1, len(self.c)), np.int64)), (outer, self.c[None])):
            representatives, classes = _classes(key)
            if len(representatives) * len(incoming) > MOST_PAIRS:
                remedy = f"at most {MOST_PAIRS} fit the tables: raise a step"
                text = f"{len(representatives) * len(incoming)} pairs of incoming channels and columns, with a latency budget"
                raise SpecError(f"stages.{i}.channels", text, remedy)
            table = np.zeros((len(representatives), len(incoming)), dtype=np.int64)
            step = max(1, CHUNK // len(incoming))
            for first in range(0, len(representatives), step):
                part = representatives[first : first + step]
                operations = self._operations(incoming[None, :], *(axis[part][:, None] for axis in (self.c, self.b, self.k)))
                table[first : first + step] = timer.total([operations[n] for n in chosen], (len(part), len(incoming)))
            tables.append((classes, table))
        return self._sum(fixed), tables

    def _operations(self, ci: Int, c: Ints, b: Ints, k: Ints) -> tuple[Operation, ...]:
        """Operations of the first block."""
        return self.family.operations(ci, c, b, k, self.space.stride, self.space.resolution, first=True)

    def _sum(self, values: Iterable[Int]) -> Ints:
        """A sum of numbers and of arrays over the axes, for every column."""
        found = np.empty(len(self.c), dtype=np.int64)
        self.axes.spread(Terms.of(values).joined(), found)
        return found


def _fields(op: Operation) -> list[Ints]:
    """What tells operations of the same name apart."""
    return [np.asarray(part, dtype=np.int64) for part in (op.in_channels, op.out_channels, op.kernel, op.groups, op.present)]


def _classes(fields: Ints) -> tuple[Ints, Ints]:
    """First column of each class of equal fields, and the class of every column; classes are sorted by their fields."""
    classes = np.zeros(fields.shape[1], dtype=np.int64)
    for row in fields:
        values = row - row.min()
        if values.any():
            among = distinct(values)
            classes = classes * len(among) + places(values, among)
            classes = places(classes, distinct(classes))
    first = np.empty(classes.max() + 1, dtype=np.int64)
    first[classes[::-1]] = np.arange(len(classes))[::-1]  # of several columns the last that is written stays
    return first, classes


def _stem(problem: Problem, family: BlockFamily, channels: Ints, timer: Timer) -> Ints:
    stem = problem.stem
    operations = plain_conv(
        "conv", problem.input.channels, channels, stem.kernel, stem.stride, problem.input.resolution, family.activation
    )
    return timer.total(operations, channels.shape)


def _tails(problem: Problem, block: SuperBlock, timer: Timer) -> Ints:
    """Head, pool and classifier behind each column of the last element."""
    found = np.zeros_like(block.columns.c)
    r = -(-block.space.resolution // block.space.stride)
    for f, choice in enumerate(block.space.choices):
        mine = np.flatnonzero(block.columns.f == f)
        c, activation = block.columns.c[mine], FAMILIES[choice.block].activation
        channels = distinct(c)
        every = timer.total(tail_operations(problem, channels, r, activation), channels.shape)
        found[mine] = every[places(c, channels)]
    return found


def tail_operations(problem: Problem, c: Ints, r: int, activation: str) -> tuple[Operation, ...]:
    """Head, pool and classifier of a problem on maps of ``c`` channels at ``r x r``."""
    if problem.head is None:
        return Architecture.tail_of(c, problem.classes, r)
    head = problem.head.channels
    return plain_conv("conv", c, head, 1, 1, r, activation) + Architecture.tail_of(head, problem.classes, r)
