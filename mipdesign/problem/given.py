"""A problem as callers give it: a preset's name, a path, the content of a specification, or a problem."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import SpecError, short
from .overrides import apply_overrides, without_numpy
from .problem import Problem

ProblemLike: TypeAlias = Problem | str | Path | Mapping[str, Any]
"""What stands for a problem wherever one is taken."""


def given_problem(given: ProblemLike, argument: str = "problem", overrides: tuple[str, ...] = ()) -> Problem:
    """The problem that something stands for.

    Parameters
    ----------
    given:
        A preset's name or the path of a specification (:meth:`Problem.named`), the content of a specification
        (:meth:`Problem.from_dict`), or a problem.
    argument:
        What an error names.
    overrides:
        Changes as ``KEY=VALUE`` texts.

    Raises
    ------
    SpecError
        If it stands for none, or for one that cannot be used.
    """
    if isinstance(given, Problem):
        return _changed(given, overrides)
    if isinstance(given, Mapping):
        return _changed(Problem.from_dict(without_numpy(given)), overrides)
    if isinstance(given, os.PathLike):
        return Problem.load(given, overrides)
    if isinstance(given, str):
        return Problem.named(given, overrides)
    remedy = "give a preset's name, the path of a specification, its content as a mapping, or a Problem"
    raise SpecError(argument, f"{short(given)} is not a problem", remedy)


def _changed(problem: Problem, overrides: tuple[str, ...]) -> Problem:
    if not overrides:
        return problem
    data = problem.to_dict()
    apply_overrides(data, overrides, filled=True)
    return Problem.from_dict(data)
