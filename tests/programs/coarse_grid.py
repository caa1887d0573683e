"""CP-SAT on a grid of some bits: prints status, objective, bound, violation and the optimum. Arguments: formulation, bits."""

import json
import sys

from mipdesign.benchmarks.corpus.small import listing, small_problem

from mipdesign.lattice.cell import Cell
from mipdesign.mip.formulation import formulation_named
from mipdesign.mip.solver import SolveOptions, solver_named
from mipdesign.search.coverage import build_tables
from mipdesign.solvers import cpsat

tables = build_tables(small_problem(1))
best = float(listing(tables, Cell.whole(tables)).networks[0][1])
said = []
for bits in sys.argv[2:]:
    cpsat.GRID_BITS = int(bits)
    form = formulation_named(sys.argv[1]).build(tables, Cell.whole(tables))
    answer = solver_named("cpsat").solve(form, SolveOptions())
    said.append([answer.status, answer.objective, answer.bound, form.linear.violation(answer.values), best])
print(json.dumps(said))
