"""Compiled loops: what is kept on disk fits the sources, and one warm-up compiles everything."""

from __future__ import annotations

import ast
import importlib
import math
from pathlib import Path

import numpy as np
import pytest
from mipdesign.benchmarks.corpus.small import FAMILIES, small_problem
from numba.core.dispatcher import Dispatcher

import mipdesign
from mipdesign.bounds.hull import sort_points
from mipdesign.bounds.multipliers import Multipliers
from mipdesign.compiled import SOURCES
from mipdesign.lattice.batch import evaluate_batch
from mipdesign.lattice.cell import Cell
from mipdesign.problem.problem import Problem
from mipdesign.search.branching import Node, expand
from mipdesign.search.coverage import build_tables
from mipdesign.search.heuristics import incumbent
from mipdesign.search.warmup import is_warm, warm_up

PACKAGE = Path(mipdesign.__file__).parent
SOURCE_FILES = [path for pattern in SOURCES for path in PACKAGE.glob(pattern)]


def test_every_file_with_compiled_loops_is_part_of_the_digest() -> None:
    """Else a change in one file would leave machine code that another one inlined."""
    users = {path for path in PACKAGE.rglob("*.py") if "\n@compiled\n" in path.read_text()}
    assert len(users) > 8
    assert users <= set(SOURCE_FILES)


def test_what_files_with_compiled_loops_import_is_part_of_the_digest_where_it_is_compiled() -> None:
    """Constants of other modules are frozen into the machine code, types decide what it is."""
    for path in SOURCE_FILES:
        if "\n@compiled\n" not in path.read_text():
            continue
        package = ["mipdesign", *path.relative_to(PACKAGE).parts[:-1]]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level:
                source = PACKAGE.parent.joinpath(*package[: len(package) - node.level + 1], *(node.module or "").split("."))
                assert source.with_suffix(".py") in SOURCE_FILES, f"{path.name} imports {node.module}"


def compilations() -> dict[str, int]:
    """How often each loop was compiled in this process because no machine code was kept."""
    names = (
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in SOURCE_FILES if path.stem != "__init__"
    )
    modules = [importlib.import_module(name) for name in names]
    loops = [value for module in modules for value in vars(module).values() if isinstance(value, Dispatcher)]
    return {f"{loop.py_func.__module__}.{loop.py_func.__name__}": sum(loop.stats.cache_misses.values()) for loop in loops}


@pytest.mark.parametrize("block", [*FAMILIES, None])
def test_warm_up_leaves_nothing_to_compile(block: str | None) -> None:
    warm_up()
    assert is_warm()
    before = compilations()
    tables = build_tables(small_problem(2, block))
    root = Node("", Cell.whole(tables), math.inf, Multipliers.initial(tables, 100.0))
    for node in (root, *expand(tables, root, -1e6).children):
        expand(tables, node, -1e6)
    incumbent(tables, 0, 0.0, lambda candidate: None, lambda: False)
    evaluate_batch(tables, Cell.whole(tables).networks(tables))
    assert compilations() == before


def test_warm_up_leaves_nothing_to_compile_for_large_cells() -> None:
    """Regression: restricted masters had their columns in another memory layout, for which every loop was compiled anew."""
    warm_up()
    before = compilations()
    tables = build_tables(Problem.preset("deepmad-r18"))
    root = Node("", Cell.whole(tables), math.inf, Multipliers.initial(tables, 35_000.0))
    assert expand(tables, root, 35_000.0).children
    assert compilations() == before


def test_points_are_sorted_with_their_values() -> None:
    rng = np.random.default_rng(0)
    for n in (0, 1, 2, 7, 100):
        x = rng.integers(0, 20, n).astype(np.float64)
        y = rng.random(n)
        pairs = sorted(zip(x.tolist(), y.tolist(), strict=True))
        sort_points(x, y, n)
        assert (np.diff(x) >= 0).all()
        assert sorted(zip(x.tolist(), y.tolist(), strict=True)) == pairs
