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
from programs import command

from mipdesign.processes import (
    JSON_LINES,
    PICKLES,
    Codec,
    Conversation,
    Ended,
    Process,
    end_all,
    peak_memory_mb,
    resident_mb,
)


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
    child = Conversation(command("echoing_child", name), codec, inbox.put, inbox.put, keep_err=True)
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
    Conversation(command("bad_messages", "torn"), JSON_LINES, told.append, ends.put)
    assert ends.get(timeout=30).code == -signal.SIGKILL
    assert told == [[1]]


def test_a_last_message_that_was_cut_off_is_not_heard() -> None:
    told: list[Any] = []
    child = Conversation(command("bad_messages", "cut"), JSON_LINES, told.append)
    assert child.watch(30).code == -signal.SIGABRT
    assert told == [[1]]


def test_an_address_space_is_limited_for_the_child_alone() -> None:
    told: list[Any] = []
    Conversation(command("limited_space"), JSON_LINES, told.append, address_space_mb=2000).watch(30)
    assert told == ["none left"]
    assert len(bytearray(2**20)) == 2**20


@pytest.mark.parametrize("bound", [False, True])
def test_a_child_ends_with_its_parent(bound: bool) -> None:
    """Also one that never listens; one that is bound need not even run Python for it (Linux)."""
    with subprocess.Popen(
        command("parent_and_child", "parent", "bound" if bound else "free"), stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
        assert is_gone(pid)


@pytest.mark.parametrize(("code", "seconds", "cause"), [((), 1.5, "timeout"), (("5",), 60, "exited")])
def test_nothing_is_left_of_a_process(code: tuple[str, ...], seconds: float, cause: str) -> None:
    ended = Process(command("with_child", *code), keep=("out",)).watch(seconds)
    assert (ended.cause, ended.code) == (cause, 5 if cause == "exited" else -signal.SIGKILL)
    assert is_gone(int(ended.out))
    assert ended.seconds == pytest.approx(seconds, abs=1.4) or cause == "exited"


def test_memory_is_that_of_all_that_a_process_started() -> None:
    ended = Process(command("eating_child")).watch(60, 150)
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
    held = bytearray(os.urandom(1)) * (300 * 2**20)
    told = Process(command("peak_memory"), keep=("out",)).watch(60)
    assert float(told.out) < 250 < peak_memory_mb()
    del held
