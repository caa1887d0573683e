"""What the solver ``enumeration`` of a plug-in says of parts of small problems, and why it refuses a whole one."""

import json

from mipdesign.benchmarks.corpus.small import listing, small_problem

from mipdesign.lattice.cell import Cell
from mipdesign.mip.formulation import formulation_named
from mipdesign.mip.solver import SolveOptions, refusal, solver_named
from mipdesign.search.coverage import build_tables

solver, said = solver_named("enumeration"), []
for seed in range(8):
    tables = build_tables(small_problem(seed))
    whole = Cell.whole(tables)
    cell = Cell(whole.stem[:1], tuple(columns[-2:] for columns in whole.columns), whole.low, whole.low)
    form = formulation_named("lattice").build(tables, cell)
    if refusal(solver, form) is not None:
        continue
    networks = listing(tables, cell).networks
    answer = solver.solve(form, SolveOptions())
    said.append([answer.status, answer.objective, float(networks[0][1]) if networks else None])
print(json.dumps([said, refusal(solver, formulation_named("lattice").build(tables, whole))]))
