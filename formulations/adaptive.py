r"""The adaptive formulation: a coarse relaxation of the compact one, refined around the networks that solve it.

``adaptive:<encoding>:<breakpoints>:<products>`` names a variant. The breakpoints are those of the first round, with *touching*
approximations between them (:mod:`mipdesign.formulations.breakpoints`): above all logarithms and below all squares of the
lattice, and exact at the breakpoints. Products are exact everywhere, or at the breakpoints (``knots``). So every model is an
upper relaxation in which a network is exact as soon as its ``C_i`` and ``b_i`` are breakpoints, and these a refinement adds.

The model that :meth:`Adaptive.build` returns is the first relaxation. :func:`mipdesign.mip.refinement.solve` refines it until
an exact objective meets the bound; :func:`mipdesign.mip.closing.solve_cell` does so with all networks above a cutoff.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from mipdesign.errors import SpecError
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import Tables
from mipdesign.mip.formulation import Formulation, FormulationModel
from mipdesign.registry import register_formulation

from .breakpoints.breakpoints import Breakpoints
from .breakpoints.lattice import LatticeBreakpoints
from .compact import Compact, CompactModel, parts_named
from .encodings.encoding import Encoding
from .parts import KINDS, Part, registered_parts
from .products.product import Product

DEFAULT = "log:uniform-4:knots"
"""Parts of the variant without a name of its own."""
Added = Mapping[str, frozenset[int]]
"""Further breakpoints by the name of their number: ``C0``, or ``C`` or ``b`` and the number of the super-block."""


@dataclass(frozen=True)
class WithFurther(Breakpoints):
    """Touching breakpoints, and further ones.

    Attributes
    ----------
    base:
        Which values are breakpoints in any case.
    further:
        Values that are breakpoints where they are in the lattice.
    """

    base: Breakpoints = field(default_factory=LatticeBreakpoints)
    further: frozenset[int] = frozenset()

    def indices(self, values: Sequence[int]) -> list[int]:
        return sorted({*self.base.indices(values), *(j for j, value in enumerate(values) if value in self.further)})


class Relaxation(Compact):
    """One round: the compact formulation with touching breakpoints, some of them of single numbers."""

    def __init__(self, name: str, encoding: Encoding, breakpoints: Breakpoints, product: Product, added: Added) -> None:
        self.id, self.added = name, added
        self.combine(encoding, breakpoints, product)

    def breakpoints_of(self, name: str) -> Breakpoints:
        further = self.added.get(name, frozenset())
        return WithFurther(approximation="touching", base=self.breakpoints, further=further) if further else self.breakpoints

    def refined(self, tables: Tables, cell: Cell, model: CompactModel, position: Position) -> FormulationModel | None:
        """The model with a network's channels and widths as breakpoints; ``None`` if they are."""
        missing = {
            name: value for name, value in numbers_of(tables, position).items() if value not in model.exact.get(name, {value})
        }
        if not missing:
            return None
        added = {name: self.added.get(name, frozenset()) | {value} for name, value in missing.items()}
        return Relaxation(self.id, self.encoding, self.breakpoints, self.product, {**self.added, **added}).build(tables, cell)

    def build(self, tables: Tables, cell: Cell) -> FormulationModel:
        model = super().build(tables, cell)
        assert isinstance(model, CompactModel)
        model.refinement = lambda position: self.refined(tables, cell, model, position)
        return model


@register_formulation
class Adaptive(Formulation):
    """Adaptive formulation; see the module."""

    id = "adaptive"
    title = "a coarse relaxation, refined until the gap closes; adaptive:<encoding>:<breakpoints>:<products> is how it starts"
    claim = "exact"
    supports = Relaxation.supports
    reference = (
        "Burlacu, Geissler, Schewe, Optimization Methods and Software 35(1), 2020; "
        "Nagarajan, Lu, Wang, Bent, Sundar, J. Global Optimization 74, 2019"
    )

    def __init__(self, parts: str = DEFAULT) -> None:
        encoding, breakpoints, product = parts_named(self.id, parts)
        if breakpoints.approximation != "inner":
            problem = f"the breakpoints of 'adaptive:{parts}' are touching ones, not those with '-{breakpoints.approximation}'"
            raise SpecError("formulation", problem, f"leave '-{breakpoints.approximation}' out")
        if not product.exact_at_breakpoints:
            raise SpecError(
                "formulation", f"products by {product.id!r} stay a relaxation however fine", "use 'knots' or 'onehot'"
            )
        self.first = Relaxation(self.id, encoding, replace(breakpoints, approximation="touching"), product, {})

    @classmethod
    def with_parts(cls, parts: str) -> Self:
        formulation = cls(parts)
        formulation.id = formulation.first.id = f"{cls.id}:{parts}"
        return formulation

    @classmethod
    def parts(cls) -> Mapping[str, Sequence[Part]]:
        return {kind: registered_parts(kind) for kind in KINDS}

    def unsupported(self, tables: Tables) -> str | None:
        return self.first.unsupported(tables)

    def build(self, tables: Tables, cell: Cell) -> FormulationModel:
        """The first relaxation of the networks of ``cell``.

        Raises
        ------
        SpecError
            If the cell is not one that it can write.
        """
        return self.first.build(tables, cell)


def numbers_of(tables: Tables, position: Position) -> dict[str, int]:
    """Channels and widths of a network, by their names in the model."""
    numbers = {"C0": int(tables.stem_c[position.stem])}
    for i, (s, q) in enumerate(zip(tables.stages, position.columns, strict=True), start=1):
        numbers |= {f"C{i}": int(s.c[q]), f"b{i}": int(s.b[q])}
    return numbers
