"""The design problem: a search space, budgets and an objective, as a validated model read from YAML.

A specification states lattices, not code. :class:`Problem` checks it field by field; :attr:`Problem.space` resolves what the
rules of the space mean for each super-block (which widths go with which channels, which kernels fit the map).
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from .architecture import Architecture, KernelSize, Positive, Stage, Stem, Stride, require_kernel
from .blocks import FAMILIES
from .errors import SpecError
from .evaluation import DEFAULT_BYTES, LOWER, SIZES, UPPER_ONLY, Evaluator, Scoring, violations
from .latency import KINDS, LatencyModel, LatencyTable
from .parsing import load_yaml, parse_scalar, read_text, short, validated
from .theory import (
    CONVENTIONS,
    ConventionName,
    PenaltyForm,
    default_alpha,
    penalised_super_blocks,
    stage_of_super_blocks,
)

MAX_LATTICE = 4096
"""Most values that one lattice may have."""

MOST_KERNELS = 16
"""Most kernel sizes that one stage may list."""

Ratio = Annotated[float, Field(strict=True, gt=0, le=1e6, allow_inf_nan=False)]
Weight = Annotated[float, Field(strict=True, ge=0, le=1e6, allow_inf_nan=False)]


def _with_tuples(data: Any, *names: str, texts: bool = False) -> Any:
    """Plain data with the lists of some fields as tuples; with ``texts`` a single text becomes a tuple of one."""
    if not isinstance(data, dict):
        return data
    made = dict(data)
    for name in names:
        if isinstance(made.get(name), list):
            made[name] = tuple(made[name])
        elif texts and isinstance(made.get(name), str):
            made[name] = (made[name],)
    return made


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Lattice(_Model):
    """A finite set of positive integers: ``[8, 16]``, or ``{min: 8, max: 2048, step: 8}`` (``min`` defaults to ``step``)."""

    listed: tuple[Positive, ...] | None = None
    min: Positive | None = None
    max: Positive | None = None
    step: Positive = 1

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, data: Any) -> Any:
        if isinstance(data, list):
            return {"listed": tuple(data)}
        if isinstance(data, int) and not isinstance(data, bool):
            return {"listed": (data,)}
        if not isinstance(data, (dict, Lattice)):
            raise ValueError("give a list of integers, or a mapping with min, max and step")
        return data

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.listed is None and self.max is None:
            raise SpecError("max", "is missing", "give a list, or min, max and step")
        if self.listed is not None and (self.max is not None or self.min is not None):
            raise SpecError("listed", "stands beside min or max", "give either")
        if not self.values:
            raise SpecError("", "the lattice is empty", "let min be at most max, or list at least one value")
        if len(self.values) > MAX_LATTICE:
            raise SpecError("", f"the lattice has {len(self.values)} values", f"at most {MAX_LATTICE} are allowed: raise step")
        return self

    @cached_property
    def values(self) -> tuple[int, ...]:
        """The integers in increasing order."""
        if self.listed is not None:
            return tuple(sorted(set(self.listed)))
        assert self.max is not None
        return tuple(range(self.step if self.min is None else self.min, self.max + 1, self.step))

    def to_plain(self) -> list[int] | dict[str, int]:
        """The form in which a specification writes it."""
        if self.listed is not None:
            return list(self.values)
        return {"min": self.values[0], "max": self.values[-1], "step": self.step}


class RatioRange(_Model):
    """Bounds of a quotient; ``max`` may be left out."""

    min: Ratio
    max: Ratio | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.max is not None and self.max < self.min:
            raise SpecError("max", f"{self.max} is below min {self.min}", "let min be at most max")
        return self


class WidthRatio(RatioRange):
    """Bounds of ``b / C``.

    ``to_rounding`` lists the ends at which the lattice value nearest to the bound is admitted too, so that no channel count is
    left without a width.
    """

    to_rounding: tuple[str, ...] = ("min",)

    @model_validator(mode="before")
    @classmethod
    def _as_tuple(cls, data: Any) -> Any:
        return _with_tuples(data, "to_rounding")

    @model_validator(mode="after")
    def _check_ends(self) -> Self:
        for end in self.to_rounding:
            if end not in ("min", "max"):
                raise SpecError("to_rounding", f"{end!r} is not an end", "list 'min', 'max', both or none")
        return self


class Input(_Model):
    """What enters the network."""

    resolution: Annotated[int, Field(strict=True, ge=1, le=16384)]
    channels: Positive = 3


class StemSpace(_Model):
    """The stem: one plain convolution with normalisation and activation."""

    channels: Lattice
    kernel: KernelSize = 3
    stride: Stride = 2


class FamilyRules(_Model):
    """Widths and kernels of one block family of a stage, where they differ from those of the stage."""

    bottleneck: Lattice | None = None
    bottleneck_ratio: WidthRatio | None = None
    kernels: Lattice | None = None


class Forbidden(_Model):
    """A combination that no super-block of the stage may have: all given parts at once. Each is one value or a list."""

    block: tuple[str, ...] | None = None
    channels: Lattice | None = None
    bottleneck: Lattice | None = None
    kernels: Lattice | None = None

    @model_validator(mode="before")
    @classmethod
    def _as_tuple(cls, data: Any) -> Any:
        return _with_tuples(data, "block", texts=True)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.block is None and self.channels is None and self.bottleneck is None and self.kernels is None:
            raise SpecError("", "forbids nothing", "give block, channels, bottleneck or kernels")
        return self


class StageSpace(_Model):
    """Choices of one super-block.

    Attributes
    ----------
    block:
        Block family, or several of which the optimum takes the best.
    per_block:
        Widths and kernels of a family where they differ from those of the stage.
    growth:
        Bounds of ``C_i / C_{i-1}``; ``min: 1`` keeps the channels non-decreasing.
    bottleneck, bottleneck_ratio:
        Lattice of the bottleneck width ``b``, and bounds of ``b / C``.
    kernels:
        Kernel sizes; those with ``1.5 k`` above the input resolution of the super-block are left out.
    depth:
        Numbers of blocks.
    multiple_of:
        What channels and bottleneck widths have to be multiples of, beside lying on their lattices.
    forbidden:
        Combinations that are left out.
    """

    block: tuple[str, ...] = ("bottleneck",)
    per_block: dict[str, FamilyRules] = {}
    stride: Stride
    channels: Lattice
    growth: RatioRange = RatioRange(min=1.0)
    bottleneck: Lattice
    bottleneck_ratio: WidthRatio = WidthRatio(min=0.1, max=1.0)
    kernels: Lattice
    depth: Lattice
    multiple_of: Positive = 1
    forbidden: tuple[Forbidden, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _as_tuple(cls, data: Any) -> Any:
        return _with_tuples(data, "block", "forbidden", texts=True)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.block:
            raise SpecError("block", "names no block family", f"use one or more of {sorted(FAMILIES)}")
        for name in (*self.block, *self.per_block, *(n for f in self.forbidden for n in f.block or ())):
            if name not in FAMILIES:
                raise SpecError("block", f"{name!r} is not a block family", f"use one of {sorted(FAMILIES)}")
        if len(set(self.block)) < len(self.block):
            raise SpecError("block", f"{list(self.block)} names a family twice", "name each family once")
        for name in self.per_block:
            if name not in self.block:
                raise SpecError(f"per_block.{name}", "is not a family of this stage", f"use one of {list(self.block)}")
        lattices = [self.kernels] + [rules.kernels for rules in self.per_block.values() if rules.kernels is not None]
        for k in (k for lattice in lattices for k in lattice.values):
            if k % 2 == 0:
                raise SpecError("kernels", f"kernel {k} is even", "use odd kernels such as 3 and 5")
        if max(len(lattice.values) for lattice in lattices) > MOST_KERNELS:
            raise SpecError("kernels", f"{len(self.kernels.values)} sizes", f"list at most {MOST_KERNELS}")
        if self.depth.values[-1] > 1000:
            raise SpecError("depth", f"{self.depth.values[-1]} blocks", "use at most 1000")
        return self


class HeadSpace(_Model):
    """A 1x1 convolution with normalisation and activation before the classifier."""

    channels: Positive


class NearSpec(_Model):
    """At most this much different from a network, super-block by super-block.

    Attributes
    ----------
    network:
        The network, in the schema of architecture files.
    ratio:
        Channels and bottleneck widths differ by at most this share of the network's.
    blocks:
        Depths differ by at most so many blocks.
    same:
        What may not differ at all: ``block``, ``kernel`` or both.
    """

    network: dict[str, Any]
    ratio: Annotated[float, Field(strict=True, ge=0, le=1e3, allow_inf_nan=False)] | None = None
    blocks: Annotated[int, Field(strict=True, ge=0)] | None = None
    same: tuple[Literal["block", "kernel"], ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _as_tuple(cls, data: Any) -> Any:
        return _with_tuples(data, "same", texts=True)

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """The super-blocks of the network."""
        return Architecture.from_dict(self.network).stages

    def close(self, value: int, other: int) -> bool:
        """Whether channels or widths are near enough."""
        return self.ratio is None or abs(value - other) <= _exact(self.ratio) * other


TIED = ("block", "channels", "bottleneck", "kernel", "depth")
"""What super-blocks may be asked to have in common; the names of the fields of a stage of an architecture."""


class TieSpec(_Model):
    """Super-blocks (counted from 1) that have to be the same in some respects."""

    stages: tuple[Positive, ...]
    same: tuple[Literal["block", "channels", "bottleneck", "kernel", "depth"], ...]

    @model_validator(mode="before")
    @classmethod
    def _as_tuple(cls, data: Any) -> Any:
        return _with_tuples(_with_tuples(data, "stages"), "same", texts=True)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.stages)) < 2:
            raise SpecError("stages", f"{list(self.stages)} ties nothing", "name at least two super-blocks, counted from 1")
        if not self.same:
            raise SpecError("same", "ties nothing", f"list some of {', '.join(TIED)}")
        return self

    def holds(self, stages: Sequence[Stage]) -> bool:
        """Whether the super-blocks of a network keep it."""
        return all(len({getattr(stages[i - 1], axis) for i in self.stages}) == 1 for axis in self.same)


@dataclass(frozen=True)
class Tie:
    """Super-blocks (from 0) that have one of :data:`TIED` in common."""

    axis: str
    stages: tuple[int, ...]


class PenaltySpec(_Model):
    """Depth penalty: its form, and the super-blocks (counted from 1) whose depths it counts (all by default)."""

    form: PenaltyForm
    stages: Annotated[tuple[Positive, ...], Field(min_length=1)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _as_tuple(cls, data: Any) -> Any:
        return _with_tuples(data, "stages")


class ObjectiveSpec(_Model):
    """``sum_j alpha_j H_j - beta Q - p rho``: ``log_base`` is that of the entropy, ``effectiveness_price`` is ``p``.

    What is left out follows the convention, where ``p`` is 0.
    """

    log_base: Annotated[int, Field(strict=True, ge=2, le=1000)] | None = None
    alpha: tuple[Weight, ...] | None = None
    beta: Weight = 10.0
    effectiveness_price: Weight | None = None
    penalty: PenaltySpec | None = None

    @model_validator(mode="before")
    @classmethod
    def _as_tuple(cls, data: Any) -> Any:
        return _with_tuples(data, "alpha")


class Range(_Model):
    """Limits of one figure: at most ``max``, at least ``min``; ``bytes`` per number where the figure is a size."""

    max: float | None = None
    min: float | None = None
    bytes: Annotated[int, Field(strict=True, ge=1, le=16)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, data: Any) -> Any:
        plain = not isinstance(data, (dict, Range))
        values = {"": data} if plain else {name: data.get(name) for name in ("max", "min")} if isinstance(data, dict) else {}
        for name, value in values.items():
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise SpecError(
                    name, f"{short(value)} is not a number", "give a positive number, or a mapping with max and min"
                )
            if isinstance(value, int) and abs(value) > 10**18:
                raise SpecError(name, "is beyond 1e18", "give a smaller number, or leave the budget out")
            if not math.isfinite(value) or value <= 0:
                raise SpecError(name, f"{value} is refused", "give a finite number greater than 0")
        data = {"max": data} if plain else data
        return data

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.max is None and self.min is None:
            raise SpecError("", "limits nothing", "give max, min or both")
        if self.max is not None and self.min is not None and self.max < self.min:
            raise SpecError("max", f"{self.max} is below min {self.min}", "let min be at most max")
        return self


class LatencyRange(Range):
    """A limit of the latency in microseconds, by a table of measured operations; see :mod:`mipdesign.latency`.

    Attributes
    ----------
    table:
        The path of a CSV file, or its lines. A problem that was read holds the lines.
    batch:
        Which rows of the table count.
    free:
        Kinds of operations that take no time, for example those that a device fuses into the convolution before.
    """

    table: LatencyTable
    batch: Positive = 1
    free: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _read_table(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            raise SpecError("", f"{short(data)} comes without a table", "give a mapping with max and table")
        made = _with_tuples(data, "free", texts=True)
        table = made.get("table")
        try:
            if isinstance(table, str):
                made["table"] = LatencyTable.load(table)
            elif isinstance(table, (list, tuple)) and all(isinstance(line, str) for line in table):
                made["table"] = LatencyTable.from_lines(table)
            elif table is not None and not isinstance(table, LatencyTable):
                raise SpecError("", f"{short(table)} is not a table", "give the path of a CSV file, or its lines")
        except SpecError as error:
            raise SpecError(".".join(part for part in ("table", error.field) if part), error.problem, error.remedy) from None
        return made

    @model_validator(mode="after")
    def _check_table(self) -> Self:
        for kind in self.free:
            if kind not in KINDS:
                raise SpecError("free", f"{kind!r} is not a kind of operation", f"use some of: {', '.join(KINDS)}")
        self.table.of_batch(self.batch)
        return self

    @cached_property
    def model(self) -> LatencyModel:
        """What computes the latency of a network."""
        return LatencyModel(self.table.of_batch(self.batch), self.free)


class Budgets(_Model):
    """Limits; any subset. A number is an upper limit; ``{min: .., max: ..}`` sets a lower one too.

    ``flops`` and ``params`` follow the convention, the other names mean the same in both. ``activations`` is the sum of the
    outputs of all convolutions, ``activation_memory`` the largest sum of input and output maps of one operation, in bytes,
    ``weights_bytes`` the size of all parameters, ``latency`` microseconds by a table.
    """

    flops: Range | None = None
    params: Range | None = None
    macs: Range | None = None
    params_backbone: Range | None = None
    layers: Range | None = None
    blocks: Range | None = None
    activations: Range | None = None
    weights_bytes: Range | None = None
    activation_memory: Range | None = None
    latency: LatencyRange | None = None
    effectiveness: Range | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in type(self).model_fields:
            limits = getattr(self, name)
            if limits is None:
                continue
            if limits.bytes is not None and name not in SIZES:
                raise SpecError(f"{name}.bytes", "has no meaning for this budget", f"use it with {' or '.join(SIZES)}")
            if limits.min is not None and name in UPPER_ONLY:
                raise SpecError(f"{name}.min", "is not supported for this budget", "give an upper limit only")
        return self

    def bytes_of(self, name: str) -> int:
        """Bytes per number of a budget that is a size."""
        limits = getattr(self, name)
        return DEFAULT_BYTES if limits is None or limits.bytes is None else limits.bytes

    def limits(self) -> dict[str, Fraction]:
        """The limits that are set, as exact numbers (a float means its decimal text); lower ones as ``min_<name>``."""
        limits = {}
        for name in type(self).model_fields:
            given = getattr(self, name)
            if given is not None and given.max is not None:
                limits[name] = Fraction(repr(given.max))
            if given is not None and given.min is not None:
                limits[LOWER + name] = Fraction(repr(given.min))
        return limits


@dataclass(frozen=True)
class Choice:
    """One block family of a super-block, with its rules resolved.

    Attributes
    ----------
    widths:
        For each channel count of the super-block the admitted bottleneck widths.
    kernels:
        Kernel sizes.
    excluded:
        Triples ``(C, b, k)`` that are forbidden.
    """

    block: str
    widths: tuple[tuple[int, ...], ...]
    kernels: tuple[int, ...]
    excluded: frozenset[tuple[int, int, int]]

    def columns(self, at: int, channels: int) -> int:
        """Number of columns with a channel count, which stands at place ``at``."""
        return len(self.widths[at]) * len(self.kernels) - sum(c == channels for c, _, _ in self.excluded)

    def holds(self, at: int, c: int, b: int, k: int) -> bool:
        """Whether a column belongs to the space; ``c`` stands at place ``at``."""
        return b in self.widths[at] and k in self.kernels and (c, b, k) not in self.excluded


@dataclass(frozen=True)
class SuperBlockSpace:
    """What one super-block may be, with the rules resolved.

    Attributes
    ----------
    resolution:
        Resolution at its input.
    channels, depths:
        The lattices, in increasing order.
    choices:
        The block families, in the order of the specification.
    """

    stride: int
    resolution: int
    channels: tuple[int, ...]
    choices: tuple[Choice, ...]
    depths: tuple[int, ...]
    growth: tuple[Fraction, Fraction | None]

    @property
    def blocks(self) -> tuple[str, ...]:
        """Names of the block families."""
        return tuple(choice.block for choice in self.choices)

    def columns(self, at: int) -> int:
        """Number of columns with the channel count at a place of :attr:`channels`."""
        return sum(choice.columns(at, self.channels[at]) for choice in self.choices)

    def holds(self, block: str, c: int, b: int, k: int) -> bool:
        """Whether a column belongs to the space."""
        if block not in self.blocks or c not in self.channels:
            return False
        return self.choices[self.blocks.index(block)].holds(self.channels.index(c), c, b, k)

    def near(self, limits: NearSpec, i: int) -> SuperBlockSpace:
        """The part of it that is near super-block ``i`` of a network.

        Raises
        ------
        SpecError
            If that part is empty.
        """
        centre = limits.stages[i]
        at = [j for j, c in enumerate(self.channels) if limits.close(c, centre.channels)]
        depths = tuple(d for d in self.depths if limits.blocks is None or abs(d - centre.depth) <= limits.blocks)
        choices = []
        for choice in self.choices:
            widths = tuple(tuple(b for b in choice.widths[j] if limits.close(b, centre.bottleneck)) for j in at)
            kernels = tuple(k for k in choice.kernels if "kernel" not in limits.same or k == centre.kernel)
            if kernels and ("block" not in limits.same or choice.block == centre.block):
                choices.append(replace(choice, widths=widths, kernels=kernels))
        part = replace(self, channels=tuple(self.channels[j] for j in at), choices=tuple(choices), depths=depths)
        if not depths or not any(part.columns(j) for j in range(len(at))):
            raise SpecError(
                "near", f"leaves nothing of stages.{i} around {centre}", "raise ratio or blocks, or widen the stage"
            )
        return part

    def values(self, axis: str) -> set[Any]:
        """The values of one of :data:`TIED` that occur."""
        if axis == "block":
            return set(self.blocks)
        if axis == "channels":
            return set(self.channels)
        if axis == "depth":
            return set(self.depths)
        if axis == "kernel":
            return {k for choice in self.choices for k in choice.kernels}
        return {b for choice in self.choices for widths in choice.widths for b in widths}

    def follows(self, previous: int, channels: int) -> bool:
        """Whether ``channels`` may come after ``previous``."""
        low, high = self.growth
        return channels >= low * previous and (high is None or channels <= high * previous)

    def predecessors(self, previous: Sequence[int], channels: int) -> slice:
        """Where in the sorted ``previous`` the values stand that ``channels`` may follow."""
        low, high = self.growth
        first = 0 if high is None else bisect_left(previous, channels / high)
        return slice(first, max(first, bisect_right(previous, channels / low)))


@dataclass(frozen=True)
class Budget:
    """One budget of the final network, in exact numbers where it counts something."""

    name: str
    value: float
    limit: float
    holds: bool

    @property
    def slack(self) -> float:
        """What is left of it."""
        return self.value - self.limit if self.name.startswith(LOWER) else self.limit - self.value


class Problem(_Model):
    """A search space with budgets and an objective: what :func:`mipdesign.design` solves.

    Make one with :meth:`preset`, :meth:`load` or :meth:`from_dict`; every fault is a :class:`SpecError` with field, value and
    remedy.
    """

    name: Annotated[str, Field(min_length=1, max_length=100)]
    convention: ConventionName = "reference"
    input: Input
    stem: StemSpace
    stages: Annotated[tuple[StageSpace, ...], Field(min_length=2, max_length=8)]
    head: HeadSpace | None = None
    classes: Positive = 1000
    budgets: Budgets = Budgets()
    objective: ObjectiveSpec = ObjectiveSpec()
    near: NearSpec | None = None
    ties: tuple[TieSpec, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _as_tuple(cls, data: Any) -> Any:
        return _with_tuples(data, "stages", "ties")

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
        self._check_attention()
        self._check_ties()
        reachable = list(self.stem.channels.values)
        for i, space in enumerate(self.space):
            possible = [c for at, c in enumerate(space.channels) if space.columns(at)]
            now = [c for c in possible if reachable[space.predecessors(reachable, c)]]
            if not now:
                before = "stem.channels" if i == 0 else f"stages.{i - 1}.channels"
                raise SpecError(
                    f"stages.{i}.channels",
                    f"no value of {_brief(space.channels)} may follow {before} {_brief(reachable)}",
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
        if strides != [stage.stride for stage in self.stages]:
            remedy = f"give a network with strides {[stage.stride for stage in self.stages]}"
            raise SpecError("near.network", f"has super-blocks of strides {strides}", remedy)

    def _check_ties(self) -> None:
        """Tied super-blocks exist and have something in common."""
        for n, tie in enumerate(self.ties):
            if max(tie.stages) > len(self.stages):
                raise SpecError(f"ties.{n}.stages", f"super-block {max(tie.stages)} of {len(self.stages)}", "count from 1")
            for axis in tie.same:
                if not set.intersection(*(self.space[i - 1].values(axis) for i in tie.stages)):
                    text = f"super-blocks {list(tie.stages)} have no {axis} in common"
                    raise SpecError(f"ties.{n}", text, "widen their lattices, or leave the tie out")

    def _check_attention(self) -> None:
        """Where the convention forgets the resolution after the first SE block, it has to be known which block that is."""
        if not CONVENTIONS[self.convention].forgets_resolution:
            return
        for i, stage in enumerate(self.stages):
            with_se = [FAMILIES[block].has_se for block in stage.block]
            if all(with_se):
                return
            if any(with_se):
                raise SpecError(
                    f"stages.{i}.block",
                    f"{list(stage.block)} leaves open whether the network has SE blocks from here on",
                    "use the convention 'paper', or families with SE only",
                )

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
        for i, stage in enumerate(self.stages):
            if r < stage.stride:
                raise SpecError(f"stages.{i}.stride", f"{stage.stride} on a map of {r} x {r}", "raise input.resolution")
            growth = (_exact(stage.growth.min), None if stage.growth.max is None else _exact(stage.growth.max))
            choices = tuple(_choice(stage, block, r, i) for block in stage.block)
            space = SuperBlockSpace(stage.stride, r, stage.channels.values, choices, stage.depth.values, growth)
            resolved.append(space if self.near is None else space.near(self.near, i))
            r = -(-r // stage.stride)
        return tuple(resolved)

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
        alpha = self.objective.alpha or default_alpha(1 + self.stage_of[-1])
        price = self.objective.effectiveness_price or 0.0
        return Scoring(conv, alpha, self.objective.beta, form, penalised, self.objective.log_base, price)

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

    def violations(self, architecture: Architecture) -> list[str]:
        """What a network breaks: budgets by exact arithmetic, and rules of the space; empty if it is feasible."""
        return self.outside_space(architecture) + violations(self.evaluator(architecture), self.budgets.limits())

    def outside_space(self, architecture: Architecture) -> list[str]:
        """Fields of a network that the search space does not hold."""
        wrong = []
        fixed = {"resolution": self.input.resolution, "input_channels": self.input.channels, "classes": self.classes}
        wrong += [name for name, value in fixed.items() if getattr(architecture, name) != value]
        if architecture.head != (self.head.channels if self.head else None):
            wrong.append("head")
        stem = architecture.stem
        if stem != Stem(stem.channels, self.stem.kernel, self.stem.stride) or stem.channels not in self.stem.channels.values:
            wrong.append("stem")
        if len(architecture.stages) != len(self.space):
            return wrong + ["stages"]
        previous = stem.channels
        for i, (stage, space) in enumerate(zip(architecture.stages, self.space, strict=True)):
            inside = (
                stage.stride == space.stride
                and space.holds(stage.block, stage.channels, stage.bottleneck, stage.kernel)
                and stage.depth in space.depths
                and space.follows(previous, stage.channels)
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
            columns = [space.columns(at) * len(space.depths) for at in range(len(space.channels))]
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
        if is_path or (name_or_path not in preset_names() and Path(name_or_path).is_file()):
            return cls.load(name_or_path, overrides)
        return cls.preset(name_or_path, overrides)

    @classmethod
    def _from_text(cls, text: str, source: str, overrides: Iterable[str]) -> Problem:
        data = load_yaml(text, source)
        if isinstance(data, dict):
            data.pop("defaults", None)
            _find_table(data, Path(source).parent)
            for override in overrides:
                _override(data, override)
        return cls.from_dict(data, source)

    def to_dict(self) -> dict[str, Any]:
        """Plain data from which :meth:`from_dict` makes an equal problem."""

        def plain(value: Any) -> Any:
            if isinstance(value, Lattice):
                return value.to_plain()
            if isinstance(value, LatencyTable):
                return value.to_lines()
            if type(value) is Range and value.min is None and value.bytes is None:
                return value.max
            if isinstance(value, StageSpace):
                return _stage_to_plain(value, plain)
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


STAGE_EXTRAS: dict[str, Any] = {"per_block": {}, "multiple_of": 1, "forbidden": ()}
"""Fields of a stage that are rarely used, with their defaults."""


def preset_names() -> list[str]:
    """Names of the problems that ship with the package."""
    folder = resources.files(__package__) / "presets"
    return sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))


def _choice(stage: StageSpace, block: str, r: int, i: int) -> Choice:
    """Columns of one family of a stage whose input map is ``r x r``.

    Raises
    ------
    SpecError
        If no kernel fits the map.
    """
    rules = stage.per_block.get(block, FamilyRules())
    lattice, ratio = rules.bottleneck or stage.bottleneck, rules.bottleneck_ratio or stage.bottleneck_ratio
    listed = (rules.kernels or stage.kernels).values
    kernels = tuple(k for k in listed if 3 * k <= 2 * r)
    if not kernels:
        raise SpecError(
            f"stages.{i}.kernels",
            f"no kernel of {_brief(listed)} fits a map of {r} x {r}",
            f"use kernels of at most {2 * r // 3}, or raise input.resolution",
        )
    channels = stage.channels.values
    widths = tuple(
        tuple(b for b in _admitted_widths(lattice.values, ratio, c) if b % stage.multiple_of == 0)
        if c % stage.multiple_of == 0
        else ()
        for c in channels
    )
    return Choice(block, widths, kernels, _excluded(stage, block, widths, kernels))


def _excluded(
    stage: StageSpace, block: str, widths: tuple[tuple[int, ...], ...], kernels: tuple[int, ...]
) -> frozenset[tuple[int, int, int]]:
    """Columns of a family that the stage forbids."""
    excluded = set()
    for rule in stage.forbidden:
        if rule.block is not None and block not in rule.block:
            continue
        for c, admitted in zip(stage.channels.values, widths, strict=True):
            if rule.channels is None or c in rule.channels.values:
                some = [b for b in admitted if rule.bottleneck is None or b in rule.bottleneck.values]
                excluded |= {(c, b, k) for b in some for k in kernels if rule.kernels is None or k in rule.kernels.values}
    return frozenset(excluded)


def _admitted_widths(values: tuple[int, ...], ratio: WidthRatio, c: int) -> tuple[int, ...]:
    """Bottleneck widths that go with ``c`` channels; see :class:`WidthRatio`."""
    low = _exact(ratio.min) * c
    high = None if ratio.max is None else _exact(ratio.max) * c
    first = bisect_left(values, -(-low.numerator // low.denominator))
    stop = len(values) if high is None else bisect_right(values, high.numerator // high.denominator)
    admitted = list(values[first:stop])
    if "min" in ratio.to_rounding:
        nearest = _nearest(values, low)
        if (high is None or nearest <= high) and nearest not in admitted[:1]:
            admitted = sorted({nearest, *admitted})
    if "max" in ratio.to_rounding and high is not None:
        nearest = _nearest(values, high)
        if nearest not in admitted[-1:]:
            admitted = sorted({nearest, *admitted})
    return tuple(admitted)


def _nearest(values: Sequence[int], target: Fraction) -> int:
    """The lattice value nearest to ``target``; of two, the one at an even position, as rounding half to even does."""
    i = max(0, bisect_right(values, target) - 1)
    if i + 1 == len(values) or target <= values[i]:
        return values[i]
    down, up = target - values[i], values[i + 1] - target
    if down == up:
        return values[i] if (i + 1) % 2 == 0 else values[i + 1]
    return values[i] if down < up else values[i + 1]


@cache
def _exact(number: float) -> Fraction:
    """The decimal number that the text of a float stands for."""
    return Fraction(repr(number))


def _find_table(data: dict[str, Any], folder: Path) -> None:
    """Makes the path of a latency table that is relative to the specification's folder one from here."""
    try:
        table = data["budgets"]["latency"]["table"]
    except (KeyError, TypeError):
        return
    if isinstance(table, str):
        latency = data["budgets"]["latency"] | {"table": str(folder / table)}
        data["budgets"] = data["budgets"] | {"latency": latency}


def _override(data: dict[str, Any], text: str) -> None:
    """Sets one value by its dotted key in plain data."""
    key, separator, value = text.partition("=")
    if not separator or not all(key.split(".")):
        raise SpecError("--set", f"{text!r} is not KEY=VALUE", "write for example budgets.flops=1e9")
    target: Any = data
    *path, last = key.split(".")
    for part in path:
        target = _child(target, part, key)
    if isinstance(target, list):
        target[_index(target, last, key)] = parse_scalar(value)
    elif isinstance(target, dict):
        target[last] = parse_scalar(value)
    else:
        raise SpecError("--set", f"{key!r} names nothing", "use the dotted path of a field, for example stages.0.depth")


def _child(target: Any, part: str, key: str) -> Any:
    if isinstance(target, list):
        return target[_index(target, part, key)]
    if isinstance(target, dict):
        if target.get(part) is None:
            target[part] = {}
        target[part] = target[part].copy() if isinstance(target[part], (dict, list)) else target[part]
        return target[part]
    raise SpecError("--set", f"{key!r} names nothing", "use the dotted path of a field, for example stages.0.depth")


def _index(target: list[Any], part: str, key: str) -> int:
    if not part.isdigit() or int(part) >= len(target):
        raise SpecError("--set", f"{part!r} in {key!r} is not an index below {len(target)}", "count from 0")
    if isinstance(target[int(part)], dict):
        target[int(part)] = target[int(part)].copy()
    return int(part)


def _brief(values: Sequence[int]) -> str:
    return str(list(values)) if len(values) <= 6 else f"{values[0]}..{values[-1]} ({len(values)} values)"
