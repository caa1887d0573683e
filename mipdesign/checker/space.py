"""The search space, budgets and objective of a certificate's ``problem``, read anew from the specification's rules."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from .families import FAMILIES, Family, Ops, in_video, pixels
from .latency import Latency
from .reading import RefusedError, integer, lattice, mapping, ratio, refuse, sequence, word, words
from .scoring import Scoring, log_of, places, read_objective, spread_of_kernel
from .super_block import MOST_COLUMNS, Near, SuperBlock, super_block

FIGURES = ("flops", "params", "macs", "params_backbone", "layers", "blocks", "activations", "weights_bytes")
"""Budgets that are sums over the network, in the order of their prices."""
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
    latency: Latency | None
    nanoseconds: Fraction
    families: Mapping[str, Family]
    frames: int | None
    stem_frames: int
    score_resolution: int

    @cached_property
    def stage_of(self) -> tuple[int, ...]:
        """Down-sampling stage of each super-block: the stem opens the first one, every stride of 2 a new one."""
        return tuple(np.cumsum([s.stride == 2 for s in self.super_blocks]).tolist())

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

    def block(self, name: str, ci: Any, c: Any, b: Any, k: Any, s: int, r: int, first: bool, twin: Any) -> Ops:
        """The operations of a block."""
        return in_video(self.families[name].operations(ci, c, b, k, s, r, first, twin), self.frames)

    @cached_property
    def corrections(self) -> tuple[Mapping[int, Decimal], ...]:
        """What a kernel adds to the layer term of each super-block's blocks beside the logarithms of their widths."""
        maps, found = self.score_resolution // self.stem_stride, list[Mapping[int, Decimal]]()
        for s in self.super_blocks:
            maps //= s.stride
            kernels = () if self.frames is None else np.unique(s.k).tolist()
            found.append({k: self._correction(maps, *pixels(k)) for k in kernels})
        return tuple(found)

    @cached_property
    def stem_correction(self) -> Decimal:
        """:attr:`corrections` of the stem."""
        return self._correction(self.score_resolution // self.stem_stride, self.stem_frames, self.stem_kernel)

    def _correction(self, r: int, kt: int, k: int) -> Decimal:
        if self.frames is None:
            return Decimal(0)
        return log_of(kt) + (spread_of_kernel(self.frames, r, kt, k) if self.scoring.spatiotemporal else 0)

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
    stem = mapping(p["stem"], "problem.stem", ("channels", "kernel", "stride"), ("kernel_t",))
    stem_frames = 1 if stem.get("kernel_t") is None else integer(stem["kernel_t"], "problem.stem.kernel_t", 1, 63)
    kernel, stride = integer(stem["kernel"], "problem.stem.kernel", 1, 63), integer(stem["stride"], "problem.stem.stride", 1, 2)
    stem_channels = lattice(stem["channels"], "problem.stem.channels")
    rows = sequence(p["stages"], "problem.stages", 2, 10)
    near = None if p.get("near") is None else Near(p["near"], len(rows), families)
    super_blocks: list[SuperBlock] = []
    before, r, families_of = stem_channels, -(-resolution // stride), set[str]()
    for i, row in enumerate(rows):
        made = super_block(row, f"problem.stages.{i}", r, before, families, near, i, families_of, frames is not None)
        super_blocks.append(made)
        before, r = made.channels, made.out
    if sum(len(s.c) for s in super_blocks) > MOST_COLUMNS:
        raise RefusedError(f"problem has more than {MOST_COLUMNS} columns")
    m = len(super_blocks)
    stages = 1 + sum(s.stride == 2 for s in super_blocks)
    objective = read_objective(p["objective"], reference, stages, m, families_of)
    head = None
    if p.get("head") is not None:
        head = integer(mapping(p["head"], "problem.head", ("channels",))["channels"], "problem.head.channels")
    limits, rho, memory, latency, nanoseconds = _budgets(p["budgets"], reference, objective.scoring.additive)
    if latency is not None and frames is not None:
        raise RefusedError("problem.budgets.latency is for pictures")
    space = Space(
        resolution, integer(given["channels"], "problem.input.channels"), stem_channels, kernel, stride, tuple(super_blocks),
        head, integer(p["classes"], "problem.classes"), reference, objective.scoring, objective.beta, objective.price,
        objective.squared, objective.penalised, _ties(p.get("ties", []), m), limits, rho, memory, latency, nanoseconds,
        families, frames, stem_frames, resolution if objective.resolution is None else objective.resolution,
    )  # fmt: skip
    parts = 4**space.halvings
    return replace(space, limits=tuple(replace(x, parts=parts) if x.figure == "tool_flops" else x for x in limits))


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


def _budgets(
    value: Any, reference: bool, additive: bool
) -> tuple[tuple[Limit, ...], Fraction | None, Fraction | None, Latency | None, Fraction]:
    """Limits of sums, of the effectiveness, of the elements of one operation's maps, and of the latency in nanoseconds."""
    data = mapping(value, "problem.budgets", (), (*FIGURES, "activation_memory", "latency", "effectiveness"))
    flops = ("tool_flops" if additive else "reference_flops") if reference else "macs"
    alias = {"flops": flops, "params": "params_backbone" if reference else "params_total"}
    alias["weights_bytes"] = "params_total"
    limits, single = [], dict[str, Fraction]()
    latency, nanoseconds = None, Fraction(0)
    for name in (*FIGURES, "activation_memory", "latency", "effectiveness"):
        given, where = data.get(name), f"problem.budgets.{name}"
        if given is None:
            continue
        optional = ["max", "min"] if name in FIGURES else ["max"]
        optional += ["bytes"] if name in SIZES else ["table", "batch", "free"] if name == "latency" else []
        row = mapping(given if isinstance(given, dict) else {"max": given}, where, (), optional)
        factor = integer(4 if row.get("bytes") is None else row["bytes"], f"{where}.bytes", 1, 16) if name in SIZES else 1
        ends = {sign: ratio(row[end], f"{where}.{end}") for sign, end in ((1, "max"), (-1, "min")) if row.get(end) is not None}
        if not ends or (len(ends) == 2 and ends[1] < ends[-1]):
            raise RefusedError(f"{where} limits nothing, or its max is below its min")
        if name in FIGURES:
            limits += [Limit(alias.get(name, name), sign, factor, sign * end) for sign, end in ends.items()]
        else:
            single[name] = ends[1] / factor
        if name == "latency":
            free = words(row.get("free", []), f"{where}.free", tuple(_KINDS))
            latency = Latency(row.get("table"), integer(row.get("batch", 1), f"{where}.batch"), free, f"{where}.table")
            nanoseconds = ends[1] * 1000
    return tuple(limits), single.get("effectiveness"), single.get("activation_memory"), latency, nanoseconds


_KINDS = ["conv", "linear", "norm", "relu", "relu6", "silu", "sigmoid", "pool", "max_pool", "global_pool", "add", "scale"]
