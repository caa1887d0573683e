"""The parts of a certificate's tree as they are read: closed and open nodes, and cells that a solver closed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from .cell import Split
from .multipliers import Prices
from .reading import refuse

NODE, MOST_DEPTH = re.compile("[01]*"), 500
SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Closed:
    """A cell that a solver is said to have closed, for solving it again: choices by their numbers.

    ``stems``: channels; ``columns``: ``(family, C, b, k, bits)`` of every element of the chain; ``depths``; ``level``: what
    networks have to reach. A block that is absent has 0 for its sizes; see :attr:`.Element.bits`.
    """

    stems: list[int]
    columns: list[list[tuple[str, int, int, int, int]]]
    depths: list[list[int]]
    level: float


@dataclass(frozen=True)
class Record:
    verdict: str
    cutoff: float
    prices: Prices
    split: Split | None


@dataclass(frozen=True)
class Open:
    bound: float
    prices: Prices
    by_solver: bool


def node_name(value: Any, where: str) -> str:
    if not isinstance(value, str) or len(value) > MOST_DEPTH or not NODE.fullmatch(value):
        raise refuse(where, value, f"a node's name is expected, up to {MOST_DEPTH} of the digits 0 and 1")
    return value


def decimal_number(value: Any, where: str) -> Decimal:
    try:
        exact = Decimal(value) if isinstance(value, str) and len(value) <= 100 else None
    except InvalidOperation:
        exact = None
    if exact is None or not exact.is_finite() or abs(exact.adjusted()) > 900_000:
        raise refuse(where, value, "a decimal number is expected")
    return exact
