"""The depth penalty ``- beta Q`` of linear formulations, equation (6) of ``docs/formulations.md``: by a weight per vector of
depths, or by a cone and an exponential where there are too many.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyscipopt import exp, quicksum

from mipdesign.lattice.cell import Cell
from mipdesign.lattice.tables import Tables
from mipdesign.mip.expressions import Expression, linear_sum
from mipdesign.mip.linear import LinearModel
from mipdesign.mip.start_values import Assignment, ValueRule
from mipdesign.networks.objective import PenaltyForm, depth_cost, depth_variance

from .scaling import PenaltyScale

PENALTY_VECTORS = 2000
"""Up to this many vectors of penalised depths get a variable each."""
Depths = Mapping[int, Mapping[int, Expression]]
"""For each penalised super-block, what is 1 for each depth."""


def too_many_vectors(tables: Tables, cell: Cell) -> str | None:
    """What a formulation without another way to write the penalty lacks for a cell, if it does."""
    if math.prod(_n_depths(tables, cell, i) for i in tables.penalised) > PENALTY_VECTORS:
        return f"more than {PENALTY_VECTORS} vectors of penalised depths"
    return None


def _n_depths(tables: Tables, cell: Cell, super_block: int) -> int:
    """How many depths a cell leaves a super-block."""
    first, stop = tables.elements_of(super_block)
    if not tables.stages[first].element.is_block:
        return len(cell.depths(tables, first))
    presence = (tables.stages[i].presence[cell.columns[i]] for i in range(first, stop))
    return 1 + sum(len(set(there.tolist())) > 1 for there in presence)


def penalty_scale(tables: Tables, entropy_limit: float, depths: Depths) -> PenaltyScale:
    """Scale of a model whose weighted entropy is at most ``entropy_limit``."""
    scoring = tables.problem.scoring
    if not depths:
        return PenaltyScale.without_penalty(entropy_limit)
    return PenaltyScale.of(entropy_limit, scoring.penalty_form, scoring.beta, [list(hot) for hot in depths.values()])


def penalty_weights(model: LinearModel, tables: Tables, scale: PenaltyScale, depths: Depths) -> bool:
    """``- beta Q`` in the objective, by one weight per vector of penalised depths; those beyond the scale are left out.

    Returns
    -------
    Whether any vector is left.
    """
    penalised, scoring = tuple(depths), tables.problem.scoring

    def is_vector(vector: tuple[int, ...]) -> ValueRule:
        def value(network: Assignment) -> float:
            of_network = tables.depths(network.position)
            return float(tuple(of_network[i] for i in penalised) == vector)

        return value

    weights: dict[tuple[int, ...], Expression] = {}
    for vector in itertools.product(*depths.values()):
        value = depth_cost(scoring.penalty_form, scoring.beta, vector)
        if value <= scale.limit:
            weights[vector] = model.variable("Q_" + "_".join(map(str, vector)), value=is_vector(vector))
            model.maximize(-value * weights[vector])  # (6)
    if not weights:
        return False
    model.add("one_Q", linear_sum(weights.values()) == 1.0)  # (6)
    for place, i in enumerate(penalised):
        if len(depths[i]) > 1:
            for depth, z in depths[i].items():
                members = (w for vector, w in weights.items() if vector[place] == depth)
                model.add(f"of_Q{i + 1}_{depth}", linear_sum(members) == z)  # (6)
    return True


def exponent_of(tables: Tables) -> ValueRule:
    """The exponent of ``Q`` in a network: variance or standard deviation of the depths of the penalised super-blocks."""
    is_std = tables.problem.scoring.penalty_form == "exp_std"

    def exponent(network: Assignment) -> float:
        depths = tables.depths(network.position)
        variance = float(depth_variance([depths[i] for i in tables.penalised]))
        return math.sqrt(variance) if is_std else variance

    return exponent


@dataclass(frozen=True)
class PenaltyCone:
    """The depth penalty as convex constraints: ``sum dev^2 / n <= e^2`` (or ``<= e``) and ``Q >= factor exp(e)``.

    Attributes
    ----------
    deviations:
        Names of the deviations of the depths from their mean.
    """

    form: PenaltyForm
    deviations: Sequence[str]
    factor: float

    @classmethod
    def of(cls, model: LinearModel, tables: Tables, scale: PenaltyScale, depths: Depths) -> PenaltyCone:
        """Deviations of the penalised depths from their mean, the exponent of ``Q``, and ``Q`` in a linear model;
        :meth:`constrain` joins them.
        """
        scoring = tables.problem.scoring
        form, beta, unit = scoring.penalty_form, scoring.beta, scale.magnitude
        depth = {i: linear_sum(float(d) * z for d, z in hot.items()) for i, hot in depths.items()}
        mean = linear_sum(d / len(depths) for d in depth.values())

        exponent = exponent_of(tables)

        def of(e: Expression) -> ValueRule:
            return lambda network: network.of(e)

        largest, deviations = float(max(map(max, depths.values()))), []
        for i, d in depth.items():
            v = model.variable(f"dev{i + 1}", lower=-largest, upper=largest, value=of(d - mean))
            model.add(f"deviation_{i + 1}", linear_sum([d, -v, -mean]) == 0.0)  # (6)
            deviations.append(model.names[v.variable])
        model.variable("exponent", upper=scale.largest_exponent(beta), value=exponent)
        q = model.variable(
            "Q", upper=scale.limit / unit, value=lambda network: beta / unit * math.exp(min(exponent(network), 700.0))
        )
        model.maximize(-unit * q)
        return cls(form, deviations, beta / unit)

    def constrain(self, model: Any, deviations: Sequence[Any], variables: Mapping[str, Any]) -> None:
        """Adds the constraints to a SCIP model."""
        e = variables["exponent"]
        variance = quicksum(v * v for v in deviations) * (1.0 / len(deviations))
        model.addCons(variance <= (e * e if self.form == "exp_std" else e), name="variance")
        model.addCons(variables["Q"] >= self.factor * exp(e), name="penalty")
