"""SCIP with mipdesign's plug-ins on a model from a file, for readers who know SCIP.

    mipdesign model deepmad-r18 --formulation minlp --out r18.cip
    python examples/scip_plugins.py deepmad-r18 r18.cip

The model is SCIP's problem; the relaxator bounds its nodes, a constraint handler branches on the cells of networks, another one
checks solutions by the exact evaluator. All of SCIP stays at hand: add plug-ins, limits, event handlers of your own.
"""

import sys

from pyscipopt import Model

from mipdesign import Problem
from mipdesign.scip_plugins import install

problem_name, model_file = sys.argv[1:]
problem = Problem.named(problem_name)

model = Model()
model.readProblem(model_file)
tree = install(model, problem)
model.setParam("display/freq", 100)
model.optimizeNogil()
model.printStatistics()

best = tree.incumbents.ordered()[0]
print(f"status {model.getStatus()}, {model.getNTotalNodes()} nodes, objective {best.objective:.6f}")
print(tree.tables.architecture(best.position))
