#!/usr/bin/env bash
# One would guess that SCIP's emphasis on heuristics (setHeuristics in PySCIPOpt) is about the heuristics that SCIP brings: "off"
# for a study of one's own. What happens: with "off", a primal heuristic that the user has included before is switched off as
# well, without a word: its frequency becomes -1, and it is never called. Included after the emphasis was set, it is called.
# What follows: set the emphasis before plug-ins are included, or set "heuristics/<name>/freq" again afterwards. A solver that
# lost its heuristic in this way stays right, and only takes more nodes, so no test of answers tells.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyscipopt==6.3.0
cat > "$folder/emphasis.py" <<'PYTHON'
import pyscipopt
from pyscipopt import SCIP_HEURTIMING, SCIP_PARAMSETTING, SCIP_RESULT, Heur, Model


class Counting(Heur):
    calls = 0

    def heurexec(self, heurtiming, nodeinfeasible):
        self.calls += 1
        return {"result": SCIP_RESULT.DIDNOTFIND}


def solved(include_first):
    model, heuristic = Model(), Counting()
    model.hideOutput()
    model.setPresolve(SCIP_PARAMSETTING.OFF)
    x = [model.addVar(f"x{i}", "B") for i in range(12)]
    model.addCons(sum((2 * i + 3) * v for i, v in enumerate(x)) <= 60.5)
    model.setObjective(sum((3 * i + 4) * v for i, v in enumerate(x)), "maximize")
    steps = [
        lambda: model.includeHeur(heuristic, "own", "counts its calls", "o", timingmask=SCIP_HEURTIMING.BEFORENODE),
        lambda: model.setHeuristics(SCIP_PARAMSETTING.OFF),
    ]
    for step in steps if include_first else reversed(steps):
        step()
    model.optimize()
    return model.getParam("heuristics/own/freq"), heuristic.calls


print("PySCIPOpt", pyscipopt.__version__)
before, after = solved(True), solved(False)
print(f"included, then emphasis off: frequency {before[0]}, {before[1]} calls")
print(f"emphasis off, then included: frequency {after[0]}, {after[1]} calls")
assert before == (-1, 0) and after[0] == 1 and after[1] > 0, "the behaviour has changed"
PYTHON
"$folder/venv/bin/python" "$folder/emphasis.py"
