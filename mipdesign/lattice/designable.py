"""What can be evaluated but not designed yet."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import SpecError
from ..networks.tool_counts import OF_TOOL
from ..problem.problem import Problem


def require_designable(problem: Problem) -> None:
    """Refuses problems that the tables and bounds do not cover.

    Raises
    ------
    SpecError
        With the field.
    """
    for field, value in _not_covered(problem):
        raise SpecError(field, f"{value} cannot be designed for yet", "leave it out; networks of it can be evaluated")


def _not_covered(problem: Problem) -> Iterator[tuple[str, object]]:
    scoring = problem.scoring
    if scoring.additive:
        yield "objective.score", scoring.score
    elif scoring.exponents != (1.0, 1.0):
        yield "objective", f"the exponents {scoring.exponents}"
    if problem.input.frames is not None:
        yield "input.frames", problem.input.frames
    if problem.stem.bits is not None:
        yield "stem.bits", list(problem.stem.bits)
    for i, stage in enumerate(problem.stages):
        if not stage.uniform:
            yield f"stages.{i}.uniform", "false"
    for name in OF_TOOL:
        if getattr(problem.budgets, name) is not None:
            yield f"budgets.{name}", "a limit"
