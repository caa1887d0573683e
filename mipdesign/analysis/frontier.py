"""Frontiers: the proven optima along one or two budgets, and what follows for one point from another.

What no network does within the looser limits, none does within the tighter ones: a point whose looser neighbour has an optimum
that fits it too needs no search, and every bound holds for all tighter points. So it is with lists: where all networks of a
complete one keep the tighter limits, it is that of the tighter point, too.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..certificate.certificate import stated_figures
from ..checker import FAILS, HOLDS, MEMBERS, Claim
from ..designs.certificate_file import CERTIFICATE
from ..designs.design import CONVERGENCE_PLOT, Design
from ..designs.result import RESULT
from ..designs.run import earlier_run
from ..designs.trace import TRACE
from ..designs.verification import verify_folder
from ..errors import SpecError
from ..files import write_whole, writing
from ..networks.budget_names import LOWER
from ..nn.validation_file import VALIDATION
from ..problem.problem import Problem
from ..search.branching import NEAR
from ..search.listing import Wanted
from .explanation_file import EXPLANATION
from .frontier_file import (
    FRONTIER,
    POINTS,
    PRICES,
    Frontier,
    Point,
    frontier_text,
    point_name,
    prices_text,
    read_frontier,
    read_prices,
)
from .sweep import MOST_POINTS, Sweep

CLAIMS = ("limits", "status", "objective", "architecture", "budgets", "dominated", "proof", "pool")
"""Fields of a point that follow from the certificates."""
WRITTEN = (FRONTIER, PRICES, RESULT, CERTIFICATE, TRACE, MEMBERS, CONVERGENCE_PLOT, EXPLANATION, VALIDATION)
"""Files that say something of a frontier or of a design, which go when another one takes their place."""
NEIGHBOURS = 3
"""Solved points that the search of another one begins with."""


@dataclass(frozen=True)
class Solved:
    """What is known of one point: its design (``None`` where a looser point's serves), and its prices."""

    design: Design | None
    prices: Mapping[str, float]


def grid(problem: Problem, sweeps: Sequence[Sweep]) -> list[tuple[dict[str, float], Problem]]:
    """The limits of all points, each with its problem.

    Raises
    ------
    SpecError
        For no sweep, more than two, two of one limit, too many points, or limits that contradict the problem.
    """
    if not 1 <= len(sweeps) <= 2:
        raise SpecError("sweeps", f"is given {len(sweeps)} times", "give it once or twice")
    if len({sweep.budget for sweep in sweeps}) < len(sweeps):
        raise SpecError("sweeps", f"names {sweeps[0].key} twice", "sweep two different limits")
    total = math.prod(len(sweep.values) for sweep in sweeps)
    if total > MOST_POINTS:
        raise SpecError("sweeps", f"gives {total} points", f"give at most {MOST_POINTS}")
    names = [sweep.budget for sweep in sweeps]
    limits = [dict(zip(names, values, strict=True)) for values in itertools.product(*(sweep.values for sweep in sweeps))]
    return [(each, problem.with_limits(each)) for each in limits]


class Plan:
    """Which points are solved, which one is next, and what follows from the solved ones; ``wanted`` is listed at each."""

    def __init__(self, problem: Problem, sweeps: Sequence[Sweep], wanted: Wanted | None = None) -> None:
        self.problem, self.sweeps, self.points, self.wanted = problem, tuple(sweeps), grid(problem, sweeps), wanted
        self.solved: dict[int, Solved] = {}
        self._fits: dict[tuple[int, int], bool] = {}
        self._usage: dict[tuple[int, int], dict[str, Any]] = {}
        places = list(itertools.product(*(range(len(sweep.values)) for sweep in sweeps)))
        self.places = [
            tuple(-at if sweep.budget.startswith(LOWER) else at for at, sweep in zip(place, sweeps, strict=True))
            for place in places
        ]
        """Where each point stands; the limits grow looser with each number."""
        self.order = sorted(range(len(places)), key=lambda i: (-sum(self.places[i]), i))
        """The points from the loosest to the tightest."""

    def _admits(self, a: int, b: int) -> bool:
        """Whether the limits of point ``a`` admit all that those of ``b`` do."""
        return all(x >= y for x, y in zip(self.places[a], self.places[b], strict=True))

    def settles(self, other: int, index: int) -> bool:
        """Whether a point's own design settles another point: it is infeasible, or its optimum fits, and its list."""
        found = self.solved.get(other)
        if found is None or found.design is None or not self._admits(other, index):
            return False
        if found.design.status == "infeasible" or other == index:
            return True
        if not self.is_done(found.design):
            return False
        if (other, index) not in self._fits:
            self._fits[other, index] = self._fit(found.design, index)
        return self._fits[other, index]

    def is_done(self, design: Design) -> bool:
        """Whether a design of a point leaves nothing to be searched."""
        if design.status == "infeasible":
            return True
        listed = self.wanted is None or (design.pool is not None and self.wanted.answered_by(design.listed))
        return design.status == "optimal" and listed

    def _fit(self, design: Design, index: int) -> bool:
        """Whether an optimum, and all networks of its list, keep the limits of a tighter point, which differs in these only."""
        limits, problem = self.points[index]
        if design.architecture is None or problem.violations(design.architecture):
            return False
        pool = design.pool
        if self.wanted is None or pool is None:
            return True
        swept = [
            (pool.columns.index(name.removeprefix(LOWER)), -1 if name.startswith(LOWER) else 1, limit)
            for name, limit in limits.items()
        ]
        for k, row in enumerate(pool.rows()):
            excess = max(sign * (float(row[at]) / limit - 1.0) for at, sign, limit in swept)
            if excess > NEAR or (excess >= -NEAR and problem.violations(pool[k].architecture)):
                return False
        return True

    def proof(self, index: int) -> int | None:
        """The loosest point whose own design settles a point; ``None`` without one."""
        return next((other for other in self.order if self.settles(other, index)), None)

    def near(self, index: int) -> list[Design]:
        """Designs of the nearest solved points, those with a network; the nearest first."""
        place = self.places[index]

        def distance(other: int) -> tuple[int, int]:
            return sum(abs(x - y) for x, y in zip(self.places[other], place, strict=True)), other

        found: dict[int, Design] = {}
        for other in sorted(self.solved, key=distance):
            proof = self.proof(other)
            known = None if proof is None else self.solved[proof].design
            if proof is not None and known is not None and known.architecture is not None:
                found[proof] = known
        return list(found.values())[:NEIGHBOURS]

    def frontier(self, seed: int) -> Frontier:
        """What is known now."""
        points = [self._point(i) for i in range(len(self.points))]
        objectives = [-math.inf if point.objective is None else point.objective for point in points]
        reached = list(zip(objectives, self.places, strict=True))
        marked = [replace(point, dominated=_dominated(i, reached)) for i, point in enumerate(points)]
        return Frontier(self.problem, self.sweeps, tuple(marked), seed, self.wanted)

    def _point(self, i: int) -> Point:
        limits, problem = self.points[i]
        proof, known = self.proof(i), self.solved.get(i)
        own = None if known is None or proof is None else self.solved[proof].design
        if known is None or proof is None or own is None:
            return Point(limits, problem, "unknown", None, None, math.inf, i, False, {}, {})
        bounds = [s.design.bound for j, s in self.solved.items() if s.design is not None and self._admits(j, i)]
        if (proof, i) not in self._usage:
            self._usage[proof, i] = stated_figures(problem, own.architecture)["budgets"]
        usage = self._usage[proof, i]
        stated = own.status, own.architecture, own.objective, min(bounds)
        return Point(limits, problem, *stated, proof, False, known.prices, usage, own.listed, own.pool)


def _dominated(i: int, reached: Sequence[tuple[float, tuple[int, ...]]]) -> bool:
    """Whether another point reaches as much with limits none of which is looser and one of which is tighter."""
    objective, place = reached[i]
    return any(
        other >= objective > -math.inf and at != place and all(x <= y for x, y in zip(at, place, strict=True))
        for other, at in reached
    )


class Store:
    """The folder of a frontier: ``frontier.json``, and a folder for each point with what ``design`` writes, and its prices.

    Parameters
    ----------
    overwrite:
        Whether what runs have written there is removed first.

    Raises
    ------
    SpecError
        If the folder holds another frontier, or cannot be written to.
    """

    def __init__(self, folder: Path, plan: Plan, seed: int, overwrite: bool = False) -> None:
        self.folder, self.plan = folder, plan
        if overwrite:
            clear(folder)
        frontier = plan.frontier(seed)
        if os.path.lexists(folder / FRONTIER):
            (_, before), now = read_frontier(folder / FRONTIER), frontier.to_dict()
            if any(before.get(key) != now.get(key) for key in ("format", "problem", "sweeps", "lists")):
                remedy = "give the same sweeps and lists, another folder, or 'overwrite' to replace it"
                raise SpecError("folder", f"{folder} holds another frontier", remedy)
            self._read()
        elif os.path.lexists(folder / RESULT):
            raise SpecError("folder", f"{folder} holds a design", "give another folder, or 'overwrite' to replace it")
        else:
            self.write(frontier)

    def path(self, index: int) -> Path:
        """Folder of a point."""
        return self.folder / POINTS / point_name(index, len(self.plan.points))

    def _read(self) -> None:
        """Takes over what an earlier run has solved."""
        for index in self.plan.order:
            path = self.path(index)
            if os.path.lexists(path / RESULT) and os.path.lexists(path / PRICES):
                found = earlier_run(self.plan.points[index][1], path)
                if self.plan.is_done(found):
                    self.plan.solved[index] = Solved(found, read_prices(path / PRICES))
        for index in self.plan.order:
            path = self.path(index)
            if index not in self.plan.solved and os.path.lexists(path / PRICES) and self.plan.proof(index) is not None:
                self.plan.solved[index] = Solved(None, read_prices(path / PRICES))

    def unfinished(self, index: int) -> Path | None:
        """Folder of a point whose search an earlier run has begun and left with a design."""
        path = self.path(index)
        if not os.path.lexists(path / RESULT):
            return None
        earlier_run(self.plan.points[index][1], path)
        return path

    def add(self, index: int, solved: Solved) -> None:
        """Keeps a point."""
        path = self.path(index)
        self._write(path / PRICES, prices_text(solved.prices))
        if solved.design is not None:
            solved.design.save(path, picture=False)
        self.write(self.plan.frontier(0 if solved.design is None else solved.design.seed))

    def write(self, frontier: Frontier) -> None:
        """Writes ``frontier.json``."""
        self._write(self.folder / FRONTIER, frontier_text(frontier))

    def _write(self, path: Path, text: str) -> None:
        with writing(path.parent, "folder"):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text.encode())


def clear(folder: Path, design: bool = True) -> None:
    """Removes a frontier from a folder, and a ``design``; files that no run wrote, such as exports, stay.

    Raises
    ------
    SpecError
        If the files cannot be removed.
    """
    points = [path for path in folder.glob(f"{POINTS}/*") if path.name.isdigit()]
    with writing(folder, "folder"):
        for place in (folder, *points):
            for name in WRITTEN if design or place != folder else (FRONTIER,):
                (place / name).unlink(missing_ok=True)
    for place in (*points, folder / POINTS):
        with suppress(OSError):  # it is not empty, or not there
            place.rmdir()


def verify_frontier(
    folder: Path,
    resolve: bool = False,
    on_node: Callable[[int, int], None] = lambda done, total: None,
    *,
    quick: bool = False,
) -> Iterator[Claim]:
    """Verifies a frontier: each certificate, and what each point claims of the one that settles it.

    Parameters
    ----------
    resolve, on_node, quick:
        Of :func:`mipdesign.designs.verification.verify_folder`.

    Raises
    ------
    SpecError
        If the files cannot be read.
    """
    source = str(folder / FRONTIER)
    stated, data = read_frontier(folder / FRONTIER)
    try:
        sweeps = [Sweep.parse(f"{sweep.key}={','.join(map(repr, sweep.values))}") for sweep in stated.sweeps]
        wanted = None if stated.lists is None else stated.lists.wanted(source)
        plan = Plan(Problem.from_dict(stated.problem, f"{source}: problem"), sweeps, wanted)
    except SpecError as error:
        raise error if error.source else error.at(source) from None
    if len(plan.points) != len(stated.points):
        raise SpecError("sweeps", "name a limit twice", "give a folder that 'pareto' wrote", source)
    rows, proofs = data["points"], [point.proof for point in stated.points]
    names = {f"{POINTS}/{point_name(i, len(plan.points))}": i for i in range(len(plan.points))}
    settled = {proof for row, proof in zip(rows, proofs, strict=True) if row["status"] != "unknown"}
    for proof in sorted(settled & set(names)):
        for claim in verify_folder(folder / proof, resolve, on_node, quick=quick):
            yield replace(claim, claim=f"{proof}: {claim.claim}")
        found = Design.load(folder / proof)
        yield _own_claim(proof, found, plan, names[proof])
        plan.solved[names[proof]] = Solved(found, {})
    for i, row in enumerate(rows):
        if row["status"] != "unknown":
            plan.solved.setdefault(i, Solved(None, {}))
    for i, (row, now) in enumerate(zip(rows, plan.frontier(0).to_dict()["points"], strict=True)):
        wrong = [key for key in CLAIMS if row.get(key) != now.get(key)]
        text = "" if not wrong else f"from the certificates follows another: {', '.join(wrong)}"
        yield Claim(f"point {i} follows from {proofs[i]}", FAILS if wrong else HOLDS, text)


def _own_claim(proof: str, found: Design, plan: Plan, index: int) -> Claim:
    """Whether the design in the folder of a point is of the point's problem, and its list one that was asked for."""
    fault = "" if found.problem.digest == plan.points[index][1].digest else "its problem has other limits"
    if plan.wanted is not None and found.listed is not None and not plan.wanted.asks_for(found.listed):
        fault = fault or "its list is another one"
    return Claim(f"{proof}: is of its point", FAILS if fault else HOLDS, fault)
