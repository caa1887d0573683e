"""A child that says that it is up and is then busy: in Python, or in native code that keeps Python's lock (``locked``)."""

import ctypes
import sys
import time

from mipdesign.processes import JSON_LINES, ParentLink

ParentLink(JSON_LINES).send("up")
if sys.argv[1] == "locked":
    ctypes.PyDLL(None).sleep(600)
time.sleep(600)
