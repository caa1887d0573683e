"""Frames and bits of a specification: what has to hold between its parts."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import SpecError, counted
from ..networks.blocks import FAMILIES
from ..networks.layer_factors import shape_of_map
from ..networks.operation import kernel_of, kernel_text
from ..networks.scoring import Scoring
from .space import SuperBlockSpace
from .specification import HeadSpace, Input, StageSpace, StemSpace

LEAST_WEIGHT_BITS = 2
"""Fewest bits of weights: their levels are symmetric, so that one bit has none but 0."""


def check_frames(given: Input, stem: StemSpace, stages: Sequence[StageSpace], spaces: Sequence[SuperBlockSpace]) -> None:
    """Kernels that span frames stand where there are frames, in blocks that have such kernels, and fit them.

    Raises
    ------
    SpecError
        With the field.
    """
    kernel_t = stem.kernel_t or 1
    if kernel_t % 2 == 0:
        raise SpecError("stem.kernel_t", f"{kernel_t} is even", "use an odd number of frames such as 1 or 3")
    if kernel_t > (given.frames or 1):
        raise SpecError("stem.kernel_t", _too_long(str(kernel_t), given), "use a shorter one, or state input.frames")
    for i, (stage, space) in enumerate(zip(stages, spaces, strict=True)):
        for block in stage.block:
            if given.frames is not None and not FAMILIES[block].temporal:
                known = sorted(name for name, family in FAMILIES.items() if family.temporal)
                raise SpecError(f"stages.{i}.block", f"{block} in a network of frames", f"use one of {known}")
        for code in sorted({code for choice in space.choices for code in choice.kernels}):
            if kernel_of(code)[0] > (given.frames or 1):
                text = _too_long(kernel_text(code), given)
                raise SpecError(f"stages.{i}.kernels", text, "use shorter ones, or state input.frames")


def _too_long(kernel: str, given: Input) -> str:
    return f"kernel {kernel} in a network of " + ("pictures" if given.frames is None else counted(given.frames, "frame"))


def check_shapes(scoring: Scoring, given: Input, stem: StemSpace, spaces: Sequence[SuperBlockSpace]) -> None:
    """Where a score weighs kernels by the proportions of their maps, there are frames, and every weight is finite.

    Raises
    ------
    SpecError
        With the field.
    """
    if not scoring.formula.weighs_shapes:
        return
    if given.frames is None:
        raise SpecError(
            "objective.score", f"{scoring.score} is a score of networks of video", "use madnas, or state input.frames"
        )
    resolution = (scoring.score_resolution or given.resolution) // stem.stride
    if stem.kernel > 1:
        shape_of_map(given.frames, resolution, stem.kernel_t or 1, stem.kernel, "stem.kernel")
    for i, space in enumerate(spaces):
        resolution //= space.stride
        for code in sorted({code for choice in space.choices for code in choice.kernels}):
            kernel_t, kernel = kernel_of(code)
            if kernel > 1:
                shape_of_map(given.frames, resolution, kernel_t, kernel, f"stages.{i}.kernels")


def check_bits(stem: StemSpace, stages: Sequence[StageSpace], head: HeadSpace | None) -> None:
    """Either every part has bits, or none has; and blocks that have some can be quantised.

    Raises
    ------
    SpecError
        With the field.
    """
    given: dict[str, object] = {"stem.bits": stem.bits} | {f"stages.{i}.bits": stage.bits for i, stage in enumerate(stages)}
    if head is not None:
        given["head.bits"] = head.bits
    if not any(given.values()):
        return
    for field, bits in given.items():
        if not bits:
            raise SpecError(field, "is missing where other parts have bits", "give all parts bits, or none")
    fewest = {f"stages.{i}.bits.weights": stage.bits.weights.values[0] for i, stage in enumerate(stages) if stage.bits}
    fewest |= {f"{name}.bits": part.bits[1] for name, part in (("stem", stem), ("head", head)) if part and part.bits}
    for field, weights in fewest.items():
        if weights < LEAST_WEIGHT_BITS:
            raise SpecError(field, f"{weights} bit of weights, whose only level is 0", f"use at least {LEAST_WEIGHT_BITS}")
    for i, stage in enumerate(stages):
        for block in stage.block:
            if FAMILIES[block].has_se:
                raise SpecError(f"stages.{i}.bits", f"{block} blocks cannot be quantised", "use a family without excitation")
