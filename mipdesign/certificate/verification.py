"""Whether a certificate proves what it claims.

:func:`claims` has it checked by :mod:`mipdesign.checker`, which shares no code with the search; :class:`TreeReplay` repeats the
tree by the code of the search, which is quicker, and restores a run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from ..bounds.multipliers import Multipliers
from ..bounds.relaxation import Relaxation
from ..checker import FAILS, HOLDS, LIST, TRUST, Claim, Closed, Family, Networks, Op, check, digest
from ..errors import CertificateError, SpecError
from ..lattice.cell import Cell
from ..lattice.position import Position
from ..lattice.tables import Tables
from ..networks.architecture import Architecture
from ..networks.blocks import BUILT_IN, FAMILIES, BlockFamily
from ..networks.evaluator import Evaluator
from ..networks.operation import Operation
from ..problem.problem import Problem
from ..search.branching import Node, Record, list_networks
from ..search.coverage import build_tables
from ..search.incumbents import Place, cutoff_of, design_order, relative_gap
from .certificate import Certificate, record_from_plain, stated_figures

RECHECK = 1e-12
"""Relative allowance when a bound recomputed here is compared with its cutoff: numpy may add in another order elsewhere."""


def claims(
    certificate: Certificate,
    *,
    resolve: bool = False,
    quick: bool = False,
    on_node: Callable[[int, int], None] = lambda done, total: None,
    networks: Networks | None = None,
) -> Iterator[Claim]:
    """Decides the claims of a certificate one by one; see :mod:`mipdesign.checker`.

    Parameters
    ----------
    resolve:
        Whether SCIP closes its cells again; else they are taken on trust.
    quick:
        Whether the nodes are bounded by the compiled code of the search in place of the checker's own; not those of a list.
    on_node:
        Told how many nodes of the tree are done, and how many there are.
    networks:
        Opens the file of a list, where there is one.
    """
    data, families = certificate.data, foreign_families()
    again = _Resolved(data) if resolve else None
    settle = (lambda: _settled_quickly(data, again, on_node)) if quick and LIST not in data else None
    return check(data, families, again, on_node, settle, networks)


def foreign_families() -> dict[str, Family]:
    """The registered block families that the checker does not know itself, in its terms."""

    def of(family: BlockFamily) -> Family:
        def operations(ci: Any, c: Any, b: Any, k: Any, s: int, r: int, first: bool, twin: Any) -> list[Op]:
            return [_plain_operation(op) for op in family.operations(ci, c, b, k, s, r, first=first)]

        return Family(operations, family.widths, family.activation, family.has_se)

    return {name: of(family) for name, family in FAMILIES.items() if type(family) not in BUILT_IN}


def _plain_operation(op: Operation) -> Op:
    scored, kind = op.role != "se", op.function if op.kind == "activation" else op.kind
    return Op(
        kind, op.in_channels, op.out_channels, op.resolution, op.kernel, op.stride, op.groups, scored, op.projected, op.present
    )


def result_claims(result: Mapping[str, Any], certificate: Certificate) -> Iterator[Claim]:
    """Whether ``result.json`` is as it was written, and states what its certificate does."""
    data, same = certificate.data, result.get("sha256") == digest({k: v for k, v in result.items() if k != "sha256"})
    yield _claim("digest of result.json", same, "the file was changed after it was written")
    yield _claim(
        "result belongs to certificate", result.get("certificate_sha256") == digest(data), "result.json names another one"
    )
    try:
        problem = Problem.from_dict(data["problem"], "certificate.json")
        claim, candidates = data["claim"], data["contenders"]
        first = candidates[0]["architecture"] if candidates else None
        figures = stated_figures(problem, None if first is None else Architecture.from_dict(first))
        objective, bound = claim["objective"], claim["bound"]
        gap = None if objective is None or bound is None else relative_gap(float(bound), float(objective))
        expected = {name: claim[name] for name in ("status", "objective", "bound")}
        expected |= {"problem": data["problem"], "name": problem.name, "convention": problem.convention, "gap": gap}
        expected |= {"architecture": first, **figures}
        if LIST in data or "pool" in result:
            expected |= {"pool": _stated_list(data[LIST], candidates[0]["objective"]) if LIST in data else None}
    except (SpecError, ValueError, TypeError, KeyError, IndexError, ArithmeticError) as error:
        yield _claim("result follows from certificate", False, f"the certificate is malformed: {type(error).__name__}: {error}")
        return
    for name, value in expected.items():
        yield _claim(f"result {name}", result.get(name) == value, f"it follows from the certificate to be {value!r}"[:200])


def _stated_list(section: Mapping[str, Any], optimum: str) -> dict[str, Any]:
    """What ``result.json`` says of a list, by its certificate."""
    best = Fraction(Decimal(optimum))
    threshold = None if section["within"] is None else float(best - Fraction(section["within"]) * abs(best))
    rule = None if section["different"] is None else ":".join(map(str, section["different"]))
    stated = {name: section[name] for name in ("within", "best", "count", "complete", "bound")}
    return stated | {"different": rule, "threshold": threshold}


def _claim(text: str, holds: bool, fault: str) -> Claim:
    return Claim(text, HOLDS if holds else FAILS, "" if holds else fault)


class _Resolved:
    """Closes cells again with SCIP."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data

    @cached_property
    def tables(self) -> Tables:
        return build_tables(Problem.from_dict(self.data["problem"], "certificate.json"))

    def __call__(self, closed: Closed) -> list[dict[str, Any]] | str:
        """All networks of a cell that reach its level, or why SCIP did not find them."""
        tables, columns = self.tables, []
        for s, rows in zip(tables.stages, closed.columns, strict=True):
            places: dict[tuple[int, ...], list[int]] = {}  # several where a block is absent
            for j, key in enumerate(zip(*(axis.tolist() for axis in (s.f, s.c, s.b, s.k, s.bits)), strict=True)):
                places.setdefault(key, []).append(j)
            chosen = {j for name, *sizes in rows for j in places[(s.blocks.index(name), *sizes)]}
            columns.append(np.array(sorted(chosen), dtype=np.int64))
        low, high = (np.array([depths[at] for depths in closed.depths]) for at in (0, -1))
        cell = Cell(np.searchsorted(tables.stem_c, np.array(closed.stems)), tuple(columns), low, high)
        return self.close(cell, closed.level)

    def close(self, cell: Cell, level: float) -> list[dict[str, Any]] | str:
        """The same for a cell of the search."""
        from ..mip.closing import ScipSettings, solve_cell

        formulation = self.data["cells"][0]["formulation"]
        try:
            result = solve_cell(self.tables, cell, level, formulation, ScipSettings())
        except SpecError as error:
            return f"it could not be solved again: {error}"
        if result.status != "closed":
            return f"SCIP ended with {result.status!r} when it was solved again"
        return [self.tables.architecture(found.position).to_dict() for found in result.networks]


def _settled_quickly(
    data: Mapping[str, Any], again: _Resolved | None, on_node: Callable[[int, int], None]
) -> Iterator[tuple[str, str]]:
    """The nodes that the search's own bounds do not settle, and why; for certificates that the checker has read."""
    tables = (again or _Resolved(data)).tables
    replay = TreeReplay(tables, data, again)
    for done, (name, fault) in enumerate(replay.run(), 1):
        on_node(min(done, len(replay.records)), len(replay.records))
        if fault:
            yield name, fault


@dataclass(frozen=True)
class OpenRow:
    """An open node as the certificate states it."""

    bound: float
    multipliers: list[float]
    by_solver: bool


def _open_rows(data: Mapping[str, Any]) -> dict[str, OpenRow]:
    rows = {}
    for name, bound, prices, source in data["open"]:
        rows[name] = OpenRow(math.inf if bound is None else float(bound), [float(p) for p in prices], source == "solver")
    return rows


class TreeReplay:
    """Repeats the tree of a well-formed certificate by the code of the search, node by node; also restores the cells of open
    nodes, for resuming a run.
    """

    def __init__(self, tables: Tables, data: Mapping[str, Any], again: _Resolved | None = None) -> None:
        self.tables, self.problem, self.again = tables, tables.problem, again
        self.records = {r.node: r for r in map(record_from_plain, data["tree"])}
        self.still_open: dict[str, OpenRow | None] = dict(_open_rows(data))
        self.candidates = {tables.position(Architecture.from_dict(c["architecture"])) for c in data["contenders"]}
        self.open_cells: dict[str, Cell] = {}
        claim = data["claim"]
        self.weight = 0.0 if claim["proves"] == "infeasibility" else 1.0
        self.objective = -math.inf if claim["objective"] is None else float(claim["objective"])
        stated = math.inf if claim["bound"] is None else float(claim["bound"])
        self.most = 0.0 if not self.weight else max(stated, self.objective)
        """No cutoff is above it."""
        self.least = cutoff_of(self.objective, 0.0) if claim["status"] == "optimal" else self.most
        """Networks that reach it are compared exactly, if they keep all budgets."""
        first = data["contenders"][0]["architecture"] if data["contenders"] else None
        self.first: Place | None = None
        self.is_optimal = claim["status"] == "optimal"
        if self.is_optimal and first is not None:
            self.first = design_order(tables.problem, Architecture.from_dict(first))

    def run(self) -> Iterator[tuple[str, str]]:
        """Yields every node, and what is wrong with it (nothing, or that it was taken on trust)."""
        stack = [("", Cell.whole(self.tables), math.inf)]
        while stack:
            name, cell, inherited = stack.pop()
            if name in self.still_open:
                self.open_cells[name] = cell
                yield name, self._open(self.still_open[name], cell, inherited)
            elif name in self.records:
                fault, children, bound = self._repeat(self.records[name], cell)
                yield name, fault
                stack += [(child, half, min(inherited, bound)) for child, half in children]
            else:
                yield name, "the tree does not say what became of it"

    def _open(self, row: OpenRow | None, cell: Cell, inherited: float) -> str:
        """The stated bound of an open node is that of an ancestor, or follows from its prices, or is a solver's word."""
        if row is None:
            return ""
        if not self.weight:
            return "it is open"
        if row.bound > self.most:
            return f"its bound {row.bound!r} is above the one that is claimed"
        if row.bound >= inherited:
            return ""
        relaxation = Relaxation(self.tables, cell, self.objective)
        if relaxation.empty:
            return ""
        bound = relaxation.bound(Multipliers.from_list(self.tables, row.multipliers)).outward
        if bound <= row.bound + RECHECK * abs(row.bound):
            return ""
        return TRUST if row.by_solver else f"its bound {row.bound!r} does not follow from its prices, which give {bound!r}"

    def _repeat(self, record: Record, cell: Cell) -> tuple[str, list[tuple[str, Cell]], float]:
        """What is wrong with a record (nothing, or :data:`TRUST`), the children it leaves, and its bound."""
        tables, cutoff = self.tables, record.cutoff
        multipliers = Multipliers.from_list(tables, record.multipliers)
        if cutoff > self.most:
            return f"its cutoff {cutoff!r} is above {self.most!r}", [], math.inf
        if multipliers.weight != self.weight:
            return "its prices are not those of a bound", [], math.inf
        relaxation = Relaxation(tables, cell, cutoff)
        if relaxation.empty:
            return "", [], -math.inf
        cell_bound = relaxation.bound(multipliers)
        bound = cell_bound.outward
        if not math.isfinite(bound):
            return f"its prices give the bound {bound!r}", [], math.inf
        if record.verdict == "excluded" and bound < cutoff + RECHECK * max(1.0, abs(cutoff)):
            return "", [], bound
        reduced = cell_bound.fix_by_reduced_cost()
        if reduced is None:
            return "", [], bound
        if record.verdict == "split" and record.split is not None:
            return "", [(f"{record.node}{n}", record.split.half(tables, reduced, bool(n))) for n in (0, 1)], bound
        if record.verdict == "listed":
            return self._listed(reduced, cutoff, multipliers), [], bound
        if record.verdict == "solver":
            return self._closed(reduced), [], bound
        return f"its bound {bound!r} does not exclude it below {cutoff!r}", [], bound

    def _listed(self, cell: Cell, cutoff: float, multipliers: Multipliers) -> str:
        """Lists a cell again."""
        listed = list_networks(self.tables, cell, max(cutoff, self.least) if self.weight else 0.0, multipliers)
        if listed is None:
            return "it holds too many networks to have been listed"
        return self._contradicted(found.position for found in listed)

    def _closed(self, cell: Cell) -> str:
        """A cell that SCIP closed: on trust, or solved again."""
        if self.again is None:
            return TRUST
        found = self.again.close(cell, self.least if self.weight else -math.inf)
        if isinstance(found, str):
            return found
        return self._contradicted(self.tables.position(Architecture.from_dict(row)) for row in found)

    def _contradicted(self, positions: Iterable[Position]) -> str:
        """No feasible network may come before the first candidate, or have a larger objective than is claimed."""
        for position in positions:
            if position in self.candidates:
                continue
            architecture = self.tables.architecture(position)
            evaluator = self.problem.evaluator(architecture)
            if self.problem.violations(architecture, evaluator):
                continue
            if self._comes_before(architecture, evaluator):
                scored = evaluator.evaluation.objective
                return f"it holds a network that keeps all budgets and comes before the claimed one, with objective {scored!r}"
        return ""

    def _comes_before(self, architecture: Architecture, evaluator: Evaluator) -> bool:
        if not self.weight:
            return True
        if self.first is not None:
            return design_order(self.problem, architecture, evaluator) < self.first
        if self.is_optimal:
            return evaluator.evaluation.objective >= self.least
        return evaluator.exact_objective() > Decimal(self.most)


def restore(tables: Tables, certificate: Certificate) -> tuple[list[Record], list[Node]]:
    """Records and open nodes of an unfinished run, for resuming it. Cells that SCIP closed are opened again, and where it gave
    a bound, that of the prices counts.

    Raises
    ------
    CertificateError
        If the certificate is malformed, or its tree does not hold.
    """
    data = certificate.data
    for claim in check(data, foreign_families(), settle=lambda: iter(())):
        if claim.outcome == FAILS:
            raise CertificateError(f"cannot resume: {claim.claim}: {claim.detail}")
    replay = TreeReplay(tables, data)
    again = {c["node"]: replay.records.pop(c["node"]) for c in data["cells"]}
    rows = dict(replay.still_open)
    replay.still_open |= dict.fromkeys(again)
    for name, fault in replay.run():
        if fault not in ("", TRUST):
            raise CertificateError(f"cannot resume: node {name!r}: {fault}")
    nodes = []
    for name, cell in replay.open_cells.items():
        row = rows.get(name)
        multipliers = Multipliers.from_list(tables, again[name].multipliers if row is None else row.multipliers)
        bound = math.inf if row is None or row.by_solver else row.bound
        if math.isinf(bound):
            relaxation = Relaxation(tables, cell, replay.objective if row is not None else again[name].cutoff)
            bound = -math.inf if relaxation.empty else relaxation.bound(multipliers).outward
        nodes.append(Node(name, cell, bound, multipliers))
    return list(replay.records.values()), nodes
