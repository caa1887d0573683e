"""Starts itself again, which takes 200 MB and sleeps. Argument: ``itself`` where it is the one that was started."""

import subprocess
import sys
import time

if sys.argv[1:] == ["itself"]:
    held = bytearray(200 * 2**20)
    time.sleep(600)
subprocess.run([sys.executable, __file__, "itself"])
