"""The bound of a cell as an object: what may be asked of it does not depend on what was bounded since."""

from __future__ import annotations

import numpy as np
import pytest
from mipdesign.benchmarks.corpus.small import small_problem
from scale import few

from mipdesign.bounds.multipliers import Multipliers
from mipdesign.bounds.relaxation import Relaxation
from mipdesign.lattice.batch import evaluate_batch
from mipdesign.lattice.cell import Cell
from mipdesign.search.coverage import build_tables


@pytest.mark.parametrize("seed", few(range(6), 3))
def test_a_bound_answers_alike_before_and_after_another_one(seed: int) -> None:
    tables = build_tables(small_problem(seed))
    cell = Cell.whole(tables)
    evaluation = evaluate_batch(tables, cell.networks(tables))
    best = float(evaluation.objective[evaluation.feasible].max(initial=100.0))
    relaxation = Relaxation(tables, cell, 0.9 * best)
    bound = relaxation.bound(Multipliers.initial(tables, best))

    def answers() -> tuple[object, ...]:
        reduced, networks = bound.fix_by_reduced_cost(), bound.networks(10**6)
        assert networks is not None
        return (
            None if reduced is None else reduced.digest,
            networks.stem.tolist(),
            networks.columns.tolist(),
            networks.depths.tolist(),
            bound.restricted_master(3).tolist(),
        )

    before = answers()
    relaxation.bound(Multipliers.initial(tables, 10.0 * best)).fix_by_reduced_cost()
    assert answers() == before


@pytest.mark.parametrize("seed", few(range(6), 3))
def test_a_restricted_master_has_columns_that_reach_the_cutoff(seed: int) -> None:
    """They are among those that reduced-cost fixing keeps, and the columns of the best path are chosen first."""
    tables = build_tables(small_problem(seed))
    relaxation = Relaxation(tables, Cell.whole(tables), 0.0)
    bound = relaxation.bound(Multipliers.initial(tables, 100.0))
    reduced = bound.fix_by_reduced_cost()
    assert reduced is not None
    kept = np.concatenate([np.isin(all_, some) for all_, some in zip(relaxation.cell.columns, reduced.columns, strict=True)])
    chosen = bound.restricted_master(len(tables.stages))
    assert not (chosen & ~kept).any()
    assert (chosen & relaxation.on_paths(bound.path)).any()
