"""The columns of a block family as a product of axes, for figures that depend on few of them.

What an operation counts depends on two of ``C, b, k`` as a rule. Over axes of the shapes ``(C, 1, 1)``, ``(1, b, 1)`` and
``(1, 1, k)`` broadcasting gives it the smallest shape that holds it, and only sums are spread over the columns.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..networks.operation import Int
from ..problem.space import Choice
from .arrays import Bools, Ints

MOST_WASTE = 3
"""Most pairs of a channel count and a width for each pair that is admitted."""


@dataclass(frozen=True)
class Terms:
    """A sum over the axes in integers.

    Attributes
    ----------
    by_shape:
        An array of three axes for each shape that occurs; they are broadcast together. None is 0.
    """

    by_shape: Mapping[tuple[int, ...], Ints]

    @classmethod
    def of(cls, values: Iterable[Int]) -> Terms:
        """The sum of numbers and of arrays over the axes."""
        found: dict[tuple[int, ...], Ints] = {}
        for value in values:
            term = over_axes(np.asarray(value, dtype=np.int64))
            found[term.shape] = found[term.shape] + term if term.shape in found else term
        return cls({shape: term for shape, term in found.items() if term.any()})

    def __add__(self, other: Terms) -> Terms:
        return Terms.of([*self.by_shape.values(), *other.by_shape.values()])

    def __sub__(self, other: Terms) -> Terms:
        return self + other * np.array(-1)

    def __mul__(self, factor: Ints) -> Terms:
        return Terms.of([term * factor for term in self.by_shape.values()])

    def joined(self) -> list[Ints]:
        """Few arrays with the same sum: what another one covers the axes of is added to it."""
        found: dict[tuple[int, ...], Ints] = {}
        for shape in sorted(self.by_shape, key=math.prod, reverse=True):
            covering = [other for other in found if np.broadcast_shapes(shape, other) == other]
            at = covering[-1] if covering else shape
            found[at] = found[at] + self.by_shape[shape] if covering else self.by_shape[shape]
        return list(found.values())


class StageColumns(NamedTuple):
    """Columns of one element: channels, place of the family, bottleneck width, kernel and place of the pair of bits of each."""

    c: Ints
    f: Ints
    b: Ints
    k: Ints
    p: Ints


@dataclass(frozen=True)
class ColumnAxes:
    """Columns of a block family of a super-block, sorted by ``(C, b, k)``.

    Attributes
    ----------
    c, b, k:
        Channels, widths and kernels along the three axes. Where few pairs of channels and width are admitted, these pairs are
        the first axis, and the second has a single place.
    at_c, at_b, at:
        For each admitted pair its places on the first two axes, and in both of them flattened.
    kept:
        Which pairs and kernels are columns, shape ``(pairs, kernels)``; ``None`` where all are.
    size:
        Number of columns.
    """

    c: Ints
    b: Ints
    k: Ints
    at_c: Ints
    at_b: Ints
    at: Ints
    kept: Bools | None
    size: int

    @classmethod
    def of(cls, channels: tuple[int, ...], choice: Choice) -> ColumnAxes:
        """Those of a family in a super-block with some channels."""
        counts = [len(widths) for widths in choice.widths]
        pair_b = np.fromiter(chain.from_iterable(choice.widths), dtype=np.int64, count=sum(counts))
        c, k = np.array(channels, dtype=np.int64), np.array(choice.kernels, dtype=np.int64)
        at_c, b = np.repeat(np.arange(len(c)), counts), np.unique(pair_b)
        kept = None
        if choice.excluded:
            pairs = list(zip(c[at_c].tolist(), pair_b.tolist(), strict=True))
            kept = np.array([[(*pair, k) not in choice.excluded for k in choice.kernels] for pair in pairs], dtype=bool)
            kept = kept.reshape(len(pairs), len(k))
        if len(c) * len(b) > MOST_WASTE * len(pair_b):
            every, first = np.arange(len(pair_b)), np.zeros(len(pair_b), dtype=np.int64)
            return cls(c[at_c][:, None, None], pair_b[:, None, None], k[None, None], every, first, every, kept, choice.size)
        at_b = np.searchsorted(b, pair_b)
        at = at_c * len(b) + at_b
        return cls(c[:, None, None], b[None, :, None], k[None, None], at_c, at_b, at, kept, choice.size)

    def _of_pairs(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values over the axes for each admitted pair and each kernel, or once where they are the same for all."""
        n_c, n_b, n_k = values.shape
        if n_c == n_b == 1:
            return values.reshape(1, n_k)
        at = self.at_c if n_b == 1 else self.at_b if n_c == 1 else self.at
        of_pairs: NDArray[Any] = values.reshape(n_c * n_b, n_k).take(at, axis=0)
        return of_pairs

    def spread(self, values: Sequence[NDArray[Any]], out: NDArray[Any], combine: np.ufunc = np.add) -> None:
        """Writes the sum of values over the axes, or what else combines them, into a contiguous array of the columns."""
        terms = [self._of_pairs(term) for term in values]
        shape = len(self.at_c), self.k.shape[-1]
        every = out.reshape(shape) if self.kept is None else np.empty(shape, dtype=out.dtype)
        for j in range(shape[1]):  # kernels are few, and loops along them slow
            of_kernel = [term[:, min(j, term.shape[1] - 1)] for term in terms]
            every[:, j] = functools.reduce(combine, of_kernel) if of_kernel else 0
        if self.kept is not None:
            out[...] = every[self.kept]

    def has_any(self, values: Bools) -> bool:
        """Whether values over the axes hold for any column."""
        found = np.empty(self.size, dtype=np.bool_)
        self.spread([over_axes(values)], found)
        return bool(found.any())


def over_axes(values: NDArray[Any]) -> NDArray[Any]:
    """The same values with three axes."""
    return values.reshape((1,) * (3 - values.ndim) + values.shape)
