"""What the process of the engine does with one problem: heuristics, SCIP's tree, and cells that are closed on their own."""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ..errors import SpecError
from ..lattice.cell import Cell
from ..lattice.position import Candidate
from ..lattice.tables import Tables
from ..mip.closing import CellResult, ScipSettings, solve_cell
from ..mip.design_model import DesignModel
from ..mip.formulation import ModelStatistics, formulation_named
from ..mip.model_files import cip_text
from ..mip.scip_setup import HUGE, Emphasis, parameters, scip_version, set_up
from ..scip_plugins.install import add_plugins, parameters_for
from ..scip_plugins.lagrangian_rows import add_rows
from ..scip_plugins.tree import PRUNING_MARGIN, Tree
from ..search.branching import Expansion, Node, Record, whole_space
from ..search.heuristics import incumbent, polish, warmed
from ..search.incumbents import Incumbents
from ..search.outcome import OpenNode, ScipTree, SolvedCell
from .task import ATTEMPTS, Ended, Task

HEURISTIC_SECONDS, HEURISTIC_COLUMNS, HEURISTIC_THREADS = 0.6, 750_000, 4
"""Processor time of the heuristics that come before the tree, where there is no network to start from: so much for spaces of at
least so many columns, divided among at most so many threads. Small spaces the tree searches as soon.
"""
WARM_RESTARTS = 10
"""Restarts of annealing from the best network to start from, for spaces of at least so many columns. Four of them, 20 ms in the
space of r18, bring an optimum of other limits, polished, from 2 % below the optimum to 0.3 %.
"""
RETURN_SECONDS = 0.5
"""How long before the end of a run SCIP has to stop."""
SCIP_MEMORY = 0.7
"""Share of the process's memory that SCIP is told to stay within."""
SCIP_MARGIN = 1e-6
"""By how much a bound that is SCIP's word is rounded up, relative to it."""
LIMITS = ("timelimit", "userinterrupt", "memlimit", "totalnodelimit")
"""What SCIP says when it stops at a limit."""

Tell = Callable[[str, Any], None]
"""Tells the parent something: a kind, and what."""


class Session:
    """One problem in the process of the engine; :meth:`stop` and :meth:`help` are called by another thread meanwhile.

    Parameters
    ----------
    several:
        Whether problems with other limits follow, for which SCIP's problem is kept.
    """

    def __init__(self, tables: Tables, task: Task, tell: Tell, several: bool = False) -> None:
        self.tables, self.task, self.tell, self.options, self.several = tables, task, tell, task.options, several
        self.began = time.monotonic()
        self.incumbents = Incumbents(tables, self.options.gap, lambda kept: tell("candidate", kept))
        self.failures = dict(task.failures)
        self.given_up: dict[str, Node] = {}
        self.pending: list[Record] = []
        self.tree: Tree | None = None
        self.stopping = threading.Event()
        self.scip_nodes, self.scip_seconds, self.root_bound, self.dual_bound = 0, 0.0, math.inf, math.inf

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
        failed: list[BaseException] = []

        def search(part: int) -> None:
            try:
                self._heuristics(part, parts)
            except BaseException as error:
                failed.append(error)

        _ = self.tables.arrays.address  # made once, before there are threads: the core reads what it points to
        parts = max(1, min(self.options.workers, HEURISTIC_THREADS))
        heuristics = [threading.Thread(target=search, args=(part,), daemon=True) for part in range(parts)]
        for thread in heuristics:
            thread.start()
        model = self._design_model() if self.options.presolve else None
        for thread in heuristics:
            while thread.is_alive():
                thread.join(0.1)
                self.progress("incumbent")
        if failed:
            raise failed[0]
        return model

    def _design_model(self) -> DesignModel:
        """SCIP's problem: written, or copied from one that is kept."""
        scip, rho = self.options.scip, self.tables.rho

        def written() -> DesignModel:
            return formulation_named(f"minlp:{scip.encoding}").whole(self.tables, counted=scip.rows)

        if not self.several or not scip.is_certified or scip.rows:
            return written()
        return self.tables.once(f"SCIP's problem, {scip.encoding}, effectiveness {rho}", written).under(self.tables)

    def _heuristics(self, part: int, parts: int) -> None:
        """What one of several threads does: the first one takes the networks to begin with; where there is none, all anneal."""
        if Cell.whole(self.tables).tied(self.tables) is None:
            return  # ties leave no network
        if part and self.task.starts:
            return
        polished = [polish(self.tables, start.position) for start in self.task.starts]
        reached = [better for better in polished if better is not None]
        for candidate in (*self.task.starts, *reached):
            self._consider(candidate)
        share = min(1.0, sum(len(s.c) for s in self.tables.stages) / HEURISTIC_COLUMNS)
        if reached and self.task.nodes is None and self.options.annealing:
            best = max(reached, key=lambda candidate: candidate.objective)
            self._consider(warmed(self.tables, best, self.options.seed, round(share * WARM_RESTARTS)))
        if not reached and self.task.nodes is None and self.options.annealing:
            stop = lambda: self.stopping.is_set() or self.left <= 0  # noqa: E731
            seconds = share * HEURISTIC_SECONDS / parts
            incumbent(self.tables, self.options.seed * parts + part, seconds, self._consider, stop)

    def _consider(self, candidate: Candidate) -> None:
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
        if self.options.scip.rows and not feasibility_only:
            add_rows(tree)
        status = self._solve(tree)
        if not self.options.scip.is_certified:
            return self._by_scip(tree, status)
        tree.close_pruned()
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
            list_steps=self.options.list_steps,
            pruning_margin=PRUNING_MARGIN if self.options.scip.is_certified else 0.0,
            close=self._close,
            on_record=self.pending.append if self.options.scip.is_certified else lambda record: None,
            on_incident=lambda text: self.tell("incident", text),
            on_progress=self._tree_progress,
        )
        tree.stopped = self.stopping.is_set()
        self.neighbourhoods = add_plugins(tree, self.options.scip, self.threads)
        return tree

    @property
    def threads(self) -> int:
        """Threads that expand nodes ahead of SCIP, where it splits as we do."""
        return self.options.workers - 1 if self.options.scip.is_certified else 0

    def _solve(self, tree: Tree) -> str:
        """Has SCIP solve; its status."""
        model = tree.design_model.model
        wanted = parameters(
            seed=self.options.seed,
            time_limit=max(0.01, self.left),
            memory_limit_mb=SCIP_MEMORY * self.options.memory_mb if self.options.memory_mb else math.inf,
            more=parameters_for(self.options.scip),
        )
        set_up(model, wanted, Emphasis("OFF", "OFF", "OFF") if self.options.scip.relaxator == "lagrangian" else None)
        tree.ahead.start(self.threads, self.neighbourhoods.search if self.threads else None)
        began = time.monotonic()
        try:
            model.optimizeNogil()
        finally:
            tree.ahead.stop()
        self.scip_seconds += time.monotonic() - began
        self.root_bound, self.dual_bound = model.getDualboundRoot(), model.getDualbound()
        self.scip_nodes += model.getNTotalNodes()
        status = str(model.getStatus())
        if status not in ("optimal", "infeasible"):
            tree.stopped = tree.stopped or not (tree.feasibility_only and tree.found)
            if status not in LIMITS and tree.error is None:
                raise RuntimeError(f"SCIP ended with {status!r}")
        model.freeTransform()
        return status

    def _ended(self, tree: Tree) -> Ended:
        rest = [*tree.open.values(), *(node for name, node in self.given_up.items() if name not in tree.open)]
        return Ended(tuple(map(self._open, rest)), tree.feasibility_only, self._of_scip(tree), self.incumbents.beyond)

    def _of_scip(self, tree: Tree) -> ScipTree:
        """What SCIP says of its tree."""
        version, lacking = scip_version(tree.design_model.model), tree.design_model.lacking
        return ScipTree(version, self.scip_nodes, self.scip_seconds, self.root_bound, self.options.scip, lacking)

    def _by_scip(self, tree: Tree, status: str) -> Ended:
        """The end of a tree that no certificate has: SCIP's word for the whole space."""
        if tree.error is not None:
            raise tree.error
        root = tree.first[0]
        level = 0.0 if tree.feasibility_only else tree.incumbents.cutoff
        outward = self.dual_bound + SCIP_MARGIN * max(1.0, abs(self.dual_bound))
        if status in ("optimal", "infeasible"):
            record = Record("", "solver", level, root.multipliers.to_list())
            model, version = tree.design_model.model, scip_version(tree.design_model.model)
            empty = ModelStatistics(model.getNVars(False), 0, 0, model.getNConss(False), 0)
            digest = hashlib.sha256(cip_text(model)).hexdigest()
            found, name = tuple(self.incumbents.networks), f"minlp:{self.options.scip.encoding}"
            result = CellResult(
                "closed", found, (), outward, level, self.scip_nodes, 1, self.scip_seconds, name, empty, digest, version
            )
            self.pending.append(record)
            self.flush()
            self.tell("solved", SolvedCell(record, root.cell.digest, name, result))
            return Ended((), tree.feasibility_only, self._of_scip(tree), self.incumbents.beyond)
        bound = math.inf if tree.feasibility_only or abs(self.dual_bound) >= HUGE else outward
        left = OpenNode("", min(bound, self._open(root).bound), root.multipliers, by_solver=True)
        return Ended((left,), tree.feasibility_only, self._of_scip(tree), self.incumbents.beyond)

    def _open(self, node: Node) -> OpenNode:
        """An open node for the parent."""
        return OpenNode.of(self.tables, node, self.incumbents.best)

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
        root = whole_space(self.tables, self.incumbents.cutoff, feasibility_only)
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
            try:
                result = solve_cell(self.tables, cell, cutoff, self.options.formulation, settings, on_progress=report)
            except SpecError:
                if self.tree is None:
                    raise
                return None  # the formulation takes the whole space, and not this part of it
            finally:
                self.tell("closing", None)
            for network in result.networks:
                self._consider(network)
            for rejected in result.rejected:
                reasons = "; ".join(rejected.reasons)
                text = f"SCIP's answer in cell '{node.name}' failed the exact check and was discarded: {reasons}"
                self.tell("incident", text)
            if result.status == "closed":
                self.pending.append(record)
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
