"""A child process that says what it hears, and prints besides. Argument: the codec's name."""

import os
import sys

from mipdesign import processes

link = processes.ParentLink(getattr(processes, sys.argv[1]))
os.write(1, b"native code prints")
print("so does Python", flush=True)
while (message := link.receive()) != "end":
    link.send([message, os.getpid()])
sys.stderr.write("last words")
sys.exit(3)
