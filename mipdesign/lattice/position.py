"""A network as a position in the tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Position(NamedTuple):
    """A network as table positions: index of the stem in ``tables.stem_c``; column and depth of each super-block."""

    stem: int
    columns: tuple[int, ...]
    depths: tuple[int, ...]


@dataclass(frozen=True)
class Candidate:
    """A network that competes for the best, with its floating-point objective."""

    position: Position
    objective: float
