"""The optimum of a model in a file by a reader other than SCIP, as JSON: ``highs``, or ``cbc`` by cylp.

Arguments: the reader, the file.
"""

import json
import sys

reader, path = sys.argv[1:]
if reader == "highs":
    import highspy

    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    status = highs.readModel(path)
    highs.run()
    found = highs.getInfo().objective_function_value if status == highspy.HighsStatus.kOk else None
else:
    from cylp.cy import CyClpSimplex

    model = CyClpSimplex()
    assert (model.readLp(path) if path.endswith(".lp") else model.readMps(path)) == 0
    cbc = model.getCbcModel()
    cbc.logLevel = 0
    cbc.solve()
    found = cbc.objectiveValue
print(f"\n{json.dumps(found)}")
