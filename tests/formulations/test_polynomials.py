"""Counts as polynomials: exact for every block family, and all formulations of them against enumeration."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest
from mipdesign.benchmarks.corpus.small import EVERY_FAMILY, Listing, listing, small_problem
from mipdesign.benchmarks.experiments.variant_outcomes import outcome
from mipdesign.formulations.polynomials import (
    NODES,
    BlockPolynomials,
    ColumnValues,
    NotPolynomialError,
    _interpolated,
    _through,
    count_polynomials,
)
from scale import few, of

from mipdesign.errors import SpecError
from mipdesign.lattice.additive_budgets import AdditiveBudget
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.tables import Tables
from mipdesign.mip.formulation import formulation_named
from mipdesign.networks.blocks import FAMILIES, Bottleneck, InvertedSE, OperationChain, existing, with_identity
from mipdesign.problem.problem import Problem
from mipdesign.search.coverage import build_tables

FIGURES = ("params_total", "macs", "reference_flops", "activations", "layers", "blocks")
FORMULATIONS = ("native", "logspace", "compact", "compact:log:lattice:unary", "compact:chords:lattice:onehot", "adaptive")


@cache
def small(family: str, seed: int) -> tuple[Tables, Listing]:
    tables = build_tables(small_problem(seed, family))
    return tables, listing(tables, Cell.whole(tables))


def counted(family: str, figure: str, ci: int, c: int, b: int, k: int, s: int, r: int, first: bool) -> int:
    """A count of one block, from its operations."""
    if figure in ("layers", "blocks"):
        return FAMILIES[family].layers if figure == "layers" else 1
    operations = existing(FAMILIES[family].operations(ci, c, b, k, s, r, first=first))
    return sum(int(getattr(op, figure.removesuffix("_total"))) for op in operations)


# --------------------------------------------------------------------- exactness


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_polynomials_are_the_counts_of_the_family(family: str, figure: str) -> None:
    """Integers against integers: at widths that are rounded by no family, and everywhere else."""
    rng = np.random.default_rng(0)
    for s in (1, 2):
        fixed, slope, identity, rest = _interpolated(FAMILIES[family], AdditiveBudget(figure), 1, s, 15, -(-15 // s))
        for _ in range(of(200, 40)):
            ci, c, k = int(rng.integers(1, 300)), int(rng.integers(1, 300)), int(rng.choice([1, 3, 5, 7]))
            ci = c if rng.random() < 0.3 else ci
            b = 32 * int(rng.integers(1, 20))
            at = [
                sum(x * m.of(c, b, k) for m, x in part.coefficients.items()) if part else 0
                for part in (fixed, slope, identity, rest)
            ]
            assert at[0] + ci * at[1] + (ci == c) * at[2] == counted(family, figure, ci, c, b, k, s, 15, True)
            assert at[3] == counted(family, figure, c, c, b, k, 1, -(-15 // s), False)


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_the_columns_of_a_problem_are_met_exactly(family: str) -> None:
    """Widths that a family rounds have a table; no other family needs one."""
    tables, _ = small(family, 1)
    for i, s in enumerate(tables.stages):
        columns, at = np.arange(len(s.c)), ColumnValues.of(s, np.arange(len(s.c)))
        for row in range(len(tables.counts)):
            polynomials = count_polynomials(tables, i, row, columns, at)
            for name, part in zip(("fixed", "slope", "identity", "rest"), polynomials, strict=True):
                denominator, values = part.scaled(at)
                assert (values == denominator * getattr(s, name)[row]).all()
                assert not part.of_width or family == "inverted_se"
        log_width = BlockPolynomials.of(tables, i, columns).log_width
        of_logarithms = log_width.constant + log_width.of_logarithms(np.log(s.c), np.log(s.b), np.log(s.k))
        assert of_logarithms == pytest.approx(s.t, rel=1e-12)


def test_interpolation_is_exact_in_fractions() -> None:
    c, b, k = (grid.reshape(-1) for grid in np.meshgrid(*map(np.array, NODES), indexing="ij"))
    found = _through(5 * c**2 * b * k**2 - 7 * b**2 + 3 * c * k + 11)
    assert {m.letters: x for m, x in found.coefficients.items()} == {"kkbCC": 5, "bb": -7, "kC": 3, "1": 11}
    assert _through(b // 4 + c // 32).coefficients == {(0, 1, 0): Fraction(1, 4), (1, 0, 0): Fraction(1, 32)}
    assert not _through(np.zeros_like(c))


# ------------------------------------------------------------------ formulations


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("family", few(EVERY_FAMILY, 4))
def test_every_family_against_enumeration(family: str, formulation: str) -> None:
    """A hundred problems: ``python -m mipdesign.benchmarks variants --family all``."""
    seed = 2 + FORMULATIONS.index(formulation) % 3
    tables, expected = small(family, seed)
    found = outcome(formulation, tables, expected, family=family, seed=seed)
    assert found.agrees, found


@pytest.mark.parametrize("formulation", ["lattice", "columns", "compact", "compact:cc:uniform-2:onehot", "native", "logspace"])
@pytest.mark.parametrize("family", few(EVERY_FAMILY, 4))
def test_start_values_are_those_of_the_network(family: str, formulation: str) -> None:
    """One mechanism for all: the values of a network keep every row, and its objective is the exact one."""
    tables, expected = small(family, 4)
    form = formulation_named(formulation).build(tables, Cell.whole(tables))
    for position, objective in expected.networks[:5]:
        start = form.start(position)
        assert form.position(start) == position
        if form.linear is None:
            assert form.model.checkSol(form.start_solution(form.scip, start), printreason=False, original=True)
            continue
        assert form.linear.violation(start) < 1e-9
        claimed = sum(c * start[form.linear.names[v]] for v, c in form.linear.objective.items())
        if formulation_named(formulation).claim == "exact" and float(objective) > form.floor:
            assert claimed == pytest.approx(float(objective), rel=1e-9)


def test_names_of_variables_are_unique() -> None:
    """Regression: binaries of segments and of lattice points had the same names, so start values were lost."""
    for name in ("compact:cc:uniform-2:onehot", "compact:mc:geometric-2-outer:onehot", "compact:chords:lattice:onehot"):
        tables, _ = small("basic", 4)
        linear = formulation_named(name).build(tables, Cell.whole(tables)).linear
        assert linear is not None and len(set(linear.names)) == len(linear.names)


# -------------------------------------------------------------- families of one's own


class Wide(Bottleneck):
    """A family of one's own whose counts are polynomials: two k x k convolutions in the middle."""

    name = "wide"
    layers = 4

    def widths(self, ci: Any, c: Any, b: Any, k: Any) -> tuple[Any, ...]:
        return ci, b * k**2, b * k**2, b

    def operations(self, ci: Any, c: Any, b: Any, k: Any, s: int, r: Any, *, first: bool) -> Any:
        main = OperationChain(ci, r)
        main.conv("conv1", b, act="relu")
        main.conv("conv2", b, kernel=k, stride=s, act="relu")
        main.conv("conv3", b, kernel=k, act="relu")
        main.conv("conv4", c)
        return with_identity(main, ci, c, s)


class Rounded(InvertedSE):
    """A family of one's own whose counts are no polynomials: what it rounds depends on the channels."""

    name = "rounded"

    def operations(self, ci: Any, c: Any, b: Any, k: Any, s: int, r: Any, *, first: bool) -> Any:
        main = OperationChain(ci, r)
        main.conv("conv1", b, kernel=k, stride=s)
        main.conv("conv2", (c * b) // 7)
        main.conv("conv3", c)
        return with_identity(main, ci, c, s)


def of_family(name: str) -> Tables:
    data = small_problem(3).model_dump(mode="json")
    for stage in data["stages"]:
        stage["block"] = [name]
    return build_tables(Problem.from_dict(data))


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_a_family_of_ones_own_is_written_where_it_is_polynomial(formulation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "wide", Wide())
    tables = of_family("wide")
    assert outcome(formulation, tables, listing(tables, Cell.whole(tables))).agrees


@pytest.mark.parametrize("formulation", ["native", "logspace", "compact", "adaptive"])
def test_what_is_no_polynomial_is_refused(formulation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "rounded", Rounded())
    tables = of_family("rounded")
    with pytest.raises(NotPolynomialError):
        BlockPolynomials.of(tables, 0, np.arange(len(tables.stages[0].c)))
    assert "counts that are no polynomials: 'rounded'" in str(formulation_named(formulation).unsupported(tables))
    with pytest.raises(SpecError, match=rf"'{formulation}' does not support super-block 1: counts that .*; use 'lattice'"):
        formulation_named(formulation).build(tables, Cell.whole(tables))
