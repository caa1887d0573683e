"""What an architecture file may say: its fields, and what has to hold between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..errors import SpecError, counted, short
from ..parsing import validated
from .blocks import FAMILIES
from .operation import strided

Positive = Annotated[int, Field(strict=True, ge=1, le=10**6)]
Stride = Annotated[int, Field(strict=True, ge=1, le=2)]
KernelSize = Annotated[int, Field(strict=True, ge=1, le=63)]
Frames = Annotated[int, Field(strict=True, ge=1, le=4096)]
BitWidth = Annotated[int, Field(strict=True, ge=1, le=32)]
BitPair = Annotated[tuple[BitWidth, BitWidth], Field(strict=False)]
"""Bits of the activations that enter a convolution, and of its weights."""

DESCRIPTIVE_KEYS = {"name", "imagenet_top1", "budgets", "reference_convention", "with_classifier_1000", "note"}
"""Keys of the published list that describe a network without being part of it; they are read over."""
OF_BLOCKS = {"bottleneck": "bottlenecks", "kernel": "kernels"}
"""What may differ between the blocks of a super-block: the field with one value or a list, and that of the list."""

WRITTEN = {of_blocks: name for name, of_blocks in OF_BLOCKS.items()} | {"head_part": "head"}
"""The fields of a file whose parts the fields of the models are."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Stem(_Part):
    channels: Positive
    kernel: KernelSize = 3
    stride: Stride = 2
    pool: Annotated[bool, Field(strict=True)] = False
    kernel_t: KernelSize = 1
    bits: BitPair | None = None


class _Stage(_Part):
    block: str
    stride: Stride
    channels: Positive
    bottleneck: Positive
    kernel: KernelSize
    depth: Annotated[int, Field(strict=True, ge=1, le=1000)]
    kernel_t: KernelSize = 1
    bits: tuple[tuple[BitPair, ...], ...] = ()
    bottlenecks: tuple[Positive, ...] = Field((), exclude=True)
    kernels: tuple[KernelSize, ...] = Field((), exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, data: Any) -> Any:
        """Moves a list of one value per block to its own field."""
        if not isinstance(data, dict):
            return data
        made = dict(data)
        for name, of_blocks in OF_BLOCKS.items():
            if of_blocks in made:
                raise SpecError(of_blocks, "is not a known field", f"give {name} a list of one value per block")
            values = made.get(name)
            if isinstance(values, list) and values:
                made[name], made[of_blocks] = values[0], tuple(values)
        return made

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, of_blocks in OF_BLOCKS.items():
            values = getattr(self, of_blocks)
            if values and len(values) != self.depth:
                raise SpecError(
                    name,
                    f"{counted(len(values), 'value')} for {counted(self.depth, 'block')}",
                    "give one for each block, or one number",
                )
        if self.bits and len(self.bits) != self.depth:
            raise SpecError(
                "bits", f"{counted(len(self.bits), 'list')} for {counted(self.depth, 'block')}", "give one for each block"
            )
        return self

    def fields_of_stage(self) -> dict[str, Any]:
        """The fields of a :class:`~mipdesign.networks.architecture.Stage`."""
        fields = dict(self)
        for name, of_blocks in OF_BLOCKS.items():
            fields[name] = fields.pop(of_blocks) or fields[name]
        return fields


class _Head(_Part):
    channels: Positive
    kernel: Annotated[int, Field(strict=True, ge=1, le=1)] = 1
    kernel_t: Annotated[int, Field(strict=True, ge=1, le=1)] = 1
    bits: BitPair | None = None


class ArchitectureFile(_Part):
    """The content of an architecture file, checked."""

    resolution: Annotated[int, Field(strict=True, ge=1, le=16384)]
    stem: _Stem
    stages: Annotated[list[_Stage], Field(min_length=1, max_length=64)]
    head: Positive | None = None
    head_part: _Head | None = Field(None, exclude=True)
    input_channels: Positive = 3
    classes: Positive = 1000
    frames: Frames | None = None

    @model_validator(mode="before")
    @classmethod
    def _long_head(cls, data: Any) -> Any:
        """Moves a head that is more than a number of channels to its own field."""
        if not isinstance(data, dict):
            return data
        if "head_part" in data:
            raise SpecError("head_part", "is not a known field", "use head")
        if not isinstance(data.get("head"), dict):
            return data
        return data | {"head": data["head"].get("channels"), "head_part": data["head"]}

    @property
    def head_bits(self) -> tuple[int, int] | None:
        """Bits of the head's convolution."""
        return self.head_part.bits if self.head_part is not None else None


def read_file(data: Any, source: str | None = None) -> ArchitectureFile:
    """Checks plain data against the schema.

    Raises
    ------
    SpecError
        With the field, its value and a remedy.
    """
    if isinstance(data, Mapping):
        data = {k: v for k, v in data.items() if k not in DESCRIPTIVE_KEYS}
    try:
        spec = validated(ArchitectureFile, data, None)
        _check_maps(spec)
        _check_frames(spec)
        _check_bits(spec)
    except SpecError as error:
        *outer, last = error.field.split(".")
        field = ".".join((*(WRITTEN.get(part, part) for part in outer), last))
        raise SpecError(field, error.problem, error.remedy, source) from None
    return spec


def _check_maps(spec: ArchitectureFile) -> None:
    """Families are known, kernels fit their maps, and strides have a map."""
    require_kernel(spec.stem.kernel, spec.resolution, "stem.kernel")
    resolution = strided(spec.resolution, spec.stem.stride)
    if spec.stem.pool:
        if resolution == 1:
            raise SpecError("stem.pool", "a pool on a map of 1 x 1", "use a larger resolution")
        resolution = strided(resolution, 2)
    for i, stage in enumerate(spec.stages):
        if stage.block not in FAMILIES:
            raise SpecError(f"stages.{i}.block", f"{stage.block!r} is not a block family", f"use one of {sorted(FAMILIES)}")
        require_kernel(stage.kernel, resolution, f"stages.{i}.kernel")
        if resolution < stage.stride:
            text = f"{stage.stride} on a map of {resolution} x {resolution}"
            raise SpecError(f"stages.{i}.stride", text, "use a larger resolution")
        resolution = strided(resolution, stage.stride)
        for kernel in stage.kernels[1:]:
            require_kernel(kernel, resolution, f"stages.{i}.kernel")


def _check_frames(spec: ArchitectureFile) -> None:
    """Kernels that span frames stand where there are frames, in blocks that have such kernels, and fit them."""
    lengths = {"stem.kernel_t": spec.stem.kernel_t} | {f"stages.{i}.kernel_t": s.kernel_t for i, s in enumerate(spec.stages)}
    for field, length in lengths.items():
        if length % 2 == 0:
            raise SpecError(field, f"{length} is even", "use an odd number of frames such as 1 or 3")
        if length > (spec.frames or 1):
            held = "a network of pictures" if spec.frames is None else counted(spec.frames, "frame")
            raise SpecError(field, f"{length} in {held}", "state frames, or use a shorter kernel")
    for i, stage in enumerate(spec.stages):
        if spec.frames is not None and not FAMILIES[stage.block].temporal:
            known = sorted(name for name, family in FAMILIES.items() if family.temporal)
            raise SpecError(f"stages.{i}.block", f"{stage.block} in a network of frames", f"use one of {known}")
    if spec.frames is not None and spec.stem.pool:
        raise SpecError("stem.pool", "a pool in a network of frames", "leave it out")


def _check_bits(spec: ArchitectureFile) -> None:
    """Either every convolution has bits, or none has."""
    given: dict[str, Any] = {"stem.bits": spec.stem.bits} | {f"stages.{i}.bits": s.bits for i, s in enumerate(spec.stages)}
    if spec.head is not None:
        given["head.bits"] = spec.head_bits
    if not any(given.values()):
        return
    for field, bits in given.items():
        if not bits:
            raise SpecError(field, "is missing in a network of which other parts have bits", "give all parts bits, or none")
    for i, stage in enumerate(spec.stages):
        family = FAMILIES[stage.block]
        if family.has_se:
            raise SpecError(f"stages.{i}.bits", f"{stage.block} blocks cannot be quantised", "use a family without excitation")
        for n, bits in enumerate(stage.bits):
            if len(bits) != family.layers:
                text = f"{short([list(pair) for pair in bits])} has {counted(len(bits), 'pair')}"
                raise SpecError(f"stages.{i}.bits.{n}", text, f"give one for each of {family.layers} convolutions")


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
