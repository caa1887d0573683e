"""The search space, budgets and objective of a certificate's ``problem``, read anew from the specification's rules."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .families import FAMILIES, Family
from .latency import Latency
from .reading import RefusedError, integer, lattice, mapping, number, ratio, refuse, sequence, word, words

Ints = NDArray[np.int64]
FIGURES = ("flops", "params", "macs", "params_backbone", "layers", "blocks", "activations", "weights_bytes")
"""Budgets that are sums over the network, in the order of their prices."""
SIZES = ("weights_bytes", "activation_memory")
TIED = ("block", "channels", "bottleneck", "kernel", "depth")
MOST_COLUMNS = 4_000_000
"""Most columns of a space that is checked."""


@dataclass(frozen=True)
class SuperBlock:
    """The choices of one super-block: depths, and columns ``(C, family, b, k)`` in increasing order.

    ``place`` of a column is that of ``C`` in ``channels``. The channels that may enter one with ``channels[p]`` are those at
    ``first[p]`` to before ``stop[p]`` in the lattice of the super-block before (of the stem).
    """

    stride: int
    r: int
    families: tuple[str, ...]
    channels: tuple[int, ...]
    depths: tuple[int, ...]
    c: Ints
    f: Ints
    b: Ints
    k: Ints
    place: Ints
    first: Ints
    stop: Ints

    @property
    def out(self) -> int:
        """Resolution of its output."""
        return -(-self.r // self.stride)


@dataclass(frozen=True)
class Limit:
    """An upper limit of a sum: of a figure, or (``sign`` -1) of its negative. ``factor`` is what a unit counts."""

    figure: str
    sign: int
    factor: int
    most: Fraction

    def holds(self, count: int) -> bool:
        """Whether a count keeps it."""
        return self.sign * self.factor * count <= self.most


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
    alpha: tuple[Fraction, ...]
    beta: Fraction
    log_base: int | None
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

    @cached_property
    def stage_of(self) -> tuple[int, ...]:
        """Down-sampling stage of each super-block: the stem opens the first one, every stride of 2 a new one."""
        return tuple(np.cumsum([s.stride == 2 for s in self.super_blocks]).tolist())

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
    given = mapping(p["input"], "problem.input", ("resolution", "channels"))
    resolution = integer(given["resolution"], "problem.input.resolution", 1, 16384)
    stem = mapping(p["stem"], "problem.stem", ("channels", "kernel", "stride"))
    kernel, stride = integer(stem["kernel"], "problem.stem.kernel", 1, 63), integer(stem["stride"], "problem.stem.stride", 1, 2)
    stem_channels = lattice(stem["channels"], "problem.stem.channels")
    rows = sequence(p["stages"], "problem.stages", 2, 10)
    near = None if p.get("near") is None else _Near(p["near"], len(rows), families)
    super_blocks: list[SuperBlock] = []
    before, r, families_of = stem_channels, -(-resolution // stride), set[str]()
    for i, row in enumerate(rows):
        made = _super_block(row, f"problem.stages.{i}", r, before, families, near, i, families_of)
        super_blocks.append(made)
        before, r = made.channels, made.out
    if sum(len(s.c) for s in super_blocks) > MOST_COLUMNS:
        raise RefusedError(f"problem has more than {MOST_COLUMNS} columns")
    m = len(super_blocks)
    objective = mapping(p["objective"], "problem.objective", ("beta",), ("alpha", "log_base", "effectiveness_price", "penalty"))
    stages = 1 + sum(s.stride == 2 for s in super_blocks)
    alpha = (Fraction(1),) * (stages - 1) + (Fraction(8),)
    if objective.get("alpha") is not None:
        weights = sequence(objective["alpha"], "problem.objective.alpha", stages, stages)
        alpha = tuple(_weight(w, f"problem.objective.alpha.{n}") for n, w in enumerate(weights))
    form, penalised = "exp_std" if reference else "exp_var", tuple(range(m))
    if reference and families_of <= {"bottleneck", "resnet_bottleneck"}:
        penalised = penalised[-3:]
    if objective.get("penalty") is not None:
        penalty = mapping(objective["penalty"], "problem.objective.penalty", ("form",), ("stages",))
        form, penalised = (
            word(penalty["form"], "problem.objective.penalty.form", ("exp_std", "exp_var", "none")),
            tuple(range(m)),
        )
        if penalty.get("stages") is not None:
            penalised = _stages(penalty["stages"], "problem.objective.penalty.stages", m)
    beta = _weight(objective["beta"], "problem.objective.beta")
    base, price = objective.get("log_base"), objective.get("effectiveness_price")
    head = None
    if p.get("head") is not None:
        head = integer(mapping(p["head"], "problem.head", ("channels",))["channels"], "problem.head.channels")
    limits, rho, memory, latency, nanoseconds = _budgets(p["budgets"], reference)
    return Space(
        resolution, integer(given["channels"], "problem.input.channels"), stem_channels, kernel, stride, tuple(super_blocks),
        head, integer(p["classes"], "problem.classes"), reference, alpha, beta,
        None if base is None else integer(base, "problem.objective.log_base", 2, 1000),
        _weight(0 if price is None else price, "problem.objective.effectiveness_price"),
        form == "exp_var", () if form == "none" or not beta else penalised, _ties(p.get("ties", []), m),
        limits, rho, memory, latency, nanoseconds, families,
    )  # fmt: skip


def _weight(value: Any, where: str) -> Fraction:
    return Fraction(repr(number(value, where, 0.0, 1e6)))


def _stages(value: Any, where: str, m: int) -> tuple[int, ...]:
    """Super-blocks counted from 1, as places from 0."""
    return tuple(sorted({integer(v, f"{where}.{n}", 1, m) - 1 for n, v in enumerate(sequence(value, where, 1, 64))}))


def _ties(value: Any, m: int) -> tuple[tuple[str, tuple[int, ...]], ...]:
    ties = []
    for n, row in enumerate(sequence(value, "problem.ties", 0, 64)):
        tie = mapping(row, f"problem.ties.{n}", ("stages", "same"))
        stages = _stages(tie["stages"], f"problem.ties.{n}.stages", m)
        same = words(tie["same"], f"problem.ties.{n}.same", TIED)
        if len(stages) < 2 or not same:
            raise RefusedError(f"problem.ties.{n} ties nothing")
        ties += [(axis, stages) for axis in same]
    return tuple(ties)


class _Near:
    """Limits of the distance from a network."""

    def __init__(self, value: Any, m: int, families: Iterable[str]) -> None:
        data = mapping(value, "problem.near", ("network", "same"), ("ratio", "blocks"))
        stages = data["network"].get("stages") if isinstance(data["network"], dict) else None
        self.rows = sequence(stages, "problem.near.network.stages", m, m)
        names = ("block", "stride", "channels", "bottleneck", "kernel", "depth")
        for i, row in enumerate(self.rows):
            mapping(row, f"problem.near.network.stages.{i}", names)
            word(row["block"], f"problem.near.network.stages.{i}.block", families)
            for name in names[1:]:
                self.of(i, name)
        self.same = words(data["same"], "problem.near.same", ("block", "kernel"))
        self.blocks = None if data.get("blocks") is None else integer(data["blocks"], "problem.near.blocks", 0)
        share = data.get("ratio")
        self.share = (
            None if share is None else Fraction(0) if share == 0 and share is not False else ratio(share, "problem.near.ratio")
        )

    def of(self, i: int, name: str) -> int:
        """A number of the network's super-block ``i``."""
        return integer(self.rows[i].get(name), f"problem.near.network.stages.{i}.{name}")

    def close(self, values: Sequence[int], i: int, name: str) -> list[int]:
        """Those of some channels or widths that are near enough."""
        return [v for v in values if self.share is None or abs(v - self.of(i, name)) <= self.share * self.of(i, name)]


def _super_block(
    row: Any, where: str, r: int, before: Sequence[int], families: Mapping[str, Family], near: _Near | None, i: int,
    named: set[str],
) -> SuperBlock:  # fmt: skip
    """One super-block whose input has resolution ``r`` and one of the channels ``before``; adds its families to ``named``."""
    required = ("block", "stride", "channels", "growth", "bottleneck", "bottleneck_ratio", "kernels", "depth")
    data = mapping(row, where, required, ("per_block", "multiple_of", "forbidden"))
    block = data["block"] if isinstance(data["block"], list) else [data["block"]]
    names = words(block, f"{where}.block", tuple(families))
    named |= set(names)
    stride, multiple = (
        integer(data["stride"], f"{where}.stride", 1, 2),
        integer(data.get("multiple_of", 1), f"{where}.multiple_of"),
    )
    if len(set(names)) < max(1, len(names)) or r < stride:
        raise RefusedError(f"{where} names a family twice or none, or its map is used up")
    channels: Sequence[int] = lattice(data["channels"], f"{where}.channels")
    depths: Sequence[int] = lattice(data["depth"], f"{where}.depth", 1000)
    rules = mapping(data.get("per_block", {}), f"{where}.per_block", (), names)
    if near is not None:
        channels = near.close(channels, i, "channels")
        depths = [d for d in depths if near.blocks is None or abs(d - near.of(i, "depth")) <= near.blocks]
    parts: list[Ints] = []
    size = 0
    kept: list[str] = []
    for name in names:
        rule = mapping(rules.get(name, {}), f"{where}.per_block.{name}", (), ("bottleneck", "bottleneck_ratio", "kernels"))
        own = {
            key: rule[key] if rule.get(key) is not None else data[key] for key in ("bottleneck", "bottleneck_ratio", "kernels")
        }
        listed = lattice(own["kernels"], f"{where}.kernels", 63)
        kernels = [k for k in listed if 3 * k <= 2 * r]
        if not kernels or any(k % 2 == 0 for k in listed):
            raise RefusedError(f"{where}.kernels has no kernel that fits its map, or an even one")
        if near is not None and "kernel" in near.same:
            kernels = [k for k in kernels if k == near.of(i, "kernel")]
        if near is not None and (not kernels or ("block" in near.same and near.rows[i].get("block") != name)):
            continue
        widths, bounds = lattice(own["bottleneck"], f"{where}.bottleneck"), own["bottleneck_ratio"]
        widths_of = _width_rule(widths, bounds, f"{where}.bottleneck_ratio")
        admitted: list[int] = []
        counts = []
        for c in channels:
            of_c = widths_of(c) if c % multiple == 0 else []
            if multiple > 1:
                of_c = [b for b in of_c if b % multiple == 0]
            of_c = of_c if near is None else near.close(of_c, i, "bottleneck")
            admitted += of_c
            counts.append(len(of_c))
            if size + len(admitted) * len(kernels) > MOST_COLUMNS:
                raise RefusedError(f"{where} has more than {MOST_COLUMNS} columns")
        c_of = np.repeat(np.repeat(np.array(channels, dtype=np.int64), counts), len(kernels))
        b_of = np.repeat(np.array(admitted, dtype=np.int64), len(kernels))
        parts.append(np.stack([c_of, np.full_like(c_of, len(kept)), b_of, np.tile(kernels, len(admitted))]))
        size += len(c_of)
        kept.append(name)
    columns = np.concatenate(parts, axis=1) if parts else np.zeros((4, 0), dtype=np.int64)
    for n, forbidden in enumerate(sequence(data.get("forbidden", []), f"{where}.forbidden", 0, 1000)):
        columns = columns[:, ~_forbidden(forbidden, f"{where}.forbidden.{n}", columns, kept, families)]
    c, f, b, k = columns if len(kept) < 2 else columns[:, np.argsort(columns[0], kind="stable")]
    if not len(c) or not len(depths):
        raise RefusedError(f"{where} leaves no choice")
    low, high, _ = _bounds(data["growth"], f"{where}.growth", ())
    first = [0 if high is None else bisect_left(before, -(-x * high.denominator // high.numerator)) for x in channels]
    stop = [bisect_right(before, x * low.denominator // low.numerator) for x in channels]
    place = np.searchsorted(np.array(channels), c)
    return SuperBlock(
        stride, r, tuple(kept), tuple(channels), tuple(depths), c, f, b, k, place, np.array(first), np.array(stop)
    )


def _bounds(value: Any, where: str, more: tuple[str, ...]) -> tuple[Fraction, Fraction | None, tuple[str, ...]]:
    """``min`` and ``max`` of a quotient, and the ends at which the nearest value is admitted."""
    data = mapping(value, where, ("min", *more), ("max",))
    high = None if data.get("max") is None else ratio(data["max"], f"{where}.max")
    low = ratio(data["min"], f"{where}.min")
    if high is not None and high < low:
        raise RefusedError(f"{where}.max is below its min")
    return low, high, words(data.get("to_rounding", []), f"{where}.to_rounding", ("min", "max"))


def _width_rule(values: tuple[int, ...], value: Any, where: str) -> Callable[[int], list[int]]:
    """Which bottleneck widths go with a channel count: those near listed ratios, or between bounds."""
    if isinstance(value, dict) and value.get("listed") is not None:
        data = mapping(value, where, ("listed",), ("to_rounding", "min", "max"))
        if data.get("to_rounding") or data.get("min") is not None or data.get("max") is not None:
            raise RefusedError(f"{where} has bounds beside a list")
        listed = [ratio(r, f"{where}.listed.{n}") for n, r in enumerate(sequence(data["listed"], f"{where}.listed", 1, 64))]
        return lambda c: sorted({_nearest(values, r.numerator * c, r.denominator) for r in listed})
    low, high, ends = _bounds(value, where, ("to_rounding",))
    return lambda c: _widths(values, low, high, ends, c)


def _widths(values: tuple[int, ...], low: Fraction, high: Fraction | None, ends: tuple[str, ...], c: int) -> list[int]:
    """Bottleneck widths between ``low c`` and ``high c``, with the nearest ones where an end is rounded."""
    least = low.numerator * c, low.denominator
    most = None if high is None else (high.numerator * c, high.denominator)
    first, stop = bisect_left(values, -(-least[0] // least[1])), len(values)
    if most is not None:
        stop = bisect_right(values, most[0] // most[1])
    admitted = set(values[first:stop])
    if "min" in ends:
        nearest = _nearest(values, *least)
        if most is None or nearest * most[1] <= most[0]:
            admitted.add(nearest)
    if "max" in ends and most is not None:
        admitted.add(_nearest(values, *most))
    return sorted(admitted)


def _nearest(values: tuple[int, ...], p: int, q: int) -> int:
    """The value nearest to ``p / q``; halfway between two, the one that is second, fourth, ... of all."""
    i = bisect_left(values, -(-p // q))
    around = [n for n in (i - 1, i) if 0 <= n < len(values)]
    return values[min(around, key=lambda n: (abs(values[n] * q - p), n % 2 == 0))]


def _forbidden(value: Any, where: str, columns: Ints, names: Sequence[str], known: Iterable[str]) -> NDArray[np.bool_]:
    """Which columns have all parts of a forbidden combination."""
    data = mapping(value, where, (), ("block", "channels", "bottleneck", "kernels"))
    hit = np.ones(columns.shape[1], dtype=bool)
    if all(part is None for part in data.values()):
        raise RefusedError(f"{where} forbids nothing")
    if data.get("block") is not None:
        listed = words(data["block"] if isinstance(data["block"], list) else [data["block"]], f"{where}.block", tuple(known))
        hit &= np.isin(columns[1], [f for f, name in enumerate(names) if name in listed])
    for row, name in ((0, "channels"), (2, "bottleneck"), (3, "kernels")):
        if data.get(name) is not None:
            hit &= np.isin(columns[row], lattice(data[name], f"{where}.{name}"))
    return hit


def _budgets(
    value: Any, reference: bool
) -> tuple[tuple[Limit, ...], Fraction | None, Fraction | None, Latency | None, Fraction]:
    """Limits of sums, of the effectiveness, of the elements of one operation's maps, and of the latency in nanoseconds."""
    data = mapping(value, "problem.budgets", (), (*FIGURES, "activation_memory", "latency", "effectiveness"))
    alias = {"flops": "reference_flops" if reference else "macs", "params": "params_backbone" if reference else "params_total"}
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
