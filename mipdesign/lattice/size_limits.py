"""What spaces are too large: tables that would not fit into memory, counts that a float would not hold exactly."""

from __future__ import annotations

from ..errors import SpecError
from ..networks.architecture import Architecture, Stage, Stem
from ..networks.blocks import FAMILIES
from ..networks.latency import LatencyModel
from ..networks.operation import WHOLE, Operation, kernel_of, plain_conv
from ..problem.elements import unrolled
from ..problem.problem import Problem
from .additive_budgets import whole_map_factor
from .arrays import MAX_COUNT

MAX_COLUMNS = 2_000_000
"""Most columns that one super-block may have."""
MOST_STATES = 65_535
"""Most states of its blocks: as many as a row's number of its place has."""


def check_size(problem: Problem) -> None:
    """Refuses spaces whose tables would not fit into memory or whose counts a float would not hold exactly.

    Raises
    ------
    SpecError
        With the super-block at fault.
    """
    ci, total, frames = problem.stem.channels.values[-1], 0, problem.input.frames or 1
    for i, space in enumerate(problem.space):
        blocks = space.depths[-1] if unrolled(space) else 1
        n = sum(choice.size for choice in space.choices) * blocks * max(1, len(space.bits))
        if n > MAX_COLUMNS:
            remedy = f"at most {MAX_COLUMNS} fit the tables: raise a step or narrow bottleneck_ratio"
            raise SpecError(f"stages.{i}.channels", f"{n} combinations of channels, widths and kernels", remedy)
        states = sum(choice.size for choice in space.choices) if unrolled(space) else 0
        if states > MOST_STATES:
            text = f"{states} combinations of channels, widths and kernels that blocks may have in common"
            raise SpecError(f"stages.{i}.channels", text, f"at most {MOST_STATES} fit the tables: raise a step")
        c = space.channels[-1]
        for choice in space.choices:
            b, (kt, k) = choice.widest, kernel_of(choice.kernels[-1])
            for at, repeats in ((ci, 1), (c, space.depths[-1])):
                family, sizes = FAMILIES[choice.block], (at, c, b, k, 1, space.resolution)
                total += repeats * _work(family.placed(*sizes, first=True, kt=kt, frames=frames))
        ci = c
    stem, outer = problem.stem, network_with_tail(problem, ci)
    place = (stem.kernel, stem.stride, problem.input.resolution, FAMILIES[problem.space[0].blocks[0]].activation)
    of_frames = stem.kernel_t or 1, frames
    total += _work(plain_conv("conv", problem.input.channels, stem.channels.values[-1], *place, *of_frames))
    total += _work(outer.head_operations + outer.classifier_operations)
    units = whole_map_factor(problem) ** 2 if problem.counts_as_tool else 1
    if problem.stem.bits is not None:
        units *= max(WHOLE, *(a * w for space in problem.space for a, w in space.bits))
    if total * 16 * units >= MAX_COUNT:
        raise SpecError("stages", "the largest network has over 5e14 operations", "lower the resolution, channels or depths")


def check_time(problem: Problem, budget: str, model: LatencyModel) -> int:
    """More nanoseconds than any network takes by the table of a budget: its longest for each operation of the deepest network.

    Raises
    ------
    SpecError
        If they are more than a float holds exactly.
    """
    outer = network_with_tail(problem, 1)
    operations = len(outer.stem_operations + outer.head_operations + outer.classifier_operations)
    for space in problem.space:
        c, most = space.channels[-1], 0
        for choice in space.choices:
            b, k = choice.widest, choice.kernels[-1]
            for ci in (c, c + 1):
                most = max(most, len(FAMILIES[choice.block].operations(ci, c, b, k, 2, space.resolution, first=True)))
        operations += space.depths[-1] * most
    longest = operations * max((int(grid.values.max()) for grid in model.table.grids.values()), default=0)
    if 16 * longest >= MAX_COUNT:
        text = f"the longest of its latencies times {operations} operations is over 5e14 nanoseconds"
        raise SpecError(f"budgets.{budget}.table", text, "measure shorter operations, or lower the depths")
    return longest


def _work(operations: tuple[Operation, ...]) -> int:
    """What some operations of one network count, everything together; no single count is more."""
    return sum(int(op.params + op.macs + op.reference_flops + op.activations) for op in operations)


def network_with_tail(problem: Problem, last_channels: int, enlarged: int = 1) -> Architecture:
    """A network with the head and classifier of a problem and a given number of channels before them, on an input that is
    enlarged by a factor.
    """
    channels = [1] * (len(problem.space) - 1) + [last_channels]
    stages = tuple(Stage(s.blocks[0], s.stride, c, 1, 1, 1) for s, c in zip(problem.space, channels, strict=True))
    stem = Stem(1, problem.stem.kernel, problem.stem.stride, bits=problem.stem.bits)
    head, head_bits = (problem.head.channels, problem.head.bits) if problem.head else (None, None)
    given = problem.input
    rest = head, given.channels, problem.classes, given.frames, head_bits
    return Architecture(given.resolution * enlarged, stem, stages, *rest)
