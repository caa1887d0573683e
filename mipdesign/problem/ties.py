"""Super-blocks that are designed alike: one choice for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import model_validator

from ..errors import SpecError
from ..networks.architecture import Stage
from ..networks.architecture_file import Positive
from .specification import SpecModel, with_tuples

TIED = ("block", "channels", "bottleneck", "kernel", "depth")
"""What super-blocks may be asked to have in common; the names of the fields of a stage of an architecture."""


class TieSpec(SpecModel):
    """Super-blocks (counted from 1) that have to be the same in some respects."""

    stages: tuple[Positive, ...]
    same: tuple[Literal["block", "channels", "bottleneck", "kernel", "depth"], ...]

    @model_validator(mode="before")
    @classmethod
    def _as_tuple(cls, data: Any) -> Any:
        return with_tuples(with_tuples(data, "stages"), "same", texts=True)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.stages)) < 2:
            raise SpecError("stages", f"{list(self.stages)} ties nothing", "name at least two super-blocks, counted from 1")
        if not self.same:
            raise SpecError("same", "ties nothing", f"list some of {', '.join(TIED)}")
        return self

    def holds(self, stages: Sequence[Stage]) -> bool:
        """Whether the super-blocks of a network keep it."""
        return all(len({_value(stages[i - 1], axis) for i in self.stages}) == 1 for axis in self.same)


def _value(stage: Stage, axis: str) -> Any:
    """What a super-block is on an axis; kernels that span frames are equal in both sizes."""
    return (stage.kernel_t, stage.kernel) if axis == "kernel" else getattr(stage, axis)


@dataclass(frozen=True)
class Tie:
    """Super-blocks (from 0) that have one of :data:`TIED` in common."""

    axis: str
    stages: tuple[int, ...]


def joined(ties: Sequence[TieSpec]) -> tuple[Tie, ...]:
    """The ties, one per group of super-blocks and what they have in common; groups that share a super-block are one."""
    groups: list[tuple[str, set[int]]] = []
    for tie in ties:
        for axis in tie.same:
            joined = {i - 1 for i in tie.stages}
            apart = []
            for other, stages in groups:
                if other == axis and joined & stages:
                    joined |= stages
                else:
                    apart.append((other, stages))
            groups = [*apart, (axis, joined)]
    return tuple(Tie(axis, tuple(sorted(stages))) for axis, stages in groups)
