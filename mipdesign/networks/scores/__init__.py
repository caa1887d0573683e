"""Scores: how layer terms and maps make an objective. One file for each."""

from __future__ import annotations

from ...errors import SpecError
from .deepmad import DeepMad
from .factors import Factor
from .madnas import MadNas
from .score import Score, effect_of_end, exact_effect_of_end
from .stentr import StEntr
from .table import TableScore

SCORES: dict[str, Score] = {score.name: score for score in (DeepMad(), MadNas(), StEntr(), TableScore())}
"""Scores by name."""
DEFAULT_SCORE = DeepMad.name
"""The score of a problem that names none."""

__all__ = [
    "DEFAULT_SCORE",
    "SCORES",
    "DeepMad",
    "Factor",
    "MadNas",
    "Score",
    "StEntr",
    "TableScore",
    "effect_of_end",
    "exact_effect_of_end",
    "score_named",
]


def score_named(name: str, field: str = "objective.score") -> Score:
    """The score of that name, which stands in a field.

    Raises
    ------
    SpecError
        If there is none.
    """
    if name not in SCORES:
        raise SpecError(field, f"{name!r} is not a score", f"use one of: {', '.join(SCORES)}")
    return SCORES[name]
