"""What a specification says of a search space: lattices, ratios, stages and rules, each as a validated model."""

from __future__ import annotations

import itertools
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ..errors import SpecError, short
from ..networks.architecture import Architecture, Stage
from ..networks.architecture_file import BitPair, Frames, KernelSize, Positive, Stride
from ..networks.blocks import FAMILIES
from ..networks.operation import KERNEL_BASE, kernel_code, kernel_of, kernel_text
from ..numerals import at_most, not_negative, plain_number

MOST_KERNELS = 16
"""Most kernel sizes that one stage may list."""

LONGEST_KERNEL = 63
"""Largest size of a kernel in frames, height or width."""

MOST_BITS = 32
"""Most bits of an activation or a weight."""

MAX_LATTICE = 4096
"""Most values that one lattice may have."""


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


_PYDANTIC = {name for name in dir(BaseModel) if not name.startswith("__")}


class SpecModel(BaseModel):
    """A part of a specification: immutable, with no fields but its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    def __dir__(self) -> list[str]:
        """What is ours: pydantic's methods are left out."""
        return sorted(set(super().__dir__()) - _PYDANTIC)


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


class KernelLattice(Lattice):
    """Kernel sizes; in networks of video a list may hold pairs ``[frames, size]``.

    :attr:`values` are :func:`~mipdesign.networks.operation.kernel_code` of them: the size itself where it spans one frame.
    """

    @model_validator(mode="before")
    @classmethod
    def _from_pairs(cls, data: Any) -> Any:
        return [cls._code(item) for item in data] if isinstance(data, list) else data

    @staticmethod
    def _code(item: Any) -> Any:
        """The number of a pair; a size is left as it is."""
        if type(item) is int and item >= KERNEL_BASE:
            raise SpecError("", f"kernel {item} is larger than every map", f"give a size below {KERNEL_BASE}")
        if not isinstance(item, list):
            return item
        if len(item) != 2 or not all(type(size) is int and 1 <= size <= LONGEST_KERNEL for size in item):
            remedy = f"give a size, or [frames, size], each from 1 to {LONGEST_KERNEL}"
            raise SpecError("", f"{short(item)} is not a kernel", remedy)
        return kernel_code(*item)

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        if self.max is not None and self.max >= KERNEL_BASE:
            raise SpecError("max", f"kernel {self.max} is larger than every map", f"give a size below {KERNEL_BASE}")
        return self

    def to_plain(self) -> Any:
        """The form in which a specification writes it."""
        if self.listed is None:
            return super().to_plain()
        pairs = [kernel_of(code) for code in self.values]
        return [size if frames == 1 else [frames, size] for frames, size in pairs]


class BitSpace(SpecModel):
    """Bits that the blocks of a stage may have: every block one of each, for all its convolutions."""

    activations: Lattice
    weights: Lattice

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in ("activations", "weights"):
            most = getattr(self, name).values[-1]
            if most > MOST_BITS:
                raise SpecError(name, f"{most} bits", f"use at most {MOST_BITS}")
        return self

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Bits of activations and weights, in increasing order."""
        return tuple(itertools.product(self.activations.values, self.weights.values))


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


class WidthRatio(SpecModel):
    """Bounds of ``b / C``, or a list of its values.

    ``to_rounding`` lists the ends at which the lattice value nearest to the bound is admitted too, so that no channel count is
    left without a width. With ``listed``, the widths of a channel count are the lattice values nearest to these ratios of it.
    """

    min: Ratio | None = None
    max: Ratio | None = None
    listed: Annotated[tuple[Ratio, ...], Field(min_length=1, max_length=64)] | None = None
    to_rounding: tuple[str, ...] = ("min",)

    @model_validator(mode="before")
    @classmethod
    def _as_tuple(cls, data: Any) -> Any:
        made = with_tuples(data, "listed", "to_rounding")
        return {"to_rounding": (), **made} if isinstance(made, dict) and made.get("listed") is not None else made

    @model_validator(mode="after")
    def _check_ends(self) -> Self:
        if self.listed is not None:
            if self.min is not None or self.max is not None or self.to_rounding:
                raise SpecError("listed", "stands beside min, max or to_rounding", "give either")
            return self
        if self.min is None:
            raise SpecError("min", "is missing", "give min, or listed")
        if self.max is not None:
            RatioRange(min=self.min, max=self.max)
        for end in self.to_rounding:
            if end not in ("min", "max"):
                raise SpecError("to_rounding", f"{end!r} is not an end", "list 'min', 'max', both or none")
        return self


class Input(SpecModel):
    """What enters the network."""

    resolution: Annotated[int, Field(strict=True, ge=1, le=16384)]
    channels: Positive = 3
    frames: Frames | None = None
    """Frames of a video; ``None`` for pictures."""


class StemSpace(SpecModel):
    """The stem: one plain convolution with normalisation and activation.

    ``kernel_t`` is the length of its kernel in frames, 1 if it is left out; ``bits`` are those of its input and its weights.
    """

    channels: Lattice
    kernel: KernelSize = 3
    stride: Stride = 2
    kernel_t: KernelSize | None = None
    bits: BitPair | None = None


class FamilyRules(SpecModel):
    """Widths and kernels of one block family of a stage, where they differ from those of the stage."""

    bottleneck: Lattice | None = None
    bottleneck_ratio: WidthRatio | None = None
    kernels: KernelLattice | None = None


class Forbidden(SpecModel):
    """A combination that no super-block of the stage may have: all given parts at once. Each is one value or a list."""

    block: tuple[str, ...] | None = None
    channels: Lattice | None = None
    bottleneck: Lattice | None = None
    kernels: KernelLattice | None = None

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
        Lattice of the bottleneck width ``b``, and bounds or values of ``b / C``.
    kernels:
        Kernel sizes, in networks of video also ``[frames, size]``; those with ``1.5 k`` above the input resolution of the
        super-block are left out.
    bits:
        Bits of activations and weights that a block may have, in a quantised network.
    depth:
        Numbers of blocks.
    uniform:
        Whether all blocks have the same width and kernel; with ``false`` each block has its own.
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
    kernels: KernelLattice
    depth: Lattice
    uniform: Annotated[bool, Field(strict=True)] = True
    multiple_of: Positive = 1
    forbidden: tuple[Forbidden, ...] = ()
    bits: BitSpace | None = None

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
        for code in (code for lattice in lattices for code in lattice.values):
            for k in kernel_of(code):
                if k % 2 == 0:
                    raise SpecError("kernels", f"kernel {kernel_text(code)} is even", "use odd kernels such as 3 and 5")
        if max(len(lattice.values) for lattice in lattices) > MOST_KERNELS:
            raise SpecError("kernels", f"{len(self.kernels.values)} sizes", f"list at most {MOST_KERNELS}")
        if self.depth.values[-1] > 1000:
            raise SpecError("depth", f"{self.depth.values[-1]} blocks", "use at most 1000")
        return self


class HeadSpace(SpecModel):
    """A 1x1 convolution with normalisation and activation before the classifier; ``bits`` as those of the stem."""

    channels: Positive
    bits: BitPair | None = None


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
