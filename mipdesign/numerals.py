"""Exact numbers of a specification: a decimal means itself, ``0.1`` is 1/10, and a text may be a fraction, ``26/21``.

What decides which networks there are (ratios, limits) is a :class:`fractions.Fraction` from the file to the last comparison. A
double stands for the decimal number that Python writes for it; a number that no double stands for stays a text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from .errors import SpecError, short

MOST_DIGITS = 400
"""Most digits of numerator and of denominator: more than any double has, and few enough to compute with."""
LARGEST = 10**MOST_DIGITS
MOST_EXPONENT = 10_000
"""Larger powers of ten are not worked out."""
NUMBER = re.compile(r"[+-]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][+-]?[0-9]+)?")
"""A decimal number."""
QUOTIENT = re.compile(r"[+-]?[0-9]+ ?/ ?[0-9]+")


def exact(value: Any) -> Fraction:
    """The number that an integer, a double or a text of a specification stands for.

    Raises
    ------
    SpecError
        If it is none, is not finite, or has more than :data:`MOST_DIGITS` digits in numerator or denominator.
    """
    wanted = "give a number, or a fraction such as 26/21"
    if isinstance(value, Fraction):
        number = value
    elif isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise SpecError("", f"{short(value)} is not a number", wanted)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise SpecError("", f"{value} is refused", "give a finite number")
        number = Fraction(repr(value))
    elif isinstance(value, str):
        number = _read(value, wanted)
    else:
        number = Fraction(value)
    if max(abs(number.numerator), number.denominator) >= LARGEST:
        raise _too_long()
    return number


def _read(text: str, wanted: str) -> Fraction:
    if len(text) > 3 * MOST_DIGITS:
        raise _too_long()
    if QUOTIENT.fullmatch(text):
        above, below = (int(part) for part in text.split("/"))
        if below == 0:
            raise SpecError("", f"{short(text)} divides by zero", "give a denominator greater than 0")
        return Fraction(above, below)
    if not NUMBER.fullmatch(text):
        raise SpecError("", f"{short(text)} is not a number", wanted)
    _, _, exponent = text.lower().partition("e")
    if len(exponent) > 6 or abs(int(exponent or 0)) > MOST_EXPONENT:
        raise _too_long()
    return Fraction(text)


def _too_long() -> SpecError:
    return SpecError("", f"has more than {MOST_DIGITS} digits", "give a shorter number or fraction")


def positive(value: Any) -> Fraction:
    """:func:`exact`, greater than 0.

    Raises
    ------
    SpecError
        If it is not.
    """
    number = exact(value)
    if number <= 0:
        raise SpecError("", f"{short(value)} is refused", "give a finite number greater than 0")
    return number


def at_most(largest: float, check: Callable[[Any], Fraction] = positive) -> Callable[[Any], Fraction]:
    """A check of a number that must not exceed another one."""

    def checked(value: Any) -> Fraction:
        number = check(value)
        if number > Fraction(largest):
            raise SpecError("", f"{short(value)} is refused", f"give a number of at most {largest:g}")
        return number

    return checked


def not_negative(value: Any) -> Fraction:
    """:func:`exact`, at least 0.

    Raises
    ------
    SpecError
        If it is not.
    """
    number = exact(value)
    if number < 0:
        raise SpecError("", f"{short(value)} is refused", "give a number from 0 up")
    return number


def double(value: Any) -> Any:
    """A number that a field keeps as a double, unchanged.

    Raises
    ------
    SpecError
        If it is a text with a number: no double stands for it, and it is not rounded.
    """
    if isinstance(value, str) and (NUMBER.fullmatch(value) or QUOTIENT.fullmatch(value)):
        raise SpecError("", f"{short(value)} is no number that a double stands for", "give a decimal of at most 15 digits")
    return value


def plain_number(number: Fraction) -> int | float | str:
    """How plain data writes a number, for :func:`exact` to read the same: a double where one stands for it, else an integer or
    the text ``p/q`` in lowest terms.
    """
    try:
        double = float(number)
    except OverflowError:
        double = math.inf
    if math.isfinite(double) and Fraction(repr(double)) == number:
        return double
    return number.numerator if number.denominator == 1 else f"{number.numerator}/{number.denominator}"


def from_text(text: str) -> float | str:
    """A decimal number of a file: the double that stands for it, or the text itself where none does."""
    double = float(text)
    if not math.isfinite(double):  # every field refuses it
        return double
    try:
        return double if exact(text) == Fraction(repr(double)) else text
    except SpecError:
        return text


def simplest(low: Fraction, high: Fraction) -> Fraction:
    """The fraction of least denominator from ``low`` to ``high``, both positive, ``low <= high`` (Stern 1858, Brocot 1861)."""
    wholes = []  # of the continued fraction: that of both ends as long as no whole number lies between them
    while True:
        whole = Fraction(low.numerator // low.denominator)
        if low == whole or whole + 1 <= high:
            found = low if low == whole else whole + 1
            break
        wholes.append(whole)
        low, high = 1 / (high - whole), 1 / (low - whole)
    for whole in reversed(wholes):
        found = whole + 1 / found
    return found
