"""What a page is made of, read from the folders of designs and of frontiers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from ..checker import digest
from ..designs.run import RESULT, Design, read_files
from ..designs.stored import Stored, StoredFrontier, read_frontier
from ..errors import SpecError
from ..parsing import load_json, validated

FRONTIER, EXPLANATION, VALIDATION = "frontier.json", "explanation.json", "validation.json"


class _Shown(Stored):
    """What a page shows of a file of ours; the other fields are read over."""

    model_config = ConfigDict(extra="ignore")


class Alternative(_Shown):
    """The best network under another limit, and how it differs."""

    limit: float | None = None
    value: float | None = None
    objective: float | None = None
    predicted: float | None = None
    changes: list[str] = Field(default_factory=list)


class ExplainedBudget(_Shown):
    """A budget: whether it binds, what it costs, and what would be without it."""

    name: str
    limit: float
    value: float
    slack: float | None = None
    binds: bool | None = None
    unit: float | None = None
    unit_name: str | None = None
    price: float | None = None
    relaxed: Alternative | None = None
    outside: Alternative | None = None


class Explanation(_Shown):
    """The content of ``explanation.json``."""

    format: Literal["mipdesign-explanation-1"]
    objective: float | None = None
    budgets: list[ExplainedBudget] = Field(default_factory=list)


Shown: TypeAlias = int | float | str | list[int] | None
"""A figure as it is shown; a shape is a list."""


class ValidatedFigure(_Shown):
    """One figure as expected and as measured."""

    name: str
    expected: Shown = None
    measured: Shown = None
    tolerance: float | None = None
    passed: bool | None = None


class Validation(_Shown):
    """The content of ``validation.json``."""

    passed: bool
    checks: list[ValidatedFigure]


@dataclass(frozen=True)
class DesignFolder:
    """A design, and what else its folder says.

    Attributes
    ----------
    label:
        Name of the folder.
    digests:
        SHA-256 by what they are of, as the files state them.
    solvers:
        What closed the cells of the certificate.
    faults:
        What in the files does not agree with itself.
    """

    label: str
    design: Design
    digests: dict[str, str]
    solvers: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    explanation: Explanation | None = None
    validation: Validation | None = None


@dataclass(frozen=True)
class FrontierFolder:
    """A frontier, and the name of its folder."""

    label: str
    frontier: StoredFrontier


def read_folder(folder: Path) -> list[DesignFolder | FrontierFolder]:
    """The design of a folder, its frontier, or both.

    Raises
    ------
    SpecError
        If there is neither, or a file is not what its name says.
    """
    found: list[DesignFolder | FrontierFolder] = []
    if not os.path.isdir(folder):
        raise SpecError("", "is not a folder", "give a folder that 'design --out' or 'pareto --out' wrote", str(folder))
    label = folder.resolve().name
    if os.path.lexists(folder / RESULT):
        found.append(_read_design(folder, label))
    if os.path.lexists(folder / FRONTIER):
        found.append(FrontierFolder(label, read_frontier(folder / FRONTIER)[0]))
    if not found:
        what = f"holds neither {RESULT} nor {FRONTIER}"
        raise SpecError("", what, "give a folder that 'design --out' or 'pareto --out' wrote", str(folder))
    return found


def _read_design(folder: Path, label: str) -> DesignFolder:
    result, certificate = read_files(folder)
    design = Design.load(folder)
    try:
        design.certificate.summary()
        if not isinstance(certificate["claim"], dict):
            raise ValueError("no claim")
        if not isinstance(certificate["candidates"], list):
            raise ValueError("no candidates")
        solvers = tuple(sorted({str(cell["solver"]) for cell in certificate["cells"]}))
        stated = {"result": result["sha256"], "certificate": result["certificate_sha256"]}
        digests = {name: str(value) for name, value in (stated | certificate["sha256"]).items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        remedy = "give a folder that 'design --out' wrote"
        raise SpecError("", f"not a result of a design run ({error!r})", remedy, str(folder)) from None
    computed = {"result": digest({k: v for k, v in result.items() if k != "sha256"}), "certificate": digest(certificate)}
    faults = [
        f"{name}.json is not as it was written: its SHA-256 is another" for name in computed if computed[name] != stated[name]
    ]
    if result.get("objective") != design.objective:
        faults.append(f"the file states the objective {result.get('objective')}, the network has {design.objective}")
    return DesignFolder(
        label,
        design,
        digests,
        solvers,
        tuple(faults),
        _read_optional(folder / EXPLANATION, Explanation),
        _read_optional(folder / VALIDATION, Validation),
    )


Content = TypeVar("Content", bound=BaseModel)


def _read_optional(path: Path, model: type[Content]) -> Content | None:
    return validated(model, load_json(path), str(path)) if os.path.lexists(path) else None
