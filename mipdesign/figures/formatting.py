"""Numbers as tables, lines and charts write them."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

from ..networks.budget_names import kind_of_budget
from ..numerals import exact
from ..units import BYTES, DIMENSIONS, TIME, decimal_text, limit_text

PREFIXES = ("", "k", "M", "G", "T", "P")
"""SI prefixes of the powers of a thousand."""
MOST_PLACES = 9
"""Most places after the point of an objective."""


def number(value: float) -> str:
    """A figure for a table: integers in full with separators, others to six digits, and to one after the point at least."""
    if isinstance(value, int) or (value.is_integer() and abs(value) < 1e15):
        return f"{int(value):,}"
    if 1000 <= abs(value) < 1e15:
        return f"{value:,.2f}".removesuffix("0") if abs(value) < 10_000 else f"{value:,.1f}"
    return f"{value:.6g}"


def exactly(value: float | str | None) -> str:
    """A limit for a table: the number that it is, and not a rounded one; a dash for nothing."""
    return "-" if value is None else decimal_text(exact(value))


def limit(budget: str, value: Fraction | float | str) -> str:
    """A limit in words: exactly, with a unit where that is shorter, ``1.82 G`` or ``25 ms``."""
    return limit_text(exact(value), DIMENSIONS[kind_of_budget(budget)])


def with_unit(budget: str, value: float) -> str:
    """A value of a limit for a line of progress: to six digits, with the unit of sizes and times."""
    return number(value) + DIMENSIONS[kind_of_budget(budget)].bare


def score(value: float | None) -> str:
    """An objective or a bound; a dash where there is none."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.{_places(value)}f}"


def _places(value: float) -> int:
    """Places after the point: three, or as many as six digits take, since a predicted accuracy is below 1."""
    if abs(value) >= 100 or round(value, 3) == value:
        return 3
    return min(MOST_PLACES, 5 - math.floor(math.log10(abs(value))))


def percent(ratio: float | None) -> str:
    """A ratio as a percentage with three digits; a dash where there is none."""
    return "-" if ratio is None or not math.isfinite(ratio) else f"{100 * ratio:.3g} %"


def scientific(count: int) -> str:
    """A count of any size with four digits, exactly if it is small."""
    return f"{count:,}" if count < 10**6 else f"{Decimal(count):.3e}"


def points(value: float | None) -> str:
    """An objective or a bound with its thousands apart; a dash where there is none."""
    return "-" if value is None or not math.isfinite(value) else f"{value:,.{_places(value)}f}"


def quantity(value: float) -> str:
    """A count or a size to four digits with its SI prefix: ``1.812 G``, ``11.69 M``, ``600``."""
    exponent = 0 if value == 0 else math.floor(math.log10(abs(float(f"{value:.3e}")))) // 3
    exponent = min(max(exponent, 0), len(PREFIXES) - 1)
    return f"{value / 1000**exponent:.4g} {PREFIXES[exponent]}".rstrip()


def amount(budget: str, value: float, like: float | None = None) -> str:
    """What a network has of a budget in few characters, with its unit: ``1.812 G``, ``44.99 ms``, ``256 KiB``.

    Parameters
    ----------
    like:
        A limit: sizes are in binary units where it is shorter in one.
    """
    dimension = DIMENSIONS[kind_of_budget(budget)]
    if dimension is TIME:
        for unit, factor in (("s", 1e6), ("ms", 1e3)):
            if abs(value) >= factor:
                return f"{number(float(f'{value / factor:.4g}'))} {unit}"
        return f"{value:.4g} µs"
    if dimension is not BYTES:
        return quantity(value) if abs(value) >= 1000 else number(value)
    if like is None or not limit(budget, like).endswith("iB"):
        return quantity(value) + ("B" if abs(value) >= 1000 else " B")
    exponent = 0
    while abs(value) >= 1024 and exponent < len(PREFIXES) - 1:
        value, exponent = value / 1024, exponent + 1
    return f"{value:.4g} {('B', *(prefix + 'iB' for prefix in ('K', *PREFIXES[2:])))[exponent]}"


def duration(seconds: float) -> str:
    """A time that is known roughly: ``40 s``, ``5 min``, ``2 h 10 min``."""
    if seconds < 90:
        return f"{max(math.ceil(seconds), 1)} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(round(minutes, -1), 60)
    return f"{hours:,} h {minutes} min" if minutes else f"{hours:,} h"
