"""The formulas of the lattice: what a super-block counts and how wide it is, against the operations of its blocks."""

from __future__ import annotations

import numpy as np
import pytest
from mipdesign.benchmarks.corpus.small import FAMILIES, small_problem

from mipdesign.networks.blocks import FAMILIES as BLOCKS
from mipdesign.networks.operation import existing
from mipdesign.search.coverage import build_tables


@pytest.mark.parametrize("block", FAMILIES)
def test_formulas_agree_with_the_operations_of_the_blocks(block: str) -> None:
    """Counts and log-widths of every column, entered with its own channels and with others, at every depth."""
    tables = build_tables(small_problem(1, block).model_copy(update={}))
    family = BLOCKS[block]
    figures = {"params": "params", "flops": "reference_flops"}
    checked = 0
    for space, s in zip(tables.problem.space, tables.stages, strict=True):
        for j in range(len(s.c)):
            c, b, k = int(s.c[j]), int(s.b[j]), int(s.k[j])
            for ci in (c, c + 3):
                for depth in s.depths.tolist():
                    r_out = -(-space.resolution // space.stride)
                    first = existing(family.operations(ci, c, b, k, space.stride, space.resolution, first=True))
                    later = existing(family.operations(c, c, b, k, 1, r_out, first=False))
                    widths = [*family.widths(ci, c, b, k), *family.widths(c, c, b, k) * (depth - 1)]
                    log_widths = np.log(ci) + s.t[j] + (depth - 1) * (s.log_c[j] + s.t[j])
                    assert log_widths == pytest.approx(np.log(widths).sum(), rel=1e-12)
                    assert s.layers[j] == len(family.widths(ci, c, b, k))
                    assert (s.identity_fits[j] if ci == c else ci <= s.most_incoming[j]) and s.rest_fits[j]
                    counts = s.fixed[:, j] + ci * s.slope[:, j] + (ci == c) * s.identity[:, j] + (depth - 1) * s.rest[:, j]
                    for at, name in enumerate(tables.counts):
                        if tables.problem.convention == "reference" and name in figures:
                            exact = sum(getattr(op, figures[name]) for op in first)
                            exact += (depth - 1) * sum(getattr(op, figures[name]) for op in later)
                            assert counts[at] == exact
                            checked += 1
    assert checked or tables.problem.convention != "reference"


@pytest.mark.parametrize("seed", range(4))
def test_rows_of_the_core_have_the_columns_of_the_tables(seed: int) -> None:
    tables = build_tables(small_problem(seed, None))
    arrays = tables.arrays
    for first, stop, s in zip(arrays.offsets[:-1], arrays.offsets[1:], tables.stages, strict=True):
        rows = arrays.rows[first:stop]
        for name, values in (("channels", s.c), ("width", s.b), ("kernel", s.k), ("block_log", s.t)):
            assert (rows[name] == values).all()
        assert (s.channels[rows["place"]] == s.c).all()
        assert (rows["counts"].transpose(2, 1, 0) == np.array([s.fixed, s.slope, s.identity, s.rest])).all()
