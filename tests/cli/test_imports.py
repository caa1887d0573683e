"""What commands import: those that compute nothing are not to wait for what computes."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import json, runpy, sys
sys.argv = ["mipdesign", *json.loads(sys.argv[1])]
try:
    runpy.run_module("mipdesign", run_name="__main__")
except SystemExit as end:
    print(json.dumps([end.code, sorted(sys.modules)]), file=sys.stderr)
"""
COMPUTES = {"numpy", "scipy", "torch", "networkx", "matplotlib", "pyscipopt", "mipdesign.native.library"}


@pytest.mark.parametrize(
    ("words", "unneeded"),
    [
        (["--help"], {"pydantic", "yaml", "rich", *COMPUTES}),
        (["design", "--help"], {"yaml", "rich", *COMPUTES}),
        (["presets"], COMPUTES),
        (["show", "deepmad-r18"], COMPUTES),
        (["show", "no-such-preset"], COMPUTES),
    ],
)
def test_commands_that_compute_nothing_import_little(words: list[str], unneeded: set[str]) -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM, json.dumps(words)], capture_output=True, text=True)
    code, modules = json.loads(ended.stderr.splitlines()[-1])
    assert code == (2 if "no-such-preset" in words else 0), ended.stderr
    assert sorted(unneeded.intersection(modules)) == []
