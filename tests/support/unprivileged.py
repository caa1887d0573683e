"""A user without rights, whom the system does not know and who has no home, as a container may run a command."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache

NOBODY = "54321"
HOME = "/nonexistent"


@cache
def prefix() -> tuple[str, ...]:
    """What runs a command as that user, who may read everything; empty where this one cannot become another."""
    words = ("setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups")
    for sets in ("inh-caps", "ambient-caps", "bounding-set"):
        words += (f"--{sets}", "-all,+dac_read_search")
    words += ("--",)
    if os.getuid() or shutil.which("setpriv") is None:
        return ()
    return words if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0 else ()


def environment() -> dict[str, str]:
    """The environment of that user: nothing but a path, and folders that are not there."""
    return {"PATH": "/usr/bin:/bin", "HOME": HOME, "MPLCONFIGDIR": "/nowhere/matplotlib", "NUMBA_CACHE_DIR": "/nowhere/numba"}
