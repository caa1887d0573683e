"""Compiled loops: what is kept on disk fits the sources, and one warm-up compiles everything."""

from __future__ import annotations

import importlib
import math
from pathlib import Path

import numpy as np
import pytest
from mipdesign.benchmarks.corpus.small import FAMILIES, small_problem
from numba.core.dispatcher import Dispatcher

import mipdesign
from mipdesign.bounds.longest_path import _sort
from mipdesign.bounds.relaxation import Multipliers
from mipdesign.compiled import SOURCES
from mipdesign.lattice.batch import evaluate_batch
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.tables import build_tables
from mipdesign.search.branching import Node, expand
from mipdesign.search.heuristics import incumbent
from mipdesign.search.warmup import is_warm, warm_up

PACKAGE = Path(mipdesign.__file__).parent


def test_every_file_with_compiled_loops_is_part_of_the_digest() -> None:
    """Else a change in one file would leave machine code that another one inlined."""
    users = {path.name for path in PACKAGE.glob("*.py") if "@compiled" in path.read_text()}
    assert users <= set(SOURCES)


def compilations() -> dict[str, int]:
    """How often each loop was compiled in this process because no machine code was kept."""
    modules = [importlib.import_module(f"mipdesign.{name.removesuffix('.py')}") for name in SOURCES]
    loops = [value for module in modules for value in vars(module).values() if isinstance(value, Dispatcher)]
    return {loop.py_func.__name__: sum(loop.stats.cache_misses.values()) for loop in loops}


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


def test_points_are_sorted_with_their_values() -> None:
    rng = np.random.default_rng(0)
    for n in (0, 1, 2, 7, 100):
        x = rng.integers(0, 20, n).astype(np.float64)
        y = rng.random(n)
        pairs = sorted(zip(x.tolist(), y.tolist(), strict=True))
        _sort(x, y, n)
        assert (np.diff(x) >= 0).all()
        assert sorted(zip(x.tolist(), y.tolist(), strict=True)) == pairs
