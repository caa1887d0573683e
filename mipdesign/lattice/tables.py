"""Lattice tables: every figure of a super-block, for every point of its lattice, as numpy arrays.

A super-block's *columns* are its admitted triples ``(C, b, k)``. Its figures depend on the column, on the depth ``L`` and on
the channels ``ci`` that enter it, in one simple way (``docs/theory.md``, equations 1 and 2)::

    count(ci, column, L) = fixed[column] + ci * slope[column] + [ci = C] * identity[column] + (L - 1) * rest[column]
    log-width sum        = log ci + t[column]                                               + (L - 1) * (log C + t[column])

Formulations, bounds and heuristics all read these tables; :mod:`mipdesign.lattice.build` makes them, and the tests hold them
against the exact evaluator.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from ..networks.architecture import Architecture, Stage, Stem
from ..problem.problem import Problem
from .additive_budgets import AdditiveBudget, integer_limits
from .arrays import DEPTH, TIED, Arrays, Bools, Floats, Ints, Rows, counts_of_rows
from .distinct import distinct
from .position import Position

DOUBT = 1e-12
"""Relative rounding error of a weighted entropy; what it is made of has a hundred terms with 1e-16 each."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class StageTables:
    """Columns of one super-block, sorted by ``(C, family, b, k)``.

    Attributes
    ----------
    blocks:
        Names of the block families.
    c, f, b, k:
        Channels, place of the family in ``blocks``, bottleneck width and kernel of each column, shape ``(columns,)``.
    rows:
        The columns' part of :attr:`Tables.rows`, of which all other figures of columns are read.
    depths:
        Admitted depths, increasing.
    channels, entering:
        All channel counts of the super-block, increasing, also those without a column; the least and the largest number of
        channels that each may follow, shape ``(channels, 2)``.
    growth:
        Bounds of ``C / ci`` that say the same in the least numbers, ``None`` for one that excludes nothing; see
        :meth:`mipdesign.problem.space.SuperBlockSpace.simple_growth`.
    pairs, pair_at:
        What the latency counts for pairs of incoming channels and column, in two flat tables, and where each column's part of
        both begins, shape ``(2, columns)``; empty and 0 without a latency budget. See :mod:`mipdesign.lattice.pairs`.
    """

    blocks: tuple[str, ...]
    c: Ints
    f: Ints
    b: Ints
    k: Ints
    rows: Rows
    depths: Ints
    channels: Ints
    entering: Ints
    growth: tuple[Fraction | None, Fraction | None]
    pairs: Ints
    pair_at: Ints

    @property
    def t(self) -> Floats:
        """``sum log w`` of one block with a single input channel, shape ``(columns,)``."""
        t: Floats = self.rows["block_log"]
        return t

    @cached_property
    def log_c(self) -> Floats:
        """``log C`` of each column."""
        return np.log(self.c.astype(np.float64))

    @property
    def layers(self) -> Ints:
        """Layers per block of each column."""
        return self.rows["layers"].astype(np.int64)

    @property
    def most_incoming(self) -> Ints:
        """The largest number of incoming channels other than ``C`` with which no operation of the first block of each column
        breaks a limit of single operations.
        """
        return self.rows["most_incoming"].astype(np.int64)

    @property
    def identity_fits(self) -> Bools:
        """Whether the first block of each column keeps these limits with ``ci = C``."""
        return self.rows["identity_fits"].astype(np.bool_)

    @property
    def rest_fits(self) -> Bools:
        """Whether later blocks keep them."""
        return self.rows["rest_fits"].astype(np.bool_)

    @cached_property
    def widths(self) -> Ints:
        """The bottleneck widths that occur, increasing."""
        return distinct(self.b)

    @cached_property
    def fixed(self) -> Ints:
        """What the first block counts whatever enters it, shape ``(budgets, columns)``, as the three that follow."""
        return self._counts(0)

    @cached_property
    def slope(self) -> Ints:
        """What it counts for each incoming channel."""
        return self._counts(1)

    @cached_property
    def identity(self) -> Ints:
        """What it counts beside that where the channels stay the same."""
        return self._counts(2)

    @cached_property
    def rest(self) -> Ints:
        """What each further block counts."""
        return self._counts(3)

    def _counts(self, part: int) -> Ints:
        counts: Ints = counts_of_rows(self.rows)[part].astype(np.int64, order="C")
        return counts

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
    rows:
        :attr:`Arrays.rows`.
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
    rows: Rows = field(repr=False)
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
        most = integer_limits((AdditiveBudget.of(name, problem) for name in self.counts), limits.values())
        tables = replace(self, problem=problem, limits=np.array(most, dtype=np.int64), rho=rho)
        tables.__dict__["arrays"] = replace(self.arrays, limits=tables.limits.astype(np.float64), rho=finite_rho(rho))
        return tables

    def once(self, name: str, work_out: Callable[[], Result]) -> Result:
        """What follows from the columns alone, worked out once for all problems that share them."""
        if name not in self.shared:  # of two threads that work it out, both get the same: the core may be at work on it
            self.shared.setdefault(name, work_out())
        found: Result = self.shared[name]
        return found

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
        """Everything that the core needs."""
        scoring, m = self.problem.scoring, len(self.stages)
        families = sorted({name for s in self.stages for name in s.blocks})
        return Arrays(
            rows=self.rows,
            ties=self._ties(),
            paired=self.counts.index("latency") if "latency" in self.counts else -1,
            pairs=np.concatenate([s.pairs for s in self.stages]).astype(np.float64),
            offsets=np.cumsum([0] + [len(s.c) for s in self.stages]),
            has_identity=np.array([bool(counts_of_rows(s.rows)[2].any()) for s in self.stages]),
            entering=np.concatenate([s.entering for s in self.stages]),
            entering_at=np.cumsum([0] + [len(s.channels) for s in self.stages]),
            place_at=self._place_at(),
            channel_logs=np.log(np.concatenate([s.channels for s in self.stages]).astype(np.float64)),
            pair_at=self._pair_at(),
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
            rho=finite_rho(self.rho),
            rho_price=float(scoring.effectiveness_price),
            penalised=np.array(self.penalised, dtype=np.int64),
            depths=np.concatenate([s.depths for s in self.stages]),
            depth_at=np.cumsum([0] + [len(s.depths) for s in self.stages]),
            families=np.array([[s.blocks.index(f) if f in s.blocks else -1 for f in families] for s in self.stages]),
            beta=float(scoring.beta),
            squared=scoring.penalty_form == "exp_var",
        )

    def _pair_at(self) -> Ints:
        """:attr:`Arrays.pair_at`, empty without a latency budget."""
        before = np.cumsum([0] + [len(s.pairs) for s in self.stages])
        if not before[-1]:
            return np.zeros((2, 0), dtype=np.int64)
        return np.concatenate([s.pair_at + n for s, n in zip(self.stages, before, strict=False)], axis=1)

    def _place_at(self) -> Ints:
        """:attr:`Arrays.place_at`: columns are sorted by their channels."""
        places = [np.searchsorted(s.c, s.channels) for s in self.stages]
        first = np.cumsum([0] + [len(s.c) for s in self.stages])
        return np.append(np.concatenate([at + n for at, n in zip(places, first, strict=False)]), first[-1])

    def _ties(self) -> Ints:
        """:attr:`Arrays.ties`: each super-block of a tie with the one before it."""
        numbers = {"depth": DEPTH} | {name: n for n, name in enumerate(TIED)}
        names = {"block": "family", "bottleneck": "width"}
        pairs = [
            (numbers[names.get(tie.axis, tie.axis)], i, j)
            for tie in self.problem.tied
            for i, j in itertools.pairwise(tie.stages)
        ]
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


def finite_rho(limit: Fraction | None) -> float:
    """A limit of the effectiveness for floating point, within what any network has: from a layer of 1e100 inputs to 1e100
    layers. It excludes as much as the limit itself.
    """
    return np.inf if limit is None else float(min(max(limit, Fraction(1, 10**100)), Fraction(10**100)))
