"""The build backend of the package: setuptools, and a C compiler for the core.

The core (the C files beside this one) is a plain shared library that needs nothing of Python, loaded by
:mod:`mipdesign.native.library`. Whoever has a C compiler builds it with that; where there is none, the package index
brings one (``ziglang``) into the build's own environment. ``python mipdesign/native/build_backend.py`` builds the core where
it stands, for work on it, or a file that is named.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from setuptools import Extension, build_meta
from setuptools.build_meta import build_editable as build_editable
from setuptools.build_meta import build_sdist as build_sdist
from setuptools.build_meta import build_wheel as build_wheel
from setuptools.build_meta import get_requires_for_build_sdist as get_requires_for_build_sdist
from setuptools.build_meta import prepare_metadata_for_build_editable as prepare_metadata_for_build_editable
from setuptools.build_meta import prepare_metadata_for_build_wheel as prepare_metadata_for_build_wheel
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).resolve().parent
NAME = "core.shared"
"""The file of the core: no name of a Python extension, which it is not."""
COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-std=c11", "-O3", "-fno-math-errno", "-ffp-contract=off", "-fPIC", "-shared", "-Wall", "-Wextra")
"""Sums keep the order in which they are written: a contracted product and sum would round otherwise on other machines."""


def compiler() -> list[str] | None:
    """The command of a C compiler: ``CC`` of the environment, else one on the path, else ziglang's."""
    if os.environ.get("CC"):
        return shlex.split(os.environ["CC"])
    for name in COMPILERS:
        if shutil.which(name):
            return [name]
    return [sys.executable, "-m", "ziglang", "cc"] if importlib.util.find_spec("ziglang") else None


def build(target: Path) -> None:
    """Compiles the core.

    Raises
    ------
    RuntimeError
        If there is no compiler, or if it fails; with its messages.
    """
    command = compiler()
    if command is None:
        raise RuntimeError("no C compiler: set CC, install gcc or clang, or 'pip install ziglang'")
    target.parent.mkdir(parents=True, exist_ok=True)
    sources = sorted(str(path) for path in HERE.glob("*.c"))
    made = target.with_name(f"{target.name}.{os.getpid()}")  # processes that run keep the file that they have mapped
    try:
        done = subprocess.run([*command, *FLAGS, *sources, "-o", str(made), "-lm"], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{shlex.join(command)} could not compile the core:\n{done.stderr}")
        if done.stderr:
            print(done.stderr, file=sys.stderr)
        seal(made)
        os.replace(made, target)
    finally:
        made.unlink(missing_ok=True)


def seal(core: Path) -> None:
    """Appends the SHA-256 of its sources to a core, and then that of all of it, by which :mod:`mipdesign.native.library` sees
    that it is of the sources beside it and whole: the loader of the system ends a process that loads half a library, and a core
    that reads records of another layout does the same. macOS signs libraries, and takes none that has been changed.
    """
    if sys.platform != "darwin":
        content = core.read_bytes() + digest_of_sources(HERE)
        core.write_bytes(content + hashlib.sha256(content).digest())


def digest_of_sources(folder: Path) -> bytes:
    """SHA-256 of the sources of a core, as :mod:`mipdesign.native.library` takes it, which imports no setuptools."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.glob("*.[ch]")))).digest()


def _with_compiler(requirements: list[str]) -> list[str]:
    return requirements + ([] if compiler() else ["ziglang>=0.13"])


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    """What the build needs beside setuptools."""
    return _with_compiler(build_meta.get_requires_for_build_wheel(config_settings))


def get_requires_for_build_editable(config_settings: Any = None) -> list[str]:
    """What the build needs beside setuptools."""
    return _with_compiler(build_meta.get_requires_for_build_editable(config_settings))


class BuildCore(build_ext):  # type: ignore[misc]
    """Builds the core in place of a Python extension."""

    def get_ext_filename(self, fullname: str) -> str:
        return str(Path(*fullname.split(".")[:-1], NAME))

    def build_extension(self, ext: Extension) -> None:
        build(Path(self.get_ext_fullpath(ext.name)))


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / NAME)
