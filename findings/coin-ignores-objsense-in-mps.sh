#!/usr/bin/env bash
# One would guess that an MPS file with a section OBJSENSE is maximised by every reader that takes the file, and that special
# ordered sets survive in a reader that says nothing of them. What happens: Coin's reader (CBC, by cylp and as a program) takes
# the file, prints a line in passing ("MAX found after OBJSENSE - Coin ignores") and minimises, so a maximum is answered by the
# minimum, as optimal. GLPK refuses the file, HiGHS and SCIP maximise. cylp's readMps and readLp leave out SOS sections without a
# word: the answer is that of the relaxation. HiGHS refuses them. What follows: write MPS as a minimisation of the negative
# objective, without OBJSENSE, which all of them read alike; and for cylp write sets as binaries.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check cylp==0.94.1 highspy==1.15.1 pyscipopt==6.3.0 swiglpk==5.0.13 numpy==2.4.6
cat > "$folder/write.py" <<'PYTHON'
import sys

from pyscipopt import Model, quicksum


def written(path, sense, with_set):
    model = Model()
    model.hideOutput()
    sign = 1 if sense == "maximize" else -1
    weights = [model.addVar(f"w{i}", "C", 0, 1) for i in range(3)]
    model.addCons(quicksum(weights) == 1)
    model.addCons(weights[1] + 2 * weights[2] == 1)
    if with_set:  # at most two neighbours: w1 = 1 alone
        model.addConsSOS2(weights, [1.0, 2.0, 3.0])
    model.setObjective(sign * (3 * weights[0] + weights[1] + 3.5 * weights[2]), sense)
    model.writeProblem(path, verbose=False)


folder = sys.argv[1]
written(f"{folder}/max.mps", "maximize", False)  # from 1 to 3.25
written(f"{folder}/min.mps", "minimize", False)
written(f"{folder}/max.lp", "maximize", False)
written(f"{folder}/set.mps", "minimize", True)  # -1
written(f"{folder}/set.lp", "minimize", True)
text = open(f"{folder}/min.mps").read()
open(f"{folder}/plain.mps", "w").write(text.replace("OBJSENSE\n  MIN\n", ""))
PYTHON
cat > "$folder/read.py" <<'PYTHON'
import sys

reader, path = sys.argv[1:]
answer = "refused"
if reader == "scip":
    from pyscipopt import Model

    model = Model()
    model.hideOutput()
    model.readProblem(path)
    model.optimize()
    answer = model.getObjVal()
elif reader == "highs":
    import highspy

    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    if highs.readModel(path) == highspy.HighsStatus.kOk:
        highs.run()
        answer = highs.getInfo().objective_function_value
elif reader == "cylp":
    from cylp.cy import CyClpSimplex

    model = CyClpSimplex()
    if (model.readLp(path) if path.endswith(".lp") else model.readMps(path)) == 0:
        cbc = model.getCbcModel()
        cbc.logLevel = 0
        cbc.solve()
        answer = cbc.objectiveValue
else:
    import swiglpk

    swiglpk.glp_term_out(swiglpk.GLP_OFF)
    model = swiglpk.glp_create_prob()
    if path.endswith(".lp"):
        failed = swiglpk.glp_read_lp(model, None, path)
    else:
        failed = swiglpk.glp_read_mps(model, swiglpk.GLP_MPS_FILE, None, path)
    if not failed:
        swiglpk.glp_simplex(model, None)
        answer = swiglpk.glp_get_obj_val(model)
print()
print("answer", answer if isinstance(answer, str) else f"{answer:g}")
PYTHON
"$folder/venv/bin/python" "$folder/write.py" "$folder"
"$folder/venv/bin/pip" list --disable-pip-version-check 2> /dev/null | grep --extended-regexp "^(cylp|highspy|PySCIPOpt|swiglpk) "
expect() {
  found=$("$folder/venv/bin/python" "$folder/read.py" "$1" "$folder/$2" 2>&1 | sed --quiet "s/^answer //p")
  echo "$2 by $1: $found"
  [ "$found" = "$3" ] || { echo "the behaviour has changed: it was $3"; exit 1; }
}
for file in max.mps max.lp; do expect scip $file 3.25; expect highs $file 3.25; done
expect cylp max.mps 1
expect cylp max.lp 3.25
expect glpk max.mps refused
expect glpk max.lp 3.25
for reader in scip highs cylp glpk; do expect $reader plain.mps -3.25; done
for file in set.mps set.lp; do
  expect scip $file -1
  expect highs $file refused
  expect cylp $file -3.25
  expect glpk $file refused
done
