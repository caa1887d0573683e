"""Block families: which operations a block is made of, and what each operation costs.

A family says once, in :meth:`BlockFamily.operations`, which operations one block consists of and how they are wired.
Everything else is read off that list: main-path widths, parameters, MACs, the reference tool's FLOPs, the graph and the
torch module. Numeric fields may be Python integers (one network, exact) or broadcastable ``int64`` arrays (lattice tables);
the same code serves both.

Notation of the specification: ``ci`` input channels, ``c`` output channels, ``b`` bottleneck width, ``k`` kernel, ``s`` stride,
``r`` input resolution. All convolutions are bias-free and followed by batch normalisation.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import numpy as np

from ..errors import SpecError
from ..registry import installed, register, registered

Int = Any
"""A Python int or an int64 array; the arithmetic below is the same for both."""

BLOCK_INPUT = "input"
"""Name that operations use for the map that enters their block."""


@dataclass(frozen=True)
class Operation:
    """One node of the network.

    Attributes
    ----------
    name, inputs:
        Name within the block and the names of the operations it reads (:data:`BLOCK_INPUT` is the block's input).
    kind:
        ``conv``, ``norm``, ``activation``, ``pool`` (2x2 average), ``max_pool``, ``global_pool``, ``add``, ``scale`` or
        ``linear``.
    role:
        ``main`` for main-path convolutions, which have a width; ``shortcut`` and ``se`` are not counted by the theory.
    in_channels, out_channels, kernel, stride, groups:
        As in ``torch.nn.Conv2d``; padding is ``kernel // 2``.
    resolution:
        Height (= width) of the input map; the output has ``ceil(resolution / stride)``.
    function:
        Activation function: ``relu``, ``relu6``, ``silu`` or ``sigmoid``.
    present:
        Whether the operation exists; an array where it depends on the lattice point.
    projected:
        For ``add``: whether the shortcut that joins here went through a projection.
    """

    name: str
    inputs: tuple[str, ...]
    kind: str
    in_channels: Int
    out_channels: Int
    resolution: Int
    kernel: Int = 1
    stride: int = 1
    groups: Int = 1
    role: str = "main"
    function: str = ""
    present: Any = True
    projected: Any = False

    @property
    def out_resolution(self) -> Int:
        """Height (= width) of the output map."""
        return -(-self.resolution // self.stride)

    @property
    def width(self) -> Int:
        """Width ``c k^2 / g`` of a main-path convolution (DeepMAD, section 3)."""
        return self.in_channels * self.kernel**2 // self.groups

    @property
    def params(self) -> Int:
        """Learned parameters; batch normalisation has two per channel, the classifier a bias."""
        if self.kind == "conv":
            return self.present * (self.in_channels // self.groups * self.out_channels * self.kernel**2)
        if self.kind == "norm":
            return self.present * (2 * self.out_channels)
        if self.kind == "linear":
            return self.in_channels * self.out_channels + self.out_channels
        return 0

    @property
    def macs(self) -> Int:
        """Multiply-accumulates of convolutions and of the classifier; torch's flop counter counts two of each."""
        if self.kind == "conv":
            return self.params * self.out_resolution**2
        if self.kind == "linear":
            return self.in_channels * self.out_channels
        return 0

    @property
    def activations(self) -> Int:
        """Elements of the output of a convolution, as design-space research counts activations (Radosavovic et al. 2020)."""
        return self.present * (self.out_channels * self.out_resolution**2) if self.kind == "conv" else 0

    @property
    def map_elements(self) -> Int:
        """Elements of all input maps and the output map together."""
        inputs = self.in_channels * self.resolution**2 * (2 if self.kind == "add" else 1)
        if self.kind == "scale":
            inputs = inputs + self.in_channels
        return self.present * (inputs + self.out_channels * self.out_resolution**2)

    @property
    def reference_flops(self) -> Int:
        """FLOPs as the reference tool counts them: no SE, no classifier.

        MACs of convolutions, 2 per output element of a normalisation, 1 per element of an activation, the input elements of
        the average pool of a strided shortcut, and 1 per element of an addition whose shortcut is projected (of no other).
        The tool knows no max pool; the stem's is counted as it counts the other pool.
        """
        if self.role == "se" or self.kind in ("linear", "global_pool", "scale"):
            return 0
        if self.kind == "conv":
            return self.macs
        if self.kind in ("pool", "max_pool"):
            return self.present * (self.in_channels * self.resolution**2)
        per_element = {"norm": 2, "activation": 1, "add": self.projected}[self.kind]
        return self.present * (per_element * self.out_channels * self.out_resolution**2)


class OperationChain:
    """Collects the operations of one block, each reading the one before unless told otherwise."""

    def __init__(self, channels: Int, resolution: Int) -> None:
        self.operations: list[Operation] = []
        self.last, self.channels, self.resolution = BLOCK_INPUT, channels, resolution

    def add(self, name: str, kind: str, **fields: Any) -> None:
        fields.setdefault("inputs", (self.last,))
        fields.setdefault("in_channels", self.channels)
        fields.setdefault("out_channels", fields["in_channels"])
        fields.setdefault("resolution", self.resolution)
        op = Operation(name, kind=kind, **fields)
        self.operations.append(op)
        self.last, self.channels, self.resolution = name, op.out_channels, op.out_resolution

    def conv(
        self, name: str, out: Int, kernel: Int = 1, stride: int = 1, groups: Int = 1, act: str = "", **fields: Any
    ) -> None:
        """A convolution with its normalisation and, if ``act`` is given, its activation."""
        self.add(name, "conv", out_channels=out, kernel=kernel, stride=stride, groups=groups, **fields)
        self.add(f"{name}_bn", "norm", **fields)
        if act:
            self.add(f"{name}_act", "activation", function=act, **fields)


class BlockFamily(ABC):
    """What one kind of block is made of. Instances are stateless; :data:`FAMILIES` holds one of each by name."""

    name: ClassVar[str]
    activation: ClassVar[str] = "relu"
    layers: ClassVar[int]
    """Main-path convolutions of one block: its layers in the sense of the theory."""
    has_se: ClassVar[bool] = False

    @abstractmethod
    def widths(self, ci: Int, c: Int, b: Int, k: Int) -> tuple[Int, ...]:
        """Widths of the main-path convolutions of one block, in order."""

    @abstractmethod
    def operations(self, ci: Int, c: Int, b: Int, k: Int, s: int, r: Int, *, first: bool) -> tuple[Operation, ...]:
        """Operations of one block, in topological order; the last one is the block's output."""

    def __repr__(self) -> str:
        return f"<{self.name}>"


class Bottleneck(BlockFamily):
    """``K1KXK1``: 1x1, k x k (strided), 1x1; ReLU. The first block of a super-block has a projection shortcut."""

    name = "bottleneck"
    layers = 3

    def widths(self, ci: Int, c: Int, b: Int, k: Int) -> tuple[Int, ...]:
        return ci, b * k**2, b

    def operations(self, ci: Int, c: Int, b: Int, k: Int, s: int, r: Int, *, first: bool) -> tuple[Operation, ...]:
        act = self.activation
        main = OperationChain(ci, r)
        main.conv("conv1", b, act=act)
        main.conv("conv2", b, kernel=k, stride=s, act=act)
        main.conv("conv3", c)
        return self._joined(main, ci, c, s, r, first)

    def _joined(self, main: OperationChain, ci: Int, c: Int, s: int, r: Int, first: bool) -> tuple[Operation, ...]:
        """The main path with the family's shortcut."""
        return with_shortcut(main, ci, c, s, r, projection=first, act=self.activation)


class Basic(BlockFamily):
    """``KXKX``: two k x k convolutions, the second one strided; ReLU."""

    name = "basic"
    layers = 2

    def widths(self, ci: Int, c: Int, b: Int, k: Int) -> tuple[Int, ...]:
        return ci * k**2, b * k**2

    def operations(self, ci: Int, c: Int, b: Int, k: Int, s: int, r: Int, *, first: bool) -> tuple[Operation, ...]:
        main = OperationChain(ci, r)
        main.conv("conv1", b, kernel=k, act=self.activation)
        main.conv("conv2", c, kernel=k, stride=s)
        return with_shortcut(main, ci, c, s, r, projection=ci != c, act=self.activation)


class Mixed(BlockFamily):
    """``K1KX``: 1x1, then k x k (strided); ReLU."""

    name = "mixed"
    layers = 2

    def widths(self, ci: Int, c: Int, b: Int, k: Int) -> tuple[Int, ...]:
        return ci, b * k**2

    def operations(self, ci: Int, c: Int, b: Int, k: Int, s: int, r: Int, *, first: bool) -> tuple[Operation, ...]:
        main = OperationChain(ci, r)
        main.conv("conv1", b, act=self.activation)
        main.conv("conv2", c, kernel=k, stride=s)
        return with_shortcut(main, ci, c, s, r, projection=ci != c, act=self.activation)


class Inverted(BlockFamily):
    """``K1DWK1``: 1x1 expansion, depthwise k x k (strided), 1x1; a shortcut only where the channels stay the same."""

    name = "inverted"
    layers = 3

    def widths(self, ci: Int, c: Int, b: Int, k: Int) -> tuple[Int, ...]:
        return ci, k**2 + 0 * b, b

    def operations(self, ci: Int, c: Int, b: Int, k: Int, s: int, r: Int, *, first: bool) -> tuple[Operation, ...]:
        act = self.activation
        main = OperationChain(ci, r)
        main.conv("conv1", b, act=act)
        main.conv("conv2", b, kernel=k, stride=s, groups=b, act=act)
        self._attention(main, b)
        main.conv("conv3", c)
        return with_shortcut(main, ci, c, s, r, projection=False, act=act, present=ci == c)

    def _attention(self, main: OperationChain, b: Int) -> None:
        """Hook for the squeeze-and-excitation of :class:`InvertedSE`."""


class InvertedSE(Inverted):
    """``K1DWSEK1``: :class:`Inverted` with squeeze-and-excitation after the depthwise convolution; SiLU."""

    name = "inverted_se"
    activation = "silu"
    has_se = True

    @staticmethod
    def squeeze(b: Int) -> Int:
        """Squeeze width ``max(1, round(b/4) // 8 * 8)``."""
        return (
            np.maximum(1, np.rint(b / 4).astype(np.int64) // 8 * 8)
            if isinstance(b, np.ndarray)
            else max(1, round(b / 4) // 8 * 8)
        )

    def _attention(self, main: OperationChain, b: Int) -> None:
        trunk, resolution = main.last, main.resolution
        main.add("se_pool", "global_pool", stride=resolution, role="se")
        main.conv("se_reduce", self.squeeze(b), act="silu", role="se")
        main.conv("se_expand", b, act="sigmoid", role="se")
        main.add("se_scale", "scale", inputs=(trunk, main.last), resolution=resolution, role="se")


class ResNetBottleneck(Bottleneck):
    """torchvision's bottleneck block: :class:`Bottleneck` with a strided 1x1 projection where stride or channels change.

    The stride is that of the k x k convolution (He et al., CVPR 2016, arXiv 1512.03385, with the stride moved as in
    torchvision); no pool stands on the shortcut.
    """

    name = "resnet_bottleneck"

    def _joined(self, main: OperationChain, ci: Int, c: Int, s: int, r: Int, first: bool) -> tuple[Operation, ...]:
        return with_shortcut(main, ci, c, s, r, projection=s == 2 or ci != c, act=self.activation, pooled=False)


class ResNetBasic(BlockFamily):
    """torchvision's basic block: two k x k convolutions, the *first* one strided; shortcut as :class:`ResNetBottleneck`."""

    name = "resnet_basic"
    layers = 2

    def widths(self, ci: Int, c: Int, b: Int, k: Int) -> tuple[Int, ...]:
        return ci * k**2, b * k**2

    def operations(self, ci: Int, c: Int, b: Int, k: Int, s: int, r: Int, *, first: bool) -> tuple[Operation, ...]:
        main = OperationChain(ci, r)
        main.conv("conv1", b, kernel=k, stride=s, act=self.activation)
        main.conv("conv2", c, kernel=k)
        return with_shortcut(main, ci, c, s, r, projection=s == 2 or ci != c, act=self.activation, pooled=False)


class LinearInverted(BlockFamily):
    """MobileNetV2's block (Sandler et al., CVPR 2018, arXiv 1801.04381): 1x1 expansion, depthwise k x k, linear 1x1; ReLU6.

    An identity shortcut where neither stride nor channels change; no activation at the end.
    """

    name = "linear_inverted"
    activation = "relu6"
    layers = 3

    def widths(self, ci: Int, c: Int, b: Int, k: Int) -> tuple[Int, ...]:
        return ci, k**2 + 0 * b, b

    def operations(self, ci: Int, c: Int, b: Int, k: Int, s: int, r: Int, *, first: bool) -> tuple[Operation, ...]:
        main = OperationChain(ci, r)
        main.conv("conv1", b, act=self.activation)
        main.conv("conv2", b, kernel=k, stride=s, groups=b, act=self.activation)
        main.conv("conv3", c)
        return with_identity(main, ci, c, s)


class Separable(BlockFamily):
    """Depthwise k x k, then a linear 1x1: timm's ``ds`` and the first block of MobileNetV2; ReLU6.

    There is no expansion: the bottleneck width has no meaning and costs nothing. Shortcut as :class:`LinearInverted`.
    """

    name = "separable"
    activation = "relu6"
    layers = 2

    def widths(self, ci: Int, c: Int, b: Int, k: Int) -> tuple[Int, ...]:
        return k**2 + 0 * b, ci

    def operations(self, ci: Int, c: Int, b: Int, k: Int, s: int, r: Int, *, first: bool) -> tuple[Operation, ...]:
        main = OperationChain(ci, r)
        main.conv("conv1", ci, kernel=k, stride=s, groups=ci, act=self.activation)
        main.conv("conv2", c)
        return with_identity(main, ci, c, s)


def with_shortcut(
    main: OperationChain,
    ci: Int,
    c: Int,
    s: int,
    r: Int,
    *,
    projection: Any,
    act: str,
    present: Any = True,
    pooled: bool = True,
) -> tuple[Operation, ...]:
    """Joins the main path with its shortcut: a 2x2 average pool where the block is strided, a 1x1 convolution where asked.

    Without ``pooled`` the convolution has the stride instead; a strided block then needs one.
    """
    tail = main.last
    side = OperationChain(ci, r)
    if s == 2 and pooled:
        side.add("shortcut_pool", "pool", stride=2, role="shortcut", present=present)
    if projection is not False:
        side.conv("shortcut", c, stride=1 if pooled else s, role="shortcut", present=projection)
    join = Operation("add", (tail, side.last), "add", c, c, main.resolution, present=present, projected=projection)
    out = Operation("out_act", ("add",), "activation", c, c, main.resolution, function=act)
    return tuple(main.operations + side.operations + [join, out])


def with_identity(main: OperationChain, ci: Int, c: Int, s: int) -> tuple[Operation, ...]:
    """The main path, and the block's input added to it where neither stride nor channels change."""
    if s == 1:
        main.add("add", "add", inputs=(main.last, BLOCK_INPUT), present=ci == c)
    return tuple(main.operations)


BUILT_IN = (Bottleneck, Inverted, InvertedSE, Basic, Mixed, ResNetBottleneck, ResNetBasic, LinearInverted, Separable)
"""Families that the package brings: those of DeepMAD, then those of torchvision's and timm's networks."""
FAMILIES: dict[str, BlockFamily] = {family.name: family() for family in BUILT_IN}
"""Block families by name; :func:`register_family` adds to them."""
FAMILY_GROUP = "mipdesign.families"
"""Kind of the registry, and group of the entry points of installed packages, each of which names a class."""
_OWN = tuple(FAMILIES)
Family = TypeVar("Family", bound=BlockFamily | type[BlockFamily])


def register_family(family: Family) -> Family:
    """Adds a block family of one's own; it then takes part in everything: design, proofs, graph, torch module.

    Takes a class, as a decorator, or an instance, and returns it. The class has to stand in a plug-in file or in a module that
    can be imported, since the child processes of a design need it too.

    Raises
    ------
    SpecError
        If the name is taken, the class cannot be imported, or its figures do not have the form that the tables need: widths
        of which one is proportional to ``ci`` and the others do not depend on it, and counts that are affine in ``ci`` but
        for one value at ``ci = C``.
    """
    made = family() if isinstance(family, type) else family
    kind, name, known = type(made), made.name, FAMILIES.get(made.name)
    if known is not None and type(known) is not kind and (name in _OWN or name in registered(FAMILY_GROUP)):
        raise SpecError("block", f"{name!r} is taken", "give the family another name")
    if kind.__module__ == "__main__" or "." in kind.__qualname__:
        raise SpecError("block", f"{name!r} is defined where no other process can import it", "put its class into a module")
    _check_family(made)
    register(FAMILY_GROUP, kind, name)
    FAMILIES[name] = made
    return family


def _check_family(family: BlockFamily) -> None:
    """Holds a family's methods against each other at a few sizes."""
    c, b, k, r = 48, 96, 3, 14
    for s in (1, 2):
        figures = {}
        for ci in (16, 24, 40):
            operations = existing(family.operations(ci, c, b, k, s, r, first=True))
            main = tuple(op.width for op in operations if op.kind == "conv" and op.role == "main")
            widths = tuple(int(w) for w in family.widths(ci, c, b, k))
            if main != widths or len(widths) != family.layers:
                fault = f"widths {widths}, but its {len(main)} main-path convolutions have {main} and layers is {family.layers}"
                raise SpecError("block", f"{family.name!r} states {fault}", "let widths(), operations() and layers agree")
            figures[ci] = (*total(operations).values(), math.prod(widths) * 1000 // ci)
        for low, middle, high in zip(figures[16], figures[24], figures[40], strict=True):
            if 2 * (middle - low) != high - middle or figures[16][-1] != figures[40][-1]:
                remedy = "let operations be affine in ci, and one width proportional to it"
                raise SpecError("block", f"{family.name!r} has counts or widths of another form", remedy)


def plain_conv(name: str, ci: Int, c: Int, k: int, s: int, r: int, activation: str) -> tuple[Operation, ...]:
    """A convolution with normalisation and activation outside any block: the stem or the head."""
    chain = OperationChain(ci, r)
    chain.conv(name, c, kernel=k, stride=s, act=activation)
    return tuple(chain.operations)


def existing(operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """Drops the operations of one network that are not present, rewiring their readers to what stands before them."""
    moved: dict[str, str] = {}
    kept: list[Operation] = []
    for op in operations:
        inputs = tuple(moved.get(name, name) for name in op.inputs)
        if op.present:
            kept.append(replace(op, inputs=inputs))
        else:
            moved[op.name] = inputs[0]
    return tuple(kept)


def total(operations: Sequence[Operation]) -> Mapping[str, Int]:
    """Sums of ``params``, ``macs`` and ``reference_flops`` over operations."""
    return {what: sum(getattr(op, what) for op in operations) for what in ("params", "macs", "reference_flops")}


for _point in installed(FAMILY_GROUP).values():
    register_family(_point.load())
