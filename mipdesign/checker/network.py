"""One network and its figures, in Python integers, fractions and decimals: what every doubt is decided by."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

from .families import Op, Ops, conv, figure, in_video
from .reading import RefusedError, integer, mapping, sequence, word
from .space import Space

DIGITS = 40
"""Digits to which objectives are compared."""


@dataclass(frozen=True, order=True)
class Stage:
    """A super-block of a network, in the order of equal designs."""

    block: str
    stride: int
    channels: int
    bottleneck: int
    kernel: int
    depth: int


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
    row = mapping(data, where, ("resolution", "stem", "stages", "head"), ("input_channels", "classes"))
    fixed = {"resolution": space.resolution, "head": space.head, "input_channels": space.in_channels, "classes": space.classes}
    for name, value in fixed.items():
        given = row.get(name, {"input_channels": 3, "classes": 1000}.get(name))
        if given != value or isinstance(given, (bool, float)):
            raise RefusedError(f"{where}.{name} is not {value}, that of the problem")
    stem = mapping(row["stem"], f"{where}.stem", ("channels", "kernel", "stride"))
    kernel, stride = (integer(stem[name], f"{where}.stem.{name}") for name in ("kernel", "stride"))
    if (kernel, stride) != (space.stem_kernel, space.stem_stride) or stem["channels"] not in space.stem:
        raise RefusedError(f"{where}.stem lies outside the space")
    stages, before, m = [], integer(stem["channels"], f"{where}.stem.channels"), len(space.super_blocks)
    names = ("block", "stride", "channels", "bottleneck", "kernel", "depth")
    for i, (given, s) in enumerate(zip(sequence(row["stages"], f"{where}.stages", m, m), space.super_blocks, strict=True)):
        here = f"{where}.stages.{i}"
        values = mapping(given, here, names)
        block = word(values["block"], f"{here}.block", s.families)
        stage = Stage(block, *(integer(values[name], f"{here}.{name}") for name in names[1:]))
        f = s.families.index(block)
        column = (s.c == stage.channels) & (s.f == f) & (s.b == stage.bottleneck) & (s.k == stage.kernel)
        inside = column.any() and stage.depth in s.depths and stage.stride == s.stride
        incoming = space.stem if i == 0 else space.super_blocks[i - 1].channels
        if not inside or before not in incoming[slice(*_window(space, i, stage.channels))]:
            raise RefusedError(f"{here} lies outside the space")
        stages.append(stage)
        before = stage.channels
    for axis, tied in space.ties:
        if len({getattr(stages[i], axis) for i in tied}) > 1:
            raise RefusedError(f"{where} breaks the tie of {axis} of super-blocks {[i + 1 for i in tied]}")
    return Network(stem["channels"], tuple(stages))


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
        c, b, k = stage.channels, stage.bottleneck, stage.kernel
        blocks = [(space.block(stage.block, ci, c, b, k, s.stride, r, True, ci == c), 1)]
        if stage.depth > 1:
            blocks.append((space.block(stage.block, c, c, b, k, 1, out, False, True), stage.depth - 1))
        for ops, times in blocks:
            yield from ((op, times) for op in ops if op.present)
        ci = c
    for op in tail(space, ci, families[-1].activation, last):
        yield op, 1


def stem(space: Space, c: Any, activation: str, r: int) -> Ops:
    """The operations of the stem on a map."""
    first, *rest = conv(space.in_channels, c, r, space.stem_kernel, space.stem_stride, act=activation)
    return in_video([first._replace(kt=space.stem_frames), *rest], space.frames)


def tail(space: Space, c: Any, activation: str, r: int) -> Ops:
    """The operations of head, global pool and classifier behind a map of ``c`` channels."""
    head = [] if space.head is None else conv(c, space.head, r, act=activation)
    last = c if space.head is None else space.head
    return in_video([*head, Op("global_pool", last, last, r, s=r), Op("linear", last, space.classes, 1)], space.frames)


def total(space: Space, network: Network, name: str) -> int:
    """A figure that is a sum, by the name that :class:`~.space.Limit` has for it, in its parts."""
    if name == "blocks":
        return sum(stage.depth for stage in network.stages)
    if name == "layers":
        return sum(len(widths) for _, _, widths in stages_of(space, network))
    skipped = "linear" if name == "params_backbone" else ""
    ops = operations(space, network, name == "tool_flops")
    return sum(times * int(figure(op, name)) for op, times in ops if op.kind != skipped)


def stages_of(space: Space, network: Network) -> list[tuple[int, int, list[int]]]:
    """Of each down-sampling stage: ``r`` (as the convention sees it) and ``C`` at its end, and the widths in it."""
    stages = [(space.super_blocks[0].r, network.stem, [space.in_channels * space.stem_kernel**2])]
    ci, forgotten = network.stem, False
    for stage, s, j in zip(network.stages, space.super_blocks, space.stage_of, strict=True):
        family, c = space.families[stage.block], stage.channels
        first = [int(w) for w in family.widths(ci, c, stage.bottleneck, stage.kernel)]
        rest = [int(w) for w in family.widths(c, c, stage.bottleneck, stage.kernel)] * (stage.depth - 1)
        forgotten |= space.reference and family.has_se
        before = stages.pop()[2] if j == len(stages) - 1 else []
        stages.append((1 if forgotten else s.out, c, before + first + rest))
        ci = c
    if space.head is not None:
        r, c, widths = stages.pop()
        stages.append((r, space.head, [*widths, c]))
    return stages


def _corrections(space: Space, network: Network) -> list[Decimal]:
    """What the layer terms of each down-sampling stage have beside the logarithms of widths."""
    found = [space.stem_correction]
    for stage, table, j in zip(network.stages, space.corrections, space.stage_of, strict=True):
        found += [Decimal(0)] * (j == len(found))
        found[-1] += table.get(stage.kernel, Decimal(0)) * stage.depth
    return found


def broken(space: Space, network: Network) -> str:
    """The first budget that a network of the space breaks, by exact arithmetic; empty if it keeps all."""
    for limit in space.limits:
        if not limit.holds(total(space, network, limit.figure)):
            return ("more" if limit.sign > 0 else "less") + f" {limit.figure} than the budget"
    if space.memory is not None and max(int(op.elements) for op, _ in operations(space, network)) > space.memory:
        return "more activation memory than the budget"
    if space.latency is not None:
        times = [(int(space.latency.of(op)), n) for op, n in operations(space, network)]
        if min(time for time, _ in times) < 0 or sum(time * n for time, n in times) > space.nanoseconds:
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
        context.prec, context.Emax, context.Emin = DIGITS + 15, 10**9, -(10**9)
        s, value, product, n, rho, terms = space.scoring, Decimal(0), 1, 0, Decimal(0), Decimal(0)
        unit = Decimal(1) if s.log_base is None else 1 / Decimal(s.log_base).ln() ** s.logarithms
        a1, a2 = map(_decimal, s.exponents)
        corrections = _corrections(space, network)
        for alpha, (r, c, widths), more in zip(s.alpha, stages_of(space, network), corrections, strict=True):
            product, n, terms = product * math.prod(widths), n + len(widths), terms + more
            end = Decimal(r * r * c).ln() if a1 == a2 == 1 else a1 * Decimal(c).ln() + a2 * Decimal(r * r).ln()
            entropy = _decimal(s.factor) * (Decimal(product).ln() + terms)
            value += _decimal(alpha) * unit * (end + entropy if s.additive else end * entropy)
            of_prefix = n / (Decimal(product).ln() / n).exp()
            rho = max(rho, of_prefix) if space.reference else of_prefix
        if space.penalised:
            depths = [network.stages[i].depth for i in space.penalised]
            variance = Fraction(len(depths) * sum(d * d for d in depths) - sum(depths) ** 2, len(depths) ** 2)
            spread = _decimal(variance) if space.squared else _decimal(variance).sqrt()
            value -= _decimal(space.beta) * spread.exp()
        value -= _decimal(space.price) * rho
        context.prec = DIGITS
        return +value


def _decimal(exact: Fraction) -> Decimal:
    return Decimal(exact.numerator) / exact.denominator


def order(space: Space, network: Network) -> tuple[Any, ...]:
    """The documented order of designs, the best one first."""
    flops = "tool_flops" if space.scoring.additive else "reference_flops"
    names = ("params_backbone", flops) if space.reference else ("params_total", "macs")
    return (objective(space, network).copy_negate(), *(total(space, network, name) for name in names), network)
