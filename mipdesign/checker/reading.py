"""Strict reading of plain data: whatever is not of the documented type and range is refused, with its place."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

MOST_DIGITS = 1000
"""Longest text that is read as a number."""
DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?")
QUOTIENT = re.compile(r"[0-9]+/[1-9][0-9]*")


class RefusedError(Exception):
    """The data is not what its format says."""


def refuse(where: str, value: Any, remedy: str) -> RefusedError:
    """The fault of a field, with its value."""
    text = repr(value) if isinstance(value, (str, bool, float, type(None))) else type(value).__name__
    if isinstance(value, int) and not isinstance(value, bool):
        text = repr(value) if abs(value) < 10**30 else "an integer of over 30 digits"
    return RefusedError(f"{where} is {text[:60]}; {remedy}")


def mapping(value: Any, where: str, required: Iterable[str] = (), optional: Iterable[str] = ()) -> dict[str, Any]:
    """A mapping with all ``required`` fields and no others but ``optional`` ones."""
    required = tuple(required)
    if not isinstance(value, dict):
        raise refuse(where, value, "a mapping is expected")
    for name in required:
        if name not in value:
            raise RefusedError(f"{where}.{name} is missing")
    unknown = [name for name in value if name not in (*required, *optional)]
    if unknown:
        raise RefusedError(f"{where} has the unknown field {unknown[0]!r:.60}")
    return value


def sequence(value: Any, where: str, least: int = 0, most: int = 10**6) -> list[Any]:
    """A list of so many items."""
    if not isinstance(value, list) or not least <= len(value) <= most:
        raise refuse(where, value, f"a list of {least} to {most} items is expected")
    return value


def integer(value: Any, where: str, least: int = 1, most: int = 10**6) -> int:
    """A whole number within a range."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise refuse(where, value, f"a whole number from {least} to {most} is expected")
    return value


def number(value: Any, where: str, least: float = -sys.float_info.max, most: float = sys.float_info.max) -> float:
    """A finite number within a range."""
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most
    if not fits or not math.isfinite(float(value)):
        raise refuse(where, value, f"a number from {least:g} to {most:g} is expected")
    return float(value)


def ratio(value: Any, where: str) -> Fraction:
    """A positive number, exactly: a decimal means itself, a text is ``p/q`` or a decimal."""
    if isinstance(value, str) and len(value) <= MOST_DIGITS and (DECIMAL.fullmatch(value) or QUOTIENT.fullmatch(value)):
        exact = Fraction(value)
    elif isinstance(value, float) and math.isfinite(value):
        exact = Fraction(repr(value))
    elif isinstance(value, int) and not isinstance(value, bool) and value.bit_length() < 4 * MOST_DIGITS:
        exact = Fraction(value)
    else:
        raise refuse(where, value, "a positive number is expected")
    if exact <= 0:
        raise refuse(where, value, "a positive number is expected")
    return exact


def word(value: Any, where: str, words: Iterable[str]) -> str:
    """One of some words."""
    words = tuple(words)
    if not isinstance(value, str) or value not in words:
        raise refuse(where, value, f"one of {', '.join(words)} is expected")
    return value


def lattice(value: Any, where: str, most: int = 10**6) -> tuple[int, ...]:
    """Positive integers in increasing order: a list, or ``min``, ``max`` and ``step``."""
    if isinstance(value, list):
        return tuple(sorted({integer(v, f"{where}.{n}", 1, most) for n, v in enumerate(sequence(value, where, 1, 4096))}))
    data = mapping(value, where, ("min", "max", "step"))
    low, high, step = (integer(data[name], f"{where}.{name}", 1, most) for name in ("min", "max", "step"))
    values = range(low, high + 1, step)
    if not 1 <= len(values) <= 4096:
        raise RefusedError(f"{where} has {len(values)} values; 1 to 4096 are expected")
    return tuple(values)


def words(value: Any, where: str, known: Sequence[str]) -> tuple[str, ...]:
    """A list of some words."""
    return tuple(word(v, f"{where}.{n}", known) for n, v in enumerate(sequence(value, where, 0, 64)))
