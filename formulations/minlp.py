r"""The whole problem as one mixed-integer nonlinear model, for SCIP's own tree.

Every super-block has integers for the places of ``C_i, b_i, k_i``, its family and ``L_i`` on their lattices. Functions of one
of them, such as ``log C_i`` and what roundings add to counts, are piecewise linear with a breakpoint at every lattice point, by
any encoding (``minlp:sos2``, ``minlp:inc``, ...; ``minlp:native`` has SCIP's own logarithm). What joins several is nonlinear:

* ``S_i <= S_{i-1} + log C_{i-1} + t_i + (L_i - 1) (t_i + log C_i)``, with ``t_i`` linear in the logarithms;    (1)
* ``H_j <= log(r^2 C_j) S_j``, which is linear where the score adds;                                             (2)
* counts: polynomials of the block families (:mod:`mipdesign.formulations.polynomials`), one per family;       (3)
* ``S >= n log n - n log rho_0``;                                                                               (4)
* ``Var(L) <= e^2`` (or ``<= e``) and ``Q >= exp(e)``.                                                           (6)

What has no closed form (latency tables, limits on single operations, a price of the effectiveness, combinations that are left
out) is named in :attr:`mipdesign.mip.formulation.DesignModel.lacking`; a constraint handler decides it by the exact evaluator.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from pyscipopt import quicksum

from mipdesign.errors import SpecError
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import Tables
from mipdesign.mip.design_model import Axis, DesignModel, position_of
from mipdesign.mip.formulation import Feature, Formulation, FormulationModel
from mipdesign.registry import register_formulation

from .encodings.encoding import Encoding
from .minlp_writer import LARGEST, MinlpWriter
from .parts import Part, part_named, registered_parts
from .scaling import NONLINEAR_PARAMETERS

NATIVE = "native"
"""In place of an encoding: SCIP's own logarithm."""
DEFAULT = "sos2"


@register_formulation
class Minlp(Formulation):
    """The whole problem; see the module."""

    id = "minlp"
    title = "integers with piecewise-linear logarithms and SCIP's own products; minlp:<encoding> or minlp:native"
    claim = "exact"
    supports = frozenset({Feature.FAMILIES, Feature.TIES, Feature.SCORE, Feature.TERMS})
    reference = "The problem as stated: DeepMAD, CVPR 2023, arXiv 2303.02165, section 4; solver: SCIP 10, nonlinear constraints"

    def __init__(self, encoding: str = DEFAULT) -> None:
        part = None if encoding == NATIVE else part_named("encodings", encoding)
        if part is not None and not (isinstance(part, Encoding) and part.is_graph):
            raise SpecError("formulation", f"{encoding!r} keeps one side of a function only", f"use minlp:{DEFAULT}")
        self.encoding = part

    @classmethod
    def with_parts(cls, parts: str) -> Self:
        formulation = cls(parts)
        formulation.id = f"{cls.id}:{parts}"
        return formulation

    @classmethod
    def parts(cls) -> Mapping[str, Sequence[Part]]:
        return {"encodings": [part for part in registered_parts("encodings") if isinstance(part, Encoding) and part.is_graph]}

    def unsupported(self, tables: Tables) -> str | None:
        missing = super().unsupported(tables)
        return missing or next(iter(self._written(tables, Cell.whole(tables)).lacking), None)

    def _written(self, tables: Tables, cell: Cell, counted: bool = False) -> MinlpWriter:
        writer = MinlpWriter(tables, cell, self.encoding, counted)
        writer.write()
        return writer

    def whole(self, tables: Tables, counted: bool = False) -> DesignModel:
        writer = self._written(tables, Cell.whole(tables), counted)
        model, variables = writer.scip()
        return DesignModel(model, variables, tuple(writer.axes), tuple(writer.lacking), writer.model.rules, writer.units)

    def build(self, tables: Tables, cell: Cell) -> FormulationModel:
        """The model of the networks of ``cell``.

        Raises
        ------
        SpecError
            If a term has no closed form.
        """
        writer = self._written(tables, cell)
        reason = super().unsupported(tables) or next(iter(writer.lacking), None)
        if reason is not None:
            raise SpecError("formulation", f"{self.id!r} does not support {reason}", "use 'lattice'")
        return MinlpModel(
            tables=tables,
            cell=cell,
            nonlinear=lambda: self._written(tables, cell).scip(),
            objective_scale=1.0,
            magnitude=max(1.0, writer.top),
            floor=-LARGEST if writer.has_cap else -math.inf,
            priorities={writer.model.names[v]: priority for v, priority in writer.model.priorities.items()},
            groups=(),
            rules=writer.model.rules,
            parameters=NONLINEAR_PARAMETERS,
            axes=tuple(writer.axes),
        )


@dataclass
class MinlpModel(FormulationModel):
    """A model whose networks are read off the integers."""

    axes: tuple[Axis, ...] = field(default_factory=tuple)

    def position(self, values: Mapping[str, float]) -> Position:
        chosen = {
            (axis.kind, axis.super_block): axis.values[round(values[axis.variable]) if axis.variable else 0]
            for axis in self.axes
        }
        position = position_of(self.tables, chosen)
        assert position is not None
        return position

    def exclude(self, position: Position) -> None:
        """Cuts off one network: some integer is above or below its own, which a binary each says."""
        model, variables = self.scip
        at, sides, n = self.start(position), [], len(self.excluded)
        self.excluded.append(position)
        for axis in self.axes:
            if axis.variable is None:
                continue
            v, place, last = variables[axis.variable], round(at[axis.variable]), len(axis.values) - 1
            if place < last:
                sides.append(model.addVar(f"above_{n}_{axis.variable}", "B"))
                model.addCons(v >= (place + 1) * sides[-1])
            if place > 0:
                sides.append(model.addVar(f"below_{n}_{axis.variable}", "B"))
                model.addCons(v + (last - place + 1) * sides[-1] <= last)
        model.addCons(quicksum(sides) >= 1.0, name=f"excluded_{n}")
