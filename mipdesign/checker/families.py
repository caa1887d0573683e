"""Block families as the checker knows them: the operations of one block, and what each operation counts.

Notation: ``ci`` channels that enter the block, ``c`` output channels, ``b`` bottleneck width, ``k`` kernel, ``s`` stride, ``r``
resolution of the map that enters. Every number may be a Python integer or an integer array. Whether ``ci = c`` decides which
operations some families have; it is passed as ``twin``, so that counts are affine in ``ci`` for either answer.

In video a kernel spans some frames, and some pixels in height and width; both are kept in one integer, :data:`FRAMES` times the
frames beyond the first, and pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

Int = Any
"""A Python integer or an integer array."""


class Op(NamedTuple):
    """One operation. ``kind`` is that of a latency table: an activation's is its function.

    ``scored`` says whether the reference tool counts its FLOPs, ``projected`` (of an addition) whether its shortcut has a
    convolution, ``present`` whether there is such an operation at all. ``kt``: frames of a kernel; ``frames``: of the maps.
    ``a, w``: bits of what a convolution reads and of its weights. ``fused``: of a convolution, its normalisation and the
    activation behind that, the kind under which a latency table may list them as one.
    """

    kind: str
    ci: Int
    co: Int
    r: Int
    k: Int = 1
    s: Int = 1
    groups: Int = 1
    scored: bool = True
    projected: Any = False
    present: Any = True
    kt: Int = 1
    frames: int = 1
    a: Int = 8
    w: Int = 8
    fused: str = ""

    @property
    def out(self) -> Int:
        """Resolution of the output map."""
        return -(-self.r // self.s)

    @property
    def read(self) -> Int:
        """Elements of one channel of the input."""
        return self.r**2 * self.frames

    @property
    def written(self) -> Int:
        """Elements of one channel of the output."""
        return self.out**2 * self.frames

    @property
    def params(self) -> Int:
        """Weights of a convolution, two numbers per channel of a normalisation, weights and biases of the classifier."""
        if self.kind == "conv":
            return self.ci // self.groups * self.co * self.k**2 * self.kt * self.present
        if self.kind == "norm":
            return 2 * self.co * self.present
        return self.ci * self.co + self.co if self.kind == "linear" else 0

    @property
    def macs(self) -> Int:
        """Multiply-accumulates of convolutions and classifier."""
        if self.kind == "conv":
            return self.params * self.written
        return self.ci * self.co if self.kind == "linear" else 0

    @property
    def reference_flops(self) -> Int:
        """FLOPs as DeepMAD's tool counts them."""
        if not self.scored or self.kind in ("linear", "global_pool", "scale"):
            return 0
        if self.kind == "conv":
            return self.macs
        if self.kind in ("pool", "max_pool"):
            return self.ci * self.read * self.present
        each = {"norm": 2, "add": self.projected}.get(self.kind, 1)
        return each * self.co * self.written * self.present

    @property
    def bit_operations(self) -> Int:
        """64 times :attr:`reference_flops`, but a multiply-accumulate counts the product of its bits."""
        if self.kind == "conv" and self.scored:
            return self.macs * (self.a * self.w)
        return WHOLE**2 * self.reference_flops

    @property
    def size_in_bits(self) -> Int:
        """:attr:`params` in the bits of a convolution's weights, all others in eight."""
        return self.params * (self.w if self.kind == "conv" else WHOLE)

    @property
    def activations(self) -> Int:
        """Elements of the output of a convolution."""
        return self.co * self.written * self.present if self.kind == "conv" else 0

    @property
    def elements(self) -> Int:
        """Elements of all maps that it reads and writes."""
        read = self.ci * self.read * (2 if self.kind == "add" else 1) + (self.ci if self.kind == "scale" else 0)
        return (read + self.co * (1 if self.kind == "global_pool" else self.written)) * self.present


Ops = list[Op]
WHOLE = 8
"""Bits of what is not quantised."""
UNROUNDED = ("tool_flops", "bit_operations")
"""Figures for which maps are halved without being rounded."""
BACKBONE = ("params_backbone", "size_in_bits")
"""Figures without the classifier."""
FRAMES = 2**14
"""What a further frame of a kernel counts in the integer that stands for its frames and pixels, of which there are fewer."""


def conv(ci: Int, co: Int, r: Int, k: Int = 1, s: Int = 1, groups: Int = 1, act: str = "", scored: bool = True,
         present: Any = True, kt: Int = 1) -> Ops:  # fmt: skip
    """A convolution without bias, its normalisation, and an activation where ``act`` names one."""
    out, fused = -(-r // s), "conv+norm+" + act if act else "conv+norm"
    ops = [
        Op("conv", ci, co, r, k, s, groups, scored, present=present, kt=kt, fused=fused),
        Op("norm", co, co, out, scored=scored, present=present, fused=fused),
    ]
    return ops + ([Op(act, co, co, out, scored=scored, present=present, fused=fused)] if act else [])


def depthwise(c: Int, r: Int, k: Int, s: int, act: str, kt: Int = 1) -> Ops:
    """A convolution of every channel by itself."""
    return conv(c, c, r, k, s, groups=c, act=act, kt=kt)


def in_video(ops: Ops, frames: int | None) -> Ops:
    """The same operations on so many frames, all of which a global pool and a classifier make one; of a picture on ``None``."""
    return ops if frames is None else [op if op.kind == "linear" else op._replace(frames=frames) for op in ops]


def quantised(ops: Ops, a: Int, w: Int) -> Ops:
    """The same operations with the bits of their convolutions' inputs and weights."""
    if isinstance(a, int) and a == w == WHOLE:
        return ops
    return [op._replace(a=a, w=w) if op.kind == "conv" else op for op in ops]


def squeeze_excite(b: Int, r: Int) -> Ops:
    """Pool, two 1x1 convolutions with normalisation, and a scaling; squeezes to ``max(1, round(b / 4) // 8 * 8)``."""
    rounded = (b + 1 + (b // 4) % 2) // 4  # b / 4, halves to the even neighbour
    q = rounded // 8 * 8
    q = q + (q < 1)
    pool, scale = Op("global_pool", b, b, r, s=r, scored=False), Op("scale", b, b, r, scored=False)
    return [pool, *conv(b, q, 1, act="silu", scored=False), *conv(q, b, 1, act="sigmoid", scored=False), scale]


def joined(ci: Int, c: Int, r: Int, s: int, act: str, projected: Any, pooled: bool = True, present: Any = True) -> Ops:
    """The shortcut beside a main path (a 2x2 average pool where the block is strided, a 1x1 convolution where ``projected``),
    the addition, and the activation behind it. Not ``pooled``, the convolution has the stride."""
    out, ops = -(-r // s), []
    if pooled and s == 2:
        ops.append(Op("pool", ci, ci, r, s=2, present=present))
    if projected is not False:
        ops += conv(ci, c, out if pooled else r, s=1 if pooled else s, present=projected)
    return [*ops, Op("add", c, c, out, projected=projected, present=present), Op(act, c, c, out)]


def bottleneck(ci: Int, c: Int, b: Int, k: Int, s: int, r: int, first: bool, twin: Any) -> Ops:
    """1x1, k x k, 1x1; the first block projects its shortcut."""
    out = -(-r // s)
    main = conv(ci, b, r, act="relu") + conv(b, b, r, k, s, act="relu") + conv(b, c, out)
    return main + joined(ci, c, r, s, "relu", first)


def resnet_bottleneck(ci: Int, c: Int, b: Int, k: Int, s: int, r: int, first: bool, twin: Any) -> Ops:
    """torchvision's: a strided projection where stride or channels change."""
    out = -(-r // s)
    main = conv(ci, b, r, act="relu") + conv(b, b, r, k, s, act="relu") + conv(b, c, out)
    return main + joined(ci, c, r, s, "relu", True if s == 2 else _not(twin), pooled=False)


def basic(ci: Int, c: Int, b: Int, k: Int, s: int, r: int, first: bool, twin: Any) -> Ops:
    """k x k, then k x k with the stride."""
    return conv(ci, b, r, k, act="relu") + conv(b, c, r, k, s) + joined(ci, c, r, s, "relu", _not(twin))


def resnet_basic(ci: Int, c: Int, b: Int, k: Int, s: int, r: int, first: bool, twin: Any) -> Ops:
    """torchvision's: k x k with the stride, then k x k."""
    main = conv(ci, b, r, k, s, act="relu") + conv(b, c, -(-r // s), k)
    return main + joined(ci, c, r, s, "relu", True if s == 2 else _not(twin), pooled=False)


def mixed(ci: Int, c: Int, b: Int, k: Int, s: int, r: int, first: bool, twin: Any) -> Ops:
    """1x1, then k x k with the stride."""
    return conv(ci, b, r, act="relu") + conv(b, c, r, k, s) + joined(ci, c, r, s, "relu", _not(twin))


def inverted(ci: Int, c: Int, b: Int, k: Int, s: int, r: int, first: bool, twin: Any, kt: Int = 1) -> Ops:
    """1x1, depthwise, 1x1; a shortcut only where the channels stay the same."""
    main = conv(ci, b, r, act="relu") + depthwise(b, r, k, s, "relu", kt) + conv(b, c, -(-r // s))
    return main + joined(ci, c, r, s, "relu", False, present=twin)


def inverted_se(ci: Int, c: Int, b: Int, k: Int, s: int, r: int, first: bool, twin: Any) -> Ops:
    """:func:`inverted` with squeeze-and-excitation behind the depthwise convolution, and SiLU."""
    out = -(-r // s)
    main = conv(ci, b, r, act="silu") + depthwise(b, r, k, s, "silu") + squeeze_excite(b, out) + conv(b, c, out)
    return main + joined(ci, c, r, s, "silu", False, present=twin)


def linear_inverted(ci: Int, c: Int, b: Int, k: Int, s: int, r: int, first: bool, twin: Any) -> Ops:
    """MobileNetV2's: no activation at the end, an identity shortcut where neither stride nor channels change."""
    out = -(-r // s)
    main = conv(ci, b, r, act="relu6") + depthwise(b, r, k, s, "relu6") + conv(b, c, out)
    return main + ([Op("add", c, c, out, present=twin)] if s == 1 else [])


def separable(ci: Int, c: Int, b: Int, k: Int, s: int, r: int, first: bool, twin: Any) -> Ops:
    """Depthwise, then 1x1; shortcut as :func:`linear_inverted`."""
    out = -(-r // s)
    main = depthwise(ci, r, k, s, "relu6") + conv(ci, c, out)
    return main + ([Op("add", c, c, out, present=twin)] if s == 1 else [])


def _not(twin: Any) -> Any:
    return not twin if isinstance(twin, bool) else ~twin


class Family(NamedTuple):
    """A block family: its operations, the widths ``c k^2 / g`` of its layers in order (DeepMAD, section 3), the activation
    of a stem or head beside it, whether it has squeeze-and-excitation, and whether its kernels
    span frames, as a further argument of its operations."""

    operations: Callable[..., Ops]
    widths: Callable[[Int, Int, Int, Int], Sequence[Int]]
    activation: str = "relu"
    has_se: bool = False
    video: bool = False

    @property
    def layers(self) -> int:
        """Main-path convolutions of a block."""
        return len(self.widths(1, 1, 1, 1))


FAMILIES: Mapping[str, Family] = {
    "bottleneck": Family(bottleneck, lambda ci, c, b, k: (ci, b * k**2, b)),
    "resnet_bottleneck": Family(resnet_bottleneck, lambda ci, c, b, k: (ci, b * k**2, b)),
    "basic": Family(basic, lambda ci, c, b, k: (ci * k**2, b * k**2)),
    "resnet_basic": Family(resnet_basic, lambda ci, c, b, k: (ci * k**2, b * k**2)),
    "mixed": Family(mixed, lambda ci, c, b, k: (ci, b * k**2)),
    "inverted": Family(inverted, lambda ci, c, b, k: (ci, k**2, b)),
    "inverted_3d": Family(inverted, lambda ci, c, b, k: (ci, k**2, b), video=True),
    "inverted_se": Family(inverted_se, lambda ci, c, b, k: (ci, k**2, b), "silu", has_se=True),
    "linear_inverted": Family(linear_inverted, lambda ci, c, b, k: (ci, k**2, b), "relu6"),
    "separable": Family(separable, lambda ci, c, b, k: (k**2, ci), "relu6"),
}
"""Families of which the checker knows the operations itself."""


def figure(op: Op, name: str) -> Int:
    """What one operation adds to a figure that is a sum over operations."""
    return getattr(op, "params" if name.startswith("params") else "reference_flops" if name == "tool_flops" else name)
