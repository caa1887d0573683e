"""Where temporary files go when the usual places cannot be written; and processes under limits that they may not raise."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import programs
import pytest

from mipdesign import temporary
from mipdesign.temporary import ensure_matplotlib_folder, ensure_temporary


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No folder of the system takes temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "none")])
    monkeypatch.setattr(temporary, "SHARED_MEMORY", tmp_path / "no memory")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))


@pytest.mark.usefixtures("nowhere")
def test_temporary_files_go_beside_the_results_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at_the_end = []
    monkeypatch.setattr(atexit, "register", lambda *call, **options: at_the_end.append((call, options)))
    ensure_temporary(tmp_path / "to be made" / "results")
    ensure_temporary(tmp_path / "to be made" / "results")
    made = Path(tempfile.gettempdir())
    assert (made.parent, os.environ["TMPDIR"]) == (tmp_path, str(made))
    assert capsys.readouterr().err.count("\n") == 1
    (((remove, *arguments), options),) = at_the_end
    remove(*arguments, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("nowhere")
def test_temporary_files_that_can_go_nowhere_are_no_error_by_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    ensure_temporary(tmp_path)
    assert capsys.readouterr().err == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("home", ["home", "file/home"])
@pytest.mark.parametrize("own", ["", "made", "file/made"])
def test_matplotlib_gets_a_folder_that_can_be_written(
    home: str, own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delitem(sys.modules, "matplotlib", raising=False)
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / home))
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / own) if own else "")
    ensure_matplotlib_folder()
    good = (own or home) in ("made", "home")
    kept = str(tmp_path / own) if own else ""
    assert os.environ["MPLCONFIGDIR"] == (kept if good else str(tmp_path / f"mipdesign-matplotlib-{os.getuid()}"))


def test_a_design_is_found_within_a_limit_of_memory_that_may_not_be_raised(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mipdesign", "design", programs.TESTS / "data" / "small.yaml", "--workers", "1"]
    words = ["sh", "-c", 'ulimit -v 3000000; exec "$@"', "sh", *command, "--out", tmp_path, "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["incidents"] == []
