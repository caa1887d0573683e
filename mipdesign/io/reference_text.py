"""Reading and writing the structure files of DeepMAD's released tool (TinyNAS, alibaba/lightweight-neural-architecture-search).

Such a file is one Python literal: ``{'space_arch': 'CnnNet', 'best_structures': [[layer, ...], ...]}``, best structure first.
The first layer of a structure is the stem (``ConvKXBNRELU``), the last one may be a 1x1 head of the same class, and between
them stand super-blocks: ``{'class': 'SuperResK1KXK1', 'in': 32, 'out': 96, 's': 2, 'k': 5, 'L': 1, 'btn': 40}``. The tool's
files state neither the input's resolution nor the number of classes; here they are two further keys, which it reads over.
"""

from __future__ import annotations

import ast
import itertools
import warnings
from collections import Counter
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ..errors import SpecError, short
from ..networks.architecture import Architecture
from ..networks.architecture_file import KernelSize, Positive, Stride
from ..networks.blocks import FAMILIES
from ..parsing import validated

RESOLUTION, CLASSES = 224, 1000
"""Resolution of the input and number of classes where a file does not state them."""
MAX_VALUES = 100_000
"""Largest number of values in a file."""
CONVOLUTION = "ConvKXBNRELU"
"""The tool's class of stem and head."""
INNER_CLASSES = {
    "bottleneck": "ResK1KXK1",
    "inverted": "ResK1DWK1",
    "inverted_se": "ResK1DWSEK1",
    "basic": "ResKXKX",
    "mixed": "ResK1KX",
}
"""The tool's block class of each family; that of a super-block has ``Super`` before it."""
SUPER_CLASSES = {f"Super{inner}": family for family, inner in INNER_CLASSES.items()} | {"SuperQuantResK1DWK1": "inverted"}
"""Family of each super-block class; what is quantised there has no meaning here."""
ACTIVATIONS = {"relu": "relu", "swish": "silu"}
"""Activations by the tool's names."""


class _Layer(BaseModel):
    """One entry of a structure; bit widths and what skips projections are read over."""

    model_config = ConfigDict(extra="forbid")
    kind: str = Field(alias="class")
    incoming: Positive = Field(alias="in")
    out: Positive
    kernel: KernelSize = Field(alias="k")
    stride: Stride = Field(1, alias="s")
    padding: int | None = Field(None, alias="p")
    groups: Positive = Field(1, alias="g")
    depth: Annotated[int, Field(strict=True, ge=1, le=1000)] | None = Field(None, alias="L")
    bottleneck: Positive | None = Field(None, alias="btn")
    activation: str | None = Field(None, alias="act")
    inner: str | None = Field(None, alias="inner_class")
    activation_bits: Any = Field(None, alias="nbitsA")
    weight_bits: Any = Field(None, alias="nbitsW")
    skip: Any = Field(None, alias="force_resproj_skip")


class _File(BaseModel):
    model_config = ConfigDict(extra="ignore")
    best_structures: Annotated[list[Annotated[list[_Layer], Field(min_length=2, max_length=66)]], Field(min_length=1)]
    space_arch: str = "CnnNet"
    resolution: Positive = RESOLUTION
    classes: Positive = CLASSES


# ---------------------------------------------------------------------------------------------------------------- reading


def literal(text: str, source: str) -> Any:
    """Value of a Python literal; nothing is executed.

    Raises
    ------
    SpecError
        If it is not one, is nested too deeply, or repeats a key.
    """
    if text.count(",") + text.count(":") + text.count("[") > MAX_VALUES:  # the tree of one takes half a kilobyte
        raise SpecError("", f"has more than {MAX_VALUES} values", "give a structure file of the tool", source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is written oddly is refused below, or of no harm
            tree = ast.parse(text.strip(), mode="eval")
        for node in ast.walk(tree):
            keys = [key.value for key in node.keys if isinstance(key, ast.Constant)] if isinstance(node, ast.Dict) else []
            twice = next((key for key, times in Counter(keys).items() if times > 1), None)
            if twice is not None:
                raise SpecError(str(twice), "is given twice", "give it once", source)
        return ast.literal_eval(tree)
    except SpecError:
        raise
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        first = " ".join(str(error).split())[:200]
        raise SpecError("", f"not a Python literal ({first})", "give a structure file of the tool", source) from None


def parse_structure(text: str, source: str) -> Architecture:
    """The first network of a structure file.

    Raises
    ------
    SpecError
        With the field, its value and a remedy.
    """
    data = literal(text, source)
    if isinstance(data, list):  # the tool also reads a bare list: of layers, or of structures
        data = {"best_structures": data if data and isinstance(data[0], list) else [data]}
    return architecture_of(data, source)


def architecture_of(data: Any, source: str) -> Architecture:
    """The first network of the plain data of a structure file; see :func:`parse_structure`."""
    file = validated(_File, data, source)
    if file.space_arch != "CnnNet":
        raise SpecError("space_arch", f"{short(file.space_arch)} is not supported", "give a network of type 'CnnNet'", source)
    try:
        return Architecture.from_dict(_plain(file.best_structures[0], file.resolution, file.classes), source)
    except SpecError as error:
        raise error if error.source else error.at(source) from None


def _plain(layers: list[_Layer], resolution: int, classes: int) -> dict[str, Any]:
    """The layers of one structure in the schema of architecture files."""
    stem, last = layers[0], len(layers) - 1
    head = layers[last] if layers[last].kind == CONVOLUTION else None
    blocks = layers[1:] if head is None else layers[1:last]
    if not blocks:
        raise SpecError("best_structures.0", "has no super-block", f"use one of {', '.join(SUPER_CLASSES)}")
    families = [_family(i, layer) for i, layer in enumerate(blocks, 1)]
    _check_convolution(0, stem, families[0])
    if head is not None:
        _check_convolution(last, head, families[-1])
        if (head.kernel, head.stride) != (1, 1):
            raise _fault(last, "k", f"a head of kernel {head.kernel} and stride {head.stride}", "use k 1 and s 1")
    for i, (before, layer) in enumerate(itertools.pairwise(layers), 1):
        if layer.incoming != before.out:
            raise _fault(i, "in", f"{layer.incoming}, but the layer before has 'out' {before.out}", "let them agree")
    sizes = [(s.stride, s.out, s.bottleneck, s.kernel, s.depth) for s in blocks]
    names = ("stride", "channels", "bottleneck", "kernel", "depth")
    return {
        "resolution": resolution,
        "stem": {"channels": stem.out, "kernel": stem.kernel, "stride": stem.stride},
        "stages": [
            {"block": family, **dict(zip(names, values, strict=True))} for family, values in zip(families, sizes, strict=True)
        ],
        "head": None if head is None else head.out,
        "input_channels": stem.incoming,
        "classes": classes,
    }


def _family(i: int, layer: _Layer) -> str:
    """Family of a super-block that is one of ours."""
    if layer.kind not in SUPER_CLASSES:
        where = " between the first and the last layer" if layer.kind == CONVOLUTION else ""
        raise _fault(i, "class", f"{short(layer.kind)} is not supported{where}", f"use one of {', '.join(SUPER_CLASSES)}")
    family = SUPER_CLASSES[layer.kind]
    for key, value in (("L", layer.depth), ("btn", layer.bottleneck)):
        if value is None:
            raise _fault(i, key, "is missing", "add it")
    if layer.inner not in (None, INNER_CLASSES[family]):
        raise _fault(i, "inner_class", short(layer.inner), f"{layer.kind} consists of {INNER_CLASSES[family]}")
    _check_operations(i, layer, family)
    return family


def _check_convolution(i: int, layer: _Layer, family: str) -> None:
    """A stem or head of ours, beside a block of a family."""
    if layer.kind != CONVOLUTION:
        raise _fault(i, "class", f"{short(layer.kind)} is not supported as a stem", f"use {CONVOLUTION}")
    for key, value in (("L", layer.depth), ("btn", layer.bottleneck), ("inner_class", layer.inner)):
        if value is not None:
            raise _fault(i, key, f"{short(value)} on a single convolution", "remove it")
    _check_operations(i, layer, family)


def _check_operations(i: int, layer: _Layer, family: str) -> None:
    """Padding, groups and activation are those that the blocks of a family have."""
    if layer.padding not in (None, layer.kernel // 2):
        right = f"kernel {layer.kernel} is padded by {layer.kernel // 2}"
        raise _fault(i, "p", f"padding {layer.padding} is not supported", right)
    if layer.groups != 1:
        raise _fault(i, "g", f"{layer.groups} groups are not supported", "use 1")
    activation = FAMILIES[family].activation
    if layer.activation is not None and ACTIVATIONS.get(layer.activation) != activation:
        raise _fault(i, "act", f"{short(layer.activation)} is not supported", f"{family} blocks have {activation}")


def _fault(i: int, key: str, problem: str, remedy: str) -> SpecError:
    return SpecError(f"best_structures.0.{i}.{key}", problem, remedy)


# ---------------------------------------------------------------------------------------------------------------- writing


def structure_text(architecture: Architecture) -> str:
    """A structure file that the tool reads; :func:`parse_structure` gives the same network again.

    Raises
    ------
    SpecError
        If the tool has no class for some part of the network.
    """
    a = architecture
    if a.stem.pool:
        raise SpecError("stem.pool", "the tool has no max pool", "export a network without one, or use --to json")
    for i, stage in enumerate(a.stages):
        if stage.block not in INNER_CLASSES:
            remedy = f"it has {', '.join(INNER_CLASSES)}; or use --to json"
            raise SpecError(f"stages.{i}.block", f"the tool has no class for {stage.block!r}", remedy)
    layers = [{"class": CONVOLUTION, "in": a.input_channels, "out": a.stem.channels, "s": a.stem.stride, "k": a.stem.kernel}]
    for stage in a.stages:
        inner = INNER_CLASSES[stage.block]
        ends: dict[str, Any] = {"class": f"Super{inner}", "in": layers[-1]["out"], "out": stage.channels}
        layers.append(
            {**ends, "s": stage.stride, "k": stage.kernel, "L": stage.depth, "btn": stage.bottleneck, "inner_class": inner}
        )
    if a.head is not None:
        layers.append({"class": CONVOLUTION, "in": layers[-1]["out"], "out": a.head, "s": 1, "k": 1})
    extra = {"resolution": (a.resolution, RESOLUTION), "classes": (a.classes, CLASSES)}
    stated = "".join(f" {name!r}: {value},\n" for name, (value, default) in extra.items() if value != default)
    listed = ",\n".join(f"  {layer!r}" for layer in layers)
    return f"{{'space_arch': 'CnnNet',\n{stated} 'best_structures': [[\n{listed}]]}}\n"
