"""Solvers that are given a start, and then a model without its best network: objectives, bounds, and the two best networks.

Arguments: the solvers.
"""

import json
import sys

from mipdesign.benchmarks.corpus.small import listing, small_problem

from mipdesign.lattice.cell import Cell
from mipdesign.mip.formulation import formulation_named
from mipdesign.mip.solver import SolveOptions, solver_named
from mipdesign.search.coverage import build_tables

tables = build_tables(small_problem(0))
networks = listing(tables, Cell.whole(tables)).networks
said = {}
for solver_id in sys.argv[1:]:
    form = formulation_named("lattice").build(tables, Cell.whole(tables))
    start = form.start(networks[3][0])
    a = solver_named(solver_id).solve(form, SolveOptions(start=start, gap=0.0, threads=2, seed=7))
    form.exclude(networks[0][0])
    b = solver_named(solver_id).solve(form, SolveOptions(start=start))
    best, second = float(networks[0][1]), float(networks[1][1])
    said[solver_id] = [a.status, a.objective, a.bound, b.status, b.objective, best, second]
print(json.dumps(said))
