"""Builds the lattice tables of a problem from the operations of its blocks, in exact integers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from ..networks.blocks import FAMILIES
from ..networks.budget_names import SIZES, kind_of_budget
from ..networks.objective import stage_of_super_blocks
from ..networks.operation import Operation, plain_conv
from ..problem.elements import ties_of_elements
from ..problem.problem import Problem
from .additive_budgets import BACKBONE, AdditiveBudget, counts_of, excess_of, integer_limits
from .arrays import ANY_BITS, MAX_CHANNELS, MAX_COUNT, Figures, Floats, Ints, Rows, figures_of, new_rows, write_rows
from .layer_extras import bit_extras, kernel_extras
from .map_limits import MapLimits
from .pairs import Gaps, StageLatency, Timer, stage_latencies
from .size_limits import check_size, check_time, network_with_tail
from .stage_tables import StageTables
from .super_block import SuperBlock, peak
from .tables import Tables
from .value_arrays import Columns, values_of

OF_OPERATIONS = ("activation_memory", "latency", "max_feature")
"""Budgets whose limits decide which columns there are, or what they count."""


def tabulate(problem: Problem, like: Tables | None = None) -> tuple[Tables, dict[str, list[StageLatency]]]:
    """Tables of a problem, and what its latency tables lack. :func:`mipdesign.search.coverage.build_tables` proves that no
    network within the other budgets needs it.

    Parameters
    ----------
    like:
        Tables of another problem, which serve again where the two differ in nothing but the limits of sums.

    Returns
    -------
    tuple
        The tables; for each latency budget whose table lacks something, of each super-block how many of its operations have no
        entry, in place of nanoseconds.
    """
    if like is not None and _same_columns(problem, like.problem):
        return like.with_limits(problem), {}
    check_size(problem)
    conv = problem.scoring.convention
    limits = problem.budgets.limits()
    rho, memory, held = (limits.pop(name, None) for name in ("effectiveness", "activation_memory", "max_feature"))
    most_microseconds = {name: limits.pop(name) for name in problem.budgets.latencies}
    most_elements = None
    if memory is not None:
        most_elements = min(math.floor(memory / problem.budgets.bytes_of("activation_memory")), MAX_COUNT)
    counts = tuple(limits)
    budgets = tuple(AdditiveBudget.of(name, problem) for name in counts)
    stem_c = np.array(problem.stem.channels.values, dtype=np.int64)
    first, elements, frames = problem.space[0], problem.elements, problem.input.frames or 1

    def stem(enlarged: int) -> tuple[Operation, ...]:
        place = problem.stem.kernel, problem.stem.stride, problem.input.resolution * enlarged
        of_frames = problem.stem.kernel_t or 1, frames, problem.stem.bits
        return plain_conv("conv", problem.input.channels, stem_c, *place, FAMILIES[first.blocks[0]].activation, *of_frames)

    of_super_blocks = stage_of_super_blocks([s.stride for s in problem.stages])
    stage_of = tuple(of_super_blocks[element.super_block] for element in elements)
    ends = [-1] * (1 + stage_of[-1])
    resolution = [first.resolution] * len(ends)
    se_seen = False
    for i, (element, stage) in enumerate(zip(elements, stage_of, strict=True)):
        space = element.space
        se_seen |= conv.forgets_resolution and all(FAMILIES[block].has_se for block in space.blocks)
        ends[stage] = i
        resolution[stage] = 1 if se_seen else -(-space.resolution // space.stride)
    tail_fixed, tail_slope = _tail(problem, budgets)
    most = integer_limits(budgets, limits.values())
    stem_counts = counts_of(stem, budgets, stem_c.shape, layers=1, blocks=0)
    if most_microseconds:
        counts = (*counts, *most_microseconds)
        none = np.zeros(len(most_microseconds), dtype=np.int64)
        stem_counts = np.vstack([stem_counts, np.broadcast_to(none[:, None], (len(none), len(stem_c)))])
        tail_fixed, tail_slope = np.append(tail_fixed, none), np.append(tail_slope, none)
    blocks: list[SuperBlock] = []
    for element in elements:
        alike = next((block for block in blocks if block.element.has_columns == element.has_columns), None)
        blocks.append(replace(alike, element=element) if alike else SuperBlock.of(element, frames))
    gaps: dict[str, list[StageLatency]] = {}
    latencies: list[list[StageLatency]] = []
    sizes = [len(block.columns.c) for block in blocks]
    pairs = [np.zeros((0, len(most_microseconds)), dtype=np.int64)] * len(blocks)
    pair_at = [np.broadcast_to(np.int64(0), (2, size)) for size in sizes]
    for name, limit in most_microseconds.items():
        model = problem.budgets.latencies[name].model
        longest = check_time(problem, name, model)
        most_nanoseconds = min(math.floor(limit * 1000), longest)
        timer = Timer(model, most_nanoseconds + 1)
        latencies.append(stage_latencies(problem, blocks, timer))
        if timer.lacking:
            gaps[name] = stage_latencies(problem, blocks, Gaps(model, 1, exceeds=excess_of(problem)))
        most = [*most, most_nanoseconds]
    if latencies:
        pairs = [np.stack([part.pairs for part in of_tables], axis=1) for of_tables in zip(*latencies, strict=True)]
        pair_at = [of_stage.pair_at for of_stage in latencies[0]]
    at = np.cumsum([0, *sizes]).tolist()
    every = new_rows(at[-1], len(counts))
    room = np.empty(max(sizes) * every.itemsize, dtype=np.uint8)
    rows = [every[start:stop] for start, stop in itertools.pairwise(at)]
    numbers = {name: n for n, name in enumerate(sorted({name for space in problem.space for name in space.blocks}))}
    stem_extra, extras = kernel_extras(problem)
    of_bits = bit_extras(problem)
    stem_extra += of_bits[problem.stem.bits] if problem.stem.bits else 0.0
    head_bits = problem.head.bits if problem.head else None
    maps = None if held is None else MapLimits.of(problem, min(math.floor(held * 8), MAX_COUNT))
    beside: list[dict[str, Any]] = []
    for i, (block, of_block) in enumerate(zip(blocks, rows, strict=True)):
        figures = figures_of(room, sizes[i], len(counts))
        of_kernels = extras[block.element.super_block]
        extra = block.write(figures, budgets, [numbers[name] for name in block.space.blocks], of_kernels, of_bits)
        ranks, reading = block.ranks, np.zeros((2, 0), dtype=np.int64)
        if most_elements is not None:
            block.write_single_limits(figures, most_elements)
            if i == 0:
                _write_stem_peak(problem, figures, peak(stem(1)), most_elements)
            if i == len(blocks) - 1:
                _write_tail_peak(problem, figures, most_elements)
        if maps is not None:
            reading, ranks = maps.write(blocks, i, figures, ranks)
        beside.append({"extra": extra, "ranks": ranks, "reading": reading, "values": _values(problem, block)})
        for row, of_table in enumerate(latencies, len(budgets)):
            counted = figures["counts"]
            counted[0, row], counted[1:3, row], counted[3, row] = of_table[i].fixed, 0.0, of_table[i].rest
        write_rows(of_block, figures)
    before = [problem.stem.channels.values, *(element.space.channels for element in elements)]
    stages = [_stage_tables(*of_stage) for of_stage in zip(before, blocks, rows, beside, pairs, pair_at, strict=False)]
    tables = Tables(
        problem=problem,
        counts=counts,
        limits=np.array(most, dtype=np.int64),
        rho=rho,
        stem_c=stem_c,
        stem_counts=stem_counts,
        stem_log=float(np.log(problem.input.channels * problem.stem.kernel**2)),
        stem_extra=stem_extra,
        stages=tuple(stages),
        tail_fixed=tail_fixed,
        tail_slope=tail_slope,
        has_head=problem.head is not None,
        head_extra=of_bits[head_bits] if head_bits else 0.0,
        stage_of=stage_of,
        ends=tuple(ends),
        end_resolution=tuple(resolution),
        end_channels=problem.head.channels if problem.head else None,
        ties=ties_of_elements(problem.space, problem.tied, elements),
        stem_next=np.full(len(stem_c), ANY_BITS, dtype=np.int64) if maps is None else maps.stem_next,
        tail_bits=0 if maps is None else maps.tail_bits,
        rows=every,
    )
    return tables, gaps


def _values(problem: Problem, block: SuperBlock) -> Floats:
    """What an element's columns are worth by the problem's table."""
    values, space, own = problem.scoring.values, block.space, block.columns
    if values is None:
        return np.zeros((0, 0))
    depths = np.array(space.depths, dtype=np.int64)
    return values_of(values, Columns(block.element.super_block, space.blocks, own.f, own.c, own.b, own.k, depths))


def _same_columns(problem: Problem, other: Problem) -> bool:
    """Whether two problems have the same space, objective and budgets, up to the limits of sums."""
    one, two = problem.budgets, other.budgets
    limited = list(one.limits())
    return (
        all(getattr(problem, name) == getattr(other, name) for name in type(problem).model_fields if name != "budgets")
        and limited == list(two.limits())
        and not set(map(kind_of_budget, limited)) & set(OF_OPERATIONS)
        and all(one.bytes_of(name) == two.bytes_of(name) for name in SIZES)
    )


def _stage_tables(
    previous: Sequence[int], block: SuperBlock, rows: Rows, beside: dict[str, Any], pairs: Ints, pair_at: Ints
) -> StageTables:
    """Tables of an element that follows some channels, increasing."""
    space, n = block.space, len(block.columns.c)
    if block.element.continues:
        space = replace(space, growth=(Fraction(1), Fraction(1)))
    presence = np.broadcast_to(np.int64(1), n)
    if len(block.absent):
        presence = np.ones(n, dtype=np.int64)
        presence[block.absent] = 0
    return StageTables(
        element=block.element,
        blocks=space.blocks,
        **block.columns._asdict(),
        **beside,
        rows=rows,
        states=block.states if block.element.is_block else np.broadcast_to(np.int64(0), n),
        presence=presence,
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
        def head(enlarged: int) -> tuple[Operation, ...]:
            return network_with_tail(problem, channels, enlarged).head_operations

        def both(enlarged: int) -> tuple[Operation, ...]:
            return head(enlarged) + network_with_tail(problem, channels, enlarged).classifier_operations

        with_classifier = counts_of(both, budgets, (), layers=problem.head is not None, blocks=0)
        backbone = counts_of(head, budgets, (), layers=0, blocks=0)
        return np.where([budget.name in BACKBONE for budget in budgets], backbone, with_classifier)

    slope = at(2) - at(1)
    return at(1) - slope, slope
