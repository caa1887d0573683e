"""Designs that do not take longer than they have to: no plots, one process with SCIP for many."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mipdesign.engine.engine import Engine


def hasten() -> None:
    """Has no search of this process drawn: no answer depends on it."""
    from mipdesign.figures import convergence

    convergence.draw_convergence = lambda trace, path: False


@cache
def kept() -> Engine:
    """An engine that is kept from design to design, since its start takes longer than a small search.

    Not for problems of plug-ins or of families that a test brings: it would not have them.
    """
    from mipdesign.engine.engine import Engine

    return Engine(1)


def end_kept() -> None:
    """Ends it, if there is one."""
    if kept.cache_info().currsize:
        kept().close()
        kept.cache_clear()
