"""Reading and writing the structure files of DeepMAD's released tool (TinyNAS, alibaba/lightweight-neural-architecture-search).

Such a file is one Python literal: ``{'space_arch': 'CnnNet', 'best_structures': [[layer, ...], ...]}``, best structure first.
The first layer of a structure is the stem (``ConvKXBNRELU``), the last one may be a 1x1 head of the same class, and between
them stand super-blocks: ``{'class': 'SuperResK1KXK1', 'in': 32, 'out': 96, 's': 2, 'k': 5, 'L': 1, 'btn': 40}``. Quantised ones
(``SuperQuantResK1DWK1``) have lists ``nbitsA`` and ``nbitsW`` of one number per convolution, and stem and head one number each.
Networks of video (``'Cnn3DNet'``) have classes of their own, and ``kt`` for kernels that span frames. The tool's files state
neither the input's resolution and frames nor the number of classes; here they are further keys, which it reads over.
"""

from __future__ import annotations

import ast
import itertools
import warnings
from collections import Counter
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ..errors import SpecError, short
from ..networks.architecture import Architecture, Stem, single
from ..networks.architecture_file import Frames, KernelSize, Positive, Stride
from ..networks.blocks import FAMILIES
from ..parsing import validated

RESOLUTION, CLASSES, FRAMES = 224, 1000, 16
"""Resolution of the input, number of classes and, in video, frames where a file does not state them."""
MAX_VALUES = 100_000
"""Largest number of values in a file."""
PICTURES, VIDEO = "CnnNet", "Cnn3DNet"
"""The tool's types of network."""
CONVOLUTION = {PICTURES: "ConvKXBNRELU", VIDEO: "Conv3DKXBNRELU"}
"""The tool's class of stem and head."""
INNER_CLASSES = {
    "bottleneck": "ResK1KXK1",
    "inverted": "ResK1DWK1",
    "inverted_se": "ResK1DWSEK1",
    "basic": "ResKXKX",
    "mixed": "ResK1KX",
}
"""The tool's block class of each family of pictures; that of a super-block has ``Super`` before it."""
QUANTISED = "SuperQuantResK1DWK1"
"""The tool's class of quantised super-blocks, which are inverted ones."""
VIDEO_CLASSES = {"inverted_3d": "Res3DK1DWK1"}
"""The block class of each family of video."""
SUPER_CLASSES = {
    PICTURES: {f"Super{inner}": family for family, inner in INNER_CLASSES.items()} | {QUANTISED: "inverted"},
    VIDEO: {f"Super{inner}": family for family, inner in VIDEO_CLASSES.items()},
}
"""Family of each super-block class, by the type of network."""
ACTIVATIONS = {"relu": "relu", "swish": "silu"}
"""Activations by the tool's names."""


class _Layer(BaseModel):
    """One entry of a structure; what skips projections is read over, and bits where no super-block is quantised."""

    model_config = ConfigDict(extra="forbid")
    kind: str = Field(alias="class")
    incoming: Positive = Field(alias="in")
    out: Positive
    kernel: KernelSize = Field(alias="k")
    kernel_t: KernelSize = Field(1, alias="kt")
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
    space_arch: str = PICTURES
    resolution: Positive = RESOLUTION
    classes: Positive = CLASSES
    frames: Frames = FRAMES


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
    if file.space_arch not in SUPER_CLASSES:
        remedy = f"give a network of type {PICTURES!r} or {VIDEO!r}"
        raise SpecError("space_arch", f"{short(file.space_arch)} is not supported", remedy, source)
    try:
        return Architecture.from_dict(_plain(file.best_structures[0], file), source)
    except SpecError as error:
        raise error if error.source else error.at(source) from None


def _plain(layers: list[_Layer], file: _File) -> dict[str, Any]:
    """The layers of one structure in the schema of architecture files."""
    stem, last, kind = layers[0], len(layers) - 1, file.space_arch
    head = layers[last] if layers[last].kind == CONVOLUTION[kind] else None
    blocks = layers[1:] if head is None else layers[1:last]
    if not blocks:
        raise SpecError("best_structures.0", "has no super-block", f"use one of {', '.join(SUPER_CLASSES[kind])}")
    families = [_family(i, layer, kind) for i, layer in enumerate(blocks, 1)]
    _check_convolution(0, stem, families[0], kind)
    if head is not None:
        _check_convolution(last, head, families[-1], kind)
        if (head.kernel, head.kernel_t, head.stride) != (1, 1, 1):
            raise _fault(last, "k", f"a head of kernel {head.kernel} and stride {head.stride}", "use k 1, kt 1 and s 1")
    for i, (before, layer) in enumerate(itertools.pairwise(layers), 1):
        if layer.incoming != before.out:
            raise _fault(i, "in", f"{layer.incoming}, but the layer before has 'out' {before.out}", "let them agree")
    sizes = [(s.stride, s.out, s.bottleneck, s.kernel, s.depth, s.kernel_t) for s in blocks]
    names = ("stride", "channels", "bottleneck", "kernel", "depth", "kernel_t")
    stages: list[dict[str, Any]] = [
        {"block": family, **dict(zip(names, values, strict=True))} for family, values in zip(families, sizes, strict=True)
    ]
    of_stem: dict[str, Any] = {"channels": stem.out, "kernel": stem.kernel, "stride": stem.stride, "kernel_t": stem.kernel_t}
    of_head: Any = None if head is None else head.out
    if any(block.kind == QUANTISED and (block.activation_bits, block.weight_bits) != (None, None) for block in blocks):
        of_stem["bits"] = _pairs(0, stem, 1)[0]
        for i, (stage, layer, family) in enumerate(zip(stages, blocks, families, strict=True), 1):
            layers_of_block = FAMILIES[family].layers
            pairs = _pairs(i, layer, layers_of_block * stage["depth"])
            stage["bits"] = [pairs[n : n + layers_of_block] for n in range(0, len(pairs), layers_of_block)]
        if head is not None:
            of_head = {"channels": head.out, "bits": _pairs(last, head, 1)[0]}
    made = {"resolution": file.resolution, "stem": of_stem, "stages": stages, "head": of_head}
    made |= {"input_channels": stem.incoming, "classes": file.classes}
    return made | ({"frames": file.frames} if kind == VIDEO else {})


def _pairs(i: int, layer: _Layer, n: int) -> list[list[int]]:
    """The bits of the ``n`` convolutions of a layer, of activations and weights."""
    lists = []
    for key, value in (("nbitsA", layer.activation_bits), ("nbitsW", layer.weight_bits)):
        values = value if isinstance(value, list) else [value]
        if value is None:
            raise _fault(i, key, "is missing where other layers have it", "add it")
        if len(values) != n or not all(type(bits) is int and 1 <= bits <= 32 for bits in values):
            wanted = "an integer" if n == 1 else f"a list of {n} integers, one for each convolution"
            raise _fault(i, key, f"{short(value)} is refused", f"give {wanted} from 1 to 32")
        lists.append(values)
    return [list(pair) for pair in zip(*lists, strict=True)]


def _family(i: int, layer: _Layer, kind: str) -> str:
    """Family of a super-block that is one of ours."""
    classes = SUPER_CLASSES[kind]
    if layer.kind not in classes:
        where = " between the first and the last layer" if layer.kind == CONVOLUTION[kind] else ""
        raise _fault(i, "class", f"{short(layer.kind)} is not supported{where}", f"use one of {', '.join(classes)}")
    family = classes[layer.kind]
    for key, value in (("L", layer.depth), ("btn", layer.bottleneck)):
        if value is None:
            raise _fault(i, key, "is missing", "add it")
    inner = (INNER_CLASSES | VIDEO_CLASSES)[family]
    if layer.inner not in (None, inner):
        raise _fault(i, "inner_class", short(layer.inner), f"{layer.kind} consists of {inner}")
    _check_operations(i, layer, family)
    return family


def _check_convolution(i: int, layer: _Layer, family: str, kind: str) -> None:
    """A stem or head of ours, beside a block of a family."""
    if layer.kind != CONVOLUTION[kind]:
        raise _fault(i, "class", f"{short(layer.kind)} is not supported as a stem", f"use {CONVOLUTION[kind]}")
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
    a, kind = architecture, PICTURES if architecture.frames is None else VIDEO
    _check_expressible(a, kind)
    layers = [_convolution(kind, a.input_channels, a.stem, a.stem.bits)]
    for stage in a.stages:
        inner = (INNER_CLASSES | VIDEO_CLASSES)[stage.block]
        ends: dict[str, Any] = {"class": QUANTISED if stage.bits else f"Super{inner}", "in": layers[-1]["out"]}
        sizes = {"s": stage.stride, **_kernel(kind, single(stage.kernel), stage.kernel_t), "L": stage.depth}
        bits = _bits([pair for block in stage.bits for pair in block])
        layers.append(ends | {"out": stage.channels} | sizes | {"btn": stage.bottleneck, "inner_class": inner} | bits)
    if a.head is not None:
        layers.append(_convolution(kind, layers[-1]["out"], Stem(a.head, 1, 1), a.head_bits))
    extra = {"resolution": (a.resolution, RESOLUTION), "classes": (a.classes, CLASSES), "frames": (a.frames or FRAMES, FRAMES)}
    stated = "".join(f" {name!r}: {value},\n" for name, (value, default) in extra.items() if value != default)
    listed = ",\n".join(f"  {layer!r}" for layer in layers)
    return f"{{'space_arch': {kind!r},\n{stated} 'best_structures': [[\n{listed}]]}}\n"


def _check_expressible(a: Architecture, kind: str) -> None:
    """Makes sure that the tool has a class for every part."""
    classes = INNER_CLASSES if kind == PICTURES else VIDEO_CLASSES
    if a.stem.pool:
        raise SpecError("stem.pool", "the tool has no max pool", "export a network without one, or use the format json")
    for i, stage in enumerate(a.stages):
        if stage.block not in classes:
            remedy = f"it has {', '.join(classes)}; or use the format json"
            raise SpecError(f"stages.{i}.block", f"the tool has no class for {stage.block!r}", remedy)
        if not stage.is_uniform:
            text = "the tool has no super-blocks whose blocks differ in width or kernel"
            raise SpecError(f"stages.{i}", text, "use the format json")
        if stage.bits and stage.block != SUPER_CLASSES[kind][QUANTISED]:
            raise SpecError(f"stages.{i}.bits", f"the tool has no quantised {stage.block!r}", "use the format json")


def _convolution(kind: str, incoming: int, conv: Stem, bits: tuple[int, int] | None) -> dict[str, Any]:
    """The layer of a stem or head."""
    sizes: dict[str, Any] = {"in": incoming, "out": conv.channels, "s": conv.stride}
    made = {"class": CONVOLUTION[kind]} | sizes | _kernel(kind, conv.kernel, conv.kernel_t)
    return made if bits is None else made | {"nbitsA": bits[0], "nbitsW": bits[1]}


def _kernel(kind: str, kernel: int, kernel_t: int) -> dict[str, int]:
    return {"k": kernel} if kind == PICTURES else {"k": kernel, "kt": kernel_t}


def _bits(pairs: list[tuple[int, int]]) -> dict[str, list[int]]:
    """Lists of the bits of some convolutions; nothing where there are none."""
    return {name: list(values) for name, values in zip(("nbitsA", "nbitsW"), zip(*pairs, strict=True), strict=False)}
