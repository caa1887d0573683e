"""One network of a search space, as plain immutable data, and its file format.

The schema is that of the published designs: ``resolution``, ``stem``, ``stages``, ``head``; ``input_channels`` (3),
``classes`` (1000) and ``stem.pool`` (false) may be added.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ..errors import SpecError
from ..parsing import load_json, validated
from .blocks import FAMILIES, BlockFamily, Int, Operation, existing, plain_conv
from .objective import stage_of_super_blocks

Positive = Annotated[int, Field(strict=True, ge=1, le=10**6)]
Stride = Annotated[int, Field(strict=True, ge=1, le=2)]
KernelSize = Annotated[int, Field(strict=True, ge=1, le=63)]

NETWORK = "network.json"
"""File that says in a folder of weights which network they belong to."""
DESCRIPTIVE_KEYS = {"name", "imagenet_top1", "budgets", "reference_convention", "with_classifier_1000", "note"}
"""Keys of the published list that describe a network without being part of it; they are read over."""


class _Stem(BaseModel):
    model_config = ConfigDict(extra="forbid")
    channels: Positive
    kernel: KernelSize = 3
    stride: Stride = 2
    pool: Annotated[bool, Field(strict=True)] = False


class _Stage(BaseModel):
    model_config = ConfigDict(extra="forbid")
    block: str
    stride: Stride
    channels: Positive
    bottleneck: Positive | Annotated[list[Positive], Field(min_length=1)]
    kernel: KernelSize | Annotated[list[KernelSize], Field(min_length=1)]
    depth: Annotated[int, Field(strict=True, ge=1, le=1000)]


class _ArchitectureFile(BaseModel):
    model_config = ConfigDict(extra="forbid")
    resolution: Annotated[int, Field(strict=True, ge=1, le=16384)]
    stem: _Stem
    stages: Annotated[list[_Stage], Field(min_length=1, max_length=64)]
    head: Positive | None = None
    input_channels: Positive = 3
    classes: Positive = 1000


@dataclass(frozen=True, order=True)
class Stem:
    """The plain convolution at the input; with ``pool`` a 3x3 max pool of stride 2 follows it, as in ResNet."""

    channels: int
    kernel: int = 3
    stride: int = 2
    pool: bool = False


PerBlock = int | tuple[int, ...]
"""One number for all blocks of a super-block, or one for each."""


@functools.total_ordering
@dataclass(frozen=True)
class Stage:
    """A super-block: ``depth`` blocks, of which the first has the stride and takes the previous channels.

    Attributes
    ----------
    bottleneck, kernel:
        Of all blocks, or of each block where they differ; equal ones are one number.
    """

    block: str
    stride: int
    channels: int
    bottleneck: PerBlock
    kernel: PerBlock
    depth: int

    def __post_init__(self) -> None:
        for name in PER_BLOCK:
            values = getattr(self, name)
            if isinstance(values, tuple) and len(set(values)) == 1:
                object.__setattr__(self, name, values[0])

    def __lt__(self, other: Stage) -> bool:
        return self._order < other._order

    @property
    def _order(self) -> tuple[Any, ...]:
        return tuple((value,) if isinstance(value, int) else value for value in vars(self).values())

    @property
    def is_uniform(self) -> bool:
        """Whether all blocks but the first are equal, and the first is but for its stride and what enters it."""
        return all(isinstance(getattr(self, name), int) for name in PER_BLOCK)

    def block_at(self, index: int) -> Stage:
        """The super-block whose blocks are all like one of its blocks."""
        if self.is_uniform:
            return self
        chosen = {name: values[index] for name in PER_BLOCK if isinstance(values := getattr(self, name), tuple)}
        return replace(self, **chosen)

    def to_dict(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}


def single(value: PerBlock) -> int:
    """The number that all blocks of a super-block have."""
    assert isinstance(value, int)
    return value


PER_BLOCK = ("bottleneck", "kernel")
"""Fields of a stage that may be lists."""


@dataclass(frozen=True)
class PlacedBlock:
    """A block where it stands: its stage, its index in the stage, its input channels and input resolution.

    ``spec`` is the super-block as if all its blocks were like this one.
    """

    stage: int
    index: int
    in_channels: int
    resolution: int
    spec: Stage

    @property
    def stride(self) -> int:
        return self.spec.stride if self.index == 0 else 1

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths of the main-path convolutions."""
        s = self.spec
        return tuple(int(w) for w in FAMILIES[s.block].widths(self.in_channels, s.channels, *self._sizes))

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Operations of the block, absent ones left out."""
        s = self.spec
        sizes = (self.in_channels, s.channels, *self._sizes, self.stride, self.resolution)
        return _operations_of_block(FAMILIES[s.block], *sizes, self.index == 0)

    @property
    def _sizes(self) -> tuple[int, int]:
        """Width and kernel."""
        return single(self.spec.bottleneck), single(self.spec.kernel)


@lru_cache(maxsize=4096, typed=True)
def _operations_of_block(
    family: BlockFamily, ci: int, c: int, b: int, k: int, s: int, r: int, first: bool
) -> tuple[Operation, ...]:
    """Networks of a space share most of their blocks. Types stay apart: integers of numpy are not exact."""
    return existing(family.operations(ci, c, b, k, s, r, first=first))


@dataclass(frozen=True, order=True)
class Architecture:
    """One convolutional network.

    Attributes
    ----------
    resolution:
        Height (= width) of the input in pixels.
    stem, stages, head:
        The parts in order; ``head`` is the width of a 1x1 convolution before the classifier, or ``None``.
    input_channels, classes:
        Channels of the input and outputs of the classifier.
    """

    resolution: int
    stem: Stem
    stages: tuple[Stage, ...]
    head: int | None = None
    input_channels: int = 3
    classes: int = 1000

    @property
    def out_channels(self) -> int:
        """Channels of the map that the classifier pools."""
        return self.head if self.head is not None else self.stages[-1].channels

    @property
    def activation(self) -> str:
        """Activation of the stem and the head: that of the blocks beside them."""
        return FAMILIES[self.stages[0].block].activation

    @property
    def stem_operations(self) -> tuple[Operation, ...]:
        """The stem's convolution and, where there is one, its pool."""
        s = self.stem
        conv = plain_conv("conv", self.input_channels, s.channels, s.kernel, s.stride, self.resolution, self.activation)
        if not s.pool:
            return conv
        pool = Operation("pool", (conv[-1].name,), "max_pool", s.channels, s.channels, conv[-1].out_resolution, 3, 2)
        return *conv, pool

    @property
    def stem_resolution(self) -> int:
        """Resolution of the map that enters the first super-block."""
        return self.stem_operations[-1].out_resolution  # type: ignore[no-any-return]

    @property
    def stage_of(self) -> tuple[int, ...]:
        """Down-sampling stage of each super-block (the stem opens stage 0)."""
        return stage_of_super_blocks([s.stride for s in self.stages], self.stem.pool)

    def blocks(self) -> Iterator[PlacedBlock]:
        """All blocks in order, each with the channels and the resolution at its input."""
        channels, resolution = self.stem.channels, self.stem_resolution
        for i, stage in enumerate(self.stages):
            for index in range(stage.depth):
                block = PlacedBlock(i, index, channels, resolution, stage.block_at(index))
                yield block
                channels, resolution = stage.channels, -(-resolution // block.stride)

    @property
    def out_resolution(self) -> int:
        """Resolution of the map that the classifier pools."""
        r = self.stem_resolution
        for stage in self.stages:
            r = -(-r // stage.stride)
        return r

    @property
    def head_operations(self) -> tuple[Operation, ...]:
        """The 1x1 head convolution, if any, without the pool and the classifier."""
        if self.head is None:
            return ()
        act = FAMILIES[self.stages[-1].block].activation
        return plain_conv("conv", self.stages[-1].channels, self.head, 1, 1, self.out_resolution, act)

    @property
    def classifier_operations(self) -> tuple[Operation, ...]:
        """Global average pool and linear classifier."""
        return self.tail_of(self.out_channels, self.classes, self.out_resolution)

    @staticmethod
    def tail_of(c: Int, classes: int, r: int) -> tuple[Operation, ...]:
        """Global average pool and linear classifier on a map of ``c`` channels at ``r x r``."""
        pool = Operation("pool", ("input",), "global_pool", c, c, r, stride=r)
        return pool, Operation("linear", ("pool",), "linear", c, classes, 1)

    def operations(self) -> Iterator[Operation]:
        """All operations of the network in order."""
        yield from self.stem_operations
        for block in self.blocks():
            yield from block.operations
        yield from self.head_operations
        yield from self.classifier_operations

    def distinct_operations(self) -> Iterator[tuple[Operation, int]]:
        """The operations of :meth:`operations`, those of blocks that are alike once, each with how often it is there."""
        for op in (*self.stem_operations, *self.head_operations, *self.classifier_operations):
            yield op, 1
        for block in self.blocks():
            uniform = self.stages[block.stage].is_uniform
            if block.index <= 1 or not uniform:
                times = block.spec.depth - 1 if uniform and block.index else 1
                yield from ((op, times) for op in block.operations)

    def widths(self) -> Iterator[int]:
        """Widths of the main-path convolutions in order: stem, blocks, head."""
        yield self.input_channels * self.stem.kernel**2
        for block in self.blocks():
            yield from block.widths
        if self.head is not None:
            yield self.stages[-1].channels

    # ------------------------------------------------------------------ files

    def to_dict(self) -> dict[str, Any]:
        """Plain data in the schema of the published designs; defaults of the extra keys are left out."""
        data: dict[str, Any] = {
            "resolution": self.resolution,
            "stem": {name: value for name, value in vars(self.stem).items() if name != "pool" or value},
            "stages": [s.to_dict() for s in self.stages],
            "head": self.head,
        }
        if self.input_channels != 3:
            data["input_channels"] = self.input_channels
        if self.classes != 1000:
            data["classes"] = self.classes
        return data

    @classmethod
    def from_dict(cls, data: Any, source: str | None = None) -> Architecture:
        """Checks plain data against the schema.

        Raises
        ------
        SpecError
            With the field, its value and a remedy.
        """
        if isinstance(data, Mapping):
            data = {k: v for k, v in data.items() if k not in DESCRIPTIVE_KEYS}
        spec = validated(_ArchitectureFile, data, source)
        require_kernel(spec.stem.kernel, spec.resolution, "stem.kernel", source)
        resolution = -(-spec.resolution // spec.stem.stride)
        if spec.stem.pool:
            if resolution == 1:
                raise SpecError("stem.pool", "a pool on a map of 1 x 1", "use a larger resolution", source)
            resolution = -(-resolution // 2)
        for i, stage in enumerate(spec.stages):
            if stage.block not in FAMILIES:
                raise SpecError(
                    f"stages.{i}.block", f"{stage.block!r} is not a block family", f"use one of {sorted(FAMILIES)}", source
                )
            kernels = stage.kernel if isinstance(stage.kernel, list) else [stage.kernel]
            for index, kernel in enumerate(kernels):
                require_kernel(kernel, -(-resolution // (stage.stride if index else 1)), f"stages.{i}.kernel", source)
            if resolution < stage.stride:
                raise SpecError(
                    f"stages.{i}.stride",
                    f"{stage.stride} on a map of {resolution} x {resolution}",
                    "use a larger resolution",
                    source,
                )
            resolution = -(-resolution // stage.stride)
        stages = tuple(_stage_of(s, f"stages.{i}", source) for i, s in enumerate(spec.stages))
        return cls(spec.resolution, Stem(**spec.stem.model_dump()), stages, spec.head, spec.input_channels, spec.classes)

    @classmethod
    def load(cls, path: str | Path) -> Architecture:
        """Reads an architecture from a JSON file: an architecture, a ``result.json``, or a folder that holds one.

        A folder without a ``result.json`` may have a ``network.json``.
        """
        path = Path(path)
        if os.path.isdir(path):
            designed, saved = path / "result.json", path / NETWORK
            path = saved if os.path.lexists(saved) and not os.path.lexists(designed) else designed
        return cls.from_content(load_json(path), str(path))

    @classmethod
    def from_content(cls, data: Any, source: str) -> Architecture:
        """The architecture in the plain data of a file: its whole content, or that of a ``result.json``."""
        if isinstance(data, list):
            raise SpecError("", "a list of designs", "give a file with one architecture", source)
        if isinstance(data, dict) and "architecture" in data:
            data = data["architecture"]
            if data is None:
                raise SpecError("architecture", "null: the run found no design", "give a run with a design", source)
        return cls.from_dict(data, source)

    def dumps(self) -> str:
        """JSON text of :meth:`to_dict`."""
        return json.dumps(self.to_dict(), indent=1)


def _stage_of(stage: _Stage, field: str, source: str | None) -> Stage:
    """A super-block, whose lists must have a value for each block."""
    values: dict[str, Any] = vars(stage).copy()
    for name in PER_BLOCK:
        if isinstance(values[name], list):
            values[name] = tuple(values[name])
            if len(values[name]) != stage.depth:
                text = f"{len(values[name])} values for {stage.depth} blocks"
                raise SpecError(f"{field}.{name}", text, "give one number, or one for each block", source)
    return Stage(**values)


def require_kernel(kernel: int, resolution: int, field: str, source: str | None = None) -> None:
    """Makes sure that a kernel is odd, and not larger than the map that enters its part of the network.

    Raises
    ------
    SpecError
        With ``field`` and ``source``.
    """
    if kernel % 2 == 0:
        raise SpecError(field, f"kernel {kernel} is even", "use an odd kernel such as 3 or 5", source)
    if kernel > resolution:
        raise SpecError(
            field,
            f"kernel {kernel} is larger than the map of {resolution} x {resolution}",
            "use a smaller kernel or a larger resolution",
            source,
        )
