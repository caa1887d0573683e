"""The choices of one super-block, read anew from the rules of a specification."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .families import FRAMES, Family
from .reading import RefusedError, integer, lattice, mapping, ratio, refuse, sequence, word, words

Ints = NDArray[np.int64]
MOST_COLUMNS = 4_000_000
"""Most columns of a space that is checked."""


@dataclass(frozen=True)
class SuperBlock:
    """The choices of one super-block: depths, and columns ``(C, family, b, k)`` in increasing order.

    ``place`` of a column is that of ``C`` in ``channels``. The channels that may enter one with ``channels[p]`` are those at
    ``first[p]`` to before ``stop[p]`` in the lattice of the super-block before (of the stem). ``uniform``: whether all blocks
    have the same width and kernel; ``bits``: the pairs of which each block has one, if it is quantised.
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
    uniform: bool = True
    bits: tuple[tuple[int, int], ...] = ()

    @property
    def out(self) -> int:
        """Resolution of its output."""
        return -(-self.r // self.stride)


class Near:
    """Limits of the distance from a network."""

    def __init__(self, value: Any, m: int, families: Iterable[str]) -> None:
        data = mapping(value, "problem.near", ("network", "same"), ("ratio", "blocks"))
        stages = data["network"].get("stages") if isinstance(data["network"], dict) else None
        self.rows = sequence(stages, "problem.near.network.stages", m, m)
        names = ("block", "stride", "channels", "bottleneck", "kernel", "depth")
        for i, row in enumerate(self.rows):
            mapping(row, f"problem.near.network.stages.{i}", names, ("kernel_t",))
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

    def kernel(self, i: int) -> int:
        """The kernel of the network's super-block ``i``."""
        frames = 1 if self.rows[i].get("kernel_t") is None else self.of(i, "kernel_t")
        return (frames - 1) * FRAMES + self.of(i, "kernel")

    def close(self, values: Sequence[int], i: int, name: str) -> list[int]:
        """Those of some channels or widths that are near enough."""
        return [v for v in values if self.share is None or abs(v - self.of(i, name)) <= self.share * self.of(i, name)]


def super_block(
    row: Any, where: str, r: int, before: Sequence[int], families: Mapping[str, Family], near: Near | None, i: int,
    named: set[str], frames: int | None,
) -> SuperBlock:  # fmt: skip
    """One super-block whose input has resolution ``r`` and one of the channels ``before``; adds its families to ``named``."""
    required = ("block", "stride", "channels", "growth", "bottleneck", "bottleneck_ratio", "kernels", "depth")
    data = mapping(row, where, required, ("per_block", "multiple_of", "forbidden", "uniform", "bits"))
    if not isinstance(data.get("uniform", True), bool):
        raise refuse(f"{where}.uniform", data["uniform"], "true or false is expected")
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
        kernels = [k for k in _kernels(own["kernels"], f"{where}.kernels") if 3 * (k % FRAMES) <= 2 * r]
        if not kernels or kernels[-1] // FRAMES >= (frames or 1) or (frames is not None and not families[name].video):
            raise RefusedError(f"{where} has no kernel that fits its map, or {name} is not made for what enters")
        if near is not None and "kernel" in near.same:
            kernels = [k for k in kernels if k == near.kernel(i)]
        if near is not None and (not kernels or ("block" in near.same and near.rows[i].get("block") != name)):
            continue
        widths_of = _rule_of_widths(lattice(own["bottleneck"], f"{where}.bottleneck"), own["bottleneck_ratio"], where)
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
        stride, r, tuple(kept), tuple(channels), tuple(depths), c, f, b, k, place, np.array(first), np.array(stop),
        data.get("uniform", True), _bits(data.get("bits"), f"{where}.bits"),
    )  # fmt: skip


def _bits(value: Any, where: str) -> tuple[tuple[int, int], ...]:
    """Pairs of bits of activations and weights, in increasing order."""
    if value is None:
        return ()
    data = mapping(value, where, ("activations", "weights"))
    activations, weights = (lattice(data[name], f"{where}.{name}", 32) for name in ("activations", "weights"))
    return tuple((a, w) for a in activations for w in weights)


def _bounds(value: Any, where: str, more: tuple[str, ...]) -> tuple[Fraction, Fraction | None, tuple[str, ...]]:
    """``min`` and ``max`` of a quotient, and the ends at which the nearest value is admitted."""
    data = mapping(value, where, ("min", *more), ("max",))
    high = None if data.get("max") is None else ratio(data["max"], f"{where}.max")
    low = ratio(data["min"], f"{where}.min")
    if high is not None and high < low:
        raise RefusedError(f"{where}.max is below its min")
    return low, high, words(data.get("to_rounding", []), f"{where}.to_rounding", ("min", "max"))


def _rule_of_widths(values: tuple[int, ...], value: Any, where: str) -> Callable[[int], Sequence[int]]:
    """Which bottleneck widths some channels may have: between two bounds of the quotient, or nearest to one that is listed."""
    where = f"{where}.bottleneck_ratio"
    if isinstance(value, dict) and value.get("listed") is not None:
        rule = mapping(value, where, ("listed",), ("to_rounding",))
        if rule.get("to_rounding"):
            raise RefusedError(f"{where}.to_rounding stands beside a list")
        ratios = [ratio(x, f"{where}.listed.{n}") for n, x in enumerate(sequence(rule["listed"], f"{where}.listed", 1, 64))]
        return lambda c: sorted({_nearest(values, c * x.numerator, x.denominator) for x in ratios})
    low, high, ends = _bounds(value, where, ("to_rounding",))
    return lambda c: _widths(values, low, high, ends, c)


def _kernels(value: Any, where: str) -> tuple[int, ...]:
    """Odd kernels: a lattice of sizes, or a list of which some are pairs of frames and size."""
    if isinstance(value, list):
        pairs = [pair if isinstance(pair, list) else [1, pair] for pair in sequence(value, where, 1, 64)]
    else:
        pairs = [[1, k] for k in lattice(value, where, 63)]
    found = set()
    for n, pair in enumerate(pairs):
        frames, k = (integer(x, f"{where}.{n}", 1, 63) for x in sequence(pair, f"{where}.{n}", 2, 2))
        if frames % 2 == 0 or k % 2 == 0:
            raise RefusedError(f"{where} has an even kernel")
        found.add((frames - 1) * FRAMES + k)
    return tuple(sorted(found))


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
            read: Callable[[Any, str], tuple[int, ...]] = _kernels if name == "kernels" else lattice
            hit &= np.isin(columns[row], read(data[name], f"{where}.{name}"))
    return hit
