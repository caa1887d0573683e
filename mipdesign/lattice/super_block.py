"""The columns of one super-block, and their figures for :attr:`mipdesign.lattice.tables.Tables.transposed`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..networks.blocks import FAMILIES
from ..networks.operation import Operation, kernel_of
from ..problem.elements import Element
from ..problem.space import SuperBlockSpace
from ..problem.specification import MOST_BITS
from .additive_budgets import AdditiveBudget
from .arrays import ABSENT, MAX_CHANNELS, Figures, Floats, Ints
from .column_axes import ColumnAxes, StageColumns, Terms, over_axes

MOST = 4096
"""More than any number of a kernel, and than any pair of bits as a number."""


@dataclass(frozen=True)
class SuperBlock:
    """Columns of an element, sorted by ``(C, family, b, k)`` and bits.

    Attributes
    ----------
    frames:
        Those of its maps.
    axes:
        Those of each family.
    places:
        Where the columns of each family stand, where there are several or blocks have bits a row of columns for each; ``None``
        where the axes have all columns in order.
    absent:
        Where the columns of a block that is absent stand, one behind those of each state.
    states:
        Number of the state of each column of a single block: of what all blocks of the super-block have in common. That is
        channels and family, and width and kernel where they have one for all.
    """

    element: Element
    frames: int
    axes: tuple[ColumnAxes, ...]
    places: tuple[Ints, ...] | None
    absent: Ints
    states: Ints
    columns: StageColumns

    @property
    def space(self) -> SuperBlockSpace:
        """What the super-block may be."""
        return self.element.space

    @classmethod
    def of(cls, element: Element, frames: int) -> SuperBlock:
        """All columns of an element, whose maps have so many frames."""
        block = cls._without_bits(element, frames)
        return block._spread() if element.optional or element.space.bits else block

    @classmethod
    def _without_bits(cls, element: Element, frames: int) -> SuperBlock:
        space = element.space
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
        columns = StageColumns(*(np.zeros(sum(sizes), dtype=np.int64) for _ in StageColumns._fields))
        block = cls(element, frames, axes, places, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), columns)
        for f, own in enumerate(axes):
            for out, values in zip(columns, (own.c, np.int64(f), own.b, own.k), strict=False):
                block._put(out, f, [over_axes(np.asarray(values))])
        if not element.is_block:
            return block
        begins = (np.diff(columns.c, prepend=-1) != 0) | (np.diff(columns.f, prepend=-1) != 0) | space.uniform
        return replace(block, states=np.cumsum(begins) - 1)

    def _spread(self) -> SuperBlock:
        """The same with a column for each pair of bits, and one for each state in which a block that may be absent is."""
        n = max(1, len(self.space.bits))
        ends = np.flatnonzero(np.diff(self.states, append=-1)) if self.element.optional else np.zeros(0, dtype=np.int64)
        before = np.searchsorted(ends, np.arange(len(self.states)))  # absent ones
        first = np.arange(len(self.states)) * n + before
        at, absent = first[:, None] + np.arange(n), first[ends] + n
        columns = StageColumns(*(np.zeros(at.size + len(absent), dtype=np.int64) for _ in self.columns))
        states = np.zeros_like(columns.c)
        for out, values in zip((*columns[:4], states), (*self.columns[:4], self.states), strict=True):
            out[at] = values[:, None]
        columns.p[at] = np.arange(n)
        for out, values in ((columns.c, self.columns.c), (columns.f, self.columns.f), (states, self.states)):
            out[absent] = values[ends]
        places = (at,) if self.places is None else tuple(at[own] for own in self.places)
        return replace(self, places=places, absent=absent, states=states, columns=columns)

    @property
    def present(self) -> Ints:
        """Columns of blocks that are there."""
        return np.delete(np.arange(len(self.columns.c)), self.absent)

    def write(
        self,
        figures: Figures,
        budgets: Sequence[AdditiveBudget],
        numbers: Sequence[int],
        extras: Mapping[int, float],
        extras_of_bits: Mapping[tuple[int, int], float],
    ) -> Floats:
        """Writes all figures but those of the latency and of limits on single operations, which stand as if there were none.

        Parameters
        ----------
        numbers:
            Number of each family among all families of the problem.
        extras, extras_of_bits:
            What the layer terms of a block have beside its log widths, by kernel; what one of its layers has, by bits.

        Returns
        -------
        Floats
            What the layer terms of a block of each column have beside its log widths.
        """
        space, extra = self.space, np.zeros(len(self.columns.c))
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
            if any(extras.values()):
                self._put(extra, f, [over_axes(np.vectorize(extras.__getitem__, otypes=[np.float64])(own.k))])
            for pair, bits in enumerate(space.bits or (None,)):
                for of_part, of_budgets in zip(figures["counts"], self._counts(f, budgets, bits), strict=True):
                    for row, terms in zip(of_part, of_budgets, strict=False):
                        self._put(row, f, terms.joined(), pair=pair)
                if bits is not None and self.places is not None:
                    extra[self.places[f][:, pair]] += family.layers * extras_of_bits[bits]
        if self.element.is_block:
            figures["place"][:] = self.states
        if len(self.absent):
            self._write_absent(figures)
        return extra

    def _write_absent(self, figures: Figures) -> None:
        """What a block counts that is not there: nothing, with the channels that it passes on."""
        at = self.absent
        for name, values in figures.items():
            if name not in ("most_incoming", "identity_fits", "rest_fits"):
                passed_on = name in ("channels", "family", "has_se", "place")
                values[..., at] = values[..., at - 1] if passed_on else 0
        figures["block_log"][at] = -np.log(figures["channels"][at].astype(np.float64))

    @property
    def ranks(self) -> Floats:
        """Order of later blocks of the same super-block that may be exchanged; 0 for other elements."""
        if not self.element.continues:
            return np.zeros(len(self.columns.c))
        codes = np.array([a * MOST_BITS + w for a, w in self.space.bits] or [0])
        ranks: Floats = ((self.columns.b * MOST + self.columns.k) * MOST + codes[self.columns.p]).astype(np.float64)
        ranks[self.absent] = ABSENT
        return ranks

    def write_single_limits(self, figures: Figures, most_elements: int) -> None:
        """Writes the limits that hold where no operation may exceed a number of map elements."""
        space = self.space
        for f, own in enumerate(self.axes):
            later = 1, space.maps()[1], False
            if self.element.continues:
                first = later
            else:
                self._put(figures["most_incoming"], f, self._most_incoming(f, most_elements), np.minimum)
                first = space.stride, space.resolution, True
            for name, place in (("identity_fits", first), ("rest_fits", later)):
                too_large = Terms.of(op.map_elements > most_elements for op in self._operations(f, own.c, *place))
                self._put(figures[name], f, too_large.joined())
        most = figures["most_incoming"]
        most -= most == figures["channels"]
        for name in ("identity_fits", "rest_fits"):
            figures[name][self.absent] = 0
            figures[name][:] = figures[name] == 0
        if self.element.is_block:
            figures["rest_fits"].fill(1)  # there is no other block

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

    def _operations(
        self, f: int, ci: Ints, stride: int, resolution: int, first: bool, bits: tuple[int, int] | None = None
    ) -> tuple[Operation, ...]:
        """A block's operations over the axes of a family, all of the same bits where it has some."""
        own, family = self.axes[f], FAMILIES[self.space.choices[f].block]
        kt, k = kernel_of(own.k)
        with np.errstate(divide="ignore"):  # quotients of channels and widths that are not admitted together
            of_layers = () if bits is None else (bits,) * family.layers
            return family.placed(
                ci, own.c, own.b, k, stride, resolution, first=first, kt=kt, frames=self.frames, bits=of_layers
            )

    def _put(
        self, out: NDArray[Any], f: int, values: Sequence[NDArray[Any]], combine: np.ufunc = np.add, pair: int | None = None
    ) -> None:
        """Writes a sum over the axes of a family at the places of its columns, with all bits or those of a pair."""
        if self.places is None:
            self.axes[f].spread(values, out, combine)
        else:
            own = np.empty(self.axes[f].size, dtype=out.dtype)
            self.axes[f].spread(values, own, combine)
            at = self.places[f]
            if at.ndim == 2:
                at = at.T if pair is None else at[:, pair]
            out[at] = own

    def _log_width(self, f: int) -> Floats:
        """``t``, over the axes of a family."""
        own, one = self.axes[f], np.ones((1, 1, 1), dtype=np.int64)
        total, *others = (
            np.log(np.asarray(width, dtype=np.float64))
            for width in FAMILIES[self.space.choices[f].block].widths(one, own.c, own.b, kernel_of(own.k)[1])
        )
        for other in others:
            total = total + other
        return total

    def _counts(self, f: int, budgets: Sequence[AdditiveBudget], bits: tuple[int, int] | None) -> tuple[list[Terms], ...]:
        """``fixed, slope, identity, rest`` of each budget, over the axes of a family."""
        space, own, family = self.space, self.axes[f], FAMILIES[self.space.choices[f].block]
        no = [Terms({}) for _ in budgets]

        def block(ci: Ints, first: bool) -> list[Terms]:
            stride = space.stride if first else 1
            operations = {
                factor: self._operations(f, ci, stride, space.maps(factor)[not first], first, bits)
                for factor in {budget.map_factor for budget in budgets}
            }
            with np.errstate(divide="ignore"):
                return [
                    Terms.of([budget.of_block(family.layers, 1), *map(budget.of_operation, operations[budget.map_factor])])
                    for budget in budgets
                ]

        if self.element.continues:
            return block(own.c, False), no, no, no
        one, two = (block(np.full((1, 1, 1), -n), True) for n in (1, 2))
        slope = [a - b for a, b in zip(one, two, strict=True)]
        fixed = [a + b for a, b in zip(one, slope, strict=True)]
        same = block(own.c, True)
        identity = [a - b - d * own.c for a, b, d in zip(same, fixed, slope, strict=True)]
        return fixed, slope, identity, no if self.element.is_block else block(own.c, False)


def peak(operations: tuple[Operation, ...]) -> Ints:
    """Largest number of map elements that one operation reads and writes."""
    largest: Ints = np.maximum.reduce([np.asarray(op.map_elements, dtype=np.int64) for op in operations])
    return largest
