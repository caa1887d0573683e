"""Messages to a parent that are no messages: ``torn``, then sleeps; or ``cut`` off by an abort."""

import os
import sys
import time

os.write(1, b"[1]\n[2")
if sys.argv[1] == "cut":
    os.abort()
os.write(1, b"}\n")
time.sleep(600)
