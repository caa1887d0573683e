"""The design problem: a search space, budgets and an objective, as a validated model read from YAML.

A specification states lattices, not code. :class:`Problem` checks it field by field; :attr:`Problem.space` resolves what the
rules of the space mean for each super-block (which widths go with which channels, which kernels fit the map).
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import Field, model_validator
from pydantic.functional_validators import ModelWrapValidatorHandler

from ..arguments import PATH, TEXT, TEXTS, arguments, checked, instance
from ..display import Displayed
from ..errors import SpecError, counted, one_of, short
from ..files import read_text
from ..networks.architecture import Architecture, Stem
from ..networks.architecture_file import Positive, require_kernel
from ..networks.budget_names import LATENCY, LOWER, SIZES, kind_of_budget
from ..networks.evaluator import Evaluator, violations
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
from ..parsing import in_our_words, load_yaml, validated
from ..units import DIMENSIONS, limit_text
from .budgets import Budget, Budgets, check_model_size
from .convolutions import check_bits, check_frames, check_shapes
from .elements import Element, check_blocks, count_sequences, elements_of
from .listing import no_problem, preset_text
from .listing import preset_names as preset_names
from .objective import ObjectiveSpec, check_values, no_super_block
from .overrides import apply_changes, apply_overrides, find_files
from .plain import plain
from .relative import Origin, resolved
from .space import SuperBlockSpace, brief, choice_of
from .specification import HeadSpace, Input, NearSpec, SpecModel, StageSpace, StemSpace, with_tuples
from .ties import Tie, TieSpec, joined

SMALLER = "let the depths be closer, use a smaller beta, or form exp_std or none"
"""What helps against a penalty that is no number any more."""
NETWORK = instance(Architecture, "a network", "an Architecture, such as mipdesign.read_network() reads")


class Problem(Displayed, SpecModel):
    """A search space with budgets and an objective: what :func:`mipdesign.design` solves.

    Make one with :meth:`preset`, :meth:`load` or :meth:`from_dict`; every fault is a :class:`SpecError` with field, value and
    remedy. A problem does not change; :meth:`with_` makes another one.
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

    def __init__(self, **fields: Any) -> None:
        with in_our_words(type(self)):
            super().__init__(**fields)

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]  # or pydantic runs every check twice

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a Problem does not change; make another one: problem.with_({name}=...)")

    def __repr__(self) -> str:
        given = self.budgets.limits().items()
        limits = ", ".join(f"{name} {limit_text(limit, DIMENSIONS[kind_of_budget(name)])}" for name, limit in given)
        shape = f"{self.input.resolution} px, {len(self.stages)} super-blocks"
        return f"<Problem {self.name!r}, convention {self.convention}: {shape}, {limits or 'no budgets'}>"

    __str__ = __repr__

    @model_validator(mode="wrap")
    @classmethod
    def _in_numbers(cls, data: Any, handler: ModelWrapValidatorHandler[Problem]) -> Problem:
        return resolved(data, handler) if isinstance(data, dict) else handler(data)

    @model_validator(mode="before")
    @classmethod
    def _as_tuple(cls, data: Any) -> Any:
        check_model_size(data)
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
                "objective.alpha",
                f"{counted(len(alpha), 'weight')} for {counted(n_stages, 'down-sampling stage')}",
                "give one weight per stage",
            )
        penalty = self.objective.penalty
        for stage in penalty.stages if penalty is not None and penalty.stages is not None else ():
            if stage > len(self.stages):
                raise no_super_block("objective.penalty.stages", stage, len(self.stages))
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
        if self.budgets.latencies and (self.input.frames is not None or self.stem.bits is not None):
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
                raise no_super_block(f"ties.{n}.stages", max(tie.stages), len(self.stages))
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
    def origins(self) -> dict[str, Origin]:
        """Where limits came from that were given relative to a network, by their names in :meth:`Budgets.limits`."""
        return {}

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

    @arguments(architecture=NETWORK)
    def evaluator(self, architecture: Architecture) -> Evaluator:
        """The exact evaluator of a network, in this problem's objective."""
        latencies = {name: limits.model for name, limits in self.budgets.latencies.items()}
        return Evaluator(architecture, self.scoring, {name: self.budgets.bytes_of(name) for name in SIZES}, latencies)

    def usage(self, architecture: Architecture) -> list[Budget]:
        """The budgets that are set, each with the network's value."""
        evaluator = self.evaluator(architecture)
        return [
            Budget(name, evaluator.figure(name), float(limit), evaluator.within(name, limit), limit)
            for name, limit in self.budgets.limits().items()
        ]

    def violations(self, architecture: Architecture, evaluator: Evaluator | None = None) -> list[str]:
        """What a network breaks: budgets by exact arithmetic, and rules of the space; empty if it is feasible.

        ``evaluator`` is that of the network where there is one already.
        """
        return self.outside_space(architecture) + violations(evaluator or self.evaluator(architecture), self.budgets.limits())

    def outside_space(self, architecture: Architecture) -> list[str]:
        """Fields of a network that the search space does not hold."""
        checked("architecture", NETWORK, architecture)
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
        return joined(self.ties)

    def size(self) -> int:
        """Number of networks in the space, budgets and ties aside, exactly."""
        return count_sequences(self.stem.channels.values, self.space)

    # ------------------------------------------------------------------ files

    @classmethod
    def from_dict(cls, data: Any, source: str | None = None) -> Problem:
        """Checks plain data against the schema of a specification."""
        return validated(cls, data, source)

    @classmethod
    @arguments(path=PATH, overrides=TEXTS)
    def load(cls, path: str | os.PathLike[str], overrides: Iterable[str] = ()) -> Problem:
        """Reads a YAML (or JSON) specification; ``overrides`` are ``KEY=VALUE`` texts with dotted keys."""
        return cls._from_text(read_text(Path(path)), str(path), overrides)

    @classmethod
    @arguments(name=TEXT, overrides=TEXTS)
    def preset(cls, name: str, overrides: Iterable[str] = ()) -> Problem:
        """A problem that ships with the package; :func:`preset_names` lists them."""
        if name not in preset_names():
            raise SpecError("", f"{name!r} is not a preset", one_of(name, preset_names()))
        return cls._from_text(preset_text(name), name, overrides)

    @classmethod
    @arguments(name_or_path=TEXT, overrides=TEXTS)
    def named(cls, name_or_path: str, overrides: Iterable[str] = ()) -> Problem:
        """A preset by name, or a specification by path."""
        is_path = name_or_path.endswith((".yaml", ".yml", ".json")) or "/" in name_or_path
        if name_or_path not in preset_names() and (fault := no_problem(name_or_path, is_path)):
            raise fault
        if is_path or (name_or_path not in preset_names() and os.path.isfile(name_or_path)):
            return cls.load(name_or_path, overrides)
        return cls.preset(name_or_path, overrides)

    @classmethod
    def _from_text(cls, text: str, source: str, overrides: Iterable[str]) -> Problem:
        data = load_yaml(text, source)
        if isinstance(data, dict):
            data.pop("defaults", None)
            find_files(data, Path(source).parent)
            apply_overrides(data, overrides, filled=False)
        return cls.from_dict(data, source)

    def to_dict(self) -> dict[str, Any]:
        """Plain data from which :meth:`from_dict` makes an equal problem."""

        data: dict[str, Any] = plain(self)
        if not self.ties:
            del data["ties"]
        return data

    def with_(self, changes: Mapping[str, Any] | None = None, /, **fields: Any) -> Problem:
        """The same problem with other fields, as ``--set`` makes it: ``with_(budgets={"flops": 3e6}, convention="paper")``.

        What is not named stays. Keys may be dotted, those of lists are indices, and ``None`` takes a field away:
        ``with_({"budgets.flops": 3e6}, stages={0: {"depth": [2, 3]}}, head=None)``. Faults are those of :meth:`from_dict`.
        """
        if not isinstance(changes, Mapping | None):
            raise SpecError("changes", f"{short(changes)} is not a mapping", "give for example {'budgets.flops': 3e6}")
        data = self.to_dict()
        apply_changes(data, {**(changes or {}), **fields})
        return Problem.from_dict(data)

    def with_limits(self, limits: Mapping[str, float | Fraction | str]) -> Problem:
        """The same problem with other limits, by name: ``flops``, or ``min_flops`` for a lower one; a text may have a unit."""
        data = self.to_dict()
        for name, limit in limits.items():
            budget, side = name.removeprefix(LOWER), "min" if name.startswith(LOWER) else "max"
            budgets, last = data["budgets"], budget
            if kind_of_budget(budget) == LATENCY and self.budgets.latencies:
                if budget not in self.budgets.latencies:
                    known = ", ".join(self.budgets.latencies)
                    raise SpecError(f"budgets.{budget}", "is not a latency budget of this problem", f"use one of: {known}")
                if budget != LATENCY:
                    budgets, last = budgets[LATENCY], budget.partition(".")[2]
            given = budgets.get(last, {})
            budgets[last] = (given if isinstance(given, dict) else {"max": given}) | {side: limit}
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
