"""Starts a process that sleeps and prints its process id; then sleeps too, or ends with a code. Argument: the code, or none."""

import subprocess
import sys
import time

print(subprocess.Popen(["sleep", "600"]).pid, flush=True)
if len(sys.argv) > 1:
    sys.exit(int(sys.argv[1]))
time.sleep(600)
