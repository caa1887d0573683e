#!/usr/bin/env bash
# One would guess that onnx's own ReferenceEvaluator is what a runtime can be held against: it is the standard's reference, and
# slow so that it can be plain. What happens in onnx 1.23.2: with ceil_mode=1, which torch's pools export as, it answers other
# numbers than the standard's formula. Where the last window reaches beyond the input, the pixels that are missing at the end are
# shared out as padding between both ends, so that all windows move: AveragePool of 1, 2, 3, 4 by windows of 3 at strides of 3
# begins with 1.5, which is no mean of the first three. With stride 1 and a padding of 1, MaxPool answers a map of another size
# than the shape inference of the same package says. Nothing is raised. onnxruntime 1.32.0 answers the
# numbers of the formula, as torch does. What follows: hold an exported network against the framework that it is from, or against
# two runtimes; a difference from the reference evaluator is no proof of a wrong export where a pool has ceil_mode.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0
cat > "$folder/pools.py" <<'PYTHON'
import itertools

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator


def model(operator, pixels, window, stride, padding):
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (("x", [1, 1, pixels]), ("y", [1, 1, "outs"]))]
    sizes = {"kernel_shape": [window], "strides": [stride], "pads": [padding, padding]}
    node = helper.make_node(operator, ["x"], ["y"], ceil_mode=1, **sizes)
    made = helper.make_model(
        helper.make_graph([node], "pool", ends[:1], ends[1:]), opset_imports=[helper.make_opsetid("", 22)], ir_version=10
    )
    onnx.checker.check_model(made, full_check=True)
    return made


def by_the_formula(operator, x, window, stride, padding):
    """Windows from -padding on, as long as they begin within the input or before it; of each the pixels that there are."""
    pixels = len(x)
    starts = range(-padding, min(pixels, pixels + padding - window + stride), stride)
    parts = [x[max(start, 0) : start + window] for start in starts]
    return [float(part.max() if operator == "MaxPool" else part.mean()) for part in parts]


print("onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
wrong = {"AveragePool": [], "MaxPool": []}
tried = 0
for operator, pixels, window, stride, padding in itertools.product(wrong, range(3, 10), (2, 3, 4), (1, 2, 3), (0, 1)):
    if padding > window // 2 or window > pixels + 2 * padding:
        continue
    tried += 1
    x = np.arange(1, pixels + 1, dtype=np.float32)
    made = model(operator, pixels, window, stride, padding)
    right = by_the_formula(operator, x, window, stride, padding)
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    served = session.run(None, {"x": x[None, None]})[0].ravel().tolist()
    assert len(served) == len(right) and np.allclose(served, right), "onnxruntime has changed"
    answered = ReferenceEvaluator(made).run(None, {"x": x[None, None]})[0].ravel().tolist()
    if len(answered) != len(right) or not np.allclose(answered, right):
        wrong[operator].append((pixels, window, stride, padding))
        if (pixels, window) in ((4, 3), (3, 2)):
            print(f"{operator} of {pixels} pixels, window {window}, stride {stride}, padding {padding}:", end=" ")
            print(f"reference {answered}, onnxruntime {served}, formula {right}")
print(f"of {tried} pools onnxruntime answers all by the formula, the reference evaluator not:", *map(len, wrong.values()))
assert (tried, *map(len, wrong.values())) == (246, 7, 21), "the behaviour has changed"
assert {stride for _, _, stride, _ in wrong["MaxPool"]} == {1}, "the behaviour has changed"
PYTHON
"$folder/venv/bin/python" "$folder/pools.py"
