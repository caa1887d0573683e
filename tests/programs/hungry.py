"""Asks for memory: as a child it says whether it got it, alone it waits with it. Arguments: megabytes, a codec."""

import sys
import time

from mipdesign import processes

link = processes.ParentLink(getattr(processes, sys.argv[2])) if len(sys.argv) > 2 else None
try:
    held = bytearray(int(sys.argv[1]) * 2**20)
except MemoryError:
    held = None
if link is None:
    time.sleep(600)
else:
    link.send("none left" if held is None else "enough")
