"""What a super-block counts and how wide it is: the two formulas of the lattice (``docs/theory.md``), for compiled loops.

With ``ci`` incoming channels and depth ``L`` every additive count of a column is::

    count(ci, L)     = fixed + ci * slope + [ci = C] * identity + (L - 1) * rest           (1)
    sum log w(ci, L) = log ci + t + (L - 1) * (log C + t)                                  (2)

The first block counts ``fixed + ci * slope``, and ``identity`` more (or less) where it has an identity shortcut, which it has
where no channels change; each later block counts ``rest``. Nothing else knows where these parts stand in a row.

Counts are integers below :data:`mipdesign.lattice.arrays.MAX_COUNT`, so that (1) is exact in floating point, in any order.

The innermost functions take a row, not all arrays: a call that hands on two dozen arrays costs more than the formula.
"""

from __future__ import annotations

from ..compiled import compiled
from .arrays import (
    BLOCK_LOG,
    CHANNELS,
    COUNTS,
    IDENTITY_FITS,
    LOG_CHANNELS,
    MOST_INCOMING,
    OTHER_PAIR,
    PAIR,
    REST_FITS,
    Arrays,
    Floats,
)

# ---------------------------------------------------------------------- parts of (1)
# Of a row one number per budget; of the transposed rows of many columns one row per budget.


@compiled
def fixed_parts(row: Floats, budgets: int) -> Floats:
    """What the first block counts whatever enters it."""
    return row[COUNTS : COUNTS + budgets]


@compiled
def slope_parts(row: Floats, budgets: int) -> Floats:
    """What the first block counts for each incoming channel."""
    return row[COUNTS + budgets : COUNTS + 2 * budgets]


@compiled
def identity_parts(row: Floats, budgets: int) -> Floats:
    """What the first block counts beside that where the incoming channels are its own."""
    return row[COUNTS + 2 * budgets : COUNTS + 3 * budgets]


@compiled
def rest_parts(row: Floats, budgets: int) -> Floats:
    """What each block after the first counts."""
    return row[COUNTS + 3 * budgets : COUNTS + 4 * budgets]


# ---------------------------------------------------------------------- counts of a column


@compiled
def entering_count(row: Floats, budgets: int, b: int, ci: float) -> float:
    """The part of a count that depends on the incoming channels: ``ci * slope + [ci = C] * identity``."""
    identity = row[COUNTS + 2 * budgets + b] if ci == row[CHANNELS] else 0.0
    return float(ci * row[COUNTS + budgets + b] + identity)


@compiled
def own_count(row: Floats, budgets: int, b: int, depth: int) -> float:
    """The part of a count that does not depend on the incoming channels: ``fixed + (L - 1) * rest``."""
    return float(row[COUNTS + b] + (depth - 1) * row[COUNTS + 3 * budgets + b])


@compiled
def super_block_count(row: Floats, budgets: int, b: int, ci: float, depth: int) -> float:
    """Equation (1)."""
    return own_count(row, budgets, b, depth) + entering_count(row, budgets, b, ci)


@compiled
def pair_count(arrays: Arrays, row: Floats, place: int) -> float:
    """What the paired budget counts beside (1) for a column and the incoming channels at a place."""
    return float(arrays.pairs[int(row[PAIR]) + place] + arrays.pairs[int(row[OTHER_PAIR]) + place])


@compiled
def add_super_block(row: Floats, ci: float, depth: int, counts: Floats) -> None:
    """Adds (1) of every budget."""
    budgets = len(counts)
    for b in range(budgets):
        counts[b] += super_block_count(row, budgets, b, ci, depth)


@compiled
def tail_count(arrays: Arrays, b: int, c: float) -> float:
    """What head and classifier count behind ``c`` channels."""
    return float(arrays.tail_fixed[b] + c * arrays.tail_slope[b])


# ---------------------------------------------------------------------- widths and limits


@compiled
def own_log_widths(row: Floats, depth: int) -> float:
    """The part of (2) that does not depend on the incoming channels."""
    return float(row[BLOCK_LOG] + (depth - 1) * (row[LOG_CHANNELS] + row[BLOCK_LOG]))


@compiled
def log_widths(row: Floats, log_ci: float, depth: int) -> float:
    """Equation (2)."""
    return float(log_ci + row[BLOCK_LOG] + (depth - 1) * (row[LOG_CHANNELS] + row[BLOCK_LOG]))


@compiled
def may_enter(row: Floats, ci: float) -> bool:
    """Whether a column keeps the limits on single operations with ``ci`` incoming channels."""
    return bool(row[IDENTITY_FITS] > 0 if ci == row[CHANNELS] else ci <= row[MOST_INCOMING])


@compiled
def may_have_depth(row: Floats, depth: int) -> bool:
    """Whether a column keeps the limits on single operations with so many blocks."""
    return bool(depth == 1 or row[REST_FITS] > 0)
