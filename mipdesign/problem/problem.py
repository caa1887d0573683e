"""The design problem: a search space, budgets and an objective, as a validated model read from YAML.

A specification states lattices, not code. :class:`Problem` checks it field by field; :attr:`Problem.space` resolves what the
rules of the space mean for each super-block (which widths go with which channels, which kernels fit the map).
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, Field, model_validator

from ..errors import SpecError
from ..files import read_text
from ..networks.architecture import Architecture, Stem
from ..networks.architecture_file import Positive, require_kernel
from ..networks.evaluator import LOWER, SIZES, Evaluator, violations
from ..networks.latency import LatencyTable
from ..networks.objective import (
    CONVENTIONS,
    ConventionName,
    depth_cost,
    least_spread,
    penalised_super_blocks,
    stage_of_super_blocks,
)
from ..networks.scoring import Scoring
from ..networks.tool_counts import MOBILE
from ..networks.values import ValueTable
from ..numerals import plain_number
from ..parsing import load_yaml, validated
from .budgets import Budget, Budgets, Range
from .convolutions import check_bits, check_frames, check_shapes
from .elements import Element, check_blocks, elements_of, sequences
from .objective import ObjectiveSpec, check_values, objective_to_plain
from .overrides import apply_override, find_tables
from .space import SuperBlockSpace, brief, choice_of
from .specification import HeadSpace, Input, Lattice, NearSpec, SpecModel, StageSpace, StemSpace, with_tuples
from .ties import Tie, TieSpec

SMALLER = "let the depths be closer, use a smaller beta, or form exp_std or none"
"""What helps against a penalty that is no number any more."""


class Problem(SpecModel):
    """A search space with budgets and an objective: what :func:`mipdesign.design` solves.

    Make one with :meth:`preset`, :meth:`load` or :meth:`from_dict`; every fault is a :class:`SpecError` with field, value and
    remedy.
    """

    name: Annotated[str, Field(min_length=1, max_length=100)]
    convention: ConventionName = "reference"
    input: Input
    stem: StemSpace
    stages: Annotated[tuple[StageSpace, ...], Field(min_length=2, max_length=10)]
    head: HeadSpace | None = None
    classes: Positive = 1000
    budgets: Budgets = Budgets()
    objective: ObjectiveSpec = ObjectiveSpec()
    near: NearSpec | None = None
    ties: tuple[TieSpec, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _as_tuple(cls, data: Any) -> Any:
        return with_tuples(data, "stages", "ties")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.near is not None:
            self._check_near(self.near)
        require_kernel(self.stem.kernel, self.input.resolution, "stem.kernel")
        n_stages = 1 + self.stage_of[-1]
        alpha = self.objective.alpha
        if alpha is not None and len(alpha) != n_stages:
            raise SpecError(
                "objective.alpha", f"{len(alpha)} weights for {n_stages} down-sampling stages", "give one weight per stage"
            )
        penalty = self.objective.penalty
        for stage in penalty.stages if penalty is not None and penalty.stages is not None else ():
            if stage > len(self.stages):
                raise SpecError("objective.penalty.stages", f"super-block {stage} of {len(self.stages)}", "count from 1")
        self._check_blocks()
        self._check_convolutions()
        self._check_penalty()
        check_blocks(self.space, self.tied)
        reachable = list(self.stem.channels.values)
        for i, space in enumerate(self.space):
            possible = [c for at, c in enumerate(space.channels) if space.columns(at)]
            now = [c for c in possible if reachable[space.predecessors(reachable, c)]]
            if not now:
                before = "stem.channels" if i == 0 else f"stages.{i - 1}.channels"
                raise SpecError(
                    f"stages.{i}.channels",
                    f"no value of {brief(space.channels)} may follow {before} {brief(reachable)}",
                    f"widen a lattice, stages.{i}.growth or stages.{i}.bottleneck_ratio",
                )
            reachable = now
        return self

    def _check_near(self, near: NearSpec) -> None:
        """The network of ``near`` has as many super-blocks as the space, with the same strides."""
        try:
            strides = [stage.stride for stage in near.stages]
        except SpecError as error:
            raise SpecError(f"near.network.{error.field}", error.problem, error.remedy) from None
        if not all(stage.is_uniform for stage in near.stages):
            raise SpecError("near.network", "has a super-block whose blocks differ", "give one width and one kernel for each")
        if strides != [stage.stride for stage in self.stages]:
            remedy = f"give a network with strides {[stage.stride for stage in self.stages]}"
            raise SpecError("near.network", f"has super-blocks of strides {strides}", remedy)

    def _check_convolutions(self) -> None:
        """Frames and bits are those of the whole network, and budgets cover them."""
        check_frames(self.input, self.stem, self.stages, self.space)
        check_bits(self.stem, self.stages, self.head)
        check_shapes(self.scoring, self.input, self.stem, self.space)
        check_values(self.objective, self.input, self.stages)
        if self.budgets.latency is not None and (self.input.frames is not None or self.stem.bits is not None):
            raise SpecError("budgets.latency", "has no tables of video or quantised operations", "leave it out")
        families = sorted({block for stage in self.stages for block in stage.block} - {MOBILE})
        if self.budgets.max_feature is not None and families:
            raise SpecError("budgets.max_feature", f"is not defined for {families[0]} blocks", "use activation_memory")

    def _check_penalty(self) -> None:
        """Some network has a penalty that is a number."""
        scoring = self.scoring
        flattest = least_spread([self.space[i].depths for i in scoring.penalised])
        if math.isinf(depth_cost(scoring.penalty_form, scoring.beta, flattest)):
            raise SpecError("objective.penalty", f"is beyond {sys.float_info.max:.2g} for the depths {list(flattest)}", SMALLER)

    def _check_blocks(self) -> None:
        """Tied super-blocks exist and have something in common."""
        for n, tie in enumerate(self.ties):
            if max(tie.stages) > len(self.stages):
                raise SpecError(f"ties.{n}.stages", f"super-block {max(tie.stages)} of {len(self.stages)}", "count from 1")
            for axis in tie.same:
                if not set.intersection(*(self.space[i - 1].values(axis) for i in tie.stages)):
                    text = f"super-blocks {list(tie.stages)} have no {axis} in common"
                    raise SpecError(f"ties.{n}", text, "widen their lattices, or leave the tie out")

    # --------------------------------------------------------------- resolved

    @property
    def stage_of(self) -> tuple[int, ...]:
        """Down-sampling stage of each super-block (the stem opens stage 0)."""
        return stage_of_super_blocks([s.stride for s in self.stages])

    @cached_property
    def space(self) -> tuple[SuperBlockSpace, ...]:
        """The super-blocks with their rules resolved.

        Raises
        ------
        SpecError
            If the map is used up before the last stride, or no kernel of a stage fits its map.
        """
        resolved, r = [], -(-self.input.resolution // self.stem.stride)
        unrounded = Fraction(self.input.resolution, self.stem.stride)
        for i, stage in enumerate(self.stages):
            if r < stage.stride:
                raise SpecError(f"stages.{i}.stride", f"{stage.stride} on a map of {r} x {r}", "raise input.resolution")
            growth = (stage.growth.min, stage.growth.max)
            choices = tuple(choice_of(stage, block, r, i) for block in stage.block)
            bits = stage.bits.pairs if stage.bits else ()
            lattices = (stage.channels.values, choices, stage.depth.values, growth, stage.uniform, bits, unrounded)
            space = SuperBlockSpace(stage.stride, r, *lattices)
            resolved.append(space if self.near is None else space.near(self.near, i))
            r, unrounded = -(-r // stage.stride), unrounded / stage.stride
        return tuple(resolved)

    @cached_property
    def elements(self) -> tuple[Element, ...]:
        """The chain of super-blocks and single blocks that a network is."""
        return elements_of(self.space, self.tied)

    @cached_property
    def scoring(self) -> Scoring:
        """The objective with the convention's defaults filled in."""
        conv = CONVENTIONS[self.convention]
        penalty = self.objective.penalty
        form, penalised = (
            conv.penalty_form,
            penalised_super_blocks(conv, [block for s in self.stages for block in s.block], len(self.stages)),
        )
        if penalty is not None:
            form = penalty.form
            penalised = tuple(sorted({i - 1 for i in penalty.stages})) if penalty.stages else tuple(range(len(self.stages)))
        given = self.objective
        alpha = given.alpha or given.formula.alpha(1 + self.stage_of[-1])
        price = given.effectiveness_price or 0.0
        own = (given.log_base, price, given.score, given.exponents, given.sigmas, given.score_resolution, given.values)
        return Scoring(conv, alpha, given.beta, form, penalised, *own)

    @property
    def counts_as_tool(self) -> bool:
        """Whether ``flops`` counts on maps that are not rounded, and bits, where the convention is that of the tool."""
        return self.scoring.additive or self.input.frames is not None or self.stem.bits is not None

    def evaluator(self, architecture: Architecture) -> Evaluator:
        """The exact evaluator of a network, in this problem's objective."""
        latency = self.budgets.latency.model if self.budgets.latency is not None else None
        return Evaluator(architecture, self.scoring, {name: self.budgets.bytes_of(name) for name in SIZES}, latency)

    def usage(self, architecture: Architecture) -> list[Budget]:
        """The budgets that are set, each with the network's value."""
        evaluator = self.evaluator(architecture)
        return [
            Budget(name, evaluator.figure(name), float(limit), evaluator.within(name, limit))
            for name, limit in self.budgets.limits().items()
        ]

    def violations(self, architecture: Architecture, evaluator: Evaluator | None = None) -> list[str]:
        """What a network breaks: budgets by exact arithmetic, and rules of the space; empty if it is feasible.

        ``evaluator`` is that of the network where there is one already.
        """
        return self.outside_space(architecture) + violations(evaluator or self.evaluator(architecture), self.budgets.limits())

    def outside_space(self, architecture: Architecture) -> list[str]:
        """Fields of a network that the search space does not hold."""
        wrong = []
        fixed: dict[str, Any] = {"resolution": self.input.resolution, "input_channels": self.input.channels}
        fixed |= {"classes": self.classes, "frames": self.input.frames}
        wrong += [name for name, value in fixed.items() if getattr(architecture, name) != value]
        head = (self.head.channels, self.head.bits) if self.head else (None, None)
        if (architecture.head, architecture.head_bits) != head:
            wrong.append("head")
        stem, given = architecture.stem, self.stem
        if (
            stem != Stem(stem.channels, given.kernel, given.stride, False, given.kernel_t or 1, given.bits)
            or stem.channels not in self.stem.channels.values
        ):
            wrong.append("stem")
        if len(architecture.stages) != len(self.space):
            return wrong + ["stages"]
        previous = stem.channels
        for i, (stage, space) in enumerate(zip(architecture.stages, self.space, strict=True)):
            inside = (
                stage.stride == space.stride
                and space.holds_blocks(stage)
                and stage.depth in space.depths
                and space.follows(previous, stage.channels)
                and self.scoring.has_value(i, stage)
            )
            if not inside:
                wrong.append(f"stages.{i}")
            previous = stage.channels
        return wrong + [f"ties.{n}" for n, tie in enumerate(self.ties) if not tie.holds(architecture.stages)]

    @cached_property
    def tied(self) -> tuple[Tie, ...]:
        """The ties, one per group of super-blocks and what they have in common; groups that share a super-block are one."""
        groups: list[tuple[str, set[int]]] = []
        for tie in self.ties:
            for axis in tie.same:
                joined = {i - 1 for i in tie.stages}
                apart = []
                for other, stages in groups:
                    if other == axis and joined & stages:
                        joined |= stages
                    else:
                        apart.append((other, stages))
                groups = [*apart, (axis, joined)]
        return tuple(Tie(axis, tuple(sorted(stages))) for axis, stages in groups)

    def size(self) -> int:
        """Number of networks in the space, budgets and ties aside, exactly."""
        channels, ways = self.stem.channels.values, [1] * len(self.stem.channels.values)
        for space in self.space:
            up_to = [0, *itertools.accumulate(ways)]
            before = [space.predecessors(channels, c) for c in space.channels]
            columns = [sequences(space, at) for at in range(len(space.channels))]
            ways = [(up_to[at.stop] - up_to[at.start]) * n for at, n in zip(before, columns, strict=True)]
            channels = space.channels
        return sum(ways)

    # ------------------------------------------------------------------ files

    @classmethod
    def from_dict(cls, data: Any, source: str | None = None) -> Problem:
        """Checks plain data against the schema of a specification."""
        return validated(cls, data, source)

    @classmethod
    def load(cls, path: str | Path, overrides: Iterable[str] = ()) -> Problem:
        """Reads a YAML (or JSON) specification; ``overrides`` are ``KEY=VALUE`` texts with dotted keys."""
        return cls._from_text(read_text(Path(path)), str(path), overrides)

    @classmethod
    def preset(cls, name: str, overrides: Iterable[str] = ()) -> Problem:
        """A problem that ships with the package; :func:`preset_names` lists them."""
        if name not in preset_names():
            raise SpecError(
                "", f"{name!r} is not a preset", f"use one of: {', '.join(preset_names())}, or the path of a YAML file"
            )
        text = (resources.files(__package__) / "presets" / f"{name}.yaml").read_text(encoding="utf-8")
        return cls._from_text(text, name, overrides)

    @classmethod
    def named(cls, name_or_path: str, overrides: Iterable[str] = ()) -> Problem:
        """A preset by name, or a specification by path."""
        is_path = name_or_path.endswith((".yaml", ".yml", ".json")) or "/" in name_or_path
        if is_path or (name_or_path not in preset_names() and os.path.isfile(name_or_path)):
            return cls.load(name_or_path, overrides)
        return cls.preset(name_or_path, overrides)

    @classmethod
    def _from_text(cls, text: str, source: str, overrides: Iterable[str]) -> Problem:
        data = load_yaml(text, source)
        if isinstance(data, dict):
            data.pop("defaults", None)
            find_tables(data, Path(source).parent)
            for override in overrides:
                apply_override(data, override)
        return cls.from_dict(data, source)

    def to_dict(self) -> dict[str, Any]:
        """Plain data from which :meth:`from_dict` makes an equal problem."""

        def plain(value: Any) -> Any:
            if isinstance(value, Lattice):
                return value.to_plain()
            if isinstance(value, (LatencyTable, ValueTable)):
                return value.to_lines()
            if isinstance(value, Fraction):
                return plain_number(value)
            if type(value) is Range and value.min is None and value.bytes is None:
                return plain(value.max)
            if isinstance(value, StageSpace):
                return _stage_to_plain(value, plain)
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

        data: dict[str, Any] = plain(self)
        if not self.ties:
            del data["ties"]
        return data

    def with_limits(self, limits: Mapping[str, float | Fraction]) -> Problem:
        """The same problem with other limits, by name: ``flops``, or ``min_flops`` for a lower one."""
        data = self.to_dict()
        for name, limit in limits.items():
            budget, side = (name.removeprefix(LOWER), "min") if name.startswith(LOWER) else (name, "max")
            given = data["budgets"].get(budget, {})
            data["budgets"][budget] = (given if isinstance(given, dict) else {"max": given}) | {side: limit}
        return Problem.from_dict(data)

    def dumps(self) -> str:
        """The specification as YAML."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False, default_flow_style=None, width=120)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical specification; the name is not part of it."""
        data = self.to_dict()
        del data["name"]
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _stage_to_plain(stage: StageSpace, plain: Callable[[Any], Any]) -> dict[str, Any]:
    """A stage as a specification writes it, without what it leaves at its default."""
    pairs = ((name, getattr(stage, name)) for name in StageSpace.model_fields)
    data = {name: plain(value) for name, value in pairs if name not in STAGE_EXTRAS or value != STAGE_EXTRAS[name]}
    if len(stage.block) == 1:
        data["block"] = stage.block[0]
    return data


STAGE_EXTRAS: dict[str, Any] = {"per_block": {}, "uniform": True, "multiple_of": 1, "forbidden": (), "bits": None}
"""Fields of a stage that are rarely used, with their defaults."""


def preset_names() -> list[str]:
    """Names of the problems that ship with the package."""
    folder = resources.files(__package__) / "presets"
    return sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))
