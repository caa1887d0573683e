"""The search space of a problem: what a specification says of it, and what its rules mean for each super-block."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

from ..errors import SpecError
from ..networks.architecture import Stage, single
from ..networks.operation import kernel_code, kernel_of, kernel_text
from ..numerals import simplest
from .specification import FamilyRules, NearSpec, StageSpace, WidthRatio


@dataclass(frozen=True)
class Choice:
    """One block family of a super-block, with its rules resolved.

    Attributes
    ----------
    widths:
        For each channel count of the super-block the admitted bottleneck widths.
    kernels:
        Kernel sizes, as :func:`~mipdesign.networks.operation.kernel_code` where they span frames.
    excluded:
        Triples ``(C, b, k)`` of these that are forbidden.
    """

    block: str
    widths: tuple[tuple[int, ...], ...]
    kernels: tuple[int, ...]
    excluded: frozenset[tuple[int, int, int]]

    @property
    def size(self) -> int:
        """Number of columns."""
        return sum(map(len, self.widths)) * len(self.kernels) - len(self.excluded)

    @property
    def widest(self) -> int:
        """The largest width, 1 where there is none; those of a channel count are in increasing order."""
        return max((widths[-1] for widths in self.widths if widths), default=1)

    def columns(self, at: int, channels: int) -> int:
        """Number of columns with a channel count, which stands at place ``at``."""
        number = len(self.widths[at]) * len(self.kernels)
        return number - sum(c == channels for c, _, _ in self.excluded) if self.excluded else number

    def holds(self, at: int, c: int, b: int, k: int) -> bool:
        """Whether a column belongs to the space; ``c`` stands at place ``at``."""
        return b in self.widths[at] and k in self.kernels and (c, b, k) not in self.excluded


@dataclass(frozen=True)
class SuperBlockSpace:
    """What one super-block may be, with the rules resolved.

    Attributes
    ----------
    resolution:
        Resolution at its input.
    channels, depths:
        The lattices, in increasing order.
    choices:
        The block families, in the order of the specification.
    uniform:
        Whether all blocks have the same width and kernel.
    bits:
        Bits of activations and weights that a block may have; empty where nothing is quantised.
    unrounded:
        Resolution at its input where halving does not round.
    """

    stride: int
    resolution: int
    channels: tuple[int, ...]
    choices: tuple[Choice, ...]
    depths: tuple[int, ...]
    growth: tuple[Fraction, Fraction | None]
    uniform: bool = True
    bits: tuple[tuple[int, int], ...] = ()
    unrounded: Fraction = Fraction(0)

    def maps(self, enlarged: int = 1) -> tuple[int, int]:
        """Heights of the maps that enter the first block and the later ones: rounded up, or, with a factor that makes them
        whole, so many times those that are not rounded.
        """
        if enlarged == 1:
            return self.resolution, -(-self.resolution // self.stride)
        return int(self.unrounded * enlarged), int(self.unrounded * enlarged / self.stride)

    @property
    def blocks(self) -> tuple[str, ...]:
        """Names of the block families."""
        return tuple(choice.block for choice in self.choices)

    def columns(self, at: int) -> int:
        """Number of columns with the channel count at a place of :attr:`channels`."""
        return sum(choice.columns(at, self.channels[at]) for choice in self.choices)

    def holds(self, block: str, c: int, b: int, k: int) -> bool:
        """Whether a column belongs to the space."""
        if block not in self.blocks or c not in self.channels:
            return False
        return self.choices[self.blocks.index(block)].holds(self.channels.index(c), c, b, k)

    def holds_blocks(self, stage: Stage) -> bool:
        """Whether the blocks of a super-block belong to the space; its depth aside."""
        if self.uniform and not stage.is_uniform:
            return False
        blocks = {stage.block_at(n) for n in range(1 if stage.repeats else stage.depth)}
        return all(
            self.holds(b.block, b.channels, single(b.bottleneck), kernel_code(b.kernel_t, single(b.kernel)))
            and self._holds_bits(b.bits)
            for b in blocks
        )

    def _holds_bits(self, bits: Sequence[Sequence[tuple[int, int]]]) -> bool:
        """Whether a block may have the bits of the first one of some: one pair for all its convolutions."""
        if not self.bits or not bits:
            return not self.bits and not bits
        return len(set(bits[0])) == 1 and bits[0][0] in self.bits

    def near(self, limits: NearSpec, i: int) -> SuperBlockSpace:
        """The part of it that is near super-block ``i`` of a network.

        Raises
        ------
        SpecError
            If that part is empty.
        """
        centre = limits.stages[i]
        kernel = kernel_code(centre.kernel_t, single(centre.kernel))
        at = [j for j, c in enumerate(self.channels) if limits.close(c, centre.channels)]
        depths = tuple(d for d in self.depths if limits.blocks is None or abs(d - centre.depth) <= limits.blocks)
        choices = []
        for choice in self.choices:
            widths = tuple(tuple(b for b in choice.widths[j] if limits.close(b, single(centre.bottleneck))) for j in at)
            kernels = tuple(k for k in choice.kernels if "kernel" not in limits.same or k == kernel)
            if kernels and ("block" not in limits.same or choice.block == centre.block):
                near = replace(choice, widths=widths, kernels=kernels, excluded=frozenset())
                places = {self.channels[j]: n for n, j in enumerate(at)}
                left_out = {(c, b, k) for c, b, k in choice.excluded if c in places and near.holds(places[c], c, b, k)}
                choices.append(replace(near, excluded=frozenset(left_out)))
        part = replace(self, channels=tuple(self.channels[j] for j in at), choices=tuple(choices), depths=depths)
        if not depths or not any(part.columns(j) for j in range(len(at))):
            raise SpecError(
                "near", f"leaves nothing of stages.{i} around {centre}", "raise ratio or blocks, or widen the stage"
            )
        return part

    def values(self, axis: str) -> set[Any]:
        """The values of one of :data:`TIED` that occur."""
        if axis == "block":
            return set(self.blocks)
        if axis == "channels":
            return set(self.channels)
        if axis == "depth":
            return set(self.depths)
        if axis == "kernel":
            return {k for choice in self.choices for k in choice.kernels}
        return {b for choice in self.choices for widths in choice.widths for b in widths}

    def follows(self, previous: int, channels: int) -> bool:
        """Whether ``channels`` may come after ``previous``."""
        low, high = self.growth
        return channels >= low * previous and (high is None or channels <= high * previous)

    def predecessors(self, previous: Sequence[int], channels: int) -> slice:
        """Where in the sorted ``previous`` the values stand that ``channels`` may follow."""
        least, most = self.entering(channels)
        first = bisect_left(previous, least)
        return slice(first, max(first, bisect_right(previous, most)))

    def entering(self, channels: int) -> tuple[int, int]:
        """The least and the largest number of channels that ``channels`` may follow: whole numbers ``ci`` with
        ``low ci <= channels <= high ci``.
        """
        low, high = self.growth
        least = 0 if high is None else -(-channels * high.denominator // high.numerator)
        return least, channels * low.denominator // low.numerator

    def simple_growth(self, previous: Sequence[int]) -> tuple[Fraction | None, Fraction | None]:
        """Bounds of ``C / ci`` that tell the same channels apart as :attr:`growth`, in the least numbers; ``None`` for a bound
        that keeps nothing from following the sorted ``previous``.
        """
        below, within_low, within_high, above = [], [], [], []
        for c in self.channels:
            least, most = self.entering(c)
            first, stop = bisect_left(previous, least), bisect_right(previous, most)
            below += [(c, ci) for ci in previous[stop : stop + 1]]
            within_low += [(c, ci) for ci in previous[max(0, stop - 1) : stop]]
            within_high += [(c, ci) for ci in previous[first : first + 1]]
            above += [(c, ci) for ci in previous[max(0, first - 1) : first]]
        low, high = self.growth
        simple_low = simple_high = None
        if below:  # above the largest quotient that is kept out, at most the least one that is let in
            least_in = least_quotient(within_low) if within_low else low
            simple_low = simplest((largest_quotient(below) + least_in) / 2, least_in)
        if above and high is not None:
            most_in = largest_quotient(within_high) if within_high else high
            simple_high = simplest(most_in, (most_in + least_quotient(above)) / 2)
        return simple_low, simple_high


def largest_quotient(pairs: Sequence[tuple[int, int]]) -> Fraction:
    """The largest ``a / b`` of pairs of positive integers, without a fraction for each."""
    most, of = pairs[0]
    for a, b in pairs:
        if a * of > most * b:
            most, of = a, b
    return Fraction(most, of)


def least_quotient(pairs: Sequence[tuple[int, int]]) -> Fraction:
    """The least one."""
    return 1 / largest_quotient([(b, a) for a, b in pairs])


Widths = tuple[tuple[int, ...], ...]
"""The admitted bottleneck widths of each channel count."""


def choice_of(stage: StageSpace, block: str, r: int, i: int) -> Choice:
    """Columns of one family of a stage whose input map is ``r x r``.

    Raises
    ------
    SpecError
        If no kernel fits the map.
    """
    rules = stage.per_block.get(block, FamilyRules())
    lattice, ratio = rules.bottleneck or stage.bottleneck, rules.bottleneck_ratio or stage.bottleneck_ratio
    listed = (rules.kernels or stage.kernels).values
    kernels = tuple(k for k in listed if 3 * kernel_of(k)[1] <= 2 * r)
    if not kernels:
        sizes = brief(listed) if listed[-1] == kernel_of(listed[-1])[1] else ", ".join(map(kernel_text, listed))
        largest = (2 * r // 3 + 1) // 2 * 2 - 1  # the kernels are odd
        remedy = "raise input.resolution"
        if largest >= 1:
            remedy = f"use {'kernel 1' if largest == 1 else f'kernels up to {largest}'}, or {remedy}"
        raise SpecError(
            f"stages.{i}.kernels",
            f"no kernel of {sizes} fits a map of {r} x {r}",
            remedy,
        )
    widths = admitted_widths(lattice.values, ratio, stage.channels.values, stage.multiple_of)
    return Choice(block, widths, kernels, _excluded(stage, block, widths, kernels))


def _excluded(stage: StageSpace, block: str, widths: Widths, kernels: tuple[int, ...]) -> frozenset[tuple[int, int, int]]:
    """Columns of a family that the stage forbids."""
    excluded = set()
    for rule in stage.forbidden:
        if rule.block is not None and block not in rule.block:
            continue
        for c, admitted in zip(stage.channels.values, widths, strict=True):
            if rule.channels is None or c in rule.channels.values:
                some = [b for b in admitted if rule.bottleneck is None or b in rule.bottleneck.values]
                excluded |= {(c, b, k) for b in some for k in kernels if rule.kernels is None or k in rule.kernels.values}
    return frozenset(excluded)


@lru_cache(maxsize=8)  # super-blocks often have the same rules, and so do presets
def admitted_widths(values: tuple[int, ...], ratio: WidthRatio, channels: tuple[int, ...], multiple_of: int) -> Widths:
    """Bottleneck widths, of some ``values``, that go with each of some channel counts where all are multiples of a number."""
    every = (_admitted(values, ratio, c) if c % multiple_of == 0 else () for c in channels)
    return tuple(every) if multiple_of == 1 else tuple(tuple(b for b in some if b % multiple_of == 0) for some in every)


def _admitted(values: tuple[int, ...], ratio: WidthRatio, c: int) -> tuple[int, ...]:
    """Bottleneck widths that go with ``c`` channels; see :class:`WidthRatio`."""
    if ratio.listed is not None:
        scaled = [listed * c for listed in ratio.listed]
        return tuple(sorted({_nearest(values, target.numerator, target.denominator) for target in scaled}))
    assert ratio.min is not None
    least, divisor = ratio.min.numerator * c, ratio.min.denominator  # pairs of integers: fractions take ten times as long
    most = None if ratio.max is None else (ratio.max.numerator * c, ratio.max.denominator)
    first = bisect_left(values, -(-least // divisor))
    stop = len(values) if most is None else bisect_right(values, most[0] // most[1])
    admitted = list(values[first:stop])
    if "min" in ratio.to_rounding:
        nearest = _nearest(values, least, divisor)
        if (most is None or nearest * most[1] <= most[0]) and nearest not in admitted[:1]:
            admitted = sorted({nearest, *admitted})
    if "max" in ratio.to_rounding and most is not None:
        nearest = _nearest(values, *most)
        if nearest not in admitted[-1:]:
            admitted = sorted({nearest, *admitted})
    return tuple(admitted)


def _nearest(values: Sequence[int], numerator: int, denominator: int) -> int:
    """The lattice value nearest to a quotient; of two, the one at an even position, as rounding half to even does."""
    i = max(0, bisect_right(values, numerator // denominator) - 1)
    if i + 1 == len(values) or numerator <= values[i] * denominator:
        return values[i]
    twice, middle = 2 * numerator, (values[i] + values[i + 1]) * denominator
    if twice == middle:
        return values[i] if (i + 1) % 2 == 0 else values[i + 1]
    return values[i] if twice < middle else values[i + 1]


def brief(values: Sequence[int]) -> str:
    return str(list(values)) if len(values) <= 6 else f"{values[0]}..{values[-1]} ({len(values)} values)"
