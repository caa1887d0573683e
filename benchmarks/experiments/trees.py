"""Source trees of versions of the package, each installed in an environment of its own beside the packages that are there."""

from __future__ import annotations

import hashlib
import shutil
import site
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mipdesign.errors import SpecError
from mipdesign.processes import Process

PACKAGES = "other_packages.pth"
"""File of an environment that names where the packages of the running one are."""


def output_of(words: Sequence[str], folder: Path) -> str:
    """What a program prints.

    Raises
    ------
    SystemExit
        If it fails.
    """
    ended = Process(words, keep=("out", "err"), folder=folder).watch()
    if ended.code:
        raise SystemExit(f"{' '.join(words)} ended with {ended.code}: {ended.err.decode(errors='replace').strip()[-500:]}")
    return ended.out.decode()


def repository(inside: Path) -> Path:
    """The root of the repository that a folder lies in.

    Raises
    ------
    SpecError
        If it lies in none.
    """
    ended = Process(["git", "rev-parse", "--show-toplevel"], keep=("out",), folder=inside).watch()
    if ended.code:
        raise SpecError("", f"{inside} is in no git repository", "run this from a checkout of the sources")
    return Path(ended.out.decode().strip())


def commit_of(root: Path, name: str) -> str:
    """The hash of a commit.

    Raises
    ------
    SpecError
        If there is none of that name.
    """
    words = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"]
    ended = Process(words, keep=("out",), folder=root).watch()
    if ended.code:
        raise SpecError("--against", f"{name!r} is no commit of {root}", "give a hash, a tag or a branch")
    return ended.out.decode().strip()


@contextmanager
def checked_out(root: Path, commit: str, folder: Path) -> Iterator[Path]:
    """A worktree of a commit while it is needed."""
    output_of(["git", "worktree", "add", "--detach", "--quiet", str(folder), commit], root)
    try:
        yield folder
    finally:
        output_of(["git", "worktree", "remove", "--force", str(folder)], root)


def files_of(root: Path) -> list[Path]:
    """The files of a working tree that git knows or would add, relative to it."""
    listed = output_of(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], root)
    return [Path(name) for name in sorted(set(listed.split("\0")) - {""}) if (root / name).is_file()]


def digest_of(root: Path) -> str:
    """A digest of a working tree as it is now."""
    content = hashlib.sha256()
    for path in files_of(root):
        data = (root / path).read_bytes()
        content.update(f"{path}\0{len(data)}\0".encode() + data)
    return content.hexdigest()


def copied(root: Path, folder: Path) -> Path:
    """A copy of a working tree, so that it may be built in."""
    for path in files_of(root):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / path, folder / path)
    return folder


@dataclass(frozen=True)
class Environment:
    """An environment with one version of the package."""

    folder: Path

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.folder / "bin" / "python")

    @classmethod
    def make(cls, tree: Path, folder: Path, reuse_packages: bool) -> Environment:
        """Installs a source tree.

        Parameters
        ----------
        reuse_packages:
            Whether it sees all packages of the running environment, so that nothing is downloaded; else they are installed in
            the versions of the tree's ``constraints.txt``.
        """
        made = cls(folder)
        output_of([sys.executable, "-m", "venv", "--without-pip", str(folder)], tree)
        pip = [sys.executable, "-m", "pip", "--python", made.python, "--quiet", "--disable-pip-version-check"]
        if not reuse_packages:
            output_of([*pip, "install", "-c", "constraints.txt", "."], tree)
            return made
        packages = output_of([made.python, "-c", "import site; print(site.getsitepackages()[0])"], tree).strip()
        (Path(packages) / PACKAGES).write_text("".join(f"{path}\n" for path in running_packages()))
        output_of([*pip, "install", "--no-index", "--no-deps", "--no-build-isolation", "--ignore-installed", "."], tree)
        return made


def running_packages() -> list[str]:
    """Where the packages of the running environment are, those that its own files of paths name included."""
    names = {Path(path).name for path in site.getsitepackages()}
    return [path for path in sys.path if Path(path).name in names and Path(path).is_dir()]
