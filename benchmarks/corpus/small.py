"""Random design problems that are small enough to list every network, and the listing: an oracle without a search."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np

from mipdesign.lattice.batch import Batch, evaluate_batch
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Position
from mipdesign.lattice.tables import Tables
from mipdesign.networks.architecture import Architecture, Stage, Stem
from mipdesign.networks.blocks import FAMILIES as BLOCKS
from mipdesign.networks.budget_names import UPPER_ONLY
from mipdesign.networks.latency import LatencyModel, LatencyTable, is_conv
from mipdesign.networks.operation import kernel_of
from mipdesign.networks.tool_counts import OF_TOOL
from mipdesign.nn.latency_plan import plan
from mipdesign.problem.budgets import Budgets
from mipdesign.problem.problem import Problem
from mipdesign.problem.specification import FamilyRules, StageSpace
from mipdesign.problem.ties import TIED
from mipdesign.search.coverage import build_tables

MAX_NETWORKS = 12_000
_Shape = tuple[int, int, tuple[int, int] | None]
FAMILIES = ("bottleneck", "basic", "mixed", "inverted", "inverted_se")
"""Families that problems with several of them choose from."""
EVERY_FAMILY = (*FAMILIES, "resnet_bottleneck", "resnet_basic", "linear_inverted", "separable")
_DRAWS = (*FAMILIES, None, *EVERY_FAMILY[len(FAMILIES) :])
"""What seeds are for: new families come last, so the problems of the others stay what they are."""


def problem_data(rng: np.random.Generator, block: str | None) -> dict[str, Any]:
    """A specification without budgets. ``block=None`` mixes the families."""

    def some(values: list[int], most: int) -> list[int]:
        count = int(rng.integers(1, min(most, len(values)) + 1))
        return sorted(int(v) for v in rng.choice(values, count, replace=False))

    stages = []
    for _ in range(int(rng.integers(2, 5))):
        low = [0.5, 1.0, 1.0, 1.5][rng.integers(4)]
        growth = {"min": low} | ({} if rng.random() < 0.4 else {"max": low * [1.5, 2.0, 4.0][rng.integers(3)]})
        stages.append(
            {
                "block": block or FAMILIES[rng.integers(len(FAMILIES))],
                "stride": int(rng.integers(1, 3)),
                "channels": some([4, 6, 8, 12, 16, 24, 32], 4),
                "growth": growth,
                "bottleneck": some([2, 4, 8, 12, 24], 3),
                "bottleneck_ratio": {"min": 0.25, "max": [1.0, 6.0][rng.integers(2)], "to_rounding": ["min"]},
                "kernels": some([1, 3, 5], 2),
                "depth": some([1, 2, 3, 5, 8], 3),
            }
        )
    objective: dict[str, Any] = {"beta": float([0.0, 1.0, 10.0][rng.integers(3)])}
    if rng.random() < 0.5:
        penalised = some(list(range(1, len(stages) + 1)), len(stages))
        objective["penalty"] = {"form": ["exp_std", "exp_var", "none"][rng.integers(3)], "stages": penalised}
    return {
        "name": "small",
        "convention": ["paper", "reference"][rng.integers(2)],
        "input": {"resolution": int(rng.integers(40, 80))},
        "stem": {"channels": some([4, 8, 12], 3), "stride": int(rng.integers(1, 3))},
        "stages": stages,
        "head": None if rng.random() < 0.7 else {"channels": 20},
        "classes": 10,
        "objective": objective,
    }


def small_problem(seed: int, block: str | None = "bottleneck") -> Problem:
    """A problem with budgets anywhere between infeasible and slack, deterministic in its seed.

    Parameters
    ----------
    block:
        The family of all stages, one of :data:`EVERY_FAMILY`; ``None`` draws one of :data:`FAMILIES` for each stage.
    """
    rng = np.random.default_rng([seed, _DRAWS.index(block)])
    while True:
        data = problem_data(rng, block)
        try:
            tables = build_tables(Problem.from_dict(data | {"budgets": {"flops": 1, "params": 1, "effectiveness": 1.0}}))
        except ValueError:
            continue
        if Cell.whole(tables).n_points(tables) <= MAX_NETWORKS:
            break
    evaluation = evaluate_batch(tables, Cell.whole(tables).networks(tables))
    level = [0.0, 0.05, 0.3, 0.6, 1.0][rng.integers(5)]
    values = dict(zip(tables.counts, evaluation.counts, strict=True)) | {"effectiveness": evaluation.effectiveness}
    budgets = {}
    for name, figures in values.items():
        if rng.random() < 0.8:
            limit = np.quantile(figures[evaluation.chained], min(1.0, level * rng.uniform(0.7, 1.5)))
            budgets[name] = float(limit) if name == "effectiveness" else int(limit) - (level == 0.0)
    return Problem.from_dict(data | {"budgets": {k: v for k, v in budgets.items() if v > 0}})


@dataclass(frozen=True)
class Listing:
    """Every feasible network of a cell by exact arithmetic, best first."""

    networks: tuple[tuple[Position, Decimal], ...]

    def reaching(self, cutoff: float) -> set[Position]:
        """Networks whose exact objective is at least the cutoff."""
        return {position for position, objective in self.networks if objective >= Decimal(cutoff)}


def listing(tables: Tables, cell: Cell, near: float = 1e-6) -> Listing:
    """Lists a cell by the batch evaluator; the exact evaluator judges networks at the effectiveness limit and near the optimum.

    Networks further than ``near`` (relative) below the best keep the floating-point objective, which is exact to 1e-12.
    """
    batch = cell.networks(tables)
    evaluation = evaluate_batch(tables, batch)
    ratio = np.zeros(len(batch)) if tables.rho is None else evaluation.effectiveness / float(tables.rho)
    possible = evaluation.chained & (evaluation.counts <= tables.limits[:, None]).all(axis=0) & (ratio <= 1 + 1e-9)
    objectives, doubtful = evaluation.objective[possible], ratio[possible] >= 1 - 1e-9
    close = objectives >= objectives.max(initial=-np.inf) - near * np.abs(objectives).max(initial=0.0)
    networks = []
    for position, objective, exactly in zip(positions(batch.take(possible)), objectives, close | doubtful, strict=True):
        if not exactly:
            networks.append((position, Decimal(float(objective))))
            continue
        architecture = tables.architecture(position)
        if not tables.problem.violations(architecture):
            networks.append((position, tables.problem.evaluator(architecture).exact_objective()))
    return Listing(tuple(sorted(networks, key=lambda item: -item[1])))


def positions(batch: Batch) -> list[Position]:
    """The networks of a batch."""
    columns, depths = batch.columns.T.tolist(), batch.depths.T.tolist()
    return [Position(s, tuple(c), tuple(d)) for s, c, d in zip(batch.stem.tolist(), columns, depths, strict=True)]


MOST_VARIED = 500
"""Most networks of a varied problem: every one of them goes through the exact evaluator."""


@cache
def varied_problem(seed: int) -> Problem:
    """A very small problem: choices between families, any budgets, lower limits, divisibility, forbidden combinations."""
    return _varied(np.random.default_rng([seed, 1000]), unequal=False)


@cache
def bits_problem(seed: int) -> Problem:
    """A very small problem of quantised networks, with the additive score and the budgets of its tool."""
    rng = np.random.default_rng([seed, 3000])
    while True:
        data = problem_data(rng, "inverted")
        data["stages"] = data["stages"][: int(rng.integers(2, 4))]
        data |= {"convention": "reference", "objective": {"score": "madnas"}, "head": {"channels": 20, "bits": [5, 5]}}
        data["input"]["resolution"] = int(rng.integers(40, 80))
        data["stem"]["bits"] = [8, 8]
        for stage in data["stages"]:
            for axis in ("channels", "bottleneck", "kernels"):
                stage[axis] = sorted(rng.choice(stage[axis], min(2, len(stage[axis])), replace=False).tolist())
            stage["depth"] = sorted(rng.choice([1, 2, 3], int(rng.integers(1, 3)), replace=False).tolist())
            few = [sorted(rng.choice([3, 4, 5, 6], int(rng.integers(1, 3)), replace=False).tolist()) for _ in range(2)]
            stage["bits"] = {"activations": few[0], "weights": few[1]}
            if rng.random() < 0.3:
                stage["uniform"] = False
        try:
            problem = Problem.from_dict(data)
        except ValueError:
            continue
        if 1 < problem.size() <= 20 * MOST_VARIED and _is_small(problem):
            break
    return with_any_budgets(problem, data, rng)


@cache
def unequal_problem(seed: int) -> Problem:
    """A varied problem some of whose super-blocks have blocks that may differ."""
    return _varied(np.random.default_rng([seed, 2000]), unequal=True)


def _varied(rng: np.random.Generator, unequal: bool) -> Problem:
    while True:
        data = problem_data(rng, None)
        data["stages"] = data["stages"][: int(rng.integers(2, 4))]
        data["objective"].pop("penalty", None)
        if rng.random() < 0.3:
            data["objective"]["effectiveness_price"] = float(rng.choice([1.0, 30.0, 1000.0]))
        for stage in data["stages"]:
            _vary(stage, rng)
            if unequal and rng.random() < 0.7:
                stage["uniform"] = False
                stage["depth"] = sorted(rng.choice([1, 2, 3, 4], int(rng.integers(1, 4)), replace=False).tolist())
        if rng.random() < 0.4:
            tied = rng.choice(len(data["stages"]), 2, replace=False) + 1
            data["ties"] = [
                {"stages": tied.tolist(), "same": rng.choice(TIED, int(rng.integers(1, 3)), replace=False).tolist()}
            ]
        try:
            problem = Problem.from_dict(data)
        except ValueError:
            continue
        if 1 < problem.size() <= (20 if unequal else 1) * MOST_VARIED and (not unequal or _is_small(problem)):
            break
    return with_any_budgets(problem, data, rng)


@cache
def scored_problem(seed: int) -> Problem:
    """A varied problem with another score, other weights of the stages, or exponents of channels and area."""
    rng, problem = np.random.default_rng([seed, 2000]), varied_problem(seed)
    data = problem.to_dict()
    objective = data["objective"] | {"score": str(rng.choice(["madnas", "madnas", "deepmad"]))}
    for name in ("channels_exponent", "resolution_exponent"):
        if rng.random() < 0.5 or objective["score"] == "deepmad":
            objective[name] = float(rng.choice([0.0, 0.5, 1.0, 2.0]))
    if rng.random() < 0.7:
        objective["alpha"] = [float(weight) for weight in rng.choice([0.0, 1.0, 6.0, 8.0], 1 + problem.stage_of[-1])]
    return Problem.from_dict(data | {"objective": objective})


def _is_small(problem: Problem) -> bool:
    """Whether a problem has so few networks, of which those in another order are not counted."""
    return 1 < sum(1 for _ in itertools.islice(every_network(problem), MOST_VARIED + 1)) <= MOST_VARIED


@cache
def video_problem(seed: int) -> Problem:
    """A very small problem of video: kernels that span frames, maps of any height, every score, budgets of the tool."""
    rng = np.random.default_rng([seed, 3000])
    while True:
        data = problem_data(rng, "inverted")
        data["stages"] = data["stages"][: int(rng.integers(2, 4))]
        data["input"]["frames"], data["stem"]["kernel_t"] = int(rng.choice([4, 7, 16])), int(rng.choice([1, 1, 3]))
        kernels = [[1, 1], [1, 3], [1, 5], [3, 1], [3, 3]]
        for stage in data["stages"]:
            _vary(stage, rng)
            for extra in ("per_block", "forbidden"):
                stage.pop(extra, None)
            stage |= {"block": "inverted_3d", "kernels": [kernels[k] for k in rng.choice(5, 2, replace=False)]}
            if rng.random() < 0.3:
                stage |= {"bottleneck": [4, 8, 16, 48], "bottleneck_ratio": {"listed": [0.5, 1.5]}}
        objective: dict[str, Any] = {"score": str(rng.choice(["stentr", "stentr", "madnas", "deepmad"]))}
        if objective["score"] == "stentr" and rng.random() < 0.3:
            objective["score_resolution"] = int(rng.integers(40, 80))
        if rng.random() < 0.5:
            objective["alpha"] = rng.choice([0.0, 1.0, 6.0], 1 + sum(s["stride"] == 2 for s in data["stages"])).tolist()
        try:
            problem = Problem.from_dict(data | {"objective": objective})
        except ValueError:
            continue
        if 1 < problem.size() <= MOST_VARIED:
            break
    data = with_any_budgets(problem, problem.to_dict(), rng).to_dict()
    for name in ("bit_operations", "model_size"):
        if rng.random() < 0.3:
            figures = sorted(problem.evaluator(network).figure(name) for network in every_network(problem))
            if figures:
                data["budgets"][name] = figures[int(rng.integers(len(figures) // 4, len(figures)))]
    return Problem.from_dict(data)


def tight_problem(seed: int) -> Problem:
    """A varied problem that is infeasible, or nearly: the parameters, beside the other budgets, are limited to those of the
    smallest networks that keep these, or to one less.
    """
    problem = varied_problem(seed)
    least = min(
        (problem.evaluator(a).evaluation.params for a in every_network(problem) if not problem.violations(a)), default=0
    )
    data = problem.to_dict()
    data["budgets"]["params"] = {"max": max(1, least - seed % 2)}
    return Problem.from_dict(data)


def with_any_budgets(problem: Problem, data: dict[str, Any], rng: np.random.Generator) -> Problem:
    """A problem, whose specification has no budgets, with some of any kind, anywhere between infeasible and slack;
    ``params_total`` and several latencies are those of :func:`mipdesign.benchmarks.corpus.limited.limited_problem`.
    """
    evaluators = [problem.evaluator(network) for network in every_network(problem)]
    if not evaluators:
        return problem
    budgets: dict[str, Any] = {}
    left_out = {"latency", "params_total", *(() if problem.stem.bits is not None else OF_TOOL)}
    if rng.random() < 0.5 and problem.stem.bits is None and problem.input.frames is None:
        table = random_table(problem, rng)
        timed = problem.model_copy(update={"budgets": Budgets.model_validate({"latency": {"max": 1, "table": table}})})
        figures = sorted(timed.evaluator(e.architecture).figure("latency") for e in evaluators)
        budgets["latency"] = {"max": figures[int(rng.integers(0, len(figures)))], "table": table}
    for name in (name for name in Budgets.model_fields if name not in left_out):
        if rng.random() < 0.3:
            figures = sorted(evaluator.figure(name) for evaluator in evaluators)
            high = figures[int(rng.integers(len(figures) // 4, len(figures)))]
            budgets[name] = {"max": high}
            if name not in UPPER_ONLY and rng.random() < 0.3:
                budgets[name]["min"] = figures[int(rng.integers(0, len(figures)))]
                if budgets[name]["min"] > high or rng.random() < 0.3:
                    del budgets[name]["max"]
    return Problem.from_dict(data | {"budgets": budgets})


def random_table(problem: Problem, rng: np.random.Generator, fused: bool = False) -> list[str]:
    """Lines of a latency table for a problem: times that grow with the work, and noise as large as they are.

    ``fused``: with convolutions and what follows them as one.
    """
    rows = []
    for row in plan(problem, int(rng.integers(2, 5)), fused=fused):
        work = row.in_channels * (row.out_channels * row.kernel**2 / row.groups if is_conv(row.kind) else 1)
        rows.append(row._replace(microseconds=round((2 + work * row.resolution**2 / 1e4) * rng.uniform(0.5, 1.5), 3)))
    return LatencyTable(tuple(rows)).to_lines()


def fused_problem(seed: int) -> Problem:
    """A varied problem with a latency limit by a table whose convolutions are one with what follows them."""
    problem = varied_problem(seed)
    table = random_table(problem, np.random.default_rng(seed), fused=True)
    model, networks = LatencyModel(LatencyTable.from_lines(table)), itertools.islice(every_network(problem), 1)
    limit = max((1.2 * model.total(network.operations()) / 1000 for network in networks), default=1.0)
    data = problem.to_dict()
    return Problem.from_dict(data | {"budgets": data["budgets"] | {"latency": {"max": limit, "table": table}}})


def _vary(stage: dict[str, Any], rng: np.random.Generator) -> None:
    """Gives a stage further families and rules, and few values of everything else."""
    stage["block"] = [str(name) for name in rng.choice(FAMILIES, int(rng.integers(1, 4)), replace=False)]
    for axis in ("channels", "bottleneck", "kernels", "depth"):
        stage[axis] = sorted(rng.choice(stage[axis], min(2, len(stage[axis])), replace=False).tolist())
    if rng.random() < 0.3:
        stage["per_block"] = {stage["block"][0]: {"bottleneck": [4, 16], "bottleneck_ratio": {"min": 0.5, "max": 4.0}}}
    if rng.random() < 0.3:
        stage["multiple_of"] = int(rng.choice([2, 4]))
    if rng.random() < 0.3:
        stage["forbidden"] = [{"block": stage["block"][-1], "kernels": [int(stage["kernels"][-1])]}]


def every_network(problem: Problem) -> Iterator[Architecture]:
    """All networks of a space, from the specification alone: no table is read. Of networks that differ only in the order of the
    later blocks of a super-block there is one, unless that order counts.
    """
    any_order = problem.budgets.max_feature is None
    head, head_bits = (problem.head.channels, problem.head.bits) if problem.head else (None, None)
    choices = [
        [_super_block(block, s.stride, c, shapes) for block in s.block for c in s.channels.values
         for depth in s.depth.values for shapes in _shapes(s, block, depth, any_order)]
        for s in problem.stages
    ]  # fmt: skip
    for channels in problem.stem.channels.values:
        given = problem.stem
        stem = Stem(channels, given.kernel, given.stride, kernel_t=given.kernel_t or 1, bits=given.bits)
        for stages in itertools.product(*choices):
            rest = (head, problem.input.channels, problem.classes, problem.input.frames, head_bits)
            network = Architecture(problem.input.resolution, stem, stages, *rest)
            if not problem.outside_space(network):
                yield network


def _shapes(stage: StageSpace, block: str, depth: int, any_order: bool) -> Iterator[list[_Shape]]:
    """Width, kernel and bits of each block of a super-block."""
    kernels = (stage.per_block.get(block, FamilyRules()).kernels or stage.kernels).values
    pairs = stage.bits.pairs if stage.bits else (None,)
    every = [(b, k, pair) for b in _widths(stage, block) for k in kernels for pair in pairs]
    for first in every:
        alike = [shape for shape in every if shape[:2] == first[:2]]
        others = every if not stage.uniform else alike if stage.bits else [first]
        for rest in (
            itertools.combinations_with_replacement(others, depth - 1)
            if any_order
            else itertools.product(others, repeat=depth - 1)
        ):
            yield [first, *rest]


def _super_block(block: str, stride: int, c: int, shapes: list[_Shape]) -> Stage:
    widths, numbers, pairs = zip(*shapes, strict=True)
    spans, kernels = zip(*map(kernel_of, numbers), strict=True)
    bits = tuple((pair,) * BLOCKS[block].layers for pair in pairs if pair is not None)
    return Stage(block, stride, c, widths, kernels, len(shapes), spans[0], bits)


def _widths(stage: StageSpace, block: str) -> tuple[int, ...]:
    return (stage.per_block.get(block, FamilyRules()).bottleneck or stage.bottleneck).values


def best_by_enumeration(problem: Problem) -> Decimal | None:
    """The optimum's exact objective, or ``None`` if no network keeps the budgets."""
    feasible = (a for a in every_network(problem) if not problem.violations(a))
    return max((problem.evaluator(a).exact_objective() for a in feasible), default=None)
