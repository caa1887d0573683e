"""Spoiled certificates held against enumeration: the checker must refuse whatever is false or malformed.

``python -m mipdesign.benchmarks fuzz [--mutants 5000] [--lists 0] [--seed 0] [--problems 16] [--keep FOLDER]``

A mutant is judged by what it states, not by its proof: every network of its own problem is listed and evaluated exactly.
Whatever is false or malformed has to fail a claim; what rests on the word of a solver may be taken on trust, and has to fail
once the cells are listed in the solver's place. Mutants that state something true may pass or fail.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import random
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from mipdesign.checker import FORMAT, SECTIONS
from mipdesign.checker.certificate import check
from mipdesign.checker.claims import FAILS, TRUST, Claim
from mipdesign.checker.records import Closed
from mipdesign.errors import SpecError
from mipdesign.networks.architecture import Architecture
from mipdesign.search.incumbents import design_order

from .mutations import KINDS, VERDICTS, Data, mutant
from .subjects import Subject, TooLargeError, Truth, subjects, truth_of

Judgement = Literal["true", "false", "malformed"]
NEAR = Decimal("1e-12")
"""Relative rounding of a stated float."""
LARGEST = sys.float_info.max
SHA256 = re.compile("[0-9a-f]{64}")


# ------------------------------------------------------------------- the oracle


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


# -------------------------------------------------------------------- the tally


def listed_in_place_of_solver(truth: Truth) -> Any:
    """Solves the cells that a solver is said to have closed, by enumeration."""

    def resolve(closed: Closed) -> list[Data] | str:
        found = []
        for row in truth.feasible:
            network = row.architecture
            columns = [(s.block, s.channels, s.bottleneck, s.kernel, 0) for s in network.stages]
            inside = len(columns) < len(closed.columns) or (  # of blocks that differ: all networks, more than are in the cell
                network.stem.channels in closed.stems
                and all(c in of_stage for c, of_stage in zip(columns, closed.columns, strict=True))
                and all(stage.depth in depths for stage, depths in zip(network.stages, closed.depths, strict=True))
            )
            if inside and row.exact >= Decimal(closed.level if math.isfinite(closed.level) else "-Infinity"):
                found.append(network.to_dict())
        return found

    return resolve


@dataclass
class Tally:
    """Counts of what became of mutants, and those that should not have been."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[tuple[str, Data]] = field(default_factory=list)
    slowest: float = 0.0

    def join(self, other: Tally, kind: str) -> None:
        """Adds another tally; ``kind`` stands before its counts."""
        self.counts.update({f"{kind}{name}": n for name, n in other.counts.items()})
        self.wrong += other.wrong

    def add(self, label: str, data: Data) -> None:
        """Judges one mutant and holds the checker against it."""
        try:
            judgement, why, truth = judged(data)
        except TooLargeError:
            self.counts["not enumerated"] += 1
            return
        began = time.monotonic()
        outcome, claims = _checked(data)
        self.slowest = max(self.slowest, time.monotonic() - began)
        if outcome == "on trust" and judgement == "false" and truth is not None:
            resolved, again = _checked(data, listed_in_place_of_solver(truth))
            words = all(claim.claim.endswith("with a bound of a solver") for claim in again if claim.outcome == TRUST)
            if resolved == "accepted" or not words:  # more is on trust than a solver's word for open nodes
                outcome = "accepted"
            outcome = f"on trust, then {resolved}" if outcome == "on trust" else outcome
        self.counts[f"{judgement} {outcome}"] += 1
        passed = outcome == "accepted" or (judgement == "malformed" and outcome != "rejected")
        if outcome == "crashed" or (judgement != "true" and passed):
            detail = next((claim.detail for claim in claims if claim.outcome == FAILS), "")
            self.wrong.append((f"{label}: {judgement} ({why}) {outcome} {detail}", data))


def _checked(data: Data, resolve: Any = None) -> tuple[str, list[Claim]]:
    """What the checker makes of a certificate: accepted, rejected, on trust or crashed."""
    try:
        claims = list(check(data, resolve=resolve))
    except Exception as error:  # whatever it is, it is a fault of the checker
        return "crashed", [Claim("crash", FAILS, f"{type(error).__name__}: {error}")]
    outcomes = {claim.outcome for claim in claims}
    return "rejected" if FAILS in outcomes else "on trust" if TRUST in outcomes else "accepted", claims


def fuzz(given: list[Subject], mutants: int, seed: int = 0) -> Tally:
    """Checks the certificates as they are, then so many mutants of them."""
    tally = Tally()
    for subject in given:
        outcome, claims = _checked(subject.data)
        expected = "on trust" if subject.name.split()[-1] in ("solver", "word") else "accepted"
        ok = outcome in ("accepted", expected) and judged(subject.data)[0] == "true"
        tally.counts[f"unspoiled {outcome}"] += 1
        if not ok:
            faults = "; ".join(f"{claim.claim}: {claim.detail}" for claim in claims if claim.outcome != "holds")
            tally.wrong.append((f"{subject.name} unspoiled: {judged(subject.data)[:2]} {outcome} {faults}", subject.data))
    for n in range(mutants):
        rng = random.Random(f"{seed} {n}")
        subject, other = rng.choice(given), rng.choice(given)
        data, names = mutant(subject, rng, other.data)
        tally.add(f"{seed} {n} {subject.name} {' '.join(names)}", data)
    return tally


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", type=int, default=5000)
    parser.add_argument("--lists", type=int, default=0, help="mutants of lists of networks")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--problems", type=int, default=16)
    parser.add_argument("--keep", type=Path, help="folder for mutants that should not have passed")
    arguments = parser.parse_args()
    began = time.monotonic()
    given = list(subjects(arguments.problems, arguments.seed))
    made = time.monotonic() - began
    tally = fuzz(given, arguments.mutants, arguments.seed) if arguments.mutants else Tally()
    if arguments.lists:
        from .list_fuzz import fuzz_lists  # which judges by what is above
        from .list_subjects import list_subjects

        lists = list(list_subjects(arguments.problems, arguments.seed))
        tally.join(fuzz_lists(lists, arguments.lists, arguments.seed), "list, ")
    print(f"{len(given)} certificates in {made:.0f} s, all in {time.monotonic() - began:.0f} s, slowest {tally.slowest:.2f} s")
    for name, count in sorted(tally.counts.items()):
        print(f"{name:40} {count}")
    for (label, data), n in zip(tally.wrong, itertools.count()):
        print(f"WRONG {label}")
        if arguments.keep is not None:
            arguments.keep.mkdir(parents=True, exist_ok=True)
            (arguments.keep / f"{n}.json").write_text(json.dumps(data), encoding="utf-8")
    raise SystemExit(bool(tally.wrong))


if __name__ == "__main__":
    main()
