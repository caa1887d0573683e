"""Families of problems: a specification with other numbers of super-blocks, or with another step of channels and widths."""

from __future__ import annotations

import itertools
from typing import Any

from mipdesign.errors import SpecError

STRIDES = {
    3: (2, 2, 2),
    4: (2, 2, 2, 2),
    5: (2, 2, 2, 1, 2),
    6: (2, 2, 2, 1, 1, 2),
    7: (2, 2, 1, 2, 1, 1, 2),
    8: (2, 2, 1, 2, 1, 1, 2, 1),
    9: (2, 2, 1, 2, 1, 1, 2, 1, 1),
    10: (2, 2, 1, 2, 1, 1, 1, 2, 1, 1),
}
"""Strides by number of super-blocks: of stride 1 beyond four, as in ``deepmad-r18``."""


def with_super_blocks(data: dict[str, Any], count: int) -> dict[str, Any]:
    """A specification of another length: the first super-block stays, all others are like the second.

    Raises
    ------
    SpecError
        If there are no strides for that many.
    """
    if count not in STRIDES:
        raise SpecError("super_blocks", f"{count} super-blocks have no strides", f"give {min(STRIDES)} to {max(STRIDES)}")
    first, *rest = data["stages"]
    like = [first, *[rest[0] if rest else first] * (count - 1)]
    return data | {"stages": [stage | {"stride": stride} for stage, stride in zip(like, STRIDES[count], strict=True)]}


def with_step(data: dict[str, Any], step: int) -> dict[str, Any]:
    """A specification whose channels and widths are multiples of a step, as large as before; single values stay."""
    stages = [stage | {axis: _stepped(stage[axis], step) for axis in ("channels", "bottleneck")} for stage in data["stages"]]
    stem = data["stem"] | {"channels": _stepped(data["stem"]["channels"], step)}
    return data | {"stem": stem, "stages": stages}


def _stepped(lattice: Any, step: int) -> Any:
    """A lattice with another step; one that began at its own step begins at the new one."""
    if isinstance(lattice, dict):
        low, high, old = lattice["min"], lattice["max"], lattice.get("step", 1)
    elif isinstance(lattice, list) and len(lattice) > 1:
        low, high, old = lattice[0], lattice[-1], min(b - a for a, b in itertools.pairwise(lattice))
    else:
        return lattice
    first = step if low == old else -(-low // step) * step
    return {"min": first, "max": max(first, high // step * step), "step": step}
