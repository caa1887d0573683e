r"""The compact formulation: integers on lattices, with logarithms and products written by parts that combine.

``compact:<encoding>:<breakpoints>:<products>`` names a variant, for example ``compact:log:lattice:unary``; ``compact`` alone is
``compact:inc:lattice:onehot``. Notation as in :mod:`mipdesign.formulations.lattice`. Every super-block has integers for the
indices of ``C_i, b_i, k_i`` and ``L_i`` in their lattices, and:

* ``log C_i`` and ``log b_i`` and, where counts need it, ``C_i^2`` and ``b_i^2`` are piecewise linear, by the *encoding* on the
  *breakpoints*; functions of ``k_i`` and ``L_i`` have a breakpoint at every value.
* **Sum.** ``S_i = S_{i-1} + log C_{i-1} + t + (L_i - 1) (t + log C_i)`` with ``t`` linear in the logarithms: one product.
* **Counts** of the first block, of a further block and per incoming channel are polynomials in ``C_i, b_i, k_i``, read off the
  block family (:mod:`mipdesign.formulations.polynomials`); ``b C``, ``k^2 b^2`` and the like, ``C_{i-1} b_i``, ``C_{i-1} C_i``
  and ``L_i - 1`` times the further blocks are products. What a rounding adds for each width, and what arises only where
  ``C_{i-1} = C_i``, is written with one-hot binaries.
* **Entropy.** ``log(r^2 C_i) S`` is a product at the end of a stage.
* **Columns.** The widths that go with each ``C_i`` are a range, whose ends are piecewise linear in the index of ``C_i``.
* **Single blocks** of super-blocks whose blocks may differ have a binary per column, from which counts and ``t`` are read
  (:mod:`mipdesign.formulations.compact_elements`); their channels are an integer like all others.
* Effectiveness, budgets and depth penalty are those of the lattice formulation.

Larger logarithms and smaller squares only help a network: so inner breakpoints give a lower bound, outer ones an upper bound,
and one-sided secants (``chords``) are as good as the graph. A product that is relaxed gives an upper bound.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from pyscipopt import quicksum

from mipdesign.errors import SpecError, counted
from mipdesign.lattice.arrays import Floats, Ints
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.distinct import distinct
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import Tables
from mipdesign.mip.expressions import linear_sum
from mipdesign.mip.formulation import Feature, Formulation, FormulationModel, ProvenError, features
from mipdesign.networks.budget_names import LOWER
from mipdesign.registry import register_formulation

from . import common
from .breakpoints.breakpoints import Breakpoints
from .compact_columns import Lattices, UnsupportedError, formulas_of, kernel_powers
from .compact_writer import CompactWriter
from .encodings.encoding import Encoding
from .parts import KINDS, Part, joint_claim, part_named, registered_parts
from .penalty import too_many_vectors
from .polynomials import Polynomial
from .products.product import Product
from .proven_error import BlockErrors, proven_error

DEFAULT = "inc:lattice:onehot"
"""Parts of the variant without a name of its own."""


@register_formulation
class Compact(Formulation):
    """Compact formulation; see the module."""

    id = "compact"
    title = "integers on lattices; compact:<encoding>:<breakpoints>:<products> chooses how logarithms and products are written"
    supports = frozenset({Feature.TIES, Feature.BLOCKS, Feature.OPERATIONS, Feature.SCORE, Feature.TERMS})
    reference = "Vielma, SIAM Review 57(1), 2015; problem: DeepMAD, CVPR 2023, arXiv 2303.02165. The parts name their own"

    def __init__(self, parts: str = DEFAULT) -> None:
        self.combine(*parts_named(self.id, parts))

    def combine(self, encoding: Encoding, breakpoints: Breakpoints, product: Product) -> None:
        """Takes parts, from which the claim follows."""
        self.encoding, self.breakpoints, self.product = encoding, breakpoints, product
        self.claim = joint_claim((encoding, breakpoints, product))

    @classmethod
    def with_parts(cls, parts: str) -> Self:
        formulation = cls(parts)
        formulation.id = f"{cls.id}:{parts}"
        return formulation

    def breakpoints_of(self, name: str) -> Breakpoints:
        """Breakpoints of one number, by its name in the model: ``C0``, or ``C`` or ``b`` and the number of the super-block."""
        return self.breakpoints

    @classmethod
    def parts(cls) -> Mapping[str, Sequence[Part]]:
        return {kind: registered_parts(kind) for kind in KINDS}

    def unsupported(self, tables: Tables) -> str | None:
        return super().unsupported(tables) or self._unwritten(tables, Cell.whole(tables))

    def _unwritten(self, tables: Tables, cell: Cell) -> str | None:
        """What of a cell it does not support."""
        if Feature.OPERATIONS in features(tables) and not all(s.element.is_block for s in tables.stages):
            return Feature.OPERATIONS.value
        one_sided = self.claim != "exact" or not self.encoding.is_graph
        if one_sided and any(name.startswith(LOWER) for name in tables.counts):
            return "lower limits, by approximations or bounds that keep one side"
        for i, (s, columns) in enumerate(zip(tables.stages, cell.columns, strict=True)):
            if s.element.is_block:
                continue
            try:
                formulas = formulas_of(tables, i, columns)
                Lattices.of(s, columns)
            except UnsupportedError as reason:
                return f"super-block {i + 1}: {reason}"
            if one_sided and formulas.has_negative_square:
                return f"super-block {i + 1}: counts that fall with a square, by bounds that keep one side"
        return too_many_vectors(tables, cell)

    def build(self, tables: Tables, cell: Cell) -> FormulationModel:
        """The model of the networks of ``cell``.

        Raises
        ------
        SpecError
            If the cell is not one that it can write.
        """
        chain = common.reachable(tables, cell)
        if chain is not None:
            cell = Cell(chain[0], tuple(chain[1]), cell.low, cell.high)
            reason = super().unsupported(tables) or self._unwritten(tables, cell)
            if reason is not None:
                raise SpecError("formulation", f"{self.id!r} does not support {reason}", "use 'lattice'")
        singles = (columns for s, columns in zip(tables.stages, cell.columns, strict=True) if s.element.is_block)
        common.check_size(self.id, sum(map(len, singles)))
        writer = CompactWriter(self.encoding, self.breakpoints_of, self.product, tables, cell)
        if chain is None:
            writer.never("no_chain")
        else:
            writer.network(*chain)
        return CompactModel(**common.parts_of(writer), groups=(), lattices=tuple(writer.lattices), exact=writer.exact)

    def proven_errors(self, tables: Tables, cell: Cell, positions: Sequence[Position]) -> list[ProvenError] | None:
        """Those of its breakpoints (:mod:`mipdesign.formulations.proven_error`), where the products are exact."""
        chain = common.reachable(tables, cell)
        if self.product.claim != "exact" or chain is None:
            return None
        stem, columns = chain
        of_log, of_square, blocks = self.breakpoints.log_error, self.breakpoints.square_error, []
        for i, (s, among) in enumerate(zip(tables.stages, columns, strict=True)):
            if s.element.is_block:
                none = np.zeros((len(tables.counts), len(s.c)))
                blocks.append(BlockErrors(of_log(distinct(s.c[among]).tolist()), 0.0, none, none))
                continue
            formulas, lattices = formulas_of(tables, i, among), Lattices.of(s, among)
            of_channels, of_widths = of_log(lattices.channels), of_log(lattices.widths)
            squares = (of_square(lattices.channels), of_square(lattices.widths))
            first, rest = (
                np.array([_error(p, squares, s.k) for p in polynomials]).reshape(-1, len(s.k))
                for polynomials in ([c.fixed for c in formulas.counts], [c.rest for c in formulas.counts])
            )
            of_width_sum = formulas.log_width.c * of_channels + formulas.log_width.b * of_widths
            blocks.append(BlockErrors(of_channels, of_width_sum, first, rest))
        of_stem = of_log([int(c) for c in tables.stem_c[stem]])
        return [proven_error(tables, position, of_stem, blocks) for position in positions]


def _error(polynomial: Polynomial, squares: tuple[float, float], k: Ints) -> Floats:
    """How far a polynomial is off for each kernel, where the squares of channels and width are off by some numbers."""
    total: Floats = np.zeros(len(k))
    for m, x in polynomial.coefficients.items():
        if m.has_square:
            total = total + abs(float(x)) * squares[0 if m.c > 1 else 1] * kernel_powers(k, m.k)
    return total


def parts_named(formulation_id: str, parts: str) -> tuple[Encoding, Breakpoints, Product]:
    """The parts of the variant ``formulation_id:parts``.

    Raises
    ------
    SpecError
        If there are none of these names.
    """
    names = parts.split(":")
    if len(names) != len(KINDS):
        problem = f"'{formulation_id}:{parts}' has {counted(len(names), 'part')}"
        raise SpecError("formulation", problem, f"write {formulation_id}:<encoding>:<breakpoints>:<products>")
    encoding, breakpoints, product = (part_named(kind, name) for kind, name in zip(KINDS, names, strict=True))
    assert isinstance(encoding, Encoding) and isinstance(breakpoints, Breakpoints) and isinstance(product, Product)
    return encoding, breakpoints, product


@dataclass
class CompactModel(FormulationModel):
    """A model whose networks are read off integers.

    Attributes
    ----------
    lattices:
        For the stem, then ``C, b, k`` and depth of each super-block, or the column of a single block: the variable of its
        index (``None`` if it has a single value), and its lattice.
    exact:
        Values at which functions of a number are exact, for ``C0`` and each ``C_i`` and ``b_i``.
    """

    lattices: tuple[tuple[str | None, tuple[int, ...]], ...] = ()
    exact: Mapping[str, frozenset[int]] = field(default_factory=dict)

    def position(self, values: Mapping[str, float]) -> Position:
        chosen = (lattice[round(values[name]) if name else 0] for name, lattice in self.lattices)
        stem, columns, depths = next(chosen), [], []
        for s in self.tables.stages:
            if s.element.is_block:
                columns.append(next(chosen))
                depths.append(1)
                continue
            c, b, k, depth = (next(chosen) for _ in range(4))
            columns.append(int(np.flatnonzero((s.c == c) & (s.b == b) & (s.k == k))[0]))
            depths.append(depth)
        return Position(stem, tuple(columns), tuple(depths))

    def indices(self, position: Position) -> dict[str, int]:
        """Index of each number that has more than one value.

        Raises
        ------
        ValueError
            If the network is not in the model.
        """
        flat = [position.stem]
        for s, q, depth in zip(self.tables.stages, position.columns, position.depths, strict=True):
            flat += [q] if s.element.is_block else [int(s.c[q]), int(s.b[q]), int(s.k[q]), depth]
        if any(number not in lattice for number, (_, lattice) in zip(flat, self.lattices, strict=True)):
            raise ValueError(f"{position} is not in the model")
        return {
            name: lattice.index(number) for number, (name, lattice) in zip(flat, self.lattices, strict=True) if name is not None
        }

    def exclude(self, position: Position) -> None:
        """Cuts off one network: some index is above or below its own, which a binary each says."""
        linear = self.linear
        assert linear is not None
        indices = self.indices(position)
        self.excluded.append(position)
        first_row, first_variable, sides = len(linear.rows), len(linear.names), []
        for name, at in indices.items():
            v = linear.named(name)
            last = round(v.high)
            if at < last:
                sides.append(linear.variable(f"above_{first_row}_{name}", "B"))
                linear.add(f"is_{linear.names[-1]}", v - (at + 1.0) * sides[-1] >= 0.0)
            if at > 0:
                sides.append(linear.variable(f"below_{first_row}_{name}", "B"))
                linear.add(f"is_{linear.names[-1]}", v + (last - at + 1.0) * sides[-1] <= last)
        linear.add(f"excluded_{first_row}", linear_sum(sides) >= 1.0)
        if self.written is not None:
            model, variables = self.written
            for name in linear.names[first_variable:]:
                variables[name] = model.addVar(name, "B")
            for row in linear.rows[first_row:]:
                expression = quicksum(c * variables[linear.names[v]] for v, c in row.terms.items())
                model.addCons(expression >= row.low if row.high == math.inf else expression <= row.high, name=row.name)
