"""One network of a search space, as plain immutable data, and its file format.

The schema is that of the published designs: ``resolution``, ``stem``, ``stages``, ``head``; ``input_channels`` (3),
``classes`` (1000) and ``stem.pool`` (false) may be added; ``frames`` and ``kernel_t`` in networks of video, ``bits`` in
quantised ones, and lists of widths or kernels where the blocks of a super-block differ.
:mod:`mipdesign.networks.architecture_file` reads it.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import lru_cache, total_ordering
from pathlib import Path
from typing import Any

from ..arguments import PATH, arguments, constructor, whole
from ..display import Displayed, Drawing, drawing_of
from ..errors import SpecError
from ..parsing import load_json
from .architecture_file import read_file
from .blocks import FAMILIES, BlockFamily, Int, Operation, existing, plain_conv
from .objective import stage_of_super_blocks
from .operation import strided

BlockBits = tuple[tuple[int, int], ...]
"""Bits of a block: of its main-path convolutions in order, those of the activations that enter and of the weights."""
PerBlock = int | tuple[int, ...]
"""One number for all blocks of a super-block, or one for each."""

NETWORK = "network.json"
"""File that says in a folder of weights which network they belong to."""


@dataclass(frozen=True, order=True)
class Stem:
    """The plain convolution at the input; with ``pool`` a 3x3 max pool of stride 2 follows it, as in ResNet.

    ``kernel_t`` is the length of its kernel in frames, ``bits`` those of its input and its weights where it is quantised.
    """

    channels: int
    kernel: int = 3
    stride: int = 2
    pool: bool = False
    kernel_t: int = 1
    bits: tuple[int, int] | None = None


@total_ordering
@dataclass(frozen=True)
class Stage:
    """A super-block: ``depth`` blocks, of which the first has the stride and takes the previous channels.

    Attributes
    ----------
    bottleneck, kernel:
        Of all blocks, or of each block where they differ; equal ones are one number.
    kernel_t:
        Length of the kernel in frames, in a network of video.
    bits:
        For every block ``(activations, weights)`` of each main-path convolution, in a quantised network.
    """

    block: str
    stride: int
    channels: int
    bottleneck: PerBlock
    kernel: PerBlock
    depth: int
    kernel_t: int = 1
    bits: tuple[BlockBits, ...] = ()

    def __post_init__(self) -> None:
        for name in PER_BLOCK:
            values = getattr(self, name)
            if isinstance(values, tuple) and len(set(values)) == 1:
                object.__setattr__(self, name, values[0])

    def __lt__(self, other: Stage) -> bool:
        return self._order < other._order

    @property
    def _order(self) -> tuple[Any, ...]:
        """The fields in order; lists are compared with numbers by their first values."""
        return tuple(value if isinstance(value, (str, tuple)) else (value,) for value in vars(self).values())

    @property
    def is_uniform(self) -> bool:
        """Whether all blocks have the same width and kernel."""
        return not isinstance(self.bottleneck, tuple) and not isinstance(self.kernel, tuple)

    @property
    def repeats(self) -> bool:
        """Whether all blocks but the first are equal, and the first is but for its stride and what enters it."""
        return self.is_uniform and (not self.bits or len(set(self.bits)) == 1)

    def block_at(self, index: int) -> Stage:
        """The super-block whose blocks are all like one of its blocks."""
        if self.repeats:
            return self
        chosen: dict[str, Any] = {name: values[index] for name in PER_BLOCK if isinstance(values := getattr(self, name), tuple)}
        return replace(self, **chosen, bits=self.bits and (self.bits[index],) * self.depth)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, with lists for what differs from block to block, and without extra fields at their defaults."""
        return _without_defaults(self, "kernel_t", "bits")


PER_BLOCK = ("bottleneck", "kernel")
"""Fields of a stage that may be lists."""


def single(value: PerBlock) -> int:
    """The number that all blocks of a super-block have."""
    assert not isinstance(value, tuple)
    return value


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
    frames: int = 1

    @property
    def stride(self) -> int:
        return self.spec.stride if self.index == 0 else 1

    @property
    def sizes(self) -> tuple[int, int]:
        """Width and kernel."""
        return self.spec.bottleneck, self.spec.kernel  # type: ignore[return-value]  # single ones, by ``block_at``

    @property
    def bits(self) -> BlockBits:
        """Bits of its main-path convolutions, empty where it is not quantised."""
        return self.spec.bits[0] if self.spec.bits else ()

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths of the main-path convolutions."""
        s = self.spec
        return tuple(int(w) for w in FAMILIES[s.block].widths(self.in_channels, s.channels, *self.sizes))

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Operations of the block, absent ones left out."""
        s = self.spec
        sizes = (self.in_channels, s.channels, *self.sizes, self.stride, self.resolution)
        return _operations_of_block(FAMILIES[s.block], *sizes, self.index == 0, s.kernel_t, self.frames, self.bits)


@lru_cache(maxsize=4096, typed=True)
def _operations_of_block(
    family: BlockFamily, ci: int, c: int, b: int, k: int, s: int, r: int, first: bool, kt: int, frames: int, bits: BlockBits
) -> tuple[Operation, ...]:
    """Networks of a space share most of their blocks. Types stay apart: integers of numpy are not exact."""
    return existing(family.placed(ci, c, b, k, s, r, first=first, kt=kt, frames=frames, bits=bits))


@constructor
@dataclass(frozen=True, order=True)
class Architecture(Displayed):
    """One convolutional network.

    Attributes
    ----------
    resolution:
        Height (= width) of the input in pixels.
    stem, stages, head:
        The parts in order; ``head`` is the width of a 1x1 convolution before the classifier, or ``None``.
    input_channels, classes:
        Channels of the input and outputs of the classifier.
    frames:
        Frames of the input of a network of video; ``None`` for pictures.
    head_bits:
        Bits of the head's input and weights where the network is quantised.
    """

    resolution: int
    stem: Stem
    stages: tuple[Stage, ...]
    head: int | None = None
    input_channels: int = 3
    classes: int = 1000
    frames: int | None = None
    head_bits: tuple[int, int] | None = None

    def __repr__(self) -> str:
        shape = f"{self.input_channels} x {'' if self.frames is None else f'{self.frames} x '}{self.resolution} px"
        parts = [str(self.stem.channels), *(f"{s.block} {s.channels}x{s.depth}" for s in self.stages)]
        parts += [] if self.head is None else [f"head {self.head}"]
        return f"<Architecture {shape}: {', '.join(parts)}; {self.classes} classes>"

    @property
    def quantised(self) -> bool:
        """Whether the convolutions have bits: all or none have."""
        return self.stem.bits is not None

    @property
    def plain(self) -> bool:
        """Whether it is a network of pictures whose convolutions have no bits, and its blocks are equal in each super-block."""
        return self.frames is None and not self.quantised and all(stage.is_uniform for stage in self.stages)

    @property
    def whole_maps(self) -> bool:
        """Whether no stride meets an odd map."""
        strides = [self.stem.stride, 2 if self.stem.pool else 1, *(stage.stride for stage in self.stages)]
        return self.resolution % math.prod(strides) == 0

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
        place = (s.kernel, s.stride, self.resolution, self.activation, s.kernel_t, self.frames or 1, s.bits)
        conv = plain_conv("conv", self.input_channels, s.channels, *place)
        if not s.pool:
            return conv
        of_pool = (s.channels, s.channels, conv[-1].out_resolution, 3, 2)
        return *conv, Operation("pool", (conv[-1].name,), "max_pool", *of_pool, frames=self.frames or 1)

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
            frames, repeats = self.frames or 1, stage.repeats
            for index in range(stage.depth):
                yield PlacedBlock(i, index, channels, resolution, stage if repeats else stage.block_at(index), frames)
                if index == 0:
                    channels, resolution = stage.channels, strided(resolution, stage.stride)

    @property
    def out_resolution(self) -> int:
        """Resolution of the map that the classifier pools."""
        r = self.stem_resolution
        for stage in self.stages:
            r = strided(r, stage.stride)
        return r

    @property
    def head_operations(self) -> tuple[Operation, ...]:
        """The 1x1 head convolution, if any, without the pool and the classifier."""
        if self.head is None:
            return ()
        act = FAMILIES[self.stages[-1].block].activation
        place = (1, 1, self.out_resolution, act, 1, self.frames or 1, self.head_bits)
        return plain_conv("conv", self.stages[-1].channels, self.head, *place)

    @property
    def classifier_operations(self) -> tuple[Operation, ...]:
        """Global average pool and linear classifier."""
        return self.tail_of(self.out_channels, self.classes, self.out_resolution, self.frames or 1)

    @staticmethod
    def tail_of(c: Int, classes: int, r: int, frames: int = 1) -> tuple[Operation, ...]:
        """Global average pool and linear classifier on a map of ``c`` channels at ``r x r``."""
        pool = Operation("pool", ("input",), "global_pool", c, c, r, stride=r, frames=frames)
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
        repeats = [stage.repeats for stage in self.stages]
        for block in self.blocks():
            if block.index <= 1 or not repeats[block.stage]:
                times = block.spec.depth - 1 if repeats[block.stage] and block.index else 1
                yield from ((op, times) for op in block.operations)

    def widths(self) -> Iterator[int]:
        """Widths of the main-path convolutions in order: stem, blocks, head."""
        yield self.input_channels * self.stem.kernel**2
        for block in self.blocks():
            yield from block.widths
        if self.head is not None:
            yield self.stages[-1].channels

    @arguments(width=whole(200, 10_000))
    def draw(self, width: int = 700) -> Drawing:
        """The network to scale, so many pixels wide: an SVG that a notebook shows, and that ``draw().save("network.svg")``
        writes. Needs the extra ``report``, whose page has the same drawing.
        """
        return drawing_of(self, width)

    # ------------------------------------------------------------------ files

    def to_dict(self) -> dict[str, Any]:
        """Plain data in the schema of the published designs; defaults of the extra keys are left out."""
        data: dict[str, Any] = {
            "resolution": self.resolution,
            "stem": _without_defaults(self.stem, "pool", "kernel_t", "bits"),
            "stages": [stage.to_dict() for stage in self.stages],
            "head": self.head if self.head_bits is None else {"channels": self.head, "bits": list(self.head_bits)},
        }
        if self.input_channels != 3:
            data["input_channels"] = self.input_channels
        if self.classes != 1000:
            data["classes"] = self.classes
        if self.frames is not None:
            data["frames"] = self.frames
        return data

    @classmethod
    def from_dict(cls, data: Any, source: str | None = None) -> Architecture:
        """Checks plain data against the schema.

        Raises
        ------
        SpecError
            With the field, its value and a remedy.
        """
        spec = read_file(data, source)
        stages = tuple(Stage(**stage.fields_of_stage()) for stage in spec.stages)
        rest = (spec.head, spec.input_channels, spec.classes, spec.frames, spec.head_bits)
        return cls(spec.resolution, Stem(**dict(spec.stem)), stages, *rest)

    @classmethod
    @arguments(path=PATH)
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


def _without_defaults(part: Stem | Stage, *names: str) -> dict[str, Any]:
    """Plain data of a part, without those of some fields that have their defaults; a pair or a list of pairs as lists."""
    defaults = {field.name: field.default for field in fields(part) if field.name in names}
    stated = {name: value for name, value in vars(part).items() if name not in defaults or value != defaults[name]}
    return {name: _lists(value) for name, value in stated.items()}


def _lists(value: Any) -> Any:
    return [_lists(item) for item in value] if isinstance(value, tuple) else value
