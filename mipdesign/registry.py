"""What installed packages register by entry points: found by name, loaded only when asked for."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from .errors import SpecError


@cache
def registered(group: str) -> dict[str, EntryPoint]:
    """Entry points of a group by name, sorted."""
    return {point.name: point for point in sorted(entry_points(group=group), key=lambda point: point.name)}


def load(group: str, name: str, field: str) -> Any:
    """What is registered under a name.

    Raises
    ------
    SpecError
        If there is nothing; ``field`` says what the name was given for.
    """
    points = registered(group)
    if name not in points:
        known = ", ".join(points) or "none: install the package, for example with: pip install -e ."
        raise SpecError(field, f"{name!r} is not registered", f"use one of: {known}")
    return points[name].load()
