"""Sweeps: the limits of one budget along which a frontier runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..errors import SpecError, short
from ..networks.budget_names import LATENCY, LOWER, kind_of_budget
from ..numerals import NUMBER, from_text, plain_number
from ..problem.budgets import NAME, Budgets, LatencyRange
from ..units import DIMENSIONS, Dimension, without_unit

MOST_POINTS = 10_000
REAL = ("effectiveness", "latency")
"""Budgets whose limits are not rounded to whole numbers."""


@dataclass(frozen=True)
class Sweep:
    """Limits of one budget.

    Attributes
    ----------
    budget:
        Its name, as :meth:`mipdesign.Problem.usage` names it: ``flops``, ``min_flops`` for the lower limit, or ``latency.NAME``
        for one of several latency tables.
    values:
        The limits, increasing.
    """

    budget: str
    values: tuple[float, ...]

    def __repr__(self) -> str:
        first, last = (f"{self.values[i]:.12g}" for i in (0, -1))
        return f"<Sweep {self.key}: {len(self.values)} limits from {first} to {last}>"

    @property
    def key(self) -> str:
        """The dotted path of the limit in a specification."""
        return f"budgets.{self.budget.removeprefix(LOWER)}.min" if self.budget.startswith(LOWER) else f"budgets.{self.budget}"

    @classmethod
    def parse(cls, text: str) -> Sweep:
        """Reads ``KEY=FIRST:LAST:COUNT``, ``KEY=FIRST:LAST:COUNT:log`` or ``KEY=VALUE,VALUE,...``; values may have units.

        Raises
        ------
        SpecError
            If it cannot be read.
        """
        key, separator, values = text.partition("=") if isinstance(text, str) else ("", "", "")
        if not separator:
            raise SpecError("sweeps", f"{short(text)} is not KEY=VALUES", "write for example budgets.flops=0.5e9:4e9:8")
        parts = key.removeprefix("budgets.").split(".")
        if parts[0] == LATENCY and len(parts) > 1 and NAME.fullmatch(parts[1]) and parts[1] not in LatencyRange.model_fields:
            parts = [f"{LATENCY}.{parts[1]}", *parts[2:]]
        sides = {1: "", 2: {"min": LOWER, "max": ""}.get(parts[-1])}
        side, kind = sides.get(len(parts)), kind_of_budget(parts[0])
        if kind not in Budgets.model_fields or side is None:
            names = ", ".join(Budgets.model_fields)
            raise SpecError("sweeps", f"{key!r} is not a limit", f"use budgets.NAME or budgets.NAME.min; names: {names}")
        numbers = _numbers(values, DIMENSIONS[kind])
        if kind not in REAL:
            numbers = [int(n) if abs(n) < 2**63 else n for n in numbers]
        if len(set(numbers)) < 2 or min(numbers) <= 0:
            raise SpecError("sweeps", f"{values!r} gives {numbers}", "give two or more different limits greater than 0")
        return cls(side + parts[0], tuple(sorted(set(numbers))))

    def looser(self, a: float, b: float) -> bool:
        """Whether limit ``a`` admits all that limit ``b`` does."""
        return a <= b if self.budget.startswith(LOWER) else a >= b


def _double(word: str, dimension: Dimension) -> float:
    """A number of a sweep, which is a double: no digit may be lost.

    Raises
    ------
    ValueError
        If it is none.
    SpecError
        If no double stands for it, or its unit is that of something else.
    """
    try:
        in_units = without_unit(word, dimension)
    except SpecError as error:
        raise SpecError("sweeps", error.problem, error.remedy) from None
    if isinstance(in_units, Fraction):
        exact = plain_number(in_units)
        word = exact if isinstance(exact, str) else repr(exact)
    number = from_text(word) if NUMBER.fullmatch(word) else float(word)
    return require_double(number, "sweeps", word)


def require_double(number: float | str, field: str, given: Any) -> float:
    """A number of plain data, unless it is a text because no double stands for it.

    Raises
    ------
    SpecError
        In that case.
    """
    if isinstance(number, str):
        raise SpecError(field, f"no double stands for {short(given)}", "give numbers of at most 15 digits")
    return number


def _numbers(text: str, dimension: Dimension) -> list[float]:
    """The numbers of a range or a list."""
    words = text.split(":")
    try:
        if len(words) == 1:
            numbers = [_double(word.strip(), dimension) for word in text.split(",")]
        else:
            first, last, count = _double(words[0].strip(), dimension), _double(words[1].strip(), dimension), int(words[2])
            if words[3:] not in ([], ["log"]) or not 2 <= count <= MOST_POINTS or min(first, last) <= 0:
                raise ValueError
            steps = [k / (count - 1) for k in range(count)]
            exact = [first * (last / first) ** s if words[3:] else first + (last - first) * s for s in steps]
            numbers = [float(f"{value:.12g}") for value in exact]
        if not all(map(math.isfinite, numbers)):
            raise ValueError
    except SpecError:
        raise
    except (ValueError, IndexError, OverflowError):
        remedy = f"write FIRST:LAST:COUNT, FIRST:LAST:COUNT:log or VALUE,VALUE, of 2 to {MOST_POINTS} positive values"
        raise SpecError("sweeps", f"{text!r} is not a range", remedy) from None
    return numbers
