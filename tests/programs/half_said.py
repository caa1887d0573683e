"""A child that says one thing and breaks off in the next: ``torn`` by something else, or ``cut`` by its death."""

import os
import sys
import time

os.write(1, b"[1]\n[2")
if sys.argv[1] == "cut":
    os.abort()
os.write(1, b"}\n")
time.sleep(600)
