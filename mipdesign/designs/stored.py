"""The content of the files that commands write, as models: whatever is read back is a claim until it was checked.

Nothing is converted: a number is a number and finite, a status is a known word, and a field that is not known is refused.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, RootModel

from ..errors import SpecError
from ..networks.architecture import Architecture
from ..networks.evaluator import LOWER
from ..networks.objective import ConventionName
from ..parsing import load_json, validated
from ..problem.budgets import Budgets
from ..problem.problem import Problem
from ..search.outcome import Status

MAX_RESULT_BYTES = 16_000_000
"""Largest ``result.json`` or ``trace.csv``: a latency table in a problem has some megabytes."""
MAX_FRONTIER_BYTES = 64_000_000
"""Largest ``frontier.json``: a point has some kilobytes."""

FrontierFormat: TypeAlias = Literal["mipdesign-frontier-1"]
FRONTIER_FORMAT: FrontierFormat = "mipdesign-frontier-1"
Phase: TypeAlias = Literal["incumbent", "feasibility", "presolve", "solver", "done"]
"""What a run does, as :class:`mipdesign.search.outcome.Progress` names it once everything is compiled."""
Digest: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
NotNegative: TypeAlias = Annotated[float, Field(ge=0)]
Count: TypeAlias = Annotated[int, Field(ge=0)]
Short: TypeAlias = Annotated[str, Field(min_length=1, max_length=100)]


class Stored(BaseModel):
    """A part of a file of ours."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class StoredUsage(Stored):
    """What a network uses of a budget."""

    value: float
    limit: float | None = None


class StoredResult(Stored):
    """The content of ``result.json``; the problem and the architecture are checked by their own models."""

    name: Short
    convention: ConventionName
    status: Status
    objective: float | None
    bound: float | None
    gap: float | None
    architecture: dict[str, Any] | None
    budgets: dict[str, StoredUsage]
    evaluation: dict[str, Any] | None
    wall_seconds: NotNegative
    peak_rss_mb: NotNegative
    versions: dict[str, str]
    seed: Count
    interrupted: bool
    incidents: list[str]
    problem: dict[str, Any]
    certificate_sha256: Digest
    sha256: Digest


class StoredProgress(BaseModel):
    """A row of ``trace.csv``, whose texts are read as numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    seconds: NotNegative
    phase: Phase
    incumbent: float | None
    bound: float | None
    gap: float | None
    open_nodes: Count
    closed_nodes: Count


class StoredPrice(Stored):
    """What one more unit of a budget is worth, in units of the objective; by the multipliers of the bound."""

    per_unit: float | None = None


class StoredPoint(Stored):
    """The best network under some limits, or that there is none."""

    limits: dict[str, float]
    status: Status
    objective: float | None
    bound: float | None
    gap: float | None
    architecture: dict[str, Any] | None
    budgets: dict[str, StoredUsage]
    dominated: bool
    prices: dict[str, StoredPrice]
    proof: Short

    @property
    def network(self) -> Architecture | None:
        """The network as such."""
        return None if self.architecture is None else Architecture.from_dict(self.architecture)


class StoredSweep(Stored):
    """A limit that is varied, and its values."""

    key: Short
    values: Annotated[list[float], Field(min_length=2)]


class StoredFrontier(Stored):
    """The content of ``frontier.json``."""

    format: FrontierFormat
    name: Short
    convention: ConventionName
    sweeps: Annotated[list[StoredSweep], Field(min_length=1, max_length=2)]
    points: Annotated[list[StoredPoint], Field(min_length=1)]
    problem: dict[str, Any]
    seed: Count
    versions: dict[str, str]


class StoredPrices(RootModel[dict[str, float]]):
    """The content of ``prices.json``: the objective per unit of each budget."""

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)


def read_frontier(path: Path) -> tuple[StoredFrontier, dict[str, Any]]:
    """The content of a ``frontier.json``: checked, and as it is written.

    Raises
    ------
    SpecError
        With the field, its value and a remedy.
    """
    data = load_json(path, MAX_FRONTIER_BYTES)
    frontier = validated(StoredFrontier, data, str(path))
    Problem.from_dict(frontier.problem, f"{path}: problem")
    total = math.prod(len(sweep.values) for sweep in frontier.sweeps)
    if len(frontier.points) != total:
        raise SpecError("points", f"{len(frontier.points)} points for {total} limits", "give what 'pareto' wrote", str(path))
    for i, point in enumerate(frontier.points):
        if point.architecture is not None:
            Architecture.from_dict(point.architecture, f"{path}: points.{i}.architecture")
        if set(point.limits) != {sweep.key for sweep in frontier.sweeps}:
            remedy = f"give the limits {', '.join(sweep.key for sweep in frontier.sweeps)}"
            raise SpecError(f"points.{i}.limits", f"names {', '.join(point.limits) or 'none'}", remedy, str(path))
    return frontier, data


def read_prices(path: Path) -> dict[str, float]:
    """The content of a ``prices.json``.

    Raises
    ------
    SpecError
        With the field, its value and a remedy.
    """
    prices = validated(StoredPrices, load_json(path), str(path)).root
    for name in prices:
        if name.removeprefix(LOWER) not in Budgets.model_fields:
            raise SpecError(name, "is not a budget", f"use some of: {', '.join(Budgets.model_fields)}", str(path))
    return prices
