"""Valid certificates of very small problems of every kind, and what is true of a problem by enumeration.

They are assembled in one process from the search's own pieces, so that trees may be cut off early, split often, or left to the
solver.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from mipdesign.bounds.multipliers import Multipliers
from mipdesign.certificate.certificate import Certificate
from mipdesign.checker import digest
from mipdesign.errors import SpecError
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Candidate
from mipdesign.mip.closing import CellResult
from mipdesign.mip.formulation import ModelStatistics
from mipdesign.networks.architecture import Architecture
from mipdesign.networks.blocks import FAMILIES
from mipdesign.problem.problem import Problem
from mipdesign.search.branching import LIST_STEPS, Node, Record, expand
from mipdesign.search.coverage import build_tables
from mipdesign.search.incumbents import EQUAL_MARGIN, OPTIMAL_GAP, cutoff_of, design_order
from mipdesign.search.outcome import OpenNode, Outcome, SolvedCell, Status

from ..corpus.small import every_network, problem_data, scored_problem, varied_problem, with_any_budgets

MOST_NETWORKS, MOST_COMBINATIONS = 3000, 30_000
"""Largest spaces that are enumerated: networks, and combinations of values that are looked at for them."""
FEW_STEPS = 10
"""Steps of a listing that suffice for a cell of one network, not for many: trees split often."""
EMPTY = ("may follow", "in common", "leave no", "no value", "no kernel")
"""What the reader of specifications says of spaces without a network, which are well-formed all the same."""


@dataclass(frozen=True)
class Ranked:
    """A network, its place in the documented order, and its exact objective."""

    order: tuple[Any, ...]
    exact: Decimal
    architecture: Architecture


@dataclass(frozen=True)
class Truth:
    """All networks of a problem in the documented order: those that keep its budgets, and the others.

    ``prices``: how many limits, constraints of the effectiveness and penalised super-blocks there are.
    """

    problem: Problem
    feasible: tuple[Ranked, ...]
    others: tuple[Ranked, ...]
    prices: tuple[int, int, int]


class TooLargeError(Exception):
    """A space holds too many networks to enumerate them, or is not understood."""


_KNOWN: dict[str, Truth | None] = {}
_RANKED: dict[str, list[Ranked]] = {}
"""Networks of problems without their budgets: what a mutant of the budgets need not list anew."""


def truth_of(problem: Any) -> Truth | None:
    """Enumerates a problem given as plain data, by the exact evaluator; ``None`` if it is malformed.

    Raises
    ------
    TooLargeError
        If its space is too large for that.
    """
    key = digest(problem)
    if key not in _KNOWN:
        _KNOWN[key] = _enumerated(problem)
    return _KNOWN[key]


def _enumerated(data: Any) -> Truth | None:
    try:
        problem = Problem.from_dict(data)
    except SpecError as error:
        if any(text in str(error) for text in EMPTY):
            raise TooLargeError from None
        return None
    combinations = len(problem.stem.channels.values)
    for s in problem.stages:
        widths = [s.bottleneck, *(rules.bottleneck or s.bottleneck for rules in s.per_block.values())]
        most = max(len(lattice.values) for lattice in widths)
        sizes = len(s.kernels.values) * len(s.channels.values) * len(s.depth.values) * len(s.block)
        combinations *= most * sizes
    if problem.size() > MOST_NETWORKS or combinations > MOST_COMBINATIONS:
        raise TooLargeError
    key = digest(problem.to_dict() | {"budgets": {}})
    if key not in _RANKED:
        networks = every_network(problem)
        rows = (Ranked(design_order(problem, a), problem.evaluator(a).exact_objective(), a) for a in networks)
        _RANKED[key] = sorted(rows, key=lambda row: row.order)
    feasible, others = list[Ranked](), list[Ranked]()
    for row in _RANKED[key]:
        (others if problem.violations(row.architecture) else feasible).append(row)
    limits, scoring = problem.budgets.limits(), problem.scoring
    stages = 1 + problem.stage_of[-1] if scoring.convention.prefix_effectiveness else 1
    counts = (
        len(set(limits) - {"effectiveness", "activation_memory"}),
        stages if "effectiveness" in limits or scoring.effectiveness_price else 0,
        0 if scoring.penalty_form == "none" or not scoring.beta else len(scoring.penalised),
    )
    return Truth(problem, tuple(feasible), tuple(others), counts)


# ------------------------------------------------------------------ certificates


@dataclass(frozen=True)
class Subject:
    """A valid certificate and what is true of its problem."""

    name: str
    data: dict[str, Any]
    truth: Truth


def assembled(
    truth: Truth,
    gap: float = OPTIMAL_GAP,
    list_steps: int = LIST_STEPS,
    most_nodes: int = 100_000,
    solver_columns: int = 0,
    by_solver: bool = False,
) -> dict[str, Any]:
    """A certificate whose tree has at most ``most_nodes`` nodes, the rest left open. The incumbent is the best network.

    Cells of at most ``solver_columns`` columns are said to be closed by SCIP, which enumeration has done already; and with
    ``by_solver`` the bounds of open nodes are said to be a solver's.
    """
    problem, tables = truth.problem, build_tables(truth.problem)
    candidates = _candidates(truth)
    best = candidates[0] if candidates else None
    cutoff, weight = (0.0, 0.0) if best is None else (cutoff_of(best.objective, gap), 1.0)
    root = Node("", Cell.whole(tables), math.inf, Multipliers.initial(tables, max(1.0, abs(cutoff)), weight))
    still_open, records, solved = [root], list[Record](), list[SolvedCell]()
    while still_open and len(records) < most_nodes:
        step = expand(tables, still_open.pop(), cutoff, solver_columns, list_steps)
        records.append(step.record)
        still_open += step.children
        if step.cell is not None:
            empty = ModelStatistics(0, 0, 0, 0, 0)
            result = CellResult("closed", (), (), cutoff, cutoff, 1, 1, 0.1, "lattice", empty, "0" * 64, "10.0")
            solved.append(SolvedCell(step.record, step.cell.digest, "lattice", result))
    status, bound = _claimed(best, cutoff, gap, still_open)
    rest = [OpenNode(n.name, n.bound, n.multipliers, by_solver) for n in still_open]
    outcome = Outcome(status, best, bound, cutoff, candidates, best is None, records, solved, rest, [], [], 0.0, False)
    return Certificate.of(problem, tables, outcome, gap).data


def _candidates(truth: Truth) -> list[Candidate]:
    """The networks within the margin of equals of the best one."""
    tables, found = build_tables(truth.problem), []
    for row in truth.feasible:
        if row.exact < truth.feasible[0].exact - Decimal(EQUAL_MARGIN) * abs(truth.feasible[0].exact):
            break
        objective = truth.problem.evaluator(row.architecture).evaluation.objective
        found.append(Candidate(tables.position(row.architecture), objective))
    return found[:20]


def _claimed(best: Candidate | None, cutoff: float, gap: float, still_open: Sequence[Node]) -> tuple[Status, float]:
    """Status and bound that a run would state."""
    if best is None:
        return ("unknown", math.inf) if still_open else ("infeasible", -math.inf)
    if gap <= OPTIMAL_GAP and not still_open:
        return "optimal", best.objective
    return "feasible", max([best.objective, cutoff, *(node.bound for node in still_open)])


def subjects(count: int, seed: int = 0) -> Iterator[Subject]:
    """Certificates of ``count`` problems, several of each: proved at once, by many splits, up to a gap, open, left to SCIP."""
    for n in range(count):
        problem = _problem(n, seed)
        truth = truth_of(problem.to_dict())
        assert truth is not None
        rng, name = random.Random(f"{seed} {n}"), f"{n}"
        yield Subject(f"{name} listed", assembled(truth), truth)
        yield Subject(f"{name} split", assembled(truth, list_steps=rng.choice([FEW_STEPS, 2 * FEW_STEPS, 100])), truth)
        if truth.feasible:
            yield Subject(f"{name} gap", assembled(truth, gap=rng.choice([0.05, 0.3]), list_steps=FEW_STEPS), truth)
            yield Subject(f"{name} open", assembled(truth, list_steps=FEW_STEPS, most_nodes=rng.choice([1, 3, 9])), truth)
            yield Subject(f"{name} word", assembled(truth, list_steps=FEW_STEPS, most_nodes=2, by_solver=True), truth)
            if n % 5 == 0:
                yield Subject(f"{name} solver", assembled(truth, list_steps=FEW_STEPS, solver_columns=10**6), truth)


def _problem(n: int, seed: int) -> Problem:
    """Small problems of every kind in turn: varied ones as they are, then with heads, all families, ``near``, equal optima, and
    other scores.
    """
    make = (varied_problem, of_any_family, near_a_network, with_equals, scored_problem)[n % 5]
    return make(1000 * seed + n)


def of_any_family(seed: int) -> Problem:
    """A problem like :func:`varied_problem`'s, of other families, perhaps with a head, a price, weights and a base."""
    rng = np.random.default_rng([seed, 2000])
    while True:
        data = varied_problem(int(rng.integers(10**6))).to_dict() | {"budgets": {}}
        other = dict(zip(FAMILIES, rng.permutation(list(FAMILIES)).tolist(), strict=True))
        for stage in data["stages"]:
            blocks = stage["block"] if isinstance(stage["block"], list) else [stage["block"]]
            stage["block"] = [other[name] for name in blocks]
            stage["per_block"] = {other[name]: rules for name, rules in stage.get("per_block", {}).items()}
            for row in stage.get("forbidden", []):
                if row.get("block") is not None:
                    row["block"] = [other[name] for name in row["block"]]
        if rng.random() < 0.5:
            data["head"] = {"channels": int(rng.integers(1, 40))}
        if rng.random() < 0.3:
            data["objective"] |= {
                "log_base": int(rng.integers(2, 11)),
                "effectiveness_price": float(rng.choice([0.0, 2.5, 500.0])),
            }
        if rng.random() < 0.3:
            stages = 1 + sum(stage["stride"] == 2 for stage in data["stages"])
            data["objective"]["alpha"] = rng.choice([0.0, 0.5, 1.0, 8.0], stages).tolist()
        if rng.random() < 0.4:
            form = str(rng.choice(["exp_std", "exp_var", "none"]))
            data["objective"]["penalty"] = {"form": form, "stages": [int(rng.integers(1, 1 + len(data["stages"]))), 1]}
        try:
            return with_any_budgets(Problem.from_dict(data), data, rng)
        except SpecError:
            continue


def near_a_network(seed: int) -> Problem:
    """A problem whose networks are near one of those of a larger space."""
    rng = np.random.default_rng([seed, 3000])
    while True:
        data = of_any_family(int(rng.integers(10**6))).to_dict() | {"budgets": {}}
        networks = list(every_network(Problem.from_dict(data)))
        if not networks:
            continue
        near: dict[str, Any] = {"network": networks[int(rng.integers(len(networks)))].to_dict()}
        near["ratio"] = float(rng.choice([0.0, 0.5, 1.0]))
        near["blocks"] = int(rng.integers(0, 4))
        near["same"] = [str(axis) for axis in ("block", "kernel") if rng.random() < 0.3]
        try:
            return with_any_budgets(Problem.from_dict(data | {"near": near}), data | {"near": near}, rng)
        except SpecError:
            continue


def with_equals(seed: int) -> Problem:
    """A problem of super-blocks of one down-sampling stage that may exchange widths: equal optima are likely."""
    rng = np.random.default_rng([seed, 4000])
    while True:
        data = problem_data(rng, "bottleneck")
        stage = data["stages"][0] | {"stride": 1, "growth": {"min": 1.0}, "channels": data["stages"][0]["channels"][:2]}
        data["stages"] = [stage, dict(stage)]
        data["objective"].pop("penalty", None)
        try:
            problem = Problem.from_dict(data)
            if 1 < problem.size() <= 500:
                return with_any_budgets(problem, data, rng)
        except SpecError:
            continue
