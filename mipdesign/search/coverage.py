"""The tables of a problem, and whether its latency tables cover all that it needs.

A network with an operation that a table lacks counts as one that breaks the budget. That is right only if it breaks another
budget as well: each part of the space whose networks have such an operation is proved to hold none that keeps the others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from ..bounds.multipliers import Multipliers
from ..bounds.relaxation import Relaxation
from ..errors import SpecError
from ..lattice.build import tabulate
from ..lattice.cell import Cell
from ..lattice.pairs import StageLatency
from ..lattice.tables import Tables
from ..networks.architecture import Architecture
from ..problem.problem import Problem
from .branching import Node, expand

MOST_NODES = 2000
"""Nodes of a tree after which a part of the space counts as not empty: some seconds."""


def build_tables(problem: Problem, like: Tables | None = None) -> Tables:
    """Tables of a problem whose latency tables, if it has any, are proved to cover all that the problem needs.

    Parameters
    ----------
    like:
        Tables of another problem, which serve again where the two differ in nothing but the limits of sums.

    Raises
    ------
    SpecError
        For a space too large, or as :func:`require_covered` does.
    """
    tables, gaps = tabulate(problem, like)
    for name, of_table in gaps.items():
        require_covered(problem, name, of_table)
    return tables


def require_covered(problem: Problem, name: str, gaps: Sequence[StageLatency]) -> None:
    """Checks that no network of the space that keeps all budgets but latencies has an operation without an entry in the table
    of one of those.

    Parameters
    ----------
    gaps:
        How many such operations each super-block has, in place of nanoseconds.

    Raises
    ------
    SpecError
        Naming an operation that such a network has, or may have where the tree came to no end.
    """
    if not any(gap.fixed.any() or gap.rest.any() or gap.pairs.any() for gap in gaps):
        return
    others = problem.model_copy(update={"budgets": problem.budgets.model_copy(update={"latency": None})})
    tables, _ = tabulate(others)
    for cell in _lacking(tables, gaps):
        network, certain = _network(tables, cell)
        if network is None:
            continue
        try:
            _ = problem.evaluator(network).nanoseconds(name)
        except SpecError as error:
            if certain:
                raise
            doubt = f"{error.problem}, and it was not shown that no network within the other budgets has it"
            raise SpecError(error.field, doubt, error.remedy) from None
        raise AssertionError("a network of such a cell has an operation without an entry")


def _lacking(tables: Tables, gaps: Sequence[StageLatency]) -> Iterator[Cell]:
    """Cells that together hold just the networks with an operation without an entry."""
    whole = Cell.whole(tables)
    for i, (s, gap) in enumerate(zip(tables.stages, gaps, strict=True)):
        incoming = tables.stem_c if i == 0 else tables.stages[i - 1].state_channels
        alike: dict[bytes, list[int]] = {}  # incoming channels with the same columns behind them
        for place in range(len(incoming)):
            first = gap.fixed + gap.pairs[gap.pair_at[0] + place] + gap.pairs[gap.pair_at[1] + place]
            if first.any():
                alike.setdefault(np.packbits(first > 0).tobytes(), []).append(place)
        for key, places in alike.items():
            columns = list(whole.columns)
            columns[i] = np.flatnonzero(np.unpackbits(np.frombuffer(key, np.uint8), count=len(s.c)))
            stem = whole.stem
            if i == 0:
                stem = np.array(places)
            else:
                columns[i - 1] = np.flatnonzero(np.isin(tables.stages[i - 1].c, incoming[places]))
            if len(columns[i - 1]):
                yield Cell(stem, tuple(columns), whole.low, whole.high)
        several = s.depths[s.depths > 1]
        if gap.rest.any() and len(several):
            columns, low = list(whole.columns), whole.low.copy()
            columns[i], low[i] = np.flatnonzero(gap.rest), several[0]
            yield Cell(whole.stem, tuple(columns), low, whole.high)


def _network(tables: Tables, cell: Cell) -> tuple[Architecture | None, bool]:
    """A network of a cell that keeps all budgets, and whether it is sure to: where the tree is too large it is any network."""
    stack, nodes = [Node("", cell, math.inf, Multipliers.initial(tables, 3.0, 0.0))], 0
    while stack:
        node = stack.pop()
        if nodes == MOST_NODES:
            relaxation = Relaxation(tables, node.cell, 0.0)
            if relaxation.empty:
                continue
            return tables.architecture(relaxation.bound(node.multipliers).path.position(0)), False
        expansion = expand(tables, node, 0.0)
        nodes += 1
        for candidate in expansion.candidates:
            network = tables.architecture(candidate.position)
            if not tables.problem.violations(network):
                return network, True
        stack += expansion.children
    return None, True
