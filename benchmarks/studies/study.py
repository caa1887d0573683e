"""A study: instances, formulations, solvers and seeds, every combination of which is one run."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from mipdesign.errors import SpecError
from mipdesign.files import read_text
from mipdesign.mip.formulation import formulation_named
from mipdesign.mip.solver import solver_named
from mipdesign.parsing import load_yaml, validated
from mipdesign.plugins import load_plugin, plugins_of
from mipdesign.problem.problem import Problem
from mipdesign.registry import Plugin

from ..corpus.instances import InstanceSpec, StudyModel

Seconds = Annotated[float, Field(gt=0, le=1e7, allow_inf_nan=False)]


class Limits(StudyModel):
    """What one run may take.

    Attributes
    ----------
    seconds:
        Time for the formulation's model and the solver together; the solver is told what is left of it.
    memory_mb:
        Megabytes of memory that the processes of the run hold; beyond it they are killed.
    grace_seconds:
        Time beside ``seconds`` for starting, reading, and stopping by itself; then the processes are killed.
    """

    seconds: Seconds
    memory_mb: Annotated[int, Field(strict=True, ge=64, le=10_000_000)] = 4096
    grace_seconds: Annotated[float, Field(ge=0, le=1e5, allow_inf_nan=False)] = 30.0


@dataclass(frozen=True)
class Job:
    """One run, as plain data that travels to another process or machine.

    Attributes
    ----------
    problem:
        The specification of the instance, and its digest.
    presolve:
        Whether the package's own bounds reduce the space first (:mod:`mipdesign.benchmarks.studies.presolve`).
    plugins:
        The plug-ins that brought what the run uses: ``path`` and ``source`` of :class:`mipdesign.registry.Plugin`.
    """

    instance: str
    digest: str
    problem: dict[str, Any]
    formulation: str
    solver: str
    seed: int
    limits: dict[str, float]
    parameters: dict[str, Any]
    presolve: bool = False
    plugins: Sequence[Mapping[str, str]] = ()

    @property
    def asked(self) -> dict[str, Any]:
        """What a record says of it: of its plug-ins the names of their files and the digests of their texts."""
        data = {name: value for name, value in asdict(self).items() if name != "problem"}
        return data | {"plugins": {plugin.name: plugin.sha256 for plugin in self.plugins_to_run}}

    @property
    def plugins_to_run(self) -> list[Plugin]:
        """Its plug-ins, whose variants it names."""
        return [Plugin(**plugin) for plugin in self.plugins]

    @cached_property
    def key(self) -> str:
        """What tells the run from all others, whatever the instance is called: SHA-256 of all that decides its outcome.

        So a run is done again when one of its plug-ins was edited. Runs without presolve, or without plug-ins, have the keys
        that they had before there were any.
        """
        data = {name: value for name, value in self.asked.items() if name != "instance"}
        data["plugins"] = sorted(plugin.sha256 for plugin in self.plugins_to_run)
        for name in ("presolve", "plugins"):
            if not data[name]:
                del data[name]
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


class Study(StudyModel):
    """A study file.

    Attributes
    ----------
    formulations, solvers:
        Ids of the registries.
    seeds:
        Seeds of the solvers.
    threads:
        Processor threads of each run.
    gap:
        Relative gap at which a solver may stop.
    presolve:
        Whether runs presolve; with both values every combination is run with and without.
    plugins:
        Python files that register what the study names beyond what is installed, relative to the folder of the study file.
        They are run when the study is read.
    """

    name: Annotated[str, Field(min_length=1, max_length=100)]
    instances: Annotated[list[InstanceSpec], Field(min_length=1)]
    formulations: Annotated[list[str], Field(min_length=1)]
    solvers: Annotated[list[str], Field(min_length=1)]
    seeds: list[Annotated[int, Field(strict=True, ge=0, lt=2**31)]] = Field(default=[0], min_length=1)
    limits: Limits
    threads: Annotated[int, Field(strict=True, ge=1, le=1024)] = 1
    gap: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.0
    presolve: list[Annotated[bool, Field(strict=True)]] = Field(default=[False], min_length=1)
    plugins: list[Annotated[str, Field(min_length=1)]] = Field(default=[])

    @model_validator(mode="after")
    def _check(self) -> Self:
        for field in ("formulations", "solvers", "seeds", "presolve"):
            values = getattr(self, field)
            if len(set(values)) < len(values):
                raise SpecError(field, f"{values} has an entry twice", "list each once")
        for field, find in (("formulations", formulation_named), ("solvers", solver_named)):
            for at, name in enumerate(getattr(self, field)):
                try:
                    find(name)
                except SpecError as error:
                    raise SpecError(f"{field}.{at}", error.problem, error.remedy) from None
        return self

    @classmethod
    def load(cls, path: Path) -> Study:
        """Reads a study file, and runs its plug-ins.

        Raises
        ------
        SpecError
            With the field, its value and a remedy.
        """
        data = load_yaml(read_text(path), str(path))
        named = data.get("plugins") if isinstance(data, dict) else None
        for at, name in enumerate(named if isinstance(named, list) else ()):
            if isinstance(name, str):
                load_plugin(path.parent / name, f"plugins.{at}")
        return validated(cls, data, str(path))

    def problems(self, path: Path) -> list[Problem]:
        """The instances; files are relative to the folder of the study file.

        Raises
        ------
        SpecError
            If one is not valid, or two have the same name or are the same problem.
        """
        problems: list[Problem] = []
        for at, spec in enumerate(self.instances):
            try:
                problems += spec.problems(path.parent)
            except SpecError as error:
                where = ": ".join(part for part in (error.source, error.field) if part)
                raise SpecError(f"instances.{at}", f"{where}: {error.problem}", error.remedy, str(path)) from None
        for one, other in itertools.combinations(problems, 2):
            if one.name == other.name or one.digest == other.digest:
                text = f"{one.name!r} and {other.name!r} have the same name or are the same problem"
                raise SpecError("instances", text, "name them apart, or list one of them", str(path))
        return problems

    def jobs(self, path: Path) -> list[Job]:
        """All runs, in an order that gives every combination a turn early: seed by seed, instance by instance."""
        limits = self.limits.model_dump()
        parameters = {"threads": self.threads, "gap": self.gap}
        return [
            Job(
                problem.name,
                problem.digest,
                data,
                formulation,
                solver,
                seed,
                limits,
                parameters,
                presolve,
                [asdict(plugin) for plugin in plugins_of(names_in(problem, formulation, solver))],
            )
            for seed, (problem, data), formulation, presolve, solver in itertools.product(
                self.seeds,
                [(problem, problem.to_dict()) for problem in self.problems(path)],
                self.formulations,
                self.presolve,
                self.solvers,
            )
        ]


def names_in(problem: Problem, formulation: str, solver: str) -> Iterator[tuple[str, str]]:
    """Kind and id of all variants that a run names."""
    yield "mipdesign.solvers", solver
    formulation_id, *parts = formulation.split(":")
    yield "mipdesign.formulations", formulation_id
    for part, kind in itertools.product(parts, ("encodings", "breakpoints", "products")):
        yield f"mipdesign.{kind}", part.partition("-")[0]
    for family in {block for stage in problem.stages for block in stage.block}:
        yield "mipdesign.families", family
