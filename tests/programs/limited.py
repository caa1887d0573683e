"""Solvers that are stopped at once: what each says of a part of deepmad-r18, and the objective of a known network.

Arguments: the solvers.
"""

import json
import sys

from contracts import R18, around

from mipdesign.mip.formulation import formulation_named
from mipdesign.mip.solver import SolveOptions, solver_named
from mipdesign.problem.problem import Problem
from mipdesign.search.coverage import build_tables

tables = build_tables(Problem.preset("deepmad-r18"))
objective = tables.problem.evaluator(R18).evaluation.objective
said = {}
for solver_id in sys.argv[1:]:
    form = formulation_named("lattice").build(tables, around(tables, R18, 0.15, 8, 1))
    answer = solver_named(solver_id).solve(form, SolveOptions(time_limit=0.01))
    broken = None if answer.values is None else form.linear.violation(answer.values)
    said[solver_id] = [answer.status, broken, answer.bound, answer.root_bound, objective]
print(json.dumps(said))
