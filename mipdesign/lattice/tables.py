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
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..networks.architecture import Architecture, Stage, Stem, single
from ..networks.blocks import FAMILIES
from ..networks.budget_names import LATENCY, LOWER, kind_of_budget
from ..networks.operation import kernel_code, kernel_of
from ..problem.problem import Problem
from ..problem.ties import Tie
from .additive_budgets import AdditiveBudget, integer_limits
from .arrays import ABSENT, DEPTH, PRESENCE, TIED, Arrays, Floats, Ints, Rows, counts_of_rows, finite_rho
from .position import Position
from .stage_tables import StageTables

DOUBT = 1e-12
"""Relative rounding error of a weighted entropy; what it is made of has a hundred terms with 1e-16 each."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Tables:
    """All tables of a problem.

    Attributes
    ----------
    problem:
        What they describe.
    counts:
        Names of the additive integer budgets, in the order of the first axis of the count arrays; latencies are the last.
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
    ties:
        What elements have in common.
    stem_next, tail_bits:
        :attr:`Arrays.stem_next` and :attr:`Arrays.tail_bits`.
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
    ties: tuple[Tie, ...]
    stem_next: Ints
    tail_bits: int
    rows: Rows = field(repr=False)
    shared: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def n_stages(self) -> int:
        """Number of down-sampling stages."""
        return len(self.ends)

    @property
    def has_extra(self) -> bool:
        """Whether some layer terms are not just log widths."""
        return bool(self.stem_extra or self.head_extra or any(s.extra.any() for s in self.stages))

    @property
    def has_values(self) -> bool:
        """Whether columns are worth something by a table."""
        return self.problem.scoring.values is not None

    @cached_property
    def most_value(self) -> float:
        """No network is worth more by the table, nor less than the negative of that."""
        return sum(float(np.abs(s.values[np.isfinite(s.values)]).max(initial=0.0)) for s in self.stages)

    @property
    def has_blocks(self) -> bool:
        """Whether some elements are single blocks."""
        return any(s.element.is_block for s in self.stages)

    def _every(self, name: str, needed: bool, axis: int = 0) -> NDArray[Any]:
        """A figure of all rows, where it is needed."""
        values = [getattr(s, name) for s in self.stages]
        return np.ascontiguousarray(np.concatenate(values, axis=axis)) if needed else values[0][..., :0].copy()

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
        return DOUBT * (total + self.most_value)

    @cached_property
    def arrays(self) -> Arrays:
        """Everything that the core needs."""
        scoring, m = self.problem.scoring, len(self.stages)
        families = sorted({name for s in self.stages for name in s.blocks})
        return Arrays(
            rows=self.rows,
            ties=self._ties(),
            paired=len(self.counts) - sum(kind_of_budget(name) == LATENCY for name in self.counts),
            pairs=np.concatenate([s.pairs for s in self.stages]).astype(np.float64, order="C"),
            offsets=np.cumsum([0] + [len(s.c) for s in self.stages]),
            has_identity=np.array([bool(counts_of_rows(s.rows)[2].any()) for s in self.stages]),
            continues=np.array([s.element.continues for s in self.stages]),
            ordered=np.array([self.is_ordered(i) for i in range(m)]),
            same_shape=np.array([s.element.continues and s.element.space.uniform for s in self.stages]),
            has_blocks=self.has_blocks,
            ranks=self._every("ranks", self.has_blocks),
            present=self._every("presence", self.has_blocks).astype(np.bool_),
            bits=self._every("bits", self.has_blocks),
            reading=self._every("reading", bool(self.tail_bits), axis=1),
            entering=np.concatenate([s.entering[np.searchsorted(s.channels, s.state_channels)] for s in self.stages]),
            entering_at=np.cumsum([0] + [len(s.state_channels) for s in self.stages]),
            place_at=self._place_at(),
            channel_logs=np.log(np.concatenate([s.state_channels for s in self.stages]).astype(np.float64)),
            pair_at=self._pair_at(),
            prefix=(np.array(self.stage_of) <= np.arange(self.n_stages)[:, None]).astype(np.float64).reshape(-1, m),
            ends=np.array(self.ends, dtype=np.int64),
            log_areas=scoring.exponents[1] * 2.0 * np.log(np.array(self.end_resolution, dtype=np.float64)),
            forgets=scoring.convention.forgets_resolution,
            channels_exponent=float(scoring.exponents[0]),
            additive=scoring.additive,
            weights=np.array(scoring.weights, dtype=np.float64),
            end_weights=np.array(scoring.end_weights) if scoring.additive else np.zeros(self.n_stages),
            has_extra=self.has_extra,
            extras=self._every("extra", self.has_extra),
            has_values=self.has_values,
            values=np.concatenate([s.values.ravel() for s in self.stages]),
            value_at=np.cumsum([0] + [s.values.size for s in self.stages]),
            most_value=self.most_value,
            stem_c=self.stem_c,
            stem_counts=self.stem_counts.astype(np.float64),
            stem_next=self.stem_next,
            tail_bits=self.tail_bits,
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
            penalised=np.array([self.elements_of(i) for i in self.penalised], dtype=np.int64).reshape(-1, 2),
            depths=np.concatenate([s.depths for s in self.stages]),
            depth_at=np.cumsum([0] + [len(s.depths) for s in self.stages]),
            families=np.array([[s.blocks.index(f) if f in s.blocks else -1 for f in families] for s in self.stages]),
            beta=float(scoring.beta),
            squared=scoring.penalty_form == "exp_var",
        )

    def row_of(self, budget: str) -> tuple[int, int] | None:
        """The row of the count arrays that has what a limited budget sums, and 1, or -1 where it has the negative, as it has
        for a lower limit; ``None`` where no limit of the budget is one of a sum.
        """
        for sign, name in ((1, budget), (-1, LOWER + budget)):
            if name in self.counts:
                return self.counts.index(name), sign
        return None

    def elements_of(self, super_block: int) -> tuple[int, int]:
        """The first element of a super-block, and the first one after it."""
        numbers = [s.element.super_block for s in self.stages]
        return bisect_left(numbers, super_block), bisect_right(numbers, super_block)

    def is_ordered(self, i: int) -> bool:
        """Whether an element has no lower rank than the one before: later blocks may be exchanged."""
        return i > 0 and self.stages[i - 1].element.continues and self.stages[i].element.continues

    def _pair_at(self) -> Ints:
        """:attr:`Arrays.pair_at`, empty without a latency budget."""
        before = np.cumsum([0] + [len(s.pairs) for s in self.stages])
        if not before[-1]:
            return np.zeros((2, 0), dtype=np.int64)
        return np.concatenate([s.pair_at + n for s, n in zip(self.stages, before, strict=False)], axis=1)

    def _place_at(self) -> Ints:
        """:attr:`Arrays.place_at`: columns are sorted by their channels, those of single blocks by their states."""
        places = [
            np.flatnonzero(np.diff(s.states, prepend=-1)) if s.element.is_block else np.searchsorted(s.c, s.channels)
            for s in self.stages
        ]
        first = np.cumsum([0] + [len(s.c) for s in self.stages])
        return np.append(np.concatenate([at + n for at, n in zip(places, first, strict=False)]), first[-1])

    def _ties(self) -> Ints:
        """:attr:`Arrays.ties`: each super-block of a tie with the one before it."""
        numbers = {"depth": DEPTH, "presence": PRESENCE} | {name: n for n, name in enumerate(TIED)}
        names = {"block": "family", "bottleneck": "width"}
        pairs = [(numbers[names.get(tie.axis, tie.axis)], i, j) for tie in self.ties for i, j in itertools.pairwise(tie.stages)]
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
        p, stages = self.problem, []
        for i in range(len(p.space)):
            first, stop = self.elements_of(i)
            s, j, depth = self.stages[first], position.columns[first], int(position.depths[first])
            blocks = list(zip(self.stages[first:stop], position.columns[first:stop], strict=True))
            there = [(t, q) for t, q in blocks if t.ranks[q] < ABSENT]
            depth = len(there) if s.element.is_block else depth
            block, bits = s.blocks[s.f[j]], s.element.space.bits
            widths = tuple(int(t.b[q]) for t, q in there)
            lengths, kernels = zip(*(kernel_of(int(t.k[q])) for t, q in there), strict=True)
            pairs = tuple((bits[t.p[q]],) * FAMILIES[block].layers for t, q in there) if bits else ()
            stages.append(Stage(block, s.element.space.stride, int(s.c[j]), widths, kernels, depth, lengths[0], pairs))
        head = (p.head.channels, p.head.bits) if p.head else (None, None)
        of_stem = p.stem.kernel, p.stem.stride, False, p.stem.kernel_t or 1, p.stem.bits
        stem_part = Stem(int(self.stem_c[position.stem]), *of_stem)
        of_input = head[0], p.input.channels, p.classes, p.input.frames, head[1]
        return Architecture(p.input.resolution, stem_part, tuple(stages), *of_input)

    def depths(self, position: Position) -> tuple[int, ...]:
        """Blocks of each super-block."""
        blocks = [d * int(s.presence[j]) for s, j, d in zip(self.stages, position.columns, position.depths, strict=True)]
        return tuple(sum(blocks[slice(*self.elements_of(i))]) for i in range(len(self.problem.space)))

    def canonical(self, position: Position) -> Position:
        """The position of the same network, or of one that is as good, with blocks that may be exchanged in order of rank."""
        columns = list(position.columns)
        for i in range(len(self.problem.space)):
            first, stop = self.elements_of(i)
            if stop - first > 2:
                columns[first + 1 : stop] = self._in_order(first + 1, columns[first + 1 : stop])
        return position._replace(columns=tuple(columns))

    def _in_order(self, first: int, columns: list[int]) -> list[int]:
        """Columns of the later blocks of a super-block in order; blocks that may not be absent have fewer columns."""
        of_each = self.stages[first : first + len(columns)]
        ranked = []
        for s, j in zip(of_each, columns, strict=True):
            ranked.append((float(s.ranks[j]), int(s.states[j]), j - int(np.searchsorted(s.states, s.states[j]))))
        ranked.sort(key=lambda choice: choice[0])
        return [int(np.searchsorted(s.states, state)) + at for s, (_, state, at) in zip(of_each, ranked, strict=True)]

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
        if architecture.stem.channels not in self.stem_c or len(architecture.stages) != len(self.problem.space):
            return None
        columns: list[int] = []
        depths: list[int] = []
        for i, s in enumerate(self.stages):
            stage, n = architecture.stages[s.element.super_block], i - self.elements_of(s.element.super_block)[0]
            if stage.block not in s.blocks or stage.depth not in self.problem.space[s.element.super_block].depths:
                return None
            if not (s.element.is_block or stage.repeats) or bool(stage.bits) != bool(s.element.space.bits):
                return None
            match = s.c == stage.channels
            if n < stage.depth:
                block = stage.block_at(n)
                match &= (s.b == single(block.bottleneck)) & (s.k == kernel_code(stage.kernel_t, single(block.kernel)))
                if stage.bits and (len(set(stage.bits[n])) > 1 or stage.bits[n][0] not in s.element.space.bits):
                    return None
                match &= s.p == (s.element.space.bits.index(stage.bits[n][0]) if stage.bits else 0)
                match &= s.presence > 0
            else:
                match &= s.presence == 0
                if columns and s.element.space.uniform:  # absent blocks have the width and the kernel of the others
                    match &= s.states == self.stages[i - 1].states[columns[-1]]
            there = np.flatnonzero(match & (s.f == s.blocks.index(stage.block)))
            if not len(there):
                return None
            columns.append(int(there[0]))
            depths.append(1 if s.element.is_block else stage.depth)
        stem = int(np.searchsorted(self.stem_c, architecture.stem.channels))
        return self.canonical(Position(stem, tuple(columns), tuple(depths)))
