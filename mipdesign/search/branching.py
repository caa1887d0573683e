"""The steps of branch and bound over cells with Lagrangian chain bounds; the tree is SCIP's (:mod:`mipdesign.scip_plugins`).

A :class:`Node` is a cell of the tree. :func:`expand` bounds it, drops the choices that cannot reach the cutoff, and then
excludes it, lists its networks one by one, leaves it to the solver, or splits it in two. Every step is a :class:`Record` from
which a reader of the certificate can repeat it: node ``"01"`` is the second half of the first half of the whole space.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from ..bounds.multipliers import Multipliers
from ..bounds.optimise import Sifting
from ..bounds.paths import Paths
from ..bounds.relaxation import MOST_LISTED, Relaxation
from ..lattice.arrays import Ints
from ..lattice.cell import Cell
from ..lattice.position import Candidate, Position
from ..lattice.tables import Tables
from ..native.library import doubles, function, integers

LIST_STEPS = 10_000
"""Steps of such a search: a fraction of a millisecond, less than what another split costs."""
ROOT_EVALUATIONS = 60
EVALUATIONS = 25
"""Bound evaluations per node."""
GUIDE_LEVELS, GUIDED_EVALUATIONS = 4, 3
"""Levels of a tree that guide another one, and bound evaluations of a node whose multipliers and split are known from there.
Nodes near the root are the dear ones, and the most alike; deeper ones are better split anew (``docs/performance.md``).
"""
LEAD = 1e-6
"""Relative distance from the best network of a listing within which others are kept; ten times the margin of equals."""
NEAR = 1e-9
"""Relative margin of what rounding may do to an objective."""

Verdict = Literal["excluded", "split", "listed", "solver"]
SplitKind = Literal["stem", "depth", "channels", "family", "width", "kernel", "bits"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
KINDS: tuple[SplitKind, ...] = get_args(SplitKind)

_expand = function("node_expand", "p", "pp")
_free = function("answer_free", "", "p")
_half = function("split_half", "i", "piiibpip")
_list = function("cell_list", "i", "ppdpdidpp")


@dataclass(frozen=True)
class Split:
    """Where a cell is split: networks with the value of ``kind`` of element ``index`` up to ``threshold`` go to half 0.

    The depth of a later block of a super-block whose blocks may differ is whether it is there, which its column says.
    """

    kind: SplitKind
    index: int
    threshold: int

    def half(self, tables: Tables, cell: Cell, upper: bool) -> Cell:
        """One half of a cell."""
        i = self.index
        of_depths = self.kind == "depth" and not tables.stages[i].element.continues
        choices = cell.depths(tables, i) if of_depths else cell.stem if self.kind == "stem" else cell.columns[i]
        kept = np.empty_like(choices)
        half = (KINDS.index(self.kind), i, self.threshold, upper, integers(choices), len(choices), integers(kept))
        kept = kept[: _half(tables.arrays.address, *half)].copy()
        if of_depths:
            low, high = cell.low.copy(), cell.high.copy()
            low[i], high[i] = kept[0], kept[-1]
            return Cell(cell.stem, cell.columns, low, high)
        if self.kind == "stem":
            return Cell(kept, cell.columns, cell.low, cell.high)
        return Cell(cell.stem, (*cell.columns[:i], kept, *cell.columns[i + 1 :]), cell.low, cell.high)


@dataclass(frozen=True)
class Record:
    """One step of the tree, enough to repeat it."""

    node: str
    verdict: Verdict
    cutoff: float
    multipliers: list[float]
    split: Split | None = None


Guide = Mapping[str, Record]
"""The tree of a problem with the same space and other limits, by node: multipliers to start from and where to split. It is
advice: every bound is computed anew, so no guide makes one invalid.
"""


@dataclass(frozen=True)
class Node:
    """An open cell, with the bound of its parent and multipliers to start from."""

    name: str
    cell: Cell
    bound: float
    multipliers: Multipliers
    paths: Paths | None = None
    """Paths that supported the parent's bound."""
    by_solver: bool = False
    """Whether the bound is the solver's word, which multipliers do not prove."""


@dataclass(frozen=True)
class Expansion:
    """What came of one node."""

    record: Record
    bound: float
    children: tuple[Node, ...]
    candidates: tuple[Candidate, ...]
    cell: Cell | None
    """The reduced cell, where the solver has to close it."""
    repair_start: Position | None
    """A path whose objective reaches the cutoff but which breaks a budget: a start for a local search."""
    rows: Ints | None = None
    """All networks of a listing that may keep all limits and reach the cutoff, where every one is wanted: rows of stem, columns
    and depths.
    """


class Question(ctypes.Structure):
    """``Question`` of ``native/expansion.h``."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("cell", "how", "start", "known")),
        *((name, ctypes.c_double) for name in ("cutoff", "weight", "doubt")),
        *((name, ctypes.c_int64) for name in ("n_known", "evaluations", "list_steps", "solver_columns")),
        *((name, ctypes.c_int64) for name in ("kind", "index", "threshold")),
    ]


class Answer(ctypes.Structure):
    """The first fields of ``Answer`` of ``native/expansion.h``."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("verdict", "optimised", "kind", "index", "threshold")),
        *((name, ctypes.c_void_p) for name in ("cell", "multipliers")),
        *((name, ctypes.c_int64) for name in ("n_listed", "n_reached")),
        *((name, ctypes.c_void_p) for name in ("networks", "objectives", "repair_start")),
        ("n_kept", ctypes.c_int64),
        ("kept", ctypes.c_void_p),
        ("bound", ctypes.c_double),
    ]


def expand(
    tables: Tables,
    node: Node,
    cutoff: float,
    solver_columns: int = 0,
    list_steps: int = LIST_STEPS,
    advice: Record | None = None,
    split: Split | None = None,
    every: bool = False,
) -> Expansion:
    """Bounds, reduces and splits one node: ``native/expansion.h``, in one call of the core.

    Parameters
    ----------
    cutoff:
        Networks below it are of no interest. With multipliers of weight 0 it is 0 and excludes infeasible cells only.
    solver_columns:
        Cells with at most this many columns and a single depth per super-block are left to the solver.
    list_steps:
        Steps that the search for all networks of a cell may take.
    advice:
        What a :data:`Guide` knows of the node.
    split:
        How to split it, where that divides what is left of it.
    every:
        Whether all networks of a listing are wanted, and not only those near the best: ``rows`` are given in place of
        ``candidates``.

    Raises
    ------
    MemoryError
        If there is no memory for it.
    ValueError
        If it is a single network and ``list_steps`` do not suffice to list it.
    """
    start, evaluations, advised = node.multipliers, EVALUATIONS if node.name else ROOT_EVALUATIONS, (-1, -1, 0)
    if advice is not None and advice.split is not None and _same_shape(advice.multipliers, node.multipliers.to_list()):
        start, split = Multipliers.from_list(tables, advice.multipliers), advice.split
        evaluations = GUIDED_EVALUATIONS
    if split is not None:
        advised = KINDS.index(split.kind), split.index, split.threshold
    view, how, vector = node.cell.view(), Sifting.usual(), start.vector
    known = np.empty(0) if node.paths is None else np.ascontiguousarray(node.paths.table)
    given = (ctypes.addressof(view), ctypes.addressof(how), doubles(vector), doubles(known))
    numbers = (len(known), evaluations, list_steps, solver_columns)
    question = Question(*given, cutoff, start.weight, tables.doubt, *numbers, *advised)
    found = _expand(tables.arrays.address, ctypes.addressof(question))
    if found is None:
        raise MemoryError("there is no memory for a node")
    try:
        return _read(tables, node, cutoff, start, Answer.from_address(found), every)
    finally:
        _free(found)


def _read(tables: Tables, node: Node, cutoff: float, start: Multipliers, answer: Answer, every: bool) -> Expansion:
    """What the core has found."""
    verdict = VERDICTS[answer.verdict]
    multipliers = node.multipliers
    if answer.optimised:
        multipliers = start.at(np.array(_numbers(answer.multipliers, len(start.vector), "d")))
    split: Split | None = None
    children: tuple[Node, ...] = ()
    cell = None
    bound = answer.bound
    if verdict != "excluded":
        bound = min(bound, node.bound) if math.isfinite(bound) else node.bound
    if answer.cell is not None:
        cell = Cell.read(tables, answer.cell)
    if verdict == "split":
        assert cell is not None
        if answer.kind < 0:
            raise ValueError(f"node {node.name!r} is a single network, which its search does not reach in so few steps")
        split = Split(KINDS[answer.kind], answer.index, answer.threshold)
        paths = Paths.none(tables.arrays, answer.n_kept)
        ctypes.memmove(doubles(paths.table), answer.kept, paths.table.nbytes)
        halves = (split.half(tables, cell, upper) for upper in (False, True))
        children = tuple(Node(f"{node.name}{n}", half, bound, multipliers, paths) for n, half in enumerate(halves))
        cell = None
    record = Record(node.name, verdict, cutoff, multipliers.to_list(), split)
    width, n = 1 + 2 * len(tables.stages), answer.n_listed
    if every:
        found = np.empty((n, width), dtype=np.int64)
        ctypes.memmove(integers(found), answer.networks, found.nbytes)
        return Expansion(record, bound, children, (), cell, None, found)
    rows = _rows(answer.networks, n + answer.n_reached, width)
    objectives = _numbers(answer.objectives, len(rows), "d")
    listed = candidates_of(rows[:n], objectives[:n])
    reached = (replace(c, position=tables.canonical(c.position)) for c in candidates_of(rows[n:], objectives[n:]))
    repair_start = None
    if answer.repair_start is not None and verdict != "listed":
        repair_start = position_of(_numbers(answer.repair_start, width, "q"))
    return Expansion(record, bound, children, (*_leading(tables, listed), *dict.fromkeys(reached)), cell, repair_start)


def _numbers(address: int, n: int, kind: Literal["d", "q"]) -> list[Any]:
    """Numbers that the core has: doubles or 64-bit integers."""
    return memoryview(ctypes.string_at(address, 8 * n)).cast(kind).tolist() if n else []


def _rows(address: int, n: int, width: int) -> list[list[int]]:
    numbers = _numbers(address, n * width, "q")
    return [numbers[at : at + width] for at in range(0, n * width, width)]


def whole_space(tables: Tables, cutoff: float, feasibility_only: bool) -> Node:
    """The whole space as an open node, with multipliers to start from; a cutoff that is not finite values it at nothing."""
    worth = 3.0 if feasibility_only else max(1.0, abs(cutoff)) if math.isfinite(cutoff) else 1.0
    return Node("", Cell.whole(tables), math.inf, Multipliers.initial(tables, worth, float(not feasibility_only)))


def open_nodes(tables: Tables, records: Iterable[Record], root: Node) -> list[Node]:
    """The nodes that the records of a tree leave open: its splits are repeated, which are as good as certain to be those that
    were made, since nothing but the bounds at the recorded multipliers decides them.
    """
    known, stack, found = {record.node: record for record in records}, [root], []
    while stack:
        node = stack.pop()
        record = known.get(node.name)
        if record is None:
            found.append(node)
        elif record.split is not None:
            stack += _halves(tables, node, record)
    return found


def _halves(tables: Tables, node: Node, record: Record) -> tuple[Node, ...]:
    """The children of a node by its record."""
    relaxation = Relaxation(tables, node.cell, record.cutoff)
    multipliers = Multipliers.from_list(tables, record.multipliers)
    bound = relaxation.bound(multipliers)
    certain = math.isfinite(bound.outward)
    cell = bound.fix_by_reduced_cost() if certain else relaxation.cell
    assert cell is not None and record.split is not None
    lowered = min(bound.outward, node.bound) if certain else node.bound
    halves = (record.split.half(tables, cell, upper) for upper in (False, True))
    return tuple(Node(f"{node.name}{n}", half, lowered, multipliers) for n, half in enumerate(halves))


def _same_shape(multipliers: list[float], others: list[float]) -> bool:
    """Whether two rows of multipliers have the same weight and length."""
    return multipliers[0] == others[0] and len(multipliers) == len(others)


def list_networks(
    tables: Tables, cell: Cell, cutoff: float, multipliers: Multipliers, steps: int = LIST_STEPS
) -> list[Candidate] | None:
    """The best networks of a cell that keep all budgets and reach the cutoff: one that does so exactly, and all within
    :data:`LEAD` of it in floating point. ``None`` if a search of so many steps does not find all networks.
    """
    m, view, vector = len(tables.stages), cell.view(), multipliers.vector
    networks, objectives = np.empty((MOST_LISTED, 1 + 2 * m), dtype=np.int64), np.empty(MOST_LISTED)
    given = (ctypes.addressof(view), cutoff, doubles(vector), multipliers.weight, steps, tables.doubt)
    n = _list(tables.arrays.address, *given, integers(networks), doubles(objectives))
    if n < -1:
        raise MemoryError("there is no memory for the networks of a cell")
    return None if n < 0 else _leading(tables, candidates_of(networks[:n].tolist(), objectives[:n].tolist()))


def _leading(tables: Tables, candidates: Iterator[Candidate]) -> list[Candidate]:
    """Of candidates in falling order those near the first that keeps all budgets exactly: the others cannot be the best."""
    leading: list[Candidate] = []
    least = -math.inf
    for candidate in candidates:
        if leading and candidate.objective < least:
            break
        if not leading:
            if tables.problem.violations(tables.architecture(candidate.position)):
                continue
            least = candidate.objective - LEAD * abs(candidate.objective) - 2 * tables.doubt
        leading.append(candidate)
    return leading


def candidates_of(networks: list[list[int]], objectives: list[float]) -> Iterator[Candidate]:
    """Networks as candidates; a row of stem, columns and depths for each."""
    for row, objective in zip(networks, objectives, strict=True):
        yield Candidate(position_of(row), objective)


def position_of(row: Sequence[int]) -> Position:
    """A network from its row of stem, columns and depths."""
    m = len(row) // 2
    return Position(row[0], tuple(row[1 : 1 + m]), tuple(row[1 + m :]))
