"""Two processes that hold 60 megabytes each for a while: the second one is started by the first."""

import subprocess
import sys
import time

if __name__ == "__main__":
    first = len(sys.argv) == 1
    other = subprocess.Popen([sys.executable, "-P", __file__, "second"]) if first else None
    held = bytearray(b"x") * (60 * 2**20)
    time.sleep(1.0)
    sys.exit(other.wait() if other else 0)
