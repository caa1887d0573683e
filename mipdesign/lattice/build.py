"""Builds the lattice tables of a problem from the operations of its blocks, in exact integers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..networks.blocks import FAMILIES
from ..networks.evaluator import SIZES
from ..networks.objective import stage_of_super_blocks
from ..networks.operation import Operation, plain_conv
from ..problem.problem import Problem
from ..problem.space import SuperBlockSpace
from .additive_budgets import AdditiveBudget, counts_of, excess_of, integer_limits
from .arrays import MAX_CHANNELS, MAX_COUNT, Bools, Ints
from .pairs import Gaps, StageColumns, StageLatency, Timer, stage_latencies
from .size_limits import check_size, check_time, network_with_tail
from .tables import StageTables, Tables

OF_OPERATIONS = ("activation_memory", "latency")
"""Budgets whose limits decide which columns there are, or what they count."""


def tabulate(problem: Problem, like: Tables | None = None) -> tuple[Tables, list[StageLatency]]:
    """Tables of a problem, and what its latency table lacks. :func:`mipdesign.search.coverage.build_tables` proves that no
    network within the other budgets needs it.

    Parameters
    ----------
    like:
        Tables of another problem, which serve again where the two differ in nothing but the limits of sums.

    Returns
    -------
    tuple
        The tables; of each super-block, how many of its operations have no entry, in place of nanoseconds. Nothing where the
        table has all, or where there is none.
    """
    if like is not None and _same_columns(problem, like.problem):
        return like.with_limits(problem), []
    check_size(problem)
    conv = problem.scoring.convention
    limits = problem.budgets.limits()
    rho, memory, latency = (limits.pop(name, None) for name in ("effectiveness", "activation_memory", "latency"))
    most_elements = None
    if memory is not None:
        most_elements = min(math.floor(memory / problem.budgets.bytes_of("activation_memory")), MAX_COUNT)
    counts = tuple(limits)
    budgets = tuple(AdditiveBudget.of(name, problem) for name in counts)
    stem_c = np.array(problem.stem.channels.values, dtype=np.int64)
    first = problem.space[0]
    stem = plain_conv(
        "conv",
        problem.input.channels,
        stem_c,
        problem.stem.kernel,
        problem.stem.stride,
        problem.input.resolution,
        FAMILIES[first.blocks[0]].activation,
    )
    stage_of = stage_of_super_blocks([s.stride for s in problem.stages])
    ends = [-1] * (1 + stage_of[-1])
    resolution = [first.resolution] * len(ends)
    se_seen = False
    for i, (space, stage) in enumerate(zip(problem.space, stage_of, strict=True)):
        se_seen |= conv.forgets_resolution and all(FAMILIES[block].has_se for block in space.blocks)
        ends[stage] = i
        resolution[stage] = 1 if se_seen else -(-space.resolution // space.stride)
    tail_fixed, tail_slope = _tail(problem, budgets)
    before = [problem.stem.channels.values, *(space.channels for space in problem.space)]
    stages = [_stage_tables(*pair, budgets, most_elements) for pair in zip(problem.space, before, strict=False)]
    if most_elements is not None:
        stages = _with_outer_peaks(problem, stages, _peak(stem), most_elements)
    most = integer_limits(budgets, limits.values())
    gaps: list[StageLatency] = []
    stem_counts = counts_of(stem, budgets, stem_c.shape, layers=1, blocks=0)
    if latency is not None and problem.budgets.latency is not None:
        model, columns = problem.budgets.latency.model, [StageColumns(s.c, s.f, s.b, s.k) for s in stages]
        longest = check_time(problem, model)
        most_nanoseconds = min(math.floor(latency * 1000), longest)
        timer = Timer(model, most_nanoseconds + 1)
        latencies = stage_latencies(problem, columns, timer)
        if timer.lacking:
            gaps = stage_latencies(problem, columns, Gaps(model, 1, exceeds=excess_of(problem)))
        stages = [_with_latency(*pair) for pair in zip(stages, latencies, strict=True)]
        counts, most = (*counts, "latency"), [*most, most_nanoseconds]
        stem_counts = np.vstack([stem_counts, np.zeros_like(stem_c)])
        tail_fixed, tail_slope = np.append(tail_fixed, 0), np.append(tail_slope, 0)
    tables = Tables(
        problem=problem,
        counts=counts,
        limits=np.array(most, dtype=np.int64),
        rho=rho,
        stem_c=stem_c,
        stem_counts=stem_counts,
        stem_log=float(np.log(problem.input.channels * problem.stem.kernel**2)),
        stages=tuple(stages),
        tail_fixed=tail_fixed,
        tail_slope=tail_slope,
        has_head=problem.head is not None,
        stage_of=stage_of,
        ends=tuple(ends),
        end_resolution=tuple(resolution),
        end_channels=problem.head.channels if problem.head else None,
    )
    return tables, gaps


def _same_columns(problem: Problem, other: Problem) -> bool:
    """Whether two problems have the same space, objective and budgets, up to the limits of sums."""
    one, two = problem.budgets, other.budgets
    limited = list(one.limits())
    return (
        all(getattr(problem, name) == getattr(other, name) for name in type(problem).model_fields if name != "budgets")
        and limited == list(two.limits())
        and not set(limited) & set(OF_OPERATIONS)
        and all(one.bytes_of(name) == two.bytes_of(name) for name in SIZES)
    )


def _stage_tables(
    space: SuperBlockSpace, previous: Sequence[int], budgets: tuple[AdditiveBudget, ...], most_elements: int | None
) -> StageTables:
    """Tables of a super-block that follows some channels, increasing; without latency."""
    parts = [_columns_of(space, f, budgets) for f in range(len(space.choices))]
    joined = {name: np.concatenate([part[name] for part in parts], axis=-1) for name in parts[0]}
    order = np.lexsort((joined["k"], joined["b"], joined["f"], joined["c"]))
    columns = {name: np.ascontiguousarray(values[..., order]) for name, values in joined.items()}
    most, identity_fits, rest_fits = _single_limits(space, columns, most_elements)
    return StageTables(
        blocks=space.blocks,
        **columns,
        log_c=np.log(columns["c"].astype(np.float64)),
        most_incoming=most,
        identity_fits=identity_fits,
        rest_fits=rest_fits,
        pairs=np.zeros(0, dtype=np.int64),
        pair_at=np.zeros((2, len(columns["c"])), dtype=np.int64),
        depths=np.array(space.depths, dtype=np.int64),
        channels=np.array(space.channels, dtype=np.int64),
        entering=np.minimum(np.array([space.entering(c) for c in space.channels], dtype=object), MAX_CHANNELS).astype(np.int64),
        growth=space.simple_growth(previous),
    )


def _columns_of(space: SuperBlockSpace, f: int, budgets: tuple[AdditiveBudget, ...]) -> dict[str, NDArray[Any]]:
    """Columns of one block family, sorted by ``(C, b, k)``, with their counts."""
    choice = space.choices[f]
    family = FAMILIES[choice.block]
    n_kernels = len(choice.kernels)
    counts = [len(widths) for widths in choice.widths]
    c = np.repeat(np.repeat(np.array(space.channels, dtype=np.int64), counts), n_kernels)
    b = np.repeat(np.array([b for widths in choice.widths for b in widths], dtype=np.int64), n_kernels)
    k = np.tile(np.array(choice.kernels, dtype=np.int64), sum(counts))
    if choice.excluded:
        triples = zip(c.tolist(), b.tolist(), k.tolist(), strict=True)
        kept = np.array([triple not in choice.excluded for triple in triples], dtype=bool)
        c, b, k = c[kept], b[kept], k[kept]
    r_in, r_out = space.resolution, -(-space.resolution // space.stride)

    def block(ci: Ints, stride: int, r: int, first: bool) -> Ints:
        operations = family.operations(ci, c, b, k, stride, r, first=first)
        return counts_of(operations, budgets, c.shape, layers=family.layers, blocks=1)

    at = [block(np.full_like(c, -n), space.stride, r_in, True) for n in (1, 2)]
    slope = at[0] - at[1]
    fixed = at[0] + slope
    identity = block(c, space.stride, r_in, True) - fixed - slope * c
    one = np.ones_like(c)
    t = np.sum([np.log(np.asarray(w, dtype=np.float64)) for w in family.widths(one, c, b, k)], axis=0)
    rest = block(c, 1, r_out, False)
    shared = {"f": np.full_like(c, f), "layers": np.full_like(c, family.layers)}
    return {"c": c, "b": b, "k": k, "t": t, "fixed": fixed, "slope": slope, "identity": identity, "rest": rest, **shared}


def _with_latency(tables: StageTables, latency: StageLatency) -> StageTables:
    """Tables of a super-block with one more budget."""
    zero = np.zeros_like(tables.c)
    return replace(
        tables,
        fixed=np.vstack([tables.fixed, latency.fixed]),
        slope=np.vstack([tables.slope, zero]),
        identity=np.vstack([tables.identity, zero]),
        rest=np.vstack([tables.rest, latency.rest]),
        pairs=latency.pairs,
        pair_at=latency.pair_at,
    )


def _peak(operations: tuple[Operation, ...]) -> Ints:
    """Largest number of map elements that one operation reads and writes."""
    peak: Ints = np.maximum.reduce([np.asarray(op.map_elements, dtype=np.int64) for op in operations])
    return peak


def _single_limits(
    space: SuperBlockSpace, columns: dict[str, NDArray[Any]], most_elements: int | None
) -> tuple[Ints, Bools, Bools]:
    """:attr:`StageTables.most_incoming` and its companions, where no operation may exceed a number of map elements.

    What an operation reads and writes grows with the incoming channels, so halving finds the largest number. Operations that
    exist for ``ci = C`` only, or for all other ``ci``, make that case one of its own.
    """
    c, b, k = (columns[name] for name in "cbk")
    if most_elements is None:
        return np.full_like(c, MAX_CHANNELS), np.ones(len(c), dtype=bool), np.ones(len(c), dtype=bool)
    r_out = -(-space.resolution // space.stride)

    def fits(ci: Ints, stride: int, r: int, first: bool) -> Bools:
        ok = np.zeros(len(c), dtype=bool)
        for f, choice in enumerate(space.choices):
            mine = columns["f"] == f
            operations = FAMILIES[choice.block].operations(ci[mine], c[mine], b[mine], k[mine], stride, r, first=first)
            ok[mine] = _peak(operations) <= most_elements
        return ok

    low, high = np.zeros_like(c), np.full_like(c, MAX_CHANNELS)
    while (low < high).any():
        middle = (low + high + 1) // 2
        ok = fits(np.where(middle == c, c + 1, middle), space.stride, space.resolution, True)
        low, high = np.where(ok, middle, low), np.where(ok, high, middle - 1)
    return low, fits(c, space.stride, space.resolution, True), fits(c, 1, r_out, False)


def _with_outer_peaks(problem: Problem, stages: list[StageTables], stem: Ints, most_elements: int) -> list[StageTables]:
    """Tables in which stems, heads and classifiers that exceed a number of map elements have no neighbour."""
    fitting = np.array(problem.stem.channels.values)[stem <= most_elements]
    if len(fitting) < len(stem):
        most = int(fitting[-1]) if len(fitting) else 0
        first = stages[0]
        few = np.minimum(first.most_incoming, most)
        stages[0] = replace(first, most_incoming=few, identity_fits=first.identity_fits & (first.c <= most))
    last = stages[-1]
    channels, inverse = np.unique(last.c, return_inverse=True)
    outer = [network_with_tail(problem, int(c)) for c in channels]
    fits = [int(_peak(a.head_operations + a.classifier_operations)) <= most_elements for a in outer]
    ok = np.array(fits)[inverse]
    stages[-1] = replace(last, most_incoming=np.where(ok, last.most_incoming, 0), identity_fits=ok & last.identity_fits)
    return stages


def _tail(problem: Problem, budgets: tuple[AdditiveBudget, ...]) -> tuple[Ints, Ints]:
    """Counts of head and classifier, which are affine in the last channels."""

    def at(channels: int) -> Ints:
        arch = network_with_tail(problem, channels)
        both = arch.head_operations + arch.classifier_operations
        with_classifier = counts_of(both, budgets, (), layers=len(both) > 2, blocks=0)
        backbone = counts_of(arch.head_operations, budgets, (), layers=0, blocks=0)
        return np.where([f.name == "params_backbone" for f in budgets], backbone, with_classifier)

    slope = at(2) - at(1)
    return at(1) - slope, slope
