"""Limits relative to a network that exists: ``flops: 80% of torchvision/resnet50``.

Such a limit is the network's own figure, counted as the problem counts it and at its resolution, times the share: exactly, then
rounded down for an upper limit and up for a lower one, to whole units (nanoseconds of a latency).
"""

from __future__ import annotations

import contextlib
import difflib
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ..errors import SpecError, short
from ..networks.budget_names import LATENCY, LOWER, kind_of_budget
from ..networks.objective import effectiveness
from ..numerals import NUMBER, plain_number, positive
from ..units import MOST_CHARACTERS
from .budgets import LIMITS, LatencyRange, several, tables_by_name

if TYPE_CHECKING:
    from ..networks.architecture import Architecture
    from ..networks.evaluator import Evaluator
    from .specification import Input, StemSpace

_RELATIVE = re.compile(rf"({NUMBER.pattern})\s*%\s+of\s+(\S.*)", re.DOTALL)
EXAMPLE = "write, for example, 80% of torchvision/resnet50"
PLACEHOLDER = {"max": 1e300, "min": 1}
"""What stands for a limit until it is known: a problem with it is counted in as any other."""


class Counts(Protocol):
    """What of a problem counts a network."""

    @property
    def input(self) -> Input:
        """What enters the network."""

    @property
    def stem(self) -> StemSpace:
        """Its stem."""

    @property
    def evaluator(self) -> Callable[[Architecture], Evaluator]:
        """The exact evaluator of a network."""


Made = TypeVar("Made", bound=Counts)


@dataclass(frozen=True)
class Origin:
    """Where a limit came from.

    Attributes
    ----------
    share:
        Of the figure that the network has.
    network:
        Its name, or its path.
    figure:
        What it has.
    """

    share: Fraction
    network: str
    figure: Fraction


def share_of(text: str) -> tuple[Fraction, str]:
    """Share and network of a relative limit.

    Raises
    ------
    SpecError
        For a share that is not positive, or a text that is no such limit.
    """
    parts = _RELATIVE.fullmatch(text.strip()) if len(text) <= MOST_CHARACTERS else None
    if parts is None:
        raise SpecError("", f"{short(text)} is not a share of a network's figure", EXAMPLE)
    try:
        return positive(parts[1]) / 100, parts[2]
    except SpecError as error:
        raise SpecError("", f"{short(text)} is refused", error.remedy) from None


def relative_limits(budgets: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """The path of every limit in plain data of budgets that has a ``%``, and the name of its budget."""
    if not isinstance(budgets, dict):
        return
    for budget, given in budgets.items():
        try:
            of_names = tables_by_name(given) if budget == LATENCY else given
        except SpecError:  # which the budget itself refuses
            continue
        named = several(of_names) if budget == LATENCY else False
        for name, limits in of_names.items() if named else [(None, given)]:
            path = (budget,) if name is None else (budget, name)
            if isinstance(limits, dict):
                places = [(*path, side) for side in LIMITS if isinstance(limits.get(side), str) and "%" in limits[side]]
            else:
                places = [path] if isinstance(limits, str) and "%" in limits else []
            yield from ((place, ".".join(path)) for place in places)


def with_value(budgets: Mapping[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Budgets with another value at a path."""
    first, *rest = path
    inner = tables_by_name(budgets[first])
    return dict(budgets) | {first: with_value(inner, tuple(rest), value) if rest else value}


def value_at(budgets: Any, path: tuple[str, ...]) -> Any:
    """The value at a path."""
    for name in path:
        budgets = tables_by_name(budgets)[name]
    return budgets


def limit_of(problem: Counts, budget: str, side: str, share: Fraction, name: str) -> tuple[Fraction, Origin]:
    """A relative limit as a number, and where it came from.

    Parameters
    ----------
    problem:
        One with the space, the objective and the kinds of budgets of that of the limit.

    Raises
    ------
    SpecError
        If there is no such network, or its figure cannot be counted in this problem.
    """
    network = network_at(name, problem)
    if kind_of_budget(budget) == "effectiveness":
        rho = max(map(effectiveness, problem.evaluator(network).prefixes))
        raise SpecError("", f"a share of the effectiveness of {name} is no exact number", f"give a number: it has {rho:.6g}")
    evaluator, units = problem.evaluator(network), 1
    try:
        if kind_of_budget(budget) == LATENCY:
            figure, units = Fraction(evaluator.nanoseconds(budget), 1000), 1000
        else:
            figure = Fraction(evaluator.count(budget))
    except SpecError as error:
        raise SpecError("", f"{name} cannot be counted: {error.problem}", "give a number, or another network") from None
    exact = share * figure * units
    limit = Fraction(math.ceil(exact) if side == "min" else math.floor(exact), units)
    if limit <= 0:
        text = f"{plain_number(100 * share)} % of {plain_number(figure)}, which {name} has, is 0"
        raise SpecError("", text, "give a larger share")
    return limit, Origin(share, name, figure)


def network_at(name: str, problem: Counts) -> Architecture:
    """A network by its name or path, at a problem's resolution and of its kind.

    Raises
    ------
    SpecError
        If there is none, or it is a network of video or quantised where the problem is not, or the reverse.
    """
    from ..io.exchange import read_network
    from ..io.library_networks import NETWORKS

    if name not in NETWORKS and not os.path.lexists(name):
        near = difflib.get_close_matches(name, NETWORKS, n=3, cutoff=0.4)
        remedy = f"use one of {', '.join(near)}, or a path" if near else f"use one of {', '.join(NETWORKS)}, or a path"
        raise SpecError("", f"{short(name)} is not a network", remedy)
    try:
        network = read_network(name, problem.input.resolution)
    except SpecError as error:
        place = f"{error.field}: " if error.field else ""
        if "map of" in error.problem:  # it has no place in so small a picture
            text = f"{name} has no figures at the problem's resolution, {problem.input.resolution}: {error.problem}"
            raise SpecError("", text, "give a number, or a network for such pictures") from None
        raise SpecError("", f"{name}: {place}{error.problem}", error.remedy) from None
    of_video, quantised = problem.input.frames is not None, problem.stem.bits is not None
    for what, here, there in (("of video", network.frames is not None, of_video), ("quantised", network.quantised, quantised)):
        if here != there:
            text = f"{name} is {what}, and the problem is not" if here else f"the problem is {what}, and {name} is not"
            raise SpecError("", text, "give a number, or a network of the problem's kind")
    return network


def resolved(data: dict[str, Any], make: Callable[[Any], Made]) -> Made:
    """A problem of plain data in which limits may be relative, with the numbers in their place.

    Parameters
    ----------
    make:
        Checks plain data without such limits.

    Raises
    ------
    SpecError
        Naming the limit.
    """
    budgets: dict[str, Any] = data.get("budgets") or {}
    shares = {}
    for path, budget in list(relative_limits(budgets)):
        with _at(path):
            shares[path] = budget, share_of(value_at(budgets, path))
            if path == (LATENCY,):
                LatencyRange.as_mapping(value_at(budgets, path))  # a share alone has no table
        budgets = with_value(budgets, path, PLACEHOLDER[_side(path)])
    if not shares:
        return make(data)
    draft, origins = make(data | {"budgets": budgets}), {}
    for path, (budget, (share, name)) in shares.items():
        with _at(path):
            limit, origin = limit_of(draft, budget, _side(path), share, name)
        budgets = with_value(budgets, path, plain_number(limit))
        origins[(LOWER if _side(path) == "min" else "") + budget] = origin
    problem = make(data | {"budgets": budgets})
    problem.__dict__["origins"] = origins
    return problem


def _side(path: tuple[str, ...]) -> str:
    return path[-1] if path[-1] in LIMITS else "max"


@contextlib.contextmanager
def _at(path: tuple[str, ...]) -> Iterator[None]:
    """Names the limit of an error."""
    try:
        yield
    except SpecError as error:
        raise SpecError(".".join(("budgets", *path)), error.problem, error.remedy) from None


def from_folder(budgets: Any, folder: Path) -> Any:
    """Budgets with the paths of relative limits' networks, which are relative to a folder, as paths from here."""
    for path, _ in list(relative_limits(budgets)):
        value = value_at(budgets, path)
        parts = _RELATIVE.fullmatch(value.strip())
        if parts is not None and os.path.lexists(folder / parts[2]):
            budgets = with_value(budgets, path, f"{parts[1]}% of {folder / parts[2]}")
    return budgets
