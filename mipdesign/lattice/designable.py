"""What can be evaluated but not designed yet."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import SpecError
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
    if problem.budgets.max_feature is not None:
        yield "budgets.max_feature", "a limit"
