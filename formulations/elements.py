"""What models by columns say of the single blocks of super-blocks whose blocks may differ, and of bits between neighbours;
equations as in ``docs/formulations.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mipdesign.lattice.arrays import Bools, Floats, Ints
from mipdesign.lattice.stage_tables import StageTables
from mipdesign.lattice.tables import Tables
from mipdesign.mip.expressions import Expression, linear_sum
from mipdesign.mip.linear import LinearModel


@dataclass(frozen=True)
class Chosen:
    """The columns that a model leaves an element, and the one that is chosen.

    Attributes
    ----------
    of_column:
        A function of the column, shape ``(columns,)``, as an expression, which a new variable may be named for.
    depths:
        What is 1 for each depth of the element.
    """

    tables: StageTables
    columns: Ints
    of_column: Callable[[str, Floats | Bools], Expression]
    depths: Mapping[int, Expression]

    def figure(self, values: Ints) -> Ints:
        """A figure of the tables at its columns."""
        own: Ints = values[self.columns]
        return own

    @property
    def presence(self) -> Ints:
        """0 for columns of a block that is absent, else 1."""
        return self.figure(self.tables.presence)

    @property
    def by_presence(self) -> dict[int, Expression]:
        """What is 1 where the block is absent, and where it is there."""
        there = self.presence
        return {int(value): self.of_column("there", there == value) for value in np.unique(there)}


def join(model: LinearModel, number: int, before: Chosen, own: Chosen, *, ordered: bool) -> None:
    """A later block of a super-block has the state of the block before it; blocks that may be exchanged stand in order.

    Parameters
    ----------
    number:
        Of the later block among the elements, from 1.
    """
    states, others = before.figure(before.tables.states), own.figure(own.tables.states)
    every = np.union1d(states, others).tolist()
    for state in every if len(every) > 1 else ():
        left, entered = before.of_column(f"left{number}_{state}", states == state), others == state
        model.add(f"state_{number}_{state}", left == own.of_column(f"entered{number}_{state}", entered))  # (39)
    if not ordered:
        return
    ranks = np.unique(np.concatenate([chosen.tables.ranks[chosen.columns] for chosen in (before, own)]))
    if len(ranks) > 1:
        earlier, later = (
            chosen.of_column(f"{name}{number}", np.searchsorted(ranks, chosen.tables.ranks[chosen.columns]).astype(np.float64))
            for name, chosen in (("earlier", before), ("later", own))
        )
        model.add(f"order_{number}", earlier <= later)  # (40)
    if not own.presence.all() and not before.presence.all():
        here, there = (c.of_column(f"{n}{number}", c.presence > 0) for n, c in (("here", own), ("there", before)))
        model.add(f"present_{number}", here <= there)  # (40)


def blocks_of(elements: Sequence[Chosen], one: Expression) -> dict[int, Expression]:
    """What is 1 for each number of blocks of a super-block, from its elements."""
    if not elements[0].tables.element.is_block:
        return dict(elements[0].depths)
    there = [one if e.presence.all() else e.of_column("there", e.presence > 0) for e in elements if e.presence.any()]
    least = sum(bool(e.presence.all()) for e in elements)
    found = {n: there[n - 1] - there[n] for n in range(least, len(there))}  # (41)
    return {n: e.within(0.0, 1.0) for n, e in found.items()} | {len(there): there[-1]}


def limit_readers(model: LinearModel, tables: Tables, stem: Mapping[int, Expression], elements: Sequence[Chosen]) -> None:
    """No block reads with more bits than what comes before it allows, where a device holds only so many.

    Parameters
    ----------
    stem:
        What is 1 for each index of the stem.
    """
    if not tables.tail_bits:
        return
    for i in range(len(elements) + 1):
        own = elements[i] if i < len(elements) else None
        bits = np.array([tables.tail_bits]) if own is None else own.figure(own.tables.reading[0])
        for level in sorted({*bits[bits > 0].tolist()}):
            reads = [] if own is None else [own.of_column(f"reads{i + 1}_{level}", bits >= level)]
            most = 0.0 if own is None else 1.0
            for j in _writers(tables, i):
                name = f"bits_{i + 1}_{level}_{j + 1}"
                if j < 0:
                    tight = [z for index, z in stem.items() if tables.stem_next[index] < level]
                    if tight:
                        model.add(name, linear_sum([*tight, *reads]) <= most)  # (42)
                    continue
                writer, parts, absences = elements[j], [*reads], 0.0
                held = (writer.figure(writer.tables.reading[1]) < level) & (writer.presence > 0)
                if not held.any():
                    continue
                parts.append(writer.of_column(f"held{name}", held))
                if j < i - 1:
                    after = elements[j + 1]
                    if after.presence.all():
                        continue
                    parts.append(after.of_column(f"ends{name}", after.presence == 0))
                    absences = 1.0
                model.add(name, linear_sum(parts) <= most + absences)  # (42)


def _writers(tables: Tables, i: int) -> range:
    """Elements of which one has written what an element reads; -1 is the stem. Of those of a super-block it is the last that is
    there, which for a later block is the one before it.
    """
    if i == 0 or (i < len(tables.stages) and tables.stages[i].element.continues):
        return range(i - 1, i)
    first, _ = tables.elements_of(tables.stages[i - 1].element.super_block)
    return range(first, i)
