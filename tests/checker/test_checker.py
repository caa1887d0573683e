"""The checker's own reading of a problem, its figures, bounds and listings, against the exact evaluator and enumeration."""

from __future__ import annotations

import ast
import json
import math
import shutil
import sys
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import programs
import pytest
from haste import kept
from mipdesign.benchmarks.corpus.small import (
    bits_problem,
    every_network,
    fused_problem,
    unequal_problem,
    varied_problem,
    video_problem,
)
from placed import holds, place_of
from scale import few

from mipdesign import Architecture, Problem, SpecError, design
from mipdesign import checker as package
from mipdesign.certificate.verification import foreign_families
from mipdesign.checker.bound import Bounds
from mipdesign.checker.cell import KINDS, Cell, Split
from mipdesign.checker.listing import TooManyError, list_networks, score
from mipdesign.checker.multipliers import Prices
from mipdesign.checker.network import Block, Network, Stage, broken, objective, order, read_network
from mipdesign.checker.reading import RefusedError
from mipdesign.checker.space import Space, read_space
from mipdesign.checker.tables import Tables, build, logs
from mipdesign.problem.problem import preset_names
from mipdesign.search.incumbents import design_order

FOLDER = Path(package.__file__).parent
SEEDS = range(12)
FAMILIES = ("resnet_bottleneck", "resnet_basic", "linear_inverted", "separable")


def varied(seed: int) -> Problem:
    """A varied problem; every fourth one with families of other libraries' networks in place of some of its own."""
    problem = varied_problem(seed)
    if seed % 4:
        return problem
    data = problem.to_dict()
    for n, stage in enumerate(data["stages"]):
        stage["block"] = [FAMILIES[(seed + n) % 4], FAMILIES[(seed + 2 * n + 1) % 4]]
        stage.pop("per_block", None)
        stage["forbidden"] = []
    data["budgets"].pop("latency", None)
    data.pop("ties", None)
    try:
        return Problem.from_dict(data)
    except SpecError:
        return problem


def additive(seed: int) -> Problem:
    """A varied problem with an additive score, or a product of other exponents."""
    data, rng = varied(seed).to_dict(), np.random.default_rng(seed)
    objective = {"score": "madnas" if rng.random() < 0.8 else "deepmad", "beta": float(rng.choice([0.0, 0.5, 10.0]))}
    for name, values in (("channels_exponent", (0.0, 0.5, 1.0, 2.5)), ("resolution_exponent", (0.0, 0.25, 1.0))):
        if rng.random() < 0.7:
            objective[name] = float(rng.choice(values))
    data["objective"] |= objective
    return Problem.from_dict(data)


def read(problem: Problem) -> tuple[Space, Tables]:
    space = read_space(json.loads(json.dumps(problem.to_dict())), foreign_families())
    return space, build(space)


def networks_of(problem: Problem, space: Space) -> list[tuple[Architecture, Network]]:
    return [(a, read_network(json.loads(a.dumps()), "network", space)) for a in every_network(problem)]


@pytest.mark.parametrize("make", [varied, additive, unequal_problem, bits_problem, video_problem, fused_problem])
@pytest.mark.parametrize("seed", few(SEEDS, 4))
def test_figures_are_those_of_the_exact_evaluator(seed: int, make: Callable[[int], Problem]) -> None:
    problem = make(seed)
    space, _ = read(problem)
    for architecture, network in networks_of(problem, space)[::3]:
        evaluator = problem.evaluator(architecture)
        assert objective(space, network) == evaluator.exact_objective()
        assert bool(broken(space, network)) == bool(problem.violations(architecture, evaluator))
        z, params, flops = order(space, network)[:3]
        parts = {"bit_operations": 64, "tool_flops": 1}.get(space.reference_flops) if space.reference else None
        flops = Fraction(flops, 4**space.halvings * parts) if parts else flops
        assert (z, params, flops) == design_order(problem, architecture)[:3]


@pytest.mark.parametrize("make", [varied, unequal_problem, bits_problem, video_problem])
@pytest.mark.parametrize("seed", few(SEEDS, 4))
def test_space_is_that_of_the_specification(seed: int, make: Callable[[int], Problem]) -> None:
    """The networks of the tables, chained by their windows, are those that an enumeration of the specification finds."""
    problem = make(seed)
    space, _ = read(problem)
    expected = {network for _, network in networks_of(problem, space)}
    chained = {
        n for n in _chained(space) if all(len({getattr(n.stages[i], axis) for i in tied}) == 1 for axis, tied in space.ties)
    }
    assert chained == expected


def _chained(space: Space) -> set[Network]:
    found: list[tuple[int, int, list[Any]]] = [(stem, at, []) for at, stem in enumerate(space.stem)]
    for s in space.elements:
        made = []
        for stem, before, blocks in found:
            for j in np.flatnonzero((s.first[s.place] <= before) & (before < s.stop[s.place])).tolist():
                state = int(s.place[j])
                after = state if s.channel_place is None or not s.last else int(s.channel_place[state])
                bits = (x if isinstance(x, int) else int(x[j]) for x in (s.a, s.w))
                of = (s, j, Block(int(s.b[j]), int(s.k[j]), *bits))
                if s.continues and s.rank is not None and blocks[-1][0].rank is not None:
                    last, at = blocks[-1][:2]
                    if last.rank[at] > s.rank[j]:
                        continue
                made += [(stem, after, [*blocks, (*of, depth)]) for depth in s.depths]
        found = made
    networks = set()
    for stem, _, blocks in found:
        stages = []
        for i, s in enumerate(space.super_blocks):
            rows = [row for row in blocks if row[0].of == i]
            every = [block for _, _, block, depth in rows for _ in range(depth) if block.b]
            if len(every) in s.depths:
                e, j = rows[0][:2]
                stages.append(Stage.of(e.families[e.f[j]], s.stride, int(e.c[j]), every, space.quantised))
        if len(stages) == len(space.super_blocks):
            networks.add(Network(stem, tuple(stages)))
    return networks


def random_prices(rng: np.random.Generator, tables: Tables, size: float, weight: float) -> Prices:
    """Prices of any magnitude around those that matter, some of them 0."""
    space = tables.space

    def some(n: int, unit: Any, signed: bool = False) -> Any:
        values = np.exp(rng.normal(-1.0, 2.0, n)) * unit * (rng.random(n) < 0.7)
        return values * rng.choice([-1.0, 1.0], n) if signed else values

    n = len(space.rho_stages)
    mu = some(n, size / 100)
    return Prices(
        weight,
        some(len(tables.limits), size / np.maximum(np.abs(tables.limits), 1)),
        tuple(mu),
        tuple(np.where(rng.random(n) < 0.5, mu * rng.uniform(0, 10, n), some(n, size / 100, True))),
        tuple(some(len(space.penalised), size / 20, True)),
    )


def random_cell(rng: np.random.Generator, tables: Tables) -> Cell:
    """A part of the space by some random splits."""
    cell = Cell.whole(tables)
    for _ in range(int(rng.integers(0, 5))):
        i = int(rng.integers(len(tables.stages)))
        kind = KINDS[int(rng.integers(len(KINDS)))]
        s = tables.stages[i].block
        values = {"stem": tables.space.stem, "depth": s.depths, "channels": s.c, "family": s.f, "width": s.b, "kernel": s.k}
        values["bits"] = s.bits
        half = cell.half(tables, Split(kind, i, int(rng.choice(values[kind]))), bool(rng.integers(2)))
        cell = cell if half.empty else half
    return cell


def choices_of(cell: Cell) -> tuple[Any, ...]:
    """A cell as plain data; all empty ones are alike."""
    return () if cell.empty else (cell.stem.tolist(), [c.tolist() for c in cell.columns], cell.low, cell.high)


@pytest.mark.parametrize("make", [varied, additive, unequal_problem, bits_problem, video_problem, fused_problem])
@pytest.mark.parametrize("seed", few(SEEDS, 4))
def test_bounds_hold_and_nothing_that_reaches_the_cutoff_is_lost(seed: int, make: Callable[[int], Problem]) -> None:
    """For any prices, cells and cutoffs: no feasible network scores above the bound, and each one that reaches the cutoff is in
    the reduced cell and in its listing; and many cells at once are bounded, reduced and listed as each of them alone.
    """
    problem, rng = make(seed), np.random.default_rng(seed)
    space, tables = read(problem)
    feasible = [network for _, network in networks_of(problem, space) if not broken(space, network)]
    known = [(network, objective(space, network), place_of(tables, network)) for network in feasible]
    scores = sorted(float(z) for _, z, _ in known) or [0.0]
    size = max(1.0, abs(scores[-1]))
    listed, asked = 0, []
    for _ in range(12):
        cell, weight = random_cell(rng, tables), float(rng.random() < 0.8)
        cutoff = float(rng.choice([scores[0], scores[len(scores) // 2], scores[-1], -math.inf])) if weight else 0.0
        prices, tied = random_prices(rng, tables, size, weight), cell.tied(tables)
        inside = [item for item in known if holds(cell, item[2]) and (not weight or item[1] >= Decimal(cutoff))]
        if tied.empty:
            assert not inside
        else:
            asked.append((tied, cutoff, prices, inside))
    cells, cutoffs, prices_of, insides = (list(row) for row in zip(*asked, strict=True))
    bounds = Bounds(tables, cells, cutoffs, prices_of)
    parts = bounds.reduced(range(len(cells)))
    for n, inside in enumerate(insides):
        alone = Bounds(tables, [cells[n]], [cutoffs[n]], [prices_of[n]])
        assert bounds.value[n] == pytest.approx(alone.value[0], rel=1e-12)
        assert choices_of(parts[n]) == choices_of(alone.reduced([0])[0])
        assert all(bounds.value[n] >= (z if prices_of[n].weight else 0) for _, z, _ in inside)
        assert all(holds(parts[n], place) for _, _, place in inside)
    left = [n for n, part in enumerate(parts) if not part.empty]
    assert not any(insides[n] for n in range(len(cells)) if n not in left)
    if not left:
        assert not known
        return
    again = Bounds(tables, [parts[n] for n in left], [cutoffs[n] for n in left], [prices_of[n] for n in left])
    listings = list_networks(again)
    for at, n in enumerate(left):
        listing = listings.take(np.flatnonzero(listings.owner == at))
        alone = list_networks(Bounds(tables, [parts[n]], [cutoffs[n]], [prices_of[n]]))
        assert set(listing.networks(tables)) == set(alone.networks(tables))
        listed += len(listing.stem)
        assert {network for network, _, _ in insides[n]} <= set(listing.networks(tables))
        scored = score(tables, listing)
        for network, z, error in zip(listing.networks(tables), scored.objective, scored.error, strict=True):
            if math.isfinite(z):
                assert abs(Decimal(float(z)) - objective(space, network)) <= Decimal(float(error))
    assert listed or not known


@pytest.mark.parametrize("seed", few(range(40, 48), 3))
def test_certificates_of_varied_problems_are_accepted(seed: int) -> None:
    found = design(varied(seed), engine=kept())
    assert [claim for claim in found.checks() if not claim.passed] == []
    assert [claim for claim in found.checks(quick=True) if not claim.passed] == []


@pytest.mark.parametrize("name", few(preset_names(), 4))
def test_presets_are_read_alike(name: str) -> None:
    """Every preset in both conventions: the same lattices, and as many columns, as the search has."""
    for convention in ("paper", "reference"):
        problem = Problem.preset(name, [f"convention={convention}"])
        space = read_space(problem.to_dict(), {})
        for mine, theirs in zip(space.super_blocks, problem.space, strict=True):
            assert len(mine.c) == sum(theirs.columns(at) for at in range(len(theirs.channels)))
            assert mine.channels == theirs.channels and mine.depths == theirs.depths and mine.r == theirs.resolution


def test_logarithms_are_those_of_forty_digits() -> None:
    numbers = np.array([1, 2, 3, 7, 8 * 25, 2048**2 * 25, 10**18 + 9])
    for n, value in zip(numbers.tolist(), logs(numbers), strict=True):
        assert abs(Decimal(float(value)) - Decimal(n).ln()) <= Decimal(2) ** -52 * Decimal(n).ln()


def test_too_many_networks_are_refused_and_not_listed() -> None:
    problem = Problem.preset("deepmad-r18")
    _, tables = read(problem)
    n = len(tables.limits)
    prices = Prices(1.0, np.zeros(n), (0.0,) * 5, (0.0,) * 5, (0.0,) * 3)
    with pytest.raises(TooManyError):
        list_networks(Bounds(tables, [Cell.whole(tables)], [0.0], [prices]))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"surprise": 1}, "unknown field 'surprise'"),
        ({"classes": 10.0}, "problem.classes is 10.0"),
        ({"classes": True}, "problem.classes is True"),
        ({"convention": "other"}, "problem.convention is 'other'"),
        ({"input": {"resolution": 32}}, "problem.input.channels is missing"),
        ({"budgets": {"flops": math.inf}}, "problem.budgets.flops.max is inf"),
        ({"budgets": {"flops": -1}}, "problem.budgets.flops.max is -1"),
        ({"budgets": {"flops": "1/0"}}, "problem.budgets.flops.max is '1/0'"),
        ({"budgets": {"flops": "9" * 2000}}, "a positive number is expected"),
        ({"budgets": {"effectiveness": {"min": 1.0}}}, "unknown field 'min'"),
        ({"objective": {"beta": math.nan}}, "problem.objective.beta is nan"),
        ({"objective": {"beta": 10**400}}, "problem.objective.beta is an integer of over 30 digits"),
        ({"stages": []}, "a list of 2 to 10 items"),
        ({"ties": [{"stages": [1, 9], "same": ["depth"]}]}, "problem.ties.0.stages.1 is 9"),
    ],
)
def test_malformed_problems_are_refused(change: dict[str, Any], fault: str) -> None:
    data = json.loads(json.dumps(Problem.load("tests/data/small.yaml").to_dict()))
    with pytest.raises(RefusedError, match=".*" + fault.replace("(", r"\(")):
        read_space(data | change, {})


def test_the_checker_imports_numpy_and_the_standard_library_only() -> None:
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert node.level <= 1, path
                names = [node.module or ""] if node.level == 0 else []
            else:
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert all(name.split(".")[0] in {*sys.stdlib_module_names, "numpy"} for name in names), (path, names)


def test_the_checker_runs_alone(tmp_path: Path) -> None:
    """A copy of its folder, without the package, checks a certificate; and so says how sure it is."""
    found = design(Problem.load("tests/data/small.yaml"), engine=kept())
    found.save(tmp_path / "design", picture=False)
    shutil.copytree(FOLDER, tmp_path / "alone" / "checker", ignore=shutil.ignore_patterns("__pycache__"))
    alone = ("checker_alone", tmp_path / "design")
    answer = programs.run(*alone, cwd=tmp_path / "alone")
    assert (answer.returncode, answer.stdout.splitlines()[-1]) == (0, "proved")
    data = json.loads((tmp_path / "design" / "certificate.json").read_text())
    data["claim"]["bound"] *= 0.9
    (tmp_path / "design" / "certificate.json").write_text(json.dumps(data))
    answer = programs.run(*alone, cwd=tmp_path / "alone")
    assert (answer.returncode, answer.stdout.splitlines()[-1]) == (1, "refuted")
    (tmp_path / "design" / "certificate.json").write_text("{")
    assert programs.run(*alone, cwd=tmp_path / "alone").returncode == 2
