"""Runs the command line with the arguments of this program, and says its exit code and what was imported."""

import contextlib
import io
import json
import runpy
import sys

code: object = None
sys.argv = ["mipdesign", *sys.argv[1:]]
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    try:
        runpy.run_module("mipdesign", run_name="__main__")
    except SystemExit as end:
        code = end.code
print(json.dumps({"code": code, "modules": sorted(sys.modules)}))
