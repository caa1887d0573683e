"""Specifications as plain data, for YAML and JSON."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from pydantic import BaseModel

from ..networks.latency import LatencyTable
from ..networks.values import ValueTable
from ..numerals import plain_number
from .budgets import Range
from .objective import ObjectiveSpec, objective_to_plain
from .specification import Lattice, StageSpace


def plain(value: Any) -> Any:
    """Plain data of a part of a specification, from which it is read the same."""
    if isinstance(value, Lattice):
        return value.to_plain()
    if isinstance(value, (LatencyTable, ValueTable)):
        return value.to_lines()
    if isinstance(value, Fraction):
        return plain_number(value)
    if type(value) is Range and value.min is None and value.bytes is None:
        return plain(value.max)
    if isinstance(value, StageSpace):
        return _stage_to_plain(value)
    if isinstance(value, ObjectiveSpec):
        return objective_to_plain(value, plain)
    if isinstance(value, BaseModel):
        pairs = ((name, getattr(value, name)) for name in type(value).model_fields)
        return {name: plain(item) for name, item in pairs if item is not None}
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value


def _stage_to_plain(stage: StageSpace) -> dict[str, Any]:
    """A stage as a specification writes it, without what it leaves at its default."""
    pairs = ((name, getattr(stage, name)) for name in StageSpace.model_fields)
    data = {name: plain(value) for name, value in pairs if name not in STAGE_EXTRAS or value != STAGE_EXTRAS[name]}
    if len(stage.block) == 1:
        data["block"] = stage.block[0]
    return data


STAGE_EXTRAS: dict[str, Any] = {"per_block": {}, "uniform": True, "multiple_of": 1, "forbidden": (), "bits": None}
"""Fields of a stage that are rarely used, with their defaults."""
