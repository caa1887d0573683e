"""Starts a child and prints its process id when it is up. Arguments: ``bound`` or ``free``, then those of the child."""

import sys
import time

from mipdesign.processes import JSON_LINES, Conversation

child = Conversation(sys.argv[2:], JSON_LINES, lambda message: print(child.pid, flush=True), bound=sys.argv[1] == "bound")
time.sleep(600)
