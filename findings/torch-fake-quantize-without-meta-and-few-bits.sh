#!/usr/bin/env bash
# One would guess that torch's fake_quantize_per_tensor_affine and fake_quantize_per_channel_affine, the functions behind all
# quantisation-aware training, work wherever other operations do, with any range of integers: torch.export takes them without a
# word, and ONNX has integers of 4 bits (opset 21). What happens in torch 2.13.0: there is no kernel for the device "meta", so the
# shapes of a quantised network cannot be worked out there; and torch.onnx.export translates ranges of 8 bits, but not those of 4
# (both exporters; opset 21 asked for). What follows: write the rounding out (divide, round, clamp, multiply, with a
# straight-through gradient) in a module that has to be traced without data, and for fewer than 8 bits write Clip between
# QuantizeLinear and DequantizeLinear into the graph by hand.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 onnx==1.23.2 onnxscript==0.7.2
cat > "$folder/fake_quantize.py" <<'PYTHON'
import io
import warnings

import onnx
import torch

warnings.simplefilter("ignore")


class Rounded(torch.nn.Module):
    def __init__(self, by_channel, bits):
        super().__init__()
        self.by_channel, self.range = by_channel, (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)

    def forward(self, x):
        if self.by_channel:
            scale, zero = torch.full((2,), 0.1), torch.zeros(2, dtype=torch.int32)
            return torch.fake_quantize_per_channel_affine(x, scale, zero, 0, *self.range)
        return torch.fake_quantize_per_tensor_affine(x, 0.1, 0, *self.range)


def outcome(act):
    try:
        return act()
    except Exception as error:
        return type(error).__name__


def exported(module, dynamo):
    buffer = io.BytesIO()
    torch.onnx.export(module, (torch.randn(2, 3),), buffer, dynamo=dynamo, opset_version=21 if dynamo else 20, verbose=False)
    return "written" if len(onnx.load_from_string(buffer.getvalue()).graph.node) else "empty"


def on_meta(module):
    with torch.device("meta"):
        return tuple(module(torch.empty(2, 3)).shape)


print("torch", torch.__version__)
found = {}
for by_channel in (False, True):
    for bits in (8, 4):
        module = Rounded(by_channel, bits).eval()
        operations = [str(node.target) for node in torch.export.export(module, (torch.randn(2, 3),)).graph.nodes]
        taken = any("fake_quantize" in operation for operation in operations)
        ways = lambda: on_meta(module), lambda: exported(module, True), lambda: exported(module, False)
        found[by_channel, bits] = (taken, *map(outcome, ways))
        print(f"by channel {by_channel}, {bits} bits: torch.export, meta, both ONNX exporters:", *found[by_channel, bits])
        written = ("written", "written") if bits == 8 else ("ConversionError", "SymbolicValueError")
        assert found[by_channel, bits] == (True, "NotImplementedError", *written), "the behaviour has changed"
PYTHON
"$folder/venv/bin/python" "$folder/fake_quantize.py" 2> "$folder/log" | grep --extended-regexp "^(torch|by channel)" || { tail -5 "$folder/log"; exit 1; }
