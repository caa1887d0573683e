r"""What the nonlinear formulations share: the design problem as one writes it down, left to SCIP's own handling of nonlinear
functions.

Integers ``C_i, b_i, k_i, L_i`` are tied to the cell by one-hot binaries of its columns and depths. With a variable for the
logarithm of each, and ``t_i`` linear in them:

* ``S_i <= S_{i-1} + log C_{i-1} + L_i t_i + (L_i - 1) log C_i``, the log-width sum;
* ``H_j <= log(r^2 C_j) S_j``;
* ``S >= n log n - n log rho_0`` for the effectiveness;
* ``Var(L) <= e^2`` (or ``<= e``) and ``Q >= exp(e)`` for the depth penalty, which stays smooth at equal depths, where the
  standard deviation is not;
* counts as sums of monomials in the integers: the polynomials of the block family
  (:mod:`mipdesign.formulations.polynomials`). What a rounding adds for each width is linear in the binaries of the columns, and
  what arises only where ``C_{i-1} = C_i`` a sum of products of two binaries.

How the logarithms follow from the integers and how a monomial is written is what the formulations differ in.

Inequalities suffice where the objective and the effectiveness push the left side up. Nonlinear constraints hold to SCIP's
feasibility tolerance; the exact check of :func:`mipdesign.mip.closing.solve_cell` decides. Equations are those of
``docs/formulations.md``.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mipdesign.errors import SpecError
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.tables import Tables
from mipdesign.mip.formulation import Feature, Formulation, FormulationModel

from .nonlinear_writer import Writer
from .polynomials import BlockPolynomials, NotPolynomialError


class NonlinearFormulation(Formulation):
    """A formulation that a :class:`Writer` writes."""

    claim = "exact"
    supports = frozenset({Feature.TIES, Feature.SCORE})
    writer: ClassVar[type[Writer]]

    def build(self, tables: Tables, cell: Cell) -> FormulationModel:
        """The model of the networks of ``cell``.

        Raises
        ------
        SpecError
            If the problem has something that the formulation does not support.
        """
        reason = self.unsupported(tables)
        if reason is not None:
            raise SpecError("formulation", f"{self.id!r} does not support {reason}", "use 'lattice'")
        formulas = [BlockPolynomials.of(tables, i, columns) for i, columns in enumerate(cell.columns)]
        return self.writer(tables, cell, formulas).build()

    def unsupported(self, tables: Tables) -> str | None:
        reason = super().unsupported(tables)
        if reason is None:
            for i, s in enumerate(tables.stages):
                try:
                    BlockPolynomials.of(tables, i, np.arange(len(s.c)))
                except NotPolynomialError as error:
                    return f"super-block {i + 1}: {error}"
        return reason
