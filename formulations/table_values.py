"""Values of super-blocks by a table, in linear models with one binary per column and depth, or per pair of both."""

from __future__ import annotations

import numpy as np

from mipdesign.lattice.arrays import Bools, Floats, Ints
from mipdesign.lattice.position import Position
from mipdesign.lattice.stage_tables import StageTables
from mipdesign.lattice.tables import Tables
from mipdesign.mip.expressions import Expression
from mipdesign.mip.linear import LinearModel


def of_network(model: LinearModel, tables: Tables) -> Expression:
    """What a network is worth, as a variable between what any two are: nothing else is said of it."""
    most = tables.most_value
    return model.variable("values", lower=-most, upper=most, value=lambda network: table_worth(tables, network.position))


def table_worth(tables: Tables, position: Position) -> float:
    """What a network is worth by the table."""
    worth = 0.0
    for s, q, depth in zip(tables.stages, position.columns, position.depths, strict=True):
        worth += float(s.values[q, np.searchsorted(s.depths, depth)])
    return worth


def values_at(s: StageTables, columns: Ints, depths: Ints) -> tuple[Floats, Bools]:
    """What some columns are worth at some depths, shape ``(columns, depths)``, 0 where that is excluded; and where it is."""
    found = s.values[np.ix_(columns, np.searchsorted(s.depths, depths))]
    excluded = found == -np.inf
    return np.where(excluded, 0.0, found), excluded
