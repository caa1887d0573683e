"""A frontier and its files, ``frontier.json`` and the ``prices.json`` of a point: one writer and one reader of each."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field, RootModel

from ..arguments import arguments
from ..certificate.certificate import finite
from ..designs.pool import Pool
from ..designs.result import StoredList
from ..designs.stored import Count, Short, StoredOptimum
from ..designs.versions import installed_versions
from ..display import Displayed, from_report
from ..errors import SpecError, counted
from ..frames import data_frame
from ..networks.architecture import Architecture
from ..networks.budget_names import LOWER
from ..networks.objective import ConventionName
from ..parsing import Stored, load_json, validated
from ..problem.budgets import Budgets
from ..problem.problem import Problem
from ..search.incumbents import relative_gap
from ..search.listing import Wanted
from ..search.outcome import Status
from .sweep import Sweep

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

FRONTIER, POINTS, PRICES = "frontier.json", "points", "prices.json"
FrontierFormat: TypeAlias = Literal["mipdesign-frontier-1"]
FRONTIER_FORMAT: FrontierFormat = "mipdesign-frontier-1"
MAX_FRONTIER_BYTES = 64_000_000
"""Largest ``frontier.json``: a point has some kilobytes."""


@dataclass(frozen=True)
class Point:
    """One point of a frontier.

    Attributes
    ----------
    limits:
        The limits that are swept, by budget.
    problem:
        The problem with these limits.
    status, architecture, objective, bound:
        As of a design; ``unknown`` and ``None`` where it has not been solved.
    proof:
        The point whose certificate proves it: its own, or that of looser limits.
    dominated:
        Whether another point has no looser limits, one of them tighter, and an objective that is no less.
    prices:
        Objective per unit of each budget; see :mod:`mipdesign.analysis.shadow_prices`.
    budgets:
        Value and limit of each budget, as ``result.json`` states them.
    listed, pool:
        Where lists were asked for, what the point's is, and its networks, as of a design.
    """

    limits: Mapping[str, float]
    problem: Problem
    status: Status
    architecture: Architecture | None
    objective: float | None
    bound: float
    proof: int
    dominated: bool
    prices: Mapping[str, float]
    budgets: Mapping[str, Any]
    listed: Mapping[str, Any] | None = None
    pool: Pool | None = None

    @property
    def gap(self) -> float | None:
        """Relative gap, or ``None`` without a design or a bound."""
        known = self.objective is not None and not math.isinf(self.bound)
        return relative_gap(self.bound, self.objective) if known and self.objective is not None else None


@dataclass(frozen=True)
class Frontier(Displayed):
    """The optima along one or two budgets; points in the order of the limits, the last sweep's fastest.

    Attributes
    ----------
    wanted:
        Which networks are listed at each point; ``None`` where there are no lists.
    """

    problem: Problem
    sweeps: tuple[Sweep, ...]
    points: tuple[Point, ...]
    seed: int
    wanted: Wanted | None = None

    def __repr__(self) -> str:
        swept = ", ".join(sweep.key for sweep in self.sweeps)
        return (
            f"<Frontier of {self.problem.name!r} over {swept}: {len(self.points)} points, {len(self.settled)} of them proven>"
        )

    @property
    def settled(self) -> list[Point]:
        """The points of which all is proven: an optimum, with the list that was asked for, or that there is no network."""
        return [point for point in self.points if self.is_settled(point)]

    def is_settled(self, point: Point) -> bool:
        """Whether all of a point is proven, as of :attr:`settled`."""
        listed = self.wanted is None or self.wanted.answered_by(point.listed)
        return point.status == "infeasible" or (point.status == "optimal" and listed)

    def folder_of(self, point: Point) -> str:
        """Where in the folder of the frontier the files of the design are that settles a point."""
        return f"{POINTS}/{point_name(point.proof, len(self.points))}"

    def to_frame(self) -> pandas.DataFrame:
        """A row for each point: its limits, what was proved, what its network has of each budget, and prices.

        Needs pandas, the extra ``frames``.
        """
        return data_frame(
            {
                **{f"limit_{name}": limit for name, limit in point.limits.items()},
                **{"status": point.status, "objective": point.objective, "bound": finite(point.bound), "gap": point.gap},
                "dominated": point.dominated,
                **({} if point.listed is None else {"networks": point.listed["count"]}),
                **{name: usage["value"] for name, usage in point.budgets.items()},
                **{f"price_{name}": price for name, price in point.prices.items()},
            }
            for point in self.points
        )

    @arguments()
    def plot(self, ax: Axes | None = None) -> Axes:
        """Draws the optimum over the first limit with matplotlib, on new axes or on those given, and returns the axes.

        Raises
        ------
        SpecError
            If no point has a network.
        MissingExtraError
            If matplotlib is not installed.
        """
        from ..figures.axes import plot_chart

        chart = from_report("frontier_view", "frontier_chart")(self.stored(), "frontier")
        if chart is None:
            raise SpecError("", "no point of the frontier has a network", "sweep looser limits")
        return plot_chart(chart, ax, f"{self.problem.name}: {chart.title.lower()}")

    def to_dict(self) -> dict[str, Any]:
        """The content of ``frontier.json``; it depends on nothing but the problem, the sweeps and the limits of the runs.

        :class:`StoredFrontier` is its schema.
        """
        keys = {sweep.budget: sweep.key for sweep in self.sweeps}
        return {
            "format": FRONTIER_FORMAT,
            "name": self.problem.name,
            "convention": self.problem.convention,
            "sweeps": [{"key": sweep.key, "values": list(sweep.values)} for sweep in self.sweeps],
            **({} if self.wanted is None else {"lists": self.wanted.to_plain()}),
            "points": [
                {
                    "limits": {keys[name]: limit for name, limit in point.limits.items()},
                    "status": point.status,
                    "objective": point.objective,
                    "bound": finite(point.bound),
                    "gap": point.gap,
                    "architecture": None if point.architecture is None else point.architecture.to_dict(),
                    "budgets": point.budgets,
                    "dominated": point.dominated,
                    "prices": {name: {"per_unit": price} for name, price in point.prices.items()},
                    "proof": self.folder_of(point),
                    **({} if self.wanted is None else {"pool": _stated(point.listed)}),
                }
                for point in self.points
            ],
            "problem": self.problem.to_dict(),
            "seed": self.seed,
            "versions": installed_versions(),
        }

    def stored(self) -> StoredFrontier:
        """The content of ``frontier.json`` as its reader has it."""
        return StoredFrontier.model_validate(self.to_dict())


def _stated(listed: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What is said of a list, in one order whether it has just been made or was read."""
    return None if listed is None else {name: listed[name] for name in StoredList.model_fields}


def point_name(index: int, total: int) -> str:
    """Name of a point's folder."""
    return str(index).zfill(len(str(total - 1)))


class StoredPrice(Stored):
    """What one more unit of a budget is worth, in units of the objective; by the multipliers of the bound."""

    per_unit: float | None = None


class StoredPoint(StoredOptimum):
    """The best network under some limits, or that there is none."""

    limits: dict[str, float]
    dominated: bool
    prices: dict[str, StoredPrice]
    proof: Short
    pool: StoredList | None = None


class StoredSweep(Stored):
    """A limit that is varied, and its values."""

    key: Short
    values: Annotated[list[float], Field(min_length=2)]

    @property
    def budget(self) -> str:
        """The budget whose limit it is, as its prices are named; see :class:`mipdesign.analysis.sweep.Sweep`."""
        name = self.key.removeprefix("budgets.").removesuffix(".max")
        return LOWER + name.removesuffix(".min") if name.endswith(".min") else name


class StoredWanted(Stored):
    """Which networks are listed at each point; see :class:`mipdesign.search.listing.Wanted`."""

    within: Short | None
    best: Count | None
    different: Short | None
    most: Count

    def wanted(self, source: str) -> Wanted | None:
        """The same, checked.

        Raises
        ------
        SpecError
            If no such list can be asked for; ``source`` is the file that does.
        """
        try:
            return Wanted.of(self.within, self.best, self.different, self.most)
        except SpecError as error:
            raise SpecError(f"lists.{error.field}", error.problem, error.remedy, source) from None


class StoredFrontier(Stored):
    """The content of ``frontier.json``."""

    format: FrontierFormat
    name: Short
    convention: ConventionName
    sweeps: Annotated[list[StoredSweep], Field(min_length=1, max_length=2)]
    lists: StoredWanted | None = None
    points: Annotated[list[StoredPoint], Field(min_length=1)]
    problem: dict[str, Any]
    seed: Count
    versions: dict[str, str]


class StoredPrices(RootModel[dict[str, float]]):
    """The content of ``prices.json``: the objective per unit of each budget."""

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)


def frontier_text(frontier: Frontier) -> str:
    """Text of ``frontier.json``."""
    return json.dumps(frontier.to_dict(), indent=1) + "\n"


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
    if frontier.lists is not None:
        frontier.lists.wanted(str(path))
    total = math.prod(len(sweep.values) for sweep in frontier.sweeps)
    if len(frontier.points) != total:
        raise SpecError(
            "points",
            f"{counted(len(frontier.points), 'point')} for {counted(total, 'limit')}",
            "give what 'pareto' wrote",
            str(path),
        )
    for i, point in enumerate(frontier.points):
        point.network(f"{path}: points.{i}.architecture")
        if set(point.limits) != {sweep.key for sweep in frontier.sweeps}:
            remedy = f"give the limits {', '.join(sweep.key for sweep in frontier.sweeps)}"
            raise SpecError(f"points.{i}.limits", f"names {', '.join(point.limits) or 'none'}", remedy, str(path))
    return frontier, data


def prices_text(prices: Mapping[str, float]) -> str:
    """Text of ``prices.json``."""
    return json.dumps(dict(prices)) + "\n"


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
