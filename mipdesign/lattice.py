"""Lattice tables: every figure of a super-block, for every point of its lattice, as numpy arrays.

A super-block's *columns* are its admitted triples ``(C, b, k)``. Its figures depend on the column, on the depth ``L`` and on
the channels ``ci`` that enter it, in one simple way (``docs/theory.md``)::

    count(ci, column, L) = fixed[column] + ci * slope[column] + [ci = C] * same[column] + (L - 1) * rest[column]
    log-width sum        = log ci + t[column]                                           + (L - 1) * (log C + t[column])

Formulations, bounds and heuristics all read these tables; they are built from :mod:`mipdesign.blocks` and checked against the
exact evaluator by the tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .architecture import Architecture, Stage, Stem
from .blocks import FAMILIES, Operation, plain_conv
from .errors import SpecError
from .evaluation import count_of_budget
from .problem import Problem, SuperBlockSpace
from .theory import stage_of_super_blocks

MAX_COUNT = 2**53
"""Counts below it are exact in floating point as well."""
MAX_COLUMNS = 2_000_000
"""Most columns that one super-block may have."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Position(NamedTuple):
    """A network as table positions: index of the stem in ``tables.stem_c``; column and depth of each super-block."""

    stem: int
    columns: tuple[int, ...]
    depths: tuple[int, ...]


@dataclass(frozen=True)
class Contender:
    """A network that competes for the best, with its floating-point objective."""

    position: Position
    objective: float


class Arrays(NamedTuple):
    """A problem as plain arrays, for compiled loops; meanings as in :class:`Tables` where the names are the same.

    Attributes
    ----------
    rows:
        One row per column of every super-block: ``C, log C, t``, then ``fixed, slope, same, rest`` of each budget.
    offsets:
        First row of each super-block, and the number of rows.
    has_same:
        Which super-blocks have counts that depend on ``[ci = C]``.
    growth:
        Numerators and denominators of each super-block's bounds of ``C / ci``; 0 where there is no upper one.
    layers:
        Layers per block of each super-block.
    prefix:
        1 where a super-block belongs to the prefix that ends with a stage, shape ``(stages, super_blocks)``.
    log_areas:
        ``log r^2`` at the end of each stage, as the convention sees it.
    weights:
        ``alpha`` times the convention's factor per nat.
    head_log:
        Logarithm of the head's channels, -1 without a head.
    rho_stages, rho:
        Stages whose prefix the effectiveness limit counts, and the limit (1 where there is none).
    penalised, beta, squared:
        Super-blocks whose depths the penalty counts, its factor, and whether it is ``exp_var`` and not ``exp_std``.
    """

    rows: Floats
    offsets: Ints
    has_same: Bools
    growth: Ints
    layers: Ints
    prefix: Floats
    ends: Ints
    log_areas: Floats
    weights: Floats
    stem_c: Ints
    stem_counts: Floats
    stem_log: float
    tail_fixed: Floats
    tail_slope: Floats
    head_log: float
    limits: Floats
    rho_stages: Ints
    rho: float
    penalised: Ints
    beta: float
    squared: bool


@dataclass(frozen=True)
class StageTables:
    """Columns of one super-block, sorted by ``(C, b, k)``.

    Attributes
    ----------
    c, b, k:
        Channels, bottleneck width and kernel of each column, shape ``(columns,)``.
    fixed, slope, same, rest:
        Counts, shape ``(budgets, columns)``; see the module's formula.
    t:
        ``sum log w`` of one block with a single input channel, shape ``(columns,)``.
    log_c:
        ``log C`` of each column.
    layers:
        Layers per block.
    depths:
        Admitted depths, increasing.
    growth:
        Bounds of ``C / ci``.
    """

    c: Ints
    b: Ints
    k: Ints
    fixed: Ints
    slope: Ints
    same: Ints
    rest: Ints
    t: Floats
    log_c: Floats
    layers: int
    depths: Ints
    growth: tuple[Fraction, Fraction | None]

    def follows(self, ci: Ints | Floats | int, c: Ints | Floats) -> Bools:
        """Which channels ``c`` may come after ``ci`` (broadcast), exactly."""
        low, high = self.growth
        ok: Bools = c * low.denominator >= ci * low.numerator
        if high is not None:
            ok = ok & (c * high.denominator <= ci * high.numerator)
        return ok


@dataclass(frozen=True)
class Tables:
    """All tables of a problem.

    Attributes
    ----------
    problem:
        What they describe.
    counts:
        Names of the additive integer budgets, in the order of the first axis of the count arrays.
    limits:
        Their limits, rounded down to integers, shape ``(budgets,)``.
    rho:
        Limit of the effectiveness, or ``None``.
    stem_c, stem_counts:
        Stem channels and their counts, shapes ``(n,)`` and ``(budgets, n)``.
    stem_log:
        ``log w`` of the stem.
    stages:
        One per super-block.
    tail_fixed, tail_slope:
        Counts of head and classifier: ``tail_fixed + C_M * tail_slope``, shape ``(budgets,)``.
    has_head:
        Whether a head adds a layer of width ``C_M``.
    stage_of:
        Down-sampling stage of each super-block.
    ends:
        For each stage, the super-block (from 0; -1 for the stem) whose channels are those at its end.
    end_resolution:
        Resolution at the end of each stage, as the convention sees it.
    end_channels:
        Channels at the end of the last stage if a head fixes them.
    """

    problem: Problem
    counts: tuple[str, ...]
    limits: Ints
    rho: Fraction | None
    stem_c: Ints
    stem_counts: Ints
    stem_log: float
    stages: tuple[StageTables, ...]
    tail_fixed: Ints
    tail_slope: Ints
    has_head: bool
    stage_of: tuple[int, ...]
    ends: tuple[int, ...]
    end_resolution: tuple[int, ...]
    end_channels: int | None

    @property
    def n_stages(self) -> int:
        """Number of down-sampling stages."""
        return len(self.ends)

    @property
    def penalised(self) -> tuple[int, ...]:
        """Super-blocks whose depths the penalty counts."""
        scoring = self.problem.scoring
        return () if scoring.penalty_form == "none" or scoring.beta == 0 else scoring.penalised

    @property
    def rho_stages(self) -> tuple[int, ...]:
        """Stages whose prefix the effectiveness limit counts."""
        if self.rho is None:
            return ()
        every = tuple(range(self.n_stages))
        return every if self.problem.scoring.convention.prefix_effectiveness else every[-1:]

    @cached_property
    def arrays(self) -> Arrays:
        """Everything that compiled loops need."""
        scoring, m = self.problem.scoring, len(self.stages)
        parts, growth = [], []
        for s in self.stages:
            parts.append(np.concatenate([np.array([s.c, s.log_c, s.t]), s.fixed, s.slope, s.same, s.rest]).T)
            low, high = s.growth
            growth.append([*low.as_integer_ratio(), *(high.as_integer_ratio() if high is not None else (0, 0))])
        return Arrays(
            rows=np.ascontiguousarray(np.concatenate(parts)),
            offsets=np.cumsum([0] + [len(s.c) for s in self.stages]),
            has_same=np.array([bool(s.same.any()) for s in self.stages]),
            growth=np.array(growth, dtype=np.int64),
            layers=np.array([s.layers for s in self.stages], dtype=np.int64),
            prefix=(np.array(self.stage_of) <= np.arange(self.n_stages)[:, None]).astype(np.float64).reshape(-1, m),
            ends=np.array(self.ends, dtype=np.int64),
            log_areas=2.0 * np.log(np.array(self.end_resolution, dtype=np.float64)),
            weights=np.array(scoring.alpha, dtype=np.float64) * float(scoring.convention.layer_factor),
            stem_c=self.stem_c,
            stem_counts=self.stem_counts.astype(np.float64),
            stem_log=self.stem_log,
            tail_fixed=self.tail_fixed.astype(np.float64),
            tail_slope=self.tail_slope.astype(np.float64),
            head_log=float(np.log(float(self.end_channels))) if self.end_channels is not None else -1.0,
            limits=self.limits.astype(np.float64),
            rho_stages=np.array(self.rho_stages, dtype=np.int64),
            rho=1.0 if self.rho is None else float(self.rho),
            penalised=np.array(self.penalised, dtype=np.int64),
            beta=float(scoring.beta),
            squared=scoring.penalty_form == "exp_var",
        )

    def log_end(self, stage: int, channels: Ints | None) -> Floats:
        """``x_j = log(r^2 C)`` at the end of a stage; ``channels`` are those of its last super-block."""
        r = self.end_resolution[stage]
        if stage == self.n_stages - 1 and self.end_channels is not None:
            shape = () if channels is None else np.shape(channels)
            return np.full(shape, np.log(float(r * r * self.end_channels)))
        assert channels is not None
        return np.log((r * r * channels).astype(np.float64))

    def architecture(self, position: Position) -> Architecture:
        """The network that stands at a position."""
        p = self.problem
        stages = tuple(
            Stage(space.block, space.stride, int(s.c[j]), int(s.b[j]), int(s.k[j]), int(depth))
            for space, s, j, depth in zip(p.space, self.stages, position.columns, position.depths, strict=True)
        )
        head = p.head.channels if p.head else None
        stem_part = Stem(int(self.stem_c[position.stem]), p.stem.kernel, p.stem.stride)
        return Architecture(p.input.resolution, stem_part, stages, head, p.input.channels, p.classes)

    def position(self, architecture: Architecture) -> Position:
        """Inverse of :meth:`architecture`, for a network of the space."""
        columns = []
        for s, stage in zip(self.stages, architecture.stages, strict=True):
            match = (s.c == stage.channels) & (s.b == stage.bottleneck) & (s.k == stage.kernel)
            columns.append(int(np.flatnonzero(match)[0]))
        stem = int(np.searchsorted(self.stem_c, architecture.stem.channels))
        return Position(stem, tuple(columns), tuple(stage.depth for stage in architecture.stages))


def build_tables(problem: Problem) -> Tables:
    """Tabulates a problem."""
    check_size(problem)
    conv = problem.scoring.convention
    limits = problem.budgets.limits()
    rho = limits.pop("effectiveness", None)
    counts = tuple(limits)
    figures = tuple(count_of_budget(name, conv) for name in counts)
    stem_c = np.array(problem.stem.channels.values, dtype=np.int64)
    first = problem.space[0]
    stem = plain_conv(
        "conv",
        problem.input.channels,
        stem_c,
        problem.stem.kernel,
        problem.stem.stride,
        problem.input.resolution,
        FAMILIES[first.block].activation,
    )
    stage_of = stage_of_super_blocks([s.stride for s in problem.stages])
    ends = [-1] * (1 + stage_of[-1])
    resolution = [first.resolution] * len(ends)
    se_seen = False
    for i, (space, stage) in enumerate(zip(problem.space, stage_of, strict=True)):
        se_seen |= conv.forgets_resolution and FAMILIES[space.block].has_se
        ends[stage] = i
        resolution[stage] = 1 if se_seen else -(-space.resolution // space.stride)
    tail_fixed, tail_slope = _tail(problem, figures)
    return Tables(
        problem=problem,
        counts=counts,
        limits=np.array([int(limit // 1) for limit in limits.values()], dtype=np.int64),
        rho=rho,
        stem_c=stem_c,
        stem_counts=_counts(stem, figures, stem_c.shape, layers=1, blocks=0),
        stem_log=float(np.log(problem.input.channels * problem.stem.kernel**2)),
        stages=tuple(_stage_tables(space, figures) for space in problem.space),
        tail_fixed=tail_fixed,
        tail_slope=tail_slope,
        has_head=problem.head is not None,
        stage_of=stage_of,
        ends=tuple(ends),
        end_resolution=tuple(resolution),
        end_channels=problem.head.channels if problem.head else None,
    )


def _stage_tables(space: SuperBlockSpace, figures: tuple[str, ...]) -> StageTables:
    family = FAMILIES[space.block]
    c, b, k = _columns(space)
    r_in, r_out = space.resolution, -(-space.resolution // space.stride)

    def block(ci: Ints, stride: int, r: int, first: bool) -> Ints:
        operations = family.operations(ci, c, b, k, stride, r, first=first)
        return _counts(operations, figures, c.shape, layers=family.layers, blocks=1)

    at = [block(np.full_like(c, -n), space.stride, r_in, True) for n in (1, 2)]
    slope = at[0] - at[1]
    fixed = at[0] + slope
    same = block(c, space.stride, r_in, True) - fixed - slope * c
    one = np.ones_like(c)
    t = np.sum([np.log(np.asarray(w, dtype=np.float64)) for w in family.widths(one, c, b, k)], axis=0)
    return StageTables(
        c=c,
        b=b,
        k=k,
        fixed=fixed,
        slope=slope,
        same=same,
        rest=block(c, 1, r_out, False),
        t=t,
        log_c=np.log(c.astype(np.float64)),
        layers=family.layers,
        depths=np.array(space.depths, dtype=np.int64),
        growth=space.growth,
    )


def _columns(space: SuperBlockSpace) -> tuple[Ints, Ints, Ints]:
    """Admitted ``(C, b, k)``, sorted."""
    n_kernels = len(space.kernels)
    counts = [len(widths) for widths in space.widths]
    c = np.repeat(np.array(space.channels, dtype=np.int64), counts)
    b = np.array([b for widths in space.widths for b in widths], dtype=np.int64)
    k = np.tile(np.array(space.kernels, dtype=np.int64), len(c))
    return np.repeat(c, n_kernels), np.repeat(b, n_kernels), k


def check_size(problem: Problem) -> None:
    """Refuses spaces whose tables would not fit into memory or whose counts a float would not hold exactly.

    Raises
    ------
    SpecError
        With the super-block at fault.
    """
    ci, total = problem.stem.channels.values[-1], 0
    for i, space in enumerate(problem.space):
        n = sum(map(len, space.widths)) * len(space.kernels)
        if n > MAX_COLUMNS:
            remedy = f"at most {MAX_COLUMNS} fit the tables: raise a step or narrow bottleneck_ratio"
            raise SpecError(f"stages.{i}.channels", f"{n} combinations of channels, widths and kernels", remedy)
        c, b, k = space.channels[-1], max(max(w, default=1) for w in space.widths), space.kernels[-1]
        family = FAMILIES[space.block]
        for at, repeats in ((ci, 1), (c, space.depths[-1])):
            operations = family.operations(at, c, b, k, 1, space.resolution, first=True)
            total += repeats * sum(op.params + op.macs + op.reference_flops for op in operations)
        ci = c
    if total >= MAX_COUNT:
        raise SpecError("stages", "the largest network has over 9e15 operations", "lower the resolution, channels or depths")


def _tail(problem: Problem, figures: tuple[str, ...]) -> tuple[Ints, Ints]:
    """Counts of head and classifier, which are affine in the last channels."""

    def at(channels: int) -> Ints:
        last = problem.space[-1]
        stage = Stage(last.block, last.stride, channels, 1, 1, 1)
        head = problem.head.channels if problem.head else None
        stem = Stem(1, problem.stem.kernel, problem.stem.stride)
        stages = tuple(Stage(s.block, s.stride, 1, 1, 1, 1) for s in problem.space[:-1]) + (stage,)
        arch = Architecture(problem.input.resolution, stem, stages, head, problem.input.channels, problem.classes)
        both = arch.head_operations + arch.classifier_operations
        with_classifier = _counts(both, figures, (), layers=len(both) > 2, blocks=0)
        backbone = _counts(arch.head_operations, figures, (), layers=0, blocks=0)
        return np.where([f == "params_backbone" for f in figures], backbone, with_classifier)

    slope = at(2) - at(1)
    return at(1) - slope, slope


def _counts(
    operations: tuple[Operation, ...], figures: tuple[str, ...], shape: tuple[int, ...], layers: int, blocks: int
) -> Ints:
    """Sums of the named figures over operations, shape ``(figures, *shape)``."""
    values = []
    for figure in figures:
        if figure in ("layers", "blocks"):
            total = layers if figure == "layers" else blocks
        else:
            attribute = "params" if figure.startswith("params") else figure
            total = sum(getattr(op, attribute) for op in operations)
        values.append(np.broadcast_to(np.asarray(total, dtype=np.int64), shape))
    return np.array(values, dtype=np.int64).reshape(len(figures), *shape)
