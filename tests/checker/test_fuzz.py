"""The checker of certificates under attack: by forged certificates, by rounding and overflow, and by random mutations."""

from __future__ import annotations

import contextlib
import json
import math
import random
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mipdesign.benchmarks.experiments.fuzz import Tally, fuzz, listed_in_place_of_solver
from mipdesign.benchmarks.experiments.mutations import KINDS, cell_of, mutant, odd_prices, reseal
from mipdesign.benchmarks.experiments.subjects import Subject, subjects
from scale import few

from mipdesign.checker.bound import Bounds
from mipdesign.checker.cell import Cell, Split
from mipdesign.checker.certificate import check
from mipdesign.checker.claims import FAILS, TRUST, verdict
from mipdesign.checker.listing import TooManyError, list_networks
from mipdesign.checker.multipliers import read_prices
from mipdesign.checker.penalty import Penalty
from mipdesign.checker.space import read_space
from mipdesign.checker.tables import Tables, build
from mipdesign.networks.architecture import Architecture

FORGED = Path(__file__).parents[1] / "data" / "forged"
ZEROS = "0" * 64


@pytest.fixture(autouse=True)
def no_number_is_lost() -> Iterator[None]:
    """Comparisons with NaN are silently false: no arithmetic of the checker may make one unnoticed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "invalid value", RuntimeWarning)
        yield


def forged(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((FORGED / f"{name}.json").read_text())
    return data


def failed(data: dict[str, Any]) -> list[str]:
    """Claims that fail, with the digests corrected."""
    reseal(data)
    return [claim.claim for claim in check(data) if claim.outcome == FAILS]


# ----------------------------------------------------------------- forged by hand

OPTIMUM = "no network that keeps all budgets comes before the design"
INFEASIBLE = "no network keeps all budgets"
CASES = {
    "cutoff-nan-nonsense": "content",
    "gap-limit-1-listed": OPTIMUM,
    "infeasible-open-neginf": "content",
    "open-minus-inf-by-solver": "content",
    "price5-huge-excluded": "node ''",
    "price9-nan-excluded": "content",
    "proves-infeasibility-status-optimal": "status",
    "solver-closed-root": "content",
}


def test_every_forged_case_is_here() -> None:
    assert {path.stem for path in FORGED.glob("*.json")} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_forged_certificates_are_refused(name: str) -> None:
    assert CASES[name] in [claim.claim for claim in check(forged(name)) if claim.outcome == FAILS]


def _well_formed(data: dict[str, Any]) -> None:
    """The same deceits in numbers and words that the format knows."""
    for row in data["tree"]:
        row[1] = row[1] if row[1] in ("excluded", "listed", "solver") else "excluded"
        row[2] = row[2] if row[2] is None or math.isfinite(row[2]) else None
        row[3] = [min(x, 1e250) if math.isfinite(x) else 0.0 for x in row[3]]
    for row in data["open"]:
        row[1] = row[1] if row[1] is None or math.isfinite(row[1]) else -1e250
    for cell in data["cells"]:
        cell |= {"cell_sha256": ZEROS, "model_sha256": ZEROS, "solver": "SCIP 10.0"}


@pytest.mark.parametrize("name", CASES)
def test_forged_certificates_are_refused_for_what_they_state(name: str) -> None:
    """Without what is malformed in them, their theorems are as false as before."""
    data = forged(name)
    _well_formed(data)
    if name == "solver-closed-root":
        reseal(data)
        claims = list(check(data))
        assert [claim.outcome for claim in claims].count(TRUST) == 1 and verdict(claims) != "proved"
        return
    assert {OPTIMUM, INFEASIBLE, "status"} & set(failed(data))


# ---------------------------------------------------------- deceits by arithmetic


def root_only(prices: list[float], status: str, bound: float | None = None, depth: int | None = None) -> dict[str, Any]:
    """A certificate without a design whose tree is its root, excluded by some prices."""
    data = forged("price5-huge-excluded")
    proves = "infeasibility" if status == "infeasible" else "bound"
    data["claim"] |= {"status": status, "objective": None, "bound": bound, "proves": proves}
    data["contenders"], data["cells"], data["open"] = [], [], []
    data["tree"] = [["", "excluded", 0.0 if bound is None else bound, prices, None]]
    for stage in data["problem"]["stages"] if depth is not None else []:
        stage["depth"] = [depth]
    return data


N = len(forged("price5-huge-excluded")["tree"][0][3])
"""Numbers in a row of its prices: the weight, two limits, thrice ``mu`` and ``pi``, and three of ``gamma``."""


def test_prices_of_nothing_prove_nothing() -> None:
    """Depths that are worth nothing divide 0 by 0."""
    assert failed(root_only([0.0] * N, "infeasible")) == ["node ''", INFEASIBLE]


GAMMAS = [g * scale for g in (1.1, 1.3, 1.9, 2.9, 3.3, 5.1, 5.7, 6.1, 7.3) for scale in (1e30, 1e200)]


@pytest.mark.parametrize("gamma", [*GAMMAS, 1.7e308, -1.7e308])
def test_equal_prices_of_depths_prove_nothing(gamma: float) -> None:
    """Their mean differs from them by rounding, and the rest is large against everything else."""
    assert failed(root_only([1.0] + [0.0] * (N - 4) + [gamma] * 3, "unknown", -1e9, depth=1))


@pytest.mark.parametrize("limit", ["1e999", "1e-999", 1e-300, 1e300, "1/3"])
@pytest.mark.parametrize("mu", [0.0, 5e-324, 1.0, 1e250])
def test_limits_of_the_effectiveness_beyond_floats(limit: Any, mu: float) -> None:
    data = root_only([0.0] + [mu] * 3 + [-mu] * 3 + [0.0] * 3, "infeasible")
    data["problem"]["budgets"] = {"effectiveness": limit}
    if limit not in ("1e-999", 1e-300):  # there are networks with a third of that
        assert failed(data) == ["node ''", INFEASIBLE]
    else:
        assert set(failed(data)) <= {"node ''", INFEASIBLE}


@pytest.mark.parametrize("price", [1e-100, 1.0, 1e6])
def test_priced_effectiveness_of_networks_from_shallow_to_deep(price: float) -> None:
    """The least effectiveness that a cell allows underflows."""
    data = root_only([1.0, 0.0, 0.0] + [1.0] * 6 + [0.0] * 3, "unknown", 1e3)
    data["problem"]["objective"]["effectiveness_price"] = price
    del data["problem"]["budgets"]["effectiveness"]
    for stage in data["problem"]["stages"]:
        stage["depth"] = {"min": 1, "max": 1000, "step": 1}
    assert "node ''" in failed(data)


def test_flattest_depths_of_a_cell() -> None:
    """The least spread of the depths is never overestimated, however slowly its search converges."""
    rng = random.Random(0)
    for _ in range(500):
        n = rng.randint(2, 8)
        lows = tuple(rng.choice([1, 1, rng.randint(1, 1000)]) for _ in range(n))
        highs = tuple(min(1000, low + rng.choice([0, 0, rng.randint(0, 1000)])) for low in lows)
        penalty = Penalty(False, 1.0, lows, highs)
        assert penalty.flat <= _flattest(lows, highs) * (1 + 1e-12)


def _flattest(lows: tuple[int, ...], highs: tuple[int, ...]) -> float:
    """The least spread of a box, by bisection for the depth to which all are clamped; 0 where they can be equal."""
    if max(lows) <= min(highs):
        return 0.0
    low, high = float(min(lows)), float(max(highs))
    for _ in range(200):
        middle = 0.5 * (low + high)
        depths = [min(max(middle, a), b) for a, b in zip(lows, highs, strict=True)]
        low, high = (middle, high) if sum(depths) / len(depths) > middle else (low, middle)
    mean = sum(depths) / len(depths)
    return math.hypot(*(d - mean for d in depths))


def networks_lost(subject: Subject, rng: random.Random, rounds: int) -> list[str]:
    """Feasible networks that bounds of any prices deny, or whose choices their reductions drop: there is none."""
    lost = []
    tables = build(read_space(subject.truth.problem.to_dict(), {}))
    limits, stages, penalised = subject.truth.prices
    rows = [row[3] for row in subject.data["tree"]] + [row[2] for row in subject.data["open"]]
    for n in range(rounds):
        weight = rng.choice([0.0, 1.0])
        old = rng.choice([*rows, [0.0] * (1 + limits + 2 * stages + penalised)])
        row = [weight, *odd_prices(old, rng)[1:]]
        row[1 : 1 + limits + stages] = [abs(x) for x in row[1 : 1 + limits + stages]]
        row = [max(-1e250, min(x, 1e250)) for x in row]
        prices = read_prices(row, "", tables)
        known = subject.truth.feasible
        cutoff = (
            0.0 if not weight else rng.choice([-math.inf, *([math.nextafter(float(rng.choice(known).exact), -math.inf)] * 3)])
        )
        cell = _any_cell(tables, rng)
        tied = cell.tied(tables)
        value, reduced = -math.inf, tied
        if not tied.empty:
            bounds = Bounds(tables, [tied], [cutoff], [prices])
            value, reduced = float(bounds.value[0]), bounds.reduced([0])[0]
        listed = set() if reduced.empty else networks_listed(Bounds(tables, [reduced], [cutoff], [prices]))
        for ranked in known:
            if not holds(tables, cell, ranked.architecture) or (weight and ranked.exact < Decimal(cutoff)):
                continue
            network = _choices(ranked.architecture.stem.channels, ranked.architecture.stages)
            denied = value < (ranked.exact if weight else 0) or (listed is not None and network not in listed)
            if denied or not holds(tables, reduced, ranked.architecture):
                lost.append(f"{subject.name} {n}: {row} {cutoff!r} {value!r} {ranked.exact}")
    return lost


def networks_listed(bounds: Bounds) -> set[tuple[Any, ...]] | None:
    """The choices of all networks that a listing finds; ``None`` if there are too many."""
    try:
        return {_choices(network.stem, network.stages) for network in list_networks(bounds).networks(bounds.tables)}
    except TooManyError:
        return None


def _choices(stem: int, stages: Any) -> tuple[Any, ...]:
    return stem, *((s.block, s.channels, s.bottleneck, s.kernel, s.depth) for s in stages)


def _any_cell(tables: Tables, rng: random.Random) -> Cell:
    """The whole space, split a few times at random."""
    cell = Cell.whole(tables)
    for _ in range(rng.choice([0, 0, 1, 2, 4])):
        kind = rng.choice(KINDS)
        split = Split(kind, -1 if kind == "stem" else rng.randrange(len(tables.stages)), rng.choice([0, 1, 2, 3, 4, 8, 12, 16]))
        half = cell.half(tables, split, rng.random() < 0.5)
        cell = cell if half.empty else half
    return cell


def holds(tables: Tables, cell: Cell, network: Architecture) -> bool:
    """Whether a network lies in a cell."""
    if cell.empty or network.stem.channels not in np.array(tables.space.stem)[cell.stem]:
        return False
    for i, (stage, columns) in enumerate(zip(network.stages, cell.columns, strict=True)):
        s = tables.stages[i].block
        family = np.array(s.families)[s.f[columns]] == stage.block
        fits = family & (s.c[columns] == stage.channels) & (s.b[columns] == stage.bottleneck) & (s.k[columns] == stage.kernel)
        if not fits.any() or not cell.low[i] <= stage.depth <= cell.high[i]:
            return False
    return True


def test_least_entropy_is_not_overestimated_without_an_effectiveness() -> None:
    """0 times an infinite limit of the effectiveness is not a number: the bound of a network's own choices fell below it."""
    data = forged("gap-limit-1-listed")
    del data["problem"]["budgets"]["effectiveness"]
    tables = build(read_space(data["problem"], {}))
    prices = read_prices([1.0] + [0.0] * 5, "", tables)
    free, cut = Bounds(tables, [Cell.whole(tables)] * 2, [-math.inf, 500.0], [prices] * 2).terms.end[-1]
    assert cut < 1.5 * free


def test_bounds_of_any_prices_deny_no_network(given: list[Subject]) -> None:
    rng = random.Random(0)
    for subject in given:
        if subject.truth.feasible:
            assert networks_lost(subject, rng, 20) == []


# ------------------------------------------------------ malformed: refused, no error


def _field(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        *most, last = path
        for key in most:
            data = data[key]
        data[last] = value

    return change


def _drop_stage(data: dict[str, Any]) -> None:
    data["contenders"][0]["architecture"]["stages"].pop()


@pytest.mark.parametrize(
    "change",
    [
        _field("problem", "name", value=math.nan),
        _field("problem", "name", value=[]),
        _field("problem", "objective", "effectiveness_price", value=False),
        _field("problem", "objective", "effectiveness_price", value=[]),
        _field("problem", "objective", "beta", value=5e-324),
        _field("problem", "objective", "beta", value=True),
        _field("problem", "stages", 0, "kernels", value=[3, 5, 60]),
        _field("problem", "budgets", "flops", value={"max": 1.0, "min": 2.0}),
        _field("problem", "stages", 0, "growth", value={"min": 2.0, "max": 1.0}),
        _field("problem", "budgets", "flops", value=10**5000),
        _field("problem", "stages", 0, "forbidden", value=[{"block": "nonsense"}]),
        _field("problem", "stages", 0, "block", value=[]),
        _field("problem", "stages", 0, "depth", value=[10**400]),
        _field("problem", "near", value={"network": {"stages": [{"kernel": -5e-324}] * 3}, "same": []}),
        _field("problem", "ties", value=[{"stages": [1], "same": ["depth"]}]),
        _field("contenders", 0, "objective", value="1e5000000"),
        _field("contenders", 0, "objective", value="1e99999999999999999999"),
        _field("contenders", 0, "objective", value="Infinity"),
        _field("contenders", 0, "architecture", "stem", "kernel", value=3.0),
        _field("contenders", 0, "architecture", "stem", "channels", value=[]),
        _field("contenders", 0, "architecture", "stages", 0, "depth", value=10**400),
        _field("contenders", value=[]),
        _drop_stage,
        _field("tree", value=[["", "excluded", None, [1.0], None]]),
        _field("tree", value=[["", [], None, [], None]]),
        _field("cells", value=[{}]),
    ],
)
def test_malformed_certificates_are_refused_without_an_error(change: Callable[[dict[str, Any]], None]) -> None:
    data = forged("gap-limit-1-listed")
    data["tree"][0][1] = "excluded"
    change(data)
    with contextlib.suppress(ValueError):  # integers that Python does not write
        reseal(data)
    assert any(claim.outcome == FAILS and claim.claim in ("content", "status") for claim in check(data))


def test_spaces_too_large_to_hold_are_refused_at_once() -> None:
    data = forged("price5-huge-excluded")
    every = {"min": 1, "max": 4096, "step": 1}
    for stage in data["problem"]["stages"]:
        stage |= {"channels": every, "bottleneck": every, "bottleneck_ratio": {"min": 1e-9, "to_rounding": []}}
        stage["kernels"] = [1, 3, 5]
    assert failed(data) == ["content"]


# ------------------------------------------------------------------- at random


@pytest.fixture(scope="module")
def given() -> list[Subject]:
    return list(subjects(5))


def test_certificates_of_every_kind_are_accepted(given: list[Subject]) -> None:
    tally = fuzz(given, 0)
    assert not tally.wrong
    assert {subject.data["claim"]["status"] for subject in given} >= {"optimal", "feasible"}
    assert tally.counts["unspoiled accepted"] >= 12


@pytest.mark.parametrize("seed", few(range(3), 1))
def test_what_is_false_or_malformed_is_refused(given: list[Subject], seed: int) -> None:
    tally: Tally = fuzz(given, 100, seed)
    assert [label for label, _ in tally.wrong] == []
    assert tally.counts["false rejected"] > 30


def test_what_a_solver_closed_is_refused_once_it_is_listed(given: list[Subject]) -> None:
    """A tree of one cell that a solver is said to have closed proves anything, on trust; not when it is solved again."""
    subject = next(s for s in given if s.name.endswith("listed") and len(s.truth.feasible) > 1)
    row = subject.truth.feasible[-1]
    data = json.loads(json.dumps(subject.data))
    objective = subject.truth.problem.evaluator(row.architecture).evaluation.objective
    data["claim"] |= {"status": "optimal", "objective": objective, "bound": objective, "proves": "bound"}
    data["contenders"] = [{"architecture": row.architecture.to_dict(), "objective": str(row.exact)}]
    prices = [1.0] + [0.0] * (len(data["tree"][0][3]) - 1)
    data["tree"], data["open"] = [["", "solver", None, prices, None]], []
    data["cells"] = [cell_of("")]
    reseal(data)
    assert verdict(list(check(data))).startswith("proved up to")
    again = list(check(data, resolve=listed_in_place_of_solver(subject.truth)))
    assert verdict(again) == "refuted"


def test_mutants_are_repeated_by_their_seed(given: list[Subject]) -> None:
    one, two = (mutant(given[0], random.Random(7), given[1].data) for _ in range(2))
    assert json.dumps(one) == json.dumps(two)
