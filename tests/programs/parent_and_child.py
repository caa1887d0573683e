"""A parent that prints the process id of its child, and waits. Arguments: ``parent`` or ``child``, and ``bound`` or ``free``.

The child of a bound pair sleeps in native code that holds the interpreter, where the system ends it; a free one in Python.
"""

import ctypes
import sys
import time

from mipdesign.processes import JSON_LINES, Conversation, ParentLink


def hear(message: object) -> None:
    """The child is up."""
    print(child.pid, flush=True)


who, how = sys.argv[1:]
if who == "parent":
    child = Conversation([sys.executable, __file__, "child", how], JSON_LINES, hear, bound=how == "bound")
else:
    ParentLink(JSON_LINES).send("up")
    if how == "bound" and sys.platform == "linux":
        ctypes.PyDLL(None).sleep(600)
time.sleep(600)
