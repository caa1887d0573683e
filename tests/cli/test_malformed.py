"""Malformed files of every kind are refused in one line: some of the benchmark's corpus, in this process."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from mipdesign.benchmarks.experiments.malformed import Case, cases
from mipdesign.benchmarks.experiments.malformed_kinds import kinds, link_tree, make_valid
from scale import of

from mipdesign.cli import main as cli


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
    chosen = list(cases(valid))[:: of(3, 18)]
    assert len(chosen) > of(400, 65)
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


def test_a_folder_that_may_not_be_looked_into(
    valid: Mapping[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the operating system has it for others than root, who may look into everything."""
    folder, look = tmp_path / "d", os.stat
    folder.mkdir()
    link_tree(valid["design"], folder)

    def stat(path: Any, *arguments: Any, **options: Any) -> os.stat_result:
        if str(path).startswith(f"{folder}{os.sep}"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return look(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", stat)
    for command in (["verify"], ["report"], ["explain"], ["evaluate"], ["design", "deepmad-r18", "--resume"]):
        assert cli.main([*command, str(folder)]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and "Permission denied" in error
