"""What depends on pairs of incoming channels and a column: limits on single operations, and latencies that are interpolated."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from mipdesign.lattice.arrays import Bools, Floats, Ints
from mipdesign.lattice.stage_tables import StageTables
from mipdesign.lattice.tables import Tables
from mipdesign.mip.expressions import Expression, linear_sum
from mipdesign.mip.linear import LinearModel
from mipdesign.mip.start_values import Assignment

OfColumn = Callable[[str, Floats | Bools], Expression]
"""A function of the column as an expression, which a new variable may be named for."""


def limit_operations(
    model: LinearModel,
    number: int,
    s: StageTables,
    columns: Ints,
    before: Mapping[int, Expression],
    depths: Mapping[int, Expression],
    of_column: OfColumn,
) -> None:
    """Limits on single operations of a super-block: on its further blocks, on incoming channels, and where they stay the same.

    Parameters
    ----------
    number:
        Of the super-block, from 1.
    before, depths:
        What is 1 for each number of channels before it, and for each of its depths.
    """
    c, most, identity_fits, rest_fits = s.c[columns], s.most_incoming[columns], s.identity_fits[columns], s.rest_fits[columns]
    deep = [z for depth, z in depths.items() if depth > 1]
    if deep and not rest_fits.all():
        model.add(f"rest_{number}", of_column(f"shallow{number}", ~rest_fits) + linear_sum(deep) <= 1.0)  # (34)
    for place, (channels, limit) in enumerate(sorted(set(zip(c.tolist(), most.tolist(), strict=True)))):
        beyond = [z for p, z in before.items() if p > limit and p != channels]
        if beyond:
            narrow = of_column(f"narrow{number}_{place}", (c == channels) & (most == limit))
            model.add(f"incoming_{number}_{place}", narrow + linear_sum(beyond) <= 1.0)  # (34)
    for channels, z in before.items():
        apart = (c == channels) & ~identity_fits
        if apart.any():
            model.add(f"twin_{number}_{channels}", of_column(f"apart{number}_{channels}", apart) + z <= 1.0)  # (34)


def latency(
    model: LinearModel,
    tables: Tables,
    index: int,
    columns: Ints,
    before: Mapping[int, Expression],
    unit: float,
    of_column: OfColumn,
    row: int,
) -> Expression:
    """At least the latency of a super-block that depends on the incoming channels in no simple way, in some unit.

    Parameters
    ----------
    row:
        The latency budget, by its place among all.
    """
    s, number, which = tables.stages[index], str(index + 1), row - tables.arrays.paired
    times = s.pairs[:, which]
    if which:  # names of the first one are those of the only one
        number = f"{number}_{tables.counts[row].partition('.')[2]}"
    incoming = tables.stages[index - 1].channels if index else tables.stem_c
    places = np.searchsorted(incoming, list(before))[:, None]
    costs = (times[s.pair_at[0, columns] + places] + times[s.pair_at[1, columns] + places]) / unit
    here = {p: of_column(f"latency{number}_{p}", cost) for p, cost in zip(before, costs, strict=True)}
    if len(here) == 1:
        return next(iter(here.values()))
    least, most = float(costs.min()), float(costs.max())

    def value(network: Assignment) -> float:
        return sum(network.of(before[p]) * network.of(e) for p, e in here.items())

    w = model.variable(f"latency{number}", lower=least, upper=most, value=value)
    for p, e in here.items():
        big_m = e.high - least
        model.add(f"latency_{number}_{p}", -w + e + big_m * before[p] <= big_m)  # (35)
    return w
