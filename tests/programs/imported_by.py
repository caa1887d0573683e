"""Runs a command of the command line: prints which packages that take long it imports. Arguments: those of the command."""

import contextlib
import io
import json
import sys

from mipdesign.cli.main import main

SLOW = ("matplotlib", "networkx", "numba", "numpy", "pyscipopt", "scipy", "torch")

with contextlib.redirect_stdout(io.StringIO()):
    main(sys.argv[1:])
print(json.dumps([name for name in SLOW if name in sys.modules]))
