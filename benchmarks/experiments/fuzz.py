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
import time
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from mipdesign.checker.certificate import check
from mipdesign.checker.claims import FAILS, TRUST, Claim
from mipdesign.checker.records import Closed

from .judgement import judged
from .list_fuzz import ListTally, fuzz_lists
from .list_subjects import list_subjects
from .mutations import Data, mutant
from .subjects import Subject, TooLargeError, Truth, subjects

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

    def join(self, other: ListTally, kind: str) -> None:
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
