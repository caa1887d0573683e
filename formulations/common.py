"""What linear formulations share: limits and penalty as rows of a linear model, and which part of a cell is on some chain."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mipdesign.errors import SpecError
from mipdesign.lattice.arrays import Bools, Ints
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import Tables
from mipdesign.mip.formulation import FormulationModel
from mipdesign.mip.linear import LinearModel, Terms
from mipdesign.networks.objective import PenaltyForm, depth_cost

from .scaling import BUDGET_UNIT, LOOSENED, PenaltyScale

PENALTY_VECTORS = 2000
"""Up to this many vectors of penalised depths get a variable each."""
MAX_BINARIES = 500_000
"""Most binaries of lattice points or columns that a model may have."""
DEPTH, WIDTH, KERNEL, CHANNELS = 40, 30, 20, 10
"""Branching priorities of one-hot binaries; the integers of their places have one more."""


class Placed(Protocol):
    """Something that knows where a network stands in the tables."""

    @property
    def position(self) -> Position: ...


class Writer(Protocol):
    """Writes the model of one cell."""

    tables: Tables
    cell: Cell

    def nothing(self, reason: str) -> None: ...
    def network(self, stem: Ints, columns: Sequence[Ints]) -> None: ...
    def finish(self) -> FormulationModel: ...


def write(writer: Writer) -> FormulationModel:
    """The model of the cell of a writer: of what of it is on some chain."""
    chain = reachable(writer.tables, writer.cell)
    if chain is None:
        writer.nothing("no_chain")
    else:
        writer.network(*chain)
    return writer.finish()


@dataclass(frozen=True)
class Layers:
    """A number of layers as a linear expression, with the values that it can take, increasing."""

    terms: Terms
    attainable: tuple[int, ...]

    def attainable_with(self, per_block: int, depths: Iterable[int]) -> tuple[int, ...]:
        """The values that it can take with a super-block of any of some depths added."""
        return tuple(sorted({n + per_block * int(d) for n in self.attainable for d in depths}))

    def with_head(self, one: int) -> Layers:
        """One layer more; ``one`` is a variable that is 1."""
        return Layers(self.terms + [(one, 1.0)], tuple(n + 1 for n in self.attainable))


def check_size(formulation_id: str, binaries: int) -> None:
    """Refuses a model that is far too large.

    Raises
    ------
    SpecError
        If it has more than :data:`MAX_BINARIES` binaries.
    """
    if binaries > MAX_BINARIES:
        problem = f"{formulation_id!r} needs {binaries} binaries for this cell"
        raise SpecError("formulation", problem, f"split it below {MAX_BINARIES}")


def too_many_vectors(tables: Tables, cell: Cell) -> str | None:
    """What a formulation without another way to write the penalty lacks for a cell, if it does."""
    if math.prod(len(cell.depths(tables, i)) for i in tables.penalised) > PENALTY_VECTORS:
        return f"more than {PENALTY_VECTORS} vectors of penalised depths"
    return None


def budget_unit(limit: float) -> float:
    """What a budget is divided by: its limit becomes :data:`BUDGET_UNIT`."""
    return max(float(limit), 1.0) / BUDGET_UNIT


def budgets(linear: LinearModel, tables: Tables, counts: Sequence[Terms]) -> None:
    """``count <= limit``, with the limit scaled to :data:`BUDGET_UNIT` and loosened by half a unit."""
    for name, limit, terms in zip(tables.counts, tables.limits, counts, strict=True):
        unit = budget_unit(limit)
        linear.row(f"budget_{name}", [(v, c / unit) for v, c in terms], high=(float(limit) + 0.5) / unit)


def effectiveness(linear: LinearModel, tables: Tables, stage: int, total: Terms, layers: Layers) -> None:
    """``S >= phi(n)`` for the prefix that ends with a stage, by the secants of ``phi`` at the attainable ``n``."""
    if tables.rho is None or stage not in tables.rho_stages:
        return
    log_rho = math.log(tables.arrays.rho)
    phi = {n: n * math.log(n) - n * log_rho for n in layers.attainable}
    loose = LOOSENED * max(1.0, *(abs(value) for value in phi.values()))
    if len(phi) == 1:
        linear.row(f"effectiveness_{stage}", total, low=min(phi.values()) - loose)
    for n, after in itertools.pairwise(layers.attainable):
        slope = (phi[after] - phi[n]) / (after - n)
        terms = total + [(v, -slope * c) for v, c in layers.terms]
        linear.row(f"effectiveness_{stage}_{n}", terms, low=phi[n] - slope * n - loose)


def penalty_scale(tables: Tables, entropy_limit: float, depths: Mapping[int, Sequence[int]]) -> PenaltyScale:
    """Scale of a model whose weighted entropy is at most ``entropy_limit``; ``depths`` by penalised super-block."""
    scoring = tables.problem.scoring
    if not depths:
        return PenaltyScale.without_penalty(entropy_limit)
    return PenaltyScale.of(entropy_limit, scoring.penalty_form, scoring.beta, list(depths.values()))


def penalty_weights(
    linear: LinearModel,
    add: Callable[[str, Callable[[Placed], float]], int],
    form: PenaltyForm,
    beta: float,
    limit: float,
    depths: Mapping[int, Mapping[int, Terms]],
) -> bool:
    """``- beta Q`` in the objective, by one weight per vector of penalised depths.

    Parameters
    ----------
    add:
        Adds a variable between 0 and 1 with a name and its value in a network.
    limit:
        Vectors with a larger ``beta Q`` are left out.
    depths:
        For each penalised super-block, what is 1 for each depth.

    Returns
    -------
    Whether any vector is left.
    """
    penalised = tuple(depths)

    def is_vector(vector: tuple[int, ...]) -> Callable[[Placed], float]:
        return lambda network: float(tuple(network.position.depths[i] for i in penalised) == vector)

    weights: dict[tuple[int, ...], int] = {}
    for vector in itertools.product(*depths.values()):
        value = depth_cost(form, beta, vector)
        if value <= limit:
            weights[vector] = add("Q_" + "_".join(map(str, vector)), is_vector(vector))
            linear.gain([(weights[vector], -value)])
    if not weights:
        return False
    linear.row("one_Q", [(w, 1.0) for w in weights.values()], 1.0, 1.0)
    for place, i in enumerate(penalised):
        members: dict[int, Terms] = {d: [] for d in depths[i]}
        for vector, w in weights.items():
            members[vector[place]].append((w, 1.0))
        link(linear, f"Q{i + 1}", depths[i], members)
    return True


def link(linear: LinearModel, name: str, hot: Mapping[int, Terms], members: Mapping[int, Terms]) -> None:
    """Says that each expression of ``hot`` is the sum of its members."""
    if len(hot) > 1:
        for value, terms in hot.items():
            linear.row(f"of_{name}_{value}", members[value] + [(v, -c) for v, c in terms], 0.0, 0.0)


def reachable(tables: Tables, cell: Cell) -> tuple[Ints, list[Ints]] | None:
    """Stem indices and columns of a cell that lie on some chain of channels, or ``None`` if there is no chain."""
    c = [tables.stem_c[cell.stem]] + [s.c[columns] for s, columns in zip(tables.stages, cell.columns, strict=True)]
    alive: list[Bools] = [np.ones(len(values), dtype=bool) for values in c]
    for i, s in enumerate(tables.stages):
        alive[i + 1] = np.any(s.follows(c[i][alive[i], None], c[i + 1][None, :]), axis=0)
    for i in range(len(tables.stages) - 1, -1, -1):
        leads_on: Bools = np.any(tables.stages[i].follows(c[i][:, None], c[i + 1][None, alive[i + 1]]), axis=1)
        alive[i] = alive[i] & leads_on
    if not all(mask.any() for mask in alive):
        return None
    return cell.stem[alive[0]], [columns[mask] for columns, mask in zip(cell.columns, alive[1:], strict=True)]
