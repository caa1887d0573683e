"""Checks a certificate from its problem alone; ``docs/certificate.md`` specifies the format, and what each verdict stands for.

The tree starts from the whole space. Every node is bounded anew from its prices, and its verdict is repeated; what a solver
closed is taken on trust, or solved again by who asks for it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from .cell import read_split
from .claims import FAILS, HOLDS, TRUST, Claim
from .families import Family
from .lists import Asked, List, read_asked
from .members import MEMBERS, Networks, Reader
from .multipliers import read_prices
from .network import Network, broken, objective, order, read_network, score_of
from .reading import RefusedError, integer, mapping, number, refuse, sequence, word
from .records import SHA256, Open, Record, decimal_number, node_name
from .space import read_space
from .tables import build
from .tree import Aim, Resolve, Tree

FORMAT = "mipdesign-certificate/1"
SECTIONS = ("problem", "claim", "contenders", "tree", "cells", "open")
LIST = "list"
"""The section of a certificate that has a list of networks."""
VERDICTS = ("excluded", "split", "listed", "solver")
MOST_REPORTED = 20
"""Nodes that fail which are named one by one."""
SOLVER = re.compile(r"SCIP [1-9][0-9]?\.[0-9]{1,2}(\.[0-9]{1,2})?")


Settle = Callable[[], Iterator[tuple[str, str]]]
"""Goes through the tree: the nodes that are not settled, each with what is wrong, or :data:`TRUST`."""


def digest(content: Any) -> str:
    """SHA-256 of plain data as canonical JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def check(
    data: Any,
    families: Mapping[str, Family] | None = None,
    resolve: Resolve | None = None,
    on_node: Callable[[int, int], None] = lambda done, total: None,
    settle: Settle | None = None,
    networks: Networks | None = None,
) -> Iterator[Claim]:
    """Decides the claims of a certificate one by one; ends early where one leaves the later ones without meaning.

    Parameters
    ----------
    data:
        The content of ``certificate.json``.
    families:
        Block families that the checker does not know itself; their own code says what they count.
    resolve:
        Solves again what a solver closed.
    on_node:
        Told how many nodes of the tree are done, and how many there are.
    settle:
        Goes through the tree in place of the checker; of a list it decides nothing.
    networks:
        Opens ``networks.csv``, where there is one.
    """
    try:
        yield from _Check(data, families or {}, resolve, on_node, settle, networks).claims()
    except RefusedError as fault:
        yield Claim("content", FAILS, str(fault))
    except RecursionError:
        yield Claim("content", FAILS, "it is nested too deeply")
    except ArithmeticError as error:  # numbers beyond what the bounds are made for
        yield Claim("content", FAILS, f"it could not be checked: {type(error).__name__}")


class _Check:
    def __init__(
        self,
        data: Any,
        families: Mapping[str, Family],
        resolve: Resolve | None,
        on_node: Callable[[int, int], None],
        settle: Settle | None,
        networks: Networks | None,
    ) -> None:
        self.data, self.families, self.resolve, self.on_node, self.settle = data, families, resolve, on_node, settle
        self.networks = networks

    def claims(self) -> Iterator[Claim]:
        data = mapping(self.data, "the certificate", ("format", *SECTIONS, "sha256"), (LIST,))
        word(data["format"], "format", (FORMAT,))
        yield Claim("format", HOLDS)
        sections = (*SECTIONS, LIST) if LIST in data else SECTIONS
        stated = mapping(data["sha256"], "sha256", sections)
        for section in sections:
            try:
                same = stated[section] == digest(data[section])
            except (TypeError, ValueError):  # keys of several types, integers of over 4300 digits
                raise RefusedError(f"{section} is not plain data") from None
            yield Claim(
                f"digest of {section}", HOLDS if same else FAILS, "" if same else "the section was changed after it was written"
            )
        self.space = read_space(data["problem"], self.families)
        self.tables = build(self.space)
        yield Claim("problem", HOLDS)
        foreign = sorted({name for s in self.space.super_blocks for name in s.families} & set(self.families))
        if foreign:
            yield Claim("families", HOLDS, f"what {', '.join(foreign)} count is what their own code says")
        self._read_claim(data["claim"])
        yield from self._candidates(data["contenders"])
        status = self._status()
        yield status
        if not status.passed:
            return
        self._read_records(data["tree"])
        self._read_open(data["open"])
        self._read_cells(data["cells"])
        yield self._cover()
        if LIST in data:
            yield from self._listed(read_asked(data[LIST]), data["problem"]["budgets"])
            return
        if self.networks is not None:
            yield Claim(MEMBERS, FAILS, "the certificate does not speak of a list")
        if self.status == "infeasible" or self.bound is not None:
            yield from self._walk()
        else:
            yield Claim("bound", HOLDS, "none is stated")

    # ----------------------------------------------------------------- reading

    def _read_claim(self, value: Any) -> None:
        claim = mapping(value, "claim", ("status", "objective", "bound", "gap_limit", "equal_margin", "proves"))
        self.status = word(claim["status"], "claim.status", ("optimal", "feasible", "infeasible", "unknown"))
        self.proves = word(claim["proves"], "claim.proves", ("bound", "infeasibility"))
        self.objective = None if claim["objective"] is None else number(claim["objective"], "claim.objective")
        self.bound = None if claim["bound"] is None else number(claim["bound"], "claim.bound")
        number(claim["gap_limit"], "claim.gap_limit", 0.0)
        number(claim["equal_margin"], "claim.equal_margin", 0.0, 1.0)

    def _candidates(self, value: Any) -> Iterator[Claim]:
        """Every candidate lies in the space, keeps all budgets, has its objective, and comes after the one before."""
        self.best: Network | None = None
        previous = None
        for n, row in enumerate(sequence(value, "contenders", 0, 10**5)):
            entry = mapping(row, f"contenders.{n}", ("architecture", "objective"))
            network = read_network(entry["architecture"], f"contenders.{n}.architecture", self.space)
            fault = broken(self.space, network)
            yield Claim(f"candidate {n} keeps all budgets", FAILS if fault else HOLDS, f"it has {fault}" if fault else "")
            exact, stated = objective(self.space, network), decimal_number(entry["objective"], f"contenders.{n}.objective")
            same = abs(stated - exact) <= abs(exact) * Decimal("1e-38")
            yield Claim(f"candidate {n} objective", HOLDS if same else FAILS, "" if same else f"it is {exact}")
            place = order(self.space, network)
            if previous is not None:
                later = previous < place
                yield Claim(f"candidate {n} comes after candidate {n - 1}", HOLDS if later else FAILS)
            if n == 0:
                self.best, self.order, self.z = network, place, exact
            previous = place

    def _status(self) -> Claim:
        """Status, objective, bound and what the tree is said to prove fit together."""
        status, has_design = self.status, self.best is not None
        faults = []
        if has_design != (status in ("optimal", "feasible")):
            faults.append(f"{status!r} with {'a' if has_design else 'no'} design")
        if has_design if self.objective is None else not self._is_objective(self.objective):
            faults.append(f"the objective is {self.z if has_design else None}")
        if (status == "infeasible" and self.proves == "bound") or (status == "optimal" and self.proves == "infeasibility"):
            faults.append(f"{status!r} by a proof of {self.proves}")
        if self.proves == "infeasibility" and self.bound is not None:
            faults.append("a proof of infeasibility gives no bound")
        if status == "optimal" and self.bound != self.objective:
            faults.append("the bound of an optimum is its objective")
        if self.bound is not None and has_design and self.bound != self.objective and Decimal(self.bound) < self.z:
            faults.append("the bound is below the objective")
        return Claim("status", FAILS if faults else HOLDS, "; ".join(faults))

    def _is_objective(self, stated: float) -> bool:
        """Whether a float is the best candidate's objective, up to the rounding of its terms."""
        if self.best is None:
            return False
        return abs(Decimal(stated) - self.z) <= Decimal("1e-12") * max(score_of(self.space, self.best), abs(self.z))

    def _read_records(self, value: Any) -> None:
        m = len(self.tables.stages)
        self.records: dict[str, Record] = {}
        for n, row in enumerate(sequence(value, "tree", 0, 10**7)):
            name, verdict, cutoff, prices, split = sequence(row, f"tree.{n}", 5, 5)
            if node_name(name, f"tree.{n}.0") in self.records:
                raise RefusedError(f"tree.{n} names the node {name!r} a second time")
            word(verdict, f"tree.{n}.1", VERDICTS)
            if (verdict == "split") != (split is not None):
                raise RefusedError(f"tree.{n}.4: a split belongs to the verdict 'split', and to no other")
            self.records[name] = Record(
                verdict,
                -math.inf if cutoff is None else number(cutoff, f"tree.{n}.2"),
                read_prices(prices, f"tree.{n}.3", self.tables),
                None if split is None else read_split(split, f"tree.{n}.4", m),
            )

    def _read_open(self, value: Any) -> None:
        self.open: dict[str, Open] = {}
        for n, row in enumerate(sequence(value, "open", 0, 10**7)):
            name, bound, prices, source = sequence(row, f"open.{n}", 4, 4)
            if node_name(name, f"open.{n}.0") in self.open or name in self.records:
                raise RefusedError(f"open.{n} names the node {name!r} a second time")
            self.open[name] = Open(
                math.inf if bound is None else number(bound, f"open.{n}.1"),
                read_prices(prices, f"open.{n}.2", self.tables),
                word(source, f"open.{n}.3", ("prices", "solver")) == "solver",
            )

    def _read_cells(self, value: Any) -> None:
        self.solved: set[str] = set()
        for n, row in enumerate(sequence(value, "cells", 0, 10**6)):
            names = ("node", "cell_sha256", "formulation", "model_sha256", "bound", "solver", "nodes", "seconds")
            cell = mapping(row, f"cells.{n}", names)
            if node_name(cell["node"], f"cells.{n}.node") in self.solved:
                raise RefusedError(f"cells.{n} names the node {cell['node']!r} a second time")
            for name, pattern in (("cell_sha256", SHA256), ("model_sha256", SHA256), ("solver", SOLVER)):
                if not isinstance(cell[name], str) or not pattern.fullmatch(cell[name]):
                    raise refuse(f"cells.{n}.{name}", cell[name], "a release of SCIP or a SHA-256 is expected")
            if not isinstance(cell["formulation"], str) or len(cell["formulation"]) > 200:
                raise refuse(f"cells.{n}.formulation", cell["formulation"], "the name of a formulation is expected")
            if cell["bound"] is not None:
                number(cell["bound"], f"cells.{n}.bound")
            integer(cell["nodes"], f"cells.{n}.nodes", 0, 10**15)
            number(cell["seconds"], f"cells.{n}.seconds", 0.0)
            self.solved.add(cell["node"])

    def _cover(self) -> Claim:
        """The tree is one: every split has both halves, nothing hangs elsewhere, and the cells are those of its verdicts."""
        expected = {""}
        for name, record in self.records.items():
            expected |= {f"{name}{half}" for half in "01"} if record.verdict == "split" else set()
        given = set(self.records) | set(self.open)
        closed = {name for name, record in self.records.items() if record.verdict == "solver"}
        faults = {
            "what became of": expected - given,
            "nothing leads to": given - expected,
            "cells do not match": closed ^ self.solved,
        }
        texts = [f"{text} node {min(names)!r}" for text, names in faults.items() if names]
        return Claim("the tree covers the space", FAILS if texts else HOLDS, "; ".join(texts))

    # ----------------------------------------------------------------- the tree

    def _walk(self) -> Iterator[Claim]:
        """Every leaf is settled: no network of it that keeps all budgets comes before the best, or scores above the bound."""
        weight = 0.0 if self.proves == "infeasibility" else 1.0
        limit = self.z if self.status == "optimal" else Decimal(self.bound or 0)
        if self.best is not None:
            limit = max(limit, self.z)
        level = float(limit)
        level = 0.0 if not weight else level - 1e-12 * abs(level)
        aim = Aim(weight, limit, level, self.status, () if self.best is None else self.order)
        what = "no network keeps all budgets" if not weight else (
            "no network that keeps all budgets comes before the design" if self.status == "optimal"
            else "no network that keeps all budgets scores above the bound")  # fmt: skip
        yield from self._settled(aim, what)

    def _settled(self, aim: Aim, what: str) -> Iterator[Claim]:
        """The nodes that are not settled, and whether all are."""
        tree = Tree(self.tables, aim, self.records, self.open, self.resolve, self.on_node)
        failed, trusted = 0, {"cells": 0, "open": 0}
        for name, fault in (self.settle or tree.unsettled)():
            if fault == TRUST:
                trusted["cells" if name in self.records else "open"] += 1
            else:
                failed += 1
                if failed <= MOST_REPORTED:
                    yield Claim(f"node {name!r}", FAILS, fault)
        yield Claim(
            what, FAILS if failed else HOLDS, f"{failed} nodes are not settled" if failed else f"{len(self.records)} nodes"
        )
        if trusted["cells"]:
            yield Claim(f"{_count(trusted['cells'], 'cell')} closed by a solver", TRUST, "--resolve solves them again")
        if trusted["open"]:
            yield Claim(f"{_count(trusted['open'], 'open node')} with a bound of a solver", TRUST, "no prices prove it")

    # ------------------------------------------------------------------ the list

    def _listed(self, asked: Asked, budgets: Mapping[str, Any]) -> Iterator[Claim]:
        """The members of the list are what they are said to be, and no other network should be one."""
        faults = []
        if self.status != "optimal" or self.best is None:
            faults.append("a list begins with an optimum, which is not claimed")
        elif asked.bound is not None and Decimal(asked.bound) >= self.z:
            faults.append("it is said to be complete down to no network")
        if len(self.data["contenders"]) != 1:
            faults.append("its certificate has other candidates than the optimum")
        yield Claim(LIST, FAILS if faults else HOLDS, "; ".join(faults))
        if faults or self.settle is not None:
            yield from () if faults else self._walk()
            return
        reader = Reader(self.tables, budgets)
        try:
            if self.networks is None:
                raise RefusedError("there is no networks.csv")
            members = reader.read(self.networks, asked.count)
        except (RefusedError, OSError) as fault:
            yield Claim(MEMBERS, FAILS, str(fault))
            return
        same = reader.digest == asked.digest
        yield Claim(f"digest of {MEMBERS}", HOLDS if same else FAILS, "" if same else "the file was changed")
        yield Claim(f"{_count(asked.count, 'network')} within all budgets, with the figures that are stated", HOLDS)
        best, found = members.network(0) if self.best is None else self.best, List(self.tables, asked, members)
        yield from found.claims(self._in_order(best))
        aim = Aim(1.0, self.z, found.level, self.status, self.order, found)
        yield from self._settled(aim, found.statement)

    def _in_order(self, network: Network) -> Network:
        """The network that stands for one in a list: blocks that may be exchanged are in order."""
        if self.space.most_bits is not None:
            return network
        return Network(network.stem, tuple(stage.in_order() for stage in network.stages))


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
