r"""Branch-and-price: the lattice formulation with its points priced in, so that most of them are never in a model.

The model is that of :mod:`mipdesign.formulations.lattice` with the points ``x_i[q, L] >= 0`` continuous: once the one-hot
marginals ``C_i[c]``, ``b_i[b]``, ``k_i[k]``, ``L_i[L]`` are integral, they name the point. Points occur in *link rows* only,

    sum_p a_r[p] x_i[p] = u_r,

one for each marginal, for each binary of a group of columns, and for each figure of a super-block that the rest of the model
reads: its own counts, its own part of ``S_i``, its own part of the entropy; there ``u_r`` is the figure's place in its range.
All other rows, the objective, branching decisions and excluded networks speak of the other variables. A relaxation is worth
what that of ``lattice`` is.

* **Pricing.** The reduced cost of a point is ``- sum_r y_r a_r[p]``, in Farkas pricing with the multipliers of the proof of
  infeasibility. Every ``a_r`` is affine in the depth but for the marginals of the depths, so the reduced costs of all points of
  a super-block are ``alpha[q] + L beta[q] + gamma[L]``: two sums over the columns, whatever the number of depths. No table of
  coefficients of the points is written, and a space with 10^7 points is priced in a fraction of a second.
* **Branching** needs nothing of the pricer: a marginal that a node fixes to 0 stays in its link row, whose dual makes its
  points worthless. They are left out of the search all the same, for at that node they are 0.
* **Bound.** The points of a super-block sum to 1 (its marginals do), so the value of the restricted relaxation plus the best
  reduced cost of each super-block is a bound before pricing has ended. A node is priced out once no point is better than the
  tolerance of dual feasibility.

SCIP prices; what infers something from the columns that happen to be there is off (:data:`PRICING_PARAMETERS`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyscipopt import SCIP_RESULT, Pricer

from mipdesign.errors import SpecError
from mipdesign.lattice.arrays import Bools, Floats, Ints
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import Tables
from mipdesign.mip.capabilities import Capability
from mipdesign.mip.formulation import Formulation, FormulationModel
from mipdesign.mip.linear import ScipModel, Terms

from . import common
from .lattice import Figure, LatticeWriter, Points
from .scaling import NONLINEAR_PARAMETERS

MAX_COLUMNS = 2_000_000
"""Most columns (channels, width and kernel) that the super-blocks of a model may have together."""
PER_DEPTH = 2
"""Points that one round of pricing adds for each super-block and depth, at most."""
OPTIMALITY = 1e-7
"""Reduced costs above minus this count as 0, as in SCIP; the objective's magnitude is 1e4."""
INFEASIBILITY = 1e-10
"""The same for a proof of infeasibility, relative to its largest multiplier."""
PRICING_PARAMETERS: Mapping[str, Any] = {
    # SCIP repeats a relaxation whose proof of infeasibility is in doubt with a tolerance 1000 times as strict.
    **NONLINEAR_PARAMETERS,
    # Presolve sees a few of the points only: it may conclude from what is infeasible, not from what is not optimal.
    "presolving/maxrestarts": 0,
    "misc/allowstrongdualreds": False,
    "misc/allowweakdualreds": False,
    "misc/usesymmetry": 0,
    # Cuts would have to be lifted to the points that are not there yet.
    "separating/maxrounds": 0,
    "separating/maxroundsroot": 0,
    "conflict/enable": False,
    # Strong branching would judge by relaxations that are not priced.
    "branching/pscost/priority": 1_000_000,
}
"""SCIP parameters of a model whose columns are priced in."""


class BranchAndPrice(Formulation):
    """The lattice formulation by branch-and-price; see the module."""

    id = "branch-price"
    title = "the lattice formulation with its points priced in"
    claim = "exact"
    reference = (
        "Barnhart, Johnson, Nemhauser, Savelsbergh, Vance, Operations Research 46(3), 1998. "
        "Branching on the original variables: Villeneuve, Desrosiers, Luebbecke, Soumis, "
        "Annals of Operations Research 139(1), 2005"
    )

    def build(self, tables: Tables, cell: Cell) -> FormulationModel:
        """The model of the networks of ``cell``.

        Raises
        ------
        SpecError
            If the cell has more than :data:`MAX_COLUMNS` columns.
        """
        if cell.n_columns > MAX_COLUMNS:
            problem = f"'branch-price' would have to price {cell.n_columns} columns for this cell"
            raise SpecError("formulation", problem, f"split it below {MAX_COLUMNS}")
        return common.write(_Writer(tables, cell))


class _Writer(LatticeWriter):
    """Writes the model without points, and notes the link rows."""

    def __init__(self, tables: Tables, cell: Cell) -> None:
        super().__init__(tables, cell)
        self.links: dict[int, dict[str, Link]] = {}
        """The link rows of each super-block with more than one point."""

    def add_points(self, points: Points) -> None:
        """Opens the link rows of a super-block."""
        if len(points) > 1:
            self.links[points.index] = {}

    def of_points(self, name: str, figure: Figure) -> Terms:
        """The figure by its place in its range, a variable between 0 and 1: SoPlex fails on link rows of counts near 1e9."""
        low, high = figure.range()
        if low == high:
            return [(self.one, low)]
        i, place = figure.points.index, figure.within(low, high)
        variable = self._variable(name, lambda n: place.of(n.position.columns[i], n.position.depths[i]))
        self.match_points(f"of_{name}", variable, place)
        return [(self.one, low), (variable, high - low)]

    def match_points(self, name: str, variable: int, figure: Figure) -> None:
        """A link row."""
        self.links[figure.points.index][name] = Link.of(figure)
        self.linear.row(name, [(variable, -1.0)], 0.0, 0.0)

    def model(self, **parts: Any) -> PricedModel:
        """The model with what is priced into it."""

        def named(binaries: Mapping[int, int]) -> dict[int, str]:
            return {value: self.linear.names[v] for value, v in binaries.items()}

        marginals = [
            Marginals(b.points, *(named(hot) for hot in (b.channels, b.widths, b.kernels, b.depths))) for b in self.blocks
        ]
        priced = []
        for block in self.blocks:
            if links := self.links.get(block.index):
                s, columns = block.tables, block.points.columns
                labels = np.stack([s.c[columns], s.b[columns], s.k[columns]], axis=1)
                priced.append(PricedPoints.of(labels, block.points, links))
        parameters = {**PRICING_PARAMETERS, **parts.pop("parameters")}
        return PricedModel(**parts, parameters=parameters, marginals=tuple(marginals), priced=tuple(priced))


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


@dataclass
class PricedModel(FormulationModel):
    """A model whose points are priced in; :attr:`linear` and :meth:`statistics` speak of what it has without them.

    Attributes
    ----------
    marginals:
        One entry per super-block: networks are read off these binaries and excluded by them.
    priced:
        The points of the super-blocks that have more than one.
    """

    marginals: tuple[Marginals, ...] = ()
    priced: tuple[PricedPoints, ...] = ()

    @property
    def requires(self) -> frozenset[Capability]:
        """What a solver has to be capable of."""
        return super().requires | {Capability.PRICING}

    @property
    def scip(self) -> ScipModel:
        """The PySCIPOpt model with its pricer, and its variables by name without the points."""
        if self.written is None:
            self._add_pricer(*super().scip)
        return super().scip

    def _add_pricer(self, model: Any, variables: Mapping[str, Any]) -> None:
        """Makes the link rows open to new columns, adds the first ones, and includes the pricer.

        The name of the problem is a hash of the points, so that the text of a model says what is priced into it.
        """
        rows = {row.name: row for row in model.getConss(False)}
        restricted, digest = [], hashlib.sha256()
        for points in self.priced:
            points.update(digest)
            part = Restricted(points, [rows[name] for name in points.rows], self.marginals[points.points.index], variables)
            for row in part.rows:
                model.setModifiable(row, True)
            for j, d in points.covering():
                part.add_first(model, j, d)
            restricted.append(part)
        model.setProbName(f"points_{digest.hexdigest()}")
        model.data = PointPricer(restricted)
        model.includePricer(model.data, "points", "prices the lattice points of every super-block")

    def position(self, values: Mapping[str, float]) -> Position:
        """The network that a solution stands for: the stem, columns and depths whose binaries have the largest values."""
        (stem,) = max(self.groups[0].names, key=lambda key: values[self.groups[0].names[key]])
        columns, depths = [], []
        for i, marginals in enumerate(self.marginals):
            s, own = self.tables.stages[i], marginals.points.columns
            worth = np.zeros(len(own))
            for of_column, names in ((s.c, marginals.channels), (s.b, marginals.widths), (s.k, marginals.kernels)):
                worth += np.array([values[names[int(x)]] for x in of_column[own]])
            columns.append(int(own[np.argmax(worth)]))
            depths.append(max(marginals.depths, key=lambda depth, m=marginals: values[m.depths[depth]]))  # type: ignore[misc]
        return Position(stem, tuple(columns), tuple(depths))

    def indicators(self, position: Position) -> list[str]:
        """Names of the binaries that are all 1 for this network and for no other.

        Raises
        ------
        ValueError
            If the network is not in the model.
        """
        try:
            names = {self.groups[0].names[(position.stem,)]}
            for i, (q, depth) in enumerate(zip(position.columns, position.depths, strict=True)):
                s, m = self.tables.stages[i], self.marginals[i]
                if q not in m.points.columns:
                    raise KeyError(q)
                names |= {m.channels[int(s.c[q])], m.widths[int(s.b[q])], m.kernels[int(s.k[q])], m.depths[depth]}
        except KeyError:
            raise ValueError(f"{position} is not in the model") from None
        return sorted(names)

    def start_solution(self, scip: ScipModel, start: Mapping[str, float]) -> Any:
        """As :meth:`mipdesign.mip.formulation.FormulationModel.start_solution`; the network's points become first columns."""
        model = scip[0]
        solution, position = super().start_solution(scip, start), self.position(start)
        for part in model.data.parts:
            points = part.points.points
            j = int(np.searchsorted(points.columns, position.columns[points.index]))
            d = int(np.searchsorted(points.depths, position.depths[points.index]))
            model.setSolVal(solution, part.add_first(model, j, d), 1.0)
        return solution


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
