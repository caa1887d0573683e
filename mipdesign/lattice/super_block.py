"""The columns of one super-block, and their figures for :attr:`mipdesign.lattice.tables.Tables.rows`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..networks.blocks import FAMILIES
from ..networks.operation import Operation
from ..problem.space import SuperBlockSpace
from .additive_budgets import AdditiveBudget
from .arrays import MAX_CHANNELS, Figures, Floats, Ints
from .column_axes import ColumnAxes, Terms, over_axes
from .pairs import StageColumns


@dataclass(frozen=True)
class SuperBlock:
    """Columns of a super-block, sorted by ``(C, family, b, k)``.

    Attributes
    ----------
    axes:
        Those of each family.
    places:
        Where the columns of each family stand; ``None`` where there is a single family.
    """

    space: SuperBlockSpace
    axes: tuple[ColumnAxes, ...]
    places: tuple[Ints, ...] | None
    columns: StageColumns

    @classmethod
    def of(cls, space: SuperBlockSpace) -> SuperBlock:
        """All columns of a super-block."""
        axes = tuple(ColumnAxes.of(space.channels, choice) for choice in space.choices)
        sizes, places = [own.size for own in axes], None
        if len(axes) > 1:
            c = np.empty(sum(sizes), dtype=np.int64)
            ends = np.cumsum(sizes)[:-1]
            for own, part in zip(axes, np.split(c, ends), strict=True):
                own.spread([own.c], part)
            place = np.empty_like(c)
            place[np.argsort(c, kind="stable")] = np.arange(len(c))
            places = tuple(np.split(place, ends))
        columns = StageColumns(*(np.empty(sum(sizes), dtype=np.int64) for _ in range(4)))
        block = cls(space, axes, places, columns)
        for f, own in enumerate(axes):
            for out, values in zip(columns, (own.c, np.int64(f), own.b, own.k), strict=True):
                block._put(out, f, [over_axes(np.asarray(values))])
        return block

    def has_columns_of(self, space: SuperBlockSpace) -> bool:
        """Whether another super-block has the same columns."""
        return self.space.channels == space.channels and self.space.choices == space.choices

    def write(self, figures: Figures, budgets: Sequence[AdditiveBudget], numbers: Sequence[int]) -> None:
        """Writes all figures but those of the latency and of limits on single operations, which stand as if there were none.

        Parameters
        ----------
        numbers:
            Number of each family among all families of the problem.
        """
        space = self.space
        for name, value in (("most_incoming", MAX_CHANNELS), ("identity_fits", 1), ("rest_fits", 1)):
            figures[name].fill(value)
        channels = np.array(space.channels, dtype=np.int64)
        for f, (own, choice) in enumerate(zip(self.axes, space.choices, strict=True)):
            family = FAMILIES[choice.block]
            for name, values in (
                ("channels", own.c),
                ("block_log", self._log_width(f)),
                ("layers", np.int64(family.layers)),
                ("place", np.searchsorted(channels, own.c)),
                ("family", np.int64(numbers[f])),
                ("width", own.b),
                ("kernel", own.k),
                ("has_se", np.int64(family.has_se)),
            ):
                self._put(figures[name], f, [over_axes(np.asarray(values))])
            for of_part, of_budgets in zip(figures["counts"], self._counts(f, budgets), strict=True):
                for row, terms in zip(of_part, of_budgets, strict=False):
                    self._put(row, f, terms.joined())

    def write_single_limits(self, figures: Figures, most_elements: int) -> None:
        """Writes the limits that hold where no operation may exceed a number of map elements."""
        space = self.space
        for f, own in enumerate(self.axes):
            self._put(figures["most_incoming"], f, self._most_incoming(f, most_elements), np.minimum)
            later = 1, -(-space.resolution // space.stride), False
            for name, place in (("identity_fits", (space.stride, space.resolution, True)), ("rest_fits", later)):
                too_large = Terms.of(op.map_elements > most_elements for op in self._operations(f, own.c, *place))
                self._put(figures[name], f, too_large.joined())
        most = figures["most_incoming"]
        most -= most == figures["channels"]
        for name in ("identity_fits", "rest_fits"):
            figures[name][:] = figures[name] == 0

    def _most_incoming(self, f: int, most_elements: int) -> list[Ints]:
        """The largest numbers of incoming channels with which the first block's operations keep a number of map elements: of
        each operation over the axes that it depends on, those of one shape together.

        What an operation reads and writes grows with the incoming channels, so halving finds the largest number. Operations
        that exist for ``ci = C`` only, or for all other ``ci``, make that case one of its own: ``C + 1`` stands for it.
        """
        space, own = self.space, self.axes[f]

        def operations(ci: Ints) -> tuple[Operation, ...]:
            return self._operations(f, ci, space.stride, space.resolution, True)

        by_shape: dict[tuple[int, ...], list[int]] = {}
        for n, op in enumerate(operations(np.ones((1, 1, 1), dtype=np.int64))):
            by_shape.setdefault(over_axes(np.asarray(op.map_elements)).shape, []).append(n)
        found = []
        for shape, alike in by_shape.items():
            low, high = np.zeros(shape, dtype=np.int64), np.full(shape, MAX_CHANNELS)
            while (low < high).any():
                middle = (low + high + 1) // 2
                every = operations(np.where(middle == own.c, own.c + 1, middle) if len(middle) == len(own.c) else middle)
                fits = np.all([every[n].map_elements <= most_elements for n in alike], axis=0)
                low, high = np.where(fits, middle, low), np.where(fits, high, middle - 1)
            found.append(low)
        return found

    def _operations(self, f: int, ci: Ints, stride: int, resolution: int, first: bool) -> tuple[Operation, ...]:
        """A block's operations over the axes of a family."""
        own, family = self.axes[f], FAMILIES[self.space.choices[f].block]
        with np.errstate(divide="ignore"):  # quotients of channels and widths that are not admitted together
            return family.operations(ci, own.c, own.b, own.k, stride, resolution, first=first)

    def _put(self, out: NDArray[Any], f: int, values: Sequence[NDArray[Any]], combine: np.ufunc = np.add) -> None:
        """Writes a sum over the axes of a family at the places of its columns."""
        if self.places is None:
            self.axes[f].spread(values, out, combine)
        else:
            own = np.empty(self.axes[f].size, dtype=out.dtype)
            self.axes[f].spread(values, own, combine)
            out[self.places[f]] = own

    def _log_width(self, f: int) -> Floats:
        """``t``, over the axes of a family."""
        own = self.axes[f]
        total, *others = (
            np.log(np.asarray(width, dtype=np.float64))
            for width in FAMILIES[self.space.choices[f].block].widths(np.ones((1, 1, 1), dtype=np.int64), own.c, own.b, own.k)
        )
        for other in others:
            total = total + other
        return total

    def _counts(self, f: int, budgets: Sequence[AdditiveBudget]) -> tuple[list[Terms], ...]:
        """``fixed, slope, identity, rest`` of each budget, over the axes of a family."""
        space, own, family = self.space, self.axes[f], FAMILIES[self.space.choices[f].block]
        r_in, r_out = space.resolution, -(-space.resolution // space.stride)

        def block(ci: Ints, stride: int, r: int, first: bool) -> list[Terms]:
            operations = self._operations(f, ci, stride, r, first)
            with np.errstate(divide="ignore"):
                return [
                    Terms.of([budget.of_block(family.layers, 1), *map(budget.of_operation, operations)]) for budget in budgets
                ]

        one, two = (block(np.full((1, 1, 1), -n), space.stride, r_in, True) for n in (1, 2))
        slope = [a - b for a, b in zip(one, two, strict=True)]
        fixed = [a + b for a, b in zip(one, slope, strict=True)]
        same = block(own.c, space.stride, r_in, True)
        identity = [a - b - d * own.c for a, b, d in zip(same, fixed, slope, strict=True)]
        return fixed, slope, identity, block(own.c, 1, r_out, False)


def peak(operations: tuple[Operation, ...]) -> Ints:
    """Largest number of map elements that one operation reads and writes."""
    largest: Ints = np.maximum.reduce([np.asarray(op.map_elements, dtype=np.int64) for op in operations])
    return largest
