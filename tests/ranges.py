"""Runs the tests with the lowest or the newest versions that ``pyproject.toml`` allows: ``./run test-ranges lowest``.

The versions are resolved by uv, which an environment of this job's own gets from the package index; they are installed into an
environment of their own, and written to ``versions.txt`` in it. Settings of uv count (``UV_INDEX``, ``UV_CONSTRAINT``,
``UV_EXCLUDE``, ``UV_TORCH_BACKEND=cpu`` for a torch without CUDA). Releases that have no wheel for the interpreter are passed
over: what the lowest run installs is the lowest that can be installed without a compiler of everything.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".venv-ranges"
RESOLUTION = {"lowest": "lowest-direct", "newest": "highest"}
"""Of what is required by others only, the newest: it is their range that would be tested."""
LEFT_OUT = ("gurobi", "cplex", "copt", "mosek", "docs")
"""Extras that are not installed unless they are named: solvers that need a licence, and what makes the site, which no test
needs and which would narrow the range of jinja2."""
NEWEST = 30
"""Minor version of Python from which to look for one."""


def main(arguments: Sequence[str]) -> int:
    """Resolves, installs and tests; the exit code is that of pytest."""
    asked, options = parser().parse_known_args(arguments)
    python = interpreter(asked.python)
    environment = settings()
    uv = resolver(environment)
    extras = asked.extras.split(",") if asked.extras else every_extra()
    resolved = subprocess.run(
        [
            *(uv, "pip", "compile", "pyproject.toml", "--quiet", "--no-header", "--no-annotate", "--only-binary", ":all:"),
            *("--python", python, "--resolution", RESOLUTION[asked.end]),
            *(word for extra in extras for word in ("--extra", extra)),
        ],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    if resolved.returncode:
        return resolved.returncode
    home = FOLDER / (asked.name or f"{asked.end}-{version_of(python)}")
    install(home, python, resolved.stdout, uv, environment)
    print(f"{asked.end} versions for Python {version_of(python)}: {', '.join(direct(resolved.stdout))}", flush=True)
    command = [str(home / "bin" / "python"), "-m", "pytest", "-n", "auto", *options]
    return subprocess.run(command, cwd=ROOT).returncode


def parser() -> argparse.ArgumentParser:
    """The options of this job; what it does not know is for pytest."""
    made = argparse.ArgumentParser(prog="./run test-ranges", description=__doc__, allow_abbrev=False)
    made.add_argument("end", choices=RESOLUTION, help="which end of the ranges")
    made.add_argument("--python", default="3.11", help="3.11, 3.12, ..., newest (of those on PATH), or a path; default 3.11")
    made.add_argument("--extras", help="some extras, with commas; default: all but docs and solvers that need a licence")
    made.add_argument("--name", help="folder of the environment in .venv-ranges; default: the end and Python's version")
    return made


def settings() -> dict[str, str]:
    """The environment of uv: wheels are kept beside the environments, so that those link to them, and no Python is fetched."""
    own = {"UV_CACHE_DIR": str(FOLDER / "cache"), "UV_PYTHON_DOWNLOADS": "never", "UV_HTTP_TIMEOUT": "300"}
    return own | {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}


def interpreter(asked: str) -> str:
    """The path of an interpreter that starts.

    Raises
    ------
    SystemExit
        If there is none.
    """
    names = [asked]
    if asked == "newest":
        names = [f"python3.{minor}" for minor in range(NEWEST, 10, -1)]
    elif re.fullmatch(r"3\.\d+", asked):
        names = [f"python{asked}"]
    for name in names:
        found = shutil.which(name)
        if found and not subprocess.run([found, "--version"], capture_output=True).returncode:
            return found
    raise SystemExit(f"error: no Python of {', '.join(names)} starts; give --python the path of one")


def version_of(python: str) -> str:
    """Major and minor version of an interpreter, such as ``3.11``."""
    said = subprocess.run([python, "--version"], capture_output=True, text=True, check=True).stdout
    return ".".join(re.findall(r"\d+", said)[:2])


def resolver(environment: dict[str, str]) -> str:
    """The path of uv, with the version of ``constraints.txt``."""
    home = FOLDER / "tool"
    program = home / "bin" / "uv"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--constraint", ROOT / "constraints.txt")
        subprocess.run([home / "bin" / "python", *install, "uv"], env=environment, check=True)
    return str(program)


def every_extra() -> list[str]:
    """All extras but those that are left out."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    return [extra for extra in extras if extra not in LEFT_OUT]


def install(home: Path, python: str, versions: str, uv: str, environment: dict[str, str]) -> None:
    """Makes the environment, unless it has these versions already; the package is built by the setuptools among them."""
    written = home / "versions.txt"
    command = [uv, "pip", "install", "--quiet", "--no-deps", "--python", home / "bin" / "python"]
    if not (written.exists() and written.read_text() == versions):
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run([python, "-m", "venv", home], check=True)
        wanted = home / "wanted.txt"
        wanted.write_text(versions)
        subprocess.run([*command, "--requirement", wanted], env=environment, check=True)
        wanted.rename(written)
    subprocess.run([*command, "--no-build-isolation", "--editable", "."], cwd=ROOT, env=environment, check=True)


def direct(versions: str) -> Iterator[str]:
    """What of the resolved versions ``pyproject.toml`` names, for the log."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    names = {re.split(r"[^\w.-]", one)[0].lower() for one in wanted}
    return (line.strip().replace("==", " ") for line in versions.splitlines() if line.partition("==")[0].lower() in names)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
