"""One-hot binaries, and products of a quantity with each of them; equations as in ``docs/formulations.md``."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

from mipdesign.lattice.position import Position
from mipdesign.mip.expressions import Expression, dot, linear_sum
from mipdesign.mip.start_values import Assignment, ValueRule

from .model_builder import ModelBuilder

Key = TypeVar("Key", bound=Hashable)


def one_hot(
    model: ModelBuilder, name: str, values: Sequence[int], read: Callable[[Position], int], priority: int
) -> dict[int, Expression]:
    """Binaries of which exactly one is 1, with an integer for its index among them; a single value needs neither."""
    if len(values) == 1:
        return {values[0]: model.one}

    def is_value(value: int) -> ValueRule:
        return lambda network: float(read(network.position) == value)

    def index(network: Assignment) -> float:
        return float(values.index(read(network.position)))

    binaries = {value: model.variable(f"{name}_{value}", "B", priority=priority, value=is_value(value)) for value in values}
    model.add(f"one_{name}", linear_sum(binaries.values()) == 1.0)
    if len(values) > 2:
        place = model.variable(f"{name}_place", "I", 0.0, len(values) - 1.0, priority + 1, index)
        model.add(f"place_{name}", dot(range(len(values)), binaries.values()) == place)
    return binaries


def copies(
    model: ModelBuilder, name: str, total: Expression, z: Mapping[Key, Expression], ranges: Mapping[Key, tuple[float, float]]
) -> dict[Key, Expression]:
    """Products of a quantity with each binary of a partition, as linear expressions.

    The product with ``z`` is ``low z + (high - low) e`` with ``0 <= e <= z``, and the products sum to the quantity.

    Parameters
    ----------
    z:
        The binaries by key.
    ranges:
        By key, bounds of the quantity where that binary is 1.
    """
    if len(z) == 1:
        return dict.fromkeys(z, total)

    def part(z_key: Expression, low: float, high: float) -> ValueRule:
        return lambda network: network.of(z_key) * (network.of(total) - low) / (high - low)

    products: dict[Key, Expression] = {}
    for place, (key, z_key) in enumerate(z.items()):
        low, high = ranges[key]
        products[key] = low * z_key
        if high > low:
            e = model.variable(f"{name}_{place}", value=part(z_key, low, high))
            model.add(f"on_{name}_{place}", e <= z_key)  # (28)
            products[key] += (high - low) * e
    if len({bound for key in z for bound in ranges[key]}) > 1:
        model.add(f"all_{name}", linear_sum(products.values()) == total)  # (28)
    return products
