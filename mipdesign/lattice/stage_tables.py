"""Tables of one element of the chain: what its columns are, and what they count."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from ..problem.elements import Element
from ..problem.specification import MOST_BITS
from .arrays import Bools, Floats, Ints, Rows, counts_of_rows
from .distinct import distinct


@dataclass(frozen=True)
class StageTables:
    """Columns of one element of the chain, as a rule a super-block, sorted by ``(C, family, b, k)``.

    Attributes
    ----------
    element:
        Which one it is.
    blocks:
        Names of the block families.
    c, f, b, k, p:
        Channels, place of the family in ``blocks``, bottleneck width, kernel, and place of the pair of bits of each column,
        shape ``(columns,)``.
    rows:
        The columns' part of :attr:`Tables.rows`, of which most other figures of columns are read.
    extra:
        What the layer terms of one block have beside its log widths.
    ranks:
        In what order later blocks stand.
    states:
        What a block of a super-block whose blocks may differ has in common with the others, as a number; else the place of the
        channels.
    presence:
        0 for a block that is absent, else 1.
    reading:
        Bits of the activations that a block reads, and the most with which what it writes may be read, shape
        ``(2, columns)``; empty where they are not limited.
    values:
        What each column is worth by a table at each depth, shape ``(columns, depths)``, -inf where that is excluded; empty
        without a table.
    depths:
        Admitted depths, increasing.
    channels, entering:
        All channel counts of the super-block, increasing, also those without a column; the least and the largest number of
        channels that each may follow, shape ``(channels, 2)``.
    growth:
        Bounds of ``C / ci`` that say the same in the least numbers, ``None`` for one that excludes nothing; see
        :meth:`mipdesign.problem.space.SuperBlockSpace.simple_growth`.
    pairs, pair_at:
        What latencies count for pairs of incoming channels and column, in two flat tables, one column of ``pairs`` for each
        latency budget; and where each column's part of both begins, shape ``(2, columns)``. Empty and 0 without a latency
        budget. See :mod:`mipdesign.lattice.pairs`.
    """

    element: Element
    blocks: tuple[str, ...]
    c: Ints
    f: Ints
    b: Ints
    k: Ints
    p: Ints
    rows: Rows
    extra: Floats
    ranks: Floats
    states: Ints
    presence: Ints
    reading: Ints
    values: Floats
    depths: Ints
    channels: Ints
    entering: Ints
    growth: tuple[Fraction | None, Fraction | None]
    pairs: Ints
    pair_at: Ints

    @property
    def t(self) -> Floats:
        """``sum log w`` of one block with a single input channel, shape ``(columns,)``."""
        t: Floats = self.rows["block_log"]
        return t

    @cached_property
    def log_c(self) -> Floats:
        """``log C`` of each column."""
        return np.log(self.c.astype(np.float64))

    @property
    def layers(self) -> Ints:
        """Layers per block of each column."""
        return self.rows["layers"].astype(np.int64)

    @property
    def most_incoming(self) -> Ints:
        """The largest number of incoming channels other than ``C`` with which no operation of the first block of each column
        breaks a limit of single operations.
        """
        return self.rows["most_incoming"].astype(np.int64)

    @property
    def identity_fits(self) -> Bools:
        """Whether the first block of each column keeps these limits with ``ci = C``."""
        return self.rows["identity_fits"].astype(np.bool_)

    @property
    def rest_fits(self) -> Bools:
        """Whether later blocks keep them."""
        return self.rows["rest_fits"].astype(np.bool_)

    @cached_property
    def state_channels(self) -> Ints:
        """Channels of each place of the core: of each state of single blocks, else all of the super-block."""
        return self.c[np.flatnonzero(np.diff(self.states, prepend=-1))] if self.element.is_block else self.channels

    @cached_property
    def stand_in(self) -> Ints:
        """Each column itself; for a block that is absent, the first column of its state."""
        every = np.arange(len(self.c))
        return np.where(self.presence > 0, every, np.searchsorted(self.states, self.states))

    @cached_property
    def bits(self) -> Ints:
        """The pair of bits of each column as a number, which grows with their product; 0 for a block that is absent."""
        codes = np.array([a * w * MOST_BITS + a for a, w in self.element.space.bits] or [0], dtype=np.int64)
        found: Ints = codes[self.p] * self.presence
        return found

    @cached_property
    def widths(self) -> Ints:
        """The bottleneck widths that occur, increasing."""
        return distinct(self.b)

    @cached_property
    def fixed(self) -> Ints:
        """What the first block counts whatever enters it, shape ``(budgets, columns)``, as the three that follow."""
        return self._counts(0)

    @cached_property
    def slope(self) -> Ints:
        """What it counts for each incoming channel."""
        return self._counts(1)

    @cached_property
    def identity(self) -> Ints:
        """What it counts beside that where the channels stay the same."""
        return self._counts(2)

    @cached_property
    def rest(self) -> Ints:
        """What each further block counts."""
        return self._counts(3)

    def _counts(self, part: int) -> Ints:
        counts: Ints = counts_of_rows(self.rows)[part].astype(np.int64, order="C")
        return counts

    def follows(self, ci: Ints | Floats | int, c: Ints | Floats) -> Bools:
        """Which channels ``c`` of the super-block may come after ``ci`` (broadcast), exactly."""
        window = self.entering[np.searchsorted(self.channels, c)]
        ok: Bools = (window[..., 0] <= ci) & (ci <= window[..., 1])
        return ok
