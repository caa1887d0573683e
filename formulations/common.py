"""What linear formulations share: budgets, effectiveness, and which part of a cell is on some chain."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mipdesign.errors import SpecError
from mipdesign.lattice.arrays import Bools, Ints
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import Tables
from mipdesign.mip.expressions import Expression, linear_sum
from mipdesign.mip.formulation import Formulation, FormulationModel
from mipdesign.mip.linear import LinearModel

from .scaling import BUDGET_UNIT, LOOSENED, PenaltyScale

MAX_BINARIES = 500_000
"""Most binaries of lattice points or columns that a model may have."""
FAMILY, DEPTH, WIDTH, KERNEL, CHANNELS = 50, 40, 30, 20, 10
"""Branching priorities of one-hot binaries; the integers of their places have one more."""


class LinearWriter(Protocol):
    """What has written a linear model."""

    @property
    def tables(self) -> Tables: ...
    @property
    def cell(self) -> Cell: ...
    @property
    def model(self) -> LinearModel: ...
    @property
    def penalty(self) -> PenaltyScale: ...


class Writer(Protocol):
    """Writes the model of one cell."""

    tables: Tables
    cell: Cell

    def never(self, reason: str) -> None: ...
    def network(self, stem: Ints, columns: Sequence[Ints]) -> None: ...
    def finish(self) -> FormulationModel: ...


def parts_of(writer: LinearWriter) -> dict[str, Any]:
    """What every linear model of a writer is made of, its one-hot groups aside."""
    model, penalty = writer.model, writer.penalty
    return {
        "tables": writer.tables,
        "cell": writer.cell,
        "linear": model,
        "objective_scale": penalty.scale,
        "magnitude": penalty.magnitude,
        "floor": penalty.floor,
        "priorities": {model.names[v]: priority for v, priority in model.priorities.items()},
        "rules": model.rules,
    }


def write(writer: Writer) -> FormulationModel:
    """The model of the cell of a writer: of what of it is on some chain."""
    chain = reachable(writer.tables, writer.cell)
    if chain is None:
        writer.never("no_chain")
    else:
        writer.network(*chain)
    return writer.finish()


@dataclass(frozen=True)
class Layers:
    """A number of layers as a linear expression, with the values that it can take, increasing."""

    number: Expression
    attainable: tuple[int, ...]

    def attainable_with(self, per_block: int, depths: Iterable[int]) -> tuple[int, ...]:
        """The values that it can take with a super-block of any of some depths added."""
        return tuple(sorted({n + per_block * int(d) for n in self.attainable for d in depths}))

    def with_head(self, one: Expression) -> Layers:
        """One layer more; ``one`` is a variable that is 1."""
        return Layers(self.number + one, tuple(n + 1 for n in self.attainable))


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


def check_supported(formulation: Formulation, tables: Tables) -> None:
    """Refuses a problem with something that a formulation does not write.

    Raises
    ------
    SpecError
        With what it is.
    """
    if reason := formulation.unsupported(tables):
        problem = f"{formulation.id!r} does not support {reason}"
        raise SpecError("formulation", problem, "name none: splitting then closes all cells")


def budget_unit(limit: float) -> float:
    """What a budget is divided by: its limit becomes :data:`BUDGET_UNIT`, or minus that where it is a lower one."""
    return max(abs(float(limit)), 1.0) / BUDGET_UNIT


def budgets(model: LinearModel, tables: Tables, counts: Sequence[Expression]) -> None:
    """``count <= limit``, with the limit scaled to :data:`BUDGET_UNIT` and loosened by half a unit."""
    for name, limit, count in zip(tables.counts, tables.limits, counts, strict=True):
        unit = budget_unit(limit)
        model.add(f"budget_{name}", count / unit <= (float(limit) + 0.5) / unit)  # (3)


def exact_sum(tables: Tables, position: Position, number: int) -> float:
    """``S`` of a network up to and with super-block ``number`` (0: the stem)."""
    total, c = tables.stem_log, int(tables.stem_c[position.stem])
    for s, q, depth in zip(tables.stages[:number], position.columns, position.depths, strict=False):
        total += math.log(c) + depth * float(s.t[q]) + (depth - 1) * float(s.log_c[q])
        c = int(s.c[q])
    return total


def effectiveness(model: LinearModel, tables: Tables, stage: int, total: Expression, layers: Layers) -> None:
    """``S >= phi(n)`` for the prefix that ends with a stage, by the secants of ``phi`` at the attainable ``n``."""
    if tables.rho is None or stage not in tables.rho_stages:
        return
    log_rho = math.log(tables.arrays.rho)
    phi = {n: n * math.log(n) - n * log_rho for n in layers.attainable}
    loose = LOOSENED * max(1.0, *(abs(value) for value in phi.values()))
    if len(phi) == 1:
        model.add(f"effectiveness_{stage}", total >= min(phi.values()) - loose)  # (4)
    for n, after in itertools.pairwise(layers.attainable):
        slope = (phi[after] - phi[n]) / (after - n)
        secant = total - slope * layers.number >= phi[n] - slope * n - loose  # (4)
        model.add(f"effectiveness_{stage}_{n}", secant)


def tied_pairs(tables: Tables) -> Iterator[tuple[str, int, int]]:
    """What a tie has in common (``channels``, ``bottleneck``, ``kernel``, ``depth``, ``block``, ``presence``); two of its
    elements.
    """
    for tie in tables.ties:
        for i, j in itertools.pairwise(tie.stages):
            yield tie.axis, i, j


def ties(
    model: LinearModel, tables: Tables, indicators: Callable[[int, str], Mapping[int, Expression] | Mapping[str, Expression]]
) -> None:
    """Ties between super-blocks.

    Parameters
    ----------
    indicators:
        What is 1 for each value that a super-block can have of something.
    """
    for axis, i, j in tied_pairs(tables):
        one, other = ({str(value): z for value, z in indicators(stage, axis).items()} for stage in (i, j))
        if len(one) == 1 and one.keys() == other.keys():
            continue
        for value in {**one, **other}:
            members = linear_sum([one[value]] if value in one else [])
            same = linear_sum([other[value]] if value in other else [])
            model.add(f"tied_{axis}{i + 1}_{j + 1}_{value}", members == same)  # (33)


def reachable(tables: Tables, cell: Cell) -> tuple[Ints, list[Ints]] | None:
    """Stem indices and columns of a cell that lie on some chain of channels, or ``None`` if there is no chain.

    Of blocks of super-blocks whose blocks may differ, only columns in states that all of them have are left.
    """
    if any(s.element.continues for s in tables.stages):
        tied = cell.tied(tables)
        if tied is None:
            return None
        cell = tied
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
