"""Builds the lattice tables of a problem from the operations of its blocks, in exact integers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..networks.blocks import FAMILIES
from ..networks.evaluator import SIZES
from ..networks.objective import stage_of_super_blocks
from ..networks.operation import plain_conv
from ..problem.problem import Problem
from ..problem.space import SuperBlockSpace
from .additive_budgets import AdditiveBudget, counts_of, excess_of, integer_limits
from .arrays import MAX_CHANNELS, MAX_COUNT, Figures, Ints, Rows, figures_of, new_rows, write_rows
from .designable import require_designable
from .pairs import Gaps, StageLatency, Timer, stage_latencies
from .size_limits import check_size, check_time, network_with_tail
from .super_block import SuperBlock, peak
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
    require_designable(problem)
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
    most = integer_limits(budgets, limits.values())
    stem_counts = counts_of(stem, budgets, stem_c.shape, layers=1, blocks=0)
    if latency is not None:
        counts = (*counts, "latency")
        stem_counts = np.vstack([stem_counts, np.zeros_like(stem_c)])
        tail_fixed, tail_slope = np.append(tail_fixed, 0), np.append(tail_slope, 0)
    blocks: list[SuperBlock] = []
    for space in problem.space:
        alike = next((block for block in blocks if block.has_columns_of(space)), None)
        blocks.append(replace(alike, space=space) if alike else SuperBlock.of(space))
    gaps: list[StageLatency] = []
    latencies: list[StageLatency] = []
    sizes = [len(block.columns.c) for block in blocks]
    pairs = [np.zeros(0, dtype=np.int64)] * len(blocks)
    pair_at = [np.broadcast_to(np.int64(0), (2, size)) for size in sizes]
    if latency is not None and problem.budgets.latency is not None:
        model, columns, axes = problem.budgets.latency.model, [b.columns for b in blocks], [b.axes for b in blocks]
        longest = check_time(problem, model)
        most_nanoseconds = min(math.floor(latency * 1000), longest)
        timer = Timer(model, most_nanoseconds + 1)
        latencies = stage_latencies(problem, columns, axes, timer)
        if timer.lacking:
            gaps = stage_latencies(problem, columns, axes, Gaps(model, 1, exceeds=excess_of(problem)))
        most = [*most, most_nanoseconds]
        pairs, pair_at = [of_stage.pairs for of_stage in latencies], [of_stage.pair_at for of_stage in latencies]
    at = np.cumsum([0, *sizes]).tolist()
    every = new_rows(at[-1], len(counts))
    room = np.empty(max(sizes) * every.itemsize, dtype=np.uint8)
    rows = [every[start:stop] for start, stop in itertools.pairwise(at)]
    numbers = {name: n for n, name in enumerate(sorted({name for space in problem.space for name in space.blocks}))}
    for i, (block, of_block) in enumerate(zip(blocks, rows, strict=True)):
        figures = figures_of(room, sizes[i], len(counts))
        block.write(figures, budgets, [numbers[name] for name in block.space.blocks])
        if most_elements is not None:
            block.write_single_limits(figures, most_elements)
            if i == 0:
                _write_stem_peak(problem, figures, peak(stem), most_elements)
            if i == len(blocks) - 1:
                _write_tail_peak(problem, figures, most_elements)
        if latencies:
            counted = figures["counts"]
            counted[0, -1], counted[1:3, -1], counted[3, -1] = latencies[i].fixed, 0.0, latencies[i].rest
        write_rows(of_block, figures)
    before = [problem.stem.channels.values, *(space.channels for space in problem.space)]
    stages = [_stage_tables(*of_stage) for of_stage in zip(problem.space, before, blocks, rows, pairs, pair_at, strict=False)]
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
        rows=every,
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
    space: SuperBlockSpace, previous: Sequence[int], block: SuperBlock, rows: Rows, pairs: Ints, pair_at: Ints
) -> StageTables:
    """Tables of a super-block that follows some channels, increasing."""
    return StageTables(
        blocks=space.blocks,
        **block.columns._asdict(),
        rows=rows,
        depths=np.array(space.depths, dtype=np.int64),
        channels=np.array(space.channels, dtype=np.int64),
        entering=np.minimum(np.array([space.entering(c) for c in space.channels], dtype=object), MAX_CHANNELS).astype(np.int64),
        growth=space.simple_growth(previous),
        pairs=pairs,
        pair_at=pair_at,
    )


def _write_stem_peak(problem: Problem, first: Figures, stem: Ints, most_elements: int) -> None:
    """Leaves stems that exceed a number of map elements no neighbour."""
    fitting = np.array(problem.stem.channels.values)[stem <= most_elements]
    if len(fitting) < len(stem):
        most = int(fitting[-1]) if len(fitting) else 0
        np.minimum(first["most_incoming"], most, out=first["most_incoming"])
        first["identity_fits"][first["channels"] > most] = 0


def _write_tail_peak(problem: Problem, last: Figures, most_elements: int) -> None:
    """Leaves heads and classifiers that exceed it no neighbour."""
    channels, inverse = np.unique(last["channels"], return_inverse=True)
    outer = [network_with_tail(problem, int(c)) for c in channels]
    ok = np.array([int(peak(a.head_operations + a.classifier_operations)) <= most_elements for a in outer])[inverse]
    last["most_incoming"][~ok] = 0
    last["identity_fits"][~ok] = 0


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
