"""Child processes: what is said to and by them, their limits, and what is left of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import psutil
import pytest

from mipdesign.machine import peak_memory_mb, resident_mb
from mipdesign.processes import JSON_LINES, PICKLES, Codec, Conversation, Ended, Process, end_all

ECHO = """
import os, sys
from mipdesign.processes import JSON_LINES, PICKLES, ParentLink
link = ParentLink({codec})
os.write(1, b"native code prints")
print("so does Python", flush=True)
while (message := link.receive()) != "end":
    link.send([message, os.getpid()])
sys.stderr.write("last words")
sys.exit(3)
"""
WITH_CHILD = "import subprocess, sys, time; p = subprocess.Popen(['sleep', '600']); print(p.pid, flush=True); {then}"


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def is_gone(pid: int) -> bool:
    """Whether a process ends within a few seconds."""
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    ("name", "codec", "message"), [("PICKLES", PICKLES, {1: (2, 3)}), ("JSON_LINES", JSON_LINES, {"a": [1]})]
)
def test_messages_go_both_ways_and_nothing_else_is_heard(name: str, codec: Codec, message: Any) -> None:
    inbox: SimpleQueue[Any] = SimpleQueue()
    child = Conversation(python(ECHO.format(codec=name)), codec, inbox.put, inbox.put, keep_err=True)
    for _ in range(2):
        child.send(message)
        assert list(inbox.get(timeout=30)) == [message, child.pid]
    child.send("end")
    ended = inbox.get(timeout=30)
    assert isinstance(ended, Ended) and (ended.cause, ended.code, ended.err) == ("exited", 3, b"last words")
    child.send("nobody listens")
    assert child.wait() == child.end() == ended


def test_a_torn_message_is_a_death() -> None:
    ends: SimpleQueue[Ended] = SimpleQueue()
    told: list[Any] = []
    code = "import os, time; os.write(1, b'[1]\\n[2'); os.write(1, b'}\\n'); time.sleep(600)"
    Conversation(python(code), JSON_LINES, told.append, ends.put)
    assert ends.get(timeout=30).code == -signal.SIGKILL
    assert told == [[1]]


def test_a_last_message_that_was_cut_off_is_not_heard() -> None:
    told: list[Any] = []
    child = Conversation(python("import os; os.write(1, b'[1]\\n[2'); os.abort()"), JSON_LINES, told.append)
    assert child.watch(30).code == -signal.SIGABRT
    assert told == [[1]]


def test_an_address_space_is_limited_for_the_child_alone() -> None:
    told: list[Any] = []
    code = (
        "from mipdesign.processes import JSON_LINES, ParentLink\nlink = ParentLink(JSON_LINES)\n"
        "try:\n    bytes(2 ** 31)\nexcept MemoryError:\n    link.send('none left')"
    )
    Conversation(python(code), JSON_LINES, told.append, address_space_mb=2000).watch(30)
    assert told == ["none left"]
    assert len(bytearray(2**20)) == 2**20


@pytest.mark.parametrize("bound", [False, True])
def test_a_child_ends_with_its_parent(bound: bool) -> None:
    """Also one that never listens; one that is bound need not even run Python for it (Linux)."""
    locked = bound and sys.platform == "linux"
    busy = "import ctypes; ctypes.PyDLL(None).sleep(600)" if locked else "import time; time.sleep(600)"
    inner = f"from mipdesign.processes import JSON_LINES, ParentLink; ParentLink(JSON_LINES).send('up'); {busy}"
    outer = (
        "import sys, time; from mipdesign.processes import Conversation, JSON_LINES\n"
        "def hear(message): print(child.pid, flush=True)\n"
        f"child = Conversation([sys.executable, '-c', {inner!r}], JSON_LINES, hear, bound={bound})\n"
        "time.sleep(600)"
    )
    with subprocess.Popen(python(outer), stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
        assert is_gone(pid)


@pytest.mark.parametrize(("then", "seconds", "cause"), [("time.sleep(600)", 1.5, "timeout"), ("sys.exit(5)", 60, "exited")])
def test_nothing_is_left_of_a_process(then: str, seconds: float, cause: str) -> None:
    ended = Process(python(WITH_CHILD.format(then=then)), keep=("out",)).watch(seconds)
    assert (ended.cause, ended.code) == (cause, 5 if cause == "exited" else -signal.SIGKILL)
    assert is_gone(int(ended.out))
    assert ended.seconds == pytest.approx(seconds, abs=1.4) or cause == "exited"


def test_memory_is_that_of_all_that_a_process_started() -> None:
    eater = "import time; held = bytearray(200 * 2 ** 20); time.sleep(600)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {eater!r}])"
    ended = Process(python(code)).watch(60, 150)
    assert (ended.cause, ended.code) == ("memout", -signal.SIGKILL) and ended.watched_mb > 150
    assert resident_mb(ended.usage) > 5


def test_what_is_watched_can_be_ended_from_another_thread() -> None:
    from threading import Timer

    Timer(0.5, end_all).start()
    assert Process(["sleep", "600"]).watch(60).cause == "killed"


def test_only_a_limit_of_memory_needs_psutil(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert Process(["true"]).watch(60).code == 0
    process = Process(["sleep", "600"])
    with pytest.raises(ImportError, match="a limit of resident memory needs the package 'psutil'"):
        process.watch(60, 100)
    assert process.end().code == -signal.SIGKILL


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system tells no peak that is the child's own")
def test_the_peak_of_a_child_is_not_that_of_its_parent() -> None:
    code = "import sys; from mipdesign.processes import peak_memory_mb; print(peak_memory_mb())"
    held = bytearray(os.urandom(1)) * (300 * 2**20)
    told = Process(python(code), keep=("out",)).watch(60)
    assert float(told.out) < 250 < peak_memory_mb()
    del held
