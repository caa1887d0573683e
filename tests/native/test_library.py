"""The core as a library: what Python passes is what the core reads."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import programs
import pytest

from mipdesign.errors import CoreError
from mipdesign.lattice.arrays import Structure, figures_of, new_rows, write_rows
from mipdesign.native import library
from mipdesign.native.library import doubles, function, integers
from mipdesign.search.branching import Answer, Question


def test_a_problem_has_the_same_layout_on_both_sides() -> None:
    assert function("size_of_arrays", "i", "")() == ctypes.sizeof(Structure)


def test_what_is_asked_of_a_node_and_answered_has_the_same_layout_on_both_sides() -> None:
    assert function("size_of_question", "i", "")() == ctypes.sizeof(Question)
    assert function("size_of_answer", "i", "")() == ctypes.sizeof(Answer)


@pytest.mark.parametrize("budgets", [0, 1, 4])
def test_a_column_has_the_same_layout_on_both_sides(budgets: int) -> None:
    rows, random = new_rows(37, budgets), np.random.default_rng(budgets)
    assert rows.ctypes.data % 64 == 0
    figures = figures_of(np.empty(40 * rows.itemsize, dtype=np.uint8), 37, budgets)
    for values in figures.values():
        values[...] = random.integers(0, 250, values.shape)
    write_rows(rows, figures)
    for name, values in figures.items():
        assert (rows[name] == (values if values.ndim == 1 else values.transpose(2, 1, 0))).all()


@pytest.mark.parametrize("array", [np.zeros(3, dtype=np.float32), np.zeros((3, 4)).T, np.zeros(8)[::2]])
def test_arrays_of_another_type_or_order_are_refused(array: np.ndarray) -> None:
    with pytest.raises(TypeError, match="row by row"):
        doubles(array)


def test_the_place_of_an_array_is_where_its_numbers_are() -> None:
    numbers = np.arange(5)
    fixed = numbers.copy()
    fixed.flags.writeable = False
    for array in (numbers, fixed):
        assert ctypes.cast(integers(array), ctypes.POINTER(ctypes.c_int64))[:5] == numbers.tolist()
    assert isinstance(integers(numbers[:0]), int)


# ------------------------------------------------------------------------------------------------------------ damaged cores


@pytest.fixture(params=["missing", "empty", "half", "a bit"])
def damaged(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A core that is not whole."""
    path, content = tmp_path / "core.shared", library.PATH.read_bytes()
    half = len(content) // 2
    kinds = {"empty": b"", "half": content[:half], "a bit": content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]}
    if request.param in kinds:
        path.write_bytes(kinds[request.param])
    return path


def test_a_damaged_core_without_its_sources_is_refused(damaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "SOURCE", damaged.with_name("bounds.c"))
    with pytest.raises(CoreError, match=r"core\.shared is (missing|damaged).*; install mipdesign again"):
        library.load(damaged)


@pytest.mark.parametrize("writable", [True, False])
def test_a_damaged_core_is_built_anew_where_its_sources_are(
    damaged: Path, writable: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(library, "BUILDER", programs.PROGRAMS / "copy_core.py")
    monkeypatch.setattr(os, "access", lambda path, mode: writable)
    assert library.load(damaged)["size_of_question"]() == ctypes.sizeof(Question)
    said = capsys.readouterr().err
    assert (said.count("\n"), "it was built anew" in said, "for this run" in said) == (1, True, not writable)
    assert (library.fault_of(damaged) == "") == writable


def test_a_core_of_other_sources_is_built_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(library, "BUILDER", programs.PROGRAMS / "copy_core.py")
    path, source = tmp_path / "core.shared", tmp_path / "bounds.c"
    path.write_bytes(library.PATH.read_bytes())
    assert library.fault_of(path) == ""  # as in a wheel
    for of_core in [*library.PATH.parent.glob("*.[ch]")]:
        shutil.copy(of_core, tmp_path)
    assert library.fault_of(path) == ""
    source.write_text(source.read_text() + "\n")
    library.load(path)
    assert "is not of the sources beside it; it was built anew" in capsys.readouterr().err


def test_a_core_that_cannot_be_built_anew_says_why(damaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "BUILDER", programs.PROGRAMS / "no_such_program.py")
    with pytest.raises(CoreError, match=r"could not be built anew \(.*No such file"):
        library.load(damaged)


def test_a_whole_core_of_another_machine_or_version_is_refused(tmp_path: Path) -> None:
    path, content = tmp_path / "core.shared", b"for another machine"
    path.write_bytes(content + hashlib.sha256(content).digest())
    with pytest.raises(CoreError, match="cannot be loaded"):
        library.load(path)
    with pytest.raises(CoreError, match="has no function 'of_another_version'"):
        function("of_another_version", "i", "")


def test_a_command_says_on_one_line_that_the_core_is_damaged(tmp_path: Path) -> None:
    package = tmp_path / "mipdesign"
    shutil.copytree(programs.ROOT / "mipdesign", package, ignore=shutil.ignore_patterns("__pycache__", "*.[ch]"))
    core = package / "native" / "core.shared"
    core.write_bytes(core.read_bytes()[:5000])
    command = [sys.executable, "-m", "mipdesign", "design", programs.TESTS / "data" / "small.yaml", "--out", tmp_path / "out"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout, answer.stderr.count("\n")) == (2, "", 1)
    assert answer.stderr.startswith(f"error: {core} is damaged")
