"""What the process of the engine does with one problem: heuristics, SCIP's tree, and cells that are closed on their own."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..bounds.relaxation import Relaxation
from ..lattice.position import Candidate
from ..lattice.tables import Tables
from ..mip.closing import ScipSettings, solve_cell
from ..mip.formulation import DesignModel, formulation_named
from ..mip.scip_setup import Emphasis, parameters, scip_version, set_up
from ..networks.architecture import Architecture
from ..scip_plugins.install import add_plugins, parameters_for
from ..scip_plugins.tree import Tree
from ..search.branching import Expansion, Guide, Node, Record
from ..search.heuristics import incumbent, polish
from ..search.incumbents import Incumbents
from ..search.outcome import OpenNode, Options, ScipTree, SolvedCell

HEURISTIC_SECONDS, HEURISTIC_COLUMNS = 1.0, 100_000
"""Time of the heuristics that come before the tree, where there is no network to start from: so much for spaces of at least so
many columns. Small ones the tree searches as soon.
"""
RETURN_SECONDS = 0.5
"""How long before the end of a run SCIP has to stop."""
SCIP_MEMORY = 0.7
"""Share of the process's memory that SCIP is told to stay within."""
ATTEMPTS = 4
"""How often a cell is tried before it is split instead."""

Tell = Callable[[str, Any], None]
"""Tells the parent something: a kind, and what."""


@dataclass(frozen=True)
class Task:
    """What a session is asked.

    Attributes
    ----------
    nodes:
        Open nodes of an earlier tree, of which ``feasibility_only`` says what it was for; ``None`` for a new one.
    starts:
        Networks to begin with.
    failures:
        How often closing the cell of a node has ended this process.
    seconds:
        Time that is left.
    """

    options: Options
    guide: Guide
    starts: tuple[Candidate, ...]
    nodes: tuple[Node, ...] | None = None
    feasibility_only: bool = False
    failures: dict[str, int] = field(default_factory=dict)
    seconds: float = math.inf


@dataclass(frozen=True)
class Ended:
    """How a session ended: what is still open, and what SCIP says of its tree."""

    open: tuple[OpenNode, ...]
    feasibility_only: bool
    tree: ScipTree | None
    beyond: Architecture | None = None
    """A network within the budgets whose penalty is no number."""


class Session:
    """One problem in the process of the engine; :meth:`stop` and :meth:`help` come from another thread while :meth:`run` works."""

    def __init__(self, tables: Tables, task: Task, tell: Tell) -> None:
        self.tables, self.task, self.tell, self.options = tables, task, tell, task.options
        self.began = time.monotonic()
        self.incumbents = Incumbents(tables, self.options.gap, lambda kept: tell("candidate", kept))
        self.failures = dict(task.failures)
        self.given_up: dict[str, Node] = {}
        self.pending: list[Record] = []
        self.tree: Tree | None = None
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.closed = 0
        self.scip_nodes, self.root_bound = 0, math.inf

    @property
    def left(self) -> float:
        """Seconds that SCIP may still take."""
        return self.task.seconds - (time.monotonic() - self.began)

    def stop(self) -> None:
        """Ends the session soon, with what is known."""
        self.stopping.set()
        if self.tree is not None:
            self.tree.stopped = True

    def help(self, threads: int) -> None:
        """Takes more threads."""
        if self.tree is not None:
            self.tree.ahead.start(threads)

    # ------------------------------------------------------------------- run

    def run(self) -> Ended:
        """Runs to the end or to a limit."""
        design_model, nodes = self._prepare(), self.task.nodes
        feasibility_only = self.task.feasibility_only if nodes is not None else self.incumbents.best is None
        while True:
            ended = self._search(design_model, nodes, feasibility_only)
            self.flush()
            if not feasibility_only or self.incumbents.best is None or self.stopping.is_set() or self.left <= 0:
                return ended
            feasibility_only, nodes = False, None

    def _prepare(self) -> DesignModel | None:
        """Looks for a network while SCIP's problem is written."""
        heuristics = threading.Thread(target=self._heuristics, daemon=True)
        heuristics.start()
        model = formulation_named(f"minlp:{self.options.encoding}").whole(self.tables) if self.options.presolve else None
        while heuristics.is_alive():
            heuristics.join(0.1)
            self.progress("incumbent")
        return model

    def _heuristics(self) -> None:
        polished = [polish(self.tables, start.position) for start in self.task.starts]
        for candidate in (*self.task.starts, *(better for better in polished if better is not None)):
            self._consider(candidate)
        if not any(polished) and self.task.nodes is None:
            stop = lambda: self.stopping.is_set() or self.left <= 0  # noqa: E731
            share = min(1.0, sum(len(s.c) for s in self.tables.stages) / HEURISTIC_COLUMNS)
            incumbent(self.tables, self.options.seed, share * HEURISTIC_SECONDS, self._consider, stop)

    def _consider(self, candidate: Candidate) -> None:
        with self.lock:
            self.incumbents.consider(candidate)

    def _search(self, design_model: DesignModel | None, nodes: Sequence[Node] | None, feasibility_only: bool) -> Ended:
        """One tree, to its end or to a limit."""
        if design_model is None:
            return self._close_whole(feasibility_only)
        tree = self.tree or self._new_tree(design_model)
        tree.feasibility_only = feasibility_only
        tree.begin([tree.root()] if nodes is None else nodes, feasibility_only)
        self.tell("tree", (feasibility_only, nodes is not None))
        if self.stopping.is_set() or self.left <= 0 or not tree.open:
            return self._ended(tree)
        self._solve(tree)
        while tree.open and not tree.stopped and self.left > 0:
            rest = [node for name, node in tree.open.items() if name not in self.given_up]
            if not rest or (feasibility_only and self.incumbents.best is not None):
                break
            for node in rest:  # few: what SCIP has pruned and the multipliers at hand do not prove
                tree.settle(-1, node, tree.expand(node))
        if tree.error is not None:
            raise tree.error
        return self._ended(tree)

    def _new_tree(self, design_model: DesignModel) -> Tree:
        tree = self.tree = Tree(
            self.tables,
            self.incumbents,
            design_model,
            guide=self.task.guide,
            solver_columns=self.options.solver_columns,
            close=self._close,
            on_record=self.pending.append,
            on_incident=lambda text: self.tell("incident", text),
            on_progress=self._tree_progress,
        )
        tree.stopped = self.stopping.is_set()
        self.neighbourhoods = add_plugins(tree, threads=self.options.workers - 1, propagation=self.options.propagation)
        return tree

    def _solve(self, tree: Tree) -> None:
        """Has SCIP solve."""
        model = tree.design_model.model
        wanted = parameters(
            seed=self.options.seed,
            time_limit=max(0.01, self.left),
            memory_limit_mb=SCIP_MEMORY * self.options.memory_mb if self.options.memory_mb else math.inf,
            more=parameters_for(self.options.relaxator, self.options.propagation),
        )
        set_up(model, wanted, Emphasis("OFF", "OFF", "OFF"))
        threads = self.options.workers - 1
        tree.ahead.start(threads, self.neighbourhoods.search if threads else None)
        try:
            model.optimizeNogil()
        finally:
            tree.ahead.stop()
        self.scip_nodes += model.getNTotalNodes()
        status = str(model.getStatus())
        if status not in ("optimal", "infeasible"):
            tree.stopped = tree.stopped or not (tree.feasibility_only and tree.found)
            if status not in ("timelimit", "userinterrupt", "memlimit") and tree.error is None:
                raise RuntimeError(f"SCIP ended with {status!r}")
        model.freeTransform()
        tree.close_pruned()

    def _ended(self, tree: Tree) -> Ended:
        model = tree.design_model.model
        rest = [*tree.open.values(), *(node for name, node in self.given_up.items() if name not in tree.open)]
        of_tree = ScipTree(scip_version(model), self.scip_nodes, self.options.encoding, tree.design_model.lacking)
        return Ended(tuple(map(self._open, rest)), tree.feasibility_only, of_tree, self.incumbents.beyond)

    def _open(self, node: Node) -> OpenNode:
        """An open node for the parent; one that was never bounded gets the bound of its starting multipliers."""
        bound = node.bound
        if not math.isfinite(bound) and node.multipliers.weight != 0.0:
            best = self.incumbents.best
            relaxation = Relaxation(self.tables, node.cell, best.objective if best else -math.inf)
            bound = bound if relaxation.empty else relaxation.bound(node.multipliers).outward
        return OpenNode(node.name, bound, node.multipliers, node.by_solver)

    # --------------------------------------------------------------- progress

    def _tree_progress(self) -> None:
        tree = self.tree
        assert tree is not None
        self.flush()
        if tree.stopped or self.left <= 0:
            tree.design_model.model.interruptSolve()
        self.progress("feasibility" if tree.feasibility_only else "tree", tree.bound, len(tree.open))

    def progress(self, phase: str, bound: float = math.inf, open_nodes: int = 0) -> None:
        """Tells where the session stands."""
        self.tell("progress", (phase, bound, open_nodes))

    def flush(self) -> None:
        """Hands over what was proved since the last time."""
        if self.pending:
            handed, self.pending[:] = list(self.pending), []
            self.tell("records", handed)

    # ------------------------------------------------------------------ cells

    def _close(self, node: Node, expansion: Expansion) -> bool | None:
        """Has SCIP close a small cell by a model of its own."""
        assert expansion.cell is not None and self.tree is not None
        return self._try(node, expansion.record, expansion.cell, min(node.bound, expansion.bound))

    def _close_whole(self, feasibility_only: bool) -> Ended:
        """The whole space as one cell for the solver."""
        from ..bounds.multipliers import Multipliers
        from ..lattice.cell import Cell

        worth = 3.0 if feasibility_only else max(1.0, abs(self.incumbents.cutoff))
        root = Node("", Cell.whole(self.tables), math.inf, Multipliers.initial(self.tables, worth, float(not feasibility_only)))
        self.tell("tree", (feasibility_only, False))
        record = Record("", "solver", 0.0 if feasibility_only else self.incumbents.cutoff, root.multipliers.to_list())
        found = self.incumbents.best
        if self._try(root, record, root.cell, math.inf):
            if feasibility_only and self.incumbents.best is not found:
                return Ended((), True, None)
            return Ended((), feasibility_only, None, self.incumbents.beyond)
        return Ended((self._open(self.given_up.get("", root)),), feasibility_only, None)

    def _try(self, node: Node, record: Record, cell: Any, bound: float) -> bool | None:
        """Tries to close a cell: whether it did, or ``None`` if it failed too often."""
        while (attempt := self.failures.get(node.name, 0)) < ATTEMPTS:
            if self.stopping.is_set() or self.left <= 0:
                return False
            self.flush()
            self.tell("closing", node.name)
            settings = ScipSettings(
                time_limit=max(0.1, self.left - RETURN_SECONDS),
                memory_limit=SCIP_MEMORY * self.options.memory_mb if self.options.memory_mb else math.inf,
                seed=self.options.seed,
                attempt=attempt,
                equal_margin=self.incumbents.margin,
            )
            cutoff = -math.inf if record.multipliers[0] == 0.0 else self.incumbents.cutoff
            report = lambda bound, objective: self.progress("solver", bound)  # noqa: E731
            result = solve_cell(self.tables, cell, cutoff, self.options.formulation, settings, on_progress=report)
            self.tell("closing", None)
            for network in result.networks:
                self._consider(network)
            for rejected in result.rejected:
                reasons = "; ".join(rejected.reasons)
                text = f"SCIP's answer in cell '{node.name}' failed the exact check and was discarded: {reasons}"
                self.tell("incident", text)
            if result.status == "closed":
                self.closed += 1
                self.pending.append(record)
                if self.tree is not None:
                    self.tree.records.append(record)
                self.flush()
                self.tell("solved", SolvedCell(record, cell.digest, self.options.formulation, result))
                return True
            if result.status == "limit":
                left = replace(node, bound=min(bound, result.bound), by_solver=True)
                self.given_up[node.name] = left
                if self.tree is not None:
                    self.tree.open[node.name] = left
                return False
            self.failures[node.name] = attempt + 1
            why = f"SCIP ended with '{result.status}' ({result.message})"
            self.tell("incident", f"closing the cell of node '{node.name}' failed, attempt {attempt + 1}: {why}")
        return None
