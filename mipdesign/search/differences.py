"""When two networks differ, for lists of networks that do: by their channels, or by how many decisions.

``docs/howto/several.md`` has the definitions. Both decide on cells, too: a cell whose networks are all near a network that is
listed already is done with, and one that lies across the border of its neighbourhood can be cut there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..errors import SpecError, short
from ..lattice.arrays import Bools, Ints
from ..lattice.cell import Cell
from ..lattice.tables import Tables
from ..numerals import exact
from .branching import Split

DifferenceKind = Literal["channels", "decisions"]
MOST_DECISIONS = 1000


def ratio_of(given: str | float | Fraction, field: str) -> Fraction:
    """An exact ratio that is at least 0: ``0.5%``, ``0.005`` or ``1/200``.

    Raises
    ------
    SpecError
        If it is none.
    """
    percent = isinstance(given, str) and given.endswith("%")
    try:
        ratio = exact(given[:-1].strip() if isinstance(given, str) and percent else given)
    except SpecError as error:
        raise SpecError(field, error.problem, "give, for example, 0.5% or 0.005") from None
    if ratio < 0:
        raise SpecError(field, f"{short(given)} is negative", "give, for example, 0.5% or 0.005")
    return ratio / 100 if percent else ratio


@dataclass(frozen=True)
class Difference:
    """What two networks have to differ in.

    Attributes
    ----------
    kind:
        ``channels``: the channels of the stem or of some super-block differ by at least the share ``by`` of the larger number.
        ``decisions``: at least ``by`` decisions are unequal.
    """

    kind: DifferenceKind
    by: Fraction

    @classmethod
    def of(cls, text: str) -> Difference:
        """Reads ``channels:10%`` or ``decisions:3``.

        Raises
        ------
        SpecError
            For another text.
        """
        remedy = "write, for example, channels:10% or decisions:3"
        kind, colon, by = text.partition(":")
        if not colon or kind not in get_args(DifferenceKind):
            raise SpecError("different", f"{short(text)} is no rule", remedy)
        if kind == "decisions":
            if not re.fullmatch("[1-9][0-9]{0,3}", by) or int(by) > MOST_DECISIONS:
                raise SpecError("different", f"{short(by)} is no number of decisions", f"give 1 to {MOST_DECISIONS}")
            return cls("decisions", Fraction(int(by)))
        share = ratio_of(by, "different")
        if not 0 < share < 1:
            raise SpecError("different", f"{short(by)} is not between 0 and 100 %", remedy)
        return cls("channels", share)

    def __str__(self) -> str:
        return f"{self.kind}:{self.by}"

    def around(self, tables: Tables, row: Ints) -> Neighbourhood:
        """The networks that are near one, which is a row of stem, columns and depths."""
        return (ByChannels if self.kind == "channels" else ByDecisions)(tables, row, self.by)


class Neighbourhood:
    """The networks that do not differ from one."""

    def near(self, rows: Ints) -> Bools:
        """Which of some networks are near it, rows of stem, columns and depths."""
        raise NotImplementedError

    def holds(self, cell: Cell) -> bool:
        """Whether all networks of a cell are near it."""
        raise NotImplementedError

    def border(self, cell: Cell) -> Split | None:
        """A split of a cell along the border."""
        return None


class ByChannels(Neighbourhood):
    """A box: at every place the channels are in an interval."""

    def __init__(self, tables: Tables, row: Ints, by: Fraction) -> None:
        firsts = [tables.elements_of(i)[0] for i in range(len(tables.problem.space))]
        self.places = [0, *(1 + i for i in firsts)]
        self.channels = [tables.stem_c, *(tables.stages[i].c for i in firsts)]
        self.ends = [self._interval(c, int(c[row[at]]), by) for c, at in zip(self.channels, self.places, strict=True)]
        self.inside = [(low <= c) & (c <= high) for c, (low, high) in zip(self.channels, self.ends, strict=True)]

    @staticmethod
    def _interval(channels: Ints, centre: int, by: Fraction) -> tuple[int, int]:
        """The least and the largest channels that are near the centre's."""
        near = [c for c in np.unique(channels).tolist() if abs(c - centre) < by * max(c, centre)]
        return near[0], near[-1]

    def near(self, rows: Ints) -> Bools:
        found: Bools = np.ones(len(rows), dtype=np.bool_)
        for at, inside in zip(self.places, self.inside, strict=True):
            found &= inside[rows[:, at]]
        return found

    def _choices(self, cell: Cell) -> list[Ints]:
        return [cell.stem, *(cell.columns[at - 1] for at in self.places[1:])]

    def holds(self, cell: Cell) -> bool:
        return all(inside[choices].all() for inside, choices in zip(self.inside, self._choices(cell), strict=True))

    def border(self, cell: Cell) -> Split | None:
        found: Split | None = None
        for at, c, (low, high), choices in zip(self.places, self.channels, self.ends, self._choices(cell), strict=True):
            there = c[choices]
            least, most = int(there.min()), int(there.max())
            if most < low or least > high:
                return None  # the cell has no network near it
            threshold = low - 1 if least < low else high if most > high else None
            if threshold is not None and found is None:
                found = Split("channels", at - 1, threshold) if at else Split("stem", -1, threshold)
        return found


class ByDecisions(Neighbourhood):
    """A ball: fewer than so many decisions are unequal."""

    def __init__(self, tables: Tables, row: Ints, by: Fraction) -> None:
        self.most = int(by) - 1
        self.equal: list[tuple[int, Bools]] = [(0, np.arange(len(tables.stem_c)) == row[0])]
        self.depths: list[tuple[int, int]] = []  # places of depths, and the depth of the network
        self.counted: list[tuple[Sequence[int], Sequence[Ints], int]] = []  # the same of super-blocks that are unrolled
        m = len(tables.stages)

        def decide(i: int, codes: NDArray[np.int64]) -> None:
            self.equal.append((1 + i, codes == codes[row[1 + i]]))

        for super_block in range(len(tables.problem.space)):
            first, stop = tables.elements_of(super_block)
            s, elements = tables.stages[first], range(first, stop)
            decide(first, s.f)
            decide(first, s.c)
            if not s.element.is_block:
                self.depths.append((1 + m + first, int(row[1 + m + first])))
            else:
                presence = [tables.stages[i].presence for i in elements]
                depth = sum(int(p[row[1 + i]]) for i, p in zip(elements, presence, strict=True))
                self.counted.append((elements, presence, depth))
            for i in elements if s.element.is_block and not s.element.space.uniform else (first,):
                decide(i, np.where(tables.stages[i].presence > 0, tables.stages[i].b, -1))
                decide(i, np.where(tables.stages[i].presence > 0, tables.stages[i].k, -1))
            for i in elements if s.element.space.bits else ():
                decide(i, np.where(tables.stages[i].presence > 0, tables.stages[i].p, -1))

    def near(self, rows: Ints) -> Bools:
        distance = np.zeros(len(rows), dtype=np.int64)
        for at, equal in self.equal:
            distance += ~equal[rows[:, at]]
        for at, depth in self.depths:
            distance += rows[:, at] != depth
        for elements, presence, depth in self.counted:
            distance += sum(p[rows[:, 1 + i]] for i, p in zip(elements, presence, strict=True)) != depth
        found: Bools = distance <= self.most
        return found

    def holds(self, cell: Cell) -> bool:
        m = len(cell.columns)
        choices = [cell.stem, *cell.columns]
        unequal = sum(not equal[choices[at]].all() for at, equal in self.equal)
        for at, depth in self.depths:
            unequal += not cell.low[at - 1 - m] == depth == cell.high[at - 1 - m]
        for elements, presence, depth in self.counted:
            there = [p[cell.columns[i]] for i, p in zip(elements, presence, strict=True)]
            unequal += not sum(int(p.min()) for p in there) == depth == sum(int(p.max()) for p in there)
        return unequal <= self.most
