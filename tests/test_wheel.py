"""The wheel: built without a network, installed into an environment of its own, used from another folder."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import programs
import pytest
import unprivileged
import yaml

FOLDERS = {"mipdesign": "mipdesign", "benchmarks": "mipdesign/benchmarks", "formulations": "mipdesign/formulations"}
"""Folders of code, and where they are in the wheel."""


def packages() -> set[str]:
    """The folders that are packages, within the repository."""
    return {
        str(path.parent.relative_to(programs.ROOT))
        for folder in FOLDERS
        for path in (programs.ROOT / folder).rglob("__init__.py")
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing that lies about gets into it."""
    try:  # find_spec would take setuptools' distutils out of the way, and torch's Timer with it
        versions = [importlib.metadata.version(name) for name in ("pip", "setuptools")]
    except importlib.metadata.PackageNotFoundError:
        versions = []
    if not versions:
        pytest.skip("no pip or no setuptools here")
    if not os.environ.get("CC") and not any(map(shutil.which, ("cc", "gcc", "clang"))):
        pytest.skip("no C compiler here: the package index brings one where a build is not kept from it")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in FOLDERS:
        shutil.copytree(programs.ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "core.shared"))
    shutil.copy(programs.ROOT / "pyproject.toml", source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(source)], check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path) -> Path:
    """The interpreter of an environment with the wheel, which sees the dependencies of this one but not its own package."""
    folder = wheel.parent / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    found = folder / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(found), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*command, "--no-compile", str(wheel)], check=True, capture_output=True)
    (site,) = folder.glob("lib/python*/site-packages")
    seen = [path for path in sys.path if path.endswith("site-packages")]
    (site / "dependencies.pth").write_text("\n".join([*seen, ""]))  # whose own .pth files, an editable install, are not read
    return found


def run(python: Path, folder: Path, *arguments: str | Path) -> str:
    """What a command of the environment prints."""
    folder.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([python, *arguments], cwd=folder, env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_all_packages_and_their_data_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.split("/")[0] for name in names}
    assert tops == {"mipdesign", next(top for top in tops if top.endswith(".dist-info"))}
    assert "mipdesign/py.typed" in names
    expected = set()
    for package in packages():
        for path in (programs.ROOT / package).iterdir():
            if path.is_dir() and f"{package}/{path.name}" not in packages() and path.name not in ("__pycache__", "results"):
                expected |= {file for file in path.rglob("*") if file.is_file()}
            elif path.is_file() and path.suffix not in (".md", ".c", ".h"):
                expected.add(path)
    inside = set()
    for path in expected:
        folder, *rest = path.relative_to(programs.ROOT).parts
        inside.add("/".join((FOLDERS[folder], *rest)))
    assert inside == {name for name in names if name.startswith("mipdesign/")}


def test_every_module_of_the_wheel_is_imported(python: Path, tmp_path: Path) -> None:
    file, imported, lacking = json.loads(run(python, tmp_path, programs.PROGRAMS / "import_all.py"))
    assert Path(file).is_relative_to(python.parents[1])
    assert len(imported) > 100 and {"mipdesign.formulations.columns", "mipdesign.benchmarks.studies.trial"} <= set(imported)
    required = tomllib.loads((programs.ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    needed = {"mipdesign", *(name.split(">")[0].replace("pyyaml", "yaml") for name in required)}
    assert not {module: package for module, package in lacking.items() if package in needed}


def test_the_wheel_designs_from_another_folder(python: Path, tmp_path: Path) -> None:
    printed = run(
        python, tmp_path, "-m", "mipdesign", "design", programs.TESTS / "data" / "small.yaml", "--workers", "1", "--out", "out"
    )
    assert "optimal" in printed
    assert json.loads((tmp_path / "out" / "result.json").read_text())["status"] == "optimal"


# ----------------------------------------------------------------------------------------------------------- the container


def instructions() -> list[tuple[str, list[str]]]:
    """The instructions of the Dockerfile, with their words."""
    lines = [line for line in (programs.ROOT / "Dockerfile").read_text().splitlines() if line and not line.startswith("#")]
    return [(line.split()[0], line.split()[1:]) for line in lines]


def test_the_image_is_made_of_what_is_there_and_not_left_out() -> None:
    sources = [words[:-1] for name, words in instructions() if name == "COPY" and "--from=build" not in words]
    copied = {name for names in sources for name in names}
    kept = {line[1:] for line in (programs.ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied == kept == {*FOLDERS, "pyproject.toml", "constraints.txt"}
    assert all((programs.ROOT / name).exists() for name in copied)


def test_the_image_is_installed_with_extras_that_there_are() -> None:
    (extras,) = [re.search(r"\.\[(.*)\]", " ".join(words)) for name, words in instructions() if "pip" in " ".join(words)]
    assert extras is not None
    known = tomllib.loads((programs.ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras[1].split(",")) == {"plot", "report"} <= set(known)


def test_the_image_runs_as_a_user_without_rights() -> None:
    users = [words for name, words in instructions() if name == "USER"]
    assert users and not users[-1][0].startswith(("root", "0"))


@pytest.fixture
def mounted() -> Iterator[Path]:
    """A folder that every user reaches."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_the_command_of_the_container_runs_where_only_the_mounted_folder_can_be_written(python: Path, mounted: Path) -> None:
    """The small problem in place of the main one: the command is the same, as the user whom the system does not know."""
    (words,) = [json.loads(" ".join(words)) for name, words in instructions() if name == "CMD"]
    assert words == ["mipdesign", "design", "deepmad-r18", "--out", "/designs/deepmad-r18"]
    (site,) = python.parents[1].glob("lib/python*/site-packages")
    for path in (site / "mipdesign", *(site / "mipdesign").rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    mounted.chmod(0o777)
    places = {"deepmad-r18": programs.TESTS / "data" / "small.yaml", "/designs/deepmad-r18": mounted / "small"}
    command = [*unprivileged.prefix(), str(python.with_name("mipdesign")), *(places.get(word, word) for word in words[1:])]
    done = subprocess.run(command, cwd="/", env=unprivileged.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "status       optimal" in done.stdout
    assert all("incumbent" in line for line in done.stderr.splitlines()), done.stderr
    assert {path.name for path in (mounted / "small").iterdir()} >= {"result.json", "certificate.json", "convergence.png"}


def test_the_wheel_runs_a_study(python: Path, tmp_path: Path) -> None:
    study = yaml.safe_load((programs.TESTS / "data" / "study.yaml").read_text())
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study | {"seeds": [0, 1]}))
    pytest.importorskip("distributed")
    printed = run(python, tmp_path, "-m", "mipdesign.benchmarks", "run", "study.yaml", "--out", "records", "--workers", "1")
    assert "2 runs: 2 solved" in printed
