"""A whole design problem as SCIP's problem, and the integers of a network in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from pyscipopt import Model

from ..lattice.position import Position
from ..lattice.tables import Tables
from .start_values import ValueRule

AxisKind = Literal["stem", "family", "channels", "width", "kernel", "bits", "depth"]


@dataclass(frozen=True)
class Axis:
    """An integer of the network in a model: which one, and how a variable tells it.

    Attributes
    ----------
    super_block:
        Number of the super-block, from 0; -1 for the stem.
    variable:
        Name of the integer variable whose value is the place in :attr:`values`; ``None`` where there is a single value.
    values:
        The values, increasing: channels of the stem, places of the families, channels, widths, kernels, pairs of bits as
        :attr:`mipdesign.lattice.stage_tables.StageTables.bits` numbers them, depths.
    """

    kind: AxisKind
    super_block: int
    variable: str | None
    values: tuple[int, ...]


@dataclass(frozen=True)
class DesignModel:
    """A whole design problem as SCIP's problem, to be maximised, and how its integers are read.

    Attributes
    ----------
    model, variables:
        The PySCIPOpt model, and its variables by name. ``objective`` is the objective of the network.
    axes:
        The integers that a network consists of.
    lacking:
        Terms of the problem that have no closed form in the model, in words: a constraint handler with the exact evaluator is
        their semantics (:mod:`mipdesign.scip_plugins`).
    rules:
        Values of all variables in a network, by name.
    units:
        What one unit of a budget means in the model, by the budget's name: in its constraint ``budget_<budget>``, or in the
        variable ``count_<budget>`` where the model was asked for the counts as variables.
    """

    model: Any
    variables: Mapping[str, Any]
    axes: tuple[Axis, ...]
    lacking: tuple[str, ...]
    rules: Mapping[str, ValueRule]
    units: Mapping[str, float] = field(default_factory=dict)

    def under(self, tables: Tables) -> DesignModel:
        """A copy of a model that has constraints for the budgets, under the limits of other tables.

        They have the same columns and the same limit of the effectiveness. Copying takes a tenth of the time of writing; units
        stay those of this model.
        """
        model = Model(sourceModel=self.model, origcopy=True)
        model.hideOutput()
        limits = dict(zip(tables.counts, tables.limits.tolist(), strict=True))
        sides = {f"{BUDGET}{name}": most_in_units(limits[name], unit) for name, unit in self.units.items()}
        for constraint in model.getConss(False):
            if constraint.name in sides:
                model.chgRhs(constraint, sides[constraint.name])
        return replace(self, model=model, variables={variable.name: variable for variable in model.getVars()})


BUDGET = "budget_"
"""How the names of constraints for budgets begin."""


def most_in_units(limit: float, unit: float) -> float:
    """What a count may be at most, in units of a model: half a unit above the integer, so that tolerances exclude nothing."""
    return (float(limit) + 0.5) / unit


def position_of(tables: Tables, chosen: Mapping[tuple[AxisKind, int], int]) -> Position | None:
    """The network with chosen values, by kind and super-block of their axes; ``None`` if the space has none."""
    columns: list[int] = []
    depths: list[int] = []
    first = 0
    for i, s in enumerate(tables.stages):
        first = first if s.element.continues else i  # whose state all blocks have
        shape = first if s.element.space.uniform else i
        same = (s.f == chosen["family", first]) & (s.c == chosen["channels", first])
        of_block = (s.b == chosen["width", shape]) & (s.k == chosen["kernel", shape]) & (s.bits == chosen.get(("bits", i), 0))
        depth = chosen["depth", i]
        if not depth:
            of_block = s.presence == 0
            if s.element.space.uniform:
                of_block &= s.states == tables.stages[first].states[columns[first]]
        at = np.flatnonzero(same & of_block)
        if not len(at):
            return None
        columns.append(int(at[0]))
        depths.append(1 if s.element.is_block else depth)
    stem = int(np.searchsorted(tables.stem_c, chosen["stem", -1]))
    return tables.canonical(Position(stem, tuple(columns), tuple(depths)))
