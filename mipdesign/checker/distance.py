"""When two networks of a list count as different, and when all networks of a cell are near one.

Either rule looks at *places* of a network, each a whole number, and asks at how many of them another one lies outside a range
about its own number: two networks are near each other where that is so at fewer than ``places_apart`` places.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np

from .cell import Cell
from .listing import Listing
from .super_block import Ints
from .tables import Tables


@dataclass(frozen=True)
class Place:
    """A number that networks have: of each stem where there are no elements, the depth of an element where there are no
    ``values``, else the sum of what the columns of some elements have.
    """

    elements: tuple[int, ...]
    values: tuple[Ints, ...]

    def of(self, listing: Listing) -> Ints:
        """It of each network."""
        if not self.elements:
            stems: Ints = self.values[0][listing.stem]
            return stems
        if not self.values:
            depths: Ints = listing.depths[self.elements[0]]
            return depths
        rows = [values[listing.columns[i]] for i, values in zip(self.elements, self.values, strict=True)]
        total: Ints = np.sum(rows, axis=0, dtype=np.int64)
        return total

    def within(self, cell: Cell) -> tuple[int, int]:
        """The least and the largest one in a cell that is not empty."""
        if not self.elements:
            chosen = [self.values[0][cell.stem]]
        elif not self.values:
            return cell.low[self.elements[0]], cell.high[self.elements[0]]
        else:
            chosen = [values[cell.columns[i]] for i, values in zip(self.elements, self.values, strict=True)]
        return sum(int(values.min()) for values in chosen), sum(int(values.max()) for values in chosen)


class Distance:
    """The rule by which networks of a list differ: by a share of their channels somewhere, or by a number of decisions."""

    def __init__(self, tables: Tables, share: Fraction | None, decisions: int) -> None:
        self.share, self.places_apart = share, 1 if share is not None else decisions
        self.places = _channels(tables) if share is not None else _decisions(tables)

    def of(self, listing: Listing) -> Ints:
        """The places of networks, shape ``(places, networks)``."""
        return np.array([place.of(listing) for place in self.places], dtype=np.int64)

    def ranges(self, numbers: Ints) -> tuple[Ints, Ints]:
        """The least and the largest number at each place that does not lie outside the range of another one."""
        if self.share is None:
            return numbers, numbers
        several, at = np.unique(numbers, return_inverse=True)
        ends = np.array([_near_channels(c, self.share) for c in several.tolist()], dtype=np.int64).reshape(-1, 2)
        low, high = ends[at.reshape(numbers.shape)].transpose(2, 0, 1)
        return low, high

    def of_cell(self, cell: Cell) -> tuple[Ints, Ints]:
        """The least and the largest number of each place in a cell."""
        low, high = np.array([place.within(cell) for place in self.places], dtype=np.int64).T
        return low, high


@cache
def _near_channels(c: int, share: Fraction) -> tuple[int, int]:
    """The least and the most channels ``a`` of which ``|a - c| < share max(a, c)``."""
    low, high = c * (1 - share), c / (1 - share)
    return low.numerator // low.denominator + 1, min(-(-high.numerator // high.denominator) - 1, 2**62)


def _channels(tables: Tables) -> list[Place]:
    """Channels of the stem and of every super-block."""
    firsts = [i for i, table in enumerate(tables.stages) if not table.block.continues]
    stem = np.array(tables.space.stem, dtype=np.int64)
    return [Place((), (stem,)), *(Place((i,), (tables.stages[i].block.c,)) for i in firsts)]


def _decisions(tables: Tables) -> list[Place]:
    """All that a design decides: the stem's channels; of every super-block family, channels and depth; its width and kernel, or
    those of each block, and the bits of each block.
    """
    found = [Place((), (np.array(tables.space.stem, dtype=np.int64),))]
    of: dict[int, list[int]] = {}
    for i, table in enumerate(tables.stages):
        of.setdefault(table.block.of, []).append(i)
    for at, elements in of.items():
        blocks = [tables.stages[i].block for i in elements]
        first, apart = blocks[0], not tables.space.super_blocks[at].uniform
        found += [Place((elements[0],), (axis,)) for axis in (first.f, first.c)]
        found.append(Place(tuple(elements), tuple(s.presence for s in blocks) if first.is_block else ()))
        for i, s in zip(elements, blocks, strict=True) if apart else ((elements[0], first),):
            found += [Place((i,), (axis,)) for axis in (s.b, s.k)]
        if tables.space.quantised:
            found += [Place((i,), (s.bits,)) for i, s in zip(elements, blocks, strict=True)]
    return found
