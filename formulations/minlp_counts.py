"""Counts of a super-block as nonlinear expressions, in the model of :mod:`mipdesign.formulations.minlp`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pyscipopt import quicksum

from mipdesign.lattice.arrays import Ints
from mipdesign.lattice.tables import Tables
from mipdesign.mip.expressions import Expression
from mipdesign.mip.formulation import Feature

from . import common
from .encoded_integer import EncodedInteger
from .model_builder import ModelBuilder
from .polynomials import (
    ColumnValues,
    CountPolynomials,
    NotPolynomialError,
    Polynomial,
    WidthMonomial,
    count_polynomials,
    width_monomial,
)

Sum = Callable[[Mapping[str, Any]], Any]
"""A nonlinear expression of PySCIPOpt, from its variables by name."""


@dataclass(frozen=True)
class Number:
    """An integer of the network: on its lattice, and its logarithm as a variable.

    Kernels that span frames are numbers that have no meaning of their own: ``log`` is that of their height and width, and
    ``square`` what stands for its square in counts.
    """

    encoded: EncodedInteger
    value: Expression
    log: Expression | None = None
    square: Expression | None = None

    @property
    def values(self) -> tuple[int, ...]:
        return self.encoded.values

    @property
    def logarithm(self) -> Expression:
        """Its logarithm, which has to be there."""
        assert self.log is not None
        return self.log


class Formulas(NamedTuple):
    """What blocks of one family count, by budget, and what one adds to the log-width sum; ``None`` where it is no formula."""

    counts: Sequence[CountPolynomials | None]
    log_width: WidthMonomial | None


@dataclass(frozen=True)
class Block:
    """A super-block while it is written: its integers, and its formulas for each family that it may have."""

    index: int
    before: Number
    channels: Number
    widths: Number
    kernels: Number
    depths: Number
    families: Number
    formulas: Mapping[int, Formulas]
    continues: bool = False
    """Whether it is a later block of a super-block whose blocks may differ: of depth 0 or 1."""
    bits: Number | None = None
    """Its pair of bits, where it is one block that has some."""

    def number(self, axis: str) -> Number:
        """What a tie has in common."""
        axes = {"channels": self.channels, "bottleneck": self.widths, "kernel": self.kernels, "depth": self.depths}
        axes["presence"] = self.depths
        return axes[axis]


def in_scip(model: ModelBuilder, e: Expression) -> Sum:
    """A linear expression for PySCIPOpt."""
    names = model.names
    if len(e.terms) == 1 and not e.constant:
        ((number, c),) = e.terms
        return lambda v: c * v[names[number]]
    return lambda v: quicksum(c * v[names[number]] for number, c in e.terms) + e.constant


def formulas_of(
    tables: Tables, i: int, columns: Ints, families: Sequence[int], lacks: Callable[[str], None]
) -> dict[int, Formulas]:
    """The formulas of each family of some columns of a super-block; ``lacks`` is told what has none."""
    s, found = tables.stages[i], {}
    for f in families:
        own = columns if len(families) == 1 else columns[s.f[columns] == f]
        values, counts = ColumnValues.of(s, own), []
        for row in range(len(tables.counts)):
            counts.append(_count_or_none(tables, i, row, own, values, lacks))
        try:
            of_width = width_monomial(tables, i, own, values)
        except NotPolynomialError as reason:
            lacks(str(reason))
            of_width = None
        found[f] = Formulas(counts, of_width)
    return found


def _count_or_none(
    tables: Tables, i: int, row: int, own: Ints, values: ColumnValues, lacks: Callable[[str], None]
) -> CountPolynomials | None:
    if row >= tables.arrays.paired:
        lacks(Feature.LATENCY.value)
        return None
    try:
        count = count_polynomials(tables, i, row, own, values)
    except NotPolynomialError as reason:
        lacks(str(reason))
        return None
    if count.identity.of_width or any(m.b or m.k for m in count.identity.coefficients):
        lacks("counts where the channels stay the same that depend on width or kernel")
        return None
    return count


@dataclass(frozen=True)
class CountWriter:
    """Writes the counts of super-blocks, in units of :func:`mipdesign.formulations.common.budget_unit`."""

    tables: Tables
    model: ModelBuilder

    def unit(self, row: int) -> float:
        """Unit of a budget."""
        return common.budget_unit(float(self.tables.limits[row]))

    def write(self, block: Block, row: int) -> list[Sum]:
        """What a super-block counts: its first block, and ``L - 1`` like the second; equation (3)."""
        written: list[Sum] = []
        for f, formulas in block.formulas.items():
            count = formulas.counts[row]
            if count is None:
                return []
            parts = self._parts(block, row, f, count)
            if len(block.formulas) == 1:
                return parts
            chosen = in_scip(self.model, block.families.encoded.one_hot()[block.families.values.index(f)])
            written += [lambda v, part=part, chosen=chosen: chosen(v) * part(v) for part in parts]  # type: ignore[misc]
        return written

    def _parts(self, block: Block, row: int, f: int, count: CountPolynomials) -> list[Sum]:
        unit, n = self.unit(row), block.index + 1
        name = f"{n}_{row}_{f}"
        before, more = in_scip(self.model, block.before.value), in_scip(self.model, block.depths.value - 1.0)
        parts = [self._polynomial(block, count.fixed, unit, f"fixed{name}")]
        if block.continues:
            (fixed,), there = parts, in_scip(self.model, block.depths.value)
            return [lambda v: there(v) * fixed(v)]
        slope, rest = (
            self._polynomial(block, p, unit, f"{p_name}{name}") for p, p_name in ((count.slope, "in"), (count.rest, "rest"))
        )
        parts += [lambda v: before(v) * slope(v), lambda v: more(v) * rest(v)]
        if count.identity:
            parts.append(self._identity(block, count.identity, unit))
        return parts

    def _polynomial(self, block: Block, polynomial: Polynomial, unit: float, name: str) -> Sum:
        c, b, k = (in_scip(self.model, x.value) for x in (block.channels, block.widths, block.kernels))
        square = None if block.kernels.square is None else in_scip(self.model, block.kernels.square)
        table = polynomial.of_width
        of_width = None
        if table:
            at = [float(table.get(width, 0)) / unit for width in block.widths.values]
            of_width = in_scip(self.model, self.model.equal_to(f"table_{name}", block.widths.encoded.function(at)))
        terms = [(float(x) / unit, m) for m, x in polynomial.coefficients.items()]

        def value(v: Mapping[str, Any]) -> Any:
            factors = c(v), b(v), k(v)
            total = 0.0 if of_width is None else of_width(v)
            for x, m in terms:
                term = x
                if square is not None and m.k:
                    term, m = term * square(v), m._replace(k=0)
                for factor, power in zip(factors, m, strict=True):
                    for _ in range(power):
                        term = term * factor
                total = total + term
            return total

        return value

    def _identity(self, block: Block, polynomial: Polynomial, unit: float) -> Sum:
        """What arises only where the channels stay the same."""
        pairs = []
        for c in sorted({*block.before.values} & {*block.channels.values}):
            z, y = (in_scip(self.model, x.encoded.one_hot()[x.values.index(c)]) for x in (block.before, block.channels))
            at = sum(float(x) * float(c) ** m.c for m, x in polynomial.coefficients.items()) / unit
            pairs.append((at, z, y))
        return lambda v: quicksum(at * z(v) * y(v) for at, z, y in pairs)
