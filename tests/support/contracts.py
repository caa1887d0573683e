"""What formulations and encodings are held to: listings of networks, values of a function; and cells to try them on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from mipdesign.benchmarks.corpus.small import Listing, listing, positions
from mipdesign.formulations.encodings.encoding import Encoding
from mipdesign.formulations.model_builder import ModelBuilder

from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import Tables
from mipdesign.mip.closing import CellResult, ScipSettings, solve_cell
from mipdesign.mip.expressions import Expression
from mipdesign.mip.linear import LinearModel
from mipdesign.networks.architecture import Architecture, Stage, Stem

TIE = 1e-6

ANY = Expression([], 0.0, 0.0)
"""The argument of a piece that is linked to nothing."""

R18 = Architecture(
    224,
    Stem(32),
    tuple(
        Stage("bottleneck", stride, *rest)
        for stride, rest in zip(
            (2, 2, 2, 1, 2),
            ((128, 48, 5, 1), (192, 56, 5, 1), (672, 64, 5, 14), (672, 64, 5, 14), (960, 96, 5, 12)),
            strict=True,
        )
    ),
)
"""The best network that the design runs of deepmad-r18 have found."""


def around(tables: Tables, architecture: Architecture, channels: float, widths: int, depths: int) -> Cell:
    """Channels within a relative distance of a network, widths and depths within absolute ones."""
    columns, low, high = [], [], []
    for s, stage in zip(tables.stages, architecture.stages, strict=True):
        near = np.abs(s.c - stage.channels) <= channels * stage.channels
        columns.append(np.flatnonzero(near & (np.abs(s.b - stage.bottleneck) <= widths)))
        low.append(max(int(s.depths[0]), stage.depth - depths))
        high.append(min(int(s.depths[-1]), stage.depth + depths))
    return Cell(np.arange(len(tables.stem_c)), tuple(columns), np.array(low), np.array(high))


def check_cell(tables: Tables, cell: Cell, formulation: str) -> CellResult:
    """Solves a cell without a cutoff, then with one a few networks below the optimum, and holds both against the listing."""
    expected = listing(tables, cell)
    if not expected.networks:
        result = solve_cell(tables, cell, -math.inf, formulation)
        assert (result.status, result.networks, result.bound) == ("closed", (), -math.inf)
        return result
    best = float(expected.networks[0][1])
    result = solve_cell(tables, cell, -math.inf, formulation, ScipSettings(equal_margin=TIE * abs(best)))
    check_result(tables, result, expected)
    assert result.bound == pytest.approx(best, rel=1e-12)
    assert max(found.objective for found in result.networks) == pytest.approx(best, rel=1e-12)
    lower = float(expected.networks[min(len(expected.networks), 6) - 1][1])
    everything = solve_cell(tables, cell, lower - 1e-9 * abs(lower), formulation, ScipSettings(equal_margin=1e30))
    check_result(tables, everything, expected)
    nothing = solve_cell(tables, cell, best + 1e-9 * abs(best), formulation)
    assert (nothing.status, nothing.networks) == ("closed", ())
    return result


def check_result(tables: Tables, result: CellResult, expected: Listing) -> None:
    """The cell is closed, and the networks that reach the final cutoff are those of the listing."""
    assert result.status == "closed", result.message
    found = {n.position: tables.problem.evaluator(tables.architecture(n.position)).exact_objective() for n in result.networks}
    assert len(found) == len(result.networks)
    assert {position for position, objective in found.items() if objective >= Decimal(result.cutoff)} == expected.reaching(
        result.cutoff
    )


def some_cell(tables: Tables, seed: int) -> Cell:
    """A random part of a space: any subset of the columns, and a range of the depths."""
    rng = np.random.default_rng(seed)
    whole = Cell.whole(tables)
    columns = tuple(c[np.sort(rng.choice(len(c), max(1, len(c) // 2), replace=False))] for c in whole.columns)
    ranges = [np.sort(rng.choice(s.depths, 2)) for s in tables.stages]
    low, high = np.array(ranges).T
    return Cell(whole.stem[: rng.integers(1, len(whole.stem) + 1)], columns, low, high)


def sample(tables: Tables, seed: int, n: int) -> Iterator[Position]:
    networks = positions(Cell.whole(tables).networks(tables))
    chosen = np.random.default_rng(seed).choice(len(networks), min(n, len(networks)), replace=False)
    return (networks[j] for j in chosen)


class Written:
    """A piece with one function, and SCIP's extreme values of it."""

    def __init__(self, encoding: Encoding, points: Sequence[float], values: Sequence[float], relaxed: bool = False) -> None:
        self.linear = ModelBuilder()
        self.piece = encoding.encode(self.linear, "f", points, ANY)
        self.argument, self.y = self.piece.argument(), self.piece.value(values, "at most")
        if relaxed:
            self.linear.kinds = ["C"] * len(self.linear.kinds)
            self.linear.sos2 = []

    def extremes(self, x: float | None) -> tuple[float, float] | None:
        """Least and largest value at an argument; any argument if ``None``; nothing if the argument is not admitted."""
        return extremes(self.linear, self.argument, x, self.y)


def extremes(linear: LinearModel, argument: Expression, x: float | None, y: Expression) -> tuple[float, float] | None:
    found = []
    for sign in (-1.0, 1.0):
        model, variables = linear.to_scip(1.0)

        def expression(e: Expression, variables: dict[str, Any] = variables) -> Any:
            return sum((c * variables[linear.names[v]] for v, c in e.terms), 0.0 * variables["one"])

        model.setParam("numerics/feastol", 1e-9)
        if x is not None:
            model.addCons(expression(argument) == x)
        model.setObjective(sign * expression(y), "maximize")
        model.optimize()
        if model.getStatus() != "optimal":
            return None
        found.append(sign * model.getObjVal())
    return found[0], found[1]
