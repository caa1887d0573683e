"""What frames and bits make of layer terms beside the logarithms of widths."""

from __future__ import annotations

import math

from ..networks.layer_factors import shape_of_map
from ..networks.operation import kernel_of
from ..networks.scores.factors import Quantisation
from ..problem.problem import Problem

Extras = dict[int, float]
"""Of each kernel, by its number."""
ExtrasOfBits = dict[tuple[int, int], float]
"""Of each pair of bits."""


def kernel_extras(problem: Problem) -> tuple[float, tuple[Extras, ...]]:
    """What the layer terms of the stem, and of a block of each super-block, have beside log widths, by kernel.

    The layer with the kernel has as many inputs more as this spans frames; where the score weighs kernels by the proportions
    of their maps, that weight multiplies them too.
    """
    frames, scoring = problem.input.frames, problem.scoring
    if frames is None:
        return 0.0, tuple(dict.fromkeys(kernels, 0.0) for kernels in _kernels(problem))
    weighs = scoring.formula.weighs_shapes
    resolution = (scoring.score_resolution or problem.input.resolution) // problem.stem.stride

    def extra(kernel_t: int, kernel: int, field: str) -> float:
        shape = shape_of_map(frames, resolution, kernel_t, kernel, field).value if weighs and kernel > 1 else 1.0
        return math.log(kernel_t) + math.log(shape)

    stem, found = extra(problem.stem.kernel_t or 1, problem.stem.kernel, "stem.kernel"), []
    for i, (space, kernels) in enumerate(zip(problem.space, _kernels(problem), strict=True)):
        resolution //= space.stride
        found.append({number: extra(*kernel_of(number), f"stages.{i}.kernels") for number in kernels})
    return stem, tuple(found)


def bit_extras(problem: Problem) -> ExtrasOfBits:
    """What the layer term of a convolution has beside its log width, by the pair of its bits; of all that the problem has."""
    pairs = {pair for space in problem.space for pair in space.bits}
    pairs |= {bits for bits in (problem.stem.bits, problem.head.bits if problem.head else None) if bits is not None}
    counts = problem.scoring.formula.counts_bits
    return {pair: math.log(Quantisation(*problem.scoring.sigmas, *pair).value) if counts else 0.0 for pair in sorted(pairs)}


def _kernels(problem: Problem) -> list[list[int]]:
    """The kernels of each super-block."""
    return [sorted({k for choice in space.choices for k in choice.kernels}) for space in problem.space]
