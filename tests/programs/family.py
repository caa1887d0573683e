"""Starts a child and prints its process id, then waits for it or ends. Arguments: ``wait`` or an exit code, the child."""

import subprocess
import sys

with subprocess.Popen(sys.argv[2:], stdout=subprocess.DEVNULL) as child:
    print(child.pid, flush=True)
    if sys.argv[1] == "wait":
        child.wait()
    else:
        import os

        os._exit(int(sys.argv[1]))
