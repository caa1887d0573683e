"""The driver of a design run: incumbent, presolve tree, solver cells, and what was proved in the end.

The driver owns the open nodes, the incumbent and the cutoff; worker processes (:mod:`mipdesign.search.workers`) do the work. At
every moment it holds a valid bound, so a run may be stopped at any time.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from ..bounds.multipliers import Multipliers
from ..bounds.relaxation import Relaxation
from ..errors import SpecError
from ..interrupts import deferred
from ..lattice.cell import Cell
from ..lattice.position import Candidate
from ..lattice.tables import Tables
from ..mip.closing import ScipSettings
from ..problem.problem import SMALLER
from .branching import Node, Record
from .heuristics import incumbent, polish
from .incumbents import OPTIMAL_GAP, Incumbents, relative_gap
from .neighbourhood import NEIGHBOURHOODS, neighbourhood_search
from .outcome import Options, Outcome, Progress, Resumed, SolvedCell, Status, WarmStart
from .state import ATTEMPTS, RunState
from .tasks import Close, Closed, Explore, Explored, SolverCell, Task
from .workers import Message, Workers

HEURISTIC_SECONDS = 1.0
"""Time of the heuristics that come before the tree, where there is no network to start from."""
SLICE_SECONDS = 0.5
SCIP_RETURN_SECONDS = 0.5
"""How long before the end of a run SCIP has to stop."""
SCIP_MEMORY = 0.7
"""Share of a worker's memory that SCIP is told to stay within."""


class Run:
    """One design run. Use :func:`solve`."""

    def __init__(
        self,
        tables: Tables,
        options: Options,
        on_progress: Callable[[Progress], None],
        resumed: Resumed | None,
        near: WarmStart,
    ) -> None:
        self.tables, self.options, self.on_progress, self.resumed = tables, options, on_progress, resumed
        self.guide = near.guide
        self.problem = tables.problem
        self.started = time.monotonic()
        self.state = RunState()
        self.incumbents = Incumbents(tables, options.gap)
        self.phase = "incumbent"
        self.begun = False
        self.feasibility_only = False
        self.stop_heuristics = threading.Event()
        self.starts = [position for position in map(tables.find, near.designs) if position is not None]
        self.starts += [tables.position(architecture) for architecture in (resumed.designs if resumed else ())]
        for position in self.starts:
            self.incumbents.consider(Candidate(position, math.nan))

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    @property
    def best(self) -> Candidate | None:
        """The incumbent."""
        return self.incumbents.best

    @property
    def cutoff(self) -> float:
        """Networks below it need not be looked at."""
        return 0.0 if self.feasibility_only else self.incumbents.cutoff

    def _with_finite_bound(self, node: Node) -> Node:
        """An open node that was never bounded, with the bound of its starting multipliers."""
        if math.isfinite(node.bound) or node.multipliers.weight == 0.0:
            return node
        relaxation = Relaxation(self.tables, node.cell, self.best.objective if self.best else -math.inf)
        return node if relaxation.empty else replace(node, bound=relaxation.bound(node.multipliers).outward)

    def _proved(self, remaining: list[Node]) -> float:
        """The bound that the records and the remaining nodes prove; what a worker says of its task in hand is no part of it."""
        if self.feasibility_only:
            return math.inf
        return max([node.bound for node in remaining] + [self._floor])

    @property
    def _floor(self) -> float:
        """The bound of everything that is excluded."""
        return -math.inf if self.best is None else max(self.cutoff, self.best.objective)

    @property
    def bound(self) -> float:
        """A valid upper bound for the objective of every network that keeps all budgets."""
        s = self.state
        if self.phase == "incumbent" or self.feasibility_only or (self.best is None and not s.open):
            return math.inf
        return max([*s.bounds(), self._floor])

    def report(self) -> None:
        """Tells where the run stands; the trace keeps every change."""
        s, z, bound = self.state, self.best.objective if self.best else None, self.bound
        gap = None if z is None or math.isinf(bound) else relative_gap(bound, z)
        progress = Progress(self.seconds, self.phase, z, bound, gap, len(s.open) + len(s.cells), s.closed)
        if not s.trace or (s.trace[-1].incumbent, s.trace[-1].bound) != (z, bound):
            s.trace.append(progress)
        self.on_progress(progress)

    # ------------------------------------------------------------------- run

    def run(self, workers: Workers) -> Outcome:
        """Runs to the end, to a limit, or to an interruption."""
        interrupted = False
        workers.begin(self.tables, self.guide)
        self.heuristics = threading.Thread(target=self._search_incumbent, args=(workers,), daemon=True)
        self.heuristics.start()
        try:
            with deferred() as check_interrupt:
                self._loop(workers, check_interrupt)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            self.stop_heuristics.set()
            remaining = self._remaining(workers)
        return self.outcome(remaining, interrupted)

    def _search_incumbent(self, workers: Workers) -> None:
        def found(candidate: Candidate) -> None:
            workers.inbox.put(Message(workers.handles[0], "candidate", candidate))

        polished = [polish(self.tables, position) for position in self.starts]
        for better in polished:
            if better is not None:
                found(better)
        if not any(polished):
            incumbent(self.tables, self.options.seed, HEURISTIC_SECONDS, found, self.stop_heuristics.is_set)

    def _loop(self, workers: Workers, check_interrupt: Callable[[], None]) -> None:
        limit = self.options.time_limit
        while limit is None or self.seconds < limit:
            message = workers.listen(0.05)
            while message is not None:
                self._hear(workers, message)
                message = workers.listen(0.0)
            if not self.begun and not self.heuristics.is_alive() and workers.inbox.empty():
                self._begin(workers)
            if self.begun:
                if self._finished(workers):
                    if self.feasibility_only and self.best is not None:
                        self._begin(workers)
                        continue
                    break
                self._assign(workers)
            self.report()
            check_interrupt()

    def _finished(self, workers: Workers) -> bool:
        if self.feasibility_only and self.best is not None:
            return True
        self.state.drop_excluded(self.cutoff)
        return not (self.state.open or self.state.cells or workers.busy())

    def _begin(self, workers: Workers) -> None:
        """Opens the root: for the objective if a design is known, else to prove that there is none."""
        s = self.state
        self.begun = True
        self.feasibility_only = self.best is None
        self.phase = "feasibility" if self.feasibility_only else "presolve"
        s.records.clear()
        s.open.clear()
        s.task_bound.clear()
        for worker in workers.busy():
            worker.kill()
        workers.set_cutoff(self.cutoff)
        if self.resumed is not None:
            s.records += self.resumed.records
            for node in self.resumed.nodes:
                s.push(node)
            return
        root = self._root()
        if self.options.presolve:
            s.push(root)
        else:
            record = Record("", "solver", self.cutoff, root.multipliers.to_list())
            s.leave_to_solver(SolverCell(root, root.cell, record, math.inf))

    def _root(self) -> Node:
        """The whole space as an open node."""
        worth = 3.0 if self.feasibility_only else max(1.0, abs(self.cutoff)) if self.best else 1.0
        multipliers = Multipliers.initial(self.tables, worth, float(not self.feasibility_only))
        return Node("", Cell.whole(self.tables), math.inf, multipliers)

    def _assign(self, workers: Workers) -> None:
        """Hands work to idle children: open nodes by bound, then cells for the solver."""
        s = self.state
        for worker in workers.idle():
            if self._neighbourhood_due(workers):
                worker.give(self._neighbourhood())
            elif s.open:
                share = max(1, min(24, len(s.open) // (2 * len(workers.handles))))
                nodes = tuple(s.pop() for _ in range(min(share, len(s.open))))
                columns = 0 if any(s.failures.get(node.name, 0) >= ATTEMPTS for node in nodes) else self.options.solver_columns
                s.task_bound[worker] = nodes[0].bound
                worker.give(Explore(nodes, SLICE_SECONDS, columns))
            elif s.cells:
                self.phase = "solver"
                cell = s.pop_cell()
                attempt = s.failures.get(cell.node.name, 0)
                s.task_bound[worker] = cell.bound
                settings = ScipSettings(
                    time_limit=self._seconds_for_scip(),
                    memory_limit=SCIP_MEMORY * self.options.memory_mb,
                    seed=self.options.seed,
                    attempt=attempt,
                    equal_margin=self.incumbents.margin,
                )
                worker.give(Close(cell, self.options.formulation, settings))

    def _seconds_for_scip(self) -> float:
        """Time that SCIP may take: it shall return its bound before the run is out of time."""
        limit = self.options.time_limit
        return math.inf if limit is None else max(0.1, limit - self.seconds - SCIP_RETURN_SECONDS)

    def _neighbourhood_due(self, workers: Workers) -> bool:
        """Whether to look for a better incumbent near the present one: never twice near the same, and one search at a time."""
        s = self.state
        fresh = self.best is not None and self.best != s.centre and s.neighbourhoods < NEIGHBOURHOODS
        searching = any(isinstance(worker.task, Explore) and not worker.task.record for worker in workers.busy())
        return fresh and self.options.presolve and not searching

    def _neighbourhood(self) -> Explore:
        s, best = self.state, self.best
        assert best is not None
        s.centre = best
        s.neighbourhoods += 1
        return neighbourhood_search(self.tables, best, self.cutoff)

    def _hear(self, workers: Workers, message: Message) -> None:
        s, worker = self.state, message.worker
        if message.kind == "candidate":
            if self.incumbents.consider(message.content):
                workers.set_cutoff(self.cutoff)
                self.report()
        elif message.kind == "bound" and worker in s.task_bound:
            s.task_bound[worker] = min(s.task_bound[worker], max(message.content, self.cutoff))
        elif message.kind == "done":
            outcome, s.rss_of_children[worker.process.pid] = message.content
            task, worker.task = worker.task, None
            s.task_bound.pop(worker, None)
            if isinstance(outcome, Explored):
                if isinstance(task, Explore) and task.record:
                    s.take_explored(outcome)
            else:
                self._take_closed(outcome)
        elif message.kind == "refused":
            raise message.content
        elif message.kind in ("failed", "died") and worker.task is not None:
            task, worker.task = worker.task, None
            if s.task_bound.pop(worker, None) is not None:
                self._retry(task, f"child {message.kind}: {str(message.content).strip().splitlines()[-1]}")
        elif message.kind == "died" and not worker.ready:
            s.note(self.seconds, f"child died while starting (exit {message.content})")

    def _take_closed(self, outcome: Closed) -> None:
        s, cell, result = self.state, outcome.target, outcome.result
        for rejected in result.rejected:
            reasons = "; ".join(rejected.reasons)
            text = f"SCIP's answer in cell '{cell.node.name}' failed the exact check and was discarded: {reasons}"
            s.note(self.seconds, text)
        if result.status == "limit" and self.options.time_limit is not None and self._seconds_for_scip() <= 0.1:
            s.given_up.append(replace(cell.node, bound=min(cell.bound, result.bound), by_solver=True))
            return
        if result.status != "closed":
            task = Close(cell, self.options.formulation, ScipSettings())
            self._retry(task, f"SCIP ended with '{result.status}' ({result.message})")
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
        s.note(self.seconds, f"{type(task).__name__.lower()} of node '{nodes[0].name}' failed, attempt {worst}: {why}")
        if isinstance(task, Close) and worst < ATTEMPTS:
            s.leave_to_solver(task.target)
        elif worst < 2 * ATTEMPTS and (isinstance(task, Explore) or self.options.presolve):
            for node in nodes:
                s.push(node)
        else:
            s.given_up += nodes

    def _remaining(self, workers: Workers) -> list[Node]:
        """Nodes that are not proved: open, in work, with the solver, or given up."""
        s = self.state
        if not self.begun:
            if self.resumed is not None:
                s.records += self.resumed.records
                return list(self.resumed.nodes)
            return [self._root()]
        return s.remaining(workers.handles)

    def outcome(self, remaining: list[Node], interrupted: bool) -> Outcome:
        """What was found and proved, with some nodes left open.

        Raises
        ------
        SpecError
            If no network within the budgets has an objective that is a number.
        """
        s, reached = self.state, self.cutoff
        remaining = [self._with_finite_bound(node) for node in remaining]
        candidates = self.incumbents.ordered()
        best = candidates[0] if candidates else None
        self.incumbents.best = best  # maybe less than the best in floating point: the bound is that of exact arithmetic
        bound = max(self._proved(remaining), reached)
        status: Status = "unknown"
        if best is not None:
            gap = relative_gap(bound, best.objective)
            status = "optimal" if not remaining and gap <= OPTIMAL_GAP and not self.feasibility_only else "feasible"
            if status == "optimal":
                bound = best.objective
        elif self.feasibility_only and not remaining:
            if self.incumbents.beyond is not None:
                depths = [stage.depth for stage in self.incumbents.beyond.stages]
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
            candidates=candidates,
            feasibility_only=self.feasibility_only,
            records=s.records,
            solved=s.solved,
            open=remaining,
            trace=s.trace,
            incidents=s.incidents,
            peak_rss_mb=s.peak_rss_mb,
            interrupted=interrupted,
        )


def solve(
    tables: Tables,
    options: Options | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    resumed: Resumed | None = None,
    near: WarmStart | None = None,
    workers: Workers | None = None,
) -> Outcome:
    """Solves a tabulated problem to proven optimality, or as far as its limits allow.

    ``KeyboardInterrupt`` ends the search, not the program: the outcome then holds the best design and a valid bound.

    Parameters
    ----------
    near:
        What is known of problems with the same space.
    workers:
        Worker processes that are kept for a next run; by default there are new ones, as ``options.workers`` says.
    """
    options = options or Options()
    run = Run(tables, options, on_progress or (lambda progress: None), resumed, near or WarmStart())
    if workers is not None:
        try:
            return run.run(workers)
        finally:
            run.heuristics.join()  # else it might yet speak of this problem while the workers are at the next one
    workers = Workers(options.workers, options.memory_mb)
    try:
        return run.run(workers)
    finally:
        workers.close()
