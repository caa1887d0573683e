r"""The disaggregated lattice formulation: the design problem on a cell as an exact mixed-integer linear model.

Notation: super-block ``i`` has channels ``C_i``, width ``b_i``, kernel ``k_i`` and depth ``L_i``; ``C_0`` is the stem;
``q = (C, b, k)`` is a column of the tables; ``S_i`` is the sum of ``log w`` up to and with super-block ``i``.

* **One binary per point.** ``x_i[q, L] = 1`` for the column and the depth that are chosen. Everything that depends on one
  super-block alone is linear in it: counts, and its part ``L t_q + (L - 1) log C`` of ``S_i``. The marginals ``C_i[c]``,
  ``b_i[b]``, ``k_i[k]``, ``L_i[L]`` are one-hot binaries, and integers for their places carry the branching: depth before
  width before channels.
* **Copies.** The products with what comes before are ``C_{i-1} z``, with ``z`` the binary of a channel count (for
  ``C_{i-1} C_i``) or of a group of columns with an equal remaining slope (for ``C_{i-1} b_i``). Each ``z`` has its own copy
  ``y_z`` of ``C_{i-1}``, with ``low z <= y_z <= high z`` and ``sum_z y_z = C_{i-1}``. Since the binaries of a partition sum to
  1, this is the convex hull of the products, and exact at integers. The ranges of the copies on channel counts are those that
  the chain rule admits, which makes the rule exact too.
* **Entropy.** ``log(r^2 C) S = sum_c log(r^2 c) C[c] S`` at the end of a stage. The super-block's own part of ``S`` is known
  for each ``x``; what comes before is copied over the channel counts in the same way.
* **Effectiveness.** ``rho <= rho_0`` reads ``S >= phi(n)`` with ``phi(n) = n log n - n log rho_0`` convex in the number of
  layers ``n``. The secants through neighbouring attainable ``n`` are exact at all attainable ``n``.
* **Depth penalty.** A weight per vector of penalised depths, whose marginals are the ``L_i[L]``. Where the cell has too many
  vectors: the convex function itself, by a cone and an exponential, which SCIP outer-approximates as it goes.

Budgets are scaled to 1000 and loosened by half a unit, which no integer count notices; effectiveness rows are loosened by a
relative 1e-9. What slips through is a network that the exact check of :func:`mipdesign.mip.closing.solve_cell` rejects.
"""

from __future__ import annotations

from mipdesign.lattice.cell import Cell
from mipdesign.lattice.tables import Tables
from mipdesign.mip.formulation import Feature, Formulation, FormulationModel
from mipdesign.registry import register_formulation

from . import common
from .lattice_writer import LatticeWriter


@register_formulation
class Lattice(Formulation):
    """Disaggregated lattice formulation; see the module."""

    id = "lattice"
    title = "one binary per lattice point, with copies of what comes before"
    claim = "exact"
    supports = frozenset(
        {Feature.FAMILIES, Feature.OPERATIONS, Feature.LATENCY, Feature.TIES, Feature.SCORE}
        | {Feature.BLOCKS, Feature.TERMS, Feature.VALUES}
    )
    reference = (
        "Disaggregated convex combination: Vielma, Ahmed, Nemhauser, Operations Research 58(2), 2010. "
        "Copies: Sherali, Adams, SIAM J. Discrete Math. 3(3), 1990. Problem: DeepMAD, CVPR 2023, arXiv 2303.02165"
    )

    def build(self, tables: Tables, cell: Cell) -> FormulationModel:
        """The model of the networks of ``cell``.

        Raises
        ------
        SpecError
            If the cell has too many lattice points, or the problem something that is not supported.
        """
        common.check_supported(self, tables)
        points = sum(len(columns) * len(cell.depths(tables, i)) for i, columns in enumerate(cell.columns))
        common.check_size(self.id, points)
        return common.write(LatticeWriter(tables, cell))
