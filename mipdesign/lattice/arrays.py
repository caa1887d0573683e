"""A problem as plain arrays, which is what the core reads; ``native/counts.h`` has the formulas of a row."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..native.library import address, doubles, function, integers

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Rows = NDArray[np.void]
"""Records of :func:`row_type`."""
Figures = Mapping[str, NDArray[Any]]
"""The same figures of some columns, each in an array of its own; ``counts`` has the shape ``(4, budgets, columns)``."""

MAX_COUNT = 2**53
"""Counts below it are exact in floating point as well."""
MAX_CHANNELS = 2**31
"""More channels than any lattice holds."""

TIED = ("channels", "family", "width", "kernel")
"""Figures of a row that a tie may be about, by their number in :attr:`Arrays.ties`."""
PRESENCE = 6
"""Stands for the presence of a block there."""
ABSENT = 2.0**52
"""Rank of absent blocks, above all others."""
ANY_BITS = 1000
"""More bits than any activation has."""
DEPTH = -1
"""Stands for the depth there."""
LINE = 64
"""Bytes of a line of a processor's cache."""

_write = function("write_rows", "", "ii" + "p" * 13)


@dataclass(frozen=True, eq=False)
class Arrays:
    """A problem as plain arrays, with an element of the chain where a super-block is named; meanings as in
    :class:`mipdesign.lattice.tables.Tables` where the names are the same.

    Attributes
    ----------
    rows:
        One row per column of every super-block, see :func:`row_type`.
    ties:
        Pairs of super-blocks that have something in common: its number in :data:`TIED` (or :data:`DEPTH`), and both
        super-blocks; shape ``(ties, 3)``.
    paired, pairs, pair_at:
        The first of the budgets whose counts depend on pairs of incoming channels and column in no simple way, which are the
        last ones (the number of budgets if there are none); what they count for them: ``pairs[begin + place of ci]`` of both
        tables together, shape ``(entries, paired budgets)``; and where each column's part of both begins, shape
        ``(2, columns)``.
    offsets:
        First row of each super-block, and the number of rows.
    has_identity:
        Which super-blocks have counts that depend on ``[ci = C]``.
    entering, entering_at:
        Least and largest number of channels that each channel count may follow, worked out in exact fractions, one row for
        each place; and where the rows of each super-block begin. The places of single blocks are their states.
    place_at, channel_logs:
        First row of each of these places, and the number of rows; ``log C`` of each place.
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
    has_extra, extras, stem_extra, head_extra:
        Whether layer terms are not just log widths; what a block of each row, stem and head have beside theirs.
    has_values, values, value_at, most_value:
        Whether columns are worth something by a table; what those of each super-block are worth at each of its depths, column
        by column, -inf where that is excluded; where those of each super-block begin; and what no network is worth more than.
    continues, ordered, same_shape:
        Which elements are entered in the state in which the one before is left, which have no lower rank than it, and which
        have its width and kernel.
    has_blocks, ranks, present, bits:
        Whether some elements are single blocks; of each row its rank among later blocks, whether the block is there, and its
        bits as a number. Empty where none are.
    stem_next, tail_bits, reading:
        The most bits with which the output of each stem may be read; those with which the output of the last block is, 0
        without a limit of maps; of each row the bits with which a block reads, and the most with which it may be read, shape
        ``(2, rows)`` (see :mod:`mipdesign.lattice.map_limits`).
    head_log:
        Logarithm of the head's channels, -1 without a head.
    rho_stages, rho, rho_price:
        Stages whose prefixes the effectiveness is the maximum of, where it is limited or priced; its limit (infinite where
        there is none) and its price.
    penalised, beta, squared:
        Super-blocks whose depths the penalty counts, as their first element and the first one after it, shape ``(n, 2)``; its
        factor, and whether it is ``exp_var`` and not ``exp_std``.
    depths, depth_at:
        Admitted depths of all super-blocks, and where those of each begin.
    families:
        Place of each family of the problem among those of each super-block, -1 where it has it not; shape
        ``(super_blocks, families)``.
    """

    rows: Rows
    ties: Ints
    paired: int
    pairs: Floats
    pair_at: Ints
    offsets: Ints
    has_identity: Bools
    continues: Bools
    ordered: Bools
    same_shape: Bools
    has_blocks: bool
    ranks: Floats
    present: Bools
    bits: Ints
    entering: Ints
    entering_at: Ints
    place_at: Ints
    channel_logs: Floats
    prefix: Floats
    ends: Ints
    log_areas: Floats
    forgets: bool
    channels_exponent: float
    additive: bool
    weights: Floats
    end_weights: Floats
    has_extra: bool
    extras: Floats
    has_values: bool
    values: Floats
    value_at: Ints
    most_value: float
    stem_c: Ints
    stem_counts: Floats
    stem_next: Ints
    tail_bits: int
    reading: Ints
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
    depths: Ints
    depth_at: Ints
    families: Ints
    beta: float
    squared: bool

    @cached_property
    def structure(self) -> Structure:
        """What the core reads, as long as this lives."""
        stages, super_blocks = self.prefix.shape
        values = {name: getattr(self, name) for name in (*DOUBLES, *INTEGERS)}
        pointers = {name: doubles(values[name]) for name in DOUBLES} | {name: integers(values[name]) for name in INTEGERS}
        given = (self.has_identity, self._may_be_limited(), self.continues, self.ordered, self.present, self.same_shape)
        flags = tuple(np.ascontiguousarray(flag, dtype=np.uint8) for flag in given)
        structure = Structure(
            **pointers,
            **dict(zip(FLAGS, (flag.ctypes.data for flag in flags), strict=True)),
            **{name: getattr(self, name) for name in NUMBERS},
            rows=self.rows.ctypes.data,
            n_rows=len(self.rows),
            row_size=self.rows.itemsize,
            super_blocks=super_blocks,
            stages=stages,
            budgets=len(self.limits),
            n_stems=len(self.stem_c),
            n_ties=len(self.ties),
            n_rho_stages=len(self.rho_stages),
            n_penalised=len(self.penalised),
            n_families=self.families.shape[1],
            paired=self.paired,
            n_paired=len(self.limits) - self.paired,
            forgets=self.forgets,
            squared=self.squared,
            additive=self.additive,
            has_extra=self.has_extra,
            has_values=self.has_values,
            has_blocks=self.has_blocks,
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
        most, identity, rest = (self.rows[name] for name in ("most_incoming", "identity_fits", "rest_fits"))
        limited = np.empty(len(self.offsets) - 1, dtype=np.uint8)
        widest = self.stem_c[-1]
        for i, (first, stop) in enumerate(zip(self.offsets[:-1], self.offsets[1:], strict=True)):
            part = slice(first, stop)
            limited[i] = most[part].min() < widest or not identity[part].all() or not rest[part].all()
            widest = self.rows["channels"][stop - 1]
        return limited


DOUBLES = (
    *("pairs", "channel_logs", "prefix", "log_areas", "weights", "end_weights", "stem_counts", "tail_fixed", "tail_slope"),
    *("limits", "extras", "ranks", "values"),
)
INTEGERS = (
    *("ties", "offsets", "entering", "entering_at", "ends", "stem_c", "stem_next", "rho_stages", "penalised"),
    *("depths", "depth_at", "families", "place_at", "pair_at", "bits", "reading", "value_at"),
)
FLAGS = ("has_identity", "may_be_limited", "continues", "ordered", "present", "same_shape")
NUMBERS = ("stem_log", "stem_extra", "head_log", "head_extra", "channels_exponent", "rho", "rho_price", "beta", "most_value")
SIZES = (
    *("n_rows", "row_size", "super_blocks", "stages", "budgets", "n_stems"),
    *("n_ties", "n_rho_stages", "n_penalised", "n_families", "paired", "n_paired", "forgets", "squared"),
    *("additive", "has_extra", "has_values", "has_blocks", "tail_bits"),
)


class Structure(ctypes.Structure):
    """``Arrays`` of ``native/arrays.h``."""

    flags: tuple[NDArray[np.uint8], ...]
    _fields_ = [
        *((name, ctypes.c_void_p) for name in (*DOUBLES, *INTEGERS, "rows", *FLAGS)),
        *((name, ctypes.c_double) for name in NUMBERS),
        *((name, ctypes.c_int64) for name in SIZES),
    ]


def row_type(budgets: int) -> np.dtype[Any]:
    """A column of a super-block, ``Row`` of ``native/arrays.h``.

    ``C, b, k``, its limits (``most_incoming, identity_fits, rest_fits`` of :class:`mipdesign.lattice.tables.StageTables`), the
    place of ``C`` among the channels, layers per block, which of all families it has, whether that has SE blocks, ``t``, and
    ``fixed, slope, identity, rest`` of each budget.
    """
    return np.dtype(
        [
            *((name, np.uint32) for name in ("channels", "width", "kernel", "most_incoming")),
            *((name, np.uint16) for name in ("place", "layers")),
            *((name, np.uint8) for name in ("family", "has_se", "identity_fits", "rest_fits")),
            ("block_log", np.float64),
            ("counts", np.float64, (budgets, 4)),
        ]
    )


def new_rows(columns: int, budgets: int) -> Rows:
    """So many rows, which begin where a line of a processor's cache does."""
    kind = row_type(budgets)
    room = np.empty(columns * kind.itemsize + LINE, dtype=np.uint8)
    first = -room.ctypes.data % LINE
    return room[first : first + columns * kind.itemsize].view(kind)


def figures_of(room: NDArray[np.uint8], columns: int, budgets: int) -> Figures:
    """Figures of so many columns in some room, which has at least the bytes of as many rows."""
    found, at = {}, 0
    fields = row_type(budgets).fields
    assert fields is not None
    for name, (kind, *_) in sorted(fields.items(), key=lambda item: -item[1][0].base.itemsize):
        shape = (4, budgets, columns) if kind.shape else (columns,)
        size = columns * kind.itemsize
        found[name] = room[at : at + size].view(kind.base).reshape(shape)
        at += size
    return found


def write_rows(rows: Rows, figures: Figures) -> None:
    """Writes figures as rows."""
    names = row_type(0).names
    assert names is not None
    budgets = figures["counts"].shape[1]
    _write(len(rows), budgets, *(address(figures[name], figures[name].dtype) for name in names), rows.ctypes.data)


def counts_of_rows(rows: Rows) -> Floats:
    """The counts of some columns: a view of the shape ``(4, budgets, columns)``, for ``fixed, slope, identity, rest``."""
    counts: Floats = rows["counts"].transpose(2, 1, 0)
    return counts


def finite_rho(limit: Fraction | None) -> float:
    """A limit of the effectiveness for floating point, within what any network has: from a layer of 1e100 inputs to 1e100
    layers. It excludes as much as the limit itself.
    """
    return np.inf if limit is None else float(min(max(limit, Fraction(1, 10**100)), Fraction(10**100)))
