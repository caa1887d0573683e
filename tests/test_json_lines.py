"""Logs of JSON lines: whole lines only, whatever cuts a run off."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from mipdesign.errors import SpecError
from mipdesign.json_lines import LineLog, json_line, parse_lines, read_log


@dataclass(frozen=True)
class Entry:
    name: str
    value: float | None = None


NOUN = "an entry of this test"


def log(path: Path) -> LineLog[Entry]:
    return LineLog(path, Entry, NOUN)


def test_what_was_cut_off_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "log.jsonl"
    with log(path) as first:
        first.append(Entry("one", 1.5))
        first.append(Entry("two"))
    content = path.read_bytes()
    for cut in range(len(content) + 1):
        path.write_bytes(content[:cut])
        with log(path) as again:
            assert list(again.entries) == [Entry("one", 1.5), Entry("two")][: content[:cut].count(b"\n")]
            for entry in [Entry("one", 1.5), Entry("two")][len(again.entries) :]:
                again.append(entry)
        assert path.read_bytes() == content


def test_json_has_no_infinite_numbers_and_a_line_no_line_within() -> None:
    assert json_line({"a": [math.inf, -math.inf, math.nan, 0.5], "b": "two\nlines"}) == (
        b'{"a": [null, null, null, 0.5], "b": "two\\nlines"}\n'
    )


def test_fields_of_another_version_are_left_out() -> None:
    assert parse_lines(b'{"name": "a", "later": 1}\n', Entry, NOUN, Path("log")) == ([Entry("a")], 26)


@pytest.mark.parametrize("line", [b"no json", b"[1]", b"1", b'{"value": 1}', b"\xff", b"[" * 100_000])
def test_another_line_is_named(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(json_line({"name": "a"}) + line + b"\n")
    for way in (log, lambda path: read_log(path, Entry, NOUN)):
        with pytest.raises(SpecError, match=r"log\.jsonl: line 2: is not an entry of this test"):
            way(path)
    path.write_bytes(json_line({"name": "a"}))
    log(path).__exit__()  # what was refused is not in use


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with log(tmp_path / "log.jsonl"), pytest.raises(SpecError, match=r"path: .*log\.jsonl is in use by another run"):
        log(tmp_path / "log.jsonl")


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SpecError, match=r"--out: cannot write to .*file/log"):
        log(tmp_path / "file" / "log")
    if os.path.exists("/dev/full"):
        with pytest.raises(SpecError):
            log(Path("/dev/full"))
