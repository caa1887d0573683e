"""Where networks stand in the checker's tables."""

from __future__ import annotations

import json

import numpy as np

from mipdesign import Architecture
from mipdesign.checker.cell import Cell
from mipdesign.checker.network import Network, read_network
from mipdesign.checker.tables import Tables

Place = tuple[int, list[int], list[int]]
"""Place of the stem, columns and depths of the elements of the chain."""


def as_read(tables: Tables, network: Architecture) -> Network:
    """A network as the checker reads it."""
    return read_network(json.loads(network.dumps()), "network", tables.space)


def place_of(tables: Tables, network: Network) -> Place:
    """Where a network stands in the tables; -1 for a column that they leave out."""
    columns, n, state = [], 0, -1
    for table in tables.stages:
        s, stage = table.block, network.stages[table.block.of]
        n = n + 1 if s.continues else 0
        rows = (s.f == s.families.index(stage.block)) & (s.c == stage.channels)
        for axis, value in zip((s.b, s.k, s.a, s.w), stage.at(n) if n < stage.depth else (0, 0, 0, 0), strict=True):
            rows &= isinstance(axis, int) or axis == value
        if s.continues:
            rows &= s.place == state
        columns.append(int(np.flatnonzero(rows)[0]) if rows.any() else -1)
        state = int(s.place[columns[-1]])
    depths = [1 if table.block.is_block else network.stages[table.block.of].depth for table in tables.stages]
    return tables.space.stem.index(network.stem), columns, depths


def holds(cell: Cell, place: Place) -> bool:
    """Whether a cell has a network that stands somewhere."""
    stem, columns, depths = place
    inside = not cell.empty and all(j in chosen for j, chosen in zip(columns, cell.columns, strict=True))
    return inside and stem in cell.stem and all(a <= d <= b for a, d, b in zip(cell.low, depths, cell.high, strict=True))
