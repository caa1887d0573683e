"""A child that sends back what it is told, with its process id, until it is told to end. Argument: the name of the codec."""

import os
import sys

from mipdesign import processes
from mipdesign.processes import ParentLink

link = ParentLink(getattr(processes, sys.argv[1]))
os.write(1, b"native code prints")
print("so does Python", flush=True)
while (message := link.receive()) != "end":
    link.send([message, os.getpid()])
sys.stderr.write("last words")
sys.exit(3)
