"""The search space, budgets and objective of a certificate's ``problem``, read anew from the specification's rules."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from .elements import Element, Tie, chain
from .families import FAMILIES, FRAMES, WHOLE, Family, Ops, in_video, quantised
from .latency import FUSED, Latency
from .reading import RefusedError, integer, lattice, mapping, ratio, refuse, sequence, word, words
from .scoring import Scoring, log_of, places, read_objective, spread_of_kernel, worth_of_bits
from .super_block import MOST_COLUMNS, Near, SuperBlock, super_block
from .values import Values

FIGURES = (
    "flops", "params", "macs", "params_backbone", "params_total", "layers", "blocks", "activations", "weights_bytes",
    "model_size", "bit_operations",
)  # fmt: skip
"""Budgets that are sums over the network, in the order of their prices."""
SINGLE = ("activation_memory", "effectiveness", "max_feature")
"""Other budgets, but for latencies."""
SIZES = ("weights_bytes", "activation_memory")
TIED = ("block", "channels", "bottleneck", "kernel", "depth")


@dataclass(frozen=True)
class Limit:
    """An upper limit of a sum: of a figure, or (``sign`` -1) of its negative.

    ``factor`` is what a unit of the figure counts, and ``parts`` how many parts of one it is counted in.
    """

    figure: str
    sign: int
    factor: int
    most: Fraction
    parts: int = 1

    def holds(self, count: int) -> bool:
        """Whether a count of parts keeps it."""
        return self.sign * self.factor * count <= self.most * self.parts


class Timed(NamedTuple):
    """A latency budget: what tells how long operations take, and the most nanoseconds of a network."""

    latency: Latency
    most: Fraction


@dataclass(frozen=True)
class Space:
    """All of a problem that a network and its objective depend on; names as in ``docs/specification.md``."""

    resolution: int
    in_channels: int
    stem: tuple[int, ...]
    stem_kernel: int
    stem_stride: int
    super_blocks: tuple[SuperBlock, ...]
    head: int | None
    classes: int
    reference: bool
    scoring: Scoring
    beta: Fraction
    price: Fraction
    squared: bool
    penalised: tuple[int, ...]
    ties: tuple[tuple[str, tuple[int, ...]], ...]
    limits: tuple[Limit, ...]
    rho: Fraction | None
    memory: Fraction | None
    latencies: tuple[Timed, ...]
    families: Mapping[str, Family]
    frames: int | None
    stem_frames: int
    score_resolution: int
    stem_bits: tuple[int, int]
    head_bits: tuple[int, int]
    most_bits: Fraction | None
    values: Values | None

    @cached_property
    def stage_of(self) -> tuple[int, ...]:
        """Down-sampling stage of each super-block: the stem opens the first one, every stride of 2 a new one."""
        return tuple(np.cumsum([s.stride == 2 for s in self.super_blocks]).tolist())

    @cached_property
    def _chain(self) -> tuple[tuple[Element, ...], tuple[Tie, ...]]:
        return chain(self.super_blocks, self.ties, self.most_bits is None)

    @property
    def elements(self) -> tuple[Element, ...]:
        """The chain that bounds speak of: super-blocks, or their blocks."""
        return self._chain[0]

    @property
    def tied(self) -> tuple[Tie, ...]:
        """What elements have in common."""
        return self._chain[1]

    def before(self, element: Element) -> tuple[int, ...]:
        """The channels that may enter the super-block of an element."""
        return self.stem if element.of == 0 else self.super_blocks[element.of - 1].channels

    @cached_property
    def floored(self) -> list[int]:
        """The map that enters the stem, those that enter the super-blocks, and the last one, rounded down."""
        found = [self.resolution]
        for stride in (self.stem_stride, *(s.stride for s in self.super_blocks)):
            found.append(found[-1] // stride)
        return found

    def fewest_bits(self, i: int, within: int | None = None) -> int:
        """The fewest bits with which what stands behind the map before super-block ``i``, or a block ``within`` one, reads."""
        last = self.head_bits[0] if self.head is not None else WHOLE
        inside = () if within is None else self.super_blocks[within].bits
        behind = self.super_blocks[i].bits if i < len(self.super_blocks) else ((last, WHOLE),)
        return min((a for a, _ in (*behind, *inside)), default=WHOLE)

    @cached_property
    def halvings(self) -> int:
        """How often the input would have to be doubled for all maps to be whole."""
        strides = self.stem_stride * math.prod(s.stride for s in self.super_blocks)
        return (strides // math.gcd(strides, self.resolution)).bit_length() - 1

    def maps(self, doubled: bool = False) -> list[int]:
        """The map that enters the stem, those that enter the super-blocks, and the last one; with all of them ``doubled``
        until they are whole, else rounded up where a stride meets an odd one.
        """
        found = [self.resolution << self.halvings if doubled else self.resolution]
        for stride in (self.stem_stride, *(s.stride for s in self.super_blocks)):
            found.append(-(-found[-1] // stride))
        return found

    def block(self, name: str, ci: Any, c: Any, block: Any, s: int, r: int, first: bool, twin: Any) -> Ops:
        """The operations of a block, of which ``b, k, a, w`` say the width, the kernel and the bits."""
        family, (b, k, a, w) = self.families[name], block
        if self.frames is None:
            return quantised(family.operations(ci, c, b, k, s, r, first, twin), a, w)
        ops = family.operations(ci, c, b, k % FRAMES, s, r, first, twin, k // FRAMES + 1)
        return in_video(quantised(ops, a, w), self.frames)

    @property
    def quantised(self) -> bool:
        """Whether convolutions have bits."""
        return bool(self.super_blocks[0].bits)

    @property
    def reference_flops(self) -> str:
        """What the budget ``flops`` counts in the convention ``reference``."""
        if self.quantised:
            return "bit_operations"
        return "tool_flops" if self.scoring.additive or self.frames is not None else "reference_flops"

    @cached_property
    def _score_maps(self) -> list[int]:
        """The maps behind the stem and every super-block for which the score weighs kernels, rounded down."""
        maps = [self.score_resolution // self.stem_stride]
        for s in self.super_blocks:
            maps.append(maps[-1] // s.stride)
        if self.scoring.spatiotemporal and not maps[-1]:
            raise RefusedError("problem.objective.score_resolution leaves no map")
        return maps

    @property
    def corrected(self) -> bool:
        """Whether layer terms have anything beside the logarithms of widths."""
        return self.frames is not None or (self.quantised and self.scoring.additive)

    def correction(self, family: str, i: int, k: int, a: int, w: int) -> Decimal:
        """What the layer terms of a block of super-block ``i`` have beside the logarithms of widths, by its kernel and bits."""
        kernel = self._of_kernel(self._score_maps[i + 1], k // FRAMES + 1, k % FRAMES)
        return kernel + self._of_bits(self.families[family].layers, a, w)

    @property
    def stem_correction(self) -> Decimal:
        """The same of the stem."""
        return self._of_kernel(self._score_maps[0], self.stem_frames, self.stem_kernel) + self._of_bits(1, *self.stem_bits)

    @property
    def head_correction(self) -> Decimal:
        """The same of the head."""
        return self._of_bits(1, *self.head_bits) if self.head is not None else Decimal(0)

    def _of_kernel(self, r: int, kt: int, k: int) -> Decimal:
        if self.frames is None:
            return Decimal(0)
        return log_of(kt) + (spread_of_kernel(self.frames, r, kt, k) if self.scoring.spatiotemporal else 0)

    def _of_bits(self, layers: int, a: int, w: int) -> Decimal:
        if not self.quantised or not self.scoring.additive:
            return Decimal(0)
        return layers * worth_of_bits(*self.scoring.sigmas, a, w)

    @cached_property
    def most_rho(self) -> float:
        """The limit of the effectiveness as a float, cut off where no network gets: from 1e-100 to 1e100."""
        return math.inf if self.rho is None else float(min(max(self.rho, Fraction(1, 10**100)), Fraction(10**100)))

    @cached_property
    def rho_stages(self) -> tuple[int, ...]:
        """Stages of whose prefixes the effectiveness is the maximum, where it is limited or priced."""
        every = tuple(range(1 + self.stage_of[-1]))
        return () if self.rho is None and not self.price else every if self.reference else every[-1:]


def read_space(data: Any, others: Mapping[str, Family]) -> Space:
    """Reads a certificate's ``problem``; ``others`` are families that the checker does not know itself.

    Raises
    ------
    RefusedError
        If a field is missing, unknown, of another type or out of range, or the space is empty or too large.
    """
    required = ("name", "convention", "input", "stem", "stages", "classes", "budgets", "objective")
    p = mapping(data, "problem", required, ("head", "near", "ties"))
    if not isinstance(p["name"], str) or not 1 <= len(p["name"]) <= 100:
        raise refuse("problem.name", p["name"], "a name of 1 to 100 characters is expected")
    families = {**others, **FAMILIES}
    reference = word(p["convention"], "problem.convention", ("paper", "reference")) == "reference"
    given = mapping(p["input"], "problem.input", ("resolution", "channels"), ("frames",))
    resolution = integer(given["resolution"], "problem.input.resolution", 1, 16384)
    frames = None if given.get("frames") is None else integer(given["frames"], "problem.input.frames", 1, 1024)
    stem = mapping(p["stem"], "problem.stem", ("channels", "kernel", "stride"), ("kernel_t", "bits"))
    stem_frames = 1 if stem.get("kernel_t") is None else integer(stem["kernel_t"], "problem.stem.kernel_t", 1, 63)
    kernel, stride = integer(stem["kernel"], "problem.stem.kernel", 1, 63), integer(stem["stride"], "problem.stem.stride", 1, 2)
    stem_channels = lattice(stem["channels"], "problem.stem.channels")
    rows = sequence(p["stages"], "problem.stages", 2, 10)
    near = None if p.get("near") is None else Near(p["near"], len(rows), families)
    super_blocks: list[SuperBlock] = []
    before, r, families_of = stem_channels, -(-resolution // stride), set[str]()
    for i, row in enumerate(rows):
        made = super_block(row, f"problem.stages.{i}", r, before, families, near, i, families_of, frames)
        super_blocks.append(made)
        before, r = made.channels, made.out
    if sum(len(s.c) for s in super_blocks) > MOST_COLUMNS:
        raise RefusedError(f"problem has more than {MOST_COLUMNS} columns")
    m = len(super_blocks)
    stages = 1 + sum(s.stride == 2 for s in super_blocks)
    objective = read_objective(p["objective"], reference, stages, m, families_of)
    head, of_head = None, None if p.get("head") is None else mapping(p["head"], "problem.head", ("channels",), ("bits",))
    if of_head is not None:
        head = integer(of_head["channels"], "problem.head.channels")
    has_bits = [stem.get("bits") is not None, *(bool(s.bits) for s in super_blocks)]
    has_bits += [] if of_head is None else [of_head.get("bits") is not None]
    if len(set(has_bits)) > 1:
        raise RefusedError("problem has bits in some parts, and none in others")
    b = _budgets(p["budgets"], reference)
    if b.latencies and (frames is not None or any(has_bits)):
        raise RefusedError("problem.budgets.latency is for pictures and convolutions without bits")
    if b.most_bits is not None and (frames is not None or families_of != {"inverted"}):
        raise RefusedError("problem.budgets.max_feature is for pictures and the family inverted")
    if frames is None and objective.scoring.spatiotemporal:
        raise RefusedError("problem.objective.score is one of videos")
    if objective.values is not None and (frames is not None or any(s.bits or not s.uniform for s in super_blocks)):
        raise RefusedError("problem.objective.table is for pictures, and for super-blocks of equal blocks")
    space = Space(
        resolution, integer(given["channels"], "problem.input.channels"), stem_channels, kernel, stride, tuple(super_blocks),
        head, integer(p["classes"], "problem.classes"), reference, objective.scoring, objective.beta, objective.price,
        objective.squared, objective.penalised, _ties(p.get("ties", []), m), tuple(b.limits), b.rho, b.memory, b.latencies,
        families, frames, stem_frames, resolution if objective.resolution is None else objective.resolution,
        _pair(stem.get("bits"), "problem.stem.bits"), _pair((of_head or {}).get("bits"), "problem.head.bits"), b.most_bits,
        objective.values,
    )  # fmt: skip
    _ = space.elements
    return replace(space, limits=tuple(_in_parts(space, limit) for limit in b.limits))


def _pair(value: Any, where: str) -> tuple[int, int]:
    """Bits of activations and weights."""
    if value is None:
        return WHOLE, WHOLE
    a, w = (integer(x, f"{where}.{n}", 1, 32) for n, x in enumerate(sequence(value, where, 2, 2)))
    return a, w


def _in_parts(space: Space, limit: Limit) -> Limit:
    """A limit of a figure that need not be whole, of a whole one."""
    maps, limited = 4**space.halvings, limit.figure
    if limited == "flops":
        limited = space.reference_flops if space.reference else "macs"
        return replace(limit, figure=limited, parts={"bit_operations": 64 * maps, "tool_flops": maps}.get(limited, 1))
    if limited == "model_size":
        return replace(limit, figure="size_in_bits", parts=8) if space.quantised else replace(limit, figure="params_backbone")
    return replace(limit, parts=maps if limited == "bit_operations" else 1)


def _ties(value: Any, m: int) -> tuple[tuple[str, tuple[int, ...]], ...]:
    ties = []
    for n, row in enumerate(sequence(value, "problem.ties", 0, 64)):
        tie = mapping(row, f"problem.ties.{n}", ("stages", "same"))
        stages = places(tie["stages"], f"problem.ties.{n}.stages", m)
        same = words(tie["same"], f"problem.ties.{n}.same", TIED)
        if len(stages) < 2 or not same:
            raise RefusedError(f"problem.ties.{n} ties nothing")
        ties += [(axis, stages) for axis in same]
    return tuple(ties)


class _Budgets(NamedTuple):
    """Limits of sums, of the effectiveness, of the elements of one operation's maps, of latencies, and of the bits that are
    held at a time.
    """

    limits: list[Limit]
    rho: Fraction | None
    memory: Fraction | None
    latencies: tuple[Timed, ...]
    most_bits: Fraction | None


def _budgets(value: Any, reference: bool) -> _Budgets:
    data = mapping(value, "problem.budgets", (), (*FIGURES, *SINGLE, "latency"))
    alias = {"params": "params_backbone" if reference else "params_total", "weights_bytes": "params_total"}
    limits, single = list[Limit](), dict[str, Fraction]()
    latencies = () if data.get("latency") is None else _latencies(data["latency"], "problem.budgets.latency")
    for name in (*FIGURES, *SINGLE):
        given, where = data.get(name), f"problem.budgets.{name}"
        if given is None:
            continue
        optional = ["max", "min"] if name in FIGURES else ["max"]
        optional += ["bytes"] if name in SIZES else []
        row = mapping(given if isinstance(given, dict) else {"max": given}, where, (), optional)
        factor = integer(4 if row.get("bytes") is None else row["bytes"], f"{where}.bytes", 1, 16) if name in SIZES else 1
        ends = {sign: ratio(row[end], f"{where}.{end}") for sign, end in ((1, "max"), (-1, "min")) if row.get(end) is not None}
        if not ends or (len(ends) == 2 and ends[1] < ends[-1]):
            raise RefusedError(f"{where} limits nothing, or its max is below its min")
        if name in FIGURES:
            limits += [Limit(alias.get(name, name), sign, factor, sign * end) for sign, end in ends.items()]
        else:
            single[name] = ends[1] / factor
    rho, memory, size = (single.get(name) for name in ("effectiveness", "activation_memory", "max_feature"))
    return _Budgets(limits, rho, memory, latencies, None if size is None else 8 * size)


def _latencies(value: Any, where: str) -> tuple[Timed, ...]:
    """Latency budgets in the order of their prices, that of their names: one, or several by name."""
    if isinstance(value, dict) and "table" not in value:
        names = sorted(mapping(value, where, (), [name for name in value if isinstance(name, str) and _NAME.fullmatch(name)]))
        if not 1 <= len(names) <= 8:
            raise RefusedError(f"{where} has {len(names)} tables; 1 to 8 are expected")
        return tuple(_latency(value[name], f"{where}.{name}") for name in names)
    return (_latency(value, where),)


def _latency(value: Any, where: str) -> Timed:
    row = mapping(value, where, ("table", "max"), ("batch", "free"))
    free = words(row.get("free", []), f"{where}.free", (*_KINDS, *FUSED))
    latency = Latency(row["table"], integer(row.get("batch", 1), f"{where}.batch"), free, f"{where}.table")
    return Timed(latency, 1000 * ratio(row["max"], f"{where}.max"))


_NAME = re.compile("[A-Za-z][A-Za-z0-9_-]{0,39}")
"""The name of a latency table."""

_KINDS = ["conv", "linear", "norm", "relu", "relu6", "silu", "sigmoid", "pool", "max_pool", "global_pool", "add", "scale"]
