"""The steps of branch and bound over cells with Lagrangian chain bounds; the tree is SCIP's (:mod:`mipdesign.scip_plugins`).

A :class:`Node` is a cell of the tree. :func:`expand` bounds it, drops the choices that cannot reach the cutoff, and then
excludes it, lists its networks one by one, leaves it to the solver, or splits it in two. Every step is a :class:`Record` from
which a reader of the certificate can repeat it: node ``"01"`` is the second half of the first half of the whole space.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..bounds.multipliers import Multipliers
from ..bounds.optimise import optimise
from ..bounds.paths import Paths
from ..bounds.relaxation import Optimised, Relaxation
from ..lattice.arrays import Bools, Floats, Ints
from ..lattice.batch import Batch, BatchEvaluation, evaluate_batch
from ..lattice.cell import Cell
from ..lattice.distinct import distinct
from ..lattice.position import Candidate, Position
from ..lattice.stage_tables import StageTables
from ..lattice.tables import Tables

LIST_COLUMNS = 500
"""Cells with more columns are not searched for all their networks."""
LIST_STEPS = 10_000
"""Steps of such a search: a fraction of a millisecond, less than what another split costs."""
ROOT_EVALUATIONS = 60
EVALUATIONS = 25
"""Bound evaluations per node."""
GUIDE_LEVELS, GUIDED_EVALUATIONS = 4, 3
"""Levels of a tree that guide another one, and bound evaluations of a node whose multipliers and split are known from there.
Nodes near the root are the dear ones, and the most alike; deeper ones are better split anew (``docs/performance.md``).
"""
BLOCK, PRODUCT, FAMILY, KERNEL, WIDTH_SPREAD, CHANNEL_SPREAD, BITS = 0.2, 0.3, 10.0, 0.1, 0.12, 0.02, 0.3
"""How much a split promises, relative to the objective that the spread of its values is worth; see :func:`choose_split`."""
KEPT_PATHS = 6
"""Paths handed to the children of a node beside those that support its bound."""
LEAD = 1e-6
"""Relative distance from the best network of a listing within which others are kept; ten times the margin of equals."""
NEAR = 1e-9
"""Relative margin within which a floating-point objective is taken to reach the cutoff, beside :attr:`Tables.doubt`; exact
arithmetic decides.
"""

Verdict = Literal["excluded", "split", "listed", "solver"]
SplitKind = Literal["stem", "depth", "channels", "family", "width", "kernel", "bits"]


def column_values(stage: StageTables, kind: str) -> Ints:
    """What the columns of an element have of a kind of split: ``channels``, ``family``, ``width``, ``kernel`` or ``bits``, and
    the ``depth`` of a single block.
    """
    if kind in ("depth", "bits"):
        return stage.presence if kind == "depth" else stage.bits
    return {"channels": stage.c, "family": stage.f, "width": stage.b, "kernel": stage.k}[kind]


@dataclass(frozen=True)
class Split:
    """Where a cell is split: networks with the value of ``kind`` of element ``index`` up to ``threshold`` go to half 0."""

    kind: SplitKind
    index: int
    threshold: int

    def divides(self, tables: Tables, cell: Cell) -> bool:
        """Whether both halves of a cell hold something."""
        values = self._values(tables, cell)
        return bool((values > self.threshold).any() and (values <= self.threshold).any())

    def _values(self, tables: Tables, cell: Cell) -> Ints:
        """What the choices of a cell have of :attr:`kind`."""
        i = self.index
        if self.kind == "depth" and not self._of_columns(tables):
            return cell.depths(tables, i)
        if self.kind == "stem":
            return tables.stem_c[cell.stem]
        s = tables.stages[i]
        return column_values(s, self.kind)[cell.columns[i]]

    def _of_columns(self, tables: Tables) -> bool:
        """Whether columns say what the split is about; of single blocks they say also which are there."""
        return self.kind not in ("stem", "depth") or (self.kind == "depth" and tables.stages[self.index].element.is_block)

    def half(self, tables: Tables, cell: Cell, upper: bool) -> Cell:
        """One half of a cell."""
        i, values = self.index, self._values(tables, cell)
        kept = (values > self.threshold) == upper
        if self.kind == "depth" and not self._of_columns(tables):
            low, high = cell.low.copy(), cell.high.copy()
            low[i], high[i] = values[kept][0], values[kept][-1]
            return Cell(cell.stem, cell.columns, low, high)
        if self.kind == "stem":
            return Cell(cell.stem[kept], cell.columns, cell.low, cell.high)
        columns = list(cell.columns)
        columns[i] = cell.columns[i][kept]
        return Cell(cell.stem, tuple(columns), cell.low, cell.high)


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


def expand(
    tables: Tables,
    node: Node,
    cutoff: float,
    solver_columns: int = 0,
    list_steps: int = LIST_STEPS,
    advice: Record | None = None,
) -> Expansion:
    """Bounds, reduces and splits one node.

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
    """
    weight = node.multipliers.weight
    start, evaluations, known_split = node.multipliers, EVALUATIONS if node.name else ROOT_EVALUATIONS, None
    if advice is not None and advice.split is not None and _same_shape(advice.multipliers, node.multipliers.to_list()):
        start, known_split = Multipliers.from_list(tables, advice.multipliers), advice.split
        evaluations = GUIDED_EVALUATIONS

    def done(verdict: Verdict, multipliers: Multipliers, bound: float, **more: object) -> Expansion:
        fields = {"split": None, "children": (), "candidates": (), "cell": None, "repair_start": None} | more
        split = fields.pop("split")
        return Expansion(Record(node.name, verdict, cutoff, multipliers.to_list(), split), bound, **fields)  # type: ignore[arg-type]

    relaxation = Relaxation(tables, node.cell, cutoff)
    if relaxation.empty:
        return done("excluded", node.multipliers, -math.inf)
    best = optimise(relaxation, start, evaluations, node.paths)
    bound = best.bound.outward
    if bound < cutoff:
        return done("excluded", best.multipliers, bound)
    certain = math.isfinite(bound)  # where multipliers overflow, comparisons with what is no number would drop everything
    cell = relaxation.bound(best.multipliers).fix_by_reduced_cost() if certain else relaxation.cell
    if cell is None:
        return done("excluded", best.multipliers, bound)
    bound = min(bound, node.bound) if certain else node.bound
    reached, repair_start = _judged(tables, best.paths, cutoff if weight else -math.inf)
    if certain and cell.n_columns <= LIST_COLUMNS:
        found = list_networks(tables, cell, cutoff, best.multipliers, list_steps)
        if found is not None:
            return done("listed", best.multipliers, bound, candidates=tuple(found) + reached)
    if cell.n_columns <= solver_columns and bool((cell.low == cell.high).all()) and weight:
        return done("solver", best.multipliers, bound, candidates=reached, cell=cell, repair_start=repair_start)
    chosen = best.weights > 1e-6
    chosen[-KEPT_PATHS:] = True
    kept = best.paths.take(chosen)
    split = known_split
    if split is None or not split.divides(tables, cell):
        split = choose_split(tables, relaxation, cell, best)
    halves = (split.half(tables, cell, upper) for upper in (False, True))
    children = tuple(Node(f"{node.name}{n}", half, bound, best.multipliers, kept) for n, half in enumerate(halves))
    return done("split", best.multipliers, bound, split=split, children=children, candidates=reached, repair_start=repair_start)


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


def within(tables: Tables, paths: Paths) -> Bools:
    """Which paths keep all ties and budgets, in floating point with a margin for the effectiveness."""
    ok: Bools = np.asarray((paths.counts <= tables.limits).all(axis=1)) & paths.tied(tables.arrays)
    stages = list(tables.rho_stages)
    if stages and tables.rho is not None:
        n = paths.layers[:, stages]
        ok = ok & (paths.log_widths[:, stages] >= n * (np.log(n) - math.log(tables.arrays.rho)) * (1 - NEAR)).all(axis=1)
    return ok


def _judged(tables: Tables, paths: Paths, cutoff: float) -> tuple[tuple[Candidate, ...], Position | None]:
    """Feasible networks among the paths that reach the cutoff, and the last one that reaches a finite cutoff but is not."""
    reaching = paths.take(paths.objective >= cutoff - _margin(tables, cutoff))
    if not len(reaching):
        return (), None
    feasible = within(tables, reaching)
    good, others = np.flatnonzero(feasible).tolist(), np.flatnonzero(~feasible).tolist()
    candidates = {Candidate(tables.canonical(reaching.position(k)), float(reaching.objective[k])): None for k in good}
    return tuple(candidates), reaching.position(others[-1]) if others and math.isfinite(cutoff) else None


def list_networks(
    tables: Tables, cell: Cell, cutoff: float, multipliers: Multipliers, steps: int = LIST_STEPS
) -> list[Candidate] | None:
    """The best networks of a cell that keep all budgets and reach the cutoff: one that does so exactly, and all within
    :data:`LEAD` of it in floating point. ``None`` if a search of so many steps does not find all networks.
    """
    relaxation = Relaxation(tables, cell, cutoff)
    if relaxation.empty:
        return []
    networks = relaxation.bound(multipliers).networks(max(steps, 2 * len(cell.columns)))  # which finds any single network
    if networks is None:
        return None
    evaluation = evaluate_batch(tables, networks)
    good = reaching(evaluation, cutoff if multipliers.weight else -math.inf)
    good = good[np.argsort(-evaluation.objective[good], kind="stable")]
    return _leading(tables, candidates_of_batch(networks.take(good), evaluation.objective[good]))


def _leading(tables: Tables, candidates: list[Candidate]) -> list[Candidate]:
    """Of candidates in falling order those near the first that keeps all budgets exactly: the others cannot be the best."""
    for k, candidate in enumerate(candidates):
        if not tables.problem.violations(tables.architecture(candidate.position)):
            least = candidate.objective - LEAD * abs(candidate.objective) - 2 * tables.doubt
            return [other for other in candidates[k:] if other.objective >= least]
    return []


def reaching(evaluation: BatchEvaluation, cutoff: float) -> Ints:
    """Indices of networks that may be feasible and reach the cutoff, up to rounding."""
    ok = (
        evaluation.chained
        & (evaluation.objective >= cutoff - _margin(evaluation.tables, cutoff))
        & (evaluation.excess <= NEAR).all(axis=0)
    )
    return np.flatnonzero(ok)


def _margin(tables: Tables, cutoff: float) -> float:
    """How far below a cutoff the floating-point objective of a network may be that reaches it."""
    return NEAR * abs(cutoff) + tables.doubt if math.isfinite(cutoff) else 0.0


def candidates_of_batch(networks: Batch, objectives: Floats) -> list[Candidate]:
    """The networks of a batch as candidates."""
    return [
        Candidate(Position(int(s), tuple(c), tuple(d)), float(z))
        for s, c, d, z in zip(networks.stem, networks.columns.T.tolist(), networks.depths.T.tolist(), objectives, strict=True)
    ]


def choose_split(tables: Tables, relaxation: Relaxation, cell: Cell, best: Optimised) -> Split:
    """The split that promises to lower the bound most.

    A split helps where the relaxation mixes: depths first (a block is worth hundreds of units), then channels at the end of a
    stage (whose product with the entropy is overestimated), kernels, widths and other channels, each by how much objective
    the spread of its values can feign. The shares were chosen by node counts (``docs/performance.md``).
    """
    rates, ranges, weights = tables.arrays.weights, relaxation.ranges, best.weights
    factors = np.ones_like(rates) if tables.arrays.additive else ranges.x_high
    mixed = weights @ best.paths.depths if weights.sum() > 0 else None
    options: list[tuple[float, Split]] = []
    extents, longest = (found.tolist() for found in cell.extents(tables))
    for i, (s, (channels, widths, kernels)) in enumerate(zip(tables.stages, extents, strict=True)):
        columns, stage = cell.columns[i], tables.stage_of[i]
        worth = max(best.multipliers.weight, 1e-3) * float(rates[stage:] @ factors[stage:])
        if cell.low[i] < cell.high[i]:
            block = float(s.log_c[columns[-1]]) + longest[i]
            split = Split("depth", i, _depth_threshold(cell.depths(tables, i), None if mixed is None else mixed[i]))
            options.append((BLOCK * worth * block * float(cell.high[i] - cell.low[i]), split))
        if s.element.is_block and s.element.continues:
            presence = s.presence[columns]
            if not presence.all():
                if presence.any():
                    options.append((BLOCK * worth * (float(s.log_c[columns[-1]]) + longest[i]), Split("depth", i, 0)))
                continue
        depth, last = float(cell.high[i]), i
        low, high, middle = channels
        if s.element.is_block and not s.element.continues:  # it decides the channels of all blocks
            stop = tables.elements_of(s.element.super_block)[1]
            depth, last = float(stop - i), stop - 1
        if low < high and not s.element.continues:
            spread, product = math.log(high / low), 0.0
            if last in tables.ends and not tables.arrays.additive:
                product = PRODUCT * float(rates[stage] * (ranges.s_high[stage] - ranges.s_low[stage])) * spread
            options.append((product + CHANNEL_SPREAD * worth * depth * spread**2, Split("channels", i, int(middle))))
        depth = float(cell.high[i])
        low, high, middle = widths
        shared = s.element.continues and s.element.space.uniform  # the first block decides
        if low < high and not shared:
            options.append((WIDTH_SPREAD * worth * depth * math.log(high / low) ** 2, Split("width", i, int(middle))))
        chooses = len(s.blocks) > 1 and not s.element.continues
        few: list[tuple[SplitKind, float, Ints]] = [("family", FAMILY, s.f)] if chooses else []
        few += [("kernel", KERNEL, s.k)] if kernels[0] < kernels[1] and not shared else []
        if len(s.element.space.bits) > 1 and len(pairs := distinct(s.bits[columns])) > 1:
            spread = float(np.ptp(s.extra[columns]))
            options.append((BITS * worth * spread, Split("bits", i, int(pairs[len(pairs) // 2 - 1]))))
        for kind, promise, values in few:
            several = distinct(values[columns])
            if len(several) > 1:
                options.append((promise * worth * depth, Split(kind, i, int(several[len(several) // 2 - 1]))))
    options = _joined(tables, options)
    if len(cell.stem) > 1:
        options.append((1e-9, Split("stem", -1, int(tables.stem_c[cell.stem[len(cell.stem) // 2 - 1]]))))
    return max(options, key=lambda option: option[0])[1]


AXES = {"block": "family", "channels": "channels", "bottleneck": "width", "kernel": "kernel", "depth": "depth"}
AXES["presence"] = "depth"
"""Kind of split of each axis of a tie."""


def _joined(tables: Tables, options: list[tuple[float, Split]]) -> list[tuple[float, Split]]:
    """Splits of tied super-blocks promise what all of them promise together: one split restricts all."""
    promise: dict[tuple[str, int], float] = {(split.kind, split.index): value for value, split in options}
    joined: dict[tuple[str, int], float] = {}
    for tie in tables.ties:
        keys = [(AXES[tie.axis], i) for i in tie.stages]
        joined |= dict.fromkeys(keys, sum(promise.get(key, 0.0) for key in keys))
    return [(joined.get((split.kind, split.index), value), split) for value, split in options]


def _depth_threshold(depths: Ints, mean: float | None) -> int:
    """Splits the depths of a super-block at the mean of the relaxation's mixture, where there is one."""
    at_mean = depths.searchsorted(depths.mean() if mean is None else mean, side="right")
    return int(depths[min(max(int(at_mean), 1), len(depths) - 1) - 1])
