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
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from ..networks.architecture import Architecture, Stage, Stem
from ..problem.problem import Problem
from .additive_budgets import AdditiveBudget, integer_limits
from .arrays import (
    BLOCK_EXTRA,
    BLOCK_LOG,
    CHANNELS,
    DEPTH,
    FAMILY,
    IDENTITY_FITS,
    KERNEL,
    LAYERS,
    LOG_CHANNELS,
    MOST_INCOMING,
    OTHER_PAIR,
    PAIR,
    REST_FITS,
    WIDTH,
    Arrays,
    Bools,
    Floats,
    Ints,
    count_parts,
)
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
    parts:
        The columns' part of :attr:`Tables.transposed`, of which all other figures of columns are read.
    depths:
        Admitted depths, increasing.
    channels, entering:
        All channel counts of the super-block, increasing, also those without a column; the least and the largest number of
        channels that each may follow, shape ``(channels, 2)``.
    growth:
        Bounds of ``C / ci`` that say the same in the least numbers, ``None`` for one that excludes nothing; see
        :meth:`mipdesign.problem.space.SuperBlockSpace.simple_growth`.
    pairs, first_pair:
        What the latency counts for pairs of incoming channels and column, in two flat tables of which each column's part
        begins at :attr:`pair_at`; empty without a latency budget. See :mod:`mipdesign.lattice.pairs`. And how many entries
        the super-blocks before have.
    """

    blocks: tuple[str, ...]
    c: Ints
    f: Ints
    b: Ints
    k: Ints
    parts: Floats
    depths: Ints
    channels: Ints
    entering: Ints
    growth: tuple[Fraction | None, Fraction | None]
    pairs: Ints
    first_pair: int

    @property
    def t(self) -> Floats:
        """``sum log w`` of one block with a single input channel, shape ``(columns,)``."""
        return self._part(BLOCK_LOG)

    @property
    def extra(self) -> Floats:
        """What the layer terms of one block have beside its log widths."""
        return self._part(BLOCK_EXTRA)

    @property
    def log_c(self) -> Floats:
        """``log C`` of each column."""
        return self._part(LOG_CHANNELS)

    @property
    def layers(self) -> Ints:
        """Layers per block of each column."""
        return self._part(LAYERS).astype(np.int64)

    @property
    def most_incoming(self) -> Ints:
        """The largest number of incoming channels other than ``C`` with which no operation of the first block of each column
        breaks a limit of single operations.
        """
        return self._part(MOST_INCOMING).astype(np.int64)

    @property
    def identity_fits(self) -> Bools:
        """Whether the first block of each column keeps these limits with ``ci = C``."""
        return self._part(IDENTITY_FITS).astype(np.bool_)

    @property
    def rest_fits(self) -> Bools:
        """Whether later blocks keep them."""
        return self._part(REST_FITS).astype(np.bool_)

    @property
    def pair_at(self) -> Ints:
        """Where each column's part of both tables of :attr:`pairs` begins, shape ``(2, columns)``."""
        at: Ints = self.parts[PAIR : OTHER_PAIR + 1].astype(np.int64) - self.first_pair
        return at

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

    def _part(self, place: int) -> Floats:
        part: Floats = self.parts[place]
        return part

    def _counts(self, part: int) -> Ints:
        counts: Ints = count_parts(self.parts)[part].astype(np.int64)
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
    stem_log, stem_extra, head_extra:
        ``log w`` of the stem; what the layer terms of stem and head have beside their log widths.
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
    transposed:
        :attr:`Arrays.rows`, transposed: one row per part.
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
    stem_extra: float
    stages: tuple[StageTables, ...]
    tail_fixed: Ints
    tail_slope: Ints
    has_head: bool
    head_extra: float
    stage_of: tuple[int, ...]
    ends: tuple[int, ...]
    end_resolution: tuple[int, ...]
    end_channels: int | None
    transposed: Floats = field(repr=False)
    shared: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def n_stages(self) -> int:
        """Number of down-sampling stages."""
        return len(self.ends)

    @property
    def has_extra(self) -> bool:
        """Whether some layer terms are not just log widths."""
        return bool(self.stem_extra or self.head_extra or self.transposed[BLOCK_EXTRA].any())

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
        scoring = self.problem.scoring
        log_before, most, total = np.log(self.stem_c[-1]), self.stem_log + abs(self.stem_extra), 0.0
        for j in range(self.n_stages):
            for s, stage in zip(self.stages, self.stage_of, strict=True):
                if stage == j:
                    of_block = s.t + abs(s.extra)
                    most += float(log_before + (of_block + (s.depths[-1] - 1) * (s.log_c + of_block)).max())
                    log_before = s.log_c[-1]
            end = max(self.end_channels or 1, int(self.stem_c[-1]), *(int(s.c[-1]) for s in self.stages))
            most += log_before + abs(self.head_extra) if j == self.n_stages - 1 and self.has_head else 0.0
            x = scoring.effect_of_end(self.problem.input.resolution, end)
            total += scoring.formula.term(scoring.weights[j], scoring.end_weights[j], x, most)
        return DOUBT * total

    @cached_property
    def arrays(self) -> Arrays:
        """Everything that the core needs."""
        scoring, m = self.problem.scoring, len(self.stages)
        return Arrays(
            rows=np.ascontiguousarray(self.transposed.T),
            transposed=self.transposed,
            ties=self._ties(),
            paired=self.counts.index("latency") if "latency" in self.counts else -1,
            pairs=np.concatenate([s.pairs for s in self.stages]).astype(np.float64),
            offsets=np.cumsum([0] + [len(s.c) for s in self.stages]),
            has_identity=np.array([bool(count_parts(s.parts)[2].any()) for s in self.stages]),
            entering=np.concatenate([s.entering for s in self.stages]),
            entering_at=np.cumsum([0] + [len(s.channels) for s in self.stages]),
            prefix=(np.array(self.stage_of) <= np.arange(self.n_stages)[:, None]).astype(np.float64).reshape(-1, m),
            ends=np.array(self.ends, dtype=np.int64),
            log_areas=scoring.exponents[1] * 2.0 * np.log(np.array(self.end_resolution, dtype=np.float64)),
            forgets=scoring.convention.forgets_resolution,
            channels_exponent=float(scoring.exponents[0]),
            additive=scoring.additive,
            weights=np.array(scoring.weights, dtype=np.float64),
            end_weights=np.array(scoring.end_weights) if scoring.additive else np.zeros(self.n_stages),
            has_extra=self.has_extra,
            stem_c=self.stem_c,
            stem_counts=self.stem_counts.astype(np.float64),
            stem_log=self.stem_log,
            stem_extra=self.stem_extra,
            tail_fixed=self.tail_fixed.astype(np.float64),
            tail_slope=self.tail_slope.astype(np.float64),
            head_log=float(np.log(float(self.end_channels))) if self.end_channels is not None else -1.0,
            head_extra=self.head_extra,
            limits=self.limits.astype(np.float64),
            rho_stages=np.array(self.rho_stages, dtype=np.int64),
            rho=finite_rho(self.rho),
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
        """``x_j = a1 log C + a2 log r^2`` at the end of a stage; ``channels`` are those of its last super-block."""
        r, exponents = self.end_resolution[stage], self.problem.scoring.exponents
        if stage == self.n_stages - 1 and self.end_channels is not None:
            channels = np.full(() if channels is None else np.shape(channels), self.end_channels)
        assert channels is not None
        if exponents == (1.0, 1.0):
            return np.log((r * r * channels).astype(np.float64))
        return exponents[0] * np.log(channels.astype(np.float64)) + exponents[1] * 2.0 * math.log(r)

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
