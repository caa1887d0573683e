"""The formulas of the lattice: what a super-block counts and how wide it is, against the operations of its blocks."""

from __future__ import annotations

import numpy as np
import pytest
from mipdesign.benchmarks.corpus.small import FAMILIES, small_problem

from mipdesign.lattice.arrays import LAYERS
from mipdesign.lattice.counts import (
    add_super_block,
    entering_count,
    fixed_parts,
    identity_parts,
    log_widths,
    may_enter,
    may_have_depth,
    own_count,
    own_log_widths,
    rest_parts,
    slope_parts,
    super_block_count,
)
from mipdesign.networks.blocks import FAMILIES as BLOCKS
from mipdesign.networks.operation import existing
from mipdesign.search.coverage import build_tables


@pytest.mark.parametrize("block", FAMILIES)
def test_formulas_agree_with_the_operations_of_the_blocks(block: str) -> None:
    """Parameters and log-widths of every column, entered with its own channels and with others, at every depth."""
    tables = build_tables(small_problem(1, block).model_copy(update={}))
    family, rows, budgets = BLOCKS[block], tables.arrays.rows, len(tables.counts)
    figures = {"params": "params", "flops": "reference_flops"}
    checked = 0
    for i, (space, s) in enumerate(zip(tables.problem.space, tables.stages, strict=True)):
        for j in range(len(s.c)):
            row, (c, b, k) = rows[tables.arrays.offsets[i] + j], (int(s.c[j]), int(s.b[j]), int(s.k[j]))
            for ci in (c, c + 3):
                for depth in s.depths.tolist():
                    r_out = -(-space.resolution // space.stride)
                    first = existing(family.operations(ci, c, b, k, space.stride, space.resolution, first=True))
                    later = existing(family.operations(c, c, b, k, 1, r_out, first=False))
                    widths = [*family.widths(ci, c, b, k), *family.widths(c, c, b, k) * (depth - 1)]
                    assert log_widths(row, np.log(ci), depth) == pytest.approx(np.log(widths).sum(), rel=1e-12)
                    assert own_log_widths(row, depth) == pytest.approx(np.log(widths).sum() - np.log(ci), rel=1e-9, abs=1e-9)
                    assert row[LAYERS] == len(family.widths(ci, c, b, k))
                    assert may_enter(row, ci) and may_have_depth(row, depth)
                    for at, name in enumerate(tables.counts):
                        if tables.problem.convention == "reference" and name in figures:
                            exact = sum(getattr(op, figures[name]) for op in first)
                            exact += (depth - 1) * sum(getattr(op, figures[name]) for op in later)
                            assert super_block_count(row, budgets, at, ci, depth) == exact
                            checked += 1
    assert checked or tables.problem.convention != "reference"


@pytest.mark.parametrize("seed", range(4))
def test_parts_of_a_count_make_the_count(seed: int) -> None:
    tables = build_tables(small_problem(seed, None))
    arrays, nb = tables.arrays, len(tables.counts)
    transposed = tables.transposed
    for p in range(0, len(arrays.rows), 3):
        row = arrays.rows[p]
        for part in (fixed_parts, slope_parts, identity_parts, rest_parts):
            assert (part(row, nb) == part(transposed, nb)[:, p]).all()
        for ci in (row[0], row[0] + 5.0):
            counts = np.zeros(nb)
            add_super_block(row, ci, 3, counts)
            whole = fixed_parts(row, nb) + ci * slope_parts(row, nb) + 2 * rest_parts(row, nb)
            whole += identity_parts(row, nb) * (ci == row[0])
            assert (counts == whole).all()
            for b in range(nb):
                assert (
                    own_count(row, nb, b, 3) + entering_count(row, nb, b, ci)
                    == super_block_count(row, nb, b, ci, 3)
                    == whole[b]
                )
