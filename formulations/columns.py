r"""The formulation by columns: one-hot binaries of columns and of depths, and big-M rows for all products of them.

This is how one usually makes a problem of one-hot choices linear (Glover 1975), with no copies of anything: what the
disaggregation of ``lattice`` is measured against. Notation as in :mod:`mipdesign.formulations.lattice`.

* **Binaries** ``x_i[q]`` of the columns ``q = (C, b, k)`` and ``L_i[L]`` of the depths: a sum of both and not their product.
  Places of ``L, b, k, C`` are integers that carry the branching: depth before width before channels.
* **Numbers.** ``C_i[c]``, what a further block counts and adds to ``S_i``, and the slope of the incoming channels are one
  continuous variable each; ``C_i`` and ``log C_i`` are linear in ``C_i[c]``.
* **Products** of a number ``g`` with one value ``g_v`` per binary ``z_v`` of a partition, and an expression ``e``: ``L_i - 1``
  with what a further block counts or adds to ``S_i``, ``C_{i-1}`` with the slope, ``log(r^2 C_i)`` with ``S_i``. Each is one
  variable ``w`` with a row per binary, ``w <= g_v e + M_v (1 - z_v)``, and the hull over the box of ``g`` and ``e`` (McCormick
  1976). ``M_v`` is the largest ``(g_u - g_v) e`` of all other ``u``, with the range that ``e`` has where ``g = g_u``: over
  columns that may follow the channels ``u``, or networks that reach them. No smaller ``M_v`` is valid on these ranges. (A
  coefficient ``M_vu`` of each ``z_u`` in the place of ``M_v`` gives the projection of copies as ``lattice`` has them.)
* **Counts where** ``ci = C``: one variable per budget in the same way, with a row for each value of ``C_{i-1}``.
* **Chain rule.** ``C_{i-1} >= p`` only with a ``C_i`` that may follow such channels, and ``C_{i-1} <= p`` likewise, by sums of
  binaries: exact, and the hull of the pairs.

One side of each product is enough: budgets hold counts down, and objective and effectiveness hold logarithms up. Budgets,
effectiveness and penalty are rows shared with the other linear formulations, whose tolerances apply.
"""

from __future__ import annotations

from mipdesign.errors import SpecError
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.tables import Tables
from mipdesign.mip.formulation import Feature, Formulation, FormulationModel
from mipdesign.registry import register_formulation

from . import common, penalty
from .columns_writer import ColumnsWriter


@register_formulation
class Columns(Formulation):
    """Formulation by columns; see the module."""

    id = "columns"
    title = "one binary per column and per depth, products by big-M rows"
    claim = "exact"
    supports = frozenset(
        {Feature.FAMILIES, Feature.OPERATIONS, Feature.LATENCY, Feature.TIES, Feature.SCORE}
        | {Feature.BLOCKS, Feature.TERMS, Feature.VALUES}
    )
    reference = (
        "Big-M rows: Glover, Management Science 22(4), 1975; boxes: McCormick, Mathematical Programming 10, 1976. "
        "Problem: DeepMAD, CVPR 2023, arXiv 2303.02165"
    )

    def unsupported(self, tables: Tables) -> str | None:
        return self._unwritten(tables, Cell.whole(tables))

    def _unwritten(self, tables: Tables, cell: Cell) -> str | None:
        """What of a cell it does not support."""
        layers = (set(s.layers[c].tolist()) for s, c in zip(tables.stages, cell.columns, strict=True) if not s.element.is_block)
        if any(len(of_stage) > 1 for of_stage in layers):
            return "a stage whose families have different numbers of layers"
        return super().unsupported(tables) or penalty.too_many_vectors(tables, cell)

    def build(self, tables: Tables, cell: Cell) -> FormulationModel:
        """The model of the networks of ``cell``.

        Raises
        ------
        SpecError
            If the cell is not one that it can write.
        """
        binaries = sum(len(columns) + len(cell.depths(tables, i)) for i, columns in enumerate(cell.columns))
        common.check_size(self.id, binaries)
        reason = self._unwritten(tables, cell)
        if reason is not None:
            raise SpecError("formulation", f"{self.id!r} does not support {reason}", "use 'lattice'")
        return common.write(ColumnsWriter(tables, cell))
