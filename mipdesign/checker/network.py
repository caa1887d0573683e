"""One network and its figures, in Python integers, fractions and decimals: what every doubt is decided by."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from .families import BACKBONE, FRAMES, UNROUNDED, WHOLE, Op, Ops, conv, figure, in_video, quantised
from .reading import RefusedError, integer, mapping, sequence, word
from .space import Space
from .super_block import SuperBlock
from .values import Values

DIGITS = 40
"""Digits to which objectives are compared."""
MORE_DIGITS = DIGITS + 15
"""Digits to which they are computed."""


class Block(NamedTuple):
    """A block of a super-block: its width and its kernel, and the bits of its convolutions' inputs and weights."""

    b: int
    k: int
    a: int
    w: int


@dataclass(frozen=True, order=True)
class Stage:
    """A super-block of a network, in the order of equal designs.

    ``widths, kernels``: one for all blocks, or one for each where they differ. ``bits``: a pair for each block, if any has.
    """

    block: str
    stride: int
    channels: int
    widths: tuple[int, ...]
    kernels: tuple[int, ...]
    depth: int
    kernel_t: int = 1
    bits: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, block: str, stride: int, channels: int, blocks: Sequence[Block], quantised: bool) -> Stage:
        """The super-block of some blocks."""
        widths, kernels = tuple(row.b for row in blocks), tuple(row.k % FRAMES for row in blocks)
        bits = tuple((row.a, row.w) for row in blocks) if quantised else ()
        widths, kernels = (row[:1] if len(set(row)) == 1 else row for row in (widths, kernels))
        return cls(block, stride, channels, widths, kernels, len(blocks), blocks[0].k // FRAMES + 1, bits)

    @property
    def bottleneck(self) -> int | tuple[int, ...]:
        """The width of all blocks, or of each."""
        return self.widths if len(self.widths) > 1 else self.widths[0]

    @property
    def kernel(self) -> int | tuple[int, ...]:
        """The kernel of all blocks, or of each."""
        return self.kernels if len(self.kernels) > 1 else self.kernels[0]

    @property
    def _repeats(self) -> bool:
        return len(self.widths) == len(self.kernels) == 1 and not self.bits

    def at(self, n: int) -> Block:
        """Its block ``n``."""
        b, k = (row[n] if len(row) > 1 else row[0] for row in (self.widths, self.kernels))
        return Block(b, (self.kernel_t - 1) * FRAMES + k, *(self.bits[n] if self.bits else (WHOLE, WHOLE)))

    def in_order(self) -> Stage:
        """The same with its later blocks in the order in which it comes first."""
        if self._repeats:
            return self
        blocks = [self.first, *sorted(self.at(n) for n in range(1, self.depth))]
        return Stage.of(self.block, self.stride, self.channels, blocks, bool(self.bits))

    @property
    def first(self) -> Block:
        """Its first block."""
        return self.at(0)

    @cached_property
    def others(self) -> Mapping[Block, int]:
        """Its other blocks, each with how often it is there."""
        if self._repeats:
            return {self.first: self.depth - 1} if self.depth > 1 else {}
        return Counter(self.at(n) for n in range(1, self.depth))


@dataclass(frozen=True, order=True)
class Network:
    """One network of a space: the channels of its stem, and its super-blocks."""

    stem: int
    stages: tuple[Stage, ...]


def read_network(data: Any, where: str, space: Space) -> Network:
    """Reads an architecture that has to lie in a space.

    Raises
    ------
    RefusedError
        Naming the field that is malformed or outside the space.
    """
    row = mapping(data, where, ("resolution", "stem", "stages", "head"), ("input_channels", "classes", "frames"))
    head: Any = space.head
    if space.head is not None and space.quantised:
        head = {"channels": space.head, "bits": list(space.head_bits)}
    fixed = {
        "resolution": space.resolution, "head": head, "input_channels": space.in_channels, "classes": space.classes,
        "frames": space.frames,
    }  # fmt: skip
    for name, value in fixed.items():
        given = row.get(name, {"input_channels": 3, "classes": 1000}.get(name))
        if given != value or isinstance(given, (bool, float)):
            raise RefusedError(f"{where}.{name} is not {value}, that of the problem")
    stem = mapping(row["stem"], f"{where}.stem", ("channels", "kernel", "stride"), ("kernel_t", "bits"))
    kernel, stride = (integer(stem[name], f"{where}.stem.{name}") for name in ("kernel", "stride"))
    given = (kernel, stride, stem.get("kernel_t", 1), stem.get("bits"))
    bits = list(space.stem_bits) if space.quantised else None
    if given != (space.stem_kernel, space.stem_stride, space.stem_frames, bits) or stem["channels"] not in space.stem:
        raise RefusedError(f"{where}.stem lies outside the space")
    stages, before, m = [], integer(stem["channels"], f"{where}.stem.channels"), len(space.super_blocks)
    for i, (given, s) in enumerate(zip(sequence(row["stages"], f"{where}.stages", m, m), space.super_blocks, strict=True)):
        here = f"{where}.stages.{i}"
        stage = read_stage(given, here, space, s, i)
        incoming = space.stem if i == 0 else space.super_blocks[i - 1].channels
        if stage.channels not in s.channels or before not in incoming[slice(*_window(space, i, stage.channels))]:
            raise RefusedError(f"{here} lies outside the space")
        stages.append(stage)
        before = stage.channels
    for axis, tied in space.ties:
        if len({_tied(stages[i], axis) for i in tied}) > 1:
            raise RefusedError(f"{where} breaks the tie of {axis} of super-blocks {[i + 1 for i in tied]}")
    return Network(stem["channels"], tuple(stages))


def _tied(stage: Stage, axis: str) -> Any:
    return (stage.kernel, stage.kernel_t) if axis == "kernel" else getattr(stage, axis)


def read_stage(value: Any, where: str, space: Space, s: SuperBlock, i: int) -> Stage:
    """A super-block of an architecture, whose blocks have to lie in a space."""
    names = ("block", "stride", "channels", "bottleneck", "kernel", "depth")
    data = mapping(value, where, names, ("kernel_t", "bits"))
    block = word(data["block"], f"{where}.block", s.families)
    stride, channels, depth = (integer(data[name], f"{where}.{name}") for name in ("stride", "channels", "depth"))
    lies = stride == s.stride and depth in s.depths
    if not lies:
        raise RefusedError(f"{where} lies outside the space")
    of_blocks = {}
    for name in ("bottleneck", "kernel"):
        given = data[name]
        if isinstance(given, list):
            given = [integer(x, f"{where}.{name}.{n}") for n, x in enumerate(sequence(given, f"{where}.{name}", depth, depth))]
            if len(set(given)) == 1:
                raise RefusedError(f"{where}.{name} lists one number for all blocks")
        of_blocks[name] = given if isinstance(given, list) else [integer(given, f"{where}.{name}")] * depth
    more = integer(data.get("kernel_t", 1), f"{where}.kernel_t", 1, 63) - 1
    bits = _read_bits(data.get("bits"), f"{where}.bits", depth, space.families[block].layers, s)
    kernels = [more * FRAMES + k for k in of_blocks["kernel"]]
    blocks = [Block(b, k, a, w) for b, k, (a, w) in zip(of_blocks["bottleneck"], kernels, bits, strict=True)]
    of_family = (s.c == channels) & (s.f == s.families.index(block))
    for b, k in {(row.b, row.k) for row in blocks}:
        lies &= bool((of_family & (s.b == b) & (s.k == k)).any())
    if not lies or (s.uniform and len({(row.b, row.k) for row in blocks}) > 1):
        raise RefusedError(f"{where} lies outside the space")
    stage = Stage.of(block, stride, channels, blocks, space.quantised)
    if space.values is not None and _worth(space.values, i, stage) is None:
        raise RefusedError(f"{where} is excluded by the table of values")
    return stage


def _read_bits(value: Any, where: str, depth: int, layers: int, s: SuperBlock) -> Sequence[tuple[int, int]]:
    """The bits of every block, all of whose convolutions have the same; 8 where nothing is quantised."""
    if not s.bits:
        if value is not None:
            raise RefusedError(f"{where} is for quantised networks")
        return [(WHOLE, WHOLE)] * depth
    found = []
    for n, block in enumerate(sequence(value, where, depth, depth)):
        pairs = [sequence(pair, f"{where}.{n}", 2, 2) for pair in sequence(block, f"{where}.{n}", layers, layers)]
        a, w = (integer(x, f"{where}.{n}") for x in pairs[0])
        if any(pair != [a, w] for pair in pairs) or (a, w) not in s.bits:
            raise RefusedError(f"{where}.{n} lies outside the space")
        found.append((a, w))
    return found


def _window(space: Space, i: int, channels: int) -> tuple[int, int]:
    s = space.super_blocks[i]
    at = s.channels.index(channels)
    return int(s.first[at]), int(s.stop[at])


def operations(space: Space, network: Network, doubled: bool = False) -> Iterator[tuple[Op, int]]:
    """The operations of a network, each with how often it is there; on maps that are ``doubled`` until all are whole."""
    stages, families = network.stages, [space.families[stage.block] for stage in network.stages]
    r, *maps, last = space.maps(doubled)
    for op in stem(space, network.stem, families[0].activation, r):
        yield op, 1
    ci = network.stem
    for stage, s, r, out in zip(stages, space.super_blocks, maps, [*maps[1:], last], strict=True):
        c = stage.channels
        blocks = [(space.block(stage.block, ci, c, stage.first, s.stride, r, True, ci == c), 1)]
        blocks += [(space.block(stage.block, c, c, block, 1, out, False, True), n) for block, n in stage.others.items()]
        for ops, times in blocks:
            yield from ((op, times) for op in ops if op.present)
        ci = c
    for op in tail(space, ci, families[-1].activation, last):
        yield op, 1


def stem(space: Space, c: Any, activation: str, r: int) -> Ops:
    """The operations of the stem on a map."""
    ops = conv(space.in_channels, c, r, space.stem_kernel, space.stem_stride, act=activation, kt=space.stem_frames)
    return in_video(quantised(ops, *space.stem_bits), space.frames)


def tail(space: Space, c: Any, activation: str, r: int) -> Ops:
    """The operations of head, global pool and classifier behind a map of ``c`` channels."""
    head = [] if space.head is None else quantised(conv(c, space.head, r, act=activation), *space.head_bits)
    last = c if space.head is None else space.head
    return in_video([*head, Op("global_pool", last, last, r, s=r), Op("linear", last, space.classes, 1)], space.frames)


def total(space: Space, network: Network, name: str) -> int:
    """A figure that is a sum, by the name that :class:`~.space.Limit` has for it, in its parts."""
    if name == "blocks":
        return sum(stage.depth for stage in network.stages)
    if name == "layers":
        return sum(len(widths) for _, _, widths in stages_of(space, network))
    skipped = "linear" if name in BACKBONE else ""
    ops = operations(space, network, name in UNROUNDED)
    return sum(times * int(figure(op, name)) for op, times in ops if op.kind != skipped)


def stages_of(space: Space, network: Network) -> list[tuple[int, int, list[int]]]:
    """Of each down-sampling stage: ``r`` (as the convention sees it) and ``C`` at its end, and the widths in it."""
    stages = [(space.super_blocks[0].r, network.stem, [space.in_channels * space.stem_kernel**2])]
    ci, forgotten = network.stem, False
    for stage, s, j in zip(network.stages, space.super_blocks, space.stage_of, strict=True):
        family, c = space.families[stage.block], stage.channels
        widths = stages.pop()[2] if j == len(stages) - 1 else []
        for enters, block, times in [(ci, stage.first, 1), *((c, block, n) for block, n in stage.others.items())]:
            widths = widths + [int(w) for w in family.widths(enters, c, block.b, block.k % FRAMES)] * times
        forgotten |= space.reference and family.has_se
        stages.append((1 if forgotten else s.out, c, widths))
        ci = c
    if space.head is not None:
        r, c, widths = stages.pop()
        stages.append((r, space.head, [*widths, c]))
    return stages


def _corrections(space: Space, network: Network) -> list[Decimal]:
    """What the layer terms of each down-sampling stage have beside the logarithms of widths."""
    found = [space.stem_correction]
    for i, (stage, j) in enumerate(zip(network.stages, space.stage_of, strict=True)):
        found += [Decimal(0)] * (j == len(found))
        for block, times in [(stage.first, 1), *stage.others.items()]:
            found[-1] += times * space.correction(stage.block, i, block.k, block.a, block.w)
    found[-1] += space.head_correction
    return found


def worths(space: Space, network: Network) -> list[Fraction]:
    """What its super-blocks are worth by the table, exactly."""
    values = space.values
    if values is None:
        return []
    found = (_worth(values, i, stage) for i, stage in enumerate(network.stages))
    return [worth for worth in found if worth is not None]


def _worth(values: Values, i: int, stage: Stage) -> Fraction | None:
    return values.of(i, stage.block, (stage.channels, stage.widths[0], stage.kernels[0]), stage.depth)


def bits_held(space: Space, network: Network) -> list[int]:
    """Bits that a device holds while each convolution runs, as the released tool counts them: stem, blocks, head.

    Maps are rounded down; a depthwise convolution works in place, and the map of a shortcut counts beside it alone.
    """
    blocks = [(stage, n, stage.at(n)) for stage in network.stages for n in range(stage.depth)]
    last = [] if space.head is None else [space.head_bits[0]]
    reads = [*(block.a for _, _, block in blocks), *last, WHOLE]
    r, s, c = space.resolution, space.stem_stride, network.stem
    held = [r * r * space.in_channels * space.stem_bits[0] + r * r * c // (s * s) * reads[0]]
    r //= s
    for (stage, n, (b, _, a, _)), after in zip(blocks, reads[1:], strict=False):
        s, to = 1 if n else stage.stride, stage.channels
        out = r // s
        shortcut = r * r * to // (s * s) * a if c == to else 0
        held += [r * r * (c + b) * a, r * r * b * a + r * r // (s * s) * a + shortcut, out * out * (b * a + to * after)]
        r, c = out, to
    if space.head is not None:
        held.append(r * r * (c * space.head_bits[0] + space.head * WHOLE))
    return held


def broken(space: Space, network: Network) -> str:
    """The first budget that a network of the space breaks, by exact arithmetic; empty if it keeps all."""
    for limit in space.limits:
        if not limit.holds(total(space, network, limit.figure)):
            return ("more" if limit.sign > 0 else "less") + f" {limit.figure} than the budget"
    if space.memory is not None and max(int(op.elements) for op, _ in operations(space, network)) > space.memory:
        return "more activation memory than the budget"
    if space.most_bits is not None and max(bits_held(space, network)) > space.most_bits:
        return "more bytes of maps than the budget"
    for latency, most in space.latencies:
        times = [(int(latency.of(op)), n) for op, n in operations(space, network)]
        if min(time for time, _ in times) < 0 or sum(time * n for time, n in times) > most:
            return "more latency than the budget, or an operation that the table does not cover"
    if space.rho is not None:
        product, n = 1, 0  # rho = n / product^(1/n)
        stages = stages_of(space, network)
        for j, (_, _, widths) in enumerate(stages):
            product, n = product * math.prod(widths), n + len(widths)
            limited = space.reference or j == len(stages) - 1
            if limited and (n * space.rho.denominator) ** n > space.rho.numerator**n * product:
                return "more effectiveness than the budget"
    return ""


def objective(space: Space, network: Network) -> Decimal:
    """The objective to :data:`DIGITS` digits."""
    with localcontext() as context:
        context.prec, context.Emax, context.Emin = MORE_DIGITS, 10**9, -(10**9)
        s, value, product, n, rho, terms = space.scoring, Decimal(0), 1, 0, Decimal(0), Decimal(0)
        unit = Decimal(1) if s.log_base is None else 1 / Decimal(s.log_base).ln() ** s.logarithms
        a1, a2 = map(_decimal, s.exponents)
        corrections = _corrections(space, network)
        for alpha, (r, c, widths), more in zip(s.alpha, stages_of(space, network), corrections, strict=True):
            product, n, terms = product * math.prod(widths), n + len(widths), terms + more
            end = _ln(r * r * c) if a1 == a2 == 1 else a1 * _ln(c) + a2 * _ln(r * r)
            entropy = _decimal(s.factor) * (_ln(product) + terms)
            value += _decimal(alpha) * unit * (end + entropy if s.additive else end * entropy)
            if space.price:
                of_prefix = n / (_ln(product) / n).exp()
                rho = max(rho, of_prefix) if space.reference else of_prefix
        if space.penalised:
            depths = [network.stages[i].depth for i in space.penalised]
            variance = Fraction(len(depths) * sum(d * d for d in depths) - sum(depths) ** 2, len(depths) ** 2)
            spread = _decimal(variance) if space.squared else _decimal(variance).sqrt()
            value -= _decimal(space.beta) * spread.exp()
        value -= _decimal(space.price) * rho
        value += _decimal(sum(worths(space, network), Fraction(0)))
        context.prec = DIGITS
        return +value


@lru_cache(maxsize=2**16)
def _ln(n: int) -> Decimal:
    """A natural logarithm; networks that are nearly as good have most of them in common."""
    with localcontext() as context:
        context.prec, context.Emax = MORE_DIGITS, 10**9
        return Decimal(n).ln()


def score_of(space: Space, network: Network) -> Decimal:
    """The objective without what is taken off it, values of the table as if none were negative."""
    entropy = objective(replace(space, penalised=(), price=Fraction(0), values=None), network)
    return entropy + _decimal(sum(map(abs, worths(space, network)), Fraction(0)))


def _decimal(exact: Fraction) -> Decimal:
    return Decimal(exact.numerator) / exact.denominator


def order(space: Space, network: Network) -> tuple[Any, ...]:
    """The documented order of designs, the best one first."""
    names = ("params_backbone", space.reference_flops) if space.reference else ("params_total", "macs")
    return (objective(space, network).copy_negate(), *(total(space, network, name) for name in names), network)
