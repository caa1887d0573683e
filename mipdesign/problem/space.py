"""The search space of a problem: what a specification says of it, and what its rules mean for each super-block."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ..errors import SpecError
from ..networks.architecture import Architecture, KernelSize, Positive, Stage, Stride
from ..networks.blocks import FAMILIES
from ..numerals import at_most, not_negative, plain_number, simplest

MAX_LATTICE = 4096
"""Most values that one lattice may have."""

MOST_KERNELS = 16
"""Most kernel sizes that one stage may list."""

Ratio = Annotated[Fraction, BeforeValidator(at_most(1e6))]
"""An exact quotient; see :mod:`mipdesign.numerals`."""


def with_tuples(data: Any, *names: str, texts: bool = False) -> Any:
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


class SpecModel(BaseModel):
    """A part of a specification: immutable, with no fields but its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Lattice(SpecModel):
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


class RatioRange(SpecModel):
    """Bounds of a quotient; ``max`` may be left out."""

    min: Ratio
    max: Ratio | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.max is not None and self.max < self.min:
            text = f"{plain_number(self.max)} is below min {plain_number(self.min)}"
            raise SpecError("max", text, "let min be at most max")
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
        return with_tuples(data, "to_rounding")

    @model_validator(mode="after")
    def _check_ends(self) -> Self:
        for end in self.to_rounding:
            if end not in ("min", "max"):
                raise SpecError("to_rounding", f"{end!r} is not an end", "list 'min', 'max', both or none")
        return self


class Input(SpecModel):
    """What enters the network."""

    resolution: Annotated[int, Field(strict=True, ge=1, le=16384)]
    channels: Positive = 3


class StemSpace(SpecModel):
    """The stem: one plain convolution with normalisation and activation."""

    channels: Lattice
    kernel: KernelSize = 3
    stride: Stride = 2


class FamilyRules(SpecModel):
    """Widths and kernels of one block family of a stage, where they differ from those of the stage."""

    bottleneck: Lattice | None = None
    bottleneck_ratio: WidthRatio | None = None
    kernels: Lattice | None = None


class Forbidden(SpecModel):
    """A combination that no super-block of the stage may have: all given parts at once. Each is one value or a list."""

    block: tuple[str, ...] | None = None
    channels: Lattice | None = None
    bottleneck: Lattice | None = None
    kernels: Lattice | None = None

    @model_validator(mode="before")
    @classmethod
    def _as_tuple(cls, data: Any) -> Any:
        return with_tuples(data, "block", texts=True)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.block is None and self.channels is None and self.bottleneck is None and self.kernels is None:
            raise SpecError("", "forbids nothing", "give block, channels, bottleneck or kernels")
        return self


class StageSpace(SpecModel):
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
    growth: RatioRange = RatioRange(min=Fraction(1))
    bottleneck: Lattice
    bottleneck_ratio: WidthRatio = WidthRatio(min=Fraction(1, 10), max=Fraction(1))
    kernels: Lattice
    depth: Lattice
    multiple_of: Positive = 1
    forbidden: tuple[Forbidden, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _as_tuple(cls, data: Any) -> Any:
        return with_tuples(data, "block", "forbidden", texts=True)

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


class HeadSpace(SpecModel):
    """A 1x1 convolution with normalisation and activation before the classifier."""

    channels: Positive


class NearSpec(SpecModel):
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
    ratio: Annotated[Fraction, BeforeValidator(at_most(1e3, not_negative))] | None = None
    blocks: Annotated[int, Field(strict=True, ge=0)] | None = None
    same: tuple[Literal["block", "kernel"], ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _as_tuple(cls, data: Any) -> Any:
        return with_tuples(data, "same", texts=True)

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """The super-blocks of the network."""
        return Architecture.from_dict(self.network).stages

    def close(self, value: int, other: int) -> bool:
        """Whether channels or widths are near enough."""
        return self.ratio is None or abs(value - other) <= self.ratio * other


TIED = ("block", "channels", "bottleneck", "kernel", "depth")
"""What super-blocks may be asked to have in common; the names of the fields of a stage of an architecture."""


class TieSpec(SpecModel):
    """Super-blocks (counted from 1) that have to be the same in some respects."""

    stages: tuple[Positive, ...]
    same: tuple[Literal["block", "channels", "bottleneck", "kernel", "depth"], ...]

    @model_validator(mode="before")
    @classmethod
    def _as_tuple(cls, data: Any) -> Any:
        return with_tuples(with_tuples(data, "stages"), "same", texts=True)

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


# -------------------------------------------------------------------- resolved


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
        Triples ``(C, b, k)`` of these that are forbidden.
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
                near = replace(choice, widths=widths, kernels=kernels, excluded=frozenset())
                places = {self.channels[j]: n for n, j in enumerate(at)}
                left_out = {(c, b, k) for c, b, k in choice.excluded if c in places and near.holds(places[c], c, b, k)}
                choices.append(replace(near, excluded=frozenset(left_out)))
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

    def entering(self, channels: int) -> tuple[int, int]:
        """The least and the largest number of channels that ``channels`` may follow: whole numbers ``ci`` with
        ``low ci <= channels <= high ci``.
        """
        low, high = self.growth
        return 0 if high is None else math.ceil(channels / high), math.floor(channels / low)

    def simple_growth(self, previous: Sequence[int]) -> tuple[Fraction | None, Fraction | None]:
        """Bounds of ``C / ci`` that tell the same channels apart as :attr:`growth`, in the least numbers; ``None`` for a bound
        that keeps nothing from following the sorted ``previous``.
        """
        below, within_low, within_high, above = [], [], [], []
        for c in self.channels:
            least, most = self.entering(c)
            first, stop = bisect_left(previous, least), bisect_right(previous, most)
            below += [Fraction(c, ci) for ci in previous[stop : stop + 1]]
            within_low += [Fraction(c, ci) for ci in previous[:stop][-1:]]
            within_high += [Fraction(c, ci) for ci in previous[first : first + 1]]
            above += [Fraction(c, ci) for ci in previous[:first][-1:]]
        low, high = self.growth
        simple_low = simple_high = None
        if below:  # above the largest quotient that is kept out, at most the least one that is let in
            least_in = min(within_low, default=low)
            simple_low = simplest((max(below) + least_in) / 2, least_in)
        if above and high is not None:
            most_in = max(within_high, default=high)
            simple_high = simplest(most_in, (most_in + min(above)) / 2)
        return simple_low, simple_high


def choice_of(stage: StageSpace, block: str, r: int, i: int) -> Choice:
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
            f"no kernel of {brief(listed)} fits a map of {r} x {r}",
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
    low = ratio.min * c
    high = None if ratio.max is None else ratio.max * c
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


def brief(values: Sequence[int]) -> str:
    return str(list(values)) if len(values) <= 6 else f"{values[0]}..{values[-1]} ({len(values)} values)"
