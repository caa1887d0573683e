"""The pricer of branch-and-price: lattice points as columns of link rows, and SCIP's side of it.

See :mod:`mipdesign.formulations.branch_price`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyscipopt import SCIP_RESULT, Pricer

from mipdesign.lattice.arrays import Bools, Floats, Ints

from .lattice_points import Figure, Points

PER_DEPTH = 2
"""Points that one round of pricing adds for each super-block and depth, at most."""
OPTIMALITY = 1e-7
"""Reduced costs above minus this count as 0, as in SCIP; the objective's magnitude is 1e4."""
INFEASIBILITY = 1e-10
"""The same for a proof of infeasibility, relative to its largest multiplier."""


@dataclass(frozen=True)
class Link:
    """A figure of which only what is not 0 is kept: ``fixed + L rise`` for some columns, and ``at`` for all of them."""

    columns: Ints
    fixed: Floats
    rise: Floats
    at: Floats

    @classmethod
    def of(cls, figure: Figure) -> Link:
        """A figure without its zeros."""
        here = np.flatnonzero((figure.fixed != 0) | (figure.rise != 0))
        return cls(here, figure.fixed[here], figure.rise[here], figure.at)


@dataclass(frozen=True)
class Marginals:
    """Names of the binaries of the channel counts, widths, kernels and depths of a super-block, by value."""

    points: Points
    channels: Mapping[int, str]
    widths: Mapping[int, str]
    kernels: Mapping[int, str]
    depths: Mapping[int, str]


@dataclass(frozen=True)
class PricedPoints:
    """The points of a super-block as columns of its link rows.

    Attributes
    ----------
    labels:
        ``C, b, k`` of each column of the tables, shape ``(columns, 3)``.
    rows:
        Names of the link rows.
    row, column, fixed, rise:
        Coefficients ``fixed + L rise`` by row and column, sorted by column.
    at:
        What is added to the coefficient of a row for each depth, shape ``(rows, depths)``.
    """

    points: Points
    labels: Ints
    rows: tuple[str, ...]
    row: Ints
    column: Ints
    fixed: Floats
    rise: Floats
    at: Floats

    @classmethod
    def of(cls, labels: Ints, points: Points, links: Mapping[str, Link]) -> PricedPoints:
        """The columns of link rows."""
        columns = np.concatenate([link.columns for link in links.values()])
        order = np.argsort(columns, kind="stable")
        return cls(
            points=points,
            labels=labels,
            rows=tuple(links),
            row=np.repeat(np.arange(len(links)), [len(link.columns) for link in links.values()])[order],
            column=columns[order],
            fixed=np.concatenate([link.fixed for link in links.values()])[order],
            rise=np.concatenate([link.rise for link in links.values()])[order],
            at=np.array([link.at for link in links.values()]),
        )

    def name(self, j: int, d: int) -> str:
        """Name of the variable of a point."""
        c, b, k = self.labels[j]
        return f"x{self.points.index + 1}_{c}_{b}_{k}_{self.points.depths[d]}"

    def coefficients(self, j: int, d: int) -> Iterator[tuple[int, float]]:
        """Rows of a point and its coefficients in them."""
        mine = slice(*np.searchsorted(self.column, (j, j + 1)))
        values = self.at[:, d].copy()
        values[self.row[mine]] += self.fixed[mine] + self.points.depths[d] * self.rise[mine]
        return ((int(r), float(values[r])) for r in np.flatnonzero(values))

    def worth(self, prices: Floats) -> tuple[Floats, Floats, Floats]:
        """``sum_r y_r a_r`` for prices ``y`` of the rows, as ``alpha[j] + L beta[j] + gamma[d]``."""
        n, by_entry = len(self.points.columns), prices[self.row]
        alpha = np.bincount(self.column, by_entry * self.fixed, n).astype(np.float64)
        beta = np.bincount(self.column, by_entry * self.rise, n).astype(np.float64)
        return alpha, beta, prices @ self.at

    def best(
        self, prices: Floats, known: Bools, columns: Bools, depths: Bools, least: float
    ) -> tuple[list[tuple[int, int]], float]:
        """The points of most worth for each depth, and the largest worth of all.

        Parameters
        ----------
        known:
            Points that are not looked for, shape ``(depths, columns)``.
        columns, depths:
            Which columns and depths are possible.
        least:
            Points that are not worth more than this are not looked for.
        """
        alpha, beta, gamma = self.worth(prices)
        found, most = [], 0.0
        for d in np.flatnonzero(depths):
            worth = np.where(columns & ~known[d], alpha + self.points.depths[d] * beta + gamma[d], -np.inf)
            top = np.argpartition(worth, -PER_DEPTH)[-PER_DEPTH:] if len(worth) > PER_DEPTH else np.arange(len(worth))
            most = max(most, float(worth[top].max()))
            found += [(int(j), int(d)) for j in top if worth[j] > least]
        return found, most

    def covering(self) -> list[tuple[int, int]]:
        """Points with the smallest depth for each channel count, width and kernel, and one for each depth."""
        firsts = {int(j) for values in self.labels.T for j in np.unique(values, return_index=True)[1]}
        return sorted({(j, 0) for j in firsts} | {(0, d) for d in range(len(self.points.depths))})

    def update(self, digest: Any) -> None:
        """Adds the content to a hash."""
        for part in (self.points.columns, self.points.depths, self.row, self.column, self.fixed, self.rise, self.at):
            digest.update(np.ascontiguousarray(part, dtype=part.dtype.newbyteorder("<")).tobytes())
        digest.update("\n".join(self.rows).encode())


class Restricted:
    """The points of a super-block that a PySCIPOpt model has.

    Attributes
    ----------
    rows:
        The link rows of the original problem.
    first:
        Variables of the points that the original problem has; those that are priced in go with the transformed one.
    """

    def __init__(self, points: PricedPoints, rows: Sequence[Any], marginals: Marginals, variables: Mapping[str, Any]) -> None:
        self.points, self.rows = points, rows
        self.first: dict[tuple[int, int], Any] = {}
        self.axes = []
        """For channels, widths and kernels: the binaries, and the place of each column's own among them."""
        named = (marginals.channels, marginals.widths, marginals.kernels)
        for values, names in zip(points.labels.T, named, strict=True):
            distinct, places = np.unique(values, return_inverse=True)
            self.axes.append(([variables[names[int(value)]] for value in distinct], places))
        self.depths = [variables[name] for name in marginals.depths.values()]

    def add_first(self, model: Any, j: int, d: int) -> Any:
        """The variable of a point in the original problem, which must not be in the solving stage."""
        if (j, d) not in self.first:
            self.first[j, d] = self._add(model, self.rows, j, d, False)
        return self.first[j, d]

    def transform(self, model: Any) -> None:
        """Looks up rows and binaries in the transformed problem, which has the first points only."""
        self.transformed = [model.getTransformedCons(row) for row in self.rows]
        self.binaries = [([model.getTransformedVar(v) for v in hot], places) for hot, places in self.axes]
        self.hot_depths = [model.getTransformedVar(v) for v in self.depths]
        self.known = np.zeros((len(self.points.points.depths), len(self.points.points.columns)), dtype=bool)
        for j, d in self.first:
            self.known[d, j] = True

    def price(self, model: Any, dual: Callable[[Any], float], tolerance: Callable[[Floats], float]) -> float:
        """Adds points of positive worth, and returns the largest worth of those that are possible at the node."""
        prices = np.array([dual(row) for row in self.transformed])
        columns = np.ones(len(self.points.points.columns), dtype=bool)
        for hot, places in self.binaries:
            columns &= _open(hot)[places]
        found, most = self.points.best(prices, self.known, columns, _open(self.hot_depths), tolerance(prices))
        for j, d in found:
            self._add(model, self.transformed, j, d, True)
            self.known[d, j] = True
        return most

    def _add(self, model: Any, rows: Sequence[Any], j: int, d: int, priced: bool) -> Any:
        variable = model.addVar(self.points.name(j, d), "C", 0.0, None, pricedVar=priced)
        for r, coefficient in self.points.coefficients(j, d):
            model.addConsCoeff(rows[r], variable, coefficient)
        return variable


class PointPricer(Pricer):  # type: ignore[misc]
    """Prices the points of all super-blocks."""

    def __init__(self, parts: Sequence[Restricted]) -> None:
        self.parts = parts

    def pricerinitsol(self) -> None:
        """The branch-and-bound process starts: with the first points only."""
        for part in self.parts:
            part.transform(self.model)

    def pricerredcost(self) -> dict[str, Any]:
        """Adds points of negative reduced cost; tells a bound for the node, which SCIP minimises."""
        model, value = self.model, self.model.getLPObjVal()
        gain = sum(part.price(model, model.getDualsolLinear, lambda prices: OPTIMALITY) for part in self.parts)
        return {"result": SCIP_RESULT.SUCCESS, "lowerbound": value - gain}

    def pricerfarkas(self) -> dict[str, Any]:
        """Adds points that may make the relaxation feasible."""
        for part in self.parts:
            part.price(self.model, self.model.getDualfarkasLinear, lambda prices: INFEASIBILITY * float(abs(prices).max()))
        return {"result": SCIP_RESULT.SUCCESS}


def _open(binaries: Iterable[Any]) -> Bools:
    """Which binaries may be 1 at the current node."""
    return np.array([v.getUbLocal() > 0.5 for v in binaries])
