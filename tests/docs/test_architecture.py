"""The architecture page: its packages are those of the repository, and the names of its table are where it says."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

import mipdesign
from mipdesign.moved import MOVED
from mipdesign.networks import blocks

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """The rows of the table with this heading."""
    table = PAGE.split(heading, 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def defined(path: Path) -> set[str]:
    """Top-level names of a module, and the methods of its classes as ``Class.method``; functions of a file of the core."""
    if path.suffix == ".h":
        return set(re.findall(r"^static [\w ]+[ *](\w+)\(", path.read_text(), re.MULTILINE))
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
            names |= {f"{node.name}.{item.name}" for item in node.body if isinstance(item, ast.FunctionDef)}
    return names


PLUG_INS_IMPORTED = [
    ("mipdesign.cell", "Cell"),
    ("mipdesign.exports", "onnx_bytes"),
    ("mipdesign.formulation", "Formulation"),
    ("mipdesign.formulation", "FormulationModel"),
    ("mipdesign.lattice", "Position"),
    ("mipdesign.lattice", "Tables"),
    ("mipdesign.lattice", "build_tables"),
    ("mipdesign.linear", "LinearModel"),
    ("mipdesign.problem", "Problem"),
    ("mipdesign.refinement", "solve"),
    ("mipdesign.scip", "solve_cell"),
    ("mipdesign.solver", "Answer"),
    ("mipdesign.solver", "Capability"),
    ("mipdesign.solver", "Solver"),
    ("mipdesign.timm", "register"),
]
"""What the documentation of version 0.1.0 has plug-ins and users import."""

WHERE = rows("| concept | file | name |")


def test_thirty_concepts_are_found() -> None:
    assert len(WHERE) >= 30
    assert len({concept for concept, _, _ in WHERE}) == len(WHERE)


@pytest.mark.parametrize(("file", "name"), [(file.strip("`"), name.strip("`")) for _, file, name in WHERE])
def test_a_concept_is_where_the_table_says(file: str, name: str) -> None:
    assert name in defined(ROOT / file)


def test_the_packages_are_those_of_the_repository() -> None:
    named = {name for row in rows("| package | what it holds |") for name in re.findall(r"`(\w+)/?`", row[0])}
    package = ROOT / "mipdesign"
    there = {path.parent.name for path in package.glob("*/__init__.py")} | {"formulations", "benchmarks"}
    there |= {path.stem for path in package.glob("*.py")} - {"__init__", "__main__", "moved"}
    assert named == there


def test_a_name_is_found_where_it_was_and_where_it_is() -> None:
    old = importlib.import_module("mipdesign.blocks")
    with pytest.warns(DeprecationWarning, match=r"mipdesign\.blocks\.Bottleneck has moved to mipdesign\.networks\.blocks"):
        bottleneck = old.Bottleneck
    assert bottleneck is blocks.Bottleneck
    assert callable(mipdesign.design)
    with pytest.raises(AttributeError, match="nothing"):
        _ = old.nothing


@pytest.mark.parametrize(("old", "name"), PLUG_INS_IMPORTED)
def test_what_plug_ins_imported_is_still_there(old: str, name: str) -> None:
    with pytest.warns(DeprecationWarning, match="has moved"):
        assert getattr(importlib.import_module(old), name) is not None


def test_what_has_moved_is_still_somewhere() -> None:
    for places in MOVED.values():
        for place in places:
            importlib.import_module(place)
