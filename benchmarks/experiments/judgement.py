"""Whether a certificate states what is true, by enumeration: the judge of spoiled ones."""

from __future__ import annotations

import json
import re
import sys
from decimal import Decimal
from typing import Any, Literal

from mipdesign.checker import FORMAT, SECTIONS
from mipdesign.errors import SpecError
from mipdesign.networks.architecture import Architecture
from mipdesign.search.incumbents import design_order

from .mutations import KINDS, VERDICTS, Data
from .subjects import Truth, truth_of

Judgement = Literal["true", "false", "malformed"]
NEAR = Decimal("1e-12")
"""Relative rounding of a stated float."""
LARGEST = sys.float_info.max
SHA256 = re.compile("[0-9a-f]{64}")


def judged(data: Data) -> tuple[Judgement, str, Truth | None]:
    """Whether a certificate states what is true, by enumeration, and what is wrong with it.

    Raises
    ------
    TooLargeError
        If its problem has too many networks.
    """
    truth = truth_of(data["problem"])
    if truth is None:
        return "malformed", "problem", None
    fault = _malformed(data, truth)
    if fault:
        return "malformed", fault, truth
    fault = _false(data, truth)
    return ("false", fault, truth) if fault else ("true", "", truth)


def _number(value: Any, least: float = -LARGEST, most: float = LARGEST) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most


def _size(exact: Decimal) -> Decimal:
    return max(Decimal(1), abs(exact))


def _whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _row(value: Any, length: int) -> bool:
    return isinstance(value, list) and len(value) == length


def _keys(value: Any, *names: str) -> bool:
    return isinstance(value, dict) and set(value) == set(names)


def _malformed(data: Data, truth: Truth) -> str:
    """The first section of a certificate that is not of the documented form; empty if all are."""
    limits, stages, penalised = truth.prices

    def prices(row: Any) -> bool:
        return (
            _row(row, 1 + limits + 2 * stages + penalised)
            and all(map(_number, row))
            and row[0] in (0, 1)
            and min([0, *row[1 : 1 + limits + stages]]) >= 0
        )

    def name(value: Any) -> bool:
        return isinstance(value, str) and len(value) <= 500 and not set(value) - {"0", "1"}

    def split(value: Any) -> bool:
        if not _row(value, 3) or not isinstance(value[0], str) or value[0] not in KINDS:
            return False
        low, high = (-1, -1) if value[0] == "stem" else (0, len(truth.problem.elements) - 1)
        return _whole(value[1], low, high) and _whole(value[2], 0, 2**21)

    def record(row: Any) -> bool:
        return (
            _row(row, 5) and name(row[0]) and isinstance(row[1], str) and row[1] in VERDICTS
            and (row[2] is None or _number(row[2])) and prices(row[3])
            and (split(row[4]) if row[1] == "split" else row[4] is None)
        )  # fmt: skip

    def still_open(row: Any) -> bool:
        known = _row(row, 4) and isinstance(row[3], str) and row[3] in ("prices", "solver")
        return known and name(row[0]) and (row[1] is None or _number(row[1])) and prices(row[2])

    def cell(row: Any) -> bool:
        names = ("node", "cell_sha256", "formulation", "model_sha256", "bound", "solver", "nodes", "seconds")
        return (
            _keys(row, *names) and name(row["node"]) and isinstance(row["formulation"], str)
            and all(isinstance(text, str) and SHA256.fullmatch(text) for text in (row["cell_sha256"], row["model_sha256"]))
            and (row["bound"] is None or _number(row["bound"])) and isinstance(row["solver"], str)
            and re.fullmatch(r"SCIP [0-9.]+", row["solver"]) is not None
            and _whole(row["nodes"], 0, 10**15) and _number(row["seconds"], 0)
        )  # fmt: skip

    def candidate(row: Any) -> bool:
        if not _keys(row, "architecture", "objective") or not isinstance(row["objective"], str):
            return False
        try:
            same = json.dumps(Architecture.from_dict(row["architecture"]).to_dict()) == json.dumps(row["architecture"])
        except SpecError:
            return False
        return same and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?(E[-+]?[0-9]+)?", row["objective"]) is not None

    claim = data["claim"]
    if not _keys(data, "format", *SECTIONS, "sha256") or data["format"] != FORMAT:
        return "format"
    if not _keys(claim, "status", "objective", "bound", "gap_limit", "equal_margin", "proves"):
        return "claim"
    words = (("status", ("optimal", "feasible", "infeasible", "unknown")), ("proves", ("bound", "infeasibility")))
    if not all(isinstance(claim[key], str) and claim[key] in known for key, known in words):
        return "claim"
    if not all(claim[key] is None or _number(claim[key]) for key in ("objective", "bound")):
        return "claim"
    if not _number(claim["gap_limit"], 0) or not _number(claim["equal_margin"], 0, 1):
        return "claim"
    for section, fits in (("contenders", candidate), ("tree", record), ("open", still_open), ("cells", cell)):
        if not isinstance(data[section], list) or not all(map(fits, data[section])):
            return section
    names = [[row[0] for row in data["tree"] + data["open"]], [row["node"] for row in data["cells"]]]
    return "names" if any(len(set(rows)) < len(rows) for rows in names) else ""


def _false(data: Data, truth: Truth) -> str:
    """What is not true of what a well-formed certificate states; empty if all is."""
    claim, problem, previous = data["claim"], truth.problem, None
    ranks = []
    for n, entry in enumerate(data["contenders"]):
        network = Architecture.from_dict(entry["architecture"])
        if problem.outside_space(network) or problem.violations(network):
            return f"candidate {n} is not feasible"
        order = design_order(problem, network)
        exact = problem.evaluator(network).exact_objective()
        if abs(Decimal(entry["objective"]) - exact) > abs(exact) * Decimal("1e-38"):
            return f"candidate {n} has another objective"
        if previous is not None and not previous < order:
            return f"candidate {n} is not in order"
        previous = order
        ranks.append((order, exact))
    status, bound, z = claim["status"], claim["bound"], ranks[0][1] if ranks else None
    if (z is None) != (status in ("infeasible", "unknown")) or (z is None) != (claim["objective"] is None):
        return "status"
    if z is not None and abs(Decimal(claim["objective"]) - z) > NEAR * _size(z):
        return "objective"
    if status in ("optimal", "infeasible") and claim["proves"] != ("bound" if status == "optimal" else "infeasibility"):
        return "proves"
    if claim["proves"] == "infeasibility" and bound is not None:
        return "proves"
    best = truth.feasible[0] if truth.feasible else None
    if status == "infeasible":
        return "" if best is None else "a network keeps all budgets"
    if status == "optimal":
        if bound is None or abs(Decimal(bound) - ranks[0][1]) > NEAR * _size(ranks[0][1]):
            return "bound"
        return "" if best is not None and best.order == ranks[0][0] else "another network comes first"
    if bound is not None:
        if z is not None and Decimal(bound) < z - NEAR * _size(z):
            return "bound below the objective"
        if best is not None and best.exact > max(Decimal(bound), z if z is not None else Decimal(bound)):
            return "a network scores above the bound"
    return ""
