"""Malformed files of every kind, each given to a command as a process of its own: ``python -m mipdesign.benchmarks malformed``.

Every one has to be refused with one line and exit code 2 (``verify`` may also find, with 1, that a well-formed file states
something false), in seconds and in little memory. What is printed: how many of how many were, the slowest and the largest.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import re
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mipdesign.processes import Process

from .malformed_kinds import Kind, kinds, link_tree, make_valid

SECONDS, MEGABYTES = 5.0, 300.0
"""Most time and memory of a refusal."""
KILL_SECONDS = 60.0
"""Time after which a command is killed."""


@dataclass(frozen=True)
class Case:
    """A malformed file: what makes it at a path, where nothing is before."""

    title: str
    kind: Kind
    make: Callable[[Path], object]

    def prepare(self, folder: Path, valid: Mapping[str, Path]) -> list[str]:
        """Makes the file and what belongs to it in a new folder, and returns the arguments of the command."""
        folder.mkdir()
        if self.kind.beside is not None:
            link_tree(valid[self.kind.beside], folder)
        file = folder / self.kind.name
        file.unlink(missing_ok=True)
        self.make(file)
        return [part.format(file=file, folder=folder) for part in self.kind.command]

    def allows(self, code: int) -> bool:
        """Whether an exit code is right."""
        return code == 2 or (code == 1 and self.kind.command[0] == "verify")


# ------------------------------------------------------------------------------------------------------------ what is made

WRONG: dict[str, str] = {
    "NaN": "NaN",
    "minus infinity": "-Infinity",
    "1e999": "1e999",
    "a number of 400 digits": "9" * 400,
    "a number of 5000 digits": "9" * 5000,
    "something else": '{"?": [null]}',
}
"""Values that are right nowhere, as JSON writes them."""


def _socket(path: Path) -> None:
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(path.parent)  # the path of a socket is short
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.fchdir(here)
        os.close(here)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10**12)


THINGS: dict[str, Callable[[Path], object]] = {
    "FIFO": os.mkfifo,
    "socket": _socket,
    "endless device": lambda path: path.symlink_to("/dev/zero"),
    "terminal": lambda path: path.symlink_to("/dev/tty"),
    "directory": Path.mkdir,
    "broken link": lambda path: path.symlink_to("nowhere"),
    "loop of links": lambda path: path.symlink_to(path.name),
    "a terabyte": _sparse,
}
"""What may stand in place of a file."""


def texts(kind: Kind) -> dict[str, bytes]:
    """Malformed texts in place of a valid one."""
    text = kind.text(kind.content).encode()
    made = {
        "empty": b"",
        "a byte": b"\xff",
        "NUL": b"\0" + text,
        "NULs": bytes(100_000),
        "every byte": bytes(range(256)),
        "half of it": text[: len(text) // 2],
        "UTF-16": text.decode().encode("utf-16"),
        "Latin-1": text[:-1] + "\u00e9\n".encode("latin-1"),
        "another mark": b"\xef\xbb\xbf\xef\xbb\xbf" + text,
        "control characters": b"\x1b[31m" + text,
        "brackets": b"[" * 100_000,
        "990 levels": b"[" * 990 + b"]" * 990,
        "990 keys": b'{"a":' * 990 + b"1" + b"}" * 990,
        "quotes": b'"' * 900_001,
        "backslashes": b'"' + b"\\" * 900_001,
        "signs": b"-" * 100_000 + b"1",
        "a long line": b"x" * 900_000,
        "many values": b"[" + b"0," * 490_000 + b"0]",
        "many keys": b"{" + b",".join(b'"%d": 1' % i for i in range(60_000)) + b"}",
        "many lines": b"a,b\n" * 200_000,
        "a number": b"7",
        "a list": b"[1, {}]",
        "null": b"null",
        "a text": b'"x"',
    }
    if kind.name.endswith(".csv"):
        made["half of it"] = text[:-9]
    if kind.name.endswith(".yaml"):
        del made["another mark"]  # YAML allows it
    return made


def places(data: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the values of plain data stand; of a list, its first value and what is below that."""
    for key, value in list(data.items() if isinstance(data, dict) else enumerate(data[:1])):
        yield (*at, key)
        if isinstance(value, (dict, list)):
            yield from places(value, (*at, key))


def changed(data: Any, at: tuple[Any, ...], change: Callable[[Any, Any], object]) -> Any:
    """Plain data after a change of what holds a value."""
    data = copy.deepcopy(data)
    target = data
    for key in at[:-1]:
        target = target[key]
    change(target, at[-1])
    return data


MARK = "put the value here"
SIGNED = ("incumbent", "bound", "gap")
"""Columns that may hold a negative number."""
TOLERANT = ("structure.txt",)
"""Files whose fields are read over where they are not known."""


def mutations(kind: Kind) -> Iterator[tuple[str, bytes]]:
    """Changes of single fields: a value that is right nowhere, and a field that is not known or given twice."""
    if isinstance(kind.content, str):
        head, *rows = kind.content.splitlines()
        for column, name in enumerate(head.split(",")):
            for wrong in ("?", "nan", "-inf", "1e999", "9" * 5000, *(() if name in SIGNED else ("-1",))):
                cells = rows[-1].split(",")
                cells[column] = wrong
                yield f"{name} {wrong[:9]}", "\n".join([head, *rows[:-1], ",".join(cells), ""]).encode()
        yield "a column more", f"{kind.content}1{',1' * len(head.split(','))}\n".encode()
        yield "another header", kind.content.replace(head, f"x{head}").encode()
        yield "a quote", f'{kind.content}"'.encode()
        return
    native = {"null": "None"} if kind.name.endswith(".txt") else {}
    quote = repr(MARK) if kind.name.endswith(".txt") else MARK if kind.name.endswith(".yaml") else json.dumps(MARK)
    numbered = enumerate(place for place in places(kind.content) if place[0] != "evaluation")  # only verify looks at it
    for number, at in numbered:
        title, wrong = list(WRONG.items())[number % len(WRONG)]
        if kind.name.endswith(".yaml"):
            wrong = {"NaN": ".nan", "-Infinity": "-.inf"}.get(wrong, wrong)
        for old, new in native.items():
            wrong = wrong.replace(old, new)
        text = kind.text(changed(kind.content, at, lambda target, key: target.__setitem__(key, MARK)))
        yield f"{'.'.join(map(str, at))} {title}", text.replace(quote, wrong, 1).encode()
    if kind.name not in TOLERANT:
        yield "unknown field", kind.text(kind.content | {"colour": "red"}).encode()
        yield "half a character", kind.text(kind.content | {"name": MARK}).replace(quote, r'"\ud800"', 1).encode()
    first = next(iter(kind.content))
    twice = kind.text(kind.content | {"colour": 1}).replace("colour", first, 1)
    yield "a field twice", twice.encode()


def cases(valid: Mapping[str, Path]) -> Iterator[Case]:
    """Every case."""

    def writes(content: bytes) -> Callable[[Path], object]:
        return lambda path: path.write_bytes(content)

    for kind in kinds(valid):
        title = f"{kind.name} for {kind.command[0]}"
        for name, make in THINGS.items():
            yield Case(f"{title}: {name}", kind, make)
        for name, content in (*texts(kind).items(), *mutations(kind)):
            yield Case(f"{title}: {name}", kind, writes(content))


def large(valid: Mapping[str, Path]) -> Iterator[Case]:
    """Files as large as they may be, for the command that reads the largest ones."""
    kind = next(kind for kind in kinds(valid) if kind.name == "certificate.json")
    size = 60_000_000
    for name, content in {
        "zeros": lambda: b"[" + b"0," * (size // 2) + b"0]",
        "floats": lambda: b'{"tree": [' + b"0.1234567890123456," * (size // 19) + b"0]}",
        "brackets": lambda: b"[" * size,
        "lists": lambda: b"[" + b"[]," * (size // 3) + b"0]",
        "one text": lambda: b'{"tree": "' + b"a" * size + b'"}',
        "texts": lambda: b'{"tree": [' + b'"ab",' * (size // 60) + b"0]}",
        "spaces": lambda: b" " * size + b"{}",
        "quotes": lambda: b'"' * size,
        "a wide character": lambda: b'{"tree": "' + b"a" * size + '\U0001f600"}'.encode(),
        "keys": lambda: b"{" + b",".join(b'"%d":0' % i for i in range(300_000)) + b"}",
    }.items():
        yield Case(f"{kind.name}: 60 MB, {name}", kind, lambda path, content=content: path.write_bytes(content()))  # type: ignore[misc]


# ---------------------------------------------------------------------------------------------------------------- measuring


COMMAND = """
import sys
from mipdesign.__main__ import main
from mipdesign.processes import peak_memory_mb
try:
    code = main()
finally:
    print(f"peak {peak_memory_mb()} MB")
sys.exit(code)
"""
"""The command line, and the peak of its memory: the account that a parent has of it would count the parent's peak too."""


@dataclass(frozen=True)
class Refusal:
    """What became of a case."""

    case: Case
    code: int
    error: str
    seconds: float
    megabytes: float

    @property
    def right(self) -> bool:
        """Whether it was refused as it should be."""
        line = self.error.startswith("error: ") and self.error.count("\n") == 1
        return self.case.allows(self.code) and (line or (self.code == 1 and not self.error)) and self.quick

    @property
    def quick(self) -> bool:
        return self.seconds < SECONDS and self.megabytes < MEGABYTES


def measured(case: Case, folder: Path, valid: Mapping[str, Path]) -> Refusal:
    """Runs the command of a case as a process, with its time and its peak memory."""
    ended = Process([sys.executable, "-c", COMMAND, *case.prepare(folder, valid)], keep=("out", "err")).watch(KILL_SECONDS)
    told, error = re.search(rb"peak ([\d.]+) MB", ended.out), ended.err.decode("utf-8", "replace")
    return Refusal(case, ended.code, error, ended.seconds, float(told[1]) if told else math.inf)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", default="", help="cases whose title has this in it")
    parser.add_argument("--every", type=int, default=1, help="one case in so many")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        valid = make_valid(Path(place))
        chosen = [case for case in (*large(valid), *cases(valid)) if options.only in case.title][:: options.every]
        found = [measured(case, Path(place) / str(i), valid) for i, case in enumerate(chosen)]
    for refusal in found:
        if not refusal.right:
            print(f"WRONG {refusal.case.title}: {refusal.code}, {refusal.seconds:.1f} s, {refusal.megabytes:.0f} MB")
            print("   ", refusal.error[-300:].strip())
    slowest, largest = (max(found, key=key) for key in (lambda r: r.seconds, lambda r: r.megabytes))
    print(f"{sum(refusal.right for refusal in found)} of {len(found)} refused in one line")
    print(f"slowest {slowest.seconds:.2f} s: {slowest.case.title}; largest {largest.megabytes:.0f} MB: {largest.case.title}")
    return 0 if all(refusal.right for refusal in found) else 1


if __name__ == "__main__":
    sys.exit(main())
