"""The code blocks of the documentation, and the running of a page: ``python tests/support/documentation.py PAGE FOLDER``.

The blocks of a page run from top to bottom in one folder that looks like the repository as far as a page may use it: ``run``,
``tests``, ``examples`` and ``benchmarks/studies`` are there, with ``mipdesign`` and ``python`` on the path.

==========  =====================================================================================================
``python``  runs in the page's namespace
``bash``    every command has to end with code 0, or with the one that it states: ``# exit code 3``
``yaml``    a specification, a network or a study is read as such; ``mkdocs.yml`` and the like do not occur
``json``    is parsed
``toml``    is parsed, and its entry points are installed for the rest of the page
``csv``     is read as a latency table
``text``    is output, or a formula
==========  =====================================================================================================

A block with a title, ``title="mine.yaml"``, is written to that file first; one of Python is then imported. Text with the title
``output`` has to be what the block before it printed, line by line, but for times and memory; ``...`` leaves lines out.

A comment right before a block says how it is run: ``<!-- test: COMMANDS -->`` has one line for each command of the block, the
same command at a smaller scale, or with ``--help`` where another page runs it; ``<!-- part of: NAME|SPEC.yaml -->`` says which
specification a part of one belongs to.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from haste import hasten
from markdown_it import MarkdownIt
from programs import PROGRAMS, ROOT, install

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "benchmarks" / "results").glob("*.md")))
LANGUAGES = ("bash", "csv", "json", "python", "text", "toml", "yaml")
SHARED = ("run", "pyproject.toml", "constraints.txt", "mipdesign/native", "tests", "benchmarks/studies", "examples")
"""What a page finds in its folder."""

OF_RUN = ("test", "test-ranges", "check", "setup", "docs")
"""Commands that the script ``run`` has beside those of ``mipdesign``."""

SCRIPTED = 2
"""How many commands of a page the script ``run`` really gets."""

MEASURED = re.compile(r"\b\d[\d.]* (?:s|ms|MB)\b")
"""Figures that differ from run to run."""


@dataclass(frozen=True)
class Block:
    """A fenced block; ``line`` is where it begins, ``notes`` what the comment before it says, by its first words."""

    line: int
    language: str
    title: str
    text: str
    notes: dict[str, str]

    @cached_property
    def commands(self) -> list[str]:
        """The commands of a block of bash as they are written, continued lines joined."""
        return _commands(self.text)

    @cached_property
    def tested(self) -> list[str]:
        """What is run in their place, one for each."""
        return _commands(self.notes["test"]) if "test" in self.notes else self.commands


def _commands(text: str) -> list[str]:
    lines = text.replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def blocks(markdown: str) -> Iterator[Block]:
    """All blocks of code, indented ones too: they have no language."""
    notes: dict[str, str] = {}
    for token in MarkdownIt().parse(markdown):
        if token.type in ("fence", "code_block"):
            language, _, rest = token.info.strip().partition(" ")
            title = re.fullmatch(r'title="([^"]+)"', rest.strip())
            if rest.strip() and title is None:
                raise ValueError(f"line {token.map[0] + 1}: {rest!r} is not a title")
            yield Block(token.map[0] + 1, language, title[1] if title else "", token.content, notes)
        comment = re.fullmatch(r"<!--\s*(test|part of):\s*(.*?)\s*-->\s*", token.content, re.DOTALL)
        notes = {comment[1]: comment[2]} if token.type == "html_block" and comment else {}


def inline_code(markdown: str) -> Iterator[str]:
    """The code within lines of text."""
    for token in MarkdownIt().enable("table").parse(markdown):
        yield from (child.content for child in token.children or () if child.type == "code_inline")


def name_of(words: Sequence[str]) -> tuple[str, ...]:
    """The program of a command and its sub-command, as far as it has one."""
    length = 1
    if words[:2] == ["python", "-m"]:
        length = 4 if words[2:3] == ["mipdesign.benchmarks"] else 3
    elif words[0] in ("mipdesign", "./run"):
        length = 2
    return tuple(words[:length])


def options_of(words: Sequence[str]) -> set[str]:
    """The long options of a command, without their values."""
    return {word.partition("=")[0] for word in words if re.match(r"--\w", word)}


def is_smaller(stated: str, tested: str) -> bool:
    """Whether one command is another one with changed or further options and arguments."""
    words, others = shlex.split(stated, comments=True), shlex.split(tested, comments=True)
    return name_of(words) == name_of(others) and options_of(words) <= options_of(others)


def prepare(folder: Path) -> dict[str, str]:
    """Makes a folder look like the repository with everything installed; the environment of its commands."""
    for name in SHARED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(ROOT / name)
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    python = shlex.quote(sys.executable)
    for name, command in (("python", python), ("mipdesign", f"{python} {shlex.quote(str(PROGRAMS / 'undrawn.py'))}")):
        (programs / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (programs / name).chmod(0o755)
    core = ROOT / "mipdesign" / "native"
    of_core = (*sorted(core.glob("*.[ch]")), core / "build_backend.py")
    settings = b"".join(path.read_bytes() for path in (ROOT / "pyproject.toml", ROOT / "constraints.txt", *of_core))
    cksum = subprocess.run(["cksum"], input=settings, capture_output=True, check=True).stdout.split()[0].decode()
    for extras in set(re.findall(r"(?:\binstall |^DEVELOPMENT=)([\w,]+)(?: ;;)?$", (ROOT / "run").read_text(), re.MULTILINE)):
        (folder / ".venv" / f"installed-{extras.replace(',', '-')}-{cksum}").touch()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return kept | {"PATH": path, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}


class Page:
    """The run of a page: what its blocks share."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = prepare(folder)
        self.module = ModuleType("page")
        self.printed = ""
        self.is_extended = False
        self.scripted = 0
        sys.modules["page"] = self.module
        hasten()
        sys.path[:0] = [str(folder), str(ROOT)]
        os.environ.update(self.environment)
        os.chdir(folder)

    def run(self, block: Block) -> None:
        """Runs one block; raises what it raises."""
        if block.language not in LANGUAGES:
            raise ValueError(f"{block.language!r} is not one of {', '.join(LANGUAGES)}")
        if block.title and block.language != "text":
            (self.folder / block.title).write_text(block.text)
        getattr(self, block.language)(block)

    def python(self, block: Block) -> None:
        """Runs it, or imports the file that it is."""
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            if block.title:
                self.is_extended = True
                importlib.invalidate_caches()
                importlib.import_module(block.title.removesuffix(".py"))
            else:
                code = compile("\n" * block.line + block.text, "<page>", "exec", dont_inherit=True)
                exec(code, self.module.__dict__)
        self.printed = printed.getvalue()

    def bash(self, block: Block) -> None:
        """Runs its commands one by one."""
        self.printed = ""
        for command in block.tested:
            expected = re.search(r"# exit code (\d+)", command)
            code, out, err = self.here(command) or self.by_shell(command)
            self.printed += out
            if code != (int(expected[1]) if expected else 0):
                raise RuntimeError(f"{command}\nexit code {code}\n{out}\n{err}")

    def by_shell(self, command: str) -> tuple[int, str, str]:
        """Exit code and output of a command in a process of its own."""
        words = ["bash", "-euo", "pipefail", "-c", command]
        done = subprocess.run(words, capture_output=True, text=True, env=self.environment, check=False)
        return done.returncode, done.stdout, done.stderr

    def here(self, command: str) -> tuple[int, str, str] | None:
        """The same of a command of the package, run within this process, which saves its start; ``None`` for all others.

        Not so once the page has brought modules or entry points of its own: a process of its own has to find them. The first
        commands of the script ``run`` are given to it; it hands them on.
        """
        plain = re.sub(r"'[^']*'", "", command.partition(" #")[0])
        if self.is_extended or re.search(r"[|<>;&$`*]", plain):
            return None
        words = shlex.split(command, comments=True)
        if words[0] == "./run":
            self.scripted += 1
            if self.scripted <= SCRIPTED:
                return None
        if words[0] in ("mipdesign", "./run") and words[1] not in OF_RUN:
            module, arguments = "mipdesign.cli.main", words[1:]
        elif words[:3] == ["python", "-m", "mipdesign.benchmarks"] and words[3] != "report":  # which draws
            module, arguments = "mipdesign.benchmarks.__main__", words[3:]
        else:
            return None
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = importlib.import_module(module).main(arguments)
        return code, out.getvalue(), err.getvalue()

    def yaml(self, block: Block) -> None:
        """Reads a specification, or a part of one, a network or a study."""
        from mipdesign.benchmarks.studies.study import Study

        from mipdesign import Problem, read_network
        from mipdesign.parsing import load_yaml
        from mipdesign.search.coverage import build_tables

        data = load_yaml(block.text, f"line {block.line}")
        if "part of" in block.notes:
            whole = Problem.named(block.notes["part of"]).to_dict()
            Problem.from_dict(merged(whole, data))
            return
        path = self.folder / (block.title or f"block{block.line}.yaml")
        path.write_text(block.text)
        if "instances" in data:
            list(Study.load(path).jobs(path))
        elif "resnet" in data or "arch_def" in data:
            read_network(path)
        else:
            build_tables(Problem.load(path))

    def json(self, block: Block) -> None:
        """Parses it."""
        json.loads(block.text)

    def toml(self, block: Block) -> None:
        """Installs its entry points into the page's folder, as pip would."""
        from mipdesign.registry import installed, registered

        self.is_extended = True
        groups = tomllib.loads(block.text)["project"]["entry-points"]
        for group, points in groups.items():
            install(self.folder, group, **points)
        importlib.invalidate_caches()
        installed.cache_clear()
        for group, points in groups.items():
            for name in points:
                registered(group)[name].load()

    def csv(self, block: Block) -> None:
        """Reads a latency table."""
        from mipdesign.networks.latency import LatencyTable

        path = self.folder / (block.title or f"block{block.line}.csv")
        path.write_text(block.text)
        LatencyTable.load(path)

    def text(self, block: Block) -> None:
        """Looks for each line of an output, in order."""
        if block.title != "output":
            return
        said = iter([comparable(line) for line in self.printed.splitlines()])
        for line in map(comparable, block.text.splitlines()):
            if line not in ("", "...") and line not in said:
                raise RuntimeError(f"not printed, or not there: {line}\n{self.printed}")


def comparable(line: str) -> str:
    """A line without spacing, rules' lengths, times and memory."""
    return re.sub("─+", "─", re.sub(r"\s+", " ", MEASURED.sub("_", line))).strip()


def merged(whole: Any, part: Any) -> Any:
    """A specification with a part of one in its place."""
    if isinstance(whole, dict) and isinstance(part, dict):
        return whole | {key: merged(whole.get(key), value) for key, value in part.items()}
    return part


def main(page: Path, folder: Path) -> None:
    """Runs a page, and names the block that fails."""
    place = Page(folder)
    for block in blocks(page.read_text()):
        try:
            place.run(block)
        except Exception as error:
            error.add_note(f"{page}, line {block.line}")
            raise


if __name__ == "__main__":
    main(*(Path(argument).resolve() for argument in sys.argv[1:]))
