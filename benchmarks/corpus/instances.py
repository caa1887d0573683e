"""Instances of a study: problems from presets, files and generators, and parts of them around a network."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mipdesign.errors import SpecError, short
from mipdesign.figures.formatting import number
from mipdesign.io.exchange import read_network
from mipdesign.problem.problem import Problem

from .families import with_step, with_super_blocks
from .small import small_problem

FAMILIES = {"super_blocks": with_super_blocks, "step": with_step}
"""What makes the members of a family from a specification, by field."""
MOST_SMALL = 10_000
"""Most seeds of small problems in one entry."""


class StudyModel(BaseModel):
    """Base of the parts of a study file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Near(StudyModel):
    """A part of the space around a network, as ``near`` of a problem; the network is named by its file.

    Attributes
    ----------
    network:
        The file of a network in any format that ``mipdesign evaluate`` reads, relative to the study's folder.
    """

    network: Annotated[str, Field(min_length=1)]
    ratio: float | None = None
    blocks: int | None = None
    same: list[str] = []


class InstanceSpec(StudyModel):
    """One entry of ``instances``: one problem, or a family of them.

    Attributes
    ----------
    small:
        Seeds of random problems that can be enumerated (:mod:`mipdesign.benchmarks.corpus.small`).
    problem:
        A preset, or the path of a specification relative to the study's folder.
    name:
        Name of the instance, that of the problem by default; members of a family have their values added.
    overrides:
        Values by dotted key, as of ``--set``; ``stages.*`` stands for every super-block.
    vary:
        Lists of values by dotted key; every combination is one instance.
    super_blocks, step:
        Numbers of super-blocks, and steps of channels and widths (:mod:`mipdesign.benchmarks.corpus.families`), of what the
        overrides leave; every combination is one instance.
    near:
        The part of the space that is kept.
    """

    small: list[Annotated[int, Field(strict=True, ge=0)]] | None = None
    problem: Annotated[str, Field(min_length=1)] | None = None
    name: Annotated[str, Field(pattern=r"^\S+$", max_length=60)] | None = None
    overrides: dict[str, Any] = {}
    vary: dict[str, Annotated[list[Any], Field(min_length=1)]] = {}
    super_blocks: Annotated[list[Annotated[int, Field(strict=True)]], Field(min_length=1)] | None = None
    step: Annotated[list[Annotated[int, Field(strict=True, ge=1, le=4096)]], Field(min_length=1)] | None = None
    near: Near | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.small is None) == (self.problem is None):
            raise SpecError("", "an instance needs 'small' or 'problem', and not both", "give one of them")
        if self.small is not None and self.model_fields_set != {"small"}:
            raise SpecError("small", "stands beside other fields", "make an entry of its own of it")
        if self.small is not None and not 0 < len(self.small) <= MOST_SMALL:
            raise SpecError("small", f"{len(self.small)} seeds", f"list 1 to {MOST_SMALL}")
        return self

    def problems(self, folder: Path) -> Iterator[Problem]:
        """The problems of the entry, each with the name of its instance.

        Raises
        ------
        SpecError
            If a file cannot be read, or a problem is not valid.
        """
        for seed in self.small or ():
            yield _renamed(small_problem(seed), f"small-{seed}")
        if self.problem is None:
            return
        named, n_stages = _located(self.problem, folder), 1
        if any(".*." in key for key in (*self.overrides, *self.vary)):
            n_stages = len(Problem.named(named).stages)
        generated = {name: values for name in FAMILIES if (values := getattr(self, name)) is not None}
        for values in itertools.product(*self.vary.values(), *generated.values()):
            varied = dict(zip((*self.vary, *generated), values, strict=True))
            settings = self.overrides | {key: varied[key] for key in self.vary}
            problem = Problem.named(
                named, [text for key, value in settings.items() for text in _override(key, value, n_stages)]
            )
            base = self.name or problem.name
            for name in generated:
                problem = Problem.from_dict(FAMILIES[name](problem.to_dict(), varied[name]))
            if self.near is not None:
                problem = _part(problem, self.near, folder)
            yield _renamed(problem, "-".join([base, *(f"{key.split('.')[-1]}={_text(v)}" for key, v in varied.items())]))


def _override(key: str, value: Any, n_stages: int) -> list[str]:
    """``KEY=VALUE`` in YAML syntax, for any plain value; for every super-block where the key says so."""
    first, star, rest = key.partition(".*.")
    keys = [f"{first}.{i}.{rest}" for i in range(n_stages)] if star else [key]
    return [f"{one}={json.dumps(value)}" for one in keys]


def _text(value: Any) -> str:
    """A varied value as it stands in a name."""
    return (number(value).replace(",", "") if isinstance(value, (int, float)) else short(value)).replace(" ", "")


def _located(name: str, folder: Path) -> str:
    """A preset's name as it is, and the path of a specification from here."""
    return str(folder / name) if name.endswith((".yaml", ".yml", ".json")) else name


def _renamed(problem: Problem, name: str) -> Problem:
    return Problem.from_dict(problem.to_dict() | {"name": name})


def _part(problem: Problem, near: Near, folder: Path) -> Problem:
    """A problem with only what is near a network."""
    limits = {key: value for key, value in near.model_dump(exclude={"network"}).items() if value not in (None, [])}
    network = read_network(folder / near.network)
    return Problem.from_dict(problem.to_dict() | {"near": {"network": network.to_dict(), **limits}})
