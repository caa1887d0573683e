"""Malformed files of every kind are refused in one line: a third of those of ``benchmarks/malformed.py``, in this process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks.malformed import Case, cases, kinds, link_tree, make_valid
from mipdesign import cli


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Folders of a design and of a frontier."""
    return make_valid(tmp_path_factory.mktemp("valid"))


def fault(case: Case, folder: Path, valid: Mapping[str, Path], capsys: pytest.CaptureFixture[str]) -> str:
    """What is wrong with the answer to a case; empty if nothing is."""
    arguments = case.prepare(folder, valid)
    try:
        code = cli.main(arguments)
    except BaseException as error:  # whatever it is, it would be a traceback
        capsys.readouterr()
        return f"{case.title}: {error!r}"[:300]
    out, err = capsys.readouterr()
    one_line = out == "" and err.startswith("error: ") and err.count("\n") == 1 and err.endswith("\n")
    right = case.allows(code) and (one_line if code == 2 else not err)
    return "" if right else f"{case.title}: {code} {err[:300]}"


def test_every_malformed_file_is_refused(valid: Mapping[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    chosen = list(cases(valid))[::3]
    assert len(chosen) > 400
    faults = [fault(case, tmp_path / str(i), valid, capsys) for i, case in enumerate(chosen)]
    assert "\n".join(filter(None, faults)) == ""


def test_the_files_they_are_made_from_are_not(
    valid: Mapping[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i, kind in enumerate(kinds(valid)):
        if kind.command[0] == "explain":
            continue  # it would be refused for the name of a budget, to be quick
        arguments = Case("", kind, lambda path, kind=kind: path.write_text(kind.text(kind.content))).prepare(
            tmp_path / str(i), valid
        )
        assert cli.main(arguments) == 0, (kind.name, arguments, capsys.readouterr().err)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_looked_into(
    valid: Mapping[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    link_tree(valid["design"], tmp_path / "d")
    (tmp_path / "d").chmod(0)
    try:
        for command in (["verify"], ["report"], ["explain"], ["evaluate"], ["design", "deepmad-r18", "--resume"]):
            assert cli.main([*command, str(tmp_path / "d")]) == 2
            assert capsys.readouterr().err.count("\n") == 1
    finally:
        (tmp_path / "d").chmod(0o700)
