"""How much of the tests' grids and random examples is run: a sample, or everything with ``./run test --all``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import settings

RANDOM = 100
"""Random examples of a property that says nothing else, with ``--all``."""
SHARE = 5
"""Of so many random examples one is run by default."""

_whole = False


def set_whole(whole: bool) -> None:
    """Says, before any test module is imported, whether everything is run."""
    global _whole
    _whole = whole
    settings.register_profile("any machine", examples(RANDOM))
    settings.load_profile("any machine")


def is_whole() -> bool:
    """Whether everything is run."""
    return _whole


def examples(count: int) -> settings:
    """The settings of a property that ``count`` random examples are enough for; no example has to be quick."""
    return settings(max_examples=count if _whole else max(5, count // SHARE), deadline=None)


def of(whole: int, sample: int) -> int:
    """How many cases a loop within a test goes through."""
    return whole if _whole else sample


def few(cases: Iterable[Any], count: int) -> list[Any]:
    """Cases of a grid, of which ``count``, evenly spread, are run by default; the others are marked as long."""
    every = list(cases)
    chosen = {i * len(every) // count for i in range(min(count, len(every)))}
    return [case if i in chosen else _long(case) for i, case in enumerate(every)]


def _long(case: Any) -> Any:
    return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.long)
