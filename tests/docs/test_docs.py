"""The documentation is true: its code runs, its commands, options, modules and links exist."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from documentation import LANGUAGES, OF_RUN, PAGES, ROOT, blocks, inline_code, is_smaller, merged, name_of, options_of
from mipdesign.benchmarks import __main__ as studies
from mipdesign.benchmarks.experiments import EXPERIMENTS
from scale import few

import mipdesign
from mipdesign.cli import main as cli

EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])


def run_page(page: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """In a process of its own, since highspy and ortools cannot be in one, and a page may register families."""
    program = [sys.executable, str(ROOT / "tests" / "support" / "documentation.py"), str(page), str(folder)]
    return subprocess.run(program, capture_output=True, text=True, check=False)


LONG = (
    "benchmarks/results",
    *(f"docs/{name}.md" for name in ("benchmarks", "certificate", "exchange", "exports", "frontiers", "report", "solvers")),
    *(
        f"docs/{name}.md"
        for name in (
            "validation",
            "howto/budgets",
            "howto/detection",
            "howto/video",
            "howto/extending",
            "howto/few-bits",
            "howto/networks",
            "howto/runs",
            "howto/space",
        )
    ),
)
"""Pages whose code takes seconds: it runs with ``--all``. README and tutorial run always."""


def page_case(page: Path) -> Any:
    name = page.relative_to(ROOT).as_posix()
    return pytest.param(page, id=name, marks=[pytest.mark.long] if name.startswith(LONG) else [])


@pytest.mark.parametrize("page", [page_case(page) for page in PAGES if any(blocks(page.read_text()))])
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    done = run_page(page, tmp_path)
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"


FAULTS = {
    "```\nno language\n```": "'' is not one of",
    "    indented\n": "'' is not one of",
    "```python\na = 1\n```\n\n```python\nassert a == 2\n```": "line 7",
    "```bash\ntrue\nexit 3\n```": "exit code 3",
    "```bash\ntrue  # exit code 3\n```": "exit code 0",
    '```bash\necho a\n```\n\n```text title="output"\nb\n```': "not printed, or not there: b",
    "```json\n{\n```": "JSONDecodeError",
    "```yaml\nname: a\n```": "SpecError",
    "<!-- part of: deepmad-r18 -->\n\n```yaml\nstem: {channel: 1}\n```": "SpecError",
    '```toml\n[project.entry-points."mipdesign.families"]\na = "nowhere:A"\n```': "No module named",
}
"""Pages that are wrong, and what is said of each."""


@pytest.mark.parametrize(("text", "said"), few(list(FAULTS.items()), 4))
def test_what_does_not_run_is_found(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "page.md").write_text(f"# A page\n\n{text}\n")
    done = run_page(tmp_path / "page.md", tmp_path / "folder")
    assert done.returncode == 1 and said in done.stderr


@EVERY_PAGE
def test_every_block_has_a_language_and_is_run_as_it_stands_or_smaller(page: Path) -> None:
    for block in blocks(page.read_text()):
        assert block.language in LANGUAGES, f"line {block.line}: {block.language!r}"
        if block.language == "bash":
            assert len(block.commands) == len(block.tested) > 0, f"line {block.line}: one line for each command"
            for stated, tested in zip(block.commands, block.tested, strict=True):
                assert is_smaller(stated, tested), f"line {block.line}: {tested!r} is not {stated!r} at another scale"


@pytest.mark.parametrize(
    ("stated", "tested", "expected"),
    [
        ("mipdesign design a --gap 1", "mipdesign design b --gap=2 --seed 3", True),
        ("mipdesign design a --gap 1", "mipdesign design a", False),
        ("mipdesign design a", "mipdesign show a", False),
        ("python -m mipdesign.benchmarks run a", "python -m mipdesign.benchmarks report a", False),
        ("python -m mipdesign.benchmarks agreement --count 300", "python -m mipdesign.benchmarks agreement --count 2", True),
        ("./run test", "./run check", False),
        ("./run test  # --all", "./run test", True),
    ],
)
def test_what_stands_in_for_a_command_is_the_same_command(stated: str, tested: str, expected: bool) -> None:
    assert is_smaller(stated, tested) == expected


def commands_of(page: Path) -> Iterator[list[str]]:
    """The words of every command that a page has, in blocks and within lines."""
    text = page.read_text()
    stated = [command for block in blocks(text) if block.language == "bash" for command in block.commands]
    for command in (*stated, *inline_code(text)):
        if re.match(r"(mipdesign|\./run|python -m) ", command) or "pip install" in command:
            yield shlex.split(command, comments=True)


def known_options(name: tuple[str, ...]) -> set[str] | None:
    """The options of a program, and ``None`` where there is no such program."""
    match name:
        case ("mipdesign" | "./run", sub):
            if name[0] == "./run" and sub in OF_RUN:
                return set()
            return options_of_command(cli.app, sub)
        case ("python", "-m", "mipdesign.benchmarks", sub) if sub not in EXPERIMENTS:
            return options_of_command(studies.app, sub)
        case ("python", "-m", "mipdesign.benchmarks", sub):
            return known_options(("python", "-m", f"mipdesign.benchmarks.experiments.{sub}"))
        case ("python", "-m", module) if importlib.util.find_spec(module) is not None:
            source = ast.parse(Path(str(importlib.util.find_spec(module).origin)).read_text())  # type: ignore[union-attr]
            texts = [node.value for node in ast.walk(source) if isinstance(node, ast.Constant)]
            return {text for text in texts if isinstance(text, str) and text.startswith("--")}
    return None


def options_of_command(app: typer.Typer, name: str) -> set[str] | None:
    """The options of a command of ``app``; those of ``app`` itself for a name that is an option."""
    group: Any = typer.main.get_command(app)
    command = group if name.startswith("-") else group.commands.get(name)
    return None if command is None else {"--help", *(option for one in command.params for option in one.opts)}


@EVERY_PAGE
def test_commands_and_options_exist(page: Path) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for words in commands_of(page):
        if "pip" in words:
            wanted = [extra for word in words for found in re.findall(r"\.\[(.+)\]", word) for extra in found.split(",")]
            assert set(wanted) <= set(extras), words
            continue
        name = name_of([word for word in words if word != "…"])
        if name == ("python", "-m", "mipdesign.benchmarks", "run") and "|" in words:
            continue
        options = known_options(name)
        assert options is not None, f"there is no {' '.join(name)!r}"
        assert options_of(words) <= options or name[-1] in OF_RUN, f"{words}: there are {sorted(options)}"


@EVERY_PAGE
def test_links_lead_to_files(page: Path) -> None:
    """Anchors are checked by mkdocs (``./run docs``), which knows nothing of the README."""
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_page_is_in_the_navigation() -> None:
    def pages(entry: Any) -> Iterator[str]:
        if isinstance(entry, str):
            yield entry
        else:
            for item in entry if isinstance(entry, list) else entry.values():
                yield from pages(item)

    listed = list(pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    assert len(listed) == len(set(listed))
    documented = {path.relative_to(ROOT / "docs").as_posix() for path in PAGES if path.is_relative_to(ROOT / "docs")}
    results = {f"results/{path.name}" for path in PAGES if path.is_relative_to(ROOT / "benchmarks")}
    assert documented | results <= set(listed)


def test_the_interface_is_documented_and_nothing_else() -> None:
    named = re.findall(r"^::: mipdesign\.(\w+)$", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE)
    assert sorted(named) == sorted(mipdesign.__all__)


def test_a_part_of_a_specification_changes_what_it_says_alone() -> None:
    whole = {"a": {"b": 1, "c": [1, 2]}, "d": 3}
    assert merged(whole, {"a": {"c": [4]}}) == {"a": {"b": 1, "c": [4]}, "d": 3}
