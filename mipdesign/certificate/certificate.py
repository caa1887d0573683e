"""What proves an optimum, written down so that a reader can check it without searching.

A certificate holds the incumbent, every network within the margin of equals of it, and the tree: for each node
the multipliers of its bound, the cutoff, and what was done with it. ``docs/certificate.md`` specifies it;
:mod:`mipdesign.certificate.verification` checks it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..checker import FORMAT, LIST, SECTIONS, digest
from ..lattice.tables import Tables
from ..networks.architecture import Architecture
from ..problem.problem import Problem
from ..search.branching import GUIDE_LEVELS, Record, Split
from ..search.incumbents import EQUAL_MARGIN
from ..search.outcome import Outcome


def stated_figures(problem: Problem, architecture: Architecture | None) -> dict[str, Any]:
    """The figures that ``result.json`` states of a network beside its architecture."""
    if architecture is None:
        return {"budgets": {}, "evaluation": None}
    usage = {b.name: {"value": b.value, "limit": b.limit} for b in problem.usage(architecture)}
    return {"budgets": usage, "evaluation": problem.evaluator(architecture).evaluation.to_dict()}


def finite(number: float | None) -> float | None:
    """The number, or ``None`` where JSON has no word for it."""
    return number if number is not None and math.isfinite(number) else None


@dataclass(frozen=True)
class Certificate:
    """The content of ``certificate.json``; ``data`` is plain and JSON-ready."""

    data: dict[str, Any]

    def __repr__(self) -> str:
        summary, claim = self.summary(), self.claim
        return f"<Certificate: {claim['status']}, bound {claim['bound']}, {summary['nodes']} nodes, {summary['open']} open>"

    @classmethod
    def of(
        cls, problem: Problem, tables: Tables, outcome: Outcome, gap: float, listed: dict[str, Any] | None = None
    ) -> Certificate:
        """Writes down what a run proved; ``listed`` is the section of a list."""
        candidates = []
        for candidate in outcome.candidates:
            architecture = tables.architecture(candidate.position)
            exact = problem.evaluator(architecture).exact_objective()
            candidates.append({"architecture": architecture.to_dict(), "objective": str(exact)})
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
            "contenders": candidates,
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
                [n.name, finite(n.bound), n.multipliers.to_list(), "solver" if n.by_solver else "prices"]
                for n in sorted(outcome.open, key=lambda n: n.name)
            ],
        }
        if listed is not None:
            data[LIST] = listed
        data["sha256"] = {section: digest(data[section]) for section in (*SECTIONS, LIST) if section in data}
        return cls(data)

    @property
    def claim(self) -> dict[str, Any]:
        """Status, objective, bound and what they rest on."""
        claim: dict[str, Any] = self.data["claim"]
        return claim

    def guide(self) -> dict[str, Record]:
        """The first levels of the tree, for the search of a problem with other limits."""
        return {row[0]: record_from_plain(row) for row in self.data["tree"] if len(row[0]) <= GUIDE_LEVELS}

    def summary(self) -> dict[str, int]:
        """How many nodes the tree has of each verdict, and how many cells SCIP closed."""
        counts: dict[str, int] = {}
        for _, verdict, *_ in self.data["tree"]:
            counts[verdict] = counts.get(verdict, 0) + 1
        return {"nodes": len(self.data["tree"]), **counts, "cells": len(self.data["cells"]), "open": len(self.data["open"])}


def _record_to_plain(record: Record) -> list[Any]:
    split = None if record.split is None else [record.split.kind, record.split.index, record.split.threshold]
    return [record.node, record.verdict, finite(record.cutoff), record.multipliers, split]


def record_from_plain(row: Any) -> Record:
    """One step of the tree from its row."""
    name, verdict, cutoff, prices, split = row
    if not isinstance(name, str) or set(name) - {"0", "1"}:
        raise ValueError("a node's name consists of 0 and 1")
    parsed = None if split is None else Split(str(split[0]), int(split[1]), int(split[2]))  # type: ignore[arg-type]
    return Record(name, verdict, -math.inf if cutoff is None else float(cutoff), [float(p) for p in prices], parsed)
