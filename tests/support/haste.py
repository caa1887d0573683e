"""Designs that do not take longer than they have to: no long heuristics, no plots, one worker process for many."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mipdesign.search.workers import Workers

HEURISTIC_SECONDS = 0.1
"""Most seconds that the heuristics take in tests before the tree begins; a search takes them all, however small its space."""


def hasten() -> None:
    """Has the searches of this process take so long, and draws none of them: no answer depends on either."""
    from mipdesign.figures import convergence
    from mipdesign.search import driver

    driver.HEURISTIC_SECONDS = HEURISTIC_SECONDS
    convergence.draw_convergence = lambda trace, path: False


@cache
def kept() -> Workers:
    """One worker process that is kept from design to design, since its start takes longer than a small search.

    Not for problems of plug-ins or of families that a test brings: it would not have them.
    """
    from mipdesign.search.workers import Workers

    return Workers(1)


def end_kept() -> None:
    """Ends it, if there is one."""
    if kept.cache_info().currsize:
        kept().close()
        kept.cache_clear()
