"""Holds the encoding ``own`` of a plug-in to what holds for those of the package. Argument: the plug-in's folder."""

import sys

sys.path.insert(0, sys.argv[1])

import numpy as np
from contracts import Written
from mipdesign.benchmarks.corpus.small import listing, small_problem
from mipdesign.benchmarks.experiments.variant_outcomes import outcome
from mipdesign.formulations.parts import part_named

from mipdesign.lattice.cell import Cell
from mipdesign.search.coverage import build_tables

own = part_named("encodings", "own")
x, y = [1.0, 2.0, 4.0, 7.0, 8.0, 11.0], [0.0, 3.0, 1.0, 1.0, 5.0, 2.0]
for n in range(1, 7):
    written = Written(own, x[:n], y[:n])
    for at in [*x[:n], (x[0] + x[n - 1]) / 2]:
        assert np.allclose(written.extremes(at), np.interp(at, x, y), atol=1e-6)
for seed in range(4):
    tables = build_tables(small_problem(seed))
    assert outcome("compact:own:lattice:unary", tables, listing(tables, Cell.whole(tables))).agrees
