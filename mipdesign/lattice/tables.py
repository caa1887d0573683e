"""Lattice tables: every figure of a super-block, for every point of its lattice, as numpy arrays.

A super-block's *columns* are its admitted triples ``(C, b, k)``. Its figures depend on the column, on the depth ``L`` and on
the channels ``ci`` that enter it, in one simple way (``docs/theory.md``)::

    count(ci, column, L) = fixed[column] + ci * slope[column] + [ci = C] * same[column] + (L - 1) * rest[column]
    log-width sum        = log ci + t[column]                                           + (L - 1) * (log C + t[column])

Formulations, bounds and heuristics all read these tables; they are built from :mod:`mipdesign.networks.blocks` and checked
against the exact evaluator by the tests.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import SpecError
from ..networks.architecture import Architecture, Stage, Stem
from ..networks.blocks import FAMILIES, Int, Operation, plain_conv
from ..networks.evaluator import LOWER, SIZES, UPPER_ONLY, count_of_budget
from ..networks.latency import LatencyModel
from ..networks.objective import stage_of_super_blocks
from ..problem.problem import Problem
from ..problem.space import SuperBlockSpace
from .pairs import Excess, Gaps, StageColumns, StageLatency, Timer, stage_latencies

MAX_COUNT = 2**53
"""Counts below it are exact in floating point as well."""
DOUBT = 1e-12
"""Relative rounding error of a weighted entropy; what it is made of has a hundred terms with 1e-16 each."""
MAX_CHANNELS = 2**31
"""More channels than any lattice holds."""
MAX_COLUMNS = 2_000_000
"""Most columns that one super-block may have."""

CHANNELS, LOG_CHANNELS, BLOCK_LOG, LAYERS, MOST_INCOMING, TWIN_FITS, REST_FITS, PLACE, PAIR, OTHER_PAIR = range(10)
"""Places in a row of :attr:`Arrays.rows`: ``C, log C, t``, layers, three limits, the place of ``C``, where the column's two
tables of pairs begin."""
FAMILY, WIDTH, KERNEL, HAS_SE, COUNTS = range(10, 15)
"""Further places: which of all families the column has, ``b, k``, whether it has SE blocks, and the first count."""
DEPTH = -1
"""Stands for the depth in :attr:`Arrays.ties`, where the other parts are places in a row."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Result = TypeVar("Result")


class Position(NamedTuple):
    """A network as table positions: index of the stem in ``tables.stem_c``; column and depth of each super-block."""

    stem: int
    columns: tuple[int, ...]
    depths: tuple[int, ...]


@dataclass(frozen=True)
class Candidate:
    """A network that competes for the best, with its floating-point objective."""

    position: Position
    objective: float


class Arrays(NamedTuple):
    """A problem as plain arrays, for compiled loops; meanings as in :class:`Tables` where the names are the same.

    Attributes
    ----------
    rows:
        One row per column of every super-block: ``C, log C, t``, layers per block, :attr:`StageTables.most_incoming`,
        ``twin_fits`` and ``rest_fits``, the place of ``C`` among the channels, where the two tables of :attr:`pairs` begin,
        the family, ``b`` and ``k``, whether it has SE blocks, then ``fixed, slope, same, rest`` of each budget.
    ties:
        Pairs of super-blocks that have something in common: its place in a row (or :data:`DEPTH`), and both super-blocks;
        shape ``(ties, 3)``.
    paired, pairs:
        Budget whose counts depend on pairs of incoming channels and column in no simple way (-1 if there is none), and what
        it counts for them: ``pairs[begin + place of ci]`` of both tables together.
    offsets:
        First row of each super-block, and the number of rows.
    has_same:
        Which super-blocks have counts that depend on ``[ci = C]``.
    entering, entering_at:
        Least and largest number of channels that each channel count may follow, worked out in exact fractions, one row for
        each place; and where the rows of each super-block begin.
    prefix:
        1 where a super-block belongs to the prefix that ends with a stage, shape ``(stages, super_blocks)``.
    log_areas, forgets:
        ``log r^2`` at the end of each stage, and whether the convention takes it as 0 from the first SE block on; already 0
        where every network has one before.
    weights:
        :attr:`mipdesign.networks.evaluator.Scoring.weights`.
    head_log:
        Logarithm of the head's channels, -1 without a head.
    rho_stages, rho, rho_price:
        Stages whose prefixes the effectiveness is the maximum of, where it is limited or priced; its limit (infinite where
        there is none) and its price.
    penalised, beta, squared:
        Super-blocks whose depths the penalty counts, its factor, and whether it is ``exp_var`` and not ``exp_std``.
    """

    rows: Floats
    ties: Ints
    paired: int
    pairs: Floats
    offsets: Ints
    has_same: Bools
    entering: Ints
    entering_at: Ints
    prefix: Floats
    ends: Ints
    log_areas: Floats
    forgets: bool
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
    rho_price: float
    penalised: Ints
    beta: float
    squared: bool


@dataclass(frozen=True)
class StageTables:
    """Columns of one super-block, sorted by ``(C, family, b, k)``.

    Attributes
    ----------
    blocks:
        Names of the block families.
    c, f, b, k:
        Channels, place of the family in ``blocks``, bottleneck width and kernel of each column, shape ``(columns,)``.
    fixed, slope, same, rest:
        Counts, shape ``(budgets, columns)``; see the module's formula.
    t:
        ``sum log w`` of one block with a single input channel, shape ``(columns,)``.
    log_c:
        ``log C`` of each column.
    layers:
        Layers per block of each column.
    most_incoming, twin_fits, rest_fits:
        Limits that hold for single operations: the largest number of incoming channels other than ``C`` with which the first
        block of each column keeps them, whether ``ci = C`` does, and whether further blocks do.
    depths:
        Admitted depths, increasing.
    channels, entering:
        All channel counts of the super-block, increasing, also those without a column; the least and the largest number of
        channels that each may follow, shape ``(channels, 2)``.
    growth:
        Bounds of ``C / ci`` that say the same in the least numbers, ``None`` for one that excludes nothing; see
        :meth:`mipdesign.problem.space.SuperBlockSpace.simple_growth`.
    pairs, pair_at:
        What the latency counts for pairs of incoming channels and column, in two flat tables of which each column's part
        begins at ``pair_at``, shape ``(2, columns)``; empty without a latency budget. See :mod:`mipdesign.lattice.pairs`.
    """

    blocks: tuple[str, ...]
    c: Ints
    f: Ints
    b: Ints
    k: Ints
    fixed: Ints
    slope: Ints
    same: Ints
    rest: Ints
    t: Floats
    log_c: Floats
    layers: Ints
    most_incoming: Ints
    twin_fits: Bools
    rest_fits: Bools
    depths: Ints
    channels: Ints
    entering: Ints
    growth: tuple[Fraction | None, Fraction | None]
    pairs: Ints
    pair_at: Ints

    def follows(self, ci: Ints | Floats | int, c: Ints | Floats) -> Bools:
        """Which channels ``c`` of the super-block may come after ``ci`` (broadcast), exactly."""
        window = self.entering[np.searchsorted(self.channels, c)]
        ok: Bools = (window[..., 0] <= ci) & (ci <= window[..., 1])
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
        Resolution at the end of each stage, as the convention sees it; where a choice of families leaves open whether it
        forgets the resolution, the true one.
    end_channels:
        Channels at the end of the last stage if a head fixes them.
    shared:
        What :meth:`once` has worked out.
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
    shared: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

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
        """Stages of whose prefixes the effectiveness is the maximum, where it is limited or priced."""
        if self.rho is None and not self.problem.scoring.effectiveness_price:
            return ()
        every = tuple(range(self.n_stages))
        return every if self.problem.scoring.convention.prefix_effectiveness else every[-1:]

    def with_limits(self, problem: Problem) -> Tables:
        """The tables of a problem that differs in the limits of sums only; what is large is shared."""
        limits = problem.budgets.limits()
        rho = limits.pop("effectiveness", None)
        most = _most((Figure.of(name, problem) for name in self.counts), limits.values())
        tables = replace(self, problem=problem, limits=np.array(most, dtype=np.int64), rho=rho)
        tables.__dict__["arrays"] = self.arrays._replace(limits=tables.limits.astype(np.float64), rho=_rho(rho))
        return tables

    def once(self, name: str, work_out: Callable[[], Result]) -> Result:
        """What follows from the columns alone, worked out once for all problems that share them."""
        if name not in self.shared:
            self.shared[name] = work_out()
        found: Result = self.shared[name]
        return found

    @property
    def transposed(self) -> Floats:
        """:attr:`Arrays.rows`, transposed: one row per part."""
        return self.once("transposed", lambda: np.ascontiguousarray(self.arrays.rows.T))

    @cached_property
    def doubt(self) -> float:
        """Absolute rounding error of any network's objective in floating point: what is small as a difference of large terms
        has an error relative to those.
        """
        log_before, most, total, weights = np.log(self.stem_c[-1]), self.stem_log, 0.0, self.problem.scoring.weights
        for j in range(self.n_stages):
            for s, stage in zip(self.stages, self.stage_of, strict=True):
                if stage == j:
                    most += float(log_before + (s.t + (s.depths[-1] - 1) * (s.log_c + s.t)).max())
                    log_before = s.log_c[-1]
            end = max(self.end_channels or 1, int(self.stem_c[-1]), *(int(s.c[-1]) for s in self.stages))
            most += log_before if j == self.n_stages - 1 and self.has_head else 0.0
            total += weights[j] * float(np.log(float(self.problem.input.resolution**2 * end))) * most
        return DOUBT * total

    @cached_property
    def arrays(self) -> Arrays:
        """Everything that compiled loops need."""
        scoring, m = self.problem.scoring, len(self.stages)
        parts, n_pairs = [], 0
        families = {name: n for n, name in enumerate(sorted({block for s in self.stages for block in s.blocks}))}
        for s in self.stages:
            place = np.searchsorted(s.channels, s.c)
            limits = (s.most_incoming, s.twin_fits, s.rest_fits)
            family = np.array([families[block] for block in s.blocks])[s.f]
            has_se = np.array([FAMILIES[block].has_se for block in s.blocks])[s.f]
            numbers = np.array([s.c, s.log_c, s.t, s.layers, *limits, place, *(s.pair_at + n_pairs), family, s.b, s.k, has_se])
            n_pairs += len(s.pairs)
            parts.append(np.concatenate([numbers, s.fixed, s.slope, s.same, s.rest]).T)
        return Arrays(
            rows=np.ascontiguousarray(np.concatenate(parts)),
            ties=self._ties(),
            paired=self.counts.index("latency") if "latency" in self.counts else -1,
            pairs=np.concatenate([s.pairs for s in self.stages]).astype(np.float64),
            offsets=np.cumsum([0] + [len(s.c) for s in self.stages]),
            has_same=np.array([bool(s.same.any()) for s in self.stages]),
            entering=np.concatenate([s.entering for s in self.stages]),
            entering_at=np.cumsum([0] + [len(s.channels) for s in self.stages]),
            prefix=(np.array(self.stage_of) <= np.arange(self.n_stages)[:, None]).astype(np.float64).reshape(-1, m),
            ends=np.array(self.ends, dtype=np.int64),
            log_areas=2.0 * np.log(np.array(self.end_resolution, dtype=np.float64)),
            forgets=scoring.convention.forgets_resolution,
            weights=np.array(scoring.weights, dtype=np.float64),
            stem_c=self.stem_c,
            stem_counts=self.stem_counts.astype(np.float64),
            stem_log=self.stem_log,
            tail_fixed=self.tail_fixed.astype(np.float64),
            tail_slope=self.tail_slope.astype(np.float64),
            head_log=float(np.log(float(self.end_channels))) if self.end_channels is not None else -1.0,
            limits=self.limits.astype(np.float64),
            rho_stages=np.array(self.rho_stages, dtype=np.int64),
            rho=_rho(self.rho),
            rho_price=float(scoring.effectiveness_price),
            penalised=np.array(self.penalised, dtype=np.int64),
            beta=float(scoring.beta),
            squared=scoring.penalty_form == "exp_var",
        )

    def _ties(self) -> Ints:
        """:attr:`Arrays.ties`: each super-block of a tie with the one before it."""
        places = {"block": FAMILY, "channels": CHANNELS, "bottleneck": WIDTH, "kernel": KERNEL, "depth": DEPTH}
        pairs = [(places[tie.axis], i, j) for tie in self.problem.tied for i, j in itertools.pairwise(tie.stages)]
        return np.array(pairs, dtype=np.int64).reshape(-1, 3)

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
            Stage(s.blocks[s.f[j]], space.stride, int(s.c[j]), int(s.b[j]), int(s.k[j]), int(depth))
            for space, s, j, depth in zip(p.space, self.stages, position.columns, position.depths, strict=True)
        )
        head = p.head.channels if p.head else None
        stem_part = Stem(int(self.stem_c[position.stem]), p.stem.kernel, p.stem.stride)
        return Architecture(p.input.resolution, stem_part, stages, head, p.input.channels, p.classes)

    def position(self, architecture: Architecture) -> Position:
        """Inverse of :meth:`architecture`, for a network of the tables.

        Raises
        ------
        ValueError
            If the tables do not hold it.
        """
        found = self.find(architecture)
        if found is None:
            raise ValueError("the tables do not hold this network")
        return found

    def find(self, architecture: Architecture) -> Position | None:
        """Where a network stands, budgets and chain rule aside; ``None`` if the tables do not hold it."""
        if architecture.stem.channels not in self.stem_c or len(architecture.stages) != len(self.stages):
            return None
        columns = []
        for s, stage in zip(self.stages, architecture.stages, strict=True):
            if stage.block not in s.blocks or stage.depth not in s.depths:
                return None
            match = (s.c == stage.channels) & (s.b == stage.bottleneck) & (s.k == stage.kernel)
            there = np.flatnonzero(match & (s.f == s.blocks.index(stage.block)))
            if not len(there):
                return None
            columns.append(int(there[0]))
        stem = int(np.searchsorted(self.stem_c, architecture.stem.channels))
        return Position(stem, tuple(columns), tuple(stage.depth for stage in architecture.stages))


def build_tables(problem: Problem, like: Tables | None = None) -> Tables:
    """Tabulates a problem.

    Parameters
    ----------
    like:
        Tables of another problem, which serve again where the two differ in nothing but the limits of sums.
    """
    if like is not None and _same_columns(problem, like.problem):
        return like.with_limits(problem)
    check_size(problem)
    conv = problem.scoring.convention
    limits = problem.budgets.limits()
    rho, memory, latency = (limits.pop(name, None) for name in ("effectiveness", "activation_memory", "latency"))
    most_elements = None
    if memory is not None:
        most_elements = min(math.floor(memory / problem.budgets.bytes_of("activation_memory")), MAX_COUNT)
    counts = tuple(limits)
    figures = tuple(Figure.of(name, problem) for name in counts)
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
    tail_fixed, tail_slope = _tail(problem, figures)
    before = [problem.stem.channels.values, *(space.channels for space in problem.space)]
    stages = [_stage_tables(*pair, figures, most_elements) for pair in zip(problem.space, before, strict=False)]
    if most_elements is not None:
        stages = _with_outer_peaks(problem, stages, _peak(stem), most_elements)
    most = _most(figures, limits.values())
    stem_counts = _counts(stem, figures, stem_c.shape, layers=1, blocks=0)
    if latency is not None and problem.budgets.latency is not None:
        model, columns = problem.budgets.latency.model, [StageColumns(s.c, s.f, s.b, s.k) for s in stages]
        longest = check_time(problem, model)
        most_nanoseconds = min(math.floor(latency * 1000), longest)
        timer = Timer(model, most_nanoseconds + 1)
        latencies = stage_latencies(problem, columns, timer)
        if timer.lacking:
            gaps = Gaps(model, 1, exceeds=excess_of(problem))
            from ..search.coverage import require_covered  # which needs tables itself

            require_covered(problem, stage_latencies(problem, columns, gaps))
        stages = [_with_latency(*pair) for pair in zip(stages, latencies, strict=True)]
        counts, most = (*counts, "latency"), [*most, most_nanoseconds]
        stem_counts = np.vstack([stem_counts, np.zeros_like(stem_c)])
        tail_fixed, tail_slope = np.append(tail_fixed, 0), np.append(tail_slope, 0)
    return Tables(
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


def _rho(limit: Fraction | None) -> float:
    """A limit of the effectiveness for floating point, within what any network has: from a layer of 1e100 inputs to 1e100
    layers. It excludes as much as the limit itself.
    """
    return np.inf if limit is None else float(min(max(limit, Fraction(1, 10**100)), Fraction(10**100)))


def _most(figures: Iterable[Figure], limits: Iterable[Fraction]) -> list[int]:
    """The largest sums that keep their limits."""
    return [figure.limit(limit) for figure, limit in zip(figures, limits, strict=True)]


OF_OPERATIONS = ("activation_memory", "latency")
"""Budgets whose limits decide which columns there are, or what they count."""


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


def _with_latency(tables: StageTables, latency: StageLatency) -> StageTables:
    """Tables of a super-block with one more budget."""
    zero = np.zeros_like(tables.c)
    return replace(
        tables,
        fixed=np.vstack([tables.fixed, latency.fixed]),
        slope=np.vstack([tables.slope, zero]),
        same=np.vstack([tables.same, zero]),
        rest=np.vstack([tables.rest, latency.rest]),
        pairs=latency.pairs,
        pair_at=latency.pair_at,
    )


@dataclass(frozen=True)
class Figure:
    """An additive integer budget: which figure it sums, and with which factor; lower limits are upper ones of the negative.

    Attributes
    ----------
    name:
        ``params_total``, ``params_backbone``, ``macs``, ``reference_flops``, ``activations``, ``layers`` or ``blocks``.
    factor:
        What each unit counts.
    """

    name: str
    factor: int = 1

    @classmethod
    def of(cls, budget: str, problem: Problem) -> Figure:
        """The figure of a budget."""
        name, sign = count_of_budget(budget, problem.scoring.convention), -1 if budget.startswith(LOWER) else 1
        if name == "weights_bytes":
            return cls("params_total", sign * problem.budgets.bytes_of(name))
        return cls(name, sign)

    def limit(self, limit: Fraction) -> int:
        """The largest value of the sum that keeps a limit, cut off at :data:`MAX_COUNT`, which no network reaches."""
        most = math.floor(limit) if self.factor > 0 else -math.ceil(limit)
        return max(-MAX_COUNT, min(most, MAX_COUNT))

    def of_operation(self, op: Operation) -> Int:
        """What one operation adds; 0 for figures that are not sums over operations."""
        if self.name in ("layers", "blocks"):
            return 0
        return getattr(op, "params" if self.name.startswith("params") else self.name) * self.factor


def _stage_tables(
    space: SuperBlockSpace, previous: Sequence[int], figures: tuple[Figure, ...], most_elements: int | None
) -> StageTables:
    """Tables of a super-block that follows some channels, increasing; without latency."""
    parts = [_columns_of(space, f, figures) for f in range(len(space.choices))]
    joined = {name: np.concatenate([part[name] for part in parts], axis=-1) for name in parts[0]}
    order = np.lexsort((joined["k"], joined["b"], joined["f"], joined["c"]))
    columns = {name: np.ascontiguousarray(values[..., order]) for name, values in joined.items()}
    most, twin_fits, rest_fits = _single_limits(space, columns, most_elements)
    return StageTables(
        blocks=space.blocks,
        **columns,
        log_c=np.log(columns["c"].astype(np.float64)),
        most_incoming=most,
        twin_fits=twin_fits,
        rest_fits=rest_fits,
        pairs=np.zeros(0, dtype=np.int64),
        pair_at=np.zeros((2, len(columns["c"])), dtype=np.int64),
        depths=np.array(space.depths, dtype=np.int64),
        channels=np.array(space.channels, dtype=np.int64),
        entering=np.minimum(np.array([space.entering(c) for c in space.channels], dtype=object), MAX_CHANNELS).astype(np.int64),
        growth=space.simple_growth(previous),
    )


def _columns_of(space: SuperBlockSpace, f: int, figures: tuple[Figure, ...]) -> dict[str, NDArray[Any]]:
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
        return _counts(operations, figures, c.shape, layers=family.layers, blocks=1)

    at = [block(np.full_like(c, -n), space.stride, r_in, True) for n in (1, 2)]
    slope = at[0] - at[1]
    fixed = at[0] + slope
    same = block(c, space.stride, r_in, True) - fixed - slope * c
    one = np.ones_like(c)
    t = np.sum([np.log(np.asarray(w, dtype=np.float64)) for w in family.widths(one, c, b, k)], axis=0)
    rest = block(c, 1, r_out, False)
    shared = {"f": np.full_like(c, f), "layers": np.full_like(c, family.layers)}
    return {"c": c, "b": b, "k": k, "t": t, "fixed": fixed, "slope": slope, "same": same, "rest": rest, **shared}


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
        stages[0] = replace(first, most_incoming=few, twin_fits=first.twin_fits & (first.c <= most))
    last = stages[-1]
    channels, inverse = np.unique(last.c, return_inverse=True)
    outer = [_smallest(problem, int(c)) for c in channels]
    fits = [int(_peak(a.head_operations + a.classifier_operations)) <= most_elements for a in outer]
    ok = np.array(fits)[inverse]
    stages[-1] = replace(last, most_incoming=np.where(ok, last.most_incoming, 0), twin_fits=ok & last.twin_fits)
    return stages


def check_size(problem: Problem) -> None:
    """Refuses spaces whose tables would not fit into memory or whose counts a float would not hold exactly.

    Raises
    ------
    SpecError
        With the super-block at fault.
    """
    ci, total = problem.stem.channels.values[-1], 0
    for i, space in enumerate(problem.space):
        n = sum(space.columns(at) for at in range(len(space.channels)))
        if n > MAX_COLUMNS:
            remedy = f"at most {MAX_COLUMNS} fit the tables: raise a step or narrow bottleneck_ratio"
            raise SpecError(f"stages.{i}.channels", f"{n} combinations of channels, widths and kernels", remedy)
        c = space.channels[-1]
        for choice in space.choices:
            b, k = max(max(widths, default=1) for widths in choice.widths), choice.kernels[-1]
            for at, repeats in ((ci, 1), (c, space.depths[-1])):
                total += repeats * _work(FAMILIES[choice.block].operations(at, c, b, k, 1, space.resolution, first=True))
        ci = c
    stem, outer = problem.stem, _smallest(problem, ci)
    place = (stem.kernel, stem.stride, problem.input.resolution, FAMILIES[problem.space[0].blocks[0]].activation)
    total += _work(plain_conv("conv", problem.input.channels, stem.channels.values[-1], *place))
    total += _work(outer.head_operations + outer.classifier_operations)
    if total * 16 >= MAX_COUNT:
        raise SpecError("stages", "the largest network has over 5e14 operations", "lower the resolution, channels or depths")


def _work(operations: tuple[Operation, ...]) -> int:
    """What some operations of one network count, everything together; no single count is more."""
    return sum(int(op.params + op.macs + op.reference_flops + op.activations) for op in operations)


def check_time(problem: Problem, model: LatencyModel) -> int:
    """More nanoseconds than any network takes: the longest of a table for each operation of the deepest network.

    Raises
    ------
    SpecError
        If they are more than a float holds exactly.
    """
    outer = _smallest(problem, 1)
    operations = len(outer.stem_operations + outer.head_operations + outer.classifier_operations)
    for space in problem.space:
        c, most = space.channels[-1], 0
        for choice in space.choices:
            b, k = max(max(widths, default=1) for widths in choice.widths), choice.kernels[-1]
            for ci in (c, c + 1):
                most = max(most, len(FAMILIES[choice.block].operations(ci, c, b, k, 2, space.resolution, first=True)))
        operations += space.depths[-1] * most
    longest = operations * max((int(grid.values.max()) for grid in model.table.grids.values()), default=0)
    if 16 * longest >= MAX_COUNT:
        text = f"the longest of its latencies times {operations} operations is over 5e14 nanoseconds"
        raise SpecError("budgets.latency.table", text, "measure shorter operations, or lower the depths")
    return longest


def _tail(problem: Problem, figures: tuple[Figure, ...]) -> tuple[Ints, Ints]:
    """Counts of head and classifier, which are affine in the last channels."""

    def at(channels: int) -> Ints:
        arch = _smallest(problem, channels)
        both = arch.head_operations + arch.classifier_operations
        with_classifier = _counts(both, figures, (), layers=len(both) > 2, blocks=0)
        backbone = _counts(arch.head_operations, figures, (), layers=0, blocks=0)
        return np.where([f.name == "params_backbone" for f in figures], backbone, with_classifier)

    slope = at(2) - at(1)
    return at(1) - slope, slope


def _smallest(problem: Problem, last_channels: int) -> Architecture:
    """A network with the head and classifier of a problem and a given number of channels before them."""
    channels = [1] * (len(problem.space) - 1) + [last_channels]
    stages = tuple(Stage(s.blocks[0], s.stride, c, 1, 1, 1) for s, c in zip(problem.space, channels, strict=True))
    head, stem = problem.head.channels if problem.head else None, Stem(1, problem.stem.kernel, problem.stem.stride)
    return Architecture(problem.input.resolution, stem, stages, head, problem.input.channels, problem.classes)


def _counts(
    operations: tuple[Operation, ...], figures: tuple[Figure, ...], shape: tuple[int, ...], layers: int, blocks: int
) -> Ints:
    """Sums of figures over operations, shape ``(figures, *shape)``."""
    values = []
    for figure in figures:
        total = sum(figure.of_operation(op) for op in operations)
        total += figure.factor * {"layers": layers, "blocks": blocks}.get(figure.name, 0)
        values.append(np.broadcast_to(np.asarray(total, dtype=np.int64), shape))
    return np.array(values, dtype=np.int64).reshape(len(figures), *shape)


def excess_of(problem: Problem) -> Excess:
    """Whether an operation alone breaks an upper limit of a problem."""
    upper = []
    for name, limit in problem.budgets.limits().items():
        if name not in (*UPPER_ONLY, "layers", "blocks") and not name.startswith(LOWER):
            figure = Figure.of(name, problem)
            upper.append((figure, figure.limit(limit)))

    def exceeds(op: Operation) -> Int:
        too_much: Int = np.False_
        for figure, most in upper:
            if figure.name != "params_backbone" or op.kind != "linear":
                too_much = too_much | np.asarray(figure.of_operation(op) > most)  # figures may be numbers or arrays
        return too_much

    return exceeds
