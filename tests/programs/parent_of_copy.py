"""Starts a copy of itself that sleeps; prints its process id and waits, or says what both share (argument: ``shared``)."""

import sys
import time
from queue import SimpleQueue
from typing import Any

from mipdesign.machine import copied_memory_mb, peak_memory_mb
from mipdesign.processes import JSON_LINES, Conversation, ParentLink

held = bytearray(b"1") * (100 * 2**20)
inbox: SimpleQueue[Any] = SimpleQueue()


def body() -> None:
    """Writes to a part of what it was given, and tells of all."""
    link = ParentLink(JSON_LINES)
    held[: 40 * 2**20] = b"2" * (40 * 2**20)
    link.send([peak_memory_mb(), copied_memory_mb()])
    time.sleep(600)


child = Conversation(body, JSON_LINES, inbox.put)
figures = inbox.get(timeout=60)
print(*figures if "shared" in sys.argv else [child.pid], flush=True)
if "shared" not in sys.argv:
    time.sleep(600)
child.end()
