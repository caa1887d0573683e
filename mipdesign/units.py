"""Units of limits: ``1.82G``, ``4 MiB``, ``25 ms`` as exact numbers, and back.

What a limit counts has a *dimension*: a count, a size in bytes, or a time, which is stored in microseconds. A number without a
unit is in the unit of its dimension. Prefixes are decimal (``k``, ``M``, ``G``, ``T``, ``P``); those of bytes may be binary
(``KiB`` to ``PiB``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .errors import SpecError, cut_off, short
from .numerals import NUMBER, exact, plain_number

PREFIXES = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
"""Decimal prefixes, and what they multiply by."""
BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}
"""Binary ones, of bytes."""
LARGEST_IN_FULL = 10**18
"""Numbers from here on are printed as plain data writes them."""
MOST_CHARACTERS = 2000
"""Longest text that is read for a unit."""
MOST_DECIMALS = 18
"""Most digits behind the point of a number that is printed as a decimal."""


@dataclass(frozen=True)
class Dimension:
    """What a limit may count.

    Attributes
    ----------
    name:
        As an error says it.
    units:
        Every unit that may be read, with its factor.
    printed:
        Those with which a limit may be printed.
    example:
        A limit, for an error.
    bare:
        What is printed behind a number in the unit of the dimension.
    """

    name: str
    units: Mapping[str, Fraction]
    printed: tuple[str, ...]
    example: str
    bare: str = ""


def _factors(units: Mapping[str, int]) -> dict[str, Fraction]:
    return {unit: Fraction(factor) for unit, factor in units.items()}


def _of(*nouns: str, prefixes: Mapping[str, int] = PREFIXES) -> dict[str, Fraction]:
    """The factors of some nouns, with and without a prefix."""
    return _factors({prefix + noun: factor for prefix, factor in ({"": 1} | dict(prefixes)).items() for noun in nouns})


COUNT = Dimension("a count", _factors(PREFIXES), tuple(PREFIXES), "300M or 1.82G")
FLOPS = Dimension("a count of FLOPs", {**COUNT.units, **_of("FLOP", "FLOPs")}, COUNT.printed, "1.82G or 600 MFLOPs")
MACS = Dimension("a count of multiply-accumulates", {**COUNT.units, **_of("MAC", "MACs")}, COUNT.printed, "300M or 300 MMACs")
_BYTES = _of("B", prefixes=PREFIXES | BINARY)
BYTES = Dimension("a size", {**COUNT.units, **_BYTES}, tuple(unit for unit in _BYTES if unit != "B"), "4 MiB or 4 MB", " B")
SIZE_OR_COUNT = Dimension("a size, or a count", BYTES.units, COUNT.printed, "1 MB for bits, or 1M")
_MICROSECONDS = {"ns": Fraction(1, 1000), "us": Fraction(1), "µs": Fraction(1), "ms": Fraction(1000), "s": Fraction(10**6)}
TIME = Dimension("a time", _MICROSECONDS, ("ns", "ms", "s"), "25 ms or 400 us", " µs")
PURE = Dimension("a number without a unit", {}, (), "0.3")

DIMENSIONS: dict[str, Dimension] = {
    **dict.fromkeys(("params", "params_backbone", "params_total", "layers", "blocks", "activations", "bit_operations"), COUNT),
    **dict.fromkeys(("weights_bytes", "activation_memory", "max_feature"), BYTES),
    "flops": FLOPS,
    "macs": MACS,
    "model_size": SIZE_OR_COUNT,
    "latency": TIME,
    "effectiveness": PURE,
}
"""What each budget counts."""

_WITH_UNIT = re.compile(rf"({NUMBER.pattern})\s*([A-Za-zµ].*)", re.DOTALL)


def without_unit(value: Any, dimension: Dimension) -> Any:
    """A limit whose text ends with a unit as the exact number that it is; anything else as it was.

    Raises
    ------
    SpecError
        If there is no such unit, or it is one of something else.
    """
    if not isinstance(value, str) or len(value) > MOST_CHARACTERS or NUMBER.fullmatch(value):
        return value
    parts = _WITH_UNIT.fullmatch(value.strip().replace("\N{GREEK SMALL LETTER MU}", "\N{MICRO SIGN}"))
    if parts is None:
        return value
    number, unit = parts.groups()
    if unit not in dimension.units:
        if unit.startswith("of "):
            share = cut_off(f"{number}% {unit}")
            raise SpecError("", f"{short(value)} has no %", f"write {share} for a share of a network's figure")
        text = f"{short(value)} is not {dimension.name}{_hint(unit, dimension)}"
        raise SpecError("", text, f"write, for example, {dimension.example}")
    return exact(number) * dimension.units[unit]


def _hint(unit: str, dimension: Dimension) -> str:
    """What is wrong with a unit."""
    if unit in ("KB", "K") and "kB" in dimension.units:
        return f": {unit} may be 1000 or 1024 bytes, kB is 1000 and KiB is 1024"
    others = [other.name for other in (COUNT, FLOPS, MACS, BYTES, TIME) if unit in other.units]
    if others:
        return f": {unit} is a unit of {others[0]}"
    alike = [known for known in dimension.units if known.lower() == unit.lower()]
    return f": {cut_off(repr(unit))} is not a unit" + (f", {alike[0]} is" if alike else "")


def limit_text(number: Fraction, dimension: Dimension) -> str:
    """A limit as it is printed: exact, with a unit where that is shorter, and no unit in place of an equally short number.

    Integers have their thousands apart; what no short decimal says is the fraction that it is.
    """
    texts = [decimal_text(number) + dimension.bare]
    for unit in dimension.printed:
        scaled = decimal_text(number / dimension.units[unit])
        if "/" not in scaled:
            texts.append(f"{scaled} {unit}")
    return min(texts, key=len)


def decimal_text(number: Fraction) -> str:
    """A positive number without rounding: an integer, a decimal, or a fraction where it has none of few digits."""
    if number >= LARGEST_IN_FULL:
        return str(plain_number(number))
    for digits in range(MOST_DECIMALS + 1):
        scaled = number * 10**digits
        if scaled.denominator == 1:
            whole, part = divmod(scaled.numerator, 10**digits)
            return f"{whole:,}" + (f".{part:0{digits}d}" if digits else "")
    return f"{number.numerator}/{number.denominator}"
