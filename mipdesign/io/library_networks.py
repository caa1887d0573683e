"""Networks of torchvision and timm: by name, and described in the terms of those libraries.

A ResNet is described by the arguments of ``torchvision.models.ResNet``, a MobileNet by the ``arch_def`` strings of timm's
EfficientNet builder. Both become an :class:`~mipdesign.networks.architecture.Architecture` with the same operations, so
parameters and MACs are those of the libraries to the last digit. What has no counterpart here is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from ..errors import SpecError, short
from ..networks.architecture import Architecture, Stage
from ..networks.architecture_file import Positive
from ..parsing import validated
from .foreign import unknown_network

PLANES = (64, 128, 256, 512)
"""Planes of ResNet's four layers; a bottleneck block has four times as many channels."""
MOBILENET_V2 = [
    ["ds_r1_k3_s1_c16"],
    ["ir_r2_k3_s2_e6_c24"],
    ["ir_r3_k3_s2_e6_c32"],
    ["ir_r4_k3_s2_e6_c64"],
    ["ir_r3_k3_s1_e6_c96"],
    ["ir_r3_k3_s2_e6_c160"],
    ["ir_r1_k3_s1_e6_c320"],
]
"""MobileNetV2 (Sandler et al., CVPR 2018, table 2) in timm's notation."""

NETWORKS: dict[str, dict[str, Any]] = {
    "torchvision/resnet18": {"resnet": {"block": "basic", "layers": [2, 2, 2, 2]}},
    "torchvision/resnet34": {"resnet": {"block": "basic", "layers": [3, 4, 6, 3]}},
    "torchvision/resnet50": {"resnet": {"block": "bottleneck", "layers": [3, 4, 6, 3]}},
    "torchvision/resnet101": {"resnet": {"block": "bottleneck", "layers": [3, 4, 23, 3]}},
    "torchvision/resnet152": {"resnet": {"block": "bottleneck", "layers": [3, 8, 36, 3]}},
    "torchvision/wide_resnet50_2": {"resnet": {"block": "bottleneck", "layers": [3, 4, 6, 3], "width_per_group": 128}},
    "torchvision/wide_resnet101_2": {"resnet": {"block": "bottleneck", "layers": [3, 4, 23, 3], "width_per_group": 128}},
    "torchvision/mobilenet_v2": {"arch_def": MOBILENET_V2, "stem_size": 32, "num_features": 1280},
}
"""Networks that are known by name, each in the form of a description file."""

Depth = Annotated[int, Field(strict=True, ge=1, le=1000)]


class _ResNet(BaseModel):
    model_config = ConfigDict(extra="forbid")
    block: Literal["basic", "bottleneck"]
    layers: Annotated[list[Depth], Field(min_length=4, max_length=4)]
    width_per_group: Positive = 64
    groups: Positive = 1
    num_classes: Positive = 1000


class _ResNetFile(BaseModel):
    model_config = ConfigDict(extra="forbid")
    resnet: _ResNet
    resolution: Positive = 224


class _MobileNetFile(BaseModel):
    model_config = ConfigDict(extra="forbid")
    arch_def: Annotated[list[Annotated[list[str], Field(min_length=1)]], Field(min_length=1)]
    stem_size: Positive = 32
    num_features: Positive = 1280
    act_layer: Literal["relu6"] = "relu6"
    in_chans: Positive = 3
    num_classes: Positive = 1000
    resolution: Positive = 224


def described(data: Any) -> bool:
    """Whether plain data is a description of this module."""
    return isinstance(data, Mapping) and not {"resnet", "arch_def"}.isdisjoint(data)


def network_named(name: str) -> Architecture:
    """A network of :data:`NETWORKS`.

    Raises
    ------
    SpecError
        If there is none of that name.
    """
    if name not in NETWORKS:
        raise unknown_network(name, NETWORKS)
    return network_described(NETWORKS[name], name)


def network_described(data: Any, source: str) -> Architecture:
    """The network of a description.

    Raises
    ------
    SpecError
        With the field, its value and a remedy.
    """
    _refuse_obstacles(data, source)
    if "resnet" in data:
        return _resnet(validated(_ResNetFile, data, source), source)
    return _mobilenet(validated(_MobileNetFile, data, source), source)


def _refuse_obstacles(data: Mapping[str, Any], source: str) -> None:
    """What the blocks here do not have is named before what is missing or unknown beside it."""
    resnet, stacks = data.get("resnet"), data.get("arch_def")
    if isinstance(resnet, Mapping) and type(groups := resnet.get("groups", 1)) is int and groups > 1:
        raise SpecError("resnet.groups", f"{groups} groups are not supported", "use 1", source)
    for i, stack in enumerate(stacks if isinstance(stacks, list) else []):
        for j, text in enumerate(stack if isinstance(stack, list) else []):
            if isinstance(text, str) and "resnet" not in data:
                _decoded(text, f"arch_def.{i}.{j}", source)


# ---------------------------------------------------------------------------------------------------------- torchvision


def _resnet(file: _ResNetFile, source: str) -> Architecture:
    r = file.resnet
    if r.block == "basic" and r.width_per_group != 64:
        raise SpecError("resnet.width_per_group", f"{r.width_per_group} with basic blocks", "use 64, or bottleneck", source)
    stages = [
        Stage(
            f"resnet_{r.block}",
            1 if planes == PLANES[0] else 2,
            4 * planes if r.block == "bottleneck" else planes,
            planes * r.width_per_group // 64,
            3,
            depth,
        )
        for planes, depth in zip(PLANES, r.layers, strict=True)
    ]
    stem = {"channels": 64, "kernel": 7, "stride": 2, "pool": True}
    return _architecture(file.resolution, stem, stages, None, 3, r.num_classes, source)


# ------------------------------------------------------------------------------------------------------------------ timm


class _Block(NamedTuple):
    """A decoded block string; ``expansion`` is 0 where the block has none."""

    kind: str
    repeats: int
    kernel: int
    stride: int
    channels: int
    expansion: Fraction


def _mobilenet(file: _MobileNetFile, source: str) -> Architecture:
    stages: list[Stage] = []
    channels = divisible(file.stem_size)
    for i, stack in enumerate(file.arch_def):
        for j, text in enumerate(stack):
            block = _decoded(text, f"arch_def.{i}.{j}", source)
            stages += _super_blocks(block, channels)
            channels = block.channels
    stem = {"channels": divisible(file.stem_size), "kernel": 3, "stride": 2}
    return _architecture(file.resolution, stem, stages, file.num_features, file.in_chans, file.num_classes, source)


def _super_blocks(block: _Block, ci: int) -> list[Stage]:
    """The repeats of a block as super-blocks of equal blocks: the width follows the incoming channels, so the first may
    have one of its own.
    """
    c, k = block.channels, block.kernel
    if block.kind == "ds":
        return [Stage("separable", block.stride, c, c, k, block.repeats)]
    first, others = (divisible(channels * block.expansion) for channels in (ci, c))
    if block.repeats == 1 or first == others:
        return [Stage("linear_inverted", block.stride, c, first, k, block.repeats)]
    return [
        Stage("linear_inverted", block.stride, c, first, k, 1),
        Stage("linear_inverted", 1, c, others, k, block.repeats - 1),
    ]


def divisible(value: Fraction | int) -> int:
    """``value`` rounded to a multiple of 8, as MobileNets do: to the nearest, halves up, never below 0.9 of it."""
    nearest = max(8, int(value + 4) // 8 * 8)
    return nearest if 10 * nearest >= 9 * value else nearest + 8


OPTIONS = {"r": r"\d{1,3}", "k": r"\d{1,2}", "s": "[12]", "c": r"\d{1,6}", "e": r"\d{1,3}(\.\d{1,6})?"}
"""Options of a block string, and what their values look like; ``e`` has no meaning for ``ds``, the others are needed."""
EXAMPLE = "write as ir_r2_k3_s2_e6_c24 or ds_r1_k3_s1_c16"
NEUTRAL = {"se": r"0(\.0*)?", "a": "1", "p": "1", "d": "0", "n": "r6"}
"""Options that are accepted with the one value that changes nothing."""


def _decoded(text: str, field: str, source: str) -> _Block:
    """A block string: ``ir_r2_k3_s2_e6_c24`` and ``ds_r1_k3_s1_c16``.

    Raises
    ------
    SpecError
        If it is malformed, or asks for what the blocks here do not have.
    """
    kind, *words = text.split("_")
    if kind not in ("ir", "ds"):
        raise SpecError(field, f"{short(text)} is of kind {short(kind)}", "use ir or ds", source)
    given: dict[str, str] = {}
    for word in words:
        parts = re.fullmatch(r"(n)(re|r6|hs|sw|mi)|([a-z]+)(\d[\d.]*)?", word)
        name, value = (parts[1] or parts[3], parts[2] or parts[4] or "") if parts else (word, "")
        if name in given:
            raise SpecError(field, f"{short(text)} gives {name!r} twice", "give it once", source)
        given[name] = value
    for name, value in given.items():
        if name in NEUTRAL and re.fullmatch(NEUTRAL[name], value):
            continue
        if name not in OPTIONS:
            raise SpecError(field, f"{name}{value} in {short(text)} is not supported", f"use {', '.join(OPTIONS)}", source)
        if not re.fullmatch(OPTIONS[name], value):
            raise SpecError(field, f"{name}{value} in {short(text)} is not a value of {name}", EXAMPLE, source)
    missing = [name for name in OPTIONS if name not in given and (name, kind) != ("e", "ds")]
    if missing:
        raise SpecError(field, f"{short(text)} has no {missing[0]}", EXAMPLE, source)
    block = _Block(kind, int(given["r"]), int(given["k"]), int(given["s"]), int(given["c"]), Fraction(given.get("e", "0")))
    return _checked(block, text, field, source)


def _checked(block: _Block, text: str, field: str, source: str) -> _Block:
    """A block whose numbers make sense.

    Raises
    ------
    SpecError
        Naming the option.
    """
    if block.repeats == 0:
        raise SpecError(field, f"r0 in {short(text)}", "repeat the block at least once", source)
    if block.kind == "ir" and block.expansion == 0:
        raise SpecError(field, f"e0 in {short(text)}", "use an expansion ratio such as e6", source)
    if block.channels == 0 or block.channels % 8:
        remedy = f"timm makes c{divisible(block.channels)} of it: write that"
        raise SpecError(field, f"c{block.channels} in {short(text)} is not a multiple of 8", remedy, source)
    return block


def _architecture(
    resolution: int, stem: dict[str, Any], stages: list[Stage], head: int | None, channels: int, classes: int, source: str
) -> Architecture:
    """A network whose sizes are checked like those of a file."""
    plain = {"resolution": resolution, "stem": stem, "stages": [stage.to_dict() for stage in stages], "head": head}
    return Architecture.from_dict(plain | {"input_channels": channels, "classes": classes}, source)
