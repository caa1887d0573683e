"""Writes a small problem's model to ``other.cip`` and prints its hash."""

from mipdesign.benchmarks.corpus.small import small_problem

from mipdesign.lattice.cell import Cell
from mipdesign.mip.model_files import export_cip
from mipdesign.search.coverage import build_tables

tables = build_tables(small_problem(1))
print(export_cip(tables, Cell.whole(tables), "other.cip"))
