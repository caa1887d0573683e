"""What proves an optimum, written down so that a reader can check it without searching.

A certificate holds the incumbent, every network within the margin of equals of it, and the presolve tree: for each node
the prices of its bound, the cutoff, and what was done with it. :class:`Verifier` walks the tree from the whole space and
recomputes each bound; cells that SCIP closed are matched by content and, on request, solved again.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .architecture import Architecture
from .bounds import Prices, Relaxation
from .branching import GUIDE_LEVELS, Node, Record, Split, list_networks
from .cell import Cell
from .errors import CertificateError, SpecError
from .lattice import Position, Tables, build_tables
from .problem import Problem
from .solve import EQUAL_MARGIN, OPTIMAL_GAP, Outcome, cutoff_of, design_order, relative_gap

FORMAT = "mipdesign-certificate/1"
SECTIONS = ("problem", "claim", "contenders", "tree", "cells", "open")
RECHECK = 1e-12
"""Relative allowance when a bound recomputed here is compared with its cutoff: numpy may add in another order elsewhere."""


def stated_figures(problem: Problem, architecture: Architecture | None) -> dict[str, Any]:
    """The figures that ``result.json`` states of a network beside its architecture."""
    if architecture is None:
        return {"budgets": {}, "evaluation": None}
    usage = {b.name: {"value": b.value, "limit": b.limit} for b in problem.usage(architecture)}
    return {"budgets": usage, "evaluation": problem.evaluator(architecture).evaluation.to_dict()}


def digest(content: Any) -> str:
    """SHA-256 of plain data in canonical JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def finite(number: float | None) -> float | None:
    """The number, or ``None`` where JSON has no word for it."""
    return number if number is not None and math.isfinite(number) else None


@dataclass(frozen=True)
class Certificate:
    """The content of ``certificate.json``; ``data`` is plain and JSON-ready."""

    data: dict[str, Any]

    @classmethod
    def of(cls, problem: Problem, tables: Tables, outcome: Outcome, gap: float) -> Certificate:
        """Writes down what a run proved."""
        contenders = []
        for contender in outcome.contenders:
            architecture = tables.architecture(contender.position)
            exact = problem.evaluator(architecture).exact_objective()
            contenders.append({"architecture": architecture.to_dict(), "objective": str(exact)})
        data: dict[str, Any] = {
            "format": FORMAT,
            "problem": problem.to_dict(),
            "claim": {
                "status": outcome.status,
                "objective": outcome.best.objective if outcome.best else None,
                "bound": finite(outcome.bound),
                "gap_limit": gap,
                "equal_margin": EQUAL_MARGIN,
                "proves": "infeasibility" if outcome.feasibility_only else "bound",
            },
            "contenders": contenders,
            "tree": [_record_to_plain(r) for r in sorted(outcome.records, key=lambda r: (len(r.node), r.node))],
            "cells": [
                {
                    "node": cell.record.node,
                    "cell_sha256": cell.cell_digest,
                    "formulation": cell.formulation,
                    "model_sha256": cell.result.model_hash,
                    "bound": finite(cell.result.bound),
                    "solver": f"SCIP {cell.result.scip_version}",
                    "nodes": cell.result.nodes,
                    "seconds": cell.result.seconds,
                }
                for cell in sorted(outcome.solved, key=lambda c: c.record.node)
            ],
            "open": [
                [n.name, finite(n.bound), n.prices.to_list(), "solver" if n.by_solver else "prices"]
                for n in sorted(outcome.open, key=lambda n: n.name)
            ],
        }
        data["sha256"] = {section: digest(data[section]) for section in SECTIONS}
        return cls(data)

    @property
    def claim(self) -> dict[str, Any]:
        """Status, objective, bound and what they rest on."""
        claim: dict[str, Any] = self.data["claim"]
        return claim

    def guide(self) -> dict[str, Record]:
        """The first levels of the tree, for the search of a problem with other limits."""
        return {row[0]: _record_from_plain(row) for row in self.data["tree"] if len(row[0]) <= GUIDE_LEVELS}

    def summary(self) -> dict[str, int]:
        """How many nodes the tree has of each verdict, and how many cells SCIP closed."""
        counts: dict[str, int] = {}
        for _, verdict, *_ in self.data["tree"]:
            counts[verdict] = counts.get(verdict, 0) + 1
        return {"nodes": len(self.data["tree"]), **counts, "cells": len(self.data["cells"]), "open": len(self.data["open"])}


def _record_to_plain(record: Record) -> list[Any]:
    split = None if record.split is None else [record.split.kind, record.split.index, record.split.threshold]
    return [record.node, record.verdict, finite(record.cutoff), record.prices, split]


def _record_from_plain(row: Any) -> Record:
    name, verdict, cutoff, prices, split = row
    if not isinstance(name, str) or set(name) - {"0", "1"}:
        raise ValueError("a node's name consists of 0 and 1")
    parsed = None if split is None else Split(str(split[0]), int(split[1]), int(split[2]))  # type: ignore[arg-type]
    return Record(name, verdict, -math.inf if cutoff is None else float(cutoff), [float(p) for p in prices], parsed)


@dataclass(frozen=True)
class Check:
    """One claim and whether it holds."""

    claim: str
    passed: bool
    detail: str = ""


class Verifier:
    """Checks the claims of one certificate in order; :meth:`checks` yields each as it is decided."""

    def __init__(self, certificate: Certificate, result: dict[str, Any] | None = None, resolve: bool = False) -> None:
        self.data, self.result, self.resolve = certificate.data, result, resolve

    def checks(self, on_node: Callable[[int, int], None] = lambda done, total: None) -> Iterator[Check]:
        """Decides every claim. Later claims are skipped where an earlier one leaves them without meaning."""
        data, wellformed = self.data, False
        for check in self.form_checks():
            wellformed = wellformed or (check.claim == "format" and check.passed)
            yield check
        if not wellformed:
            return
        try:
            problem = Problem.from_dict(data["problem"], "certificate.json")
            if self.result is not None:
                yield from self._result_checks(self.result, problem)
            tables = build_tables(problem)
            yield Check("problem", True)
            yield from self._contender_checks(problem)
            yield from self._tree_checks(problem, tables, on_node)
        except (SpecError, CertificateError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            yield Check("content", False, f"{type(error).__name__}: {error}")

    def form_checks(self) -> Iterator[Check]:
        """Whether the certificate is as it was written: its format, and a digest per section."""
        data = self.data
        wellformed = isinstance(data, dict) and data.get("format") == FORMAT and all(s in data for s in (*SECTIONS, "sha256"))
        yield Check("format", wellformed, "" if wellformed else f"a {FORMAT} file with all sections is expected")
        if not wellformed:
            return
        digests = data["sha256"] if isinstance(data["sha256"], dict) else {}
        for section in SECTIONS:
            same = digests.get(section) == digest(data[section])
            yield Check(f"digest of {section}", same, "" if same else "the section was changed after it was written")

    def _result_checks(self, result: dict[str, Any], problem: Problem) -> Iterator[Check]:
        stated = result.get("sha256")
        same = stated == digest({k: v for k, v in result.items() if k != "sha256"})
        yield Check("digest of result.json", same, "" if same else "the file was changed after it was written")
        match = result.get("certificate_sha256") == digest(self.data)
        yield Check("result belongs to certificate", match, "" if match else "result.json names another certificate")
        claim = self.data["claim"]
        for name in ("status", "objective", "bound"):
            agree = result.get(name) == claim.get(name)
            yield Check(
                f"result {name}", agree, "" if agree else f"result says {result.get(name)!r}, certificate {claim.get(name)!r}"
            )
        first = self.data["contenders"][0]["architecture"] if self.data["contenders"] else None
        yield Check("result architecture", result.get("architecture") == first)
        figures = stated_figures(problem, None if first is None else Architecture.from_dict(first))
        expected = {"problem": self.data["problem"], "name": problem.name, "convention": problem.convention, **figures}
        if claim["objective"] is not None:
            known = claim["bound"] is not None
            expected["gap"] = relative_gap(float(claim["bound"]), float(claim["objective"])) if known else None
        for name, value in expected.items():
            agree = result.get(name) == value
            yield Check(f"result {name}", agree, "" if agree else f"it follows from the certificate to be {value!r}"[:200])

    def _contender_checks(self, problem: Problem) -> Iterator[Check]:
        claim, previous = self.data["claim"], None
        for i, entry in enumerate(self.data["contenders"]):
            architecture = Architecture.from_dict(entry["architecture"], f"contender {i}")
            broken = problem.violations(architecture)
            yield Check(f"contender {i} keeps all budgets", not broken, f"breaks {', '.join(broken)}" if broken else "")
            evaluator = problem.evaluator(architecture)
            exact = str(evaluator.exact_objective())
            yield Check(
                f"contender {i} objective", exact == entry["objective"], "" if exact == entry["objective"] else f"it is {exact}"
            )
            order = design_order(problem, architecture)
            if previous is not None:
                yield Check(f"contender {i} comes after contender {i - 1}", previous < order)
            previous = order
            if i == 0:
                same = evaluator.evaluation.objective == claim["objective"]
                yield Check("objective", same, "" if same else f"the best contender has {evaluator.evaluation.objective!r}")
        has_design = bool(self.data["contenders"])
        fits = has_design == (claim["status"] in ("optimal", "feasible")) and has_design == (claim["objective"] is not None)
        yield Check("status", fits, "" if fits else f"{claim['status']!r} with {len(self.data['contenders'])} designs")

    def _tree_checks(self, problem: Problem, tables: Tables, on_node: Callable[[int, int], None]) -> Iterator[Check]:
        claim = self.data["claim"]
        records = {r.node: r for r in map(_record_from_plain, self.data["tree"])}
        yield Check("tree names each node once", len(records) == len(self.data["tree"]))
        still_open = {name: math.inf if bound is None else float(bound) for name, bound, *_ in self.data["open"]}
        walk = Walk(
            problem, tables, records, _open_rows(self.data), {c["node"]: c for c in self.data["cells"]}, claim, self.resolve
        )
        contenders = {tables.position(Architecture.from_dict(c["architecture"])) for c in self.data["contenders"]}
        walk.contenders = contenders
        failed = 0
        for done, check in enumerate(walk.run(), 1):
            on_node(done, len(records))
            if not check.passed:
                failed += 1
                if failed <= 20:
                    yield check
        yield Check(f"{len(records)} bounds recomputed from their prices", failed == 0, f"{failed} failed" if failed else "")
        missing = set(records) - walk.visited
        yield Check("every node hangs in the tree", not missing, f"unreachable: {sorted(missing)[:3]}" if missing else "")
        yield self._bound_check(claim, walk.highest_cutoff, max(still_open.values(), default=-math.inf))

    @staticmethod
    def _bound_check(claim: dict[str, Any], highest_cutoff: float, open_bound: float) -> Check:
        """The stated bound follows from the cutoffs, the open nodes and the incumbent."""
        stated = math.inf if claim["bound"] is None else float(claim["bound"])
        if claim["status"] == "infeasible":
            ok = claim["proves"] == "infeasibility" and highest_cutoff <= 0.0 and open_bound == -math.inf
            return Check("infeasibility", ok, "" if ok else "the tree does not prove it")
        if claim["proves"] == "infeasibility":
            return Check("bound", stated == math.inf, "" if stated == math.inf else "no bound was proved")
        z = -math.inf if claim["objective"] is None else float(claim["objective"])
        proved = max(z, highest_cutoff if highest_cutoff > z else z, open_bound)
        ok = stated >= proved
        if ok and claim["status"] == "optimal":
            ok = (
                open_bound == -math.inf
                and highest_cutoff <= z + OPTIMAL_GAP * abs(z)
                and relative_gap(stated, z) <= OPTIMAL_GAP
            )
        return Check("bound", ok, "" if ok else f"{stated!r} does not follow; proved is {proved!r}")


@dataclass(frozen=True)
class OpenRow:
    """An open node as the certificate states it."""

    bound: float
    prices: list[float]
    by_solver: bool


def _open_rows(data: dict[str, Any]) -> dict[str, OpenRow]:
    rows = {}
    for name, bound, prices, source in data["open"]:
        rows[name] = OpenRow(math.inf if bound is None else float(bound), [float(p) for p in prices], source == "solver")
    return rows


class Walk:
    """Repeats the tree from the whole space, node by node; also restores the cells of open nodes, for resuming a run."""

    def __init__(
        self,
        problem: Problem,
        tables: Tables,
        records: dict[str, Record],
        still_open: Mapping[str, OpenRow | None],
        cells: dict[str, dict[str, Any]],
        claim: dict[str, Any],
        resolve: bool,
    ) -> None:
        self.problem, self.tables, self.records, self.still_open = problem, tables, records, still_open
        self.cells, self.claim, self.resolve = cells, claim, resolve
        self.visited: set[str] = set()
        self.open_cells: dict[str, Cell] = {}
        self.contenders: set[Position] = set()
        self.highest_cutoff = -math.inf
        self.weight = 0.0 if claim.get("proves") == "infeasibility" else 1.0
        z = claim.get("objective")
        self.most = -math.inf
        if self.weight == 0.0:
            self.most = 0.0
        elif z is not None:
            gap = float(claim.get("gap_limit", 0.0))
            self.most = cutoff_of(z, gap)

    def run(self) -> Iterator[Check]:
        """Yields one check per node."""
        stack = [("", Cell.whole(self.tables), math.inf)]
        while stack:
            name, cell, inherited = stack.pop()
            if name in self.still_open:
                self.open_cells[name] = cell
                yield self._open_check(name, cell, inherited)
                continue
            record = self.records.get(name)
            if record is None:
                yield Check(f"node '{name}'", False, "the tree does not say what became of it")
                continue
            self.visited.add(name)
            problem, children, bound = self._repeat(record, cell)
            yield Check(f"node '{name}'", not problem, problem)
            stack += [(child, half, min(inherited, bound)) for child, half in children]

    def _open_check(self, name: str, cell: Cell, inherited: float) -> Check:
        """The stated bound of an open node is that of an ancestor, or follows from its prices; a solver's word is passed on."""
        row = self.still_open[name]
        claim = f"open node '{name}'"
        if row is None or row.by_solver or row.bound >= inherited or self.weight == 0.0:
            return Check(claim, True)
        prices = Prices.from_list(self.tables, row.prices)
        if prices.weight != 1.0 or not prices.valid:
            return Check(claim, False, "its prices are not those of a bound")
        least = self.claim["objective"]
        relaxation = Relaxation(self.tables, cell, -math.inf if least is None else float(least))
        if relaxation.empty:
            return Check(claim, True)
        bound = relaxation.bound(prices).outward
        ok = bound <= row.bound + RECHECK * abs(row.bound)
        return Check(claim, ok, "" if ok else f"its bound {row.bound!r} does not follow from its prices, which give {bound!r}")

    def _repeat(self, record: Record, cell: Cell) -> tuple[str, list[tuple[str, Cell]], float]:
        """What is wrong with a record (empty if nothing), the children it leaves, and its bound."""
        tables, cutoff = self.tables, record.cutoff
        if cutoff > self.most:
            return f"its cutoff {cutoff!r} is above {self.most!r}", [], math.inf
        self.highest_cutoff = max(self.highest_cutoff, cutoff)
        prices = Prices.from_list(tables, record.prices)
        if prices.weight != self.weight or not prices.valid:
            return "its prices are not those of a bound", [], math.inf
        relaxation = Relaxation(tables, cell, cutoff)
        if relaxation.empty:
            return "", [], -math.inf
        bound = relaxation.bound(prices).outward
        allowance = RECHECK * max(1.0, abs(cutoff))
        if bound < cutoff + allowance and record.verdict == "excluded":
            return "", [], bound
        reduced = relaxation.reduced()
        if reduced is None:
            return "", [], bound
        if record.verdict == "split" and record.split is not None:
            halves = [(f"{record.node}{n}", record.split.half(tables, reduced, bool(n))) for n in (0, 1)]
            return "", halves, bound
        if record.verdict == "listed":
            return self._repeat_listing(reduced, cutoff, prices), [], bound
        if record.verdict == "solver":
            return self._match_cell(record, (reduced, cell)), [], bound
        return f"its bound {bound!r} does not exclude it below {cutoff!r}", [], bound

    def _repeat_listing(self, cell: Cell, cutoff: float, prices: Prices) -> str:
        """Lists a cell again: every feasible network that reaches the highest cutoff must be a contender."""
        listed = list_networks(self.tables, cell, max(cutoff, self.most) if self.weight else 0.0, prices)
        if listed is None:
            return "it holds too many networks to have been listed"
        for found in listed:
            if found.position in self.contenders:
                continue
            architecture = self.tables.architecture(found.position)
            if self.problem.violations(architecture):
                continue
            if not self.weight or self.problem.evaluator(architecture).evaluation.objective >= self.most:
                return f"it holds a network that the certificate does not name, with objective {found.objective!r}"
        return ""

    def _match_cell(self, record: Record, cells: Sequence[Cell]) -> str:
        """What SCIP closed is the reduced cell, or the whole one of a run without presolve, and its model is the one that is
        built now (as far as the same SCIP writes it); with ``resolve`` it is closed again.
        """
        entry = self.cells.get(record.node)
        if entry is None:
            return "no solver run is listed for it"
        cell = next((c for c in cells if c.digest == entry["cell_sha256"]), None)
        if cell is None:
            return "the solver run listed for it closed another cell"
        from .scip import ScipSettings, model_hash, solve_cell

        digest_now, version = model_hash(self.tables, cell, entry["formulation"])
        if entry["solver"] == f"SCIP {version}" and entry["model_sha256"] != digest_now:
            return "the model of its cell has another hash"
        if not self.resolve:
            return ""

        result = solve_cell(self.tables, cell, self.most, entry["formulation"], ScipSettings())
        if result.status != "closed":
            return f"SCIP ended with {result.status!r} when it was solved again"
        for found in result.networks:
            if found.position not in self.contenders:
                return f"it holds a network that the certificate does not name, with objective {found.objective!r}"
        return ""


def restore(tables: Tables, certificate: Certificate) -> tuple[list[Record], list[Node]]:
    """Records and open nodes of an unfinished run, for resuming it. Cells that SCIP closed are opened again.

    Raises
    ------
    CertificateError
        If the tree does not hold.
    """
    data = certificate.data
    records = {r.node: r for r in map(_record_from_plain, data["tree"])}
    again = {c["node"]: records.pop(c["node"]) for c in data["cells"]}
    rows = _open_rows(data)
    walk = Walk(tables.problem, tables, records, dict.fromkeys(again) | rows, {}, data["claim"], False)
    walk.contenders = {tables.position(Architecture.from_dict(c["architecture"])) for c in data["contenders"]}
    for check in walk.run():
        if not check.passed:
            raise CertificateError(f"cannot resume: {check.claim}: {check.detail}")
    nodes = []
    for name, cell in walk.open_cells.items():
        if name in rows:
            bound, prices = rows[name].bound, Prices.from_list(tables, rows[name].prices)
        else:
            prices = Prices.from_list(tables, again[name].prices)
            bound = Relaxation(tables, cell, again[name].cutoff).bound(prices).outward
        nodes.append(Node(name, cell, bound, prices))
    return list(records.values()), nodes
