"""An explanation and its file: ``explanation.json``, the one writer and the one reader."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ..designs.stored import Short
from ..display import Displayed
from ..figures.formatting import points
from ..files import write_whole, writing
from ..networks.architecture import Architecture
from ..parsing import Stored, load_json, validated
from .shadow_prices import unit_of

EXPLANATION = "explanation.json"
ExplanationFormat: TypeAlias = Literal["mipdesign-explanation-1"]
EXPLANATION_FORMAT: ExplanationFormat = "mipdesign-explanation-1"
MAX_EXPLANATION_BYTES = 16_000_000
"""Largest ``explanation.json``: a limit has some kilobytes."""


@dataclass(frozen=True)
class Better:
    """The best design under a changed limit, and what it changes."""

    limit: float
    objective: float
    value: float
    architecture: Architecture
    changes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "limit": self.limit,
            "objective": self.objective,
            "value": self.value,
            "architecture": self.architecture.to_dict(),
            "changes": list(self.changes),
        }


@dataclass(frozen=True)
class Limit:
    """One limit of an optimum.

    Attributes
    ----------
    name, limit, value, slack:
        As of :class:`mipdesign.problem.budgets.Budget`.
    price:
        Objective per unit of the limit, from the multipliers of the bound; ``None`` where there is no multiplier.
    relaxed:
        The optimum where this limit is relaxed by 1 %.
    outside:
        The network that needs least of this budget among all that are better and keep the other limits; ``None`` where there is
        none up to twice the limit (half of it for a lower one).
    """

    name: str
    limit: float
    value: float
    slack: float
    price: float | None
    relaxed: Better
    outside: Better | None

    @property
    def binds(self) -> bool:
        """Whether there is a better network beyond this limit, all other limits kept."""
        return self.outside is not None

    def predicted(self, objective: float) -> float | None:
        """Objective that the price foretells for the relaxed limit."""
        return None if self.price is None else objective + self.price * (self.relaxed.limit - self.limit)


@dataclass(frozen=True)
class Explanation(Displayed):
    """What :func:`explain` finds."""

    objective: float
    limits: tuple[Limit, ...]

    def __repr__(self) -> str:
        names, binding = ([limit.name for limit in self.limits if limit.binds or not only] for only in (False, True))
        return f"<Explanation: objective {points(self.objective)}, limits {_listed(names)}, binding {_listed(binding)}>"

    def to_dict(self) -> dict[str, Any]:
        """The content of ``explanation.json``; :class:`StoredExplanation` is its schema."""
        return {
            "format": EXPLANATION_FORMAT,
            "objective": self.objective,
            "budgets": [
                {
                    "name": limit.name,
                    "limit": limit.limit,
                    "value": limit.value,
                    "slack": limit.slack,
                    "binds": limit.binds,
                    "price": limit.price,
                    "unit": unit_of(limit.name)[0],
                    "unit_name": unit_of(limit.name)[1],
                    "relaxed": limit.relaxed.to_dict() | {"predicted": limit.predicted(self.objective)},
                    "outside": None if limit.outside is None else limit.outside.to_dict(),
                }
                for limit in self.limits
            ],
        }

    def stored(self) -> StoredExplanation:
        """The content of ``explanation.json`` as its reader has it."""
        return StoredExplanation.model_validate(self.to_dict())

    def save(self, folder: str | Path) -> None:
        """Writes ``explanation.json``."""
        path = Path(folder) / EXPLANATION
        with writing(path.parent, ""):
            write_whole(path, (json.dumps(self.to_dict(), indent=1) + "\n").encode())


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "none"


class StoredBetter(Stored):
    """The best network under a changed limit, and what it changes."""

    limit: float
    objective: float
    value: float
    architecture: dict[str, Any]
    changes: list[str]


class StoredRelaxed(StoredBetter):
    """The best network under a relaxed limit, and the objective that the price predicts for it."""

    predicted: float | None


class StoredLimit(Stored):
    """One limit: whether it binds, what it costs, and what lies beyond it."""

    name: Short
    limit: float
    value: float
    slack: float
    binds: bool
    price: float | None
    unit: float
    unit_name: str
    relaxed: StoredRelaxed
    outside: StoredBetter | None


class StoredExplanation(Stored):
    """The content of ``explanation.json``."""

    format: ExplanationFormat
    objective: float
    budgets: list[StoredLimit]


def read_explanation(path: Path) -> StoredExplanation:
    """The content of an ``explanation.json``.

    Raises
    ------
    SpecError
        With the field, its value and a remedy.
    """
    explanation = validated(StoredExplanation, load_json(path, MAX_EXPLANATION_BYTES), str(path))
    for i, limit in enumerate(explanation.budgets):
        for name, found in (("relaxed", limit.relaxed), ("outside", limit.outside)):
            if found is not None:
                Architecture.from_dict(found.architecture, f"{path}: budgets.{i}.{name}.architecture")
    return explanation
