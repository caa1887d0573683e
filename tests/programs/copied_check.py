"""Checks a certificate by a copy of this process, here, and by a copy that is killed."""

import json
import os
import signal
import tempfile
from pathlib import Path

from mipdesign import Problem, design
from mipdesign.designs.checking import Checking
from mipdesign.designs.verification import verify_folder
from mipdesign.forks import can_fork

problem = Problem.load(Path(__file__).parents[1] / "data" / "small.yaml", [])
with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    child = os.fork()  # a run begins threads, and a process that has some cannot be copied
    if child == 0:
        design(problem, workers=1).save(folder, picture=False)
        os._exit(0)
    os.waitpid(child, 0)
    could, missing = can_fork(), Checking.begin(folder / "nothing")
    checking = Checking.begin(folder)
    assert checking is not None
    by_copy = list(verify_folder(folder, checking=checking))
    here = list(verify_folder(folder))
    killed = Checking(checking.certificate)
    os.kill(killed._process.pid, signal.SIGKILL)
    after = list(verify_folder(folder, checking=killed))
print(
    json.dumps(
        {
            "could": could,
            "missing": missing,
            "claims": len(here),
            "holds": all(claim.passed for claim in here),
            "equal": [by_copy == here, after == here],
            "left": Path(f"/proc/{killed._process.pid}").exists(),
        }
    )
)
