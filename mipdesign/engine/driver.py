"""A design run from outside: has the engine solve a problem, keeps what it proves, and begins it anew when it dies.

SCIP's tree is in another process. What it proves comes here record by record, so a crash costs what was not handed over yet,
and a run may be stopped at any time: the records say which nodes are open.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from ..errors import MipdesignError, SpecError
from ..interrupts import deferred
from ..lattice.position import Candidate
from ..lattice.tables import Tables
from ..machine import peak_memory_mb, processors
from ..problem.problem import SMALLER
from ..search.branching import Node, Record, open_nodes, whole_space
from ..search.incumbents import OPTIMAL_GAP, Incumbents, relative_gap
from ..search.outcome import OpenNode, Options, Outcome, Progress, Resumed, ScipTree, SolvedCell, Status, WarmStart
from .engine import Engine, Message
from .task import ATTEMPTS, Ended, Task

STOP_SECONDS = 1.5
"""Time for the engine to stop when it is asked to; then it is killed, and the records say what is open."""
REPORT_SECONDS = 0.05
MOST_INCIDENTS = 1000
UNDERFLOW = 1e-300
"""What a bound of 0 is raised by, since a checker rounds in its own way; no other bound changes."""


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
        self.tables, self.options, self.on_progress, self.resumed, self.near = tables, options, on_progress, resumed, near
        self.started = time.monotonic()
        self.incumbents = Incumbents(tables, options.gap)
        self.phase = "incumbent"
        self.feasibility_only = False
        self.records: list[Record] = []
        self.solved: list[SolvedCell] = []
        self.trace: list[Progress] = []
        self.incidents: list[str] = []
        self.failures: dict[str, int] = {}
        self.deaths = 0
        self.closing: str | None = None
        self.begun, self.is_ending = False, False
        self.engine_bound, self.open_count = math.inf, 0
        self.engine_mb = 0.0
        self.tree: ScipTree | None = None
        starts = [position for position in map(tables.find, near.designs) if position is not None]
        starts += [tables.position(architecture) for architecture in (resumed.designs if resumed else ())]
        for position in starts:
            self.incumbents.consider(Candidate(position, math.nan))
        self.starts = tuple(Candidate(position, math.nan) for position in starts)
        if resumed is not None:
            self.begun, self.feasibility_only = True, resumed.feasibility_only
            self.records += resumed.records

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

    @property
    def _floor(self) -> float:
        """The bound of everything that is excluded."""
        return -math.inf if self.best is None else max(self.cutoff, self.best.objective)

    @property
    def bound(self) -> float:
        """A valid upper bound for the objective of every network that keeps all budgets."""
        if not self.begun or self.feasibility_only:
            return math.inf
        return max(self.engine_bound, self._floor)

    def report(self) -> None:
        """Tells where the run stands; the trace keeps every change."""
        z, bound = self.best.objective if self.best else None, self.bound
        gap = None if z is None or math.isinf(bound) else relative_gap(bound, z)
        progress = Progress(self.seconds, self.phase, z, bound, gap, self.open_count, len(self.records))
        if not self.trace or (self.trace[-1].incumbent, self.trace[-1].bound) != (z, bound):
            self.trace.append(progress)
        self.on_progress(progress)

    # ------------------------------------------------------------------- run

    def run(self, engine: Engine) -> Outcome:
        """Runs to the end, to a limit, or to an interruption."""
        interrupted, ended = False, None
        engine.solve(self.tables.problem, self._task())
        try:
            with deferred() as check_interrupt:
                ended = self._listen(engine, check_interrupt)
        except KeyboardInterrupt:
            interrupted = True
            ended = self._stopped(engine)
        return self.outcome(self._remaining() if ended is None else list(ended.open), interrupted)

    def _task(self) -> Task:
        """What is asked of the engine, with what is proved already."""
        limit = self.options.time_limit
        left = math.inf if limit is None else limit - self.seconds
        known = dict.fromkeys((*self.starts, *self.incumbents.networks))
        nodes = tuple(self._open_nodes()) if self.begun else None
        return Task(self.options, self.near.guide, tuple(known), nodes, self.feasibility_only, dict(self.failures), left)

    def _listen(self, engine: Engine, check_interrupt: Callable[[], None]) -> Ended | None:
        limit = self.options.time_limit
        until = math.inf if limit is None else limit + STOP_SECONDS
        while True:
            message, heard = engine.listen(REPORT_SECONDS), self.seconds
            while message is not None:
                ended = self._hear(engine, message)
                if ended is not None:
                    return ended
                if self.deaths > 2 * ATTEMPTS:
                    return None
                if self.seconds > heard + REPORT_SECONDS:  # there may be more of them all the time
                    break
                message = engine.listen(0.0)
            self.report()
            check_interrupt()
            if self.seconds > until:
                engine.kill()
                return None

    def _stopped(self, engine: Engine) -> Ended | None:
        """What the engine knows when it is interrupted; nobody is told of progress any more, who would interrupt again."""
        self.is_ending = True
        engine.stop()
        until = time.monotonic() + STOP_SECONDS
        while time.monotonic() < until:
            message = engine.listen(max(0.0, until - time.monotonic()))
            if message is None or message.kind in ("died", "failed", "refused"):
                break
            ended = self._hear(engine, message)
            if ended is not None:
                return ended
        engine.kill()
        return None

    def _hear(self, engine: Engine | None, message: Message) -> Ended | None:
        kind, content = message
        if kind == "candidate":
            if self.incumbents.consider(content) and not self.is_ending:
                self.report()
        elif kind == "records":
            self.records += content
            self.deaths = 0
        elif kind == "tree":
            self.feasibility_only, continued = content
            self.phase = "feasibility" if self.feasibility_only else "tree" if self.options.presolve else "solver"
            self.begun, self.engine_bound = True, math.inf
            if not continued:
                self.records.clear()
                self.solved.clear()
                self.resumed = None
        elif kind == "progress":
            phase, bound, self.open_count = content
            if self.begun or phase == "incumbent":
                self.phase = phase
                self.engine_bound = min(self.engine_bound, bound)
        elif kind == "closing":
            self.closing = content
        elif kind == "solved":
            self.solved.append(content)
        elif kind == "incident":
            self.note(content)
        elif kind == "refused":
            raise content
        elif kind == "ended":
            ended, self.engine_mb = content
            self.feasibility_only, self.tree, self.incumbents.beyond = ended.feasibility_only, ended.tree, ended.beyond
            self.begun = True
            return ended  # type: ignore[no-any-return]
        elif engine is not None:
            self._again(engine, f"SCIP's process {kind}: {str(content).strip().splitlines()[-1]}")
        return None

    def _again(self, engine: Engine, why: str) -> None:
        """Begins the engine anew after a failure, with what is proved."""
        self.deaths += 1
        if self.closing is not None:
            attempt = self.failures[self.closing] = self.failures.get(self.closing, 0) + 1
            self.note(f"closing the cell of node '{self.closing}' failed, attempt {attempt}: {why}")
            self.closing = None
        else:
            self.note(f"the search failed, attempt {self.deaths}: {why}")
        if self.deaths <= 2 * ATTEMPTS:
            engine.solve(self.tables.problem, self._task())

    def note(self, text: str) -> None:
        """Keeps an incident.

        Raises
        ------
        MipdesignError
            If there are too many to go on.
        """
        self.incidents.append(f"{self.seconds:.1f} s: {text}")
        if len(self.incidents) > MOST_INCIDENTS:
            raise MipdesignError(f"too many failures of SCIP's process, the last one: {text}")

    # --------------------------------------------------------------- outcome

    def _root(self) -> Node:
        """The whole space as an open node."""
        return whole_space(self.tables, self.cutoff, self.feasibility_only)

    def _open_nodes(self) -> list[Node]:
        if self.resumed is None:
            return open_nodes(self.tables, self.records, self._root())
        known = {record.node for record in self.resumed.records}
        later = [record for record in self.records if record.node not in known]
        return [open_node for node in self.resumed.nodes for open_node in open_nodes(self.tables, later, node)]

    def _remaining(self) -> list[OpenNode]:
        """Nodes that are not proved, by the records."""
        nodes = self._open_nodes() if self.begun else [self._root()]
        return [OpenNode.of(self.tables, node, self.best) for node in nodes]

    def outcome(self, remaining: list[OpenNode], interrupted: bool) -> Outcome:
        """What was found and proved, with some nodes left open."""
        outcome = conclude(
            self.tables, self.incumbents, self.records, remaining, self.feasibility_only, interrupted=interrupted
        )
        outcome.solved, outcome.trace, outcome.incidents, outcome.tree = self.solved, self.trace, self.incidents, self.tree
        outcome.peak_rss_mb = peak_memory_mb() + self.engine_mb
        z = outcome.best.objective if outcome.best else None
        gap = None if z is None or math.isinf(outcome.bound) else relative_gap(outcome.bound, z)
        self.trace.append(Progress(self.seconds, "done", z, outcome.bound, gap, len(remaining), len(self.records)))
        with suppress(KeyboardInterrupt):  # there is nothing left to interrupt
            self.on_progress(self.trace[-1])
        return outcome


def conclude(
    tables: Tables,
    incumbents: Incumbents,
    records: list[Record],
    remaining: list[OpenNode],
    feasibility_only: bool,
    interrupted: bool = False,
) -> Outcome:
    """What follows from the records of a tree, its open nodes and the networks found.

    Raises
    ------
    SpecError
        If no network within the budgets has an objective that is a number.
    """
    reached = 0.0 if feasibility_only else incumbents.cutoff
    candidates = incumbents.ordered()
    best = candidates[0] if candidates else None
    floor = -math.inf if incumbents.best is None else max(reached, incumbents.best.objective)
    incumbents.best = best  # maybe less than the best in floating point: the bound is that of exact arithmetic
    bound = max([math.inf if feasibility_only else floor, reached, *(node.bound + UNDERFLOW for node in remaining)])
    status: Status = "unknown"
    if best is not None:
        gap = relative_gap(bound, best.objective)
        status = "optimal" if not remaining and gap <= OPTIMAL_GAP and not feasibility_only else "feasible"
        if status == "optimal":
            bound = best.objective
    elif feasibility_only and not remaining:
        if incumbents.beyond is not None:
            depths = [stage.depth for stage in incumbents.beyond.stages]
            text = f"is beyond {sys.float_info.max:.2g} for every network within the budgets, as with the depths {depths}"
            raise SpecError("objective.penalty", text, SMALLER)
        status, bound = "infeasible", -math.inf
    return Outcome(
        status=status,
        best=best,
        bound=bound,
        cutoff=0.0 if feasibility_only else incumbents.cutoff,
        candidates=candidates,
        feasibility_only=feasibility_only,
        records=records,
        solved=[],
        open=remaining,
        trace=[],
        incidents=[],
        peak_rss_mb=peak_memory_mb(),
        interrupted=interrupted,
    )


def solve(
    tables: Tables,
    options: Options | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    resumed: Resumed | None = None,
    near: WarmStart | None = None,
    engine: Engine | None = None,
) -> Outcome:
    """Solves a tabulated problem to proven optimality, or as far as its limits allow.

    ``KeyboardInterrupt`` ends the search, not the program: the outcome then holds the best design and a valid bound.

    Parameters
    ----------
    near:
        What is known of problems with the same space.
    engine:
        A process that is kept for a next run; by default there is a new one.
    """
    chosen = options or Options(workers=processors())
    run = Run(tables, chosen, on_progress or (lambda progress: None), resumed, near or WarmStart())
    used = engine or Engine(chosen.workers, chosen.memory_mb)
    used.tables = tables
    try:
        return run.run(used)
    finally:
        if engine is None:
            used.close()


def solve_here(tables: Tables, options: Options | None = None, resumed: Resumed | None = None) -> Outcome:
    """:func:`solve` without a process of its own and without progress: a crash of SCIP ends this one. For tests and studies."""
    from .session import Session  # and with it SCIP, which the parent of an engine does not need

    run = Run(tables, options or Options(), lambda progress: None, resumed, WarmStart())
    told: list[Message] = []
    session = Session(tables, run._task(), lambda kind, content: told.append(Message(kind, content)))
    ended = session.run()
    for message in (*told, Message("ended", (ended, 0.0))):
        run._hear(None, message)
    return run.outcome(list(ended.open), False)
