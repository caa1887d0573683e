"""Columns as a product of axes: sums over the axes are those of the columns, whichever axes there are."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mipdesign.lattice import column_axes
from mipdesign.lattice.column_axes import ColumnAxes, Terms
from mipdesign.problem.space import Choice

CHANNELS = (4, 8, 12)
WIDTHS = ((2, 4, 6), (), (6, 10))
KERNELS = (1, 3, 5)


@pytest.mark.parametrize("waste", [0, 3], ids=["pairs", "grid"])
@pytest.mark.parametrize("excluded", [set(), {(4, 2, 3), (12, 10, 1)}], ids=["all", "some"])
def test_spread_sums_are_those_of_the_columns(
    waste: int, excluded: set[tuple[int, int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(column_axes, "MOST_WASTE", waste)
    axes = ColumnAxes.of(CHANNELS, Choice("basic", WIDTHS, KERNELS, frozenset(excluded)))
    pairs = [(c, b) for c, widths in zip(CHANNELS, WIDTHS, strict=True) for b in widths]
    columns = [(c, b, k) for (c, b), k in itertools.product(pairs, KERNELS) if (c, b, k) not in excluded]
    assert axes.size == len(columns)
    c, b, k = np.array(columns).T
    one = Terms.of([7, axes.c, axes.b * axes.k, axes.c * axes.b, axes.c * axes.b * 2])
    other = Terms.of([axes.b, axes.c * axes.b * 3])
    for terms, expected in (
        (one, 7 + c + b * k + 3 * c * b),
        (one + other, 7 + c + b * k + 6 * c * b + b),
        (one - other, 7 + c + b * k - b),
        (other * axes.k, (b + 3 * c * b) * k),
        (other - other, 0 * c),
    ):
        found = np.empty(axes.size)
        axes.spread(terms.joined(), found)
        assert found.tolist() == expected.tolist()


def test_sums_take_no_more_room_than_their_terms() -> None:
    """What does not depend on an axis is not laid out along it, and what cancels is gone."""
    axes = ColumnAxes.of(CHANNELS, Choice("basic", WIDTHS, KERNELS, frozenset()))
    assert [term.shape for term in Terms.of([5, axes.b, axes.b * axes.k]).joined()] == [(1, 4, 3)]
    assert [term.shape for term in (Terms.of([axes.c * axes.b, axes.k]) - Terms.of([axes.c * axes.b])).joined()] == [(1, 1, 3)]
