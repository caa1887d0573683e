"""What the plug-ins share: which cell each node of SCIP's tree is, what came of it, and the networks found on the way.

SCIP owns the tree: it selects nodes, prunes them and keeps incumbents and the dual bound. A node's *cell* is more than its
domain: reduced-cost fixing drops choices that no bounds of variables express. So every node has its cell here, by its number
in SCIP, and its name in the certificate: ``"01"`` is the second half of the first half of the whole space.
"""

from __future__ import annotations

import heapq
import itertools
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pyscipopt import SCIP_RESULT

from ..bounds.multipliers import Multipliers
from ..bounds.relaxation import Relaxation
from ..lattice.position import Candidate, Position
from ..lattice.tables import Tables
from ..mip.design_model import DesignModel
from ..mip.start_values import start_values
from ..search.branching import LIST_STEPS, NEAR, Expansion, Guide, Node, Record, expand, whole_space
from ..search.heuristics import polish
from ..search.incumbents import MOST_COMPARED, Incumbents

POLISH_SHARE = 0.02
"""Share of the time that may go into local searches from paths that nearly fit."""
PRUNING_MARGIN = 1e-6
"""By how much SCIP's cutoff is below ours, relative to it: SCIP prunes what it need not ask the relaxator for, and what is that
close is left to the relaxator, whose multipliers prove it.
"""
LEAST = -1e15
"""Objectives below it are told SCIP as this much: 1e20 is its infinity."""
MOST_AHEAD = 64
"""Nodes that wait for SCIP, expanded already."""

TOO_MANY = (
    f"more than {MOST_COMPARED} networks are as good as the best up to 1e-7, and which one comes first is not decided; "
    "let the objective depend on more of the decisions, or lower a budget"
)
"""Why a run ends where nearly all networks are equals."""


@dataclass
class Tree:
    """The state that the plug-ins of one SCIP model share.

    Attributes
    ----------
    tables, incumbents:
        The problem, and the best network so far with its equals.
    design_model:
        SCIP's problem, and which variables are the integers of the network.
    feasibility_only:
        Whether it is only to be shown that there is a network, or none: bounds have no objective then.
    guide:
        Advice from the tree of a problem with other limits.
    solver_columns:
        Cells with single depths and at most this many columns are closed by a model of their own.
    list_steps:
        Steps that the search for all networks of a cell may take.
    close:
        Closes one: whether it is closed, ``False`` if it has to stay open, ``None`` if it is to be split instead.
    nodes:
        Nodes of SCIP's tree that were not looked at yet, by number.
    open:
        Nodes of the certificate's tree that have no record yet, by name.
    expansions:
        What came of nodes that SCIP has at hand or is about to branch on, by number.
    offered:
        Networks that SCIP was told.
    stopped, error:
        Whether the search shall end, and the exception that ended it.
    incidents:
        Called with what went wrong and was put right.
    """

    tables: Tables
    incumbents: Incumbents
    design_model: DesignModel
    feasibility_only: bool = False
    guide: Guide = field(default_factory=dict)
    solver_columns: int = 0
    list_steps: int = LIST_STEPS
    pruning_margin: float = PRUNING_MARGIN
    close: Callable[[Node, Expansion], bool | None] | None = None
    on_record: Callable[[Record], None] = lambda record: None
    on_incident: Callable[[str], None] = lambda text: None
    on_progress: Callable[[], None] = lambda: None
    nodes: dict[int, Node] = field(default_factory=dict)
    open: dict[str, Node] = field(default_factory=dict)
    expansions: dict[int, Expansion] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    offered: set[Candidate] = field(default_factory=set)
    stopped: bool = False
    error: BaseException | None = None
    found: bool = False
    """Whether a network was found since the tree began."""
    began: float = field(default_factory=time.monotonic)
    polishing: float = 0.0
    ahead: Ahead = field(init=False)
    first: tuple[Node, ...] = ()
    """The nodes that the tree began with."""

    def __post_init__(self) -> None:
        self.ahead = Ahead(self)

    @property
    def cutoff(self) -> float:
        """Networks below it need not be looked at."""
        return 0.0 if self.feasibility_only else self.incumbents.cutoff

    @property
    def bound(self) -> float:
        """Upper bound of the objective of every network that is not excluded."""
        return max((node.bound for node in self.open.values()), default=-math.inf)

    def root(self) -> Node:
        """The whole space."""
        return whole_space(self.tables, self.cutoff, self.feasibility_only)

    def begin(self, nodes: Sequence[Node], feasibility_only: bool = False) -> None:
        """Begins a tree with some open nodes, which together are all that is to be searched."""
        self.feasibility_only = feasibility_only
        self.nodes.clear()
        self.expansions.clear()
        self.offered.clear()
        self.open = {node.name: node for node in nodes}
        self.first = tuple(nodes)
        self.found = False
        self.ahead = Ahead(self)

    def guarded(self, callback: Callable[[], dict[str, Any]], otherwise: dict[str, Any], model: Any) -> dict[str, Any]:
        """What a callback answers. An exception there would become SCIP's "unspecified error": it is kept, and ends the run."""
        try:
            return callback()
        except BaseException as error:
            self.error = self.error or error
            self.stopped = True
            model.interruptSolve()
            return otherwise

    # ------------------------------------------------------------------- nodes

    def expand(self, node: Node) -> Expansion:
        """What comes of a node; any thread may call it."""
        advice = self.guide.get(node.name)
        return expand(self.tables, node, self.cutoff, self.solver_columns, self.list_steps, advice)

    def settle(self, number: int, node: Node, expansion: Expansion) -> Expansion:
        """Writes down what came of a node and takes in the networks found; only SCIP's thread calls it."""
        for candidate in expansion.candidates:
            self.consider(candidate)
            if self.incumbents.too_many and not self.feasibility_only and not self.stopped:
                self.stopped = True
                self.on_incident(TOO_MANY)
            if self.stopped:  # it stays open, and what bounds it is known
                bounded = Multipliers.from_list(self.tables, expansion.record.multipliers)
                self.open[node.name] = replace(node, bound=min(node.bound, expansion.bound), multipliers=bounded)
                return expansion
        now = time.monotonic()
        if expansion.repair_start is not None and self.polishing <= POLISH_SHARE * (now - self.began):
            self._repair(expansion.repair_start)
            self.polishing += time.monotonic() - now
        if expansion.record.verdict == "solver":
            assert self.close is not None
            closed = self.close(node, expansion)
            if closed is False:
                return expansion
            if closed is None:
                expansion = expand(self.tables, node, self.cutoff, 0, self.list_steps)
                self.write(expansion.record)
        else:
            self.write(expansion.record)
        for child in expansion.children:
            self.open[child.name] = child
        self.open.pop(node.name, None)
        if expansion.children:
            self.expansions[number] = expansion
        return expansion

    def adopt(self, number: int, node: Node) -> None:
        """A child that SCIP has made for a node."""
        self.nodes[number] = node
        self.ahead.add(node)

    def write(self, record: Record) -> None:
        """Adds a record of the certificate."""
        self.records.append(record)
        self.on_record(record)

    def relaxed(self, bound: float) -> dict[str, Any]:
        """What a relaxator answers for a node with a bound; SCIP minimises inside, so it is told minus the bound."""
        if self.feasibility_only or bound > -LEAST:
            return {"result": SCIP_RESULT.SUCCESS}
        return {"result": SCIP_RESULT.SUCCESS, "lowerbound": -max(bound, LEAST)}

    def consider(self, candidate: Candidate) -> None:
        """Takes in a network; any thread may call it."""
        if self.incumbents.consider(candidate):
            self.found = True

    def _repair(self, start: Position) -> None:
        better = polish(self.tables, start)
        if better is not None and better.objective > self.cutoff:
            self.consider(better)

    def close_pruned(self) -> None:
        """Writes down the nodes that SCIP has pruned by their bound: the multipliers of their parents prove it. Those that they
        do not prove stay open.
        """
        if self.feasibility_only:
            return
        for node in [node for node in self.open.values() if node.bound < self.cutoff]:
            relaxation = Relaxation(self.tables, node.cell, self.cutoff)
            clear = self.cutoff - NEAR * max(1.0, abs(self.cutoff))  # a checker rounds in its own way
            if relaxation.empty or relaxation.bound(node.multipliers).outward < clear:
                self.write(Record(node.name, "excluded", self.cutoff, node.multipliers.to_list()))
                del self.open[node.name]

    # ---------------------------------------------------------------- networks

    def told(self, objective: float) -> float:
        """An objective in SCIP's numbers, a little lower, so that SCIP prunes nothing that may be as good."""
        value = max(objective, LEAST)
        return value - self.pruning_margin * max(1.0, abs(value))

    def offer(self, model: Any) -> bool:
        """Tells SCIP of the incumbent, if it is new; whether SCIP took it."""
        best = self.incumbents.best
        if best is None or self.feasibility_only or best in self.offered:
            return False
        self.offered.add(best)
        solution = self.solution(model, best)
        if model.trySol(solution, printreason=False, completely=False, checklprows=False, free=False):
            model.freeSol(solution)
            return True
        if not model.checkSol(solution, printreason=False, checklprows=False):
            self.on_incident(f"SCIP's check rejects a network that the exact evaluator accepts: {best.position}")
        model.freeSol(solution)
        return False

    def solution(self, model: Any, candidate: Candidate) -> Any:
        """A network as a solution of SCIP's problem."""
        values = start_values(self.design_model.rules, candidate.position)
        reached = min(candidate.objective, self.cutoff) if self.pruning_margin else candidate.objective
        lowered = min(self.told(reached), values["objective"])
        solution = model.createOrigSol()  # presolve may have replaced variables
        for name, value in values.items():
            model.setSolVal(solution, self.design_model.variables[name], lowered if name == "objective" else value)
        return solution


class Ahead:
    """Threads that expand open nodes before SCIP asks for them, best bound first.

    An expansion made with a lower cutoff stays valid: its record says which. No node is expanded twice: another cutoff would
    leave another cell, and children of the one would be taken for those of the other.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.condition = threading.Condition()
        self.heap: list[tuple[float, int, Node]] = []
        self.order = itertools.count()
        self.in_work: set[str] = set()
        self.ready: dict[str, tuple[Node, Expansion | BaseException]] = {}
        self.begun: set[str] = set()
        self.threads: list[threading.Thread] = []
        self.closed = False

    def start(self, threads: int, between: Callable[[], object] | None = None) -> None:
        """Starts some threads; ``between`` is what each does before it takes a node."""
        started = [threading.Thread(target=self._run, args=(between,), daemon=True) for _ in range(threads)]
        self.threads += started
        for thread in started:
            thread.start()

    def stop(self) -> None:
        """Ends the threads."""
        with self.condition:
            self.closed = True
            self.condition.notify_all()
        for thread in self.threads:
            thread.join()

    def add(self, node: Node) -> None:
        """A node that SCIP is going to ask for."""
        if not self.threads:
            return
        with self.condition:
            heapq.heappush(self.heap, (-node.bound, next(self.order), node))
            self.condition.notify()

    def take(self, node: Node) -> Expansion:
        """What comes of a node: ready, in work, or to be done now. Others are expanded while a thread is at this one."""
        with self.condition:
            is_new = node.name not in self.in_work and node.name not in self.ready
            if is_new:
                self._begin(node)
        if is_new:
            self._expand(node)
        while (other := self._meanwhile(node)) is not None:
            self._expand(other)
        with self.condition:
            _, done = self.ready.pop(node.name)
            self.condition.notify_all()
        if isinstance(done, BaseException):
            raise done
        return done

    def _waiting(self) -> int:
        """Expanded nodes that SCIP is going to ask for: it prunes the others."""
        cutoff = self.tree.cutoff
        return sum(node.bound >= cutoff for node, _ in self.ready.values())

    def _begin(self, node: Node) -> None:
        self.begun.add(node.name)
        self.in_work.add(node.name)

    def _next(self) -> Node | None:
        """The open node with the best bound, begun; ``None`` if there is none, or enough are expanded. The lock is held."""
        while self.heap and self._waiting() < MOST_AHEAD:
            _, _, node = heapq.heappop(self.heap)
            if node.name not in self.begun and node.bound >= self.tree.cutoff:
                self._begin(node)
                return node
        return None

    def _meanwhile(self, node: Node) -> Node | None:
        """What to expand while a thread is at a node; ``None`` as soon as it has done that."""
        with self.condition:
            while node.name in self.in_work:
                other = self._next()
                if other is not None:
                    return other
                self.condition.wait()
        return None

    def _expand(self, node: Node) -> None:
        """Expands a node that was begun."""
        try:
            done: Expansion | BaseException = self.tree.expand(node)
        except BaseException as error:  # told to who asks for it
            done = error
        with self.condition:
            self.in_work.discard(node.name)
            self.ready[node.name] = node, done
            if self.threads and isinstance(done, Expansion):
                for child in done.children:
                    heapq.heappush(self.heap, (-child.bound, next(self.order), child))
            self.condition.notify_all()

    def _run(self, between: Callable[[], object] | None) -> None:
        while True:
            if between is not None:
                between()
            with self.condition:
                if self.closed:
                    return
                node = self._next()
                if node is None:
                    self.condition.wait(0.05)
                    continue
            self._expand(node)
