"""What frames and bits add to the layer terms of a network, stage by stage."""

from __future__ import annotations

from collections import Counter

from ..errors import SpecError
from .architecture import Architecture
from .scores.factors import Factor, KernelLength, MapShape, Quantisation

Factors = dict[Factor, int]
"""Factors, each with how many layers have it."""


def layer_factors(
    network: Architecture, *, shapes_at: int | None = None, sigmas: tuple[float, float] | None = None
) -> tuple[Factors, ...]:
    """What multiplies the widths of the layers of each stage in the entropy.

    Parameters
    ----------
    shapes_at:
        Resolution of the input at which kernels count by their proportions; ``None`` leaves these out.
    sigmas:
        Deviations of activations and weights before they are quantised; ``None`` leaves bits out.

    Raises
    ------
    SpecError
        If a kernel has exactly the proportions of its map, or no map is left for it.
    """
    found: list[Counter[Factor]] = [Counter() for _ in range(1 + network.stage_of[-1])]
    stem, of_stem, resolution = network.stem, found[0], shapes_at
    if resolution is not None:
        resolution //= stem.stride
    of_stem.update(_of_kernel(network, stem.kernel, stem.kernel_t, resolution, "stem"))
    of_stem.update(_of_bits((stem.bits,), sigmas))
    for i, (stage, j) in enumerate(zip(network.stages, network.stage_of, strict=True)):
        if resolution is not None:
            resolution //= stage.stride
        for index in range(stage.depth):
            kernel = stage.kernel[index] if isinstance(stage.kernel, tuple) else stage.kernel
            found[j].update(_of_kernel(network, kernel, stage.kernel_t, resolution, f"stages.{i}"))
            found[j].update(_of_bits(stage.bits[index] if stage.bits else (), sigmas))
    found[-1].update(_of_bits((network.head_bits,), sigmas))
    return tuple(map(dict, found))


def _of_kernel(network: Architecture, kernel: int, kernel_t: int, resolution: int | None, part: str) -> list[Factor]:
    """Factors of the convolution of an entry whose kernel spans frames."""
    factors: list[Factor] = [KernelLength(kernel_t)] if kernel_t > 1 else []
    if resolution is not None and kernel > 1:
        factors.append(shape_of_map(network.frames or 1, resolution, kernel_t, kernel, f"{part}.kernel"))
    return factors


def shape_of_map(frames: int, resolution: int, kernel_t: int, kernel: int, field: str) -> MapShape:
    """The factor of a kernel on a map.

    Raises
    ------
    SpecError
        With the field, if the factor is infinite, or there is no map.
    """
    if resolution == 0:
        raise SpecError("objective.score_resolution", f"leaves no map for {field}", "use a larger one")
    shape = MapShape(frames, resolution, kernel_t, kernel)
    if shape.infinite:
        text = f"{kernel_t} x {kernel} x {kernel} has the proportions of its map, {frames} x {resolution} x {resolution}"
        raise SpecError(field, f"{text}: its score is infinite", "use another kernel, frames or objective.score_resolution")
    return shape


def _of_bits(bits: tuple[tuple[int, int] | None, ...], sigmas: tuple[float, float] | None) -> list[Factor]:
    """Factors of some convolutions by their bits."""
    if sigmas is None:
        return []
    return [Quantisation(*sigmas, *pair) for pair in bits if pair is not None]
