"""What formulations say at the edges of what they can write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mipdesign.formulations import branch_price

from mipdesign import design
from mipdesign.errors import SpecError
from mipdesign.lattice.cell import Cell
from mipdesign.mip.formulation import formulation_named
from mipdesign.mip.refinement import solve
from mipdesign.mip.solver import SolveOptions, solver_named
from mipdesign.problem.problem import Problem
from mipdesign.search.coverage import build_tables

SMALL = Path(__file__).parents[1] / "data" / "small.yaml"


@pytest.mark.parametrize("formulation", ["lattice", "columns", "branch-price", "native", "logspace", "compact", "adaptive"])
def test_a_cell_whose_penalties_are_all_beyond_the_doubles_is_infeasible(formulation: str) -> None:
    n = len(Problem.load(SMALL).stages)
    depths = [f"stages.{i}.depth=[1, 60]" for i in range(n)]
    penalty = f"objective={{beta: 10, penalty: {{form: exp_var, stages: {list(range(1, n + 1))}}}}}"
    tables = build_tables(Problem.load(SMALL, [*depths, penalty, "budgets={}"]))
    whole = Cell.whole(tables)
    uneven = np.array([60 if i % 2 else 1 for i in range(n)])  # the variance is 870, and exp(870) is 1e377
    cell = Cell(whole.stem, whole.columns, uneven, uneven)
    answer = solve(solver_named("scip"), formulation_named(formulation).build(tables, cell), SolveOptions(time_limit=60))
    assert answer.status == "infeasible"


def test_too_many_columns_to_price_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branch_price, "MAX_COLUMNS", 10)
    tables = build_tables(Problem.load(SMALL))
    with pytest.raises(SpecError, match=r"'branch-price' would have to price \d+ columns for this cell; split it below 10"):
        formulation_named("branch-price").build(tables, Cell.whole(tables))


@pytest.mark.parametrize("bytes_", [1.2e5, 2.5e5])
def test_limits_on_single_operations_are_kept(bytes_: float) -> None:
    problem = Problem.load(SMALL, [f"budgets.activation_memory={bytes_}"])
    best, tables = design(problem, workers=1), build_tables(problem)
    for formulation in ("lattice", "columns"):
        form = formulation_named(formulation).build(tables, Cell.whole(tables))
        answer = solve(solver_named("scip"), form, SolveOptions(time_limit=60))
        if best.objective is None:
            assert answer.status == "infeasible"
        else:
            assert answer.objective == pytest.approx(best.objective, rel=1e-6)
