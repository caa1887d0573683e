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
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mipdesign.errors import SpecError
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import Tables
from mipdesign.mip.capabilities import Capability
from mipdesign.mip.expressions import Expression
from mipdesign.mip.formulation import Feature, Formulation, FormulationModel
from mipdesign.mip.linear import ScipModel
from mipdesign.registry import register_formulation

from . import common
from .lattice_points import Figure, Points
from .lattice_writer import LatticeWriter
from .pricing import Link, Marginals, PointPricer, PricedPoints, Restricted
from .scaling import NONLINEAR_PARAMETERS

MAX_COLUMNS = 2_000_000
"""Most columns (channels, width and kernel) that the super-blocks of a model may have together."""
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


@register_formulation
class BranchAndPrice(Formulation):
    """The lattice formulation by branch-and-price; see the module."""

    id = "branch-price"
    title = "the lattice formulation with its points priced in"
    claim = "exact"
    supports = frozenset({Feature.OPERATIONS, Feature.LATENCY, Feature.TIES, Feature.SCORE, Feature.TERMS})
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
            If the cell has more than :data:`MAX_COLUMNS` columns, or the problem something that is not supported.
        """
        common.check_supported(self, tables)
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

    def of_points(self, name: str, figure: Figure) -> Expression:
        """The figure by its place in its range, a variable between 0 and 1: SoPlex fails on link rows of counts near 1e9."""
        low, high = figure.range()
        if low == high:
            return self.model.constant(low)
        i, share = figure.points.index, figure.within(low, high)
        u = self.model.variable(name, value=lambda n: share.of(n.position.columns[i], n.position.depths[i]))
        self.match_points(f"of_{name}", u, share)
        return (low * self.model.one + (high - low) * u).within(low, high)

    def match_points(self, name: str, variable: Expression, figure: Figure) -> None:
        """A link row."""
        self.links[figure.points.index][name] = Link.of(figure)
        self.model.add(name, -variable == 0.0)  # (32)

    def finished(self, **parts: Any) -> PricedModel:
        """The model with what is priced into it."""

        def named(binaries: Mapping[int, Expression]) -> dict[int, str]:
            return {value: self.model.names[z.variable] for value, z in binaries.items()}

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
