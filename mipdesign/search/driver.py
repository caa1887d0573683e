"""The driver of a design run: incumbent, presolve tree, solver cells, and what was proved in the end.

The driver owns the open nodes, the incumbent and the cutoff; child processes (:mod:`mipdesign.search.workers`) do the work. At
every moment it holds a valid bound, so a run may be stopped at any time.
"""

from __future__ import annotations

import heapq
import itertools
import math
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Literal

from ..bounds.relaxation import Multipliers, Relaxation
from ..errors import MipdesignError, SpecError
from ..interrupts import deferred
from ..lattice.cell import Cell
from ..lattice.tables import Candidate, Tables
from ..mip.closing import CellResult, ScipSettings
from ..networks.architecture import Architecture
from ..problem.problem import SMALLER, Problem
from ..processes import peak_memory_mb
from .branching import Guide, Node, Record
from .heuristics import incumbent, polish
from .tasks import Close, Closed, Explore, Explored, SolverCell, Task
from .workers import MEMORY_MB, Message, WorkerHandle, Workers

OPTIMAL_GAP = 1e-6
"""Relative gap up to which a design is called optimal."""
EQUAL_MARGIN = 1e-7
"""Networks within this relative distance of the best are all kept and compared exactly."""
HEURISTIC_SECONDS = 1.0
"""Time of the heuristics that come before the tree, where there is no network to start from."""
NEIGHBOURHOODS = 8
"""Searches of the neighbourhood of an incumbent: channels within 30 %, widths within 2 steps, depths within one block."""
NEIGHBOURHOOD_SECONDS = 1.5
NEIGHBOURHOOD_LEAD = 1e-3
"""What such a search has to gain, relative to the incumbent: what is less, the tree finds as soon."""
SLICE_SECONDS = 0.5
SCIP_RETURN_SECONDS = 0.5
"""How long before the end of a run SCIP has to stop."""
SCIP_MEMORY = 0.7
"""Share of a child's memory that SCIP is told to stay within."""
ATTEMPTS = 4
"""How often a task is tried before it is given up."""

Status = Literal["optimal", "feasible", "infeasible", "unknown"]


@dataclass(frozen=True)
class Options:
    """How a problem is solved; none of it changes the answer.

    Attributes
    ----------
    time_limit:
        Seconds after which the run stops with the best design and a valid bound.
    gap:
        Relative gap at which it may stop.
    seed:
        Seed of the heuristics.
    workers:
        Child processes; by default one per processor.
    formulation:
        Formulation with which SCIP closes the cells that are left to it.
    presolve:
        Without it the whole space is one cell for SCIP.
    solver_columns:
        Cells with single depths and at most this many columns are left to SCIP.
    memory_mb:
        Memory that one child may take.
    """

    time_limit: float | None = None
    gap: float = OPTIMAL_GAP
    seed: int = 0
    workers: int | None = None
    formulation: str = "lattice"
    presolve: bool = True
    solver_columns: int = 0
    memory_mb: int = MEMORY_MB


@dataclass(frozen=True)
class Resumed:
    """What an earlier, unfinished run of the same problem proved: its steps, its open nodes, its designs."""

    records: list[Record]
    nodes: list[Node]
    designs: list[Architecture]


@dataclass(frozen=True)
class Nearby:
    """What is known of problems with the same space and other limits; the answer does not depend on it.

    Attributes
    ----------
    designs:
        Their best networks, with which the heuristics begin, whether they fit this problem or not.
    guide:
        The first levels of a tree.
    """

    designs: tuple[Architecture, ...] = ()
    guide: Guide = field(default_factory=dict)


@dataclass(frozen=True)
class Progress:
    """Where a run stands; ``incumbent`` and ``gap`` are ``None`` before the first design."""

    seconds: float
    phase: str
    incumbent: float | None
    bound: float
    gap: float | None
    open_nodes: int
    closed_nodes: int


@dataclass(frozen=True)
class SolvedCell:
    """A cell that SCIP closed."""

    record: Record
    cell_digest: str
    formulation: str
    result: CellResult


@dataclass
class Outcome:
    """What a run found and proved."""

    status: Status
    best: Candidate | None
    bound: float
    cutoff: float
    candidates: list[Candidate]
    feasibility_only: bool
    """Whether the tree proves infeasibility rather than a bound."""
    records: list[Record]
    solved: list[SolvedCell]
    open: list[Node]
    trace: list[Progress]
    incidents: list[str]
    peak_rss_mb: float
    interrupted: bool


def cutoff_of(objective: float, gap: float) -> float:
    """Objective below which networks need not be looked at: a little under the best, or above it by the gap asked for."""
    return objective - EQUAL_MARGIN * abs(objective) if gap <= OPTIMAL_GAP else objective + gap * (1 - 1e-12) * abs(objective)


def relative_gap(bound: float, objective: float) -> float:
    """``(bound - objective) / |objective|``, never negative."""
    return max(0.0, bound - objective) / max(abs(objective), 1e-9)


@dataclass
class _State:
    """Everything that changes while a run is under way."""

    open: list[tuple[float, int, Node]] = field(default_factory=list)
    cells: list[tuple[float, int, SolverCell]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    solved: list[SolvedCell] = field(default_factory=list)
    candidates: dict[Candidate, Architecture] = field(default_factory=dict)
    refused: set[Candidate] = field(default_factory=set)
    beyond: Architecture | None = None
    """A network that keeps all budgets and whose penalty is no number: it is no design."""
    failures: dict[str, int] = field(default_factory=dict)
    given_up: list[Node] = field(default_factory=list)
    task_bound: dict[WorkerHandle, float] = field(default_factory=dict)
    trace: list[Progress] = field(default_factory=list)
    incidents: list[str] = field(default_factory=list)
    closed: int = 0
    neighbourhoods: int = 0
    centre: Candidate | None = None
    """Incumbent whose neighbourhood was searched last."""
    rss_of_children: dict[int, float] = field(default_factory=dict)


class Run:
    """One design run. Use :func:`solve`."""

    def __init__(
        self,
        tables: Tables,
        options: Options,
        on_progress: Callable[[Progress], None],
        resumed: Resumed | None,
        near: Nearby,
    ) -> None:
        self.tables, self.options, self.on_progress, self.resumed = tables, options, on_progress, resumed
        self.guide = near.guide
        self.problem = tables.problem
        self.started = time.monotonic()
        self.state = _State()
        self.best: Candidate | None = None
        self.phase = "incumbent"
        self.begun = False
        self.feasibility_only = False
        self.order = itertools.count()
        self.stop_heuristics = threading.Event()
        self.starts = [position for position in map(tables.find, near.designs) if position is not None]
        self.starts += [tables.position(architecture) for architecture in (resumed.designs if resumed else ())]
        for position in self.starts:
            self.consider(Candidate(position, math.nan))

    # --------------------------------------------------------------- numbers

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    @property
    def cutoff(self) -> float:
        """Networks below it need not be looked at."""
        if self.feasibility_only:
            return 0.0
        if self.best is None:
            return -math.inf
        if self.options.gap > OPTIMAL_GAP:
            return cutoff_of(self.best.objective, self.options.gap)
        return self._least_equal(self.best)

    def _with_finite_bound(self, node: Node) -> Node:
        """An open node that was never bounded, with the bound of its starting prices."""
        if math.isfinite(node.bound) or node.prices.weight == 0.0:
            return node
        relaxation = Relaxation(self.tables, node.cell, self.best.objective if self.best else -math.inf)
        return node if relaxation.empty else replace(node, bound=relaxation.bound(node.prices).outward)

    def _proved(self, remaining: list[Node]) -> float:
        """The bound that the records and the remaining nodes prove; what a child said of its task in hand is not among them."""
        if self.feasibility_only:
            return math.inf
        return max([node.bound for node in remaining] + [self._floor])

    @property
    def _floor(self) -> float:
        """The bound of everything that is excluded."""
        if self.best is None:
            return -math.inf
        return max(self.cutoff, self.best.objective)

    @property
    def bound(self) -> float:
        """A valid upper bound for the objective of every network that keeps all budgets."""
        s = self.state
        if self.phase == "incumbent" or self.feasibility_only or (self.best is None and not s.open):
            return math.inf
        bounds = [-s.open[0][0]] if s.open else []
        bounds += [-s.cells[0][0]] if s.cells else []
        bounds += list(s.task_bound.values()) + [node.bound for node in s.given_up]
        return max([*bounds, self._floor])

    def report(self) -> None:
        """Tells where the run stands; the trace keeps every change."""
        s, z, bound = self.state, self.best.objective if self.best else None, self.bound
        gap = None if z is None or math.isinf(bound) else relative_gap(bound, z)
        progress = Progress(self.seconds, self.phase, z, bound, gap, len(s.open) + len(s.cells), s.closed)
        if not s.trace or (s.trace[-1].incumbent, s.trace[-1].bound) != (z, bound):
            s.trace.append(progress)
        self.on_progress(progress)

    # ------------------------------------------------------------- incumbents

    def consider(self, candidate: Candidate) -> bool:
        """Checks a network exactly and keeps it within the margin of equals of the best; says whether the best rose."""
        s = self.state
        if candidate in s.candidates or candidate in s.refused:
            return False
        architecture = self.tables.architecture(candidate.position)
        evaluator = self.problem.evaluator(architecture)
        if self.problem.violations(architecture, evaluator):
            s.refused.add(candidate)
            return False
        if not math.isfinite(evaluator.evaluation.objective):
            s.beyond = architecture
            s.refused.add(candidate)
            return False
        exact = Candidate(candidate.position, evaluator.evaluation.objective)
        if exact != candidate:
            s.refused.add(candidate)
        if self.best is not None and exact.objective < self._least_equal(self.best):
            return False
        s.candidates[exact] = architecture
        if self.best is None or exact.objective > self.best.objective:
            self.best = exact
            least = self._least_equal(exact)
            s.candidates = {c: a for c, a in s.candidates.items() if c.objective >= least}
            return True
        return False

    def _least_equal(self, candidate: Candidate) -> float:
        """Objective from which a network may be as good as a candidate in exact arithmetic."""
        return candidate.objective - EQUAL_MARGIN * abs(candidate.objective) - 2 * self.tables.doubt

    def winner(self) -> Candidate | None:
        """The best candidate in exact arithmetic; of equals the one that comes first in the order of :func:`design_order`."""
        items = self.state.candidates.items()
        return min(items, key=lambda item: design_order(self.problem, item[1]), default=(None, None))[0]

    # ------------------------------------------------------------------- run

    def run(self, pool: Workers) -> Outcome:
        """Runs to the end, to a limit, or to an interruption."""
        interrupted = False
        pool.begin(self.tables, self.guide)
        self.heuristics = threading.Thread(target=self._search_incumbent, args=(pool,), daemon=True)
        self.heuristics.start()
        try:
            with deferred() as check_interrupt:
                self._loop(pool, check_interrupt)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            self.stop_heuristics.set()
            remaining = self._remaining(pool)
        return self.outcome(remaining, interrupted)

    def _search_incumbent(self, pool: Workers) -> None:
        def found(candidate: Candidate) -> None:
            pool.inbox.put(Message(pool.handles[0], "candidate", candidate))

        polished = [polish(self.tables, position) for position in self.starts]
        for better in polished:
            if better is not None:
                found(better)
        if not any(polished):
            incumbent(self.tables, self.options.seed, HEURISTIC_SECONDS, found, self.stop_heuristics.is_set)

    def _loop(self, pool: Workers, check_interrupt: Callable[[], None]) -> None:
        limit = self.options.time_limit
        while limit is None or self.seconds < limit:
            message = pool.listen(0.05)
            while message is not None:
                self._hear(pool, message)
                message = pool.listen(0.0)
            if not self.begun and not self.heuristics.is_alive() and pool.inbox.empty():
                self._begin(pool)
            if self.begun:
                if self._finished(pool):
                    if self.feasibility_only and self.best is not None:
                        self._begin(pool)
                        continue
                    break
                self._assign(pool)
            self.report()
            check_interrupt()

    def _finished(self, pool: Workers) -> bool:
        if self.feasibility_only and self.best is not None:
            return True
        self._drop_excluded()
        return not (self.state.open or self.state.cells or pool.busy())

    def _begin(self, pool: Workers) -> None:
        """Opens the root: for the objective if a design is known, else to prove that there is none."""
        s = self.state
        self.begun = True
        self.feasibility_only = self.best is None
        self.phase = "feasibility" if self.feasibility_only else "presolve"
        s.records.clear()
        s.open.clear()
        s.task_bound.clear()
        for child in pool.busy():
            child.kill()
        pool.set_cutoff(self.cutoff)
        if self.resumed is not None:
            s.records += self.resumed.records
            for node in self.resumed.nodes:
                self._push(node)
            return
        root = self._root()
        if self.options.presolve:
            self._push(root)
        else:
            record = Record("", "solver", self.cutoff, root.prices.to_list())
            heapq.heappush(s.cells, (-math.inf, next(self.order), SolverCell(root, root.cell, record, math.inf)))

    def _root(self) -> Node:
        """The whole space as an open node."""
        worth = 3.0 if self.feasibility_only else max(1.0, abs(self.cutoff)) if self.best else 1.0
        prices = Multipliers.initial(self.tables, worth, float(not self.feasibility_only))
        return Node("", Cell.whole(self.tables), math.inf, prices)

    def _push(self, node: Node) -> None:
        heapq.heappush(self.state.open, (-node.bound, next(self.order), node))

    def _drop_excluded(self) -> None:
        """Records cells whose bound has fallen below a risen cutoff; their prices already prove it."""
        s, cutoff = self.state, self.cutoff
        while s.cells and all(-bound < cutoff for bound, _, _ in s.cells):
            _, _, cell = heapq.heappop(s.cells)
            s.records.append(Record(cell.record.node, "excluded", cutoff, cell.record.prices))
            s.closed += 1

    def _assign(self, pool: Workers) -> None:
        """Hands work to idle children: open nodes by bound, then cells for the solver."""
        s = self.state
        for child in pool.idle():
            if self._neighbourhood_due(pool):
                child.give(self._neighbourhood())
            elif s.open:
                share = max(1, min(24, len(s.open) // (2 * len(pool.handles))))
                nodes = tuple(heapq.heappop(s.open)[2] for _ in range(min(share, len(s.open))))
                columns = 0 if any(s.failures.get(node.name, 0) >= ATTEMPTS for node in nodes) else self.options.solver_columns
                s.task_bound[child] = nodes[0].bound
                child.give(Explore(nodes, SLICE_SECONDS, columns))
            elif s.cells:
                self.phase = "solver"
                _, _, cell = heapq.heappop(s.cells)
                attempt = s.failures.get(cell.node.name, 0)
                s.task_bound[child] = cell.bound
                equal_margin = self.best.objective - self._least_equal(self.best) if self.best else 0.0
                settings = ScipSettings(
                    time_limit=self._seconds_for_scip(),
                    memory_limit=SCIP_MEMORY * self.options.memory_mb,
                    seed=self.options.seed,
                    attempt=attempt,
                    equal_margin=equal_margin,
                )
                child.give(Close(cell, self.options.formulation, settings))

    def _seconds_for_scip(self) -> float:
        """Time that SCIP may take: it shall return its bound before the run is out of time."""
        limit = self.options.time_limit
        return math.inf if limit is None else max(0.1, limit - self.seconds - SCIP_RETURN_SECONDS)

    def _neighbourhood_due(self, pool: Workers) -> bool:
        """Whether to look for a better incumbent near the present one: never twice near the same, and one search at a time."""
        s = self.state
        fresh = self.best is not None and self.best != s.centre and s.neighbourhoods < NEIGHBOURHOODS
        return (
            fresh and self.options.presolve and not any(isinstance(c.task, Explore) and not c.task.record for c in pool.busy())
        )

    def _neighbourhood(self) -> Explore:
        s, best = self.state, self.best
        assert best is not None
        s.centre = best
        s.neighbourhoods += 1
        cell = Cell.near(self.tables, best.position, 1.3, 2, 1)
        node = Node("near", cell, math.inf, Multipliers.initial(self.tables, max(1.0, abs(self.cutoff))))
        return Explore((node,), NEIGHBOURHOOD_SECONDS, 0, record=False, lead=NEIGHBOURHOOD_LEAD)

    def _hear(self, pool: Workers, message: Message) -> None:
        s, child = self.state, message.worker
        if message.kind == "candidate":
            if self.consider(message.content):
                pool.set_cutoff(self.cutoff)
                self.report()
        elif message.kind == "bound" and child in s.task_bound:
            s.task_bound[child] = min(s.task_bound[child], max(message.content, self.cutoff))
        elif message.kind == "done":
            outcome, s.rss_of_children[child.process.pid] = message.content
            task, child.task = child.task, None
            s.task_bound.pop(child, None)
            if isinstance(outcome, Explored):
                if isinstance(task, Explore) and task.record:
                    self._take_explored(outcome)
            else:
                self._take_closed(outcome)
        elif message.kind == "refused":
            raise message.content
        elif message.kind in ("failed", "died") and child.task is not None:
            task, child.task = child.task, None
            if s.task_bound.pop(child, None) is not None:
                self._retry(task, f"child {message.kind}: {str(message.content).strip().splitlines()[-1]}")
        elif message.kind == "died" and not child.ready:
            self._note(f"child died while starting (exit {message.content})")

    def _take_explored(self, outcome: Explored) -> None:
        s = self.state
        s.records += outcome.records
        s.closed += outcome.nodes
        for node in outcome.open:
            self._push(node)
        for cell in outcome.solver_cells:
            heapq.heappush(s.cells, (-cell.bound, next(self.order), cell))

    def _take_closed(self, outcome: Closed) -> None:
        s, cell, result = self.state, outcome.target, outcome.result
        for rejected in result.rejected:
            reasons = "; ".join(rejected.reasons)
            self._note(f"SCIP's answer in cell '{cell.node.name}' failed the exact check and was discarded: {reasons}")
        if result.status == "limit" and self.options.time_limit is not None and self._seconds_for_scip() <= 0.1:
            s.given_up.append(replace(cell.node, bound=min(cell.bound, result.bound), by_solver=True))
            return
        if result.status != "closed":
            self._retry(
                Close(cell, self.options.formulation, ScipSettings()), f"SCIP ended with '{result.status}' ({result.message})"
            )
            return
        s.closed += 1
        s.records.append(cell.record)
        s.solved.append(SolvedCell(cell.record, cell.cell.digest, self.options.formulation, result))

    def _retry(self, task: Task, why: str) -> None:
        """Queues a failed task again; a cell that SCIP fails on too often goes back to branching."""
        s = self.state
        nodes = task.nodes if isinstance(task, Explore) else (task.target.node,)
        for node in nodes:
            s.failures[node.name] = s.failures.get(node.name, 0) + 1
        worst = max(s.failures[node.name] for node in nodes)
        self._note(f"{type(task).__name__.lower()} of node '{nodes[0].name}' failed, attempt {worst}: {why}")
        if isinstance(task, Close) and worst < ATTEMPTS:
            heapq.heappush(s.cells, (-task.target.bound, next(self.order), task.target))
        elif worst < 2 * ATTEMPTS and (isinstance(task, Explore) or self.options.presolve):
            for node in nodes:
                self._push(node)
        else:
            s.given_up += nodes

    def _note(self, text: str) -> None:
        self.state.incidents.append(f"{self.seconds:.1f} s: {text}")
        if len(self.state.incidents) > 1000:
            raise MipdesignError(f"too many failures of child processes, the last one: {text}")

    # ----------------------------------------------------------------- result

    def _remaining(self, pool: Workers) -> list[Node]:
        """Nodes that are not proved: open, in work, with the solver, or given up."""
        s = self.state
        if not self.begun:
            if self.resumed is not None:
                s.records += self.resumed.records
                return list(self.resumed.nodes)
            return [self._root()]
        nodes = [node for _, _, node in s.open] + [cell.node for _, _, cell in s.cells] + list(s.given_up)
        for child in pool.handles:
            if isinstance(child.task, Explore) and child in s.task_bound:
                nodes += child.task.nodes
            elif isinstance(child.task, Close) and child in s.task_bound:
                nodes.append(child.task.target.node)
        return nodes

    def outcome(self, remaining: list[Node], interrupted: bool) -> Outcome:
        """What was found and proved, with some nodes left open.

        Raises
        ------
        SpecError
            If no network within the budgets has an objective that is a number.
        """
        s, reached = self.state, self.cutoff
        remaining = [self._with_finite_bound(node) for node in remaining]
        best = self.winner()  # maybe less than the best in floating point: the bound is that of exact arithmetic
        self.best = best or self.best
        bound = max(self._proved(remaining), reached)
        status: Status = "unknown"
        if best is not None:
            gap = relative_gap(bound, best.objective)
            status = "optimal" if not remaining and gap <= OPTIMAL_GAP and not self.feasibility_only else "feasible"
            if status == "optimal":
                bound = best.objective
        elif self.feasibility_only and not remaining:
            if s.beyond is not None:
                depths = [stage.depth for stage in s.beyond.stages]
                text = f"is beyond {sys.float_info.max:.2g} for every network within the budgets, as with the depths {depths}"
                raise SpecError("objective.penalty", text, SMALLER)
            status, bound = "infeasible", -math.inf
        self.phase = "done"
        s.closed = max(s.closed, len(s.records))
        final_gap = None if best is None or math.isinf(bound) else relative_gap(bound, best.objective)
        z = best.objective if best else None
        s.trace.append(Progress(self.seconds, self.phase, z, bound, final_gap, len(remaining), s.closed))
        with suppress(KeyboardInterrupt):  # there is nothing left to interrupt
            self.on_progress(s.trace[-1])
        return Outcome(
            status=status,
            best=best,
            bound=bound,
            cutoff=self.cutoff,
            candidates=sorted(s.candidates, key=lambda c: design_order(self.problem, s.candidates[c])),
            feasibility_only=self.feasibility_only,
            records=s.records,
            solved=s.solved,
            open=remaining,
            trace=s.trace,
            incidents=s.incidents,
            peak_rss_mb=peak_memory_mb() + sum(s.rss_of_children.values()),
            interrupted=interrupted,
        )


def design_order(problem: Problem, architecture: Architecture) -> tuple[object, ...]:
    """The documented order of designs: larger exact objective (40 digits), fewer parameters, fewer FLOPs, smaller numbers."""
    evaluator = problem.evaluator(architecture)
    evaluation = evaluator.evaluation
    return evaluator.exact_objective().copy_negate(), evaluation.params, evaluation.flops, architecture


def solve(
    tables: Tables,
    options: Options | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    resumed: Resumed | None = None,
    near: Nearby | None = None,
    pool: Workers | None = None,
) -> Outcome:
    """Solves a tabulated problem to proven optimality, or as far as its limits allow.

    ``KeyboardInterrupt`` ends the search, not the program: the outcome then holds the best design and a valid bound.

    Parameters
    ----------
    near:
        What is known of problems with the same space.
    pool:
        Child processes that are kept for a next run; by default there are new ones, as ``options.workers`` says.
    """
    options = options or Options()
    run = Run(tables, options, on_progress or (lambda progress: None), resumed, near or Nearby())
    if pool is not None:
        try:
            return run.run(pool)
        finally:
            run.heuristics.join()  # else it might yet speak of this problem while the pool is at the next one
    pool = Workers(options.workers, options.memory_mb)
    try:
        return run.run(pool)
    finally:
        pool.close()
