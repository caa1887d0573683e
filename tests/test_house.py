"""The house: data flows through the packages in one direction, files are short, what is there is shipped and listed.

The tests themselves are held to it too: none imports another, and no program is kept as a string.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import networkx as nx
import pytest
from mipdesign.benchmarks.experiments import EXPERIMENTS

ROOT = Path(__file__).parents[1]

FOLDERS = {"mipdesign": "mipdesign", "mipdesign.benchmarks": "benchmarks", "mipdesign.formulations": "formulations"}
"""Folders of code by the package that they are installed as."""

GROUND = (
    "arguments",
    "display",
    "errors",
    "files",
    "frames",
    "json_lines",
    "machine",
    "moved",
    "registry",
    "temporary",
    "numerals",
    "parsing",
    "units",
    "interrupts",
    "plugins",
    "forks",
    "processes",
)
"""Modules beside the packages, which any package may import; among themselves without circles."""

ORDER = (
    "checker",
    "native",
    "networks",
    "io",
    "problem",
    "lattice",
    "bounds",
    "mip",
    "search",
    "scip_plugins",
    "engine",
    "solvers",
    "formulations",
    "certificate",
    "nn",
    "figures",
    "designs",
    "analysis",
    "report",
    "cli",
    "benchmarks",
)
"""A package imports what stands before it."""

ALONE = ("checker",)
"""Packages that import nothing of ours."""

PLUGINS = ("formulations", "solvers")
"""Packages that the others find by entry points, and do not import; but for the benchmarks, which compare them."""

LONGEST = 400
"""Lines of a file whose docstring gives no reason for more, in a line that begins with ``Length:``."""


@cache
def modules() -> dict[str, Path]:
    """All modules of the package and their files."""
    found = {}
    for package, folder in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            found[".".join((package, *(parts[:-1] if parts[-1] == "__init__" else parts)))] = path
    return found


def imported(module: str) -> set[str]:
    """Modules of ours that a module imports: at its head, within functions, and for types alone."""
    path, known = modules()[module], modules()
    here = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in known}
        elif isinstance(node, ast.ImportFrom):
            start = here[: len(here) - node.level + 1] if node.level else []
            base = ".".join((*start, *filter(None, [node.module])))
            for alias in node.names:
                found |= {name for name in (f"{base}.{alias.name}", base) if name in known and name != module}
    packages = {name for name in found if any(other.startswith(f"{name}.") for other in found)}
    return found - packages


@cache
def imports() -> nx.DiGraph[str]:
    """Which module imports which."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(modules())
    graph.add_edges_from((module, other) for module in modules() for other in imported(module))
    return graph


def package_of(module: str) -> str:
    """The package of a module, by its name within ``mipdesign``; a module of the ground by its own; empty for the root."""
    return (module.split(".") + [""])[1]


def test_every_package_has_its_place() -> None:
    top = ("", "__main__")
    assert {package_of(module) for module in modules()} == {*GROUND, *ORDER, *top}


def allowed_to(package: str) -> set[str]:
    """Packages that one may import from."""
    if package in ALONE:
        return {package}
    allowed = {package, *GROUND, *ORDER[: ORDER.index(package)]} if package in ORDER else {*GROUND}
    if package == "benchmarks":
        return allowed | {""}  # the public names, as any user of the package has them
    return allowed - {name for name in PLUGINS if name != package}


def test_a_package_imports_what_stands_before_it() -> None:
    wrong = []
    for package in (*GROUND, *ORDER):
        allowed = allowed_to(package)
        wrong += [f"{a} imports {b}" for a, b in imports().edges if package_of(a) == package and package_of(b) not in allowed]
    assert wrong == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    inner = imports().copy()
    inner.remove_node("mipdesign")  # its public names are imported when they are used
    assert [sorted(circle) for circle in nx.strongly_connected_components(inner) if len(circle) > 1] == []


@pytest.mark.parametrize("folder", FOLDERS.values())
def test_files_are_short_or_say_why_not(folder: str) -> None:
    long = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        text = path.read_text()
        docstring = ast.get_docstring(ast.parse(text)) or ""
        if text.count("\n") > LONGEST and not any(line.startswith("Length:") for line in docstring.splitlines()):
            long.append(f"{path.relative_to(ROOT)}: {text.count(chr(10))}")
    assert long == []


def test_all_packages_are_shipped() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert settings["package-dir"] == FOLDERS
    assert sorted(settings["packages"]) == sorted(name for name, path in modules().items() if path.name == "__init__.py")
    for folder in FOLDERS.values():
        for path in (ROOT / folder).rglob("*.py"):
            assert (path.parent / "__init__.py").exists(), f"{path.relative_to(ROOT)} is in no package"


def test_every_experiment_is_a_command() -> None:
    prefix = "mipdesign.benchmarks.experiments."
    commands = {
        module.removeprefix(prefix)
        for module, path in modules().items()
        if module.startswith(prefix)
        and "python -m mipdesign.benchmarks " in (ast.get_docstring(ast.parse(path.read_text())) or "")
    }
    assert commands == set(EXPERIMENTS)


# ---------------------------------------------------------------------------------------------------------------- the tests


def strings(tree: ast.Module) -> Iterator[str]:
    """Strings of a file, but for docstrings and what explains an assignment."""
    texts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in texts:
            yield node.value


def is_program(text: str) -> bool:
    """Whether a string is Python of more than one statement, with an import, a function or a class."""
    try:
        tree = ast.parse(_dedented(text))
    except (SyntaxError, ValueError):
        return False
    nodes = ast.walk(tree) if len(tree.body) > 1 else ()
    return any(isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef) for node in nodes)


def _dedented(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    margin = min((len(line) - len(line.lstrip()) for line in lines), default=0)
    return "\n".join(line[margin:] for line in lines)


def faults(path: Path) -> Iterator[str]:
    """Imports of other tests, and programs in strings or handed to an interpreter as one."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            yield from (
                f"imports {name}" for name in names if name.split(".")[0] == "tests" or name.split(".")[-1].startswith("test_")
            )
        elif isinstance(node, ast.List | ast.Tuple) and {"-c", "sys.executable"} <= {_plain(element) for element in node.elts}:
            yield ast.unparse(node)
    yield from (text for text in strings(tree) if is_program(text))


def test_tests_share_what_is_in_support_and_keep_no_programs_as_strings() -> None:
    paths = sorted((ROOT / "tests").rglob("*.py"))
    found = {str(path.relative_to(ROOT / "tests")): list(faults(path)) for path in paths}
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


def _plain(node: ast.expr) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else ast.unparse(node)
