"""What a page is made of, read from the folders of designs and of frontiers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from .architecture import Architecture
from .checker import digest
from .console import STATUS_WORDS
from .errors import SpecError
from .parsing import load_json, validated
from .run import MAX_CERTIFICATE_BYTES, RESULT, Design, read_files
from .solve import Status

FRONTIER, EXPLANATION, VALIDATION = "frontier.json", "explanation.json", "validation.json"


class _Read(BaseModel):
    """A part of a file of ours; fields that a later version adds are read over."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class Usage(_Read):
    """What a network uses of a budget."""

    value: float
    limit: float | None = None


class Price(_Read):
    """What one more unit of a budget is worth, in units of the objective; by the multipliers of the bound."""

    per_unit: float | None = None


class FrontierPoint(_Read):
    """The best network under some limits, or that there is none."""

    limits: dict[str, float]
    status: Status
    objective: float | None = None
    bound: float | None = None
    gap: float | None = None
    architecture: dict[str, Any] | None = None
    budgets: dict[str, Usage] = {}
    dominated: bool = False
    prices: dict[str, Price] = {}

    @property
    def network(self) -> Architecture | None:
        """The network as such."""
        return None if self.architecture is None else Architecture.from_dict(self.architecture)


class Sweep(_Read):
    """A limit that is varied, and its values."""

    key: str
    values: tuple[float, ...]


class Frontier(_Read):
    """The content of ``frontier.json``."""

    format: Literal["mipdesign-frontier-1"]
    name: str
    convention: str
    seed: int | None = None
    versions: dict[str, str] = {}
    problem: dict[str, Any] = {}
    sweeps: tuple[Sweep, ...] = Field(min_length=1, max_length=2)
    points: tuple[FrontierPoint, ...] = Field(min_length=1)


class Alternative(_Read):
    """The best network under another limit, and how it differs."""

    limit: float | None = None
    value: float | None = None
    objective: float | None = None
    predicted: float | None = None
    changes: tuple[str, ...] = ()


class ExplainedBudget(_Read):
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


class Explanation(_Read):
    """The content of ``explanation.json``."""

    format: Literal["mipdesign-explanation-1"]
    objective: float | None = None
    budgets: tuple[ExplainedBudget, ...] = ()


class ValidatedFigure(_Read):
    """One figure as expected and as measured."""

    name: str
    expected: Any = None
    measured: Any = None
    tolerance: float | None = None
    passed: bool | None = None


class Validation(_Read):
    """The content of ``validation.json``."""

    passed: bool | None = None
    checks: tuple[ValidatedFigure, ...] = ()


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
    frontier: Frontier


def read_folder(folder: Path) -> list[DesignFolder | FrontierFolder]:
    """The design of a folder, its frontier, or both.

    Raises
    ------
    SpecError
        If there is neither, or a file is not what its name says.
    """
    label = folder.resolve().name
    found: list[DesignFolder | FrontierFolder] = []
    if not folder.is_dir():
        raise SpecError("", "is not a folder", "give a folder that 'design --out' or 'pareto --out' wrote", str(folder))
    if (folder / RESULT).exists():
        found.append(_read_design(folder, label))
    if (folder / FRONTIER).exists():
        found.append(FrontierFolder(label, _read_frontier(folder / FRONTIER)))
    if not found:
        what = f"holds neither {RESULT} nor {FRONTIER}"
        raise SpecError("", what, "give a folder that 'design --out' or 'pareto --out' wrote", str(folder))
    return found


def _read_design(folder: Path, label: str) -> DesignFolder:
    result, certificate = read_files(folder)
    design = Design.load(folder)
    try:
        design.certificate.summary()
        if design.status not in STATUS_WORDS or not isinstance(certificate["claim"], dict):
            raise ValueError(f"status {design.status!r}")
        if not isinstance(certificate["contenders"], list):
            raise ValueError("no contenders")
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


def _read_frontier(path: Path) -> Frontier:
    frontier = validated(Frontier, load_json(path, MAX_CERTIFICATE_BYTES), str(path))
    for i, point in enumerate(frontier.points):
        if point.architecture is not None:
            Architecture.from_dict(point.architecture, f"{path}: points.{i}.architecture")
        for sweep in frontier.sweeps:
            if sweep.key not in point.limits:
                raise SpecError(f"points.{i}.limits", f"has no {sweep.key!r}", "give the limit of every sweep", str(path))
    return frontier


Content = TypeVar("Content", bound=BaseModel)


def _read_optional(path: Path, model: type[Content]) -> Content | None:
    return validated(model, load_json(path), str(path)) if path.exists() else None
