"""Child processes: what is said to and by them, their limits, and what is left of them."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from queue import SimpleQueue
from threading import Timer
from typing import Any

import programs
import psutil
import pytest

from mipdesign.errors import CoreError, MipdesignError, MissingExtraError, SpecError
from mipdesign.forks import can_fork
from mipdesign.machine import peak_memory_mb, resident_mb
from mipdesign.processes import JSON_LINES, PICKLES, Codec, Conversation, Ended, Process, end_all


def is_gone(pid: int) -> bool:
    """Whether a process ends within a few seconds."""
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    "error",
    [
        SpecError("a.b", "is wrong", "mend it", "file"),
        MissingExtraError("torch", "torch", "training"),
        CoreError("core", "is damaged"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_of_a_child_are_read_by_its_parent(error: MipdesignError) -> None:
    read = pickle.loads(pickle.dumps(error))
    assert (type(read), str(read), vars(read)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize(
    ("name", "codec", "message"), [("PICKLES", PICKLES, {1: (2, 3)}), ("JSON_LINES", JSON_LINES, {"a": [1]})]
)
def test_messages_go_both_ways_and_nothing_else_is_heard(name: str, codec: Codec, message: Any) -> None:
    inbox: SimpleQueue[Any] = SimpleQueue()
    child = Conversation(programs.command("echo", name), codec, inbox.put, inbox.put, keep_err=True)
    for _ in range(2):
        child.send(message)
        assert list(inbox.get(timeout=30)) == [message, child.pid]
    child.send("end")
    ended = inbox.get(timeout=30)
    assert isinstance(ended, Ended) and (ended.cause, ended.code, ended.err) == ("exited", 3, b"last words")
    child.send("nobody listens")
    assert child.wait() == child.end() == ended


@pytest.mark.parametrize(("how", "end"), [("torn", signal.SIGKILL), ("cut", signal.SIGABRT)])
def test_a_broken_message_is_a_death_and_is_not_heard(how: str, end: signal.Signals) -> None:
    told: list[Any] = []
    ends: SimpleQueue[Ended] = SimpleQueue()
    Conversation(programs.command("half_said", how), JSON_LINES, told.append, ends.put)
    assert ends.get(timeout=30).code == -end
    assert told == [[1]]


@pytest.mark.parametrize(("megabytes", "said"), [(1, "enough"), (2048, "none left")])
def test_the_address_space_of_a_child_is_limited(megabytes: int, said: str) -> None:
    told: list[Any] = []
    Conversation(
        programs.command("hungry", str(megabytes), "JSON_LINES"), JSON_LINES, told.append, address_space_mb=2000
    ).watch(30)
    assert told == [said]


@pytest.mark.parametrize(("bound", "busy"), [("free", "in Python"), ("bound", "in Python"), ("bound", "locked")])
def test_a_child_ends_with_its_parent(bound: str, busy: str) -> None:
    if busy == "locked" and sys.platform != "linux":
        pytest.skip("only Linux ends a child that cannot hear of it")
    with subprocess.Popen(programs.command("parent", bound, *programs.command("deaf", busy)), stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
        assert is_gone(pid)


@pytest.mark.parametrize(
    ("then", "seconds", "cause", "code"), [("wait", 2.0, "timeout", -signal.SIGKILL), ("5", 60.0, "exited", 5)]
)
def test_nothing_is_left_of_a_process(then: str, seconds: float, cause: str, code: int) -> None:
    ended = Process(programs.command("family", then, "sleep", "600"), keep=("out",)).watch(seconds)
    assert (ended.cause, ended.code) == (cause, code)
    assert is_gone(int(ended.out))
    assert ended.seconds >= 2.0 or cause == "exited"


def test_memory_is_that_of_all_that_a_process_started() -> None:
    ended = Process(programs.command("family", "wait", *programs.command("hungry", "300"))).watch(60, 250)
    assert (ended.cause, ended.code) == ("memout", -signal.SIGKILL) and ended.watched_mb > 250
    assert resident_mb(ended.usage) > 5


def test_what_is_watched_can_be_ended_from_another_thread() -> None:
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
    held = bytearray(b"1") * (300 * 2**20)
    told = Process(programs.command("peak"), keep=("out",)).watch(60)
    assert float(told.out) < 250 < peak_memory_mb()
    del held


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux copies processes here")
def test_a_copy_of_a_process_ends_with_it() -> None:
    with subprocess.Popen(programs.command("parent_of_copy"), stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.Process(pid).cmdline() == psutil.Process(parent.pid).cmdline()
        parent.kill()
        parent.wait()
        assert is_gone(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux copies processes here")
def test_memory_that_two_processes_share_counts_once() -> None:
    peak, shared = map(float, programs.run("parent_of_copy", "shared").stdout.split())
    assert 100 < peak < 250 and 55 < shared < 75


def test_a_process_with_threads_is_not_copied() -> None:
    timer = Timer(60, lambda: None)
    timer.start()
    assert not can_fork()
    timer.cancel()
