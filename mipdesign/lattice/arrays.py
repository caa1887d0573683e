"""A problem as plain arrays, which is what the core reads; ``native/counts.h`` has the formulas of a row."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..native.library import doubles, integers

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MAX_COUNT = 2**53
"""Counts below it are exact in floating point as well."""
MAX_CHANNELS = 2**31
"""More channels than any lattice holds."""

CHANNELS, LOG_CHANNELS, BLOCK_LOG, LAYERS, MOST_INCOMING, IDENTITY_FITS, REST_FITS, PLACE, PAIR, OTHER_PAIR = range(10)
"""Places in a row of :attr:`Arrays.rows`: ``C, log C, t``, layers, three limits, the place of ``C``, where the column's two
tables of pairs begin."""
FAMILY, WIDTH, KERNEL, HAS_SE, BLOCK_EXTRA, STATE, BLOCKS, RANK, ACTIVATIONS, NEXT_BITS, COUNTS = range(10, 21)
"""Further places: which of all families the column has, ``b, k``, whether it has SE blocks, what the layer terms of a block
have beside its log widths, the state (the place of ``C``, or of what the blocks of a super-block have in common), 0 for a block
that is absent and else 1, the rank among later blocks, the bits of the activations that a block reads and the most with which
what it writes may be read (see :mod:`mipdesign.lattice.map_limits`), and the first count.
"""
ANY_BITS = 1000
"""More bits than any activation has."""
ABSENT = 2.0**52
"""Rank of absent blocks, above all others."""
DEPTH = -1
"""Stands for the depth in :attr:`Arrays.ties`, where the other parts are places in a row."""


@dataclass(frozen=True, eq=False)
class Arrays:
    """A problem as plain arrays, with an element of the chain where a super-block is named; meanings as in
    :class:`mipdesign.lattice.tables.Tables` where the names are the same.

    Attributes
    ----------
    rows:
        One row per column of every super-block: ``C, log C, t``, layers per block, ``most_incoming``, ``identity_fits`` and
        ``rest_fits`` of :class:`mipdesign.lattice.tables.StageTables`, the place of ``C`` among the channels, where the two
        tables of :attr:`pairs` begin, the family, ``b`` and ``k``, whether it has SE blocks, what the layer terms of a block
        have beside its log widths, state, blocks, rank, bits of activations and the most for the next, then ``fixed, slope,
        identity, rest`` of each budget.
    transposed:
        The same, one row per part.
    ties:
        Pairs of super-blocks that have something in common: its place in a row (or :data:`DEPTH`), and both super-blocks;
        shape ``(ties, 3)``.
    paired, pairs:
        Budget whose counts depend on pairs of incoming channels and column in no simple way (-1 if there is none), and what
        it counts for them: ``pairs[begin + place of ci]`` of both tables together.
    offsets:
        First row of each super-block, and the number of rows.
    has_identity:
        Which super-blocks have counts that depend on ``[ci = C]``.
    continues, ordered:
        Which elements are entered in the state in which the one before is left, and which have no lower rank than it.
    entering, entering_at:
        Least and largest number of channels that each channel count may follow, worked out in exact fractions, one row for
        each place; and where the rows of each super-block begin.
    prefix:
        1 where a super-block belongs to the prefix that ends with a stage, shape ``(stages, super_blocks)``.
    log_areas, forgets:
        ``log r^2`` at the end of each stage, as ``x_j`` has it, and whether the convention takes it as 0 from the first SE
        block on; already 0 where every network has one before.
    channels_exponent:
        Factor of ``log C`` in ``x_j``.
    additive, weights, end_weights:
        Whether the score adds ``x_j`` to ``S_j`` and does not multiply them; what one unit of ``x_j S_j``, or of ``S_j``, is
        worth, and one of ``x_j`` beside it (0 where they are multiplied).
    has_extra, stem_extra, head_extra:
        Whether layer terms are not just log widths; what stem and head have beside theirs.
    stem_next, tail_bits:
        The most bits with which the output of each stem may be read; those with which the output of the last block is.
    head_log:
        Logarithm of the head's channels, -1 without a head.
    rho_stages, rho, rho_price:
        Stages whose prefixes the effectiveness is the maximum of, where it is limited or priced; its limit (infinite where
        there is none) and its price.
    penalised, beta, squared:
        Super-blocks whose depths the penalty counts, as their first element and the first one after it, shape ``(n, 2)``; its
        factor, and whether it is ``exp_var`` and not ``exp_std``.
    """

    rows: Floats
    transposed: Floats
    ties: Ints
    paired: int
    pairs: Floats
    offsets: Ints
    has_identity: Bools
    continues: Bools
    ordered: Bools
    entering: Ints
    entering_at: Ints
    prefix: Floats
    ends: Ints
    log_areas: Floats
    forgets: bool
    channels_exponent: float
    additive: bool
    weights: Floats
    end_weights: Floats
    has_extra: bool
    stem_c: Ints
    stem_counts: Floats
    stem_next: Ints
    tail_bits: int
    stem_log: float
    stem_extra: float
    tail_fixed: Floats
    tail_slope: Floats
    head_log: float
    head_extra: float
    limits: Floats
    rho_stages: Ints
    rho: float
    rho_price: float
    penalised: Ints
    beta: float
    squared: bool

    @cached_property
    def structure(self) -> Structure:
        """What the core reads, as long as this lives."""
        stages, super_blocks = self.prefix.shape
        values = {name: getattr(self, name) for name in (*DOUBLES, *INTEGERS)}
        pointers = {name: doubles(values[name]) for name in DOUBLES} | {name: integers(values[name]) for name in INTEGERS}
        given = [np.ascontiguousarray(flag, dtype=np.uint8) for flag in (self.has_identity, self.continues, self.ordered)]
        flags = given[0], self._may_be_limited(), *given[1:]
        structure = Structure(
            **pointers,
            **dict(zip(FLAGS, (flag.ctypes.data for flag in flags), strict=True)),
            **{name: getattr(self, name) for name in NUMBERS},
            n_rows=len(self.rows),
            parts=self.rows.shape[1],
            super_blocks=super_blocks,
            stages=stages,
            budgets=len(self.limits),
            n_stems=len(self.stem_c),
            n_ties=len(self.ties),
            n_rho_stages=len(self.rho_stages),
            n_penalised=len(self.penalised),
            paired=self.paired,
            forgets=self.forgets,
            squared=self.squared,
            additive=self.additive,
            has_extra=self.has_extra,
            tail_bits=self.tail_bits,
        )
        structure.flags = flags  # which nothing else keeps
        return structure

    @cached_property
    def address(self) -> int:
        """Where the core finds it, as long as this lives."""
        return ctypes.addressof(self.structure)

    def _may_be_limited(self) -> NDArray[np.uint8]:
        """Super-blocks some columns of which may not be entered with all channels, or only once."""
        most, identity, rest = (self.transposed[part] for part in (MOST_INCOMING, IDENTITY_FITS, REST_FITS))
        limited = np.empty(len(self.offsets) - 1, dtype=np.uint8)
        widest = self.stem_c[-1]
        for i, (first, stop) in enumerate(zip(self.offsets[:-1], self.offsets[1:], strict=True)):
            part = slice(first, stop)
            limited[i] = (most[part] < widest).any() or (identity[part] == 0).any() or (rest[part] == 0).any()
            widest = self.transposed[CHANNELS, stop - 1]
        return limited


DOUBLES = (
    *("rows", "transposed", "pairs", "prefix", "log_areas", "weights", "end_weights"),
    *("stem_counts", "tail_fixed", "tail_slope", "limits"),
)
INTEGERS = ("ties", "offsets", "entering", "entering_at", "ends", "stem_c", "stem_next", "rho_stages", "penalised")
FLAGS = ("has_identity", "may_be_limited", "continues", "ordered")
NUMBERS = ("stem_log", "stem_extra", "head_log", "head_extra", "channels_exponent", "rho", "rho_price", "beta")
SIZES = (
    *("n_rows", "parts", "super_blocks", "stages", "budgets", "n_stems"),
    *("n_ties", "n_rho_stages", "n_penalised", "paired", "forgets", "squared", "additive", "has_extra", "tail_bits"),
)


class Structure(ctypes.Structure):
    """``Arrays`` of ``native/arrays.h``."""

    flags: tuple[NDArray[np.uint8], ...]
    _fields_ = [
        *((name, ctypes.c_void_p) for name in (*DOUBLES, *INTEGERS, *FLAGS)),
        *((name, ctypes.c_double) for name in NUMBERS),
        *((name, ctypes.c_int64) for name in SIZES),
    ]


def count_parts(parts: Floats) -> Floats:
    """The counts of columns of which :attr:`Arrays.rows` are given, transposed: a view of the shape ``(4, budgets, columns)``,
    for ``fixed, slope, identity, rest``.
    """
    return parts[COUNTS:].reshape(4, (len(parts) - COUNTS) // 4, parts.shape[1])


def finite_rho(limit: Fraction | None) -> float:
    """A limit of the effectiveness for floating point, within what any network has: from a layer of 1e100 inputs to 1e100
    layers. It excludes as much as the limit itself.
    """
    return np.inf if limit is None else float(min(max(limit, Fraction(1, 10**100)), Fraction(10**100)))
