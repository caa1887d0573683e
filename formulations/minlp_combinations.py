"""Which channels, families, widths and kernels go together, in the model of :mod:`mipdesign.formulations.minlp`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from mipdesign.lattice.arrays import Ints
from mipdesign.lattice.stage_tables import StageTables
from mipdesign.lattice.tables import Tables
from mipdesign.mip.expressions import dot, linear_sum
from mipdesign.mip.start_values import ValueRule

from .compact_columns import Lattices, UnsupportedError
from .minlp_counts import Block, Number
from .model_builder import ModelBuilder

MOST_COMBINATIONS = 2000
"""Most columns of a super-block that get a binary each."""


def write_combinations(tables: Tables, model: ModelBuilder, block: Block, columns: Ints, lacks: Callable[[str], None]) -> None:
    """Which widths go with which channels, where that is a range; other combinations by a binary each, if they are few, and
    else by the exact check, which ``lacks`` is told.
    """
    s, n = tables.stages[block.index], block.index + 1
    axes = ((block.channels, s.c), (block.families, s.f), (block.widths, s.b), (block.kernels, s.k))
    columns = columns[s.p[columns] == 0]  # all have all bits
    if math.prod(len(x.values) for x, _ in axes) == len(columns):
        return
    try:
        if len(block.families.values) > 1:
            raise UnsupportedError("a choice of families")
        lattices = Lattices.of(s, columns)
    except UnsupportedError:
        if len(columns) > MOST_COMBINATIONS:
            lacks("combinations of channels, width, kernel and family that are left out")
        else:
            _list_combinations(s, model, block.index, columns, axes)
        return
    low, high = (block.channels.encoded.function(ends) for ends in (lattices.low, lattices.high))
    if low.low or low.high:
        model.add(f"widths{n}_low", block.widths.encoded.index - low >= 0.0)
    if min(lattices.high) < len(lattices.widths) - 1:
        model.add(f"widths{n}_high", high - block.widths.encoded.index >= 0.0)


def _list_combinations(s: StageTables, model: ModelBuilder, i: int, columns: Ints, axes: Sequence[tuple[Number, Ints]]) -> None:
    """A binary for each column, which says where it stands on every axis."""

    def is_column(q: int) -> ValueRule:
        return lambda network: float(stand_in[network.position.columns[i]] == q)

    stand_in = s.stand_in - s.p[s.stand_in]  # bits aside

    chosen = [model.variable(f"x{i + 1}_{q}", "B", value=is_column(q)) for q in columns.tolist()]
    model.add(f"one_x{i + 1}", linear_sum(chosen) == 1.0)
    for x, of_column in axes:
        if len(x.values) > 1:
            places = np.searchsorted(x.values, of_column[columns])
            model.add(f"{x.encoded.name}_of_x", dot(places, chosen) == x.encoded.index)
