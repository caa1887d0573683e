"""Problems in a few words: those of presets from their listing, or from their specifications where it is not of these."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .listing import Summary, listed_summaries, preset_names

if TYPE_CHECKING:
    from .problem import Problem


def summary_of(problem: Problem) -> Summary:
    """A problem in a few words."""
    return Summary(
        problem.name,
        problem.input.resolution,
        tuple(sorted({block for stage in problem.stages for block in stage.block})),
        problem.size(),
        {name: float(limit) for name, limit in problem.budgets.limits().items()},
    )


def preset_summaries() -> Iterator[Summary]:
    """The presets in the order of their names; a specification is read only where the listing does not have it."""
    listed = listed_summaries()
    for name in preset_names():
        if name in listed:
            yield listed[name]
        else:
            from .problem import Problem

            yield summary_of(Problem.preset(name))
