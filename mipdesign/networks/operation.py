"""Operations: the nodes of a network, and what each of them costs.

Numeric fields may be Python integers (one network, exact) or broadcastable ``int64`` arrays (lattice tables); the same code
serves both. All convolutions are bias-free and followed by batch normalisation.

A map's height may also be a :class:`fractions.Fraction`: it is then halved without being rounded, as the released tool does it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

Int = Any
"""A Python int or an int64 array; the arithmetic below is the same for both."""

Bits = tuple[Int, Int]
"""Bits of the activations that enter a convolution, and of its weights."""

WHOLE = 64
"""Bits of activation times bits of weight of a multiply-accumulate that counts as one: 8 by 8."""

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
    kernel_t, frames:
        Length of a kernel of video in frames, and the frames of the maps; frames are never strided over.
    bits:
        Those of a quantised convolution.
    fused:
        Of a convolution and of the normalisation and activation that alone read it, one after the other: their kinds, such as
        ``conv+norm+relu``, under which a latency table may list the three as one. No part of what makes operations equal:
        a graph does not carry it.
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
    kernel_t: Int = 1
    frames: int = 1
    bits: Bits | None = None
    fused: str = field(default="", compare=False)

    @property
    def out_resolution(self) -> Int:
        """Height (= width) of the output map."""
        return strided(self.resolution, self.stride)

    @property
    def width(self) -> Int:
        """Width ``c k^2 / g`` of a main-path convolution (DeepMAD, section 3), of one frame."""
        return self.in_channels * self.kernel**2 // self.groups

    @property
    def params(self) -> Int:
        """Learned parameters; batch normalisation has two per channel, the classifier a bias."""
        if self.kind == "conv":
            return self.present * self.kernel**2 * self.kernel_t * (self.in_channels // self.groups) * self.out_channels
        if self.kind == "norm":
            return self.present * (2 * self.out_channels)
        if self.kind == "linear":
            return self.in_channels * self.out_channels + self.out_channels
        return 0

    @property
    def macs(self) -> Int:
        """Multiply-accumulates of convolutions and of the classifier; torch's flop counter counts two of each."""
        if self.kind == "conv":
            return self.params * (self.frames * self.out_resolution**2)
        if self.kind == "linear":
            return self.in_channels * self.out_channels
        return 0

    @property
    def activations(self) -> Int:
        """Elements of the output of a convolution, as design-space research counts activations (Radosavovic et al. 2020)."""
        return self.present * (self.out_channels * self.frames * self.out_resolution**2) if self.kind == "conv" else 0

    @property
    def map_elements(self) -> Int:
        """Elements of all input maps and the output map together."""
        inputs = self.in_channels * self.resolution**2 * (2 * self.frames if self.kind == "add" else self.frames)
        if self.kind == "scale":
            inputs = inputs + self.in_channels
        frames = 1 if self.kind == "global_pool" else self.frames
        return self.present * (inputs + self.out_channels * frames * self.out_resolution**2)

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
            return self.present * (self.in_channels * self.frames * self.resolution**2)
        per_element = {"norm": 2, "activation": 1, "add": self.projected}[self.kind]
        return self.present * (per_element * self.out_channels * self.frames * self.out_resolution**2)

    @property
    def bit_operations(self) -> Int:
        """:attr:`reference_flops` in units of 1/64, a multiply-accumulate of ``a`` by ``w`` bits counting ``a w`` of them."""
        if self.bits is None:
            return WHOLE * self.reference_flops
        return WHOLE * self.reference_flops + (self.bits[0] * self.bits[1] - WHOLE) * self.macs

    @property
    def size_in_bits(self) -> Int:
        """:attr:`params` at 8 bits each, or as many as the weights of a quantised convolution have."""
        return self.params * (8 if self.bits is None else self.bits[1])


KERNEL_BASE = 16384
"""Larger than every kernel that fits a map."""


def kernel_code(kernel_t: Int, kernel: Int) -> Int:
    """One number for the length of a kernel in frames and its height and width: the latter where the former is 1."""
    return (kernel_t - 1) * KERNEL_BASE + kernel


def kernel_of(code: Int) -> tuple[Int, Int]:
    """``(kernel_t, kernel)`` of a :func:`kernel_code`."""
    return code // KERNEL_BASE + 1, code % KERNEL_BASE


def kernel_text(code: int) -> str:
    """``5``, or ``3x5`` for a kernel of 5 x 5 over 3 frames."""
    kernel_t, kernel = kernel_of(code)
    return str(kernel) if kernel_t == 1 else f"{kernel_t}x{kernel}"


def strided(resolution: Int, stride: Int) -> Int:
    """Height of a map after a stride: rounded up, or exactly where it is a fraction."""
    return resolution / stride if type(resolution) is Fraction else -(-resolution // stride)


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
        fields["fused"] = f"conv+norm+{act}" if act else "conv+norm"
        self.add(name, "conv", out_channels=out, kernel=kernel, stride=stride, groups=groups, **fields)
        self.add(f"{name}_bn", "norm", **fields)
        if act:
            self.add(f"{name}_act", "activation", function=act, **fields)


def plain_conv(
    name: str, ci: Int, c: Int, k: int, s: int, r: int, activation: str, kt: int = 1, frames: int = 1, bits: Bits | None = None
) -> tuple[Operation, ...]:
    """A convolution with normalisation and activation outside any block: the stem or the head."""
    chain = OperationChain(ci, r)
    chain.conv(name, c, kernel=k, stride=s, act=activation)
    if (kt, frames, bits) == (1, 1, None):
        return tuple(chain.operations)
    conv, *rest = chain.operations
    return replace(conv, kernel_t=kt, frames=frames, bits=bits), *(replace(op, frames=frames) for op in rest)


def existing(operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """Drops the operations of one network that are not present, rewiring their readers to what stands before them."""
    moved: dict[str, str] = {}
    kept: list[Operation] = []
    for op in operations:
        inputs = tuple(moved.get(name, name) for name in op.inputs)
        if op.present:
            kept.append(op if inputs == op.inputs else replace(op, inputs=inputs))
        else:
            moved[op.name] = inputs[0]
    return tuple(kept)


def total(operations: Sequence[Operation]) -> Mapping[str, Int]:
    """Sums of ``params``, ``macs`` and ``reference_flops`` over operations."""
    return {what: sum(getattr(op, what) for op in operations) for what in ("params", "macs", "reference_flops")}
