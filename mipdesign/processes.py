"""Child processes: started, spoken to, limited, watched and ended in one way.

A child leads a session of its own and is killed with everything in it. :class:`Process` is any command. :class:`Conversation`
is one of our own modules: messages go over its pipes, as pickles or as lines of JSON, and :class:`ParentLink` is its side.

A child notices the death of its parent by the end of its standard input. One that is in native code which keeps Python's lock
would not hear of it in time: a *bound* child is killed by the kernel (Linux) when the thread that started it ends.

Limits are of two kinds. An address space (``resource``) makes allocations of the child fail, which it may survive. Resident
memory is watched from outside and ends the child with all that it started: solvers answer failed allocations with crashes that
could not be told from their own. Watching it takes psutil, which comes with the extra for studies; nothing else here needs it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import math
import os
import pickle
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any, Literal

from .errors import require
from .forks import SINGLE_THREADED, Forked
from .json_lines import json_line

POLL_SECONDS, MEMORY_POLL_SECONDS = 0.002, 0.03
"""Time between two looks at whether a process runs, and at its memory, which costs more."""
TREE_POLLS = 20
"""Looks between two searches for processes that it started."""
LAST_SECONDS = 10.0
"""Time for a child to end by itself after its last message, and for that message to be read after it has ended."""
PR_SET_PDEATHSIG = 1
"""Request to the kernel (prctl): a signal when the thread that started this process ends."""

Cause = Literal["exited", "killed", "timeout", "memout"]


@dataclass(frozen=True)
class Codec:
    """How messages are made bytes, and read from a pipe; reading raises :class:`EOFError` at the end."""

    encode: Callable[[Any], bytes]
    read: Callable[[IO[bytes]], Any]


def _read_line(file: IO[bytes]) -> Any:
    line = file.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    return json.loads(line)


PICKLES = Codec(pickle.dumps, pickle.load)
JSON_LINES = Codec(json_line, _read_line)


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes
    ----------
    cause:
        ``exited`` by itself, or killed: on request, for its time, or for its memory.
    code:
        Exit code; a signal as a negative number.
    seconds:
        Wall time since it was started.
    watched_mb:
        Most resident memory that was seen of it and of all that it started; 0 where nobody watched.
    usage:
        The kernel's account of it.
    out, err:
        What it wrote, where that was kept.
    """

    cause: Cause
    code: int
    seconds: float
    watched_mb: float
    usage: resource.struct_rusage
    out: bytes
    err: bytes


class Process:
    """A command under supervision, in a session of its own.

    Parameters
    ----------
    command:
        Program and arguments; or, with pipes and nothing kept, what a copy of this process does (see :mod:`mipdesign.forks`).
    keep:
        Which of its outputs are kept, of ``out`` and ``err``; others go nowhere.
    single_threaded:
        Whether the libraries of linear algebra are kept from threads of their own.
    piped:
        Whether there are pipes to its standard input and from its standard output.
    folder:
        Where it runs: where this process does by default.
    """

    def __init__(
        self,
        command: Sequence[str] | Callable[[], object],
        *,
        keep: Sequence[str] = (),
        single_threaded: bool = False,
        piped: bool = False,
        folder: Path | None = None,
    ) -> None:
        self._files = {name: tempfile.TemporaryFile() for name in keep}  # noqa: SIM115 - each is closed when it has been read
        self._lock, self._watched_mb = threading.Lock(), 0.0
        self._ended: Ended | None = None
        self._cause: Cause = "exited"
        self._began = time.monotonic()
        self._popen: subprocess.Popen[bytes] | Forked
        if callable(command):
            self._popen = Forked(command)
        else:
            self._popen = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else self._files.get("out", subprocess.DEVNULL),
                stderr=self._files.get("err", subprocess.DEVNULL),
                env=os.environ | (SINGLE_THREADED if single_threaded else {}),
                start_new_session=True,
            )
        self.pid = self._popen.pid

    def poll(self) -> Ended | None:
        """How it ended; ``None`` while it runs. What it leaves behind in its session is killed."""
        with self._lock:
            if self._ended is None:
                pid, status, usage = os.wait4(self.pid, os.WNOHANG)
                if pid == 0:
                    return None
                _kill_group(self.pid)
                code = self._popen.returncode = os.waitstatus_to_exitcode(status)
                texts = [_content(self._files.get(name)) for name in ("out", "err")]
                spent = time.monotonic() - self._began
                self._ended = Ended(self._cause, code, spent, self._watched_mb, usage, *texts)
            return self._ended

    def wait(self, seconds: float = math.inf) -> Ended | None:
        """How it ended; ``None`` if it still runs after so many seconds."""
        limit = time.monotonic() + seconds
        while (ended := self.poll()) is None and time.monotonic() < limit:
            time.sleep(POLL_SECONDS)
        return ended

    def kill(self, cause: Cause = "killed") -> None:
        """Ends it at once, with everything in its session."""
        with self._lock:
            if self._ended is None:
                self._cause = cause
                _kill_group(self.pid)

    def end(self, cause: Cause = "killed") -> Ended:
        """Ends it at once unless it has ended, and says how."""
        if self.poll() is None:
            self.kill(cause)
        ended = self.wait()
        assert ended is not None
        return ended

    def watch(self, seconds: float = math.inf, memory_mb: float = math.inf) -> Ended:
        """Waits for its end under hard limits of wall time and of resident memory, that of all that it started included.

        Raises
        ------
        MissingExtraError
            If memory is limited and psutil is not installed.
        """
        limit = self._began + seconds
        cause: Cause = "killed"
        with _listed(self):
            try:
                tree = _Tree(self.pid) if math.isfinite(memory_mb) else None
                while self.poll() is None:
                    held = 0.0 if tree is None else tree.resident_mb()
                    self._watched_mb = max(self._watched_mb, held)
                    if held > memory_mb or time.monotonic() > limit:
                        cause = "memout" if held > memory_mb else "timeout"
                        break
                    time.sleep(POLL_SECONDS if tree is None else MEMORY_POLL_SECONDS)
            finally:
                ended = self.end(cause)
        return ended


class Conversation(Process):
    """A child that is one of our own modules and makes a :class:`ParentLink`.

    Parameters
    ----------
    command:
        Of :class:`Process`.
    codec:
        Of the messages, both ways.
    hear:
        Told every message, by a thread of its own.
    on_end:
        Told of its end, after the last message.
    bound:
        Whether it is killed by the kernel (Linux) when the thread that started it ends.
    address_space_mb:
        Limit of its address space.
    keep_err:
        Whether what it writes to standard error is kept; it goes nowhere otherwise.
    heard_later:
        Whether :meth:`hear` is called later.
    """

    def __init__(
        self,
        command: Sequence[str] | Callable[[], object],
        codec: Codec,
        hear: Callable[[Any], None],
        on_end: Callable[[Ended], None] = lambda ended: None,
        *,
        bound: bool = False,
        address_space_mb: int | None = None,
        keep_err: bool = False,
        heard_later: bool = False,
    ) -> None:
        super().__init__(command, keep=("err",) if keep_err else (), single_threaded=True, piped=True)
        self._codec, self._heard, self._on_end = codec, hear, on_end
        self._speaking = threading.Lock()
        self.send({"parent": os.getpid() if bound else None, "address_space_mb": address_space_mb})
        self._listener = threading.Thread(target=self._listen, daemon=True)
        if not heard_later:
            self.hear()

    def hear(self) -> None:
        """Begins to listen."""
        self._listener.start()

    def _listen(self) -> None:
        assert self._popen.stdin is not None and self._popen.stdout is not None
        while True:
            try:
                message = self._codec.read(self._popen.stdout)
            except EOFError:
                self.wait(LAST_SECONDS)  # it may have a code of its own
                break
            except Exception:  # a torn message, whatever it raises
                break
            self._heard(message)
        ended = self.end()
        self._popen.stdout.close()
        with self._speaking, contextlib.suppress(OSError):
            self._popen.stdin.close()
        self._on_end(ended)

    def send(self, message: Any) -> None:
        """Sends a message; to a child that has ended it is lost, as the listener will tell."""
        assert self._popen.stdin is not None
        content = self._codec.encode(message)
        with self._speaking, contextlib.suppress(OSError, ValueError):  # the latter for a pipe that is closed
            self._popen.stdin.write(content)
            self._popen.stdin.flush()

    def watch(self, seconds: float = math.inf, memory_mb: float = math.inf) -> Ended:
        """As :meth:`Process.watch`; every message has been heard when it returns."""
        ended = super().watch(seconds, memory_mb)
        self._listener.join(LAST_SECONDS)
        return ended


class ParentLink:
    """The side of the child in a :class:`Conversation`: made once, before anything is printed.

    Standard output then goes nowhere, whatever native code writes to it. The process ends when its parent does.

    Parameters
    ----------
    codec:
        As the parent's.
    at_once:
        Shown every message by the thread that reads it, whatever this process is busy with; a message for which it returns
        ``True`` is dealt with.
    """

    def __init__(self, codec: Codec, at_once: Callable[[Any], bool] = lambda message: False) -> None:
        self._codec, self._at_once, self._speaking = codec, at_once, threading.Lock()
        self._source, self._out = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        _accept(self._codec.read(self._source))
        self._asked: SimpleQueue[Any] = SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        try:
            while True:
                message = self._codec.read(self._source)
                if not self._at_once(message):
                    self._asked.put(message)
        except Exception:  # the end, or a message that a kill has torn, whatever that raises
            os._exit(0)

    def receive(self) -> Any:
        """The next message."""
        return self._asked.get()

    def send(self, message: Any) -> None:
        """Sends a message, from any thread."""
        content = self._codec.encode(message)
        with self._speaking:
            self._out.write(content)
            self._out.flush()


def _accept(terms: Mapping[str, Any]) -> None:
    """What the parent asks of the process itself."""
    parent, limit = terms["parent"], terms["address_space_mb"]
    if parent is not None:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it has ended before
            os._exit(1)
    if limit is not None:
        # only a privileged process may raise a limit that it was given, by a shell or a batch system
        given = [bytes_ for bytes_ in resource.getrlimit(resource.RLIMIT_AS) if bytes_ != resource.RLIM_INFINITY]
        asked = min([limit * 2**20, *given])
        resource.setrlimit(resource.RLIMIT_AS, (asked, asked))


_WATCHED, _WATCHED_LOCK = set["Process"](), threading.Lock()


@contextlib.contextmanager
def _listed(process: Process) -> Iterator[None]:
    """Lets :func:`end_all` find a process."""
    with _WATCHED_LOCK:
        _WATCHED.add(process)
    try:
        yield
    finally:
        with _WATCHED_LOCK:
            _WATCHED.discard(process)


def end_all() -> None:
    """Kills everything that threads of this process watch."""
    with _WATCHED_LOCK:
        for process in _WATCHED:
            process.kill()


class _Tree:
    """Resident memory of a process and of all that it started, by psutil."""

    def __init__(self, pid: int) -> None:
        require("psutil", "study", "a limit of resident memory")
        import psutil

        self.failures, self.root, self.polls = psutil.Error, psutil.Process(pid), 0
        self.processes = [self.root]

    def resident_mb(self) -> float:
        self.polls += 1
        if self.polls % TREE_POLLS == 0:
            self.processes = [self.root]
            with contextlib.suppress(self.failures):
                self.processes += self.root.children(recursive=True)
        return sum(map(self._of, self.processes))

    def _of(self, process: Any) -> float:
        with contextlib.suppress(self.failures):
            return float(process.memory_info().rss) / 2**20
        return 0.0


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _content(file: IO[bytes] | None) -> bytes:
    """What was written to a file, which is closed."""
    if file is None:
        return b""
    with file:
        file.seek(0)
        return file.read()
