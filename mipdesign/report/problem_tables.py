"""The table of a problem: its search space."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from ..figures.tables import Table, Value, columns
from ..networks.operation import kernel_text
from ..numerals import plain_number
from .preset_table import limits_text

if TYPE_CHECKING:
    from ..problem.problem import Problem
    from ..problem.specification import BitSpace, Lattice, RatioRange, WidthRatio


def problem_table(problem: Problem) -> Table:
    """The search space, one row per part."""
    quantised = problem.stem.bits is not None
    headings = ["part", "map", "stride", "block", "channels", "growth", "bottleneck", "b/C", "kernels", "depth"]
    headings += ["bits"] if quantised else []
    rows: list[tuple[Value, ...]] = []
    stem = problem.stem
    resolution = -(-problem.input.resolution // stem.stride)
    fixed = (f"{problem.input.resolution} → {resolution}", str(stem.stride), "conv", lattice_text(stem.channels))
    kernel = str(stem.kernel) if (stem.kernel_t or 1) == 1 else f"{stem.kernel_t}x{stem.kernel}"
    rows.append(("stem", *fixed, "", "", "", kernel, "", *([_pair_text(stem.bits)] if quantised else [])))
    for i, (stage, space) in enumerate(zip(problem.stages, problem.space, strict=True)):
        resolution = -(-space.resolution // stage.stride)
        rows.append(
            (
                f"stages.{i}",
                f"{space.resolution} → {resolution}",
                str(stage.stride),
                ", ".join(stage.block),
                lattice_text(stage.channels),
                range_text(stage.growth),
                lattice_text(stage.bottleneck),
                ratio_text(stage.bottleneck_ratio),
                ", ".join(map(kernel_text, sorted({k for choice in space.choices for k in choice.kernels}))),
                lattice_text(stage.depth) + ("" if stage.uniform else ", blocks differ"),
                *([_bits_text(stage.bits)] if quantised else []),
            )
        )
    if problem.head is not None:
        fixed = (f"{resolution} → {resolution}", "1", "conv", str(problem.head.channels))
        rows.append(("head", *fixed, "", "", "", "1", "", *([_pair_text(problem.head.bits)] if quantised else [])))
    return Table("The search space", columns(*headings, left=headings), tuple(rows))


def _pair_text(pair: tuple[int, int] | None) -> str:
    """Bits of activations and weights."""
    return "" if pair is None else f"{pair[0]}/{pair[1]}"


def _bits_text(space: BitSpace | None) -> str:
    """Bits of activations and of weights that a block may have."""
    return "" if space is None else f"{lattice_text(space.activations)} / {lattice_text(space.weights)}"


def lattice_text(lattice: Lattice) -> str:
    """A lattice in few characters: ``8..2048 by 8``, or its values."""
    values = lattice.values
    steps = {b - a for a, b in itertools.pairwise(values)}
    if len(values) > 4 and len(steps) == 1:
        return f"{values[0]}..{values[-1]}" + (f" by {steps.pop()}" if steps != {1} else "")
    if len(values) > 8:
        return f"{values[0]}..{values[-1]} ({len(values)} values)"
    return ", ".join(map(str, values))


def range_text(bounds: RatioRange | WidthRatio) -> str:
    """Bounds of a quotient."""
    low, high = (None if x is None else plain_number(x) for x in (bounds.min, bounds.max))
    low, high = (f"{x:g}" if isinstance(x, float) else x for x in (low, high))
    return f">= {low}" if high is None else f"{low}..{high}"


def ratio_text(ratio: WidthRatio) -> str:
    """Bounds of a width's ratio to its channels, or its values."""
    if ratio.listed is None:
        return range_text(ratio)
    return ", ".join(f"{float(value):g}" for value in ratio.listed)


def budgets_text(problem: Problem) -> str:
    """The budgets in one line."""
    return limits_text(problem.budgets.limits())
